"""Reductions: sums, means and extremes over axes, and the stable exponential ones."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import prod
from typing import Any, TypeAlias

import numpy as np

from autograd import kernels
from autograd._primitive import Primitive, attach, implements, plain, primitive, sample
from autograd._tensor import as_tensor
from autograd.kernels._settings import SETTINGS
from autograd.primitives import ufuncs
from autograd.primitives.arithmetic import distinct
from autograd.primitives.indexing import put_along_axis
from autograd.primitives.ufuncs import given

Axis: TypeAlias = int | tuple[int, ...] | None

REDUCTIONS = (
    sample((2, 3)),
    sample((2, 3), axis=0),
    sample((2, 3, 2), axis=(0, -1), keepdims=True),
    sample(()),
)


def negative_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """The axes counted from the end, so that a leading axis does not disturb them."""
    if axis is None:
        return tuple(range(-ndim, 0))
    axes = axis if isinstance(axis, tuple) else (axis,)
    return tuple(a if a < 0 else a - ndim for a in axes)


def restore_axes(g: Any, axis: Axis, keepdims: bool, ndim: int) -> Any:
    """Put back, with length one, the axes that a reduction of an ``ndim`` array removed."""
    if keepdims or ndim == 0:
        return g
    if type(g) is np.ndarray and axis in (-1, ndim - 1):  # as below, in a fifth of the time
        return g[..., np.newaxis]
    return np.expand_dims(g, negative_axes(axis, ndim))


# Up to so many elements, an array takes less time than a view of one that is as large.
_SMALL = 1 << 12


def spread(g: Any, axis: Axis, keepdims: bool, shape: tuple[int, ...]) -> Any:
    """The adjoint of a sum: its gradient at every summed element."""
    if g.ndim:
        g = restore_axes(g, axis, keepdims, len(shape))
        shape = g.shape[: g.ndim - len(shape)] + shape
    if isinstance(g, np.ndarray | np.generic) and prod(shape) <= _SMALL:
        result = np.empty(shape, g.dtype)
        result[...] = g
        return result
    return np.broadcast_to(g, shape)


def _count(axis: Axis, shape: tuple[int, ...]) -> int:
    count = 1
    for a in negative_axes(axis, len(shape)):
        count *= shape[a]
    return count


@primitive(batched=True, name="sum", samples=REDUCTIONS)
def _sum(x: Any, /, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum over axes."""
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


@_sum.rule
def _(g: Any, axis: Axis, keepdims: bool, x_shape: tuple[int, ...]) -> Any:
    return spread(g, axis, keepdims, x_shape)


