"""One training step of a multilayer perceptron with ReLU, softmax cross-entropy and Adam."""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise
from typing import Any

from benchmarks import Builder, Step, Workload
from benchmarks.workloads._training import Adam, batch, glassgrad_step, torch_step, weights

Sizes = tuple[int, ...]


def _layers(nn: Any, sizes: Sizes) -> Any:
    layers: list[Any] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _shapes(sizes: Sizes) -> list[tuple[int, ...]]:
    pairs = pairwise(sizes)
    return [shape for fan_in, fan_out in pairs for shape in ((fan_out, fan_in), (fan_out,))]


def _glassgrad(sizes: Sizes, rows: int) -> Builder:
    def build() -> Step:
        import nn

        return glassgrad_step(_layers(nn, sizes), *batch((rows, sizes[0]), sizes[-1]))

    return build


def _torch(sizes: Sizes, rows: int, **adam: Any) -> Builder:
    def build() -> Step:
        import torch

        return torch_step(_layers(torch.nn, sizes), *batch((rows, sizes[0]), sizes[-1]), **adam)

    return build


def _numpy(sizes: Sizes, rows: int) -> Builder:
    """Forward and backward by hand, allocating as one would."""

    def build() -> Step:
        import numpy as np

        x, y = batch((rows, sizes[0]), sizes[-1])
        parameters = weights(_shapes(sizes))
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


def _mygrad(sizes: Sizes, rows: int) -> Builder:
    def build() -> Step:
        mygrad = import_module("mygrad")
        cross_entropy = import_module("mygrad.nnet.losses").softmax_crossentropy
        x, y = batch((rows, sizes[0]), sizes[-1])
        parameters = [mygrad.tensor(w) for w in weights(_shapes(sizes))]
        optimizer = Adam([p.data for p in parameters])

        def step() -> object:
            h = x
            for depth in range(0, len(parameters), 2):
                h = h @ parameters[depth].T + parameters[depth + 1]
                if depth < len(parameters) - 2:
                    h = mygrad.maximum(h, 0)
            loss = cross_entropy(h, y)
            loss.backward()
            optimizer.step([p.grad for p in parameters])
            return loss

        return step

    return build


def _hips(sizes: Sizes, rows: int) -> Builder:
    def build() -> Step:
        hips, anp = import_module("autograd"), import_module("autograd.numpy")
        x, y = batch((rows, sizes[0]), sizes[-1])
        parameters = weights(_shapes(sizes))
        optimizer = Adam(parameters)
        index = anp.arange(rows)

        def loss(parameters: list[Any]) -> Any:
            h = x
            for depth in range(0, len(parameters), 2):
                h = anp.dot(h, parameters[depth].T) + parameters[depth + 1]
                if depth < len(parameters) - 2:
                    h = anp.maximum(h, 0)
            shifted = h - anp.max(h, 1, keepdims=True)
            return anp.mean(anp.log(anp.sum(anp.exp(shifted), 1)) - shifted[index, y])

        both = hips.value_and_grad(loss)

        def step() -> object:
            value, gradients = both(parameters)
            optimizer.step(gradients)
            return value

        return step

    return build


def _workload(sizes: Sizes, rows: int) -> Workload:
    return Workload(
        f"{'-'.join(map(str, sizes))}, batch {rows}",
        {
            "glassgrad": _glassgrad(sizes, rows),
            "numpy": _numpy(sizes, rows),
            "torch": _torch(sizes, rows),
            "torch_fused": _torch(sizes, rows, fused=True),
            "mygrad": _mygrad(sizes, rows),
            "hips": _hips(sizes, rows),
        },
    )


WORKLOADS = [_workload((2, 16, 16, 2), 100), _workload((784, 512, 256, 10), 128)]
