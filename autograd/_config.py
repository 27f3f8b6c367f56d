"""`autograd.config`: which kernels run, on how many threads, and what would make them faster."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from autograd.kernels import _machine
from autograd.kernels._blas import openblas, restore_blas_threads
from autograd.kernels._settings import CONVOLUTIONS, KERNELS, SETTINGS
from autograd.kernels._threads import cores, thread_count
from autograd.kernels._twins import settle

__all__ = ["Advice", "Config", "config"]

# Objects made between two looks; Python itself looks every 700 (2,000 from 3.14 on). A graph has no
# cycles to be found, and four or five objects for each operation.
_GC_THRESHOLD = 500_000


class Advice(tuple[str, ...]):
    """Sentences; shown one to a line."""

    def __repr__(self) -> str:
        return "\n".join(self)


class Config:
    """What the kernels use, and why; for the whole process.

    Print it to see everything. Its attributes can be set, for good or, by calling it, for a block:

    >>> import autograd
    >>> with autograd.config(kernels="numpy", threads=1):
    ...     autograd.config.kernels_in_use
    'numpy'

    The environment variables ``GLASSGRAD_KERNELS``, ``GLASSGRAD_CONVOLUTION`` and
    ``GLASSGRAD_NUM_THREADS`` set the same at the start; ``GLASSGRAD_TUNE=1`` calls :meth:`tune`.
    """

    @property
    def kernels(self) -> str:
        """``"auto"``, ``"numpy"``, or ``"numba"``.

        ``"auto"`` compiles the kernels where Numba and OpenMP are installed and arrays are large
        enough to be worth it; ``"numba"`` also those for small arrays, and raises a RuntimeError
        where they are not installed.
        """
        return SETTINGS.kernels

    @kernels.setter
    def kernels(self, value: str) -> None:
        _check("kernels", value, KERNELS)
        before = SETTINGS.kernels
        SETTINGS.kernels, SETTINGS.may_compile, SETTINGS.why = value, value != "numpy", ""
        SETTINGS.few = None
        if value == "numpy":
            restore_blas_threads()
        if value == "numba" or (value == "auto" and SETTINGS.started):
            try:
                settle()
            except RuntimeError:
                self.kernels = before
                raise

    @property
    def kernels_in_use(self) -> str:
        """``"numba"`` or ``"numpy"``; asking gets compiled kernels ready where they can be had."""
        return "numba" if settle() else "numpy"

    @property
    def convolution(self) -> str:
        """``"auto"``, ``"direct"``, or ``"winograd"``: how to compute 3×3 convolutions of stride 1.

        Winograd's algorithm F(4×4, 3×3) takes a quarter of the multiplications, and its float32
        results are off by about 1e-5 of the largest value where direct ones are off by 1e-6. So
        do volumes' with such kernels in their planes, plane by plane. Other convolutions, and
        everything in float64, are always direct.

        Source: Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks".
        """
        return SETTINGS.convolution

    @convolution.setter
    def convolution(self, value: str) -> None:
        _check("convolution", value, CONVOLUTIONS)
        SETTINGS.convolution = value

    @property
    def threads(self) -> int:
        """Threads of a kernel: as many as BLAS was set up with, unless set. None sets it back.

        As soon as a kernel uses threads of its own, BLAS keeps to one, for all of the process: two
        pools of threads would wait for each other's cores. ``threads = 1`` gives BLAS its own back.
        """
        return thread_count()

    @threads.setter
    def threads(self, value: int | None) -> None:
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(f"threads must be a number from 1 on, or None, got {value!r}")
        SETTINGS.threads = value
        if value == 1 and not (SETTINGS.started and SETTINGS.may_compile):
            restore_blas_threads()
        if SETTINGS.started:
            from autograd.kernels._numba import limit_threads

            limit_threads()

    @contextmanager
    def __call__(self, **changes: Any) -> Iterator[Config]:
        """Change some of ``kernels``, ``convolution`` and ``threads`` until the block ends."""
        unknown = set(changes) - {"kernels", "convolution", "threads"}
        if unknown:
            raise TypeError(
                f"config has no {', '.join(sorted(unknown))}; it has kernels, convolution, threads"
            )
        before = {name: getattr(SETTINGS, name) for name in changes}
        try:
            for name, value in changes.items():
                setattr(self, name, value)
            yield self
        finally:
            for name, value in before.items():
                setattr(self, name, value)

    def tune(self) -> Advice:
        """Apply what makes the whole process faster and cannot be undone; says what was done.

        - Freed memory is kept instead of given back to the system, which would hand it out again
          page by page at the next step (glibc's ``mallopt``; the process grows no larger than it
          was at its peak).
        - OpenBLAS uses its AVX-512 kernels where the processor has them and OpenBLAS did not choose
          them. No other thread may be within BLAS meanwhile.
        - Python's garbage collector looks less often, and no more at what has been imported. It
          searches for cycles of references, of which a graph has none, and the search takes up to
          half of the time in which a graph of very many small operations is made.

        ``GLASSGRAD_TUNE=1`` in the environment does this as ``autograd`` is imported.
        """
        done = []
        if _machine.keep_freed_memory():
            done.append("freed memory is kept (glibc's malloc)")
        better = _machine.better_core()
        blas = openblas()
        if better is not None and blas is not None:
            before = blas.core
            blas.switch_core(better)
            done.append(f"OpenBLAS uses its kernels for {blas.core} instead of {before}")
        if gc.isenabled() and gc.get_threshold()[0] < _GC_THRESHOLD:
            gc.collect()
            gc.freeze()
            gc.set_threshold(_GC_THRESHOLD, 20, 20)
            done.append(f"the garbage collector looks every {_GC_THRESHOLD:,} objects")
        return Advice(done or ("nothing left to tune on this machine",))

    def doctor(self) -> Advice:
        """What this process leaves on the table, and how to pick it up."""
        advice = []
        blas = openblas()
        if not settle():
            advice.append(f"Kernels are NumPy's: {SETTINGS.why or 'as chosen'}.")
        if blas is None:
            advice.append(
                "NumPy's BLAS is not an OpenBLAS that is known here: its threads cannot be held "
                "back while kernels use theirs. NumPy's wheels from PyPI bring one."
            )
        better = _machine.better_core()
        if better is not None and blas is not None:
            advice.append(
                f"The processor has AVX-512, but OpenBLAS uses its kernels for {blas.core}; those "
                f"for {better} multiply matrices up to 1.8 times as fast. Set "
                f"OPENBLAS_CORETYPE={better} before Python starts, or call autograd.config.tune()."
            )
        if _machine.can_keep_freed_memory() and not _machine.keeps_freed_memory():
            advice.append(
                "Freed memory goes back to the system and is asked for again at every step, which "
                "costs small models up to half of their time. Call autograd.config.tune(), or set "
                "GLASSGRAD_TUNE=1."
            )
        if gc.isenabled() and gc.get_threshold()[0] < 10_000:
            advice.append(
                "Python's garbage collector looks through a growing graph again and again, which "
                "slows graphs of many thousands of small operations. autograd.config.tune() makes "
                "it look less often."
            )
        if thread_count() > cores():
            advice.append(
                f"{thread_count()} threads share {cores()} cores: they wait for one another. Set "
                f"autograd.config.threads = {cores()}."
            )
        return Advice(advice or ("Nothing: everything that is known to help is in use.",))

    def __repr__(self) -> str:
        kernels = self.kernels_in_use
        why = SETTINGS.why or "as chosen"
        blas = openblas()
        rows = {
            "kernels": f"{kernels} ({self.kernels}: {why})",
            "convolution": self.convolution,
            "threads": f"{self.threads} on {cores()} cores",
            "BLAS": "not OpenBLAS"
            if blas is None
            else f"{blas.version}, kernels for {blas.core}, {blas.get_threads()} "
            f"thread{'s' * (blas.get_threads() != 1)}",
            "memory": "kept when freed" if _machine.keeps_freed_memory() else "as malloc does it",
        }
        return "\n".join(f"{name:12} {text}" for name, text in rows.items())


def _check(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


config = Config()

if os.environ.get("GLASSGRAD_TUNE", "0") not in ("", "0"):
    config.tune()
