"""Graph: the recorded computation as an object that can be walked, searched, measured and exported.

A snapshot of what leads to some tensors. Building it reads the engine's nodes and changes nothing;
it can be taken before or after ``backward``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from autograd._graph import GraphError, Node, Output, Scope, topological_order
from autograd._recording import record_values, recorded
from autograd._tensor import Tensor

if TYPE_CHECKING:
    from autograd.drawing import Drawing

__all__ = ["Graph", "GraphEdge", "GraphModule", "GraphNode", "graph_of"]

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


# --------------------------------------------------------------------------------------- building


def graph_of(*outputs: Tensor | Node | record_values) -> Graph:
    """The graph of everything that leads to ``outputs``.

    Args:
        outputs: tensors, nodes, or a recording (:class:`autograd.record_values`), which stands for
            all operations in it and, if an error ended it, shows where.

    Raises:
        GraphError: if a tensor has no graph.
        TypeError: if something else is given.

    >>> a = Tensor(1.0, requires_grad=True)
    >>> b, c = a.exp(), a.tanh()
    >>> len(graph_of(b, c))
    3
    """
    if not outputs:
        raise TypeError("graph_of needs a tensor")
    return _Builder(outputs).build()


def failure(error: BaseException) -> tuple[str, tuple[Any, ...]] | None:
    """Of an error raised by a primitive: the primitive's name and its inputs."""
    seen: BaseException | None = error
    while seen is not None:
        operation = getattr(seen, "operation", None)
        if isinstance(operation, tuple) and len(operation) == 2:
            return operation[0].name, tuple(operation[1])
        seen = seen.__cause__ or seen.__context__
    return None


