"""Recording what a graph does not keep: the value of every intermediate result, and its gradient.

A node of the graph holds structure and what its rule needs, no more. Within :class:`record_values`
each operation also leaves a copy of its output, and a later backward pass leaves the gradients.
"""

from __future__ import annotations

import math
import weakref
from types import TracebackType
from typing import Any

import numpy as np

from autograd._backward import unbroadcast
from autograd._graph import Node
from autograd._modes import STATE
from autograd._tensor import Tensor

__all__ = ["NodeRecord", "record_values", "recorded"]

# Gradients along single edges are kept whole up to this size; of larger ones only the norm is.
WHOLE = 256


class NodeRecord:
    """What was recorded of one operation.

    Attributes:
        value: a copy of the output, or None.
        gradient: the derivative with respect to the output, summed over backward passes, or None.
        parts: for each input the gradient that went back along that edge in the latest backward
            pass; None where none did, or where it has more than 256 elements.
        norms: for each input the Euclidean norm of that gradient, or None.
        order: a number that grows along the latest backward pass, or None.
        inputs: for each input that is a constant its value, else None.
        absent: positions of inputs that were left out (a convolution without a bias).
        time: seconds the forward computation took, where profiled.
        flops: floating-point operations of the forward computation, where profiled.
    """

    __slots__ = (
        "__weakref__",
        "absent",
        "flops",
        "gradient",
        "inputs",
        "norms",
        "order",
        "parts",
        "time",
        "value",
    )

    def __init__(self, value: np.ndarray[Any, Any] | None = None) -> None:
        self.value = value
        self.gradient: np.ndarray[Any, Any] | None = None
        self.parts: list[np.ndarray[Any, Any] | None] = []
        self.norms: list[float | None] = []
        self.order: int | None = None
        self.inputs: list[Any] = []
        self.absent: frozenset[int] = frozenset()
        self.time: float | None = None
        self.flops: int | None = None


_RECORDS: weakref.WeakKeyDictionary[Node, NodeRecord] = weakref.WeakKeyDictionary()


def recorded(node: Node) -> NodeRecord | None:
    """What was recorded of ``node``, or None; the record goes when the node goes."""
    return _RECORDS.get(node)


def record_of(node: Node) -> NodeRecord:
    """The record of ``node``, made on first use."""
    record = _RECORDS.get(node)
    if record is None:
        record = _RECORDS[node] = NodeRecord()
    return record


class record_values:  # noqa: N801 - a context manager, named like no_grad
    """Within it, every operation leaves a copy of its value, and its gradient once there is one.

    Drawings, explanations and exports of the graph then show them. The copies live as long as the
    graph does. The backward pass may run inside or after the block.

    Args:
        gradients: also record the gradients that a backward pass computes.

    Attributes:
        nodes: the operations recorded, in order. The object keeps them alive, so that what was
            recorded before an error can still be drawn: ``autograd.draw(record)``.
        error: the exception that ended the block, or None.

    >>> import autograd
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> with autograd.record_values() as record:
    ...     y = (x * x).tanh()
    >>> [node.primitive.name for node in record.nodes]
    ['multiply', 'tanh']
    >>> float(y.graph["multiply_1"].value)
    9.0
    """

    def __init__(self, gradients: bool = True) -> None:
        self.gradients = gradients
        self.nodes: list[Node] = []
        self.error: BaseException | None = None
        self._before: list[Any] = []

    def __enter__(self) -> record_values:
        state = STATE.get()
        self._before.append(state)
        outer = state.watch

        def watch(node: Node, output: Any, inputs: tuple[Any, ...]) -> None:
            if outer is not None:
                outer(node, output, inputs)
            self._note(node, output, inputs)

        STATE.set(state.replace(watch=watch))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.error = error
        STATE.set(STATE.get().replace(watch=self._before.pop().watch))

    def _note(self, node: Node, output: Any, inputs: tuple[Any, ...]) -> None:
        record = record_of(node)
        self.nodes.append(node)
        pairs = list(zip(node.edges, inputs, strict=False))
        record.absent = frozenset(i for i, (_, value) in enumerate(pairs) if value is None)
        record.inputs = [
            None if edge is not None or value is None else _kept(value) for edge, value in pairs
        ]
        if node.primitive.n_outputs > 1:
            return  # its results have nodes of their own
        record.value = np.array(output.data)
        if self.gradients:
            node.register_prehook(_Gradient(record))
            node.register_hook(_Parts(record, [getattr(e, "shape", None) for e in node.edges]))


def _kept(value: Any) -> np.ndarray[Any, Any]:
    """A small constant as a copy; a large one, usually data, as it is."""
    array = np.asarray(value)
    return array.copy() if array.size <= WHOLE else array


class _Gradient:
    """Hook that adds the gradient of an operation's output to its record."""

    __slots__ = ("record",)

    def __init__(self, record: NodeRecord) -> None:
        self.record = record

    def __call__(self, gradient: Tensor) -> None:
        array = np.array(gradient.data)
        held = self.record.gradient
        self.record.gradient = array if held is None else held + array
        _Gradient.count += 1
        self.record.order = _Gradient.count

    count = 0


class _Parts:
    """Hook that notes what an operation sends back along each of its edges."""

    __slots__ = ("record", "shapes")

    def __init__(self, record: NodeRecord, shapes: list[tuple[int, ...] | None]) -> None:
        self.record = record
        self.shapes = shapes

    def __call__(self, parts: tuple[Any, ...], gradient: Any) -> None:
        self.record.parts, self.record.norms = [], []
        for part, shape in zip(parts, self.shapes, strict=False):
            if part is None or shape is None:
                self.record.parts.append(None)
                self.record.norms.append(None)
                continue
            array = unbroadcast(part.data, shape)
            self.record.parts.append(np.array(array) if array.size <= WHOLE else None)
            self.record.norms.append(math.sqrt(float(np.sum(np.abs(array) ** 2.0))))
