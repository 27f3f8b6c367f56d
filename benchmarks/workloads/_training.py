"""What the training workloads share: a model and its data, one step of training, Adam by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from benchmarks import Step

__all__ = ["Adam", "batch", "glassgrad_step", "torch_step", "weights"]

Shape = tuple[int, ...]


def weights(shapes: Sequence[Shape]) -> list[Any]:
    """The same first weights for everybody: uniform in +-1/sqrt(fan-in), biases zero."""
    numpy = import_module("numpy")
    rng = numpy.random.default_rng(1)
    arrays = []
    for shape in shapes:
        bound = 0.0 if len(shape) == 1 else float(numpy.prod(shape[1:])) ** -0.5
        arrays.append(rng.uniform(-bound, bound, shape).astype("float32"))
    return arrays


def _first_state(model: Any) -> dict[str, Any]:
    """`weights` for a module by name; normalisation keeps the scale it has."""
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    arrays = zip(shapes, weights(list(shapes.values())), strict=True)
    return {name: a for name, a in arrays if a.ndim > 1 or name.endswith("bias")}


def batch(shape: Shape, classes: int) -> tuple[Any, Any]:
    """Inputs, and a class for each."""
    numpy = import_module("numpy")
    rng = numpy.random.default_rng(2)
    return rng.random(shape, dtype="float32"), rng.integers(classes, size=shape[0])


def glassgrad_step(model: Any, x: Any, y: Any) -> Step:
    """One step of Adam on softmax cross-entropy, the first weights set alike."""
    import nn.functional as F
    import optim

    model.load_state_dict({**model.state_dict(), **_first_state(model)})
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def step() -> object:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def torch_step(model: Any, x: Any, y: Any, *, channels_last: bool = False, **adam: Any) -> Step:
    """The same for PyTorch; `adam` goes to its optimizer."""
    import torch

    first = {name: torch.from_numpy(array) for name, array in _first_state(model).items()}
    model.load_state_dict({**model.state_dict(), **first})
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        inputs = inputs.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, **adam)

    def step() -> object:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss

    return step


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
