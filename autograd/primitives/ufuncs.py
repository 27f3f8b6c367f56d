"""What every ufunc has beyond a plain call: ``where=``, ``dtype=``, ``out=`` and its methods.

Each is composed of the ufunc's plain call, so a ufunc with a rule has them all. Reductions that
have a rule of their own (``np.add.reduce`` is a sum) use it; the others fold slice by slice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd._modes import is_grad_enabled
from autograd._primitive import plain
from autograd._tensor import Tensor, as_tensor
from autograd.primitives.indexing import put

_implementations = Tensor._implementations

# ufunc -> function (x, axis, keepdims) with a rule of its own, for reduce; and for accumulate
# function (x, axis). Filled where those functions are declared.
REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {}
ACCUMULATIONS: dict[np.ufunc, Callable[..., Any]] = {}
# Ufuncs constant almost everywhere; filled where they are declared.
CONSTANT: set[np.ufunc] = set()
# An element that occurs twice changes nothing.
IDEMPOTENT = {np.maximum, np.minimum, np.fmax, np.fmin}


def wants_gradient(*values: Any) -> bool:
    """Whether a gradient would be lost if one of these were taken as a plain array."""
    return is_grad_enabled() and any(isinstance(v, Tensor) and v.requires_grad for v in values)


def store(value: Any, out: Any, name: str) -> Any:
    """Write a result into the array or tensor given as ``out=`` and return that."""
    if isinstance(out, tuple):
        (out,) = out
    if out is None:
        return value
    if isinstance(out, Tensor):
        out[...] = value
    elif wants_gradient(value):
        raise TypeError(
            f"np.{name} with a plain array as out= would lose the gradient without a word; let it "
            "return a tensor, or give a tensor that is not a leaf as out="
        )
    else:
        out[...] = plain(value)
    return out


def given(x: Any, default: Any = None) -> Any:
    """An argument, or the default if it is NumPy's mark of one that was left out."""
    return default if x is np._NoValue else x


def _cast(x: Any, dtype: Any) -> Any:
    """A tensor or array as another type."""
    return x.astype(dtype) if hasattr(x, "astype") else np.asarray(x, dtype)


def call(
    ufunc: np.ufunc,
    *inputs: Any,
    out: Any = None,
    where: Any = True,
    dtype: Any = None,
    casting: str = "same_kind",
    order: str = "K",
    subok: bool = True,
    **other: Any,
) -> Any:
    """``ufunc(*inputs, where=…, dtype=…, out=…)``.

    Where ``where`` is False the result is what ``out`` holds there, or 0 without ``out`` (NumPy
    leaves it uninitialised), and no gradient flows.
    """
    if other:
        raise TypeError(f"np.{ufunc.__name__} of tensors does not take {', '.join(sorted(other))}")
    if dtype is not None:
        inputs = tuple(_cast(x, dtype) for x in inputs)
    f = _implementations.get(ufunc, ufunc)
    outs = out if isinstance(out, tuple) else (out,) * ufunc.nout
    if where is True:
        value = f(*inputs)
    else:
        mask = np.asarray(plain(where), bool)
        shape = np.broadcast_shapes(mask.shape, *(np.shape(x) for x in inputs))
        mask = np.broadcast_to(mask, shape)
        # Only where it is wanted: the others may lie outside the domain of the function.
        value = f(*[np.broadcast_to(x, shape)[mask] for x in inputs])
        single = not isinstance(value, tuple)
        spread = [
            put(v, mask, shape) if o is None else np.where(mask, put(v, mask, shape), o)
            for v, o in zip((value,) if single else value, outs)
        ]
        value = spread[0] if single else tuple(spread)
    if ufunc.nout == 1:
        return store(value, outs, ufunc.__name__)
    return tuple(store(v, o, ufunc.__name__) for v, o in zip(value, outs))


def _masked(x: Any, where: Any, neutral: Any) -> Any:
    return np.where(np.broadcast_to(plain(where), x.shape), x, neutral)


