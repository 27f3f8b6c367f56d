"""Steps of optimizers against their formulas, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd import kernels

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


def test_arrays_in_any_order() -> None:
    p, g, m, v = (np.asfortranarray(a) for a in arrays((600, 700), 4))
    q, h, n, w = (np.ascontiguousarray(a) for a in (p, g, m, v))
    for args in ((p, g, m, v), (q, h, n, w)):
        work = [np.empty((600, 700))]
        kernels.adam_step(*args, None, work, (0.9, 0.99), 0.1, 1e-3, False, 0.0, 1.0)
    np.testing.assert_array_equal(p, q)
