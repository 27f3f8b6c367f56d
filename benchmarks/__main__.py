"""The command: choose suites and contestants, run them, print tables, keep Markdown and JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

from benchmarks import Workload
from benchmarks.contest import Pace, contest
from benchmarks.contestants import CONTESTANTS, PEER
from benchmarks.environments import STORE
from benchmarks.report import Table, machine, tabulate

_SUITES = tuple(
    sorted(path.stem for path in Path(__file__).with_name("workloads").glob("[!_]*.py"))
)

_BUSY = 0.3  # load per core above which threads wait for somebody else's work


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    names = [contestant.name for contestant in CONTESTANTS]
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(_SUITES)}")
    parser.add_argument("--list", action="store_true", help="show suites, workloads, contestants")
    parser.add_argument("--only", nargs="+", choices=names, metavar="CONTESTANT", help=str(names))
    parser.add_argument("--match", default="", metavar="TEXT", help="workloads whose name has it")
    parser.add_argument("--peer", choices=names, default=PEER, metavar="CONTESTANT")
    parser.add_argument("--threads", type=int, default=_cores(), help="for everybody alike")
    parser.add_argument("--rounds", type=int, default=Pace.rounds)
    parser.add_argument("--seconds", type=float, default=Pace.seconds, help="of one turn")
    parser.add_argument("--gap", type=float, default=Pace.gap, help="seconds between turns")
    parser.add_argument("--quick", action="store_true", help="3 short rounds: does it work?")
    parser.add_argument("--output", type=Path, default=STORE / "results", metavar="FOLDER")
    options = parser.parse_args(argv)
    if unknown := sorted(set(options.suites) - set(_SUITES)):
        parser.error(f"no suite {', '.join(unknown)}; there are {', '.join(_SUITES)}")
    return options


def _show(tables: list[Table], described: dict[str, str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    versions = sorted({v for table in tables for row in table.rows for v in row.versions})
    facts = [*(f"{key}: {value}" for key, value in described.items()), *versions]
    markdown = ["# Benchmarks", "", *(f"- {fact}" for fact in facts), ""]
    markdown += ["Times are medians; a ratio below 1 is faster than the peer.", ""]
    markdown += [table.as_markdown() for table in tables]
    (folder / "latest.md").write_text("\n".join(markdown), encoding="utf-8")
    kept = {"machine": described, "tables": [table.as_json() for table in tables]}
    (folder / "latest.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    options = _arguments(argv)
    suites: dict[str, list[Workload]] = {
        name: importlib.import_module(f"benchmarks.workloads.{name}").WORKLOADS
        for name in options.suites or _SUITES
    }
    if options.list:
        for name, workloads in suites.items():
            for workload in workloads:
                print(f"{name}: {workload.name}  ({', '.join(workload.builders)})")
        for contestant in CONTESTANTS:
            print(f"{contestant.name:20} {contestant.about}")
        return 0

    rounds, seconds = (3, 0.03) if options.quick else (options.rounds, options.seconds)
    pace = Pace(rounds=rounds, seconds=seconds, gap=options.gap, threads=options.threads)
    described = machine(pace)
    print("\n".join(f"{key}: {value}" for key, value in described.items()), end="\n\n")
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > _BUSY * _cores():
        print("The machine is busy: do not rely on these numbers.\n", file=sys.stderr)
    tables = []
    for name, workloads in suites.items():
        for workload in workloads:
            if options.match not in workload.name:
                continue
            competing = [
                contestant
                for contestant in CONTESTANTS
                if contestant.builder in workload.builders
                and (options.only is None or contestant.name in options.only)
            ]
            results = contest(name, workload, competing, pace)
            tables.append(tabulate(name, workload, results, options.peer))
            print(tables[-1].as_text(), end="\n\n", flush=True)
            _show(tables, described, options.output)
    print(f"kept in {options.output}/latest.md and latest.json")
    return int(any(row.error or not row.agrees for table in tables for row in table.rows))


if __name__ == "__main__":
    sys.exit(main())
