"""Processes of contestants: who shares them, and who is ended."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import Workload, contest
from benchmarks.contestants import Contestant, Environment


class _Fake:
    """Stands in for a process; `broken` ones cannot take their turn."""

    started: list[str] = []  # noqa: RUF012

    def __init__(self, contestant: Contestant, pace: contest.Pace) -> None:
        self.name = contestant.name
        self.started.append(self.name)

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        if do == "turn" and self.name == "broken":
            raise contest._FailedError("it broke")
        return {
            "build": {"value": 1.0, "versions": [], "seconds": {}, "growth_bytes": None},
            "turn": {"times": [1.0], "cores": 1.0},
            "memory": {"peak": 2, "baseline": 1},
        }[do]

    def end(self) -> None:
        pass


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> list[str]:
    monkeypatch.setattr(contest, "_Process", _Fake)
    monkeypatch.setattr(contest, "STORE", tmp_path)
    _Fake.started.clear()
    return _Fake.started


def _run(apart: bool) -> list[contest.Result]:
    crowd = [Contestant(name, Environment("e", (), ()), "b", "") for name in ("sound", "broken")]
    with contest.Crew(contest.Pace(rounds=2, gap=0.0)) as crew:
        for _ in range(2):
            results = contest.contest("s", Workload("w", {}, apart=apart), crowd, crew)
    return results


def test_a_grid_shares_processes_except_broken_ones(started: list[str]):
    _run(apart=False)
    assert started == ["sound", "broken", "broken"]


def test_other_workloads_start_their_own(started: list[str]):
    sound, broken = _run(apart=True)
    assert started == ["sound", "broken"] * 2
    assert (sound.rounds, sound.error) == ([[1.0], [1.0]], None)
    assert broken.error == "it broke"
