"""The graph: nodes, the modes that decide whether one is recorded, and the walk back through it.

Nothing here knows a particular operation, nor the class of arrays that hang on the graph: a node
asks its primitive for vector-Jacobian products, and a leaf is whatever has ``_accumulate``.
"""

from __future__ import annotations

import itertools
import os
import sys
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from functools import wraps
from heapq import heappop, heappush
from types import CodeType, FrameType, TracebackType
from typing import Any, TypeVar

import numpy as np

__all__ = [
    "GraphError",
    "Node",
    "RemovableHandle",
    "Scope",
    "State",
    "backpropagate",
    "enable_grad",
    "is_grad_enabled",
    "no_grad",
    "saved_tensors_hooks",
    "set_grad_enabled",
    "topological_order",
]

_F = TypeVar("_F", bound=Callable[..., Any])


class GraphError(RuntimeError):
    """A derivative was asked for that the recorded graph cannot give."""


# ------------------------------------------------------------------------------------------ modes


class State:
    """What recording looks at, immutable, one per thread and per context.

    Attributes:
        enabled: whether operations are recorded.
        scope: the innermost module being called, or None.
        watch: called as ``watch(node, output, inputs)`` after each recorded operation, with the
            output as a tensor and the inputs as plain values, or None.
        guard: called as ``guard(node, gradient, parts)`` after each node of a backward pass, with
            the gradient of its output and those of its inputs, or None.
        pack: called on each array before it is saved (see ``saved_tensors_hooks``), or None.
        unpack: its inverse, called when the array is needed.
    """

    __slots__ = ("enabled", "guard", "pack", "scope", "unpack", "watch")

    def __init__(
        self,
        enabled: bool = True,
        scope: Scope | None = None,
        watch: Callable[[Node, Any, tuple[Any, ...]], None] | None = None,
        pack: Callable[[Any], Any] | None = None,
        unpack: Callable[[Any], Any] | None = None,
        guard: Callable[[Node, Any, Sequence[Any]], None] | None = None,
    ) -> None:
        self.enabled = enabled
        self.scope = scope
        self.watch = watch
        self.pack = pack
        self.unpack = unpack
        self.guard = guard

    def replace(self, **changes: Any) -> State:
        """A copy with some fields changed."""
        fields = {name: getattr(self, name) for name in State.__slots__}
        return State(**{**fields, **changes})


STATE: ContextVar[State] = ContextVar("autograd_state", default=State())  # noqa: B039 - immutable


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require a gradient are recorded here and now."""
    return STATE.get().enabled


class set_grad_enabled:  # noqa: N801 - PyTorch's name
    """Turn recording on or off: at once when called, until the block ends when used in ``with``.

    Also a decorator. The mode belongs to the current thread (and asyncio task).

    >>> import autograd
    >>> with autograd.set_grad_enabled(False):
    ...     autograd.is_grad_enabled()
    False
    >>> autograd.is_grad_enabled()
    True
    """

    def __init__(self, mode: bool) -> None:
        self._mode = bool(mode)
        self._before: list[bool] = [is_grad_enabled()]
        STATE.set(STATE.get().replace(enabled=self._mode))
        self._fresh = True

    def __enter__(self) -> None:
        if self._fresh:  # the constructor has already switched
            self._fresh = False
            return
        self._before.append(is_grad_enabled())
        STATE.set(STATE.get().replace(enabled=self._mode))

    def __exit__(self, *_: object) -> None:
        STATE.set(STATE.get().replace(enabled=self._before.pop()))

    def __call__(self, function: _F) -> _F:
        if self._fresh:  # decorating: the constructor's switch was not meant
            self.__exit__()
            self._fresh = False
        return _decorated(function, self._mode)


class _GradMode:
    """Context manager and decorator that fixes the grad mode; reusable and reentrant."""

    mode: bool

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        if function is not None:  # @no_grad without parentheses
            return _decorated(function, cls.mode)
        return super().__new__(cls)

    def __enter__(self) -> None:
        state = STATE.get()
        self._before.append(state.enabled)
        STATE.set(state.replace(enabled=self.mode))

    def __exit__(self, *_: object) -> None:
        STATE.set(STATE.get().replace(enabled=self._before.pop()))

    def __call__(self, function: _F) -> _F:
        return _decorated(function, self.mode)


_GENERATOR, _COROUTINE = 0x20, 0x80  # flags of code objects, as in `inspect`


# inspect.CO_GENERATOR and CO_COROUTINE; importing `inspect` would take a while.
_GENERATOR, _COROUTINE = 0x20, 0x80


def _decorated(function: _F, mode: bool) -> _F:
    context = enable_grad if mode else no_grad
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if flags & _GENERATOR:
        return _decorated_generator(function, context)
    if flags & _COROUTINE:

        @wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with context():
                return await function(*args, **kwargs)

        return awaited  # type: ignore[return-value]

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with context():
            return function(*args, **kwargs)

    return wrapper  # type: ignore[return-value]


def _decorated_generator(function: _F, context: Callable[[], Any]) -> _F:
    """The mode holds while the generator runs, and not for its caller while it waits."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        resume, value = generator.send, None
        try:
            while True:
                with context():
                    try:
                        result = resume(value)
                    except StopIteration as stop:
                        return stop.value
                try:
                    value = yield result
                    resume = generator.send
                except GeneratorExit:
                    raise
                except BaseException as error:
                    resume, value = generator.throw, error
        finally:
            with context():
                generator.close()

    return wrapper  # type: ignore[return-value]


