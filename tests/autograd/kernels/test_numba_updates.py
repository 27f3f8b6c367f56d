"""The compiled steps give what the NumPy ones give, bit for bit."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd.kernels import updates as plain
from autograd.kernels._twins import settle

pytest.importorskip("numba")
if not settle():
    pytest.skip("compiled kernels are off", allow_module_level=True)

from autograd.kernels._numba import updates as compiled


def both(name: str, arrays: list[Any], count: int, *settings: Any) -> None:
    """Take three steps with either form, and compare all arrays.

    Without BLAS, which may round a product and a sum together.
    """
    found = [None if a is None else a.copy() for a in arrays]
    expected = [None if a is None else a.copy() for a in arrays]
    scratch = [np.empty_like(arrays[0]) for _ in range(2)]
    for _ in range(3):
        assert getattr(compiled, name)(*found, *[None] * (count - 1), scratch, *settings) is None
        with mock.patch.object(plain, "_by_blas", return_value=None):
            getattr(plain, name).__wrapped__(*expected, *[None] * (count - 1), scratch, *settings)
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_array_equal(f, e)


def drawn(size: int, count: int, double: bool) -> list[Any]:
    rng = np.random.default_rng(size)
    dtype = np.float64 if double else np.float32
    return [(rng.random(size) * 10.0 ** rng.integers(-6, 2)).astype(dtype) for _ in range(count)]


@settings(deadline=None)
@given(
    size=st.integers(1, 300) | st.just(70_001),
    double=st.booleans(),
    inside=st.booleans(),
    regularised=st.sampled_from([(0.0, 1.0), (0.01, 1.0), (0.0, 0.999)]),
)
def test_adam(size: int, double: bool, inside: bool, regularised: tuple[float, float]) -> None:
    options = ((0.9, 0.999), 1e-3, 1e-8, inside, *regularised)
    both("adam_step", drawn(size, 4, double), 2, *options)


@settings(deadline=None)
@given(
    size=st.integers(1, 300) | st.just(70_001),
    double=st.booleans(),
    decay=st.sampled_from([0.0, 0.01]),
    kind=st.sampled_from(
        [(0.0, 0.0, False), (0.9, 0.0, False), (0.9, 0.5, False), (0.9, 0.0, True)]
    ),
)
def test_sgd(size: int, double: bool, decay: float, kind: tuple[float, float, bool]) -> None:
    p, g, m = drawn(size, 3, double)
    both("sgd_step", [p, g, m if kind[0] else None], 1, 0.1, *kind, decay)


def test_what_they_leave_to_numpy() -> None:
    a = np.ones((4, 4))
    betas = (0.9, 0.999)
    step = compiled.adam_step
    assert step(a, a.T, a, a, None, [a], betas, 0.1, 0.1, False, 0.0, 1.0) is NotImplemented
    assert step(a, a, a, a, a, [a], betas, 0.1, 0.1, False, 0.0, 1.0) is NotImplemented
    half = a.astype(np.float32)
    assert compiled.sgd_step(a, half, None, [a], 0.1, 0.0, 0.0, False, 0.0) is NotImplemented
