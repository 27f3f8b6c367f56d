"""From results to numbers people read: medians, ratios in one run, first steps and memory."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks import Workload
from benchmarks.contest import Result

__all__ = ["Row", "Table", "duration", "markdown_table", "proportion", "size", "tabulate"]

_SAME = 1e-3  # two first values further apart than this, relatively, are not the same computation


@dataclass(frozen=True)
class Row:
    """One contestant at one workload; `median` and rounds are seconds per operation."""

    contestant: str
    median: float | None = None
    fastest_round: float | None = None
    slowest_round: float | None = None
    ratio: float | None = None
    over_numpy: float | None = None
    first_step: float | None = None
    to_first_result: float | None = None
    cores: float | None = None
    peak_bytes: int = 0
    step_bytes: int = 0
    growth_bytes: int | None = None
    growth_ratio: float | None = None
    calls: int = 0
    value: float | None = None
    agrees: bool = True
    versions: tuple[str, ...] = ()
    error: str | None = None


# Columns: the heading, and what stands in it for a row that has something to show.
_COLUMNS: tuple[tuple[str, Callable[[Row], str | None]], ...] = (
    ("over NumPy", lambda row: _shown(row.over_numpy, duration)),
    ("ratio", lambda row: _shown(row.ratio, proportion)),
    ("first step", lambda row: _shown(row.first_step, duration)),
    ("to first result", lambda row: _shown(row.to_first_result, duration)),
    ("cores", lambda row: _shown(row.cores, "{:.1f}".format)),
    ("peak memory", lambda row: _shown(row.peak_bytes or None, size)),
    ("of the step", lambda row: _shown(row.step_bytes or None, size)),
    ("growth", lambda row: _shown(row.growth_bytes, size)),
    ("ratio of growth", lambda row: _shown(row.growth_ratio, proportion)),
)


@dataclass(frozen=True)
class Table:
    """A workload's rows; `peer` is the contestant whose ratio is 1."""

    suite: str
    workload: str
    operations: int
    peer: str | None
    rows: tuple[Row, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Table:
        rows = (Row(**{**row, "versions": tuple(row["versions"])}) for row in kept["rows"])
        return cls(**{**kept, "rows": tuple(rows)})

    def row(self, contestant: str) -> Row | None:
        return next((row for row in self.rows if row.contestant == contestant), None)

    def _cells(self) -> list[list[str]]:
        columns = [(name, of) for name, of in _COLUMNS if any(of(row) for row in self.rows)]
        per = "time" if self.operations == 1 else "time per operation"
        names = [f"ratio to {self.peer}" if name == "ratio" else name for name, _ in columns]
        cells = [["", per, "range of rounds", *names]]
        for row in self.rows:
            if row.median is None or row.fastest_round is None or row.slowest_round is None:
                cells.append([row.contestant, f"failed: {row.error}", *[""] * (len(columns) + 1)])
                continue
            cells.append(
                [
                    row.contestant + ("" if row.agrees else " (!)"),
                    duration(row.median),
                    f"{duration(row.fastest_round)} - {duration(row.slowest_round)}",
                    *((of(row) or "") for _, of in columns),
                ]
            )
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

    def as_line(self) -> str:
        """For grids of many workloads: each contestant's time and ratio."""
        shown = [
            f"{row.contestant} failed: {row.error}"
            if row.median is None or row.ratio is None
            else f"{row.contestant} {duration(row.median)} ({proportion(row.ratio)})"
            for row in self.rows
        ]
        return "\n".join([f"{self.suite}: {self.workload}: {', '.join(shown)}", *self._notes()])

    def as_markdown(self) -> str:
        lines = [f"### {self.suite}: {self.workload}", "", markdown_table(self._cells())]
        return "\n".join([*lines, *(f"\n{note}" for note in self._notes()), ""])


def _shown(value: Any, form: Callable[[Any], str]) -> str | None:
    return None if value is None else form(value)


def markdown_table(cells: Sequence[Sequence[str]]) -> str:
    """The first line is the heading; all columns but the first are numbers."""
    header, *body = ["| " + " | ".join(line) + " |" for line in cells]
    return "\n".join([header, "|---|" + "---:|" * (len(cells[0]) - 1), *body])


def duration(seconds: float) -> str:
    for unit, length in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= 0.9995 * length:  # what rounds to 1000 is 1 of the next unit
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def proportion(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.095 else f"{ratio:.3f}"


def size(count: int) -> str:
    mebibytes = count / 2**20
    return f"{mebibytes:.0f} MiB" if mebibytes >= 10 else f"{mebibytes:.1f} MiB"


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
    growth_ratio = None
    if peer is not None and peer.growth_bytes and result.growth_bytes is not None:
        growth_ratio = result.growth_bytes / peer.growth_bytes
    return Row(
        contestant=result.contestant,
        median=median(result),
        fastest_round=min(rounds),
        slowest_round=max(rounds),
        ratio=None if peer is None else _ratio(result, peer),
        over_numpy=(
            median(result) - median(bare)
            if bare is not None and bare is not result and operations > 1
            else None
        ),
        first_step=result.seconds.get("first"),
        to_first_result=sum(result.seconds.values()) or None,
        cores=statistics.median(result.cores) if result.cores else None,
        peak_bytes=result.peak_bytes,
        step_bytes=max(0, result.peak_bytes - result.baseline_bytes),
        growth_bytes=result.growth_bytes,
        growth_ratio=growth_ratio,
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
