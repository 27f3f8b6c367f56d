"""What changes between training and evaluation: dropout, noise, running statistics; invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest

import nn
import nn.functional as F
from autograd import Tensor


def ones(*shape):
    return Tensor(np.ones(shape), requires_grad=True)


@pytest.fixture(autouse=True)
def seeded():
    nn.manual_seed(0)


def test_dropout_keeps_the_expectation():
    x = ones(400, 500)
    y = nn.Dropout(0.3)(x)
    values, counts = np.unique(y.data, return_counts=True)
    np.testing.assert_allclose(values, [0, 1 / 0.7])
    assert counts[0] / y.size == pytest.approx(0.3, abs=0.005)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, y.data)  # the same mask backwards
    assert (nn.Dropout(0.3)(x).data != y.data).any()


def test_dropout_at_the_ends():
    x = ones(3, 4)
    np.testing.assert_array_equal(nn.Dropout(0.0)(x).data, x.data)
    assert not nn.Dropout(1.0)(x).data.any()
    assert nn.Dropout(0.5).eval()(x) is x
    for module in (nn.Dropout, nn.Dropout2d, nn.AlphaDropout, nn.VanillaDropout):
        with pytest.raises(ValueError, match="between 0 and 1"):
            module(1.1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        F.dropout(x, -0.1)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Dropout1d, (50, 20, 5)),
        (nn.Dropout2d, (50, 20, 3, 4)),
        (nn.Dropout3d, (50, 20, 2, 2, 2)),
        (nn.Dropout2d, (1000, 3, 4)),
    ],
)
def test_channel_dropout_drops_whole_channels(module, shape):
    y = module(0.4)(ones(*shape)).data
    lead = 2 if len(shape) == len("NC") + int(module.__name__[-2]) else 1
    flat = y.reshape(*shape[:lead], -1)
    assert (flat == flat[..., :1]).all()
    assert (flat[..., 0] == 0).mean() == pytest.approx(0.4, abs=0.05)


def test_vanilla_dropout_scales_in_evaluation():
    layer = nn.VanillaDropout(0.4)
    x = ones(300, 300)
    assert set(np.unique(layer(x).data.round(12))) == {0.0, 1.0}
    assert layer(x).data.mean() == pytest.approx(0.6, abs=0.01)
    np.testing.assert_allclose(layer.eval()(x).data, 0.6)
    following = nn.Linear(300, 2).double()
    before = following(layer(x)).data
    layer.fold_into(following)
    np.testing.assert_allclose(following(layer(x)).data, before)
    np.testing.assert_array_equal(layer.train()(x).data, x.data)


def test_alpha_dropout_keeps_mean_and_variance():
    x = Tensor(np.random.default_rng(0).standard_normal((500, 400)))
    for module in (nn.AlphaDropout(0.1), nn.FeatureAlphaDropout(0.1)):
        y = module(x).data
        assert y.mean() == pytest.approx(0, abs=0.02)
        assert y.var() == pytest.approx(1, abs=0.02)
    y = nn.AlphaDropout(0.05)(ones(1000, 1)).data
    q, low = 0.95, -1.7580993408473766
    a, b = 0.9548444760, 0.0839355722
    assert sorted(set(y.ravel().round(7))) == pytest.approx([a * low + b, a + b], abs=1e-6)
    assert a == pytest.approx((q + low**2 * q * (1 - q)) ** -0.5, abs=1e-9)


def test_gaussian_noise():
    layer = nn.GaussianNoise(0.5)
    x = Tensor(np.full((300, 300), 2.0))
    noise = layer(x).data - 2
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(0.5, abs=0.01)
    assert nn.GaussianNoise(0.5, relative=True)(x).data.std() == pytest.approx(1, abs=0.02)
    assert layer.eval()(x) is x
    with pytest.raises(ValueError, match="negative"):
        nn.GaussianNoise(-1)


def test_monte_carlo_mean_and_spread():
    net = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(1)).double()
    x = np.array([[2.0]])
    found = nn.monte_carlo(net, x, 4000)
    # each pass gives 0 or 4: mean 2, standard deviation 2
    assert found.mean.item() == pytest.approx(2, abs=0.15)
    assert found.std.item() == pytest.approx(2, abs=0.15)
    assert all(m.training for m in net.modules())
    assert net[1].num_batches_tracked.item() == 0
    squared = nn.monte_carlo(net, x, 10, transform=lambda out: out * out)
    assert set(squared.samples.ravel().round(2)) <= {0.0, 16.0}
    with pytest.raises(ValueError, match="positive"):
        nn.monte_carlo(net, x, 0)


def test_rrelu_draws_slopes_in_training():
    layer = nn.RReLU(0.2, 0.6)
    slopes = -layer(Tensor(-np.ones((100, 100)))).data
    assert 0.2 <= slopes.min() < 0.21
    assert 0.59 < slopes.max() <= 0.6
    np.testing.assert_allclose(layer.eval()(Tensor([-1.0, 2.0])).data, [-0.4, 2.0])


# -------------------------------------------------------------------------- running statistics


def test_batch_norm_by_the_numbers():
    norm = nn.BatchNorm1d(1, eps=0.0).double()
    out = norm(np.array([[1.0], [2.0], [3.0], [6.0]]))
    np.testing.assert_allclose(out.data.ravel(), [-1.069045, -0.534522, 0, 1.603567], atol=1e-6)
    assert norm.running_mean.item() == pytest.approx(0.3)
    assert norm.running_var.item() == pytest.approx(0.9 + 0.1 * 14 / 3)


def test_running_statistics_move_in_training_only():
    norm = nn.BatchNorm2d(2, momentum=None).double()
    rng = np.random.default_rng(0)
    batches = [rng.normal(3, 2, (4, 2, 3, 3)) for _ in range(3)]
    for batch in batches:
        norm(batch)
    assert norm.num_batches_tracked.item() == 3
    expected = np.mean([b.mean(axis=(0, 2, 3)) for b in batches], axis=0)
    np.testing.assert_allclose(norm.running_mean.data, expected)
    expected = np.mean([b.var(axis=(0, 2, 3), ddof=1) for b in batches], axis=0)
    np.testing.assert_allclose(norm.running_var.data, expected)
    norm.eval()
    before = norm.state_dict()
    a = norm(batches[0]).data
    np.testing.assert_array_equal(a[:1], norm(batches[0][:1]).data)  # samples do not mix
    for name, value in norm.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    norm.train().reset_running_stats()
    assert norm.running_mean.data.tolist() == [0, 0]
    with pytest.raises(ValueError, match="more than 1 value"):
        nn.BatchNorm1d(2)(np.ones((1, 2)))


def test_statistics_that_moved_are_no_silent_mistake():
    """A graph made in evaluation mode survives a later training batch."""
    norm = nn.BatchNorm1d(2).double().eval()
    x = Tensor(np.ones((3, 2)), requires_grad=True)
    out = norm(x)
    norm.train()(np.random.default_rng(0).standard_normal((5, 2)))
    out.sum().backward()
    np.testing.assert_allclose(x.grad.data, 1 / math.sqrt(1 + 1e-5))


# ------------------------------------------------------------------------------- invariances

RNG = np.random.default_rng(0)
X = RNG.standard_normal((8, 5))
W = RNG.standard_normal((6, 5))
CHANGES = {
    "rescale the weight matrix": lambda x, w: (x, 2.5 * w),
    "recenter the weight matrix": lambda x, w: (x, w + RNG.standard_normal(5)),
    "rescale one weight vector": lambda x, w: (x, w * np.array([[3.0]] + [[1.0]] * 5)),
    "rescale the data": lambda x, w: (2.5 * x, w),
    "recenter the data": lambda x, w: (x + RNG.standard_normal(5), w),
    "rescale one case": lambda x, w: (x * np.array([[3.0]] + [[1.0]] * 7), w),
}
INVARIANT = {
    "batch": [True, False, True, True, True, False],
    "weight": [True, False, True, False, False, False],
    "layer": [True, True, False, True, False, True],
    "none": [False] * 6,
}


def normalised(kind, x, w):
    """The pre-activations of a fully connected layer under a normalisation."""
    layer = nn.Linear(5, 6, bias=False).double()
    layer.weight.data[...] = w
    if kind == "weight":
        nn.utils.parametrizations.weight_norm(layer)
        layer.parametrizations.weight.original0.data[...] = 1
    s = layer(x)
    if kind == "batch":
        return nn.BatchNorm1d(6, eps=0).double()(s).data
    return nn.LayerNorm(6, eps=0).double()(s).data if kind == "layer" else s.data


@pytest.mark.parametrize("kind", INVARIANT)
def test_invariances(kind):
    reference = normalised(kind, X, W)
    found = [
        np.allclose(normalised(kind, *change(X, W)), reference, atol=1e-9)
        for change in CHANGES.values()
    ]
    assert dict(zip(CHANGES, found)) == dict(zip(CHANGES, INVARIANT[kind]))
