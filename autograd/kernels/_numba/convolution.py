"""Convolution, compiled: which of the kernels is the one for a layer.

Winograd's, those for windows that tile the input, for depthwise layers, for cotangents that are
mostly zeros, and for many filters go first, each where it is faster; `direct` serves all others.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from autograd.kernels import _volumes
from autograd.kernels import convolution as kernels
from autograd.kernels._numba import (
    HAS_GEMM,
    columns,
    depthwise,
    direct,
    sparse,
    tiles,
    winograd,
)
from autograd.kernels._settings import SETTINGS
from autograd.kernels._windows import conv_output_shape, three

__all__ = ["conv", "conv_input_grad", "conv_weight_grad"]

# Strides with more residues than this are better scattered, as NumPy's form does.
_MOST_RESIDUES = 9


def conv(
    x: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: int, bias: Any = None
) -> Any:
    """See :func:`autograd.kernels.conv`."""
    if not (_serves(x, weight) if bias is None else _serves(x, weight, bias)):
        return NotImplemented
    kernel, spatial = weight.shape[2:], x.shape[2:]
    out = conv_output_shape(spatial, kernel, stride, padding, dilation)
    if min(out) < 1:
        return NotImplemented
    images, channels, filters = len(x), weight.shape[1], len(weight) // groups
    before = tuple([b for b, _ in padding])
    x, weight = np.ascontiguousarray(x), np.ascontiguousarray(weight)
    start = np.zeros(len(weight), x.dtype) if bias is None else np.ascontiguousarray(bias)
    if _by_winograd(x.dtype, images, groups, channels, filters, kernel, out, stride, dilation):
        if len(kernel) == 3:
            window = _volumes.Window(kernel, out, stride, padding, dilation)
            return _volumes.conv(kernels.conv, x, weight, window, bias)
        result = winograd.correlate(x, weight, out, before, groups, start, False)
        if result is not None:
            return result
    if tiles.serves(kernel, stride, padding, dilation):
        return tiles.conv(x, weight, out, groups, start)
    plan = direct.plan_of(
        images, groups, channels, filters, spatial, kernel, out,
        tuple(stride), before, tuple(dilation), x.itemsize, 0,
    )  # fmt: skip
    y = np.empty((images, len(weight), *out), x.dtype)
    steps = _steps(three(out, 1), (0, 0, 0), (1, 1, 1))
    direct.correlate(x, weight, start, y, plan, steps)
    return y


def conv_input_grad(
    g: Any, weight: Any, spatial: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """See :func:`autograd.kernels.conv_input_grad`."""
    if not _serves(g, weight) or not math.prod(spatial):
        return NotImplemented
    kernel, out, spatial = weight.shape[2:], g.shape[2:], tuple(spatial)
    images, channels, filters = len(g), weight.shape[1], len(weight) // groups
    before = tuple([b for b, _ in padding])
    g, weight = np.ascontiguousarray(g), np.ascontiguousarray(weight)
    if tiles.serves(kernel, stride, padding, dilation):
        return tiles.input_grad(g, weight, spatial, groups)
    start = np.zeros(groups * channels, g.dtype)
    if _by_winograd(g.dtype, images, groups, filters, channels, kernel, spatial, stride, dilation):
        if len(kernel) == 3:
            window = _volumes.Window(kernel, out, stride, padding, dilation)
            return _volumes.input_grad(kernels.conv_input_grad, g, weight, spatial, window)
        begin = tuple([2 - b for b in before])
        result = winograd.correlate(g, weight, spatial, begin, groups, start, True)
        if result is not None:
            return result
    planes = spatial, out
    if max(stride) > 1 and depthwise.serves(groups, channels, filters, planes, g.itemsize):
        return depthwise.input_grad(g, weight, spatial, stride, before, dilation, groups)
    if sparse.serves_input_grad(g, weight, spatial, stride):
        return sparse.input_grad(g, weight, spatial, stride, before, dilation, groups)
    if columns.serves_input_grad(images, channels, filters, out, kernel, stride, dilation):
        return columns.input_grad(g, weight, spatial, stride, before, dilation, groups)
    if math.prod(stride) > _MOST_RESIDUES:
        return NotImplemented
    parts = _residues(kernel, spatial, tuple(stride), before, tuple(dilation))
    gx = (np.empty if parts.cover else np.zeros)((images, groups * channels, *spatial), g.dtype)
    for part in parts.parts:
        taps = direct.turned(weight, groups, part.order)
        plan = direct.plan_of(
            images, groups, filters, channels, out, part.kernel, part.out,
            (1,) * len(kernel), part.before, part.dilation, g.itemsize, 0,
        )  # fmt: skip
        steps = _steps(three(spatial, 1), three(part.first, 0), three(stride, 1))
        direct.correlate(g, taps, start, gx, plan, steps)
    return gx


def conv_weight_grad(
    g: Any, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """See :func:`autograd.kernels.conv_weight_grad`."""
    if not _serves(g, x) or not math.prod(kernel):
        return NotImplemented
    kernel, out = tuple(kernel), g.shape[2:]
    images, channels, filters = len(x), x.shape[1] // groups, g.shape[1] // groups
    before = tuple([b for b, _ in padding])
    g, x = np.ascontiguousarray(g), np.ascontiguousarray(x)
    if _by_winograd(x.dtype, images, groups, channels, filters, kernel, out, stride, dilation):
        if len(kernel) == 3:
            window = _volumes.Window(kernel, out, stride, padding, dilation)
            result = _volumes.weight_grad(kernels.conv_weight_grad, g, x, window)
        else:
            result = winograd.weight_grad(g, x, before, groups)
        if result is not None:
            return result
    if tiles.serves(kernel, stride, padding, dilation):
        return tiles.weight_grad(g, x, kernel, groups)
    planes = x.shape[2:], out
    if depthwise.serves(groups, channels, filters, planes, g.itemsize):
        return _finite(depthwise.weight_grad(g, x, kernel, stride, before, dilation))
    shape = (groups * filters, channels, *kernel)
    pointwise = max(*kernel, *stride) == 1 and x.shape[2:] == out and not any(before)
    if HAS_GEMM and pointwise and min(channels, filters) >= 4:
        return _finite(direct.weigh_pointwise(g, x, shape, groups))
    if sparse.serves_weight_grad(g, channels, kernel, dilation):
        return _finite(sparse.weight_grad(g, x, kernel, stride, before, dilation, groups))
    # Both ways multiply some numbers by 0, which is exact unless one of them is inf or nan.
    if columns.serves_weight_grad(channels, filters, out, stride):
        gw = columns.weight_grad(g, x, kernel, stride, before, dilation, groups)
        return _unless(g, gw)  # cotangents, by the padding
    plan = direct.plan_of(
        images, groups, channels, filters, x.shape[2:], kernel, out,
        tuple(stride), before, tuple(dilation), x.itemsize,
        direct.windows_of(filters, x.itemsize),
    )  # fmt: skip
    return _unless(x, direct.weigh(g, x, shape, plan))  # cells beside a row of windows


def _unless(factor: Any, gw: Any) -> Any:
    """The gradient, unless ``factor``, or it, is not finite: whichever takes less time to see."""
    return gw if factor.size < gw.size and _finite(factor) is factor else _finite(gw)


def _finite(array: Any) -> Any:
    with np.errstate(invalid="ignore", over="ignore"):
        return array if math.isfinite(array.sum()) else NotImplemented


def _by_winograd(
    dtype: Any, images: int, groups: int, channels: int, filters: int,
    kernel: Any, out: Any, stride: Any, dilation: Any,
) -> bool:  # fmt: skip
    """Whether a correlation is to go by Winograd's algorithm; in volumes that of planes."""
    if len(kernel) == 3 and groups == 1:
        images, channels, kernel = images * out[0], channels * kernel[0], kernel[1:]
        out, stride, dilation = out[1:], stride[1:], dilation[1:]
    return (
        len(kernel) == 2
        and kernel[0] == kernel[1] == 3
        and dtype.char == "f"
        and SETTINGS.convolution != "direct"
        and max(*stride, *dilation) == 1
        and (groups == 1 or channels % 16 == filters % 16 == 0)
        and (
            SETTINGS.convolution == "winograd"
            or winograd.pays(images, channels, filters, groups, out)
        )
    )


