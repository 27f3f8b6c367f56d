"""The walk back: from the gradient of an output to the gradients of leaves, newest node first.

What operations compute is their own business (``Primitive.vjp``); here gradients are passed on,
summed, brought to the shape and dtype of what they belong to, and shown to hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from sys import getrefcount
from typing import Any

import numpy as np

from autograd._graph import GraphError, Node, Output, _NodeHooks, topological_order
from autograd._modes import STATE
from autograd._writes import WRITES

__all__ = [
    "ALONE",
    "backpropagate",
    "call_gradient_hook",
    "copy_of",
    "has_all_of_its_base",
    "unbroadcast",
]

_ndarray = np.ndarray


def backpropagate(
    roots: Sequence[tuple[Any, Any]],
    *,
    targets: Iterable[Any] | None = None,
    retain_graph: bool = False,
    recording: bool = False,
    batched: bool = False,
) -> dict[Any, Any]:
    """Walk the graph from outputs to leaves, newest node first, and sum gradients on the way.

    Creation order is a topological order, so no order has to be worked out first: a heap of the
    nodes that have a gradient waiting is enough.

    Args:
        roots: pairs (node or leaf, gradient); gradients are arrays, or tensors if ``recording``.
        targets: the nodes and leaves whose gradients are wanted; only paths to them are walked.
            None means all leaves.
        retain_graph: keep the saved arrays, so that the graph can be walked again.
        recording: the gradients are tensors and rules are recorded like any other operation.
        batched: gradients have one more leading axis: a stack of passes in one. Rules that take
            such a stack get it whole, others are called once for each of its entries.

    Returns:
        From leaf (or target) to its gradient; leaves that no path reaches are missing.
    """
    walk = _Walk(retain_graph, recording, batched)
    if targets is not None:
        walk.look_for(set(targets), roots)
    gradients, waiting = walk.gradients, walk.waiting
    for root, gradient in roots:
        if walk.wanted is None or root in walk.wanted:
            if root in gradients:
                gradients[root] = gradients[root] + gradient
            else:
                gradients[root] = gradient
                if isinstance(root, Node):
                    heappush(waiting, (-root.sequence, root))

    owned: set[Any] = set()  # whose gradient is an array made here, which may be added to in place
    latest_write, special = walk.latest_write, walk.special
    # The newest node with a gradient waiting is not in the heap, nor its gradient in the dict, but
    # here: often there is but one.
    node, gradient = walk.newest() if waiting else (None, None)
    while node is not None:
        following = carried = None
        saved = node.saved
        if special or type(saved) is not tuple or node.hooks is not None:
            parts = walk.step(node, gradient)
            edges = node.edges if parts else ()
            uniform = False  # who knows what hooks made of it
        else:
            edges = node.edges
            primitive = node.primitive
            uniform = primitive.uniform
            if node.sequence < latest_write:
                WRITES.check(node, node.saved or ())
            vjp = primitive.vjp  # Python finds it faster so than as a method
            parts = vjp(gradient, saved, node, edges, None)
            if not retain_graph:
                node.saved = None
        try:
            position = 0
            for edge in edges:  # `zip` would take as long as what is done with each
                part = parts[position]
                position += 1
                if part is None:
                    if edge is not None:
                        walk.check_missing(node, edge)
                    continue
                kind = type(edge)
                if kind is Node or kind is Output:
                    # Python finds attributes faster where a line meets one kind of object: a node
                    # here, a part there. (A uniform one is of the node's shape and dtype.)
                    if uniform:
                        if edge.shape != node.shape or edge.dtype is not node.dtype:
                            part = _conform(part, edge, node, batched)
                    elif edge.shape != part.shape or edge.dtype is not part.dtype:
                        part = _conform(part, edge, node, batched)
                    if edge is following:
                        carried = carried + part
                        continue
                    held = gradients.get(edge) if waiting else None
                    if held is None:
                        if following is None:
                            following, carried = edge, part
                        elif following.sequence < edge.sequence:
                            gradients[following] = carried
                            heappush(waiting, (-following.sequence, following))
                            following, carried = edge, part
                        else:
                            gradients[edge] = part
                            heappush(waiting, (-edge.sequence, edge))
                        continue
                else:
                    data = edge.data
                    if uniform:
                        if data.shape != node.shape or data.dtype is not node.dtype:
                            part = _conform(part, data, node, batched)
                    elif data.shape != part.shape or data.dtype is not part.dtype:
                        part = _conform(part, data, node, batched)
                    held = gradients.get(edge)
                    if held is None:
                        gradients[edge] = part
                        continue
                if edge in owned:
                    held += part
                else:
                    gradients[edge] = total = held + part
                    if type(total) is _ndarray:
                        owned.add(edge)
        except AttributeError as error:
            wrong = [p for p in parts if p is not None and not hasattr(p, "dtype")]
            if wrong:
                raise _no_gradient(node, wrong[0]) from error
            raise
        if waiting and (following is None or -waiting[0][0] > following.sequence):
            if following is not None:
                gradients[following] = carried
                heappush(waiting, (-following.sequence, following))
            node, gradient = walk.newest()
        else:
            node, gradient = following, carried

    if targets is None:
        return gradients
    for target in walk.targets:
        if target in gradients:
            walk.found[target] = gradients[target]
    return walk.found


class _Walk:
    """A walk back: what is wanted of it, what has arrived where, and the steps out of the ordinary.

    Attributes:
        gradients: from node or leaf to the sum of the gradients that have arrived.
        waiting: a heap of the nodes among them, newest first: all that uses a node is newer.
        wanted: what lies on a path to a target; None if there are no targets.
        found: from a target that is a node to its gradient.
        special: whether every step is out of the ordinary.
    """

    wanted: set[Any] | None = None
    targets: set[Any]
    through: set[Node]
    found: dict[Any, Any]

    def __init__(self, retain_graph: bool, recording: bool, batched: bool) -> None:
        self.retain_graph, self.recording, self.batched = retain_graph, recording, batched
        self.guard = guard = STATE.get().guard
        self.latest_write = WRITES.latest
        self.gradients: dict[Any, Any] = {}
        self.waiting: list[tuple[int, Node]] = []
        self.special = recording or batched or guard is not None

    def newest(self) -> tuple[Node, Any]:
        """Take the newest node out, with its gradient."""
        node = heappop(self.waiting)[1]
        return node, self.gradients.pop(node)

    def look_for(self, targets: set[Any], roots: Sequence[tuple[Any, Any]]) -> None:
        """Walk only where a target lies ahead."""
        self.targets, self.found = targets, {}
        self.wanted, self.through = _paths_to(targets, roots)
        self.special = True

    def step(self, node: Node, gradient: Any) -> Sequence[Any]:
        """The gradients of a node's inputs, hooks and all; nothing if it need not pass them on."""
        wanted = self.wanted
        hooks = node.hooks
        if hooks is not None:
            gradient = _run_output_hooks(node, hooks, gradient)
        if wanted is not None:
            if node in self.targets:
                self.found[node] = gradient
            if node not in self.through:
                return ()
        primitive = node.primitive
        if type(node) is Output:
            self._deliver(node, gradient)
            return ()
        saved = node.saved
        if type(saved) is not tuple:
            saved = primitive.restore(node)
        if node.sequence < self.latest_write:
            WRITES.check(node, node.saved or ())
        if self.recording:
            saved = primitive.relink(node, saved)
        edges = node.edges
        if not self.batched:
            parts = primitive.vjp(gradient, saved, node, edges, wanted)
        elif primitive.batched:
            parts = primitive.vjp(gradient, saved, node, edges, wanted)
            parts = [
                None if part is None else _conform(part, edge, node, 1)
                for part, edge in zip(parts, edges, strict=True)
            ]
        else:
            parts = _vjp_of_each(node, gradient, saved, wanted)
        if self.guard is not None:
            self.guard(node, gradient, parts)
        if hooks is not None and hooks.after:
            parts = _run_after_hooks(node, hooks, parts, gradient)
        if not self.retain_graph:
            node.saved = None
        return parts

    def _deliver(self, node: Output, gradient: Any) -> None:
        """Hand the gradient of one of several outputs to the operation they come from."""
        source = node.edges[0]
        slots = self.gradients.get(source)
        if slots is None:
            slots = self.gradients[source] = [None] * node.primitive.n_outputs
            heappush(self.waiting, (-source.sequence, source))
        if node.hooks is not None and node.hooks.after:
            (gradient,) = _run_after_hooks(node, node.hooks, (gradient,), gradient)
        held = slots[node.index]
        slots[node.index] = gradient if held is None else held + gradient

    def check_missing(self, node: Node, edge: Any) -> None:
        """Raise where a rule returned None for an input whose gradient is wanted."""
        unwanted = self.wanted is not None and edge not in self.wanted
        if not (unwanted or node.primitive.constant_inputs or node.hooks is not None):
            raise _no_gradient(node, None)  # it would drop the gradient without a word


