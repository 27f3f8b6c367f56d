"""Cells of a convolution's input by what remains of their index when divided by the stride.

Those of one remainder are reached by the same taps, and are, backwards, an ordinary correlation.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np

from autograd.kernels._columns import Results, correlate
from autograd.kernels._shares import COLUMN_COST, by_group
from autograd.kernels._windows import Array, Ints, trailing

__all__ = ["fills", "gather"]


class _Residue(NamedTuple):
    """Cells of one axis that share a remainder modulo the stride, and what correlation they are."""

    first: int  # the first of these cells
    window: int  # the window that has it as its first one
    taps: slice  # the taps that reach them, last tap first
    before: int
    dilation: int


def _residues(kernel: int, stride: int, before: int, dilation: int) -> list[_Residue]:
    """Split one axis of the input by ``(cell + before) % stride``; see `conv_input_grad`.

    Cell ``i`` with ``i + before = q * stride + r`` meets tap ``t`` in window
    ``q - t * dilation // stride``, provided ``t * dilation % stride == r``.
    """
    common = math.gcd(stride, dilation)
    apart = stride // common
    found = []
    for r in range(stride):
        first = (r - before) % stride
        q = (first + before - r) // stride
        taps = [t for t in range(kernel) if t * dilation % stride == r]
        if taps:
            reach = taps[-1] * dilation // stride
            backwards = slice(taps[-1], None, -apart)
            found.append(_Residue(first, q, backwards, reach - q, dilation // common))
        else:
            found.append(_Residue(first, q, slice(0, 0), 0, 1))
    return found


def _taps_together(kernel: Ints, stride: Ints, dilation: Ints) -> list[int]:
    return [(k - 1) * d // s + 1 for k, s, d in zip(kernel, stride, dilation, strict=True)]


def fills(kernel: Ints, stride: Ints, dilation: Ints) -> bool:
    """Whether all residues have the same taps."""
    taps = _taps_together(kernel, stride, dilation)
    return math.prod(taps) * math.prod(stride) == math.prod(kernel)


def gather(g: Array, w: Array, gx: Array, stride: Ints, before: Ints, dilation: Ints) -> None:
    """Write into ``gx`` the input gradient, with nothing to add up.

    All cells whose padded index leaves the same remainder modulo the stride are reached by the same
    taps, and their cotangent is an ordinary stride-1 correlation of ``g`` with those taps reversed:
    no product with the zeros of a stretched-out ``g``.

    ``g`` is ``(N, groups * filters, *out)``, ``w`` ``(groups, filters, channels, *kernel)``, and
    ``gx`` ``(N, groups * channels, *spatial)``.
    """
    axes = [
        _residues(k, s, b, d)
        for k, s, b, d in zip(w.shape[3:], stride, before, dilation, strict=True)
    ]
    if _prefers_together(g, w, stride, dilation):
        _correlate_together(g, w, gx, axes, stride, before, dilation)
        return
    w = w.swapaxes(1, 2)
    ones = [1] * len(axes)
    for parts in itertools.product(*axes):
        cells = gx[trailing(slice(r.first, None, s) for r, s in zip(parts, stride, strict=True))]
        taps = w[trailing(r.taps for r in parts)]
        results = Results.all_of(cells, len(w))
        begin = [r.before for r in parts]
        correlate(g, taps, results, ones, begin, [r.dilation for r in parts])


def _correlate_together(
    g: Array,
    w: Array,
    gx: Array,
    axes: list[list[_Residue]],
    stride: Ints,
    before: Ints,
    dilation: Ints,
) -> None:
    """Write into ``gx`` the input gradient, as one correlation with the kernels of all residues.

    ``g``, ``w`` and ``gx`` are as for `scatter`. Window ``q`` gives the cells whose padded index
    is ``q * stride`` and those up to the next one; taps that a residue does not have are 0.
    """
    groups, filters, channels, *kernel = w.shape
    begin = [b // s for b, s in zip(before, stride, strict=True)]
    taps = _taps_together(kernel, stride, dilation)
    # With channels last: those of a filter are near each other in w, and BLAS turns what it reads.
    kernels = np.zeros((groups, filters, *taps, *stride, channels), w.dtype)
    for tap in np.ndindex(*kernel):
        steps = [divmod(t * d, s) for t, d, s in zip(tap, dilation, stride, strict=True)]
        place = [n - 1 - q for n, (q, _) in zip(taps, steps, strict=True)]
        kernels[(slice(None), slice(None), *place, *(r for _, r in steps))] = w[(..., *tap)]
    cells = by_group(gx, groups)
    views = [
        (
            cells[trailing(slice(r.first, None, s) for r, s in zip(parts, stride, strict=True))],
            [r.window - q for r, q in zip(parts, begin, strict=True)],
        )
        for parts in itertools.product(*axes)
    ]
    out = [
        (n - 1 + b) // s - q + 1
        for n, b, s, q in zip(gx.shape[2:], before, stride, begin, strict=True)
    ]
    kernels = np.moveaxis(kernels.reshape(groups, filters, *taps, -1), -1, 1)
    starts = [n - 1 - q for n, q in zip(taps, begin, strict=True)]
    ones = [1] * len(taps)
    correlate(g, kernels, Results(views, out), ones, starts, ones)


def _prefers_together(g: Array, w: Array, stride: Ints, dilation: Ints) -> bool:
    """Whether to correlate with the kernels of all residues at once: there are more products then,
    but columns are laid out only once."""
    _, _, channels, *kernel = w.shape
    cells = math.prod(stride)
    if cells == 1 or not g.size or not w.size:
        return False
    every = math.prod(_taps_together(kernel, stride, dilation))
    products = math.prod(kernel) * (channels + COLUMN_COST)
    if every * (cells * channels + COLUMN_COST) > products:
        return False
    # A tap that is not there must not meet an inf or a nan.
    with np.errstate(over="ignore", invalid="ignore"):
        return fills(kernel, stride, dilation) or bool(np.isfinite(g.sum()))
