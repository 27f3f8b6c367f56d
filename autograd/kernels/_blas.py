"""The BLAS that NumPy brought along: its threads, its core type, its products, and sums of vectors.

NumPy's own wheels carry OpenBLAS. Another BLAS is used as it is: nothing here is known about it.
"""

from __future__ import annotations

import ctypes
import glob
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

__all__ = [
    "OpenBlas",
    "address_of",
    "openblas",
    "restore_blas_threads",
    "take_blas_threads",
    "usual_threads",
]


_NUMBERS = {"f": ctypes.c_float, "d": ctypes.c_double}


class OpenBlas:
    """OpenBLAS, loaded by NumPy.

    Attributes:
        path: of the shared library.
        int64: whether its integers have 64 bits.
    """

    def __init__(self, path: str, library: ctypes.CDLL, prefix: str, suffix: str) -> None:
        self.path = path
        self.int64 = suffix == "64_"
        self._library = library
        self._names = (prefix, suffix)
        self.get_threads = self._function("openblas_get_num_threads", ctypes.c_int)
        self.set_threads = self._function("openblas_set_num_threads", None, ctypes.c_int)

    def _function(self, name: str, result: Any, *arguments: Any) -> Any:
        prefix, suffix = self._names
        function = self._library[f"{prefix}{name}{suffix}"]  # one of its own, with types of its own
        function.restype, function.argtypes = result, arguments
        return function

    @property
    def core(self) -> str:
        """The processor its kernels are written for, such as ``Haswell``."""
        return bytes(self._function("openblas_get_corename", ctypes.c_char_p)()).decode()

    @property
    def version(self) -> str:
        """Name and version, such as ``OpenBLAS 0.3.31``."""
        described = bytes(self._function("openblas_get_config", ctypes.c_char_p)()).decode()
        return " ".join(described.split()[:2])

    def product(self, kind: str) -> int:
        """Address of ``cblas_sgemm`` (kind "s") or ``cblas_dgemm`` ("d")."""
        function = self._function(f"cblas_{kind}gemm", None)
        return ctypes.cast(function, ctypes.c_void_p).value or 0

    def axpby(self, kind: str) -> Callable[..., None] | None:
        """``f(n, a, x, 1, b, y, 1)``, which makes y a x + b y, n numbers at addresses x and y.

        Args:
            kind: "f" for single precision, "d" for double.

        Returns:
            The function, or None if this BLAS, or another kind, has none.
        """
        number, whole, array = self._types(kind)
        return self._of_kind(kind, "axpby", whole, number, *array, number, *array)

    def gemm(self, kind: str) -> Callable[..., None] | None:
        """``f(101, s, t, m, n, k, a, x, i, y, j, b, z, l)``, which makes z a x y + b z, of matrices
        at addresses x, ``(m, k)``, y, ``(k, n)``, and z, ``(m, n)``, whose rows lie i, j and l
        numbers apart. Of ``s`` and ``t``, 112 has x or y turned, 111 not.

        Args:
            kind: "f" for single precision, "d" for double.

        Returns:
            The function, or None if this BLAS, or another kind, has none.
        """
        number, whole, array = self._types(kind)
        sizes = (ctypes.c_int,) * 3 + (whole,) * 3
        return self._of_kind(kind, "gemm", *sizes, number, *array, *array, number, *array)

    def _types(self, kind: str) -> tuple[Any, Any, tuple[Any, Any]]:
        """Of a number, a size, and an array with the distance of what is in it."""
        whole = ctypes.c_int64 if self.int64 else ctypes.c_int32
        return _NUMBERS.get(kind), whole, (ctypes.c_void_p, whole)

    def _of_kind(self, kind: str, name: str, *arguments: Any) -> Callable[..., None] | None:
        if kind not in _NUMBERS:
            return None
        name = f"cblas_{'s' if kind == 'f' else 'd'}{name}"
        try:
            function: Callable[..., None] = self._function(name, None, *arguments)
        except AttributeError:
            return None
        return function

    def switch_core(self, core: str) -> None:
        """Use the kernels written for ``core`` from now on.

        OpenBLAS chooses once, as it is loaded; this makes it choose again, by functions that are
        not documented. No BLAS call may be under way in another thread.

        Raises:
            RuntimeError: this OpenBLAS cannot do so.
        """
        try:
            leave, enter = self._library.gotoblas_dynamic_quit, self._library.gotoblas_dynamic_init
        except AttributeError:
            raise RuntimeError(f"{self.version} at {self.path} cannot change its kernels") from None
        before = os.environ.get("OPENBLAS_CORETYPE")
        os.environ["OPENBLAS_CORETYPE"] = core
        try:
            leave()
            enter()
        finally:
            if before is None:
                del os.environ["OPENBLAS_CORETYPE"]
            else:
                os.environ["OPENBLAS_CORETYPE"] = before


_from_buffer = ctypes.c_char.from_buffer


def address_of(array: Any) -> int:
    """Where an array begins; 0 if it is not in C order."""
    try:
        return ctypes.addressof(_from_buffer(array))  # takes a quarter of the time
    except (TypeError, ValueError):  # for an array without elements, or only to be read, too
        return int(array.ctypes.data) if array.flags.c_contiguous else 0


@cache
def openblas() -> OpenBlas | None:
    """The OpenBLAS of NumPy's wheel, or None if NumPy uses something else."""
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for prefix in ("scipy_", ""):
            for suffix in ("64_", ""):
                if hasattr(library, f"{prefix}openblas_set_num_threads{suffix}"):
                    return OpenBlas(path, library, prefix, suffix)
    return None


def _candidates() -> Iterator[str]:
    """Libraries that may be it: those beside NumPy, then those this process has loaded."""
    package = os.path.dirname(np.__file__)
    for folder in (os.path.join(os.path.dirname(package), "numpy.libs"), f"{package}/.dylibs"):
        yield from sorted(glob.glob(os.path.join(folder, "*openblas*")))
    if sys.platform == "linux":
        with open("/proc/self/maps", encoding="utf-8") as maps:
            loaded = {line.split(maxsplit=5)[-1].strip() for line in maps if "/" in line}
        yield from sorted(path for path in loaded if "openblas" in os.path.basename(path))


_lock = threading.Lock()
_before: int | None = None  # threads that BLAS had before they were taken


def take_blas_threads() -> None:
    """Keep BLAS to one thread until :func:`restore_blas_threads`.

    Its threads would wait for the cores that ours compute on, and ours for theirs: after even a
    small product they go on spinning for many milliseconds.
    """
    global _before
    blas = openblas()
    with _lock:
        if blas is not None and _before is None:
            _before = int(blas.get_threads())
            blas.set_threads(1)


def restore_blas_threads() -> None:
    """Give BLAS back the threads that :func:`take_blas_threads` took."""
    global _before
    blas = openblas()
    with _lock:
        if blas is not None and _before is not None:
            blas.set_threads(_before)
            _before = None


def usual_threads() -> int:
    """Threads that BLAS has when none have been taken from it; 1 if that is not known."""
    blas = openblas()
    if blas is None:
        return 1
    return int(blas.get_threads()) if _before is None else _before
