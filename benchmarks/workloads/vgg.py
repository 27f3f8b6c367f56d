"""One training step of a small VGG: three times (conv, batch norm, ReLU) twice and a pool, Adam."""

from __future__ import annotations

from typing import Any

from benchmarks import Builder, Step, Workload
from benchmarks.workloads._training import batch, glassgrad_step, torch_step

ROWS = 64
STAGES = ((3, 32), (32, 64), (64, 128))


def _vgg(nn: Any) -> Any:
    layers: list[Any] = []
    for before, width in STAGES:
        for channels in (before, width):
            layers += [
                nn.Conv2d(channels, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 4 * 4, 10))


def _glassgrad() -> Step:
    import nn

    return glassgrad_step(_vgg(nn), *batch((ROWS, 3, 32, 32), 10))


def _torch(**options: Any) -> Builder:
    def build() -> Step:
        import torch

        return torch_step(_vgg(torch.nn), *batch((ROWS, 3, 32, 32), 10), **options)

    return build


WORKLOADS = [
    Workload(
        f"32/64/128 channels, batch {ROWS}",
        {
            "glassgrad": _glassgrad,
            "torch": _torch(),
            "torch_fused": _torch(fused=True),
            "torch_channels_last": _torch(channels_last=True),
        },
    )
]
