"""Initialisers by their moments, and penalties by the numbers of the documents."""

from __future__ import annotations

import math

import numpy as np
import pytest

import autograd
import nn
from autograd import Tensor
from nn import init, penalty


def drawn(fill, *args, shape=(200, 300), **kwargs):
    """The values an initialiser fills in, in float64, repeatable."""
    w = nn.Parameter(np.zeros(shape))
    data = w.data
    assert fill(w, *args, generator=np.random.default_rng(0), **kwargs) is w
    assert w.data is data
    return w.data


# fan_in = 300, fan_out = 200
NORMAL = [
    (init.normal_, (1.0, 2.0), 1.0, 4.0),
    (init.xavier_normal_, (1.5,), 0.0, 1.5**2 * 2 / 500),
    (init.kaiming_normal_, (), 0.0, 2 / 300),
    (init.kaiming_normal_, (0.3, "fan_out"), 0.0, 2 / 1.09 / 200),
    (init.lecun_normal_, (), 0.0, 1 / 300),
    (init.lecun_normal_, (True,), 0.0, 1 / 300),
    (init.fan_out_normal_, (2.0,), 0.0, 4 / 200),
    (init.trunc_normal_, (), 0.0, 0.87962566103423978**2),
    (init.trunc_normal_, (3.0, 2.0, 1.0, 9.0), None, None),
    (init.trunc_normal_, (0.0, 1.0, 4.0, 6.0), None, None),
]
UNIFORM = [
    (init.uniform_, (-3.0, 1.0), -3.0, 1.0),
    (init.xavier_uniform_, (), -math.sqrt(6 / 500), math.sqrt(6 / 500)),
    (init.kaiming_uniform_, (), -math.sqrt(6 / 300), math.sqrt(6 / 300)),
    (init.kaiming_uniform_, (0, "fan_in", "tanh"), -5 / 3 * 0.1, 5 / 3 * 0.1),
    (init.lecun_uniform_, (), -0.1, 0.1),
    (init.fan_out_uniform_, (), -math.sqrt(3 / 200), math.sqrt(3 / 200)),
]


@pytest.mark.parametrize(("fill", "args", "mean", "variance"), NORMAL)
def test_normal_initialisers(fill, args, mean, variance):
    w = drawn(fill, *args)
    if fill is init.trunc_normal_ and len(args) == 4:
        low, high = args[2:]
        assert low <= w.min() <= w.max() <= high
        # moments of the truncated normal, by quadrature
        s = np.linspace(low, high, 20001)
        density = np.exp(-0.5 * ((s - args[0]) / args[1]) ** 2)
        density /= density.sum()
        mean = (s * density).sum()
        variance = ((s - mean) ** 2 * density).sum()
    assert w.mean() == pytest.approx(mean, abs=5 * math.sqrt(variance / w.size))
    assert w.var() == pytest.approx(variance, rel=0.03)


@pytest.mark.parametrize(("fill", "args", "low", "high"), UNIFORM)
def test_uniform_initialisers(fill, args, low, high):
    w = drawn(fill, *args)
    assert low <= w.min() < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < w.max() <= high
    assert w.mean() == pytest.approx((low + high) / 2, abs=0.01 * (high - low))


def test_variance_corrected_truncation():
    w = drawn(init.trunc_normal_, 0.0, 0.5, correct_variance=True)
    assert w.std() == pytest.approx(0.5, rel=0.01)
    assert np.abs(w).max() <= 2 * 0.5 / 0.87962566 + 1e-9


def test_fan_in_of_kernels():
    assert init.fan_in_and_fan_out(np.empty((16, 6, 5, 5))) == (150, 400)
    with pytest.raises(ValueError, match="fewer than 2"):
        init.xavier_normal_(nn.Parameter([1.0]))
    with pytest.raises(ValueError, match="Mode"):
        init.kaiming_normal_(nn.Parameter(np.zeros((2, 2))), mode="both")
    with pytest.raises(ValueError, match="nonlinearity"):
        init.calculate_gain("step")


