"""Minimisers and line searches: known minima, within stated numbers of evaluations."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import optim
from autograd import Tensor
from optim.line_search import Point, backtracking, strong_wolfe


def rosenbrock(x):
    return ((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2).sum()


def rosenbrock_residuals(x):
    return np.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def quadratic(condition, n=20, seed=0):
    """½ xᵀ A x − b·x with eigenvalues from 1 to ``condition``, and its minimum."""
    random = np.random.default_rng(seed)
    vectors = np.linalg.qr(random.standard_normal((n, n)))[0]
    matrix = (vectors * np.logspace(0, np.log10(condition), n)) @ vectors.T
    b = random.standard_normal(n)
    return (lambda x: 0.5 * x @ (matrix @ x) - b @ x), np.linalg.solve(matrix, b), matrix


START = np.array([-1.2, 1.0])


@pytest.mark.parametrize(
    ("method", "evaluations"),
    [("newton", 60), ("bfgs", 60), ("nonlinear_cg", 160)],
)
def test_rosenbrock(method, evaluations):
    result = getattr(optim, method)(rosenbrock, START)
    assert result.converged, result.message
    np.testing.assert_allclose(result.x, 1.0, atol=1e-6)
    assert result.evaluations <= evaluations
    assert result.fun < 1e-12
    assert np.abs(result.gradient).max() <= 1e-8
    assert result.path.shape == (result.iterations + 1, 2)
    assert len(result.values) == result.iterations + 1
    assert (np.diff(result.values) <= 0).all()


@pytest.mark.parametrize("method", ["newton", "bfgs", "nonlinear_cg"])
def test_rosenbrock_in_ten_dimensions(method):
    result = getattr(optim, method)(rosenbrock, np.linspace(0.2, 1.5, 10))
    assert result.converged, result.message
    assert result.fun < 1e-10
    assert result.evaluations <= 600


# Near the minimum of a badly conditioned one, how a processor rounds decides how soon conjugate
# gradients are there: limits are those of twelve such functions on two of them, and some more.
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("method", "condition", "evaluations"),
    [
        *[("newton", condition, 8) for condition in (1.0, 100.0, 1e4)],
        *[("bfgs", condition, 160) for condition in (1.0, 100.0, 1e4)],
        ("nonlinear_cg", 1.0, 10),
        ("nonlinear_cg", 100.0, 70),
        ("nonlinear_cg", 1e4, 400),
    ],
)
def test_quadratics_of_given_condition(method, condition, evaluations, seed):
    f, minimum, _ = quadratic(condition, seed=seed)
    result = getattr(optim, method)(f, np.zeros(20), tolerance=1e-7)
    assert result.converged, result.message
    np.testing.assert_allclose(result.x, minimum, atol=1e-6)
    assert result.evaluations <= evaluations


def test_newtons_last_steps_are_quadratic():
    """Each step about squares the distance, once near."""
    result = optim.newton(lambda x: np.logaddexp(x, -2 * x).sum(), [1.0], tolerance=1e-12)
    minimum = np.log(2) / 3
    distance = np.abs(result.path[:, 0] - minimum)
    close = [d for d in distance if 1e-9 < d < 0.1]
    assert len(close) >= 1
    for before, after in pairwise(distance):
        if 1e-5 < before < 0.05:
            assert after < 5 * before**2 + 1e-14


def test_newton_leaves_a_saddle():
    """From near a saddle, where the Hessian curves down along one axis."""
    result = optim.newton(lambda x: x[0] ** 2 - x[1] ** 2 + 0.25 * x[1] ** 4, [1.0, 0.01])
    assert result.converged
    np.testing.assert_allclose(np.abs(result.x), [0.0, np.sqrt(2)], atol=1e-6)


def test_hessian_products_are_counted():
    f, _, _ = quadratic(10.0, n=5)
    result = optim.newton(f, np.zeros(5), tolerance=1e-10)
    assert 0 < result.products <= 40


@pytest.mark.parametrize("method", ["newton", "bfgs", "nonlinear_cg", "scipy_minimize"])
def test_parameters_are_minimised_in_place(method):
    if method == "scipy_minimize":
        pytest.importorskip("scipy")
    random = np.random.default_rng(0)
    X = random.standard_normal((30, 3))
    target = X @ [1.0, -2.0, 0.5] + 0.7
    w = Tensor(np.zeros((3, 1)), requires_grad=True)
    b = Tensor(0.0, requires_grad=True)
    array = w.data
    result = getattr(optim, method)(lambda: ((X @ w)[:, 0] + b - target).__pow__(2).mean(), [w, b])
    assert w.data is array
    np.testing.assert_allclose(w.data[:, 0], [1.0, -2.0, 0.5], atol=1e-5)
    assert b.item() == pytest.approx(0.7, abs=1e-5)
    np.testing.assert_allclose(result.x, [*w.data[:, 0], b.item()])
    assert w.grad is None


@pytest.mark.parametrize("method", ["gauss_newton", "levenberg_marquardt"])
def test_least_squares_fit(method):
    """A decay with an offset, from a rough guess, within 15 Jacobians."""
    t = np.linspace(0, 4, 25)
    truth = np.array([2.5, 1.3, 0.5])
    data = truth[0] * np.exp(-truth[1] * t) + truth[2]
    result = getattr(optim, method)(
        lambda w: w[0] * np.exp(-w[1] * t) + w[2] - data, [1.0, 0.5, 0.0]
    )
    assert result.converged, result.message
    np.testing.assert_allclose(result.x, truth, rtol=1e-7)
    assert result.evaluations <= 15


def test_linear_least_squares_takes_one_step():
    random = np.random.default_rng(1)
    X, y = random.standard_normal((12, 3)), random.standard_normal(12)
    result = optim.gauss_newton(lambda w: X @ w - y, np.zeros(3), tolerance=1e-9)
    assert result.iterations == 1
    np.testing.assert_allclose(result.x, np.linalg.lstsq(X, y, rcond=None)[0], rtol=1e-10)
    assert result.fun == pytest.approx(0.5 * np.sum((X @ result.x - y) ** 2))


def test_levenberg_marquardt_on_rosenbrock():
    result = optim.levenberg_marquardt(rosenbrock_residuals, START)
    assert result.converged
    np.testing.assert_allclose(result.x, 1.0, atol=1e-8)
    assert result.evaluations <= 40


def test_levenberg_marquardt_where_gauss_newton_is_singular():
    """Two parameters of which only the sum matters: JᵀJ is singular everywhere."""
    t = np.linspace(0, 1, 5)
    result = optim.levenberg_marquardt(lambda w: (w[0] + w[1]) * t - 3 * t, [0.0, 1.0])
    assert result.converged
    assert result.x.sum() == pytest.approx(3.0)


def test_what_is_not_reached_is_said():
    result = optim.bfgs(rosenbrock, START, max_iter=3)
    assert not result.converged
    assert result.message == "not converged after 3 iterations"
    assert result.iterations == 3


@pytest.mark.parametrize("formula", ["polak-ribiere", "fletcher-reeves"])
def test_conjugate_gradients_end_after_n_steps(formula):
    """On a quadratic with exact searches; ours are not quite exact, so a few more."""
    f, minimum, _ = quadratic(30.0, n=6)
    result = optim.nonlinear_cg(f, np.zeros(6), formula=formula, tolerance=1e-6)
    assert result.iterations <= 40
    np.testing.assert_allclose(result.x, minimum, atol=1e-5)


def test_a_minimum_at_the_start():
    for method in (optim.newton, optim.bfgs, optim.nonlinear_cg):
        result = method(lambda x: (x**2).sum(), np.zeros(3))
        assert result.converged
        assert result.iterations == 0


def test_whole_numbers_and_any_shape():
    result = optim.bfgs(lambda x: ((x - np.arange(6.0).reshape(2, 3)) ** 2).sum(), [[0] * 3] * 2)
    np.testing.assert_allclose(result.x, np.arange(6.0).reshape(2, 3), atol=1e-7)


def test_parameters_must_be_leaves():
    with pytest.raises(ValueError, match="leaves"):
        optim.newton(lambda: 0, [Tensor([1.0])])
    with pytest.raises(ValueError, match="formula"):
        optim.nonlinear_cg(rosenbrock, START, formula="newton")


@pytest.mark.parametrize(
    "method", ["L-BFGS-B", "BFGS", "CG", "Newton-CG", "trust-ncg", "Nelder-Mead"]
)
def test_scipy(method):
    pytest.importorskip("scipy")
    result = optim.scipy_minimize(rosenbrock, START, method, tol=1e-9)
    np.testing.assert_allclose(result.x, 1.0, atol=1e-4)


def test_scipy_with_bounds():
    pytest.importorskip("scipy")
    result = optim.scipy_minimize(
        lambda x: ((x - 2) ** 2).sum(), np.zeros((2, 2)), bounds=[(0, 1)] * 4
    )
    np.testing.assert_allclose(result.x, np.ones((2, 2)))


# ----------------------------------------------------------------------------------- line searches


def line(f, slope):
    return lambda t: Point(t, f(t), slope(t))


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0, 1000.0])
@pytest.mark.parametrize("c2", [0.1, 0.9])
def test_strong_wolfe_conditions(first, c2):
    """Moré & Thuente's first function, from steps far too short and far too long."""
    f = line(lambda t: -t / (t**2 + 2), lambda t: (t**2 - 2) / (t**2 + 2) ** 2)
    start = f(0.0)
    point, evaluations = strong_wolfe(f, start, first, c2=c2)
    assert point.value <= start.value + 1e-4 * point.t * start.slope
    assert abs(point.slope) <= c2 * abs(start.slope)
    assert evaluations <= 15


