"""Let contestants take turns at one workload, and collect what each of them measured."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks import Workload
from benchmarks.contestants import Contestant
from benchmarks.environments import STORE, CannotInstallError, python_of

__all__ = ["Pace", "Result", "contest"]

_WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class Pace:
    """How long it takes: `rounds` turns of `seconds` for each, with `gap` seconds of rest."""

    rounds: int = 9
    seconds: float = 0.12
    least: int = 3
    warm_up: int = 2
    gap: float = 0.05
    threads: int = 1


@dataclass
class Result:
    """What one contestant measured: seconds per step, round by round."""

    contestant: str
    rounds: list[list[float]] = field(default_factory=list)
    value: float | None = None
    versions: list[str] = field(default_factory=list)
    peak_bytes: int = 0
    baseline_bytes: int = 0
    error: str | None = None


class _FailedError(Exception):
    """A contestant could not do what was asked."""


class _Process:
    """A contestant's process, ended when the block ends."""

    def __init__(self, contestant: Contestant, threads: int) -> None:
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MALLOC_"))}
        pools = ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM", "NUMEXPR")
        variables = {f"{pool}_NUM_THREADS": str(threads) for pool in pools}
        self._folder = tempfile.TemporaryDirectory(dir=STORE)
        self._errors = open(Path(self._folder.name) / "stderr", "w+", encoding="utf-8")  # noqa: SIM115
        self._process = subprocess.Popen(
            [python_of(contestant.environment), "-I", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**keep, **variables, **contestant.variables},
            cwd=self._folder.name,
            text=True,
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # then there is no answer either
            print(json.dumps({"do": do, **arguments}), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            last = self._errors.read().strip().splitlines()[-1:]
            raise _FailedError("the process died: " + "".join(last))
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise _FailedError(answer["error"])
        return answer

    def __enter__(self) -> _Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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


def contest(
    suite: str, workload: Workload, contestants: Sequence[Contestant], pace: Pace
) -> list[Result]:
    """Run one workload. A contestant that fails is left out, and its result says why."""
    STORE.mkdir(exist_ok=True)
    results = {contestant.name: Result(contestant.name) for contestant in contestants}
    with ExitStack() as stack:
        running: list[tuple[Result, _Process]] = []
        for contestant in contestants:
            result = results[contestant.name]
            try:
                process = stack.enter_context(_Process(contestant, pace.threads))
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
            result.value, result.versions = built["value"], built["versions"]
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

        for result, process in running:
            if result.error is None:
                memory = process.ask("memory")
                result.peak_bytes, result.baseline_bytes = memory["peak"], memory["baseline"]
    return list(results.values())
