"""Activations on plain arrays. Large ones are worked on in blocks that fit the cache, in threads.

What a block needs between two passes then never leaves the cache, and no pass is slowed down by an
operand that is a single number, for which NumPy's loops are slower than for two arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from autograd.kernels._layout import alike, flat, is_innermost, new_like
from autograd.kernels._threads import in_threads, thread_count
from autograd.kernels._twins import compilable
from autograd.kernels._windows import Array

__all__ = [
    "activation",
    "activation_grad",
    "leaky_relu",
    "leaky_relu_grad",
    "relu",
    "relu_grad",
    "zeros",
]

# Elements of a block.
_BLOCK = 1 << 18
# From this many elements on, a second thread is worth the trouble of waking it.
_SHARED = 1 << 20


@lru_cache(maxsize=64)
def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """Zeros, not to be written to."""
    result = np.zeros(shape, dtype)
    result.flags.writeable = False
    return result


def _in_blocks(work: Callable[..., None], *arrays: Array) -> Array:
    """Let ``work(*blocks, out)`` fill an array like the first, block by block.

    It must be right for blocks of any length and for whole arrays, which it gets if they are not
    all of one shape and dtype, or lie differently in memory, or are small.
    """
    first, size = arrays[0], arrays[0].size
    like = next(filter(is_innermost, arrays), first)
    same = all(a.shape == first.shape and a.dtype == first.dtype for a in arrays)
    out = new_like(like if same else first, first.shape, first.dtype)
    lines = None
    if same and (size > _BLOCK or like is not first or is_innermost(first)):
        lines = flat(*[alike(like, a) for a in arrays], out)
    if lines is None:
        work(*arrays, out)
        return out
    threads = thread_count() if size >= _SHARED else 1

    def blocks(piece: tuple[int, int]) -> None:
        for start in range(piece[0], piece[1], _BLOCK):
            part = slice(start, min(start + _BLOCK, piece[1]))
            work(*[a[part] for a in lines])

    in_threads(blocks, [(size * i // threads, size * (i + 1) // threads) for i in range(threads)])
    return out


@compilable(least=1 << 15)
def relu(x: Array) -> Array:
    """max(x, 0).

    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    if x.size <= _BLOCK and x.flags.c_contiguous:
        return np.maximum(x, zeros(x.shape, x.dtype))

    def work(x: Array, out: Array) -> None:
        np.maximum(x, zeros(x.shape, x.dtype) if x.size <= _BLOCK else 0, out=out)

    return _in_blocks(work, x)


@compilable(least=1 << 15)
def relu_grad(g: Array, y: Array) -> Array:
    """g where y, the output of `relu`, is positive, else g times 0."""

    def work(g: Array, y: Array, out: Array) -> None:
        out[...] = y > 0  # as numbers, which takes less time than to multiply with truth values
        np.multiply(g, out, out=out)

    return _in_blocks(work, g, y)


@compilable(least=1 << 15)
def leaky_relu(x: Array, slope: float) -> Array:
    """x where it is positive, ``slope`` x elsewhere.

    >>> leaky_relu(np.array([-1.0, 2.0]), 0.5)
    array([-0.5,  2. ])
    """
    if slope == 0:
        return relu(x)
    choose = np.maximum if slope <= 1 else np.minimum

    def work(x: Array, out: Array) -> None:
        np.multiply(x, slope, out=out)
        choose(x, out, out=out)

    return _in_blocks(work, x)


@compilable(least=1 << 15)
def leaky_relu_grad(g: Array, x: Array, slope: float) -> Array:
    """g where x is positive, ``slope`` g elsewhere."""
    slopes = np.array([slope, 1], g.dtype)

    def work(g: Array, x: Array, out: Array) -> None:
        if 0 <= slope <= 1:  # the larger of the two factors, which two arrays are faster for
            out[...] = x > 0
            np.maximum(out, np.full(out.shape, slope, out.dtype), out=out)
            np.multiply(g, out, out=out)
        else:
            np.multiply(g, np.where(x > 0, slopes[1], slopes[0]), out=out)

    return _in_blocks(work, g, x)


# ------------------------------------------------------------------------- exponentials and such


