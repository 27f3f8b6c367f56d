"""The gradient of a convolution's input, by adding up columns, and when that is the fastest way."""

from __future__ import annotations

import math

import numpy as np

from autograd.kernels._bands import scatter_by_bands, scattered_bands_pay
from autograd.kernels._residues import fills
from autograd.kernels._rows import axes_of, batches
from autograd.kernels._shares import by_group, multiplications, parts_of, threads_for
from autograd.kernels._threads import in_threads, thread_count
from autograd.kernels._windows import Array, Ints

__all__ = ["prefers_bands", "prefers_scatter", "scatter", "scatter_in_bands"]


def prefers_scatter(g: Array, w: Array, stride: Ints, dilation: Ints) -> bool:
    """Whether columns of ``g`` cost too much: there are many filters to few channels, or to so few
    windows that reversing the kernels would take as long."""
    _, filters, channels, *kernel = w.shape
    if math.prod(kernel) == 1 or not g.size or not w.size:
        return False
    strided = max(stride) > 1 and not fills(kernel, stride, dilation)
    many = filters > 2 * channels or (strided and filters == 2 * channels)
    few = len(g) * math.prod(g.shape[2:]) < 4 * filters
    return (many or few) and bool(np.isfinite(w).all())


def prefers_bands(g: Array, w: Array, stride: Ints, dilation: Ints) -> bool:
    """Whether the input gradient is best added up by bands of rows."""
    return (
        len(g) >= thread_count()
        and scattered_bands_pay(len(g), w.shape, g.shape[2:], stride, dilation)
        and bool(np.isfinite(w).all())
    )


def scatter_in_bands(
    g: Array, w: Array, gx: Array, stride: Ints, before: Ints, dilation: Ints
) -> None:
    """`scatter` by bands of rows."""
    groups, _, channels, *kernel = w.shape
    g, gx = by_group(g, groups), by_group(gx, groups)
    axes = axes_of(gx.shape[3:], g.shape[3:], kernel, stride, before, dilation)
    threads = threads_for(multiplications(g.shape, channels * math.prod(kernel)))
    gx[...] = 0
    in_threads(
        lambda some: scatter_by_bands(g[some], w, gx[some], axes, before[0]),
        parts_of(len(g), threads),
    )


def scatter(g: Array, w: Array, gx: Array, stride: Ints, before: Ints, dilation: Ints) -> None:
    """Write into ``gx`` the input gradient, by adding up columns as `col2im` does.

    ``g`` is ``(N, groups * filters, *out)``, ``w`` ``(groups, filters, channels, *kernel)``, and
    ``gx`` ``(N, groups * channels, *spatial)``. ``w`` must be finite: positions that belong to no
    window have cotangent 0, and their products with it must be 0 too.
    """
    groups, filters, channels, *kernel = w.shape
    g, gx = by_group(g, groups), by_group(gx, groups)
    depth = math.prod(kernel)
    matrix = np.ascontiguousarray(w.reshape(groups, filters, -1), gx.dtype).swapaxes(1, 2)
    axes = axes_of(gx.shape[3:], g.shape[3:], kernel, stride, before, dilation)
    threads = threads_for(multiplications(g.shape, channels * depth))
    by_image = len(g) >= threads

    def work(some: slice) -> None:
        cotangents, part, taps = (
            g,
            gx[:, :, some],
            matrix[:, some.start * depth : some.stop * depth],
        )
        if by_image:
            cotangents, part, taps = g[some], gx[some], matrix
        part[...] = 0
        for images, rows in batches(len(part), part.shape[1:3], axes, gx.dtype, added=True):
            cotangent = rows.spread(cotangents[images])
            for at, cols in rows.scatter():
                np.matmul(taps, cotangent[..., at], out=cols.reshape(groups, taps.shape[1], -1))
            rows.unload(part[images])

    in_threads(work, parts_of(len(g) if by_image else channels, threads))
