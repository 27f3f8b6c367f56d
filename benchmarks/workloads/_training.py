"""What the training workloads share: layers as data, a batch, first weights, and Adam by hand.

How a library trains such layers is in `_trainers.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = [
    "FLATTEN",
    "POOL",
    "RELU",
    "Adam",
    "Conv",
    "Layers",
    "Linear",
    "Operations",
    "batch",
    "first_state",
    "forward",
    "initial",
    "module",
]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Linear:
    before: int
    after: int


@dataclass(frozen=True)
class Conv:
    """A convolution with square kernels."""

    before: int
    after: int
    kernel: int
    padding: int = 0


RELU, POOL, FLATTEN = "relu", "pool", "flatten"  # the pool takes maxima of 2x2

Layers = Sequence[Linear | Conv | str]


@dataclass(frozen=True)
class Operations:
    """How a library computes the layers that the workload has."""

    linear: Callable[[Any, Any, Any], Any]
    relu: Callable[[Any], Any]
    conv: Callable[[Any, Any, Any, int], Any] | None = None
    pool: Callable[[Any], Any] | None = None
    flatten: Callable[[Any], Any] | None = None


def forward(layers: Layers, parameters: Sequence[Any], x: Any, by: Operations) -> Any:
    """The logits; `parameters` are weight, bias, weight, bias ..."""
    left = iter(parameters)
    for layer in layers:
        if isinstance(layer, Linear):
            x = by.linear(x, next(left), next(left))
        elif isinstance(layer, Conv):
            assert by.conv is not None
            x = by.conv(x, next(left), next(left), layer.padding)
        else:
            x = getattr(by, layer)(x)
    return x


def module(nn: Any, layers: Layers) -> Any:
    """The layers as modules, of a library whose modules have PyTorch's names."""
    plain = {RELU: nn.ReLU, POOL: lambda: nn.MaxPool2d(2), FLATTEN: nn.Flatten}
    modules = []
    for layer in layers:
        if isinstance(layer, Linear):
            modules.append(nn.Linear(layer.before, layer.after))
        elif isinstance(layer, Conv):
            modules.append(
                nn.Conv2d(layer.before, layer.after, layer.kernel, padding=layer.padding)
            )
        else:
            modules.append(plain[layer]())
    return nn.Sequential(*modules)


def _weights(shapes: Sequence[Shape]) -> list[Any]:
    """The same first weights for everybody: uniform in +-1/sqrt(fan-in), biases zero."""
    numpy = import_module("numpy")
    rng = numpy.random.default_rng(1)
    arrays = []
    for shape in shapes:
        bound = 0.0 if len(shape) == 1 else float(numpy.prod(shape[1:])) ** -0.5
        arrays.append(rng.uniform(-bound, bound, shape).astype("float32"))
    return arrays


def initial(layers: Layers) -> list[Any]:
    """First weights and biases of the layers, in order."""
    shapes: list[Shape] = []
    for layer in layers:
        if isinstance(layer, Linear):
            shapes += [(layer.after, layer.before), (layer.after,)]
        elif isinstance(layer, Conv):
            kernel = (layer.kernel, layer.kernel)
            shapes += [(layer.after, layer.before, *kernel), (layer.after,)]
    return _weights(shapes)


def first_state(model: Any) -> dict[str, Any]:
    """The same for a module, by name; normalisation keeps the scale it has."""
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    arrays = zip(shapes, _weights(list(shapes.values())), strict=True)
    return {name: a for name, a in arrays if a.ndim > 1 or name.endswith("bias")}


def batch(shape: Shape, classes: int) -> tuple[Any, Any]:
    """Inputs, and a class for each."""
    numpy = import_module("numpy")
    rng = numpy.random.default_rng(2)
    x = rng.random(shape).astype("float32")
    return x, rng.integers(classes, size=shape[0])


class Adam:
    """Adam as a user of bare NumPy would write it, for contestants that bring none."""

    def __init__(self, parameters: list[Any], lr: float = 1e-3) -> None:
        numpy = import_module("numpy")
        self.parameters = parameters
        self.lr = lr
        self.t = 0
        self.m = [numpy.zeros_like(p) for p in parameters]
        self.v = [numpy.zeros_like(p) for p in parameters]
        self.sqrt: Callable[[Any], Any] = numpy.sqrt

    def step(self, gradients: Sequence[Any]) -> None:
        self.t += 1
        rate = self.lr * (1 - 0.999**self.t) ** 0.5 / (1 - 0.9**self.t)
        epsilon = 1e-8 * (1 - 0.999**self.t) ** 0.5
        for p, g, m, v in zip(self.parameters, gradients, self.m, self.v, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            p -= rate * m / (self.sqrt(v) + epsilon)
