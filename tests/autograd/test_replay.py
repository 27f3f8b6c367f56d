"""compile: replays compute what the function computes, and it is noticed when they would not."""

from __future__ import annotations

import numpy as np
import pytest

import autograd
import nn
import nn.functional as F
import optim
from autograd import Tensor, kernels, no_grad
from autograd.extend import Specialized
from autograd.kernels._settings import SETTINGS


def perceptron(dtype=np.float32):
    autograd.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 8, dtype=dtype), nn.ReLU(), nn.Linear(8, 8, dtype=dtype), nn.Tanh(),
        nn.Linear(8, 3, dtype=dtype),
    )  # fmt: skip


def batches(count, rows=10, dtype=np.float32):
    rng = np.random.default_rng(1)
    for _ in range(count):
        yield rng.standard_normal((rows, 4)).astype(dtype), rng.integers(3, size=rows)


@pytest.fixture
def numpy_kernels(monkeypatch):
    """With which a replay has the bits of what it replays; compiled ones may round otherwise."""
    monkeypatch.setattr(SETTINGS, "may_compile", False)
    monkeypatch.setattr(SETTINGS, "few", None)


def gradients(model):
    return [np.array(p.grad.data) for p in model.parameters()]


def train(model, loss_of, data):
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for x, y in data:
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.usefixtures("numpy_kernels")
def test_training_takes_the_same_steps():
    losses = []
    for compiled in (False, True):
        model = perceptron()

        def loss_of(x, y, model=model):
            return F.cross_entropy(model(x), y)

        if compiled:
            loss_of = autograd.compile(loss_of)
        losses.append(train(model, loss_of, batches(12)))
        if compiled:
            assert loss_of.replays == 10  # all but the first two
    assert losses[0] == losses[1]


def _squares(x, w):
    return ((x - w) * (x - w)).mean()


def _read_twice(x, w):
    y = x * w + 1
    return y.sum() + (y @ y.T).mean()


def _read_by_two_sums(x, w):
    y = x * w + 1
    return y.sum() * y.mean()


def _kept_for_the_way_back(x, w):
    return np.exp(x * w).sum()


def _a_sum_among_others(x, w):
    return np.tanh(x * (x * w).sum() + w).mean() + (w * 2).sum()


def _of_products(x, w):
    return (x * w).sum() * w.sum()


@pytest.mark.parametrize(
    "function",
    [_squares, _read_twice, _read_by_two_sums, _kept_for_the_way_back, _a_sum_among_others,
     _of_products],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(3, 4), (300, 200)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernels", ["numpy", "auto"])
def test_sums_of_values(function, shape, dtype, kernels):
    """A sum may be made where its values are; in plain NumPy it is rounded as otherwise."""
    check_sums(function, shape, dtype, kernels)


def test_sums_are_made_where_their_values_are(monkeypatch):
    made = []

    class Loop(kernels.Loop):
        def __init__(self, formula, outputs, shape, sums):
            made.extend(sums)
            super().__init__(formula, outputs, shape, sums)

    monkeypatch.setattr(kernels, "Loop", Loop)
    check_sums(_squares, (3, 4), np.float64, "numpy")
    # The mean on the way there, and on the way back the gradient of what was broadcast.
    assert () in made
    assert (4,) in made
    made.clear()
    check_sums(_kept_for_the_way_back, (3, 4), np.float64, "numpy")
    assert () not in made  # np.exp's result is read on the way back, too


@pytest.mark.parametrize("shape", [(3, 4), (300, 200)], ids=str)
def test_means_of_half_precision_do_not_overflow(shape):
    check_sums(lambda x, w: ((x * w + 20) * 20).mean(), shape, np.float16, "numpy")


def check_sums(function, shape, dtype, kernels):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(shape) / shape[-1]).astype(dtype)
    with autograd.config(kernels=kernels):
        compiled = autograd.compile(function)
        for _ in range(30):
            values = rng.random(shape[-1])
            found = []
            for call in (function, compiled):
                w = Tensor(values, requires_grad=True, dtype=dtype)
                result = call(x, w)
                result.backward()
                found.append((result.data, w.grad.data))
            for a, b in zip(*found, strict=True):
                assert a.dtype == b.dtype == dtype
                assert np.isfinite(a).all()
                if kernels == "numpy":
                    np.testing.assert_array_equal(a, b)
                else:
                    rtol = 2000 * np.finfo(dtype).eps
                    np.testing.assert_allclose(b, a, rtol=rtol, atol=rtol * np.abs(a).max())
    assert compiled.replays == 28


