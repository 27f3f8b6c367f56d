"""How variances travel through layers at initialisation, and how to make them stay.

Gains and moments by Gaussian integration, the map of second moments, the map of SELU networks, and
an initialisation that looks at data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import Tensor, as_tensor, no_grad
from autograd.extend import note_write
from nn.functional._activation import SELU_ALPHA, SELU_SCALE
from nn.module import Module

__all__ = [
    "data_dependent_",
    "gaussian_moment",
    "numerical_gain",
    "propagation_map",
    "selu_moments",
]


def gaussian_moment(
    function: Callable[[Any], Any],
    power: int = 1,
    mean: float = 0.0,
    variance: float = 1.0,
    points: int = 4001,
) -> float:
    """E[f(S)ᵖ] for S ~ N(mean, variance), by Simpson's rule over ±12 standard deviations.

    Args:
        function: elementwise, on arrays or tensors; kinks at 0 are met by a grid point.
        power: p.
        points: of the rule, an odd number, on each side of 0.

    >>> gaussian_moment(np.tanh, 2).__round__(7)
    0.3942945
    """
    if variance < 0:
        raise ValueError(f"variance must not be negative, got {variance}")
    if variance == 0:
        return float(_values(function, np.array([mean]))[0] ** power)
    std = math.sqrt(variance)
    low, high = mean - 12 * std, mean + 12 * std
    # Activations have their kinks at 0: integrate on both sides of it, each smooth.
    pieces = [(low, 0.0), (0.0, high)] if low < 0 < high else [(low, high)]
    total = 0.0
    for start, stop in pieces:
        s = np.linspace(start, stop, points)
        density = np.exp(-0.5 * ((s - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))
        rule = np.full(points, 2.0)
        rule[1::2] = 4.0
        rule[0] = rule[-1] = 1.0
        values = _values(function, s) ** power * density
        total += float(np.sum(rule * values)) * (stop - start) / (points - 1) / 3
    return total


def _values(function: Callable[[Any], Any], s: Any) -> Any:
    with no_grad():
        out = function(as_tensor(s))
    return out.data if isinstance(out, Tensor) else np.asarray(out)


def numerical_gain(function: Callable[[Any], Any]) -> float:
    """√(1 / E[f(Z)²]), Z ~ N(0, 1): the factor on weights that keeps the second moment at 1.

    For ``nn.init.xavier_…(gain=…)`` and weights N(0, gain²/fan_in).

    >>> import nn
    >>> numerical_gain(nn.ReLU()).__round__(6)  # √2
    1.414214
    """
    return 1 / math.sqrt(gaussian_moment(function, 2))


def propagation_map(
    function: Callable[[Any], Any], q: float, weight_variance: float = 1.0
) -> float:
    """F(q) = J σ_w² E[f(√q Z)²]: second moment of the next pre-activations, given this one's.

    Args:
        function: the activation f.
        q: second moment of the pre-activations.
        weight_variance: J σ_w², the fan-in times the variance of the weights.

    >>> propagation_map(np.tanh, 1.0).__round__(6)
    0.394294
    """
    return weight_variance * gaussian_moment(function, 2, 0.0, q)


def selu_moments(
    mean: float,
    variance: float,
    omega: float = 0.0,
    tau: float = 1.0,
    alpha: float = SELU_ALPHA,
    scale: float = SELU_SCALE,
) -> tuple[float, float]:
    """Mean and variance of SELU units, given those of the units below, in closed form.

    Args:
        mean, variance: of the activations below.
        omega, tau: sum of a unit's weights, and of their squares.

    Klambauer et al., Self-normalizing neural networks, 2017, equations 4 and 5.

    >>> mean, variance = selu_moments(0.0, 1.0)
    >>> abs(mean) < 1e-7 and abs(variance - 1) < 1e-7
    True
    """
    m, v = mean * omega, variance * tau
    root = math.sqrt(2 * v)
    density = math.sqrt(2 / math.pi) * math.sqrt(v) * math.exp(-m * m / (2 * v))

    def tail(x: float) -> float:
        return math.erfc(x / root)

    first = (
        m * math.erf(m / root)
        + alpha * math.exp(m + v / 2) * tail(m + v)
        - alpha * tail(m)
        + density
        + m
    )
    second = (
        (m * m + v) * (2 - tail(m))
        + alpha**2
        * (
            -2 * math.exp(m + v / 2) * tail(m + v)
            + math.exp(2 * (m + v)) * tail(m + 2 * v)
            + tail(m)
        )
        + m * density
    )
    new_mean = scale / 2 * first
    return new_mean, scale**2 / 2 * second - new_mean**2


def data_dependent_(
    model: Module, inputs: Any, tolerance: float = 0.02, iterations: int = 10
) -> Module:
    """Scale and shift each layer so that its outputs have mean 0 and variance 1 on a batch.

    Layer by layer in the order of the calls: the weight of every layer with ``weight`` of two or
    more axes is divided by the standard deviation of its outputs, and its bias moves their mean to
    0 (Mishkin & Matas, All you need is a good init, 2016). The model should be in the state (train
    or eval) it will be used in.

    Args:
        model: changed in place.
        inputs: a batch for it.
        tolerance: accepted distance of the variance from 1.
        iterations: at most so many corrections of a layer.

    Returns:
        The model.
    """
    layers: list[Module] = []

    def noted(module: Module, args: Any, output: Any) -> None:
        if module not in layers:
            layers.append(module)

    candidates = [
        m for m in model.modules() if (w := m._parameters.get("weight")) is not None and w.ndim >= 2
    ]
    handles = [m.register_forward_hook(noted) for m in candidates]
    with no_grad():
        model(inputs)
    for handle in handles:
        handle.remove()
    for layer in layers:
        for _ in range(iterations):
            out = _output_of(layer, model, inputs)
            std = float(out.std())
            weight, bias = layer._parameters["weight"], layer._parameters.get("bias")
            assert weight is not None
            if std > 0:
                note_write(weight.data)
                weight.data /= weight.dtype.type(std)
            if bias is not None:
                axes = tuple(a for a in range(out.ndim) if a != _channel_axis(out, bias))
                note_write(bias.data)
                bias.data -= out.mean(axis=axes).astype(bias.dtype)
                if std > 0:  # the shift was measured before the division
                    out = _output_of(layer, model, inputs)
                    bias.data -= out.mean(axis=axes).astype(bias.dtype)
            if abs(std**2 - 1) <= tolerance:
                break
    return model


def _channel_axis(out: Any, bias: Tensor) -> int:
    """Axis 1 of images, the last of vectors."""
    return 1 if out.ndim > 2 and out.shape[1] == bias.size else out.ndim - 1


def _output_of(layer: Module, model: Module, inputs: Any) -> Any:
    seen: list[Any] = []
    with no_grad(), layer.register_forward_hook(lambda m, args, out: seen.append(out.data)):
        model(inputs)
    return seen[0]
