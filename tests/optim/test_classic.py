"""Textbook methods against the numbers worked out for them."""

from __future__ import annotations

import numpy as np
import pytest

import optim
from autograd import Tensor

VALLEY = np.array([1.0, 5.0])  # the loss w₁² + 5 w₂²


def descend(optimizer, w, steps, loss):
    path = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss(w).sum().backward()
        optimizer.step()
        path.append(w.data.copy())
    return np.array(path)


def start(value):
    return Tensor(np.array(value, dtype=float), requires_grad=True)


# ------------------------------------------------------------------------------------- momentum


def test_constant_slope_in_each_form():
    """m for g = 1: −(1 − βᵗ)/(1 − β) as a sum, its tenth as an average."""
    sums = -(1 - 0.9 ** np.arange(1, 6)) / (1 - 0.9)
    for form, expected in (("sum", sums), ("velocity", sums), ("average", -0.1 * sums)):
        w = start(0.0)
        optimizer = optim.Momentum([w], lr=1.0, momentum=0.9, form=form)
        buffers = []
        for _ in range(5):
            w.grad = Tensor(1.0)
            optimizer.step()
            buffers.append(optimizer.state[w]["momentum_buffer"].item())
        np.testing.assert_allclose(buffers, expected, rtol=1e-12)
    np.testing.assert_allclose(sums, [-1, -1.9, -2.71, -3.439, -4.0951])


def test_the_velocity_form_on_a_parabola():
    w = start(1.0)
    path = descend(optim.Momentum([w], lr=0.1, form="velocity"), w, 5, lambda w: w**2)
    np.testing.assert_allclose(path, [0.8, 0.46, 0.062, -0.3086, -0.58042], rtol=1e-12)


def test_the_average_is_a_velocity_with_another_rate():
    """Δw_t = −Σ μ^(t−i) η (1 − μ) g_i, and the velocity with η' = η (1 − μ), are the same."""
    a, b = start([1.0, 1.0]), start([1.0, 1.0])
    average = optim.Momentum([a], lr=0.1, momentum=0.9)
    velocity = optim.Momentum([b], lr=0.1 * (1 - 0.9), momentum=0.9, form="velocity")

    def loss(w):
        return VALLEY * w**2

    path = descend(average, a, 20, loss)
    np.testing.assert_allclose(path, descend(velocity, b, 20, loss), rtol=1e-12)
    points = np.vstack([[1.0, 1.0], path])
    slopes = 2 * VALLEY * points[:-1]
    for t in (1, 5, 20):
        weights = 0.9 ** (t - np.arange(1, t + 1)) * 0.1 * (1 - 0.9)
        np.testing.assert_allclose(points[t] - points[t - 1], -weights @ slopes[:t], rtol=1e-10)


def test_velocity_and_sum_differ_only_when_the_rate_changes():
    a, b = start(1.0), start(1.0)
    optimizers = [
        optim.Momentum([a], lr=0.1, form="velocity"),
        optim.Momentum([b], lr=0.1, form="sum"),
    ]
    for optimizer, w in zip(optimizers, (a, b)):
        descend(optimizer, w, 3, lambda w: w**2)
    assert a.item() == pytest.approx(b.item(), rel=1e-14)
    for optimizer in optimizers:
        optimizer.param_groups[0]["lr"] = 0.01
    for optimizer, w in zip(optimizers, (a, b)):
        descend(optimizer, w, 1, lambda w: w**2)
    assert abs(a.item() - b.item()) > 0.1


def test_the_sum_is_sgd():
    a, b = start([1.0, 1.0]), start([1.0, 1.0])
    ours = descend(optim.Momentum([a], lr=0.01, form="sum"), a, 9, lambda w: VALLEY * w**2)
    sgd = descend(optim.SGD([b], lr=0.01, momentum=0.9), b, 9, lambda w: VALLEY * w**2)
    np.testing.assert_allclose(ours, sgd, rtol=1e-13)


def test_without_slope_momentum_coasts_and_slows():
    """m(t) = m(0) μᵗ; with μ = 1 the velocity stays."""
    for mu in (0.9, 1.0):
        w = start(0.0)
        optimizer = optim.Momentum([w], lr=1.0, momentum=mu, form="velocity")
        w.grad = Tensor(-1.0)
        optimizer.step()
        for t in range(1, 4):
            w.grad = Tensor(0.0)
            optimizer.step()
            assert optimizer.state[w]["momentum_buffer"].item() == pytest.approx(mu**t)