@pytest.mark.usefixtures("numpy_kernels")
def test_a_convolutional_network():
    autograd.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(4 * 3 * 3, 3),
    )  # fmt: skip
    loss_of = autograd.compile(lambda x, y: F.cross_entropy(model(x), y))
    rng = np.random.default_rng(0)
    for call in range(4):
        x, y = rng.random((5, 1, 6, 6), np.float32), rng.integers(3, size=5)
        model.zero_grad()
        loss_of(x, y).backward()
        found = gradients(model)
        model.zero_grad()
        F.cross_entropy(model(x), y).backward()
        for a, b in zip(found, gradients(model)):
            np.testing.assert_array_equal(a, b)
        assert loss_of.replays == max(0, call - 1)


@pytest.mark.usefixtures("numpy_kernels")
def test_another_shape_is_another_program():
    model = perceptron()
    loss_of = autograd.compile(lambda x, y: F.cross_entropy(model(x), y))
    for rows in (10, 7, 10, 7, 10, 7):
        ((x, y),) = batches(1, rows)
        assert loss_of(x, y).item() == F.cross_entropy(model(x), y).item()
    assert loss_of.replays == 2


def test_two_results_at_once_keep_what_is_theirs():
    model = perceptron()
    loss_of = autograd.compile(lambda x, y: F.cross_entropy(model(x), y))
    (x1, y1), (x2, y2) = batches(2)
    for _ in range(3):
        first, second = loss_of(x1, y1), loss_of(x2, y2)
    assert loss_of.replays == 4
    (first + 2 * second).backward()
    found = gradients(model)
    model.zero_grad()
    (F.cross_entropy(model(x1), y1) + 2 * F.cross_entropy(model(x2), y2)).backward()
    for a, b in zip(found, gradients(model)):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_gradients_of_arguments_and_of_gradients():
    w = Tensor([[1.0, 2.0], [3.0, -1.0]], requires_grad=True)

    def f(x):
        return np.sum(np.tanh(x @ w) ** 2 * x.T)

    compiled = autograd.compile(f)
    for seed in range(4):
        x = Tensor(np.random.default_rng(seed).random((2, 2)), requires_grad=True)
        for g, h in zip(autograd.grad(compiled(x), [x, w]), autograd.grad(f(x), [x, w])):
            np.testing.assert_array_equal(g.data, h.data)
    assert compiled.replays == 2
    (g,) = autograd.grad(compiled(x), x, create_graph=True)
    (h,) = autograd.grad(f(x), x, create_graph=True)
    for a, b in zip(autograd.grad(g.sum(), [x, w]), autograd.grad(h.sum(), [x, w])):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-12)
    assert compiled.replays == 3


def test_values_outside_are_read_anew():
    scale = np.array([1.0, 2.0, 3.0])
    w = Tensor([1.0, 1.0, 1.0], requires_grad=True)
    f = autograd.compile(lambda x: np.sum(x * w * scale))
    x = np.ones(3)
    for _ in range(3):
        assert f(x).item() == 6.0
    scale[0] = 10.0
    with no_grad():
        w *= 2.0
    assert f(x).item() == 30.0
    w.data = np.array([0.0, 0.0, 1.0])
    assert f(x).item() == 3.0
    assert f.replays == 3