class no_grad(_GradMode):  # noqa: N801 - PyTorch's name
    """Within it, nothing is recorded: results never require a gradient.

    Context manager and decorator, as PyTorch's.

    >>> from autograd import Tensor, no_grad
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> with no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    mode = False


class enable_grad(_GradMode):  # noqa: N801 - PyTorch's name
    """Within it, operations are recorded, even inside :class:`no_grad`."""

    mode = True


class saved_tensors_hooks:  # noqa: N801 - PyTorch's name
    """Within it, arrays that rules save go through ``pack``, and come back through ``unpack``.

    For keeping them elsewhere or smaller: on disk, in half precision, or not at all.

    Args:
        pack: called with each array to be saved; what it returns is kept instead.
        unpack: called with that when a backward pass needs the array; returns the array.

    >>> import numpy as np
    >>> from autograd import Tensor, saved_tensors_hooks
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> half = lambda a: a.astype(np.float16)
    >>> with saved_tensors_hooks(half, lambda a: a.astype(np.float64)):
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    Tensor([2., 4.])
    """

    def __init__(self, pack: Callable[[Any], Any], unpack: Callable[[Any], Any]) -> None:
        self._hooks = {"pack": pack, "unpack": unpack}
        self._before: list[State] = []

    def __enter__(self) -> None:
        state = STATE.get()
        self._before.append(state)
        STATE.set(state.replace(**self._hooks))

    def __exit__(self, *_: object) -> None:
        before = self._before.pop()
        STATE.set(STATE.get().replace(pack=before.pack, unpack=before.unpack))


# ------------------------------------------------------------------------------- source and scope

# Folders whose lines are the library's, not the user's; `nn` and `optim` add theirs.
INTERNAL_FOLDERS: list[str] = [os.path.dirname(os.path.abspath(__file__)) + os.sep]


class _InternalFiles(dict[str, bool]):
    """File name to 'is it ours?', filled on first question."""

    def __missing__(self, filename: str) -> bool:
        ours = filename.startswith(tuple(INTERNAL_FOLDERS))
        self[filename] = ours
        return ours


_internal = _InternalFiles()


def mark_internal(filename: str) -> None:
    """Count the folder of ``filename`` as the library's own when a user's line is looked for."""
    INTERNAL_FOLDERS.append(os.path.dirname(os.path.abspath(filename)) + os.sep)
    _internal.clear()


def user_frame(depth: int = 1) -> FrameType:
    """The innermost calling frame whose file is not the library's own."""
    innermost = sys._getframe(depth)
    frame: FrameType | None = innermost
    while frame is not None and _internal[frame.f_code.co_filename]:
        frame = frame.f_back
    return innermost if frame is None else frame


def source_line(code: CodeType, instruction: int) -> str:
    """``file.py:12`` of an instruction's offset in a code object."""
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return f"{code.co_filename}:{line}"
    return f"{code.co_filename}:{code.co_firstlineno}"