def test_exact_initialisers():
    w = nn.Parameter(np.zeros((3, 5)))
    np.testing.assert_array_equal(init.eye_(w).data, np.eye(3, 5))
    np.testing.assert_array_equal(init.constant_(w, 3).data, np.full((3, 5), 3))
    assert init.ones_(w).data.all()
    assert not init.zeros_(w).data.any()
    for shape in ((5, 3), (3, 5), (4, 2, 3)):
        q = drawn(init.orthogonal_, 2.0, shape=shape).reshape(shape[0], -1) / 2
        gram = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
        np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)
    s = drawn(init.sparse_, 0.25, shape=(8, 10))
    assert ((s == 0).sum(axis=0) == 2).all()


def test_dirac_kernels_pass_channels_on():
    w = init.dirac_(nn.Parameter(np.zeros((4, 2, 3, 3))), groups=2)
    x = np.random.default_rng(0).standard_normal((1, 4, 5, 5))
    out = nn.functional.conv2d(x, w, padding=1, groups=2)
    np.testing.assert_array_equal(out.data, x)
    with pytest.raises(ValueError, match="divisible"):
        init.dirac_(w, groups=3)


def test_default_initialisation_is_uniform_in_the_fan_in():
    nn.manual_seed(0)
    for layer, fan_in in ((nn.Linear(400, 300), 400), (nn.Conv2d(16, 64, 5), 400)):
        for p in layer.parameters():
            assert 0.9 / math.sqrt(fan_in) < np.abs(p.data).max() <= 1 / math.sqrt(fan_in)


def test_a_seed_repeats_everything():
    def build():
        nn.manual_seed(7)
        net = nn.Sequential(nn.Linear(4, 4), nn.Conv1d(1, 1, 1), nn.Dropout(), nn.Embedding(3, 2))
        return [p.data for p in net.parameters()], net[2](np.ones(50)).data

    (a, drop_a), (b, drop_b) = build(), build()
    assert all((x == y).all() for x, y in zip(a, b, strict=True))
    assert (drop_a == drop_b).all()
    nn.manual_seed(8)
    assert (nn.Linear(4, 4).weight.data != a[0]).any()


@pytest.mark.parametrize(("link", "invert"), [("identity", None), ("sigmoid", "sigmoid")])
def test_bias_that_predicts_the_mean(link, invert):
    targets = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [0.0, 1.0]])
    bias = nn.Parameter(np.zeros(2))
    init.bias_to_mean_(bias, targets, link)
    out = bias.data if invert is None else 1 / (1 + np.exp(-bias.data))
    np.testing.assert_allclose(out, targets.mean(axis=0))


def test_bias_that_predicts_the_shares_of_classes():
    bias = init.bias_to_mean_(nn.Parameter(np.zeros(3)), np.array([0, 1, 1, 2]), "softmax")
    np.testing.assert_allclose(np.exp(bias.data), [0.25, 0.5, 0.25])


@pytest.mark.parametrize(
    ("activation", "second_moment"),
    [
        (nn.ReLU(), 0.5),
        (nn.LeakyReLU(0.01), 0.50005),
        (nn.Tanh(), 0.3942945),
        (nn.Sigmoid(), 0.2933790),
        (nn.ELU(), 0.6449454),
        (nn.SELU(), 1.0),
    ],
)
def test_gains_by_integration(activation, second_moment):
    assert init.gaussian_moment(activation, 2) == pytest.approx(second_moment, abs=1e-7)
    assert init.numerical_gain(activation) ** 2 == pytest.approx(1 / second_moment, rel=1e-6)


def test_moments_of_other_normals():
    assert init.gaussian_moment(lambda x: x, 1, 2.0, 3.0) == pytest.approx(2)
    assert init.gaussian_moment(lambda x: x, 2, 2.0, 3.0) == pytest.approx(7)
    assert init.gaussian_moment(nn.ReLU(), 2, 0.0, 9.0) == pytest.approx(4.5)
    assert init.gaussian_moment(nn.ReLU(), 1, -2.0, 0.0) == 0


def test_propagation_of_tanh():
    q, seen = 1.0, []
    for _ in range(5):
        q = init.propagation_map(nn.Tanh(), q)
        seen.append(q)
    np.testing.assert_allclose(seen, [0.394294, 0.236450, 0.166656, 0.127905, 0.103441], atol=1e-6)
    assert init.propagation_map(nn.ReLU(), 3.0, 2.0) == pytest.approx(3.0)


