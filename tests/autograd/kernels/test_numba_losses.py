"""The compiled softmax and cross-entropy do what the NumPy ones do."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd.kernels import losses as plain
from autograd.kernels._twins import settle

pytest.importorskip("numba")
if not settle():
    pytest.skip("compiled kernels are off", allow_module_level=True)

from autograd.kernels._numba import losses as compiled

forward, backward, numpy_softmax, numpy_softmax_grad = (
    inspect.unwrap(kernel)
    for kernel in (plain.cross_entropy, plain.cross_entropy_grad, plain.softmax, plain.softmax_grad)
)

DTYPES = st.sampled_from([np.float32, np.float64])


@settings(deadline=None)
@given(
    count=st.integers(1, 200),
    classes=st.integers(1, 150),
    shared=st.booleans(),
    spread=st.sampled_from([0.1, 5.0, 500.0]),
    kind=st.sampled_from([np.int64, np.int32, np.uint8]),
    dtype=DTYPES,
)
def test_cross_entropy(
    count: int, classes: int, shared: bool, spread: float, kind: type, dtype: type
) -> None:
    rng = np.random.default_rng(count * classes)
    x = (rng.standard_normal((count, classes)) * spread).astype(dtype)
    target = rng.integers(0, classes, count).astype(kind)
    expected, slopes, sums = forward(x, target)
    found, own_slopes, own_sums = compiled.cross_entropy(x, target)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)
    others = np.arange(classes) != target[:, np.newaxis]
    np.testing.assert_allclose(own_slopes[others], slopes[others], rtol=1e-6, atol=1e-37)
    # At the true class the sum has been subtracted, and rounding is that of the sum.
    assert (np.abs(own_slopes - slopes)[~others] <= 1e-6 * sums).all()
    assert found.dtype == dtype
    g = dtype(0.5) if shared else rng.standard_normal(count).astype(dtype)
    gx = compiled.cross_entropy_grad(own_slopes, own_sums, g)
    np.testing.assert_allclose(gx, backward(slopes, sums, g), atol=1e-6)


@settings(deadline=None)
@given(
    count=st.integers(1, 200),
    classes=st.integers(1, 150),
    spread=st.sampled_from([0.1, 5.0, 500.0]),
    log=st.booleans(),
    dtype=DTYPES,
)
def test_softmax(count: int, classes: int, spread: float, log: bool, dtype: type) -> None:
    rng = np.random.default_rng(count * classes)
    x, g = (rng.standard_normal((2, count, classes)) * spread).astype(dtype)
    tolerance = 16 * float(np.finfo(dtype).eps)
    expected = numpy_softmax(x, log)
    found = compiled.softmax(x, log)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    gx = numpy_softmax_grad(g, expected, log)
    scale = tolerance * spread * np.sqrt(classes)
    np.testing.assert_allclose(
        compiled.softmax_grad(g, expected, log), gx, rtol=tolerance, atol=scale
    )


@pytest.mark.parametrize("log", [False, True])
def test_softmax_of_infinite_values_and_nan(log: bool) -> None:
    x = np.zeros((5, 20))
    x[0, 3], x[1, 3], x[2, 3], x[3] = -np.inf, np.inf, np.nan, -np.inf
    with np.errstate(all="ignore"):
        expected = numpy_softmax(x, log)
    np.testing.assert_allclose(compiled.softmax(x, log), expected, rtol=1e-12)


@pytest.mark.parametrize("classes", [20, 200])
def test_infinite_logits_and_nan(classes: int) -> None:
    x = np.zeros((5, classes), np.float32)
    x[0, 3], x[1, 3], x[2, 3], x[3] = -np.inf, np.inf, np.nan, -np.inf
    target = np.array([0, 0, 0, 0, 0])
    with np.errstate(all="ignore"):
        expected = forward(x, target)[0]
        np.testing.assert_allclose(compiled.cross_entropy(x, target)[0], expected, rtol=1e-6)


def test_more_rows_of_few_classes_than_are_worked_on_at_a_time() -> None:
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((3000, 7)), rng.integers(0, 7, 3000)
    for expected, found in zip(forward(x, target), compiled.cross_entropy(x, target), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_what_it_leaves_to_numpy() -> None:
    x = np.ones((3, 4))
    target = np.zeros(3, np.int64)
    assert compiled.cross_entropy(x[:, ::2], target) is NotImplemented
    assert compiled.cross_entropy_grad(x.T, x[:, 0], 1.0) is NotImplemented
    assert compiled.softmax(x.astype(np.float16)) is NotImplemented
    assert compiled.softmax_grad(x, x.astype(np.float32)) is NotImplemented
