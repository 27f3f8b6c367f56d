"""Every distinct convolution of LeNet, VGG-16 and ResNet-18 at batch 1, 8 and 64, and others.

Forward and backward, gradients for input, kernel and bias. Where a forward pass would need more
than 8 billion multiplications, the input is halved until it does not; the name then says so.
"""

from __future__ import annotations

from benchmarks import Workload
from benchmarks.workloads._convolution import Convolution, builders

BATCHES = (1, 8, 64)
MOST_PRODUCTS = 8_000_000_000
_QUICK_PRODUCTS = 1_000_000_000  # a quick run leaves out larger ones, per image and ...
_QUICK_BATCHES = 100_000_000  # ... in batches

# Channels before and after, kernel, size of the input, stride, padding.
NETWORKS = {
    "LeNet": ((1, 6, 5, 28, 1, 2), (6, 16, 5, 14, 1, 0)),
    "VGG-16": (
        (3, 64, 3, 224, 1, 1),
        (64, 64, 3, 224, 1, 1),
        (64, 128, 3, 112, 1, 1),
        (128, 128, 3, 112, 1, 1),
        (128, 256, 3, 56, 1, 1),
        (256, 256, 3, 56, 1, 1),
        (256, 512, 3, 28, 1, 1),
        (512, 512, 3, 28, 1, 1),
        (512, 512, 3, 14, 1, 1),
    ),
    "ResNet-18": (
        (3, 64, 7, 224, 2, 3),
        (64, 64, 3, 56, 1, 1),
        (64, 128, 3, 56, 2, 1),
        (64, 128, 1, 56, 2, 0),
        (128, 128, 3, 28, 1, 1),
        (128, 256, 3, 28, 2, 1),
        (128, 256, 1, 28, 2, 0),
        (256, 256, 3, 14, 1, 1),
        (256, 512, 3, 14, 2, 1),
        (256, 512, 1, 14, 2, 0),
        (512, 512, 3, 7, 1, 1),
    ),
}
OTHERS = (
    ("pointwise", Convolution(8, 256, 64, 1, 56)),
    ("patches", Convolution(8, 3, 96, 16, 224, 16)),
    ("dilated", Convolution(8, 64, 64, 3, 56, padding=2, dilation=2)),
    ("grouped", Convolution(8, 128, 128, 3, 56, padding=1, groups=4)),
    ("grouped", Convolution(8, 128, 128, 3, 56, padding=1, groups=32)),
    ("depthwise", Convolution(8, 64, 64, 3, 56, padding=1, groups=64)),
    ("depthwise", Convolution(8, 128, 128, 3, 56, 2, padding=1, groups=128)),
    ("depthwise", Convolution(8, 96, 96, 7, 56, padding=3, groups=96)),
    ("transposed", Convolution(8, 64, 32, 4, 16, 2, padding=1, transposed=True)),
    ("transposed", Convolution(8, 128, 64, 2, 28, 2, transposed=True)),
    ("1-D", Convolution(8, 32, 64, 5, 1024, padding=2, dimensions=1)),
    ("1-D", Convolution(8, 64, 64, 3, 1024, padding=4, dilation=4, dimensions=1)),
    ("1-D depthwise", Convolution(8, 64, 64, 7, 1024, padding=3, groups=64, dimensions=1)),
    ("1-D transposed", Convolution(8, 64, 32, 4, 512, 2, 1, dimensions=1, transposed=True)),
    ("3-D", Convolution(8, 16, 32, 3, 16, padding=1, dimensions=3)),
    ("3-D", Convolution(8, 32, 64, 3, 16, 2, padding=1, dimensions=3)),
    ("3-D transposed", Convolution(8, 32, 16, 2, 8, 2, dimensions=3, transposed=True)),
)


def _name(network: str, layer: Convolution, measured: Convolution) -> str:
    sides = "x".join([str(layer.kernel)] * layer.dimensions)
    given = "x".join([str(layer.size)] * layer.dimensions)
    details = [f"{network} {layer.before}-{layer.after}", sides, f"of {given}"]
    for name, plain in (("stride", 1), ("dilation", 1), ("groups", 1)):
        value = getattr(layer, name)
        details += [f"{name} {value}"] * (value != plain)
    details.append(f"batch {layer.rows}")
    if measured != layer:
        details.append("at " + "x".join([str(measured.size)] * layer.dimensions))
    return ", ".join(details)


def _workload(network: str, layer: Convolution) -> Workload:
    measured = layer.within(MOST_PRODUCTS)
    return Workload(
        _name(network, layer, measured),
        builders(measured),
        among=("glassgrad", "glassgrad-numba", "torch"),
        apart=False,
        quick=layer.products <= (_QUICK_PRODUCTS if layer.rows == 1 else _QUICK_BATCHES),
    )


def _grid() -> list[Workload]:
    grid = []
    for network, layers in NETWORKS.items():
        for before, after, kernel, size, stride, padding in layers:
            for rows in BATCHES:
                layer = Convolution(rows, before, after, kernel, size, stride, padding)
                grid.append(_workload(network, layer))
    return grid


WORKLOADS = [*_grid(), *(_workload(name, layer) for name, layer in OTHERS)]
