"""Activations, compiled: one pass over memory, shared by the cores."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from autograd.kernels._numba import compiled, functions, parallel, prange, serves
from autograd.kernels._numba.functions import inlined
from autograd.kernels._threads import thread_count

__all__ = [
    "activation",
    "activation_grad",
    "leaky_relu",
    "leaky_relu_grad",
    "relu",
    "relu_grad",
]

# A thread is worth the trouble of waking it for so many elements of an activation.
_SHARE = 1 << 13


def relu(x: Any) -> Any:
    """See :func:`autograd.kernels.elementwise.relu`."""
    if not serves(x):
        return NotImplemented
    out = np.empty(x.shape, x.dtype)
    _relu(x.reshape(-1), out.reshape(-1), thread_count())
    return out


def relu_grad(g: Any, y: Any) -> Any:
    """See :func:`autograd.kernels.elementwise.relu_grad`."""
    if not serves(g, y) or g.shape != y.shape:
        return NotImplemented
    out = np.empty(g.shape, g.dtype)
    _scaled(g.reshape(-1), y.reshape(-1), g.dtype.type(0), out.reshape(-1), thread_count())
    return out


def leaky_relu(x: Any, slope: float) -> Any:
    """See :func:`autograd.kernels.elementwise.leaky_relu`."""
    return relu(x) if slope == 0 else leaky_relu_grad(x, x, slope)


def leaky_relu_grad(g: Any, x: Any, slope: float) -> Any:
    """See :func:`autograd.kernels.elementwise.leaky_relu_grad`."""
    if not serves(g, x) or g.shape != x.shape:
        return NotImplemented
    out = np.empty(g.shape, g.dtype)
    _scaled(g.reshape(-1), x.reshape(-1), g.dtype.type(slope), out.reshape(-1), thread_count())
    return out


@compiled
def _relu_part(x, out):
    for i in range(len(x)):
        out[i] = 0 if x[i] <= 0 else x[i]  # NaN stays


@parallel
def _relu(x, out, threads):
    for t in prange(threads):
        first, last = len(x) * t // threads, len(x) * (t + 1) // threads
        _relu_part(x[first:last], out[first:last])


@compiled
def _scaled_part(g, x, slope, out):
    one = x.dtype.type(1)
    for i in range(len(g)):
        out[i] = g[i] * (one if x[i] > 0 else slope)


@parallel
def _scaled(g, x, slope, out, threads):
    for t in prange(threads):
        first, last = len(x) * t // threads, len(x) * (t + 1) // threads
        _scaled_part(g[first:last], x[first:last], slope, out[first:last])


# ------------------------------------------------------------------------- exponentials and such


def activation(x: Any, name: str, *parameters: float) -> Any:
    """See :func:`autograd.kernels.elementwise.activation`."""
    if not serves(x):
        return NotImplemented
    out = np.empty(x.shape, x.dtype)
    a, b, c = _three(parameters, x.dtype.type)
    _loops(name)[0](x.reshape(-1), a, b, c, out.reshape(-1), _threads(x))
    return out


def activation_grad(g: Any, x: Any, name: str, *parameters: float) -> Any:
    """See :func:`autograd.kernels.elementwise.activation_grad`."""
    if not serves(g, x) or g.shape != x.shape:
        return NotImplemented
    out = np.empty(x.shape, x.dtype)
    a, b, c = _three(parameters, x.dtype.type)
    _loops(name)[1](g.reshape(-1), x.reshape(-1), a, b, c, out.reshape(-1), _threads(x))
    return out


def _three(parameters: tuple[float, ...], number: Any) -> list[Any]:
    return [number(v) for v in (*parameters, 0, 0, 0)[:3]]


def _threads(x: Any) -> int:
    return max(1, min(thread_count(), x.size // _SHARE))


def _fill(name, x, a, b, c, out):
    """Let an activation of each element of x fill ``out``."""
    raise TypeError("for compiled code")


def _fill_grad(name, g, x, a, b, c, out):
    """Likewise g times its slope."""
    raise TypeError("for compiled code")


_FAST = {"fastmath": {"contract", "nsz"}, "error_model": "numpy"}


# Which loop it is depends on the name, which is a constant where they are called.
@overload(_fill, prefer_literal=True, jit_options=_FAST)
def _(name, x, a, b, c, out):
    if not isinstance(name, types.StringLiteral):
        return None
    value, _ = _FORMS[x.dtype][name.literal_value]

    def loop(name, x, a, b, c, out):
        for i in range(len(x)):
            out[i] = value(x[i], a, b, c)

    return loop


@overload(_fill_grad, prefer_literal=True, jit_options=_FAST)
def _(name, g, x, a, b, c, out):
    if not isinstance(name, types.StringLiteral):
        return None
    _, slope = _FORMS[x.dtype][name.literal_value]

    def loop(name, g, x, a, b, c, out):
        for i in range(len(x)):
            out[i] = g[i] * slope(x[i], a, b, c)

    return loop


@cache
def _loops(name: str) -> tuple[Any, Any]:
    """The kernels for an activation and its gradient.

    They know of it by its name alone: by that Numba finds them on disk.
    """

    @parallel
    def value(x, a, b, c, out, threads):
        for t in prange(threads):
            first, last = len(x) * t // threads, len(x) * (t + 1) // threads
            _fill(name, x[first:last], a, b, c, out[first:last])

    @parallel
    def grad(g, x, a, b, c, out, threads):
        for t in prange(threads):
            first, last = len(x) * t // threads, len(x) * (t + 1) // threads
            _fill_grad(name, g[first:last], x[first:last], a, b, c, out[first:last])

    return value, grad


def _define(number: Any) -> dict[str, tuple[Callable[..., Any], Callable[..., Any]]]:
    """Each activation of a float32 or float64 number, with parameters a, b and c, and its slope.

    The formulas are those of the NumPy forms.
    """
    zero, half, one, two, three = (number(v) for v in (0, 0.5, 1, 2, 3))
    root_half, density_factor = number(math.sqrt(0.5)), number(math.sqrt(0.5 / math.pi))
    first = number(2 * math.sqrt(2 / math.pi))
    third, mish_end = first * number(0.044715), number(20)
    exp, expm1, log1p = functions.exp, functions.expm1, functions.log1p
    sigmoid_of, erfc_parts = functions.sigmoid, functions.erfc_parts

    @inlined
    def sigmoid(x, a, b, c):
        return sigmoid_of(x)

    @inlined
    def sigmoid_slope(y, a, b, c):
        return y * (one - y)

    @inlined
    def silu(x, a, b, c):
        return x * sigmoid_of(x)

    @inlined
    def silu_slope(x, a, b, c):
        share = sigmoid_of(x)
        return share * (one + x * (one - share))

    @inlined
    def softplus(x, beta, threshold, c):
        z = beta * x
        value = (z if z > zero else zero) + log1p(exp(-abs(z)))
        return x if z > threshold or z != z else value / beta

    @inlined
    def softplus_slope(x, beta, threshold, c):
        z = beta * x
        return one if z > threshold else sigmoid_of(z)

    @inlined
    def gelu(x, a, b, c):
        size = abs(x)
        tail = half * erfc_parts(size * root_half)[1]
        lost = size * tail if tail > zero else tail
        return (zero if x < zero else x) - lost

    @inlined
    def gelu_slope(x, a, b, c):
        power, tail = erfc_parts(abs(x) * root_half)
        tail = half * tail
        return (one - tail if x > zero else tail) + x * (power * density_factor)

    @inlined
    def gelu_tanh(x, a, b, c):
        return x * sigmoid_of(x * (first + third * (x * x)))

    @inlined
    def gelu_tanh_slope(x, a, b, c):
        share = sigmoid_of(x * (first + third * (x * x)))
        return share * (one + (one - share) * x * (first + three * third * (x * x)))

    @inlined
    def elu(x, alpha, scale, inner):
        return scale * (x if x > zero else alpha * expm1(inner * x))

    @inlined
    def elu_slope(x, alpha, scale, inner):
        return scale if x > zero else alpha * scale * inner * exp(inner * x)

    @inlined
    def mish(x, a, b, c):
        power = exp(mish_end if x > mish_end else x)
        n = power * (power + two)
        return x * (n / (n + two))

    @inlined
    def mish_slope(x, a, b, c):
        power = exp(mish_end if x > mish_end else x)
        n = power * (power + two)
        share = n / (n + two)
        return share + x * (one - share * share) * (power / (one + power))

    @inlined
    def hardtanh(x, least, most, c):
        x = least if x < least else x
        return most if x > most else x

    @inlined
    def hardtanh_slope(x, least, most, c):
        return one if least < x < most else zero

    return {
        "elu": (elu, elu_slope),
        "gelu": (gelu, gelu_slope),
        "gelu_tanh": (gelu_tanh, gelu_tanh_slope),
        "hardtanh": (hardtanh, hardtanh_slope),
        "mish": (mish, mish_slope),
        "sigmoid": (sigmoid, sigmoid_slope),
        "silu": (silu, silu_slope),
        "softplus": (softplus, softplus_slope),
    }


_FORMS = {types.float32: _define(np.float32), types.float64: _define(np.float64)}
