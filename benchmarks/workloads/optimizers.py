"""One step of Adam, gradients given: 535,818 parameters in six arrays, and a tiny network's."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from benchmarks import Builder, Step, Workload
from benchmarks.workloads._training import Adam

Sizes = tuple[int, ...]


def _arrays(sizes: Sizes) -> tuple[list[Any], list[Any]]:
    import numpy as np

    rng = np.random.default_rng(0)
    pairs = pairwise(sizes)
    shapes = [shape for fan_in, fan_out in pairs for shape in ((fan_out, fan_in), (fan_out,))]
    # All positive, so that their sum tells whether the same steps were taken.
    parameters = [rng.random(shape, dtype=np.float32) for shape in shapes]
    gradients = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
    return parameters, gradients


def _glassgrad(sizes: Sizes) -> Builder:
    def build() -> Step:
        import nn
        import optim
        from autograd import Tensor

        arrays, gradients = _arrays(sizes)
        parameters = [nn.Parameter(array) for array in arrays]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = Tensor(gradient)
        optimizer = optim.Adam(parameters)

        def step() -> object:
            optimizer.step()
            return parameters[0]

        return step

    return build


def _torch(sizes: Sizes, **options: Any) -> Builder:
    def build() -> Step:
        import torch

        arrays, gradients = _arrays(sizes)
        parameters = [torch.nn.Parameter(torch.from_numpy(array)) for array in arrays]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = torch.from_numpy(gradient)
        optimizer = torch.optim.Adam(parameters, **options)

        def step() -> object:
            optimizer.step()
            return parameters[0]

        return step

    return build


def _numpy(sizes: Sizes) -> Builder:
    def build() -> Step:
        parameters, gradients = _arrays(sizes)
        optimizer = Adam(parameters)

        def step() -> object:
            optimizer.step(gradients)
            return parameters[0]

        return step

    return build


def _workload(name: str, sizes: Sizes) -> Workload:
    return Workload(
        f"Adam, {name}",
        {
            "glassgrad": _glassgrad(sizes),
            "numpy": _numpy(sizes),
            "torch": _torch(sizes),
            "torch_fused": _torch(sizes, fused=True),
        },
    )


WORKLOADS = [
    _workload("535,818 parameters", (784, 512, 256, 10)),
    _workload("354 parameters", (2, 16, 16, 2)),
]
