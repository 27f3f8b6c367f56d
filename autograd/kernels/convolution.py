"""Convolution on plain arrays: the forward pass and its two adjoints.

Everything works on any number of spatial axes, ``(N, C, *spatial)``, and knows nothing of Tensors:
strides and dilations are ints per axis, padding is ``(before, after)`` per axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from autograd.kernels import _innermost, _tiles, _volumes, winograd
from autograd.kernels._bands import bands_pay, layout
from autograd.kernels._columns import Results, correlate, weigh, weigh_by_rows
from autograd.kernels._layout import innermost
from autograd.kernels._residues import gather
from autograd.kernels._scatter import (
    prefers_bands,
    prefers_planes,
    prefers_scatter,
    scatter,
    scatter_in_bands,
    scatter_in_planes,
)
from autograd.kernels._settings import SETTINGS
from autograd.kernels._shares import by_group, is_shared, multiplications, threads_for
from autograd.kernels._threads import thread_count
from autograd.kernels._twins import compilable, settle
from autograd.kernels._windows import Array, Ints, Padding, conv_output_shape, each_tap, trailing

__all__ = [
    "conv",
    "conv_and_weight_grad",
    "conv_grads",
    "conv_input_grad",
    "conv_weight_grad",
    "worth_a_thread_each",
]

# For arrays of fewer numbers compiled kernels are not asked for.
_LEAST = 1 << 10


# ---------------------------------------------------------------------------------- the kernels


@compilable(_LEAST)
def conv(
    x: Array,
    weight: Array,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
    bias: Array | None = None,
) -> Array:
    """Cross-correlate ``x`` with ``weight``: what every library calls convolution.

    With ``o`` a window, ``t`` a tap of the kernel, and ``x`` read as 0 outside its bounds,

        y[n, k, o] = sum over c, t of  weight[k, c, t] * x[n, c, o * stride + t * dilation - before]

    Args:
        x: input, ``(N, C, *spatial)``.
        weight: kernels, ``(O, C // groups, *kernel)``.
        stride: step from window to window, per spatial axis.
        padding: zeros ``(before, after)`` each spatial axis.
        dilation: step from tap to tap within a window, per spatial axis.
        groups: number of blocks the channels are split into; block ``i`` of the output sees only
            block ``i`` of the input.
        bias: one number per filter, ``(O,)``, added to all of its outputs; None for none.

    Returns:
        Output, ``(N, O, *out)``, with ``out`` from `conv_output_shape`.

    >>> x = np.arange(5.0).reshape(1, 1, 5)
    >>> conv(x, np.array([[[-1.0, 1.0]]]), (1,), ((0, 0),), (1,), 1)
    array([[[1., 1., 1., 1.]]])
    """
    out = conv_output_shape(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    dtype = np.result_type(x, weight) if bias is None else np.result_type(x, weight, bias)
    shape, before = (x.shape[0], weight.shape[0], *out), [b for b, _ in padding]
    w = _grouped(weight, groups)
    if _prefers_innermost(len(x), w.shape, x.shape[2:], out, stride, padding, dilation):
        y = innermost(shape, dtype)
        _innermost.correlate(x, w, y, stride, before, dilation, bias)
        return y
    y = np.empty(shape, dtype)
    if w.size and _tiles.serves(out, w.shape[3:], stride, padding, dilation):
        _tiles.correlate(by_group(x, groups), w, by_group(y, groups), stride, dilation, bias)
        return y
    if _serves_winograd((x, w, y), w.shape, out, stride, dilation):
        if not winograd.fits(weight.shape[2:], stride, dilation):
            window = _volumes.Window(weight.shape[2:], out, stride, padding, dilation)
            return _volumes.conv(conv, x, weight, window, bias)
        if _by_winograd(x, w, y, before, bias):
            return y
    correlate(x, w, Results.all_of(y, groups), stride, before, dilation, bias)
    return y


@compilable(_LEAST)
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
    shape, dtype = (g.shape[0], groups * weight.shape[1], *spatial), np.result_type(g, weight)
    w = _grouped(weight, groups)
    before = [b for b, _ in padding]
    if (
        _prefers_innermost(len(g), w.shape, spatial, g.shape[2:], stride, padding, dilation)
        and np.isfinite(w).all()
    ):
        gx = innermost(shape, dtype)
        _innermost.scatter(g, w, gx, stride, before, dilation)
        return gx
    gx = np.empty(shape, dtype)
    if w.size and _tiles.serves(g.shape[2:], w.shape[3:], stride, padding, dilation):
        _tiles.scatter(by_group(g, groups), w, by_group(gx, groups), stride, dilation)
        return gx
    by_bands = prefers_bands(g, w, stride, dilation)
    whole = winograd.fits(weight.shape[2:], stride, dilation)
    # Bands are faster, but for volumes whose planes are not transformed more than once.
    rather = by_bands and SETTINGS.convolution == "auto" and not (whole and len(spatial) == 3)
    if not rather and _serves_winograd(
        (g, w, gx), w.swapaxes(1, 2).shape, spatial, stride, dilation
    ):
        if not whole:
            window = _volumes.Window(weight.shape[2:], g.shape[2:], stride, padding, dilation)
            return _volumes.input_grad(conv_input_grad, g, weight, spatial, window)
        begin = [k - 1 - b for k, b in zip(weight.shape[2:], before, strict=True)]
        if _by_winograd(g, w, gx, begin, adjoint=True):
            return gx
    if prefers_planes(g, w, stride, dilation):
        scatter_in_planes(g, w, gx, stride, before, dilation)
        return gx
    if by_bands:
        scatter_in_bands(g, w, gx, stride, before, dilation)
        return gx
    if prefers_scatter(g, w, stride, dilation):
        scatter(g, w, gx, stride, before, dilation)
        return gx
    gather(g, w, gx, stride, before, dilation)
    return gx


@compilable(_LEAST)
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
    before = [b for b, _ in padding]
    w = np.empty((groups, filters, channels, *kernel), dtype)
    by_innermost = _prefers_innermost(
        len(g), w.shape, x.shape[2:], g.shape[2:], stride, padding, dilation
    )
    if not by_innermost and _serves_winograd((x, w, g), w.shape, g.shape[2:], stride, dilation):
        if not winograd.fits(kernel, stride, dilation):
            window = _volumes.Window(kernel, g.shape[2:], stride, padding, dilation)
            gw = _volumes.weight_grad(conv_weight_grad, g, x, window)
            if gw is not None:
                return gw
        else:
            deep = kernel[0] if len(kernel) == 3 else 1
            for i, (cells, outs) in enumerate(_blocks(groups, channels, filters)):
                w[i] = winograd.correlate_weight_grad(g[:, outs], x[:, cells], before, deep)
            if np.isfinite(w).all():
                return w.reshape(groups * filters, channels, *kernel)
    if not (g.size and x.size and depth):
        return np.zeros((groups * filters, channels, *kernel), dtype)
    cotangents, cells = by_group(g, groups), by_group(x, groups)
    if _tiles.serves(g.shape[2:], kernel, stride, padding, dilation):
        _tiles.weigh(cotangents, cells, w, stride, dilation)
        return w.reshape(groups * filters, channels, *kernel)
    # Positions that belong to no window have cotangent 0. That is exact, unless they meet an inf or
    # a nan, which is found out below.
    with np.errstate(invalid="ignore"):
        if by_innermost:
            _innermost.weigh(g, x, w, stride, before, dilation)
        else:
            weigh(cotangents, cells, w, stride, before, dilation)
    if dtype.kind in "fc" and not np.isfinite(w).all():
        return _weight_grad_by_tap(g, x, kernel, stride, padding, dilation, groups)
    return w.reshape(groups * filters, channels, *kernel)


def conv_and_weight_grad(
    x: Array,
    g: Array,
    weight: Array,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> tuple[Array, Array] | None:
    """`conv` of ``x`` and `conv_weight_grad` of ``g`` and ``x``, from the same columns.

    Both are gradients of a transposed convolution, for which ``g`` is the input and ``x`` the
    cotangent of the output.

    Args:
        x, weight, stride, padding, dilation, groups: as given to `conv`.
        g: as large as its output, ``(N, O, *out)``.

    Returns:
        Both; or None where one of them had better be computed by itself.

    >>> x, g, w = (np.array([[v]]) for v in ([1.0, 2.0, 3.0], [1.0, 10.0], [-1.0, 1.0]))
    >>> conv_and_weight_grad(x, g, w, (1,), ((0, 0),), (1,), 1)
    (array([[[1., 1.]]]), array([[[21., 32.]]]))
    """
    w = _grouped(weight, groups)
    if _compiled(x, g) or not _prefers_same_columns(x, g, w, stride, padding, dilation):
        return None
    return _from_same_columns(x, g, w, stride, padding, dilation)


def conv_grads(
    g: Array,
    x: Array,
    weight: Array,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> tuple[Array, Array] | None:
    """`conv_input_grad` and `conv_weight_grad` from the same columns, where there is little to do.

    With stride 1 the former is the correlation of ``g`` with kernels that run backwards, and the
    latter, backwards too, what ``x`` gives together with the same columns of ``g``.

    Args:
        g: cotangent of the output, ``(N, O, *out)``.
        x, weight, stride, padding, dilation, groups: as given to `conv`.

    Returns:
        Both; or None where they had better be computed each by itself.

    >>> g, x, w = (np.array([[v]]) for v in ([1.0, 10.0], [1.0, 2.0, 3.0], [2.0, 3.0]))
    >>> conv_grads(g, x, w, (1,), ((0, 0),), (1,), 1)
    (array([[[ 2., 23., 30.]]]), array([[[21., 32.]]]))
    """
    w = _grouped(weight, groups)
    if max(stride) > 1 or not g.size or is_shared(_work(g, w)) or _compiled(g, x):
        return None
    w = _turned(w)
    reach = [d * (k - 1) for k, d in zip(w.shape[3:], dilation, strict=True)]
    around = tuple((n - a, n - b) for n, (a, b) in zip(reach, padding, strict=True))
    if not _prefers_same_columns(g, x, w, stride, around, dilation):
        return None
    gx, gw = _from_same_columns(g, x, w, stride, around, dilation)
    return gx, np.ascontiguousarray(_turned(gw.reshape(w.shape))).reshape(weight.shape)


def worth_a_thread_each(g: Array, weight: Array, groups: int) -> bool:
    """Whether two of these kernels had better be at work at once, each in a thread of its own.

    Two threads that share one kernel's work after the other's are woken twice, and are in each
    other's way more often: they are at the same operations, and wait for the interpreter.

    Args:
        g: output or its cotangent, ``(N, O, *out)``.
        weight: kernels, ``(O, C // groups, *kernel)``.
        groups: as given to both.
    """
    w = _grouped(weight, groups)
    return (
        thread_count() == 2
        and w.size > 0
        and is_shared(_work(g, w))
        and not settle()  # compiled kernels share out their work for less
    )


# ----------------------------------------------------------------------- what is done with them


def _prefers_same_columns(
    x: Array, g: Array, w: Array, stride: Ints, padding: Padding, dilation: Ints
) -> bool:
    """Whether both are best computed by `_from_same_columns`, which takes the same arguments."""
    if not x.dtype == g.dtype == w.dtype or w.dtype.kind != "f" or not x.size or not g.size:
        return False
    out, kernel, before = g.shape[2:], w.shape[3:], [b for b, _ in padding]
    if (
        math.prod(kernel) == 1
        or _prefers_innermost(len(x), w.shape, x.shape[2:], out, stride, padding, dilation)
        or _tiles.serves(out, kernel, stride, padding, dilation)
        or _serves_winograd((x, w, g), w.shape, out, stride, dilation)
    ):
        return False
    threads = threads_for(_work(g, w))
    sizes = len(x), w.shape, x.shape[2:], out
    bands = layout(*sizes, stride, before, dilation, w.itemsize, threads)
    return bands is None and len(g) >= threads


def _from_same_columns(
    x: Array, g: Array, w: Array, stride: Ints, padding: Padding, dilation: Ints
) -> tuple[Array, Array]:
    """The correlation of ``x`` with kernels ``(groups, filters, channels, *kernel)``, and their
    gradient where ``g`` is the cotangent of its results, which are as large."""
    groups, filters, channels, *kernel = w.shape
    before = [b for b, _ in padding]
    threads = threads_for(_work(g, w))
    y, gw = np.empty(g.shape, g.dtype), np.empty(w.shape, g.dtype)
    cotangents, cells = by_group(g, groups), by_group(x, groups)
    weigh_by_rows(cotangents, cells, gw, stride, before, dilation, threads, (w, y))
    if not np.isfinite(gw).all():
        return y, _weight_grad_by_tap(g, x, kernel, stride, padding, dilation, groups)
    return y, gw.reshape(groups * filters, channels, *kernel)


def _grouped(weight: Array, groups: int) -> Array:
    """``(O, C // groups, *kernel)`` as ``(groups, O // groups, C // groups, *kernel)``."""
    return weight.reshape(groups, len(weight) // groups, *weight.shape[1:])


def _work(g: Array, w: Array) -> int:
    """What it costs to compute results as large as ``g``, with kernels ``(groups, filters,
    channels, *kernel)``, in multiplications."""
    return multiplications((len(g), *w.shape[:2], *g.shape[2:]), math.prod(w.shape[2:]))


def _compiled(*arrays: Array) -> bool:
    """Whether compiled kernels serve one of them."""
    return max(a.size for a in arrays) >= _LEAST and settle()


def _turned(w: Array) -> Array:
    """Kernels that run backwards, from filters to channels."""
    return w[trailing(slice(None, None, -1) for _ in w.shape[3:])].swapaxes(1, 2)


def _prefers_innermost(
    images: int, w: Ints, spatial: Ints, out: Ints, stride: Ints, padding: Padding, dilation: Ints
) -> bool:
    """Whether images had better stand innermost: the results of a convolution, in both directions,
    and what follows finds them so.

    The arguments are as for `_innermost.pays` and `_tiles.serves`.
    """
    return (
        SETTINGS.convolution != "winograd"
        and _innermost.pays(images, w, spatial, out, stride, dilation)
        and not _tiles.serves(out, w[3:], stride, padding, dilation)
    )


def _serves_winograd(
    arrays: Sequence[Array], w: Ints, out: Ints, stride: Ints, dilation: Ints
) -> bool:
    """Whether to correlate by Winograd's tiles: volumes whose kernels go step by step as they are,
    others as planes (see `_volumes`).

    Args:
        arrays: what is read and written: images first.
        w: shape of the kernels, ``(groups, filters, channels, *kernel)``.
        out: spatial shape of the results.
        stride, dilation: as given to `conv`.
    """
    images, (groups, filters, channels, *kernel) = len(arrays[0]), w
    if len(kernel) == 3 and groups == 1 and not winograd.fits(kernel, stride, dilation):
        images, channels, kernel = images * out[0], channels * kernel[0], kernel[1:]
        out, stride, dilation = out[1:], stride[1:], dilation[1:]
    if SETTINGS.convolution == "direct" or not winograd.fits(kernel, stride, dilation):
        return False
    if any(a.dtype != np.float32 or not a.size for a in arrays):
        return False
    if SETTINGS.convolution == "winograd":
        return True
    w = (groups, filters, channels, *kernel)
    if not winograd.pays(images, w[1:], out):
        return False
    return len(kernel) == 3 or not bands_pay(images, w, out)


def _by_winograd(
    x: Array,
    w: Array,
    y: Array,
    before: Ints,
    bias: Array | None = None,
    adjoint: bool = False,
) -> bool:
    """`_correlate` by Winograd's tiles; False where the numbers are not finite (or huge)."""
    channels, filters = (w.shape[1], w.shape[2]) if adjoint else (w.shape[2], w.shape[1])
    for i, (cells, outs) in enumerate(_blocks(len(w), channels, filters)):
        added = None if bias is None else bias[outs]
        if not winograd.correlate(x[:, cells], w[i], y[:, outs], before, added, adjoint):
            return False
    return True


def _blocks(groups: int, channels: int, filters: int) -> Iterator[tuple[slice, slice]]:
    """Channels and filters of each group."""
    for i in range(groups):
        yield (
            slice(i * channels, (i + 1) * channels),
            slice(i * filters, (i + 1) * filters),
        )


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
