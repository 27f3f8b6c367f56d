"""Running sums, products and extremes along an axis, and the product over axes.

Products are differentiated without dividing by elements that are zero, to any order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd._primitive import Sample, attach, implements, plain, primitive, sample
from autograd._tensor import as_tensor
from autograd.primitives import ufuncs
from autograd.primitives.arithmetic import nonzero
from autograd.primitives.reduction import (
    REDUCTIONS,
    Axis,
    negative_axes,
    restore_axes,
    total_of,
)

LINES = (
    sample((2, 3), axis=0),
    sample((2, 3), axis=-1),
    sample((2, 3, 2), axis=1),
    sample((1,), axis=0),
)


def _with_zeros(*shape: int) -> Callable[[np.random.Generator], Any]:
    """A maker of values of which some are exactly zero."""

    def some_zero(rng: np.random.Generator) -> Any:
        values = rng.uniform(0.5, 2.0, shape)
        values.flat[:: max(2, values.size // 3)] = 0.0
        return values

    return some_zero


@primitive(name="cumsum", batched=True, samples=LINES)
def _cumsum(x: Any, /, axis: int) -> Any:
    """Running sums along an axis."""
    return np.add.accumulate(x, axis)


@_cumsum.rule
def _(g: Any, axis: int, x_shape: tuple[int, ...]) -> Any:
    return _reversed_cumsum(g, axis % len(x_shape) - len(x_shape))


def _reversed_cumsum(g: Any, axis: int) -> Any:
    return np.flip(np.cumsum(np.flip(g, axis), axis), axis)


@primitive(
    batched=True,
    samples=(sample((2, 4), (2, 4)), sample((3,), _with_zeros(3)), sample((2, 1), (2, 1))),
)
def recurrence(b: Any, a: Any, /) -> Any:
    """y[k] = a[k] y[k-1] + b[k] along the last axis, from y[-1] = 0.

    >>> recurrence(np.ones(4), np.full(4, 2.0))
    array([ 1.,  3.,  7., 15.])
    """
    y = np.array(np.broadcast_to(b, np.broadcast_shapes(np.shape(a), np.shape(b))))
    for k in range(1, y.shape[-1]):
        y[..., k] += a[..., k] * y[..., k - 1]
    return y


def _next(x: Any) -> Any:
    """x[k+1] at k, and 0 at the end of the last axis."""
    return np.concatenate([x[..., 1:], np.zeros_like(plain(x[..., :1]))], -1)


def _previous(x: Any) -> Any:
    """x[k-1] at k, and 0 at the beginning of the last axis."""
    return np.concatenate([np.zeros_like(plain(x[..., :1])), x[..., :-1]], -1)


def _backwards(b: Any, a: Any) -> Any:
    """y[k] = b[k] + a[k+1] y[k+1]: the adjoint of the recurrence."""
    return recurrence(b[..., ::-1], _next(a)[..., ::-1])[..., ::-1]


@recurrence.rule("b")
def _(g: Any, a: Any) -> Any:
    return _backwards(g, a)


@recurrence.rule("a")
def _(g: Any, a: Any, y: Any) -> Any:
    return _backwards(g, a) * _previous(y)


@primitive(
    name="cumprod",
    batched=True,
    samples=(
        *(sample(nonzero(2, 3), axis=axis) for axis in (0, -1)),
        sample(_with_zeros(2, 4), axis=1),
        sample(_with_zeros(3, 2), axis=0),
    ),
)
def _cumprod(x: Any, /, axis: int) -> Any:
    """Running products along an axis."""
    return np.multiply.accumulate(x, axis)


@_cumprod.rule
def _(g: Any, x: Any, y: Any, axis: int) -> Any:
    axis = axis % x.ndim - x.ndim
    if np.all(plain(x) != 0):
        return _reversed_cumsum(g * y, axis) / x
    # With zeros, dy[k]/dx[i] is the product before i times the product from i+1 to k; the sum over
    # k of the latter is a recurrence that runs backwards.
    x, g = np.moveaxis(x, axis, -1), np.moveaxis(g, axis, -1)
    return np.moveaxis(_before(x) * _backwards(g, x), -1, axis)


def _before(x: Any) -> Any:
    """The product of all elements before each one along the last axis."""
    return np.concatenate([np.ones_like(plain(x[..., :1])), np.cumprod(x[..., :-1], -1)], -1)


@primitive(
    name="prod",
    batched=True,
    samples=(
        *(Sample(nonzero(*s.inputs[0]), **s.attrs) for s in REDUCTIONS),
        sample(_with_zeros(2, 4), axis=1),
        sample(_with_zeros(3, 2)),
        sample(_with_zeros(2, 3, 2), axis=(0, -1), keepdims=True),
    ),
)
def _prod(x: Any, /, axis: Axis = None, keepdims: bool = False) -> Any:
    """The product over axes; right also where elements are zero."""
    return np.multiply.reduce(x, axis=axis, keepdims=keepdims)


@_prod.rule
def _(g: Any, x: Any, y: Any, axis: Axis, keepdims: bool) -> Any:
    ndim = x.ndim
    g = restore_axes(g, axis, keepdims, ndim)
    if np.all(plain(x) != 0):
        return g * (restore_axes(y, axis, keepdims, ndim) / x)
    return g * _product_of_others(x, axis)


def _product_of_others(x: Any, axis: Axis) -> Any:
    """For each element the product of the other elements along the axes."""
    axes = negative_axes(axis, x.ndim)
    kept = tuple(a for a in range(-x.ndim, 0) if a not in axes)
    order = tuple(a + x.ndim for a in (*kept, *axes))
    moved = np.transpose(x, order)
    lengths = moved.shape[: len(kept)]
    rows = np.reshape(moved, (*lengths, int(np.prod(moved.shape[len(kept) :]))))
    others = _before(rows) * _before(rows[..., ::-1])[..., ::-1]
    inverse = sorted(range(x.ndim), key=order.__getitem__)
    return np.transpose(np.reshape(others, moved.shape), inverse)


prod_ = total_of(_prod, np.multiply, np.prod)


def _running(x: Any, axis: int | None, dtype: Any) -> tuple[Any, int]:
    """The array to accumulate and the axis: flattened if no axis is given, as NumPy does."""
    x = as_tensor(x, dtype)
    return (np.reshape(x, -1), 0) if axis is None else (x, axis)


@implements(np.cumsum)
def cumsum(x: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Running sums along an axis, or of the flattened array.

    >>> from autograd import Tensor
    >>> cumsum(Tensor([1.0, 2.0, 3.0]))
    Tensor([1., 3., 6.])
    """
    return ufuncs.store(_cumsum.call(*_running(x, axis, dtype)), out, "cumsum")


