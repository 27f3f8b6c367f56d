"""What is chosen about the kernels, for the whole process; `autograd.config` is its public face."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["SETTINGS", "Settings"]

KERNELS = ("auto", "numpy", "numba")
CONVOLUTIONS = ("auto", "direct", "winograd")


class Settings:
    """The choices, as they were made, and what came of them.

    Attributes:
        kernels: "auto" (compiled where that can be had), "numpy", or "numba" (or an error).
        convolution: "auto" (whichever is faster), "direct", or "winograd" (wherever it applies).
        threads: how many threads a kernel may use; None for as many as BLAS uses.
        may_compile: whether compiled kernels are in use or still to be looked for.
        started: whether compiled kernels have been got ready.
        few: compiled layers of few numbers (a module), where compiled kernels were asked for.
        why: why these kernels are in use.
    """

    __slots__ = ("convolution", "few", "kernels", "may_compile", "started", "threads", "why")

    kernels: str
    convolution: str
    threads: int | None
    may_compile: bool
    started: bool
    few: Any
    why: str

    def __init__(self) -> None:
        self.kernels = chosen("GLASSGRAD_KERNELS", KERNELS)
        self.convolution = chosen("GLASSGRAD_CONVOLUTION", CONVOLUTIONS)
        threads = os.environ.get("GLASSGRAD_NUM_THREADS", "").strip()
        if threads and not (threads.isdecimal() and int(threads)):
            raise ValueError(f"GLASSGRAD_NUM_THREADS must be a number from 1 on, got {threads!r}")
        self.threads = int(threads) if threads else None
        self.may_compile = self.kernels != "numpy"
        self.started = False
        self.few = None
        self.why = ""


def chosen(variable: str, allowed: tuple[str, ...]) -> str:
    """The value of an environment variable; the first one allowed if it is not set."""
    value = os.environ.get(variable, "").strip().lower() or allowed[0]
    if value not in allowed:
        raise ValueError(f"{variable} must be one of {', '.join(allowed)}, got {value!r}")
    return value


SETTINGS = Settings()
