"""One training step of a small ResNet: three stages of residual blocks on 32x32 images, Adam."""

from __future__ import annotations

from typing import Any

from benchmarks import Workload
from benchmarks.workloads._trainers import builders
from benchmarks.workloads._training import batch

ROWS = 64
STAGES = ((16, 16, 1), (16, 32, 2), (32, 64, 2))  # channels before and after, stride


def _block(nn: Any, before: int, after: int, stride: int) -> Any:
    """relu(x + F(x)); where the shape changes, x goes through a 1x1 convolution."""

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.Conv2d(after, after, 3, padding=1, bias=False),
                nn.BatchNorm2d(after),
            )
            self.shortcut = nn.Identity()
            if stride > 1:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
                )
            self.relu = nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.relu(self.body(x) + self.shortcut(x))

    return Block()


def resnet(nn: Any) -> Any:
    stem = (nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    blocks = (_block(nn, *stage) for stage in STAGES)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    return nn.Sequential(*stem, *blocks, *head)


WORKLOADS = [
    Workload(
        f"16/32/64 channels, 3 blocks, batch {ROWS}",
        builders(resnet, lambda: batch((ROWS, 3, 32, 32), 10), images=True),
    )
]
