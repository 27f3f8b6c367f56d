"""Rows of tiles of 2 by 2 cells in vector instructions, for max-pooling.

Loops over rows vectorise too, but networks pool rows of 14 or 5 tiles, and what is left over of a
whole number of vectors then takes most of the time. Here it is worked on as if the row went on.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from autograd.kernels._numba._micro import VECTOR_BYTES, elements, vector_at

__all__ = ["largest", "spread_back"]


class _Rows:
    """Vectors of neighbouring tiles' left and right cells, of the upper and the lower row."""

    def __init__(self, context: Any, builder: Any, kind: Any) -> None:
        self.builder = builder
        self.size = 4 if kind.dtype == types.float32 else 8
        self.lanes = VECTOR_BYTES // self.size
        self.vector = ir.VectorType(context.get_data_type(kind.dtype), self.lanes)

    def integer(self, n: int) -> Any:
        return ir.Constant(ir.IntType(64), n)

    def _at(self, array: Any, where: Any) -> Any:
        return vector_at(self.builder, self.builder.gep(array, [where]), self.vector)

    def load(self, array: Any, where: Any) -> Any:
        return self.builder.load(self._at(array, where), align=self.size)

    def store(self, value: Any, array: Any, where: Any) -> None:
        self.builder.store(value, self._at(array, where), align=self.size)

    def _shuffled(self, a: Any, b: Any, order: list[int]) -> Any:
        kind = ir.VectorType(ir.IntType(32), len(order))
        return self.builder.shuffle_vector(a, b, ir.Constant(kind, order))

    def _next(self, where: Any) -> Any:
        return self.builder.add(where, self.integer(self.lanes))

    def load_pairs(self, array: Any, where: Any) -> tuple[Any, Any]:
        first, second = self.load(array, where), self.load(array, self._next(where))
        even = list(range(0, 2 * self.lanes, 2))
        odd = [i + 1 for i in even]
        return self._shuffled(first, second, even), self._shuffled(first, second, odd)

    def store_pairs(self, left: Any, right: Any, array: Any, where: Any) -> None:
        order = [i // 2 + i % 2 * self.lanes for i in range(2 * self.lanes)]
        for half, place in ((order[: self.lanes], where), (order[self.lanes :], self._next(where))):
            self.store(self._shuffled(left, right, half), array, place)


@intrinsic
def largest(typingctx, x, y, row, columns):
    """Write the largest number of each tile of a row, and of as many more as fill up a vector.

    ``x`` has rows of ``2 * columns`` cells, ``y`` one number for each tile.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        *arrays, row, columns = args
        rows = _Rows(context, builder, signature.args[0])
        x, y = (elements(context, builder, k, a) for k, a in zip(signature.args, arrays))
        lanes = rows.integer(rows.lanes)
        first = builder.mul(row, columns)

        def larger(a: Any, b: Any) -> Any:
            kept = builder.or_(
                builder.fcmp_ordered(">=", a, b), builder.fcmp_unordered("uno", a, a)
            )
            return builder.select(kept, a, b)

        vectors = builder.udiv(builder.add(columns, rows.integer(rows.lanes - 1)), lanes)
        with cgutils.for_range(builder, vectors) as loop:
            aside = builder.mul(loop.index, lanes)
            above = builder.add(builder.mul(first, rows.integer(4)), builder.add(aside, aside))
            below = builder.add(above, builder.add(columns, columns))
            upper, lower = (larger(*rows.load_pairs(x, at)) for at in (above, below))
            rows.store(larger(upper, lower), y, builder.add(first, aside))
        return context.get_dummy_value()

    return types.void(x, y, types.intp, types.intp), codegen


@intrinsic
def spread_back(typingctx, g, x, y, gx, row, columns):
    """Adjoint of :func:`largest`: to the first cell of each tile that is equal to the largest.

    Rows are to be gone through from the first one on: each writes over what the one before wrote
    too much.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        *arrays, row, columns = args
        rows = _Rows(context, builder, signature.args[0])
        g, x, y, gx = (elements(context, builder, k, a) for k, a in zip(signature.args, arrays))
        lanes = rows.integer(rows.lanes)
        first = builder.mul(row, columns)
        nothing = ir.Constant(rows.vector, [0.0] * rows.lanes)

        def divided(cell: Any, top: Any, rest: Any) -> tuple[Any, Any]:
            """What a cell gets of the gradient, and what is left for those after it."""
            equal = builder.fcmp_ordered("==", cell, top)
            return builder.select(equal, rest, nothing), builder.select(equal, nothing, rest)

        vectors = builder.udiv(builder.add(columns, rows.integer(rows.lanes - 1)), lanes)
        with cgutils.for_range(builder, vectors) as loop:
            # From right to left, so that the lower row is written after the end of the upper.
            v = builder.sub(builder.sub(vectors, loop.index), rows.integer(1))
            aside = builder.mul(v, lanes)
            tile = builder.add(first, aside)
            above = builder.add(builder.mul(first, rows.integer(4)), builder.add(aside, aside))
            below = builder.add(above, builder.add(columns, columns))
            rest, top = rows.load(g, tile), rows.load(y, tile)
            for at in (above, below):
                one, other = rows.load_pairs(x, at)
                left, rest = divided(one, top, rest)
                right, rest = divided(other, top, rest)
                rows.store_pairs(left, right, gx, at)
        return context.get_dummy_value()

    return types.void(g, x, y, gx, types.intp, types.intp), codegen
