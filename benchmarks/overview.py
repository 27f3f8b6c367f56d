"""All workloads of a run at a glance: a line for each, a column for each contestant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from benchmarks.report import Row, Table, duration, markdown_table, proportion, size

__all__ = ["overview"]

_OURS = ("glassgrad", "glassgrad-numba")
_ROOMY = 6  # with more contestants than this, there is only room for ratios
_FAR = 2.0  # slower than the peer by more than this is named


def overview(tables: Sequence[Table], described: dict[str, str]) -> str:
    """Markdown for a README: the machine, ratios of every suite, and what was lost."""
    versions = sorted({v for table in tables for row in table.rows for v in row.versions})
    facts = [*(f"{key}: {value}" for key, value in described.items()), ", ".join(versions)]
    parts = [
        "\n".join(f"- {fact}" for fact in facts),
        "Medians of one run. Ratios of time are to the contestant that is shown with its time "
        "alone: below 1 is faster than that one.",
    ]
    for suite, group in groupby(tables, key=lambda table: table.suite):
        parts += [f"### {suite}", *_suite(tuple(group))]
    return "\n\n".join(parts) + "\n"


def _suite(tables: Sequence[Table]) -> Iterator[str]:
    names = list(dict.fromkeys(row.contestant for table in tables for row in table.rows))
    yield markdown_table([["", *names], *_lines(tables, names, growth=False)])
    yield from _verdicts(tables)
    if any(row.growth_bytes is not None for table in tables for row in table.rows):
        yield "Growth of memory during a step, beyond what stays:"
        yield markdown_table([["", *names], *_lines(tables, names, growth=True)])
    notes = [
        f"- {row.contestant} at {table.workload}: {_note(table, row)}"
        for table in tables
        for row in table.rows
        if row.error is not None or not row.agrees
    ]
    if notes:
        yield "\n".join(notes)


def _note(table: Table, row: Row) -> str:
    if row.error is not None:
        return f"failed, {row.error}"
    return f"computed {row.value}, not the same thing as {table.peer}"


def _lines(tables: Sequence[Table], names: Sequence[str], growth: bool) -> Iterator[list[str]]:
    for table in tables:
        cells = [_cell(table.row(name), table.peer, growth) for name in names]
        yield [table.workload, *(_both(cell, len(names) <= _ROOMY) for cell in cells)]


def _cell(row: Row | None, peer: str | None, growth: bool) -> tuple[str, str]:
    """What was measured, and its ratio to the peer unless it is the peer's own."""
    if row is None:
        return "", ""
    if row.error is not None or row.median is None:
        return "failed", ""
    value, ratio = duration(row.median), row.ratio
    if growth:
        value, ratio = "" if row.growth_bytes is None else size(row.growth_bytes), row.growth_ratio
    return value, "" if ratio is None or row.contestant == peer else proportion(ratio)


def _both(cell: tuple[str, str], roomy: bool) -> str:
    value, ratio = cell
    if not ratio:
        return value
    return f"{ratio} ({value})" if roomy else ratio


def _verdicts(tables: Sequence[Table]) -> Iterator[str]:
    """How often ours was faster, and where it was far slower."""
    for name in _OURS:
        met = [
            (row.ratio, table)
            for table in tables
            if (row := table.row(name)) is not None
            and row.ratio is not None
            and table.peer not in (None, *_OURS)
        ]
        if not met:
            continue
        won = sum(ratio < 1 for ratio, _ in met)
        far = sorted(((r, t.workload) for r, t in met if r > _FAR), reverse=True)
        named = "; ".join(f"{workload} ({proportion(ratio)})" for ratio, workload in far)
        slower = f"more than {_FAR:g} times slower at {len(far)}"
        yield f"{name}: faster at {won} of {len(met)}, {slower}{': ' + named if far else ''}."
