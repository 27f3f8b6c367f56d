"""From results to numbers people read: medians, ratios in one run, memory, and the machine."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import Workload
from benchmarks.contest import Pace, Result

__all__ = ["Row", "Table", "machine", "tabulate"]

_SAME = 1e-3  # two first values further apart than this, relatively, are not the same computation


@dataclass(frozen=True)
class Row:
    """One contestant at one workload; times are seconds per operation."""

    contestant: str
    median: float | None = None
    fastest_round: float | None = None
    slowest_round: float | None = None
    ratio: float | None = None
    over_numpy: float | None = None
    peak_bytes: int = 0
    step_bytes: int = 0
    calls: int = 0
    value: float | None = None
    agrees: bool = True
    versions: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Table:
    suite: str
    workload: str
    operations: int
    peer: str | None
    rows: tuple[Row, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def _cells(self) -> list[list[str]]:
        per = "time" if self.operations == 1 else "time per operation"
        ratio = f"ratio to {self.peer}"
        cells = [["", per, "range of rounds", ratio, "peak memory", "of the step"]]
        with_numpy = self.operations > 1 and any(row.over_numpy is not None for row in self.rows)
        if with_numpy:
            cells[0].insert(3, "over NumPy")
        for row in self.rows:
            if row.median is None or row.fastest_round is None or row.slowest_round is None:
                cells.append([row.contestant, f"failed: {row.error}", *[""] * (len(cells[0]) - 2)])
                continue
            line = [
                row.contestant + ("" if row.agrees else " (!)"),
                duration(row.median),
                f"{duration(row.fastest_round)} - {duration(row.slowest_round)}",
                "" if row.ratio is None else f"{row.ratio:.2f}",
                f"{row.peak_bytes / 2**20:.0f} MiB" if row.peak_bytes else "",
                f"{row.step_bytes / 2**20:.0f} MiB" if row.peak_bytes else "",
            ]
            if with_numpy:
                line.insert(3, "" if row.over_numpy is None else duration(row.over_numpy))
            cells.append(line)
        return cells

    def _notes(self) -> list[str]:
        return [
            f"(!) {row.contestant} computed {row.value}: not the same thing as {self.peer}"
            for row in self.rows
            if not row.agrees
        ]

    def as_text(self) -> str:
        cells = self._cells()
        # A reason for failing may be long; it does not widen its column.
        widths = [
            max(len(line[i]) for line in cells if not line[1].startswith("failed") or i == 0)
            for i in range(len(cells[0]))
        ]
        lines = [f"{self.suite}: {self.workload}"]
        for line in cells:
            first, *others = (cell for cell in line)
            padded = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
            lines.append("  " + "  ".join([first.ljust(widths[0]), *padded]).rstrip())
        return "\n".join([*lines, *self._notes()])

    def as_markdown(self) -> str:
        header, *body = self._cells()
        lines = [f"### {self.suite}: {self.workload}", "", "| " + " | ".join(header) + " |"]
        lines.append("|---|" + "---:|" * (len(header) - 1))
        lines += ["| " + " | ".join(line) + " |" for line in body]
        return "\n".join([*lines, *(f"\n{note}" for note in self._notes()), ""])


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _ratio(ours: Result, theirs: Result) -> float:
    """The median over rounds of the ratio of medians: both sides met the same conditions."""
    pairs = zip(ours.rounds, theirs.rounds, strict=False)
    return statistics.median(statistics.median(a) / statistics.median(b) for a, b in pairs)


def _row(result: Result, peer: Result | None, bare: Result | None, operations: int) -> Row:
    if result.error is not None:
        return Row(result.contestant, error=result.error, versions=tuple(result.versions))

    def median(measured: Result) -> float:
        return statistics.median(t for turn in measured.rounds for t in turn) / operations

    rounds = [statistics.median(turn) / operations for turn in result.rounds]
    agrees = True
    if peer is not None and peer.value is not None and result.value is not None:
        agrees = abs(result.value - peer.value) <= _SAME * max(abs(peer.value), 1e-6)
    return Row(
        contestant=result.contestant,
        median=median(result),
        fastest_round=min(rounds),
        slowest_round=max(rounds),
        ratio=None if peer is None else _ratio(result, peer),
        over_numpy=None if bare is None or bare is result else median(result) - median(bare),
        peak_bytes=result.peak_bytes,
        step_bytes=result.peak_bytes - result.baseline_bytes,
        calls=sum(map(len, result.rounds)),
        value=result.value,
        agrees=agrees,
        versions=tuple(result.versions),
    )


def tabulate(suite: str, workload: Workload, results: Sequence[Result], peer: str) -> Table:
    """Ratios are to `peer`, or to the first that finished where the peer did not take part."""
    finished = {result.contestant: result for result in results if result.error is None}
    reference = finished.get(peer) or next(iter(finished.values()), None)
    bare = finished.get("numpy")
    return Table(
        suite=suite,
        workload=workload.name,
        operations=workload.operations,
        peer=None if reference is None else reference.contestant,
        rows=tuple(_row(result, reference, bare, workload.operations) for result in results),
    )


def machine(pace: Pace) -> dict[str, str]:
    """What the numbers were measured on; no name of the machine or its user."""

    def first(path: str, key: str) -> str:
        try:
            lines = Path(path).read_text().splitlines()
        except OSError:
            return ""
        return next((x.partition(":")[2].strip() for x in lines if x.startswith(key)), "")

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = first("/proc/meminfo", "MemTotal").split()
    described = {
        "processor": first("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": str(cores),
        "memory": f"{int(memory[0]) / 2**20:.0f} GiB" if memory else "",
        "system": f"{platform.system()}, {' '.join(platform.libc_ver())}".rstrip(", "),
        "python": platform.python_version(),
        "threads of every contestant": str(pace.threads),
        "rounds": f"{pace.rounds}, each {pace.seconds:g} s, {pace.gap * 1e3:g} ms between turns",
        "load before": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "",
    }
    for name in ("OPENBLAS_CORETYPE", "KMP_BLOCKTIME", "OMP_WAIT_POLICY"):
        if name in os.environ:
            described[name] = os.environ[name]
    return {key: value for key, value in described.items() if value}
