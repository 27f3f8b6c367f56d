"""Clipping, vectors of parameters, parametrisations, pruning, fusion, lazy layers."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import autograd
import nn
from autograd import Tensor
from nn.utils import parametrizations, parametrize, prune


def with_gradients():
    a, b = nn.Parameter(np.zeros(2)), nn.Parameter(np.zeros((1, 2)))
    a.grad, b.grad = Tensor([3.0, 0.0]), Tensor([[0.0, -4.0]])
    return [a, b, nn.Parameter(np.zeros(1))]


@pytest.mark.parametrize(("p", "norm"), [(2.0, 5.0), (1.0, 7.0), (math.inf, 4.0)])
def test_clip_by_norm(p, norm):
    parameters = with_gradients()
    assert nn.utils.clip_grad_norm_(parameters, 1.0, p).item() == pytest.approx(norm)
    np.testing.assert_allclose(parameters[0].grad.data, [3 / norm, 0], rtol=1e-5)
    np.testing.assert_allclose(parameters[1].grad.data, [[0, -4 / norm]], rtol=1e-5)
    kept = parameters[0].grad.data.copy()
    nn.utils.clip_grad_norm_(iter(parameters), 100.0, p)
    np.testing.assert_array_equal(parameters[0].grad.data, kept)


def test_clip_rejects_what_is_not_finite():
    parameters = with_gradients()
    parameters[0].grad.data[0] = np.nan
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)
    assert nn.utils.clip_grad_norm_(nn.Parameter([1.0]), 1.0).item() == 0


def test_clip_by_value():
    parameters = with_gradients()
    nn.utils.clip_grad_value_(parameters, 2.5)
    np.testing.assert_array_equal(parameters[0].grad.data, [2.5, 0])
    np.testing.assert_array_equal(parameters[1].grad.data, [[0, -2.5]])


def test_one_vector_of_all_parameters():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)).double()
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (13,)
    vector.sum().backward()
    assert (net[0].weight.grad.data == 1).all()
    arrays = [p.data for p in net.parameters()]
    nn.utils.vector_to_parameters(np.arange(13.0), net.parameters())
    np.testing.assert_array_equal(net[0].weight.data, [[0, 1], [2, 3], [4, 5]])
    assert net[1].bias.item() == 12
    assert all(p.data is a for p, a in zip(net.parameters(), arrays, strict=True))
    with pytest.raises(ValueError, match="13 numbers"):
        nn.utils.vector_to_parameters(np.arange(12.0), net.parameters())


# ------------------------------------------------------------------------------ parametrisations


def test_weight_norm_by_the_numbers():
    layer = nn.Linear(3, 1, bias=False).double()
    layer.weight.data[...] = [[1.0, 2.0, 2.0]]
    parametrizations.weight_norm(layer)
    g, v = layer.parametrizations.weight.originals()
    assert g.data.item() == pytest.approx(3)
    np.testing.assert_allclose(layer.weight.data, [[1, 2, 2]])
    g.data[...] = 6
    np.testing.assert_allclose(layer.weight.data, [[2, 4, 4]])
    (layer.weight * np.array([1.0, -1.0, 0.5])).sum().backward()
    assert g.grad.data.item() == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(v.grad.data, [[2, -2, 1]])


def test_weight_norm_keeps_the_function_and_learns_length_and_direction():
    nn.manual_seed(0)
    conv = nn.Conv2d(2, 3, 3).double()
    x = np.random.default_rng(0).standard_normal((1, 2, 5, 5))
    before = conv(x).data
    parametrizations.weight_norm(conv)
    np.testing.assert_allclose(conv(x).data, before)
    names = [name for name, _ in conv.named_parameters()]
    assert names == [
        "bias",
        "parametrizations.weight.original0",
        "parametrizations.weight.original1",
    ]
    assert conv.parametrizations.weight.original0.shape == (3, 1, 1, 1)
    np.testing.assert_allclose(copy.deepcopy(conv)(x).data, before)
    conv.weight = np.ones((3, 2, 3, 3))
    np.testing.assert_allclose(conv.weight.data, 1)
    parametrize.remove_parametrizations(conv, "weight")
    assert [name for name, _ in conv.named_parameters()] == ["bias", "weight"]
    np.testing.assert_allclose(conv.weight.data, 1)


@pytest.mark.parametrize(
    "make",
    [lambda: nn.Linear(5, 4), lambda: nn.Conv2d(2, 3, 3), lambda: nn.ConvTranspose2d(2, 3, 2)],
)
def test_spectral_norm_has_singular_value_one(make):
    nn.manual_seed(0)
    layer = parametrizations.spectral_norm(make().double())
    for _ in range(200):
        weight = layer.weight
    axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    matrix = np.moveaxis(weight.data, axis, 0).reshape(weight.shape[axis], -1)
    assert np.linalg.norm(matrix, 2) == pytest.approx(1, abs=1e-6)
    layer.eval()
    before = layer.parametrizations.weight[0]._u.data.copy()
    np.testing.assert_array_equal(layer.weight.data, layer.weight.data)
    np.testing.assert_array_equal(layer.parametrizations.weight[0]._u.data, before)
    layer.weight.sum().backward()
    assert layer.parametrizations.weight.original.grad is not None


def test_parametrisations_against_torch():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((4, 5))
    for ours, theirs in (
        (parametrizations.weight_norm, torch.nn.utils.parametrizations.weight_norm),
        (parametrizations.spectral_norm, torch.nn.utils.parametrizations.spectral_norm),
    ):
        a = ours(nn.Linear(5, 3).double())
        b = theirs(torch.nn.Linear(5, 3).double())
        a.load_state_dict(b.state_dict())
        assert list(a.state_dict()) == list(b.state_dict())
        for _ in range(2):
            y, z = a(x), b(torch.from_numpy(x))
            np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=1e-10)
        y.sum().backward()
        z.sum().backward()
        for p, q in zip(a.parameters(), b.parameters(), strict=True):
            np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=1e-9, atol=1e-12)


class Doubled(nn.Module):
    def forward(self, x):
        return x * 2


def test_parametrisations_stack_up_and_say_what_is_wrong():
    layer = nn.Linear(2, 2).double()
    start = layer.weight.data.copy()
    parametrize.register_parametrization(layer, "weight", Doubled())
    parametrize.register_parametrization(layer, "weight", Doubled())
    np.testing.assert_allclose(layer.weight.data, 4 * start)
    assert parametrize.is_parametrized(layer)
    assert not parametrize.is_parametrized(layer, "bias")
    with pytest.raises(RuntimeError, match="right_inverse"):
        layer.weight = start
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    np.testing.assert_allclose(layer.weight.data, start)
    with pytest.raises(ValueError, match="parameter"):
        parametrize.register_parametrization(layer, "nothing", Doubled())
    with pytest.raises(ValueError, match="parametrization"):
        parametrize.remove_parametrizations(layer, "weight")

    class Flat(nn.Module):
        def forward(self, x):
            return x.reshape(-1)

    with pytest.raises(ValueError, match="unsafe"):
        parametrize.register_parametrization(layer, "weight", Flat())


def test_noise_on_weights_is_there_in_training_only():
    nn.manual_seed(0)
    layer = parametrizations.weight_noise(nn.Linear(100, 100).double(), std=0.5)
    clean = layer.parametrizations.weight.original.data
    difference = layer.weight.data - clean
    assert difference.std() == pytest.approx(0.5, rel=0.03)
    assert (layer.weight.data - clean != difference).any()
    np.testing.assert_array_equal(layer.eval().weight.data, clean)


# ---------------------------------------------------------------------------------------- pruning


def test_pruned_weights_stay_zero_through_training():
    nn.manual_seed(0)
    layer = nn.Linear(4, 3).double()
    original = layer.weight.data.copy()
    prune.l1_unstructured(layer, "weight", 0.5)
    gone = layer.weight.data == 0
    assert gone.sum() == 6
    assert np.abs(original[gone]).max() <= np.abs(original[~gone]).min()
    for _ in range(3):
        layer(np.ones((2, 4))).sum().backward()
        for p in layer.parameters():
            p.data -= 0.1 * p.grad.data
    assert (layer.weight.data[gone] == 0).all()
    assert (layer.weight.data[~gone] != original[~gone]).all()
    twin = copy.deepcopy(layer)
    np.testing.assert_array_equal(twin.weight.data, layer.weight.data)
    prune.l1_unstructured(layer, "weight", 2)  # two more of those that stand
    assert (layer.weight.data == 0).sum() == 8
    assert prune.is_pruned(layer)
    prune.remove(layer, "weight")
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    assert (layer.weight.data == 0).sum() == 8
    with pytest.raises(ValueError, match="pruned before"):
        prune.remove(layer, "weight")


def test_structured_and_global_pruning():
    nn.manual_seed(0)
    layer = nn.Linear(4, 6).double()
    layer.weight.data[2] = 0.001
    layer.weight.data[5] = 0.002
    prune.ln_structured(layer, "weight", 2, 2, 0)
    assert list(np.flatnonzero((layer.weight.data == 0).all(axis=1))) == [2, 5]
    prune.random_structured(layer, "weight", 1, 1)
    assert (layer.weight.data == 0).all(axis=0).sum() == 1
    a, b = nn.Linear(2, 2).double(), nn.Linear(2, 2).double()
    a.weight.data[...] = 0.01
    b.weight.data[...] = 1
    prune.global_unstructured([(a, "weight"), (b, "weight")], amount=0.5)
    assert not a.weight.data.any()
    assert b.weight.data.all()
    prune.random_unstructured(b, "weight", 3)
    assert (b.weight.data == 0).sum() == 3
    for amount in (-1, 1.5, 9):
        with pytest.raises(ValueError, match="amount"):
            prune.l1_unstructured(nn.Linear(2, 2), "weight", amount)
    with pytest.raises(ValueError, match="mask"):
        prune.custom_from_mask(nn.Linear(2, 2), "weight", np.ones(3))
    assert prune.identity(nn.Linear(2, 2), "weight").weight.data.all()


# ----------------------------------------------------------------------------------------- fusion


@pytest.mark.parametrize("bias", [True, False])
def test_fusion_keeps_the_function(bias):
    nn.manual_seed(0)
    rng = np.random.default_rng(0)

    def seasoned(norm):
        for array in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
            array.data[...] = rng.uniform(0.5, 2, array.shape)
        return norm.double().eval()

    x = rng.standard_normal((2, 2, 5, 5))
    conv, norm = nn.Conv2d(2, 3, 3, bias=bias).double().eval(), seasoned(nn.BatchNorm2d(3))
    fused = nn.utils.fuse_conv_bn_eval(conv, norm)
    np.testing.assert_allclose(fused(x).data, norm(conv(x)).data)
    up = nn.ConvTranspose2d(2, 3, 3, bias=bias).double().eval()
    fused = nn.utils.fuse_conv_bn_eval(up, norm, transpose=True)
    np.testing.assert_allclose(fused(x).data, norm(up(x)).data)
    linear, norm = nn.Linear(4, 3, bias=bias).double().eval(), seasoned(nn.BatchNorm1d(3))
    fused = nn.utils.fuse_linear_bn_eval(linear, norm)
    np.testing.assert_allclose(fused(np.ones((2, 4))).data, norm(linear(np.ones((2, 4)))).data)
    with pytest.raises(ValueError, match="eval"):
        nn.utils.fuse_linear_bn_eval(linear.train(), norm)


# ------------------------------------------------------------------------------------ lazy layers


@pytest.mark.parametrize(
    ("lazy", "eager", "shape"),
    [
        (lambda: nn.LazyLinear(3), nn.Linear, (2, 5)),
        (lambda: nn.LazyConv1d(4, 3, groups=2), nn.Conv1d, (2, 4, 7)),
        (lambda: nn.LazyConv2d(4, 3), nn.Conv2d, (2, 3, 7, 7)),
        (lambda: nn.LazyConv3d(4, 2, bias=False), nn.Conv3d, (2, 3, 4, 4, 4)),
        (lambda: nn.LazyConvTranspose1d(4, 2), nn.ConvTranspose1d, (2, 3, 7)),
        (lambda: nn.LazyConvTranspose2d(4, 2), nn.ConvTranspose2d, (2, 3, 7, 7)),
        (lambda: nn.LazyConvTranspose3d(4, 2), nn.ConvTranspose3d, (2, 3, 4, 4, 4)),
        (lambda: nn.LazyBatchNorm1d(), nn.BatchNorm1d, (4, 3)),
        (lambda: nn.LazyBatchNorm2d(), nn.BatchNorm2d, (2, 3, 4, 4)),
        (lambda: nn.LazyBatchNorm3d(affine=False), nn.BatchNorm3d, (2, 3, 4, 4, 2)),
        (lambda: nn.LazyInstanceNorm2d(affine=True), nn.InstanceNorm2d, (2, 3, 4, 4)),
    ],
)
def test_lazy_layers_become_eager(lazy, eager, shape):
    layer = lazy()
    parameters = list(layer.parameters())
    assert layer.has_uninitialized_params()
    x = np.random.default_rng(0).standard_normal(shape)
    out = layer(x)
    assert type(layer) is eager
    assert list(layer.parameters()) == parameters  # an optimizer made before still holds them
    assert all(type(p) is nn.Parameter for p in parameters)
    assert out.requires_grad == bool(parameters)
    loaded = lazy()
    loaded.load_state_dict(layer.state_dict())
    assert type(loaded) is eager
    np.testing.assert_array_equal(loaded.eval()(x).data, layer.eval()(x).data)


def test_an_unsettled_parameter_says_so():
    layer = nn.LazyLinear(2)
    with pytest.raises(RuntimeError, match="first batch"):
        _ = layer.weight.shape
    with pytest.raises(RuntimeError, match="first batch"):
        layer.state_dict()
    assert autograd.is_grad_enabled()


def test_a_recurrent_layer_can_be_parametrised_and_pruned():
    nn.manual_seed(0)
    layer = nn.LSTM(2, 3).double()
    x = np.ones((4, 1, 2))
    before = layer(x)[0].data
    parametrizations.weight_norm(layer, "weight_hh_l0")
    np.testing.assert_allclose(layer(x)[0].data, before)
    layer(x)[0].sum().backward()
    assert layer.parametrizations.weight_hh_l0.original0.grad is not None
    prune.l1_unstructured(layer, "weight_ih_l0", 1.0)
    np.testing.assert_allclose(layer(x)[0].data, layer(5 * x)[0].data)


def test_buffers_are_registered_by_assignment():
    module = nn.Module()
    module.seen = nn.Buffer(np.zeros(2))
    module.scratch = nn.Buffer([1.0], persistent=False)
    assert list(module.state_dict()) == ["seen"]
    assert [name for name, _ in module.named_buffers()] == ["seen", "scratch"]
    assert module.scratch.dtype == np.float32
    assert not list(module.parameters())
    assert list(copy.deepcopy(module).state_dict()) == ["seen"]
