"""Two convolutions of small networks, forward and backward."""

from __future__ import annotations

from benchmarks import Workload
from benchmarks.workloads._convolution import Convolution, builders


def _workload(rows: int, before: int, after: int, size: int, kernel: int) -> Workload:
    layer = Convolution(rows, before, after, kernel, size, padding=kernel // 2)
    return Workload(
        f"{kernel}x{kernel}, {before} to {after} channels, {size}x{size}, batch {rows}",
        builders(layer),
    )


WORKLOADS = [_workload(64, 32, 64, 32, 3), _workload(64, 6, 16, 14, 5)]
