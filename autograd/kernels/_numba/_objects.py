"""Arrays found by the addresses of their objects, and numbers by theirs, in compiled code.

To ask arrays one by one in Python where they are, and what of, takes longer than what is computed
with few numbers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numba
import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from autograd.kernels._blas import address_of

__all__ = [
    "alike",
    "axes_of",
    "is_plain",
    "kind_of",
    "length_of",
    "located",
    "looking",
    "same_shape",
    "understood",
    "values_at",
    "values_of",
]

# Not without the interpreter's lock: what is looked at are its objects.
looking = numba.njit(error_model="numpy", cache=True)


@intrinsic
def _pointer(typingctx, address, like):
    """The address of numbers like those of an array."""
    pointer = types.CPointer(like.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(pointer))

    return pointer(types.intp, like), codegen


@numba.njit(cache=True, nogil=True)
def values_at(address, first, last, like):
    """Numbers at an address, from ``first`` to ``last``, in an array."""
    return carray(_pointer(address + first * like.itemsize, like), last - first)


# Where CPython has the items of a tuple, and the type of an object; and where NumPy has an array's
# data, number of axes, lengths, dtype and flags (PyArrayObject_fields in ndarraytypes.h).
_WORD, _HALF = np.empty(0, np.intp), np.empty(0, np.int32)
_ITEMS = tuple.__basicsize__
_TYPE, _DATA, _NDIM, _SHAPE, _DTYPE, _FLAGS = (
    object.__basicsize__ + i * _WORD.itemsize for i in (-1, 0, 1, 2, 5, 6)
)
_C_CONTIGUOUS, _ALIGNED, _WRITEABLE = 0x1, 0x100, 0x400


@numba.njit(cache=True, nogil=True)
def _word(address):
    return values_at(address, 0, 1, _WORD)[0]


@numba.njit(cache=True, nogil=True)
def _half(address):
    return values_at(address, 0, 1, _HALF)[0]


@looking
def kind_of(array):
    """The address of its type."""
    return _word(array + _TYPE)


@looking
def axes_of(array):
    """How many it has."""
    return _half(array + _NDIM)


@looking
def length_of(array, axis):
    """Along one of its axes."""
    return _word(_word(array + _SHAPE) + axis * _WORD.itemsize)


@looking
def same_shape(a, b):
    """Whether two arrays have the same lengths along the same number of axes."""
    axes = axes_of(a)
    same = axes_of(b) == axes
    for i in range(axes if same else 0):
        same &= length_of(a, i) == length_of(b, i)
    return same


@looking
def is_plain(array, kind, dtype):
    """Whether it is of the type and dtype at these addresses, in C order, and aligned."""
    if kind_of(array) != kind or _word(array + _DTYPE) != dtype:
        return False
    needed = _C_CONTIGUOUS | _ALIGNED
    return _half(array + _FLAGS) & needed == needed


@looking
def alike(array, other, axes):
    """Whether it is plain, of the type and dtype of the other, and has so many axes."""
    return is_plain(array, kind_of(other), _word(other + _DTYPE)) and axes_of(array) == axes


@looking
def values_of(array, like):
    """All that is in a plain array, one after the other; ``like`` is an array of its dtype."""
    size = 1
    for i in range(axes_of(array)):
        size *= length_of(array, i)
    return values_at(_word(array + _DATA), 0, size, like)


@looking
def located(slopes, homes, kind, dtype, table):
    """Put the addresses of gradients into the table's second column; whether each fits.

    Args:
        slopes, homes: addresses of two tuples of arrays: the gradients, which must be in C order,
            and of the shape of what they are for; and the latter, which must be writeable.
        kind, dtype: addresses of the type and dtype that gradients must have.
    """
    for k in range(len(table)):
        g = _word(slopes + _ITEMS + k * _WORD.itemsize)
        p = _word(homes + _ITEMS + k * _WORD.itemsize)
        if not is_plain(g, kind, dtype) or not _half(p + _FLAGS) & _WRITEABLE:
            return False
        if not same_shape(g, p):
            return False
        table[k, 1] = _word(g + _DATA)
    return True


@looking
def _looks(array, kind, dtype, axes, data):
    return is_plain(array, kind, dtype) and axes_of(array) == axes and _word(array + _DATA) == data


@lru_cache(maxsize=1)
def understood() -> bool:
    """Whether arrays look in memory as this code takes them to, which nobody promises."""
    for shape in ((), (3,), (2, 3, 5)):
        array, other = np.zeros(shape), np.ones(shape)
        known = id(array), id(np.ndarray), id(array.dtype), array.ndim, address_of(array)
        if not _looks(*known) or not same_shape(id(array), id(other)):
            return False
        if tuple([length_of(id(array), i) for i in range(array.ndim)]) != shape:
            return False
    turned = np.zeros((2, 3)).T
    return not is_plain(id(turned), id(np.ndarray), id(turned.dtype))