def _module_that_raised(error: BaseException) -> str | None:
    """The class of the innermost module whose method an error came through."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        if hasattr(owner, "named_parameters"):
            found = type(owner).__name__
        trace = trace.tb_next
    return found


class _Builder:
    """Reads the engine's nodes once, in order, and gives each its place in a Graph."""

    def __init__(
        self,
        outputs: Sequence[Any],
        gradients: Mapping[int, Array] | None = None,
        error: BaseException | None = None,
    ) -> None:
        self.gradients = gradients or {}  # of leaves, by identity, where not in `.grad`
        self.error = error
        self.roots: list[Node] = []
        self.bare: list[Tensor] = []  # leaves that were asked for themselves
        self.tensors: dict[Node, Tensor] = {}
        for out in outputs:
            self._take(out)
        self.nodes: list[GraphNode] = []
        self.edges: list[GraphEdge] = []
        self.modules: dict[int, GraphModule] = {}  # by identity of the scope
        self._calls: dict[str, int] = {}
        self._model: Any = None  # the first module that no other called, once met
        self._counts: dict[str, int] = {}
        self._of: dict[Any, GraphNode] = {}
        self._leaves: dict[int, GraphNode] = {}
        self._names: dict[int, dict[int, str]] = {}  # of a module's parameters
        self._alive: list[Any] = []

    def _take(self, out: Any) -> None:
        if isinstance(out, Tensor):
            if out.node is not None:
                self.roots.append(out.node)
                self.tensors[out.node] = out
            elif out.requires_grad:
                self.bare.append(out)
            else:
                raise GraphError(
                    "this tensor has no graph: it does not require a gradient; was it computed "
                    "under no_grad, from detached tensors, or is requires_grad=True missing?"
                )
        elif isinstance(out, Node):
            self.roots.append(out)
        elif isinstance(out, record_values):
            self.error = self.error or out.error
            used = {edge for node in out.nodes for edge in node.edges if isinstance(edge, Node)}
            self.roots.extend(node for node in out.nodes if node not in used)
            if not out.nodes and out.error is None:
                raise GraphError(
                    "nothing was recorded: no operation on a tensor that requires a gradient ran "
                    "inside the block"
                )
        else:
            raise TypeError(
                f"a graph is made of tensors, got {type(out).__name__}; pass a Tensor, or "
                "autograd.draw a function with its arguments"
            )

    def build(self) -> Graph:
        for leaf in self.bare:
            self._leaf(leaf, None).is_output = True
        for node in topological_order(self.roots):
            self._operation(node)
        for root in self.roots:
            self._of[root].is_output = True
        if self.error is not None:
            self._failed(self.error)
        order = sorted(
            (n for n in self.nodes if n.backward_step is not None),
            key=lambda n: n.backward_step or 0,
        )
        for step, item in enumerate(order):
            item.backward_step = step
        for step, item in enumerate(self.nodes):
            item.step = step
        return Graph(self.nodes, self.edges, self.modules.values())

    def _new(self, stem: str, kind: Kind, **fields: Any) -> GraphNode:
        count = self._counts[stem] = self._counts.get(stem, 0) + 1
        node = GraphNode(f"{stem}_{count}", kind, **fields)
        return node

    def _operation(self, node: Node) -> None:
        name = node.primitive.name
        is_part = isinstance(node, Output)
        if is_part:
            present = [0]
            sources = [self._of[node.edges[0]]]
        else:
            record = recorded(node)
            absent = record.absent if record is not None else _never_given(node)
            present = [i for i in range(len(node.edges)) if i not in absent]
            sources = [self._input(node, position) for position in present]
        saved = node.saved or ()
        made = self._new(
            name if not is_part else f"{name}_output",
            "output" if is_part else "operation",
            name=node.name,
            operation=f"{name}[{node.index}]" if isinstance(node, Output) else name,
            attributes={k: v for k, v in (node.attrs or {}).items() if k != "outputs"},
            shape=tuple(node.shape),
            dtype=node.dtype,
            module=self._module(node.scope),
            source=node.source,
            bytes_saved=sum(a.nbytes for a in saved if isinstance(a, np.ndarray)),
            inputs=tuple(source.id for source in sources),
        )
        self._of[node] = made
        self.nodes.append(made)
        record = recorded(node)
        parts: Sequence[Any] = ()
        norms: Sequence[Any] = ()
        if record is not None:
            made.value, made.gradient = record.value, record.gradient
            made.backward_step = record.order
            made.time, made.flops = record.time, record.flops
            parts, norms = record.parts, record.norms
        self._look_elsewhere(node, made)
        if not is_part:
            known = record.inputs if record is not None else ()
            for position, source in zip(present, sources, strict=True):
                for values in (known, saved):
                    array = values[position] if position < len(values) else None
                    if source.value is None and isinstance(array, np.ndarray | float | int):
                        value = np.asarray(array)
                        if node.edges[position] is None or value.shape == source.shape:
                            source.value = value
                            source.shape, source.dtype = value.shape, value.dtype
        if not is_part and node.primitive.n_outputs > 1:
            made.value = None  # its results are nodes of their own
        for position, source in zip(present, sources, strict=True):
            self.edges.append(
                GraphEdge(
                    source.id,
                    made.id,
                    position,
                    source.shape,
                    parts[position] if position < len(parts) else None,
                    norms[position] if position < len(norms) else None,
                )
            )

    def _look_elsewhere(self, node: Node, made: GraphNode) -> None:
        """Values and gradients that are still to be had without a recording."""
        tensors = [self.tensors.get(node)]
        if node.hooks is not None:
            tensors += [reference() for reference in node.hooks.retain]
        for tensor in tensors:
            if tensor is not None:
                if made.value is None:
                    made.value = tensor.data
                if made.gradient is None and tensor.grad is not None:
                    made.gradient = tensor.grad.data
        saved = node.saved or ()
        count = len(node.edges)
        if made.value is None and made.kind == "operation" and len(saved) > count:
            output = saved[count]
            if isinstance(output, np.ndarray) and output.shape == made.shape:
                made.value = output

    def _input(self, node: Node, position: int) -> GraphNode:
        edge = node.edges[position]
        if isinstance(edge, Node):
            return self._of[edge]
        if edge is not None:
            return self._leaf(edge, node.scope)
        made = self._new("constant", "constant", module=self._module(node.scope))
        self.nodes.append(made)
        return made

    def _leaf(self, leaf: Any, scope: Scope | None) -> GraphNode:
        found = self._leaves.get(id(leaf))
        module = self._module(scope)
        if found is not None:
            if found.kind == "parameter" and found.module != module:
                found.module = self._common(found.module, module)
            return found
        is_parameter = any(kind.__name__ == "Parameter" for kind in type(leaf).__mro__)
        kind: Kind = "parameter" if is_parameter else "leaf"
        gradient = self.gradients.get(id(leaf))
        if gradient is None and leaf.grad is not None:
            gradient = leaf.grad.data
        made = self._new(
            kind,
            kind,
            name=leaf.name or self._parameter_name(leaf, scope),
            shape=tuple(leaf.shape),
            dtype=leaf.dtype,
            module=module,
            value=leaf.data,
            gradient=gradient,
        )
        if kind == "leaf":
            made.module = None  # an input enters from outside, wherever it is used first
        self._leaves[id(leaf)] = made
        self._alive.append(leaf)
        self.nodes.append(made)
        return made

    def _parameter_name(self, leaf: Any, scope: Scope | None) -> str | None:
        """The name under which the module being called, or one around it, holds the tensor."""
        while scope is not None:
            module = scope.module()
            if module is not None and hasattr(module, "named_parameters"):
                names = self._names.get(id(module))
                if names is None:
                    names = {id(p): name for name, p in module.named_parameters()}
                    self._names[id(module)] = names
                    self._alive.append(module)
                if id(leaf) in names:
                    return names[id(leaf)]
            scope = scope.parent
        return None

    def _module(self, scope: Scope | None) -> str | None:
        """The id of a module call, noted with all calls around it."""
        if scope is None:
            return None
        found = self.modules.get(id(scope))
        if found is not None:
            return found.id
        pending: list[Scope] = []
        at: Scope | None = scope
        while at is not None and id(at) not in self.modules:
            pending.append(at)
            at = at.parent
        for call in reversed(pending):
            parent = self.modules[id(call.parent)] if call.parent is not None else None
            name = call.parts()[-1] if parent else self._outermost(call)
            path = f"{parent.path}.{name}" if parent else name
            inside = f"{parent.id}.{name}" if parent else name
            count = self._calls[inside] = self._calls.get(inside, 0) + 1
            key = inside if count == 1 else f"{inside}@{count}"
            label = repr(call).removeprefix(f"{call.path}: ")
            self.modules[id(call)] = GraphModule(
                key, path, name, label, parent.id if parent else None, count
            )
            self._alive.append(call)
        return self.modules[id(scope)].id

    def _outermost(self, call: Scope) -> str:
        """Of modules that no other called the first is the model, the others go by their class."""
        module = call.module() or call
        if self._model is None:
            self._model = module
        return call.parts()[0] if module is self._model else call.label

    def _common(self, a: str | None, b: str | None) -> str | None:
        """The innermost module call around both."""
        by_id = {module.id: module for module in self.modules.values()}
        around: set[str | None] = {None}
        while a is not None:
            around.add(a)
            a = by_id[a].parent
        while b not in around:
            b = by_id[b].parent if b is not None else None
        return b

    def _failed(self, error: BaseException) -> None:
        """Add the operation that raised, with what it was given."""
        found = failure(error)
        if found is None:
            stem = _module_that_raised(error) or type(error).__name__
            made = self._new(stem, "operation", operation=stem)
            sources = [self._of[root] for root in self.roots] or [
                self._leaf(leaf, None) for leaf in self.bare
            ]
        else:
            name, inputs = found
            made = self._new(name, "operation", operation=name)
            sources = [self._given(x) for x in inputs if hasattr(x, "shape")]
            made.module = next(
                (node.module for node in reversed(sources) if node.module is not None), None
            )
        made.failed = str(error) or type(error).__name__
        made.inputs = tuple(source.id for source in sources)
        self.nodes.append(made)
        for position, source in enumerate(sources):
            source.is_output = False
            self.edges.append(GraphEdge(source.id, made.id, position, source.shape))

    def _given(self, x: Any) -> GraphNode:
        if isinstance(x, Tensor) and x.node is not None:
            if x.node not in self._of:
                for node in topological_order([x.node]):
                    if node not in self._of:
                        self._operation(node)
            return self._of[x.node]
        if isinstance(x, Tensor) and x.requires_grad:
            return self._leaf(x, None)
        made = self._new("constant", "constant")
        made.value = x.data if isinstance(x, Tensor) else np.asarray(x)
        made.shape, made.dtype = made.value.shape, made.value.dtype
        self.nodes.append(made)
        return made


def _never_given(node: Node) -> frozenset[int]:
    """Inputs of which nothing is known, and that are most often left out: constant biases."""
    names = node.primitive.inputs
    saved = node.saved or ()
    return frozenset(
        i
        for i, edge in enumerate(node.edges)
        if edge is None
        and i < len(names)
        and names[i] == "bias"
        and (i >= len(saved) or saved[i] is None)
    )


def build_graph(
    outputs: Sequence[Any],
    gradients: Mapping[int, Array] | None = None,
    error: BaseException | None = None,
) -> Graph:
    """A Graph of tensors, with gradients of leaves that are not in their ``.grad``.

    Args:
        outputs: as for :func:`graph_of`.
        gradients: from ``id(leaf)`` to the gradient to show.
        error: what ended the computation, to be shown at the operation that raised it.
    """
    return _Builder(outputs, gradients, error).build()