def test_an_input_that_nothing_depends_on_gets_zeros():
    v, w = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))

    def f(x):
        _ = np.sum(v * x)  # on the way, and not returned
        return np.sum(w * x)

    f = autograd.compile(f)
    for _ in range(3):
        w.grad = v.grad = None
        f(np.arange(3.0)).backward()
    assert f.replays == 1
    np.testing.assert_array_equal(w.grad.data, [0, 1, 2])
    assert v.grad is None or not v.grad.data.any()


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_modes_of_modules_are_noticed(mode):
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).eval()
    f = autograd.compile(lambda x: np.sum(model(x)))
    x = np.ones((3, 4), np.float32)
    for _ in range(3):
        f(x)
    assert f.replays == 1
    getattr(model, mode)()
    if mode == "train":
        with pytest.warns(RuntimeWarning, match="draws random numbers"):
            results = {f(x).item() for _ in range(4)}
        assert f.replays == 1
        assert len(results) > 1
    else:
        f(x)
        assert f.replays == 2


def test_other_parameters_are_noticed():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    f = autograd.compile(lambda x: np.sum(model(x)))
    x = np.ones((3, 2), np.float32)
    for _ in range(3):
        f(x)
    assert f.replays == 1
    model[0].weight = nn.Parameter(np.zeros((2, 2), np.float32))
    for _ in range(3):
        assert f(x).item() == model(x).sum().item()
    assert f.replays == 2
    model[1].bias.requires_grad = False
    f(x).backward()
    assert model[1].bias.grad is None
    f(x)
    model[1].bias.requires_grad = True
    f(x).backward()
    np.testing.assert_array_equal(model[1].bias.grad.data, [3, 3])


def test_gradient_free_calls_and_hooks_run_as_written():
    seen = []
    w = Tensor(np.ones(2), requires_grad=True)

    def f(x):
        seen.append(1)
        return np.sum(x * w)

    f = autograd.compile(f)
    x = np.ones(2)
    for _ in range(3):
        f(x)
    assert len(seen) == 2
    with no_grad():
        assert not f(x).requires_grad
    with autograd.detect_anomaly():
        f(x).backward()
    with autograd.saved_tensors_hooks(lambda a: a, lambda a: a):
        f(x).backward()
    assert len(seen) == 5


def _fresh(x):
    return np.sum(LEAF * (x - x.mean(0)))  # of a plain array: nothing of it is recorded


def _random(x):
    return np.sum(LEAF * x * autograd.generator().random(2))


def _writing(x):
    BUFFER[...] = x[0]
    autograd.as_tensor(BUFFER)[0] = 1.0
    return np.sum(LEAF * x)


def _branching(x):
    return np.sum(LEAF * x) if x[0, 0] > 0 else np.sum(LEAF * x * 2)


def _constant(x):
    return LEAF.detach()


def _counting(x, state=[0]):  # noqa: B006 - the state is meant
    state[0] += 1
    return np.sum(LEAF * x * state[0])


def _number(x):
    return np.sum(LEAF * x * np.float64(2.0))


LEAF = Tensor([1.0, 2.0], requires_grad=True)
BUFFER = np.zeros(2)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (_fresh, "not the same in two calls"),
        (_random, "random numbers"),
        (_writing, "in place"),
        (_branching, "different operations"),
        (_constant, "does not return a tensor that it computed"),
        (_counting, "not the same in two calls"),
        (_number, "NumPy scalar"),
    ],
)
def test_what_cannot_be_replayed_runs_as_written(function, reason):
    compiled = autograd.compile(function)
    rng = np.random.default_rng(0)
    data = [np.abs(rng.random((3, 2))) * (-1) ** i for i in range(4)]
    with pytest.warns(RuntimeWarning, match=reason):
        _ = [compiled(x) for x in data[:2]]
    for x in data[2:]:  # and not another word
        if function is not _counting and function is not _random:
            np.testing.assert_array_equal(compiled(x).data, function(x).data)
    assert compiled.replays == 0


def test_an_argument_without_axes_runs_as_written():
    compiled = autograd.compile(lambda x: LEAF.sum() * x)
    with pytest.warns(RuntimeWarning, match="no axes"):
        assert compiled(np.array(2.0)).item() == 6.0
    assert compiled(np.array(3.0)).item() == 9.0


