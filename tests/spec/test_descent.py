"""Descent, Newton steps and curvature, from gradients and Hessians that the engine computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad
from autograd.func import hessian, hvp, jacrev
from autograd.primitives.elementwise import sigmoid, softplus

Function = Callable[..., Any]


def valley(w: Any) -> Any:
    return w[0] ** 2 + 5 * w[1] ** 2


def descend(f: Function, start: Any, rate: Any, steps: int) -> list[Any]:
    w, path = np.asarray(start, float), []
    for _ in range(steps):
        w = w - rate * jacrev(f)(w).data
        path.append(w)
    return path


def test_gradient_and_curvature_of_the_valley() -> None:
    w = np.array([1.5, -0.5])
    np.testing.assert_allclose(jacrev(valley)(w).data, [2 * w[0], 10 * w[1]])
    np.testing.assert_allclose(hessian(valley)(w).data, [[2, 0], [0, 10]])


PATHS = [
    # rates, the first points from (1, 1)
    (0.19, [(0.62, -0.9), (0.3844, 0.81), (0.238328, -0.729)]),
    (0.02, [(0.96, 0.8), (0.9216, 0.64), (0.884736, 0.512)]),
    (0.18, [(0.64, -0.8), (0.4096, 0.64), (0.262144, -0.512)]),
    ((0.18, 0.05), [(0.64, 0.5), (0.4096, 0.25)]),
    ((0.5, 0.1), [(0.0, 0.0)]),
]


@pytest.mark.parametrize(("rate", "points"), PATHS)
def test_paths_through_the_valley(rate: Any, points: Any) -> None:
    path = descend(valley, (1, 1), np.asarray(rate), len(points))
    np.testing.assert_allclose(path, points, atol=1e-15)


def test_valley_is_stable_below_a_rate_of_one_fifth() -> None:
    heights = [point[1] for point in descend(valley, (1, 1), 0.2, 6)]
    np.testing.assert_allclose(heights, [-1, 1, -1, 1, -1, 1])
    heights = [point[1] for point in descend(valley, (1, 1), 0.21, 3)]
    np.testing.assert_allclose(heights, [-1.1, 1.21, -1.331])


def test_descent_of_a_parabola() -> None:
    path = descend(lambda t: np.sum(t**2), [1.0], 0.1, 5)
    np.testing.assert_allclose(np.ravel(path), [0.8, 0.64, 0.512, 0.4096, 0.32768])


def test_decay_alone_shrinks_by_a_constant_factor() -> None:
    """(1 - 0.1 · 0.5)¹⁰; it dies out for 0 < rate · decay < 2, not only below 1."""
    path = descend(lambda w: 0.25 * np.sum(w**2), [1.0], 0.1, 10)
    assert path[-1].item() == pytest.approx(0.5987369, abs=1e-7)
    path = descend(lambda w: 0.25 * np.sum(w**2), [1.0], 3.0, 20)
    np.testing.assert_allclose(np.ravel(path), (-0.5) ** np.arange(1, 21))


def test_small_steps_lower_the_loss_by_the_rates_times_squared_slopes() -> None:
    w, rates = np.array([0.7, -0.4]), np.array([0.3, 0.1])
    slopes = jacrev(valley)(w).data
    drop = (valley(w) - valley(w - 1e-6 * rates * slopes)) / 1e-6
    assert drop == pytest.approx(np.sum(rates * slopes**2), rel=1e-4)
    assert np.sum(rates * slopes**2) >= rates.min() * np.sum(slopes**2)


def test_gradient_flow_of_least_squares() -> None:
    """W(t) = w* + exp(-H t) (W₀ - w*), which steps of rate → 0 follow."""
    rng = np.random.default_rng(0)
    phi, t, start = rng.standard_normal((8, 2)), rng.standard_normal(8), np.array([2.0, -1.0])

    def half_squares(w: Any) -> Any:
        return 0.5 * np.sum((phi @ w - t) ** 2)

    curvature = hessian(half_squares)(start).data
    np.testing.assert_allclose(curvature, phi.T @ phi)
    values, vectors = np.linalg.eigh(Tensor(curvature))
    best = np.linalg.lstsq(Tensor(phi), t)[0]
    decay = (vectors * np.exp(-values * 0.2)) @ vectors.T
    expected = (best + decay @ (start - best)).data
    errors = [
        np.abs(descend(half_squares, start, 0.2 / n, n)[-1] - expected).max() for n in (50, 100)
    ]
    assert errors[1] < 0.01
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)


# ------------------------------------------------------------------- Newton's method, least squares


def test_newton_reaches_the_minimum_of_a_parabola_at_once() -> None:
    rng = np.random.default_rng(1)
    root = rng.standard_normal((4, 3))
    A, b, w = root.T @ root, rng.standard_normal(3), rng.standard_normal(3)

    def bowl(w: Any) -> Any:
        return 0.5 * w @ A @ w - b @ w

    step = np.linalg.solve(hessian(bowl)(w), jacrev(bowl)(w))
    np.testing.assert_allclose((w - step).data, np.linalg.solve(A, b))


DESIGN = np.array([[1.0, 0], [1, 1], [1, 2], [1, 3]])
LABELS = np.array([0.0, 1, 0, 1])


def likelihood(w: Any) -> Any:
    z = DESIGN @ w
    return np.sum(softplus(z) - LABELS * z)


REWEIGHTED = [
    ((-1.2, 0.8), 2.352595439),
    ((-1.3559834342, 0.9039889561), 2.347494016),
    ((-1.3622661333, 0.9081774222), None),
]


def test_reweighted_least_squares_for_logistic_regression() -> None:
    """Newton steps with Xᵀ R X, R = diag(p (1 - p)), from gradients of gradients."""
    w = np.zeros(2)
    assert likelihood(w) == pytest.approx(2.772588722, abs=1e-9)
    np.testing.assert_allclose(jacrev(likelihood)(w).data, [0, -1], atol=1e-15)
    np.testing.assert_allclose(hessian(likelihood)(w).data, [[1, 1.5], [1.5, 3.5]])
    for point, value in REWEIGHTED:
        p = sigmoid(DESIGN @ w)
        curvature = hessian(likelihood)(w).data
        np.testing.assert_allclose(curvature, DESIGN.T @ np.diag(p * (1 - p)) @ DESIGN)
        w = w - np.linalg.solve(curvature, jacrev(likelihood)(w).data)
        np.testing.assert_allclose(w, point, atol=1e-9)
        if value is not None:
            assert likelihood(w) == pytest.approx(value, abs=1e-9)
    for _ in range(2):
        w = w - np.linalg.solve(hessian(likelihood)(w).data, jacrev(likelihood)(w).data)
    np.testing.assert_allclose(w, [-1.3622763938, 0.9081842626], atol=1e-10)
    assert likelihood(w) == pytest.approx(2.3474865351213454, rel=1e-14)
    np.testing.assert_allclose(jacrev(likelihood)(w).data, 0, atol=1e-14)


def test_hessian_by_grad_of_grad() -> None:
    """The same Hessian row by row, with a graph through the first backward pass."""
    w = Tensor([-1.2, 0.8], requires_grad=True)
    (first,) = grad(likelihood(w), w, create_graph=True)
    rows = [grad(first[k], w, retain_graph=True)[0].data for k in range(2)]
    np.testing.assert_allclose(rows, hessian(likelihood)(w.data).data)


def test_normal_equations() -> None:
    """w = (XᵀX)⁻¹Xᵀy makes Xᵀ(Xw - y) zero, and X⁺X = I."""
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((7, 3)), rng.standard_normal(7)
    w = np.linalg.solve(Tensor(X.T @ X), X.T @ y)
    np.testing.assert_allclose(
        jacrev(lambda w: 0.5 * np.sum((X @ w - y) ** 2))(w.data).data, 0, atol=1e-13
    )
    np.testing.assert_allclose(w.data, (np.linalg.pinv(Tensor(X)) @ y).data)
    np.testing.assert_allclose((np.linalg.pinv(Tensor(X)) @ X).data, np.eye(3), atol=1e-14)


@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_ridge_without_the_first_weight(penalty: float) -> None:
    """The minimum of mean squares / 2 + λ Σ' w² is (ΦᵀΦ + 2 N λ I')⁻¹ Φᵀ t."""
    rng = np.random.default_rng(3)
    phi, t = np.column_stack([np.ones(9), rng.standard_normal((9, 2))]), rng.standard_normal(9)
    free = np.diag([0.0, 1, 1])
    w = np.linalg.solve(Tensor(phi.T @ phi + 2 * 9 * penalty * free), phi.T @ t)

    def objective(w: Any) -> Any:
        return np.mean((phi @ w - t) ** 2) / 2 + penalty * np.sum(w[1:] ** 2)

    np.testing.assert_allclose(jacrev(objective)(w.data).data, 0, atol=1e-14)


def test_decay_shrinks_flat_directions_most() -> None:
    """(H + λI)⁻¹ H w₀: by λᵢ / (λᵢ + λ) along each eigenvector."""
    curvature, w0 = np.diag([10.0, 1.0, 0.1]), np.ones(3)

    def decayed(w: Any) -> Any:
        return 0.5 * (w - w0) @ curvature @ (w - w0) + 0.5 * np.sum(w**2)

    w = np.linalg.solve(Tensor(curvature + np.eye(3)), curvature @ w0)
    np.testing.assert_allclose(w.data, [0.909091, 0.5, 0.0909091], atol=1e-6)
    np.testing.assert_allclose(jacrev(decayed)(w.data).data, 0, atol=1e-14)


def test_penalised_step_is_a_step_of_the_decayed_objective() -> None:
    """w - η ∇(J + α/2 wᵀw) = (1 - η α) w - η ∇J."""
    w, rate, decay = np.array([-1.2, 0.8]), 0.1, 0.2
    by_objective = w - rate * jacrev(lambda w: likelihood(w) + decay / 2 * w @ w)(w).data
    np.testing.assert_allclose(
        by_objective, (1 - rate * decay) * w - rate * jacrev(likelihood)(w).data
    )


def test_when_an_absolute_penalty_keeps_a_weight_at_zero() -> None:
    """For mean squares + λ |w| the slope at w = 0 is -2 cov(x, y), which λ has to hold."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal(30)
    y = 0.7 * x + 2 + rng.standard_normal(30)

    def mean_squares(w: Any, b: Any) -> Any:
        return np.mean((y - b - w * x) ** 2)

    by_w, by_b = jacrev(mean_squares, argnums=(0, 1))(0.0, y.mean())
    covariance = np.mean((x - x.mean()) * (y - y.mean()))
    assert by_w.item() == pytest.approx(-2 * covariance)
    assert by_b.item() == pytest.approx(0, abs=1e-14)
    edge = 2 * abs(covariance)
    for penalty, stays in ((1.01 * edge, True), (0.99 * edge, False)):
        step = 1e-6 * np.sign(covariance)
        rises = mean_squares(step, y.mean()) + penalty * abs(step) > mean_squares(0, y.mean())
        assert rises == stays


