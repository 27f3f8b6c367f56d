"""The command: choose suites and contestants, run them, print tables, keep Markdown and JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

from benchmarks import Workload
from benchmarks.contest import Crew, Pace, contest
from benchmarks.contestants import CONTESTANTS, PEER, PLOTTER, Contestant
from benchmarks.environments import STORE, CannotInstallError, python_of
from benchmarks.machine import cores, load, machine
from benchmarks.overview import overview
from benchmarks.report import Table, tabulate

_SUITES = tuple(
    sorted(path.stem for path in Path(__file__).with_name("workloads").glob("[!_]*.py"))
)

_BUSY = 0.3  # load per core above which threads wait for somebody else's work


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    names = [contestant.name for contestant in CONTESTANTS]
    late = [contestant.name for contestant in CONTESTANTS if not contestant.invited]
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(_SUITES)}")
    parser.add_argument("--list", action="store_true", help="show suites, workloads, contestants")
    parser.add_argument("--only", nargs="+", choices=names, metavar="CONTESTANT", help=str(names))
    parser.add_argument("--also", nargs="+", choices=late, default=[], help=f"of {late}")
    parser.add_argument("--match", default="", metavar="TEXT", help="workloads whose name has it")
    parser.add_argument("--peer", choices=names, metavar="CONTESTANT", help="whose ratio is 1")
    parser.add_argument("--threads", type=int, default=cores(), help="for everybody alike")
    parser.add_argument("--rounds", type=int, default=Pace.rounds)
    parser.add_argument("--seconds", type=float, default=Pace.seconds, help="of one turn")
    parser.add_argument("--gap", type=float, default=Pace.gap, help="seconds between turns")
    parser.add_argument("--limit", type=float, default=Pace.limit, help="seconds for an answer")
    parser.add_argument("--cold", action="store_true", help="compilers start with empty caches")
    parser.add_argument("--quick", action="store_true", help="3 short rounds: does it work?")
    parser.add_argument("--output", type=Path, default=STORE / "results", metavar="FOLDER")
    parser.add_argument(
        "--report", type=Path, metavar="JSON", help="measure nothing: show what a run has kept"
    )
    parser.add_argument("--markdown", action="store_true", help="print what fits into a README")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios: .svg or .png")
    options = parser.parse_args(argv)
    if unknown := sorted(set(options.suites) - set(_SUITES)):
        parser.error(f"no suite {', '.join(unknown)}; there are {', '.join(_SUITES)}")
    return options


def _competing(workload: Workload, options: argparse.Namespace) -> list[Contestant]:
    """Those named with --only; otherwise those invited and those named with --also."""

    def wanted(contestant: Contestant) -> bool:
        if options.only is not None:
            return contestant.name in options.only
        if contestant.name in options.also:
            return True
        return contestant.invited and (not workload.among or contestant.name in workload.among)

    return [c for c in CONTESTANTS if c.builder in workload.builders and wanted(c)]


def _keep(tables: list[Table], described: dict[str, str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    parts = ["# Benchmarks", overview(tables, described), "## In detail"]
    parts += [table.as_markdown() for table in tables]
    (folder / "latest.md").write_text("\n\n".join(parts), encoding="utf-8")
    kept = {"machine": described, "tables": [table.as_json() for table in tables]}
    (folder / "latest.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")


def _plot(tables: list[Table], described: dict[str, str], path: Path) -> bool:
    """Whether Matplotlib, in an environment of its own, has drawn it."""
    kept = json.dumps({"machine": described, "tables": [table.as_json() for table in tables]})
    script = Path(__file__).with_name("plot.py")
    try:
        command = [str(python_of(PLOTTER)), "-I", str(script), str(path.absolute())]
    except CannotInstallError as error:
        print(f"no plot, Matplotlib cannot be installed: {error}", file=sys.stderr)
        return False
    done = subprocess.run(command, input=kept, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"no plot: {''.join(done.stderr.splitlines()[-1:])}", file=sys.stderr)
    else:
        print(f"drawn in {path}")
    return done.returncode == 0


def _list(suites: dict[str, list[Workload]]) -> None:
    for name, workloads in suites.items():
        for workload in workloads:
            print(f"{name}: {workload.name}  ({', '.join(workload.builders)})")
    for contestant in CONTESTANTS:
        asked = "" if contestant.invited else " (with --also or --only)"
        print(f"{contestant.name:22} {contestant.about}{asked}")


def _run(
    suites: dict[str, list[Workload]],
    options: argparse.Namespace,
    pace: Pace,
    described: dict[str, str],
) -> list[Table]:
    tables: list[Table] = []
    with Crew(pace) as crew:
        for name, workloads in suites.items():
            for workload in workloads:
                if options.match not in workload.name or (options.quick and not workload.quick):
                    continue
                competing = _competing(workload, options)
                if not competing:
                    continue
                results = contest(name, workload, competing, crew)
                peer = options.peer or workload.peer or PEER
                table = tabulate(name, workload, results, peer)
                tables.append(table)
                print(table.as_text() + "\n" if workload.apart else table.as_line(), flush=True)
                _keep(tables, described, options.output)
            crew.dismiss_all()
    return tables


def main(argv: list[str] | None = None) -> int:
    options = _arguments(argv)
    if options.report is not None:
        kept = json.loads(options.report.read_text(encoding="utf-8"))
        described, tables = kept["machine"], [Table.from_json(table) for table in kept["tables"]]
        if options.suites:
            tables = [table for table in tables if table.suite in options.suites]
    else:
        suites: dict[str, list[Workload]] = {
            name: importlib.import_module(f"benchmarks.workloads.{name}").WORKLOADS
            for name in options.suites or _SUITES
        }
        if options.list:
            _list(suites)
            return 0
        rounds, seconds = (3, 0.03) if options.quick else (options.rounds, options.seconds)
        pace = Pace(
            rounds=rounds,
            seconds=seconds,
            gap=options.gap,
            threads=options.threads,
            limit=options.limit,
            cold=options.cold,
        )
        described = machine(pace)
        print("\n".join(f"{key}: {value}" for key, value in described.items()), end="\n\n")
        if load() > _BUSY * cores():
            print("The machine is busy: do not rely on these numbers.\n", file=sys.stderr)
        tables = _run(suites, options, pace, described)
        print(f"kept in {options.output}/latest.md and latest.json")

    if options.markdown or options.report is not None:
        print(overview(tables, described))
    drawn = options.plot is None or _plot(tables, described, options.plot)
    return int(not drawn or any(row.error or not row.agrees for t in tables for row in t.rows))


if __name__ == "__main__":
    sys.exit(main())
