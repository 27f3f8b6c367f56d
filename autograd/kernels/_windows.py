"""Where a sliding window's taps fall: the index arithmetic that convolution and pooling share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

from numpy.typing import NDArray

Array = NDArray[Any]
Ints = Sequence[int]
Padding = Sequence[tuple[int, int]]
Index = tuple[Any, ...]
P = ParamSpec("P")
R = TypeVar("R")


def once_for_each(function: Callable[P, R]) -> Callable[P, R]:
    """Keep the results of a function of shapes; with lists among them, it is computed each time."""
    kept: Callable[..., R] = lru_cache(maxsize=4096)(function)

    @wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> R:
        try:
            return kept(*args, **options)
        except TypeError:
            return function(*args, **options)

    return call


@once_for_each
def conv_output_shape(
    spatial: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints
) -> tuple[int, ...]:
    """Spatial shape of a convolution's output.

    Per axis ``floor((size + pads - extent) / stride) + 1``, where one window extends over
    ``extent = (kernel - 1) * dilation + 1`` cells. An axis too short for a single window gives 0.

    >>> conv_output_shape((32, 32), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1))
    (16, 16)
    """
    return tuple(
        max(0, (n + before + after - (k - 1) * d - 1) // s + 1)
        for n, k, s, (before, after), d in zip(
            spatial, kernel, stride, padding, dilation, strict=True
        )
    )


def three(values: Iterable[Any], fill: Any) -> tuple[Any, ...]:
    """One value for each of three axes: those there are, after others for the axes before.

    >>> three((5, 7), 1)
    (1, 5, 7)
    """
    values = tuple(values)
    return (fill,) * (3 - len(values)) + values


def trailing(slices: Iterable[slice]) -> Index:
    """Index of the last axes of an array, whatever comes before them.

    >>> trailing([slice(0, 2), slice(1, 3)])
    (Ellipsis, slice(0, 2, None), slice(1, 3, None))
    """
    return (..., *slices)


@lru_cache(maxsize=4096)
def tap_slices(size: int, out: int, stride: int, before: int, offset: int) -> tuple[slice, slice]:
    """Windows for which a tap lies inside an axis, and the cells it then reads.

    Window ``o`` reads cell ``o * stride + offset - before``. Returned are a slice of windows and a
    slice of cells, equally long; both are empty if the tap only ever meets padding.

    >>> tap_slices(size=5, out=5, stride=1, before=1, offset=0)
    (slice(1, 5, None), slice(0, 4, 1))
    """
    shift = offset - before
    first = max(0, -(shift // stride))  # ceil(-shift / stride)
    last = min(out - 1, (size - 1 - shift) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0, stride)
    start = first * stride + shift
    return slice(first, last + 1), slice(start, start + (last - first) * stride + 1, stride)


def each_tap(
    spatial: Ints, out: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints
) -> Iterator[tuple[Index, Index]]:
    """Every tap of a window, in row-major order: for which windows it lies inside, and which cells
    it then reads, as indices of the last axes (see `tap_slices`).

    >>> for windows, cells in each_tap((3,), (2,), (2,), (1,), ((0, 0),), (1,)):
    ...     print(windows, cells)
    (Ellipsis, slice(0, 2, None)) (Ellipsis, slice(0, 2, 1))
    (Ellipsis, slice(0, 2, None)) (Ellipsis, slice(1, 3, 1))
    """
    axes = [
        [tap_slices(n, o, s, before, t * d) for t in range(k)]
        for n, o, k, s, (before, _), d in zip(
            spatial, out, kernel, stride, padding, dilation, strict=True
        )
    ]
    for taps in itertools.product(*axes):
        yield trailing(windows for windows, _ in taps), trailing(cells for _, cells in taps)
