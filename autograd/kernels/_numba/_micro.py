"""The innermost loops of convolution, in vector instructions: LLVM would not find them in loops.

Numba keeps compiled kernels by the file they are written in: after a change here, delete its cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

__all__ = [
    "FMA",
    "SHORT_BYTES",
    "VECTOR_BYTES",
    "added",
    "by_itself",
    "copied",
    "every_other",
    "spread",
    "dots1x12",
    "dots3x4",
    "elements",
    "not_zero",
    "scatter1",
    "scatter4",
    "scatter5",
    "short_dots1x12",
    "short_dots3x4",
    "short_strip8",
    "strip8",
    "tile4",
    "tile6",
    "vector_at",
]


def _vector_bytes() -> int:
    """The width of vectors on the processor that Numba compiles for."""
    features = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
    return 64 if {"+avx512f", "+avx512vl", "+avx512dq"} <= set(features) else 32


VECTOR_BYTES = _vector_bytes()
# Where there is little in a row, wider vectors would be mostly empty.
SHORT_BYTES = 32
FMA = ("contract",)


def elements(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """The address of an array's first element."""
    return context.make_array(kind)(context, builder, value).data


def vector_at(builder: Any, pointer: Any, vector: Any) -> Any:
    """The same address as that of a vector."""
    return builder.bitcast(pointer, vector.as_pointer())


def _splat(builder: Any, value: Any, vector: Any) -> Any:
    single = builder.insert_element(
        ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
    )
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), mask)


