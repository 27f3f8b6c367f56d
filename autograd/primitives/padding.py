"""Borders around arrays, in all of ``np.pad``'s modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd._primitive import implements, plain, primitive, sample

Shape = tuple[int, ...]
# The widths before and after along one axis.
Pair = tuple[int, int]


@primitive(
    name="pad",
    batched=True,
    samples=(
        sample((2, 3), widths=((1, 0), (0, 2))),
        sample((3,), widths=((2, 1),), value=1.5),
    ),
)
def _pad(x: Any, /, widths: Any, value: Any = 0) -> Any:
    """x with a border of a constant."""
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
    out = np.full(shape, value, x.dtype) if value else np.zeros(shape, x.dtype)
    out[_inside(x.shape, widths)] = x
    return out


@_pad.rule
def _(g: Any, widths: Any, x_shape: Shape) -> Any:
    return g[(..., *_inside(x_shape, widths))]


def _inside(shape: Shape, widths: Any) -> tuple[slice, ...]:
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths, strict=True))


# Modes whose border consists of elements of x.
COPYING = ("edge", "reflect", "symmetric", "wrap")
STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": np.max,
    "minimum": np.min,
    "mean": np.mean,
    "median": np.median,
}


@implements(np.pad)
def pad(x: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    """x with a border, as ``np.pad`` in every mode but ``empty`` and functions.

    Args:
        x: the array.
        pad_width: widths, as a number, a pair (before, after), one pair for each axis, or a dict
            from axis to either.
        mode: what the border holds: ``constant``, ``edge``, ``linear_ramp``, ``maximum``,
            ``mean``, ``median``, ``minimum``, ``reflect``, ``symmetric`` or ``wrap``.
        **options: ``constant_values``, ``end_values``, ``stat_length``, ``reflect_type``, for
            the modes that have them; values may be tensors.

    >>> from autograd import Tensor
    >>> pad(Tensor([1.0, 2.0, 3.0]), 1, mode="reflect")
    Tensor([2., 1., 2., 3., 2.])
    """
    widths = _pairs(pad_width, x.ndim)
    if any(n < 0 for pair in widths for n in pair):
        raise ValueError(f"pad widths must not be negative, got {pad_width}")
    allowed = {
        "constant": "constant_values",
        "linear_ramp": "end_values",
        "reflect": "reflect_type",
        "symmetric": "reflect_type",
        **dict.fromkeys(STATISTICS, "stat_length"),
        **dict.fromkeys(("edge", "wrap"), None),
    }
    if not isinstance(mode, str) or mode not in allowed:
        raise TypeError(f"pad of a tensor takes one of the modes {sorted(allowed)}, got {mode!r}")
    unknown = set(options) - {allowed[mode]}
    if unknown:
        raise TypeError(f"pad with mode {mode!r} does not take {sorted(unknown)}")
    option = options.get(allowed[mode] or "")
    if mode == "constant" and np.ndim(plain(option if option is not None else 0)) == 0:
        value = plain(option) if option is not None else 0
        if value is option or option is None:
            return _pad.call(x, widths, value)
    for axis, pair in enumerate(widths):
        if pair != (0, 0):
            x = _pad_axis(x, axis, pair, mode, option)
    return x


def _pairs(pad_width: Any, ndim: int) -> tuple[Pair, ...]:
    if isinstance(pad_width, dict):  # since NumPy 2.3
        full: list[Any] = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            full[axis] = (width, width) if np.ndim(width) == 0 else width
        pad_width = full
    pairs = np.broadcast_to(plain(pad_width), (ndim, 2)).tolist()
    if any(int(n) != n for pair in pairs for n in pair):
        raise TypeError(f"pad widths must be whole numbers, got {pad_width}")
    return tuple((int(before), int(after)) for before, after in pairs)


def _of_side(option: Any, ndim: int, axis: int, side: int) -> Any:
    """The option for one side of one axis."""
    return np.broadcast_to(option, (ndim, 2))[axis, side]


def _pad_axis(x: Any, axis: int, pair: Pair, mode: str, option: Any) -> Any:
    """x with a border before and after along one axis."""
    before = (slice(None),) * axis
    length = x.shape[axis]
    if mode in COPYING and option in (None, "even"):
        places = np.pad(np.arange(length), pair, mode=mode)
        return np.take(x, places, axis)
    if mode in COPYING:
        return _pad_odd(x, axis, pair, mode, option)
    parts = []
    for side, width in enumerate(pair):
        shape = (*x.shape[:axis], width, *x.shape[axis + 1 :])
        if mode in STATISTICS:
            parts.append(np.broadcast_to(_statistic(x, axis, side, mode, option), shape))
            continue
        end = _of_side(0 if option is None else option, x.ndim, axis, side)
        if mode == "constant":
            parts.append(np.broadcast_to(end, shape).astype(x.dtype))
            continue
        # From the end value (outermost) in equal steps towards the edge, which is not repeated.
        steps = (np.arange(width) / max(width, 1)).astype(x.dtype)
        steps = steps.reshape(-1, *(1,) * (x.ndim - axis - 1))
        edge = x[(*before, slice(0, 1) if side == 0 else slice(length - 1, None))]
        parts.append(end + (edge - end) * (steps if side == 0 else steps[::-1]))
    return np.concatenate([parts[0], x, parts[1]], axis, dtype=x.dtype)


def _statistic(x: Any, axis: int, side: int, mode: str, stat_length: Any) -> Any:
    before = (slice(None),) * axis
    length = x.shape[axis]
    count = length if stat_length is None else _of_side(stat_length, x.ndim, axis, side)
    count = min(int(count), length)
    region = slice(0, count) if side == 0 else slice(length - count, length)
    return STATISTICS[mode](x[(*before, region)], axis=axis, keepdims=True)


def _pad_odd(x: Any, axis: int, pair: Pair, mode: str, reflect_type: Any) -> Any:
    """The border as the reflection through the edge point: 2 edge - mirrored element."""
    if reflect_type != "odd" or mode not in ("reflect", "symmetric"):
        raise ValueError(f"reflect_type is 'even' or 'odd', got {reflect_type!r}")
    # Every border element is a sum of elements of x with whole coefficients; np.pad of the unit
    # vectors tells which.
    length = x.shape[axis]
    weights = np.pad(np.eye(length), ((0, 0), pair), mode=mode, reflect_type="odd")
    weights = weights.astype(x.dtype)
    return np.moveaxis(np.matmul(np.moveaxis(x, axis, -1), weights), -1, axis)