def test_strong_wolfe_gives_the_best_it_found():
    """A line that falls for ever: no point is flat enough."""
    point, evaluations = strong_wolfe(line(lambda t: -t, lambda t: -1.0), Point(0, 0, -1.0), 1.0)
    assert point.value < 0
    assert evaluations == 26


@pytest.mark.parametrize("first", [0.3, 1.0, 8.0])
def test_backtracking_meets_armijos_condition(first):
    t, value, evaluations = backtracking(lambda t: (t - 1) ** 2, Point(0.0, 1.0, -2.0), first)
    assert value == (t - 1) ** 2
    assert value <= 1.0 - 1e-4 * t * 2
    assert evaluations <= 4


def test_backtracking_gives_up():
    t, value, evaluations = backtracking(lambda t: 1 + t, Point(0.0, 1.0, -1.0), max_evaluations=9)
    assert (t, value, evaluations) == (0.0, 1.0, 9)


def test_a_direction_must_descend():
    for search in (strong_wolfe, backtracking):
        with pytest.raises(ValueError, match="negative"):
            search(lambda t: t, Point(0.0, 0.0, 1.0))
    with pytest.raises(ValueError, match="c₁"):
        strong_wolfe(line(abs, abs), Point(0, 0, -1.0), c1=0.5, c2=0.1)
