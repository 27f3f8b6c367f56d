"""Identities of matrix calculus: each closed form against the engine's Jacobian.

Jacobians have one row per output and one column per input (numerator layout).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad
from autograd.func import hessian, jacfwd, jacrev
from autograd.primitives.elementwise import sigmoid

Function = Callable[..., Any]

RNG = np.random.default_rng(0)
a, b, x0, c = (RNG.uniform(-1, 1, 3) for _ in range(4))
A, B, M = (RNG.uniform(-1, 1, (3, 3)) for _ in range(3))
W = RNG.uniform(-1, 1, (2, 3))
X0 = RNG.uniform(-0.5, 0.5, (3, 3)) + 2 * np.eye(3)
S0 = X0 @ X0.T
INV = np.linalg.inv(X0)

VECTOR = [
    # name, f(x), its Jacobian
    ("xᵀa", lambda x: x @ a, lambda x: a),
    ("aᵀx", lambda x: a @ x, lambda x: a),
    ("xᵀx", lambda x: x @ x, lambda x: 2 * x),
    ("xᵀAx", lambda x: x @ A @ x, lambda x: (A + A.T) @ x),
    ("Ax", lambda x: A @ x, lambda x: A),
    ("xᵀA", lambda x: x @ A, lambda x: A.T),
    ("‖x‖", lambda x: np.linalg.norm(x), lambda x: x / np.linalg.norm(x)),
    ("‖x-a‖²", lambda x: np.sum((x - a) ** 2), lambda x: 2 * (x - a)),
    ("‖Ax-b‖²", lambda x: np.sum((A @ x - b) ** 2), lambda x: 2 * A.T @ (A @ x - b)),
    ("(xᵀa)(xᵀb)", lambda x: (x @ a) * (x @ b), lambda x: (np.outer(a, b) + np.outer(b, a)) @ x),
    ("x aᵀ x", lambda x: x * (a @ x), lambda x: np.outer(x, a) + (a @ x) * np.eye(3)),
    ("f(x) elementwise", np.tanh, lambda x: np.diag(1 - np.tanh(x) ** 2)),
    ("W f(x)", lambda x: W @ np.tanh(x), lambda x: W @ np.diag(1 - np.tanh(x) ** 2)),
    ("f(Wx)", lambda x: np.tanh(W @ x), lambda x: np.diag(1 - np.tanh(W @ x) ** 2) @ W),
    ("x∘x", lambda x: x * x, lambda x: 2 * np.diag(x)),
    ("cross(a, x)", lambda x: np.cross(a, x), lambda x: np.cross(a, np.eye(3)).T),
    ("outer(x, a)", lambda x: np.outer(x, a), lambda x: np.einsum("ik,j->ijk", np.eye(3), a)),
]

MATRIX = [
    # name, f(X), its derivative as an array of the shape of f(X) followed by that of X
    ("tr X", np.trace, lambda X: np.eye(3)),
    ("tr AX", lambda X: np.trace(A @ X), lambda X: A.T),
    ("tr AXᵀ", lambda X: np.trace(A @ X.T), lambda X: A),
    ("tr XᵀX", lambda X: np.trace(X.T @ X), lambda X: 2 * X),
    ("tr AXB", lambda X: np.trace(A @ X @ B), lambda X: A.T @ B.T),
    ("tr XᵀAX", lambda X: np.trace(X.T @ A @ X), lambda X: (A + A.T) @ X),
    ("tr X³", lambda X: np.trace(np.linalg.matrix_power(X, 3)), lambda X: 3 * (X @ X).T),
    ("tr X⁻¹A", lambda X: np.trace(np.linalg.inv(X) @ A), lambda X: -(INV @ A @ INV).T),
    ("aᵀXb", lambda X: a @ X @ b, lambda X: np.outer(a, b)),
    ("aᵀXᵀb", lambda X: a @ X.T @ b, lambda X: np.outer(b, a)),
    ("aᵀXᵀXb", lambda X: a @ X.T @ X @ b, lambda X: X @ (np.outer(a, b) + np.outer(b, a))),
    ("aᵀX⁻¹b", lambda X: a @ np.linalg.solve(X, b), lambda X: -INV.T @ np.outer(a, b) @ INV.T),
    ("det X", np.linalg.det, lambda X: np.linalg.det(X) * INV.T),
    ("log|det X|", lambda X: np.linalg.slogdet(X)[1], lambda X: INV.T),
    ("det AXB", lambda X: np.linalg.det(A @ X @ B), lambda X: np.linalg.det(A @ X @ B) * INV.T),
    ("log det XᵀX", lambda X: np.linalg.slogdet(X.T @ X)[1], lambda X: 2 * INV.T),
    ("‖X‖F", np.linalg.norm, lambda X: X / np.linalg.norm(X)),
    ("Frobenius product <A, X>", lambda X: np.sum(A * X), lambda X: A),
    ("Xa", lambda X: X @ a, lambda X: np.einsum("ik,l->ikl", np.eye(3), a)),
    ("aᵀX", lambda X: a @ X, lambda X: np.einsum("k,jl->jkl", a, np.eye(3))),
    ("AXB", lambda X: A @ X @ B, lambda X: np.einsum("ik,lj->ijkl", A, B)),
    ("Xᵀ", lambda X: X.T, lambda X: np.einsum("il,jk->ijkl", np.eye(3), np.eye(3))),
    ("X⁻¹", np.linalg.inv, lambda X: -np.einsum("ik,lj->ijkl", INV, INV)),
    (
        "X²",
        lambda X: X @ X,
        lambda X: np.einsum("ik,lj->ijkl", np.eye(3), X) + np.einsum("ik,lj->ijkl", X, np.eye(3)),
    ),
]


@pytest.mark.parametrize(("f", "expected"), [pytest.param(*row[1:], id=row[0]) for row in VECTOR])
@pytest.mark.parametrize("mode", [jacrev, jacfwd])
def test_of_a_vector(f: Function, expected: Function, mode: Function) -> None:
    np.testing.assert_allclose(mode(f)(x0).data, expected(x0), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("f", "expected"), [pytest.param(*row[1:], id=row[0]) for row in MATRIX])
@pytest.mark.parametrize("mode", [jacrev, jacfwd])
def test_of_a_matrix(f: Function, expected: Function, mode: Function) -> None:
    np.testing.assert_allclose(mode(f)(X0).data, expected(X0), rtol=1e-9, atol=1e-11)


HESSIANS = [
    ("xᵀa", lambda x: x @ a, np.zeros((3, 3))),
    ("xᵀAx", lambda x: x @ A @ x, A + A.T),
    ("½‖Ax-b‖²", lambda x: 0.5 * np.sum((A @ x - b) ** 2), A.T @ A),
    (
        "‖x‖",
        np.linalg.norm,
        (np.eye(3) - np.outer(x0, x0) / (x0 @ x0)) / np.linalg.norm(x0),
    ),
    ("Σ exp x", lambda x: np.sum(np.exp(x)), np.diag(np.exp(x0))),
    (
        "(xᵀa)(xᵀb)",
        lambda x: (x @ a) * (x @ b),
        np.outer(a, b) + np.outer(b, a),
    ),
]


@pytest.mark.parametrize(("f", "expected"), [pytest.param(*row[1:], id=row[0]) for row in HESSIANS])
def test_second_derivatives(f: Function, expected: Any) -> None:
    np.testing.assert_allclose(hessian(f)(x0).data, expected, rtol=1e-10, atol=1e-12)


def test_eigenvalues_of_a_symmetric_matrix_move_with_their_vectors() -> None:
    """∂λᵢ/∂X = vᵢ vᵢᵀ."""
    _, v = np.linalg.eigh(S0)
    np.testing.assert_allclose(
        jacrev(np.linalg.eigvalsh)(S0).data, np.einsum("ki,li->ikl", v, v), atol=1e-12
    )


def test_singular_values_move_with_their_vectors() -> None:
    """∂σᵢ/∂X = uᵢ vᵢᵀ."""
    u, _, vh = np.linalg.svd(X0)
    np.testing.assert_allclose(
        jacrev(np.linalg.svdvals)(X0).data, np.einsum("ki,il->ikl", u, vh), atol=1e-12
    )


def test_product_rule() -> None:
    """d(A B)/dx = (dA/dx) B + A (dB/dx), for matrices that depend on one number."""

    def left(x: Any) -> Any:
        return np.sin(x * A)

    def right(x: Any) -> Any:
        return np.exp(x * B)

    x = 0.7
    expected = (A * np.cos(x * A)) @ right(x) + left(x) @ (B * right(x))
    np.testing.assert_allclose(jacfwd(lambda t: left(t) @ right(t))(x).data, expected)


def test_derivative_of_an_inverse_along_a_curve() -> None:
    """d(A⁻¹)/dx = -A⁻¹ (dA/dx) A⁻¹."""
    expected = -INV @ M @ INV
    got = jacfwd(lambda t: np.linalg.inv(X0 + t * M))(0.0)
    np.testing.assert_allclose(got.data, expected, atol=1e-12)


def test_jacobian_of_a_composition_is_the_product_of_jacobians() -> None:
    def f(u: Any) -> Any:
        return np.tanh(A @ u) * u

    def g(x: Any) -> Any:
        return W @ np.exp(x)

    composed = jacrev(lambda x: g(f(x)))(x0).data
    assert composed.shape == (2, 3)
    np.testing.assert_allclose(composed, jacrev(g)(f(x0)).data @ jacrev(f)(x0).data)


@pytest.mark.parametrize("j", range(3))
def test_column_of_weights_behind_a_nonlinearity(j: int) -> None:
    """∂(W f(x))/∂xⱼ = W[:, j] f'(xⱼ)."""
    jacobian = jacrev(lambda x: W @ sigmoid(x))(x0).data
    s = sigmoid(x0)
    np.testing.assert_allclose(jacobian[:, j], W[:, j] * (s * (1 - s))[j])


