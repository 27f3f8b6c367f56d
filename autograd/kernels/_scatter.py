"""The gradient of a convolution's input, by adding up columns, and when that is the fastest way."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from autograd.kernels._bands import scatter_by_bands, scattered_bands_pay
from autograd.kernels._blas import openblas
from autograd.kernels._kept import Loan
from autograd.kernels._residues import fills
from autograd.kernels._rows import FlatRows, axes_of, batches
from autograd.kernels._shares import by_group, even, multiplications, parts_of, threads_for
from autograd.kernels._threads import in_threads, thread_count
from autograd.kernels._windows import Array, Ints

__all__ = [
    "prefers_bands",
    "prefers_planes",
    "prefers_scatter",
    "scatter",
    "scatter_in_bands",
    "scatter_in_planes",
]

# Volumes' products are added up by BLAS from so many rows on, of so many filters each; images stand
# side by side until a plane has about so many windows.
_PRODUCT_ROWS, _PRODUCT_FILTERS = 80, 32
_PLANE = 256
# What BLAS is told first: rows are runs of numbers, and neither matrix is to be turned.
_AS_THEY_ARE = 101, 111, 111


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


def prefers_planes(g: Array, w: Array, stride: Ints, dilation: Ints) -> bool:
    """Whether the input gradient of volumes is best added up by BLAS, plane by plane."""
    _, filters, channels, *kernel = w.shape
    return (
        len(kernel) == 3
        and dilation[0] == 1
        and stride[0] > 1
        and math.prod(kernel[1:]) > 1
        and not fills(kernel, stride, dilation)
        and channels * kernel[0] >= _PRODUCT_ROWS
        and filters >= _PRODUCT_FILTERS
        and len(g) * math.prod(g.shape[2:]) >= 4 * filters
        and g.dtype == w.dtype
        and _product(w.dtype) is not None
        and bool(np.isfinite(w).all())
    )


@cache
def _product(dtype: np.dtype[Any]) -> Callable[..., None] | None:
    """BLAS's product of matrices of a dtype, as `OpenBlas.gemm` tells, if it has one."""
    blas = openblas()
    return None if blas is None else blas.gemm(dtype.char)


def scatter_in_planes(
    g: Array, w: Array, gx: Array, stride: Ints, before: Ints, dilation: Ints
) -> None:
    """`scatter` of volumes without columns: BLAS adds products to what is there.

    What one tap of a plane adds to is a run of the flat rows that columns would be added up on. All
    channels of a plane stand one below the other, then those of the next plane, so that what a
    kernel reaches in depth is a run of such rows: a matrix, to which a product is added as it is.
    """
    groups, filters, channels, *kernel = w.shape
    g, gx = by_group(g, groups), by_group(gx, groups)
    deep, windows, step = kernel[0], g.shape[3], stride[0]
    axes = axes_of(gx.shape[4:], g.shape[4:], *(v[1:] for v in (kernel, stride, before, dilation)))
    planes = (windows - 1) * step + deep  # those that any window reaches, padding included
    inside, cells = slice(before[0], before[0] + gx.shape[3]), slice(max(0, planes - before[0]))
    threads = threads_for(multiplications(g.shape, channels * math.prod(kernel)))
    by_image = len(g) >= threads
    product = _product(w.dtype)
    if product is None:
        raise TypeError(f"BLAS has no product of matrices of {w.dtype}")
    # A matrix for each group and each tap of a plane.
    taps = w.reshape(groups, filters, channels, deep, -1).transpose(0, 4, 3, 2, 1)

    def add(rows: FlatRows, matrices: Array, cotangents: Array) -> None:
        """Add to the rows of some images' planes and channels what windows give them."""
        size, seen = w.itemsize, deep * rows.data.shape[2]
        starts, apart = [size * start for start in rows.starts()], rows.data.strides[2] // size
        for depth in range(windows):
            cotangent = rows.spread(cotangents[:, :, :, depth])
            between = cotangent.strides[1] // size
            for group in range(groups):
                matrix, these = matrices[group].ctypes.data, cotangent[group].ctypes.data
                reached = rows.data[group, depth * step :].ctypes.data
                for start in starts:
                    product(
                        *(*_AS_THEY_ARE, seen, rows.length, filters),
                        *(1.0, matrix, filters, these, between),
                        *(1.0, reached + start, apart),
                    )
                    matrix += seen * filters * size

    def work(some: slice) -> None:
        cotangents, part, matrices = (
            (g[some], gx[some], taps) if by_image else (g, gx[:, :, some], taps[..., some, :])
        )
        part[...] = 0
        matrices = np.ascontiguousarray(matrices)
        most = even(len(part), max(1, round(_PLANE / math.prod(g.shape[4:]))))
        with Loan() as loan:
            for first in range(0, len(part), most):
                images = slice(first, min(first + most, len(part)))
                like = images.stop - first, (groups, planes, part.shape[2]), w.dtype, False, 0
                rows = FlatRows.lent(loan, axes, *like, added=True)
                rows.data[...] = 0
                add(rows, matrices, cotangents[images])
                written = part[images].swapaxes(2, 3)[:, :, cells]
                for places, there in rows.cells:
                    written[there] = places[:, :, inside]

    in_threads(work, parts_of(len(g) if by_image else channels, threads))


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