class Scope:
    """One call of a module: which module, called by which, from where.

    Holds the module weakly, so that a module may keep its own outputs without a reference cycle.
    """

    __slots__ = ("_code", "_instruction", "label", "module", "parent")

    def __init__(self, module: Callable[[], Any], label: str, parent: Scope | None) -> None:
        self.module = module
        self.label = label
        self.parent = parent
        frame = user_frame(2)
        self._code = frame.f_code
        self._instruction = frame.f_lasti

    @property
    def source(self) -> str:
        """The user's line that made the call."""
        return source_line(self._code, self._instruction)

    @property
    def path(self) -> str:
        """Dotted path from the outermost module called, as ``Net.features.3``."""
        return ".".join(self.parts())

    def parts(self) -> list[str]:
        """The names along :attr:`path`, outermost first."""
        names: list[str] = []
        scope: Scope | None = self
        while scope is not None:
            names.append(_name_in(scope.parent, scope))
            scope = scope.parent
        return names[::-1]

    def __repr__(self) -> str:
        module = self.module()
        return f"{self.path}: {self.label if module is None else _headline(module)}"


def _name_in(parent: Scope | None, scope: Scope) -> str:
    """The name under which the parent's module holds the scope's module."""
    module = scope.module()
    owner = parent.module() if parent is not None else None
    if module is None or owner is None:
        return scope.label
    for name, child in owner.named_modules():
        if child is module and name:
            return str(name)
    return scope.label


def _headline(module: Any) -> str:
    """``Linear(100, 10)``: a module's class and arguments on one line."""
    extra = module.extra_repr() if hasattr(module, "extra_repr") else ""
    return f"{type(module).__name__}({extra})"


def current_place() -> str:
    """`` in model.3: Linear(100, 10)`` inside a module's call, else an empty string."""
    scope = STATE.get().scope
    return f" in {scope!r}" if scope is not None else ""


# ------------------------------------------------------------------------------------------ nodes

next_sequence = itertools.count(1).__next__


class Node:
    """One recorded operation.

    Attributes:
        primitive: the operation's :class:`~autograd.Primitive`; ``.name`` is its name.
        edges: one entry per input: the node that made it, the leaf tensor itself, or None where
            no gradient flows.
        attrs: the operation's other arguments (``axis``, ``stride`` …), or None.
        saved: the arrays its rule reads, by position (inputs, then outputs), None where not
            saved; None altogether once freed. A backward pass frees this and nothing else, so that
            the structure can be read and drawn afterwards.
        shape, dtype: of the output.
        sequence: its number in the order of creation, which is a topological order.
        scope: the module call it happened in, or None.
        name: the name given to its output, or None.
    """

    __slots__ = (
        "__weakref__",
        "_code",
        "_instruction",
        "attrs",
        "dtype",
        "edges",
        "hooks",
        "name",
        "primitive",
        "saved",
        "scope",
        "sequence",
        "shape",
    )

    primitive: Any
    edges: tuple[Any, ...]
    attrs: dict[str, Any] | None
    saved: tuple[Any, ...] | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    sequence: int
    scope: Scope | None
    hooks: _NodeHooks | None
    name: str | None
    _code: CodeType
    _instruction: int

    @property
    def source(self) -> str:
        """The line of the user's code that made the operation, as ``file.py:12``."""
        if self.scope is not None and _internal[self._code.co_filename]:
            return self.scope.source
        return source_line(self._code, self._instruction)

    @property
    def is_freed(self) -> bool:
        """Whether a backward pass has let go of what the rule needs."""
        return self.saved is None

    def add_hooks(self) -> _NodeHooks:
        """The node's hooks, made on first use."""
        if self.hooks is None:
            self.hooks = _NodeHooks()
        return self.hooks

    def register_prehook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call ``hook(grad_output)`` before the rule; what it returns replaces the gradient."""
        return RemovableHandle.add(self.add_hooks().before, hook)

    def register_hook(self, hook: Callable[[tuple[Any, ...], Any], Any]) -> RemovableHandle:
        """Call ``hook(grad_inputs, grad_output)`` after the rule; it may return new grad_inputs."""
        return RemovableHandle.add(self.add_hooks().after, hook)

    def __repr__(self) -> str:
        place = f" in {self.scope!r}" if self.scope is not None else ""
        shape = "×".join(map(str, self.shape)) or "scalar"
        return f"<Node {self.primitive.name}: {shape} {self.dtype}{place}>"


class Output(Node):
    """One of the several outputs of an operation; its single edge leads to the operation."""

    __slots__ = ("index",)

    index: int


class _NodeHooks:
    """What users hung on a node: hooks on its output's gradient, and on its rule."""

    __slots__ = ("after", "before", "retain", "tensor")

    def __init__(self) -> None:
        self.tensor: OrderedDict[int, Callable[[Any], Any]] = OrderedDict()
        self.before: OrderedDict[int, Callable[[Any], Any]] = OrderedDict()
        self.after: OrderedDict[int, Callable[[Any, Any], Any]] = OrderedDict()
        self.retain: list[Callable[[], Any]] = []  # weak references to tensors