def test_polynomials_of_growing_degree() -> None:
    """More powers always fit the training points better; 300 of them fail on others."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 500)
    t = 0.5 * x**3 + 0.3 * x**2 - 0.25 * x + 1 + 2 * rng.standard_normal(500)

    def features(degree: int) -> Any:
        powers = x[:, None] ** np.arange(1, degree + 1)
        scaled = (powers - powers[:400].mean(0)) / powers[:400].std(0)
        return np.column_stack([np.ones(500), scaled])

    train, test = [], []
    for degree in (1, 3, 5, 300):
        phi = features(degree)
        w = np.linalg.lstsq(Tensor(phi[:400]), t[:400])[0]
        errors = ((phi @ w - t) ** 2).data
        train.append(errors[:400].mean())
        test.append(errors[400:].mean())
    assert train == sorted(train, reverse=True)
    assert test[1] < test[0]
    assert test[3] > 100 * max(test[:3])


def test_higher_powers_of_weight_zero_change_nothing() -> None:
    x, w = np.linspace(-1, 1, 5), np.array([0.3, -1.2])
    line = x[:, None] ** np.arange(2) @ Tensor(w)
    for degree in (2, 300):
        powers = x[:, None] ** np.arange(degree + 1)
        padded = np.concatenate([Tensor(w), np.zeros(degree - 1)])
        np.testing.assert_allclose((powers @ padded).data, line.data)


# ------------------------------------------------------------------------- what a weight is worth


def saliencies(curvature: Any, w: Any) -> tuple[Any, Any, Any]:
    """By the diagonal (H_ii wᵢ²), by the inverse (½ wᵢ² / H⁻¹_ii), and H⁻¹."""
    inverse = np.linalg.inv(Tensor(curvature)).data
    return np.diagonal(curvature) * w**2, 0.5 * w**2 / np.diagonal(inverse), inverse


def test_which_weight_to_remove() -> None:
    H, w = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, -1.0])
    measured = hessian(lambda d: 0.5 * d @ H @ d)(w).data
    by_diagonal, by_inverse, inverse = saliencies(measured, w)
    np.testing.assert_allclose(by_diagonal, [2, 3])
    np.testing.assert_allclose(by_inverse, [5 / 6, 1.25])
    change = -w[0] / inverse[0, 0] * inverse[:, 0]
    np.testing.assert_allclose(change, [-1, 1 / 3])
    assert 0.5 * change @ H @ change == pytest.approx(by_inverse[0])


def test_two_weights_that_do_the_work_of_one() -> None:
    """The diagonal does not see that the other weight could take over, the inverse does."""
    H, w = np.array([[1.0, 0.99], [0.99, 1.0]]), np.array([0.5, 0.5])
    _, by_inverse, inverse = saliencies(hessian(lambda d: 0.5 * d @ H @ d)(w).data, w)
    left = w - w[0] / inverse[0, 0] * inverse[:, 0]
    np.testing.assert_allclose(left, [0, 0.995], atol=1e-12)
    assert by_inverse[0] == pytest.approx(0.0024875)
    assert 0.5 * H[0, 0] * w[0] ** 2 == 0.125


def test_hessian_times_a_vector_without_the_hessian() -> None:
    w, v = np.array([-1.2, 0.8]), np.array([0.3, -0.7])
    value, (product,) = hvp(likelihood, (w,), (v,))
    assert value.item() == pytest.approx(likelihood(w))
    np.testing.assert_allclose(product.data, hessian(likelihood)(w).data @ v)
