"""Steps of optimizers against their formulas, in float64."""

from __future__ import annotations

from inspect import unwrap
from typing import Any

import numpy as np
import pytest

from autograd import kernels
from autograd.kernels import updates

SIZES = [(), (7,), (30, 40), (600, 700)]


def arrays(shape: tuple[int, ...], count: int, dtype: Any = np.float64) -> list[Any]:
    rng = np.random.default_rng(0)
    return [np.asarray(rng.random(shape) + 0.1).astype(dtype) for _ in range(count)]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(("decay", "shrink"), [(0.0, 1.0), (0.3, 1.0), (0.0, 0.9)])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam(
    shape: tuple[int, ...], inside: bool, decay: float, shrink: float, amsgrad: bool
) -> None:
    p, g, m, v, peak = arrays(shape, 5)
    before = [a.copy() for a in (p, g, m, v, peak)]
    scratch = arrays(shape, 2)
    largest = peak if amsgrad else None
    kernels.adam_step(p, g, m, v, largest, scratch, (0.9, 0.99), 0.1, 1e-3, inside, decay, shrink)
    p0, g0, m0, v0, peak0 = before
    slope = g0 + decay * p0
    m1, v1 = 0.9 * m0 + 0.1 * slope, 0.99 * v0 + 0.01 * slope**2
    used = np.maximum(peak0, v1) if amsgrad else v1
    root = np.sqrt(used + 1e-3) if inside else np.sqrt(used) + 1e-3
    np.testing.assert_allclose(m, m1, rtol=1e-14, atol=1e-16)
    np.testing.assert_allclose(v, v1, rtol=1e-14, atol=1e-16)
    np.testing.assert_allclose(p, shrink * p0 - 0.1 * m1 / root, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(g, g0)
    np.testing.assert_allclose(peak, used if amsgrad else peak0, rtol=1e-14)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(
    ("momentum", "dampening", "nesterov"),
    [(0.0, 0.0, False), (0.9, 0.0, False), (0.9, 0.5, False), (0.9, 0.0, True)],
)
def test_sgd(
    shape: tuple[int, ...], decay: float, momentum: float, dampening: float, nesterov: bool
) -> None:
    p, g, m = arrays(shape, 3)
    p0, g0, m0 = p.copy(), g.copy(), m.copy()
    scratch = arrays(shape, 2)
    kernels.sgd_step(
        p, g, m if momentum else None, scratch, 0.1, momentum, dampening, nesterov, decay
    )
    slope = g0 + decay * p0
    along = slope
    if momentum:
        m1 = momentum * m0 + (1 - dampening) * slope
        along = slope + momentum * m1 if nesterov else m1
        np.testing.assert_allclose(m, m1, rtol=1e-14, atol=1e-16)
    np.testing.assert_allclose(p, p0 - 0.1 * along, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(g, g0)


STEPS = {
    "adam": lambda p, g, m, v, work, decay: unwrap(kernels.adam_step)(
        p, g, m, v, None, work, (0.9, 0.99), 0.1, 1e-3, False, decay, 1.0
    ),
    "sgd": lambda p, g, m, v, work, decay: unwrap(kernels.sgd_step)(
        p, g, m, work, 0.1, 0.9, 0.5, True, decay
    ),
}


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1 << 14, 70_001, 300_001])
def test_sums_by_blas_are_those_of_ufuncs(
    kind: str, dtype: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, expected = arrays((size,), 6, dtype), arrays((size,), 6, dtype)
    found[1].flags.writeable = False  # gradients are only read
    STEPS[kind](*found[:4], found[4:], 0.3)
    monkeypatch.setattr(updates, "_by_blas", lambda dtype: None)
    STEPS[kind](*expected[:4], expected[4:], 0.3)
    for f, e in zip(found[:4], expected[:4], strict=True):
        np.testing.assert_allclose(f, e, rtol=8 * np.finfo(dtype).eps, atol=np.finfo(dtype).eps)


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("read_only", [0, 2])
def test_large_arrays_that_are_only_to_be_read(kind: str, read_only: int) -> None:
    p, g, m, v, *work = arrays((1 << 15,), 6)
    [p, g, m, v][read_only].flags.writeable = False
    before = p.copy()
    with pytest.raises(ValueError, match="read-only"):
        STEPS[kind](p, g, m, v, work, 0.0)
    np.testing.assert_array_equal(p, before)


@pytest.mark.parametrize("kind", STEPS)
def test_large_arrays_that_blas_does_not_know(kind: str) -> None:
    found = arrays((1 << 15,), 6, np.float16)
    STEPS[kind](*found[:4], found[4:], 0.0)
    expected = arrays((1 << 15,), 6, np.float32)
    STEPS[kind](*expected[:4], expected[4:], 0.0)
    np.testing.assert_allclose(found[0], expected[0], atol=0.02)


def test_arrays_in_any_order() -> None:
    p, g, m, v = (np.asfortranarray(a) for a in arrays((600, 700), 4))
    q, h, n, w = (np.ascontiguousarray(a) for a in (p, g, m, v))
    for args in ((p, g, m, v), (q, h, n, w)):
        work = [np.empty((600, 700))]
        kernels.adam_step(*args, None, work, (0.9, 0.99), 0.1, 1e-3, False, 0.0, 1.0)
    np.testing.assert_allclose(p, q, rtol=1e-14, atol=1e-15)  # BLAS serves C order only
