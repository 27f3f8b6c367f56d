"""Modules: registration, walking, state, modes, hooks, copies, messages."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import numpy as np
import pytest

import autograd
import nn
from autograd import Tensor


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter([2.0])
        self.features = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        self.head = nn.Linear(4, 2)
        self.register_buffer("steps", np.zeros(2))
        self.register_buffer("scratch", np.ones(1), persistent=False)

    def forward(self, x):
        return self.head(self.features(x)) * self.scale


NAMES = [
    "scale",
    "features.0.weight",
    "features.0.bias",
    "head.weight",
    "head.bias",
]


def test_parameters_come_in_the_order_of_definition():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [p.size for p in net.parameters()] == [1, 12, 4, 8, 2]
    assert [name for name, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert [name for name, _ in net.named_parameters(prefix="net", recurse=False)] == ["net.scale"]
    assert [name for name, _ in net.named_buffers()] == ["steps", "scratch"]
    assert [name for name, _ in net.named_modules()] == [
        "",
        "features",
        "features.0",
        "features.1",
        "head",
    ]
    assert [name for name, _ in net.named_children()] == ["features", "head"]
    assert list(net.children()) == [net.features, net.head]


def test_tied_parameters_count_once():
    net = Net()
    net.again = net.head
    net.tied = nn.Linear(4, 2)
    net.tied.weight = net.head.weight
    assert [name for name, _ in net.named_parameters()] == [*NAMES, "tied.bias"]
    everything = [name for name, _ in net.named_parameters(remove_duplicate=False)]
    assert {"again.weight", "tied.weight"} < set(everything)
    assert {"again.weight", "tied.weight", "head.weight"} < set(net.state_dict())
    out = net.tied(net.features(np.ones((1, 3)))) + net.head(net.features(np.ones((1, 3))))
    out.sum().backward()
    once = net.head(net.features(np.ones((1, 3)))).sum()
    (single,) = autograd.grad(once, net.head.weight)
    np.testing.assert_allclose(net.head.weight.grad.data, 2 * single.data, rtol=1e-6)
    copied = copy.deepcopy(net)
    assert copied.tied.weight is copied.head.weight
    assert copied.tied.weight is not net.head.weight


def test_attributes_follow_pytorch():
    net = Net()
    with pytest.raises(TypeError, match="Parameter"):
        net.scale = np.ones(1)
    net.scale = None
    assert net.scale is None
    assert "scale" not in dict(net.named_parameters())
    net.steps = Tensor([1.0, 2.0])
    np.testing.assert_array_equal(net.state_dict()["steps"], [1, 2])
    with pytest.raises(TypeError, match="buffer"):
        net.steps = "no"
    with pytest.raises(TypeError, match="submodule"):
        net.head = 3
    del net.head
    with pytest.raises(AttributeError, match="has no attribute 'head'"):
        _ = net.head
    net.features = nn.Parameter([1.0])  # a parameter takes a module's place
    assert "features" in dict(net.named_parameters())
    assert "features" not in dict(net.named_children())
    for name, error in (("a.b", KeyError), ("", KeyError), ("forward", KeyError)):
        with pytest.raises(error):
            net.register_parameter(name, nn.Parameter([1.0]))
        with pytest.raises(error):
            net.register_buffer(name, np.ones(1))
        with pytest.raises(error):
            net.add_module(name, nn.ReLU())
    with pytest.raises(TypeError, match=r"nn\.Module"):
        net.add_module("f", lambda x: x)
    with pytest.raises(TypeError, match="string"):
        net.register_buffer(3, np.ones(1))


def test_a_computed_tensor_is_no_parameter():
    with pytest.raises(TypeError, match=r"nn\.Parameter"):
        nn.Module().register_parameter("w", Tensor([1.0], requires_grad=True) * 2)


def test_forgetting_super_init_says_so():
    class Forgetful(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        Forgetful()


def test_parameter_dtypes():
    assert nn.Parameter([1.0]).dtype == np.float32
    assert nn.Parameter(np.ones(2)).dtype == np.float64
    assert nn.Parameter([1.0]).requires_grad
    assert not nn.Parameter([1.0], requires_grad=False).requires_grad
    assert nn.Linear(2, 2, dtype=np.float64).weight.dtype == np.float64
    data = np.ones(2)
    nn.Parameter(data).data[0] = 5
    assert data[0] == 1


def test_the_default_dtype_can_be_chosen():
    try:
        nn.set_default_dtype(np.float64)
        layer = nn.BatchNorm1d(2)
        assert {p.dtype for p in layer.parameters()} == {np.dtype(np.float64)}
        assert layer.running_mean.dtype == np.float64
    finally:
        nn.set_default_dtype(np.float32)
    with pytest.raises(TypeError, match="floating"):
        nn.set_default_dtype(int)


def test_lookups_by_path():
    net = Net()
    assert net.get_submodule("features.0") is net.features[0]
    assert net.get_submodule("") is net
    assert net.get_parameter("features.0.bias") is net.features[0].bias
    assert net.get_buffer("steps") is net.steps
    for lookup, path in (
        (net.get_submodule, "features.7"),
        (net.get_submodule, "scale"),
        (net.get_parameter, "features.0"),
        (net.get_buffer, "scale"),
    ):
        with pytest.raises(AttributeError, match=path.split(".")[-1]):
            lookup(path)


# ------------------------------------------------------------------------------------------ state


def test_a_state_dict_is_a_copy_and_loads_in_place():
    net = Net()
    state = net.state_dict()
    assert list(state) == [NAMES[0], "steps", *NAMES[1:]]
    arrays = {name: p.data for name, p in net.named_parameters()}
    other = Net()
    other.load_state_dict(state)
    for (_, a), (_, b) in zip(net.named_parameters(), other.named_parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    state["scale"][...] = 99
    assert net.scale.item() == 2
    net.load_state_dict(state)
    assert net.scale.item() == 99
    for name, p in net.named_parameters():
        assert p.data is arrays[name]


@pytest.mark.parametrize("wrap", [np.asarray, Tensor, lambda v: v.astype(np.float64)])
def test_a_state_dict_of_arrays_or_tensors(wrap):
    net = Net()
    net.load_state_dict({k: wrap(v + 1) for k, v in Net().state_dict().items()})
    assert net.scale.item() == 3
    assert net.scale.dtype == np.float32


def test_a_wrong_state_changes_nothing_and_lists_everything():
    net = Net()
    before = net.state_dict()
    bad = Net().state_dict()
    del bad["head.bias"]
    bad["head.extra"] = np.ones(1)
    bad["features.0.weight"] = np.ones((4, 5))
    bad["scale"] = bad["scale"] + 1
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(bad)
    message = str(caught.value)
    assert 'Missing key(s) in state_dict: "head.bias"' in message
    assert 'Unexpected key(s) in state_dict: "head.extra"' in message
    assert "size mismatch for features.0.weight" in message
    assert "(4, 5)" in message
    assert "(4, 3)" in message
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    del bad["features.0.weight"]
    found = net.load_state_dict(bad, strict=False)
    assert found == (["features.0.weight", "head.bias"], ["head.extra"])
    assert net.scale.item() == 3
    with pytest.raises(TypeError, match="mapping"):
        net.load_state_dict([1])
    with pytest.raises(RuntimeError, match="expected an array or tensor, got str"):
        net.load_state_dict({**Net().state_dict(), "scale": "2"})


def test_copies_and_pickles_compute_the_same():
    net = Net().eval()
    x = np.ones((2, 3), np.float32)
    net(x).sum().backward()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(twin(x).data, net(x).data)
        assert not twin.training
        twin.scale.data[...] = 0
        assert net.scale.item() == 2
        assert [name for name, _ in twin.named_parameters()] == NAMES
    assert copy.deepcopy(net).scale.grad is not None


# --------------------------------------------------------------------------------- modes, dtypes


def test_train_eval_and_freezing():
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())
    with pytest.raises(ValueError, match="boolean"):
        net.train(1)
    assert net.requires_grad_(False) is net
    assert not any(p.requires_grad for p in net.parameters())
    assert not net(np.ones((1, 3))).requires_grad


def test_a_submodule_may_refuse_training_mode():
    class Frozen(nn.BatchNorm1d):
        def train(self, mode=True):
            return super().train(False)

    net = nn.Sequential(Frozen(2), nn.Dropout()).train()
    assert [m.training for m in net] == [False, True]


def test_zero_grad():
    net = Net()
    net(np.ones((1, 3))).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(not p.grad.data.any() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_conversions_keep_integers():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    net(np.ones((4, 2))).sum().backward()
    for convert, dtype in (
        (lambda: net.double(), np.float64),
        (lambda: net.float(), np.float32),
        (lambda: net.to("float64"), np.float64),
        (lambda: net.to(dtype=np.float32), np.float32),
        (lambda: net.to(Tensor([1.0])), np.float64),
    ):
        assert convert() is net
        assert {p.dtype for p in net.parameters()} == {np.dtype(dtype)}
        assert net[1].running_var.dtype == dtype
        assert net[1].num_batches_tracked.dtype == np.int64
        assert net[0].weight.grad.dtype == dtype
        assert net(Tensor(np.ones((4, 2)), dtype=dtype)).dtype == dtype
    assert net.to("cpu") is net
    with pytest.raises(RuntimeError, match="cuda"):
        net.to("cuda:0")
    with pytest.raises(TypeError, match="floating"):
        net.to(int)


def test_plain_arrays_take_the_modules_dtype_and_tensors_keep_theirs():
    layer = nn.Linear(2, 1)
    assert layer(np.ones((1, 2))).dtype == np.float32
    assert layer([[1, 2]]).dtype == np.float32
    deep = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(2, 1))
    assert deep(np.ones((1, 2, 1))).dtype == np.float32
    assert deep(Tensor(np.ones((1, 2, 1)))).dtype == np.float64
    assert deep.double()(np.ones((1, 2), np.float32)).dtype == np.float64
    assert nn.Flatten()(np.ones((1, 2))).dtype == np.float64  # it has no dtype of its own
    assert layer(Tensor([[1.0, 2.0]])).dtype == np.float64
    layer(Tensor([[1.0, 2.0]])).sum().backward()
    assert layer.weight.grad.dtype == np.float32


def test_apply_visits_children_first():
    seen = []
    net = Net()
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "ReLU", "Sequential", "Linear", "Net"]


# ------------------------------------------------------------------------------------------ hooks


def test_forward_hooks_may_replace():
    layer = nn.Identity()
    calls = []
    before = layer.register_forward_pre_hook(lambda m, args: args[0] + 1)
    first = layer.register_forward_pre_hook(lambda m, args: calls.append("first"), prepend=True)
    after = layer.register_forward_hook(lambda m, args, out: out * 10)
    assert layer(Tensor(1.0)).item() == 20
    assert calls == ["first"]
    before.remove()
    assert layer(Tensor(1.0)).item() == 10
    after.remove()
    first.remove()
    assert layer(Tensor(1.0)).item() == 1


def test_what_hooks_compute_has_their_line():
    layer = nn.Linear(2, 3)
    plain = layer(Tensor([1.0, 2.0]))
    layer.register_forward_hook(lambda m, args, out: out * 10)
    code = test_what_hooks_compute_has_their_line.__code__
    scaled = layer(Tensor([1.0, 2.0]))
    for y, line in ((plain, 2), (scaled, 3)):
        assert y.node.source == f"{code.co_filename}:{code.co_firstlineno + line}"
    made = scaled.node.edges[0]
    assert made.primitive.name == "linear"
    assert made.source == f"{code.co_filename}:{code.co_firstlineno + 5}"


def test_forward_hooks_see_keywords():
    class Scaled(nn.Module):
        def forward(self, x, by=1.0):
            return x * by

    layer = Scaled()
    layer.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {**kwargs, "by": kwargs["by"] * 2}), with_kwargs=True
    )
    seen = []
    layer.register_forward_hook(
        lambda m, args, kwargs, out: seen.append((kwargs["by"], out.item())), with_kwargs=True
    )
    assert layer(Tensor(1.0), by=3.0).item() == 6
    assert seen == [(6.0, 6.0)]
    with pytest.raises(TypeError, match="callable"):
        layer.register_forward_hook(3)


def test_backward_hooks_see_and_replace_gradients():
    layer = nn.Bilinear(2, 2, 1).double()
    a = Tensor(np.ones((1, 2)), requires_grad=True)
    b = Tensor(np.full((1, 2), 2.0), requires_grad=True)
    (plain_a, plain_b) = autograd.grad(layer(a, b), (a, b))
    seen = []

    def hook(module, grad_input, grad_output):
        seen.append((grad_input, grad_output))
        return tuple(g * 3 for g in grad_input)

    handle = layer.register_full_backward_hook(hook)
    layer(a, b).backward()
    (grad_input, grad_output) = seen[0]
    np.testing.assert_allclose(grad_input[0].data, plain_a.data)
    np.testing.assert_allclose(grad_input[1].data, plain_b.data)
    np.testing.assert_allclose(grad_output[0].data, np.ones((1, 1)))
    np.testing.assert_allclose(a.grad.data, 3 * plain_a.data)
    np.testing.assert_allclose(b.grad.data, 3 * plain_b.data)
    handle.remove()
    pre = layer.register_full_backward_pre_hook(lambda m, g: (g[0] * 5,))
    np.testing.assert_allclose(autograd.grad(layer(a, b), a)[0].data, 5 * plain_a.data)
    pre.remove()


def test_backward_hook_of_a_first_layer():
    layer = nn.Linear(2, 1)
    seen = []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].data.item())))
    layer(np.ones((1, 2))).sum().backward()
    assert seen == [((None,), 1.0)]
    assert layer.weight.grad is not None


def test_backward_hooks_differentiate_twice():
    layer = nn.Tanh()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
    x = Tensor(0.3, requires_grad=True)
    (g,) = autograd.grad(layer(x), x, create_graph=True)
    (h,) = autograd.grad(g, x)
    t = np.tanh(0.3)
    assert h.item() == pytest.approx(-4 * t * (1 - t * t))


# --------------------------------------------------------------------------------------- messages


def test_a_shape_error_names_path_expectation_and_input():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(100, 10), nn.ReLU()
    )
    with pytest.raises(nn.ShapeError) as caught:
        model(np.zeros((2, 1, 8, 8)))
    assert str(caught.value) == (
        "model.3: Linear(100, 10) expects (…, 100), got (2, 144); in_features=144?"
    )
    with pytest.raises(RuntimeError, match=r"model.0: Conv2d\(1, 4, .* got \(2, 3, 8, 8\)"):
        model(np.zeros((2, 3, 8, 8)))
    with pytest.raises(ValueError, match="channels come before"):
        nn.Conv2d(3, 4, 3)(np.zeros((2, 8, 8, 3)))
    with pytest.raises(ValueError, match=r"nn.Flatten\(\)"):
        nn.Linear(12, 1)(np.zeros((5, 3, 4)))
    with pytest.raises(ValueError, match="num_features=3"):
        nn.BatchNorm2d(2)(np.zeros((5, 3, 4, 4)))


def test_a_path_goes_through_nested_modules():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(2, 2))])

        def forward(self, x):
            return self.blocks[0](x)

    with pytest.raises(ValueError, match=r"^model\.blocks\.0\.0: Linear\(2, 2\)"):
        Outer()(np.zeros((1, 3)))


def test_nodes_know_their_module():
    net = Net()
    out = net(np.ones((1, 3)))
    paths = {edge.scope.path for edge in out.node.edges if getattr(edge, "scope", None) is not None}
    assert paths == {"model.head"}
    assert autograd.is_grad_enabled()
    with pytest.raises(NotImplementedError, match="forward"):
        nn.Module()(1)


def test_printed_form_is_nested():
    assert repr(Net()) == (
        "Net(\n"
        "  (features): Sequential(\n"
        "    (0): Linear(in_features=3, out_features=4, bias=True)\n"
        "    (1): ReLU()\n"
        "  )\n"
        "  (head): Linear(in_features=4, out_features=2, bias=True)\n"
        ")"
    )


# ------------------------------------------------------------------------------------- containers


def test_sequential_is_a_list():
    a, b, c = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)
    net = nn.Sequential(a, b)
    assert net.append(c) is net
    assert list(net) == [a, b, c]
    assert net[-1] is c
    assert net[np.int64(0)] is a
    assert list(net[1:]) == [b, c]
    assert type(net[1:]) is nn.Sequential
    net.insert(1, d := nn.Tanh())
    assert list(net) == [a, d, b, c]
    assert [name for name, _ in net.named_children()] == ["0", "1", "2", "3"]
    del net[1]
    assert list(net) == [a, b, c]
    assert net.pop(1) is b
    net.extend([b])
    assert list(net) == [a, c, b]
    net[2] = d
    assert net[2] is d
    assert len(nn.Sequential(a) + nn.Sequential(b)) == 2
    for index in (3, -4):
        with pytest.raises(IndexError, match="out of range"):
            net[index]
    with pytest.raises(TypeError, match=r"nn\.Module"):
        net.append(np.tanh)


def test_sequential_of_names():
    net = nn.Sequential(OrderedDict(first=nn.Linear(2, 3), then=nn.ReLU()))
    assert net.first is net[0]
    assert list(net.state_dict()) == ["first.weight", "first.bias"]
    assert [name for name, _ in net[:1].named_children()] == ["first"]


def test_module_list_and_dict():
    layers = nn.ModuleList(nn.Linear(1, 1) for _ in range(3))
    layers += [nn.ReLU()]
    layers.insert(0, nn.Tanh())
    assert len(layers) == 5
    assert isinstance(layers[0], nn.Tanh)
    assert len(list(layers.parameters())) == 6
    assert type(layers[1:3]) is nn.ModuleList
    with pytest.raises(NotImplementedError):
        layers(1)
    named = nn.ModuleDict({"a": nn.ReLU()})
    named.update([("b", nn.Tanh())])
    named["c"] = nn.Linear(1, 1)
    assert list(named) == ["a", "b", "c"]
    assert "b" in named
    assert isinstance(named.pop("b"), nn.Tanh)
    assert list(named.keys()) == ["a", "c"]
    assert [type(m) for m in named.values()] == [nn.ReLU, nn.Linear]
    with pytest.raises(ValueError, match="pairs"):
        named.update([("x", nn.ReLU(), 1)])
    named.clear()
    assert len(named) == 0


def test_parameter_list_and_dict():
    weights = nn.ParameterList([Tensor([1.0]), nn.Parameter([2.0])])
    weights.append(nn.Parameter([3.0]))
    assert [p.item() for p in weights] == [1, 2, 3]
    assert all(isinstance(p, nn.Parameter) for p in weights)
    assert [name for name, _ in weights.named_parameters()] == ["0", "1", "2"]
    assert len(weights[1:]) == 2
    weights[0] = nn.Parameter([9.0])
    assert weights[0].item() == 9
    named = nn.ParameterDict({"b": nn.Parameter([1.0]), "a": nn.Parameter([2.0])})
    named["c"] = Tensor([3.0])
    assert list(named) == ["b", "a", "c"]
    assert [name for name, _ in named.named_parameters()] == ["b", "a", "c"]
    assert named.pop("a").item() == 2
    assert named.get("a") is None
    with pytest.raises(KeyError):
        named["a"]
    assert len(copy.deepcopy(named)) == 2


def test_channels_last_is_the_same_network():
    conv = nn.Conv2d(3, 4, 3).double()
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 6))
    out = nn.ChannelsLast(conv)(np.moveaxis(x, 1, -1))
    np.testing.assert_allclose(np.moveaxis(out.data, -1, 1), conv(x).data)
    flat = nn.Flatten(order="NHWC")(np.moveaxis(x, 1, -1))
    np.testing.assert_array_equal(flat.data, x.reshape(2, -1))


def test_flatten_orders():
    z = np.array([[["111", "112"], ["121", "122"]], [["211", "212"], ["221", "222"]]])
    codes = z.astype(float)[None]  # one image, rows × columns × channels
    flat = nn.Flatten(order="NHWC")(codes).data[0].astype(int)
    assert list(flat) == [111, 121, 211, 221, 112, 122, 212, 222]
    np.testing.assert_array_equal(nn.Flatten(0, 1, order="F")([[1, 2], [3, 4]]).data, [1, 3, 2, 4])


@pytest.mark.parametrize("hooked", [False, True])
def test_a_call_leaves_no_reference_cycle(hooked):
    net = Net()
    if hooked:
        net.head.register_full_backward_hook(lambda m, gi, go: None)
    gc.collect()
    gc.disable()
    try:
        out = net(np.ones((2, 3))).sum()
        out.backward()
        node = weakref.ref(out.node)
        del out
        assert node() is None
    finally:
        gc.enable()


def test_an_error_in_forward_leaves_the_scope():
    with pytest.raises(nn.ShapeError):
        Net()(np.ones((1, 9)))
    with pytest.raises(nn.ShapeError, match=r"^model: Linear"):
        nn.Linear(2, 2)(np.ones((1, 3)))


def test_attributes_and_registers_say_the_same():
    layer = nn.Linear(2, 3)
    model = nn.Sequential(layer, nn.ReLU())
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        own = copied[0]
        assert own.weight is own._parameters["weight"] is next(copied.parameters())
        assert own.weight is not layer.weight
    new = nn.Parameter(np.zeros((3, 2), np.float32))
    layer.weight = new
    assert layer.weight is layer._parameters["weight"] is new
    layer.bias = None
    assert layer.bias is None
    assert list(layer.parameters()) == [new]
    layer.gain = nn.Buffer([1.0])
    layer.gain = np.array([2.0])
    assert layer.gain is layer._buffers["gain"]
    layer._parameters["extra"] = new  # as some code for PyTorch does
    assert layer.extra is new
    del layer.weight, layer.gain
    assert not hasattr(layer, "weight")
    assert not hasattr(layer, "gain")
    assert "weight" not in dir(layer)


def test_no_attribute_is_left_of_what_is_removed():
    rows = nn.ModuleList([nn.ReLU(), nn.Tanh(), nn.Sigmoid()])
    tanh = rows[1]
    del rows[0]
    assert getattr(rows, "0") is tanh
    assert not hasattr(rows, "2")
    named = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
    named.pop("a")
    assert not hasattr(named, "a")
    named.clear()
    assert not hasattr(named, "b")
    layer = nn.Linear(2, 2)
    nn.utils.parametrize.register_parametrization(layer, "weight", nn.Identity())
    assert "weight" not in vars(layer)
    np.testing.assert_array_equal(layer.weight.data, layer.parametrizations.weight.original.data)
