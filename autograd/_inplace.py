"""In-place writes on tensors, and views that follow their base.

A write goes into the tensor's own buffer, as NumPy's does. In the graph it is a new node: the old
values with a region replaced. Views share the buffer, so a write to any member of a family (a base
and its views) is a write to the base; the others take their new place in the graph when they are
next used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd._graph import GraphError
from autograd._modes import enable_grad, is_grad_enabled
from autograd._writes import WRITES, owner

if TYPE_CHECKING:
    from autograd._tensor import Tensor

# A step from a base towards a view: a primitive's call, its further arguments, its settings.
Step = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class View:
    """How a tensor is a view of another: the operation that made it, and of what.

    The base of a family has one too, without a parent, from its first view on.
    """

    __slots__ = ("family", "parent", "step", "version")

    def __init__(self, parent: Tensor | None, step: Step | None, family: _Family) -> None:
        self.parent = parent
        self.step = step
        self.family = family
        self.version = family.version

    def refresh(self, tensor: Tensor) -> None:
        """Give ``tensor`` its place in the graph after writes to its family."""
        if self.version == self.family.version or self.parent is None:
            return
        stale = [tensor]  # from the view up to the nearest ancestor that is in place
        while (above := stale[-1]._view.parent) is not None and above._view.parent is not None:
            if above._view.version == self.family.version:
                break
            stale.append(above)
        with enable_grad():
            for view in reversed(stale):
                link = view._view
                if view._requires_grad and view._node is None:
                    raise GraphError(
                        f"a leaf that requires a gradient (shape {view.shape}) is a view of a "
                        "tensor that has been written to in place since: its value before the "
                        "write is what the gradient belongs to; make it from a copy of its base"
                    )
                call, args, attrs = link.step
                again = call(link.parent, *args, **attrs)
                if view._node is not None and view._node.hooks is not None:
                    _move_retained(view, view._node, again._node)
                view._node = again._node
                view._requires_grad = again._requires_grad
                link.version = self.family.version

    def path(self) -> tuple[Tensor | None, list[Step]]:
        """The base of the family, and the steps from it to this view."""
        steps: list[Step] = []
        link: View = self
        base: Tensor | None = None
        while link.parent is not None:
            assert link.step is not None
            steps.append(link.step)
            base = link.parent
            link = base._view
        return base, steps[::-1]


class _Family:
    """A base and its views; the version counts the writes to any of them."""

    __slots__ = ("version",)

    def __init__(self) -> None:
        self.version = 0


def attach_view(
    out: Tensor,
    parent: Tensor,
    call: Callable[..., Any],
    args: tuple[Any, ...],
    attrs: dict[str, Any],
) -> None:
    """Note that ``out = call(parent, *args, **attrs)`` shares the parent's memory, if it does.

    What is made under ``no_grad`` has no history, as after ``detach``.
    """
    if owner(out.data) is not owner(parent.data) or not is_grad_enabled():
        return
    if parent._view is None:
        parent._view = View(None, None, _Family())
    out._view = View(parent, (call, args, attrs), parent._view.family)


def overwrite(x: Any, value: Any, steps: list[Step], index: Any) -> tuple[Any, Any, Any]:
    """Write ``value`` into ``x``, at ``index`` of the view that ``steps`` lead to.

    The forward of the one primitive behind all in-place writes. Returns x itself and, where
    recorded, a mask that is False at the places written, and a mask of the values that stayed
    there where the index names a place more than once (None if it does not).
    """
    _view_of(x, steps)[index] = value
    if not is_grad_enabled():
        return x, None, None
    # Laid out in memory like x, so that the same steps give views of it.
    mask = np.ones_like(x, dtype=bool, order="K", subok=False)
    region = _view_of(mask, steps)
    region[index] = False
    return x, mask, _last_written(region, index) if _may_repeat(index) else None


def _may_repeat(index: Any) -> bool:
    """Whether the index holds lists or arrays of integers, which may name a place twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(
        isinstance(part, np.ndarray | list | tuple) and np.asarray(part).dtype.kind in "iu"
        for part in parts
    )


def _last_written(region: Any, index: Any) -> Any:
    """Which values of a write are the last one to their place; None if all are."""
    order = np.empty(region.shape, np.intp)
    numbers = np.arange(order[index].size).reshape(order[index].shape)
    order[index] = numbers
    last = order[index] == numbers
    return None if last.all() else last


def _view_of(array: Any, steps: list[Step]) -> Any:
    for call, args, attrs in steps:
        array = call(array, *args, **attrs)
    return array


