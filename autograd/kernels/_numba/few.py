"""Layers of so few numbers that calling NumPy takes longer than what is computed.

Compiled code looks at the arrays itself (`_objects`): to ask for their layout and dtype in Python
would take as long as computing. Results are arrays made here; each function returns None for
arguments that it does not serve, among them all but plain float32 and float64 arrays in C order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import empty

from autograd.kernels._numba import HAS_GEMM, gemm
from autograd.kernels._numba._objects import (
    alike,
    axes_of,
    is_plain,
    kind_of,
    length_of,
    looking,
    same_shape,
    understood,
    values_of,
)
from autograd.kernels._numba.losses import backward, forward, softmax_rows, softmax_rows_grad
from autograd.kernels._numba.normalization import normalize_vectors, vectors_grad

__all__ = [
    "cross_entropy",
    "cross_entropy_grad",
    "layer_norm",
    "layer_norm_grad",
    "linear",
    "relu_grad",
    "softmax",
    "softmax_grad",
    "usable",
]

# Of which kind numbers are, by the dtypes that are served.
_LIKE = {dtype: empty(0, dtype) for dtype in map(np.dtype, (np.float32, np.float64))}.get
_CLASS = np.dtype(np.int64)  # kept, as compiled code knows it by its address
_CLASSES, _CLASS_ADDRESS = empty(0, _CLASS), id(_CLASS)

# With more rows, more weights, or a single output, `linear` is not faster than NumPy.
_ROWS = _WEIGHTS = 1 << 10
# From this many numbers on, a second thread is worth the trouble of waking it.
_SHARED = 1 << 13


def usable() -> bool:
    """Whether compiled code finds what it needs: BLAS, and arrays as it takes them to be."""
    return HAS_GEMM and understood()


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """x Wᵀ + b for matrices x (rows, in) and W (out, in), and b (out,)."""
    dtype = x.dtype
    like = _LIKE(dtype)
    if like is None:
        return None
    y = empty((len(x), len(weight)), dtype)
    return y if _linear(id(x), id(weight), id(bias), id(y), like) else None


@looking
def _linear(x, weight, bias, y, like):
    if not (alike(x, y, 2) and alike(weight, y, 2) and alike(bias, y, 1)):
        return False
    rows, out, width = length_of(y, 0), length_of(y, 1), length_of(x, 1)
    if length_of(weight, 1) != width or length_of(bias, 0) != out or rows * width == 0:
        return False
    if out < 2 or rows > _ROWS or out * width > _WEIGHTS:
        return False
    columns, row = values_of(weight, like), values_of(bias, like)
    turned, sums = np.empty(out * width, like.dtype), values_of(y, like)
    for j in range(out):  # BLAS takes less time for both things than for a transposed matrix
        for k in range(width):
            turned[k * out + j] = columns[j * width + k]
    if out < 8:  # the longer loop inside
        for j in range(out):
            for i in range(rows):
                sums[i * out + j] = row[j]
    else:
        for i in range(rows):
            for j in range(out):
                sums[i * out + j] = row[j]
    gemm(False, False, rows, out, width, values_of(x, like), width, turned, out, 1.0, sums, out)
    return True


def relu_grad(g: Any, y: Any) -> Any:
    """See :func:`autograd.kernels.elementwise.relu_grad`; for arrays of one shape."""
    like = _LIKE(g.dtype)
    if like is None:
        return None
    gx = empty(g.shape, g.dtype)
    return gx if _relu_grad(id(g), id(y), id(gx), like) else None


@looking
def _relu_grad(g, y, gx, like):
    axes = axes_of(gx)
    if not (alike(g, gx, axes) and alike(y, gx, axes) and same_shape(y, gx)):
        return False
    slopes, values, out = values_of(g, like), values_of(y, like), values_of(gx, like)
    zero, one = like.dtype.type(0), like.dtype.type(1)
    for i in range(len(out)):
        out[i] = slopes[i] * (one if values[i] > 0 else zero)
    return True


def cross_entropy(x: Any, target: Any, mean: bool) -> Any:
    """The mean, or sum, of the losses, and what `cross_entropy_grad` needs.

    See :func:`autograd.kernels.losses.cross_entropy`; None also if a target is not a class.
    """
    dtype = x.dtype
    like = _LIKE(dtype)
    if like is None or x.size >= _SHARED:
        return None
    slopes, sums, total = empty(x.shape, dtype), empty(len(x), dtype), empty((), dtype)
    done = _cross_entropy(
        id(x), id(target), mean, id(slopes), id(sums), id(total), like, _CLASS_ADDRESS
    )
    return (total, slopes, sums) if done else None


@looking
def _cross_entropy(x, target, mean, slopes, sums, total, like, integer):
    if not (alike(x, slopes, 2) and is_plain(target, kind_of(x), integer) and axes_of(target) == 1):
        return False
    rows, classes = length_of(x, 0), length_of(x, 1)
    if length_of(target, 0) != rows or rows * classes == 0:
        return False
    shape, losses = (rows, classes), np.empty(rows, like.dtype)
    if not forward(
        values_of(x, like).reshape(shape), values_of(target, _CLASSES), losses,
        values_of(slopes, like).reshape(shape), values_of(sums, like),
    ):  # fmt: skip
        return False
    result = 0.0
    for loss in losses:
        result += loss
    values_of(total, like)[0] = result / rows if mean else result
    return True


def cross_entropy_grad(slopes: Any, sums: Any, g: Any, mean: bool) -> Any:
    """See :func:`autograd.kernels.losses.cross_entropy_grad`; for the mean, or sum, of losses."""
    like = _LIKE(slopes.dtype)
    if like is None or slopes.size >= _SHARED:
        return None
    gx = empty(slopes.shape, slopes.dtype)
    return gx if _cross_entropy_grad(id(slopes), id(sums), float(g), mean, id(gx), like) else None


@looking
def _cross_entropy_grad(slopes, sums, g, mean, gx, like):
    if not (alike(slopes, gx, 2) and alike(sums, gx, 1)):
        return False
    rows, classes = length_of(gx, 0), length_of(gx, 1)
    if length_of(sums, 0) != rows or rows * classes == 0:
        return False
    shape, each = (rows, classes), np.full(1, g / rows if mean else g, like.dtype)
    backward(
        values_of(slopes, like).reshape(shape), values_of(sums, like), each,
        values_of(gx, like).reshape(shape), 0, rows,
    )  # fmt: skip
    return True


def softmax(x: Any, log: bool) -> Any:
    """See :func:`autograd.kernels.losses.softmax`."""
    like = _LIKE(x.dtype)
    if like is None or x.size >= _SHARED:
        return None
    y = empty(x.shape, x.dtype)
    return y if _softmax(id(x), log, id(y), like) else None


@looking
def _softmax(x, log, y, like):
    axes = axes_of(y)
    numbers = values_of(y, like)
    if not alike(x, y, axes) or axes == 0 or len(numbers) == 0:
        return False
    length = length_of(y, axes - 1)
    shape = (len(numbers) // length, length)
    softmax_rows(values_of(x, like).reshape(shape), log, numbers.reshape(shape), 0, shape[0])
    return True


def softmax_grad(g: Any, y: Any, log: bool) -> Any:
    """See :func:`autograd.kernels.losses.softmax_grad`."""
    like = _LIKE(g.dtype)
    if like is None or g.size >= _SHARED:
        return None
    gx = empty(g.shape, g.dtype)
    return gx if _softmax_grad(id(g), id(y), log, id(gx), like) else None


@looking
def _softmax_grad(g, y, log, gx, like):
    axes = axes_of(gx)
    numbers = values_of(gx, like)
    if not (alike(g, gx, axes) and alike(y, gx, axes) and same_shape(y, gx)):
        return False
    if axes == 0 or len(numbers) == 0:
        return False
    length = length_of(gx, axes - 1)
    shape = (len(numbers) // length, length)
    slopes, values = values_of(g, like).reshape(shape), values_of(y, like).reshape(shape)
    softmax_rows_grad(slopes, values, log, numbers.reshape(shape), 0, shape[0])
    return True


def layer_norm(x: Any, weight: Any, bias: Any, eps: float, centered: bool) -> Any:
    """See :func:`autograd.kernels.normalization.group_norm`; of vectors, in one group."""
    dtype = x.dtype
    like = _LIKE(dtype)
    if like is None or x.size >= _SHARED or x.ndim != 2:
        return None
    y, mean, rate = empty(x.shape, dtype), empty((len(x), 1), dtype), empty((len(x), 1), dtype)
    done = _layer_norm(
        id(x), id(weight), id(bias), float(eps), centered, id(y), id(mean), id(rate), like
    )
    return (y, mean, rate) if done else None


@looking
def _layer_norm(x, weight, bias, eps, centered, y, mean, rate, like):
    if not (alike(x, y, 2) and alike(weight, y, 1) and alike(bias, y, 1)):
        return False
    rows, length = length_of(y, 0), length_of(y, 1)
    if length_of(weight, 0) != length or length_of(bias, 0) != length or rows * length == 0:
        return False
    given, means = values_of(x, like).reshape((rows, length)), values_of(mean, like)
    means[:] = 0
    normalize_vectors(
        given, given, values_of(weight, like).reshape((1, length)),
        values_of(bias, like).reshape((1, length)), like.dtype.type(eps), centered, means,
        values_of(rate, like), values_of(y, like).reshape((rows, length)), 0, rows,
    )  # fmt: skip
    return True


def layer_norm_grad(g: Any, x: Any, weight: Any, mean: Any, rate: Any, centered: bool) -> Any:
    """See :func:`autograd.kernels.normalization.group_norm_grad`; of vectors, in one group."""
    dtype = x.dtype
    like = _LIKE(dtype)
    if like is None or x.size >= _SHARED or x.ndim != 2:
        return None
    gx, of_weight, of_bias = (empty(x.shape, dtype), *(empty(x.shape[1], dtype) for _ in range(2)))
    done = _layer_norm_grad(
        id(g), id(x), id(weight), id(mean), id(rate), centered, id(gx), id(of_weight), id(of_bias),
        like,
    )  # fmt: skip
    return (gx, of_weight, of_bias) if done else None


@looking
def _layer_norm_grad(g, x, weight, mean, rate, centered, gx, of_weight, of_bias, like):
    if not (alike(g, gx, 2) and alike(x, gx, 2) and same_shape(g, gx) and alike(weight, gx, 1)):
        return False
    rows, length = length_of(gx, 0), length_of(gx, 1)
    if not (alike(mean, gx, 2) and alike(rate, gx, 2) and length_of(weight, 0) == length):
        return False
    means, rates = values_of(mean, like), values_of(rate, like)
    if len(means) != rows or len(rates) != rows or rows * length == 0:
        return False
    shape, one = (rows, length), (1, length)
    sums, dots = values_of(of_bias, like), values_of(of_weight, like)
    sums[:] = 0
    dots[:] = 0
    vectors_grad(
        values_of(g, like).reshape(shape), values_of(x, like).reshape(shape),
        values_of(weight, like).reshape(one), means, rates, centered,
        values_of(gx, like).reshape(shape), dots.reshape(one), sums.reshape(one), 0, rows,
    )  # fmt: skip
    return True
