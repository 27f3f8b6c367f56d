"""Graph: the recorded computation as an object that can be walked, searched, measured and exported.

A snapshot of what leads to some tensors; ``_graphbuild`` takes it from the engine's nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from autograd.drawing import Drawing

__all__ = ["Graph", "GraphEdge", "GraphModule", "GraphNode", "shape_text"]

Kind = Literal["operation", "output", "leaf", "parameter", "constant"]
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(slots=True, eq=False)
class GraphNode:
    """One operation, or one array that enters the computation.

    Attributes:
        id: unique in its graph and the same in every run: ``matmul_2``, ``parameter_1``.
        kind: ``"operation"``; ``"output"``, one of several results of an operation; ``"leaf"``, a
            tensor that requires a gradient; ``"parameter"``, a leaf that belongs to a module;
            ``"constant"``, an input without a gradient.
        name: given by the user, or a parameter's name in its module; else None.
        operation: the primitive's name, or None for arrays that enter.
        attributes: the operation's settings (``axis``, ``stride`` …).
        shape, dtype: of the result; None for a constant of which nothing is known.
        module: the id of the innermost module call it belongs to, or None.
        source: ``file.py:12``, the user's line that made the operation; None for arrays.
        bytes_saved: held for the backward pass, by this operation; 0 once freed.
        value, gradient: arrays, where known (see :class:`autograd.record_values`).
        time: seconds the forward computation took, where profiled.
        flops: floating-point operations of the forward computation, where profiled.
        inputs: ids of the nodes it reads, in the order of the operation's arguments.
        is_output: whether the graph was asked for this very tensor.
        failed: the message of the error this operation raised, or None.
        step: the position in the order of computation.
        backward_step: the position in the order of the recorded backward pass, or None.
    """

    id: str
    kind: Kind
    name: str | None = None
    operation: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None
    dtype: np.dtype[Any] | None = None
    module: str | None = None
    source: str | None = None
    bytes_saved: int = 0
    value: Array | None = None
    gradient: Array | None = None
    time: float | None = None
    flops: int | None = None
    inputs: tuple[str, ...] = ()
    is_output: bool = False
    failed: str | None = None
    step: int = 0
    backward_step: int | None = None

    def __repr__(self) -> str:
        what = self.operation or self.name or self.kind
        return f"<{self.id}: {what} {shape_text(self.shape)} {self.dtype or ''}>".replace(" >", ">")


@dataclass(slots=True, frozen=True, eq=False)
class GraphEdge:
    """The use of one node's result by an operation.

    Attributes:
        source, target: node ids.
        position: which argument of the target it is, counted from 0.
        shape: of what flows along it, or None.
        gradient: the part of the source's gradient that comes back along it, where recorded.
        gradient_norm: its Euclidean norm, where recorded.
    """

    source: str
    target: str
    position: int
    shape: tuple[int, ...] | None = None
    gradient: Array | None = None
    gradient_norm: float | None = None


@dataclass(slots=True, eq=False)
class GraphModule:
    """One call of a module; a module called twice appears twice.

    Attributes:
        id: unique in its graph and the same in every run: the path, with ``@2`` for a second call.
        path: dotted path from the outermost module, ``Net.features.3``.
        name: last part of the path.
        label: the class with its arguments, ``Linear(100, 10)``.
        parent: id of the call it happened in, or None.
        call: 1 for the first call of this path, 2 for the second …
    """

    id: str
    path: str
    name: str
    label: str
    parent: str | None = None
    call: int = 1

    @property
    def class_name(self) -> str:
        """The class without its arguments."""
        return self.label.partition("(")[0]


def shape_text(shape: Sequence[int] | None) -> str:
    """A shape as people write it.

    >>> shape_text((2, 3)), shape_text(()), shape_text(None)
    ('2×3', 'scalar', '?')
    """
    if shape is None:
        return "?"
    return "×".join(map(str, shape)) if shape else "scalar"


class Graph:
    """The computation behind some tensors; made by ``t.graph`` or :func:`graph_of`.

    Iterating gives the nodes in topological order, inputs before what reads them; ``graph["id"]``
    gives one. Two runs of the same program give equal ids.

    >>> from autograd import Tensor
    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> graph = (x * x).sum().graph
    >>> [node.id for node in graph]
    ['leaf_1', 'multiply_1', 'sum_1']
    >>> graph["multiply_1"].shape, graph["multiply_1"].inputs
    ((2,), ('leaf_1', 'leaf_1'))
    >>> print(graph.to_text())
    sum_1: scalar float64 = 5
    └─ multiply_1: 2 float64
       ├─ x: 2 float64 (leaf)
       └─ x: 2 float64 (leaf)
    """

    def __init__(
        self,
        nodes: Iterable[GraphNode],
        edges: Iterable[GraphEdge],
        modules: Iterable[GraphModule] = (),
    ) -> None:
        self._nodes = {node.id: node for node in nodes}
        self.edges: tuple[GraphEdge, ...] = tuple(edges)
        self.modules: dict[str, GraphModule] = {module.id: module for module in modules}
        self._users: dict[str, list[str]] = {key: [] for key in self._nodes}
        for edge in self.edges:
            self._users[edge.source].append(edge.target)

    # --------------------------------------------------------------------------- reading

    @property
    def nodes(self) -> tuple[GraphNode, ...]:
        """All nodes, in topological order."""
        return tuple(self._nodes.values())

    @property
    def outputs(self) -> tuple[GraphNode, ...]:
        """The nodes of the tensors the graph was made from."""
        return tuple(node for node in self if node.is_output)

    def __iter__(self) -> Iterator[GraphNode]:
        return iter(self._nodes.values())

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, key: object) -> bool:
        return key in self._nodes

    def __getitem__(self, key: str) -> GraphNode:
        """The node of that id, or the only one of that name."""
        found = self._nodes.get(key)
        if found is not None:
            return found
        named = [node for node in self if node.name == key]
        if len(named) == 1:
            return named[0]
        if named:
            ids = ", ".join(node.id for node in named)
            raise KeyError(f"{len(named)} nodes are named {key!r}: {ids}")
        raise KeyError(f"no node has the id or name {key!r}")

    def inputs_of(self, node: GraphNode | str) -> list[GraphNode]:
        """The nodes it reads, in the order of the operation's arguments."""
        return [self._nodes[key] for key in self._find(node).inputs]

    def users_of(self, node: GraphNode | str) -> list[GraphNode]:
        """The operations that read it, in order; twice if they read it twice."""
        return [self._nodes[key] for key in self._users[self._find(node).id]]

    def ancestors(self, node: GraphNode | str) -> list[GraphNode]:
        """Everything it depends on, in topological order, without itself."""
        return self._reached(node, lambda key: self._nodes[key].inputs)

    def descendants(self, node: GraphNode | str) -> list[GraphNode]:
        """Everything that depends on it, in topological order, without itself."""
        return self._reached(node, lambda key: self._users[key])

    def path(self, x: GraphNode | str, y: GraphNode | str) -> list[GraphNode]:
        """The shortest way along which ``x`` influences ``y``, both included; empty if none.

        >>> from autograd import Tensor
        >>> x = Tensor(2.0, requires_grad=True, name="x")
        >>> graph = (x.exp() * x).graph
        >>> [node.id for node in graph.path("x", "multiply_1")]
        ['leaf_1', 'multiply_1']
        """
        start, goal = self._find(x).id, self._find(y).id
        came_from: dict[str, str] = {start: start}
        frontier = [start]
        while frontier and goal not in came_from:
            following = []
            for key in frontier:
                for user in self._users[key]:
                    if user not in came_from:
                        came_from[user] = key
                        following.append(user)
            frontier = following
        if goal not in came_from:
            return []
        way = [goal]
        while way[-1] != start:
            way.append(came_from[way[-1]])
        return [self._nodes[key] for key in reversed(way)]

    def subgraph(self, module: str) -> Graph:
        """What happened inside a module, with the arrays that enter there.

        Args:
            module: a module call's id or path, ``"Net.features"``; nested modules are included,
                and so are all calls of a path.
        """
        calls = {key for key, call in self.modules.items() if module in (key, call.path)}
        if not calls:
            known = ", ".join(sorted({call.path for call in self.modules.values()})) or "none"
            raise KeyError(f"no module {module!r} in this graph; it has: {known}")
        for key, call in self.modules.items():  # parents come before children
            if call.parent in calls:
                calls.add(key)
        inside = {node.id for node in self if node.module in calls}
        for key in list(inside):
            inside.update(self._nodes[key].inputs)
        kept = [edge for edge in self.edges if edge.source in inside and edge.target in inside]
        kept = [edge for edge in kept if self._nodes[edge.target].module in calls]
        return Graph(
            (node for node in self if node.id in inside),
            kept,
            (call for call in self.modules.values() if call.id in calls),
        )

    def _find(self, node: GraphNode | str) -> GraphNode:
        return node if isinstance(node, GraphNode) else self[node]

    def _reached(self, node: GraphNode | str, onward: Any) -> list[GraphNode]:
        start = self._find(node).id
        seen = {start}
        stack = [start]
        while stack:
            for key in onward(stack.pop()):
                if key not in seen:
                    seen.add(key)
                    stack.append(key)
        seen.discard(start)
        return [other for key, other in self._nodes.items() if key in seen]

    def __repr__(self) -> str:
        operations = sum(node.kind == "operation" for node in self)
        modules = f", {len(self.modules)} module calls" if self.modules else ""
        return (
            f"<Graph of {len(self)} nodes, {operations} operations, {len(self.edges)} edges"
            f"{modules}>"
        )

    # ------------------------------------------------------------------------- exporting

    def draw(self, **options: Any) -> Drawing:
        """A picture of the graph; options as of :func:`autograd.draw`."""
        from autograd.drawing import draw

        return draw(self, **options)

    def save(self, path: str | PathLike[str], **options: Any) -> str:
        """Draw the graph and save it; the ending of ``path`` decides the format."""
        return self.draw(**options).save(path)

    def to_dot(self, **options: Any) -> str:
        """The graph in Graphviz's language, modules as clusters."""
        return self.draw(**options).to_dot()

    def to_mermaid(self, **options: Any) -> str:
        """The graph as a Mermaid flowchart, for Markdown pages."""
        return self.draw(**options).to_mermaid()

    def to_json(self) -> str:
        """Nodes, edges and modules as JSON; small values and gradients in full."""
        from autograd.drawing.text import to_json

        return to_json(self)

    def to_networkx(self) -> Any:
        """A ``networkx.MultiDiGraph`` whose nodes and edges carry the attributes seen here."""
        from autograd.drawing.text import to_networkx

        return to_networkx(self)

    def to_text(self, max_lines: int = 200) -> str:
        """The graph as a tree for terminals, outputs first; what was shown before is cut short."""
        from autograd.drawing.text import to_text

        return to_text(self, max_lines)

    def _repr_html_(self) -> str:
        return self.draw()._repr_html_()
