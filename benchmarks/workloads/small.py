"""Single operations on small tensors, there and back: what counts is what is around them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmarks import Builder, Step, Workload

SHAPE = (100, 16)

Call = Callable[[Any, Any, Any], Any]  # of a library's functional module and two tensors

CASES: dict[str, Call] = {
    "x + y": lambda f, x, y: x + y,
    "x * y": lambda f, x, y: x * y,
    "x / y": lambda f, x, y: x / y,
    "x * row": lambda f, x, y: x * y[0],
    "2 x": lambda f, x, y: 2.0 * x,
    "x squared": lambda f, x, y: x**2,
    "x @ y.T": lambda f, x, y: x @ y.T,
    "exp": lambda f, x, y: x.exp(),
    "log": lambda f, x, y: x.log(),
    "tanh": lambda f, x, y: x.tanh(),
    "ReLU": lambda f, x, y: f.relu(x),
    "GELU": lambda f, x, y: f.gelu(x),
    "SiLU": lambda f, x, y: f.silu(x),
    "softmax": lambda f, x, y: f.softmax(x, -1),
    "log softmax": lambda f, x, y: f.log_softmax(x, -1),
    "layer norm": lambda f, x, y: f.layer_norm(x, SHAPE[1:]),
    "sum": lambda f, x, y: x.sum(),
    "mean of rows": lambda f, x, y: x.mean(1),
    "variance of columns": lambda f, x, y: x.var(0, correction=0),
    "reshape": lambda f, x, y: x.reshape(SHAPE[::-1]),
    "slice": lambda f, x, y: x[10:90, ::2],
    "picked rows": lambda f, x, y: x[[i * 7 % SHAPE[0] for i in range(SHAPE[0])]],
    "pad": lambda f, x, y: f.pad(x, (1, 1)),
    "linear": lambda f, x, y: f.linear(x, y),
    "squared error": lambda f, x, y: f.mse_loss(x, y),
    "Huber's loss": lambda f, x, y: f.huber_loss(x, y),
    "binary cross-entropy": lambda f, x, y: f.binary_cross_entropy_with_logits(x, y),
}


def _random(*shape: int, seed: int = 0) -> Any:
    numpy = import_module("numpy")
    return numpy.asarray(numpy.random.default_rng(seed).random(shape) * 0.9 + 0.05, "float32")


class _Corner:
    """Of a gradient, to compare what was computed: of whole rows and columns some sums are 0."""

    def __init__(self, x: Any) -> None:
        self._x = x

    def item(self) -> float:
        return float(self._x.grad[:37, :7].sum())


def _step(call: Call, functional: Any, x: Any, y: Any, made: Callable[[Any], Any]) -> Step:
    """``made`` makes a library's tensor of an array."""
    cotangent, corner = made(_random(*call(functional, x, y).shape, seed=1)), _Corner(x)

    def step() -> object:
        x.grad = None
        call(functional, x, y).backward(cotangent)
        return corner

    return step


def _glassgrad(call: Call) -> Builder:
    def build() -> Step:
        import nn.functional as F
        from autograd import Tensor

        x, y = (Tensor(array) for array in _random(2, *SHAPE))
        return _step(call, F, x.requires_grad_(), y, Tensor)

    return build


def _torch(call: Call) -> Builder:
    def build() -> Step:
        import torch

        x, y = (torch.from_numpy(array) for array in _random(2, *SHAPE))
        return _step(call, torch.nn.functional, x.requires_grad_(), y, torch.from_numpy)

    return build


WORKLOADS = [
    Workload(name, {"glassgrad": _glassgrad(call), "torch": _torch(call)})
    for name, call in CASES.items()
]
