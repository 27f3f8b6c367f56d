"""The base class: groups, state, saving and resuming, hooks, and what is refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import optim
from autograd import GraphError, Tensor
from autograd.extend import note_write


def leaf(*shape, seed=0, dtype=np.float64):
    return Tensor(
        np.random.default_rng(seed).standard_normal(shape).astype(dtype), requires_grad=True
    )


def step(optimizer, parameters, t=0):
    for p in parameters:
        p.grad = Tensor(np.cos(3 * p.data + t).astype(p.dtype))
    optimizer.step()


def test_the_update_is_in_place_and_keeps_the_dtype():
    p = leaf(3, 2, dtype=np.float32)
    array = p.data
    before = array.copy()
    step(optim.Adam([p], lr=0.5), [p])
    assert p.data is array
    assert array.dtype == np.float32
    assert (array != before).all()


def test_small_parameters_keep_their_own_arrays():
    """Updating them together must not move them: views that users hold stay views."""
    parameters = [leaf(3, 2), leaf(2), leaf()]
    arrays = [p.data for p in parameters]
    optimizer = optim.Adam(parameters, lr=0.5)
    for t in range(3):
        step(optimizer, parameters, t)
        assert all(p.data is array for p, array in zip(parameters, arrays))


def test_together_or_alone_is_the_same_bit_for_bit():
    sizes = [(3, 2), (2,), (), (40, 3)]
    together = [leaf(*size, seed=i) for i, size in enumerate(sizes)]
    alone = [leaf(*size, seed=i) for i, size in enumerate(sizes)]
    shared = optim.Adam(together, lr=0.1, weight_decay=0.1)
    single = [optim.Adam([p], lr=0.1, weight_decay=0.1) for p in alone]
    for t in range(6):
        step(shared, together, t)
        for optimizer, p in zip(single, alone):
            step(optimizer, [p], t)
    for p, q in zip(together, alone):
        assert np.array_equal(p.data, q.data)


def test_a_parameter_may_miss_a_step():
    parameters, alone = [leaf(2, seed=i) for i in range(3)], [leaf(2, seed=i) for i in range(3)]
    optimizer = optim.Adam(parameters, lr=0.1)
    single = [optim.Adam([p], lr=0.1) for p in alone]
    for t in range(6):
        for i in range(3):
            missing = t == 3 and i == 1
            for p, own in ((parameters[i], None), (alone[i], single[i])):
                p.grad = None if missing else Tensor(np.cos(3 * p.data + t))
                if own is not None:
                    own.step()
        optimizer.step()
    assert [optimizer.state[p]["step"] for p in parameters] == [6, 5, 6]
    for p, q in zip(parameters, alone):
        assert np.array_equal(p.data, q.data)


def test_replaced_data_and_state_are_noticed():
    parameters = [leaf(2, seed=1), leaf(3, seed=2)]
    optimizer = optim.SGD(parameters, lr=0.1, momentum=0.9)
    for t in range(3):
        step(optimizer, parameters, t)
    parameters[0].data = np.zeros(2)
    optimizer.state[parameters[1]]["momentum_buffer"] = np.zeros(3)
    before = parameters[1].data.copy()
    for p in parameters:
        p.grad = Tensor(np.ones(p.shape))
    m = optimizer.state[parameters[0]]["momentum_buffer"].copy()
    optimizer.step()
    np.testing.assert_allclose(parameters[0].data, -0.1 * (0.9 * m + 1))
    np.testing.assert_allclose(parameters[1].data, before - 0.1)


def test_options_of_groups():
    a, b = leaf(2), leaf(2)
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    optimizer.add_param_group({"params": (c := leaf(2)), "momentum": 0.9})
    assert optimizer.param_groups[2]["params"] == [c]
    before = [p.data.copy() for p in (a, b, c)]
    for p in (a, b, c):
        p.grad = Tensor(np.ones(2))
    optimizer.step()
    for p, old, rate in zip((a, b, c), before, (0.1, 0.5, 0.1)):
        np.testing.assert_allclose(p.data, old - rate)


def test_a_changed_option_holds_from_the_next_step():
    p = leaf(2)
    optimizer = optim.SGD([p], lr=0.1)
    optimizer.param_groups[0]["lr"] = 1.0
    before = p.data.copy()
    p.grad = Tensor(np.ones(2))
    optimizer.step()
    np.testing.assert_allclose(p.data, before - 1)


def test_parameters_with_names():
    a, b = leaf(2), leaf(2)
    optimizer = optim.SGD([("a", a), ("b", b)], lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["a", "b"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["a", "b"]


def test_zero_grad():
    p = leaf(2)
    optimizer = optim.SGD([p], lr=0.1)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is None
    p.grad = Tensor([1.0, 2.0])
    held = p.grad.data
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.data is held
    assert not held.any()
    optimizer.zero_grad()
    assert p.grad is None


def test_a_closure_is_recorded_even_under_no_grad():
    from autograd import no_grad

    p = leaf(2)
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with no_grad():
        loss = optimizer.step(closure)
    assert loss.item() > (p.data**2).sum()
    assert optim.SGD([p], lr=0.1).step() is None


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        lambda p: optim.Adam(p, lr=0.1, amsgrad=True),
    ],
)
def test_resuming_goes_on_bit_for_bit(make):
    parameters = [leaf(3, seed=1), leaf(2, 2, seed=2)]
    optimizer = make(parameters)
    for t in range(4):
        step(optimizer, parameters, t)
    saved = pickle.loads(pickle.dumps(optimizer.state_dict()))
    others = [Tensor(p.data, requires_grad=True) for p in parameters]
    resumed = make(others)
    resumed.load_state_dict(saved)
    for t in range(4, 9):
        step(optimizer, parameters, t)
        step(resumed, others, t)
    for p, q in zip(parameters, others):
        assert np.array_equal(p.data, q.data)


QUARTERS = {"exp_avg": 1, "exp_avg_sq": 2, "max_exp_avg_sq": 3, "momentum_buffer": 2}


def quarters(p, state):
    """How far from the parameter's the large arrays of a state begin, in quarters of a page."""
    start = p.data.ctypes.data // 64 * 64  # where its cache line begins
    return {key: (a.ctypes.data - start) % 4096 / 1024 for key, a in state.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "make",
    [
        lambda ps: optim.Adam(ps, amsgrad=True),
        optim.AdamW,
        lambda ps: optim.SGD(ps, 0.1, momentum=0.9),
    ],
)
def test_large_states_stand_apart_from_their_parameter(make, dtype):
    p = leaf(257, 101, dtype=dtype)
    optimizer = make([p])
    step(optimizer, [p])
    state = {key: a for key, a in optimizer.state[p].items() if isinstance(a, np.ndarray)}
    assert quarters(p, state) == {key: QUARTERS[key] for key in state}
    assert all(a.shape == p.shape and a.dtype == dtype and a.flags.carray for a in state.values())
    other = make([p])
    other.load_state_dict(optimizer.state_dict())
    loaded = {key: other.state[p][key] for key in state}
    for key, array in loaded.items():
        np.testing.assert_array_equal(array, state[key])
        assert not np.shares_memory(array, state[key])
    if "exp_avg" in loaded:  # Adam's are made before the first step
        assert quarters(p, loaded) == quarters(p, state)


