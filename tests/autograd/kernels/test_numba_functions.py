"""The elementary functions for compiled loops: accurate over the whole range, and vectorised."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

import numpy as np
import pytest

from autograd.kernels._twins import settle

pytest.importorskip("numba")
if not settle():
    pytest.skip("compiled kernels are off", allow_module_level=True)

import numba

from autograd.kernels._numba import functions

# As kernels are, but not kept on disk, where changes of the functions would go unnoticed.
compiled = numba.njit(fastmath={"reassoc", "contract", "nsz", "arcp"}, error_model="numpy")

BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def _sigmoid(x: Any) -> Any:
    return np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x)))


# What is exact, and the error allowed in units in the last place of the result.
FUNCTIONS = {
    "erf": (np.vectorize(math.erf, otypes=[float]), 2.5),
    "erfc": (np.vectorize(math.erfc, otypes=[float]), None),
    "exp": (np.exp, 1.5),
    "expm1": (np.expm1, 2),
    "log": (np.log, 1.5),
    "log1p": (np.log1p, 1.5),
    "sigmoid": (_sigmoid, 3),
    "tanh": (np.tanh, 3),
}


@cache
def loop(name: str) -> Any:
    if name == "erfc":
        parts = functions.erfc_parts

        @compiled
        def fill(x, out):
            for i in range(len(x)):
                out[i] = parts(x[i])[1]

        return fill
    function = getattr(functions, name)

    @compiled
    def fill(x, out):
        for i in range(len(x)):
            out[i] = function(x[i])

    return fill


def numbers(dtype: Any, rng: np.random.Generator) -> Any:
    """Any bits at all, and what functions are usually given."""
    bits = rng.integers(0, 1 << 63, 40_000, dtype=np.uint64, endpoint=True).view(np.float32)
    if dtype == np.float64:
        bits = rng.integers(0, 1 << 64, 40_000, dtype=np.uint64, endpoint=False).view(np.float64)
    usual = (rng.standard_normal(40_000) * scale for scale in (0.01, 1, 10, 100))
    ends = [0, 1, -1, np.inf, -np.inf, np.nan, 88.7, 88.8, -87.4, -103.9, -104.1, 709.7, 709.8]
    limits = np.finfo(dtype)
    ends += [-708.5, -745, -746, 1e-310, 1e-40, limits.tiny, limits.max, limits.min, limits.eps]
    with np.errstate(over="ignore"):
        return np.concatenate([v.astype(dtype) for v in (bits, *usual, np.array(ends))])


def errors(found: Any, exact: Any) -> Any:
    """In units in the last place; 0 where both are the same, or not a number."""
    rounded = exact.astype(found.dtype)
    unit = np.spacing(np.minimum(np.abs(rounded), np.finfo(found.dtype).max))
    apart = np.abs(found.astype(exact.dtype) - exact) / unit
    return np.where((found == rounded) | (np.isnan(found) & np.isnan(exact)), 0, apart)


@BOTH
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "erfc"])
def test_accuracy(name: str, dtype: Any) -> None:
    exact, allowed = FUNCTIONS[name]
    x = numbers(dtype, np.random.default_rng(0))
    found = np.empty_like(x)
    with np.errstate(all="ignore"):
        loop(name)(x, found)
        # The reference is wider than the result, but for erf in float64.
        error = errors(found, exact(x.astype(np.float64 if dtype == np.float32 else np.longdouble)))
    worst = np.argmax(np.where(np.isnan(error), np.inf, error))
    assert error[worst] <= allowed, f"{name}({x[worst]!r}) gave {found[worst]!r}"


@BOTH
def test_the_complementary_error_function(dtype: Any) -> None:
    x = np.linspace(0, 30, 100_001).astype(dtype)
    found = np.empty_like(x)
    loop("erfc")(x, found)
    with np.errstate(all="ignore"):
        error = errors(found, FUNCTIONS["erfc"][0](x.astype(np.float64)))
    # The square in exp(-x²) is rounded.
    assert (error <= 12 + x * x).all()
    assert found[-1] == 0


@BOTH
@pytest.mark.parametrize("name", FUNCTIONS)
def test_loops_are_vectorised(name: str, dtype: Any) -> None:
    fill = loop(name)
    x = np.ones(4, dtype)
    fill(x, np.empty_like(x))
    array = numba.typeof(x)
    code = fill.inspect_llvm((array, array))
    kind = "float" if dtype == np.float32 else "double"
    assert re.search(rf"fmul [a-z ]*<\d+ x {kind}>", code)


def test_other_types_are_refused() -> None:
    with pytest.raises(numba.TypingError):
        functions.exp(1)
