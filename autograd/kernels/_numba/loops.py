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
    "plus": functions.plus,
}
Axes: TypeAlias = list[tuple[int, list[int]]]


def compiled_loop(
    formula: Formula,
    outputs: Sequence[Symbol],
    shape: tuple[int, ...],
    sums: Sequence[tuple[Symbol, tuple[int, ...]]] = (),
) -> Callable[[Sequence[Any], Sequence[Any]], list[Any]] | None:
    """What fills arrays with outputs of a formula, given its inputs; None if it has no such form.

    It returns ``sums``: values of the formula, each added up over the axes of ``shape`` along which
    the shape given with it does not run. See :class:`autograd.kernels.loops.Loop`.
    """
    inputs = list(formula.inputs.values())
    every = [*[symbol.shape for symbol in (*inputs, *outputs)], *[into for _, into in sums]]
    axes = merged(shape, every)
    length = axes[0][0]
    laid = [laid_out(of, shape, axes) for of in every]
    arrays = [f"x{symbol.index}" for symbol in (*inputs, *outputs)]
    arrays += [f"s{k}" for k in range(len(sums))]
    totals = {f"s{k}": symbol for k, (symbol, _) in enumerate(sums)}
    count = len(inputs) + len(outputs)

    def compile_for(uniform: Sequence[bool]) -> Any:
        """The loop for inputs some of which have the same number everywhere."""
        of = dict(zip(arrays, laid, strict=True))
        of.update((name, (1,) * len(axes)) for name, alike in zip(arrays, uniform) if alike)
        lines = loop_lines(formula, outputs, axes, arrays[:count], of, totals=totals)
        if lines is None:
            return None
        # Parts are slices, whose indices begin at 0: signs would have to be asked for in each step.
        parts = [f"{a}[first:last]" if of[a][0] == length else a for a in arrays[:count]]
        parts += [f"{a}[t, first:last]" if of[a][0] == length else f"{a}[t]" for a in totals]
        given = ", ".join(arrays)
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
        return written(source, NAMES, ("part", "shared"))["shared"]

    plain = (False,) * len(inputs)
    loops = {plain: compile_for(plain)}
    if loops[plain] is None:
        return None

    def run(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
        threads = min(thread_count(), length)
        uniform = tuple([a.size > 1 and not any(a.strides) for a in inputs])
        if uniform not in loops:
            loops[uniform] = compile_for(uniform)
        given = [
            a[(0,) * a.ndim].reshape((1,) * len(axes))
            if alike
            else np.ascontiguousarray(a).reshape(form)
            for a, alike, form in zip(inputs, uniform, laid, strict=False)
        ]
        given += [a.reshape(form) for a, form in zip(outputs, laid[len(inputs) :], strict=False)]
        wide = [np.zeros((threads, *form)) for form in laid[count:]]
        loops[uniform](threads, *given, *wide)
        return [
            total.sum(axis=0).astype(symbol.dtype).reshape(into)[()]
            for total, (symbol, into) in zip(wide, sums, strict=True)
        ]

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
    axes: Axes,
    arrays: Sequence[str],
    laid: Mapping[str, tuple[int, ...]],
    prefix: str = "",
    totals: Mapping[str, Symbol] | None = None,
) -> list[str] | None:
    """The loops, over ``count`` places of the first axis; None if there is no compiled form.

    Args:
        formula, outputs: as for `compiled_loop`.
        axes: the axes of all arrays as they are laid out.
        arrays: the names of inputs and outputs, in order.
        laid: the shape of each of them, and of the totals, as they are laid out.
        prefix: of the names of numbers.
        totals: the names of arrays that values are added to, and these.
    """
    # Statements by the loop they stand in; those outside of all loops come first.
    body: list[list[str]] = [[] for _ in range(len(axes) + 1)]
    after: list[str] = []  # the innermost
    inputs, totals = list(formula.inputs.values()), totals or {}
    name = dict(zip([symbol.index for symbol in (*inputs, *outputs)], arrays, strict=True))

    def place(array: str) -> tuple[str, int]:
        """The index of an element, and the innermost loop that it needs."""
        runs = [n != 1 for n in laid[array]]
        index = ", ".join([f"i{k}" if along else "0" for k, along in enumerate(runs)])
        return index, max([k + 1 for k, along in enumerate(runs) if along], default=0)

    needed = formula.needed([*outputs, *totals.values()])
    read = {o.index for op in needed for o in op.operands if hasattr(o, "index")}
    read.update(value.index for value in totals.values())
    depth: dict[int, int] = {}
    for x in inputs:
        if x.dtype.char not in _KINDS:
            return None
        if x.index in read:
            index, depth[x.index] = place(name[x.index])
            body[depth[x.index]].append(f"{prefix}v{x.index} = {name[x.index]}[{index}]")
    stored = {o.index for o in outputs}
    for operation in needed:
        number, expression = operation.result.index, _expression(operation, prefix)
        if expression is None:
            return None
        if number in stored:
            index, depth[number] = place(name[number])
        else:
            operands = [o.index for o in operation.operands if hasattr(o, "index")]
            depth[number] = max([depth[o] for o in operands], default=0)
        body[depth[number]].append(f"{prefix}v{number} = {expression}")
        if number in stored:
            body[depth[number]].append(f"{name[number]}[{index}] = {prefix}v{number}")
    for array, value in totals.items():
        index, _ = place(array)
        if laid[array][-1] != 1:
            body[-1].append(f"{array}[{index}] += {prefix}v{value.index}")
        else:  # in a register
            total = f"{prefix}t_{array}"
            body[-2].append(f"{total} = float64(0)")
            body[-1].append(f"{total} = plus({total}, float64({prefix}v{value.index}))")
            after.append(f"{array}[{index}] += {total}")
    lines = list(body[0])
    for k, (length, _) in enumerate(axes):
        bounds = "count" if k == 0 else str(length)
        lines.append("    " * k + f"for i{k} in range({bounds}):")
        lines += ["    " * (k + 1) + line for line in body[k + 1] or ["pass"]]
    return [*lines, *["    " * (len(axes) - 1) + line for line in after]]


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
