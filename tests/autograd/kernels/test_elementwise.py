"""Activations on arrays, against their definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd import kernels

SHAPES = [(), (5,), (3, 4), (300_001,), (1100, 1000)]


def drawn(shape: tuple[int, ...], dtype: Any) -> Any:
    x = np.asarray(np.random.default_rng(0).standard_normal(shape)).astype(dtype)
    if x.ndim:
        x.reshape(-1)[::7] = 0
    return x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("flipped", [False, True])
def test_relu_and_its_gradient(shape: tuple[int, ...], dtype: Any, flipped: bool) -> None:
    x, g = drawn(shape, dtype), drawn(shape, dtype) + 1
    if flipped:
        x, g = x.T, np.array(g.T, order="F")
    y = kernels.relu(x)
    np.testing.assert_array_equal(y, np.where(x > 0, x, 0))
    np.testing.assert_array_equal(kernels.relu_grad(g, y), np.where(x > 0, g, 0))
    assert y.dtype == dtype


@pytest.mark.parametrize("slope", [0.01, 0.0, 1.0, 2.5, -0.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_leaky_relu_and_its_gradient(shape: tuple[int, ...], slope: float) -> None:
    x, g = drawn(shape, np.float32), drawn(shape, np.float32) + 1
    factor = np.where(x > 0, np.float32(1), np.float32(slope))
    np.testing.assert_array_equal(kernels.leaky_relu(x, slope), x * factor)
    np.testing.assert_array_equal(kernels.leaky_relu_grad(g, x, slope), g * factor)


@pytest.mark.parametrize("shape", SHAPES)
def test_sigmoid(shape: tuple[int, ...]) -> None:
    x = drawn(shape, np.float32) * 30
    expected = 1 / (1 + np.exp(-x.astype(np.float64)))
    np.testing.assert_allclose(kernels.sigmoid(x), expected, rtol=2e-6, atol=1e-30)


@pytest.mark.parametrize("size", [3, 300_000])
def test_nan_stays(size: int) -> None:
    x = np.full(size, np.nan, np.float32)
    for function in (kernels.relu, kernels.sigmoid, lambda x: kernels.leaky_relu(x, 0.1)):
        assert np.isnan(function(x)).all()


def test_a_stack_of_gradients() -> None:
    x = drawn((5, 2000), np.float64)
    g = np.ones((3, *x.shape))
    np.testing.assert_array_equal(kernels.relu_grad(g, x)[1], x > 0)
    np.testing.assert_array_equal(kernels.leaky_relu_grad(g, x, 0.5)[2], np.where(x > 0, 1, 0.5))
