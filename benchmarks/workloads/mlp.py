"""One training step of a multilayer perceptron with ReLU, softmax cross-entropy and Adam."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from benchmarks import Builder, Step, Workload
from benchmarks.workloads._trainers import layered
from benchmarks.workloads._training import RELU, Adam, Layers, Linear, batch, initial

Sizes = tuple[int, ...]


def perceptron(sizes: Sizes) -> Layers:
    layers: list[Linear | str] = []
    for before, after in pairwise(sizes):
        layers += [Linear(before, after), RELU]
    return tuple(layers[:-1])


def _numpy(sizes: Sizes, rows: int) -> Builder:
    """Forward and backward by hand, allocating as one would."""

    def build() -> Step:
        import numpy as np

        x, y = batch((rows, sizes[0]), sizes[-1])
        parameters = initial(perceptron(sizes))
        optimizer = Adam(parameters)
        index = np.arange(rows)

        def step() -> object:
            layers = list(zip(parameters[::2], parameters[1::2], strict=True))
            inputs, h = [], x
            for depth, (w, b) in enumerate(layers):
                inputs.append(h)
                h = h @ w.T + b
                if depth < len(layers) - 1:
                    h = np.maximum(h, 0)
            shifted = h - h.max(1, keepdims=True)
            exponentials = np.exp(shifted)
            total = exponentials.sum(1, keepdims=True)
            loss = (np.log(total[:, 0]) - shifted[index, y]).mean()
            g = exponentials / total
            g[index, y] -= 1
            g /= rows
            gradients: list[Any] = []
            for depth in reversed(range(len(layers))):
                gradients[:0] = [g.T @ inputs[depth], g.sum(0)]
                if depth:
                    g = (g @ layers[depth][0]) * (inputs[depth] > 0)
            optimizer.step(gradients)
            return loss

        return step

    return build


def _workload(sizes: Sizes, rows: int) -> Workload:
    return Workload(
        f"{'-'.join(map(str, sizes))}, batch {rows}",
        {
            **layered(perceptron(sizes), (rows, sizes[0]), sizes[-1]),
            "numpy": _numpy(sizes, rows),
        },
    )


WORKLOADS = [_workload((2, 16, 16, 2), 100), _workload((784, 512, 256, 10), 128)]
