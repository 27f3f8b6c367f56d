"""Let contestants take turns at one workload, and collect what each of them measured."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks import Workload
from benchmarks.contestants import Contestant
from benchmarks.environments import STORE, CannotInstallError, python_of

__all__ = ["Crew", "Pace", "Result", "contest"]

_WORKER = Path(__file__).with_name("worker.py")

# Every pool of threads that a contestant may have, told the same number. (NPROC is XLA's.)
_POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "GLASSGRAD_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUM_CPU_THREADS",
    "NPROC",
)
# Settings that are a contestant's own, and must not leak in from outside.
_OWN = ("PYTHON", "MALLOC_", "GLASSGRAD_")


@dataclass(frozen=True)
class Pace:
    """How long it takes: `rounds` turns of `seconds` for each, with `gap` seconds of rest.

    A contestant that needs more than `limit` seconds to answer is out. With `cold`, compilers start
    with empty caches in every process; otherwise they find what earlier runs left.
    """

    rounds: int = 9
    seconds: float = 0.12
    least: int = 3
    warm_up: int = 2
    gap: float = 0.05
    threads: int = 1
    limit: float = 600.0
    cold: bool = False


@dataclass
class Result:
    """What one contestant measured: seconds per step, round by round."""

    contestant: str
    rounds: list[list[float]] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)
    value: float | None = None
    versions: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(
        default_factory=dict
    )  # to import, to build, of the first step
    peak_bytes: int = 0
    baseline_bytes: int = 0
    growth_bytes: int | None = None
    error: str | None = None


class _FailedError(Exception):
    """A contestant could not do what was asked."""


class _Process:
    """A contestant's process, until it is ended."""

    def __init__(self, contestant: Contestant, pace: Pace) -> None:
        python = python_of(contestant.environment)
        self._limit = pace.limit
        self._folder = tempfile.TemporaryDirectory(dir=STORE)
        caches = Path(self._folder.name) if pace.cold else STORE / "caches" / contestant.name
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_OWN)}
        environment |= dict.fromkeys(_POOLS, str(pace.threads))
        environment |= {
            "NUMBA_CACHE_DIR": str(caches / "numba"),
            "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"),
            "XDG_CACHE_HOME": str(caches),
            "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }
        self._errors = open(Path(self._folder.name) / "stderr", "w+", encoding="utf-8")  # noqa: SIM115
        self._process = subprocess.Popen(
            [python, "-I", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment | dict(contestant.variables),
            cwd=self._folder.name,
            text=True,
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # then there is no answer either
            print(json.dumps({"do": do, **arguments}), file=self._process.stdin, flush=True)
        if not select.select([self._process.stdout], [], [], self._limit)[0]:
            self._process.kill()
            raise _FailedError(f"no answer within {self._limit:g} s")
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            last = self._errors.read().strip().splitlines()[-1:]
            raise _FailedError("the process died: " + "".join(last))
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise _FailedError(answer["error"])
        return answer

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(10)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()
        self._folder.cleanup()


class Crew:
    """The processes that are running, by contestant; all are ended when the block ends."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._running: dict[str, _Process] = {}

    def member(self, contestant: Contestant) -> _Process:
        if contestant.name not in self._running:
            STORE.mkdir(exist_ok=True)
            self._running[contestant.name] = _Process(contestant, self.pace)
        return self._running[contestant.name]

    def dismiss(self, name: str) -> None:
        if name in self._running:
            self._running.pop(name).end()

    def dismiss_all(self) -> None:
        for name in tuple(self._running):
            self.dismiss(name)

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.dismiss_all()


def contest(
    suite: str, workload: Workload, contestants: Sequence[Contestant], crew: Crew
) -> list[Result]:
    """Run one workload. A contestant that fails is left out, and its result says why."""
    pace = crew.pace
    results = {contestant.name: Result(contestant.name) for contestant in contestants}
    running: list[tuple[Result, _Process]] = []
    if workload.apart:
        crew.dismiss_all()
    for contestant in contestants:
        result = results[contestant.name]
        try:
            process = crew.member(contestant)
            built = process.ask(
                "build",
                suite=suite,
                workload=workload.name,
                builder=contestant.builder,
                modules=contestant.environment.modules,
            )
        except (_FailedError, CannotInstallError) as error:
            result.error = str(error)
            continue
        for name in ("value", "versions", "seconds", "growth_bytes"):
            setattr(result, name, built[name])
        running.append((result, process))

    for number in range(pace.rounds):
        # Forth and back, so that nobody always follows the same neighbour.
        for result, process in running[:: 1 if number % 2 == 0 else -1]:
            if result.error is not None:
                continue
            time.sleep(pace.gap)
            try:
                turn = process.ask(
                    "turn", seconds=pace.seconds, least=pace.least, warm_up=pace.warm_up
                )
            except _FailedError as error:
                result.error = str(error)
                continue
            result.rounds.append(turn["times"])
            result.cores.append(turn["cores"])

    for result, process in running:
        if result.error is None:
            memory = process.ask("memory")
            result.peak_bytes, result.baseline_bytes = memory["peak"], memory["baseline"]
    for name, result in results.items():
        if result.error is not None:
            crew.dismiss(name)
    if workload.apart:
        crew.dismiss_all()
    return list(results.values())