@compilable(least=1 << 12, few=0)
def activation(x: Array, name: str, *parameters: float) -> Array:
    """An activation of each element, one of `ACTIVATIONS`.

    Args:
        x: of a floating dtype.
        name: which one.
        parameters: its further arguments.

    >>> activation(np.array([-1000.0, 0.0, 1000.0]), "sigmoid")
    array([0. , 0.5, 1. ])
    """
    if not x.ndim:
        return activation(x.reshape(1), name, *parameters).reshape(())
    value = ACTIVATIONS[name].value

    def work(x: Array, out: Array) -> None:
        value(x, out, *parameters)

    return _in_blocks(work, x)


@compilable(least=1 << 12, few=0)
def activation_grad(g: Array, x: Array, name: str, *parameters: float) -> Array:
    """g times the slope of an activation.

    Args:
        g: (…, *x.shape).
        x: what `activation` was given; for the sigmoid what it returned.
        name, parameters: as for `activation`.

    >>> activation_grad(np.array([10.0]), np.array([0.5]), "sigmoid")
    array([2.5])
    """
    if not x.ndim:
        return activation_grad(g[..., None], x.reshape(1), name, *parameters).reshape(g.shape)
    slope = ACTIVATIONS[name].slope

    def work(g: Array, x: Array, out: Array) -> None:
        slopes = out if out.shape == x.shape else np.empty(x.shape, x.dtype)
        slope(x, slopes, *parameters)
        np.multiply(g, slopes, out=out)

    return _in_blocks(work, g, x)


class Activation(NamedTuple):
    """Functions of an array, an array for the result, and parameters."""

    value: Callable[..., None]
    slope: Callable[..., None]


def _negative(x: Array, out: Array) -> Array:
    """min(x, 0)."""
    return np.minimum(x, zeros(x.shape, x.dtype) if x.size <= _BLOCK else 0, out=out)


def _positive(x: Array, out: Array) -> Array:
    """max(x, 0)."""
    return np.maximum(x, zeros(x.shape, x.dtype) if x.size <= _BLOCK else 0, out=out)


def _sigmoid(x: Array, out: Array) -> None:
    # 1 / (1 + exp(-x)). Where the exponential overflows, that is less than any normal number.
    if x.dtype.itemsize < 4:  # ... but for half precision
        wide = x.astype(np.float32)
        _sigmoid(wide, wide)
        out[...] = wide
        return
    with np.errstate(over="ignore"):
        np.negative(x, out=out)
        np.exp(out, out=out)
    np.add(out, 1, out=out)
    np.divide(1, out, out=out)


def _sigmoid_slope(y: Array, out: Array) -> None:
    np.subtract(1, y, out=out)
    np.multiply(out, y, out=out)


def _silu(x: Array, out: Array) -> None:
    _sigmoid(x, out)
    np.multiply(out, x, out=out)


def _silu_slope(x: Array, out: Array) -> None:
    share = np.empty_like(x)
    _sigmoid(x, share)
    np.subtract(1, share, out=out)  # σ (1 + x (1 - σ))
    np.multiply(out, x, out=out)
    np.add(out, 1, out=out)
    np.multiply(out, share, out=out)


def _softplus(x: Array, out: Array, beta: float, threshold: float) -> None:
    # max(z, 0) + log(1 + exp(-|z|)) with z = beta x. The second summand is log(u) + (e - (u - 1))
    # where e is the exponential and u = 1 + e rounded; for e up to 1, log1p is as accurate, not as
    # fast.
    z = np.multiply(x, beta)
    powers, sums, logs = np.abs(z), np.empty_like(z), np.empty_like(z)
    np.negative(powers, out=powers)
    np.exp(powers, out=powers)
    np.add(powers, 1, out=sums)
    np.log(sums, out=logs)
    np.subtract(sums, 1, out=sums)
    np.subtract(powers, sums, out=powers)
    np.add(logs, powers, out=logs)
    if math.isfinite(threshold):
        np.multiply(logs, z <= threshold, out=logs)
    _positive(z, out)
    np.add(out, logs, out=out)
    if beta != 1:
        np.divide(out, beta, out=out)