def _serves(*arrays: Any) -> bool:
    dtype = arrays[0].dtype
    if dtype.char not in "fd":
        return False
    for a in arrays:  # noqa: SIM110, `all` takes twice the time
        if type(a) is not np.ndarray or a.dtype != dtype or not a.size:
            return False
    return True


def _steps(
    whole: tuple[int, ...], first: tuple[int, ...], stride: tuple[int, ...]
) -> tuple[int, ...]:
    """Where in an array of ``whole`` cells per channel results go: the first, and from there on."""
    plane = math.prod(whole)
    d, h, w = whole[1] * whole[2], whole[2], 1
    start = first[0] * d + first[1] * h + first[2]
    return (start, plane, d * stride[0], h * stride[1], w * stride[2])


class _Part(NamedTuple):
    """Cells of the input that are the same remainder modulo the stride: one correlation of g."""

    first: tuple[int, ...]
    out: tuple[int, ...]
    kernel: tuple[int, ...]
    before: tuple[int, ...]
    dilation: tuple[int, ...]
    order: Any  # the taps of the weight, in the order of this correlation


class _Parts(NamedTuple):
    parts: tuple[_Part, ...]
    cover: bool  # whether they make up the whole input


@lru_cache(maxsize=1024)
def _residues(
    kernel: tuple[int, ...],
    spatial: tuple[int, ...],
    stride: tuple[int, ...],
    before: tuple[int, ...],
    dilation: tuple[int, ...],
) -> _Parts:
    """Split the input by ``(cell + before) % stride``.

    Cell ``i`` with ``i + before = q * stride + r`` meets tap ``t`` in window
    ``q - t * dilation // stride``, provided ``t * dilation % stride == r``.
    """
    axes = []
    for k, n, s, b, d in zip(kernel, spatial, stride, before, dilation):
        axis = []
        for r in range(s):
            first = (r - b) % s
            count = len(range(first, n, s))
            taps = [t for t in range(k) if t * d % s == r]
            if count:
                reach = taps[-1] * d // s if taps else 0
                axis.append((first, count, taps[::-1], reach - (first + b - r) // s))
        axes.append((axis, d // math.gcd(s, d)))
    parts = []
    cover = True
    for chosen in itertools.product(*(axis for axis, _ in axes)):
        if not all(taps for _, _, taps, _ in chosen):
            cover = False
            continue
        order = np.zeros(1, np.int64)
        for k, (_, _, taps, _) in zip(kernel, chosen):
            order = (order[:, None] * k + np.array(taps, np.int64)).reshape(-1)
        parts.append(
            _Part(
                tuple(first for first, _, _, _ in chosen),
                tuple(count for _, count, _, _ in chosen),
                tuple(len(taps) for _, _, taps, _ in chosen),
                tuple(begin for _, _, _, begin in chosen),
                tuple(dilation for _, dilation in axes),
                order,
            )
        )
    return _Parts(tuple(parts), cover)
