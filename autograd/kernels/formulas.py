"""Formulas: what a function does to every element of its arrays, as a list of ufuncs.

A function that is called with symbols in the place of arrays writes itself down: its operators and
ufuncs become operations of a formula, each done once. What a formula cannot say (a sum, a choice
that depends on values) raises :class:`NotElementwise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

__all__ = ["Formula", "NotElementwise", "Operation", "Symbol"]


class NotElementwise(TypeError):  # noqa: N818 - an answer rather than an error
    """A function does more than the same thing to every element."""


class Symbol(NDArrayOperatorsMixin):
    """What stands for an array while a function of arrays is written down.

    Attributes:
        index: its number in the formula.
        shape, dtype: the array's.
    """

    __slots__ = ("dtype", "formula", "index", "shape")

    def __init__(
        self, formula: Formula, index: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.formula, self.index, self.shape, self.dtype = formula, index, shape, dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Symbol:
        if method != "__call__" or options:
            raise NotElementwise(f"{ufunc.__name__}.{method} is no function of elements")
        return self.formula.apply(ufunc, inputs)

    def __pow__(self, other: Any) -> Symbol:
        # As `**` of arrays, which knows short ways.
        if isinstance(other, int | float) and self.dtype.kind == "f":
            short = {2: np.square, 1: np.positive, 0.5: np.sqrt, -1: np.reciprocal}.get(other)
            if short is not None:
                return self.formula.apply(short, (self,))
            if other == 3:  # NumPy's general power takes twenty times as long
                return self * self * self
        return self.formula.apply(np.power, (self, other))

    def __array_function__(self, function: Any, _: Any, inputs: Any, options: Any) -> Symbol:
        if function is not np.where or len(inputs) != 3 or options:
            raise NotElementwise(f"{function.__name__} is no function of elements")
        return self.formula.apply(WHERE, inputs)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotElementwise("a value decides, or more than one element counts")

    __array__ = __bool__ = __len__ = __iter__ = __getitem__ = _refuse
    __float__ = __int__ = __index__ = _refuse


class _Where:
    """``np.where`` with the face of a ufunc."""

    __name__ = "where"
    nout, signature = 1, None

    def resolve_dtypes(self, kinds: tuple[Any, ...]) -> tuple[np.dtype[Any], ...]:
        """The types it computes with, and that of the result."""
        if kinds[0] != np.dtype(bool):
            raise NotElementwise("a condition is no truth value")
        choices = [kind if isinstance(kind, np.dtype) else kind(1) for kind in kinds[1:3]]
        dtype = np.result_type(*choices)
        return (np.dtype(bool), dtype, dtype, dtype)

    def __call__(self, condition: Any, a: Any, b: Any, out: Any = None) -> Any:
        if out is None:
            return np.where(condition, a, b)
        if out is a:
            np.copyto(out, b, where=np.logical_not(condition))
        else:
            np.copyto(out, b)
            np.copyto(out, a, where=condition)
        return out


WHERE = _Where()


class Operation(NamedTuple):
    """One ufunc of a formula.

    Attributes:
        ufunc: what to compute, or ``WHERE``.
        operands: symbols and Python numbers.
        kinds: the dtypes that the ufunc computes with, one for each operand.
        result: the symbol of what it returns.
    """

    ufunc: Any
    operands: tuple[Any, ...]
    kinds: tuple[np.dtype[Any], ...]
    result: Symbol


class Formula:
    """What is computed from inputs, operation by operation.

    Attributes:
        inputs: their symbols, by a key of the user's.
        operations: in order.

    >>> formula = Formula()
    >>> x = formula.input("x", (3,), np.dtype(float))
    >>> y = np.exp(-x) * x
    >>> [operation.ufunc.__name__ for operation in formula.operations]
    ['negative', 'exp', 'multiply']
    """

    def __init__(self) -> None:
        self.inputs: dict[Any, Symbol] = {}
        self.operations: list[Operation] = []
        self._known: dict[Any, Symbol] = {}

    def input(self, key: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Symbol:
        """The input with this key; a new one if there is none yet."""
        if key not in self.inputs:
            self.inputs[key] = self._symbol(shape, dtype)
        return self.inputs[key]

    def _symbol(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Symbol:
        return Symbol(self, len(self.inputs) + len(self.operations), shape, dtype)

    def apply(self, ufunc: Any, operands: Sequence[Any]) -> Symbol:
        """The result of a ufunc; the same one for the same operands."""
        if ufunc.nout != 1 or ufunc.signature is not None:
            raise NotElementwise(f"{ufunc.__name__} has more than one result")
        kinds: list[Any] = []
        for operand in operands:
            if isinstance(operand, Symbol):
                kinds.append(operand.dtype)
            elif type(operand) in (bool, int, float):
                kinds.append(np.dtype(bool) if type(operand) is bool else type(operand))
            else:
                raise NotElementwise(f"{operand!r} is neither an input nor a number")
        # 1, 1.0 and True are equal, and not the same operand.
        key = (ufunc, *((id(o) if isinstance(o, Symbol) else (type(o), repr(o))) for o in operands))
        if key not in self._known:
            *inputs, dtype = ufunc.resolve_dtypes((*kinds, None))
            shape = np.broadcast_shapes(*[o.shape for o in operands if isinstance(o, Symbol)])
            result = self._known[key] = self._symbol(shape, dtype)
            self.operations.append(Operation(ufunc, tuple(operands), tuple(inputs), result))
        return self._known[key]

    def needed(self, outputs: Sequence[Symbol]) -> list[Operation]:
        """The operations that some of its values depend on."""
        wanted = {symbol.index for symbol in outputs}
        for operation in reversed(self.operations):
            if operation.result.index in wanted:
                wanted.update(o.index for o in operation.operands if isinstance(o, Symbol))
        return [operation for operation in self.operations if operation.result.index in wanted]
