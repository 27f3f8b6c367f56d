"""The compiled activations do what the NumPy ones do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd.kernels import elementwise as plain
from autograd.kernels._twins import settle

pytest.importorskip("numba")
if not settle():
    pytest.skip("compiled kernels are off", allow_module_level=True)

from autograd.kernels._numba import elementwise as compiled


def numpy_form(name: str) -> Any:
    return getattr(plain, name).__wrapped__


PARAMETERS = {"elu": (1.3, 1.1, 0.7), "softplus": (0.8, 5.0), "hardtanh": (-1.0, 2.0)}


@settings(deadline=None)
@given(
    shape=st.lists(st.integers(0, 40), max_size=3),
    double=st.booleans(),
    slope=st.sampled_from([0.01, 0.0, 2.0]),
)
def test_activations(shape: list[int], double: bool, slope: float) -> None:
    rng = np.random.default_rng(len(shape))
    dtype = np.float64 if double else np.float32
    x, g = (np.asarray(rng.standard_normal(shape)).astype(dtype) for _ in range(2))
    if x.size > 4:
        x.reshape(-1)[:4] = [0, np.nan, np.inf, -1]
    for name, args in (
        ("relu", (x,)),
        ("relu_grad", (g, x)),
        ("leaky_relu", (x, slope)),
        ("leaky_relu_grad", (g, x, slope)),
    ):
        with np.errstate(invalid="ignore"):
            expected = numpy_form(name)(*args)
        found = getattr(compiled, name)(*args)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected, err_msg=name)


@settings(deadline=None)
@given(
    name=st.sampled_from(sorted(plain.ACTIVATIONS)),
    shape=st.lists(st.integers(0, 40), max_size=3),
    double=st.booleans(),
    seed=st.integers(0, 9),
)
def test_exponentials_and_such(name: str, shape: list[int], double: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    dtype = np.float64 if double else np.float32
    x, g = (np.asarray(rng.standard_normal(shape) * 4).astype(dtype) for _ in range(2))
    if x.size > 6:
        x.reshape(-1)[:6] = [0, np.nan, np.inf, -300, 300, -20]
    parameters = PARAMETERS.get(name, ())
    tolerance = 20 * float(np.finfo(dtype).eps)
    for kernel, args in (("activation", (x,)), ("activation_grad", (g, x))):
        with np.errstate(invalid="ignore", over="ignore"):
            expected = numpy_form(kernel)(*args, name, *parameters)
        found = getattr(compiled, kernel)(*args, name, *parameters)
        assert found.dtype == dtype
        assert found.shape == x.shape
        np.testing.assert_allclose(
            found, expected, rtol=tolerance, atol=tolerance, err_msg=f"{name} {kernel}"
        )


def test_what_they_leave_to_numpy() -> None:
    x = np.ones((4, 4))
    assert compiled.relu(x[:, ::2]) is NotImplemented
    assert compiled.relu_grad(x, x.astype(np.float32)) is NotImplemented
    assert compiled.relu_grad(np.ones((2, 4, 4)), x) is NotImplemented
    assert compiled.activation(x.astype(np.float16), "silu") is NotImplemented
    assert compiled.activation_grad(np.ones((2, 4, 4)), x, "silu") is NotImplemented