@intrinsic
def by_itself(typingctx):
    """Keep the function it is in from being merged into those that call it.

    Its loops then have all registers; in a large function most of what they need is in memory.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen


def _again(builder: Any, condition: Any, head: Any, after: Any) -> None:
    """Go back to the head of a loop that is not to be unrolled: its sums fill the registers."""
    module = builder.module
    disable = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    mark = module.add_metadata([ir.MetaDataString(module, head.name), disable])
    mark.operands = (mark, disable)  # a loop's mark begins with itself
    builder.cbranch(condition, head, after).set_metadata("llvm.loop", mark)


def _joined(builder: Any, pointers: Sequence[Any], number: Any, lanes: int) -> Any:
    """A vector, loaded from where its parts are: one, or two halves."""
    part = ir.VectorType(number, lanes // len(pointers))
    size = 4 if isinstance(number, ir.FloatType) else 8
    found = [builder.load(vector_at(builder, p, part), align=size) for p in pointers]
    if len(found) == 1:
        return found[0]
    order = ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(lanes)))
    return builder.shuffle_vector(*found, order)


def _tile(count: int) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (a, a0, a_row, a_step, rows, b, b0, reads, offsets, depth,
         c, c0, writes, widths, c_row, start, s0, accumulate) = args  # fmt: skip
        kinds = signature.args
        a, b = elements(context, builder, kinds[0], a), elements(context, builder, kinds[5], b)
        table = elements(context, builder, kinds[8], offsets)
        c = elements(context, builder, kinds[10], c)
        start = elements(context, builder, kinds[15], start)
        reads, writes, widths = (cgutils.unpack_tuple(builder, v) for v in (reads, writes, widths))
        number = context.get_data_type(kinds[0].dtype)
        size = 4 if kinds[0].dtype == types.float32 else 8
        lanes = VECTOR_BYTES // size
        vector = ir.VectorType(number, lanes)
        # Each of the two vectors is made of one part, or of two.
        parts = len(reads) // 2
        part = ir.VectorType(number, lanes // parts)
        intp = ir.IntType(64)
        integer = lambda n: ir.Constant(intp, n)  # noqa: E731

        def joined(pointers: Sequence[Any]) -> list[Any]:
            halves = pointers[:parts], pointers[parts:]
            return [_joined(builder, half, number, lanes) for half in halves]

        def parted(value: Any) -> list[Any]:
            if parts == 1:
                return [value]
            half = lanes // 2
            kind = ir.VectorType(ir.IntType(32), half)
            return [
                builder.shuffle_vector(value, value, ir.Constant(kind, list(range(i, i + half))))
                for i in (0, half)
            ]

        # Rows past the last are the last again: computed for nothing, and stored where it is.
        last = builder.sub(rows, integer(1))
        row = [
            builder.select(builder.icmp_signed("<", integer(i), last), integer(i), last)
            for i in range(count)
        ]
        a_rows = [builder.gep(a, [builder.add(a0, builder.mul(r, a_row))]) for r in row]
        places = [builder.add(c0, at) for at in writes]
        c_rows = [
            [builder.gep(c, [builder.add(at, builder.mul(r, c_row))]) for at in places] for r in row
        ]
        b_at = [builder.gep(b, [builder.add(b0, at)]) for at in reads]

        with builder.if_else(accumulate) as (then, otherwise):
            with then:
                there = [value for pointers in c_rows for value in joined(pointers)]
                from_there = builder.block
            with otherwise:
                anew = []
                for i in range(count):
                    first = builder.load(builder.gep(start, [builder.add(s0, row[i])]))
                    anew += [_splat(builder, first, vector)] * 2
                from_anew = builder.block
        begin = []
        for old, new in zip(there, anew, strict=True):
            first = builder.phi(vector)
            first.add_incoming(old, from_there)
            first.add_incoming(new, from_anew)
            begin.append(first)

        before = builder.block
        head = builder.append_basic_block("tile")
        after = builder.append_basic_block("tiled")
        builder.cbranch(builder.icmp_signed(">", depth, integer(0)), head, after)
        builder.position_at_end(head)
        k = builder.phi(intp)
        k.add_incoming(integer(0), before)
        sums = [builder.phi(vector) for _ in begin]
        at_a = builder.mul(k, a_step)
        at_b = builder.load(builder.gep(table, [k]))
        bs = joined([builder.gep(p, [at_b]) for p in b_at])
        ends = []
        for i in range(count):
            factor = _splat(builder, builder.load(builder.gep(a_rows[i], [at_a])), vector)
            for v in range(2):
                term = builder.fmul(factor, bs[v], flags=FMA)
                ends.append(builder.fadd(sums[2 * i + v], term, flags=FMA))
        following = builder.add(k, integer(1))
        k.add_incoming(following, head)
        for total, first, end in zip(sums, begin, ends, strict=True):
            total.add_incoming(first, before)
            total.add_incoming(end, head)
        _again(builder, builder.icmp_signed("<", following, depth), head, after)
        builder.position_at_end(after)
        results = []
        for first, end in zip(begin, ends, strict=True):
            result = builder.phi(vector)
            result.add_incoming(first, before)
            result.add_incoming(end, head)
            results.append(result)

        scratch = cgutils.alloca_once(builder, part, size=count)
        rows_of = [
            [value for v in range(2) for value in parted(results[2 * i + v])] for i in range(count)
        ]
        for v, (at, width) in enumerate(zip(places, widths, strict=True)):
            whole = builder.icmp_signed(">=", width, integer(part.count))
            with builder.if_else(whole) as (full, rest):
                with full:
                    for i in range(count):
                        to = vector_at(builder, c_rows[i][v], part)
                        builder.store(rows_of[i][v], to, align=size)
                with rest:
                    for i in range(count):
                        builder.store(rows_of[i][v], builder.gep(scratch, [integer(i)]))
                    kept = builder.bitcast(scratch, number.as_pointer())
                    with cgutils.for_range(builder, rows) as line:
                        here = builder.add(at, builder.mul(line.index, c_row))
                        source = builder.mul(line.index, integer(part.count))
                        with cgutils.for_range(builder, width) as loop:
                            value = builder.gep(kept, [builder.add(source, loop.index)])
                            to = builder.gep(c, [builder.add(here, loop.index)])
                            builder.store(builder.load(value), to)
        return context.get_dummy_value()

    @intrinsic
    def tile(typingctx, a, a0, a_row, a_step, rows, b, b0, reads, offsets, depth,
             c, c0, writes, widths, c_row, start, s0, accumulate):  # fmt: skip
        n, places = types.intp, types.UniTuple(types.intp, len(reads))
        signature = types.void(
            a, n, n, n, n, b, n, places, offsets, n, c, n, places, places, n, start, n,
            types.boolean,
        )  # fmt: skip
        return signature, codegen

    return tile


# A block of a matrix product: some rows by two vectors, or by four halves of vectors, each read
# from, written to, and as wide as told. ``offsets`` are those of the rows of ``b``; sums begin with
# ``start``, or with what is in ``c``.
tile4, tile6 = _tile(4), _tile(6)


def _dots(count_rows: int, count_columns: int, parts: int) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (a, a0, a_row, rows, b, b_offsets, offset, columns, a_table, b_table, count,
         c, c0, c_row) = args  # fmt: skip
        kinds = signature.args
        a, b = elements(context, builder, kinds[0], a), elements(context, builder, kinds[4], b)
        b_offsets = elements(context, builder, kinds[5], b_offsets)
        a_table = elements(context, builder, kinds[8], a_table)
        b_table = elements(context, builder, kinds[9], b_table)
        c = elements(context, builder, kinds[11], c)
        number = context.get_data_type(kinds[0].dtype)
        size = 4 if kinds[0].dtype == types.float32 else 8
        lanes = VECTOR_BYTES // size
        vector = ir.VectorType(number, lanes)
        intp, short = ir.IntType(64), ir.IntType(32)

        def integer(n: int) -> Any:
            return ir.Constant(intp, n)

        def clamped(i: int, limit: Any) -> Any:
            last = builder.sub(limit, integer(1))
            return builder.select(builder.icmp_signed("<", integer(i), last), integer(i), last)

        # Rows and columns past the last are the last again, and not kept.
        a_rows = [
            builder.gep(a, [builder.add(a0, builder.mul(clamped(i, rows), a_row))])
            for i in range(count_rows)
        ]
        b_columns = []
        for j in range(count_columns):
            which = builder.add(offset, clamped(j, columns))
            b_columns.append(builder.gep(b, [builder.load(builder.gep(b_offsets, [which]))]))

        count = builder.sdiv(count, integer(parts))
        zero = ir.Constant(vector, [0.0] * lanes)
        before = builder.block
        head = builder.append_basic_block("dots")
        after = builder.append_basic_block("dotted")
        builder.cbranch(builder.icmp_signed(">", count, integer(0)), head, after)
        builder.position_at_end(head)
        k = builder.phi(intp)
        k.add_incoming(integer(0), before)
        sums = [builder.phi(vector) for _ in range(count_rows * count_columns)]
        first = builder.mul(k, integer(parts))
        at_a = builder.load(builder.gep(a_table, [first]))
        at_b = [
            builder.load(builder.gep(b_table, [builder.add(first, integer(i))]))
            for i in range(parts)
        ]

        def loaded(pointer: Any, *places: Any) -> Any:
            return _joined(builder, [builder.gep(pointer, [at]) for at in places], number, lanes)

        # The sums, the rows and one column at a time fit into the registers.
        left = [loaded(p, at_a) for p in a_rows]
        ends: list[Any] = [None] * len(sums)
        for j, column in enumerate(b_columns):
            right = loaded(column, *at_b)
            for i in range(count_rows):
                at = i * count_columns + j
                term = builder.fmul(left[i], right, flags=FMA)
                ends[at] = builder.fadd(sums[at], term, flags=FMA)
        following = builder.add(k, integer(1))
        k.add_incoming(following, head)
        for total, end in zip(sums, ends, strict=True):
            total.add_incoming(zero, before)
            total.add_incoming(end, head)
        _again(builder, builder.icmp_signed("<", following, count), head, after)
        builder.position_at_end(after)
        results = []
        for end in ends:
            result = builder.phi(vector)
            result.add_incoming(zero, before)
            result.add_incoming(end, head)
            results.append(result)

        def neighbours(x: Any, y: Any) -> Any:
            """Sums of neighbouring lanes of two vectors."""
            n = x.type.count
            kind = ir.VectorType(short, n)
            even = builder.shuffle_vector(x, y, ir.Constant(kind, list(range(0, 2 * n, 2))))
            odd = builder.shuffle_vector(x, y, ir.Constant(kind, list(range(1, 2 * n, 2))))
            return builder.fadd(even, odd)

        def halves(x: Any) -> Any:
            """Sums of neighbouring lanes of one vector."""
            n = x.type.count
            kind = ir.VectorType(short, n // 2)
            even = builder.shuffle_vector(x, x, ir.Constant(kind, list(range(0, n, 2))))
            odd = builder.shuffle_vector(x, x, ir.Constant(kind, list(range(1, n, 2))))
            return builder.fadd(even, odd)

        four = ir.VectorType(number, 4)
        scratch = cgutils.alloca_once(builder, number, size=4)
        for i, first in itertools.product(range(count_rows), range(0, count_columns, 4)):
            here = builder.and_(
                builder.icmp_signed("<", integer(i), rows),
                builder.icmp_signed("<", integer(first), columns),
            )
            with builder.if_then(here):
                x, y, z, w = results[i * count_columns + first :][:4]
                total = neighbours(neighbours(x, y), neighbours(z, w))
                while total.type.count > 4:
                    total = halves(total)
                left_over = builder.sub(columns, integer(first))
                place = builder.add(builder.mul(integer(i), c_row), integer(first))
                to = builder.gep(c, [builder.add(c0, place)])
                whole = builder.icmp_signed(">=", left_over, integer(4))
                with builder.if_else(whole) as (full, part):
                    with full:
                        at = vector_at(builder, to, four)
                        added = builder.fadd(builder.load(at, align=size), total)
                        builder.store(added, at, align=size)
                    with part:
                        builder.store(total, vector_at(builder, scratch, four), align=size)
                        with cgutils.for_range(builder, left_over) as column:
                            there = builder.gep(to, [column.index])
                            more = builder.load(builder.gep(scratch, [column.index]))
                            builder.store(builder.fadd(builder.load(there), more), there)
        return context.get_dummy_value()

    @intrinsic
    def dots(typingctx, a, a0, a_row, rows, b, b_offsets, offset, columns, a_table, b_table, count,
             c, c0, c_row):  # fmt: skip
        n = types.intp
        signature = types.void(a, n, n, n, b, b_offsets, n, n, a_table, b_table, n, c, n, n)
        return signature, codegen

    return dots


# Add a block of dot products: of 3 rows with 4 others, of one row with 12 others.
dots3x4, dots1x12 = _dots(3, 4, 1), _dots(1, 12, 1)
# The same from shorter vectors, an even number: two that follow each other in ``a`` are one.
_PARTS = VECTOR_BYTES // SHORT_BYTES
short_dots3x4, short_dots1x12 = _dots(3, 4, _PARTS), _dots(1, 12, _PARTS)


def _strip(count: int, vector_bytes: int) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, a0, b, vectors, v0, many, offsets, depth, c, c0, start, s0 = args
        kinds = signature.args
        a, b = elements(context, builder, kinds[0], a), elements(context, builder, kinds[2], b)
        vectors = elements(context, builder, kinds[3], vectors)
        table = elements(context, builder, kinds[6], offsets)
        c = elements(context, builder, kinds[8], c)
        start = elements(context, builder, kinds[10], start)
        number = context.get_data_type(kinds[0].dtype)
        size = 4 if kinds[0].dtype == types.float32 else 8
        lanes = vector_bytes // size
        vector = ir.VectorType(number, lanes)
        intp = ir.IntType(64)

        def integer(n: int) -> Any:
            return ir.Constant(intp, n)

        last = builder.sub(many, integer(1))
        reads, writes, widths = [], [], []
        for i in range(count):
            v = builder.add(v0, integer(i))
            v = builder.select(builder.icmp_signed("<", v, last), v, last)
            row = builder.gep(vectors, [builder.mul(v, integer(3))])
            reads.append(builder.gep(b, [builder.load(row)]))
            to = builder.load(builder.gep(row, [integer(1)]))
            writes.append(builder.gep(c, [builder.add(c0, to)]))
            widths.append(builder.load(builder.gep(row, [integer(2)])))
        a = builder.gep(a, [a0])
        first = _splat(builder, builder.load(builder.gep(start, [s0])), vector)

        before = builder.block
        head = builder.append_basic_block("strip")
        after = builder.append_basic_block("stripped")
        builder.branch(head)
        builder.position_at_end(head)
        k = builder.phi(intp)
        k.add_incoming(integer(0), before)
        sums = [builder.phi(vector) for _ in reads]
        at = builder.load(builder.gep(table, [k]))
        factor = _splat(builder, builder.load(builder.gep(a, [k])), vector)
        ends = []
        for total, read in zip(sums, reads, strict=True):
            seen = vector_at(builder, builder.gep(read, [at]), vector)
            term = builder.fmul(factor, builder.load(seen, align=size), flags=FMA)
            ends.append(builder.fadd(total, term, flags=FMA))
        following = builder.add(k, integer(1))
        k.add_incoming(following, head)
        for total, end in zip(sums, ends, strict=True):
            total.add_incoming(first, before)
            total.add_incoming(end, head)
        _again(builder, builder.icmp_signed("<", following, depth), head, after)
        builder.position_at_end(after)

        scratch = cgutils.alloca_once(builder, vector)
        kept = builder.bitcast(scratch, number.as_pointer())
        for end, write, width in zip(ends, writes, widths, strict=True):
            whole = builder.icmp_signed(">=", width, integer(lanes))
            with builder.if_else(whole) as (full, part):
                with full:
                    builder.store(end, vector_at(builder, write, vector), align=size)
                with part:
                    builder.store(end, scratch)
                    with cgutils.for_range(builder, width) as loop:
                        value = builder.load(builder.gep(kept, [loop.index]))
                        builder.store(value, builder.gep(write, [loop.index]))
        return context.get_dummy_value()

    @intrinsic
    def strip(typingctx, a, a0, b, vectors, v0, many, offsets, depth, c, c0, start, s0):
        n = types.intp
        signature = types.void(a, n, b, vectors, n, n, offsets, n, c, n, start, n)
        return signature, codegen

    return strip


# One filter by 8 vectors of windows, those from ``v0`` on; of ``depth`` taps, at least 1.
strip8, short_strip8 = _strip(8, VECTOR_BYTES), _strip(8, SHORT_BYTES)


# ------------------------------------------------------------------------------------- copies


def _copied(apart: int, adds: bool = False) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, s0, to, d0, count = args
        kinds = signature.args
        source = builder.gep(elements(context, builder, kinds[0], source), [s0])
        to = builder.gep(elements(context, builder, kinds[2], to), [d0])
        number = context.get_data_type(kinds[0].dtype)
        size = 4 if kinds[0].dtype == types.float32 else 8
        lanes = VECTOR_BYTES // size
        vector, intp, short = ir.VectorType(number, lanes), ir.IntType(64), ir.IntType(32)
        chosen = ir.Constant(ir.VectorType(short, lanes), list(range(0, 2 * lanes, 2)))
        places = ir.Constant(ir.VectorType(short, lanes), list(range(lanes)))
        rounded = builder.add(count, ir.Constant(intp, lanes - 1))
        with cgutils.for_range(builder, builder.sdiv(rounded, ir.Constant(intp, lanes))) as loop:
            at = builder.mul(loop.index, ir.Constant(intp, lanes))
            read = builder.gep(source, [builder.mul(at, ir.Constant(intp, apart))])
            value = builder.load(vector_at(builder, read, vector), align=size)
            if apart == 2:
                read = builder.gep(read, [ir.Constant(intp, lanes)])
                more = builder.load(vector_at(builder, read, vector), align=size)
                value = builder.shuffle_vector(value, more, chosen)
            here = vector_at(builder, builder.gep(to, [at]), vector)
            if adds:
                left = builder.trunc(builder.sub(count, at), short)
                inside = builder.icmp_signed("<", places, _splat(builder, left, places.type))
                value = builder.select(inside, value, ir.Constant(vector, [0.0] * lanes))
                value = builder.fadd(builder.load(here, align=size), value)
            builder.store(value, here, align=size)
        return context.get_dummy_value()

    @intrinsic
    def copied(typingctx, source, s0, to, d0, count):
        n = types.intp
        return types.void(source, n, to, n, n), codegen

    return copied


# Copy numbers, all or every other one: as many as told, and on to the end of a vector.
copied, every_other = _copied(1), _copied(2)
# Add numbers to others: as many as told, and zeros on to the end of a vector.
added = _copied(1, adds=True)


@intrinsic
def spread(typingctx, source, s0, to, d0, step, count):
    """Copy numbers to places that are ``step`` apart."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, s0, to, d0, step, count = args
        source = builder.gep(elements(context, builder, signature.args[0], source), [s0])
        to = builder.gep(elements(context, builder, signature.args[2], to), [d0])
        with cgutils.for_range(builder, count) as loop:
            value = builder.load(builder.gep(source, [loop.index]))
            builder.store(value, builder.gep(to, [builder.mul(loop.index, step)]))
        return context.get_dummy_value()

    n = types.intp
    return types.void(source, n, to, n, n, n), codegen


