"""Sorting, and statistics of order: median, quantiles and percentiles.

The order is constant almost everywhere, so all of these fetch elements by index.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd._primitive import attach, implements, plain
from autograd._tensor import Tensor, as_tensor
from autograd.primitives.indexing import permute_along_axis
from autograd.primitives.reduction import Axis, as_axis, negative_axes
from autograd.primitives.ufuncs import given, store, wants_gradient


def _flat(x: Any, axis: int | None) -> tuple[Any, int]:
    x = as_tensor(x)
    return (np.reshape(x, -1), 0) if axis is None or x.ndim == 0 else (x, axis)


@implements(np.sort)
def sort(a: Any, axis: int | None = -1, kind: Any = None, **order: Any) -> Any:
    """A sorted copy along an axis, the last by default; equal elements keep their order.

    >>> from autograd import Tensor
    >>> sort(Tensor([3.0, 1.0, 2.0]))
    Tensor([1., 2., 3.])
    """
    if given(order.pop("order", None)) is not None or set(order) - {"stable"}:
        raise TypeError("sort of a tensor takes axis and kind")
    if axis is not None:
        a = as_tensor(a)
        np.argsort(np.empty((0,) * a.ndim), axis)  # NumPy's own error for a wrong axis
    x, axis = _flat(a, axis)
    return permute_along_axis.call(x, np.argsort(plain(x), axis, kind="stable"), axis)


@implements(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """A copy sorted by real, then by imaginary part, as complex numbers."""
    wide = np.result_type(plain(a), np.complex64)
    return sort(as_tensor(a, wide))


@implements(np.partition)
def partition(a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect") -> Any:
    """A copy in which the ``kth`` element is where sorting would put it, smaller ones before it."""
    x, axis = _flat(a, axis)
    return permute_along_axis.call(x, np.argpartition(plain(x), plain(kth), axis, kind), axis)


def _sort_method(self: Any, axis: int = -1, kind: Any = None, **order: Any) -> None:
    """Sort in place, as ``ndarray.sort``; ``np.sort(t)`` gives a sorted copy."""
    self[...] = sort(self, axis, kind, **order)


def _partition_method(self: Any, kth: Any, axis: int = -1, kind: str = "introselect") -> None:
    """Partition in place, as ``ndarray.partition``; ``np.partition`` gives a copy."""
    self[...] = partition(self, kth, axis, kind)


attach("sort", _sort_method)
attach("partition", _partition_method)


# ------------------------------------------------------------------------------ order statistics


def _rows(x: Any, axis: Axis) -> tuple[Any, tuple[int, ...]]:
    """x with the given axes moved to the end and flattened, and the shape with them at one."""
    axes = negative_axes(axis, x.ndim)
    for a in axes:
        if not -x.ndim <= a < 0:
            raise np.exceptions.AxisError(a, x.ndim)
    kept = [a for a in range(-x.ndim, 0) if a not in axes]
    moved = np.transpose(x, tuple(a + x.ndim for a in (*kept, *axes)))
    count = int(np.prod([x.shape[a] for a in axes]))
    rows = np.reshape(moved, (*moved.shape[: len(kept)], count))
    return rows, tuple(1 if a in axes else x.shape[a] for a in range(-x.ndim, 0))


def _positions(q: Any, counts: Any, method: str) -> Any:
    """Where in a sorted row of each length the quantiles lie; shape q.shape + counts.shape.

    The quantiles of 0, 1 … n-1 are the positions themselves, so NumPy knows all its methods.
    """
    positions = np.zeros(q.shape + counts.shape)
    for count in np.unique(counts):
        if count:
            found = np.quantile(np.arange(float(count)), q, method=method)
            positions[..., counts == count] = np.expand_dims(found, -1)
    return positions


def _between(rows: Any, q: Any, method: str, ignore_nan: bool) -> Any:
    """Quantiles of each row, by interpolation between two of its sorted elements."""
    values = plain(rows)
    ordered = sort(rows)  # NaN at the end
    missing = np.isnan(values)
    if ignore_nan:
        counts = np.count_nonzero(~missing, axis=-1)
    else:
        counts = np.full(values.shape[:-1], values.shape[-1])
    positions = np.moveaxis(_positions(q, np.asarray(counts), method), 0, -1)
    low = np.floor(positions).astype(np.intp)
    high = np.ceil(positions).astype(np.intp)
    share = (positions - low).astype(np.empty(0, values.dtype).real.dtype)
    below = np.take_along_axis(ordered, low, -1)
    above = np.take_along_axis(ordered, high, -1)
    # Infinite neighbours must not meet a factor of zero.
    result = np.where(share == 0, below, below + share * _difference(above, below, share))
    bad = np.asarray(counts) == 0 if ignore_nan else np.any(missing, axis=-1)
    if np.any(bad):
        result = np.where(np.expand_dims(bad, -1), np.nan, result)
    return result


def _difference(above: Any, below: Any, share: Any) -> Any:
    needed = share != 0
    return np.where(needed, above, 0) - np.where(needed, below, 0)


def _quantile(
    x: Any, q: Any, axis: Any, out: Any, method: str, keepdims: Any, ignore_nan: bool, name: str
) -> Any:
    if wants_gradient(q):
        raise TypeError(f"np.{name} is not differentiated with respect to the quantile q")
    x = as_tensor(x)
    if x.dtype.kind in "biu":
        x = x.astype(float)
    q = np.asarray(plain(q), float)
    if not np.all((q >= 0) & (q <= 1)):
        raise ValueError(f"np.{name}: quantiles lie between 0 and 1, percentiles below 100")
    axis = as_axis(axis)
    rows, ones = _rows(x, axis)
    result = np.moveaxis(_between(rows, q.reshape(-1), method, ignore_nan), -1, 0)
    kept = ones if keepdims is True or keepdims == 1 else rows.shape[:-1]
    return store(np.reshape(result, q.shape + tuple(kept)), out, name)


def _publish(function: Callable[..., Any], scale: float, ignore_nan: bool) -> None:
    name = function.__name__

    def quantile(
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = False,
        *,
        weights: Any = None,
    ) -> Any:
        if weights is not None:
            raise TypeError(f"np.{name} of a tensor takes no weights")
        if isinstance(q, Tensor) and wants_gradient(q):
            raise TypeError(f"np.{name} is not differentiated with respect to {q!r}")
        q = np.asarray(plain(q), float) / scale
        return _quantile(a, q, axis, out, method, keepdims, ignore_nan, name)

    quantile.__name__ = quantile.__qualname__ = name
    quantile.__doc__ = f"``np.{name}`` by any of its methods, without weights."
    implements(function)(quantile)


for _function, _scale, _ignore in (
    (np.quantile, 1.0, False),
    (np.percentile, 100.0, False),
    (np.nanquantile, 1.0, True),
    (np.nanpercentile, 100.0, True),
):
    _publish(_function, _scale, _ignore)


def _publish_median(function: Callable[..., Any], ignore_nan: bool) -> None:
    name = function.__name__

    def median(
        a: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        keepdims: Any = False,
    ) -> Any:
        x = as_tensor(a)
        if not ignore_nan and x.dtype.kind == "f" and x.size:
            rows, ones = _rows(x, as_axis(axis))
            if not np.isnan(plain(rows)).any():
                value = _middle(rows)
                kept = ones if keepdims is True or keepdims == 1 else rows.shape[:-1]
                return store(np.reshape(value, kept), out, name)
        return _quantile(a, 0.5, axis, out, "linear", keepdims, ignore_nan, name)

    median.__name__ = median.__qualname__ = name
    median.__doc__ = (
        f"``np.{name}``: the middle element, or the mean of the two in the middle, which then "
        "share the gradient."
    )
    implements(function)(median)


def _middle(rows: Any) -> Any:
    """The median of each row without NaN, found without sorting it."""
    count = rows.shape[-1]
    middle = [count // 2] if count % 2 else [count // 2 - 1, count // 2]
    order = np.argpartition(plain(rows), middle, -1)
    return np.mean(np.take_along_axis(rows, order[..., middle], -1), axis=-1)


_publish_median(np.median, False)
_publish_median(np.nanmedian, True)
