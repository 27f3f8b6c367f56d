"""graph_of: takes a Graph from the engine's nodes.

Reads them and changes nothing, before or after ``backward``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autograd._graph import GraphError, Node, Output, Scope, topological_order
from autograd._graphview import Array, Graph, GraphEdge, GraphModule, GraphNode, Kind
from autograd._recording import record_values, recorded
from autograd._tensor import Tensor

__all__ = ["build_graph", "graph_of"]


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
