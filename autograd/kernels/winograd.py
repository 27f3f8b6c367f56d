"""Convolution with 3 by 3 kernels by Winograd's algorithm, for float32: a quarter of the products.

Four by four outputs are computed at once from the six by six cells they read, with 36 products
where the definition has 144. In one dimension, with ``d`` the six cells and ``w`` the three taps,

    y = A ((G w) * (B d)),

which multiplies two polynomials by way of their values at six points (Toom and Cook; transposed,
Winograd). In two dimensions the transforms act down the columns of a tile, then along its rows;
each is one of BLAS's products, of a small matrix with one of many columns:

    cells  --B, B-->  (36, T, C) @ (36, C, O)  --A, A-->  outputs (4, 4, T, O)

Volumes are planes one behind the other, of which a kernel sees K: with the values of a place of all
planes side by side, what it sees of a tile, K planes of C channels, is one run of K C numbers.

A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016, has the method;
B. Barabasz et al., Error Analysis and Improving the Accuracy of Winograd Convolution for Deep
Neural Networks, 2020, says why the points matter.

Accuracy, as the largest error over the largest value, on normally distributed numbers against
float64: 1e-6 with 32 channels, 3e-6 with 128 or 512, for outputs and both gradients, of images and
of volumes; the direct convolution's is 3e-7 to 7e-7.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from autograd.kernels._shares import even, threads_for
from autograd.kernels._threads import in_shares
from autograd.kernels._windows import Array, Ints

__all__ = ["correlate", "correlate_weight_grad", "fits", "pays"]

_TILE = 4  # outputs of a tile, per axis
_REACH = 6  # cells they read

# Transforms work on pieces of about this many bytes, so that what one step writes the next one
# finds in cache ...
_PIECE_BYTES = 3 << 19
# ... but never fewer tiles than this, of all planes, or the products spend their time on repacking.
_MIN_TILES = 96
# Of volumes about so many planes of outputs at a time: their kernels see some more planes of cells,
# which are transformed again for the next ones.
_PLANES = 8
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
    """Whether a convolution is of the kind: of 3 by 3 kernels, in volumes any number of them one
    behind the other, step by step."""
    return (
        len(kernel) in (2, 3)
        and tuple(kernel[-2:]) == (3, 3)
        and all(s == 1 for s in (*stride, *dilation))
    )


def pays(images: int, weight: Ints, out: Ints) -> bool:
    """Whether the products saved are worth the transforms.

    Args:
        images: how many.
        weight: numbers of filters and of channels, and whatever follows.
        out: height and width of the outputs; of volumes, depth, height and width.

    >>> pays(64, (32, 32), (28, 28)), pays(64, (32, 3), (28, 28)), pays(1, (512, 512), (4, 4))
    (True, False, False)
    """
    *depth, height, width = out
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    filled = height * width / (rows * columns * _TILE * _TILE)
    least, enough = (8, 4) if depth else (16, 48)  # channels, and tiles side by side
    return min(weight[:2]) >= least and images * rows * columns >= enough and filled > 0.4


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
        x: images, float32, ``(N, C, H, W)``, or volumes, ``(N, C, D, H, W)``.
        w: kernels, ``(O, C, 3, 3)``, or ``(O, C, K, 3, 3)``.
        y: outputs, ``(N, O, OH, OW)`` or ``(N, O, OD, OH, OW)``; any view that can be written to.
        before: window 0 starts at cell ``-before``, per axis; cells are left out where negative.
        bias: ``(O,)``, added to the outputs.
        adjoint: whether ``w`` begins with ``(C, O)``, and its taps are meant in reverse, as in the
            gradient with respect to the input.

    Returns:
        Whether ``y`` is what it should be. It is not where numbers are infinite, NaN or huge: those
        reach all outputs of a tile, even the ones that do not read them.
    """
    x, w, y = map(_with_depth, (x, w, y))
    front, *corner = before if len(before) == 3 else (0, *before)
    deep = w.shape[2]
    # All transposed operands below are left to BLAS, which takes them as they are.
    if adjoint:
        taps = w[:, :, ::-1].transpose(2, 0, 1, 3, 4)  # planes, channels, filters
        channels, filters = w.shape[:2]
        kernels = np.matmul(_TAPS_REVERSED, taps.reshape(-1, 9).T)
        kernels = kernels.reshape(36, 1, deep * channels, filters)
    else:
        taps = w.swapaxes(1, 2)  # filters, planes, channels
        filters, channels = w.shape[:2]
        kernels = np.matmul(_TAPS, taps.reshape(-1, 9).T)
        kernels = kernels.reshape(36, 1, filters, deep * channels).swapaxes(2, 3)
    finite = True

    def work(pieces: list[_Piece]) -> None:
        nonlocal finite
        tiles: _Tiles | None = None
        for piece in pieces:
            planes = piece.planes.stop - piece.planes.start
            tiles = _Tiles.of(piece, (planes + deep - 1, channels), (planes, filters), tiles)
            first = piece.planes.start - front, _TILE * piece.first - corner[0], -corner[1]
            tiles.transform_cells(x[piece.images], first)
            np.matmul(tiles.seen, kernels, out=tiles.outputs.swapaxes(1, 2))
            outputs = tiles.transform_outputs(bias)
            if not math.isfinite(np.vdot(outputs, outputs)):
                finite = False
                return
            tiles.by_tile[...] = outputs
            for i in range(_TILE * piece.first, min(_TILE * piece.last, y.shape[3]), _TILE):
                into = y[piece.images, :, piece.planes, i : i + _TILE]
                rows = slice(i - _TILE * piece.first, i - _TILE * piece.first + into.shape[3])
                into[...] = tiles.images[:, rows, : into.shape[4]].transpose(0, 4, 3, 1, 2)

    with np.errstate(invalid="ignore", over="ignore"):
        in_shares(work, _pieces(y.shape, channels, filters, deep))
    return finite