def test_states_that_need_not_stand_apart():
    small, turned = leaf(64, 100), Tensor(np.ones((400, 300), order="F"), requires_grad=True)
    optimizer = optim.Adam([small, turned])
    step(optimizer, [small, turned])
    for p in (small, turned):
        first, second = (optimizer.state[p][key] for key in ("exp_avg", "exp_avg_sq"))
        assert first.base is None
        assert second.base is None
        np.testing.assert_allclose(first, 0.1 * p.grad.data)
        np.testing.assert_allclose(second, 0.001 * p.grad.data**2)


def test_a_saved_state_does_not_change_afterwards():
    p = leaf(3)
    optimizer = optim.Adam([p], lr=0.1)
    step(optimizer, [p])
    saved = optimizer.state_dict()
    first = saved["state"][0]["exp_avg"].copy()
    step(optimizer, [p], 1)
    assert np.array_equal(saved["state"][0]["exp_avg"], first)
    assert saved["state"][0]["step"] == 1


def test_the_layout_is_pytorchs():
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).standard_normal(4)
    p, q = Tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    ours, theirs = optim.Adam([p], lr=0.1), torch.optim.Adam([q], lr=0.1)
    for t in range(3):
        q.grad = torch.tensor(np.cos(3 * q.detach().numpy() + t))
        theirs.step()
    p.data[:] = q.detach().numpy()
    ours.load_state_dict(theirs.state_dict())
    assert ours.state_dict()["state"].keys() == theirs.state_dict()["state"].keys()
    assert ours.state_dict()["state"][0].keys() == theirs.state_dict()["state"][0].keys()
    assert "fused" not in ours.param_groups[0]
    for t in range(3, 6):
        step(ours, [p], t)
        q.grad = torch.tensor(np.cos(3 * q.detach().numpy() + t))
        theirs.step()
    np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-13)