def test_selu_moment_map():
    for given, expected in (
        ((0.1, 1.2, 0.05, 0.95), (0.0173659, 1.1095171)),
        ((-0.1, 1.5, 0.1, 1.1), (0.0492364, 1.4720812)),
        ((0.3, 0.8, 0.5, 1.1), (0.1413314, 0.9401098)),
    ):
        assert init.selu_moments(*given) == pytest.approx(expected, abs=1e-7)
    mean, variance = 0.0, 4.0
    for _ in range(50):
        mean, variance = init.selu_moments(mean, variance)
    assert (mean, variance) == pytest.approx((0, 1), abs=1e-5)
    # against quadrature
    direct = init.gaussian_moment(nn.SELU(), 1, 0.3 * 0.5, 0.8 * 1.1)
    assert init.selu_moments(0.3, 0.8, 0.5, 1.1)[0] == pytest.approx(direct, abs=1e-9)


def test_data_dependent_initialisation():
    nn.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(96, 30), nn.ReLU(), nn.Linear(30, 5)
    ).double()
    x = np.random.default_rng(0).normal(3.0, 5.0, (200, 1, 6, 6))
    init.data_dependent_(net, x)
    for depth, channel in ((1, 1), (4, 1), (6, 1)):
        out = net[:depth](x).data
        axes = tuple(a for a in range(out.ndim) if a != channel)
        np.testing.assert_allclose(out.mean(axis=axes), 0, atol=1e-6)
        assert out.var() == pytest.approx(1, abs=0.03)


# --------------------------------------------------------------------------------------- penalties


def slope(function, w):
    w = Tensor(w, requires_grad=True)
    value = function(w)
    value.backward()
    return value.item(), w.grad.data


def test_weight_decay():
    value, g = slope(penalty.L2(0.3), [1.0, -2.0])
    assert value == pytest.approx(0.3 * 2.5)
    np.testing.assert_allclose(g, [0.3, -0.6])
    value, g = slope(penalty.L1(0.3), [1.0, -2.0, 0.0])
    assert value == pytest.approx(0.9)
    np.testing.assert_allclose(g, [0.3, -0.3, 0.0])
    value, g = slope(penalty.ElasticNet(2.0, l1_ratio=0.25), [1.0, -2.0])
    assert value == pytest.approx(2 * (0.25 * 3 + 0.75 * 2.5))
    np.testing.assert_allclose(g, [2 * (0.25 + 0.75), 2 * (-0.25 - 1.5)])


def test_decay_alone_shrinks_geometrically():
    w = Tensor([1.0], requires_grad=True)
    for _ in range(10):
        (g,) = autograd.grad(penalty.L2(0.5)(w), w)
        w = Tensor(w.data - 0.1 * g.data, requires_grad=True)
    assert w.item() == pytest.approx(0.5987369, abs=1e-7)


def test_cauchy():
    value, g = slope(penalty.Cauchy(), [1.0, 2.0])
    assert value == pytest.approx(math.log(6))
    np.testing.assert_allclose(g, np.array([2, 4]) / 6)
    value, g = slope(penalty.Cauchy(elementwise=True), [1.0, 2.0])
    assert value == pytest.approx(math.log(2) + math.log(5))


def test_weight_elimination():
    w = np.array([0.02, 0.2, 1.0, 2.0])
    for x, value, derivative in zip(
        w,
        [0.00990099, 0.5, 0.9615385, 0.990099],
        [0.980296, 2.5, 0.0739645, 0.0098030],
        strict=True,
    ):
        found, g = slope(penalty.WeightElimination(threshold=0.2), [x])
        assert found == pytest.approx(value, abs=1e-7)
        assert g[0] == pytest.approx(derivative, abs=1e-6)


def test_soft_weight_sharing():
    mixture = penalty.GaussianMixture(1.0, [-1, 0, 1], [0.5, 0.1, 0.5], [0.25, 0.5, 0.25]).double()
    for w, value, derivative in ((0.3, 2.2651500, 4.7245300), (-0.7, 1.7883947, 1.1705261)):
        found, g = slope(mixture, [w])
        assert found == pytest.approx(value, abs=1e-6)
        assert g[0] == pytest.approx(derivative, abs=1e-5)
    assert [name for name, _ in mixture.named_parameters()] == ["mean", "log_std", "logit"]
    assert all(p.grad is not None for p in mixture.parameters())  # the mixture learns, too


