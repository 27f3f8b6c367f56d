"""Kernels compiled by Numba: functions and arguments as in the modules of the same names above.

Each is compiled when it is first called with arrays of a dtype, and kept on disk by Numba. They run
in OpenMP's (or TBB's) threads, and BLAS stays on one thread: two pools would wait for each other's
cores. A function here returns NotImplemented for arguments that NumPy's form shall serve.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import binding
from numba import prange as prange
from numba import types
from numba.core import config, event
from numba.extending import overload

from autograd.kernels._blas import openblas, take_blas_threads
from autograd.kernels._threads import thread_count

__all__ = ["HAS_GEMM", "compiled", "gemm", "limit_threads", "parallel", "prange", "serves", "start"]

# Sums may be reordered, products fused into sums. NaN and infinity stay what they are.
_FAST = {"reassoc", "contract", "nsz", "arcp"}


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a helper that kernels call from one thread."""
    return numba.njit(fastmath=_FAST, error_model="numpy", cache=True, nogil=True)(function)


def parallel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel whose ``prange`` loops share the cores."""
    return numba.njit(fastmath=_FAST, error_model="numpy", cache=True, nogil=True, parallel=True)(
        function
    )


def serves(*arrays: Any) -> bool:
    """Whether these are float32 or float64 arrays, all alike, in C order."""
    dtype = arrays[0].dtype
    if dtype.char not in "fd":
        return False
    for a in arrays:
        if type(a) is not np.ndarray or a.dtype != dtype or not a.flags.c_contiguous:
            return False
    return True


# ------------------------------------------------------------------------------- matrix products

_INT = types.int64


def _external(kind: str, number: types.Type) -> Any:
    """BLAS's product for one dtype; arrays are passed as addresses."""
    blas = openblas()
    size = types.int64 if blas is not None and blas.int64 else types.int32
    name = f"glassgrad_{kind}gemm"
    if blas is not None:
        binding.add_symbol(name, blas.product(kind))
    flag, address = types.int32, types.intp
    arguments = (flag, flag, flag, size, size, size, number, address, size, address, size)
    return types.ExternalFunction(name, types.void(*arguments, number, address, size))


HAS_GEMM = openblas() is not None
_SGEMM, _DGEMM = _external("s", types.float32), _external("d", types.float64)


def gemm(
    transpose_a: bool,
    transpose_b: bool,
    m: int,
    n: int,
    k: int,
    a: Any,
    lda: int,
    b: Any,
    ldb: int,
    beta: float,
    c: Any,
    ldc: int,
) -> None:
    """C ← op(A) op(B) + beta C with op(A) (m, k), op(B) (k, n) and C (m, n), rows ``ld`` apart.

    For compiled code, from one thread; ``a``, ``b`` and ``c`` are contiguous arrays that begin at
    the first element.
    """
    raise TypeError("gemm is for compiled code")


@overload(gemm)
def _gemm(
    transpose_a: Any, transpose_b: Any, m: Any, n: Any, k: Any,
    a: Any, lda: Any, b: Any, ldb: Any, beta: Any, c: Any, ldc: Any,
) -> Callable[..., None]:  # fmt: skip
    call = _SGEMM if a.dtype == types.float32 else _DGEMM
    number = np.float32 if a.dtype == types.float32 else np.float64

    def product(
        transpose_a: Any, transpose_b: Any, m: Any, n: Any, k: Any,
        a: Any, lda: Any, b: Any, ldb: Any, beta: Any, c: Any, ldc: Any,
    ) -> None:  # fmt: skip
        flag_a = 112 if transpose_a else 111
        flag_b = 112 if transpose_b else 111
        call(
            np.int32(101), np.int32(flag_a), np.int32(flag_b), m, n, k, number(1.0),
            a.ctypes.data, lda, b.ctypes.data, ldb, number(beta), c.ctypes.data, ldc,
        )  # fmt: skip

    return product


# ---------------------------------------------------------------------------------- starting


def start() -> str | None:
    """Get ready to run compiled kernels; a reason if that cannot be."""
    layer = _threading_layer()
    if layer is None:
        return (
            "OpenMP is missing (on Debian and Ubuntu: apt install libgomp1), and Numba's other "
            "threads would be slower than NumPy"
        )
    config.THREADING_LAYER = layer
    limit_threads()
    take_blas_threads()
    _Notice.register()
    return None


def limit_threads() -> None:
    """Let compiled kernels use as many threads as the settings say."""
    numba.set_num_threads(min(thread_count(), config.NUMBA_NUM_THREADS))


def _threading_layer() -> str | None:
    """The thread pool Numba can use without paying 0.1 ms per call, if there is one."""
    chosen = str(config.THREADING_LAYER)
    for layer, module in (("omp", "omppool"), ("tbb", "tbbpool")):
        if chosen in (layer, "default", "threadsafe", "forksafe", "safe"):
            try:
                __import__(f"numba.np.ufunc.{module}")
            except ImportError:
                continue
            return layer
    return None


class _Notice(event.Listener):
    """Says so, once, when compiling takes more than a second."""

    registered = said = False
    after = 1.0  # seconds

    @classmethod
    def register(cls) -> None:
        """Listen from now on."""
        if not cls.registered:
            cls.registered = True
            event.register("numba:compile", cls())

    def __init__(self) -> None:
        self._depth = 0
        self._timer: threading.Timer | None = None

    def on_start(self, event: Any) -> None:
        self._depth += 1
        if self._depth == 1 and not _Notice.said:
            self._timer = threading.Timer(self.after, self._say)
            self._timer.daemon = True
            self._timer.start()

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if self._depth == 0 and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _say(self) -> None:
        _Notice.said = True
        print(
            "glassgrad: compiling kernels for this machine, once; they are kept on disk",
            file=sys.stderr,
            flush=True,
        )