@primitive(batched=True, name="mean", samples=REDUCTIONS)
def _mean(x: Any, /, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean over axes."""
    if x.dtype.kind == "f" and x.itemsize > 2 and x.size:  # what np.mean does, without its checks
        return np.add.reduce(x, axis=axis, keepdims=keepdims) / _count(axis, x.shape)
    return np.mean(x, axis=axis, keepdims=keepdims)


@_mean.rule
def _(g: Any, axis: Axis, keepdims: bool, x_shape: tuple[int, ...]) -> Any:
    return spread(g / (_count(axis, x_shape) or 1), axis, keepdims, x_shape)


def _extreme(name: str, reduce: Callable[..., Any], find: Callable[..., Any]) -> Primitive:
    """Declare max or min."""

    def forward(x: Any, /, axis: Axis = None, keepdims: bool = False) -> Any:
        return reduce(x, axis=axis, keepdims=keepdims)

    forward.__doc__ = f"The {name}imum over axes; the gradient goes to the first of equal elements."
    made = primitive(
        name=name,
        batched=True,
        samples=(
            sample(distinct(2, 3)),
            sample(distinct(2, 3), axis=0),
            sample(distinct(2, 3, 2), axis=(0, -1), keepdims=True),
            sample(distinct(2, 3, 2), axis=(1, 2)),
            sample(()),
        ),
    )(forward)

    @made.rule
    def _(g: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
        x = plain(x)
        axes = negative_axes(axis, x.ndim)
        count = _count(axis, x.shape)
        alone = g.ndim == (x.ndim if keepdims else x.ndim - len(axes))  # not a stack of them
        rowwise = axes in ((-1,), tuple(range(-x.ndim, 0)))
        if alone and rowwise and isinstance(g, np.ndarray | np.generic):
            result = np.zeros(x.shape, g.dtype)  # as below, in a third of the time
            rows = result.reshape(g.size, count)
            rows[np.arange(g.size), find(x.reshape(rows.shape), axis=-1)] = g.reshape(-1)
            return result
        kept = tuple(a for a in range(-x.ndim, 0) if a not in axes)
        if keepdims and axes:
            g = np.squeeze(g, axes)
        lead = g.ndim - len(kept)
        order = (*kept, *axes)
        moved = x.transpose([a + x.ndim for a in order])
        rows = moved.reshape(*moved.shape[: len(kept)], count)
        index = np.expand_dims(find(rows, axis=-1), -1)
        index = index.reshape((1,) * lead + index.shape)
        spots = put_along_axis(np.expand_dims(g, -1), index, -1, g.shape[:lead] + rows.shape)
        spots = np.reshape(spots, g.shape[:lead] + moved.shape)
        inverse = sorted(range(x.ndim), key=[a + x.ndim for a in order].__getitem__)
        return np.transpose(spots, (*range(lead), *(a + lead for a in inverse)))

    return made


_max = _extreme("max", np.maximum.reduce, np.argmax)
_min = _extreme("min", np.minimum.reduce, np.argmin)


def as_axis(axis: Any) -> Axis:
    """An axis argument as an int, a tuple or None."""
    if axis is None or type(axis) is int or type(axis) is tuple:
        return axis
    return tuple(axis) if isinstance(axis, list | tuple) else operator.index(axis)


def publish(function: Any, name: str, doc: str | None, *numpy_functions: Any) -> Any:
    """Let a function answer for NumPy functions, and be the method of that name."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    implements(*numpy_functions)(function)
    attach(name, function)
    return function


def total_of(made: Primitive, ufunc: np.ufunc, *numpy_functions: Any) -> Callable[..., Any]:
    """The signature of ``np.sum`` in front of a reduction."""
    call = made.call

    def reduction(
        x: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        if axis is not None and type(axis) is not int:
            axis = as_axis(axis)
        if keepdims is not False:
            keepdims = keepdims is True or keepdims == 1
        if out is not None or initial is not None or where is not True:
            initial, where = given(initial), given(where, True)
            return ufuncs.reduce(ufunc, x, axis, dtype, out, keepdims, initial, where)
        if dtype is not None:
            x = as_tensor(x, dtype)
        return call(x, axis=axis, keepdims=keepdims)

    ufuncs.REDUCTIONS[ufunc] = made.call
    return publish(reduction, made.name, made.__doc__, *numpy_functions)


def _extreme_of(made: Primitive, ufunc: np.ufunc, *numpy_functions: Any) -> Callable[..., Any]:
    """The signature of ``np.max``, which takes no dtype."""
    call = made.call

    def reduction(
        x: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        if axis is not None and type(axis) is not int:
            axis = as_axis(axis)
        if keepdims is not False:
            keepdims = keepdims is True or keepdims == 1
        if out is not None or initial is not None or where is not True:
            initial, where = given(initial), given(where, True)
            return ufuncs.reduce(ufunc, x, axis, None, out, keepdims, initial, where)
        return call(x, axis=axis, keepdims=keepdims)

    ufuncs.REDUCTIONS[ufunc] = made.call
    return publish(reduction, made.name, made.__doc__, *numpy_functions)


def count_where(where: Any, axis: Axis, shape: tuple[int, ...], dtype: Any) -> Any:
    """How many elements a reduction over ``axis`` sees where ``where`` is True, axes kept."""
    mask = np.broadcast_to(plain(where), shape)
    return np.add.reduce(mask, axis=axis, dtype=real_type(dtype), keepdims=True)


def real_type(dtype: Any) -> np.dtype[Any]:
    """The floating type that numbers of a type are averaged in."""
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        return np.empty(0, dtype).real.dtype
    return dtype if dtype.kind == "f" else np.dtype(float)


def _mean_of(
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    *,
    where: Any = True,
) -> Any:
    axis, keepdims = as_axis(axis), keepdims is True or keepdims == 1
    if dtype is not None:
        x = as_tensor(x, dtype)
    if where is True:
        value = _mean.call(x, axis=axis, keepdims=keepdims)
    else:
        total = sum_(x, axis, keepdims=True, where=where)
        value = drop_axes(total / count_where(where, axis, x.shape, x.dtype), axis, keepdims)
    return value if out is None else ufuncs.store(value, out, "mean")


def drop_axes(x: Any, axis: Axis, keepdims: bool) -> Any:
    """Remove the axes of length one that a reduction has kept, unless they shall stay."""
    if keepdims or x.ndim == 0:
        return x
    return np.squeeze(x, tuple(range(x.ndim)) if axis is None else axis)


sum_ = total_of(_sum, np.add, np.sum)
max_ = _extreme_of(_max, np.maximum, np.max, np.amax)
min_ = _extreme_of(_min, np.minimum, np.min, np.amin)
mean_ = publish(_mean_of, "mean", _mean.__doc__, np.mean)

STABLE = (
    sample((2, 3), axis=-1),
    sample((2, 3), axis=0),
    sample((2, 3, 2), axis=1),
)


def _shifted(x: Any, axis: Axis) -> tuple[Any, Any]:
    """x minus its maximum over the axes (where that is finite), and that maximum."""
    if not x.size:
        return x, np.add.reduce(x, axis=axis, keepdims=True)
    peak = np.maximum.reduce(x, axis=axis, keepdims=True)
    finite = np.isfinite(peak)
    if not finite.all():
        peak = np.where(finite, peak, 0)
    return x - peak, peak


@primitive(
    batched=True,
    samples=(*STABLE, sample((2, 3)), sample((2, 3, 2), axis=(0, 2), keepdims=True)),
)
def logsumexp(x: Any, /, axis: Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over axes, without overflow.

    >>> logsumexp(np.array([1000.0, 1000.0])).round(4)
    np.float64(1000.6931)
    """
    shifted, peak = _shifted(x, axis)
    total = np.add.reduce(np.exp(shifted), axis=axis, keepdims=keepdims)
    with np.errstate(divide="ignore"):
        return np.log(total) + (peak if keepdims else peak.reshape(np.shape(total)))


@logsumexp.rule
def _(g: Any, x: Any, y: Any, axis: Axis, keepdims: bool) -> Any:
    ndim = x.ndim
    empty = np.isneginf(plain(y))  # no term counts where all are -inf
    if np.any(empty):
        y = np.where(empty, 0, y)
    share = np.exp(x - restore_axes(y, axis, keepdims, ndim))
    return restore_axes(g, axis, keepdims, ndim) * share


ufuncs.REDUCTIONS[np.logaddexp] = logsumexp.call


# Up to so many elements, there and back, the kernels in NumPy would do what is written here.
SMALL, SMALL_BACK = 1 << 8, 1 << 11


def _is_for_kernels(x: Any, small: int) -> bool:
    return type(x) is np.ndarray and x.size > (small if SETTINGS.few is None or not x.ndim else 0)


def _softmax(x: Any, axis: int, log: bool) -> Any:
    if _is_for_kernels(x, SMALL) and axis in (-1, x.ndim - 1) and x.dtype.kind == "f":
        return kernels.softmax(x, log)
    shifted, _ = _shifted(x, axis)
    powers = np.exp(shifted)
    total = np.add.reduce(powers, axis=axis, keepdims=True)
    return shifted - np.log(total) if log else powers / total


def _softmax_grad(g: Any, y: Any, axis: int, log: bool) -> Any:
    (last,) = negative_axes(axis, y.ndim)
    if _is_for_kernels(g, SMALL_BACK) and last == -1 and g.shape == y.shape:
        return kernels.softmax_grad(g, y, log)
    if log:
        return g - np.exp(y) * np.sum(g, axis=last, keepdims=True)
    return y * (g - np.sum(g * y, axis=last, keepdims=True))


@primitive(batched=True, samples=STABLE)
def log_softmax(x: Any, /, axis: int = -1) -> Any:
    """x - logsumexp(x) along an axis, without overflow.

    >>> log_softmax(np.array([0.0, 0.0])).round(4)
    array([-0.6931, -0.6931])
    """
    return _softmax(x, axis, True)


@log_softmax.rule
def _(g: Any, y: Any, axis: int) -> Any:
    return _softmax_grad(g, y, axis, True)


@primitive(batched=True, samples=STABLE)
def softmax(x: Any, /, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along an axis, without overflow.

    >>> softmax(np.array([0.0, 0.0, -1000.0]))
    array([0.5, 0.5, 0. ])
    """
    return _softmax(x, axis, False)


@softmax.rule
def _(g: Any, y: Any, axis: int) -> Any:
    return _softmax_grad(g, y, axis, False)


for _primitive in (logsumexp, log_softmax, softmax):
    attach(_primitive.name, _primitive.call)
