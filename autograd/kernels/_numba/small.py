"""Operations on small arrays, for compiled code that is made of them; results go to the last."""

from __future__ import annotations

import numpy as np

from autograd.kernels._numba import compiled, gemm
from autograd.kernels._numba.losses import backward, forward

__all__ = [
    "copy",
    "cross_entropy",
    "cross_entropy_grad",
    "linear",
    "product",
    "scale",
    "sum_rows",
]


@compiled
def copy(x, out):
    """The same numbers."""
    for i in range(len(x)):
        out[i] = x[i]


@compiled
def scale(out, factor):
    """Multiply in place."""
    for i in range(len(out)):
        out[i] *= factor


@compiled
def product(transpose_a, transpose_b, a, b, out):
    """The product of two matrices, either of which may be meant transposed."""
    depth = a.shape[0] if transpose_a else a.shape[1]
    gemm(transpose_a, transpose_b, out.shape[0], out.shape[1], depth, a, a.shape[1],
         b, b.shape[1], 0.0, out, out.shape[1])  # fmt: skip


@compiled
def linear(x, weight, bias, out):
    """x Wᵀ + b of rows."""
    rows, columns = out.shape
    for i in range(rows):
        for j in range(columns):
            out[i, j] = bias[j]
    gemm(False, True, rows, columns, x.shape[1], x, x.shape[1], weight, x.shape[1], 1.0, out,
         columns)  # fmt: skip


@compiled
def sum_rows(g, out):
    """The sum of the rows of a matrix."""
    out[:] = 0
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            out[j] += g[i, j]


@compiled
def cross_entropy(x, target, slopes, sums, losses, mean, out):
    """The sum or mean over rows of -log softmax at the target; whether all targets are classes."""
    if not forward(x, target, losses, slopes, sums):
        return False
    rows = len(x)
    total = 0.0
    for i in range(rows):
        total += losses[i]
    out[0] = total / rows if mean else total
    return True


@compiled
def cross_entropy_grad(g, slopes, sums, mean, out):
    """Its gradient with respect to x."""
    rows = len(slopes)
    each = np.full(1, g[0] / rows if mean else g[0], g.dtype)
    backward(slopes, sums, each, out, 0, rows)
