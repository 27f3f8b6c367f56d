"""The graph: nodes, where each was made, the hooks on it, and the order in which to read it.

Nothing here knows a particular operation, nor the class of arrays that hang on the graph: a node
asks its primitive for vector-Jacobian products, and a leaf is whatever has ``_accumulate``.
"""

from __future__ import annotations

import itertools
import os
import sys
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextvars import Token
from types import CodeType, FrameType, TracebackType
from typing import Any

import numpy as np

from autograd._modes import SCOPE

__all__ = [
    "GraphError",
    "Node",
    "Output",
    "RemovableHandle",
    "Scope",
    "current_place",
    "enter_scope",
    "iterate_leaves",
    "leave_scope",
    "mark_internal",
    "show_lines",
    "topological_order",
]

_ref = weakref.ref
_getframe = sys._getframe
_scope, _enter = SCOPE.get, SCOPE.set


class GraphError(RuntimeError):
    """A derivative was asked for that the recorded graph cannot give."""


# ------------------------------------------------------------------------------- source and scope

# Folders whose lines are the library's, not the user's; `nn` and `optim` add theirs.
INTERNAL_FOLDERS: list[str] = [os.path.dirname(os.path.abspath(__file__)) + os.sep]


_inside: set[str] = set()  # files known to be in them
_outside: set[str] = set()  # files known not to be


def mark_internal(filename: str) -> None:
    """Count the folder of ``filename`` as the library's own when a user's line is looked for."""
    INTERNAL_FOLDERS.append(os.path.dirname(os.path.abspath(filename)) + os.sep)
    _outside.clear()


def _is_outside(filename: str) -> bool:
    if filename in _outside:
        return True
    if filename in _inside or filename.startswith(tuple(INTERNAL_FOLDERS)):
        _inside.add(filename)
        return False
    _outside.add(filename)
    return True


def user_frame(innermost: FrameType) -> FrameType:
    """The first frame, from ``innermost`` outwards, whose file is not the library's."""
    frame: FrameType | None = innermost
    while frame is not None:
        filename = frame.f_code.co_filename
        if filename in _outside or (filename not in _inside and _is_outside(filename)):
            return frame
        frame = frame.f_back
    return innermost


def place(frame: FrameType) -> tuple[CodeType, int]:
    """The user's code and instruction that led to ``frame``."""
    frame = user_frame(frame)
    return frame.f_code, frame.f_lasti


def source_line(code: CodeType, instruction: int) -> str:
    """``file.py:12`` of an instruction's offset in a code object."""
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return f"{code.co_filename}:{line}"
    return f"{code.co_filename}:{code.co_firstlineno}"


class _Ours(dict[str, bool]):
    """Whether a Python module is the library's own, by name."""

    def __missing__(self, name: str) -> bool:
        filename = getattr(sys.modules.get(name), "__file__", None)
        ours = self[name] = filename is not None and not _is_outside(filename)
        return ours


_ours = _Ours()


class Scope:
    """One call of a module: which module, called by which, from where.

    Made by :func:`enter_scope`. Holds the module weakly, so that a module may keep its own outputs
    without a reference cycle. ``opaque`` tells that the module is one of the library's: what it
    does has no line of the user's but that of the call, and none is looked for.
    """

    __slots__ = ("_code", "_instruction", "label", "module", "opaque", "parent")

    module: weakref.ref[Any]
    label: str
    parent: Scope | None
    opaque: bool
    _code: CodeType | None
    _instruction: int

    @property
    def source(self) -> str:
        """The user's line that made the call."""
        if self._code is None:
            assert self.parent is not None
            return self.parent.source
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


def enter_scope(module: Any) -> Token[Scope | None]:
    """Record what follows as done by ``module``, until :func:`leave_scope` gets the token back.

    To be called in the method that runs the module, such as ``__call__``.

    The outermost module is called ``model`` in paths such as ``model.features.3``; the others get
    the names under which their owners hold them.
    """
    parent = _scope()
    scope = Scope()
    scope.module = _ref(module)
    kind = type(module)
    scope.label = kind.__name__
    scope.parent = parent
    scope.opaque = _ours[kind.__module__]
    if parent is not None and parent.opaque:
        scope._code = None
    else:
        scope._code, scope._instruction = place(_getframe(2))  # where the module was called
    return _enter(scope)


def show_lines() -> None:
    """Let the operations that follow in this call of a module name the user's lines.

    Those of the library's own modules know but the line of the call, unless a user's function,
    such as a hook, takes part in it.
    """
    scope = _scope()
    if scope is not None:
        scope.opaque = False


# ``leave_scope(token)`` returns to the scope that :func:`enter_scope` left.
leave_scope = SCOPE.reset


def _name_in(parent: Scope | None, scope: Scope) -> str:
    """The name under which the parent's module holds the scope's module; ``model`` without one."""
    if parent is None:
        return "model"
    module = scope.module()
    owner = parent.module()
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
    scope = _scope()
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
    _code: CodeType | None  # None within a module of the library's
    _instruction: int

    @property
    def source(self) -> str:
        """The line of the user's code that made the operation, as ``file.py:12``."""
        if self._code is None:
            assert self.scope is not None
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
    """One of the several outputs of an operation, which saves nothing itself.

    Its single edge leads to the operation.
    """

    __slots__ = ("index",)

    index: int

    @property
    def is_freed(self) -> bool:
        """Whether a backward pass has let go of what the operation's rule needs."""
        return bool(self.edges[0].is_freed)


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


# --------------------------------------------------------------------------------- reading it


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


def iterate_leaves(nodes: Iterable[Node]) -> Iterator[Any]:
    """The leaf tensors that the nodes read, each once, in order of first use."""
    seen: set[int] = set()
    for node in nodes:
        for edge in node.edges:
            if edge is not None and not isinstance(edge, Node) and id(edge) not in seen:
                seen.add(id(edge))
                yield edge
