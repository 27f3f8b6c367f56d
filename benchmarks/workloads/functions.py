"""Activations, normalisations and softmax, on arrays as networks have them, there and back."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmarks import Builder, Step, Workload

Call = Callable[[Any, Any, list[Any]], Any]  # of a library's functional module, x and parameters

TOKENS = (32, 128, 768)
IMAGES = (64, 32, 32, 32)
# What is called, on arrays of which shape, with how many parameters of how many numbers.
CASES: list[tuple[str, Call, tuple[int, ...], int, int]] = [
    ("GELU", lambda f, x, p: f.gelu(x), TOKENS, 0, 0),
    ("GELU, tanh", lambda f, x, p: f.gelu(x, approximate="tanh"), TOKENS, 0, 0),
    ("SiLU", lambda f, x, p: f.silu(x), TOKENS, 0, 0),
    ("ELU", lambda f, x, p: f.elu(x), TOKENS, 0, 0),
    ("softplus", lambda f, x, p: f.softplus(x), TOKENS, 0, 0),
    ("layer norm", lambda f, x, p: f.layer_norm(x, (768,), *p), TOKENS, 2, 768),
    ("RMS norm", lambda f, x, p: f.rms_norm(x, (768,), *p), TOKENS, 1, 768),
    ("group norm, 8 groups", lambda f, x, p: f.group_norm(x, 8, *p), IMAGES, 2, 32),
    ("softmax", lambda f, x, p: f.softmax(x, -1), (32, 8, 128, 128), 0, 0),
    ("log softmax", lambda f, x, p: f.log_softmax(x, -1), (128, 1000), 0, 0),
]


def _arrays(shape: tuple[int, ...], count: int, length: int) -> list[Any]:
    """The input, the gradient of the output, and the parameters."""
    numpy = import_module("numpy")
    rng = numpy.random.default_rng(0)
    shapes = [shape, shape, *[(length,)] * count]
    return [rng.standard_normal(s, dtype="float32") for s in shapes]


def _glassgrad(call: Call, *sizes: Any) -> Builder:
    def build() -> Step:
        import nn.functional as F
        from autograd import Tensor

        x, cotangent, *parameters = _arrays(*sizes)
        inputs = [Tensor(a, requires_grad=True) for a in (x, *parameters)]

        def step() -> object:
            for tensor in inputs:
                tensor.grad = None
            call(F, inputs[0], inputs[1:]).backward(cotangent)
            gradient = inputs[0].grad
            assert gradient is not None
            return gradient[..., :7]  # of whole rows the sum may be 0

        return step

    return build


def _torch(call: Call, *sizes: Any) -> Builder:
    def build() -> Step:
        import torch

        x, cotangent, *parameters = (torch.from_numpy(a) for a in _arrays(*sizes))
        inputs = [a.requires_grad_() for a in (x, *parameters)]

        def step() -> object:
            for tensor in inputs:
                tensor.grad = None
            call(torch.nn.functional, inputs[0], inputs[1:]).backward(cotangent)
            return inputs[0].grad[..., :7]  # of whole rows the sum may be 0

        return step

    return build


WORKLOADS = [
    Workload(
        f"{name}, {'x'.join(map(str, shape))}",
        {
            "glassgrad": _glassgrad(call, shape, count, length),
            "torch": _torch(call, shape, count, length),
        },
    )
    for name, call, shape, count, length in CASES
]