@implements(np.cumprod)
def cumprod(x: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Running products along an axis, or of the flattened array.

    >>> from autograd import Tensor
    >>> cumprod(Tensor([1.0, 2.0, 3.0]))
    Tensor([1., 2., 6.])
    """
    return ufuncs.store(_cumprod.call(*_running(x, axis, dtype)), out, "cumprod")


attach("cumsum", cumsum)
attach("cumprod", cumprod)
ufuncs.ACCUMULATIONS[np.add] = _cumsum.call
ufuncs.ACCUMULATIONS[np.multiply] = _cumprod.call


def _array_api(accumulate: Callable[..., Any], first: float) -> Callable[..., Any]:
    """``np.cumulative_sum``: like cumsum, but the axis may be left out only in one dimension."""

    def cumulative(
        x: Any,
        /,
        *,
        axis: int | None = None,
        dtype: Any = None,
        out: Any = None,
        include_initial: bool = False,
    ) -> Any:
        if axis is None:
            if x.ndim != 1:
                raise ValueError(f"an array of shape {x.shape} needs axis= here")
            axis = 0
        value = accumulate(x, axis, dtype)
        if include_initial:
            shape = list(value.shape)
            shape[axis] = 1
            value = np.concatenate([np.full(shape, first, value.dtype), value], axis)
        return ufuncs.store(value, out, "cumulative_sum")

    return cumulative


for _name, _accumulate, _first in (("sum", cumsum, 0), ("prod", cumprod, 1)):
    if hasattr(np, f"cumulative_{_name}"):  # since NumPy 2.1
        implements(getattr(np, f"cumulative_{_name}"))(_array_api(_accumulate, _first))


def _running_extreme(ufunc: np.ufunc) -> None:
    """Running maxima or minima; the gradient goes to the first element that reached each."""

    def accumulate(x: Any, axis: int) -> Any:
        values = plain(x)
        best = ufunc.accumulate(values, axis)
        before = np.roll(best, 1, axis)
        # A new extreme is where the running value changed (NaN counts as a change once).
        changed = (best != before) & ~(np.isnan(best) & np.isnan(before))
        after = values.ndim - axis % values.ndim - 1
        place = np.arange(values.shape[axis]).reshape(-1, *(1,) * after)
        place = np.where(changed, place, 0)
        return np.take_along_axis(x, np.maximum.accumulate(place, axis), axis)

    ufuncs.ACCUMULATIONS[ufunc] = accumulate


_running_extreme(np.maximum)
_running_extreme(np.minimum)


def _nan_as(name: str, neutral: float, function: Callable[..., Any]) -> None:
    """``np.nancumsum`` and ``np.nancumprod``: NaN counts as the neutral element."""

    def ignoring(x: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
        missing = np.isnan(plain(x))
        return function(np.where(missing, neutral, x), axis, dtype, out)

    ignoring.__name__ = ignoring.__qualname__ = name
    ignoring.__doc__ = f"``np.{name[3:]}`` with NaN as {neutral:g}; no gradient goes there."
    implements(getattr(np, name))(ignoring)


_nan_as("nancumsum", 0.0, cumsum)
_nan_as("nancumprod", 1.0, cumprod)