def _softplus_slope(x: Array, out: Array, beta: float, threshold: float) -> None:
    z = np.multiply(x, beta)
    _sigmoid(z, out)
    if math.isfinite(threshold):
        np.maximum(out, z > threshold, out=out)


# (1 + 2z) exp(z²) erfc(z) for z ≥ 0 as a polynomial in (z - k) / (z + k): k, and the coefficients,
# the highest power first. The form is that of M. M. Shepherd and J. G. Laframboise (Mathematics of
# Computation 36, 1981); the polynomials interpolate at Chebyshev's nodes.
SCALED_ERFC: dict[str, tuple[float, tuple[float, ...]]] = {
    "f": (
        3.0,
        (
            -2.77326922223320471e-4,
            -7.98339141542661154e-4,
            1.99447459135437945e-3,
            2.5794346849404746e-3,
            -2.37902341828796718e-2,
            6.82935097621544327e-2,
            -1.19272652702682374e-1,
            1.29646575644363627e-1,
            -4.756228053505264e-2,
            -1.35621143373203514e-1,
            1.25300805783079963,
        ),
    ),
    "d": (
        4.0,
        (
            -1.90738862700797103e-9,
            -1.39528121230423831e-8,
            -7.79621093575039453e-9,
            1.15975649197128359e-7,
            6.32638193601384533e-8,
            -8.35688605480224443e-7,
            3.00605302027092584e-7,
            5.71806700478588108e-6,
            -1.12242935946793856e-5,
            -2.44031604971926337e-5,
            1.50622052323059897e-4,
            -1.99255534760078382e-4,
            -7.57773296373946229e-4,
            5.0319697650511225e-3,
            -1.61977340655028754e-2,
            3.71675155610567106e-2,
            -6.63303658110103034e-2,
            9.37328349969053537e-2,
            -1.01039066036373629e-1,
            6.80970542547336003e-2,
            1.53796521026210902e-2,
            -1.39621116840562858e-1,
            1.23299511862555251,
        ),
    ),
}


# From here on, the tail of the normal distribution is 0.
_NORMAL_END = 40.0


def _normal_tail(x: Array, density: Array, out: Array) -> Array:
    """Φ(-|x|) for the normal distribution function Φ; ``density`` becomes exp(-x² / 2).

    Returns:
        |x|, as far as it matters.
    """
    center, coefficients = SCALED_ERFC["f" if x.dtype.itemsize <= 4 else "d"]
    center *= math.sqrt(2)  # Φ(-x) = erfc(x / √2) / 2
    size = np.abs(x)
    np.minimum(size, _NORMAL_END, out=size)
    np.multiply(size, size, out=density)
    np.multiply(density, -0.5, out=density)
    np.exp(density, out=density)
    ratio = np.subtract(size, center)
    np.add(size, center, out=out)
    np.divide(ratio, out, out=ratio)
    np.multiply(ratio, coefficients[0], out=out)
    for c in coefficients[1:-1]:
        np.add(out, c, out=out)
        np.multiply(out, ratio, out=out)
    np.add(out, coefficients[-1], out=out)
    np.multiply(out, density, out=out)
    np.multiply(size, 2 * math.sqrt(2), out=ratio)
    np.add(ratio, 2, out=ratio)
    np.divide(out, ratio, out=out)
    return size


def _gelu(x: Array, out: Array) -> None:
    # max(x, 0) - |x| Φ(-|x|) loses no digits where x is negative.
    tail = np.empty_like(x)
    size = _normal_tail(x, out, tail)
    np.multiply(tail, size, out=tail)
    _positive(x, out)
    np.subtract(out, tail, out=out)


def _gelu_slope(x: Array, out: Array) -> None:
    density = np.empty_like(x)
    _normal_tail(x, density, out)
    np.subtract(x > 0, out, out=out)
    np.abs(out, out=out)  # Φ(x)
    np.multiply(density, math.sqrt(0.5 / math.pi), out=density)
    np.multiply(density, x, out=density)
    np.add(out, density, out=out)


# (1 + tanh(u)) / 2 = σ(2u), which keeps its tail; 2u = _FIRST x + _THIRD x³.
_FIRST = 2 * math.sqrt(2 / math.pi)
_THIRD = _FIRST * 0.044715


