"""profile: where time, memory traffic and arithmetic go, per operation and per module."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Literal

import numpy as np

from autograd._flops import flops, multiply_adds
from autograd._graph import Node
from autograd._modes import SCOPE, STATE
from autograd._primitive import Primitive, primitives
from autograd._recording import record_of

__all__ = ["Event", "Profile", "profile"]

CALIBRATION = 400  # empty calls from which the profile's own cost is measured


@dataclass(slots=True)
class Event:
    """One run of an operation's forward computation or of its rule.

    Attributes:
        name: of the operation.
        phase: ``"forward"`` or ``"backward"``.
        scope: the module call it belongs to, or None.
        start, duration: nanoseconds; ``start`` counts from the beginning of the profile.
        bytes: read and written, by the sizes of the arrays that go in and come out.
        flops: by the textbook algorithm, a multiply-add as two.
        multiply_adds: of forward products and convolutions alone, each counted once.
        depth: 0 unless another event ran this one as a part of itself.
        thread: of the computation.
        shapes: of the inputs (of the incoming gradient in the backward phase).
    """

    name: str
    phase: Literal["forward", "backward"]
    scope: Any
    start: int
    duration: int
    bytes: int
    flops: int
    multiply_adds: int
    depth: int
    thread: int
    shapes: tuple[tuple[int, ...], ...]

    @property
    def module(self) -> str:
        """The path of the module call, or an empty string."""
        return "" if self.scope is None else str(self.scope.path)


@dataclass(slots=True)
class _Row:
    """Sums over the events of one operation, or of one module."""

    calls: int = 0
    forward: int = 0
    backward: int = 0
    bytes: int = 0
    flops: int = 0

    @property
    def total(self) -> int:
        return self.forward + self.backward

    def add(self, event: Event) -> None:
        if event.phase == "forward":
            self.calls += 1
            self.forward += event.duration
        else:
            self.backward += event.duration
        self.bytes += event.bytes
        self.flops += event.flops


class Profile:
    """What :func:`profile` found.

    Attributes:
        events: every run of an operation, in order of its end.
        wall: seconds from the beginning to the end of the block.
        cost_per_event: seconds that profiling adds to each operation, measured at the start.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.wall = 0.0
        self.cost_per_event = 0.0

    @property
    def overhead(self) -> float:
        """Seconds that the profiling itself took, about."""
        return self.cost_per_event * len(self.events)

    def _rows(self, by: str) -> dict[str, _Row]:
        rows: dict[str, _Row] = {}
        paths: dict[int, str] = {}  # of scopes, which the events keep alive
        for event in self.events:
            if event.depth:
                continue  # counted in the event around it
            if by == "primitive":
                keys = [event.name]
            else:  # a module's time includes that of the modules in it
                path = paths.get(id(event.scope))
                if path is None:
                    path = paths[id(event.scope)] = event.module
                parts = path.split(".") if path else []
                keys = [".".join(parts[: i + 1]) for i in range(len(parts))] or ["(no module)"]
            for key in keys:
                rows.setdefault(key, _Row()).add(event)
        return rows

    def rows(self, by: Literal["primitive", "module"] = "primitive") -> list[dict[str, Any]]:
        """The table as data, the slowest first (modules in order of their first call).

        Keys are name, calls, forward and backward (seconds), bytes, flops.
        """
        if by not in ("primitive", "module"):
            raise ValueError(f"by is 'primitive' or 'module', got {by!r}")
        rows = list(self._rows(by).items())
        if by == "primitive":
            rows.sort(key=lambda item: -item[1].total)
        return [
            {
                "name": name,
                "calls": row.calls,
                "forward": row.forward / 1e9,
                "backward": row.backward / 1e9,
                "bytes": row.bytes,
                "flops": row.flops,
            }
            for name, row in rows
        ]

    def table(self, by: Literal["primitive", "module"] = "primitive") -> str:
        """A table for people, with a line on what profiling itself cost."""
        rows = self.rows(by)
        total = sum(e.duration for e in self.events if not e.depth) / 1e9 or 1e-12
        width = max([len(row["name"]) for row in rows] + [len(by)])
        lines = [
            f"{by:<{width}}  calls  forward ms  backward ms   share       MB     MFLOP  GFLOP/s"
        ]
        for row in rows:
            time = row["forward"] + row["backward"]
            rate = row["flops"] / time / 1e9 if time else 0.0
            lines.append(
                f"{row['name']:<{width}}  {row['calls']:5d}  {row['forward'] * 1e3:10.3f}  "
                f"{row['backward'] * 1e3:11.3f}  {time / total:5.1%}  {row['bytes'] / 1e6:7.2f}  "
                f"{row['flops'] / 1e6:8.2f}  {rate:7.2f}"
            )
        lines.append(
            f"{total * 1e3:.3f} ms in operations of {self.wall * 1e3:.3f} ms; profiling itself "
            f"added about {self.overhead * 1e3:.3f} ms ({self.cost_per_event * 1e6:.2f} µs per "
            "operation)"
        )
        return "\n".join(lines)

    def to_chrome_trace(self) -> str:
        """JSON for chrome://tracing, Perfetto and the like."""
        found = [
            {
                "name": event.name,
                "cat": event.phase,
                "ph": "X",
                "ts": event.start / 1e3,
                "dur": event.duration / 1e3,
                "pid": 1,
                "tid": event.thread,
                "args": {
                    "module": event.module,
                    "shapes": [list(shape) for shape in event.shapes],
                    "bytes": event.bytes,
                    "flops": event.flops,
                },
            }
            for event in sorted(self.events, key=lambda e: (e.start, -e.duration))
        ]
        return json.dumps({"traceEvents": found, "displayTimeUnit": "ms"})

    def save(self, path: str | PathLike[str]) -> str:
        """Write the Chrome trace to a ``.json`` file, or the tables to a ``.txt`` file."""
        file = Path(path)
        if file.suffix == ".json":
            file.write_text(self.to_chrome_trace(), encoding="utf-8")
        elif file.suffix == ".txt":
            file.write_text(f"{self.table()}\n\n{self.table('module')}\n", encoding="utf-8")
        else:
            raise ValueError(f"a profile is saved as .json or .txt, not as {file.name!r}")
        return str(file)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<Profile of {len(self.events)} events in {self.wall * 1e3:.3f} ms>"


