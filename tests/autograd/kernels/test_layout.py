"""Arrays whose images stand innermost: how they are told, and what kernels make of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import autograd as ag
import nn
import nn.functional as F
from autograd import kernels
from autograd.kernels import _innermost
from autograd.kernels._layout import alike, flat, in_order, innermost, is_innermost, new_like
from autograd.kernels._settings import SETTINGS
from autograd.kernels.formulas import Formula

Array = np.ndarray[Any, Any]
SHAPES = [(5, 3, 4), (70, 2, 4, 6), (64, 3, 20, 20), (9, 2, 3, 4, 5)]


@pytest.fixture(autouse=True)
def numpy_only() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "may_compile", False)
        yield


def drawn(*shape: int, dtype: Any = np.float64, seed: int = 0) -> tuple[Array, Array]:
    """The same numbers twice: images one after the other, and innermost."""
    x = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    y = innermost(shape, dtype)
    y[...] = x
    return x, y


@pytest.mark.parametrize("shape", SHAPES)
def test_both_layouts_hold_the_same(shape: tuple[int, ...]) -> None:
    x, y = drawn(*shape)
    assert y.shape == shape
    assert y.flags.owndata
    assert is_innermost(y)
    assert not is_innermost(x)
    assert not is_innermost(y[::2])
    assert alike(x, x) is x
    assert alike(y, y) is y
    assert in_order(x) is x
    for copy in (alike(x, y), in_order(y)):
        assert copy.flags.c_contiguous
        assert_array_equal(copy, x)
    assert is_innermost(alike(y, x))
    assert_array_equal(alike(y, x), x)
    assert new_like(x, (4, 3, 2), np.int8).flags.c_contiguous
    assert is_innermost(new_like(y, (4, 3, 2), np.int8))
    assert new_like(y, (4, 3, 2), np.int8).dtype == np.int8


def test_one_image_is_in_order() -> None:
    assert not is_innermost(innermost((1, 2, 3), float))
    assert not is_innermost(np.ones(3))
    assert not is_innermost(np.asfortranarray(np.ones((3, 2))))


def test_flat_views() -> None:
    x, y = drawn(4, 3, 2)
    lines = flat(y, y.copy(order="K"))
    assert lines is not None
    assert np.shares_memory(lines[0], y)
    assert_array_equal(lines[0], lines[1])
    assert flat(x, y) is None
    assert flat(y, x) is None


def test_a_view_of_memory() -> None:
    memory = np.empty((2, 3, 4))
    view = innermost((2, 3, 4), float, memory)
    view[...] = 7
    assert is_innermost(view)
    assert_array_equal(memory, 7)


MAX = [
    ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), False),
    ((3, 2), (2, 2), ((1, 1), (0, 1)), (1, 1), True),
    ((2, 3), (3, 3), ((0, 0), (0, 0)), (1, 1), False),
    ((2, 2), (3, 4), ((0, 0), (0, 0)), (2, 3), False),
]


@pytest.mark.parametrize("bad", [0.0, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("window", MAX)
def test_max_pooling(window: Any, bad: float) -> None:
    x, y = drawn(9, 3, 8, 8)
    for a in (x, y):
        a[:, :, :4] = np.round(a[:, :, :4])  # equal ones
        a[2, 1, 3, 3] = bad
    largest, _ = kernels.max_pool(x, *window, False)
    found, places = kernels.max_pool(y, *window)
    assert is_innermost(found)
    assert_array_equal(found, largest)
    assert_array_equal(places, kernels.max_pool(x, *window)[1])
    g, h = drawn(*largest.shape, seed=1)
    expected = kernels.max_pool_grad(g, x, largest, *window)
    for cotangent, maxima in ((h, found), (g, largest)):
        gx = kernels.max_pool_grad(cotangent, y, maxima, *window)
        assert_array_equal(gx, expected)
    assert_array_equal(kernels.max_gather(y, places), kernels.max_gather(x, places))
    assert_array_equal(kernels.max_unpool(h, places, (8, 8)), kernels.max_unpool(g, places, (8, 8)))


@pytest.mark.parametrize("options", [(False, True, None), (True, False, None), (True, True, 5)])
def test_average_pooling(options: Any) -> None:
    window = ((3, 2), (2, 2), ((1, 1), (0, 1)))
    x, y = drawn(9, 3, 8, 8)
    mean, found = (kernels.avg_pool(a, *window, *options) for a in (x, y))
    assert is_innermost(found)
    assert_array_equal(found, mean)
    g, h = drawn(*mean.shape)
    expected, gx = (kernels.avg_pool_input_grad(a, (8, 8), *window, *options) for a in (g, h))
    assert is_innermost(gx)
    assert_array_equal(gx, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_activations(shape: tuple[int, ...]) -> None:
    (x, y), (g, h) = drawn(*shape, dtype=np.float32), drawn(*shape, dtype=np.float32, seed=1)
    pairs = [
        (kernels.relu(x), kernels.relu(y)),
        (kernels.leaky_relu(x, 0.1), kernels.leaky_relu(y, 0.1)),
        (kernels.activation(x, "sigmoid"), kernels.activation(y, "sigmoid")),
    ]
    for expected, found in pairs:
        assert is_innermost(found)
        assert_array_equal(found, expected)
    for a, b in ((h, y), (g, y), (h, x)):
        found = kernels.relu_grad(a, b)
        assert is_innermost(found)
        assert_array_equal(found, kernels.relu_grad(g, x))
        found = kernels.activation_grad(a, b, "softplus", 1.0, 20.0)
        assert_array_equal(found, kernels.activation_grad(g, x, "softplus", 1.0, 20.0))
    several = kernels.activation_grad(np.stack([h, h]), y, "sigmoid")
    assert_array_equal(several[0], kernels.activation_grad(g, x, "sigmoid"))


@pytest.mark.parametrize("shape", SHAPES)
def test_statistics_of_channels(shape: tuple[int, ...]) -> None:
    (x, y), (g, h) = drawn(*shape, dtype=np.float32), drawn(*shape, dtype=np.float32, seed=1)
    a, b, c, d = np.random.default_rng(2).standard_normal((4, shape[1])).astype(np.float32)
    groups = kernels.group_norm(x, a, b, 1, 1e-5)
    for turned, cotangent in ((y, h), (y, g), (x, h)):
        for found, expected in (
            (kernels.channel_moments(turned), kernels.channel_moments(x)),
            ([kernels.channel_sums(turned)], [kernels.channel_sums(x)]),
            ([kernels.channel_scale(turned, a, b, c)], [kernels.channel_scale(x, a, b, c)]),
            (kernels.channel_dots(cotangent, turned, a), kernels.channel_dots(g, x, a)),
            (
                [kernels.channel_combine(cotangent, turned, a, b, c, d)],
                [kernels.channel_combine(g, x, a, b, c, d)],
            ),
            (kernels.group_norm(turned, a, b, 1, 1e-5), groups),
            (
                kernels.group_norm_grad(cotangent, turned, a, *groups[1:]),
                kernels.group_norm_grad(g, x, a, *groups[1:]),
            ),
        ):
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-4)
    assert is_innermost(kernels.channel_scale(y, a, b, c))
    assert is_innermost(kernels.channel_combine(g, y, a, b, c, d))


def test_sums_of_long_channels_are_as_accurate() -> None:
    _, y = drawn(512, 2, 40, 40, dtype=np.float32)
    y += 100
    wide = y.astype(np.float64)
    np.testing.assert_allclose(kernels.channel_sums(y), wide.sum((0, 2, 3)), rtol=3e-7)
    mean, variance = kernels.channel_moments(y)
    np.testing.assert_allclose(mean, wide.mean((0, 2, 3)), rtol=4e-7)
    np.testing.assert_allclose(variance, wide.var((0, 2, 3)), rtol=1e-6)


@pytest.mark.parametrize("shape", [(4, 2, 3), (64, 3, 20, 20)])
def test_loops(shape: tuple[int, ...]) -> None:
    formula = Formula()
    x, y = (formula.input(name, shape, np.dtype(float)) for name in "xy")
    loop = kernels.Loop(formula, [np.maximum(x * y + 1, 0), x], shape)
    (a, b), (c, d) = drawn(*shape), drawn(*shape, seed=1)
    expected = np.maximum(a * c + 1, 0)
    for given in ((b, d), (b, c), (a, d), (a, c), (b, d)):
        found, same = loop.call(*given)
        assert_array_equal(found, expected)
        assert_array_equal(same, a)
        if a.size > 1 << 15:
            assert is_innermost(found) == (b is given[0] or d is given[1])


def lenet(*normalisation: nn.Module) -> nn.Sequential:
    layers = [nn.Conv2d(1, 6, 5, padding=2), *normalisation, nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(400, 10))


def steps(network: nn.Sequential, compiled: bool) -> list[Array]:
    """Losses, and at last gradients, of some steps of training."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 1, 28, 28)).astype(np.float32), rng.integers(0, 10, 64)

    def loss(x: Any, y: Any) -> Any:
        return F.cross_entropy(network(x), y)

    function, found = ag.compile(loss) if compiled else loss, []
    for _ in range(4):
        network.zero_grad()
        value = function(ag.tensor(x), ag.tensor(y))
        value.backward()
        found.append(value.numpy())
        for p in network.parameters():
            assert p.grad is not None
            assert p.grad.numpy().flags.c_contiguous
            p.data[...] -= 0.1 * p.grad.data
    return [*found, *(p.grad.numpy() for p in network.parameters() if p.grad is not None)]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_network_learns_the_same(compiled: bool) -> None:
    ag.manual_seed(0)
    # The statistics that batch normalisation keeps are written in place: no replay does that.
    network = lenet() if compiled else lenet(nn.BatchNorm2d(6))
    state = {name: value.copy() for name, value in network.state_dict().items()}
    found = steps(network, compiled)
    network.load_state_dict(state)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_innermost, "pays", lambda *_: False)
        expected = steps(network, compiled)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)


def test_rows_of_a_small_convolution_are_a_view() -> None:
    """As its docstring tells. All numbers in a row of their own are a copy."""
    x, w = ag.tensor(np.ones((8, 1, 6, 6))), np.ones((2, 1, 3, 3))
    y = F.conv2d(x, w)
    assert is_innermost(y.numpy())
    for shape, shared in (((8, -1), True), ((-1,), False)):
        y = F.conv2d(x, w)
        rows = y.reshape(shape)
        rows += 1
        assert np.shares_memory(rows.numpy(), y.numpy()) == shared
        assert_array_equal(rows.numpy(), np.full(rows.shape, 10.0))
        assert_array_equal(y.numpy(), np.full(y.shape, 10.0 if shared else 9.0))


def test_images_stay_innermost_from_layer_to_layer() -> None:
    x = ag.tensor(np.random.default_rng(0).standard_normal((64, 1, 28, 28)).astype(np.float32))
    for layer in list(lenet(nn.BatchNorm2d(6)))[:7]:
        x = layer(x)
        assert is_innermost(x.numpy()), layer
