"""One training step of LeNet-5 (ReLU, max-pooling) on 28x28 images, with Adam."""

from __future__ import annotations

from typing import Any

from benchmarks import Builder, Step, Workload
from benchmarks.workloads._training import batch, glassgrad_step, torch_step

ROWS = 64


def _lenet(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def _glassgrad() -> Step:
    import nn

    return glassgrad_step(_lenet(nn), *batch((ROWS, 1, 28, 28), 10))


def _torch(**options: Any) -> Builder:
    def build() -> Step:
        import torch

        return torch_step(_lenet(torch.nn), *batch((ROWS, 1, 28, 28), 10), **options)

    return build


WORKLOADS = [
    Workload(
        f"batch {ROWS}",
        {
            "glassgrad": _glassgrad,
            "torch": _torch(),
            "torch_fused": _torch(fused=True),
            "torch_channels_last": _torch(channels_last=True),
        },
    )
]
