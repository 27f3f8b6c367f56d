"""Plans: the steps of a recording, there and back, for whoever writes them out.

Runs of operations that do the same to every element are one loop there and one loop back.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from autograd._primitive import Specialized
from autograd.kernels.formulas import Formula, Symbol
from autograd.replay.recording import Recording

__all__ = ["Add", "Forward", "Loop", "Plan", "Rules", "reads_of"]

# From this many elements on, what is quickly computed is computed again on the way back rather than
# kept: reading an array takes longer.
_LARGE = 1 << 15
_QUICK = frozenset(
    (np.add, np.subtract, np.multiply, np.negative, np.positive, np.square, np.maximum, np.minimum,
     np.absolute)
)  # fmt: skip


class Loop(NamedTuple):
    """A step that computes values of a formula; its inputs' keys are variables."""

    start: int  # the first operation of its run
    formula: Formula
    values: list[Symbol]
    targets: list[str]
    shape: tuple[int, ...]


class Forward(NamedTuple):
    """A step that computes the result of operation ``i`` and what its rule wants besides."""

    i: int


class Rules(NamedTuple):
    """A step that computes gradients of operands of operation ``i``, by position."""

    i: int
    targets: dict[int, str]


class Add(NamedTuple):
    """A step that adds a part to the gradient of an operand, in the operand's shape and dtype."""

    part: str
    target: str
    like: Any
    i: int  # the operation that the part comes from
    sure: bool  # whether it is of that shape and dtype
    first: bool  # whether it is the first part
    lasting: bool  # whether the gradient is handed out