def read(g: Any, steps: list[Step], index: Any) -> Any:
    """What :func:`overwrite` writes to, read from ``g`` (an array or a tensor)."""
    return _view_of(g, steps)[index]


def assign(
    tensor: Tensor, index: Any, value: Any, record: Callable[..., Any], casting: str = "unsafe"
) -> None:
    """``tensor[index] = value``, for the tensor, its base and all views of it.

    Args:
        record: the primitive of :func:`overwrite`.
        casting: which changes of dtype are allowed, as in ``np.copyto``.
    """
    view = tensor._view
    if view is not None:
        view.refresh(tensor)
    base, steps = (tensor, []) if view is None or view.parent is None else view.path()
    assert base is not None
    array = (
        getattr(value, "data", value) if not isinstance(value, np.ndarray | np.generic) else value
    )
    tracked = is_grad_enabled()
    if tracked:
        _refuse_leaf(tensor, base)
    dtype = tensor.data.dtype
    lost = getattr(value, "requires_grad", False) and dtype.kind not in "fc"
    if isinstance(array, int | float | complex) and not isinstance(array, np.generic):
        kind = np.result_type(dtype, array)  # Python numbers fit themselves to the tensor
    else:
        kind = np.asarray(array).dtype
    if lost or not np.can_cast(kind, dtype, casting):  # type: ignore[arg-type]
        raise TypeError(
            f"cannot write {kind} values into a tensor of {dtype} in place; make it "
            f"with dtype={kind} or write x = x + … instead"
        )
    if tracked and base.data.dtype != dtype:
        raise GraphError(
            f"cannot write {dtype} values into a part of each element of a {base.data.dtype} "
            "tensor (its .real or .imag); compute the whole, as re + 1j * im"
        )
    if not tracked:
        tensor.data[index] = array
        WRITES.note(tensor.data)
        return
    if base._requires_grad or getattr(value, "requires_grad", False):
        if getattr(value, "_node", None) is not None:
            _keep_old_values(value._node, base)
        written = record(base, value, steps=steps, index=_copied(index))
        WRITES.note(base.data)
        node = written._node
        node.sequence = WRITES.latest  # made by this very write: it does not spoil its own node
        if base._node is not None and base._node.hooks is not None:
            _move_retained(base, base._node, node)
        base._node = node
        base._requires_grad = True
        if base._extra is not None and base._extra.name is not None:
            node.name = base._extra.name
    else:
        record(base, value, steps=steps, index=index)
        WRITES.note(base.data)
    if base._view is not None:
        base._view.family.version += 1


def _keep_old_values(node: Any, base: Tensor) -> None:
    """Before ``base`` is overwritten: copy what the operations behind the new value saved of it.

    ``y *= w`` reads the old y to differentiate, and so does ``y[0] = np.sin(y[1]) * w``. Only
    operations since the last write to ``base`` are looked at, so no operation is met twice.
    """
    buffer = owner(base.data)
    since = node.sequence - 1 if base._node is None else base._node.sequence
    seen = {node}
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if node.sequence <= since:
            continue
        if type(node.saved) is tuple:
            node.saved = tuple(
                v.copy() if isinstance(v, np.ndarray) and owner(v) is buffer else v
                for v in node.saved
            )
        for edge in node.edges:
            if type(edge) is type(node) and edge not in seen:
                seen.add(edge)
                waiting.append(edge)


def _copied(index: Any) -> Any:
    """The index with arrays of its own: the caller's may change before the backward pass."""
    if isinstance(index, tuple):
        return tuple(_copied(part) for part in index)
    return index.copy() if isinstance(index, np.ndarray) else index


def _move_retained(tensor: Tensor, old: Any, new: Any) -> None:
    """A tensor that keeps its gradient keeps that of its new value."""
    kept = [reference for reference in old.hooks.retain if reference() is tensor]
    if kept:
        old.hooks.retain = [r for r in old.hooks.retain if r() is not tensor]
        new.add_hooks().retain += kept


def _refuse_leaf(tensor: Tensor, base: Tensor) -> None:
    """Leaves that require a gradient keep their value: it is what the gradient belongs to."""
    for x in (tensor, base):
        if x._requires_grad and x._node is None:
            what = "a leaf" if x is tensor else "a view of a leaf"
            name = f" {x.name!r}" if x.name else ""
            raise GraphError(
                f"in-place write to {what} that requires a gradient{name} (shape {x.shape}): its "
                "value before the write is what the gradient belongs to. Write into a copy "
                "(y = x * 1), or update it under autograd.no_grad()"
            )
