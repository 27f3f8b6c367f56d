"""Arrays found by the addresses of their objects, and numbers by theirs, in compiled code.

To ask arrays one by one in Python where they are, and what of, takes longer than what is computed
with few numbers.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import carray, types
from numba.extending import intrinsic

__all__ = ["located", "values_at"]


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


@numba.njit(cache=True)  # not without the interpreter's lock
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
        if _word(g + _TYPE) != kind or _word(g + _DTYPE) != dtype:
            return False
        needed = _C_CONTIGUOUS | _ALIGNED
        if _half(g + _FLAGS) & needed != needed or not _half(p + _FLAGS) & _WRITEABLE:
            return False
        axes = _half(p + _NDIM)
        if _half(g + _NDIM) != axes:
            return False
        lengths, expected = _word(g + _SHAPE), _word(p + _SHAPE)
        for i in range(axes):
            if _word(lengths + i * _WORD.itemsize) != _word(expected + i * _WORD.itemsize):
                return False
        table[k, 1] = _word(g + _DATA)
    return True
