"""Activation functions: values, slopes, bounds and moments worked out by hand or in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad
from autograd.func import jacrev
from autograd.primitives.elementwise import relu, sigmoid, softplus
from autograd.primitives.reduction import softmax
from autograd.primitives.special import erf

Function = Callable[..., Any]

ALPHA = 1.6732632423543778
LAMBDA = 1.0507009873554805


def leaky(x: Any, slope: float = 0.01) -> Any:
    return np.where(x.data > 0 if isinstance(x, Tensor) else x > 0, x, slope * x)


def leaky_from_zero(x: Any, slope: float = 0.01) -> Any:
    """The same with the other slope at 0."""
    return np.where(x.data >= 0 if isinstance(x, Tensor) else x >= 0, x, slope * x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    positive = x.data > 0 if isinstance(x, Tensor) else x > 0
    return np.where(positive, x, alpha * np.expm1(np.minimum(x, 0)))


def selu(x: Any) -> Any:
    return LAMBDA * elu(x, ALPHA)


def slope(f: Function, at: Any) -> Any:
    x = Tensor(np.asarray(at, float), requires_grad=True)
    return grad(np.sum(f(x)), x)[0].data


VALUES = [
    # name, f, x, f(x), f'(x)
    ("sigmoid at 0", sigmoid, 0.0, 0.5, 0.25),
    ("sigmoid at 3", sigmoid, 3.0, 0.9525741268, 0.0451766597),
    ("sigmoid at -3", sigmoid, -3.0, 0.0474258732, 0.0451766597),
    # One printed derivative misses a square: e^x / (1 + e^x)², which is 0.196612 at 1.
    ("sigmoid at 1", sigmoid, 1.0, 0.7310585786, 0.1966119332),
    ("tanh at 0", np.tanh, 0.0, 0.0, 1.0),
    ("tanh at 2", np.tanh, 2.0, 0.9640275801, 0.0706508249),
    ("relu", relu, [-2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [0.0, 0.0, 1.0]),
    ("leaky at -2", leaky, -2.0, -0.02, 0.01),
    ("leaky, 0 with the left", leaky, [-1.0, 0.0, 1.0], [-0.01, 0.0, 1.0], [0.01, 0.01, 1.0]),
    ("leaky, 0 with the right", leaky_from_zero, [-1.0, 0.0], [-0.01, 0.0], [0.01, 1.0]),
    ("leaky of 0.3", lambda x: leaky(x, 0.3), [-2.0, 2.0], [-0.6, 2.0], [0.3, 1.0]),
    ("elu at -1", elu, -1.0, math.exp(-1) - 1, math.exp(-1)),
    ("elu at 2", elu, 2.0, 2.0, 1.0),
    ("selu at 2", selu, 2.0, 2 * LAMBDA, LAMBDA),
    ("selu just below 0", selu, -1e-12, 0.0, 1.7580993408),
    ("softplus at 0", softplus, 0.0, math.log(2), 0.5),
    ("identity", lambda x: +x, 7.0, 7.0, 1.0),
    ("erf at 0", erf, 0.0, 0.0, 2 / math.sqrt(math.pi)),
]


@pytest.mark.parametrize(
    ("f", "x", "value", "derivative"), [pytest.param(*row[1:], id=row[0]) for row in VALUES]
)
def test_value_and_slope(f: Function, x: Any, value: Any, derivative: Any) -> None:
    np.testing.assert_allclose(f(np.asarray(x, float)), value, atol=1e-10)
    np.testing.assert_allclose(f(Tensor(np.asarray(x, float))).data, value, atol=1e-10)
    np.testing.assert_allclose(slope(f, x), derivative, atol=1e-10)


STEEPEST = [
    ("sigmoid", sigmoid, 0.25),
    ("tanh", np.tanh, 1.0),
    ("relu", relu, 1.0),
    ("leaky", leaky, 1.0),
    ("elu", elu, 1.0),
    ("selu", selu, LAMBDA * ALPHA),
    ("softplus", softplus, 1.0),
]


@pytest.mark.parametrize(
    ("f", "bound"), [pytest.param(f, bound, id=name) for name, f, bound in STEEPEST]
)
def test_steepest_slope(f: Function, bound: float) -> None:
    """The slope of the sigmoid reaches 1/4, it is not always below it."""
    x = np.linspace(-30, 30, 60001) - 5e-8
    slopes = np.abs(slope(f, x))
    assert slopes.max() <= bound + 1e-12
    assert slopes.max() == pytest.approx(bound, abs=1e-6)


def test_slopes_from_the_outputs() -> None:
    x = np.linspace(-5, 5, 41)
    np.testing.assert_allclose(slope(sigmoid, x), sigmoid(x) * (1 - sigmoid(x)), atol=1e-15)
    np.testing.assert_allclose(slope(np.tanh, x), 1 - np.tanh(x) ** 2, atol=1e-15)
    np.testing.assert_allclose(slope(softplus, x), sigmoid(x), atol=1e-15)


def test_identities_of_the_sigmoid() -> None:
    x = Tensor(np.linspace(-8, 8, 33))
    np.testing.assert_allclose(sigmoid(-x).data, 1 - sigmoid(x).data, atol=1e-15)
    np.testing.assert_allclose(sigmoid(x).data, (np.tanh(x / 2).data + 1) / 2, atol=1e-15)
    np.testing.assert_array_equal(sigmoid(x).data >= 0.5, x.data >= 0)


def test_steep_sigmoid_becomes_a_step() -> None:
    """As the factor grows (one text prints: as it goes to 0)."""
    z = np.array([-0.5, -0.1, 0.1, 0.5])
    np.testing.assert_allclose(sigmoid(Tensor(1e3 * z)).data, z > 0, atol=1e-12)
    np.testing.assert_allclose(sigmoid(Tensor(1e-3 * z)).data, 0.5, atol=1e-3)


def test_steps_have_no_gradient_and_no_error() -> None:
    x = Tensor([-1.0, 0.0, 2.0], requires_grad=True)
    for step in (np.sign(x), x > 0, np.floor(x)):
        assert isinstance(step, np.ndarray)
    step = np.heaviside(x, 1.0)
    np.testing.assert_array_equal(step.data, [0.0, 1.0, 1.0])
    np.testing.assert_array_equal(slope(lambda x: np.heaviside(x, 1.0) + 0 * x, x.data), 0)


def test_leaky_is_a_sum_of_maximum_and_minimum() -> None:
    x = np.array([-3.0, -0.5, 0.5, 3.0])

    def split(x: Any, a: float = 0.01) -> Any:
        return np.maximum(0, x) + a * np.minimum(0, x)

    np.testing.assert_allclose(split(x), leaky(x))
    np.testing.assert_allclose(slope(split, x), slope(leaky, x))
    np.testing.assert_allclose(leaky(x, 0.0), relu(x))


def test_elu_has_a_kink_unless_alpha_is_one() -> None:
    for alpha in (0.5, 1.0, 2.0):
        left, right = slope(lambda x, a=alpha: elu(x, a), [-1e-12, 1e-12])
        assert left == pytest.approx(alpha)
        assert right == 1


def test_softmax_and_its_jacobian() -> None:
    """diag(p) - p pᵀ."""
    s = np.array([0.5, -1.0, 2.0, 0.0])
    p = softmax(s)
    assert p.sum() == pytest.approx(1)
    np.testing.assert_allclose(jacrev(softmax)(s).data, np.diag(p) - np.outer(p, p), atol=1e-15)
    np.testing.assert_allclose(softmax(s + 100), p)


def test_softmax_of_two_is_a_sigmoid() -> None:
    s = np.array([0.3, -1.1])
    assert softmax(s)[0] == pytest.approx(sigmoid(s[0] - s[1]))


def test_products_of_slopes_through_many_layers() -> None:
    """Ten sigmoids at 0 leave 0.25¹⁰ of a gradient, fifty 0.25⁵⁰."""
    for depth, left in ((10, 9.5367431640625e-07), (50, 7.888609052210118e-31)):
        x = Tensor(0.0, requires_grad=True)
        h = x
        for _ in range(depth):
            h = sigmoid(h) - 0.5
        h.backward()
        assert x.grad.item() == pytest.approx(left, rel=1e-12)


@pytest.mark.parametrize(
    ("weight", "expected"), [(1.2, 9100.438150002134), (0.8, 1.4272476927e-05)]
)
def test_chain_of_identity_neurons(weight: float, expected: float) -> None:
    """∂L/∂w of the first of 51 neurons is w⁵⁰; 1.2⁵⁰ is 9.1e3, not the 9.1e4 in print."""
    w = [Tensor(weight, requires_grad=True) for _ in range(51)]
    h = Tensor(1.0)
    for each in w:
        h = each * h
    h.backward()
    assert w[0].grad.item() == pytest.approx(expected, rel=1e-9)


# ------------------------------------------------------------------------ moments, fixed points


def expectation(f: Function) -> float:
    """E f(Z) for a standard normal Z, by the trapezoidal rule on either side of the kink at 0."""
    total = 0.0
    for start, stop in ((-14.0, 0.0), (0.0, 14.0)):
        z = np.linspace(start, stop, 200001)
        inside = np.clip(z, start + 1e-12, stop - 1e-12)
        density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        total += float(np.trapezoid(f(inside) * density, z))
    return total


SECOND_MOMENTS = [
    ("relu", relu, 0.5),
    ("leaky", leaky, 0.50005),
    ("tanh", np.tanh, 0.3942945),
    ("sigmoid", sigmoid, 0.2933790),
    ("elu", elu, 0.6449454),
    ("selu", selu, 1.0),
]


@pytest.mark.parametrize(
    ("f", "moment"), [pytest.param(f, m, id=name) for name, f, m in SECOND_MOMENTS]
)
def test_second_moment_under_a_standard_normal(f: Function, moment: float) -> None:
    assert expectation(lambda z: f(z) ** 2) == pytest.approx(moment, abs=1e-7)


def test_rectified_units_halve_the_second_moment() -> None:
    """E relu(S)² = σ²/2 for S of variance σ²."""
    for sigma in (0.1, 1.0, 3.0):
        got = expectation(lambda z, s=sigma: relu(s * z) ** 2)
        assert got == pytest.approx(sigma**2 / 2, rel=1e-6)


def test_selu_keeps_mean_zero() -> None:
    assert expectation(selu) == pytest.approx(0, abs=1e-9)


def test_tanh_layers_shrink_the_second_moment() -> None:
    q, seen = 1.0, []
    for _ in range(5):
        q = expectation(lambda z, q=q: np.tanh(math.sqrt(q) * z) ** 2)
        seen.append(q)
    np.testing.assert_allclose(seen, [0.394294, 0.236450, 0.166656, 0.127905, 0.103441], atol=1e-6)


def test_selu_constants_in_closed_form() -> None:
    tail, tail2 = math.erfc(math.sqrt(0.5)), math.erfc(math.sqrt(2))
    root = math.sqrt(math.e)
    alpha = -math.sqrt(2 / math.pi) / (tail * root - 1)
    inner = 2 * tail2 * math.e**2 + math.pi * tail**2 * math.e
    inner += -2 * (2 + math.pi) * tail * root + math.pi + 2
    scale = (1 - tail * root) * math.sqrt(2 * math.pi) / math.sqrt(inner)
    assert alpha == pytest.approx(ALPHA, rel=1e-14)
    assert scale == pytest.approx(LAMBDA, rel=1e-14)
    assert alpha * scale == pytest.approx(1.7580993408473773, rel=1e-14)


def moments(state: Any, omega: float = 0.0, tau: float = 1.0) -> Any:
    """Mean and variance of SELU units whose inputs have mean and variance ``state``."""
    m, v = state[0] * omega, state[1] * tau
    root = np.sqrt(v)

    def erfc(x: Any) -> Any:
        return 1 - erf(x)

    ratio = m / (np.sqrt(2) * root)
    bump = np.sqrt(2 / np.pi) * root * np.exp(-(m**2) / (2 * v))
    once = np.exp(m + v / 2) * erfc((m + v) / (np.sqrt(2) * root))
    twice = np.exp(2 * (m + v)) * erfc((m + 2 * v) / (np.sqrt(2) * root))
    mean = LAMBDA / 2 * (m * erf(ratio) + ALPHA * once - ALPHA * erfc(ratio) + bump + m)
    square = (m**2 + v) * (2 - erfc(ratio)) + m * bump
    square = square + ALPHA**2 * (-2 * once + twice + erfc(ratio))
    return np.stack([mean, LAMBDA**2 / 2 * square - mean**2])


MAPPED = [
    ((0.1, 1.2), 0.05, 0.95, (0.0173659, 1.1095171)),
    ((-0.1, 1.5), 0.1, 1.1, (0.0492364, 1.4720812)),
    ((0.3, 0.8), 0.5, 1.1, (0.1413314, 0.9401098)),
    ((0.0, 1.0), 0.0, 1.0, (0.0, 1.0)),
]


@pytest.mark.parametrize(("state", "omega", "tau", "expected"), MAPPED)
def test_moments_of_a_selu_layer(state: Any, omega: float, tau: float, expected: Any) -> None:
    got = moments(Tensor(state), omega, tau)
    np.testing.assert_allclose(got.data, expected, atol=1e-7)


def test_jacobian_of_the_moment_map_at_its_fixed_point() -> None:
    jacobian = jacrev(moments)(np.array([0.0, 1.0])).data
    np.testing.assert_allclose(jacobian, [[0, 0.08883476], [0, 0.78264788]], atol=1e-8)
    assert np.linalg.norm(jacobian, 2) == pytest.approx(0.78767336, abs=1e-8)


ITERATED = [
    ((0.0, 4.0), [(0.25483, 2.94110), (0.17013, 2.31308), (0.11695, 1.91922)], (0.01408, 1.12100)),
    (
        (0.0, 0.1),
        [(-0.05172, 0.14994), (-0.05483, 0.21284), (-0.05545, 0.28644)],
        (-0.02326, 0.78231),
    ),
    ((0.5, 1.5), [(0.04498, 1.37153)], (0.00399, 1.03486)),
]


@pytest.mark.parametrize(("start", "first", "tenth"), ITERATED)
def test_iterating_the_moment_map_leads_to_mean_zero_variance_one(
    start: Any, first: Any, tenth: Any
) -> None:
    state = np.array(start)
    seen = []
    for _ in range(50):
        state = moments(state)
        seen.append(state)
    for got, expected in zip(seen, first):
        np.testing.assert_allclose(got, expected, atol=1e-5)
    np.testing.assert_allclose(seen[9], tenth, atol=1e-5)
    np.testing.assert_allclose(seen[49], (0, 1), atol=2e-5)
