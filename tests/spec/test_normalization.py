"""Normalisation composed in plain NumPy: statistics, gradients and corrected formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad, gradcheck
from autograd.func import jacrev


def normalized(x: Any, eps: float = 0.0, axis: int = 0) -> Any:
    """Zero mean and unit (biased) variance; some texts put 1/m or ε outside the root."""
    centred = x - np.mean(x, axis=axis, keepdims=True)
    return centred / np.sqrt(np.mean(centred**2, axis=axis, keepdims=True) + eps)


WORKED = [
    ([1.0, 2, 3, 4], 0.0, [-1.34164079, -0.4472136, 0.4472136, 1.34164079]),
    ([1.0, 2, 3, 4], 1e-5, [-1.34163542, -0.44721181, 0.44721181, 1.34163542]),
    ([1.0, 2, 3, 6], 0.0, [-1.069045, -0.534522, 0, 1.603567]),
]


@pytest.mark.parametrize(("x", "eps", "expected"), WORKED)
def test_worked_batches(x: Any, eps: float, expected: Any) -> None:
    np.testing.assert_allclose(normalized(Tensor(x), eps).data, expected, atol=1e-6)


def test_statistics_of_features() -> None:
    h = Tensor([[1.0, 2], [3, 4], [5, 9]])
    np.testing.assert_allclose(np.mean(h, axis=0).data, [3, 5])
    np.testing.assert_allclose(np.std(h, axis=0).data, [1.632993, 2.943920], atol=1e-6)
    h = Tensor([1.0, 2, 3, 6])
    assert (np.mean(h).item(), np.var(h).item()) == (3, 3.5)


def test_scale_and_shift_give_the_output_its_statistics() -> None:
    x = Tensor(np.random.default_rng(0).standard_normal((50, 2)) * 3 + 1)
    z = np.array([2.0, 0.5]) * normalized(x) + np.array([-1.0, 4.0])
    np.testing.assert_allclose(np.mean(z, axis=0).data, [-1, 4])
    np.testing.assert_allclose(np.std(z, axis=0).data, [2, 0.5])
    again = np.std(x, axis=0) * normalized(x) + np.mean(x, axis=0)
    np.testing.assert_allclose(again.data, x.data)


def test_gradients_of_batch_normalization_term_by_term() -> None:
    rng = np.random.default_rng(1)
    a, gamma, beta, delta = (rng.standard_normal(s) for s in ((6, 3), 3, 3, (6, 3)))
    eps = 1e-5
    x, g, b = (Tensor(v, requires_grad=True) for v in (a, gamma, beta))
    (g * normalized(x, eps) + b).backward(delta)

    centred, variance = a - a.mean(0), a.var(0)
    d_hat = delta * gamma
    d_variance = np.sum(d_hat * centred, 0) * -0.5 * (variance + eps) ** -1.5
    d_mean = np.sum(-d_hat / np.sqrt(variance + eps), 0) + d_variance * np.mean(-2 * centred, 0)
    d_a = d_hat / np.sqrt(variance + eps) + d_variance * 2 * centred / 6 + d_mean / 6
    np.testing.assert_allclose(x.grad.data, d_a, atol=1e-13)
    np.testing.assert_allclose(g.grad.data, np.sum(delta * centred / np.sqrt(variance + eps), 0))
    np.testing.assert_allclose(b.grad.data, delta.sum(0))


def test_batch_normalization_does_not_see_the_scale_of_the_weights() -> None:
    """Nor, therefore, does the loss: its gradient is orthogonal to the weights of each unit."""
    rng = np.random.default_rng(2)
    x, target = rng.standard_normal((8, 3)), rng.standard_normal((8, 2))
    w = Tensor(rng.standard_normal((3, 2)), requires_grad=True)

    def loss(w: Any) -> Any:
        return np.sum((normalized(x @ w) - target) ** 2)

    assert loss(w).item() == pytest.approx(loss(7 * w).item())
    (g,) = grad(loss(w), w)
    np.testing.assert_allclose(np.sum(g.data * w.data, 0), 0, atol=1e-12)
    np.testing.assert_allclose(grad(loss(7 * w), w)[0].data, g.data, atol=1e-12)


def test_layer_normalization_works_on_a_single_example() -> None:
    x = Tensor([[1.0, 2, 3, 6]], requires_grad=True)
    y = normalized(x, axis=1)
    np.testing.assert_allclose(y.data, [[-1.069045, -0.534522, 0, 1.603567]], atol=1e-6)
    assert gradcheck(lambda x: np.tanh(normalized(x, axis=1)), x)


def weight(v: Any, g: Any) -> Any:
    return g * v / np.linalg.norm(v)


def test_weight_normalization() -> None:
    """∇v = (g/‖v‖) ∇w - (g ∇g/‖v‖²) v; keeping the diagonal only, as printed, is wrong."""
    v, g = Tensor([1.0, 2.0, 2.0], requires_grad=True), Tensor(6.0, requires_grad=True)
    w = weight(v, g)
    np.testing.assert_allclose(w.data, [2, 4, 4])
    w.backward([1.0, -1.0, 0.5])
    assert g.grad.item() == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(v.grad.data, [2, -2, 1])
    jacobian = jacrev(weight)(v.data, g.data).data
    printed = np.diagonal(jacobian) * [1.0, -1.0, 0.5]
    np.testing.assert_allclose(printed, [1.7778, -1.1111, 0.5556], atol=5e-5)


def test_gradient_by_the_direction_is_orthogonal_to_it() -> None:
    v, g = np.array([1.0, -2.0, 0.5]), 3.0
    delta = np.array([0.3, 1.0, -2.0])
    by_v, by_g = jacrev(lambda v, g: weight(v, g) @ delta, argnums=(0, 1))(v, g)
    assert by_v.data @ v == pytest.approx(0, abs=1e-14)
    assert by_g.item() == pytest.approx(delta @ v / np.linalg.norm(v))