class RemovableHandle:
    """Takes a hook away again: ``handle.remove()``, or use it in ``with``."""

    _keys = itertools.count()

    def __init__(self, hooks: OrderedDict[int, Any], key: int) -> None:
        self._hooks = hooks
        self._key = key

    @classmethod
    def add(cls, hooks: OrderedDict[int, Any], hook: Callable[..., Any]) -> RemovableHandle:
        """Put ``hook`` into ``hooks`` and return the handle that takes it out."""
        if not callable(hook):
            raise TypeError(f"a hook must be callable, got {type(hook).__name__}")
        key = next(cls._keys)
        hooks[key] = hook
        return cls(hooks, key)

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        self._hooks.pop(self._key, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()


# -------------------------------------------------------------------------------- in-place writes


class _Writes:
    """The last in-place write to each buffer, by the number it would have had as a node.

    An array that a node saved is stale if its buffer was written after the node was made. Nothing
    is kept per node for this; a buffer's entry goes when the buffer goes.
    """

    def __init__(self) -> None:
        self.latest = 0  # sequence number of the newest write to any buffer
        self._entries: dict[int, tuple[weakref.ref[Any], int, CodeType, int]] = {}

    def note(self, *arrays: np.ndarray[Any, Any]) -> None:
        """Record that the buffers of ``arrays`` are being written by the user's current line."""
        entries = self._entries
        self.latest = latest = next_sequence()
        frame = user_frame(2)
        place = frame.f_code, frame.f_lasti
        for array in arrays:
            buffer = array if array.base is None else owner(array)
            key = id(buffer)
            entry = entries.get(key)
            if entry is not None and entry[0]() is buffer:
                entries[key] = (entry[0], latest, *place)
            else:
                entries[key] = (weakref.ref(buffer, self._forgetter(key)), latest, *place)

    def _forgetter(self, key: int) -> Callable[[weakref.ref[Any]], None]:
        entries = self._entries

        def forget(dead: weakref.ref[Any]) -> None:
            if key in entries and entries[key][0] is dead:
                del entries[key]

        return forget

    def since(self, array: np.ndarray[Any, Any], sequence: int) -> str | None:
        """The line of the last write to the buffer of ``array``, if it is newer than a node."""
        entry = self._entries.get(id(owner(array)))
        if entry is None or entry[1] <= sequence:
            return None
        return source_line(*entry[2:])

    def check(self, node: Node, saved: tuple[Any, ...]) -> None:
        """Raise if an array saved by ``node`` has been written since."""
        for array in saved:
            if isinstance(array, np.ndarray):
                line = self.since(array, node.sequence)
                if line is not None:
                    raise GraphError(
                        f"{node.primitive.name} at {node.source} saved an array of shape "
                        f"{array.shape} for its derivative, and {line} changed it in place since; "
                        "write `x = x + …` instead of changing x, or change a copy"
                    )


def owner(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array that owns the memory of ``array``: itself, or the end of its chain of bases."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


WRITES = _Writes()


# --------------------------------------------------------------------------------------- the walk


def _sequence_of(node: Node) -> int:
    return node.sequence


def topological_order(roots: Iterable[Node]) -> list[Node]:
    """Every node the roots depend on, inputs before outputs, in order of creation.

    >>> from autograd import Tensor
    >>> x = Tensor(2.0, requires_grad=True)
    >>> y = (x * x + 1).sqrt()
    >>> [node.primitive.name for node in topological_order([y.node])]
    ['multiply', 'add', 'sqrt']
    """
    seen: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            for edge in node.edges:
                if isinstance(edge, Node):
                    stack.append(edge)
    return sorted(seen, key=_sequence_of)


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
                    if len(edges) == 1:  # `return` was forgotten: this would drop the gradient
                        raise _no_gradient(node, part)
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


def iterate_leaves(nodes: Iterable[Node]) -> Iterator[Any]:
    """The leaf tensors that the nodes read, each once, in order of first use."""
    seen: set[int] = set()
    for node in nodes:
        for edge in node.edges:
            if edge is not None and not isinstance(edge, Node) and id(edge) not in seen:
                seen.add(id(edge))
                yield edge