def _no_gradient(node: Node, part: Any) -> GraphError:
    """The error for a rule that returned nothing, or something that is no array."""
    what = "None where a gradient is needed" if part is None else f"a {type(part).__name__}"
    return GraphError(
        f"the rule of {node.primitive.name} returned {what} ({node.source}); it must return an "
        "array for each input, such as np.zeros_like(g) where there is no dependence"
    )


def _paths_to(
    targets: Iterable[Any], roots: Iterable[tuple[Any, Any]]
) -> tuple[set[Any], set[Node]]:
    """What lies on a path to a target (targets included), and the nodes whose rules must run."""
    wanted: set[Any] = set(targets)
    through: set[Node] = set()
    for node in topological_order([root for root, _ in roots if isinstance(root, Node)]):
        for edge in node.edges:
            if edge is not None and edge in wanted:
                wanted.add(node)
                through.add(node)
                break
    return wanted, through


def _run_output_hooks(node: Node, hooks: _NodeHooks, gradient: Any) -> Any:
    wrap = node.primitive.wrap
    if type(gradient) is list:  # of an operation with several outputs: a hook sees them all
        for hook in hooks.before.values():
            replaced = hook(tuple(None if g is None else wrap(g) for g in gradient))
            if replaced is not None:
                gradient = [
                    new if new is None or old is None else _replacement(hook, new, old, wrap)
                    for new, old in zip(replaced, gradient, strict=True)
                ]
        return gradient
    for hook in (*hooks.tensor.values(), *hooks.before.values()):
        gradient = call_gradient_hook(hook, gradient, wrap)
    for reference in hooks.retain:
        tensor = reference()
        if tensor is not None and gradient.shape == node.shape:  # not a stack of several passes
            tensor._accumulate(copy_of(gradient))
    return gradient


