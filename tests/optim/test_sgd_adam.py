"""SGD, Adam and AdamW against PyTorch, and against the numbers of textbooks."""

from __future__ import annotations

import numpy as np
import pytest

import optim
from autograd import Tensor

SGD_OPTIONS = [
    {"lr": 0.05},
    {"lr": 0.05, "momentum": 0.9},
    {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
    {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    {"lr": 0.001, "momentum": 0.5, "maximize": True, "weight_decay": 0.1},
]
ADAM_OPTIONS = [
    {},
    {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-4},
    {"lr": 0.05, "weight_decay": 0.1},
    {"lr": 0.05, "amsgrad": True, "weight_decay": 0.1},
    {"lr": 0.05, "maximize": True, "amsgrad": True},
    {"lr": 0.001, "betas": (0.0, 0.9)},
]


@pytest.mark.parametrize("options", SGD_OPTIONS)
@pytest.mark.parametrize(
    ("dtype", "steps", "tolerance"), [(np.float64, 100, 1e-12), (np.float32, 30, 1e-5)]
)
def test_sgd_is_pytorchs(same_trajectory, options, dtype, steps, tolerance):
    torch = pytest.importorskip("torch")
    same_trajectory(
        lambda p: optim.SGD(p, **options),
        lambda p: torch.optim.SGD(p, **options),
        dtype=dtype,
        steps=steps,
        tolerance=tolerance,
    )


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
@pytest.mark.parametrize("options", ADAM_OPTIONS)
@pytest.mark.parametrize(
    ("dtype", "steps", "tolerance"), [(np.float64, 100, 1e-12), (np.float32, 30, 2e-5)]
)
def test_adam_is_pytorchs(same_trajectory, name, options, dtype, steps, tolerance):
    torch = pytest.importorskip("torch")
    same_trajectory(
        lambda p: getattr(optim, name)(p, **options),
        lambda p: getattr(torch.optim, name)(p, **options),
        dtype=dtype,
        steps=steps,
        tolerance=tolerance,
    )


def descend(optimizer, w, steps, loss=lambda w: w**2):
    """The positions after each step."""
    path = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss(w).sum().backward()
        optimizer.step()
        path.append(w.data.copy())
    return np.array(path)


def test_gradient_descent_on_a_parabola():
    w = Tensor(1.0, requires_grad=True)
    path = descend(optim.SGD([w], lr=0.1), w, 5)
    np.testing.assert_allclose(path, [0.8, 0.64, 0.512, 0.4096, 0.32768], rtol=1e-14)


def test_momentum_on_a_parabola():
    w = Tensor(1.0, requires_grad=True)
    path = descend(optim.SGD([w], lr=0.1, momentum=0.9), w, 5)
    np.testing.assert_allclose(path, [0.8, 0.46, 0.062, -0.3086, -0.58042], rtol=1e-12)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (
            True,
            [
                0.9000000001249999,
                0.8004122279330843,
                0.7015862717984422,
                0.6039390590370529,
                0.5079636573449601,
            ],
        ),
        (
            False,
            [
                0.9000000005,
                0.8004122286917928,
                0.7015862729460303,
                0.603939060573746,
                0.507963659264342,
            ],
        ),
    ],
)
def test_adam_with_epsilon_inside_and_outside_the_root(inside, expected):
    w = Tensor(1.0, requires_grad=True)
    path = descend(optim.Adam([w], lr=0.1, eps_inside=inside), w, 5)
    np.testing.assert_allclose(path, expected, rtol=1e-12)


@pytest.mark.parametrize(("correct", "expected"), [(True, 0.999), (False, 0.99683772)])
def test_adams_first_step_with_and_without_bias_correction(correct, expected):
    w = Tensor(1.0, requires_grad=True)
    path = descend(optim.Adam([w], lr=1e-3, bias_correction=correct), w, 1)
    np.testing.assert_allclose(path[0], expected, atol=1e-8)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (0.18, [(0.64, -0.8), (0.4096, 0.64), (0.262144, -0.512)]),
        (0.19, [(0.62, -0.9), (0.3844, 0.81), (0.238328, -0.729)]),
        (0.02, [(0.96, 0.8), (0.9216, 0.64), (0.884736, 0.512)]),
        (0.2, [(0.6, -1.0), (0.36, 1.0), (0.216, -1.0)]),
        (0.21, [(0.58, -1.1), (0.3364, 1.21), (0.195112, -1.331)]),
    ],
)
def test_one_rate_for_two_curvatures(rate, expected):
    """On w₁² + 5 w₂²: oscillating, slow, cycling or diverging, by the rate."""
    w = Tensor([1.0, 1.0], requires_grad=True)
    path = descend(optim.SGD([w], lr=rate), w, 3, lambda w: w**2 * np.array([1.0, 5.0]))
    np.testing.assert_allclose(path, expected, rtol=1e-12)


def test_weight_decay_alone_shrinks_geometrically():
    w = Tensor(1.0, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1, weight_decay=0.5)
    for _ in range(10):
        w.grad = Tensor(0.0)
        optimizer.step()
    assert w.item() == pytest.approx(0.5987369, abs=1e-7)


def test_regularised_minimum_shrinks_by_curvature():
    """The minimum of ½ (w − w₀)ᵀ H (w − w₀) + λ/2 |w|² is λᵢ/(λᵢ + λ) w₀ along eigenvectors."""
    curvature = np.array([10.0, 1.0, 0.1])
    w = Tensor(np.zeros(3), requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1, weight_decay=1.0)
    descend(optimizer, w, 500, lambda w: 0.5 * curvature * (w - 1) ** 2)
    np.testing.assert_allclose(w.data, [10 / 11, 0.5, 0.1 / 1.1], rtol=1e-8)
