"""The walk back: from the gradient of an output to the gradients of leaves, newest node first.

What operations compute is their own business (``Primitive.vjp``); here gradients are passed on,
summed, brought to the shape and dtype of what they belong to, and shown to hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from autograd._graph import GraphError, Node, Output, _NodeHooks, topological_order
from autograd._modes import STATE
from autograd._writes import WRITES

__all__ = ["backpropagate", "call_gradient_hook", "copy_of", "unbroadcast"]


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
    wanted = through = None
    if targets is not None:
        targets = set(targets)
        wanted, through = _paths_to(targets, roots)
    gradients: dict[Any, Any] = {}  # from node or leaf to the sum of what has arrived
    owned: set[Any] = set()  # whose gradient is a sum made here, which may be added to in place
    found: dict[Any, Any] = {}
    # Nodes with a gradient waiting, newest first: all that uses a node is newer than the node.
    waiting: list[tuple[int, Node]] = []
    for root, gradient in roots:
        if wanted is None or root in wanted:
            if root in gradients:
                gradients[root] = gradients[root] + gradient
            else:
                gradients[root] = gradient
                if isinstance(root, Node):
                    heappush(waiting, (-root.sequence, root))

    latest_write = WRITES.latest
    guard = STATE.get().guard
    while waiting:
        node = heappop(waiting)[1]
        gradient = gradients.pop(node)
        hooks = node.hooks
        if hooks is not None:
            gradient = _run_output_hooks(node, hooks, gradient)
        if wanted is not None:
            if node in targets:  # type: ignore[operator]
                found[node] = gradient
            if node not in through:  # type: ignore[operator]
                continue
        primitive = node.primitive
        if type(node) is Output:
            source = node.edges[0]
            slots = gradients.get(source)
            if slots is None:
                slots = gradients[source] = [None] * primitive.n_outputs
                heappush(waiting, (-source.sequence, source))
            if hooks is not None and hooks.after:
                (gradient,) = _run_after_hooks(node, hooks, (gradient,), gradient)
            held = slots[node.index]
            slots[node.index] = gradient if held is None else held + gradient
            continue
        saved = node.saved
        if type(saved) is not tuple:
            saved = primitive.restore(node)
        if node.sequence < latest_write:
            WRITES.check(node, node.saved or ())
        if recording:
            saved = primitive.relink(node, saved)
        edges = node.edges
        if not batched:
            parts = primitive.vjp(gradient, saved, node, edges, wanted)
        elif primitive.batched:
            parts = primitive.vjp(gradient, saved, node, edges, wanted)
            parts = [
                None if part is None else _conform(part, edge, node, 1)
                for part, edge in zip(parts, edges, strict=True)
            ]
        else:
            parts = _vjp_of_each(node, gradient, saved, wanted)
        if guard is not None:
            guard(node, gradient, parts)
        if hooks is not None and hooks.after:
            parts = _run_after_hooks(node, hooks, parts, gradient)
        if not retain_graph:
            node.saved = None
        try:
            for edge, part in zip(edges, parts):
                if part is None:
                    unwanted = edge is None or (wanted is not None and edge not in wanted)
                    if not (unwanted or primitive.constant_inputs or hooks is not None):
                        raise _no_gradient(node, part)  # it would drop the gradient without a word
                    continue
                kind = type(edge)
                value = edge if kind is Node or kind is Output else edge.data
                if (part.shape != value.shape and not batched) or part.dtype is not value.dtype:
                    part = _conform(part, value, node, batched)
                held = gradients.get(edge)
                if held is None:
                    gradients[edge] = part
                    if value is edge:
                        heappush(waiting, (-edge.sequence, edge))
                elif edge in owned:
                    held += part
                    gradients[edge] = held  # NumPy scalars add into a new object
                else:
                    gradients[edge] = held + part
                    if not recording:
                        owned.add(edge)
        except AttributeError as error:
            wrong = [p for p in parts if p is not None and not hasattr(p, "dtype")]
            if wrong:
                raise _no_gradient(node, wrong[0]) from error
            raise

    if targets is None:
        return gradients
    for target in targets:
        if target in gradients:
            found[target] = gradients[target]
    return found


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
