"""Convolution with 3 by 3 kernels by Winograd's algorithm, for float32: a quarter of the products.

Four by four outputs are computed at once from the six by six cells they read, with 36 products
where the definition has 144. In one dimension, with ``d`` the six cells and ``w`` the three taps,

    y = A ((G w) * (B d)),

which multiplies two polynomials by way of their values at six points (Toom and Cook; transposed,
Winograd). In two dimensions the transforms act down the columns of a tile, then along its rows;
each is one of BLAS's products, of a small matrix with one of many columns:

    cells  --B, B-->  (36, T, C) @ (36, C, O)  --A, A-->  outputs (4, 4, T, O)

A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016, has the method;
B. Barabasz et al., Error Analysis and Improving the Accuracy of Winograd Convolution for Deep
Neural Networks, 2020, says why the points matter.

Accuracy, as the largest error over the largest value, on normally distributed numbers against
float64: 1e-6 with 32 channels, 3e-6 with 128 or 512, for outputs and both gradients; the direct
convolution's is 3e-7 to 7e-7.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from autograd.kernels._shares import threads_for
from autograd.kernels._threads import in_shares
from autograd.kernels._windows import Array, Ints

__all__ = ["correlate", "correlate_weight_grad", "fits", "pays"]

_TILE = 4  # outputs of a tile, per axis
_REACH = 6  # cells they read

# Transforms work on pieces of about this many bytes, so that what one step writes the next one
# finds in cache ...
_PIECE_BYTES = 3 << 19
# ... but never fewer tiles than this, or the products spend their time on repacking.
_MIN_TILES = 96
# Columns that a matrix of a transform is multiplied with at a time, at most: for small products
# OpenBLAS has kernels that need not lay anything out first.
_COLUMNS = 1 << 13
# Work of fewer multiplications than this is not shared out over threads.
_SHARED = 1 << 24


def _transforms(points: tuple[float, ...]) -> tuple[Array, Array, Array]:
    """The matrices A (4, 6), B (6, 6) and G (6, 3) for five points; infinity is the sixth.

    A evaluates powers at the points, G the polynomial of the taps, and the rows of B hold the
    coefficients of the polynomials that vanish at all points but one.
    """
    a, b, g = np.zeros((_TILE, _REACH)), np.zeros((_REACH, _REACH)), np.zeros((_REACH, 3))
    for i, point in enumerate(points):
        others = [p for p in points if p != point]
        a[:, i] = point ** np.arange(_TILE)
        b[i, :-1] = np.poly(others)[::-1]
        g[i] = point ** np.arange(3) / np.prod([point - p for p in others])
    a[-1, -1] = g[-1, -1] = 1
    b[-1] = np.poly(points)[::-1]
    return a, b, g


def _rounded(points: tuple[float, ...]) -> tuple[Array, Array, Array]:
    """The matrices A and B in float32, and G for both axes at once: taps (3, 3) to (6, 6) points.

    The first of the six is along the rows of a tile, the second down its columns.
    """
    a, b, g = _transforms(points)
    taps = np.einsum("ip,jq->jipq", g, g).reshape(36, 9)
    return a.astype(np.float32), b.astype(np.float32), taps.astype(np.float32)


# Chosen for accuracy: with the usual 0, ±1, ±2 errors are four times as large.
_OUTPUTS, _CELLS, _TAPS = _rounded((0.0, 0.625, -0.625, 1.5, -1.5))
# A bias comes in as one more row of values that counts once in every output.
_OUTPUTS_AND_BIAS = np.concatenate([_OUTPUTS, np.ones((4, 1), np.float32)], axis=1)
_TAPS_REVERSED = np.ascontiguousarray(_TAPS[:, ::-1])


def fits(kernel: Ints, stride: Ints, dilation: Ints) -> bool:
    """Whether a convolution is of the kind: of 3 by 3 kernels, step by step."""
    return tuple(kernel) == (3, 3) and all(s == 1 for s in (*stride, *dilation))


def pays(images: int, weight: Ints, out: Ints) -> bool:
    """Whether the products saved are worth the transforms.

    Args:
        images: how many.
        weight: numbers of filters and of channels, and whatever follows.
        out: height and width of the outputs.

    >>> pays(64, (32, 32), (28, 28)), pays(64, (32, 3), (28, 28)), pays(1, (512, 512), (4, 4))
    (True, False, False)
    """
    rows, columns = (-(-n // _TILE) for n in out)
    filled = math.prod(out) / (rows * columns * _TILE * _TILE)
    return min(weight[:2]) >= 16 and images * rows * columns >= 48 and filled > 0.4


def correlate(
    x: Array,
    w: Array,
    y: Array,
    before: Ints,
    bias: Array | None = None,
    adjoint: bool = False,
) -> bool:
    """Write into ``y`` the correlation of ``x`` with 3 by 3 kernels, read as 0 outside its bounds.

    Args:
        x: images, float32, ``(N, C, H, W)``.
        w: kernels, ``(O, C, 3, 3)``.
        y: outputs, ``(N, O, OH, OW)``; any view that can be written to.
        before: window 0 starts at cell ``-before``, per axis; cells are left out where negative.
        bias: ``(O,)``, added to the outputs.
        adjoint: whether ``w`` is ``(C, O, 3, 3)``, and its taps are meant in reverse, as in the
            gradient with respect to the input.

    Returns:
        Whether ``y`` is what it should be. It is not where numbers are infinite, NaN or huge: those
        reach all outputs of a tile, even the ones that do not read them.
    """
    # All transposed operands below are left to BLAS, which takes them as they are.
    taps = w.reshape(-1, 9).T
    kernels = np.matmul(_TAPS_REVERSED if adjoint else _TAPS, taps).reshape(36, *w.shape[:2])
    if not adjoint:
        kernels = kernels.swapaxes(1, 2)
    channels, filters = kernels.shape[1:]
    finite = True

    def work(pieces: list[_Piece]) -> None:
        nonlocal finite
        tiles: _Tiles | None = None
        for piece in pieces:
            tiles = _Tiles.of(piece, channels, filters, tiles)
            cells = tiles.transform_cells(x[piece.images], piece.first, before)
            np.matmul(cells, kernels, out=tiles.outputs)
            outputs = tiles.transform_outputs(bias)
            if not math.isfinite(np.vdot(outputs, outputs)):
                finite = False
                return
            tiles.by_tile[...] = outputs
            for i in range(_TILE * piece.first, min(_TILE * piece.last, y.shape[2]), _TILE):
                into = y[piece.images, :, i : i + _TILE]
                rows = slice(i - _TILE * piece.first, i - _TILE * piece.first + into.shape[2])
                into[...] = tiles.plane[:, rows, : into.shape[3]].transpose(0, 3, 1, 2)

    with np.errstate(invalid="ignore", over="ignore"):
        in_shares(work, _pieces(y.shape, channels, filters))
    return finite


def correlate_weight_grad(g: Array, x: Array, before: Ints) -> Array:
    """Adjoint of `correlate` with respect to the kernels.

    Args:
        g: cotangent of the outputs, float32, ``(N, O, OH, OW)``.
        x: images, float32, ``(N, C, H, W)``.
        before: as given to `correlate`.

    Returns:
        ``(O, C, 3, 3)``; as in `correlate`, numbers that are not finite reach too far.
    """
    filters, channels = g.shape[1], x.shape[1]
    sums: list[Array] = []

    def work(pieces: list[_Piece]) -> None:
        total = np.empty((36, filters, channels), np.float32)
        term = total
        tiles: _Tiles | None = None
        for piece in pieces:
            tiles = _Tiles.of(piece, channels, filters, tiles)
            cells = tiles.transform_cells(x[piece.images], piece.first, before)
            rows = slice(_TILE * piece.first, _TILE * piece.last)
            cotangents = tiles.transform_cotangents(g[piece.images, :, rows])
            np.matmul(cotangents.swapaxes(1, 2), cells, out=term)
            if term is total:
                term = np.empty_like(total)
            else:
                np.add(total, term, out=total)
        sums.append(total)

    with np.errstate(invalid="ignore", over="ignore"):
        in_shares(work, _pieces(g.shape, channels, filters))
        for other in sums[1:]:
            sums[0] += other
        return np.matmul(sums[0].reshape(36, -1).T, _TAPS).reshape(filters, channels, 3, 3)


# ------------------------------------------------------------------------------ piece by piece


class _Piece(NamedTuple):
    """Some images, and rows of tiles in them: what is transformed at once."""

    images: slice
    first: int
    last: int
    columns: int  # tiles in a row


def _pieces(shape: Ints, channels: int, filters: int) -> list[_Piece]:
    """Cut outputs of a ``shape`` up into pieces of about equal size, at least one per thread."""
    images, _, height, width = shape
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    wanted = max(_MIN_TILES, _PIECE_BYTES // (36 * 4 * max(channels, filters)))
    work = 36 * images * rows * columns * channels * filters
    threads = threads_for(work, _SHARED)
    many = _even(images, round(wanted / (rows * columns)), threads)
    some = _even(rows, round(wanted / columns), 1 if many < images else threads)
    return [
        _Piece(slice(i, min(images, i + many)), r, min(rows, r + some), columns)
        for i in range(0, images, many)
        for r in range(0, rows, some)
    ]


def _even(count: int, wanted: int, threads: int) -> int:
    """Size of equal parts of ``count`` things: about ``wanted`` each, as many to each thread."""
    parts = -(-count // max(1, wanted))
    return -(-count // min(count, -(-parts // threads) * threads))


class _Tiles:
    """Room for one piece on its way through the transforms, channels innermost.

    A value at the points is that of a pair of them: along the rows of a tile, and down its columns.

    Attributes:
        outputs: values of the outputs at the points, ``(36, tiles, filters)``.
        plane: outputs as they lie in the images, ``(images, height, width, filters)``.
        by_tile: the same by their places in a tile, ``(4, 4, images, rows, columns, filters)``.
    """

    def __init__(
        self,
        images: int,
        rows: int,
        columns: int,
        channels: int,
        filters: int,
        room: Array | None = None,
    ) -> None:
        self.shape = images, rows, columns
        count = images * rows * columns
        # Two buffers are enough: each step reads the one and writes the other.
        most = 36 * count * max(channels, filters)
        if room is None or room.size < 2 * most:
            room = np.empty(2 * most, np.float32)
        self.room = room
        one, two = room[:most], room[most:]
        self._two = two
        self._spare: Array | None = None
        wide = 4 * columns + 2
        self._cells = _part(two, images, 4 * rows + 2, wide, channels)
        n, h, *_ = self._cells.strides
        self._cells_down = np.ndarray(
            (images, rows, 6, wide * channels), np.float32, two, strides=(n, 4 * h, h, 4)
        )
        down = _part(one, 6, images, rows, wide, channels)
        self._down = _one_axis(down)
        i, n, r, w, c = down.strides
        self._down_along = np.ndarray(
            (6, 6, images, rows, columns, channels), np.float32, one, strides=(w, i, n, r, 4 * w, c)
        )
        self._tiles = _part(two, *self._down_along.shape)
        self._transformed = _part(one, 36, count, channels)
        self.outputs = _part(two, 36, count, filters)
        self._along = _part(one, 4, 7, count * filters)
        self._flat = _part(two, 4, 4, count * filters)
        self.plane = _part(one, images, 4 * rows, 4 * columns, filters)
        split = self.plane.reshape(images, rows, 4, columns, 4, filters)
        self.by_tile = split.transpose(4, 2, 0, 1, 3, 5)

    @classmethod
    def of(cls, piece: _Piece, channels: int, filters: int, last: _Tiles | None) -> _Tiles:
        """Room for a piece, in that of the ``last`` one where it is enough."""
        images = piece.images.stop - piece.images.start
        shape = images, piece.last - piece.first, piece.columns
        if last is None:
            return cls(*shape, channels, filters)
        return last if last.shape == shape else cls(*shape, channels, filters, last.room)

    def transform_cells(self, x: Array, first: int, before: Ints) -> Array:
        """Values of the cells at the points, ``(36, tiles, channels)``, from tile row ``first``."""
        _lay_out(x, self._cells, _TILE * first - before[0], -before[1])
        _multiply(_CELLS, self._cells_down, self._down)
        self._tiles[...] = self._down_along
        _multiply(_CELLS, self._tiles.reshape(6, -1), self._transformed.reshape(6, -1))
        return self._transformed

    def transform_outputs(self, bias: Array | None) -> Array:
        """The outputs whose values at the points are in ``outputs``, in the order of `by_tile`."""
        along = self._along[:, :6]
        _multiply(_OUTPUTS, self.outputs.reshape(6, -1), along.reshape(4, -1))
        if bias is None:
            _multiply(_OUTPUTS, along, self._flat)
        else:
            self._along[:, 6].reshape(4, -1, len(bias))[...] = bias
            _multiply(_OUTPUTS_AND_BIAS, self._along, self._flat)
        return self._flat.reshape(self.by_tile.shape)

    def transform_cotangents(self, g: Array) -> Array:
        """Adjoint: what ``outputs`` would be. Cells that are transformed already stay."""
        images, rows, columns = self.shape
        filters = g.shape[1]
        if self._spare is None:
            self._spare = np.empty(24 * images * rows * columns * filters, np.float32)
        spare = self._spare
        plane = _part(spare, images, 4 * rows, 4 * columns, filters)
        _lay_out(g, plane, 0, 0)
        down = _part(self._two, 6, images, rows, 4 * columns, filters)
        _multiply(_OUTPUTS.T, plane.reshape(images, rows, 4, -1), _one_axis(down))
        tiles = _part(spare, 4, 6, images, rows, columns, filters)
        split = down.reshape(6, images, rows, columns, 4, filters)
        tiles[...] = split.transpose(4, 0, 1, 2, 3, 5)
        _multiply(_OUTPUTS.T, tiles.reshape(4, -1), self.outputs.reshape(6, -1))
        return self.outputs


def _part(room: Array, *shape: int) -> Array:
    """The beginning of a buffer as an array."""
    return room[: math.prod(shape)].reshape(shape)


def _one_axis(down: Array) -> Array:
    """``(6, images, rows, width, channels)`` as a matrix for each image and row."""
    _, images, rows, _, _ = down.shape
    return down.transpose(1, 2, 0, 3, 4).reshape(images, rows, 6, -1)


def _multiply(matrix: Array, values: Array, out: Array) -> None:
    """The product of a small matrix with some of many columns, a part of them at a time."""
    count = values.shape[-1] // _COLUMNS

    def parts(of: Array) -> Array:
        some = of[..., : count * _COLUMNS]
        return some.reshape(*of.shape[:-1], count, _COLUMNS).swapaxes(-2, -3)

    if count:
        np.matmul(matrix, parts(values), out=parts(out))
    if count * _COLUMNS < values.shape[-1]:
        np.matmul(matrix, values[..., count * _COLUMNS :], out=out[..., count * _COLUMNS :])


def _lay_out(x: Array, cells: Array, top: int, left: int) -> None:
    """Copy ``x``, ``(N, C, H, W)``, into ``cells``, ``(N, height, width, C)``, from a corner on.

    ``cells[n, i, j]`` is ``x[n, :, i + top, j + left]``, or 0 outside its bounds.
    """
    rows, columns = (
        slice(min(there, max(0, -corner)), max(0, min(there, size - corner)))
        for there, size, corner in zip(cells.shape[1:3], x.shape[2:], (top, left), strict=True)
    )
    cells[:, : rows.start] = 0
    cells[:, rows.stop :] = 0
    cells[:, :, : columns.start] = 0
    cells[:, :, columns.stop :] = 0
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = x[
        :,
        :,
        rows.start + top : rows.stop + top,
        columns.start + left : columns.stop + left,
    ]
    if x.strides[1] % 1024 == 0:
        # All channels of a cell would fall on the same few lines of the cache.
        apart = np.empty((*x.shape[:2], part[0, 0].size + 16), x.dtype)[..., :-16]
        apart.reshape(part.shape)[...] = part
        part = apart.reshape(part.shape)
    cells[:, rows, columns] = part.transpose(0, 2, 3, 1)
