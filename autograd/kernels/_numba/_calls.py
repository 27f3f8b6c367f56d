"""Calls of compiled code by address: nothing is compiled again for the sake of who calls it.

Numba optimises what a function calls together with it, and a parallel function three times over. A
kernel of some size is therefore compiled by itself, and a small parallel function calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba import types
from numba.extending import intrinsic

from autograd.kernels._numba import _FAST

__all__ = ["Compiled", "call"]


class Compiled:
    """A function compiled for arguments of given types, for :func:`call`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = numba.njit(
            fastmath=_FAST, error_model="numpy", cache=True, nogil=True,
            no_cpython_wrapper=True, no_cfunc_wrapper=True,
        )(function)  # fmt: skip
        self._addresses: dict[str, int] = {}

    def address(self, dtype: Any, arguments: Callable[[Any], tuple[Any, ...]]) -> int:
        """Where it is, compiled for ``arguments`` of a dtype as Numba calls it."""
        found = self._addresses.get(dtype.char)
        if found is None:
            kinds = arguments(numba.from_dtype(dtype))
            self._function.compile(kinds)
            compiled = self._function.overloads[kinds]
            found = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
            self._addresses[dtype.char] = found
        return found


@intrinsic
def call(typingctx, address, arguments):
    """Call what is compiled for exactly these arguments and returns nothing."""
    kinds = tuple(arguments)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where, values = args
        kind = context.call_conv.get_function_type(types.none, kinds)
        function = builder.inttoptr(where, kind.as_pointer())
        unpacked = [builder.extract_value(values, i) for i in range(len(kinds))]
        context.call_conv.call_function(builder, function, types.none, kinds, unpacked)
        return context.get_dummy_value()

    return types.void(types.intp, arguments), codegen
