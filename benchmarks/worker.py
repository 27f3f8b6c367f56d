"""The process of one contestant: builds its step, and times it when it is its turn.

Started in isolated mode (`python -I`) in a folder of its own, so that nothing of the repository can
be imported but `benchmarks`, which is put in place by hand: the repository's `autograd` must not be
found by a contestant whose own package has that name. Requests and answers are lines of JSON.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks import Step

_MOST_CALLS = 20_000
_PATIENCE = 8  # times the seconds of a turn


def _adopt_benchmarks() -> None:
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "benchmarks", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmarks"] = module
    spec.loader.exec_module(module)


def _memory(field: str) -> int:
    """Resident memory in bytes, now (`VmRSS`) or at its highest (`VmHWM`); 0 where unknown."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field)), 0)


def _as_number(result: Any) -> float | None:
    """What a step returned, as one number."""
    if result is None:
        return None
    if getattr(result, "ndim", 0):
        result = result.sum()
    if hasattr(result, "item"):
        result = result.item()
    elif hasattr(result, "data"):  # micrograd's Value
        result = result.data
    return float(result)


def _version(module: str) -> str:
    top = module.partition(".")[0]
    names = importlib.metadata.packages_distributions().get(top, [top])
    return " ".join(f"{name} {importlib.metadata.version(name)}" for name in sorted(set(names)))


def _settle() -> None:
    """Give back to the system what is not in use."""
    gc.collect()
    with suppress(AttributeError, OSError):  # only glibc keeps freed memory, and has this
        ctypes.CDLL(None).malloc_trim(0)


def _forget_peak() -> bool:
    """Let `VmHWM` start again from what is resident now; whether the system allows that."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _growth(step: Step) -> int | None:
    """How far two steps rise above what is resident once everything permanent has been made."""
    step(2)
    _settle()
    if not _forget_peak():
        return None
    before = _memory("VmRSS")
    for _ in range(2):
        step()
    return _memory("VmHWM") - before


class Worker:
    """Answers requests; `build` comes first, and may come again."""

    def __init__(self) -> None:
        self.step: Step | None = None
        self.baseline = 0

    def build(self, suite: str, workload: str, builder: str, modules: list[str]) -> dict[str, Any]:
        if self.step is not None:
            self.step = None
            _settle()
            _forget_peak()
        clock = time.perf_counter
        marks = [clock()]
        for module in modules:
            importlib.import_module(module)
        marks.append(clock())
        declared = importlib.import_module(f"benchmarks.workloads.{suite}").WORKLOADS
        chosen = next(each for each in declared if each.name == workload)
        self.baseline = _memory("VmRSS")
        marks.append(clock())
        self.step = chosen.builders[builder]()
        marks.append(clock())
        value = _as_number(self.step())
        marks.append(clock())
        growth = None
        if chosen.memory:
            # What has been loaded and compiled by now stays; the model is made anew.
            self.step = None
            self.step = chosen.builders[builder]()
            growth = _growth(self.step)
        versions = {module: _version(module) for module in modules}
        return {
            "value": value,
            "versions": sorted(set(versions.values())),
            "seconds": {
                "import": marks[1] - marks[0],
                "build": marks[3] - marks[2],
                "first": marks[4] - marks[3],
            },
            "growth_bytes": growth,
        }

    def turn(self, seconds: float, least: int, warm_up: int) -> dict[str, Any]:
        """Time steps for `seconds`; at least some, unless that would take far longer."""
        assert self.step is not None
        step: Callable[[], object] = self.step
        clock = time.perf_counter
        gc.collect()
        start = clock()
        for _ in range(warm_up):
            step()
            if clock() - start > seconds:
                break
        times: list[float] = []
        start, busy = clock(), time.process_time()
        while True:
            before = clock()
            step()
            after = clock()
            times.append(after - before)
            enough = len(times) >= least or after - start >= _PATIENCE * seconds
            if (after - start >= seconds and enough) or len(times) >= _MOST_CALLS:
                return {"times": times, "cores": (time.process_time() - busy) / (clock() - start)}

    def memory(self) -> dict[str, Any]:
        return {"peak": _memory("VmHWM"), "baseline": self.baseline}


def main() -> None:
    # What libraries print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _adopt_benchmarks()
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
