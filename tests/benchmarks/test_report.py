"""From measured times to what a reader sees: ratios, disagreement, failures, losses."""

from __future__ import annotations

import json

import pytest

from benchmarks import Workload
from benchmarks.contest import Result
from benchmarks.overview import overview
from benchmarks.report import Table, duration, proportion, tabulate


def _result(name: str, *rounds: float, value: float = 1.0, **fields: object) -> Result:
    return Result(name, rounds=[[time] for time in rounds], value=value, **fields)  # type: ignore[arg-type]


def _table(*results: Result, operations: int = 1, peer: str = "torch") -> Table:
    return tabulate("suite", Workload("work", {}, operations), results, peer)


def _ratio(table: Table, name: str) -> float | None:
    row = table.row(name)
    assert row is not None
    return row.ratio


def test_the_ratio_compares_within_rounds():
    # The machine was ten times slower in the last two rounds, for both alike.
    ours, torch = _result("glassgrad", 1.0, 10.0, 10.0), _result("torch", 2.0, 20.0, 20.0)
    assert _ratio(_table(ours, torch), "glassgrad") == 0.5


def test_without_the_peer_the_first_that_finished_is_compared_with():
    failed = Result("numpy", error="no")
    table = _table(failed, _result("hips", 2.0), _result("mygrad", 3.0))
    assert table.peer == "hips"
    assert _ratio(table, "mygrad") == 1.5


def test_times_are_per_operation_and_over_numpy():
    table = _table(_result("glassgrad", 6.0), _result("numpy", 2.0), operations=4)
    row = table.row("glassgrad")
    assert row is not None
    assert (row.median, row.over_numpy) == (1.5, 1.0)


def test_who_computed_something_else_is_marked():
    table = _table(_result("glassgrad", 1.0, value=1.01), _result("torch", 1.0))
    assert "glassgrad (!)" in table.as_text()
    assert "glassgrad computed 1.01: not the same thing as torch" in table.as_markdown()
    assert "glassgrad at work: computed 1.01" in overview([table], {})


def test_a_failure_is_shown_with_its_reason_everywhere():
    table = _table(Result("jax", error="pip failed"), _result("torch", 1.0))
    for text in (table.as_text(), table.as_line(), table.as_markdown(), overview([table], {})):
        assert "pip failed" in text


def test_losses_are_named():
    lost, won = _result("glassgrad", 3.0), _result("glassgrad", 1.0)
    tables = [
        tabulate("suite", Workload(name, {}), [ours, _result("torch", 1.2)], "torch")
        for name, ours in (("slow", lost), ("fast", won))
    ]
    assert "glassgrad: faster at 1 of 2, more than 2 times slower at 1: slow (2.50)." in overview(
        tables, {}
    )


def test_growth_of_memory_has_a_table_of_its_own():
    ours = _result("glassgrad", 1.0, growth_bytes=2**20)
    table = _table(ours, _result("torch", 1.0, growth_bytes=2**22))
    row = table.row("glassgrad")
    assert row is not None
    assert row.growth_ratio == 0.25
    assert "| work | 0.25 (1.0 MiB) | 4.0 MiB |" in overview([table], {})


def test_tables_survive_json():
    table = _table(_result("glassgrad", 1.0, versions=["numpy 2"]), _result("torch", 2.0))
    assert Table.from_json(json.loads(json.dumps(table.as_json()))) == table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.0, "2 s"), (0.01234, "12.3 ms"), (9.999e-4, "1 ms"), (5e-6, "5 µs"), (3e-8, "30 ns")],
)
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text


def test_small_ratios_keep_two_digits():
    assert [proportion(r) for r in (1.234, 0.1, 0.0123)] == ["1.23", "0.10", "0.012"]
