"""Activations: functions of each element, and normalised exponentials along an axis.

``inplace`` is accepted wherever PyTorch has it and changes nothing: results are always new.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor, is_grad_enabled
from autograd.extend import generator
from autograd.primitives import elementwise, reduction
from nn.functional._arguments import like

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "heaviside",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "logsumexp",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946

_relu = elementwise.relu.call
_leaky_relu = elementwise.leaky_relu.call
_sigmoid = elementwise.sigmoid.call
_softplus = elementwise.softplus.call
_silu = elementwise.silu.call
_gelu = elementwise.gelu.call
_gelu_tanh = elementwise.gelu_tanh.call
_elu = elementwise.elu.call
_mish = elementwise.mish.call
_hardtanh = elementwise.hardtanh.call
_log_softmax = reduction.log_softmax
_softmax = reduction.softmax


def relu(input: TensorLike, inplace: bool = False) -> Tensor:
    """max(x, 0); its slope at 0 is 0.

    >>> relu([-1.0, 0.0, 2.0])
    Tensor([0., 0., 2.])
    """
    return _relu(input if isinstance(input, Tensor) else as_tensor(input))


def relu6(input: TensorLike, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0)


def leaky_relu(input: TensorLike, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where it is positive, ``negative_slope`` x elsewhere."""
    x = as_tensor(input)
    if x.dtype.kind != "f":
        return np.where(x > 0, x, x * negative_slope)
    return _leaky_relu(x, negative_slope)


def prelu(input: TensorLike, weight: TensorLike) -> Tensor:
    """A leaky ReLU whose slope is learnt: one number, or one per channel (axis 1)."""
    weight = as_tensor(weight)
    x = as_tensor(like(input, weight))
    if weight.size != 1:
        if x.ndim < 2 or weight.shape != (x.shape[1],):
            raise ValueError(
                f"prelu: a weight of shape {weight.shape} expects that many channels in axis 1, "
                f"got {x.shape}"
            )
        weight = weight.reshape(-1, *(1,) * (x.ndim - 2))
    return np.where(x > 0, x, x * weight)