def reduce(
    ufunc: np.ufunc,
    x: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """``ufunc.reduce``: the ufunc applied between all elements along axes, the first by default.

    Ufuncs without a reduction of their own are folded slice by slice; ``where`` and ``initial``
    are for those whose identity is known.
    """
    x = as_tensor(x, dtype)
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(np.arange(x.ndim)[list(axes)].tolist()) if axes else ()
    known = REDUCTIONS.get(ufunc)
    if where is not True:
        neutral = ufunc.identity
        if neutral is None and ufunc in IDEMPOTENT:
            neutral = initial
        if neutral is None:
            raise ValueError(
                f"np.{ufunc.__name__}.reduce has no neutral element for where=; give initial= "
                "if it is a maximum or minimum"
            )
        x = _masked(x, where, neutral)
    if known is not None:
        if initial is not None and ufunc.identity is None and 0 in [x.shape[a] for a in axes]:
            shape = tuple(
                1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes
            )
            value = np.broadcast_to(as_tensor(initial).astype(x.dtype), shape)
            return store(value, out, f"{ufunc.__name__}.reduce")
        value = known(x, axis=axes, keepdims=keepdims)
    else:
        if (
            len(axes) > 1 and ufunc.identity is None and ufunc not in IDEMPOTENT
        ):  # as NumPy: the order would matter
            raise ValueError(f"np.{ufunc.__name__}.reduce takes one axis")
        value = x
        for a in axes:
            value = np.expand_dims(_fold(ufunc, value, a), a)
        if not keepdims and axes:
            value = np.squeeze(value, axes)
    if initial is not None:
        value = _implementations[ufunc](initial, value)
    return store(value, out, f"{ufunc.__name__}.reduce")


def _slices(x: Any, axis: int) -> list[Any]:
    before = (slice(None),) * (axis % x.ndim)
    return [x[(*before, i)] for i in range(x.shape[axis])]


def _fold(ufunc: np.ufunc, x: Any, axis: int) -> Any:
    slices = _slices(x, axis)
    if not slices and ufunc.identity is None:
        raise ValueError(f"np.{ufunc.__name__}.reduce of an axis without elements")
    if not slices:
        return np.full_like(np.sum(x, axis=axis), ufunc.identity)
    value = slices[0]
    for part in slices[1:]:
        value = _implementations[ufunc](value, part)
    return value


def accumulate(ufunc: np.ufunc, x: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    """``ufunc.accumulate``: all partial results of the reduction along an axis."""
    x = as_tensor(x, dtype)
    known = ACCUMULATIONS.get(ufunc)
    if known is not None:
        value = known(x, axis)
    elif x.shape[axis] == 0:
        value = np.positive(x)
    else:
        partial = _slices(x, axis)
        for i in range(1, len(partial)):
            partial[i] = _implementations[ufunc](partial[i - 1], partial[i])
        value = np.stack(partial, axis)
    return store(value, out, f"{ufunc.__name__}.accumulate")


def outer(ufunc: np.ufunc, a: Any, b: Any, **kwargs: Any) -> Any:
    """``ufunc.outer``: the ufunc of all pairs of an element of a and one of b."""
    a, b = as_tensor(a), as_tensor(b)
    return call(ufunc, np.reshape(a, a.shape + (1,) * b.ndim), b, **kwargs)


def reduceat(
    ufunc: np.ufunc,
    x: Any,
    indices: Any,
    axis: int = 0,
    dtype: Any = None,
    out: Any = None,
) -> Any:
    """``ufunc.reduceat``: the reduction of x[i:j] along an axis for each pair of neighbours."""
    x = as_tensor(x, dtype)
    axis %= x.ndim
    before = (slice(None),) * axis
    starts = np.asarray(plain(indices)).tolist()
    parts = []
    for start, stop in zip(starts, [*starts[1:], x.shape[axis]]):
        region = slice(start, stop if stop > start else start + 1)
        parts.append(reduce(ufunc, x[(*before, region)], axis))
    return store(np.stack(parts, axis), out, f"{ufunc.__name__}.reduceat")


def at(ufunc: np.ufunc, x: Any, indices: Any, *values: Any) -> None:
    """``ufunc.at``: the ufunc in place at indices; one that occurs twice counts twice.

    Sums and differences are written at once, other ufuncs only where no index occurs twice.
    """
    if not isinstance(x, Tensor):
        if wants_gradient(*values):
            raise TypeError(
                f"np.{ufunc.__name__}.at on a plain array would lose the gradient of the values; "
                "let it change a tensor that is not a leaf"
            )
        ufunc.at(x, plain(indices), *plain(values))
        return
    index = plain(indices)
    if ufunc in (np.add, np.subtract):
        (value,) = values
        spots = np.broadcast_to(value, x.data[index].shape)
        x[...] = _implementations[ufunc](x, put(_cast(spots, x.dtype), index, x.shape))
        return
    visits = np.zeros(x.shape, np.intp)
    np.add.at(visits, index, 1)
    if np.any(visits > 1):
        raise TypeError(
            f"np.{ufunc.__name__}.at of a tensor takes each index once (np.add.at and "
            "np.subtract.at may repeat them)"
        )
    x[index] = _implementations[ufunc](x[index], *values)


def _dispatcher(method: str, handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler, but NumPy itself for ufuncs that are constant almost everywhere."""

    def dispatch(ufunc: np.ufunc, *args: Any, **kwargs: Any) -> Any:
        if ufunc not in CONSTANT:
            return handler(ufunc, *args, **kwargs)
        out = kwargs.pop("out", None)
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        value = function(*plain(args), **{k: plain(v) for k, v in kwargs.items()})
        return store(value, out, ufunc.__name__)

    return dispatch


for _method, _handler in {
    "__call__": call,
    "reduce": reduce,
    "accumulate": accumulate,
    "outer": outer,
    "reduceat": reduceat,
    "at": at,
}.items():
    _implementations[None, _method] = _dispatcher(_method, _handler)
