"""Recordings: what a function did in a call, operation by operation, and what each of them read."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd._graph import Node
from autograd._modes import STATE
from autograd._random import generator
from autograd._tensor import Tensor
from autograd._writes import WRITES

__all__ = ["CannotReplayError", "Recording", "record_call", "state_of"]


class CannotReplayError(Exception):
    """What a function does differs from call to call, or cannot be written out."""


class Recording:
    """What a call did: its operations in order, and what each of them read."""

    def __init__(self, args: tuple[Any, ...]) -> None:
        self.args: Sequence[Any] = args
        self.nodes: list[Any] = []
        self.tracked: list[int] = []
        self.operands: list[list[tuple[str, Any]]] = []
        self.settings: list[dict[str, tuple[str, Any]]] = []
        self.leaves: list[Tensor] = []
        self.modules: dict[Any, tuple[Any, ...]] = {}  # weak references, and what they were like
        self.problem = ""
        self._step_of: dict[Node, int] = {}
        self._step_with: dict[int, tuple[weakref.ref[Any], int]] = {}  # by an array's identity
        self._inputs = {id(arg): i for i, arg in enumerate(args) if isinstance(arg, np.ndarray)}
        self._edges: dict[Any, int] = {}
        for i, arg in enumerate(args):
            if isinstance(arg, Tensor | np.ndarray) and not arg.ndim:
                self.problem = "an argument has no axes"  # operations see a number instead of it
            if isinstance(arg, Tensor):
                self._inputs[id(arg.data)] = i
                if arg.requires_grad:
                    self._edges[arg.node or arg] = i

    def watch(self, node: Node, output: Tensor, inputs: tuple[Any, ...]) -> None:
        """Take down a node as it is made."""
        step = len(self.nodes)
        if node.primitive.n_outputs > 1:
            self.problem = f"{node.primitive.name} has several outputs"
        self.operands.append(
            [self._operand(edge, value) for edge, value in zip(node.edges, inputs, strict=True)]
        )
        self.settings.append({k: self._constant(v) for k, v in (node.attrs or {}).items()})
        self.nodes.append(node)
        self._step_of[node] = step
        self._step_with[id(output.data)] = weakref.ref(output.data), step
        scope = node.scope
        while scope is not None:
            if scope.module not in self.modules:
                self.modules[scope.module] = state_of(scope.module())
                if _has_hooks(scope.module()):
                    self.problem = f"{scope.label} has hooks, which may do anything"
            scope = scope.parent

    def _operand(self, edge: Any, value: Any) -> tuple[str, Any]:
        if edge is None:
            return self._constant(value)
        if edge in self._edges:
            return "arg", self._edges[edge]
        if edge in self._step_of:
            return "step", self._step_of[edge]
        if isinstance(edge, Node):
            self.problem = f"it uses the result of {edge.primitive.name}, computed outside of it"
            return "const", value
        for i, leaf in enumerate(self.leaves):
            if leaf is edge:
                return "leaf", i
        self.leaves.append(edge)
        return "leaf", len(self.leaves) - 1

    def _constant(self, value: Any) -> tuple[str, Any]:
        if isinstance(value, np.ndarray):
            if id(value) in self._inputs:
                return "arg", self._inputs[id(value)]
            array, step = self._step_with.get(id(value), (None, 0))
            if array is not None and array() is value:  # no later one in the same place
                return "step", step
        elif isinstance(value, np.generic):
            self.problem = self.problem or "it reads a NumPy scalar, which may change"
        return "const", value

    def like(self, kind: str, which: Any) -> Any:
        """Something with the shape and dtype of an operand; None for None."""
        of: dict[str, Any] = {"step": self.nodes, "leaf": self.leaves, "arg": self.args}
        if kind in of:
            return of[kind][which]
        return None if which is None else np.asarray(which)

    def forget_arrays(self) -> None:
        """Keep what the operations and their arguments were like, without their values and graph.

        Arguments that gradients flow to are then in ``tracked``.
        """
        self.tracked = sorted(set(self._edges.values()))
        self.args = [_Like(arg) if hasattr(arg, "dtype") else arg for arg in self.args]
        self.nodes = [_Step(node) for node in self.nodes]
        for known in (self._edges, self._step_of, self._step_with, self._inputs):
            known.clear()

    def check(self) -> None:
        """Raise if this alone shows that it cannot be replayed."""
        if self.problem:
            raise CannotReplayError(self.problem)

    def compare(self, other: Recording) -> None:
        """Raise unless the other call did the same with other arguments."""
        same = len(self.nodes) == len(other.nodes) and all(
            a.primitive is b.primitive and a.shape == b.shape and a.dtype == b.dtype
            for a, b in zip(self.nodes, other.nodes)
        )
        if not same or any(
            [kind for kind, _ in a] != [kind for kind, _ in b] or a_set.keys() != b_set.keys()
            for a, b, a_set, b_set in zip(
                self.operands, other.operands, self.settings, other.settings
            )
        ):
            raise CannotReplayError("two calls recorded different operations")
        if list(map(id, self.leaves)) != list(map(id, other.leaves)):
            raise CannotReplayError("two calls used different parameters")
        for node, mine, theirs, a, b in zip(
            self.nodes, self.operands, other.operands, self.settings, other.settings
        ):
            pairs = [*zip(mine, theirs), *((a[name], b[name]) for name in a)]
            if not all(x[0] == y[0] and _same(x[1], y[1]) for x, y in pairs):
                raise CannotReplayError(
                    f"{node.primitive.name} ({node.source}) reads an array or a number that was "
                    "not the same in two calls and is none of the arguments"
                )


def state_of(module: Any) -> tuple[Any, ...]:
    """What decides what a module does: mode, submodules, parameters, and which of them learn."""
    parameters = getattr(module, "_parameters", {}).values()
    learning = tuple([p is not None and p._requires_grad for p in parameters])
    modules = getattr(module, "_modules", {}).values()
    members = tuple(map(id, (*modules, *parameters)))
    return (getattr(module, "training", None), members, learning, _has_hooks(module))


def _has_hooks(module: Any) -> bool:
    return any(
        getattr(module, f"_{kind}_hooks", ())
        for kind in ("forward", "forward_pre", "backward", "backward_pre")
    )


def _same(a: Any, b: Any) -> bool:
    """Whether two constants are one: the same array, or equal numbers, strings, tuples of such."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return a is b
    if isinstance(a, tuple | list) and type(a) is type(b):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    return a is b or (type(a) is type(b) and bool(a == b))