def test_errors_are_the_functions_own():
    model = perceptron()
    loss_of = autograd.compile(lambda x, y: F.cross_entropy(model(x), y))
    for x, y in batches(3):
        loss_of(x, y)
    for wrong in (-1, 3):
        y[4] = wrong
        with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds"):
            loss_of(x, y)
    y[4] = -100  # to be ignored
    assert loss_of(x, y).item() == F.cross_entropy(model(x), y).item()
    with pytest.raises(nn.module.ShapeError):
        loss_of(np.ones((10, 5), np.float32), y)
    assert loss_of.replays == 1


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "i4", "i8", "u8"])
@pytest.mark.parametrize("classes", [1, 2, 3, 64])
def test_targets_may_be_integers_of_any_type(classes, dtype):
    w = Tensor(np.zeros((9, classes), np.float32), requires_grad=True)
    loss_of = autograd.compile(lambda x, y: F.cross_entropy(x + w, y))
    rng = np.random.default_rng(0)
    for _ in range(5):
        x = rng.standard_normal((9, classes)).astype(np.float32)
        x[0, 1:], x[1], x[2, :] = -np.inf, 1e30, 1e3
        y = rng.integers(classes, size=9).astype(dtype)
        y[0] = 0
        (found,), (expected,) = (
            autograd.grad(loss, w) for loss in (loss_of(x, y), F.cross_entropy(x + w, y))
        )
        np.testing.assert_allclose(found.data, expected.data, rtol=1e-6, atol=1e-9)
        assert loss_of(x, y).item() == pytest.approx(F.cross_entropy(x + w, y).item(), rel=1e-6)
    assert loss_of.replays == 8


def test_a_result_is_gone_back_through_once():
    loss_of = autograd.compile(lambda x: np.sum(np.exp(LEAF * x)))
    for _ in range(3):
        loss = loss_of(np.ones(2))
    autograd.grad(loss, LEAF)
    with pytest.raises(autograd.GraphError, match="already freed"):
        autograd.grad(loss, LEAF)


def test_going_back_twice_computes_what_was_dropped_again():
    loss_of = autograd.compile(lambda x: np.sum(np.tanh(LEAF * x) @ np.exp(LEAF * x)))
    for factor in (1.0, 2.0, 3.0, 4.0):
        x = np.full(2, factor)
        (expected,) = autograd.grad(np.sum(np.tanh(LEAF * x) @ np.exp(LEAF * x)), [LEAF])
        loss = loss_of(x)
        for retain in (True, True, False):
            (slope,) = autograd.grad(loss, [LEAF], retain_graph=retain)
            np.testing.assert_allclose(slope.data, expected.data, rtol=1e-13)
    assert loss_of.replays == 2


def test_settings_are_part_of_the_key():
    compiled = autograd.compile(lambda x, n: np.sum((LEAF * x) ** n))
    for _ in range(3):
        assert compiled(np.ones(2), 2).item() == 5.0
        assert compiled(np.ones(2), 3).item() == 9.0
    assert compiled.replays == 2


def test_another_submodule_and_hooks_are_noticed():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    f = autograd.compile(lambda x: np.sum(model(x)))
    x = np.ones((3, 2), np.float32)
    for _ in range(3):
        f(x)
    assert f.replays == 1
    model[1] = nn.Tanh()
    for _ in range(3):
        assert f(x).item() == model(x).sum().item()
    assert f.replays == 2
    seen = []
    model[0].register_forward_hook(lambda module, args, output: seen.append(1))
    with pytest.warns(RuntimeWarning, match="has hooks"):
        _ = [f(x) for _ in range(3)]
    assert len(seen) == 3
    assert f.replays == 2


def test_a_changed_attribute_elsewhere_does_not_stop_replays():
    model, other = nn.Linear(2, 2), nn.Linear(2, 2)
    f = autograd.compile(lambda x: np.sum(model(x)))
    x = np.ones((3, 2), np.float32)
    for _ in range(5):
        f(x)
        other.eval()
        other.weight.requires_grad = False
    assert f.replays == 3


