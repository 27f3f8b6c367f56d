"""Formulas compiled: one loop over all elements, shared by the cores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from autograd.kernels._numba import functions, prange
from autograd.kernels._numba._written import written
from autograd.kernels._threads import thread_count

if TYPE_CHECKING:
    from autograd.kernels.formulas import Formula, Operation, Symbol

__all__ = ["NAMES", "compiled_loop", "laid_out", "loop_lines", "merged"]

_INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "greater": ">", "less": "<",
    "greater_equal": ">=", "less_equal": "<=", "equal": "==", "not_equal": "!=",
    "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^",
}  # fmt: skip
_PHRASES = {
    "positive": "{0}",
    "conjugate": "{0}",
    "negative": "-{0}",
    "invert": "not {0}",
    "square": "{0} * {0}",
    "reciprocal": "{kind}(1) / {0}",
    "absolute": "abs({0})",
    "fabs": "abs({0})",
    "isnan": "{0} != {0}",
    # Both hand on a NaN.
    "maximum": "{0} if {0} >= {1} or {0} != {0} else {1}",
    "minimum": "{0} if {0} <= {1} or {0} != {0} else {1}",
    "where": "{1} if {0} else {2}",
    "sign": "{kind}({0} > 0) - {kind}({0} < 0) if {0} == {0} else {0}",
}
_FUNCTIONS = {
    **{name: getattr(functions, name) for name in ("exp", "expm1", "log", "log1p", "tanh")},
    **{
        name: getattr(np, name)
        for name in (
            "exp2", "log2", "log10", "sqrt", "sin", "cos", "tan", "arcsin", "arccos", "arctan",
            "sinh", "cosh", "arcsinh", "arccosh", "arctanh", "floor", "ceil", "trunc", "power",
            "arctan2",
        )
    },
}  # fmt: skip
_KINDS = {"f": "float32", "d": "float64", "?": "bool_"}
NAMES = {
    **_FUNCTIONS,
    **{kind: getattr(np, kind) for kind in _KINDS.values()},
    "inf": np.inf,
    "nan": np.nan,
    "prange": prange,
}
Axes: TypeAlias = list[tuple[int, list[int]]]


def compiled_loop(
    formula: Formula, outputs: Sequence[Symbol], shape: tuple[int, ...]
) -> Callable[[Sequence[Any], Sequence[Any]], None] | None:
    """What fills arrays with outputs of a formula, given its inputs; None if it has no such form.

    See :class:`autograd.kernels.loops.Loop`.
    """
    symbols = [*formula.inputs.values(), *outputs]
    axes = merged(shape, [symbol.shape for symbol in symbols])
    arrays = {symbol.index: f"x{symbol.index}" for symbol in symbols}
    lines = loop_lines(formula, outputs, shape, axes, arrays)
    if lines is None:
        return None
    given, length = ", ".join(arrays.values()), axes[0][0]
    shapes = [laid_out(symbol.shape, shape, axes) for symbol in symbols]
    # Parts are slices, whose indices begin at 0: signs would have to be asked for in each step.
    parts = [
        f"{array}[first:last]" if laid[0] == length else array
        for array, laid in zip(arrays.values(), shapes, strict=True)
    ]
    source = "\n".join([
        f"def part(count, {given}):",
        *[f"    {line}" for line in lines],
        "",
        f"def shared(threads, {given}):",
        "    for t in prange(threads):",
        f"        first, last = {length} * t // threads, {length} * (t + 1) // threads",
        f"        part(last - first, {', '.join(parts)})",
        "",
    ])  # fmt: skip
    shared = written(source, NAMES, ("part", "shared"))["shared"]

    def run(inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        given = (*map(np.ascontiguousarray, inputs), *outputs)
        arrays = [a.reshape(s) for a, s in zip(given, shapes, strict=True)]
        shared(min(thread_count(), length), *arrays)

    return run


def _full(shape: tuple[int, ...], whole: tuple[int, ...]) -> list[bool]:
    """For each axis of ``whole``, whether an array of ``shape`` runs along it."""
    lead = len(whole) - len(shape)
    return [i >= lead and shape[i - lead] == n != 1 for i, n in enumerate(whole)]


def merged(whole: tuple[int, ...], shapes: Sequence[tuple[int, ...]]) -> Axes:
    """Axes to loop over, by length and the axes they stand for: neighbours that all treat alike."""
    alike = list(zip(*[_full(shape, whole) for shape in (whole, *shapes)], strict=True))
    axes = [i for i, n in enumerate(whole) if n != 1]
    if not axes:
        return [(1, [])]
    groups = [list(group) for _, group in groupby(axes, key=lambda i: alike[i])]
    return [(prod(whole[i] for i in group), group) for group in groups]


def laid_out(shape: tuple[int, ...], whole: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    """The shape of an array when its axes are merged."""
    full = _full(shape, whole)
    return tuple([length if group and full[group[0]] else 1 for length, group in axes])


def loop_lines(
    formula: Formula,
    outputs: Sequence[Symbol],
    shape: tuple[int, ...],
    axes: Axes,
    arrays: Mapping[int, str],
    prefix: str = "",
) -> list[str] | None:
    """The loops, over ``count`` places of the first axis; None if there is no compiled form.

    Args:
        formula, outputs, shape: as for `compiled_loop`.
        axes: the axes of all arrays as they are laid out.
        arrays: the names of inputs and outputs, by index.
        prefix: of the names of numbers.
    """
    # Statements by the loop they stand in; those outside of all loops come first.
    body: list[list[str]] = [[] for _ in range(len(axes) + 1)]

    def place(of: tuple[int, ...]) -> tuple[str, int]:
        """The index of an element, and the innermost loop that it needs."""
        runs = [n != 1 for n in laid_out(of, shape, axes)]
        index = ", ".join([f"i{k}" if along else "0" for k, along in enumerate(runs)])
        return index, max([k + 1 for k, along in enumerate(runs) if along], default=0)

    needed = formula.needed(outputs)
    read = {o.index for op in needed for o in op.operands if hasattr(o, "index")}
    for x in formula.inputs.values():
        if x.dtype.char not in _KINDS:
            return None
        if x.index in read:
            index, depth = place(x.shape)
            body[depth].append(f"{prefix}v{x.index} = {arrays[x.index]}[{index}]")
    stored = {o.index for o in outputs}
    for operation in needed:
        index, depth = place(operation.result.shape)
        number, value = operation.result.index, _expression(operation, prefix)
        if value is None:
            return None
        body[depth].append(f"{prefix}v{number} = {value}")
        if number in stored:
            body[depth].append(f"{arrays[number]}[{index}] = {prefix}v{number}")
    lines = list(body[0])
    for k, (length, _) in enumerate(axes):
        bounds = "count" if k == 0 else str(length)
        lines.append("    " * k + f"for i{k} in range({bounds}):")
        lines += ["    " * (k + 1) + line for line in body[k + 1] or ["pass"]]
    return lines


def _expression(operation: Operation, prefix: str) -> str | None:
    """An operation on numbers; None if it has no compiled form."""
    if any(kind.char not in _KINDS for kind in operation.kinds):
        return None
    operands = []
    for operand, kind in zip(operation.operands, operation.kinds, strict=True):
        index = getattr(operand, "index", None)
        value = repr(operand) if index is None else f"{prefix}v{index}"
        cast = index is None or operand.dtype != kind
        operands.append(f"{_KINDS[kind.char]}({value})" if cast else value)
    name, first = operation.ufunc.__name__, _KINDS[operation.kinds[0].char]
    if name in _INFIX:
        return f"{operands[0]} {_INFIX[name]} {operands[1]}"
    if name in _PHRASES:
        return _PHRASES[name].format(*operands, kind=first)
    return f"{name}({', '.join(operands)})" if name in _FUNCTIONS else None
