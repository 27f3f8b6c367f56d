"""How the work of a convolution is cut up: for threads, and so that caches hold what is worked on.

Outputs are ``(N, groups, filters, *out)`` here, with a shape of that order.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

from autograd.kernels._threads import hold_back_blas, thread_count
from autograd.kernels._windows import Array, Ints

__all__ = [
    "COLUMN_COST",
    "Share",
    "by_group",
    "even",
    "few_outputs",
    "is_shared",
    "multiplications",
    "parts_of",
    "shares_of",
    "threads_for",
]

# Work below so many multiplications is not shared out over threads; to lay out a column costs about
# as much as this many filters' multiplications with it.
_SHARED = 3 << 23
COLUMN_COST = 16
# Outputs are computed in pieces of about this many bytes, before the padding between them is left
# out.
_OUTPUT_BYTES = 1 << 22


def by_group(x: Array, groups: int) -> Array:
    """``(N, groups * channels, ...)`` as ``(N, groups, channels, ...)``."""
    return x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])


class Share(NamedTuple):
    """Some of the outputs: a few images, or a few rows of one."""

    images: slice
    first: int  # row of the outputs, on the first spatial axis
    last: int

    def of(self, y: Array) -> Array:
        return y[self.images, :, :, self.first : self.last]

    def part(self, images: slice) -> slice:
        """Which of all images those are of this share's."""
        return slice(self.images.start + images.start, self.images.start + images.stop)


def shares_of(shape: Ints, itemsize: int, threads: int) -> list[Share]:
    """Cut up outputs of a ``shape``, ``(N, groups, filters, *out)``.

    There are as many shares as threads, or more where a single image's outputs are many.
    """
    images, _, _, rows, *_ = shape
    size = math.prod(shape[1:]) * itemsize
    if size > 2 * _OUTPUT_BYTES:
        several = -(-size // _OUTPUT_BYTES)
        return [
            Share(slice(n, n + 1), part.start, part.stop)
            for n in range(images)
            for part in parts_of(rows, several)
        ]
    if images >= threads:
        return [Share(part, 0, rows) for part in parts_of(images, threads)]
    return [Share(slice(0, images), part.start, part.stop) for part in parts_of(rows, threads)]


def parts_of(count: int, parts: int) -> list[slice]:
    """Cut up so many things into about equal parts, none of them empty."""
    bounds = [count * i // parts for i in range(parts + 1)]
    return [slice(i, j) for i, j in pairwise(bounds) if i < j]


def even(count: int, most: int) -> int:
    """The size of equal parts of so many things, at most ``most`` of them in each.

    >>> even(10, 7)
    5
    """
    return -(-count // -(-count // min(count, most)))


def few_outputs(shape: Ints, columns: int) -> bool:
    """Whether outputs of a ``shape``, ``(N, groups, filters, *out)``, are so few that sharing out
    the filters is best: each thread then reads its part of the weight only, but lays out all
    columns, which cost so many times as much as the weight."""
    images, _, filters, *out = shape
    return images * math.prod(out) * columns < filters


def multiplications(shape: Ints, depth: int) -> int:
    """What it costs to compute outputs of a ``shape``, ``(N, groups, filters, *out)``, columns
    included, each of which is a sum over ``depth`` products."""
    return math.prod(shape) // shape[2] * (shape[2] + COLUMN_COST) * depth


def is_shared(work: int) -> bool:
    """Whether so much work, in multiplications, is shared out over threads."""
    return work >= _SHARED


def threads_for(work: int, shared: int | None = None) -> int:
    """Threads that are worth waking for so much work, in multiplications: all from ``shared`` on.

    For much less, BLAS has to do with one from then on: its own would be woken for every small
    product, and keep a core busy after each for much longer than that takes.
    """
    if shared is None:
        shared = _SHARED
    if work >= shared:
        return thread_count()
    if 3 * work < 2 * shared:
        hold_back_blas()
    return 1