@pytest.mark.parametrize("waiting", [1, 2, 5])
def test_buffers_are_left_alone_while_a_result_waits(waiting):
    model = perceptron(np.float64)
    loss_of = autograd.compile(lambda x, y: F.cross_entropy(model(x), y))
    for _ in range(4):
        data = list(batches(waiting, dtype=np.float64))
        losses = [loss_of(x, y) for x, y in data]
        model.zero_grad()
        for loss in losses[::-1]:
            loss.backward(retain_graph=True)
            loss.backward()
        found = gradients(model)
        model.zero_grad()
        for x, y in data[::-1]:
            (2 * F.cross_entropy(model(x), y)).backward()
        for a, b in zip(found, gradients(model)):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
    assert loss_of.replays == 4 * waiting - 2
    (program,) = loss_of._known.values()
    assert len(program._idle) == waiting  # so many were needed at once


def test_nobody_else_holds_a_buffer():
    w = Tensor(np.ones((2, 3)), requires_grad=True)
    kept = []

    def f(x):
        return (F.relu(x * w) * 2.0).reshape(-1)  # a view of a product

    compiled = autograd.compile(f)
    handle = w.register_hook(kept.append)
    results = []
    for call in range(5):
        x = Tensor(np.full((2, 3), 1.0 + call), requires_grad=True)
        x.register_hook(kept.append)
        result = compiled(x)
        result.sum().backward()
        results.append(result)
        kept += [x.grad, w.grad]
        w.grad = None
    assert compiled.replays == 3
    handle.remove()
    for call, result in enumerate(results):
        np.testing.assert_array_equal(result.data, 2.0 * (1 + call))
    expected = [value for call in range(5) for value in (2 + 2 * call, 2, 2, 2 + 2 * call)]
    by_value = sorted(float(g.data.flat[0]) for g in kept)
    assert by_value == sorted(map(float, expected))


def test_a_parameter_changed_before_the_way_back_is_noticed():
    model = perceptron()
    loss_of = autograd.compile(lambda x, y: F.cross_entropy(model(x), y))
    for x, y in batches(3):
        loss = loss_of(x, y)
    assert loss_of.replays == 1
    with no_grad():
        model[0].weight += 1.0
    with pytest.raises(autograd.GraphError, match="changed it in place"):
        loss.backward()


def test_a_primitive_of_ones_own_can_be_specialized():
    @autograd.primitive()
    def scaled(x, /, factor=2.0):
        return x * factor

    @scaled.rule
    def _(g, factor):
        return g * factor

    made = []

    @scaled.specialize
    def _(x, factor):
        made.append((x.shape, x.dtype, factor))
        out = np.empty(x.shape, x.dtype)
        rules = {"x": lambda g, factor: np.multiply(g, factor, out=out)}
        return Specialized(lambda x, factor: x * factor, rules, [out])

    w = Tensor([1.0, 2.0], requires_grad=True)
    f = autograd.compile(lambda x: np.sum(scaled(w * x, factor=3.0)))
    for call in range(4):
        w.grad = None
        f(np.array([1.0, call])).backward()
        np.testing.assert_array_equal(w.grad.data, [3.0, 3.0 * call])
    assert made == [((2,), np.dtype(float), 3.0)]


@pytest.mark.parametrize("kept_by", ["grad", "hook", "autograd.grad", "hook and autograd.grad"])
def test_no_gradient_is_a_buffer_of_the_next_replay(kept_by):
    @autograd.primitive()
    def scaled(x, /):
        return x * 3.0

    @scaled.rule
    def _(g):
        return g * 3.0

    @scaled.specialize
    def _(x):
        out = np.empty(x.shape, x.dtype)
        return Specialized(lambda x: x * 3.0, {"x": lambda g: np.multiply(g, 3.0, out=out)}, [out])

    w = Tensor([1.0, 2.0], requires_grad=True)
    kept = []
    if "hook" in kept_by:
        w.register_hook(kept.append)
    f = autograd.compile(lambda x: np.sum(scaled(w) @ x))
    xs = [np.array([1.0, call]) for call in range(5)]
    for x in xs:
        w.grad = None
        if "autograd.grad" in kept_by:
            (gradient,) = autograd.grad(f(x), w)
        else:
            f(x).backward()
            gradient = w.grad
        if "hook" not in kept_by:
            kept.append(gradient)
    assert f.replays == 3
    for x, gradient in zip(xs, kept, strict=True):
        np.testing.assert_array_equal(gradient.data, 3 * x)
