"""Differences, slopes and integrals of sampled functions, interpolation, 1-D convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd._primitive import implements, plain, primitive, sample
from autograd._tensor import as_tensor
from autograd.primitives.indexing import getitem
from autograd.primitives.shaping import axis_in
from autograd.primitives.ufuncs import given


def _cut(x: Any, axis: int, start: int | None, stop: int | None, step: int | None = None) -> Any:
    """The slice of x along one axis counted from the front."""
    return getitem.call(x, index=(slice(None),) * axis + (slice(start, stop, step),))


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The n-th difference along an axis, ``x[i+1] - x[i]`` taken n times.

    >>> from autograd import Tensor
    >>> diff(Tensor([1.0, 4.0, 9.0]))
    Tensor([3., 5.])
    """
    x = as_tensor(a)
    if n < 0:
        raise ValueError(f"the order of a difference is not negative, got {n}")
    if x.ndim == 0:
        raise ValueError("diff needs at least one axis")
    axis = axis_in(axis, x.ndim)
    parts = [x]
    for place, extra in ((0, given(prepend)), (2, given(append))):
        if extra is not None:
            extra = as_tensor(extra, None if hasattr(extra, "dtype") else x.dtype)
            if extra.ndim == 0:
                extra = np.broadcast_to(extra, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))
            parts.insert(place, extra)
    if len(parts) > 1:
        x = np.concatenate(parts, axis)
    for _ in range(n):
        x = _cut(x, axis, 1, None) - _cut(x, axis, None, -1)
    return np.positive(x) if n == 0 else x


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of the flattened array, with numbers before and behind them."""
    differences = diff(np.reshape(as_tensor(ary), -1))
    parts = [
        np.reshape(as_tensor(extra, differences.dtype), -1) if extra is not differences else extra
        for extra in (to_begin, differences, to_end)
        if extra is not None
    ]
    return np.concatenate(parts)


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Slopes of a sampled function by second-order central differences, as ``np.gradient``.

    Args:
        f: the samples.
        *varargs: spacing: nothing (1), one number, or for each axis a number or coordinates, which
            may be tensors.
        axis: one axis or several; all by default.
        edge_order: 1 or 2, the order of accuracy at the ends.

    Returns:
        An array, or a tuple of arrays for several axes.

    >>> from autograd import Tensor
    >>> gradient(Tensor([1.0, 4.0, 9.0, 16.0]))
    Tensor([3., 4., 6., 7.])
    """
    x = as_tensor(f)
    if x.dtype.kind in "biu":
        x = x.astype(float)
    if axis is None:
        axes = tuple(range(x.ndim))
    else:
        axes = tuple(
            axis_in(a, x.ndim) for a in (axis if isinstance(axis, tuple | list) else (axis,))
        )
    spacings: list[Any] = list(varargs)
    if not spacings:
        spacings = [1.0] * len(axes)
    elif len(spacings) == 1 and np.ndim(plain(spacings[0])) == 0:
        spacings = spacings * len(axes)
    if len(spacings) != len(axes):
        raise TypeError(f"gradient: {len(varargs)} spacings for {len(axes)} axes")
    if edge_order not in (1, 2):
        raise ValueError(f"edge_order is 1 or 2, got {edge_order}")
    slopes = [_slopes(x, a, h, edge_order) for a, h in zip(axes, spacings)]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slopes(x: Any, axis: int, spacing: Any, edge_order: int) -> Any:
    length = x.shape[axis]
    if length < edge_order + 1:
        raise ValueError(
            f"gradient with edge_order={edge_order} needs {edge_order + 1} samples along axis "
            f"{axis}, got {length}"
        )

    def at(start: int, stop: int | None) -> Any:
        return _cut(x, axis, start, stop)

    if np.ndim(plain(spacing)) == 0:
        h = spacing
        inner = (at(2, None) - at(0, -2)) / (2 * h)
        if edge_order == 1:
            first, last = (at(1, 2) - at(0, 1)) / h, (at(-1, None) - at(-2, -1)) / h
        else:
            first = (-1.5 * at(0, 1) + 2 * at(1, 2) - 0.5 * at(2, 3)) / h
            last = (1.5 * at(-1, None) - 2 * at(-2, -1) + 0.5 * at(-3, -2)) / h
        return np.concatenate([first, inner, last], axis)
    points = as_tensor(spacing)
    if points.shape != (length,):
        raise ValueError(f"gradient: coordinates of shape {points.shape} for {length} samples")
    points = points.astype(x.dtype) if points.dtype.kind in "biu" else points
    steps = np.reshape(points[1:] - points[:-1], (-1,) + (1,) * (x.ndim - axis - 1))
    left, right = steps[:-1], steps[1:]
    inner = (
        at(0, -2) * (-right / (left * (left + right)))
        + at(1, -1) * ((right - left) / (left * right))
        + at(2, None) * (left / (right * (left + right)))
    )
    if edge_order == 1:
        first = (at(1, 2) - at(0, 1)) / steps[0]
        last = (at(-1, None) - at(-2, -1)) / steps[-1]
    else:
        a, b = steps[0], steps[1]
        first = (
            at(0, 1) * (-(2 * a + b) / (a * (a + b)))
            + at(1, 2) * ((a + b) / (a * b))
            + at(2, 3) * (-a / (b * (a + b)))
        )
        a, b = steps[-2], steps[-1]
        last = (
            at(-3, -2) * (b / (a * (a + b)))
            + at(-2, -1) * (-(a + b) / (a * b))
            + at(-1, None) * ((2 * b + a) / (b * (a + b)))
        )
    return np.concatenate([first, inner, last], axis)


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of samples along an axis by the trapezoidal rule.

    >>> from autograd import Tensor
    >>> trapezoid(Tensor([1.0, 2.0, 3.0]), dx=0.5).item()
    2.0
    """
    y = as_tensor(y)
    axis = axis_in(axis, y.ndim)
    step: Any = dx
    if x is not None:
        x = as_tensor(x)
        step = diff(x, axis=axis if x.ndim > 1 else 0)
        if x.ndim == 1:
            step = np.reshape(step, (-1,) + (1,) * (y.ndim - axis - 1))
    return np.sum(step * (_cut(y, axis, 1, None) + _cut(y, axis, None, -1)) / 2, axis=axis)


@implements(np.unwrap)
def unwrap(
    p: Any, discont: float | None = None, axis: int = -1, *, period: float = 2 * np.pi
) -> Any:
    """Phases without jumps: multiples of the period are added, which are constant."""
    p = as_tensor(p)
    values = plain(p)
    shift = np.unwrap(values, discont, axis, period=period) - values
    return p + shift.astype(p.dtype if p.dtype.kind == "f" else shift.dtype)


@implements(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: float | None = None
) -> Any:
    """The polygon through the points (xp, fp) at x; all three may carry gradients.

    The result has the common type of the arguments, so float32 stays float32. At a point the slope
    is that of the segment to its right, at the last point that of the last segment.

    Args:
        x: where to evaluate.
        xp: coordinates of the points, increasing unless there is a period.
        fp: values at the points.
        left: the value before the first point, by default ``fp[0]``.
        right: the value behind the last point, by default ``fp[-1]``.
        period: of xp; ``left`` and ``right`` are then ignored.

    >>> from autograd import Tensor
    >>> interp(Tensor([0.5, 3.0]), [0, 1, 2], [0, 10, 15])
    Tensor([ 5., 15.])
    """
    kind = np.result_type(*(np.asarray(plain(a)).dtype for a in (x, xp, fp)), np.float16)
    if all(np.asarray(plain(a)).dtype.kind in "biu" for a in (x, xp, fp)):
        kind = np.dtype(float)
    x, xp, fp = (as_tensor(a, kind if a is fp else kind.type(0).real.dtype) for a in (x, xp, fp))
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise ValueError(
            f"interp needs as many coordinates as values in one axis, got {xp.shape}, {fp.shape}"
        )
    if period is not None:
        if period == 0:
            raise ValueError("the period must not be zero")
        period = abs(period)
        x, xp = x % period, xp % period
        order = np.argsort(plain(xp))
        xp, fp = np.take(xp, order), np.take(fp, order)
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
        left = right = None
    points, places = plain(xp), plain(x)
    if xp.size == 1:
        inside = np.broadcast_to(fp[0], x.shape)
    else:
        low = np.searchsorted(points, places, side="right") - 1
        low = low.clip(0, xp.size - 2)
        x0, f0 = np.take(xp, low), np.take(fp, low)
        slope = (np.take(fp, low + 1) - f0) / (np.take(xp, low + 1) - x0)
        inside = f0 + slope * (x - x0)
    before, behind = places < points[0], places > points[-1]
    if np.any(before):
        inside = np.where(before, fp[0] if left is None else left, inside)
    if np.any(behind):
        inside = np.where(behind, fp[-1] if right is None else right, inside)
    return inside


@primitive(
    name="convolve",
    samples=(sample((4,), (3,)), sample((2,), (5,)), sample((1,), (1,)), sample((3,), (1,))),
)
def full_convolution(a: Any, v: Any, /) -> Any:
    """All sums of products of two overlapping sequences, one of them reversed."""
    return np.convolve(a, v)


@full_convolution.rule("a")
def _(g: Any, v: Any, a_shape: tuple[int, ...]) -> Any:
    return np.convolve(g, v[::-1])[v.shape[0] - 1 : v.shape[0] - 1 + a_shape[0]]


@full_convolution.rule("v")
def _(g: Any, a: Any, v_shape: tuple[int, ...]) -> Any:
    return np.convolve(g, a[::-1])[a.shape[0] - 1 : a.shape[0] - 1 + v_shape[0]]


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """The convolution of two sequences; ``mode`` is ``full``, ``same`` or ``valid``.

    >>> from autograd import Tensor
    >>> convolve(Tensor([1.0, 2.0, 3.0]), [1.0, 1.0])
    Tensor([1., 3., 5., 3.])
    """
    a, v = np.reshape(as_tensor(a), -1), np.reshape(as_tensor(v), -1)
    if not a.size or not v.size:
        raise ValueError("convolve needs two sequences that are not empty")
    full = full_convolution.call(a, v)
    longer, shorter = max(a.size, v.size), min(a.size, v.size)
    if mode == "full":
        return full
    if mode == "same":
        start = (shorter - 1) // 2
        return full[start : start + longer]
    if mode == "valid":
        return full[shorter - 1 : longer]
    raise ValueError(f"mode is 'full', 'same' or 'valid', got {mode!r}")


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """The cross-correlation of two sequences: convolution with the conjugate of v reversed."""
    a, v = as_tensor(a), as_tensor(v)
    v = np.conj(v) if v.dtype.kind == "c" else v
    if mode == "same" and v.size > a.size:  # NumPy centres on the other side here
        full = full_convolution.call(a, v[::-1])
        start = a.size // 2
        return full[start : start + v.size]
    return convolve(a, v[::-1], mode)
