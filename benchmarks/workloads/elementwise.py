"""A layer written out in functions of elements: GELU of a scaled input, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmarks import Builder, Step, Workload


def _arrays(rows: int, columns: int) -> list[Any]:
    numpy = import_module("numpy")
    rng = numpy.random.default_rng(0)
    shapes = ((rows, columns), (columns,), (columns,))
    return [rng.standard_normal(shape, dtype="float32") for shape in shapes]


def _loss(numpy: Any, x: Any, scale: Any, shift: Any) -> Any:
    u = x * scale + shift
    return (0.5 * u * (1 + numpy.tanh(0.7978845608 * (u + 0.044715 * u * u * u)))).mean()


def _glassgrad(rows: int, columns: int, compiled: bool) -> Builder:
    def build() -> Step:
        import numpy as np

        import autograd

        x, *parameters = _arrays(rows, columns)
        scale, shift = (autograd.Tensor(p, requires_grad=True) for p in parameters)

        def eager(x: Any) -> Any:
            return _loss(np, x, scale, shift)

        loss_of = autograd.compile(eager) if compiled else eager

        def step() -> object:
            scale.grad = shift.grad = None
            loss_of(x).backward()
            return scale.grad

        return step

    return build


def _torch(rows: int, columns: int, compiled: bool) -> Builder:
    def build() -> Step:
        import torch

        x, *parameters = (torch.from_numpy(a) for a in _arrays(rows, columns))
        scale, shift = (p.requires_grad_() for p in parameters)

        def eager(x: Any) -> Any:
            return _loss(torch, x, scale, shift)

        loss_of: Callable[[Any], Any] = torch.compile(eager) if compiled else eager

        def step() -> object:
            scale.grad = shift.grad = None
            loss_of(x).backward()
            return scale.grad

        return step

    return build


def _jax(rows: int, columns: int, compiled: bool) -> Builder:
    def build() -> Step:
        jax, numpy = import_module("jax"), import_module("jax.numpy")
        x, scale, shift = (numpy.asarray(a) for a in _arrays(rows, columns))
        gradient = jax.grad(lambda p, x: _loss(numpy, x, *p))
        gradient = jax.jit(gradient) if compiled else gradient
        return lambda: gradient((scale, shift), x)[0].block_until_ready()

    return build


def _hips(rows: int, columns: int) -> Builder:
    def build() -> Step:
        hips, numpy = import_module("autograd"), import_module("autograd.numpy")
        x, scale, shift = _arrays(rows, columns)
        gradient = hips.grad(lambda scale, shift: numpy.mean(_loss(numpy, x, scale, shift)), (0, 1))
        return lambda: gradient(scale, shift)[0]

    return build


def _mygrad(rows: int, columns: int) -> Builder:
    def build() -> Step:
        mygrad = import_module("mygrad")
        x, *parameters = _arrays(rows, columns)
        scale, shift = (mygrad.tensor(p) for p in parameters)

        def step() -> object:
            _loss(mygrad, x, scale, shift).backward()
            return scale.grad

        return step

    return build


WORKLOADS = [
    Workload(
        f"GELU written out, {rows}x{columns}",
        {
            "glassgrad": _glassgrad(rows, columns, False),
            "glassgrad_compile": _glassgrad(rows, columns, True),
            "torch": _torch(rows, columns, False),
            "torch_compile": _torch(rows, columns, True),
            "jax": _jax(rows, columns, True),
            "jax_eager": _jax(rows, columns, False),
            "hips": _hips(rows, columns),
            "mygrad": _mygrad(rows, columns),
        },
    )
    for rows, columns in ((100, 16), (1000, 1000), (4000, 1000))
]
