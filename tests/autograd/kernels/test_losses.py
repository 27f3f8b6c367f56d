"""Cross-entropy on arrays, against its definition in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd import kernels
from autograd.kernels._settings import SETTINGS


def defined(x: Any, target: Any) -> tuple[Any, Any]:
    """Losses and softmax, in float64."""
    x = x.astype(np.float64)
    x = x - x.max(1, keepdims=True)
    sums = np.exp(x).sum(1, keepdims=True)
    return (np.log(sums) - np.take_along_axis(x, target[:, None], 1))[:, 0], np.exp(x) / sums


@settings(deadline=None)
@given(
    count=st.integers(1, 40),
    classes=st.integers(1, 90),
    double=st.booleans(),
    shared=st.booleans(),
    spread=st.sampled_from([0.1, 5.0, 500.0]),
)
def test_losses_and_gradient(
    count: int, classes: int, double: bool, shared: bool, spread: float
) -> None:
    rng = np.random.default_rng(count * classes)
    dtype = np.float64 if double else np.float32
    x = (rng.standard_normal((count, classes)) * spread).astype(dtype)
    target = rng.integers(0, classes, count)
    losses, slopes, sums = kernels.cross_entropy(x, target)
    expected, share = defined(x, target)
    tolerance = 1e-12 if double else 2e-6
    np.testing.assert_allclose(losses, expected, rtol=tolerance, atol=tolerance)
    g = dtype(0.5) if shared else rng.standard_normal(count).astype(dtype)
    gx = kernels.cross_entropy_grad(slopes, sums, g)
    hit = np.eye(classes)[target]
    np.testing.assert_allclose(gx, (share - hit) * np.expand_dims(g, -1), atol=tolerance)
    assert losses.dtype == gx.dtype == dtype
    assert gx.flags.c_contiguous


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "shape", [(3000, 30), (300, 300), (2, 70_000), (20_000, 30), (70_000, 2), (1500, 300)]
)
def test_large_batches_in_threads(
    shape: tuple[int, int], compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SETTINGS, "may_compile", compiled and SETTINGS.may_compile)
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    target = rng.integers(0, shape[1], shape[0])
    losses, slopes, sums = kernels.cross_entropy(x, target)
    expected, share = defined(x, target)
    np.testing.assert_allclose(losses, expected, atol=4e-6)
    gx = kernels.cross_entropy_grad(slopes, sums, np.float32(2))
    np.testing.assert_allclose(
        gx, 2 * (share - (target[:, None] == np.arange(shape[1]))), atol=4e-6
    )


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", [np.int8, np.int32, np.int64, np.uint8])
@pytest.mark.parametrize("shape", [(5, 3), (5, 100), (3000, 30)])
def test_targets_that_are_no_classes(
    shape: tuple[int, int], kind: Any, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SETTINGS, "may_compile", compiled and SETTINGS.may_compile)
    monkeypatch.setattr(SETTINGS, "kernels", "numba" if SETTINGS.may_compile else "numpy")
    x = np.zeros(shape, np.float32)
    for wrong in (-1, -100, shape[1], 127):
        target = np.zeros(shape[0], kind)
        if 0 <= wrong < shape[1] or not np.iinfo(kind).min <= wrong <= np.iinfo(kind).max:
            continue
        target[-1] = wrong
        with pytest.raises(IndexError, match=f"a target is not from 0 to {shape[1] - 1}"):
            kernels.cross_entropy(x, target)
    np.testing.assert_allclose(kernels.cross_entropy(x[:0], target[:0])[0], [])


def test_infinite_logits() -> None:
    x = np.array([[0.0, -np.inf, 1.0], [-np.inf, 0.0, -np.inf]], np.float32)
    losses, _, _ = kernels.cross_entropy(x, np.array([2, 1]))
    np.testing.assert_allclose(losses, [np.log1p(np.exp(-1)), 0.0], rtol=1e-6)
    with np.errstate(all="ignore"):
        hopeless = np.full((2, 3), -np.inf, np.float32)
        assert np.isnan(kernels.cross_entropy(hopeless, np.array([0, 1]))[0]).all()
        assert np.isnan(kernels.cross_entropy(x * np.nan, np.array([0, 1]))[0]).all()


@pytest.mark.parametrize("classes", [2, 3, 100])
@pytest.mark.parametrize("count", [4, 2000])
@pytest.mark.parametrize("compiled", [False, True])
def test_logits_whose_squares_overflow(
    count: int, classes: int, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing warns of them, and beside one that has no finite maximum the others stay exact."""
    monkeypatch.setattr(SETTINGS, "may_compile", compiled and SETTINGS.may_compile)
    x = np.random.default_rng(0).standard_normal((count, classes)).astype(np.float32)
    x[1] = 1e30
    x[2] += 1e4
    target = np.arange(count) % classes
    losses, _, _ = kernels.cross_entropy(x, target)
    np.testing.assert_allclose(losses, defined(x, target)[0], rtol=2e-6, atol=2e-6)
    x[0] = -np.inf
    with np.errstate(all="ignore"):
        losses, _, _ = kernels.cross_entropy(x, target)
    assert np.isnan(losses[0])
    np.testing.assert_allclose(losses[1:], defined(x[1:], target[1:])[0], rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("shape", [(3, 1), (7, 20), (900, 300)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_and_its_gradient(shape: tuple[int, int], dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal((2, *shape)) * 5).astype(dtype)
    target = np.zeros(len(x), np.int64)
    losses, share = defined(x, target)
    tolerance = 1e-10 if dtype == np.float64 else 1e-4
    y, z = kernels.softmax(x), kernels.softmax(x, log=True)
    np.testing.assert_allclose(y, share, rtol=tolerance)
    np.testing.assert_allclose(z, np.log(share), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(-z[:, 0], losses, rtol=tolerance, atol=tolerance)
    of_y = share * (g - (g * share).sum(1, keepdims=True))
    of_z = g - share * g.sum(1, keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(kernels.softmax_grad(g, y), of_y, atol=tolerance)
    np.testing.assert_allclose(kernels.softmax_grad(g, z, log=True), of_z, atol=10 * tolerance)