def _gelu_tanh_share(x: Array, out: Array) -> None:
    inner = np.multiply(x, x)
    np.multiply(inner, _THIRD, out=inner)
    np.add(inner, _FIRST, out=inner)
    np.multiply(inner, x, out=inner)
    _sigmoid(inner, out)


def _gelu_tanh(x: Array, out: Array) -> None:
    _gelu_tanh_share(x, out)
    np.multiply(out, x, out=out)


def _gelu_tanh_slope(x: Array, out: Array) -> None:
    # σ (1 + (1 - σ) x (2u)')
    share, slope = np.empty_like(x), np.multiply(x, x)
    _gelu_tanh_share(x, share)
    np.multiply(slope, 3 * _THIRD, out=slope)
    np.add(slope, _FIRST, out=slope)
    np.multiply(slope, x, out=slope)
    np.subtract(1, share, out=out)
    np.multiply(out, slope, out=out)
    np.add(out, 1, out=out)
    np.multiply(out, share, out=out)


def _elu(x: Array, out: Array, alpha: float, scale: float, inner: float) -> None:
    # scale (max(x, 0) + alpha (exp(inner min(x, 0)) - 1))
    below = _negative(x, np.empty_like(x))
    if x.dtype == np.float32:  # exp(2z) - 1 = 2t / (1 - t) with t = tanh(z); expm1 takes NumPy long
        np.multiply(below, inner / 2, out=below)
        np.tanh(below, out=below)
        np.subtract(1, below, out=out)
        np.divide(below, out, out=below)
        np.multiply(below, 2 * alpha, out=below)
    else:
        np.multiply(below, inner, out=below)
        np.expm1(below, out=below)
        np.multiply(below, alpha, out=below)
    _positive(x, out)
    np.add(out, below, out=out)
    if scale != 1:
        np.multiply(out, scale, out=out)


def _elu_slope(x: Array, out: Array, alpha: float, scale: float, inner: float) -> None:
    # Where x is positive, the exponential is 1.
    factor = alpha * scale * inner
    _negative(x, out)
    np.multiply(out, inner, out=out)
    np.exp(out, out=out)
    np.multiply(out, factor, out=out)
    if factor != scale:
        np.add(out, np.multiply(x > 0, out.dtype.type(scale - factor)), out=out)


def _mish_share(x: Array, out: Array) -> Array:
    """tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2), and e = exp(x); 1 from x = 20 on."""
    powers = np.minimum(x, 20 if x.dtype.itemsize >= 4 else 5)
    np.exp(powers, out=powers)
    np.add(powers, 2, out=out)
    np.multiply(out, powers, out=out)
    np.divide(out, np.add(out, 2), out=out)
    return powers


def _mish(x: Array, out: Array) -> None:
    _mish_share(x, out)
    np.multiply(out, x, out=out)


def _mish_slope(x: Array, out: Array) -> None:
    # With w that tanh: w + x (1 - w²) σ(x).
    powers = _mish_share(x, out)
    rest = np.multiply(out, out)
    np.subtract(1, rest, out=rest)
    np.multiply(rest, x, out=rest)
    np.multiply(rest, powers, out=rest)
    np.add(powers, 1, out=powers)
    np.divide(rest, powers, out=rest)
    np.add(out, rest, out=out)


def _hardtanh(x: Array, out: Array, least: float, most: float) -> None:
    np.maximum(x, least, out=out)
    np.minimum(out, most, out=out)


def _hardtanh_slope(x: Array, out: Array, least: float, most: float) -> None:
    np.multiply(x > least, x < most, out=out)


# The activations by name.
ACTIVATIONS = {
    "elu": Activation(_elu, _elu_slope),
    "gelu": Activation(_gelu, _gelu_slope),
    "gelu_tanh": Activation(_gelu_tanh, _gelu_tanh_slope),
    "hardtanh": Activation(_hardtanh, _hardtanh_slope),
    "mish": Activation(_mish, _mish_slope),
    "sigmoid": Activation(_sigmoid, _sigmoid_slope),
    "silu": Activation(_silu, _silu_slope),
    "softplus": Activation(_softplus, _softplus_slope),
}
