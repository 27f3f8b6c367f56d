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

from autograd._graph import STATE, Node, unbroadcast
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
        order: the position of the operation in the latest backward pass, counted from 0, or None.
    """

    __slots__ = ("__weakref__", "gradient", "norms", "order", "parts", "value")

    def __init__(self, value: np.ndarray[Any, Any] | None = None) -> None:
        self.value = value
        self.gradient: np.ndarray[Any, Any] | None = None
        self.parts: list[np.ndarray[Any, Any] | None] = []
        self.norms: list[float | None] = []
        self.order: int | None = None


_RECORDS: weakref.WeakKeyDictionary[Node, NodeRecord] = weakref.WeakKeyDictionary()


def recorded(node: Node) -> NodeRecord | None:
    """What was recorded of ``node``, or None; the record goes when the node goes."""
    return _RECORDS.get(node)


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
            self._note(node, output)

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

    def _note(self, node: Node, output: Any) -> None:
        record = _RECORDS[node] = NodeRecord(np.array(output.data))
        self.nodes.append(node)
        if self.gradients:
            node.register_prehook(_Gradient(record))
            node.register_hook(_Parts(record, [getattr(e, "shape", None) for e in node.edges]))


class _Gradient:
    """Hook that adds the gradient of an operation's output to its record."""

    __slots__ = ("record",)

    def __init__(self, record: NodeRecord) -> None:
        self.record = record

    def __call__(self, gradient: Any) -> None:
        if not isinstance(gradient, Tensor):
            return  # an operation of several outputs: each output has a record of its own
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
