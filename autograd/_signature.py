"""What a function's signature says: which arguments are arrays, which are settings, and misuse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from autograd._primitive import Primitive

__all__ = ["ARGUMENT_HABITS", "attributes_of", "described", "inputs_of", "parameters_of"]


def parameters_of(function: Any) -> tuple[tuple[str, ...], int, str | None]:
    """A function's named parameters, how many stand before ``/``, and the name after ``*``.

    Read off its code: importing ``inspect`` costs more than declaring all primitives.
    """
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    star = code.co_varnames[count] if code.co_flags & _VARARGS else None
    return code.co_varnames[:count], code.co_posonlyargcount, star


_VARARGS = 0x04  # inspect.CO_VARARGS


def inputs_of(forward: Callable[..., Any]) -> list[str]:
    if isinstance(forward, np.ufunc):
        return ["x"] if forward.nin == 1 else ["a", "b"]
    names, before_slash, star = parameters_of(forward)
    inputs = [*names[:before_slash], *(["*" + star] if star else [])]
    if not inputs:
        raise TypeError(
            f"{getattr(forward, '__name__', forward)} has no differentiable input: put its arrays "
            "before a '/' in the signature, as in `def f(x, /, axis=None)`"
        )
    return inputs


def attributes_of(
    forward: Callable[..., Any], inputs: Sequence[str]
) -> tuple[tuple[str, ...], dict[str, Any]]:
    if isinstance(forward, np.ufunc):
        return (), {}
    names, _, _ = parameters_of(forward)
    positional = names[: forward.__code__.co_argcount]
    values = getattr(forward, "__defaults__", None) or ()
    defaults = dict(zip(positional[len(positional) - len(values) :], values, strict=True))
    defaults.update(getattr(forward, "__kwdefaults__", None) or {})
    attributes = tuple(name for name in names if name not in inputs)
    return attributes, {name: defaults[name] for name in attributes if name in defaults}


def described(arg: Any) -> str:
    shape = getattr(arg, "shape", None)
    if shape is None:
        return repr(arg) if isinstance(arg, int | float | complex) else type(arg).__name__
    name = getattr(arg, "name", None)
    label = f"{name!r} " if name else ""
    return f"{label}{arg.dtype}{list(shape)}"


# PyTorch's names of arguments that NumPy spells otherwise.
ARGUMENT_HABITS = {"dim": "axis", "keepdim": "keepdims", "dims": "axes", "input": "x"}


def unknown_argument(primitive: Primitive, settings: Iterable[str]) -> TypeError | None:
    """The error for settings of which the primitive has not all; None if it has."""
    unknown = set(settings).difference(primitive.attributes)
    if not unknown:
        return None
    name = min(unknown)
    hint = f"; NumPy's name is {ARGUMENT_HABITS[name]}=" if name in ARGUMENT_HABITS else ""
    known = ", ".join((*primitive.inputs, *primitive.attributes))
    return TypeError(f"{primitive.name} has no argument {name!r}{hint} (it has: {known})")
