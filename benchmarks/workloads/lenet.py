"""One training step of LeNet-5 (ReLU, max-pooling) on 28x28 images, with Adam."""

from __future__ import annotations

from benchmarks import Workload
from benchmarks.workloads._trainers import layered
from benchmarks.workloads._training import FLATTEN, POOL, RELU, Conv, Linear

ROWS = 64
LENET = (
    Conv(1, 6, 5, padding=2),
    RELU,
    POOL,
    Conv(6, 16, 5),
    RELU,
    POOL,
    FLATTEN,
    Linear(400, 120),
    RELU,
    Linear(120, 84),
    RELU,
    Linear(84, 10),
)

WORKLOADS = [Workload(f"batch {ROWS}", layered(LENET, (ROWS, 1, 28, 28), 10))]
