"""Paths through a landscape: gradient flow, gradient ascent on inputs, and the noise of SGD."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, sqrt
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from autograd import Tensor, TensorLike, enable_grad, grad
from optim._options import check

__all__ = [
    "Ascent",
    "Flow",
    "batch_size_at_temperature",
    "gradient_ascent",
    "gradient_flow",
    "scaled_lr",
    "sgd_temperature",
    "standard_error",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Function: TypeAlias = Callable[[Tensor], Tensor]

# Stages of explicit Runge–Kutta methods: where each slope is taken, and how they are averaged.
_METHODS: dict[str, tuple[list[list[float]], list[float]]] = {
    "euler": ([[]], [1.0]),
    "heun": ([[], [1.0]], [0.5, 0.5]),
    "rk4": ([[], [0.5], [0.0, 0.5], [0.0, 0.0, 1.0]], [1 / 6, 1 / 3, 1 / 3, 1 / 6]),
}


class Flow(NamedTuple):
    """A path in time: ``times`` of shape (n + 1,) and ``positions`` of shape (n + 1, *shape)."""

    times: Array
    positions: Array


def _slope(f: Function, x: Array) -> tuple[float, Array]:
    with enable_grad():
        point = Tensor(x, requires_grad=True)
        value = f(point)
        (gradient,) = grad(value, point)
    assert gradient is not None
    return float(value.item()), gradient.data


def gradient_flow(
    f: Function,
    x0: TensorLike,
    duration: float,
    step: float = 0.01,
    method: str = "rk4",
) -> Flow:
    """Follow dx/dt = −∇f(x): gradient descent in the limit of small rates.

    Euler's method with step η is gradient descent with rate η; the higher orders show what it
    approximates.

    Args:
        f: from a Tensor to a scalar Tensor.
        x0: where to start, of any shape.
        duration: time > 0 to follow the flow for.
        step: largest time step > 0; the duration is cut into equal ones.
        method: ``"euler"`` (first order), ``"heun"`` (second) or ``"rk4"`` (fourth).

    Returns:
        Times and positions, the start included.

    Raises:
        ValueError: for an option out of its range.

    >>> flow = gradient_flow(lambda x: (x**2).sum(), [1.0], duration=0.5, step=0.1)
    >>> flow.positions[-1].round(4)  # exp(−2 · 0.5)
    array([0.3679])
    >>> gradient_flow(lambda x: (x**2).sum(), [1.0], 0.2, 0.1, "euler").positions.ravel()
    array([1.  , 0.8 , 0.64])
    """
    check(duration > 0, "duration", duration, "a number > 0")
    check(step > 0, "step", step, "a number > 0")
    check(method in _METHODS, "method", method, f"one of {tuple(_METHODS)}")
    stages, weights = _METHODS[method]
    count = ceil(duration / step - 1e-9)
    h = duration / count
    x = np.array(x0.data if isinstance(x0, Tensor) else x0, dtype=float)
    positions = [x]
    for _ in range(count):
        slopes: list[Array] = []
        for shares in stages:
            shift = sum((a * k for a, k in zip(shares, slopes)), np.zeros_like(x))
            slopes.append(-_slope(f, x + h * shift)[1])
        x = x + h * sum((b * k for b, k in zip(weights, slopes)), np.zeros_like(x))
        positions.append(x)
    return Flow(np.linspace(0.0, duration, count + 1), np.stack(positions))


class Ascent(NamedTuple):
    """Where an ascent arrived, ``x``, and the ``values`` on the way, first and last included."""

    x: Array
    values: Array


def gradient_ascent(
    f: Function,
    x0: TensorLike,
    lr: float = 0.1,
    steps: int = 100,
    *,
    normalize: bool = False,
    project: Callable[[Array], Array] | None = None,
) -> Ascent:
    """Change an input so that a function of it grows: activation maximisation.

    x ← P(x + η g), for instance to see what excites an output unit of a trained network. The
    network's parameters are not touched. Penalties belong into ``f``.

    Args:
        f: from the input to the scalar to maximise.
        x0: where to start.
        lr: step length η > 0.
        steps: number of steps.
        normalize: divide g by its root mean square, so that η is the typical change of an element.
        project: P, applied after each step, such as clipping to valid pixels or smoothing.

    Returns:
        The last input, and the values of ``f`` on the way.

    Source: Erhan et al. 2009, "Visualizing Higher-Layer Features of a Deep Network".

    >>> ascent = gradient_ascent(
    ...     lambda x: (x * [1.0, -1.0]).sum(), [0.0, 0.0], project=lambda x: np.clip(x, -1, 1)
    ... )
    >>> ascent.x
    array([ 1., -1.])
    """
    check(lr > 0, "lr", lr, "a number > 0")
    x = np.array(x0.data if isinstance(x0, Tensor) else x0)
    if x.dtype.kind != "f":
        x = x.astype(float)
    values = []
    for _ in range(steps):
        value, g = _slope(f, x)
        values.append(value)
        if normalize:
            size = float(np.sqrt(np.mean(g * g)))
            g = g / size if size > 0 else g
        x = x + lr * g
        if project is not None:
            x = np.asarray(project(x), x.dtype)
    values.append(_slope(f, x)[0])
    return Ascent(x, np.array(values))


# --------------------------------------------------------------------------------- the noise of SGD


def standard_error(sigma: float, batch_size: int) -> float:
    """Standard error σ / √b of a mini-batch's mean, of examples with standard deviation σ.

    A batch 1000 times smaller costs a 1000th and is only 32 times noisier:

    >>> round(standard_error(1.0, 100) / standard_error(1.0, 100_000), 3)
    31.623
    """
    check(batch_size >= 1, "batch_size", batch_size, "a number ≥ 1")
    return sigma / sqrt(batch_size)


def sgd_temperature(lr: float, batch_size: int, n: int | None = None) -> float:
    """The temperature 1/β = η / (2 b) at which SGD's noise holds its steady state.

    Sampling without replacement from n examples lowers it by the factor 1 − b/n. High temperatures
    (large rates, small batches) favour wide minima.

    Args:
        lr: learning rate η.
        batch_size: b.
        n: number of examples, if drawn without replacement.

    Source: Chaudhari & Soatto 2018, "Stochastic gradient descent performs variational inference".

    >>> sgd_temperature(0.1, 32), sgd_temperature(0.1, 32, n=64)
    (0.0015625, 0.00078125)
    """
    check(batch_size >= 1, "batch_size", batch_size, "a number ≥ 1")
    check(n is None or n >= batch_size, "n", n, f"a number ≥ {batch_size}")
    return lr / (2 * batch_size) * (1.0 if n is None else 1 - batch_size / n)


def scaled_lr(lr: float, batch_size: int, new_batch_size: int) -> float:
    """The rate that keeps the temperature when the batch size changes: η b'/b.

    Source: Goyal et al. 2017, "Accurate, Large Minibatch SGD".

    >>> scaled_lr(0.1, 256, 1024)
    0.4
    """
    check(batch_size >= 1, "batch_size", batch_size, "a number ≥ 1")
    check(new_batch_size >= 1, "new_batch_size", new_batch_size, "a number ≥ 1")
    return lr * new_batch_size / batch_size


def batch_size_at_temperature(lr: float, temperature: float, n: int | None = None) -> int:
    """The batch size, at least 1, whose :func:`sgd_temperature` comes nearest from above.

    >>> batch_size_at_temperature(0.1, 0.0015625)
    32
    """
    check(temperature > 0, "temperature", temperature, "a number > 0")
    inverse = 2 * temperature / lr + (0.0 if n is None else 1 / n)
    return max(1, int(1 / inverse + 1e-9))
