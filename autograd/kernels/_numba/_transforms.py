"""Formulas on rows of numbers, and rows as columns, in vector instructions: what Winograd needs.

As with `_micro`: after a change here, delete Numba's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from autograd.kernels._numba._micro import FMA, VECTOR_BYTES, elements, vector_at

__all__ = ["Lane", "mapped", "turn16", "turn8"]


class Lane:
    """A vector of numbers in the making, so that formulas can be written as formulas."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def _constant(self, number: float) -> Any:
        kind = self.value.type
        return ir.Constant(kind, [number] * kind.count)

    def __add__(self, other: Lane) -> Lane:
        return Lane(self.builder, self.builder.fadd(self.value, other.value, flags=FMA))

    def __sub__(self, other: Lane) -> Lane:
        return Lane(self.builder, self.builder.fsub(self.value, other.value, flags=FMA))

    def __rmul__(self, number: float) -> Lane:
        factor = self._constant(number)
        return Lane(self.builder, self.builder.fmul(factor, self.value, flags=FMA))


def mapped(inputs: int, formula: Callable[..., Sequence[Lane]], plus: bool = False) -> Any:
    """A loop that applies a formula to ``inputs`` rows of float32 numbers at once.

    The intrinsic takes an array with the rows, where they begin and how far they are apart, the
    same for the results, and how many numbers a row has: a multiple of the vector's. With ``plus``,
    an array follows that is added to each result.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, s0, s_step, to, d0, d_step, count, *more = args
        kinds = signature.args
        source = elements(context, builder, kinds[0], source)
        to = elements(context, builder, kinds[3], to)
        extra = [elements(context, builder, kinds[7], array) for array in more]
        lanes = VECTOR_BYTES // 4
        vector = ir.VectorType(ir.FloatType(), lanes)
        intp = ir.IntType(64)

        def at(array: Any, first: Any, step: Any, i: int) -> Any:
            return builder.gep(array, [builder.add(first, builder.mul(step, ir.Constant(intp, i)))])

        rows = [at(source, s0, s_step, i) for i in range(inputs)]
        steps = builder.udiv(count, ir.Constant(intp, lanes))
        with cgutils.for_range(builder, steps) as loop:
            here = builder.mul(loop.index, ir.Constant(intp, lanes))

            def load(array: Any) -> Lane:
                pointer = vector_at(builder, builder.gep(array, [here]), vector)
                return Lane(builder, builder.load(pointer, align=4))

            results = formula(*(load(row) for row in rows))
            for array in extra:
                added = load(array)
                results = [result + added for result in results]
            for i, result in enumerate(results):
                row = at(to, d0, d_step, i)
                pointer = vector_at(builder, builder.gep(row, [here]), vector)
                builder.store(result.value, pointer, align=4)
        return context.get_dummy_value()

    n = types.intp
    if plus:

        @intrinsic
        def apply(typingctx, source, s0, s_step, to, d0, d_step, count, extra):
            return types.void(source, n, n, to, n, n, n, extra), codegen
    else:

        @intrinsic
        def apply(typingctx, source, s0, s_step, to, d0, d_step, count):
            return types.void(source, n, n, to, n, n, n), codegen

    return apply


def _turned(builder: Any, rows: list[Any]) -> list[Any]:
    """As many vectors as they have numbers, with rows as columns."""
    lanes = len(rows)

    def shuffled(x: Any, y: Any, order: list[int]) -> Any:
        kind = ir.VectorType(ir.IntType(32), lanes)
        return builder.shuffle_vector(x, y, ir.Constant(kind, order))

    def halves(x: Any, y: Any, size: int) -> tuple[Any, Any]:
        """The even and the odd ones of parts of both, in turns, in each block of four numbers."""
        order = []
        for first in range(0, lanes, 4):
            for at in range(first, first + 2, size):
                order += [*range(at, at + size), *range(lanes + at, lanes + at + size)]
        return shuffled(x, y, order), shuffled(x, y, [i + 2 for i in order])

    def blocks(vectors: list[Any]) -> list[Any]:
        """Exchange blocks of four numbers across the diagonal."""
        if len(vectors) == 1:
            return vectors
        order = [i for first in range(0, 2 * lanes, 8) for i in range(first, first + 4)]
        pairs = list(zip(vectors[::2], vectors[1::2], strict=True))
        even = blocks([shuffled(x, y, order) for x, y in pairs])
        odd = blocks([shuffled(x, y, [i + 4 for i in order]) for x, y in pairs])
        return [v for both in zip(even, odd, strict=True) for v in both]

    columns: list[list[Any]] = [[], [], [], []]
    for x, y, z, w in zip(*(rows[i::4] for i in range(4)), strict=True):
        (a, b), (c, d) = halves(x, y, 1), halves(z, w, 1)
        for column, four in zip(columns, (*halves(a, c, 2), *halves(b, d, 2)), strict=True):
            column.append(four)
    return [v for block in zip(*map(blocks, columns), strict=True) for v in block]


@intrinsic
def turn8(typingctx, source, s0, s_step, to, d0, d_step):
    """Copy 8 rows of 8 float32 numbers, so far apart, with rows as columns."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, s0, s_step, to, d0, d_step = args
        source = elements(context, builder, signature.args[0], source)
        to = elements(context, builder, signature.args[3], to)
        vector, intp = ir.VectorType(ir.FloatType(), 8), ir.IntType(64)

        def at(array: Any, first: Any, step: Any, i: int) -> Any:
            place = builder.add(first, builder.mul(step, ir.Constant(intp, i)))
            return vector_at(builder, builder.gep(array, [place]), vector)

        rows = [builder.load(at(source, s0, s_step, i), align=4) for i in range(8)]
        for i, row in enumerate(_turned(builder, rows)):
            builder.store(row, at(to, d0, d_step, i), align=4)
        return context.get_dummy_value()

    n = types.intp
    return types.void(source, n, n, to, n, n), codegen


