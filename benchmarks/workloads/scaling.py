"""How cost grows: with batch, width, depth, image size, and the number of nodes in a graph.

One thing is varied at a time. Of graphs, times are per node: a chain of operations on 16 numbers,
recorded, or recorded and gone through backwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import Builder, Step, Workload
from benchmarks.workloads._trainers import layered
from benchmarks.workloads._training import FLATTEN, POOL, RELU, Conv, Layers, Linear
from benchmarks.workloads.mlp import perceptron

BATCHES = (1, 8, 64, 512, 4096)
WIDTHS = (16, 64, 256, 1024, 2048)
DEPTHS = (1, 4, 16, 64, 256)
IMAGES = (16, 32, 64, 128, 256)
NODES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)

_AMONG = ("glassgrad", "glassgrad-numba", "torch")
_QUICK_NODES = 10_000


def _training(varied: str, layers: Layers, shape: tuple[int, ...], quick: bool) -> Workload:
    made = layered(layers, shape, 10)
    return Workload(varied, made, among=_AMONG, apart=False, quick=quick)


def _convolutional(side: int) -> Layers:
    width, pooled = 16, side // 4
    stages = (Conv(3, width, 3, 1), RELU, POOL, Conv(width, width, 3, 1), RELU, POOL)
    return (*stages, FLATTEN, Linear(width * pooled * pooled, 10))


def _chain(make: Callable[[Any], Any], nodes: int, backward: bool) -> Step:
    import numpy as np

    values = np.random.default_rng(0).random(16).astype(np.float32) * 0.1 + 0.95

    def step() -> object:
        x, w = make(values), make(values * 0.5)
        h = x
        for _ in range(nodes // 2):  # h stays near two
            h = h * w + x
        if not backward:
            return h
        h.sum().backward()
        return w.grad

    return step


def _graph(nodes: int, backward: bool) -> Workload:
    def glassgrad() -> Step:
        from autograd import Tensor

        return _chain(lambda a: Tensor(a, requires_grad=True), nodes, backward)

    def torch() -> Step:
        import torch

        return _chain(lambda a: torch.tensor(a, requires_grad=True), nodes, backward)

    made: dict[str, Builder] = {"glassgrad": glassgrad, "torch": torch}
    return Workload(
        f"{nodes:,} nodes, {'record and backward' if backward else 'record'}",
        made,
        operations=nodes,
        among=("glassgrad", "torch"),
        apart=False,
        quick=nodes <= _QUICK_NODES,
    )


WORKLOADS = [
    *(
        _training(f"batch {n}, 256-256-10", perceptron((256, 256, 10)), (n, 256), n < 4096)
        for n in BATCHES
    ),
    *(_training(f"width {n}", perceptron((n, n, n, 10)), (64, n), n < 1024) for n in WIDTHS),
    *(
        _training(f"depth {n}, width 64", perceptron((64,) * n + (10,)), (64, 64), n < 256)
        for n in DEPTHS
    ),
    *(
        _training(
            f"image {n}x{n}, 2 convolutions, batch 8", _convolutional(n), (8, 3, n, n), n < 256
        )
        for n in IMAGES
    ),
    *(_graph(n, backward) for n in NODES for backward in (False, True)),
]