def record_call(function: Callable[..., Tensor], args: tuple[Any, ...]) -> tuple[Recording, Tensor]:
    recording = Recording(args)
    state = STATE.get()
    writes = WRITES.latest
    random = generator().bit_generator
    drawn = repr(random.state)
    token = STATE.set(state.replace(watch=recording.watch))
    try:
        result = function(*args)
    finally:
        STATE.reset(token)
    if WRITES.latest != writes:
        recording.problem = "it writes to arrays in place"
    elif repr(random.state) != drawn:
        recording.problem = "it draws random numbers"
    elif not isinstance(result, Tensor) or result.node not in recording._step_of:
        recording.problem = "it does not return a tensor that it computed"
    elif result.node is not recording.nodes[-1]:
        last = recording._step_of[result.node]
        for taken in (recording.nodes, recording.operands, recording.settings):
            del taken[last + 1 :]
    recording.forget_arrays()
    return recording, result


class _Like:
    """The shape and dtype of something, without its array."""

    def __init__(self, of: Any) -> None:
        self.shape, self.dtype = of.shape, of.dtype


class _Step(_Like):
    """What a rule asks of a node: its shape, dtype and settings, and what its inputs are like."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.primitive, self.attrs, self.source = node.primitive, None, node.source
        self.edges = [None if edge is None else _Like(edge) for edge in node.edges]

    def having(self, attrs: dict[str, Any]) -> _Step:
        """The same with the settings of another call."""
        copy = object.__new__(_Step)
        copy.__dict__.update(self.__dict__, attrs=attrs)
        return copy
