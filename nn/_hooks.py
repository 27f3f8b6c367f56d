"""What runs around a module's call: how hooks are kept, and how a backward pass is watched."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import RemovableHandle, Tensor
from autograd.extend import note_change

__all__ = ["BackwardWatch", "add_hook"]


def add_hook(
    module: Any,
    hooks: OrderedDict[int, Any],
    hook: Callable[..., Any],
    prepend: bool,
    with_kwargs: bool,
) -> RemovableHandle:
    if not callable(hook):
        raise TypeError(f"a hook must be callable, got {type(hook).__name__}")
    before = set(hooks)
    handle = RemovableHandle.add(hooks, hook)
    (key,) = set(hooks) - before
    hooks[key] = (hook, with_kwargs)
    if prepend:
        hooks.move_to_end(key, last=False)
    module._hooked = True
    note_change()
    return handle


class BackwardWatch:
    """One call of a module whose backward pass is watched.

    Inputs and outputs pass through an identity each, whose hooks see the gradients. Several inputs
    pass through one node together, so that their gradients are all there when it is reached.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.latest: tuple[Tensor | None, ...] | None = None
        self.slots: list[int] = []
        self.n_inputs = 0

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.n_inputs = len(args)
        self.slots = [
            i for i, arg in enumerate(args) if isinstance(arg, Tensor) and arg.requires_grad
        ]
        if not self.slots:
            return args
        through = _identity([args[i] for i in self.slots], self._inputs_ready)
        replaced = list(args)
        for i, tensor in zip(self.slots, through, strict=True):
            replaced[i] = tensor
        return tuple(replaced)

    def outputs(self, result: Any) -> Any:
        several = isinstance(result, tuple | list)
        values = list(result) if several else [result]
        slots = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]
        if not slots:
            return result

        def ready(grads: tuple[Tensor, ...], _: Any) -> tuple[Tensor, ...] | None:
            full: list[Tensor | None] = [None] * len(values)
            for i, g in zip(slots, grads, strict=True):
                full[i] = g
            grad_output = tuple(full)
            for hook, _ in list(self.module._backward_pre_hooks.values()):
                changed = hook(self.module, grad_output)
                if changed is not None:
                    grad_output = changed if isinstance(changed, tuple) else (changed,)
            self.latest = grad_output
            if not self.slots:
                self._call((None,) * self.n_inputs)
            return tuple(grad_output[i] for i in slots)  # type: ignore[misc]

        through = _identity([values[i] for i in slots], ready)
        for i, tensor in zip(slots, through, strict=True):
            values[i] = tensor
        return type(result)(values) if several else values[0]

    def _inputs_ready(self, grads: tuple[Tensor, ...], _: Any) -> tuple[Tensor, ...] | None:
        full: list[Tensor | None] = [None] * self.n_inputs
        for i, g in zip(self.slots, grads, strict=True):
            full[i] = g
        if self.latest is None:  # a second derivative passes here without passing the outputs
            return grads
        changed = self._call(tuple(full))
        return tuple(changed[i] for i in self.slots)  # type: ignore[misc]

    def _call(self, grad_input: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        for hook, _ in list(self.module._backward_hooks.values()):
            changed = hook(self.module, grad_input, self.latest)
            if changed is not None:
                grad_input = changed if isinstance(changed, tuple) else (changed,)
        self.latest = None
        return grad_input


def _identity(tensors: list[Tensor], hook: Callable[..., Any]) -> list[Tensor]:
    """The tensors behind one node whose hook sees the gradients of all of them."""
    if len(tensors) == 1:
        out = np.positive(tensors[0])
        out.node.register_hook(hook)
        return [out]
    joined = np.concatenate([t.reshape(-1) for t in tensors])
    parts = []
    start = 0
    for t in tensors:
        part = joined[start : start + t.size].reshape(t.shape)
        parts.append(part if part.dtype == t.dtype else part.astype(t.dtype))
        start += t.size
    shapes = [t.shape for t in tensors]

    def unravelled(grads: tuple[Any, ...], grad_output: Tensor) -> tuple[Any, ...]:
        given = tuple(
            None if g is None else g.reshape(shape) for g, shape in zip(grads, shapes, strict=True)
        )
        changed = hook(given, grad_output)
        return tuple(None if g is None else g.reshape(-1) for g in changed)

    joined.node.register_hook(unravelled)
    return parts