def test_from_one_layers_inputs_to_the_next_ones() -> None:
    """With s = W f(r): ∂s_a/∂r_i = w_ai f'(r_i), so the Jacobian is W diag(f'(r))."""
    r = RNG.uniform(-2, 2, 3)
    jacobian = jacrev(lambda r: W @ np.tanh(r))(r).data
    for row in range(2):
        for i in range(3):
            assert jacobian[row, i] == pytest.approx(W[row, i] * (1 - np.tanh(r[i]) ** 2))


def test_input_output_jacobian_of_a_layer() -> None:
    """With a = f(W x): ∂a/∂x = diag(f'(W x)) W, in R^(outputs x inputs)."""
    x = Tensor(x0, requires_grad=True)
    out = sigmoid(W @ x)
    rows = [grad(out[k], x, retain_graph=True)[0].data for k in range(2)]
    s = sigmoid(W @ x0)
    np.testing.assert_allclose(np.stack(rows), np.diag(s * (1 - s)) @ W)


def test_single_weight_moves_a_single_output() -> None:
    """∂(W x)/∂w_ij is the vector with x_j at position i."""
    jacobian = jacrev(lambda weight: weight @ x0)(W).data
    for i in range(2):
        for j in range(3):
            expected = np.zeros(2)
            expected[i] = x0[j]
            np.testing.assert_allclose(jacobian[:, i, j], expected)


