"""Clipping, accumulation, layer groups, averages, the range test, flows, linear classifiers."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest

import optim
from autograd import Tensor
from optim import swa_utils


def leaf(values):
    return Tensor(np.array(values, dtype=float), requires_grad=True)


class Model:
    """Something like a module: a scale, and a buffer that counts."""

    def __init__(self, weight=0.0):
        self.weight = leaf([weight])
        self.seen = Tensor(np.array([0.0]))
        self.training = True

    def parameters(self):
        return [self.weight]

    def buffers(self):
        return [self.seen]

    def modules(self):
        return [self]

    def train(self, mode=True):
        self.training = mode
        return self

    def state_dict(self):
        return {"weight": self.weight.data.copy(), "seen": self.seen.data.copy()}

    def load_state_dict(self, state):
        self.weight.data[...] = state["weight"]
        self.seen.data[...] = state["seen"]

    def __call__(self, x):
        if self.training:
            self.seen.data += 1
        return self.weight * x


# --------------------------------------------------------------------------- clipping, accumulating


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, np.inf])
@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_clipping_by_norm_is_pytorchs(norm_type, limit):
    torch = pytest.importorskip("torch")
    gradients = [np.random.default_rng(i).standard_normal((3, i + 1)) for i in range(3)]
    ours = [leaf(np.zeros_like(g)) for g in gradients]
    theirs = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in gradients]
    for p, q, g in zip(ours, theirs, gradients):
        p.grad, q.grad = Tensor(g), torch.tensor(g)
    total = optim.clip_grad_norm_([*ours, leaf([1.0])], limit, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, limit, norm_type)
    assert total == pytest.approx(expected.item(), rel=1e-12)
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=1e-12)


def test_clipping_keeps_the_gradients_array_and_dtype():
    p = Tensor(np.zeros(3, np.float32), requires_grad=True)
    p.grad = Tensor(np.full(3, 10, np.float32))
    held = p.grad.data
    optim.clip_grad_norm_(p, 1.0)
    assert p.grad.data is held
    assert held.dtype == np.float32
    assert np.linalg.norm(held) == pytest.approx(1.0, rel=1e-5)


def test_a_norm_that_is_not_finite():
    p = leaf([1.0])
    p.grad = Tensor([np.inf])
    with pytest.raises(FloatingPointError, match="inf"):
        optim.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    with pytest.raises(ValueError, match="max_norm"):
        optim.clip_grad_norm_(p, -1.0)


def test_clipping_by_value():
    p = leaf([0.0] * 4)
    p.grad = Tensor([-3.0, -0.2, 0.2, 3.0])
    optim.clip_grad_value_([p, leaf([1.0])], 0.5)
    assert p.grad.data.tolist() == [-0.5, -0.2, 0.2, 0.5]


def test_accumulated_batches_are_one_large_batch():
    data = np.random.default_rng(0).standard_normal(12)
    a, b = leaf(1.0), leaf(1.0)
    whole, parts = optim.SGD([a], lr=0.1), optim.SGD([b], lr=0.1)
    norms = []
    accumulator = optim.GradientAccumulator(parts, 3, lambda: norms.append(b.grad.item()))
    for _ in range(2):
        whole.zero_grad()
        ((a - data) ** 2).mean().backward()
        whole.step()
        steps = [accumulator.add(((b - x) ** 2).mean()) for x in data.reshape(3, 4)]
        assert steps == [False, False, True]
    assert a.item() == pytest.approx(b.item(), rel=1e-13)
    assert len(norms) == 2
    assert not accumulator.flush()


def test_what_is_left_over_at_the_end_counts_fully():
    w = leaf(0.0)
    accumulator = optim.GradientAccumulator(optim.SGD([w], lr=0.1), 4)
    for x in (1.0, 3.0):
        accumulator.add(w * x)
    assert accumulator.flush()
    assert w.item() == pytest.approx(-0.1 * 2.0)


def test_layer_groups():
    names = ["a.weight", "a.bias", "b.weight", "c.inner.weight", "c.inner.bias"]
    parameters = [(name, leaf([1.0])) for name in names]
    groups = optim.layer_groups(parameters, 0.4, 0.5, {"b": {"weight_decay": 0.1, "lr": 9.0}})
    assert [group["name"] for group in groups] == ["a", "b", "c.inner"]
    assert [group["lr"] for group in groups] == [0.1, 9.0, 0.4]
    optimizer = optim.SGD(groups, lr=1.0)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0, 0.1, 0.0]
    with pytest.raises(KeyError, match="no layer"):
        optim.layer_groups(parameters, 0.4, overrides={"d": {}})


# ---------------------------------------------------------------------------------------- averages


def test_stochastic_weight_averaging():
    model, values = Model(), [1.0, 4.0, 7.0, -2.0]
    averaged = swa_utils.AveragedModel(model)
    for value in values:
        model.weight.data[...] = value
        model.seen.data += 1
        averaged.update_parameters(model)
    assert averaged.module.weight.item() == pytest.approx(np.mean(values))
    assert averaged.n_averaged == 4
    assert averaged.module.seen.item() == 4
    assert averaged.module is not model


@pytest.mark.parametrize("kind", ["avg_fn", "multi_avg_fn"])
def test_exponential_average(kind):
    model = Model()
    averaged = swa_utils.AveragedModel(model, **{kind: getattr(swa_utils, f"get_ema_{kind}")(0.9)})
    expected = None
    for value in (1.0, 2.0, 5.0):
        model.weight.data[...] = value
        averaged.update_parameters(model)
        expected = value if expected is None else 0.9 * expected + 0.1 * value
        assert averaged.module.weight.item() == pytest.approx(expected)


def test_buffers_can_be_averaged_too():
    model = Model()
    averaged = swa_utils.AveragedModel(model, use_buffers=True)
    for value in (1.0, 3.0):
        model.seen.data[...] = value
        averaged.update_parameters(model)
    assert averaged.module.seen.item() == 2.0


def test_saving_an_average():
    model = Model(2.0)
    averaged = swa_utils.AveragedModel(model)
    averaged.update_parameters(model)
    other = swa_utils.AveragedModel(Model())
    other.load_state_dict(copy.deepcopy(averaged.state_dict()))
    assert other.n_averaged == 1
    assert other.module.weight.item() == 2.0


class Norm:
    """The part of batch normalisation that update_bn deals with."""

    def __init__(self):
        self.running_mean = Tensor([5.0])
        self.momentum = 0.1
        self.count = 0
        self.training = False

    def reset_running_stats(self):
        self.running_mean.data[...] = 0
        self.count = 0

    def modules(self):
        return [self]

    def train(self, mode=True):
        self.training = mode

    def __call__(self, x):
        assert self.training
        assert self.momentum is None
        self.count += 1
        self.running_mean.data += (np.mean(x) - self.running_mean.data) / self.count


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: (x, "label"), lambda x: [x]])
def test_update_bn(wrap):
    norm = Norm()
    swa_utils.update_bn([wrap(np.array(x)) for x in ([1.0, 3.0], [4.0, 6.0])], norm)
    assert norm.running_mean.item() == pytest.approx(3.5)
    assert (norm.momentum, norm.training) == (0.1, False)


def test_update_bn_of_a_module():
    nn = pytest.importorskip("nn")
    random = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    batches = [random.standard_normal((8, 3)).astype(np.float32) for _ in range(5)]
    model.eval()
    swa_utils.update_bn(batches, model)
    hidden = [model[0](x).numpy() for x in batches]
    np.testing.assert_allclose(
        model[1].running_mean.numpy(), np.mean([h.mean(0) for h in hidden], 0), atol=1e-6
    )
    assert not model.training
    assert model[1].momentum == 0.1


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 4])
def test_swa_rates_are_pytorchs(strategy, epochs):
    torch = pytest.importorskip("torch")
    ours = optim.SGD([leaf(1.0)], lr=1.0)
    theirs = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
    scheduler = swa_utils.SWALR(ours, 0.05, epochs, strategy)
    other = torch.optim.swa_utils.SWALR(theirs, 0.05, epochs, strategy)
    for _ in range(8):
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-12)
        for each in (ours, theirs, scheduler, other):
            each.step()


# --------------------------------------------------------------------------------------- range test


def test_the_range_test_finds_where_training_diverges_and_leaves_no_trace():
    random = np.random.default_rng(0)
    model = Model(4.0)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    model.weight.grad = Tensor([1.0])
    optimizer.step()
    before = model.weight.data.copy(), copy.deepcopy(optimizer.state_dict())
    finder = optim.LRFinder(optimizer, model)
    batches = random.standard_normal((7, 16))
    finder.range_test(
        lambda x: ((model(1.0) - x) ** 2).mean(), batches, start_lr=1e-5, end_lr=100, num_iter=300
    )
    # Momentum 0.5 on curvature 2 is stable up to η = 2 (1 + 0.5) / 2.
    assert 0.05 < finder.critical_lr < 2.0
    assert finder.suggested_lr == finder.critical_lr / 10
    assert finder.steepest_lr < finder.critical_lr
    assert np.array_equal(model.weight.data, before[0])
    assert model.seen.item() == 0
    assert model.weight.grad.item() == 1.0
    after = optimizer.state_dict()
    assert after["param_groups"] == before[1]["param_groups"]
    assert np.array_equal(
        after["state"][0]["momentum_buffer"], before[1]["state"][0]["momentum_buffer"]
    )
    rates = np.array(finder.history["lr"])
    assert len(rates) < 300
    assert rates[0] == 1e-5
    np.testing.assert_allclose(rates[1:] / rates[:-1], (1e7) ** (1 / 299))


def test_the_range_test_puts_back_what_an_interruption_leaves():
    w = leaf([1.0])
    calls = []

    def loss():
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return (w**2).sum()

    finder = optim.LRFinder(optim.SGD([w], lr=0.25))
    with pytest.raises(KeyboardInterrupt):
        finder.range_test(loss, start_lr=0.1, end_lr=1.0)
    assert w.item() == 1.0
    assert finder.optimizer.param_groups[0]["lr"] == 0.25
    assert len(finder.history["lr"]) == 4


def test_smoothing_in_the_range_test_has_no_bias():
    w = leaf([1.0])
    finder = optim.LRFinder(optim.SGD([w], lr=0.1))
    finder.range_test(lambda: 0 * w.sum() + 3.0, num_iter=10)
    np.testing.assert_allclose(finder.history["smoothed"], 3.0)


def test_groups_keep_their_ratio_in_the_range_test():
    a, b = leaf(1.0), leaf(1.0)
    optimizer = optim.SGD([{"params": a}, {"params": b, "lr": 0.01}], lr=0.1)
    seen = []

    def loss():
        seen.append([group["lr"] for group in optimizer.param_groups])
        return a * 0 + b * 0

    optim.LRFinder(optimizer).range_test(loss, start_lr=1e-3, end_lr=1e-1, num_iter=3)
    np.testing.assert_allclose(seen, [[1e-3, 1e-4], [1e-2, 1e-3], [1e-1, 1e-2]])


def test_plot_of_the_range_test():
    pytest.importorskip("matplotlib")
    w = leaf([1.0])
    finder = optim.LRFinder(optim.SGD([w], lr=0.1))
    with pytest.raises(RuntimeError, match="run range_test first"):
        finder.plot()
    finder.range_test(lambda: (w**2).sum(), num_iter=20)
    axes = finder.plot()
    assert axes.get_xscale() == "log"
    assert len(axes.lines) == 4
    assert finder.plot(axes) is axes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_lr": 1.0, "end_lr": 0.1}, "start_lr"),
        ({"num_iter": 1}, "num_iter"),
        ({"smoothing": 1.0}, "smoothing"),
        ({"batches": []}, "no batches"),
    ],
)
def test_what_the_range_test_refuses(options, message):
    w = leaf([1.0])
    with pytest.raises(ValueError, match=message):
        optim.LRFinder(optim.SGD([w], lr=0.1)).range_test(lambda *_: (w**2).sum(), **options)


# --------------------------------------------------------------------------------- flow and ascent


CURVATURE = np.array([2.0, 10.0])


def valley(x):
    return (0.5 * CURVATURE * x**2).sum()


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_gradient_flow_converges_with_its_order(method, order):
    """On a quadratic the flow is w* + exp(−H t)(w₀ − w*)."""
    exact = np.exp(-CURVATURE * 0.5)
    errors = []
    for step in (0.02, 0.01):
        flow = optim.gradient_flow(valley, np.ones(2), 0.5, step, method)
        errors.append(np.abs(flow.positions[-1] - exact).max())
        assert flow.times[-1] == 0.5
        assert flow.positions.shape == (len(flow.times), 2)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_eulers_flow_is_gradient_descent():
    w = leaf([1.0, 1.0])
    optimizer = optim.SGD([w], lr=0.02)
    flow = optim.gradient_flow(valley, [1.0, 1.0], 0.2, 0.02, "euler")
    for position in flow.positions[1:]:
        optimizer.zero_grad()
        valley(w).backward()
        optimizer.step()
        np.testing.assert_allclose(w.data, position, rtol=1e-13)


def test_gradient_flow_never_climbs():
    flow = optim.gradient_flow(lambda x: (x**4 - x**2).sum(), [0.1, 1.5], 3.0, 0.05)
    values = (flow.positions**4 - flow.positions**2).sum(axis=1)
    assert (np.diff(values) <= 0).all()
    np.testing.assert_allclose(flow.positions[-1], np.sqrt(0.5), atol=0.02)


def test_gradient_ascent_maximises_an_output():
    weights = np.array([[1.0, -2.0, 0.5], [0.3, 0.3, -1.0]])
    network = SimpleNamespace(w=Tensor(weights, requires_grad=True))
    ascent = optim.gradient_ascent(
        lambda x: (network.w @ x)[0],
        np.zeros(3),
        0.5,
        200,
        project=lambda x: np.clip(x, -1, 1),
    )
    np.testing.assert_allclose(ascent.x, [1, -1, 1], atol=0.05)
    assert ascent.values.shape == (201,)
    assert ascent.values[-1] > ascent.values[0]
    assert network.w.grad is None


def test_normalised_ascent_moves_by_its_rate():
    ascent = optim.gradient_ascent(lambda x: 1e-6 * x.sum(), np.zeros(4), 0.1, 3, normalize=True)
    np.testing.assert_allclose(ascent.x, 0.3)


def test_the_noise_of_sgd():
    assert optim.sgd_temperature(0.2, 10) == pytest.approx(0.01)
    assert optim.sgd_temperature(0.2, 10, n=10) == 0
    kept = optim.sgd_temperature(optim.scaled_lr(0.1, 32, 128), 128)
    assert kept == pytest.approx(optim.sgd_temperature(0.1, 32))
    # 100 times as many examples: a tenth of the standard error.
    assert optim.standard_error(2.0, 1000) == 10 * optim.standard_error(2.0, 100_000)
    for n in (None, 500):
        b = optim.batch_size_at_temperature(0.1, 0.002, n)
        assert optim.sgd_temperature(0.1, b, n) >= 0.002 > optim.sgd_temperature(0.1, b + 1, n)


# ------------------------------------------------------------------------------- linear classifiers


@pytest.mark.parametrize("batch", [False, True])
def test_perceptron_on_separable_data(batch):
    random = np.random.default_rng(0)
    X = random.standard_normal((60, 3))
    y = np.sign(X @ [1.0, -2.0, 0.5])
    fit = optim.perceptron(X, y, batch=batch, max_epochs=5000)
    assert fit.converged
    assert (np.sign(X @ fit.w) == y).all()
    assert fit.mistakes[-1] == 0
    assert all(fit.mistakes[:-1])


def test_one_correction_of_the_perceptron():
    fit = optim.perceptron([[1.0, 2.0]], [-1], lr=0.5, w=[1.0, 1.0], max_epochs=1)
    np.testing.assert_allclose(fit.w, [1 - 0.5, 1 - 1.0])
    assert fit.mistakes == [1]


def test_the_perceptron_never_ends_on_xor():
    X = [[1, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1]]
    fit = optim.perceptron(X, [-1, 1, 1, -1], max_epochs=200)
    assert not fit.converged
    assert len(fit.mistakes) == 200
    assert optim.perceptron(X, [1, 1, 1, -1]).converged  # NAND


def test_irls_step_by_step():
    X, y = [[1, 0], [1, 1], [1, 2], [1, 3]], [0, 1, 0, 1]
    fit = optim.irls(X, y)
    expected = [
        (0.0, 0.0),
        (-1.2, 0.8),
        (-1.3559834342, 0.9039889561),
        (-1.3622661333, 0.9081774222),
        (-1.3622763938, 0.9081842626),
    ]
    np.testing.assert_allclose(fit.path[:5], expected, atol=1e-9)
    np.testing.assert_allclose(fit.losses[:3], [2.772588722, 2.352595439, 2.347494016], atol=1e-9)
    assert fit.loss == pytest.approx(2.3474865351213454, rel=1e-14)
    assert fit.converged
    assert len(fit.path) <= 7
    assert not fit.separable


def test_irls_is_newtons_method():
    random = np.random.default_rng(2)
    X = np.column_stack([np.ones(40), random.standard_normal((40, 2))])
    y = (random.random(40) < 0.5).astype(float)

    def loss(w):
        z = X @ w
        return (np.logaddexp(0.0, z) - y * z).sum() + 0.5 * 0.3 * (w**2).sum()

    result = optim.newton(loss, np.zeros(3))
    fit = optim.irls(X, y, ridge=0.3)
    np.testing.assert_allclose(fit.w, result.x, atol=1e-7)
    assert fit.loss == pytest.approx(result.fun)


def test_irls_on_separable_classes():
    X, y = [[1, -1], [1, -2], [1, 1], [1, 2]], [0, 0, 1, 1]
    fit = optim.irls(X, y)
    assert fit.separable
    assert not fit.converged
    assert np.isfinite(fit.w).all()
    assert optim.irls(X, y, ridge=0.1).converged


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optim.irls([[1, 2], [1, 2], [1, 2]], [0, 1, 0]), "linearly dependent"),
        (lambda: optim.irls([[1.0]], [2]), "labels 0 and 1"),
        (lambda: optim.perceptron([[1.0]], [0]), "labels −1 and"),
        (lambda: optim.perceptron([1.0], [1]), "shape"),
        (lambda: optim.gradient_flow(valley, [1.0, 1.0], -1.0), "duration"),
        (lambda: optim.gradient_flow(valley, [1.0, 1.0], 1.0, method="rk5"), "method"),
        (lambda: optim.sgd_temperature(0.1, 10, n=5), "n must be"),
        (lambda: swa_utils.get_ema_avg_fn(1.5), "decay"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
