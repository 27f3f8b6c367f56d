"""What the numbers were measured on; no name of the machine or its user."""

from __future__ import annotations

import os
import platform
from datetime import date
from pathlib import Path

from benchmarks.contest import Pace

__all__ = ["cores", "load", "machine"]

_SHOWN = ("OPENBLAS_CORETYPE", "KMP_BLOCKTIME", "OMP_WAIT_POLICY")
# From the widest down: vector instructions that decide which kernels BLAS and others choose.
_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float:
    """Processes that want to run, on average over the last minute; 0 where unknown."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _field(path: str, *keys: str) -> str:
    """The first of the fields `key: value` or `key=value` that a file has."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        for key in keys:
            if line.startswith(key):
                return line[len(key) :].strip(' \t:="')
    return ""


def machine(pace: Pace) -> dict[str, str]:
    flags = _field("/proc/cpuinfo", "flags", "Features").split()
    vectors = next((name for flag, name in _VECTORS.items() if flag in flags), "")
    family = " ".join(
        f"{name} {_field('/proc/cpuinfo', key)}"
        for name, key in (("family", "cpu family"), ("model", "model\t"))
        if _field("/proc/cpuinfo", key)
    )
    processor = _field("/proc/cpuinfo", "model name") or platform.machine()
    memory = _field("/proc/meminfo", "MemTotal").split()
    system = _field("/etc/os-release", "PRETTY_NAME") or platform.system()
    described = {
        "date": date.today().isoformat(),
        "processor": ", ".join(filter(None, (processor, family, vectors))),
        "cores": str(cores()),
        "memory": f"{int(memory[0]) / 2**20:.0f} GiB" if memory else "",
        "system": ", ".join(
            filter(None, (system, f"kernel {platform.release()}", " ".join(platform.libc_ver())))
        ),
        "python": platform.python_version(),
        "threads of every contestant": str(pace.threads),
        "rounds": f"{pace.rounds}, each {pace.seconds:g} s, {pace.gap * 1e3:g} ms between turns",
        "compilers' caches": "empty" if pace.cold else "kept from run to run",
        "load before": f"{load():.2f}",
    }
    described |= {name: os.environ[name] for name in _SHOWN if name in os.environ}
    return {key: value for key, value in described.items() if value}
