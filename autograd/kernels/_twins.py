"""Kernels in two forms: in plain NumPy, and compiled by Numba where that is installed.

A kernel is a function of arrays, written in NumPy. `compilable` lets its compiled twin go first:
the function of the same name, in the module of the same name in `autograd.kernels._numba`. It
returns NotImplemented for what it does not serve.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar, cast

from autograd.kernels._settings import SETTINGS

__all__ = ["COMPILABLE", "compilable", "settle"]

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# Kernels with a compiled twin, by module and name, as written in NumPy.
COMPILABLE: dict[tuple[str, str], Callable[..., Any]] = {}


def compilable(least: int = 0, few: int | None = None) -> Callable[[Kernel], Kernel]:
    """Let a kernel's compiled twin go first where its first argument has ``least`` elements.

    Below that it is not worth importing Numba. Where the user has asked for compiled kernels, it
    goes first from ``few`` elements on: the NumPy kernel is no slower below that.
    """
    few = least if few is None else few

    def decorate(plain: Kernel) -> Kernel:
        module, name = plain.__module__.rpartition(".")[2], plain.__name__
        COMPILABLE[module, name] = plain
        twin: Callable[..., Any] | None = None

        @wraps(plain)
        def kernel(first: Any, *args: Any, **options: Any) -> Any:
            nonlocal twin
            if SETTINGS.may_compile and (
                first.size >= least or (SETTINGS.kernels == "numba" and first.size >= few)
            ):
                if twin is None and settle():
                    twin = _twin(module, name)
                if twin is not None:
                    result = twin(first, *args, **options)
                    if result is not NotImplemented:
                        return result
            return plain(first, *args, **options)

        return cast(Kernel, kernel)

    return decorate


def _twin(module: str, name: str) -> Callable[..., Any]:
    return getattr(import_module(f"autograd.kernels._numba.{module}"), name)


def settle() -> bool:
    """Find out whether compiled kernels can be had, and get them ready; say why in the settings.

    Raises:
        RuntimeError: compiled kernels were asked for and cannot be had.
    """
    if not SETTINGS.may_compile:
        return False
    if SETTINGS.why:
        return True
    if find_spec("numba") is None:
        reason: str | None = "Numba is not installed (pip install 'glassgrad[fast]')"
    else:
        from autograd.kernels._numba import start

        reason = start()
    if reason is None:
        SETTINGS.started = True
        SETTINGS.why = "Numba is installed"
        if SETTINGS.kernels == "numba":
            from autograd.kernels._numba import few

            SETTINGS.few = few if few.usable() else None
        return True
    SETTINGS.may_compile = False
    SETTINGS.why = reason
    if SETTINGS.kernels == "numba":
        raise RuntimeError(f"compiled kernels were asked for, but {reason}")
    return False


class _Later:
    """The compiled layers of few numbers, from when the first of them is asked for."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        SETTINGS.few = None  # what is missing is asked for once
        settle()
        return cast(Callable[..., Any], getattr(SETTINGS.few, name, lambda *_: None))


if SETTINGS.kernels == "numba":  # as the environment has it: nothing is imported before its time
    SETTINGS.few = _Later()


def _after_fork() -> None:
    if SETTINGS.started:  # GNU OpenMP does not survive a fork
        SETTINGS.may_compile = SETTINGS.started = False
        SETTINGS.few = None
        SETTINGS.why = "this process was forked from one that uses OpenMP"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