def test_loading_another_structure_is_refused():
    saved = optim.SGD([leaf(1), leaf(1)]).state_dict()
    with pytest.raises(ValueError, match="has 1 parameter groups, this optimizer has 2"):
        optim.SGD([{"params": leaf(1)}, {"params": leaf(1)}]).load_state_dict(saved)
    with pytest.raises(ValueError, match="2 parameters"):
        optim.SGD([leaf(1)]).load_state_dict(saved)


def test_copies_are_independent():
    p = leaf(3)
    optimizer = optim.Adam([p, leaf(2)], lr=0.1)
    p.grad = Tensor(np.ones(3))
    optimizer.step()
    twin = copy.deepcopy(optimizer)
    q = twin.param_groups[0]["params"][0]
    assert q is not p
    assert twin.state[q]["step"] == 1
    p.grad, q.grad = Tensor(np.ones(3)), Tensor(np.ones(3))
    optimizer.step()
    assert not np.array_equal(p.data, q.data)
    twin.step()
    assert np.array_equal(p.data, q.data)


def test_step_hooks():
    p = leaf(2)
    optimizer = optim.SGD([p], lr=0.1)
    calls = []
    before = optimizer.register_step_pre_hook(lambda o, args, kwargs: calls.append(("pre", o)))
    optimizer.register_step_post_hook(lambda o, args, kwargs: calls.append(("post", o)))
    step(optimizer, [p])
    assert calls == [("pre", optimizer), ("post", optimizer)]
    before.remove()
    step(optimizer, [p])
    assert [kind for kind, _ in calls] == ["pre", "post", "post"]


