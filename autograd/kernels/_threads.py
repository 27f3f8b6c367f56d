"""Threads for the NumPy kernels: NumPy lets go of the interpreter while it computes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from itertools import pairwise
from queue import SimpleQueue
from typing import Any

from autograd.kernels._blas import openblas, take_blas_threads, usual_threads
from autograd.kernels._settings import SETTINGS

__all__ = [
    "are_up",
    "at_once",
    "cores",
    "hold_back_blas",
    "in_a_thread_each",
    "in_shares",
    "in_threads",
    "thread_count",
]


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_default_threads: int | None = None


def thread_count() -> int:
    """Threads a kernel may use: the user's choice, else as many as BLAS was set up with."""
    global _default_threads
    if SETTINGS.threads is not None:
        return SETTINGS.threads
    if _default_threads is None:
        limit = os.environ.get("OMP_NUM_THREADS", "")
        asked = int(limit) if limit.isdecimal() and int(limit) else cores()
        _default_threads = min(cores(), asked if openblas() is None else usual_threads())
    return _default_threads


class _Job:
    """One call for another thread to make; ``wait`` returns when it is done."""

    __slots__ = ("_context", "_done", "_error", "_piece", "_work")

    def __init__(self, work: Callable[[Any], None], piece: Any) -> None:
        self._work, self._piece = work, piece
        self._context = copy_context()  # np.errstate lives there
        self._error: BaseException | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def run(self) -> None:
        try:
            self._context.run(self._work, self._piece)
        except BaseException as error:
            self._error = error
        finally:
            self._done.release()

    def wait(self) -> None:
        self._done.acquire()
        if self._error is not None:
            raise self._error


class _Pool:
    """Threads that wait for jobs, started as they are needed."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[_Job] = SimpleQueue()
        self.started = 0
        self.lock = threading.Lock()

    def submit(self, job: _Job, threads: int) -> None:
        if self.started < threads:
            with self.lock:
                while self.started < threads:
                    name = f"glassgrad-kernel-{self.started}"
                    threading.Thread(target=self._serve, name=name, daemon=True).start()
                    self.started += 1
        self.jobs.put(job)

    def _serve(self) -> None:
        _local.busy = True
        while True:
            self.jobs.get().run()


def are_up() -> bool:
    """Whether threads of ours have been started: some kernel is worth them in this process."""
    return _pool.started > 0


def at_once() -> bool:
    """Whether this is work that `in_threads` shares out: others wait for the interpreter."""
    return getattr(_local, "busy", False)


_local = threading.local()
_pool = _Pool()


def _after_fork() -> None:
    global _pool
    _pool = _Pool()  # a child process has none of its parent's threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def hold_back_blas() -> None:
    """Keep BLAS to one thread, before many small products, where ours may be used instead."""
    if thread_count() > 1:
        take_blas_threads()


def in_threads(work: Callable[[Any], None], pieces: Sequence[Any]) -> None:
    """Call ``work`` on every piece, at once as far as there are threads; the first one here.

    BLAS keeps to one thread from now on. Called from within such work, it goes through the pieces
    one after the other.

    Raises:
        Exception: what a piece raised; the others are finished first.
    """
    threads = thread_count()
    if len(pieces) < 2 or threads < 2 or at_once():
        for piece in pieces:
            work(piece)
        return
    take_blas_threads()
    jobs = [_Job(work, piece) for piece in pieces[1:]]
    for job in jobs:
        _pool.submit(job, threads - 1)
    _local.busy = True
    try:
        work(pieces[0])
    finally:
        _local.busy = False
        errors = []
        for job in jobs:
            try:
                job.wait()
            except BaseException as error:
                errors.append(error)
    if errors:
        raise errors[0]


def in_a_thread_each(*jobs: Callable[[], Any]) -> list[Any]:
    """What each of some jobs returns; they are done as by `in_threads`."""
    found: list[Any] = [None] * len(jobs)

    def work(i: int) -> None:
        found[i] = jobs[i]()

    in_threads(work, range(len(jobs)))
    return found


def in_shares(
    work: Callable[[list[Any]], None], pieces: list[Any], threads: int | None = None
) -> None:
    """Call ``work`` on each of so many threads, with its equal share of the pieces, in order."""
    threads = max(1, min(thread_count() if threads is None else threads, len(pieces)))
    bounds = [len(pieces) * i // threads for i in range(threads + 1)]
    in_threads(work, [pieces[i:j] for i, j in pairwise(bounds)])
