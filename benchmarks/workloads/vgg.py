"""One training step of a small VGG: three times (conv, batch norm, ReLU) twice and a pool, Adam."""

from __future__ import annotations

from typing import Any

from benchmarks import Workload
from benchmarks.workloads._trainers import builders
from benchmarks.workloads._training import batch

ROWS = 64
STAGES = ((3, 32), (32, 64), (64, 128))


def vgg(nn: Any) -> Any:
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


WORKLOADS = [
    Workload(
        f"32/64/128 channels, batch {ROWS}",
        builders(vgg, lambda: batch((ROWS, 3, 32, 32), 10), images=True),
    )
]
