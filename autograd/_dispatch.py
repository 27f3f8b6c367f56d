"""How calls arrive: from NumPy's functions and ufuncs, and from Tensor's methods and operators."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any

import numpy as np

from autograd._signature import ARGUMENT_HABITS
from autograd._tensor import Tensor, no_rule_message

__all__ = ["attach", "constant", "constant_functions", "implements", "plain"]

_implementations = Tensor._implementations

# NumPy functions whose results on tensors carry no gradient.
constant_functions: set[Callable[..., Any]] = set()


def constant(*numpy_functions: Callable[..., Any]) -> None:
    """On tensors, let NumPy functions that are constant almost everywhere return plain arrays."""
    for function in numpy_functions:
        Tensor._implementations[function] = _on_arrays(function)
        constant_functions.add(function)


def _on_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*[plain(a) for a in args], **{k: plain(v) for k, v in kwargs.items()})

    return call


def plain(x: Any) -> Any:
    """The array of a tensor, through lists and tuples; anything else as it is."""
    if type(x) is np.ndarray:
        return x
    if isinstance(x, Tensor):
        return x.data
    if isinstance(x, tuple | list):
        return type(x)(plain(item) for item in x)
    return x


def implements(*numpy_functions: Callable[..., Any]) -> Callable[[Any], Any]:
    """Let a function composed of primitives answer for NumPy functions on tensors."""

    def register(function: Any) -> Any:
        for numpy_function in numpy_functions:
            Tensor._implementations[numpy_function] = function
        return function

    return register


def _array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """What a ufunc does on tensors: NumPy's protocol of the same name."""
    implementation = _implementations.get(ufunc)
    if implementation is None:
        raise TypeError(no_rule_message(ufunc))
    if not kwargs and method == "__call__":
        return implementation(*inputs)
    variant = _implementations.get((ufunc, method))
    if variant is not None:
        return variant(*inputs, **kwargs)
    general = _implementations.get((None, method))  # for every ufunc, see primitives/ufuncs
    if general is None:
        raise TypeError(
            f"np.{ufunc.__name__}.{method} has no differentiation rule for tensors; "
            "pass plain arrays (t.numpy()) if no gradient is needed"
        )
    return general(ufunc, *inputs, **kwargs)


Tensor.__array_ufunc__ = _array_ufunc


def attach(name: str, function: Any) -> None:
    """Make a function a method, operator or property of Tensor."""
    if type(function) is FunctionType and not name.startswith("_"):
        function = _with_hints(name, function)
    setattr(Tensor, name, function)


def _with_hints(name: str, function: FunctionType) -> Callable[..., Any]:
    """The method, answering PyTorch's argument names with NumPy's."""
    code = function.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    hints = {habit: meant for habit, meant in ARGUMENT_HABITS.items() if meant in known}
    if not hints:
        return function

    @wraps(function)
    def method(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            for habit in kwargs:
                if habit in hints and habit not in known:
                    raise TypeError(
                        f"{name} has no argument {habit!r}; NumPy's name is {hints[habit]}="
                    ) from error
            raise

    return method
