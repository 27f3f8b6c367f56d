"""Native programs: plans of which every step can be compiled, as one function there and one back.

For networks whose layers take less time than calling them. What does not lie within these limits is
run step by step: products that BLAS would share out, operations without a compiled form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from autograd._primitive import primitives
from autograd.kernels._numba import HAS_GEMM, small
from autograd.kernels._numba._written import written
from autograd.kernels._numba.loops import NAMES, laid_out, loop_lines, merged
from autograd.replay.plan import Add, Forward, Loop, Plan, Rules

__all__ = ["Native", "NotNativeError"]

# Elements of the largest array, and multiplications of the largest product.
LARGEST = 1 << 15
LARGEST_PRODUCT = 1 << 17


class NotNativeError(Exception):
    """A step has no compiled form."""


class Native:
    """A plan as two compiled functions.

    Raises:
        NotNativeError: it cannot be.
    """

    def __init__(self, plan: Plan) -> None:
        source = _Source(plan)
        functions = written(source.text(), {**NAMES, **_KERNELS}, ("there", "back"))
        self._there, self._back = functions["there"], functions["back"]
        self._arenas = [np.empty(size, kind) for kind, size in source.arenas.items()]
        self._constants = [plan.constants[name] for name in source.constants]
        self._result = plan.recording.nodes[plan.last]
        self._gradients = [None if name is None else source.arrays[name] for name in plan.results]

    def forward(
        self, leaves: Sequence[Any], args: Sequence[Any]
    ) -> tuple[Any, tuple[Any, ...]] | None:
        """The result, and what `backward` reads; None for arrays that are not in C order."""
        arrays = [x for x in (*leaves, *args, *self._constants) if type(x) is np.ndarray]
        for array in arrays:
            if not array.flags.c_contiguous:
                return None
        out = np.empty(self._result.shape, self._result.dtype)
        if not self._there(*arrays, *self._arenas, out.reshape(-1)):
            raise IndexError("a target is no class")
        return out, tuple(arrays)

    def backward(self, g: Any, values: tuple[Any, ...]) -> list[Any]:
        """The gradients of leaves and tracked arguments."""
        found = [None if like is None else np.empty(*like) for like in self._gradients]
        outs = [out for out in found if out is not None]
        self._back(np.ascontiguousarray(g).reshape(-1), *values, *self._arenas, *outs)
        return found


class _Array(NamedTuple):
    """What is known of a variable: numbers without axes are arrays of one element."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class _Source:
    """Writes the functions.

    Attributes:
        arrays: shape and dtype of the variables.
        arenas: how many elements of each dtype the results in between take.
        constants: the arrays from outside that are read.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan, self.recording = plan, plan.recording
        self.arrays: dict[str, _Array] = {}
        self.arenas: dict[str, int] = {}
        self.constants = [k for k, v in plan.constants.items() if isinstance(v, np.ndarray)]
        self._views: dict[str, str] = {}  # where in the arenas a variable is
        self._loops = 0
        for letter, things in (("p", plan.recording.leaves), ("a", plan.recording.args)):
            for i, thing in enumerate(things):
                if hasattr(thing, "dtype"):
                    self._declare(f"{letter}{i}", thing.shape, thing.dtype)
        for name in self.constants:
            self._declare(name, plan.constants[name].shape, plan.constants[name].dtype)
        self._inputs = list(self.arrays)
        adds = [step for step in plan.back if isinstance(step, Add)]
        self._additions = Counter(step.target for step in adds)
        # Parts that are all there is of a gradient that is handed out: computed where it goes.
        self._final = {
            step.part: step.target for step in adds
            if step.lasting and step.sure and self._additions[step.target] == 1
        }  # fmt: skip

    def text(self) -> str:
        """The source of ``there`` and ``back``."""
        plan = self.plan
        result, last = f"v{plan.last}", self.recording.nodes[plan.last]
        there = [line for step in plan.there for line in self._ahead(step)]
        kept = dict(self._views)
        self._declare(f"g{result}", last.shape, last.dtype)
        back = [line for step in plan.back for line in self._backward(step)]
        arenas = [f"arena_{kind}" for kind in self.arenas]
        gradients = [name for name in plan.results if name is not None]
        blocks = [
            f"def there({', '.join([*self._inputs, *arenas, 'result'])}):",
            *(f"{name} = {view}" for name, view in kept.items()),
            *there,
            f"copy({result}.reshape(-1), result)",
            "return True",
            f"def back({', '.join(['g', *self._inputs, *arenas, *gradients])}):",
            *(f"{name} = {view}" for name, view in self._views.items()),
            f"g{result} = g.reshape({last.shape or (1,)})",
            *back,
        ]
        return "\n".join([x if x.startswith("def") else f"    {x}" for x in blocks]) + "\n"

    # --------------------------------------------------------------------------- variables

    def _declare(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        if prod(shape) > LARGEST:
            raise NotNativeError("an array is large")
        self.arrays[name] = _Array(shape, np.dtype(dtype))

    def _place(self, name: str, shape: tuple[int, ...], dtype: Any) -> str:
        """Find room for a variable."""
        if name not in self.arrays:
            self._declare(name, shape, dtype)
            if name not in self.plan.results:  # those are handed in
                kind = np.dtype(dtype).char
                start = self.arenas.get(kind, 0)
                stop = start + prod(shape)
                self.arenas[kind] = -(-stop // 16) * 16  # aligned to whole cache lines
                self._views[name] = f"arena_{kind}[{start}:{stop}].reshape({shape or (1,)})"
        return name

    def _part(self, name: str, shape: tuple[int, ...], dtype: Any) -> str:
        """Find room for a part of a gradient."""
        return self._place(self._final.get(name, name), shape, dtype)

    def _name(self, i: int, k: int) -> str:
        """The variable of an operand, which must be an array."""
        name = self.plan.variable(*self.recording.operands[i][k])
        if name not in self.arrays:
            raise NotNativeError("an operand is no array")
        return name

    def _reshaped(self, name: str, shape: tuple[int, ...]) -> str:
        return name if self.arrays[name].shape == shape else f"{name}.reshape({shape})"

    # -------------------------------------------------------------------------------- steps

    def _ahead(self, step: Loop | Forward) -> list[str]:
        if isinstance(step, Loop):
            return self._loop(step)
        node = self.recording.nodes[step.i]
        name = node.primitive.name
        if name not in _FORMS or primitives[name] is not node.primitive:
            raise NotNativeError(f"{name} has no compiled form")
        self._place(f"v{step.i}", node.shape, node.dtype)
        return _FORMS[name][0](self, step.i, f"v{step.i}")

    def _backward(self, step: Loop | Rules | Add) -> list[str]:
        if isinstance(step, Loop):
            return self._loop(step)
        if isinstance(step, Add):
            return self._add(step)
        return _FORMS[self.recording.nodes[step.i].primitive.name][1](self, step)

    def _loop(self, step: Loop) -> list[str]:
        given = {symbol.index: name for name, symbol in step.formula.inputs.items()}
        made, copies = [], []
        for target, value in zip(step.targets, step.values, strict=True):
            if value.index in given:  # an input, or what another target is already
                copies.append(self._copy(given[value.index], target))
            else:
                given[value.index] = self._part(target, value.shape, value.dtype)
                made.append(value)
        if not made:
            return copies
        symbols = [*step.formula.inputs.values(), *made]
        axes = merged(step.shape, [symbol.shape for symbol in symbols])
        self._loops += 1
        arrays = [f"l{self._loops}x{symbol.index}" for symbol in symbols]
        laid = {a: laid_out(s.shape, step.shape, axes) for a, s in zip(arrays, symbols)}
        lines = [
            f"{a} = {self._reshaped(given[s.index], laid[a])}" for a, s in zip(arrays, symbols)
        ]
        loop = loop_lines(step.formula, made, axes, arrays, laid, f"l{self._loops}")
        if loop is None:
            raise NotNativeError("an operation on elements has no compiled form")
        return [*lines, f"count = {axes[0][0]}", *loop, *copies]

    def _copy(self, source: str, target: str) -> str:
        array = self.arrays[source]
        return f"copy({source}.reshape(-1), {self._part(target, *array)}.reshape(-1))"

    def _add(self, step: Add) -> list[str]:
        if step.part in self._final:
            return []
        part, like = self.arrays[step.part], step.like
        if part.dtype != like.dtype:
            raise NotNativeError("a gradient changes its type")
        if part.shape == like.shape and self._additions[step.target] == 1 and not step.lasting:
            self.arrays[step.target] = part
            return [f"{step.target} = {step.part}"]
        if part.shape == like.shape and step.first:
            return [self._copy(step.part, step.target)]
        self._place(step.target, like.shape, like.dtype)
        return self.sum(step.part, step.target, like.shape, first=step.first)

    # ---------------------------------------------------------------------------- reductions

    def sum(
        self, source: str, target: str, shape: tuple[int, ...], scale: str = "", first: bool = True
    ) -> list[str]:
        """Sum ``source`` over the axes that an array of ``shape`` does not run along."""
        whole = self.arrays[source].shape
        axes = merged(whole, [shape])
        here = ", ".join(f"i{k}" for k in range(len(axes)))
        few = laid_out(shape, whole, axes)
        there = ", ".join(f"i{k}" if n != 1 else "0" for k, n in enumerate(few))
        self._loops += 1
        s, t = f"l{self._loops}s", f"l{self._loops}t"
        every = tuple([length for length, _ in axes])
        lines = [
            f"{s} = {self._reshaped(source, every)}",
            f"{t} = {target}.reshape({few})",
            *([f"{target}[...] = 0"] if first else []),
        ]
        outer, (length, _) = axes[:-1], axes[-1]
        indent = ""
        for k, (n, _) in enumerate(outer):
            lines.append(f"{indent}for i{k} in range({n}):")
            indent += "    "
        inner = f"{indent}for i{len(outer)} in range({length}):"
        if few[-1] != 1:
            lines += [inner, f"{indent}    {t}[{there}] += {s}[{here}]"]
        else:  # in a register
            lines += [f"{indent}total = float64(0)", inner, f"{indent}    total += {s}[{here}]"]
            lines.append(f"{indent}{t}[{there}] += total")
        if scale:
            lines.append(f"scale({target}.reshape(-1), {scale})")
        return lines

    def spread(self, source: str, target: str, shape: tuple[int, ...], scale: str) -> list[str]:
        """Fill ``target`` with the elements of ``source`` along the axes that ``shape`` has."""
        whole = self.arrays[target].shape
        axes = merged(whole, [shape])
        few = laid_out(shape, whole, axes)
        self._loops += 1
        s, t = f"l{self._loops}s", f"l{self._loops}t"
        every = tuple([length for length, _ in axes])
        lines = [
            f"{s} = {source}.reshape({few})",
            f"{t} = {self._reshaped(target, every)}",
        ]
        indent = ""
        for k, (n, _) in enumerate(axes):
            lines.append(f"{indent}for i{k} in range({n}):")
            indent += "    "
        here = ", ".join(f"i{k}" for k in range(len(axes)))
        there = ", ".join(f"i{k}" if n != 1 else "0" for k, n in enumerate(few))
        return [*lines, f"{indent}{t}[{here}] = {s}[{there}] * {scale}"]

    # --------------------------------------------------------------------------- operations

    def _setting(self, i: int, key: str) -> Any:
        """A setting that is the same in all calls."""
        kind, which = self.recording.settings[i][key]
        if kind != "const" or isinstance(which, np.ndarray):
            raise NotNativeError(f"{key} is an array")
        return which

    def _factors(self, *names: str) -> None:
        """Refuse two factors and a product that are not small matrices of one type."""
        arrays = [self.arrays[name] for name in names]
        sizes = {n for array in arrays for n in array.shape}
        if (
            not HAS_GEMM
            or any(len(array.shape) != 2 for array in arrays)
            or len({array.dtype for array in arrays}) > 1
            or arrays[0].dtype.char not in "fd"
            or prod(arrays[0].shape) * max(arrays[1].shape) > LARGEST_PRODUCT
            or 0 in sizes
        ):
            raise NotNativeError("a product is not of two small matrices of one type")

    def linear(self, i: int, y: str) -> list[str]:
        """There: x Wᵀ + b."""
        x, weight = self._name(i, 0), self._name(i, 1)
        self._factors(x, weight, y)
        if self.recording.operands[i][2] == ("const", None):
            return [f"product(False, True, {x}, {weight}, {y})"]
        return [f"linear({x}, {weight}, {self._name(i, 2)}, {y})"]

    def matmul(self, i: int, y: str) -> list[str]:
        """There: a b."""
        a, b = self._name(i, 0), self._name(i, 1)
        self._factors(a, b, y)
        return [f"product(False, False, {a}, {b}, {y})"]

    def products_back(self, step: Rules) -> list[str]:
        """Back, for both."""
        i, g = step.i, f"gv{step.i}"
        calls = _PRODUCTS_BACK[self.recording.nodes[i].primitive.name]
        lines = []
        for k, target in step.targets.items():
            part = self._part(target, *self.arrays[self._name(i, k)])
            first, second = self._name(i, 0), self._name(i, 1)
            lines.append(calls[k].format(g=g, first=first, second=second, part=part))
        return lines

    def total(self, i: int, y: str) -> list[str]:
        """There: a sum or mean."""
        x = self._name(i, 0)
        shape, count = self._reduced(i)
        mean = self.recording.nodes[i].primitive.name == "mean"
        return self.sum(x, y, shape, f"{self.arrays[y].dtype}(1 / {count})" if mean else "")

    def total_back(self, step: Rules) -> list[str]:
        """Back."""
        i = step.i
        x = self.arrays[self._name(i, 0)]
        shape, count = self._reduced(i)
        mean = self.recording.nodes[i].primitive.name == "mean"
        part = self._part(step.targets[0], *x)
        return self.spread(f"gv{i}", part, shape, f"{x.dtype}({f'1 / {count}' if mean else 1})")

    def _reduced(self, i: int) -> tuple[tuple[int, ...], int]:
        """The shape of a reduction with all axes kept, and how many elements each sum has."""
        x = self.arrays[self._name(i, 0)]
        axis = self._setting(i, "axis")
        if x.dtype.char not in "fd" or not prod(x.shape):
            raise NotNativeError("a sum of no floats")
        every = range(len(x.shape))
        gone = set(every if axis is None else normalize_axis_tuple(axis, len(x.shape)))
        shape = tuple([1 if k in gone else n for k, n in enumerate(x.shape)])
        return shape, prod(x.shape[k] for k in gone)

    def reshape(self, i: int, y: str) -> list[str]:
        """There: the same elements."""
        return [f"copy({self._name(i, 0)}.reshape(-1), {y}.reshape(-1))"]

    def reshape_back(self, step: Rules) -> list[str]:
        """Back."""
        part = self._part(step.targets[0], *self.arrays[self._name(step.i, 0)])
        return [f"copy(gv{step.i}.reshape(-1), {part}.reshape(-1))"]

    def cross_entropy(self, i: int, y: str) -> list[str]:
        """There: of logits and classes."""
        x, (target, mean) = self._name(i, 0), self._cross_entropy(i)
        logits = self.arrays[x]
        slopes = self._place(f"v{i}_0", logits.shape, logits.dtype)
        sums = self._place(f"v{i}_1", logits.shape[:1], logits.dtype)
        losses = self._place(f"v{i}_2", logits.shape[:1], logits.dtype)
        return [
            f"if not cross_entropy({x}, {target}, {slopes}, {sums}, {losses}, {mean}, {y}):",
            "    return False",
        ]

    def cross_entropy_back(self, step: Rules) -> list[str]:
        """Back."""
        i = step.i
        part = self._part(step.targets[0], *self.arrays[self._name(i, 0)])
        _, mean = self._cross_entropy(i)
        return [f"cross_entropy_grad(gv{i}, v{i}_0, v{i}_1, {mean}, {part})"]

    def _cross_entropy(self, i: int) -> tuple[str, bool]:
        """The variable of the classes, and whether the mean is wanted."""
        logits = self.arrays[self._name(i, 0)]
        target = self.plan.variable(*self.recording.settings[i]["target"])
        reduction = self._setting(i, "reduction")
        if (
            self._setting(i, "scale") is not None
            or reduction == "none"
            or target not in self.arrays
            or logits.dtype.char not in "fd"
            or 0 in logits.shape
        ):
            raise NotNativeError("a cross-entropy of another kind")
        return target, reduction == "mean"


_KERNELS = {name: getattr(small, name) for name in small.__all__}
# The gradient of each operand of a product.
_PRODUCTS_BACK = {
    "linear": (
        "product(False, False, {g}, {second}, {part})",
        "product(True, False, {g}, {first}, {part})",
        "sum_rows({g}, {part})",
    ),
    "matmul": (
        "product(False, True, {g}, {second}, {part})",
        "product(True, False, {first}, {g}, {part})",
    ),
}
_FORMS = {
    "linear": (_Source.linear, _Source.products_back),
    "matmul": (_Source.matmul, _Source.products_back),
    "sum": (_Source.total, _Source.total_back),
    "mean": (_Source.total, _Source.total_back),
    "reshape": (_Source.reshape, _Source.reshape_back),
    "cross_entropy": (_Source.cross_entropy, _Source.cross_entropy_back),
}