def rrelu(
    input: TensorLike,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """A leaky ReLU whose slope is drawn from U(lower, upper) in training, else their mean."""
    x = as_tensor(input)
    if lower > upper:
        raise ValueError(f"rrelu: lower {lower} must not be greater than upper {upper}")
    if not training:
        return leaky_relu(x, (lower + upper) / 2)
    slope = generator().uniform(lower, upper, x.shape).astype(x.dtype)
    return np.where(x > 0, x, x * slope)


def elu(input: TensorLike, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where it is positive, α (exp(x) − 1) elsewhere (Clevert et al. 2016)."""
    return _elu(as_tensor(input), alpha)


def selu(input: TensorLike, inplace: bool = False) -> Tensor:
    """λ times :func:`elu` with the α and λ of self-normalising networks (Klambauer et al. 2017).

    >>> selu([1.0, -1.0]).numpy().round(6)
    array([ 1.050701, -1.111331])
    """
    return _elu(as_tensor(input), SELU_ALPHA, SELU_SCALE)


def celu(input: TensorLike, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(0, x) + min(0, α (exp(x/α) − 1)): an ELU with a continuous slope for every α."""
    if alpha == 0:
        raise ValueError("celu: alpha must not be 0")
    return _elu(as_tensor(input), alpha, inner=1 / alpha)


def gelu(input: TensorLike, approximate: str = "none") -> Tensor:
    """x Φ(x) with the normal distribution function Φ (Hendrycks & Gimpel 2016).

    Args:
        approximate: "none", or "tanh" for x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))).
    """
    x = as_tensor(input)
    if approximate == "tanh":
        return _gelu_tanh(x)
    if approximate != "none":
        raise ValueError(f"approximate must be 'none' or 'tanh', got {approximate!r}")
    return _gelu(x)


def silu(input: TensorLike, inplace: bool = False) -> Tensor:
    """x σ(x), also called swish."""
    return _silu(as_tensor(input))


def mish(input: TensorLike, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x)) (Misra 2019)."""
    return _mish(as_tensor(input))


def hardswish(input: TensorLike, inplace: bool = False) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6 (Howard et al. 2019)."""
    x = as_tensor(input)
    return x * hardsigmoid(x)


def hardsigmoid(input: TensorLike, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6."""
    return relu6(as_tensor(input) + 3) / 6


def hardtanh(
    input: TensorLike, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """x, but no less than ``min_val`` and no more than ``max_val``; the slope at both is 0."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} must not be greater than max_val {max_val}")
    return _hardtanh(as_tensor(input), min_val, max_val)


def hardshrink(input: TensorLike, lambd: float = 0.5) -> Tensor:
    """x where |x| > λ, else 0."""
    x = as_tensor(input)
    return x * (np.abs(x.data) > lambd)


def softshrink(input: TensorLike, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by λ, 0 where |x| ≤ λ."""
    if lambd < 0:
        raise ValueError(f"lambda must be greater or equal to 0, but found to be {lambd}")
    x = as_tensor(input)
    away = (np.abs(x.data) > lambd) * np.sign(x.data)
    return x * np.abs(away) - away * x.dtype.type(lambd)


def tanhshrink(input: TensorLike) -> Tensor:
    """x − tanh(x)."""
    x = as_tensor(input)
    return x - np.tanh(x)


def softplus(input: TensorLike, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(β x)) / β; the identity where β x exceeds the threshold."""
    return _softplus(as_tensor(input), beta, threshold)


def softsign(input: TensorLike) -> Tensor:
    """x / (1 + |x|)."""
    x = as_tensor(input)
    return x / (1 + np.abs(x))


def sigmoid(input: TensorLike) -> Tensor:
    """1 / (1 + exp(−x)), without overflow."""
    return _sigmoid(as_tensor(input))


def logsigmoid(input: TensorLike) -> Tensor:
    """log σ(x) = −softplus(−x), without underflow.

    >>> logsigmoid([-1000.0, 0.0]).numpy().round(4)
    array([-1.000e+03, -6.931e-01])
    """
    return _softplus(as_tensor(input), beta=-1.0)


def tanh(input: TensorLike) -> Tensor:
    """The hyperbolic tangent."""
    return np.tanh(as_tensor(input))


def threshold(input: TensorLike, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where it exceeds the threshold, else ``value``."""
    x = as_tensor(input)
    return np.where(x > threshold, x, x.dtype.type(value))


def glu(input: TensorLike, dim: int = -1) -> Tensor:
    """a σ(b), where a and b are the halves of the input along ``dim`` (Dauphin et al. 2016)."""
    x = as_tensor(input)
    length = x.shape[dim]
    if length % 2:
        raise ValueError(f"glu halves an axis: it must be even, but axis {dim} is {length} long")
    before = (slice(None),) * (dim % x.ndim)
    a, b = x[(*before, slice(None, length // 2))], x[(*before, slice(length // 2, None))]
    return a * _sigmoid(b)


def heaviside(input: TensorLike, values: float = 1.0) -> Tensor:
    """The step function of a threshold logic unit: 0 below 0, ``values`` at 0, 1 above.

    Its gradient is zero everywhere.
    """
    x = as_tensor(input)
    return x * 0 + np.heaviside(x.data, x.dtype.type(values))


def sign(input: TensorLike, at_zero: float = 0.0) -> Tensor:
    """−1 below 0, ``at_zero`` at 0, +1 above. Its gradient is zero everywhere.

    The perceptron of the lecture needs a decision at 0: ``sign(x, at_zero=1.0)``.
    """
    x = as_tensor(input)
    steps = np.sign(x.data)
    return x * 0 + np.where(steps == 0, x.dtype.type(at_zero), steps)


def _axis(dim: int | None, ndim: int) -> int:
    """PyTorch's old implicit choice of an axis where none is given."""
    if dim is None:
        return 0 if ndim in (0, 1, 3) else 1
    return dim


def softmax(
    input: TensorLike, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """exp(x) / Σ exp(x) along ``dim``, without overflow.

    >>> softmax([[0.0, 0.0]], dim=1)
    Tensor([[0.5, 0.5]])
    """
    x = as_tensor(input, dtype)
    return _softmax(x, _axis(dim, x.ndim))


def softmin(
    input: TensorLike, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """The softmax of −x."""
    return softmax(-as_tensor(input, dtype), dim)


def log_softmax(
    input: TensorLike, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """log softmax(x) along ``dim``, without overflow."""
    x = as_tensor(input, dtype)
    return _log_softmax(x, _axis(dim, x.ndim))


def logsumexp(input: TensorLike, dim: Any, keepdim: bool = False) -> Tensor:
    """log Σ exp(x) over ``dim``, without overflow."""
    return reduction.logsumexp(as_tensor(input), dim, keepdim)


def gumbel_softmax(
    logits: TensorLike, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A differentiable sample from a categorical distribution (Jang et al. 2017).

    Args:
        logits: unnormalised log-probabilities.
        tau: temperature.
        hard: return one-hot samples, with the gradient of the soft ones.
        dim: the axis of the categories.
    """
    x = as_tensor(logits)
    noise = generator().gumbel(size=x.shape).astype(x.dtype)
    soft = softmax((x + noise) / tau, dim)
    if not hard:
        return soft
    picked = np.zeros_like(soft.data)
    np.put_along_axis(picked, soft.data.argmax(dim, keepdims=True), 1, dim)
    return soft + (picked - soft.data) if is_grad_enabled() else as_tensor(picked)
