"""Reductions, running reductions and statistics: NumPy's values and derivatives in every form."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad, gradcheck, gradgradcheck

Check = Callable[..., None]
AXES = [None, 0, -1, (0, 2), ()]
REDUCTIONS = [np.sum, np.mean, np.prod, np.max, np.min, np.amax, np.var, np.std, np.ptp]
NAN_REDUCTIONS = [
    np.nansum,
    np.nanprod,
    np.nanmean,
    np.nanmax,
    np.nanmin,
    np.nanvar,
    np.nanstd,
    np.nanmedian,
]
MASK = np.array([[[True, False]], [[True, True]], [[False, True]]])


def name_of(function: Any) -> str:
    return function.__name__


@pytest.mark.parametrize("function", REDUCTIONS, ids=name_of)
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_axes(agrees: Check, draw: Any, function: Any, axis: Any, keepdims: bool) -> None:
    flat = axis == () and function in (
        np.var,
        np.std,
    )  # no spread, so nothing to differentiate twice
    agrees(lambda x: function(x, axis=axis, keepdims=keepdims), draw((3, 2, 2)), second=not flat)


@pytest.mark.parametrize("function", REDUCTIONS, ids=name_of)
def test_a_number(draw: Any, function: Any) -> None:
    x = Tensor(1.5, requires_grad=True)
    function(x).backward()
    expected = 0 if function in (np.var, np.std, np.ptp) else 1
    assert x.grad.item() == expected


@pytest.mark.parametrize("function", [np.sum, np.prod, np.var], ids=name_of)
def test_no_elements(agrees: Check, function: Any) -> None:
    agrees(lambda x: function(x, axis=1), np.zeros((0, 3)))
    if function is not np.var:
        agrees(lambda x: function(x, axis=0), np.zeros((0, 3)))


def test_extremes_without_elements(agrees: Check) -> None:
    agrees(lambda x: np.max(x, axis=1), np.zeros((0, 3)))
    result = np.max(Tensor(np.zeros((2, 0)), requires_grad=True), axis=1, initial=0.5)
    np.testing.assert_array_equal(result.data, [0.5, 0.5])
    with pytest.raises(ValueError, match="max"):
        np.max(Tensor(np.zeros(0)))


@pytest.mark.parametrize("function", [np.sum, np.prod, np.max, np.min], ids=name_of)
def test_where_and_initial(agrees: Check, draw: Any, function: Any) -> None:
    x = draw((3, 2, 2))
    agrees(lambda t: function(t, axis=(0, 1), where=MASK, initial=-0.4), x)
    agrees(lambda t: function(t, initial=0.3), x)


@pytest.mark.parametrize("function", [np.mean, np.var, np.std], ids=name_of)
def test_where_of_averages(agrees: Check, draw: Any, function: Any) -> None:
    x = draw((3, 2, 2))
    agrees(lambda t: function(t, axis=(0, 1), where=MASK), x)
    if function is np.mean:
        agrees(lambda t: function(t, axis=0, where=MASK, keepdims=True), x)


@pytest.mark.parametrize("function", [np.var, np.std], ids=name_of)
@pytest.mark.parametrize("ddof", [0, 1, 1.5])
def test_ddof(agrees: Check, draw: Any, function: Any, ddof: float) -> None:
    agrees(lambda x: function(x, axis=1, ddof=ddof), draw((2, 4)))
    agrees(lambda x: function(x, axis=1, correction=ddof), draw((2, 4)))


def test_a_given_mean(agrees: Check, draw: Any) -> None:
    x = draw((2, 4))
    agrees(lambda t: np.var(t, axis=1, mean=np.mean(t, axis=1, keepdims=True)), x)


def test_standard_deviation_of_equal_elements_has_slope_zero() -> None:
    x = Tensor([[2.0, 2.0, 2.0], [1.0, 2.0, 3.0]], requires_grad=True)
    np.std(x, axis=1).sum().backward()
    np.testing.assert_array_equal(x.grad.data[0], 0)
    np.testing.assert_allclose(x.grad.data[1], np.array([-1, 0, 1]) / np.sqrt(6))


@pytest.mark.parametrize("function", [np.sum, np.mean, np.prod, np.cumsum, np.cumprod], ids=name_of)
def test_dtype_and_out(function: Any) -> None:
    x = Tensor([[1.5, 2.0], [3.0, 4.0]], True, np.float32)
    wide = function(x, axis=0, dtype=np.float64)
    assert wide.dtype == np.float64
    (wide * wide).sum().backward()
    assert x.grad.dtype == np.float32
    out = Tensor(np.zeros(wide.shape))
    assert function(x, axis=0, out=out) is out
    np.testing.assert_allclose(out.data, wide.data)
    with pytest.raises(TypeError, match="lose the gradient"):
        function(x, axis=0, out=np.zeros(wide.shape, np.float32))


@pytest.mark.parametrize("axis", [None, -1, 1, 0, (0, 1), (1, 0)])
@pytest.mark.parametrize("extreme", [np.max, np.min])
def test_one_gradient_goes_where_those_of_a_stack_go(extreme: Any, axis: Any) -> None:
    x = Tensor([[1.0, 2.0, 1.0], [2.0, 1.0, 2.0]], requires_grad=True)  # all have an equal
    y = extreme(x, axis=axis)
    node = y.node
    assert node is not None
    g = np.arange(1.0, y.size + 1).reshape(y.shape)
    (alone,) = node.primitive.vjp(g, node.saved, node, node.edges, None)
    (stack,) = node.primitive.vjp(np.stack([g, 2 * g]), node.saved, node, node.edges, None)
    np.testing.assert_array_equal(stack, [alone, 2 * alone])


def test_extremes_give_the_gradient_to_the_first_of_equals() -> None:
    x = Tensor([[1.0, 3.0, 3.0], [3.0, 0.0, 0.0]], requires_grad=True)
    np.max(x).backward()
    np.testing.assert_array_equal(x.grad.data, [[0, 1, 0], [0, 0, 0]])
    x.grad = None
    np.min(x, axis=1).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [[1, 0, 0], [0, 1, 0]])


ZEROS = {
    "no zero": [1.5, -2.0, 0.5, 3.0],
    "one zero": [1.5, 0.0, 0.5, 3.0],
    "two zeros": [0.0, 0.0, 0.5, 3.0],
    "three zeros": [0.0, 2.0, 0.0, 0.0],
}


@pytest.mark.parametrize("values", ZEROS.values(), ids=ZEROS)
@pytest.mark.parametrize("function", [np.prod, np.cumprod, np.multiply.accumulate])
def test_products_with_zeros(values: list[float], function: Any) -> None:
    x = Tensor(values, requires_grad=True)
    assert gradcheck(function, x)
    assert gradgradcheck(function, x)


def test_third_derivative_of_a_product_of_zeros() -> None:
    x = Tensor([0.0, 0.0, 0.0], requires_grad=True)
    y = np.prod(x)
    for i in range(3):
        (y,) = grad(y, x, create_graph=True)
        y = y[i]
    assert y.item() == 1.0


@pytest.mark.parametrize(
    "function", [np.cumsum, np.cumprod, np.nancumsum, np.nancumprod], ids=name_of
)
@pytest.mark.parametrize("axis", [None, 0, 1, -1], ids=str)
def test_running(agrees: Check, draw: Any, function: Any, axis: Any) -> None:
    agrees(lambda x: function(x, axis), draw((3, 2, 2)))


@pytest.mark.skipif(not hasattr(np, "cumulative_sum"), reason="since NumPy 2.1")
def test_cumulative(agrees: Check, draw: Any) -> None:
    for function in (np.cumulative_sum, np.cumulative_prod):
        agrees(lambda x, f=function: f(x, axis=1, include_initial=True), draw((2, 3)))
        agrees(function, draw((4,)))
        with pytest.raises(ValueError, match="axis"):
            function(Tensor(np.zeros((2, 2))))


@pytest.mark.parametrize("function", NAN_REDUCTIONS, ids=name_of)
@pytest.mark.parametrize("axis", [None, 0, 1], ids=str)
def test_nan_is_left_out(draw: Any, function: Any, axis: Any) -> None:
    x = draw((3, 4))
    x[0, 1] = x[2, 3] = np.nan
    t = Tensor(x, requires_grad=True)
    for keepdims in (False, True):
        y = function(t, axis=axis, keepdims=keepdims)
        np.testing.assert_allclose(y.data, function(x, axis=axis, keepdims=keepdims), rtol=1e-12)
    y.sum().backward()
    assert np.all(t.grad.data[np.isnan(x)] == 0)
    present = Tensor(x[~np.isnan(x)], requires_grad=True)

    def of_present(values: Any) -> Any:
        full = np.full(x.shape, np.nan)
        holes = Tensor(full)
        holes[~np.isnan(x)] = values
        return function(holes, axis=axis)

    assert gradcheck(of_present, present)
    assert gradgradcheck(of_present, present)


def test_running_without_nan() -> None:
    x = Tensor([1.0, np.nan, 3.0], requires_grad=True)
    np.nancumsum(x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [3, 0, 1])


@pytest.mark.parametrize("function", [np.nanmax, np.nanmin, np.nanvar], ids=name_of)
def test_nothing_but_nan_warns_as_numpy(function: Any) -> None:
    x = np.array([[np.nan, np.nan], [1.0, 2.0]])
    with pytest.warns(RuntimeWarning):
        got = function(Tensor(x, requires_grad=True), axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(got.data, function(x, axis=1))


def test_average(agrees: Check, draw: Any) -> None:
    x, w = draw((2, 3), (2, 3), low=0.2)
    agrees(lambda a, b: np.average(a, weights=b), x, w)
    agrees(lambda a, b: np.average(a, 1, weights=b, keepdims=True), x, w)
    agrees(lambda a, b: np.average(a, axis=1, weights=b), x, w[0])
    agrees(lambda a, b: np.average(a, axis=0, weights=b, returned=True), x, w)
    agrees(lambda a: np.average(a, axis=0), x)
    agrees(lambda a: np.average(a, weights=[[1, 2, 3], [4, 5, 6]]), x, widens=True)
    cube, weights = draw((2, 3, 4), (4, 2), low=0.2)
    agrees(lambda a, b: np.average(a, axis=(2, 0), weights=b), cube, weights)
    with pytest.raises(ZeroDivisionError):
        np.average(Tensor(x), weights=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="weights of shape"):
        np.average(Tensor(x), axis=0, weights=[1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rowvar": False},
        {"bias": True},
        {"ddof": 0},
        {"fweights": [1, 2, 1, 3]},
        {"aweights": [0.5, 1.0, 2.0, 0.1]},
        {"fweights": [1, 2, 1, 3], "aweights": [0.5, 1.0, 2.0, 0.1], "ddof": 1},
    ],
    ids=str,
)
def test_covariance(draw: Any, settings: dict[str, Any]) -> None:
    x = draw((4, 3) if settings.get("rowvar") is False else (3, 4))
    t = Tensor(x, requires_grad=True)
    np.testing.assert_allclose(np.cov(t, **settings).data, np.cov(x, **settings), rtol=1e-12)
    assert gradcheck(lambda a: np.cov(a, **settings), t)
    assert gradgradcheck(lambda a: np.cov(a, **settings), t)


def test_covariance_of_two(draw: Any) -> None:
    x, y = draw((5,), (5,))
    a, b = Tensor(x, requires_grad=True), Tensor(y, requires_grad=True)
    for function in (np.cov, np.corrcoef):
        np.testing.assert_allclose(function(a, b).data, function(x, y), rtol=1e-12)
        np.testing.assert_allclose(function(a).data, function(x), rtol=1e-12)
        assert gradcheck(function, [a, b])


def test_methods() -> None:
    x = np.arange(1.0, 7.0).reshape(2, 3)
    t = Tensor(x, requires_grad=True)
    for name in ("sum", "mean", "prod", "max", "min", "var", "std", "cumsum", "cumprod"):
        for arguments in ({}, {"axis": 1}):
            got = getattr(t, name)(**arguments)
            np.testing.assert_array_equal(got.data, getattr(x, name)(**arguments))
            assert got.requires_grad
    for name in ("argmax", "argmin", "all", "any", "argsort"):
        got = getattr(t, name)(axis=0)
        assert not isinstance(got, Tensor)
        np.testing.assert_array_equal(got, getattr(x, name)(axis=0))


@pytest.mark.parametrize("function", ["logsumexp", "softmax", "log_softmax"])
def test_stable_exponentials_far_out(function: str) -> None:
    x = Tensor([[1000.0, 1000.0], [-1000.0, -np.inf]], requires_grad=True)
    y = getattr(x, function)(axis=1)
    y.sum().backward()
    assert np.isfinite(x.grad.data).all()
    empty = Tensor([-np.inf, -np.inf], requires_grad=True)
    z = empty.logsumexp(axis=0)
    z.backward()
    assert z.item() == -np.inf
    np.testing.assert_array_equal(empty.grad.data, 0)


@pytest.mark.parametrize(
    "function",
    [np.sum, np.mean, np.prod, np.var, np.std, np.cumsum, np.cumprod, np.nansum, np.average],
    ids=name_of,
)
def test_complex(function: Any) -> None:
    rng = np.random.default_rng(3)
    z = rng.normal(size=4) + 1j * rng.normal(size=4)
    t = Tensor(z, requires_grad=True)
    np.testing.assert_allclose(function(t).data, function(z), rtol=1e-13)
    assert gradcheck(function, t)
    assert gradgradcheck(function, t)


def test_against_torch() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(3, 4))
    x[1, 2] = 0.0
    pairs = [
        (lambda a: np.prod(a, axis=1), lambda a: a.prod(1)),
        (lambda a: np.cumprod(a, axis=1), lambda a: a.cumprod(1)),
        (lambda a: np.cumsum(a, axis=0), lambda a: a.cumsum(0)),
        (lambda a: np.std(a, axis=1, ddof=1), lambda a: a.std(1)),
        (lambda a: np.var(a, ddof=1), lambda a: a.var()),
        (lambda a: a.logsumexp(axis=1), lambda a: a.logsumexp(1)),
        (lambda a: np.nanmean(a, axis=0), lambda a: a.nanmean(0)),
    ]
    for ours, theirs in pairs:
        t, p = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        ((ours(t) * 0.7) ** 2).sum().backward()
        ((theirs(p) * 0.7) ** 2).sum().backward()
        np.testing.assert_allclose(t.grad.data, p.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("axis", [-1, 1, 0])
def test_softmax_of_many_numbers(dtype: Any, log: bool, axis: int) -> None:
    """Large arrays go through kernels: the same as the formula in the array's own steps."""
    rng = np.random.default_rng(0)
    data, g = (rng.standard_normal((70, 40)).astype(dtype) * 5 for _ in range(2))
    x = Tensor(data, requires_grad=True)
    y = x.log_softmax(axis=axis) if log else x.softmax(axis=axis)
    y.backward(g)
    wide = data.astype(float)
    powers = np.exp(wide - wide.max(axis, keepdims=True))
    share = powers / powers.sum(axis, keepdims=True)
    assert x.grad is not None
    if log:
        value, slope = np.log(share), g - share * g.sum(axis, keepdims=True)
    else:
        value, slope = share, share * (g - (g * share).sum(axis, keepdims=True))
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(y.data, value, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(x.grad.data, slope, rtol=tolerance, atol=10 * tolerance)