# ------------------------------------------------------------------------------- rates of their own


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((0.18, 0.05), [(0.64, 0.5), (0.4096, 0.25)]),
        ((0.5, 0.1), [(0.0, 0.0), (0.0, 0.0)]),
        ((0.18, 0.18), [(0.64, -0.8), (0.4096, 0.64)]),
    ],
)
def test_a_rate_per_parameter(rates, expected):
    w = start([1.0, 1.0])
    optimizer = optim.PerParameterSGD([w], np.array(rates))
    path = descend(optimizer, w, 2, lambda w: VALLEY * w**2)
    np.testing.assert_allclose(path, expected, rtol=1e-12, atol=1e-15)


def test_rates_for_several_parameters_and_a_schedule():
    a, b = start([1.0, 1.0]), start(1.0)
    optimizer = optim.PerParameterSGD([a, b], [np.array([0.1, 0.2]), 0.3])
    for factor in (1.0, 1.0, 0.5):
        optimizer.param_groups[0]["lr"] = factor
        before = a.data.copy(), b.data.copy()
        a.grad, b.grad = Tensor([1.0, 1.0]), Tensor(1.0)
        optimizer.step()
        np.testing.assert_allclose(a.data, before[0] - factor * np.array([0.1, 0.2]))
        np.testing.assert_allclose(b.data, before[1] - factor * 0.3)
    with pytest.raises(ValueError, match="positive"):
        optim.PerParameterSGD([start(1.0)], -1.0)
    with pytest.raises(ValueError, match="as many rates"):
        optim.PerParameterSGD([start(1.0)], [0.1, 0.2])


def test_delta_delta():
    w = start([1.0, 1.0])
    optimizer = optim.DeltaDelta([w], lr=0.05, gamma=0.01)
    rate, before, position = np.full(2, 0.05), np.zeros(2), np.ones(2)
    for found in descend(optimizer, w, 6, lambda w: VALLEY * w**2):
        slope = 2 * VALLEY * position
        rate = rate + 0.01 * slope * before
        position, before = position - rate * slope, slope
        np.testing.assert_allclose(found, position, rtol=1e-12)


def test_delta_deltas_rates_can_become_negative():
    """High curvature: the slope flips, and a large product is taken off the rate."""
    w = start(1.0)
    optimizer = optim.DeltaDelta([w], lr=0.3, gamma=0.01)
    descend(optimizer, w, 2, lambda w: 5 * w**2)
    assert optimizer.state[w]["rate"].item() < 0


@pytest.mark.parametrize("previous", [False, True])
@pytest.mark.parametrize("mu", [0.0, 0.5])
def test_delta_bar_delta(previous, mu):
    kappa, phi, theta = 0.005, 0.3, 0.6
    w = start([1.0, 1.0])
    optimizer = optim.DeltaBarDelta(
        [w], 0.12, kappa, phi, theta, mu, compare_with_previous=previous
    )
    rate, average, position, m = np.full(2, 0.12), np.zeros(2), np.ones(2), np.zeros(2)
    flips = 0
    for found in descend(optimizer, w, 15, lambda w: VALLEY * w**2):
        slope = 2 * VALLEY * position
        new_average = theta * average + (1 - theta) * slope
        agreement = (average if previous else new_average) * slope
        rate = np.where(
            agreement > 0, rate + kappa, np.where(agreement < 0, rate * (1 - phi), rate)
        )
        flips += (agreement < 0).sum()
        average = new_average
        m = mu * m + slope
        position = position - rate * m
        np.testing.assert_allclose(found, position, rtol=1e-10, atol=1e-14)
        assert (optimizer.state[w]["rate"] > 0).all()
    assert flips > 0


# --------------------------------------------------------------------------------- Quickprop, Rprop


def test_quickprop_finds_the_minimum_of_a_parabola_in_one_step():
    w = start(0.0)
    path = descend(optim.Quickprop([w], lr=0.1), w, 4, lambda w: (w - 3) ** 2)
    np.testing.assert_allclose(path, [0.6, 3.0, 3.0, 3.0], rtol=1e-15)