class profile:  # noqa: N801 - a context manager, named like no_grad
    """Measure every operation that runs inside the block, forward and backward.

    Times are of the operations' own computations on arrays, not of the recording around them.
    Operations of all threads are measured. Graphs recorded inside show time and FLOPs per node.

    Raises:
        RuntimeError: if a profile is already running.

    >>> import autograd
    >>> x = autograd.Tensor(np.ones((50, 50)), requires_grad=True)
    >>> with autograd.profile() as found:
    ...     (x @ x).sum().backward()
    >>> flops = {row["name"]: row["flops"] for row in found.rows()}
    >>> sorted(flops), flops["matmul"] >= 2 * 50**3
    (['matmul', 'sum'], True)
    """

    _running = threading.Lock()

    def __init__(self) -> None:
        self.result = Profile()
        self._restore: list[Callable[[], None]] = []
        self._local = threading.local()
        self._origin = 0
        self._before: Any = None

    def __enter__(self) -> Profile:
        if not profile._running.acquire(blocking=False):
            raise RuntimeError("a profile is already running; profiles cannot be nested")
        try:
            self.result.cost_per_event = _cost()
            for primitive in list(primitives.values()):
                self._instrument(primitive)
        except BaseException:
            self._finish()
            raise
        state = STATE.get()
        self._before, outer = state.watch, state.watch

        def watch(node: Node, output: Any, inputs: tuple[Any, ...]) -> None:
            if outer is not None:
                outer(node, output, inputs)
            self._attribute(node)

        STATE.set(state.replace(watch=watch))
        self._origin = perf_counter_ns()
        return self.result

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.result.wall = (perf_counter_ns() - self._origin) / 1e9
        STATE.set(STATE.get().replace(watch=self._before))
        self._finish()

    def _finish(self) -> None:
        for undo in reversed(self._restore):
            undo()
        self._restore.clear()
        profile._running.release()

    # --------------------------------------------------------------------- instrumenting

    def _instrument(self, primitive: Primitive) -> None:
        forward, rule = primitive.forward, primitive.vjp
        primitive.forward = self._timed_forward(primitive, forward)
        primitive.vjp = self._timed_rule(primitive, rule)

        def undo() -> None:
            primitive.forward, primitive.vjp = forward, rule

        self._restore.append(undo)
        # A primitive's call holds its forward in a closure, for speed: exchange it there too. Code
        # written for ufuncs computes scalars by operators: have it written again, for this one.
        call = primitive.call
        cell = (call.__closure__ or ())[call.__code__.co_freevars.index("forward")]
        self._restore.append(partial(setattr, call, "__code__", call.__code__))
        self._restore.append(partial(setattr, cell, "cell_contents", forward))
        cell.cell_contents = primitive.forward
        primitive.write_call_again()

    def _timed_forward(
        self, primitive: Primitive, forward: Callable[..., Any]
    ) -> Callable[..., Any]:
        name = primitive.name
        local, events = self._local, self.result.events

        def timed(*args: Any, **attrs: Any) -> Any:
            depth = getattr(local, "depth", 0)
            local.depth = depth + 1
            start = perf_counter_ns()
            try:
                result = forward(*args, **attrs)
            finally:
                duration = perf_counter_ns() - start
                local.depth = depth
            shapes = tuple([np.shape(a) for a in args if a is not None])
            first = result[0] if isinstance(result, tuple) else result
            moved = sum([getattr(a, "nbytes", 0) for a in args]) + getattr(first, "nbytes", 0)
            output = np.shape(first)
            event = Event(
                name, "forward", SCOPE.get(), start - self._origin, duration, moved,
                flops(name, shapes, output, attrs), multiply_adds(name, shapes, output), depth,
                threading.get_ident(), shapes,
            )  # fmt: skip
            events.append(event)
            local.latest = event
            return result

        return timed

    def _timed_rule(self, primitive: Primitive, rule: Callable[..., Any]) -> Callable[..., Any]:
        name = primitive.name
        local, events = self._local, self.result.events

        def timed(gradient: Any, saved: Any, node: Node, edges: Any, wanted: Any) -> Any:
            depth = getattr(local, "depth", 0)
            local.depth = depth + 1
            inner = len(events)
            start = perf_counter_ns()
            try:
                parts = rule(gradient, saved, node, edges, wanted)
            finally:
                duration = perf_counter_ns() - start
                local.depth = depth
            shape = np.shape(gradient) if not isinstance(gradient, list) else node.shape
            arrays = [part for part in parts if part is not None]
            moved = getattr(gradient, "nbytes", 0) + sum([getattr(a, "nbytes", 0) for a in arrays])
            # What the rule did with other operations is counted there; else it is plain NumPy, of
            # about the forward's work for each input that got a gradient.
            work = sum([event.flops for event in events[inner:] if event.depth == depth + 1])
            if not work:
                shapes = [e.shape if e is not None else () for e in edges]
                work = len(arrays) * flops(name, shapes, node.shape, node.attrs or {})
            events.append(
                Event(
                    name,
                    "backward",
                    node.scope,
                    start - self._origin,
                    duration,
                    moved,
                    work,
                    0,
                    depth,
                    threading.get_ident(),
                    (shape,),
                )
            )
            return parts

        return timed

    def _attribute(self, node: Node) -> None:
        """Note time and FLOPs of the forward that has just ended at its node."""
        event = getattr(self._local, "latest", None)
        if event is not None and event.name == node.primitive.name:
            record = record_of(node)
            record.time, record.flops = event.duration / 1e9, event.flops


def _cost() -> float:
    """Seconds that one measured operation takes longer, from empty calls."""
    trial = profile()
    plain = Primitive(lambda x, /: x, name="nothing", inputs=["x"])
    timed = trial._timed_forward(plain, plain.forward)
    array = np.zeros(1)

    def run(function: Callable[..., Any]) -> int:
        start = perf_counter_ns()
        for _ in range(CALIBRATION):
            function(array)
        return perf_counter_ns() - start

    run(timed)
    return max(0, run(timed) - run(plain.forward)) / CALIBRATION / 1e9