def test_biases_are_left_out_and_layers_have_strengths():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)).double()
    first, last = (0.5 * (net[i].weight.data ** 2).sum() for i in (0, 2))
    assert penalty.L2(0.1)(net).item() == pytest.approx(0.1 * (first + last))
    everything = 0.5 * sum((p.data**2).sum() for p in net.parameters())
    assert penalty.L2(1.0, bias=True)(net).item() == pytest.approx(everything)
    per_layer = penalty.L2({"0.*": 10.0, "2.weight": 1.0})
    assert per_layer(net).item() == pytest.approx(10 * first + last)
    assert penalty.L2({"9.*": 1.0})(net).item() == 0
    net[0].requires_grad_(False)
    assert penalty.L2(1.0)(net).item() == pytest.approx(last)
    named = [("w", Tensor([2.0]))]
    assert penalty.L2(1.0)(named).item() == 2
    with pytest.raises(ValueError, match="negative"):
        penalty.L2(-1.0)


def test_a_normalised_penalty_pulls_as_hard_as_the_loss():
    w = Tensor([3.0, -4.0], requires_grad=True)
    loss = (w * np.array([1.0, 2.0])).sum()
    total = penalty.gradient_normalized(loss, penalty.L2()(w), [w], strength=0.5)
    (g,) = autograd.grad(total, w)
    np.testing.assert_allclose(g.data, 0.5 * math.sqrt(5) * np.array([3, -4]) / 5)


def test_flat_minimum_of_a_linear_neuron():
    w = nn.Parameter(np.array([0.3, -0.8]))
    value = penalty.FlatMinimum(eps=0.0)(
        lambda x: np.expand_dims(x @ w, -1), np.array([[1.0, 2.0]]), [w]
    )
    assert value.item() == pytest.approx(3 * math.log(2))


def test_flat_minimum_differentiates_a_jacobian():
    nn.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).double()
    x = np.array([[0.4, -0.7], [1.0, 0.2]])
    search = penalty.FlatMinimum(0.7, tolerance=0.1)
    value = search(net, x)
    (g,) = autograd.grad(value, net[0].weight)
    # the value from the closed-form Jacobian, and its gradient by differences
    w = net[0].weight.data

    def closed():
        total = 0.0
        for sample in x:
            a = np.tanh(w @ sample + net[0].bias.data)
            rows = []
            for k in range(2):
                inner = net[2].weight.data[k] * (1 - a * a)
                outer = np.zeros((2, 3))
                outer[k] = a
                rows.append(np.concatenate([np.outer(inner, sample).ravel(), outer.ravel()]))
            jacobian = np.array(rows)
            squares = (jacobian**2).sum(0) + 1e-12
            shares = (np.abs(jacobian) / np.sqrt(squares)).sum(1)
            count = jacobian.shape[1]
            total += 0.5 * (
                np.log(squares).sum() + count * np.log((shares**2).sum()) - count * np.log(0.1)
            )
        return 0.7 * total / 2

    assert value.item() == pytest.approx(closed())
    w[1, 0] += 1e-6
    above = closed()
    w[1, 0] -= 2e-6
    below = closed()
    w[1, 0] += 1e-6
    assert g.data[1, 0] == pytest.approx((above - below) / 2e-6, rel=1e-5)


def test_tikhonov_penalises_the_jacobian():
    net = nn.Linear(3, 2).double()
    x = np.ones((4, 3))
    assert penalty.Tikhonov(0.5)(net, x).item() == pytest.approx(0.5 * (net.weight.data**2).sum())
    deep = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    value = penalty.Tikhonov()(deep, x)
    value.backward()
    step = 1e-6
    w = deep[0].weight
    w.data[1, 2] += step
    above = penalty.Tikhonov()(deep, x).item()
    w.data[1, 2] -= 2 * step
    below = penalty.Tikhonov()(deep, x).item()
    assert w.grad.data[1, 2] == pytest.approx((above - below) / (2 * step), rel=1e-5)
