"""Convolution of volumes by one of planes, in which what a kernel sees in depth are channels.

With ``*`` a correlation of planes, and ``z`` a depth of the output,

    y[n, k, z] = sum over c, t of  weight[k, c, t] * x[n, c, z * stride + t * dilation - before]

is one of planes ``(n, z)`` with channels ``(c, t)``. It takes a copy of the input for each depth of
the kernel, of some planes at a time, and pays where planes go by Winograd's algorithm. In NumPy,
`winograd` takes volumes itself unless there is a stride or dilation in depth.

Everything here is for volumes ``(N, C, D, H, W)`` in one group. The kernels of planes are given:
`conv`, `conv_input_grad` and `conv_weight_grad`, which know best how to compute them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from autograd.kernels._windows import Array, Ints, Padding, tap_slices

__all__ = ["Window", "conv", "input_grad", "weight_grad"]

# Bytes of copies that are made at a time, about.
_MOST_BYTES = 1 << 25


class Window(NamedTuple):
    """How windows lie in volumes: as `conv` is told, and how many there are in depth."""

    kernel: Ints
    out: Ints
    stride: Ints
    padding: Padding
    dilation: Ints

    @property
    def of_planes(self) -> tuple[Ints, Padding, Ints, int]:
        """Stride, padding, dilation and groups of the correlation of planes."""
        return self.stride[1:], self.padding[1:], self.dilation[1:], 1

    def slabs(self, shape: Ints, itemsize: int) -> Iterator[tuple[slice, slice]]:
        """Images and depths of the output, some at a time, for an input of this shape."""
        images, depths = shape[0], self.out[0]
        plane = max(1, math.prod(shape[1:]) // shape[2] * self.kernel[0] * itemsize)
        at_once = max(1, _MOST_BYTES // plane)
        high, wide = max(1, at_once // depths), min(depths, at_once)
        for n in range(0, images, high):
            for z in range(0, depths, wide):
                yield slice(n, min(n + high, images)), slice(z, min(z + wide, depths))

    def taps(self, size: int, depths: slice) -> Iterator[tuple[int, slice, slice]]:
        """Each tap in depth, which of these depths see it, and which cells of ``size`` they see."""
        stride, before = self.stride[0], self.padding[0][0]
        for t in range(self.kernel[0]):
            yield (
                t,
                *tap_slices(
                    size,
                    depths.stop - depths.start,
                    stride,
                    before - depths.start * stride,
                    t * self.dilation[0],
                ),
            )


def conv(
    of_planes: Callable[..., Array], x: Array, weight: Array, window: Window, bias: Array | None
) -> Array:
    """`conv` of volumes."""
    y = np.empty((len(x), len(weight), *window.out), x.dtype)
    kernels = weight.reshape(len(weight), -1, *weight.shape[3:])
    for images, depths in window.slabs(x.shape, x.itemsize):
        part = of_planes(_seen(x[images], depths, window), kernels, *window.of_planes, bias)
        y[images, :, depths] = _volumes(part, depths)
    return y


def input_grad(
    of_planes: Callable[..., Array], g: Array, weight: Array, spatial: Ints, window: Window
) -> Array:
    """`conv_input_grad` of volumes."""
    channels = weight.shape[1]
    gx = np.zeros((len(g), channels, *spatial), g.dtype)
    kernels = weight.reshape(len(weight), -1, *weight.shape[3:])
    for images, depths in window.slabs(gx.shape, gx.itemsize):
        planes = _planes(g[images, :, depths])
        part = of_planes(planes, kernels, spatial[1:], *window.of_planes)
        part = part.reshape(
            -1, depths.stop - depths.start, channels, window.kernel[0], *spatial[1:]
        )
        for t, some, cells in window.taps(spatial[0], depths):
            gx[images, :, cells] += part[:, some, :, t].swapaxes(1, 2)
    return gx


def weight_grad(
    of_planes: Callable[..., Array], g: Array, x: Array, window: Window
) -> Array | None:
    """`conv_weight_grad` of volumes; None where it is not finite.

    Beside the volumes there are planes of zeros, which must not be multiplied by an inf or a nan.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        parts = [
            of_planes(
                _planes(g[images, :, depths]),
                _seen(x[images], depths, window),
                window.kernel[1:],
                *window.of_planes,
            )
            for images, depths in window.slabs(x.shape, x.itemsize)
        ]
        gw = sum(parts[1:], parts[0])
        if not math.isfinite(gw.sum()):
            return None
    return gw.reshape(g.shape[1], x.shape[1], *window.kernel)


def _seen(x: Array, depths: slice, window: Window) -> Array:
    """What windows at these depths of the output see: ``(N * depths, C * taps, H, W)``."""
    images, channels, size, *plane = x.shape
    count = depths.stop - depths.start
    seen = np.empty((images, count, channels, window.kernel[0], *plane), x.dtype)
    for t, some, cells in window.taps(size, depths):
        seen[:, : some.start, :, t] = 0
        seen[:, some, :, t] = x[:, :, cells].swapaxes(1, 2)
        seen[:, some.stop :, :, t] = 0
    return seen.reshape(images * count, -1, *plane)


def _planes(volumes: Array) -> Array:
    """``(N, C, D, H, W)`` as ``(N * D, C, H, W)``."""
    images, channels, depths, *plane = volumes.shape
    return volumes.swapaxes(1, 2).reshape(images * depths, channels, *plane)


def _volumes(planes: Array, depths: slice) -> Array:
    """``(N * D, C, H, W)`` as ``(N, C, D, H, W)``."""
    return planes.reshape(-1, depths.stop - depths.start, *planes.shape[1:]).swapaxes(1, 2)
