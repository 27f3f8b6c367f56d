"""Arrays without elements, without axes and in unusual layouts, through many functions at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, gradcheck

EMPTY: dict[str, Callable[[Any], Any]] = {
    "sort": lambda x: np.sort(x, axis=0),
    "sort-flat": lambda x: np.sort(x, axis=None),
    "partition": lambda x: np.partition(x, 1, axis=1),
    "median": lambda x: np.median(x, axis=1),
    "quantile": lambda x: np.quantile(x, [0.1, 0.7], axis=1),
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "cumsum-flat": np.cumsum,
    "cumprod": lambda x: np.cumprod(x, axis=0),
    "prod": lambda x: np.prod(x, axis=1),
    "max": lambda x: np.max(x, axis=1),
    "var": lambda x: np.var(x, axis=1),
    "std": lambda x: np.std(x, axis=1),
    "mean": lambda x: np.mean(x, axis=1),
    "diff": lambda x: np.diff(x, axis=1),
    "gradient": lambda x: np.gradient(x, axis=1),
    "trapezoid": np.trapezoid,
    "roll": lambda x: np.roll(x, 1, 1),
    "flip": np.flip,
    "rot90": np.rot90,
    "repeat": lambda x: np.repeat(x, 2, axis=1),
    "tile": lambda x: np.tile(x, (2, 2)),
    "pad": lambda x: np.pad(x, ((0, 1), (1, 1))),
    "concatenate": lambda x: np.concatenate([x, x]),
    "stack": lambda x: np.stack([x, x], -1),
    "array_split": lambda x: np.array_split(x, 2),
    "take": lambda x: np.take(x, [0, 2], axis=1),
    "getitem": lambda x: x[:, [0, 2]],
    "mask": lambda x: x[x > 0],
    "where": lambda x: np.where(x > 0, x, 1.0),
    "clip": lambda x: np.clip(x, -1, 1),
    "nansum": lambda x: np.nansum(x, axis=1),
    "nan_to_num": np.nan_to_num,
    "erf": lambda x: x.erf() if isinstance(x, Tensor) else x * 0,
    "tril": np.tril,
    "diagonal": np.diagonal,
    "unwrap": np.unwrap,
    "logsumexp": lambda x: x.logsumexp(axis=1) if isinstance(x, Tensor) else x.sum(axis=1),
    "accumulate": lambda x: np.maximum.accumulate(x, axis=1),
    "outer": lambda x: np.multiply.outer(x, x),
}


@pytest.mark.parametrize("function", EMPTY.values(), ids=EMPTY)
def test_no_rows(function: Callable[[Any], Any], compare: Callable[..., None]) -> None:
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    result = function(x)
    compare(result, function(np.zeros((0, 3))))
    parts = result if isinstance(result, list | tuple) else [result]
    total = sum(part.sum() for part in parts)
    total.backward()
    assert x.grad.shape == (0, 3)


def test_results_made_of_nothing() -> None:
    x = Tensor(np.zeros((2, 0)), requires_grad=True)
    np.testing.assert_array_equal(np.hypot.reduce(x, axis=1).data, [0, 0])
    np.testing.assert_array_equal(np.logaddexp.reduce(x, axis=1).data, [-np.inf, -np.inf])
    np.testing.assert_array_equal(np.resize(x, 3).data, np.resize(x.data, 3))
    with pytest.raises(ValueError, match="without elements"):
        np.subtract.reduce(x, axis=1)


SCALAR: dict[str, Callable[[Any], Any]] = {
    "sort": lambda x: np.sort(x, axis=None),
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "median": np.median,
    "quantile": lambda x: np.quantile(x, 0.3),
    "prod": np.prod,
    "max": np.max,
    "mean": np.mean,
    "nanmean": np.nanmean,
    "repeat": lambda x: np.repeat(x, 3),
    "tile": lambda x: np.tile(x, 3),
    "ravel": np.ravel,
    "clip": lambda x: np.clip(x, 0, 1),
    "where": lambda x: np.where(x > 0, x, -x),
    "nan_to_num": np.nan_to_num,
    "append": lambda x: np.append(x, [1.0]),
    "hstack": lambda x: np.hstack([x, x]),
    "atleast_2d": np.atleast_2d,
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 2)),
    "ellipsis": lambda x: x[...],
    "newaxis": lambda x: x[None],
    "power": lambda x: x**2.5,
    "sinc": np.sinc,
    "i0": np.i0,
    "polyval": lambda x: np.polyval([1.0, 2.0], x),
    "interp": lambda x: np.interp(x, [0.0, 1.0], [2.0, 5.0]),
    "piecewise": lambda x: np.piecewise(x, [x > 0], [np.sqrt, np.sin]),
    "select": lambda x: np.select([x > 0], [x * x]),
}


@pytest.mark.parametrize("function", SCALAR.values(), ids=SCALAR)
def test_no_axes(function: Callable[[Any], Any], compare: Callable[..., None]) -> None:
    x = np.array(0.37)
    compare(function(Tensor(x, requires_grad=True)), function(x), rtol=1e-13)
    assert gradcheck(function, Tensor(x, requires_grad=True))


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "fortran": np.asfortranarray,
    "every-second": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "reversed": lambda a: a[::-1, ::-1],
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
    "read-only": lambda a: np.require(a, requirements="C") if a.setflags(write=False) else a,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize(
    "name", ["sort", "cumprod", "median", "max", "prod", "std", "roll", "take", "tile"]
)
def test_layouts(name: str, layout: Callable[[np.ndarray], np.ndarray]) -> None:
    rng = np.random.default_rng(5)
    a = layout(rng.normal(size=(2, 3)))
    function = EMPTY[name]
    plain, turned = (Tensor(np.array(a, order="C"), requires_grad=True) for _ in range(2))
    turned.data = a
    for tensor in (plain, turned):
        y = function(tensor)
        (y * y).sum().backward()
    np.testing.assert_allclose(turned.grad.data, plain.grad.data, rtol=1e-12)


def test_float16_and_long_double_stay() -> None:
    for dtype in (np.float16, np.longdouble):
        x = Tensor([0.25, 0.5, 0.75], True, dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for function in (np.sin, np.mean, np.var, np.cumsum, np.median, np.prod, np.max):
                y = function(x)
                assert y.dtype == dtype
                y.sum().backward()
        assert x.grad.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("size", [5, 100, 5000], ids=["tiny", "small", "large"])
def test_relu_of_any_size(size: int, dtype: Any) -> None:
    values = np.linspace(-1, 1, size, dtype=dtype)  # with a zero in the middle, or not
    values[-1] = np.nan
    x = Tensor(values, requires_grad=True)
    y = x.relu()
    y.backward(np.full(size, 3, dtype))
    np.testing.assert_array_equal(y.data, np.where(values < 0, 0, values))
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, np.where(values > 0, 3, 0))
    assert y.dtype == x.grad.dtype == dtype


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, np.int8])
@pytest.mark.parametrize("form", [(40,), (4, 10)], ids=["vector", "matrix"])
@pytest.mark.parametrize("rows", [30, 100], ids=["met often", "met seldom"])
def test_gradient_of_picked_rows_is_added_up(kind: Any, form: tuple[int, ...], rows: int) -> None:
    """Large enough for the ways that are not NumPy's own; an embedding's gradient is one."""
    rng = np.random.default_rng(rows)
    x = Tensor(rng.random((rows, 8, 5)), requires_grad=True)
    index = rng.integers(0 if kind is np.uint8 else -rows, rows, form).astype(kind)
    weights = rng.random((*form, 8, 5))
    for pick in (index, (index,), (index, slice(None)), (slice(None), index % 8)):
        x.grad = None
        y = x[pick]
        w = weights if y.shape == weights.shape else rng.random(y.shape)
        (y * w).sum().backward()
        expected = np.zeros(x.shape)
        np.add.at(expected, pick, w)
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.data, expected, rtol=1e-12)


def test_caller_may_change_index_arrays_afterwards() -> None:
    index = np.array([0, 1])
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = (
        np.take(x, index).sum()
        + np.take_along_axis(x, index, 0).sum()
        + np.repeat(x, index[[0, 0, 1]]).sum()
    )
    index[:] = 2
    y.backward()
    np.testing.assert_array_equal(x.grad.data, [2, 2, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_many_elements_read_more_than_once(dtype: Any) -> None:
    rng = np.random.default_rng(2)
    index = rng.integers(0, 40, 300)
    x = Tensor(rng.normal(size=(40, 16)), True, dtype)
    weights = rng.normal(size=(300, 16)).astype(dtype)
    for read in (lambda: x[index], lambda: np.take(x, index, axis=0), lambda: x[index, :]):
        x.grad = None
        np.real(read() * weights).sum().backward()
        expected = np.zeros(x.shape, dtype)
        np.add.at(expected, index, np.conj(weights))
        np.testing.assert_allclose(x.grad.data, expected, rtol=1e-5, atol=1e-5)
        assert x.grad.dtype == dtype


@pytest.mark.parametrize(
    "view",
    [
        np.squeeze,
        np.real,
        np.ravel,
        np.flip,
        np.transpose,
        lambda x: x.reshape(-1),
        lambda x: np.expand_dims(x, 0),
        lambda x: x.astype(float, copy=False),
        lambda x: np.atleast_1d(x),
        lambda x: np.split(x, 1)[0],
        lambda x: np.moveaxis(x, 0, -1),
        lambda x: np.rot90(np.atleast_2d(x), 0),
    ],
)
def test_a_write_to_a_view_that_changes_nothing_reaches_its_base(view: Any) -> None:
    leaf = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    base = leaf * 1
    view(base)[...] = 7.0
    changed = bool((base.data == 7).all())
    (base * base).sum().backward()
    np.testing.assert_array_equal(leaf.grad.data, [0, 0, 0] if changed else 2 * leaf.data)
