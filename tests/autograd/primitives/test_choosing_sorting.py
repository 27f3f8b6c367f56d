"""Choices between arrays, sorting and quantiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, gradcheck

Check = Callable[..., None]


def test_where(agrees: Check, draw: Any) -> None:
    a, b = draw((2, 3), (3,))
    condition = np.array([[True], [False]])
    agrees(lambda x, y: np.where(condition, x, y), a, b)
    agrees(lambda x: np.where(x > 0, x, 0), a)
    np.testing.assert_array_equal(np.where(Tensor(a) > 0), np.where(a > 0))
    np.testing.assert_array_equal(np.where(Tensor([1.0, 0.0, 2.0])), [[0, 2]])


def test_clip(agrees: Check, draw: Any) -> None:
    x, low = draw((2, 3), (3,))
    agrees(lambda t: np.clip(t, -0.5, 0.6), x)
    agrees(lambda t: np.clip(t, None, 0.6), x)
    agrees(lambda t: t.clip(0.1), x)
    agrees(lambda t: np.clip(t, min=-1, max=1), x)
    agrees(lambda t, b: np.clip(t, b - 0.013, b + 0.4), x, low)
    at_bounds = Tensor([-1.0, 1.0], requires_grad=True)
    np.clip(at_bounds, -1, 1).sum().backward()
    np.testing.assert_array_equal(at_bounds.grad.data, [1, 1])


def test_select(agrees: Check, draw: Any) -> None:
    x, y = draw((2, 3), (3,))
    agrees(lambda a, b: np.select([a > 1, a > 0], [a, b * a], -b), x, y)
    agrees(lambda a: np.select([a > 1], [a * a]), x)
    with pytest.raises(ValueError, match="choices"):
        np.select([x > 0], [Tensor(x), Tensor(x)])
    with pytest.raises(TypeError, match="booleans"):
        np.select([x], [Tensor(x)])


def test_choose(agrees: Check, draw: Any) -> None:
    x, y = draw((2, 3), (3,))
    index = np.array([[0, 1, 1], [1, 0, 0]])
    agrees(lambda a, b: np.choose(index, [a, b]), x, y)
    agrees(lambda a, b: np.choose(index + 5, [a, b], mode="wrap"), x, y)
    agrees(lambda a, b: np.choose(index * 7 - 3, [a, b], mode="clip"), x, y)
    with pytest.raises(ValueError, match="outside"):
        np.choose(index + 1, [Tensor(x), Tensor(y)])
    np.testing.assert_array_equal(Tensor(index).choose([x, y]).data, np.choose(index, [x, y]))


def test_piecewise(agrees: Check, draw: Any) -> None:
    x = draw((2, 3))
    agrees(lambda a: np.piecewise(a, [a < -1, a > 1], [np.exp, lambda v: v * v, -3.0]), x)
    agrees(lambda a: np.piecewise(a, [a > 0], [np.sqrt, np.sin]), x)  # no root of the negative
    agrees(lambda a: np.piecewise(a, a > 0, [lambda v, n: v**n, lambda v, n: v * n], 3), x[0])
    with pytest.raises(ValueError, match="functions"):
        np.piecewise(Tensor(x), [x > 0], [np.sin, np.cos, np.tan])


def test_nan_to_num() -> None:
    x = np.array([1.0, np.nan, np.inf, -np.inf, -2.0])
    t = Tensor(x, requires_grad=True)
    np.testing.assert_array_equal(np.nan_to_num(t).data, np.nan_to_num(x))
    settings = {"nan": 3.0, "posinf": 4.0, "neginf": 5.0}
    y = np.nan_to_num(t, **settings)
    np.testing.assert_array_equal(y.data, np.nan_to_num(x, **settings))
    (y * y).sum().backward()
    np.testing.assert_array_equal(t.grad.data, [2, 0, 0, 0, -4])
    np.testing.assert_array_equal(np.nan_to_num(Tensor([1, 2])).data, [1, 2])
    z = np.array([np.nan + 1j, 2 + 1j * np.inf])
    np.testing.assert_array_equal(np.nan_to_num(Tensor(z)).data, np.nan_to_num(z))
    single = Tensor(x, True, np.float32)
    assert np.nan_to_num(single).dtype == np.float32


@pytest.mark.parametrize("axis", [None, 0, 1, -1], ids=str)
def test_sort_and_partition(agrees: Check, draw: Any, axis: Any) -> None:
    x = draw((3, 4))
    agrees(lambda t: np.sort(t, axis), x)
    kth = 2
    got = np.partition(Tensor(x), kth, axis).data
    np.testing.assert_array_equal(np.take(got, kth, axis), np.take(np.sort(x, axis), kth, axis))
    assert gradcheck(lambda t: np.partition(t, kth, axis), Tensor(x, requires_grad=True))


def test_sort_keeps_nan_last_and_equal_elements_in_order() -> None:
    t = Tensor([2.0, np.nan, 1.0, 1.0], requires_grad=True)
    y = np.sort(t)
    np.testing.assert_array_equal(y.data, [1, 1, 2, np.nan])
    y.backward([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(t.grad.data, [3, 4, 1, 2])
    z = np.array([2 + 1j, 1 + 2j, 1 - 2j])
    np.testing.assert_array_equal(np.sort_complex(Tensor(z)).data, np.sort_complex(z))


def test_sort_method_sorts_in_place_as_numpy() -> None:
    leaf = Tensor([3.0, 1.0, 2.0], requires_grad=True)
    x = leaf * 1
    assert x.sort() is None
    np.testing.assert_array_equal(x.data, [1, 2, 3])
    (x * [1, 10, 100]).sum().backward()
    np.testing.assert_array_equal(leaf.grad.data, [100, 1, 10])
    x = leaf * 1
    x.partition(0)
    assert x.data[0] == 1


METHODS = [
    "linear",
    "lower",
    "higher",
    "nearest",
    "midpoint",
    "hazen",
    "weibull",
    "median_unbiased",
    "normal_unbiased",
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axis", [None, 0, (1, 2)], ids=str)
def test_quantile_methods(agrees: Check, draw: Any, method: str, axis: Any) -> None:
    x = draw((3, 2, 2))
    q = [0.0, 0.2, 0.5, 0.77, 1.0]
    agrees(lambda t: np.quantile(t, q, axis=axis, method=method), x)


@pytest.mark.parametrize("function", [np.quantile, np.percentile, np.nanquantile, np.nanpercentile])
def test_quantile_shapes(agrees: Check, draw: Any, function: Any) -> None:
    x = draw((3, 4))
    scale = 100 if "percentile" in function.__name__ else 1
    agrees(lambda t: function(t, 0.3 * scale, axis=1, keepdims=True), x)
    agrees(lambda t: function(t, np.array([[0.1], [0.9]]) * scale, axis=0), x)
    with pytest.raises(TypeError, match="with respect to"):
        function(Tensor(x), Tensor(0.5, requires_grad=True))
    with pytest.raises(ValueError, match="between 0 and 1"):
        function(Tensor(x), 1.5 * scale)


def test_quantiles_into_a_tensor() -> None:
    x, out = Tensor([[3.0, 1.0], [4.0, 8.0]], requires_grad=True), Tensor(np.zeros(2))
    for function in (np.median, lambda a, **k: np.quantile(a, 0.5, **k)):
        assert function(x, axis=1, out=out) is out
        np.testing.assert_array_equal(out.data, [2, 6])


def test_quantiles_with_nan_and_infinity() -> None:
    x = np.array([[1.0, np.nan, 3.0, 4.0], [-np.inf, 2.0, 5.0, np.inf]])
    t = Tensor(x, requires_grad=True)
    for q in (0.0, 0.4, 1.0):
        np.testing.assert_array_equal(np.nanquantile(t, q, axis=1).data[0], np.nanquantile(x[0], q))
        assert np.isnan(np.quantile(t, q, axis=1).data[0])
    assert np.quantile(t, 0.0, axis=1).data[1] == -np.inf
    assert np.isnan(np.median(t, axis=1).data[0])
    np.testing.assert_allclose(np.nanmedian(t, axis=1).data, [3.0, 3.5])


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2)], ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_median(agrees: Check, draw: Any, axis: Any, keepdims: bool) -> None:
    agrees(lambda t: np.median(t, axis=axis, keepdims=keepdims), draw((3, 4, 2)))


def test_median_shares_its_gradient_between_the_two_in_the_middle() -> None:
    t = Tensor([4.0, 1.0, 3.0, 2.0], requires_grad=True)
    np.median(t).backward()
    np.testing.assert_array_equal(t.grad.data, [0, 0, 0.5, 0.5])