def correlate_weight_grad(g: Array, x: Array, before: Ints, deep: int = 1) -> Array:
    """Adjoint of `correlate` with respect to the kernels.

    Args:
        g: cotangent of the outputs, float32, ``(N, O, OH, OW)`` or ``(N, O, OD, OH, OW)``.
        x: images, float32, ``(N, C, H, W)``, or volumes, ``(N, C, D, H, W)``.
        before: as given to `correlate`.
        deep: how many planes a kernel sees of volumes, K.

    Returns:
        ``(O, C, 3, 3)`` or ``(O, C, K, 3, 3)``; as in `correlate`, numbers that are not finite
        reach too far.
    """
    of_planes = x.ndim == 4
    x, g = map(_with_depth, (x, g))
    front, *corner = (0, *before) if of_planes else before
    filters, channels = g.shape[1], x.shape[1]
    sums: list[Array] = []

    def work(pieces: list[_Piece]) -> None:
        total = np.empty((deep, 36, filters, channels), np.float32)
        term = total
        tiles: _Tiles | None = None
        for piece in pieces:
            # The cotangents of planes have zeros behind them, so that as many planes of cells and
            # of cotangents stand side by side: of a place, and so of all places.
            planes = piece.planes.stop - piece.planes.start + deep - 1
            tiles = _Tiles.of(piece, (planes, channels), (planes, filters), tiles)
            first = piece.planes.start - front, _TILE * piece.first - corner[0], -corner[1]
            cells = tiles.transform_cells(x[piece.images], first).reshape(36, -1, channels)
            rows = slice(_TILE * piece.first, _TILE * piece.last)
            cotangents = tiles.transform_cotangents(g[piece.images, :, piece.planes, rows])
            cotangents = cotangents.reshape(36, -1, filters).swapaxes(1, 2)
            count = cells.shape[1]
            for t in range(deep):
                np.matmul(cotangents[:, :, : count - t], cells[:, t:], out=term[t])
            if term is total:
                term = np.empty_like(total)
            else:
                np.add(total, term, out=total)
        sums.append(total)

    with np.errstate(invalid="ignore", over="ignore"):
        in_shares(work, _pieces(g.shape, channels, filters, deep))
        for other in sums[1:]:
            sums[0] += other
        gw = np.matmul(sums[0].reshape(deep, 36, -1).swapaxes(1, 2), _TAPS)
    gw = gw.reshape(deep, filters, channels, 3, 3)
    return gw[0] if of_planes else gw.transpose(1, 2, 0, 3, 4)


def _with_depth(images: Array) -> Array:
    """Images, or kernels, as volumes that are one plane deep; volumes as they are."""
    return images[:, :, np.newaxis] if images.ndim == 4 else images


# ------------------------------------------------------------------------------ piece by piece


class _Piece(NamedTuple):
    """Some images, some planes of their outputs, rows of tiles in them: transformed at once."""

    images: slice
    planes: slice
    first: int
    last: int
    columns: int  # tiles in a row


