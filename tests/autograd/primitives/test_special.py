"""Special functions against independent values: the standard library, exact numbers, PyTorch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad
from autograd.primitives import special
from autograd.primitives.special import (
    bessel_i,
    digamma,
    entr,
    erf,
    erfc,
    erfinv,
    gammaln,
    log_sigmoid,
    logit,
    ndtr,
    polygamma,
    sinc_derivative,
    xlogy,
)

POINTS = np.concatenate(
    [
        np.linspace(-6, 6, 1201),
        np.logspace(-300, 1, 200),
        -np.logspace(-300, 1, 200),
        [0.46875, 4.0],
    ]
)


def test_erf_to_the_last_places() -> None:
    exact = np.array([math.erf(x) for x in POINTS])
    np.testing.assert_allclose(erf(POINTS), exact, rtol=1e-15, atol=0)


def test_erf_in_float32_and_in_blocks() -> None:
    x = np.linspace(-7, 7, 40_000).reshape(200, 200)
    exact = np.vectorize(math.erf)(x)
    np.testing.assert_allclose(erf(x), exact, rtol=1e-15)
    single = erf(x.astype(np.float32))
    assert single.dtype == np.float32
    exact = np.vectorize(math.erf)(x.astype(np.float32))
    np.testing.assert_allclose(single, exact, rtol=4e-7)
    assert np.abs(single).max() <= 1


def test_erfc_to_the_last_places() -> None:
    points = np.concatenate([POINTS[POINTS > -26], np.linspace(6, 26, 500)])
    exact = np.array([math.erfc(x) for x in points])
    np.testing.assert_allclose(erfc(points), exact, rtol=3e-15, atol=0)


@pytest.mark.parametrize(
    ("function", "at", "expected"),
    [
        (erf, [-np.inf, np.inf, np.nan, -0.0], [-1, 1, np.nan, -0.0]),
        (erfc, [-np.inf, np.inf, np.nan, 30.0], [2, 0, np.nan, 0]),
        (erfinv, [-1, 1, 0, 1.5, np.nan], [-np.inf, np.inf, 0, np.nan, np.nan]),
        (ndtr, [-np.inf, 0, np.inf], [0, 0.5, 1]),
        (logit, [0, 0.5, 1], [-np.inf, 0, np.inf]),
        (log_sigmoid, [-1e4, 1e4], [-1e4, 0]),
        (entr, [0, 1], [0, 0]),
        (gammaln, [0.0, -2.0, np.inf, 1.0], [np.inf, np.inf, np.inf, 0]),
        (digamma, [0.0, -1.0, np.inf, np.nan], [np.nan, np.nan, np.inf, np.nan]),
    ],
)
def test_limits(function: Any, at: Any, expected: Any) -> None:
    np.testing.assert_allclose(function(np.array(at, float)), expected, atol=1e-14)


def test_erfinv_inverts() -> None:
    y = np.concatenate([np.linspace(-0.999, 0.999, 999), np.logspace(-300, -1, 100)])
    np.testing.assert_allclose([math.erf(x) for x in erfinv(y)], y, rtol=1e-14)
    tail = 1 - np.logspace(-15, -2, 50)
    np.testing.assert_allclose([math.erfc(x) for x in erfinv(tail)], 1 - tail, rtol=1e-13)


def test_gammaln() -> None:
    x = np.concatenate(
        [np.linspace(0.01, 30, 500), np.logspace(1.5, 300, 50), [-0.5, -1.5, -10.25]]
    )
    exact = np.array([math.lgamma(v) for v in x])
    np.testing.assert_allclose(gammaln(x), exact, rtol=1e-13, atol=2e-14)


EULER = 0.57721566490153286061
CATALAN = 0.91596559417721901505
APERY = 1.20205690315959428540


@pytest.mark.parametrize(
    ("order", "x", "exact"),
    [
        (0, 1.0, -EULER),
        (0, 0.5, -EULER - 2 * math.log(2)),
        (0, 10.0, sum(1 / k for k in range(1, 10)) - EULER),
        (0, -0.5, -EULER - 2 * math.log(2) + 2),
        (1, 1.0, math.pi**2 / 6),
        (1, 0.5, math.pi**2 / 2),
        (1, 0.25, math.pi**2 + 8 * CATALAN),
        (2, 1.0, -2 * APERY),
        (2, 0.5, -14 * APERY),
        (3, 1.0, math.pi**4 / 15),
    ],
)
def test_polygamma(order: int, x: float, exact: float) -> None:
    np.testing.assert_allclose(polygamma(x, order=order), exact, rtol=2e-15)


def test_bessel_satisfies_its_recurrence_and_numpy() -> None:
    x = np.concatenate([np.linspace(-60, -0.1, 200), np.linspace(0.1, 60, 200)])
    np.testing.assert_allclose(bessel_i(x, order=0), np.i0(x), rtol=1e-13)
    for n in range(1, 5):
        below, here, above = (bessel_i(x, order=n + k) for k in (-1, 0, 1))
        np.testing.assert_allclose(below - above, 2 * n / x * here, rtol=1e-10, atol=1e-300)
    np.testing.assert_array_equal(bessel_i(np.zeros(1), order=1), 0)


@pytest.mark.parametrize("order", range(6))
def test_derivatives_of_sinc_by_quadrature(order: int) -> None:
    """The n-th derivative is pi^n times the integral of t^n cos(pi x t + n pi/2) over [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    t, w = (nodes + 1) / 2, weights / 2
    x = np.array([-8.0, -2.3, -0.5, -1e-4, 0.0, 1e-9, 0.3, 0.62, 0.64, 0.95, 1.0, 1.3, 1.6, 5.5])
    exact = (w * t**order * np.cos(math.pi * x[:, None] * t + order * math.pi / 2)).sum(1)
    np.testing.assert_allclose(sinc_derivative(x, order=order) / math.pi**order, exact, atol=1e-14)


def test_sinc_at_zero_to_fourth_order() -> None:
    x = Tensor(0.0, requires_grad=True)
    y = np.sinc(x)
    values = []
    for _ in range(4):
        (y,) = grad(y, x, create_graph=True)
        values.append(y.item())
    pi = math.pi
    np.testing.assert_allclose(values, [0, -(pi**2) / 3, 0, pi**4 / 5], atol=1e-13)


def test_i0_to_third_order_at_zero() -> None:
    x = Tensor(0.0, requires_grad=True)
    y = np.i0(x)
    values = []
    for _ in range(4):
        (y,) = grad(y, x, create_graph=True)
        values.append(y.item())
    np.testing.assert_allclose(values, [0, 1 / 2, 0, 3 / 8])


def test_xlogy_at_zero() -> None:
    x = Tensor([0.0, 0.0, 2.0], requires_grad=True)
    y = Tensor([0.0, 3.0, 1.0], requires_grad=True)
    z = xlogy(x, y)
    np.testing.assert_array_equal(z.data, [0, 0, 0])
    z.sum().backward()
    np.testing.assert_allclose(x.grad.data, [0, math.log(3), 0])
    np.testing.assert_allclose(y.grad.data, [0, 0, 2])
    assert np.isnan(xlogy(0.0, np.nan))


@pytest.mark.parametrize(
    "function", [erf, erfc, erfinv, ndtr, logit, log_sigmoid, entr, gammaln, digamma]
)
def test_float32_stays_float32(function: Any) -> None:
    x = Tensor([0.25, 0.5], True, np.float32)
    y = function(x)
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_allclose(y.data, function(np.array([0.25, 0.5])), rtol=1e-6)


def test_against_torch() -> None:
    torch = pytest.importorskip("torch")
    x = np.linspace(0.05, 0.95, 10)
    for name in ("erf", "erfc", "erfinv", "logit"):
        t, p = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        ours, theirs = getattr(special, name)(t), getattr(torch, name)(p)
        np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=1e-12, atol=1e-14)
        ours.sum().backward()
        theirs.sum().backward()
        np.testing.assert_allclose(t.grad.data, p.grad.numpy(), rtol=1e-11)
