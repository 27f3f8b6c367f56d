"""Whether operations are recorded, in which module, and who watches: per thread and per context."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from autograd._graph import Node, Scope

__all__ = [
    "CHANGES",
    "SCOPE",
    "STATE",
    "State",
    "enable_grad",
    "is_grad_enabled",
    "no_grad",
    "saved_tensors_hooks",
    "set_grad_enabled",
]

_F = TypeVar("_F", bound=Callable[..., Any])


class State:
    """What recording looks at, immutable, one per thread and per context.

    Attributes:
        enabled: whether operations are recorded.
        watch: called as ``watch(node, output, inputs)`` after each recorded operation, with the
            output as a tensor and the inputs as plain values, or None.
        guard: called as ``guard(node, gradient, parts)`` after each node of a backward pass, with
            the gradient of its output and those of its inputs, or None.
        pack: called on each array before it is saved (see ``saved_tensors_hooks``), or None.
        unpack: its inverse, called when the array is needed.
        observed: whether somebody watches or packs.
    """

    __slots__ = ("enabled", "guard", "observed", "pack", "unpack", "watch")

    def __init__(
        self,
        enabled: bool = True,
        watch: Callable[[Node, Any, tuple[Any, ...]], None] | None = None,
        pack: Callable[[Any], Any] | None = None,
        unpack: Callable[[Any], Any] | None = None,
        guard: Callable[[Node, Any, Sequence[Any]], None] | None = None,
    ) -> None:
        self.enabled = enabled
        self.watch = watch
        self.pack = pack
        self.unpack = unpack
        self.guard = guard
        self.observed = watch is not None or pack is not None

    def replace(self, **changes: Any) -> State:
        """A copy with some fields changed."""
        fields = {name: getattr(self, name) for name in State.__slots__ if name != "observed"}
        return State(**{**fields, **changes})


STATE: ContextVar[State] = ContextVar("autograd_state", default=State())  # noqa: B039 - immutable
# The innermost module being called.
SCOPE: ContextVar[Scope | None] = ContextVar("autograd_scope", default=None)


class _Changes:
    """How often modules were changed, or whether a tensor requires a gradient was.

    What depends on them looks at them again when the count is another.
    """

    count = 0


CHANGES = _Changes()


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

        return cast(_F, awaited)

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with context():
            return function(*args, **kwargs)

    return cast(_F, wrapper)


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

    return cast(_F, wrapper)


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
