"""Losses and penalties: values, gradients and Hessians against closed forms and worked numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad
from autograd.func import hessian, jacrev
from autograd.primitives.elementwise import sigmoid, softplus
from autograd.primitives.reduction import log_softmax, logsumexp, softmax

Function = Callable[..., Any]

RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 3))
LABELS = np.array([0, 1, 1, 0, 1, 0])
SIGNS = 2.0 * LABELS - 1
TARGETS = RNG.standard_normal(6)
CLASSES = np.array([0, 1, 2, 3, 1, 2])
ONE_HOT = np.eye(4)[CLASSES]
w0 = RNG.uniform(-1, 1, 3)
W0 = RNG.uniform(-1, 1, (4, 3))


def cross_entropy(p: Any, t: Any) -> Any:
    """Of a probability and a label; the minus in front is missing in one printed form."""
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


NUMBERS = [
    # name, loss of the prediction, prediction, value, slope
    ("squared", lambda p: (p - 5) ** 2, 3.0, 4.0, -4.0),
    ("half squared", lambda p: 0.5 * (p - 5) ** 2, 3.0, 2.0, -2.0),
    ("cross-entropy, right", lambda p: cross_entropy(p, 1), 0.9, 0.1053605157, -1 / 0.9),
    ("cross-entropy, wrong", lambda p: cross_entropy(p, 0), 0.9, 2.3025850930, 10.0),
    ("cross-entropy, undecided", lambda p: cross_entropy(p, 1), 0.5, 0.6931471806, -2.0),
    ("on logits, right", lambda z: softplus(z) - z, np.log(9.0), 0.1053605157, -0.1),
    ("on logits, wrong", softplus, np.log(9.0), 2.3025850930, 0.9),
    ("on large logits, wrong", softplus, 1000.0, 1000.0, 1.0),
]


@pytest.mark.parametrize(
    ("loss", "at", "value", "slope"), [pytest.param(*row[1:], id=row[0]) for row in NUMBERS]
)
def test_worked_numbers(loss: Function, at: float, value: float, slope: float) -> None:
    x = Tensor(at, requires_grad=True)
    y = loss(x)
    y.backward()
    assert y.item() == pytest.approx(value, abs=1e-9)
    assert x.grad.item() == pytest.approx(slope, abs=1e-9)


def probability(w: Any) -> Any:
    return sigmoid(X @ w)


def linear(w: Any) -> Any:
    return 0.5 * np.sum((TARGETS - X @ w) ** 2)


def logistic(w: Any) -> Any:
    z = X @ w
    return np.sum(softplus(z) - LABELS * z)


def logistic_of_signs(w: Any) -> Any:
    return -np.sum(np.log(sigmoid(SIGNS * (X @ w))))


def categorical(w: Any) -> Any:
    return -np.sum(ONE_HOT * log_softmax(X @ w.T, axis=1))


def squares_of_sigmoids(w: Any) -> Any:
    return np.mean((LABELS - probability(w)) ** 2) / 2


P = probability(w0)
PROBABILITIES = softmax(X @ W0.T, axis=1)

GRADIENTS = [
    ("linear, Xᵀ(Xw - y)", linear, w0, X.T @ (X @ w0 - TARGETS)),
    ("logistic, Xᵀ(p - y)", logistic, w0, X.T @ (P - LABELS)),
    (
        # With labels ±1: -Σ y x (1 - p(y|x)).
        "logistic of signs",
        logistic_of_signs,
        w0,
        -X.T @ (SIGNS * (1 - sigmoid(SIGNS * (X @ w0)))),
    ),
    ("softmax, (P - Y)ᵀX", categorical, W0, (PROBABILITIES - ONE_HOT).T @ X),
    (
        # Printed with the sign reversed; vanishes where s saturates, right or wrong.
        "half mean square of sigmoids",
        squares_of_sigmoids,
        w0,
        X.T @ ((P - LABELS) * P * (1 - P)) / 6,
    ),
    (
        # Printed with the sign reversed as well: the slope of the sigmoid has cancelled.
        "mean cross-entropy of sigmoids",
        lambda w: np.mean(cross_entropy(probability(w), LABELS)),
        w0,
        X.T @ (P - LABELS) / 6,
    ),
    (
        "perceptron criterion, sum over the misclassified",
        lambda w: -np.sum(np.minimum(SIGNS * (X @ w), 0)),
        w0,
        -X.T @ (SIGNS * (SIGNS * (X @ w0) < 0)),
    ),
]


@pytest.mark.parametrize(
    ("loss", "at", "expected"), [pytest.param(*row[1:], id=row[0]) for row in GRADIENTS]
)
def test_gradient(loss: Function, at: Any, expected: Any) -> None:
    np.testing.assert_allclose(jacrev(loss)(at).data, expected, rtol=1e-10, atol=1e-13)


def test_gradients_of_single_examples() -> None:
    """(wᵀx - y) x, (p - y) x and (p - y) xᵀ."""
    for n in range(6):
        x = X[n]
        single = jacrev(lambda w, x=x, n=n: 0.5 * (w @ x - TARGETS[n]) ** 2)(w0)
        np.testing.assert_allclose(single.data, (w0 @ x - TARGETS[n]) * x)
        single = jacrev(lambda w, x=x, n=n: cross_entropy(sigmoid(w @ x), LABELS[n]))(w0)
        np.testing.assert_allclose(single.data, (P[n] - LABELS[n]) * x)
        single = jacrev(lambda w, x=x, n=n: -log_softmax(w @ x)[CLASSES[n]])(W0)
        np.testing.assert_allclose(single.data, np.outer(PROBABILITIES[n] - ONE_HOT[n], x))


SOFTMAX_HESSIAN = np.einsum("ik,kv,in,im->knvm", PROBABILITIES, np.eye(4), X, X) - np.einsum(
    "ik,iv,in,im->knvm", PROBABILITIES, PROBABILITIES, X, X
)

HESSIANS = [
    ("linear, XᵀX", linear, w0, X.T @ X),
    ("logistic, Xᵀ diag(p(1-p)) X", logistic, w0, X.T @ np.diag(P * (1 - P)) @ X),
    ("logistic of signs", logistic_of_signs, w0, X.T @ np.diag(P * (1 - P)) @ X),
    # From ∂p_k/∂w_v = p_k (δ_kv - p_v) x; a minus is missing for k ≠ v in print.
    ("softmax", categorical, W0, SOFTMAX_HESSIAN),
]


@pytest.mark.parametrize(
    ("loss", "at", "expected"), [pytest.param(*row[1:], id=row[0]) for row in HESSIANS]
)
def test_hessian_and_convexity(loss: Function, at: Any, expected: Any) -> None:
    got = hessian(loss)(at).data
    np.testing.assert_allclose(got, expected, atol=1e-10)
    square = got.reshape(at.size, at.size)
    assert np.linalg.eigvalsh(square).min() > -1e-10

    def decayed(w: Any) -> Any:
        return loss(w) + 0.5 * np.sum(w**2)

    square = hessian(decayed)(at).data.reshape(at.size, at.size)
    assert np.linalg.eigvalsh(square).min() >= 1 - 1e-10


def test_softmax_regression_is_flat_along_common_shifts() -> None:
    """Adding one vector to the weights of all classes changes nothing: D eigenvalues are 0."""
    eigenvalues = np.linalg.eigvalsh(hessian(categorical)(W0).data.reshape(12, 12))
    assert np.sum(np.abs(eigenvalues) < 1e-10) == 3


CANONICAL = [
    ("linear", lambda s: s, lambda a, y: 0.5 * np.sum((a - y) ** 2), np.array([0.2, -1.0, 2.0])),
    ("sigmoid", sigmoid, lambda a, y: np.sum(cross_entropy(a, y)), np.array([1.0, 0.0, 1.0])),
    ("softmax", softmax, lambda a, y: -np.sum(y * np.log(a)), np.array([0.0, 1.0, 0.0])),
]


@pytest.mark.parametrize(
    ("output", "loss", "y"), [pytest.param(*row[1:], id=row[0]) for row in CANONICAL]
)
def test_canonical_pairs_have_delta_prediction_minus_target(
    output: Function, loss: Function, y: Any
) -> None:
    s = np.array([0.3, -0.7, 1.1])
    delta = jacrev(lambda s: loss(output(s), y))(s).data
    np.testing.assert_allclose(delta, output(s) - y, atol=1e-14)


def test_confidently_wrong() -> None:
    """Squares of a sigmoid hardly learn from s = -10 and t = 1, cross-entropy does."""
    slow = jacrev(lambda z: 0.5 * (1 - sigmoid(z)) ** 2)(-10.0).item()
    fast = jacrev(lambda z: softplus(-z))(-10.0).item()
    assert abs(slow) < 5e-5
    assert fast == pytest.approx(-1, abs=1e-4)


def test_cross_entropy_entropy_and_divergence() -> None:
    p, q = np.array([0.5, 0.25, 0.25]), np.array([0.2, 0.3, 0.5])
    entropy = -np.sum(p * np.log(p))
    divergence = -np.sum(p * np.log(q / p))
    assert -np.sum(p * np.log(q)) == pytest.approx(entropy + divergence)
    assert divergence > 0

    def against(z: Any) -> Any:
        return -np.sum(p * log_softmax(z))

    np.testing.assert_allclose(jacrev(against)(np.log(p)).data, 0, atol=1e-15)
    np.testing.assert_allclose(jacrev(against)(np.log(q)).data, q - p, atol=1e-15)


def test_cross_entropy_is_the_log_of_a_product_of_probabilities() -> None:
    """-1/S log Π p^y (1 - p)^(1 - y), also on the logits."""
    z = Tensor(X @ w0, requires_grad=True)
    p = sigmoid(z)
    product = -np.log(np.prod(p**LABELS * (1 - p) ** (1 - LABELS))) / 6
    logits = np.mean(softplus(z) - LABELS * z)
    assert product.item() == pytest.approx(logits.item(), rel=1e-12)
    np.testing.assert_allclose(grad(product, z)[0].data, grad(logits, z)[0].data, rtol=1e-10)


def test_squares_summed_over_components_and_averaged_over_examples() -> None:
    """The forms differ by factors only: ½ or 1 per example, the components summed, not averaged."""
    y, t = RNG.standard_normal((5, 3)), RNG.standard_normal((5, 3))
    for factor in (1.0, 0.5):
        gradient = jacrev(lambda y, f=factor: np.mean(f * np.sum((y - t) ** 2, axis=1)))(y)
        np.testing.assert_allclose(gradient.data, 2 * factor * (y - t) / 5)


# ---------------------------------------------------------------------------------- penalties


def elimination(w: Any, threshold: float = 0.2) -> Any:
    ratio = (w / threshold) ** 2
    return ratio / (1 + ratio)


def mixture(w: Any) -> Any:
    """-log of a mixture of three normals."""
    mean, std = np.array([-1.0, 0.0, 1.0]), np.array([0.5, 0.1, 0.5])
    share = np.array([0.25, 0.5, 0.25])
    logs = np.log(share / (np.sqrt(2 * np.pi) * std)) - (w - mean) ** 2 / (2 * std**2)
    return -logsumexp(logs)


PENALTIES = [
    ("elimination", elimination, 0.02, 0.00990099, 0.980296),
    ("elimination", elimination, 0.2, 0.5, 2.5),
    ("elimination", elimination, 1.0, 0.9615385, 0.0739645),
    ("elimination", elimination, 2.0, 0.990099, 0.0098030),
    ("mixture", mixture, 0.3, 2.2651500, 4.7245300),
    ("mixture", mixture, -0.7, 1.7883947, 1.1705261),
    ("half square", lambda w: 0.5 * w**2, 3.0, 4.5, 3.0),
    ("absolute", np.abs, -3.0, 3.0, -1.0),
    ("absolute at 0", np.abs, 0.0, 0.0, 0.0),
    ("log(1 + w²)", lambda w: np.log1p(w**2), 1.0, np.log(2), 1.0),
]


@pytest.mark.parametrize(
    ("penalty", "w", "value", "slope"),
    [pytest.param(*row[1:], id=f"{row[0]} at {row[2]}") for row in PENALTIES],
)
def test_penalty(penalty: Function, w: float, value: float, slope: float) -> None:
    x = Tensor(w, requires_grad=True)
    y = penalty(x)
    (gradient,) = grad(y, x)
    assert y.item() == pytest.approx(value, abs=1e-6)
    assert gradient.item() == pytest.approx(slope, abs=1e-6)


def test_mixture_gradient_by_responsibilities() -> None:
    """Σ r_j (w - μ_j) / σ_j²; the r_j are the probabilities of j given w."""
    mean, std, share = (
        np.array([-1.0, 0, 1]),
        np.array([0.5, 0.1, 0.5]),
        np.array([0.25, 0.5, 0.25]),
    )
    for w in (0.3, -0.7, 0.05):
        densities = share / std * np.exp(-((w - mean) ** 2) / (2 * std**2))
        expected = np.sum(densities / densities.sum() * (w - mean) / std**2)
        assert jacrev(mixture)(w).item() == pytest.approx(expected)


def flatness(w: Tensor, precision: float, output: Function) -> Any:
    """The flat minimum penalty for one input: of the Jacobian of the outputs by the weights."""
    y = output(w)
    rows = [grad(y[k], w, create_graph=True)[0] for k in range(y.size)]
    jacobian = np.stack(rows)
    count = w.size
    squares = np.sum(jacobian**2, axis=0)
    third = np.sum(np.abs(jacobian) / np.sqrt(squares), axis=1)
    total = -count * np.log(precision) + np.sum(np.log(squares))
    return 0.5 * (total + count * np.log(np.sum(third**2)))


def test_flat_minimum_penalty_of_a_linear_neuron() -> None:
    """With one output the last term is 2 W log W; for a = w·(1, 2), the whole is 3 ln 2."""
    x = np.array([1.0, 2.0])
    w = Tensor([0.3, -0.8], requires_grad=True)
    value = flatness(w, 1.0, lambda w: np.reshape(w @ x, (1,)))
    assert value.item() == pytest.approx(3 * np.log(2))
    assert value.item() == pytest.approx(2.0794415)


def test_flat_minimum_penalty_has_a_gradient() -> None:
    """Half the sum of log squares for one output; its gradient needs second derivatives."""
    x = np.array([1.0, 2.0])
    w = Tensor([0.3, -0.8], requires_grad=True)
    value = flatness(w, 1.0, lambda w: np.reshape(np.tanh(w @ x), (1,)))
    (gradient,) = grad(value, w)
    s = float(w.data @ x)
    # The penalty is 2 log(1 - tanh² s) and constants.
    np.testing.assert_allclose(gradient.data, -4 * np.tanh(s) * x, rtol=1e-12)


# ------------------------------------------------------------------------------------ likelihoods


def test_normal_likelihood_is_least_squares_with_a_precision() -> None:
    """For x = 0..3, t = (1, 3, 2, 5) all slopes are 0 at w = (1.1, 1.1), variance 0.675."""
    phi = np.stack([np.ones(4), np.arange(4.0)], axis=1)
    t = np.array([1.0, 3.0, 2.0, 5.0])

    def negative_log_likelihood(w: Any, beta: Any) -> Any:
        return np.sum(
            0.5 * beta * (t - phi @ w) ** 2 - 0.5 * np.log(beta) + 0.5 * np.log(2 * np.pi)
        )

    best = np.linalg.pinv(Tensor(phi)) @ t
    np.testing.assert_allclose(best.data, [1.1, 1.1])
    by_w, by_beta = jacrev(negative_log_likelihood, argnums=(0, 1))(best.data, 1 / 0.675)
    np.testing.assert_allclose(by_w.data, 0, atol=1e-12)
    assert by_beta.item() == pytest.approx(0, abs=1e-12)


def test_maximum_a_posteriori_is_ridge() -> None:
    phi = np.stack([np.ones(4), np.arange(4.0)], axis=1)
    t = np.array([1.0, 3.0, 2.0, 5.0])
    alpha, beta = 2.0, 4.0
    precision = alpha * np.eye(2) + beta * phi.T @ phi
    covariance = np.linalg.inv(Tensor(precision))
    mean = beta * covariance @ phi.T @ t  # the covariance in front is missing in print
    np.testing.assert_allclose(
        covariance.data, [[0.12393162, -0.05128205], [-0.05128205, 0.03846154]], atol=1e-8
    )
    np.testing.assert_allclose(mean.data, [0.94017094, 1.12820513], atol=1e-8)

    def ridge(w: Any) -> Any:
        return 0.5 * np.sum((t - phi @ w) ** 2) + 0.5 * alpha / beta * np.sum(w**2)

    def by_mean_of_squares(w: Any) -> Any:
        return np.mean((t - phi @ w) ** 2) / 2 + np.sum(w**2) / 16

    for objective in (ridge, by_mean_of_squares):
        np.testing.assert_allclose(jacrev(objective)(mean.data).data, 0, atol=1e-12)
    at = np.array([1.0, 4.0])
    assert (at @ mean).item() == pytest.approx(5.45299145)
    assert (1 / beta + at @ covariance @ at).item() == pytest.approx(0.57905983)


def test_gradient_of_the_mean_is_the_mean_of_gradients() -> None:
    whole = jacrev(lambda w: np.mean(cross_entropy(probability(w), LABELS)))(w0).data
    each = jacrev(lambda w: cross_entropy(probability(w), LABELS))(w0).data
    np.testing.assert_allclose(each.mean(0), whole)
    halves = [each[:3].mean(0), each[3:].mean(0)]  # equal batches, averaged over an epoch
    np.testing.assert_allclose(np.mean(halves, 0), whole)
