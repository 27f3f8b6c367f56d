"""Convolution on plain arrays: the forward pass, its two adjoints, and the textbook im2col / col2im.

Everything works on any number of spatial axes, ``(N, C, *spatial)``, and knows nothing of Tensors or of
names for paddings: strides and dilations are ints per axis, padding is ``(before, after)`` per axis.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from autograd.kernels._windows import Array, Ints, Padding, each_tap, trailing

__all__ = [
    "col2im",
    "conv",
    "conv_input_grad",
    "conv_output_shape",
    "conv_weight_grad",
    "im2col",
]

# Columns are made in pieces of about this many bytes: small enough to be read back from cache by the
# matrix product, large enough for the product to run at full speed.
_COLUMN_BYTES = 1 << 19
# ... but never fewer columns than this, or the product spends its time repacking the weight.
_MIN_COLUMNS = 256
# From this many positions on, one product per image beats gathering several images.
_MIN_POINTWISE = 64


# ---------------------------------------------------------------------------------- the kernels


def conv_output_shape(
    spatial: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints
) -> tuple[int, ...]:
    """Spatial shape of a convolution's output, ``floor((size + pads - extent) / stride) + 1`` per axis.

    ``extent = (kernel - 1) * dilation + 1`` is how far one window reaches. An axis too short for a
    single window gives 0.

    >>> conv_output_shape((32, 32), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1))
    (16, 16)
    """
    return tuple(
        max(0, (n + before + after - (k - 1) * d - 1) // s + 1)
        for n, k, s, (before, after), d in zip(
            spatial, kernel, stride, padding, dilation, strict=True
        )
    )


def conv(
    x: Array, weight: Array, stride: Ints, padding: Padding, dilation: Ints, groups: int
) -> Array:
    """Cross-correlate ``x`` with ``weight``: what every library calls convolution.

    With ``o`` an output position and ``t`` a tap of the kernel, and ``x`` read as 0 outside its bounds,

        y[n, k, o] = sum over c, t of  weight[k, c, t] * x[n, c, o * stride + t * dilation - before]

    Args:
        x: input, ``(N, C, *spatial)``.
        weight: kernels, ``(O, C // groups, *kernel)``.
        stride: step from window to window, per spatial axis.
        padding: zeros ``(before, after)`` each spatial axis.
        dilation: step from tap to tap within a window, per spatial axis.
        groups: number of blocks the channels are split into; block ``i`` of the output sees only
            block ``i`` of the input.

    Returns:
        Output, ``(N, O, *out)``, with ``out`` from `conv_output_shape`.

    >>> x = np.arange(5.0).reshape(1, 1, 5)
    >>> conv(x, np.array([[[-1.0, 1.0]]]), (1,), ((0, 0),), (1,), 1)
    array([[[1., 1., 1., 1.]]])
    """
    out = conv_output_shape(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    y = np.empty((x.shape[0], weight.shape[0], *out), np.result_type(x, weight))
    w = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    _correlate(x, w, y, stride, [before for before, _ in padding], dilation)
    return y


def conv_input_grad(
    g: Array,
    weight: Array,
    spatial: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Array:
    """Adjoint of `conv` with respect to its input, also known as transposed convolution.

    Args:
        g: cotangent of the output, ``(N, O, *out)``.
        weight: kernels, ``(O, C // groups, *kernel)``.
        spatial: spatial shape of the input.
        stride, padding, dilation, groups: as given to `conv`.

    Returns:
        Cotangent of the input, ``(N, C, *spatial)``; 0 where no window read the input.

    >>> g = np.array([[[1.0, 10.0]]])
    >>> conv_input_grad(g, np.array([[[2.0, 3.0]]]), (5,), (2,), ((0, 0),), (1,), 1)
    array([[[ 2.,  3., 20., 30.,  0.]]])
    """
    # All cells whose padded index leaves the same remainder modulo the stride are reached by the same
    # taps, and their cotangent is an ordinary stride-1 correlation of g with those taps reversed.
    # So there is nothing to scatter, and no product with the zeros of a stretched-out g.
    gx = np.empty((g.shape[0], groups * weight.shape[1], *spatial), np.result_type(g, weight))
    w = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:]).swapaxes(1, 2)
    residues = [
        _residues(k, s, before, d)
        for k, s, (before, _), d in zip(weight.shape[2:], stride, padding, dilation, strict=True)
    ]
    for combination in itertools.product(*residues):
        cells = gx[
            trailing(slice(r.first, None, s) for r, s in zip(combination, stride, strict=True))
        ]
        taps = w[trailing(r.taps for r in combination)]
        _correlate(
            g,
            taps,
            cells,
            [1] * len(combination),
            [r.before for r in combination],
            [r.dilation for r in combination],
        )
    return gx


def conv_weight_grad(
    g: Array,
    x: Array,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Array:
    """Adjoint of `conv` with respect to its weight.

    Args:
        g: cotangent of the output, ``(N, O, *out)``.
        x: input, ``(N, C, *spatial)``.
        kernel: spatial shape of the kernel.
        stride, padding, dilation, groups: as given to `conv`.

    Returns:
        Cotangent of the weight, ``(O, C // groups, *kernel)``.

    >>> g, x = np.array([[[1.0, 10.0]]]), np.array([[[1.0, 2.0, 3.0]]])
    >>> conv_weight_grad(g, x, (2,), (1,), ((0, 0),), (1,), 1)
    array([[[21., 32.]]])
    """
    channels, filters = x.shape[1] // groups, g.shape[1] // groups
    dtype = np.result_type(g, x)
    depth = channels * math.prod(kernel)
    gw = np.zeros((groups, depth, filters), dtype)  # transposed: BLAS is faster this way round
    if g.size and x.size and depth:
        axes = _axes(
            x.shape[2:], g.shape[2:], kernel, stride, [before for before, _ in padding], dilation
        )
        # Flat rows have positions that belong to no window; they get cotangent 0, which is exact
        # unless they meet an inf or a nan. That is found out, and computed again, below.
        term = np.empty_like(gw)
        spread = None
        with np.errstate(invalid="ignore"):
            for images, rows in _batches(x, axes, dtype):
                if spread is None or spread.shape[1] != rows.size:
                    spread = np.zeros((g.shape[1], rows.size), dtype)
                rows.windows(spread)[...] = g[images]
                cotangent = spread.reshape(groups, filters, -1).swapaxes(1, 2)
                for at, cols in rows.columns():
                    np.matmul(cols.reshape(groups, depth, -1), cotangent[:, at], out=term)
                    gw += term
        if gw.dtype.kind in "fc" and not np.isfinite(gw).all():
            return _weight_grad_by_tap(g, x, kernel, stride, padding, dilation, groups)
    gw = gw.swapaxes(1, 2).reshape(groups * filters, channels, *kernel)
    return np.ascontiguousarray(gw)


# ------------------------------------------------------------------------ im2col, as in textbooks


def im2col(x: Array, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints) -> Array:
    """Lay out every window of ``x`` as a column, so that convolution becomes a matrix product.

    The textbook form, whole batch at once; `conv` gets the same product from cache-sized pieces.

    Args:
        x: input, ``(N, C, *spatial)``.
        kernel: spatial shape of the window.
        stride, padding, dilation: as for `conv`.

    Returns:
        Columns, ``(N, C * prod(kernel), prod(out))``, both axes in row-major order, as
        ``torch.nn.functional.unfold`` lays them out.

    >>> im2col(np.arange(4).reshape(1, 1, 4), (2,), (1,), ((0, 0),), (1,))
    array([[[0, 1, 2],
            [1, 2, 3]]])
    """
    out = conv_output_shape(x.shape[2:], kernel, stride, padding, dilation)
    cols = np.zeros((*x.shape[:2], math.prod(kernel), *out), x.dtype)
    taps = each_tap(x.shape[2:], out, kernel, stride, padding, dilation)
    for i, (windows, cells) in enumerate(taps):
        cols[:, :, i][windows] = x[cells]
    return cols.reshape(x.shape[0], x.shape[1] * math.prod(kernel), math.prod(out))


def col2im(
    cols: Array, spatial: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints
) -> Array:
    """Adjoint of `im2col`: add every column back onto the cells its window covers.

    Args:
        cols: columns, ``(N, C * prod(kernel), prod(out))``.
        spatial: spatial shape of the result.
        kernel, stride, padding, dilation: as given to `im2col`.

    Returns:
        Sums, ``(N, C, *spatial)``, as ``torch.nn.functional.fold`` gives them.

    >>> col2im(np.ones((1, 2, 3)), (4,), (2,), (1,), ((0, 0),), (1,))
    array([[[1., 2., 2., 1.]]])
    """
    out = conv_output_shape(spatial, kernel, stride, padding, dilation)
    channels = cols.shape[1] // math.prod(kernel)
    cols = cols.reshape(cols.shape[0], channels, math.prod(kernel), *out)
    x = np.zeros((cols.shape[0], channels, *spatial), cols.dtype)
    taps = each_tap(spatial, out, kernel, stride, padding, dilation)
    for i, (windows, cells) in enumerate(taps):
        x[cells] += cols[:, :, i][windows]
    return x


# ------------------------------------------------------------------------------------ flat rows
#
# im2col by the book copies each window on its own, in runs as short as the kernel is wide. Here the
# zero-padded input of a few images is laid out once as one flat row per channel. Moving a window by one
# tap then moves every window by the same distance in the row, so the values which one tap sees in *all*
# windows are one contiguous run of the row, and a column matrix is a handful of long copies:
#
#     x = a b c      rows, padding 1:  . a b c . d e f . g h i .     ("." is 0)
#         d e f      tap t of a 1x3 kernel, all windows: 11 numbers from position t on
#         g h i
#
# Three refinements. Neighbouring rows share their padding, as above. With a stride, cells of equal index
# modulo the stride are kept in rows of their own (phases), within which the windows are adjacent again.
# And the images of a batch stand between the last two axes, so that only the last axis has positions
# (at most kernel - 1 per row) that belong to no window; they are computed and dropped.


class _Phase(NamedTuple):
    """Taps of one axis that share a phase of the stride: where they read, and how that is filled."""

    taps: slice  # these taps of the kernel
    offset: int  # position of the first tap, in window 0
    step: int  # distance from one of these taps to the next
    cells: slice  # cells of the input that belong to this phase
    positions: slice  # and where they go


class _Axis(NamedTuple):
    """One spatial axis of the flat rows."""

    out: int  # windows
    kernel: int  # taps
    pitch: int  # positions, padding included
    reach: int  # position of the last tap, in window 0
    phases: tuple[_Phase, ...]


@lru_cache(maxsize=1024)
def _axis(size: int, out: int, kernel: int, stride: int, before: int, dilation: int) -> _Axis:
    """Lay out one axis. ``before`` may be negative: that many cells are then cropped.

    Window ``o`` reads padded cell ``o * stride + t * dilation``, which is position
    ``o + (t * dilation) // stride`` of phase ``(t * dilation) % stride``.
    """
    common = math.gcd(stride, dilation)
    apart = stride // common  # taps t and t + apart share a phase
    reach = (kernel - 1) * dilation // stride
    end = out + reach  # positions that are ever read
    phases = []
    lead = end  # zeros that every phase starts with
    pitch = out
    for t in range(min(apart, kernel)):
        r = t * dilation % stride
        start = max(0, -((r - before) // stride))
        stop = min(end, (size - 1 + before - r) // stride + 1)
        cells = positions = slice(0, 0)
        if start < stop:
            first = start * stride + r - before
            cells = slice(first, first + (stop - start - 1) * stride + 1, stride)
            positions = slice(start, stop)
            pitch = max(pitch, stop)
            lead = min(lead, start)
        offset = t * dilation // stride
        phases.append(_Phase(slice(t, None, apart), offset, dilation // common, cells, positions))
    # What a window reads past the end of its row must be 0: the next row's leading zeros will do.
    return _Axis(out, kernel, max(pitch, end - lead), reach, tuple(phases))


def _axes(
    spatial: Ints, out: Ints, kernel: Ints, stride: Ints, before: Ints, dilation: Ints
) -> list[_Axis]:
    return list(map(_axis, spatial, out, kernel, stride, before, dilation))


class _FlatRows:
    """A few images as flat zero-padded rows, and the column matrix that is read off them."""

    def __init__(self, axes: list[_Axis], images: int, channels: int, dtype: DTypeLike) -> None:
        n = len(axes)
        pitches = [a.pitch for a in axes]
        self.images = images
        self.size = images * math.prod(pitches)
        self._shape = (*pitches[:-1], images, pitches[-1])
        self._order = (n, 0, *range(1, n), n + 1)  # from there to (images, channels, *spatial)
        self._windows = trailing(slice(0, a.out) for a in axes)
        steps = [*(math.prod(self._shape[i + 1 :]) for i in range(n - 1)), 1]
        last = sum((a.out - 1) * step for a, step in zip(axes, steps, strict=True))
        self._length = last + (images - 1) * pitches[-1] + 1  # no window starts beyond

        # The data, one row per channel and phase; the input goes where there is no padding.
        phases = list(itertools.product(*(a.phases for a in axes)))
        reach = sum(a.reach * step for a, step in zip(axes, steps, strict=True))
        row = max(self.size, self._length + reach)
        self._data = np.zeros((channels, len(phases), row), dtype)
        self._fills = [
            (
                self._images_first(self._data[:, i])[trailing(p.positions for p in phase)],
                trailing(p.cells for p in phase),
            )
            for i, phase in enumerate(phases)
        ]

        # The columns; every phase is one copy, from runs of the data to its taps.
        kernel = [a.kernel for a in axes]
        self._span = self._length
        self._copies: list[tuple[Array, int, list[int]]] = []
        if math.prod(kernel) > 1:
            item = self._data.itemsize
            depth = channels * math.prod(kernel)
            self._span = min(self._length, _columns_at_once(depth, item))
            self._columns = np.empty((channels, *kernel, self._span), dtype)
            for i, phase in enumerate(phases):
                taps = self._columns[(slice(None), *(p.taps for p in phase))]
                start = i * row + sum(p.offset * s for p, s in zip(phase, steps, strict=True))
                moves = [p.step * s for p, s in zip(phase, steps, strict=True)]
                strides = [s * item for s in (len(phases) * row, *moves, 1)]
                self._copies.append((taps, start * item, strides))

    def _images_first(self, flat: Array) -> Array:
        """View flat rows ``(channels, size or more)`` as ``(images, channels, *positions)``."""
        return flat[:, : self.size].reshape(-1, *self._shape).transpose(self._order)

    def load(self, x: Array) -> None:
        """Lay out ``x``, ``(images, channels, *spatial)``."""
        for places, cells in self._fills:
            places[...] = x[cells]

    def columns(self) -> Iterator[tuple[slice, Array]]:
        """Column matrices ``(channels, *kernel, positions)``, each with its slice of the positions.

        Each is overwritten by the next.
        """
        if not self._copies:  # a kernel of one tap: the rows are the columns
            yield slice(0, self._length), self._data[:, 0, : self._length]
            return
        item = self._data.itemsize
        for start in range(0, self._length, self._span):
            count = min(self._span, self._length - start)
            for taps, offset, strides in self._copies:
                taps[..., :count] = np.ndarray(
                    (*taps.shape[:-1], count),
                    self._data.dtype,
                    self._data,
                    offset + start * item,
                    strides,
                )
            yield slice(start, start + count), self._columns[..., :count]

    def windows(self, flat: Array) -> Array:
        """View ``(channels, size)`` as ``(images, channels, *out)``, leaving out what is no window."""
        return self._images_first(flat)[self._windows]


def _columns_at_once(depth: int, itemsize: int) -> int:
    return max(_MIN_COLUMNS, _COLUMN_BYTES // (depth * itemsize))


def _batches(x: Array, axes: list[_Axis], dtype: DTypeLike) -> Iterator[tuple[slice, _FlatRows]]:
    """Lay out ``x`` a few images at a time, as many as fill one piece of columns."""
    count, channels = x.shape[:2]
    depth = channels * math.prod(a.kernel for a in axes)
    plane = math.prod(a.pitch for a in axes)
    most = max(1, _columns_at_once(depth, np.dtype(dtype).itemsize) // plane)
    most = -(-count // -(-count // most))  # batches of equal size
    rows = None
    for start in range(0, count, most):
        images = min(most, count - start)
        if rows is None or rows.images != images:
            rows = _FlatRows(axes, images, channels, dtype)
        rows.load(x[start : start + images])
        yield slice(start, start + images), rows


def _correlate(x: Array, w: Array, y: Array, stride: Ints, before: Ints, dilation: Ints) -> None:
    """Write into ``y`` (any strided view) the correlation of ``x``, read as 0 outside its bounds.

    ``x`` is ``(N, groups * channels, *spatial)``, ``w`` is ``(groups, filters, channels, *kernel)``, and
    ``y`` is ``(N, groups * filters, *out)``; window 0 starts at cell ``-before``.
    """
    groups, filters, channels, *kernel = w.shape
    if y.size == 0:
        return
    if w.size == 0:
        y[...] = 0
        return
    matrix = w.reshape(groups, filters, -1).astype(y.dtype, copy=False)
    if _is_pointwise(x, w, y, stride, before):
        planes = x.reshape(len(x), groups, channels, -1)
        np.matmul(matrix, planes, out=y.reshape(len(y), groups, filters, -1))
        return
    axes = _axes(x.shape[2:], y.shape[2:], kernel, stride, before, dilation)
    out = None
    for images, rows in _batches(x, axes, y.dtype):
        if out is None or out.shape[-1] != rows.size:
            out = np.empty((groups, filters, rows.size), y.dtype)
        for at, cols in rows.columns():
            np.matmul(matrix, cols.reshape(groups, matrix.shape[2], -1), out=out[..., at])
        y[images] = rows.windows(out.reshape(groups * filters, -1))


def _is_pointwise(x: Array, w: Array, y: Array, stride: Ints, before: Ints) -> bool:
    """Whether a correlation is one plain matrix product per image, straight from ``x`` into ``y``."""
    return (
        math.prod(w.shape[3:]) == 1
        and x.shape[2:] == y.shape[2:]
        and math.prod(y.shape[2:]) >= _MIN_POINTWISE
        and all(s == 1 for s in stride)
        and not any(before)
        and x.dtype == y.dtype
        and x.flags.c_contiguous
        and y.flags.c_contiguous
    )


class _Residue(NamedTuple):
    """Cells of one axis that share a remainder modulo the stride, as a correlation of the cotangent."""

    first: int  # the first of these cells
    taps: slice  # the taps that reach them, last tap first
    before: int
    dilation: int


def _residues(kernel: int, stride: int, before: int, dilation: int) -> list[_Residue]:
    """Split one axis of the input by ``(cell + before) % stride``; see `conv_input_grad`.

    Cell ``i`` with ``i + before = q * stride + r`` meets tap ``t`` in window ``q - t * dilation // stride``,
    provided ``t * dilation % stride == r``.
    """
    common = math.gcd(stride, dilation)
    apart = stride // common
    residues = []
    for r in range(stride):
        first = (r - before) % stride
        q = (first + before - r) // stride
        taps = [t for t in range(kernel) if t * dilation % stride == r]
        if taps:
            reach = taps[-1] * dilation // stride
            backwards = slice(taps[-1], None, -apart)
            residues.append(_Residue(first, backwards, reach - q, dilation // common))
        else:
            residues.append(_Residue(first, slice(0, 0), 0, 1))
    return residues


def _weight_grad_by_tap(
    g: Array,
    x: Array,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Array:
    """`conv_weight_grad` tap by tap: slower, but each tap meets only the cells its windows read."""
    images, channels, filters = x.shape[0], x.shape[1] // groups, g.shape[1] // groups
    gw = np.zeros((groups, filters, channels, math.prod(kernel)), np.result_type(g, x))
    taps = each_tap(x.shape[2:], g.shape[2:], kernel, stride, padding, dilation)
    for i, (windows, cells) in enumerate(taps):
        seen = x[cells].reshape(images, groups, channels, -1)
        cotangent = g[windows].reshape(images, groups, filters, -1)
        gw[..., i] = np.matmul(cotangent, seen.swapaxes(2, 3)).sum(axis=0)
    return gw.reshape(groups * filters, channels, *kernel)