def _pieces(shape: Ints, channels: int, filters: int, deep: int) -> list[_Piece]:
    """Cut outputs of a ``shape``, ``(N, O, D, H, W)``, up into pieces of about equal size, at least
    one per thread; for kernels that see so many planes."""
    images, _, depth, height, width = shape
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    planes = even(depth, _PLANES)
    most = max((planes + deep - 1) * channels, planes * filters)
    wanted = max(-(-_MIN_TILES // planes), _PIECE_BYTES // (36 * 4 * most))
    work = 36 * images * depth * rows * columns * deep * channels * filters
    threads = threads_for(work, _SHARED)
    many = _even(images, round(wanted / (rows * columns)), threads)
    some = _even(rows, round(wanted / columns), 1 if many < images else threads)
    return [
        _Piece(
            slice(i, min(images, i + many)),
            slice(z, min(depth, z + planes)),
            r,
            min(rows, r + some),
            columns,
        )
        for i in range(0, images, many)
        for r in range(0, rows, some)
        for z in range(0, depth, planes)
    ]


def _even(count: int, wanted: int, threads: int) -> int:
    """Size of equal parts of ``count`` things: about ``wanted`` each, as many to each thread."""
    parts = -(-count // max(1, wanted))
    return -(-count // min(count, -(-parts // threads) * threads))


class _Tiles:
    """Room for one piece on its way through the transforms, channels innermost.

    A value at the points is that of a pair of them: along the rows of a tile, and down its columns.

    Attributes:
        seen: values of the cells at the points, as kernels see them that give so many planes of
            outputs, ``(36, planes, tiles, K * channels)``.
        outputs: values of the outputs at the points, ``(36, tiles, planes, filters)``.
        images: outputs as they lie in the images, ``(N, height, width, planes, filters)``.
        by_tile: the same by their places in a tile, ``(4, 4, N, rows, columns, planes * filters)``.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        cells: tuple[int, int],
        outs: tuple[int, int],
        room: Array | None = None,
    ) -> None:
        """Of a ``shape`` ``(N, rows, columns)``; ``cells`` are planes and channels of the cells,
        ``outs`` planes and filters."""
        self.shape, self.of_cells, self.of_outs = shape, cells, outs
        images, rows, columns = shape
        channels, filters = math.prod(cells), math.prod(outs)
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
        self._cells = _part(two, images, 4 * rows + 2, wide, *cells)
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
        point, tile, number = self._transformed.strides
        self.seen = np.ndarray(
            (36, outs[0], count, (cells[0] - outs[0] + 1) * cells[1]),
            np.float32, one, strides=(point, cells[1] * number, tile, number),
        )  # fmt: skip
        self.outputs = _part(two, 36, count, *outs)
        self._along = _part(one, 4, 7, count * filters)
        self._flat = _part(two, 4, 4, count * filters)
        self.images = _part(one, images, 4 * rows, 4 * columns, *outs)
        split = self.images.reshape(images, rows, 4, columns, 4, filters)
        self.by_tile = split.transpose(4, 2, 0, 1, 3, 5)

    @classmethod
    def of(
        cls, piece: _Piece, cells: tuple[int, int], outs: tuple[int, int], last: _Tiles | None
    ) -> _Tiles:
        """Room for a piece, in that of the ``last`` one where it is enough."""
        images = piece.images.stop - piece.images.start
        shape = images, piece.last - piece.first, piece.columns
        if last is None:
            return cls(shape, cells, outs)
        if (last.shape, last.of_cells, last.of_outs) == (shape, cells, outs):
            return last
        return cls(shape, cells, outs, last.room)

    def transform_cells(self, x: Array, first: Ints) -> Array:
        """Values of cells at the points, ``(36, tiles, planes * channels)``, from ``first`` on."""
        _lay_out(x, self._cells, first)
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
        filters = math.prod(self.of_outs)
        if self._spare is None:
            self._spare = np.empty(24 * images * rows * columns * filters, np.float32)
        spare = self._spare
        laid_out = _part(spare, images, 4 * rows, 4 * columns, *self.of_outs)
        _lay_out(g, laid_out, (0, 0, 0))
        down = _part(self._two, 6, images, rows, 4 * columns, filters)
        _multiply(_OUTPUTS.T, laid_out.reshape(images, rows, 4, -1), _one_axis(down))
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


def _lay_out(x: Array, cells: Array, first: Ints) -> None:
    """Copy ``x``, ``(N, C, D, H, W)``, into ``cells``, ``(N, height, width, planes, C)``.

    ``cells[n, i, j, k]`` is ``x[n, :, k + first[0], i + first[1], j + first[2]]``, or 0 outside its
    bounds.
    """
    front, top, left = first
    inside, there = [], []  # along height, width and depth
    for axis, size, start in ((1, x.shape[3], top), (2, x.shape[4], left), (3, x.shape[2], front)):
        wanted = cells.shape[axis]
        low, high = min(wanted, max(0, -start)), max(0, min(wanted, size - start))
        if low > 0:
            cells[(slice(None),) * axis + (slice(low),)] = 0
        if high < wanted:
            cells[(slice(None),) * axis + (slice(high, None),)] = 0
        inside.append(slice(low, high))
        there.append(slice(low + start, high + start))
    part = x[:, :, there[2], there[0], there[1]]
    if not part.size:
        return
    if x.strides[1] % 1024 == 0:
        # All channels of a cell would fall on the same few lines of the cache.
        apart = np.empty((*x.shape[:2], part[0, 0].size + 16), x.dtype)[..., :-16]
        apart.reshape(part.shape)[...] = part
        part = apart.reshape(part.shape)
    cells[:, inside[0], inside[1], inside[2]] = part.transpose(0, 3, 4, 2, 1)
