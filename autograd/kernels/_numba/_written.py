"""Compiling source text that was written for one purpose, and keeping the result on disk.

Numba keeps what it has compiled beside the file that the source is in. Written source therefore
gets a file too, in the user's cache, named after what it says.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numba

__all__ = ["written"]


_MADE: dict[str, dict[str, Callable[..., Any]]] = {}


def written(
    source: str, names: Mapping[str, Any], functions: Sequence[str]
) -> dict[str, Callable[..., Any]]:
    """Functions of a source text, compiled when first called.

    Operations keep their order: it may be what a formula is about. Only products may be fused into
    sums.

    Args:
        source: defines the functions, which may call those before them.
        names: what else they may use.
        functions: their names; with loops over ``prange`` that the cores share.
    """
    if source not in _MADE:
        path = _file(source)
        scope = {**names, "__name__": __name__}  # Numba imports what it has kept from a module
        exec(compile(source, path or "<loop>", "exec"), scope)
        for name in functions:
            scope[name] = numba.njit(
                fastmath={"contract"}, error_model="numpy", nogil=True, cache=path is not None,
                parallel="prange" in scope[name].__code__.co_names,
            )(scope[name])  # fmt: skip
        _MADE[source] = {name: scope[name] for name in functions}
    return _MADE[source]


def _file(source: str) -> str | None:
    """A file with this text; None if there is nowhere to put it."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = os.path.join(home, "glassgrad")
    text = f"# Numba {numba.__version__}, kernels of {_age()}\n{source}"
    path = os.path.join(folder, f"loop_{hashlib.sha256(text.encode()).hexdigest()[:24]}.py")
    if os.path.exists(path):
        return path
    try:
        os.makedirs(folder, exist_ok=True)
        temporary = f"{path}.{os.getpid()}"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        return None
    return path


@cache
def _age() -> int:
    """When the kernels that the text may call were last changed."""
    with os.scandir(os.path.dirname(__file__)) as entries:
        return max(entry.stat().st_mtime_ns for entry in entries if entry.name.endswith(".py"))