def call_gradient_hook(
    hook: Callable[[Any], Any], gradient: Any, wrap: Callable[[Any], Any]
) -> Any:
    """Run a hook on a gradient: it sees a tensor, and may return a replacement."""
    replaced = hook(wrap(gradient))
    return gradient if replaced is None else _replacement(hook, replaced, gradient, wrap)


def _replacement(hook: Callable[..., Any], new: Any, old: Any, wrap: Callable[[Any], Any]) -> Any:
    """What a hook returned for a gradient, as gradients travel in this pass."""
    if not hasattr(new, "shape") or new.shape != old.shape:
        raise GraphError(
            f"hook {getattr(hook, '__name__', hook)!r} must return None or a gradient of shape "
            f"{old.shape}, got {getattr(new, 'shape', type(new).__name__)}"
        )
    if _is_array(old):
        new = new if _is_array(new) else new.data
    elif _is_array(new):
        new = wrap(new)
    if new.dtype == old.dtype:
        return new
    return (np.real(new) if new.dtype.kind == "c" else new).astype(old.dtype)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic)


def copy_of(gradient: Any) -> Any:
    """A gradient, array or tensor, in memory of its own."""
    return np.array(gradient) if _is_array(gradient) else np.positive(gradient)


def _references_when_alone(gradients: dict[Any, Any]) -> int:
    """What ``getrefcount`` says, in a loop over a dict, of an array that only the dict holds."""
    return next(getrefcount(gradient) for _, gradient in gradients.items())


ALONE = _references_when_alone({0: np.empty(1)})


