"""Activations on arrays, against their definitions."""

from __future__ import annotations

import math
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


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def normal(x: Any) -> Any:
    return np.vectorize(math.erfc, otypes=[float])(-x / math.sqrt(2)) / 2


def gelu_tanh(x: Any) -> Any:
    return x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


# By name: parameters, and the definition.
ACTIVATIONS: dict[str, tuple[tuple[float, ...], Any]] = {
    "elu": ((1.5, 1.2, 0.8), lambda x: 1.2 * np.where(x > 0, x, 1.5 * np.expm1(0.8 * x))),
    "gelu": ((), lambda x: x * normal(x)),
    "gelu_tanh": ((), gelu_tanh),
    "hardtanh": ((-0.5, 2.0), lambda x: np.clip(x, -0.5, 2)),
    "mish": ((), lambda x: x * np.tanh(np.logaddexp(x, 0))),
    "sigmoid": ((), sigmoid),
    "silu": ((), lambda x: x * sigmoid(x)),
    "softplus": ((0.5, 20.0), lambda x: np.logaddexp(0.5 * x, 0) / 0.5),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (3, 4), (1001, 300)])
def test_activations(shape: tuple[int, ...], dtype: Any, name: str) -> None:
    x = drawn(shape, dtype) * dtype(8)
    parameters, definition = ACTIVATIONS[name]
    with np.errstate(over="ignore"):
        expected = definition(x.astype(np.float64))
    y = kernels.activation(x, name, *parameters)
    assert y.dtype == dtype
    tolerance = 20 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance / 8)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_of_activations(name: str) -> None:
    x = np.linspace(-12, 12, 10_001)
    parameters, definition = ACTIVATIONS[name]
    step = 1e-5
    expected = (definition(x + step) - definition(x - step)) / (2 * step)
    saved = kernels.activation(x, name) if name == "sigmoid" else x
    found = kernels.activation_grad(np.full_like(x, 3), saved, name, *parameters)
    smooth = np.ones(x.shape, bool)
    for corner in (-0.5, 0, 2) if name in ("elu", "hardtanh") else ():
        smooth &= abs(x - corner) > 1e-3
    np.testing.assert_allclose(found[smooth], 3 * expected[smooth], atol=1e-8)


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh", "mish", "sigmoid", "silu", "softplus"])
def test_small_values_keep_their_digits(name: str) -> None:
    x = np.linspace(-9, -3, 10_001)
    parameters, definition = ACTIVATIONS[name]
    expected = definition(x)
    if name == "softplus":
        expected = np.log1p(np.exp(0.5 * x)) / 0.5
    for dtype in (np.float32, np.float64):
        found = kernels.activation(x.astype(dtype), name, *parameters)
        np.testing.assert_allclose(found, expected, rtol=1000 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_tail_of_the_sigmoid(dtype: Any) -> None:
    x = np.array([-math.inf, -1e4, -700, -80, -15, -12, -11, 12, 1e4, math.inf], dtype)
    with np.errstate(over="raise", invalid="raise"):
        y = kernels.activation(x, "sigmoid")
    assert y.dtype == dtype
    with np.errstate(over="ignore"):
        expected = (1 / (1 + np.exp(-x.astype(np.longdouble)))).astype(dtype)
    tiny = np.finfo(dtype).smallest_normal if dtype != np.float16 else 1e-7
    np.testing.assert_allclose(y, expected, rtol=4 * np.finfo(dtype).eps, atol=float(tiny))
    assert y[0] == 0
    assert y[-1] == 1


@pytest.mark.parametrize("size", [3, 300_000])
def test_nan_stays(size: int) -> None:
    x = np.full(size, np.nan, np.float32)
    for function in (kernels.relu, lambda x: kernels.leaky_relu(x, 0.1)):
        assert np.isnan(function(x)).all()
    for name, (parameters, _) in ACTIVATIONS.items():
        assert np.isnan(kernels.activation(x, name, *parameters)).all()


def test_a_stack_of_gradients() -> None:
    x = drawn((5, 2000), np.float64)
    g = np.ones((3, *x.shape))
    np.testing.assert_array_equal(kernels.relu_grad(g, x)[1], x > 0)
    np.testing.assert_array_equal(kernels.leaky_relu_grad(g, x, 0.5)[2], np.where(x > 0, 1, 0.5))