@intrinsic
def turn16(typingctx, source, s0, s_step, to, d0, d_step, rows, columns):
    """Copy so many rows of so many float32 numbers, 16 at most, with rows as columns."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, s0, s_step, to, d0, d_step, height, width = args
        source = elements(context, builder, signature.args[0], source)
        to = elements(context, builder, signature.args[3], to)
        vector, intp, short = ir.VectorType(ir.FloatType(), 16), ir.IntType(64), ir.IntType(16)
        mask = ir.VectorType(ir.IntType(1), 16)
        integer = lambda n: ir.Constant(intp, n)  # noqa: E731

        def at(array: Any, first: Any, step: Any, i: int) -> Any:
            place = builder.add(first, builder.mul(step, integer(i)))
            return vector_at(builder, builder.gep(array, [place]), vector)

        def first_ones(count: Any) -> Any:
            bits = builder.sub(builder.shl(integer(1), count), integer(1))
            return builder.trunc(bits, short)

        def some(bits: Any, i: int, count: Any) -> Any:
            """The bits as a mask; none from the ``count``-th vector on."""
            inside = builder.icmp_signed("<", integer(i), count)
            return builder.bitcast(builder.select(inside, bits, ir.Constant(short, 0)), mask)

        pointer = vector.as_pointer()
        kind = ir.FunctionType(vector, [pointer, ir.IntType(32), mask, vector])
        load = cgutils.get_or_insert_function(
            builder.module, kind, "llvm.masked.load.v16f32.p0v16f32"
        )
        kind = ir.FunctionType(ir.VoidType(), [vector, pointer, ir.IntType(32), mask])
        store = cgutils.get_or_insert_function(
            builder.module, kind, "llvm.masked.store.v16f32.p0v16f32"
        )
        align, nothing = ir.Constant(ir.IntType(32), 4), ir.Constant(vector, [0.0] * 16)
        full = integer(16)
        whole = builder.and_(
            builder.icmp_signed("==", height, full), builder.icmp_signed("==", width, full)
        )
        with builder.if_else(whole) as (then, otherwise):
            with then:
                lines = [builder.load(at(source, s0, s_step, i), align=4) for i in range(16)]
                for i, line in enumerate(_turned(builder, lines)):
                    builder.store(line, at(to, d0, d_step, i), align=4)
            with otherwise:
                bits = first_ones(width)
                lines = [
                    builder.call(
                        load, [at(source, s0, s_step, i), align, some(bits, i, height), nothing]
                    )
                    for i in range(16)
                ]
                bits = first_ones(height)
                for i, line in enumerate(_turned(builder, lines)):
                    where = at(to, d0, d_step, i)
                    builder.call(store, [line, where, align, some(bits, i, width)])
        return context.get_dummy_value()

    n = types.intp
    return types.void(source, n, n, to, n, n, n, n), codegen