def _scatter(many: int) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, a_table, count, b, b0, c, offsets, offset = args
        kinds = signature.args
        a, c = elements(context, builder, kinds[0], a), elements(context, builder, kinds[5], c)
        a_table = elements(context, builder, kinds[1], a_table)
        b = builder.gep(elements(context, builder, kinds[3], b), [b0])
        offsets = elements(context, builder, kinds[6], offsets)
        number = context.get_data_type(kinds[0].dtype)
        size = 4 if kinds[0].dtype == types.float32 else 8
        lanes = SHORT_BYTES // size
        vector, intp = ir.VectorType(number, lanes), ir.IntType(64)
        terms, targets = [], []
        for i in range(many):
            term = vector_at(builder, builder.gep(b, [ir.Constant(intp, i * lanes)]), vector)
            terms.append(builder.load(term, align=size))
            which = builder.add(offset, ir.Constant(intp, i))
            targets.append(builder.gep(c, [builder.load(builder.gep(offsets, [which]))]))
        with cgutils.for_range(builder, count) as loop:
            factor = _splat(builder, builder.load(builder.gep(a, [loop.index])), vector)
            at = builder.load(builder.gep(a_table, [loop.index]))
            for term, target in zip(terms, targets, strict=True):
                here = vector_at(builder, builder.gep(target, [at]), vector)
                more = builder.fmul(factor, term, flags=FMA)
                added = builder.fadd(builder.load(here, align=size), more, flags=FMA)
                builder.store(added, here, align=size)
        return context.get_dummy_value()

    @intrinsic
    def scatter(typingctx, a, a_table, count, b, b0, c, offsets, offset):
        n = types.intp
        return types.void(a, a_table, n, b, n, c, offsets, n), codegen

    return scatter


