"""The compiled pooling does what the NumPy one does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd.kernels import pooling as plain
from autograd.kernels._twins import settle

pytest.importorskip("numba")
if not settle():
    pytest.skip("compiled kernels are off", allow_module_level=True)

from autograd.kernels._numba import pooling as compiled

WINDOWS = st.tuples(
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(*[st.tuples(st.integers(0, 1), st.integers(0, 1))] * 2),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.booleans(),
)
TILES = st.just(((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), False))


def numpy_form(name: str) -> Any:
    return getattr(plain, name).__wrapped__


@settings(deadline=None, max_examples=300)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(4, 21), st.integers(4, 21)),
    window=WINDOWS | TILES,
    double=st.booleans(),
    strange=st.sampled_from([0.0, np.nan, np.inf, -np.inf]),
)
def test_max_pool(shape: tuple[int, ...], window: Any, double: bool, strange: float) -> None:
    if any(2 * max(p) > k for p, k in zip(window[2], window[0], strict=True)):
        return
    rng = np.random.default_rng(sum(shape))
    dtype = np.float64 if double else np.float32
    x = rng.integers(-3, 3, shape).astype(dtype)  # with many equal maxima
    x[rng.random(shape) < 0.2] = strange
    expected, indices = numpy_form("max_pool")(x, *window)
    if not expected.size:
        return
    y, nothing = compiled.max_pool(x, *window, want_indices=False)
    np.testing.assert_array_equal(y, expected)
    assert nothing is None
    assert compiled.max_pool(x, *window, want_indices=True) is NotImplemented
    g = rng.standard_normal(y.shape).astype(dtype)
    scattered = numpy_form("max_unpool")(g, indices, shape[2:])
    tolerance = 1e-12 if double else 1e-5
    found = compiled.max_pool_grad(g, x, y, *window)
    np.testing.assert_allclose(found, scattered, atol=tolerance)
    found = compiled.max_unpool(g, indices, shape[2:])
    np.testing.assert_allclose(found, scattered, atol=tolerance)
    g[0, 0, 0, 0] = np.inf  # what is infinite stays in its cell
    scattered = numpy_form("max_unpool")(g, indices, shape[2:])
    found = compiled.max_pool_grad(g, x, y, *window)
    np.testing.assert_allclose(found, scattered, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5, 7, 8, 9, 14, 16, 31])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_rows_of_tiles(dtype: Any, columns: int, count: int) -> None:
    rng = np.random.default_rng(columns)
    x = rng.integers(-3, 3, (1, count, 2, 2 * columns)).astype(dtype)
    x[rng.random(x.shape) < 0.1] = np.nan
    expected, indices = numpy_form("max_pool")(x, (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
    g = rng.standard_normal(expected.shape).astype(dtype)
    scattered = numpy_form("max_unpool")(g, indices, (2, 2 * columns))
    for threads in (1, 2, 3):
        # Nothing is written beside the rows.
        y, gx = (np.full(a.size + 64, 7, dtype) for a in (g, x))
        tiles = x.reshape(count, 2, columns, 2)
        compiled._max_tiles(tiles, y[: g.size].reshape(count, columns), threads)
        np.testing.assert_array_equal(y[: g.size], expected.reshape(-1))
        compiled._spread_tiles(
            g.reshape(count, columns),
            tiles,
            y[: g.size].reshape(count, columns),
            gx[: x.size].reshape(tiles.shape),
            threads,
        )
        np.testing.assert_array_equal(gx[: x.size], scattered.reshape(-1))
        assert (y[g.size :] == 7).all()
        assert (gx[x.size :] == 7).all()


@settings(deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 9), st.integers(1, 19)),
    double=st.booleans(),
    divisor=st.sampled_from([None, 3]),
)
def test_avg_pool(shape: tuple[int, ...], double: bool, divisor: int | None) -> None:
    n, c, rows, columns = shape
    rng = np.random.default_rng(sum(shape))
    dtype = np.float64 if double else np.float32
    x = rng.standard_normal((n, c, 2 * rows, 2 * columns)).astype(dtype)
    g = rng.standard_normal(shape).astype(dtype)
    window = (2, 2), (2, 2), ((0, 0), (0, 0)), False, True, divisor
    for name, args in (
        ("avg_pool", (x, *window)),
        ("avg_pool_input_grad", (g, x.shape[2:], *window)),
    ):
        found, expected = getattr(compiled, name)(*args), numpy_form(name)(*args)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=1e-5 if not double else 1e-12, atol=1e-6)


def test_what_it_leaves_to_numpy() -> None:
    x = np.ones((2, 3, 8))
    assert compiled.max_pool(x, (2,), (2,), ((0, 0),), (1,), False, False) is NotImplemented
    images = np.ones((2, 3, 4, 4), np.int64)
    window = ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), False)
    assert compiled.max_pool(images, *window, want_indices=False) is NotImplemented
    padded = (2, 2), (2, 2), ((1, 1), (0, 0))
    assert compiled.avg_pool(images.astype(float), *padded) is NotImplemented
    assert compiled.avg_pool(np.ones((1, 1, 5, 4)), (2, 2), (2, 2), ((0, 0),) * 2) is NotImplemented
    outside = np.full((2, 3, 2), 8)
    assert compiled.max_unpool(x[..., :2].copy(), outside, (8,)) is NotImplemented