def test_trace_of_a_product_is_the_sum_of_products() -> None:
    """<A, B> = Σ AB = tr(A Bᵀ), and the gradients of both forms agree."""
    first = jacrev(lambda X: np.sum(X * B))(A)
    second = jacrev(lambda X: np.trace(X @ B.T))(A)
    np.testing.assert_allclose(first.data, second.data)
    assert np.sum(A * B) == pytest.approx(np.trace(A @ B.T))


def test_taylor_expansion_to_second_order() -> None:
    """R(w) = R(w₀) + gᵀd + ½ dᵀHd + O(‖d‖³): the rest falls by 8 when d is halved."""

    def risk(w: Any) -> Any:
        return np.sum(np.log1p(np.exp(A @ w))) + np.sin(w @ b)

    gradient, curvature = jacrev(risk)(x0).data, hessian(risk)(x0).data

    def rest(step: float) -> float:
        d = step * c
        model = risk(x0) + gradient @ d + 0.5 * d @ curvature @ d
        return abs(float(risk(x0 + d) - model))

    assert rest(0.02) / rest(0.01) == pytest.approx(8, rel=0.1)


def test_steepest_direction() -> None:
    """Over unit vectors u the slope ∇f·u is least, -‖∇f‖, at u = -∇f/‖∇f‖."""
    gradient = jacrev(lambda x: np.sum(np.exp(A @ x)))(x0).data
    directions = RNG.standard_normal((500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    steepest = -gradient / np.linalg.norm(gradient)
    assert gradient @ steepest == pytest.approx(-np.linalg.norm(gradient))
    assert np.all(directions @ gradient >= gradient @ steepest)