# For each of ``count`` numbers, add its products with some vectors to those that are at an offset
# each from its place.
scatter1, scatter4, scatter5 = _scatter(1), _scatter(4), _scatter(5)


@intrinsic
def not_zero(typingctx, array, a0, count, bits, found):
    """List the indices of what is not 0 among ``count`` numbers, a multiple of 8; how many.

    ``bits`` tells for each byte which of its bits are set, in 8 numbers. Up to 8 places more than
    that are written to.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array, a0, count, bits, found = args
        kinds = signature.args
        array = builder.gep(elements(context, builder, kinds[0], array), [a0])
        bits = elements(context, builder, kinds[3], bits)
        found = elements(context, builder, kinds[4], found)
        number, intp, short = context.get_data_type(kinds[0].dtype), ir.IntType(64), ir.IntType(32)
        vector, indices = ir.VectorType(number, 8), ir.VectorType(short, 8)
        length = cgutils.alloca_once_value(builder, ir.Constant(intp, 0))
        zero = ir.Constant(vector, [0.0] * 8)
        with cgutils.for_range(builder, builder.udiv(count, ir.Constant(intp, 8))) as loop:
            at = builder.mul(loop.index, ir.Constant(intp, 8))
            here = vector_at(builder, builder.gep(array, [at]), vector)
            set_ = builder.fcmp_unordered("!=", builder.load(here, align=1), zero)
            byte = builder.bitcast(set_, ir.IntType(8))
            row = builder.mul(builder.zext(byte, intp), ir.Constant(intp, 8))
            which = builder.load(vector_at(builder, builder.gep(bits, [row]), indices), align=4)
            first = _splat(builder, builder.trunc(at, short), indices)
            end = builder.load(length)
            to = vector_at(builder, builder.gep(found, [end]), indices)
            builder.store(builder.add(which, first), to, align=4)
            more = builder.zext(builder.ctpop(byte), intp)
            builder.store(builder.add(end, more), length)
        return builder.load(length)

    n = types.intp
    return types.intp(array, n, n, bits, found), codegen