class Plan:
    """The steps of a recording, there and back, and what is kept in between.

    Variables: ``p0`` are leaves, ``a0`` arguments, ``v0`` results of operations (``v0_1`` what else
    their forwards return), and with a ``g`` before it the gradient of each.

    Attributes:
        there, back: the steps.
        constants: the numbers and arrays from outside that steps read, ``c0`` and so on.
        kept: variables that the steps back read.
        last_reader: by operation, the last one that reads its result.
        results: the variables of the gradients of leaves and tracked arguments, or None.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.last = len(recording.nodes) - 1
        self.special = [self._specialized(i) for i in range(self.last + 1)]
        self.constants: dict[str, Any] = {}
        self.kept: set[str] = set()
        self.there: list[Loop | Forward] = []
        self.back: list[Loop | Rules | Add] = []
        self.last_reader = {
            which: i
            for i in range(self.last + 1)
            for kind, which in (*recording.operands[i], *recording.settings[i].values())
            if kind == "step"
        }
        runs = self._runs()
        self._started = {f"gv{self.last}"}
        for run in reversed(runs):  # first the way back: it decides what the way there must keep
            if any(f"gv{i}" in self._started for i in run):
                self._back_through(run)
        for run in runs:
            if self._is_loop(run):
                self._loop_there(run)
            else:
                self.there.append(Forward(run[0]))
        results = [f"gp{i}" for i in range(len(recording.leaves))]
        results += [f"ga{i}" for i in recording.tracked]
        self.results = [name if name in self._started else None for name in results]

    def _specialized(self, i: int) -> Specialized | None:
        """The form of an operation for its shapes."""
        recording, primitive = self.recording, self.recording.nodes[i].primitive
        if primitive._specialized is None:
            return None
        settings = {
            key: which if kind == "const" else recording.like(kind, which)
            for key, (kind, which) in recording.settings[i].items()
        }
        return primitive._specialized(*self.like(i), **settings)

    def variable(self, kind: str, which: Any) -> str:
        """The variable of an operand; constants get one too, except None."""
        if kind != "const":
            return {"arg": "a", "leaf": "p", "step": "v"}[kind] + str(which)
        if which is None:
            return "None"
        if isinstance(which, np.ndarray):
            for name, array in self.constants.items():
                if array is which:
                    return name
        name = f"c{len(self.constants)}"
        self.constants[name] = which
        return name

    def like(self, i: int) -> list[Any]:
        """What the operands of an operation are like."""
        return [self.recording.like(*operand) for operand in self.recording.operands[i]]

    def _runs(self) -> list[range]:
        """Operations in order: neighbours that are one loop together, others by themselves."""
        runs: list[range] = []
        for i, node in enumerate(self.recording.nodes):
            one = self._is_elementwise(i)
            before = runs[-1] if runs else range(0)
            if one and before and self._is_loop(before) and self._shape(before) == node.shape:
                runs[-1] = range(before.start, i + 1)
            else:
                runs.append(range(i, i + 1))
        return runs

    def _is_elementwise(self, i: int) -> bool:
        """Whether an operation, and its rules, can be written as formulas."""
        node = self.recording.nodes[i]
        primitive = node.primitive
        if (
            primitive.variadic or primitive.aux or primitive.is_view or primitive._joint is not None
            or primitive._precondition is not None or node.dtype.kind != "f"
        ):  # fmt: skip
            return False
        try:
            trace = _Trace(self, range(i, i + 1))
            result = trace.value("step", i)
            parts = trace.parts(i, trace.formula.input("g", node.shape, node.dtype))
        except Exception:  # whatever a forward or a rule says to what is no array
            return False
        wanted = [(node.shape, edge.dtype) for edge in node.edges if edge is not None]
        return (result.shape, result.dtype) == (node.shape, node.dtype) and [
            (part.shape, part.dtype) for _, part in parts
        ] == wanted

    def _is_loop(self, run: range) -> bool:
        return len(run) > 1 or (self.special[run[0]] is None and self._is_elementwise(run[0]))

    def _shape(self, run: range) -> tuple[int, ...]:
        return self.recording.nodes[run[0]].shape

    def _loop_there(self, run: range) -> None:
        trace = _Trace(self, run)
        values = {i: trace.value("step", i) for i in run}
        made = [
            i for i in run
            if self.last_reader.get(i, i) >= run.stop or f"v{i}" in self.kept or i == self.last
        ]  # fmt: skip
        targets = [f"v{i}" for i in made]
        self.there.append(
            Loop(run[0], trace.formula, [values[i] for i in made], targets, self._shape(run))
        )

    def _back_through(self, run: range) -> None:
        if self._is_loop(run):
            self._loop_back(run)
            return
        i = run[0]
        node, form, operands = self.recording.nodes[i], self.special[i], self.recording.operands[i]
        primitive = node.primitive
        targets = {
            k: f"part{i}_{k}"
            for k, edge in enumerate(node.edges)
            if edge is not None
            and (primitive._joint is not None or primitive.inputs[k] in primitive._rules)
        }
        self.back.append(Rules(i, targets))
        for k, target in targets.items():
            sure = form is not None and primitive.inputs[k] in form.rules
            self._add(target, operands[k], node.edges[k], i, sure)
        self.kept.update(
            self.variable(*read) for read in self.reads(i, targets) if read[0] != "const"
        )

    def reads(self, i: int, targets: Iterable[int]) -> list[tuple[str, Any]]:
        """What the rules of an operation read, for some of its operands."""
        node, primitive = self.recording.nodes[i], self.recording.nodes[i].primitive
        settings = self.recording.settings[i]
        values = self.values(i)
        if primitive._joint is not None:
            keep = self.mask(i)
            saved = [value for k, value in enumerate(values) if keep >> k & 1]
            return [*saved, *settings.values()]
        return [
            values[of] if kind == "saved" else settings[of]
            for k in targets
            for kind, of in reads_of(primitive._rules[primitive.inputs[k]], node)
            if kind != "property"
        ]

    def values(self, i: int) -> list[tuple[str, Any]]:
        """What an operation can save: operands, its result, and what else its forward returns."""
        aux = range(len(self.recording.nodes[i].primitive.aux))
        rest = [("step", f"{i}_{k}") for k in aux]
        return [*self.recording.operands[i], ("step", i), *rest]

    def mask(self, i: int) -> int:
        """A mask of those that a rule for all inputs at once reads."""
        node = self.recording.nodes[i]
        count = len(node.edges)
        keep = node.primitive.keep(sum(1 << k for k, e in enumerate(node.edges) if e is not None))
        if node.primitive.variadic:
            keep = (keep >> 1 << count) | (keep & 1) * ((1 << count) - 1)
        return keep

    def _loop_back(self, run: range) -> None:
        trace = _Trace(self, run, back=True)
        gradients: dict[tuple[str, Any], Symbol] = {}
        edges: dict[tuple[str, Any], Any] = {}
        for i in run:
            if f"gv{i}" in self._started:
                like = self.recording.nodes[i]
                gradients["step", i] = trace.formula.input(f"gv{i}", like.shape, like.dtype)
        for i in reversed(run):
            if ("step", i) in gradients:
                for k, part in trace.parts(i, gradients["step", i]):
                    operand = self.recording.operands[i][k]
                    edges[operand] = self.recording.nodes[i].edges[k]
                    held = gradients.get(operand)
                    gradients[operand] = part if held is None else held + part
        found = [operand for operand in edges if operand[0] != "step" or operand[1] not in run]
        self.kept.update(key for key in trace.formula.inputs if key[0] in "pav")
        targets = [f"part{run[0]}_{k}" for k in range(len(found))]
        parts = [gradients[operand] for operand in found]
        self.back.append(Loop(run[0], trace.formula, parts, targets, self._shape(run)))
        for target, operand in zip(targets, found, strict=True):
            sure = edges[operand].shape == self._shape(run)
            self._add(target, operand, edges[operand], run[0], sure)

    def _add(self, part: str, operand: tuple[str, Any], like: Any, i: int, sure: bool) -> None:
        target = "g" + self.variable(*operand)
        first = target not in self._started
        self.back.append(Add(part, target, like, i, sure, first, operand[0] != "step"))
        self._started.add(target)


class _Trace:
    """Writes the operations of a run down as a formula, whose inputs are variables."""

    def __init__(self, plan: Plan, run: range, back: bool = False) -> None:
        self.plan, self.run, self.back = plan, run, back
        self.recording = plan.recording
        self.formula = Formula()
        self._values: dict[int, Symbol] = {}

    def value(self, kind: str, which: Any) -> Any:
        """An operand: a number as it is, an array as a symbol."""
        if kind == "step" and which in self.run:
            if which not in self._values:
                self._values[which] = self._step(which)
            return self._values[which]
        if kind == "const" and not isinstance(which, np.ndarray):
            return which
        like = self.recording.like(kind, which)
        return self.formula.input(self.plan.variable(kind, which), like.shape, like.dtype)

    def _step(self, i: int) -> Symbol:
        """The result of an operation of the run; on the way back, kept unless that is no gain."""
        node = self.recording.nodes[i]
        kept = f"v{i}" in self.plan.kept  # for others
        if self.back and (kept or prod(node.shape) < _LARGE or not self._is_quick(i)):
            return self.formula.input(f"v{i}", node.shape, node.dtype)
        return self._compute(i)

    def _compute(self, i: int) -> Symbol:
        operands = [self.value(*operand) for operand in self.recording.operands[i]]
        result = self.recording.nodes[i].primitive.forward(*operands, **self._settings(i))
        if not isinstance(result, Symbol):
            raise TypeError("the result is no array")
        return result

    def _is_quick(self, i: int) -> bool:
        trace = _Trace(self.plan, range(i, i + 1))
        trace._compute(i)
        return all(operation.ufunc in _QUICK for operation in trace.formula.operations)

    def _settings(self, i: int) -> dict[str, Any]:
        settings = self.recording.settings[i]
        return {key: self.value(*settings[key]) for key in settings}

    def parts(self, i: int, g: Symbol) -> list[tuple[int, Symbol]]:
        """The gradients of the inputs that want one, by position, from that of the result."""
        node, operands = self.recording.nodes[i], self.recording.operands[i]
        settings = self._settings(i)
        found = []
        for k, name in enumerate(node.primitive.inputs):
            rule = node.primitive._rules.get(name)
            if node.edges[k] is None or (rule is None and name in node.primitive.constant_inputs):
                continue
            reads = [
                self.value(*[*operands, ("step", i)][of]) if kind == "saved"
                else settings[of] if kind == "setting"
                else of
                for kind, of in reads_of(rule, node)
            ]  # fmt: skip
            part = rule.function(g, *reads)
            if not isinstance(part, Symbol):
                raise TypeError("the rule returned no array")
            found.append((k, part))
        return found


def reads_of(rule: Any, node: Any) -> list[tuple[str, Any]]:
    """What a rule reads: ("saved", position), ("setting", name) or ("property", its value)."""
    reads: list[tuple[str, Any]] = []
    for read in rule.reads:
        what, _, which = read.rstrip("]").partition("[")
        if what == "saved":
            reads.append(("saved", int(which)))
        elif what == "node.attrs":
            reads.append(("setting", which.strip("'")))
        else:  # of the node or of an input, which stays the same
            reads.append(("property", eval(read, {"node": node, "edges": node.edges})))
    return reads
