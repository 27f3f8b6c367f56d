"""Workspaces: plans written out as Python, with buffers for results.

Loops are calls of kernels, other steps calls of forwards and rules, one line each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from autograd import kernels
from autograd._backward import _conform
from autograd._primitive import primitives
from autograd.kernels._settings import SETTINGS
from autograd.kernels._twins import settle
from autograd.replay.plan import Add, Forward, Loop, Plan, Rules, reads_of
from autograd.replay.recording import Recording

__all__ = ["Lease", "Workspace"]

# After so many calls, a program has shown that it is worth the time it takes to compile.
_WORTH_COMPILING = 20


class Workspace:
    """A recording written out, and the arrays that its results are written to.

    Attributes:
        backward: ``backward(g, values)``: the gradients of the leaves and of the arguments that
            want one; None for those that the result does not depend on.
        incomplete: whether there are such.
    """

    def __init__(self, recording: Recording) -> None:
        self._plan = plan = Plan(recording)
        writer = _Writer(plan)
        source = writer.write()
        names = {**writer.names, **plan.constants}
        exec(source, names)
        self._forward: Callable[..., Any] = names["forward"]
        self.backward = self._backward = names["backward"]
        self.incomplete = None in plan.results
        self._calls = 0
        self._native: Any = None

    def forward(self, leaves: list[Any], args: list[Any]) -> tuple[Any, Any]:
        """The result, and what ``backward`` reads, and empties."""
        if self._native is not None:
            found = self._native.forward(leaves, args)
            if found is not None:
                self.backward = self._native.backward
                return found
            self.backward = self._backward
        elif self._calls < _WORTH_COMPILING:
            self._calls += 1
            if self._calls == _WORTH_COMPILING:
                native = _compiled(self._plan)
                if native is not None and (found := native.forward(leaves, args)) is not None:
                    native.backward(np.zeros_like(found[0]), found[1])
                    self._native = native  # both functions are compiled
        return self._forward(leaves, args)


def _compiled(plan: Plan) -> Any:
    """The plan as native code; None if there is none, or no compiler."""
    if not (SETTINGS.may_compile and settle()):
        return None
    from autograd.replay._numba import Native, NotNativeError

    try:
        return Native(plan)
    except NotNativeError:
        return None


class Lease:
    """The use of a workspace by one result, until what that saved is gone."""

    __slots__ = ("idle", "values", "workspace")

    def __init__(self, workspace: Workspace, idle: list[Workspace]) -> None:
        self.workspace = workspace
        self.idle = idle  # where it is put back
        self.values: Any = None  # what the way back reads, once

    def __del__(self) -> None:
        self.idle.append(self.workspace)


class _Writer:
    """Writes a plan as two Python functions, and makes the buffers that they write to."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.recording = plan, plan.recording
        self.buffers: dict[int, Any] = {}
        self.names: dict[str, Any] = {"conform": _conform, "buffers": self.buffers}
        self._totals = self._totals_of_loops()
        self._broadcast = {
            step.part: step.like.shape
            for step in plan.back
            if isinstance(step, Add) and not step.sure
        }
        for special in plan.special:
            self._keep_apart(() if special is None else special.buffers)

    def write(self) -> str:
        """The source of both functions."""
        plan, kept = self.plan, sorted(self.plan.kept)
        result = f"v{plan.last}"
        there = [
            _unpacked([f"p{i}" for i in range(len(self.recording.leaves))], "leaves"),
            _unpacked([f"a{i}" for i in range(len(self.recording.args))], "args"),
        ]
        for ahead in plan.there:
            if isinstance(ahead, Loop):
                there += self._loop_there(ahead)
            elif ahead.i not in self._totals.values():
                there += self._forward(ahead.i)
        there.append(f"return {_own(result)}, [{', '.join(kept)}]")
        back = [_unpacked(kept, "values"), "values.clear()", f"g{result} = g"]
        for step in plan.back:
            if isinstance(step, Loop):
                back += self._loop_back(step)
            else:
                back += self._rules(step) if isinstance(step, Rules) else self._add(step)
        back.append(f"return [{', '.join(map(str, plan.results))}]")
        lines = ["def forward(leaves, args):", *_releasing(there)]
        lines += ["def backward(g, values):", *_releasing(back)]
        return "\n".join([line if line.startswith("def ") else f"    {line}" for line in lines])

    def _keep_apart(self, buffers: Iterable[Any]) -> None:
        self.buffers.update((id(buffer), buffer) for buffer in buffers)

    def _loop_there(self, step: Loop) -> list[str]:
        """The loop; where only a sum reads a value, that sum."""
        totals = [self._totals.get(value) for value in step.targets]
        targets = [
            value if i is None else f"v{i}" for value, i in zip(step.targets, totals, strict=True)
        ]
        lines = self._loop(step, "there", targets, [None if i is None else () for i in totals])
        means = [
            f"v{i} = v{i} / {prod(step.shape)}"
            for i in totals
            if i is not None and self.recording.nodes[i].primitive is primitives["mean"]
        ]
        return [*lines, *means]

    def _loop_back(self, step: Loop) -> list[str]:
        """The loop; parts of gradients of what was broadcast are summed."""
        sums = [self._broadcast.get(part) for part in step.targets]
        return self._loop(step, "back", step.targets, sums)

    def _loop(
        self, step: Loop, way: str, targets: list[str], sums: list[tuple[int, ...] | None]
    ) -> list[str]:
        if not targets:
            return []
        loop = kernels.Loop(step.formula, step.values, step.shape, sums)
        self._keep_apart(loop.buffers)
        name = f"{way}{step.start}"
        self.names[name] = loop.call
        return [_unpacked(targets, f"{name}({', '.join(step.formula.inputs)})")]

    def _totals_of_loops(self) -> dict[str, int]:
        """Values of loops that nothing reads but the operation that follows, a sum or mean of all
        elements: by value, that operation."""
        plan, found = self.plan, {}
        for loop, step in pairwise(plan.there):
            if not (isinstance(loop, Loop) and isinstance(step, Forward)):
                continue
            node = self.recording.nodes[step.i]
            if node.primitive not in (primitives["sum"], primitives["mean"]) or node.shape:
                continue
            kind, which = self.recording.operands[step.i][0]
            value = plan.variable(kind, which)
            alone = value in loop.targets and value not in plan.kept
            if alone and plan.last_reader[which] == step.i and node.dtype.char in "fd":
                found[value] = step.i
        return found

    def _forward(self, i: int) -> list[str]:
        primitive, form = self.recording.nodes[i].primitive, self.plan.special[i]
        inputs = [self.plan.variable(*operand) for operand in self.recording.operands[i]]
        settings = self.recording.settings[i]
        given = [f"{key}={self.plan.variable(*settings[key])}" for key in settings]
        call = ", ".join([*inputs, *given])
        self.names[f"f{i}"] = primitive.forward if form is None else form.forward
        aux = [f"v{i}_{k}" for k in range(len(primitive.aux))]
        lines = [f"{', '.join([f'v{i}', *aux])} = f{i}({call})"]
        if primitive._precondition is not None:
            self.names[f"check{i}"] = primitive._precondition
            lines.insert(0, f"check{i}({call})")
        return lines

    def _rules(self, step: Rules) -> list[str]:
        i, node = step.i, self.recording.nodes[step.i]
        settings, form, primitive = self.recording.settings[i], self.plan.special[i], node.primitive
        values = self.plan.values(i)
        if primitive._joint is not None or (primitive._shortcut is not None and form is None):
            return self._joint_rule(step, values)
        lines = []
        for k, target in step.targets.items():
            name = primitive.inputs[k]
            rule = primitive._rules[name]
            reads = [
                self.plan.variable(*values[of]) if kind == "saved"
                else self.plan.variable(*settings[of]) if kind == "setting"
                else self.plan.variable("const", of)
                for kind, of in reads_of(rule, node)
            ]  # fmt: skip
            special = {} if form is None else form.rules
            self.names[f"r{i}_{k}"] = special.get(name, rule.function)
            lines.append(f"{target} = r{i}_{k}({', '.join([f'gv{i}', *reads])})")
        return lines

    def _joint_rule(self, step: Rules, values: list[tuple[str, Any]]) -> list[str]:
        i, node = step.i, self.recording.nodes[step.i]
        keep, settings = self.plan.mask(i), self.recording.settings[i]
        saved = [self.plan.variable(*v) if keep >> k & 1 else "None" for k, v in enumerate(values)]
        if node.primitive._shapes_wanted:
            saved.append(
                self.plan.variable("const", tuple([like.shape for like in self.plan.like(i)]))
            )
        rule = node.primitive.written_vjp()
        self.names.update({f"n{i}": node, f"r{i}": rule, f"e{i}": node.edges})
        given = ", ".join(f"{k!r}: {self.plan.variable(*settings[k])}" for k in settings)
        at = f"n{i}.having({{{given}}})"
        return [
            f"parts = r{i}(gv{i}, ({', '.join(saved)},), {at}, e{i}, None)",
            *(f"{target} = parts[{k}]" for k, target in step.targets.items()),
            "del parts",
        ]

    def _add(self, step: Add) -> list[str]:
        part, target, lines = step.part, step.target, []
        if not step.sure:
            at, like = f"{step.i}_{target}", step.like
            self.names[f"n{step.i}"] = self.recording.nodes[step.i]
            self.names.update({f"e{at}": like, f"s{at}": like.shape, f"t{at}": like.dtype})
            lines += [
                f"if {part}.shape != s{at} or {part}.dtype is not t{at}:",
                f"    {part} = conform({part}, e{at}, n{step.i})",
            ]
        if not step.first:
            part = f"{target} + {part}"
        elif target.startswith("ga"):
            part = _own(part)  # a leaf makes a copy itself of what is not handed over
        return [*lines, f"{target} = {part}"]


def _releasing(lines: list[str]) -> list[str]:
    """The same lines, and after the last that reads a result or its gradient, that it goes.

    What comes next then finds its memory in the cache.
    """
    last = {name: i for i, line in enumerate(lines) for name in _RESULT.findall(line)}
    gone: dict[int, list[str]] = {}
    for name, i in last.items():
        if i < len(lines) - 1:  # the last line returns the others
            gone.setdefault(i, []).append(name)
    return [
        text
        for i, line in enumerate(lines)
        for text in (line, *([f"del {', '.join(gone[i])}"] if i in gone else ()))
    ]


_RESULT = re.compile(r"\b(?:g?v|part)\d+(?:_\d+)?\b")


def _unpacked(names: Iterable[str], source: str) -> str:
    left = "".join(f"{name}, " for name in names)
    return f"{left}= {source}" if left else "pass"


def _own(value: str) -> str:
    """An expression for a value that no later call writes to."""
    return f"{value}.copy() if {value}.base is not None or id({value}) in buffers else {value}"
