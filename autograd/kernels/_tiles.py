"""Convolution whose windows do not overlap: no cell of the input is in two of them.

Patches of a picture, pointwise layers with a stride, and, backwards, the usual way to enlarge a
picture. One strided copy brings the input of some images into the order of columns, or columns into
that of the input, where nothing has to be added up. The rest is products.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import DTypeLike

from autograd.kernels._rows import distance
from autograd.kernels._shares import multiplications, parts_of, threads_for
from autograd.kernels._threads import in_shares
from autograd.kernels._windows import Array, Index, Ints, Padding

__all__ = ["correlate", "scatter", "serves", "weigh"]

# Columns of so many bytes are made at a time: the product reads them back from cache.
_COLUMN_BYTES = 1 << 20
# An image must have so many windows: products with fewer columns are slow.
_MIN_WINDOWS = 64


def serves(out: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints) -> bool:
    """Whether windows do not overlap, see nothing but the input, and are not too few.

    Those with a stride of 1 are columns as they stand, and left to others.

    >>> serves((16, 16), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
    True
    >>> serves((16, 16), (3, 3), (2, 2), ((0, 0), (0, 0)), (1, 1))
    False
    """
    return (
        math.prod(out) >= _MIN_WINDOWS
        and max(stride) > 1
        and all((k - 1) * d < s for k, s, d in zip(kernel, stride, dilation, strict=True))
        and not any(before or after for before, after in padding)
    )


class _Room:
    """Memory for arrays of a dtype that are made and forgotten one after the other."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._flat = np.empty(0, dtype)

    def of(self, rows: Ints, shape: Ints) -> Array:
        """Room for ``(*rows, *shape)``, where a product reads rows of numbers of that shape."""
        length = math.prod(shape)
        apart = distance(length, self._flat.itemsize)
        size = math.prod(rows) * apart
        if self._flat.size < size:
            self._flat = np.empty(size, self._flat.dtype)
        return self._flat[:size].reshape(*rows, apart)[..., :length].reshape(*rows, *shape)


class _Tiles(NamedTuple):
    """What the windows are, and where they stand."""

    kernel: tuple[int, ...]
    out: tuple[int, ...]
    stride: Ints
    dilation: Ints

    def seen(self, x: Array, rows: slice) -> Array:
        """View what taps see in some rows of windows: ``(images, groups, channels, *kernel, rows,
        *others)``, no cell of it twice."""
        steps = x.strides[3:]
        return as_strided(
            x[:, :, :, rows.start * self.stride[0] :],
            (*x.shape[:3], *self.kernel, rows.stop - rows.start, *self.out[1:]),
            (
                *x.strides[:3],
                *(step * d for step, d in zip(steps, self.dilation, strict=True)),
                *(step * s for step, s in zip(steps, self.stride, strict=True)),
            ),
        )

    def gather(self, x: Array, rows: slice, room: _Room) -> Array:
        """Columns ``(groups, channels * taps, images, windows)`` of some rows of windows."""
        images, groups, channels = x.shape[:3]
        out = (rows.stop - rows.start, *self.out[1:])
        columns = room.of((groups, channels, *self.kernel), (images, *out))
        np.moveaxis(columns, -1 - len(out), 0)[...] = self.seen(x, rows)
        return columns.reshape(groups, -1, images, math.prod(out))

    def put(self, columns: Array, x: Array, rows: slice) -> None:
        """Adjoint of `gather`: each number goes to the one cell that it was read from."""
        cells = self.seen(x, rows)
        columns = columns.reshape(cells.shape)
        for tap in range(self.kernel[-1]):  # so that copies go along rows, which are longer
            last: Index = (..., tap, *[slice(None)] * len(self.out))
            cells[last] = columns[last]

    def windows(self, y: Array, rows: slice) -> Array:
        """Outputs as ``(images, groups, filters, windows)``, a view if those of an image lie in one
        piece."""
        y = y[:, :, :, rows]
        return y.reshape(*y.shape[:3], -1)


def correlate(
    x: Array, w: Array, y: Array, stride: Ints, dilation: Ints, bias: Array | None
) -> None:
    """Write into ``y``, in C order, the correlation of ``x`` with ``w``, plus ``bias``.

    Args:
        x: ``(N, groups, channels, *spatial)``.
        w: ``(groups, filters, channels, *kernel)``.
        y: ``(N, groups, filters, *out)``.
        stride, dilation: per axis.
        bias: ``(groups * filters,)``, or None for none.
    """
    groups, filters = w.shape[:2]
    matrix = w.reshape(groups, filters, -1)
    tiles = _Tiles(w.shape[3:], y.shape[3:], stride, dilation)
    if bias is not None:
        bias = bias.reshape(groups, filters, 1)

    def work(pieces: list[_Piece]) -> None:
        room = _Room(y.dtype)
        for images, rows in pieces:
            found = tiles.windows(y[images], rows)
            columns = tiles.gather(x[images], rows, room)
            np.matmul(matrix, columns.transpose(2, 0, 1, 3), out=found)
            if bias is not None:
                np.add(found, bias, out=found)

    _in_pieces(work, y, matrix.shape[2])


def scatter(g: Array, w: Array, gx: Array, stride: Ints, dilation: Ints) -> None:
    """Write into ``gx``, ``(N, groups, channels, *spatial)``, the gradient of the input.

    ``g`` is ``(N, groups, filters, *out)``, the others are as for `correlate`.
    """
    groups, filters = w.shape[:2]
    matrix = w.reshape(groups, filters, -1).swapaxes(1, 2)
    tiles = _Tiles(w.shape[3:], g.shape[3:], stride, dilation)
    if math.prod(tiles.kernel) * math.prod(tiles.out) < math.prod(gx.shape[3:]):
        gx[...] = 0  # not every cell is in a window

    def work(pieces: list[_Piece]) -> None:
        room = _Room(gx.dtype)
        for images, rows in pieces:
            cotangent = tiles.windows(g[images], rows)
            columns = room.of((*cotangent.shape[:2], matrix.shape[1]), cotangent.shape[3:])
            tiles.put(np.matmul(matrix, cotangent, out=columns), gx[images], rows)

    _in_pieces(work, g, matrix.shape[1])


def weigh(g: Array, x: Array, gw: Array, stride: Ints, dilation: Ints) -> None:
    """Write into ``gw``, ``(groups, filters, channels, *kernel)``, the gradient of the weight.

    ``g`` is ``(N, groups, filters, *out)``, the others are as for `correlate`.
    """
    groups, filters = gw.shape[:2]
    tiles = _Tiles(gw.shape[3:], g.shape[3:], stride, dilation)
    depth = math.prod(gw.shape[2:])
    turned = depth > filters  # BLAS prefers the long axis first
    sums: list[Array] = []

    def work(pieces: list[_Piece]) -> None:
        total = np.zeros((groups, *((depth, filters) if turned else (filters, depth))), gw.dtype)
        room, other = _Room(gw.dtype), _Room(gw.dtype)
        for images, rows in pieces:
            # The windows of all images are summed over in one product.
            columns = tiles.gather(x[images], rows, room).reshape(groups, depth, -1)
            part = tiles.windows(g[images], rows)
            cotangent = other.of((groups, filters), (len(part), part.shape[3]))
            cotangent[...] = part.transpose(1, 2, 0, 3)
            cotangent = cotangent.reshape(groups, filters, -1)
            left, right = (columns, cotangent) if turned else (cotangent, columns)
            np.add(total, np.matmul(left, right.swapaxes(1, 2)), out=total)
        sums.append(total.swapaxes(1, 2) if turned else total)

    _in_pieces(work, g, depth)
    gw[...] = sum(sums[1:], sums[0]).reshape(gw.shape)


_Piece = tuple[slice, slice]  # some images, and some rows of their windows


def _in_pieces(work: Callable[[list[_Piece]], None], y: Array, depth: int) -> None:
    """Share out the outputs ``y``, sums over ``depth`` products, in pieces that fit into caches."""
    count, groups, _, height, *others = y.shape
    if not count:
        return
    width = math.prod(others)
    fitting = max(1, _COLUMN_BYTES // max(1, groups * depth * width * y.itemsize))  # rows
    fitting = max(fitting, -(-_MIN_WINDOWS // width))
    threads = threads_for(multiplications(y.shape, depth))
    images = parts_of(count, max(-(-count * height // max(fitting, height)), min(threads, count)))
    rows = parts_of(height, max(-(-height // fitting), -(-threads // len(images))))
    in_shares(work, [(some, these) for some in images for these in rows], threads)