def test_quickprop_is_exact_on_separable_quadratics():
    curvature = np.array([0.3, 2.0, 7.0])
    w = start([5.0, -2.0, 1.0])
    path = descend(optim.Quickprop([w], lr=0.05), w, 2, lambda w: curvature * (w - 1) ** 2)
    np.testing.assert_allclose(path[1], 1.0, rtol=1e-12)


def test_quickprops_growth_limit():
    w = start(0.0)
    path = descend(optim.Quickprop([w], lr=0.1, max_growth=1.75), w, 3, lambda w: (w - 3) ** 2)
    np.testing.assert_allclose(path, [0.6, 0.6 + 1.75 * 0.6, 3.0], rtol=1e-12)


def test_quickprop_with_more_bootstrap_steps():
    w = start(0.0)
    path = descend(optim.Quickprop([w], lr=0.1, bootstrap=2), w, 3, lambda w: (w - 3) ** 2)
    np.testing.assert_allclose(path, [0.6, 1.08, 3.0], rtol=1e-12)


@pytest.mark.parametrize("limit", [None, 1.75])
def test_quickprop_descends_where_no_minimum_lies_ahead(limit):
    """On −cos(w) beyond π/2 the curve bends down: the secant's parabola has a maximum."""
    w = start(2.8)
    optimizer = optim.Quickprop([w], lr=0.1, max_growth=limit)
    path = np.concatenate([[2.8], descend(optimizer, w, 40, lambda w: -np.cos(w))])
    losses = -np.cos(path)
    assert (np.diff(losses[:4]) < 0).all()
    assert losses[-1] < -0.99
    assert np.isfinite(path).all()


@pytest.mark.parametrize(
    ("backtrack", "expected"),
    [
        (
            False,
            [
                0.9,
                0.78,
                0.636,
                0.4632,
                0.25584,
                0.007008,
                -0.29159,
                -0.142291,
                0.036868,
                -0.052712,
            ],
        ),
        # Where the slope flips (at −0.29159) the last step is taken back, the next one halved.
        (
            True,
            [
                0.9,
                0.78,
                0.636,
                0.4632,
                0.25584,
                0.007008,
                -0.29159,
                0.007008,
                -0.142291,
                0.007008,
            ],
        ),
        # PyTorch's way: no step where the slope flips.
        (
            None,
            [
                0.9,
                0.78,
                0.636,
                0.4632,
                0.25584,
                0.007008,
                -0.29159,
                -0.29159,
                -0.142291,
                0.036868,
            ],
        ),
    ],
)
def test_rprop(backtrack, expected):
    w = start(1.0)
    path = descend(optim.Rprop([w], lr=0.1, backtrack=backtrack), w, 10, lambda w: w**2)
    np.testing.assert_allclose(path, expected, atol=6e-7)


# -------------------------------------------------------------------------------------------- ε


@pytest.mark.parametrize("inside", [False, True])
def test_where_epsilon_stands(inside):
    """Adagrad, RMSprop and Adadelta by their formulas, with an ε large enough to matter."""
    eps, g = 0.1, np.array([0.5, -2.0, 0.1])

    def root(v):
        return np.sqrt(v + eps) if inside else np.sqrt(v) + eps

    cases = [
        (optim.Adagrad, {"lr": 0.3}),
        (optim.RMSprop, {"lr": 0.3, "alpha": 0.9}),
        (optim.Adadelta, {"rho": 0.9}),
    ]
    for kind, options in cases:
        w = start(np.zeros(3))
        optimizer = kind([w], eps=eps, eps_inside=inside, **options)
        v, u, position = np.zeros(3), np.zeros(3), np.zeros(3)
        for _ in range(3):
            w.grad = Tensor(g)
            optimizer.step()
            if kind is optim.Adagrad:
                v = v + g**2
                position = position - 0.3 * g / root(v)
            else:
                v = 0.9 * v + 0.1 * g**2
                if kind is optim.RMSprop:
                    position = position - 0.3 * g / root(v)
                else:
                    d = root(u) / root(v) * g
                    u = 0.9 * u + 0.1 * d**2
                    position = position - d
            np.testing.assert_allclose(w.data, position, rtol=1e-13)


