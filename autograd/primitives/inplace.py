"""In-place writes: assignment to an index and the augmented operators, as nodes of the graph."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd._inplace import assign, overwrite, read
from autograd._primitive import attach, implements, plain, primitive, sample
from autograd._tensor import Tensor
from autograd._writes import owner
from autograd.primitives.indexing import is_basic


@primitive(
    aux=("mask", "last"),
    samples=(
        sample((3, 4), (4,), steps=[], index=1),
        sample((3, 4), 2.5, steps=[], index=(slice(None), np.array([0, 2]))),
        sample((3, 4), (2,), steps=[(np.transpose, (), {})], index=(slice(None, None, 2), 0)),
        sample((3, 4), (3, 4), steps=[], index=np.array([2, 0, 2])),
    ),
)
def write(x: Any, value: Any, /, steps: Any, index: Any) -> Any:
    """x with ``value`` written at ``index`` of a view of it."""
    return overwrite(x, value, steps, index)


@write.rule("x")
def _(g: Any, mask: Any) -> Any:
    return np.where(mask, g, 0)


@write.rule("value")
def _(g: Any, last: Any, steps: Any, index: Any) -> Any:
    part = read(g, steps, index)
    # Of values written to one place, the last one counts.
    return part if last is None else np.where(last, part, 0)


def _setitem(self: Any, index: Any, value: Any) -> None:
    index = plain(index)
    if isinstance(value, Tensor) and value._view is not None and is_basic(index):
        # Python writes the result of `x[i] += v` back to x[i], where it already is.
        place, data = self.data[index], value.data
        if (
            isinstance(place, np.ndarray)
            and place.__array_interface__ == data.__array_interface__
            and owner(place) is owner(data)
        ):
            return
    assign(self, index, value, write.call)


attach("__setitem__", _setitem)


def _augmented(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def operate(self: Any, other: Any) -> Any:
        assign(self, ..., operation(self, other), write.call, casting="same_kind")
        return self

    return operate


for _operation in (
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    operator.matmul,
):
    attach(f"__i{_operation.__name__}__", _augmented(_operation))


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Write ``src`` into the tensor ``dst``, in all places or where a mask says so."""
    if not hasattr(dst, "node"):
        raise TypeError(
            "copying a tensor into a plain array would lose its gradient; "
            "copy t.numpy() if that is meant"
        )
    if where is True:
        assign(dst, ..., src, write.call, casting)
    else:
        mask = np.broadcast_to(plain(where), dst.shape)
        values = np.broadcast_to(src, dst.shape)[mask]
        assign(dst, mask, values, write.call, casting)
