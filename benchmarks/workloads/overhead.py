"""What an engine adds to an operation: a chain of 300, on arrays that cost next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks import Builder, Step, Workload

OPERATIONS = 300

# How a contestant makes a differentiable array, and takes its maximum with zero: by relu where
# there is one, which need not ask how ties are to be shared.
Make = Callable[[Any], Any]
Clip = Callable[[Any], Any]


def _values(shape: tuple[int, ...]) -> Any:
    numpy = import_module("numpy")
    return (numpy.random.default_rng(0).random(shape) * 0.1 + 0.95).astype("float32")


def _chain(x: Any, w: Any, clip: Clip) -> Any:
    # With w about a half, h stays near two: nothing grows, and the maximum lets gradients pass.
    h = x
    for _ in range(OPERATIONS // 3):
        h = clip(h * w + x)
    return h


def _recorder(make: Make, clip: Clip, values: Any, backward: bool) -> Step:
    def step() -> object:
        x, w = make(values), make(values * 0.5)
        h = _chain(x, w, clip)
        if not backward:
            return h
        h.sum().backward()
        return w.grad

    return step


def _glassgrad(shape: tuple[int, ...], backward: bool) -> Builder:
    def build() -> Step:
        from autograd import Tensor
        from nn.functional import relu

        return _recorder(lambda a: Tensor(a, requires_grad=True), relu, _values(shape), backward)

    return build


def _torch(shape: tuple[int, ...], backward: bool) -> Builder:
    def build() -> Step:
        import torch

        return _recorder(
            lambda a: torch.tensor(a, requires_grad=True), torch.relu, _values(shape), backward
        )

    return build


def _mygrad(shape: tuple[int, ...], backward: bool) -> Builder:
    def build() -> Step:
        mygrad = import_module("mygrad")
        return _recorder(mygrad.tensor, mygrad.nnet.relu, _values(shape), backward)

    return build


def _hips(shape: tuple[int, ...]) -> Builder:
    """Recording alone cannot be asked for: it happens inside `grad`."""

    def build() -> Step:
        hips, anp = import_module("autograd"), import_module("autograd.numpy")
        x = _values(shape)
        w, clip = x * 0.5, partial(anp.maximum, x * 0)
        gradient = hips.grad(lambda x, w: _chain(x, w, clip).sum(), (0, 1))
        return lambda: gradient(x, w)[1]

    return build


def _numpy(shape: tuple[int, ...], backward: bool) -> Builder:
    """The calls that the arithmetic needs, with nothing recorded: what remains is the engine."""

    def build() -> Step:
        import numpy as np

        x = _values(shape)
        w, floor = x * np.float32(0.5), x * 0

        def step() -> object:
            h = x
            tape = []
            for _ in range(OPERATIONS // 3):
                before = h
                summed = before * w + x
                h = np.maximum(summed, floor)
                tape.append((before, summed))
            if not backward:
                return h
            g: Any = np.ones_like(x)
            gx: Any = 0
            gw: Any = 0
            for before, summed in reversed(tape):
                g = g * (summed > floor)
                gx = gx + g
                gw = gw + g * before
                g = g * w
            return gw

        return step

    return build


def _micrograd() -> Step:
    value = import_module("micrograd.engine").Value

    def step() -> object:
        x, w = value(_SCALAR), value(_SCALAR * 0.5)
        h = x
        for _ in range(OPERATIONS // 3):
            h = (h * w + x).relu()
        h.backward()
        return w.grad

    return step


# The number that the other contestants draw for shape (): micrograd's environment has no NumPy.
_SCALAR = 1.0136961936950684


def _workloads() -> list[Workload]:
    workloads = []
    for shape in ((), (16,), (32, 32)):
        for backward in (False, True):
            builders = {
                "glassgrad": _glassgrad(shape, backward),
                "numpy": _numpy(shape, backward),
                "torch": _torch(shape, backward),
                "mygrad": _mygrad(shape, backward),
            }
            if backward:
                builders["hips"] = _hips(shape)
                if shape == ():
                    builders["micrograd"] = _micrograd
            name = f"{'record and backward' if backward else 'record'}, shape {shape}"
            workloads.append(Workload(name, builders, OPERATIONS))
    return workloads


WORKLOADS = _workloads()