def test_rmsprop_without_memory_is_sign_descent():
    """γ = 0 gives v = g², not Adagrad."""
    w = start([3.0, -0.01])
    descend(optim.RMSprop([w], lr=0.5, alpha=0.0, eps=0.0), w, 1, lambda w: w**2)
    np.testing.assert_allclose(w.data, [2.5, 0.49])


# ------------------------------------------------------------------------------------- all of them

ALL = [
    lambda p: optim.Momentum(p, 0.1),
    lambda p: optim.Momentum(p, 0.1, form="velocity"),
    lambda p: optim.PerParameterSGD(p, 0.1),
    lambda p: optim.DeltaDelta(p, 0.05),
    lambda p: optim.DeltaBarDelta(p, 0.05, momentum=0.5),
    lambda p: optim.Quickprop(p, 0.1, max_growth=1.75),
    lambda p: optim.Rprop(p, 0.1, backtrack=True),
    lambda p: optim.Rprop(p, 0.1, backtrack=False),
    lambda p: optim.Adam(p, 0.1, bias_correction=False, eps_inside=True),
    lambda p: optim.RMSprop(p, 0.1, centered=True, momentum=0.3),
    lambda p: optim.Adadelta(p),
    lambda p: optim.NAdam(p, 0.1),
    lambda p: optim.RAdam(p, 0.1),
    lambda p: optim.Adamax(p, 0.1),
    lambda p: optim.ASGD(p, 0.1, t0=2),
    lambda p: optim.Adagrad(p, 0.1),
]


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_together_alone_and_resumed_are_the_same(make, dtype):
    """Bit for bit: several parameters or one optimizer each, in one go or from a saved state."""
    random = np.random.default_rng(0)
    starts = [random.standard_normal(shape).astype(dtype) for shape in [(3, 2), (4,), ()]]
    together = [Tensor(x, requires_grad=True) for x in starts]
    alone = [Tensor(x, requires_grad=True) for x in starts]
    resumed = [Tensor(x, requires_grad=True) for x in starts]
    optimizer, again = make(together), make(resumed)
    single = [make([p]) for p in alone]
    for t in range(8):
        if t == 4:
            saved = again.state_dict()
            again = make(resumed)
            again.load_state_dict(saved)
        for parameters in (together, alone, resumed):
            for p in parameters:
                slope = np.cos(3 * p.data + t) + p.data
                p.grad = Tensor(np.asarray(slope, dtype))
        optimizer.step()
        again.step()
        for each in single:
            each.step()
    for p, q, r in zip(together, alone, resumed):
        assert p.dtype == dtype
        assert np.isfinite(p.data).all()
        assert np.array_equal(p.data, q.data)
        assert np.array_equal(p.data, r.data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: optim.Momentum(p, momentum=1.1), "momentum"),
        (lambda p: optim.Momentum(p, form="nesterov"), "average"),
        (lambda p: optim.DeltaDelta(p, gamma=-1), "gamma"),
        (lambda p: optim.DeltaBarDelta(p, phi=1.0), r"phi must be a number in \(0, 1\)"),
        (lambda p: optim.DeltaBarDelta(p, kappa=0.0), "kappa"),
        (lambda p: optim.Quickprop(p, max_growth=0), "max_growth"),
        (lambda p: optim.Quickprop(p, bootstrap=0), "bootstrap"),
        (lambda p: optim.Rprop(p, etas=(1.0, 1.2)), "etas"),
        (lambda p: optim.Rprop(p, step_sizes=(2.0, 1.0)), "step_sizes"),
        (lambda p: optim.RMSprop(p, alpha=1.1), "alpha"),
        (lambda p: optim.Adadelta(p, rho=-0.1), "rho"),
        (lambda p: optim.Adafactor(p, d=0.5), "d must be a number ≥ 1"),
        (lambda p: optim.Adafactor(p, beta2_decay=0.8), "beta2_decay"),
        (lambda p: optim.Muon(p), "matrices"),
        (lambda p: optim.Muon(p, precision="float16"), "precision must be 'bfloat16' or None"),
        (lambda p: optim.LBFGS(p, line_search_fn="armijo"), "strong_wolfe"),
        (lambda p: optim.NAdam(p, momentum_decay=-1), "momentum_decay"),
        (lambda p: optim.ASGD(p, lr=-1), "lr"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make([start([1.0])])
