"""Cells of a convolution's input by what remains of their index when divided by the stride.

Those of one remainder are reached by the same taps, and are, backwards, an ordinary correlation.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from autograd.kernels._windows import Ints

__all__ = ["Residue", "fills", "residues", "taps_together"]


class Residue(NamedTuple):
    """Cells of one axis that share a remainder modulo the stride, and what correlation they are."""

    first: int  # the first of these cells
    window: int  # the window that has it as its first one
    taps: slice  # the taps that reach them, last tap first
    before: int
    dilation: int


def residues(kernel: int, stride: int, before: int, dilation: int) -> list[Residue]:
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
            found.append(Residue(first, q, backwards, reach - q, dilation // common))
        else:
            found.append(Residue(first, q, slice(0, 0), 0, 1))
    return found


def taps_together(kernel: Ints, stride: Ints, dilation: Ints) -> list[int]:
    return [(k - 1) * d // s + 1 for k, s, d in zip(kernel, stride, dilation, strict=True)]


def fills(kernel: Ints, stride: Ints, dilation: Ints) -> bool:
    """Whether all residues have the same taps."""
    taps = taps_together(kernel, stride, dilation)
    return math.prod(taps) * math.prod(stride) == math.prod(kernel)
