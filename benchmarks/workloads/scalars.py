"""micrograd's demonstration: a 2-16-16-1 network on two moons, one object for every number.

A step is the whole of the demonstration's: scores of 100 points, the hinge loss with a penalty on
the weights, backward, and gradient descent. Everybody runs the same code over its own scalars, in
double precision, as micrograd's are.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from typing import Any

from benchmarks import Builder, Step, Workload

SIZES = (2, 16, 16, 1)
POINTS = 100
RATE = 0.05

# How a contestant makes a scalar (is it to be differentiated?), clips it at zero, and descends,
# forgetting the gradients.
Make = Callable[[float, bool], Any]
Clip = Callable[[Any], Any]
Update = Callable[[list[Any]], None]


def _moons() -> tuple[list[tuple[float, float]], list[int]]:
    """Two interleaved half circles with noise, and on which of them a point is, +1 or -1."""
    draw = random.Random(0)
    points, labels = [], []
    for number in range(POINTS):
        angle, upper = draw.uniform(0, math.pi), number % 2 == 0
        x, y = math.cos(angle), math.sin(angle)
        x, y = (x, y) if upper else (1 - x, 0.5 - y)
        points.append((x + draw.gauss(0, 0.1), y + draw.gauss(0, 0.1)))
        labels.append(1 if upper else -1)
    return points, labels


def _network(make: Make) -> list[list[tuple[list[Any], Any]]]:
    """Layers of neurons; a neuron is its weights and its bias."""
    draw = random.Random(1)
    return [
        [
            ([make(draw.uniform(-1, 1), True) for _ in range(before)], make(0.0, True))
            for _ in range(after)
        ]
        for before, after in pairwise(SIZES)
    ]


def _scores(network: list[list[tuple[list[Any], Any]]], point: list[Any], clip: Clip) -> Any:
    values = point
    for depth, layer in enumerate(network):
        sums = [
            sum((w * x for w, x in zip(weights, values, strict=True)), bias)
            for weights, bias in layer
        ]
        values = sums if depth == len(network) - 1 else [clip(value) for value in sums]
    return values[0]


def _step(make: Make, clip: Clip, update: Update) -> Step:
    points, labels = _moons()
    network = _network(make)
    parameters = [p for layer in network for weights, bias in layer for p in (*weights, bias)]

    def step() -> object:
        inputs = [[make(x, False) for x in point] for point in points]
        scores = [_scores(network, point, clip) for point in inputs]
        losses = [clip(1 + -y * score) for y, score in zip(labels, scores, strict=True)]
        loss = sum(losses) * (1.0 / POINTS) + 1e-4 * sum(p * p for p in parameters)
        loss.backward()
        update(parameters)
        return loss

    return step


def _glassgrad() -> Step:
    from autograd import Tensor, no_grad

    def update(parameters: list[Any]) -> None:
        with no_grad():
            for parameter in parameters:
                parameter -= RATE * parameter.grad
                parameter.grad = None

    return _step(lambda x, learn: Tensor(x, requires_grad=learn), lambda h: h.relu(), update)


def _torch() -> Step:
    import torch

    def update(parameters: list[Any]) -> None:
        with torch.no_grad():
            for parameter in parameters:
                parameter -= RATE * parameter.grad
                parameter.grad = None

    def make(x: float, learn: bool) -> Any:
        return torch.tensor(x, dtype=torch.float64, requires_grad=learn)

    return _step(make, lambda h: h.relu(), update)


def _mygrad() -> Step:
    mygrad = import_module("mygrad")

    def update(parameters: list[Any]) -> None:
        for parameter in parameters:
            parameter.data -= RATE * parameter.grad  # it forgets gradients by itself

    return _step(
        lambda x, learn: mygrad.tensor(x, constant=not learn),
        lambda h: mygrad.maximum(h, 0.0),
        update,
    )


def _micrograd() -> Step:
    value = import_module("micrograd.engine").Value

    def update(parameters: list[Any]) -> None:
        for parameter in parameters:
            parameter.data -= RATE * parameter.grad
            parameter.grad = 0.0

    return _step(lambda x, learn: value(x), lambda h: h.relu(), update)


_BUILDERS: dict[str, Builder] = {
    "glassgrad": _glassgrad,
    "torch": _torch,
    "mygrad": _mygrad,
    "micrograd": _micrograd,
}

WORKLOADS = [Workload(f"{'-'.join(map(str, SIZES))}, {POINTS} points", _BUILDERS, peer="micrograd")]