def has_all_of_its_base(view: np.ndarray[Any, Any]) -> bool:
    """Whether a view is of all the memory of an array that nobody else holds."""
    return (
        type(view.base) is np.ndarray
        and view.base.flags.owndata
        and view.base.nbytes == view.nbytes
        and _references_to_base(view) <= _BASE_ALONE
    )


def _references_to_base(view: np.ndarray[Any, Any]) -> int:
    base = view.base
    return getrefcount(base)


_BASE_ALONE = _references_to_base(np.empty(2).reshape(1, 2))


def _run_after_hooks(
    node: Node, hooks: _NodeHooks, parts: Sequence[Any], gradient: Any
) -> Sequence[Any]:
    wrap = node.primitive.wrap
    if type(gradient) is list:
        shown: Any = tuple(None if g is None else wrap(g) for g in gradient)
    else:
        shown = wrap(gradient)
    for hook in hooks.after.values():
        replaced = hook(tuple(None if p is None else wrap(p) for p in parts), shown)
        if replaced is None:
            continue
        if not isinstance(replaced, tuple | list) or len(replaced) != len(parts):
            raise GraphError(
                f"hook {getattr(hook, '__name__', hook)!r} of {node.primitive.name} must return "
                f"None or a tuple with one gradient for each of its {len(parts)} inputs"
            )
        parts = tuple(
            new if new is None or old is None else _replacement(hook, new, old, wrap)
            for new, old in zip(replaced, parts)
        )
    return parts


# ---------------------------------------------------------------- what broadcasting and dtypes did


def unbroadcast(gradient: Any, shape: tuple[int, ...], lead: int = 0) -> Any:
    """Sum ``gradient`` over the axes along which ``shape`` was broadcast.

    The adjoint of ``broadcast_to``, and the one place where broadcasting is undone. The first
    ``lead`` axes of the gradient are left alone.

    >>> unbroadcast(np.ones((4, 2, 3)), (2, 1))
    array([[12.],
           [12.]])
    """
    extra = gradient.ndim - len(shape)
    stretched = tuple(i + extra for i, n in enumerate(shape) if n == 1 != gradient.shape[i + extra])
    if extra > lead or stretched:
        gradient = np.sum(gradient, axis=(*range(lead, extra), *stretched), keepdims=True)
    shape = gradient.shape[:lead] + shape
    return gradient if gradient.shape == shape else np.reshape(gradient, shape)


def _broadcasts_from(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether an array of ``shape`` can have been broadcast to ``target``."""
    extra = len(target) - len(shape)
    return extra >= 0 and all(n in (1, m) for n, m in zip(shape, target[extra:], strict=True))


def _conform(gradient: Any, value: Any, node: Node, lead: int = 0) -> Any:
    """Bring a gradient to the shape and dtype of the value it belongs to."""
    shape, dtype = value.shape, value.dtype
    if gradient.shape[lead:] != shape:
        if not _broadcasts_from(shape, gradient.shape[lead:]):
            raise GraphError(
                f"the rule of {node.primitive.name} returned a gradient of shape "
                f"{gradient.shape[lead:]} for an input of shape {shape} ({node.source})"
            )
        gradient = unbroadcast(gradient, shape, lead)
    if gradient.dtype != dtype:
        if gradient.dtype.kind == "c" and dtype.kind == "f":
            gradient = np.real(gradient)
        if gradient.dtype != dtype:
            gradient = gradient.astype(dtype)
    return gradient


def _vjp_of_each(
    node: Node, stack: Any, saved: tuple[Any, ...], wanted: set[Any] | None
) -> list[Any]:
    """The node's vjp for a stack of gradients, one after the other."""
    primitive = node.primitive
    several = primitive.n_outputs > 1
    count = len(next(g for g in stack if g is not None)) if several else len(stack)
    rows = []
    for k in range(count):
        one = [None if g is None else g[k] for g in stack] if several else stack[k]
        parts = primitive.vjp(one, saved, node, node.edges, wanted)
        rows.append(
            [
                None if part is None else _conform(part, edge, node)
                for part, edge in zip(parts, node.edges, strict=True)
            ]
        )
    return [None if column[0] is None else np.stack(column) for column in zip(*rows, strict=True)]