def test_hooks_around_saving_and_loading():
    optimizer = optim.SGD([leaf(2)], lr=0.1)
    seen = []
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("before saving"))
    optimizer.register_state_dict_post_hook(lambda o, saved: {**saved, "note": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, saved: seen.append(saved["note"]))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("after loading"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["before saving", 1, "after loading"]


def test_a_step_between_forward_and_backward_is_noticed():
    p = leaf(2)
    optimizer = optim.SGD([p], lr=0.1)
    loss = (p * p * p).sum()
    step(optimizer, [p])
    with pytest.raises(GraphError, match="changed it in place"):
        loss.backward()


@pytest.mark.parametrize("between", ["nothing", "a write", "another array"])
def test_every_step_of_small_parameters_is_noticed(between):
    params = [leaf(2), leaf(3), leaf(2)]
    optimizer = optim.Adam(params, lr=0.1)
    for _ in range(4):
        losses = [(p * p * p).sum() for p in params]
        step(optimizer, params)
        for loss in losses:
            with pytest.raises(GraphError, match=r"test_optimizer\.py:\d+ changed it in place"):
                loss.backward()
        if between == "a write":
            params[1].data *= 0.5
            note_write(params[1].data)
        elif between == "another array":
            params[2].data = params[2].data.copy()


def test_state_that_was_shown_may_be_changed():
    """Also through what was handed out some steps before."""
    params, groups = [leaf(2), leaf(3)], [leaf(2), leaf(3)]
    together = optim.Adam(params, lr=0.1)
    apart = optim.Adam([{"params": [p]} for p in groups], lr=0.1)
    for t in range(6):
        step(together, params)
        step(apart, groups)
        if t == 2:
            states = [*together.state.values(), *apart.state.values()]
        if t >= 2:
            for state in states:
                state["exp_avg"] = np.zeros_like(state["exp_avg"])
    for p, q in zip(params, groups, strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_a_shallow_copy_shares_the_state():
    params, others = [leaf(2), leaf(3)], [leaf(2), leaf(3)]
    first, alone = optim.Adam(params, lr=0.1), optim.Adam(others, lr=0.1)
    for _ in range(3):
        step(first, params)
        step(alone, others)
    second = copy.copy(first)
    for optimizer in (second, first, second, second, first):
        step(optimizer, params)
        step(alone, others)
    for p, q in zip(params, others, strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_complex_parameters_are_updated_by_parts():
    torch = pytest.importorskip("torch")
    start = np.array([[1 + 2j, -0.5j], [0.3 + 0j, 2 - 1j]])
    p, q = Tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
    ours, theirs = optim.Adam([p], lr=0.1), torch.optim.Adam([q], lr=0.1)
    for t in range(20):
        p.grad = Tensor(p.data * (1 + 0.3j) + t)
        q.grad = q.detach() * (1 + 0.3j) + t
        ours.step()
        theirs.step()
    np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12)
    assert ours.state[p]["exp_avg"].dtype == complex


def test_arrays_with_any_strides():
    whole = np.arange(24.0).reshape(4, 6)
    p = Tensor(0.0, requires_grad=True)
    p.data = whole[::2, ::-3]
    p.grad = Tensor(np.ones((2, 2)))
    optim.Adam([p], lr=0.5).step()
    changed = whole != np.arange(24.0).reshape(4, 6)
    assert changed.sum() == 4
    assert changed[::2, ::-3].all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optim.SGD([]), ValueError, "at least one parameter"),
        (lambda: optim.SGD(leaf(1)), TypeError, "iterable"),
        (lambda: optim.SGD({leaf(1), leaf(2)}), TypeError, "order"),
        (lambda: optim.SGD([{"params": []}]), ValueError, "at least one parameter"),
        (lambda: optim.SGD([np.ones(2)]), TypeError, "parameter 0 is a ndarray"),
        (lambda: optim.SGD([Tensor([1, 2])]), TypeError, "int64"),
        (lambda: optim.SGD([leaf(2) * 2]), ValueError, "only a leaf"),
        (lambda: optim.SGD([p := leaf(2), p]), ValueError, "more than once"),
        (
            lambda: optim.SGD([{"params": (p := leaf(2))}, {"params": p}]),
            ValueError,
            "more than once",
        ),
        (lambda: optim.SGD([leaf(1)], lr=-1), ValueError, "lr must be a number ≥ 0, got -1"),
        (lambda: optim.SGD([leaf(1)], momentum=-1), ValueError, "momentum"),
        (lambda: optim.SGD([leaf(1)], nesterov=True), ValueError, "momentum > 0"),
        (lambda: optim.SGD([{"params": leaf(1), "lr": -2}]), ValueError, "got -2"),
        (lambda: optim.Adam([leaf(1)], betas=(0.9, 1.0)), ValueError, "0 ≤ β < 1"),
        (lambda: optim.Adam([leaf(1)], eps=-1), ValueError, "eps"),
        (lambda: optim.Adam([leaf(1)], fused=True), ValueError, "fused=True is not supported"),
        (lambda: optim.Adam([leaf(1)], capturable=True), ValueError, "CUDA"),
        (lambda: optim.Adam([leaf(1)], momentum=0.9), TypeError, "momentum"),
    ],
)
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_pytorchs_defaults_for_devices_are_accepted():
    optimizer = optim.Adam([leaf(1)], foreach=None, capturable=False, fused=None)
    assert "foreach" not in optimizer.param_groups[0]


def test_a_gradient_of_another_shape_is_refused():
    p = leaf(3)
    p.grad = Tensor(np.ones(3))
    p.data = np.ones(1)
    with pytest.raises(ValueError, match=r"shape \(1,\), its gradient \(3,\)"):
        optim.SGD([p], lr=0.1).step()


def test_a_subclass_in_pytorchs_style():
    class Plain(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.data -= group["lr"] * p.grad.data

    p = leaf(2)
    optimizer = Plain([p], lr=0.1)
    calls = []
    optimizer.register_step_post_hook(lambda *args: calls.append(1))
    before = p.data.copy()
    p.grad = Tensor(np.ones(2))
    optimizer.step()
    np.testing.assert_allclose(p.data, before - 0.1)
    assert calls == [1]


def test_repr_lists_the_groups():
    text = repr(optim.SGD([leaf(1)], lr=0.25))
    assert text.startswith("SGD (")
    assert "lr: 0.25" in text


def test_every_public_name_is_there():
    for name in optim.__all__:
        assert getattr(optim, name) is getattr(optim, name)
    assert set(optim.__all__) <= set(dir(optim))
    with pytest.raises(AttributeError, match="nothing"):
        _ = optim.nothing
