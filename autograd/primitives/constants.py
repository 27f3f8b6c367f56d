"""NumPy functions that are constant almost everywhere, or ask about an array and not its values.

On tensors they return what NumPy returns for the tensors' arrays; there is no gradient. The
functions that make an array like another one return a Tensor, so that it can be written into.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd._primitive import attach, constant, implements, plain
from autograd._tensor import Tensor, _wrap, as_tensor, no_rule_message
from autograd.primitives.arithmetic import positive
from autograd.primitives.ufuncs import CONSTANT, store, wants_gradient


def named(*names: str) -> list[Callable[..., Any]]:
    """The NumPy functions of these names that the installed version has."""
    return [getattr(np, name) for name in names if hasattr(np, name)]


# Steps: their derivative is zero wherever there is one.
STEPS = named("floor", "ceil", "trunc", "rint", "fix", "round", "around", "signbit", "spacing")
ROUNDING = [f for f in STEPS if not isinstance(f, np.ufunc)]
TESTS = named(
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
    *("logical_and", "logical_or", "logical_xor", "logical_not"),
    *("isfinite", "isinf", "isnan", "isneginf", "isposinf", "isreal", "iscomplex"),
    *("iscomplexobj", "isrealobj", "isclose", "allclose", "array_equal", "array_equiv"),
    *("isin", "all", "any", "may_share_memory", "shares_memory"),
)
WHOLE_NUMBERS = named(
    *("bitwise_and", "bitwise_or", "bitwise_xor", "invert", "left_shift", "right_shift"),
    *("bitwise_count", "gcd", "lcm"),
)
PLACES = named(
    *("argmax", "argmin", "nanargmax", "nanargmin", "argsort", "argpartition", "lexsort"),
    *("searchsorted", "digitize", "nonzero", "flatnonzero", "argwhere", "count_nonzero"),
    *("ravel_multi_index", "unravel_index", "tril_indices_from", "triu_indices_from"),
    *("diag_indices_from", "ix_"),
)
ABOUT = named(
    *("shape", "ndim", "size", "result_type", "can_cast", "min_scalar_type", "common_type"),
)
TEXT = named(
    "array2string", "array_repr", "array_str", "save", "savez", "savez_compressed", "savetxt"
)

constant(*STEPS, *TESTS, *WHOLE_NUMBERS, *PLACES, *ABOUT, *TEXT)
CONSTANT.update(f for f in (*STEPS, *TESTS, *WHOLE_NUMBERS) if isinstance(f, np.ufunc))
CONSTANT.add(np.floor_divide)


def _rounding(function: Callable[..., Any]) -> None:
    """Rounding, which may be asked to write into a tensor."""

    def rounded(a: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        return store(function(plain(a), *args, **kwargs), out, function.__name__)

    rounded.__name__ = rounded.__qualname__ = function.__name__
    rounded.__doc__ = f"``np.{function.__name__}``: a plain array without gradient."
    implements(function)(rounded)


for _function in ROUNDING:
    _rounding(_function)

# No rule, but answered by NumPy for tensors whose gradient nobody wants, such as labels.
UNDIFFERENTIATED = named(
    *("unique", "unique_all", "unique_counts", "unique_inverse", "unique_values"),
    *("intersect1d", "setdiff1d", "setxor1d", "union1d"),
    *("histogram", "histogram2d", "histogramdd", "histogram_bin_edges"),
    *("packbits", "unpackbits", "poly", "roots", "polyfit", "polydiv", "real_if_close"),
)


def _undifferentiated(function: Callable[..., Any]) -> None:
    def call(*args: Any, **kwargs: Any) -> Any:
        if _any_wants_gradient((*args, *kwargs.values())):
            raise TypeError(no_rule_message(function))
        return function(*plain(args), **{k: plain(v) for k, v in kwargs.items()})

    implements(function)(call)


def _any_wants_gradient(values: Any) -> bool:
    return any(
        _any_wants_gradient(v) if isinstance(v, list | tuple) else wants_gradient(v) for v in values
    )


for _function in UNDIFFERENTIATED:
    _undifferentiated(_function)


def _step(name: str) -> None:
    """A method of ndarray that is constant almost everywhere."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.data, name)(*plain(args), **{k: plain(v) for k, v in kwargs.items()})

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"``ndarray.{name}`` of the values: a plain result without gradient."
    attach(name, method)


for _name in (
    *("argmax", "argmin", "argsort", "argpartition", "searchsorted", "nonzero"),
    *("all", "any", "round"),
):
    _step(_name)


def _like(function: Callable[..., Any]) -> None:
    def like(prototype: Any, *args: Any, **kwargs: Any) -> Tensor:
        return _wrap(function(plain(prototype), *plain(args), **kwargs))

    like.__name__ = like.__qualname__ = function.__name__
    like.__doc__ = f"``np.{function.__name__}`` as a Tensor without history."
    implements(function)(like)


for _function in (np.zeros_like, np.ones_like, np.empty_like):
    _like(_function)


@implements(np.full_like)
def full_like(prototype: Any, fill_value: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
    """An array like ``prototype`` full of a value; the gradient goes to the value.

    >>> full_like(Tensor([[1.0, 2.0]]), 3)
    Tensor([[3., 3.]])
    """
    if not isinstance(fill_value, Tensor):
        return _wrap(np.full_like(plain(prototype), fill_value, dtype, **kwargs))
    shape = kwargs.pop("shape", None)
    if kwargs:
        raise TypeError(f"full_like with a tensor as value does not take {sorted(kwargs)}")
    made = np.broadcast_to(fill_value, prototype.shape if shape is None else shape)
    wanted = prototype.dtype if dtype is None else np.dtype(dtype)
    return positive.call(made if made.dtype == wanted else made.astype(wanted))


@implements(np.copy)
def copy(x: Any, order: str = "K", subok: bool = False) -> Tensor:
    """The same values in new memory; the gradient goes through.

    >>> x = Tensor([1.0])
    >>> np.shares_memory(copy(x), x)
    False
    """
    return positive.call(as_tensor(x))


attach("copy", lambda self, order="C": positive.call(self))
