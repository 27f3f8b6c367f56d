"""Differences, slopes, integrals, interpolation, convolution, polynomials, ranges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, gradcheck, gradgradcheck

Check = Callable[..., None]


@pytest.mark.parametrize("n", [0, 1, 2, 3])
@pytest.mark.parametrize("axis", [0, -1])
def test_diff(agrees: Check, draw: Any, n: int, axis: int) -> None:
    agrees(lambda x: np.diff(x, n, axis), draw((4, 5)))


def test_diff_with_ends(agrees: Check, draw: Any) -> None:
    x, before = draw((2, 3), (2, 1))
    agrees(lambda a, b: np.diff(a, prepend=b, append=0.0), x, before)
    agrees(lambda a: np.ediff1d(a, to_begin=[1.0, 2.0], to_end=9.0), x)
    with pytest.raises(ValueError, match="negative"):
        np.diff(Tensor(x), -1)
    with pytest.raises(ValueError, match="axis"):
        np.diff(Tensor(1.0))


@pytest.mark.parametrize("edge_order", [1, 2])
def test_gradient(agrees: Check, draw: Any, edge_order: int) -> None:
    x = draw((4, 5))
    uneven = np.array([0.0, 1.0, 1.5, 3.5])
    agrees(lambda a: np.gradient(a, edge_order=edge_order), x)
    agrees(lambda a: np.gradient(a, 0.5, axis=1, edge_order=edge_order), x)
    agrees(lambda a: np.gradient(a, 2.0, 3.0, edge_order=edge_order), x)
    agrees(lambda a, h: np.gradient(a, h, axis=0, edge_order=edge_order), x, uneven)
    t = Tensor(x, requires_grad=True)
    both = np.gradient(t, uneven, 0.5, edge_order=edge_order)
    for ours, theirs in zip(both, np.gradient(x, uneven, 0.5, edge_order=edge_order)):
        np.testing.assert_allclose(ours.data, theirs, rtol=1e-12)
    with pytest.raises(ValueError, match="samples"):
        np.gradient(Tensor([1.0]), edge_order=edge_order)
    with pytest.raises(TypeError, match="spacings"):
        np.gradient(Tensor(x), 1.0, 2.0, 3.0)


def test_trapezoid(agrees: Check, draw: Any) -> None:
    y, x = draw((3, 4), (4,))
    agrees(lambda a: np.trapezoid(a, dx=0.5), y)
    agrees(lambda a, b: np.trapezoid(a, b), y, x)
    agrees(lambda a, b: np.trapezoid(a, b, axis=0), y, x[:3])
    agrees(lambda a: np.trapezoid(a, a * a, axis=1), y)


def test_unwrap(agrees: Check) -> None:
    agrees(np.unwrap, np.array([0.1, 3.0, -3.0, -0.5, 6.0]))
    agrees(lambda x: np.unwrap(x, axis=0, period=4.0), np.array([[0.1, 3.0], [2.9, -0.7]]))


def test_interp() -> None:
    xp = np.array([-1.0, 0.5, 2.0, 3.5])
    fp = np.array([2.0, -1.0, 0.5, 4.0])
    x = np.array([[-2.0, -0.7, 0.9], [2.2, 3.4, 5.0]])
    tensors = [Tensor(a, requires_grad=True) for a in (x, xp, fp)]
    for settings in ({}, {"left": -9.0, "right": 8.0}, {"period": 4.7}):
        np.testing.assert_allclose(
            np.interp(*tensors, **settings).data, np.interp(x, xp, fp, **settings), rtol=1e-12
        )
        assert gradcheck(lambda *a, s=settings: np.interp(*a, **s), tensors)
        assert gradgradcheck(lambda *a, s=settings: np.interp(*a, **s), tensors)
    at_points = np.interp(Tensor(xp), xp, fp)
    np.testing.assert_allclose(at_points.data, fp)
    np.testing.assert_array_equal(np.interp(Tensor([0.0, 1.0]), [0.5], [7.0]).data, [7, 7])
    single = np.interp(*[Tensor(a, True, np.float32) for a in (x, xp, fp)])
    assert single.dtype == np.float32
    with pytest.raises(ValueError, match="coordinates"):
        np.interp(Tensor(x), xp, fp[:2])


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize(
    "shapes", [((5,), (3,)), ((5,), (2,)), ((2,), (5,)), ((3,), (3,)), ((4,), (6,))]
)
@pytest.mark.parametrize("function", [np.convolve, np.correlate])
def test_convolution(agrees: Check, draw: Any, mode: str, shapes: Any, function: Any) -> None:
    agrees(lambda a, v: function(a, v, mode), *draw(*shapes))


def test_convolution_of_complex_sequences() -> None:
    rng = np.random.default_rng(0)
    a, v = (rng.normal(size=n) + 1j * rng.normal(size=n) for n in (4, 2))
    tensors = [Tensor(a, requires_grad=True), Tensor(v, requires_grad=True)]
    for function in (np.convolve, np.correlate):
        np.testing.assert_allclose(function(*tensors, "full").data, function(a, v, "full"))
        assert gradcheck(lambda a, v, f=function: f(a, v, "full"), tensors)
    with pytest.raises(ValueError, match="mode"):
        np.convolve(*tensors, "round")
    with pytest.raises(ValueError, match="empty"):
        np.convolve(tensors[0], np.zeros(0))


def test_polynomials(agrees: Check, draw: Any) -> None:
    p, q, x = draw((4,), (2,), (2, 3))
    agrees(np.polyval, p, x)
    agrees(np.polyadd, p, q)
    agrees(np.polysub, q, p)
    agrees(np.polymul, p, q)
    agrees(np.polyder, p)
    agrees(lambda c: np.polyder(c, 2), p)
    agrees(np.polyint, p)
    agrees(lambda c, k: np.polyint(c, 2, k=k), p, q)


def test_ranges(agrees: Check, draw: Any) -> None:
    a, b = draw((2,), (2,), low=0.5)
    agrees(lambda s, t: np.linspace(s, t, 4), a, b)
    agrees(lambda s, t: np.linspace(s, t, 4, endpoint=False, axis=1), a, b)
    agrees(lambda s, t: np.linspace(s, t, 3, retstep=True), a, b)
    agrees(lambda s: np.linspace(s, 7, 1), a)
    agrees(lambda s, t: np.logspace(s, t, 3), a, b)
    agrees(lambda s, t: np.logspace(s, t, 3, base=2.0, axis=-1), a, b)
    agrees(lambda s, t: np.geomspace(s, t, 4), a, b)
    with pytest.raises(ValueError, match="same sign"):
        np.geomspace(Tensor(a), -1.0)
