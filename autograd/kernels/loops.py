"""Loops: a formula computed for all elements of its arrays, without whole arrays in between.

Large arrays are worked on in blocks that fit the cache, in threads: what one ufunc hands to the
next never leaves the cache. Compiled, a loop is one pass over memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from autograd.kernels._layout import alike, flat, innermost, is_innermost
from autograd.kernels._settings import SETTINGS
from autograd.kernels._threads import in_threads, thread_count
from autograd.kernels._twins import settle
from autograd.kernels._windows import Array
from autograd.kernels.formulas import Formula, Symbol

__all__ = ["Loop"]

# Elements of a block.
_BLOCK = 1 << 15
# From this many elements on, a second thread is worth the trouble of waking it.
_SHARED = 1 << 20
# From the call with this number on, a compiled loop is worth the time it takes to compile.
_COMPILED = 5


class Loop:
    """What computes some values of a formula, again and again for arrays of the same shapes.

    Args:
        formula: its inputs are the arguments of a call, in order.
        outputs: the values to return.
        shape: that of the outputs; inputs are broadcast to it.
        sums: for each output None, or the shape that it is to be summed to, over the axes along
            which such an array would be broadcast. Compiled, sums are double and made in passing.

    Attributes:
        call: takes the arrays and returns the outputs in a list.
        buffers: the arrays in it, which the next call writes to again; an output that is an input
            is returned as it is.

    >>> from autograd.kernels.formulas import Formula
    >>> formula = Formula()
    >>> x = formula.input("x", (2, 2), np.dtype(float))
    >>> b = formula.input("b", (2,), np.dtype(float))
    >>> loop = Loop(formula, [np.maximum(x * 2 + b, 0)], (2, 2))
    >>> loop.call(np.array([[1.0, 2.0], [-1.0, -3.0]]), np.array([0.0, 5.0]))
    [array([[2., 9.],
           [0., 0.]])]
    """

    def __init__(
        self,
        formula: Formula,
        outputs: Sequence[Symbol],
        shape: tuple[int, ...],
        sums: Sequence[tuple[int, ...] | None] = (),
    ) -> None:
        inputs = list(formula.inputs.values())
        given = {x.index for x in inputs}
        made = {o.index: o for o in outputs if o.index not in given}
        self.made = list(made.values())
        self.buffers = [np.empty(o.shape, o.dtype) for o in self.made]
        self._formula, self._shape = formula, shape
        lines, kinds, repeated, names = _lines(formula, self.made, shape)
        places = [f"{'x' if o.index in given else 'o'}{o.index}" for o in outputs]
        body = "\n    ".join(lines or ["pass"])
        arrays = [f"x{x.index}" for x in inputs]
        written = [f"o{o.index}" for o in self.made]
        scratch = [f"t{i}" for i in range(len(kinds))] + [f"r{i}" for i in range(len(repeated))]
        sums = sums or (None,) * len(outputs)
        self._results = list(zip(outputs, sums, strict=True))
        for k, into in enumerate(sums):
            if into is not None:
                names["summed"], names[f"into{k}"] = _summed, into
                places[k] = f"summed({places[k]}, into{k})"
        result = f"[{', '.join(places)}]"
        if prod(shape) <= _BLOCK:
            names.update(zip(written, self.buffers, strict=True))
            room = [np.empty(shape, kind) for kind in kinds]
            room += [np.full(shape, number) for number in repeated]
            names.update(zip(scratch, room, strict=True))
            source = f"def call({', '.join(arrays)}):\n    {body}\n    return {result}"
        else:
            names["blocks"], names["compiled"] = self._in_blocks, self._in_one
            source = (
                f"def work({', '.join([*arrays, *written, *scratch])}):\n    {body}\n\n"
                f"def call({', '.join(arrays)}):\n"
                f"    found = compiled(({', '.join(arrays)},))\n"
                f"    if found is not None: return found\n"
                f"    {''.join(f'{o}, ' for o in written)}= blocks(({', '.join(arrays)},))\n"
                f"    return {result}"
            )
        exec(source, names)
        self.call: Callable[..., list[Any]] = names["call"]
        self._work: Callable[..., None] | None = names.get("work")
        self._kinds, self._repeated = kinds, repeated
        self._compiled: Callable[..., list[Any]] | None = None
        self._stored: list[int] = []  # the buffers that it fills
        self._calls = 0

    def _in_one(self, arrays: tuple[Any, ...]) -> list[Any] | None:
        """The outputs, from the compiled loop; None if there is none, or not yet."""
        self._calls += 1
        results = self._results
        if self._calls == _COMPILED and SETTINGS.may_compile and settle():
            from autograd.kernels._numba.loops import compiled_loop

            whole = {o.index for o, into in results if into is None}
            self._stored = [k for k, o in enumerate(self.made) if o.index in whole]
            self._compiled = compiled_loop(
                self._formula,
                [self.made[k] for k in self._stored],
                self._shape,
                [(o, into) for o, into in results if into is not None],
            )
        if self._compiled is None:
            return None
        totals = iter(self._compiled(arrays, [self.buffers[k] for k in self._stored]))
        found = dict(zip([x.index for x in self._formula.inputs.values()], arrays, strict=True))
        found.update((self.made[k].index, self.buffers[k]) for k in self._stored)
        return [found[o.index] if into is None else next(totals) for o, into in results]

    def _in_blocks(self, arrays: tuple[Any, ...]) -> list[Array]:
        """Fill the buffers block by block, along the first axis, or along one axis of all."""
        work, shape, results = self._work, self._shape, self.buffers
        assert work is not None
        every = *arrays, *results
        if all(np.shape(a) in (shape, ()) for a in every):
            like = next(filter(is_innermost, arrays), None)
            if like is not None:
                results = [innermost(shape, o.dtype, o) for o in results]
                every = *[alike(like, a) if np.ndim(a) else a for a in arrays], *results
            lines = flat(*[a for a in every if np.ndim(a)])
            if lines is not None:
                each = iter(lines)
                every = tuple([next(each) if np.ndim(a) else a for a in every])
                shape = (prod(shape),)
        length, rest = shape[0], shape[1:]
        step = min(max(1, _BLOCK // max(1, prod(rest))), length)
        along = [np.ndim(a) == len(shape) and len(a) == length > 1 for a in every]
        threads = min(thread_count(), length) if prod(shape) >= _SHARED else 1

        def blocks(piece: int) -> None:
            first, last = (length * i // threads for i in (piece, piece + 1))
            scratch = [np.empty((step, *rest), kind) for kind in self._kinds]
            scratch += [np.full((step, *rest), number) for number in self._repeated]
            for start in range(first, last, step):
                stop = min(start + step, last)
                parts = [a[start:stop] if cut else a for a, cut in zip(every, along, strict=True)]
                work(*parts, *[t[: stop - start] for t in scratch])

        in_threads(blocks, range(threads))
        return results


def _summed(array: Any, shape: tuple[int, ...]) -> Any:
    """Sum over the axes along which ``shape`` would be broadcast."""
    if not shape:
        return np.add.reduce(array, axis=None)
    lead = array.ndim - len(shape)
    axes = [i for i in range(array.ndim) if i < lead or shape[i - lead] != array.shape[i]]
    return np.sum(array, axis=tuple(axes), keepdims=True).reshape(shape)


def _lines(
    formula: Formula, outputs: Sequence[Symbol], shape: tuple[int, ...]
) -> tuple[list[str], list[np.dtype[Any]], list[Array], dict[str, Any]]:
    """A formula as calls of ufuncs, and what it names besides its inputs and outputs.

    In the lines, inputs are x0, x1 …, outputs o0, o1 … by their index, and of the size of a block
    scratch arrays t0, t1 …, whose dtypes are returned, and arrays r0, r1 … of one number each,
    which are returned too; at last other names.
    """
    needed = formula.needed(outputs)
    names: dict[str, Any] = {}
    variable = {x.index: f"x{x.index}" for x in formula.inputs.values()}
    variable.update((o.index, f"o{o.index}") for o in outputs)
    last = {getattr(o, "index", None): i for i, op in enumerate(needed) for o in op.operands}
    kinds: list[np.dtype[Any]] = []  # of the scratch arrays
    repeated: list[Array] = []
    idle: list[int] = []  # those that hold nothing any more
    holds: dict[int, int] = {}  # from a value to its scratch array
    lines = []
    for i, op in enumerate(needed):
        operands, truths = [], []
        for k, (operand, kind) in enumerate(zip(op.operands, op.kinds, strict=True)):
            index = getattr(operand, "index", None)
            if index is None and op.ufunc in (np.maximum, np.minimum):
                # With a number these take several times as long as with an array.
                operands.append(f"r{len(repeated)}")
                repeated.append(np.asarray(operand, kind))
                continue
            if index is None:
                names[f"c{i}_{k}"] = np.asarray(operand, kind)
            elif operand.dtype != kind and operand.dtype == bool:
                truths.append(k)
            operands.append(f"c{i}_{k}" if index is None else variable[index])
        names[f"u{i}"], result = op.ufunc, op.result
        # The result may overwrite what is not read again, ...
        done = {getattr(o, "index", None) for o in op.operands}
        released = [holds.pop(index) for index in done if last.get(index) == i and index in holds]
        # ... but truth values are turned into numbers there first, which takes NumPy less time than
        # to do so in passing.
        turned = len(truths) == 1 and op.kinds[truths[0]] == result.dtype and result.shape == shape
        if not turned:
            idle += released
        if result.index not in variable:
            if result.shape != shape:
                variable[result.index] = f"v{i}"
                lines.append(f"v{i} = u{i}({', '.join(operands)})")
                continue
            place = next((t for t in idle if kinds[t] == result.dtype), len(kinds))
            if place == len(kinds):
                kinds.append(result.dtype)
            else:
                idle.remove(place)
            holds[result.index], variable[result.index] = place, f"t{place}"
        target = variable[result.index]
        if turned:
            idle += released
            lines.append(f"{target}[...] = {operands[truths[0]]}")
            operands[truths[0]] = target
        # NumPy takes outputs by position in less time, but not from maximum and minimum.
        out = "out=" if op.ufunc in (np.maximum, np.minimum) else ""
        lines.append(f"u{i}({', '.join(operands)}, {out}{target})")
    return lines, kinds, repeated, names
