"""Many parameters updated in one compiled call: bit for bit what one after the other gives."""

from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np
import pytest

import optim
from autograd import Tensor
from autograd.kernels import updates
from autograd.kernels._settings import SETTINGS
from autograd.kernels._twins import settle
from optim._together import Together

pytest.importorskip("numba")
if not settle():
    pytest.skip("compiled kernels are off", allow_module_level=True)

SHAPES = ((70, 500), (3,), (), (17, 5), (40_001,), (0, 2), (9,))


@pytest.fixture(autouse=True)
def without_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy's steps without BLAS, which may round a product and a sum together."""
    monkeypatch.setattr(updates, "_by_blas", lambda dtype: None)


def parameters(dtype: Any = np.float32) -> list[Tensor]:
    rng = np.random.default_rng(0)
    return [Tensor(rng.standard_normal(s).astype(dtype), requires_grad=True) for s in SHAPES]


def set_gradients(params: list[Tensor], step: int) -> None:
    rng = np.random.default_rng(step)
    for p in params:
        p.grad = Tensor(rng.standard_normal(p.shape).astype(p.dtype))


def run(make: Any, params: list[Tensor], steps: int = 4, change: Any = None) -> optim.Optimizer:
    optimizer = make(params)
    for step in range(steps):
        set_gradients(params, step)
        if change is not None:
            change(step, params, optimizer)
        optimizer.step()
    return optimizer


def is_together(optimizer: optim.Optimizer, count: int) -> bool:
    found = optimizer._bundles.get(0)
    return isinstance(found, Together) and len(found.members) == count


def check(
    monkeypatch: pytest.MonkeyPatch, make: Any, change: Any = None, dtype: Any = np.float32
) -> optim.Optimizer:
    """Compare with the NumPy kernels; returns the optimizer of the compiled ones."""
    params = parameters(dtype)
    optimizer = run(make, params, change=change)
    with monkeypatch.context() as patch:
        patch.setattr(SETTINGS, "may_compile", False)
        expected = parameters(dtype)
        plain = run(make, expected, change=change)
    for p, q in zip(params, expected, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
        for key, value in plain.state[q].items():
            np.testing.assert_array_equal(optimizer.state[p][key], value)
    return optimizer


RULES = {
    "adam": lambda p: optim.Adam(p, lr=0.1),
    "adam, decay": lambda p: optim.Adam(p, lr=0.1, weight_decay=0.1),
    "adam, as it is": lambda p: optim.Adam(p, bias_correction=False, eps_inside=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.1),
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "sgd, decay": lambda p: optim.SGD(p, lr=0.1, weight_decay=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("rule", RULES)
def test_the_same_numbers(
    rule: str, threads: int, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SETTINGS, "threads", threads)
    assert is_together(check(monkeypatch, RULES[rule], dtype=dtype), len(SHAPES))


class Halved(optim.Adam):
    def _update(self, p: Any, g: Any, state: Any, group: Any) -> None:
        super()._update(p, g / 2, state, group)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.Adam(p, amsgrad=True),
        lambda p: optim.Adam(p, maximize=True),
        lambda p: optim.SGD(p, maximize=True),
        lambda p: optim.RMSprop(p),
        Halved,
    ],
)
def test_rules_that_are_not_compiled(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not isinstance(check(monkeypatch, make)._bundles[0], Together)


def replaced(step: int, params: list[Tensor], optimizer: optim.Optimizer) -> None:
    if step == 2:
        params[0].data = params[0].data + 1


def reordered(step: int, params: list[Tensor], optimizer: optim.Optimizer) -> None:
    assert params[0].grad is not None
    params[0].grad.data = np.asfortranarray(params[0].grad.data)
    params[3].grad.data.flags.writeable = False


class Named(np.ndarray):
    """Arrays of another class."""


def of_another_class(step: int, params: list[Tensor], optimizer: optim.Optimizer) -> None:
    assert params[0].grad is not None
    params[0].grad.data = params[0].grad.data.view(Named)


def unpickled(step: int, params: list[Tensor], optimizer: optim.Optimizer) -> None:
    """The dtypes of such arrays are objects of their own."""
    for p in params:
        p.grad.data = pickle.loads(pickle.dumps(p.grad.data))


def wider(step: int, params: list[Tensor], optimizer: optim.Optimizer) -> None:
    if step == 2:
        params[0].grad.data = params[0].grad.data.astype(np.float64)


def swapped(step: int, params: list[Tensor], optimizer: optim.Optimizer) -> None:
    if step == 2:
        params[0].grad.data = params[0].grad.data.astype(">f4")


def misaligned(step: int, params: list[Tensor], optimizer: optim.Optimizer) -> None:
    for p in params:
        room = np.empty(p.grad.data.nbytes + 1, np.uint8)
        odd = np.ndarray(p.shape, p.dtype, room, 1)
        odd[...] = p.grad.data
        p.grad.data = odd


def forgotten(step: int, params: list[Tensor], optimizer: optim.Optimizer) -> None:
    if step in (0, 2):
        params[1].grad = None


def other_state(step: int, params: list[Tensor], optimizer: optim.Optimizer) -> None:
    if step == 2:
        state = optimizer.state[params[0]]
        state["exp_avg"] = state["exp_avg"] * 2


def loaded(step: int, params: list[Tensor], optimizer: optim.Optimizer) -> None:
    if step == 2:
        optimizer.load_state_dict(optimizer.state_dict())


def grown(step: int, params: list[Tensor], optimizer: optim.Optimizer) -> None:
    if step == 2:
        optimizer.param_groups[0]["params"].pop()


def slower(step: int, params: list[Tensor], optimizer: optim.Optimizer) -> None:
    optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
    optimizer.param_groups[0]["amsgrad"] = False
    optimizer.param_groups[0]["weight_decay"] = 0.1 if step > 2 else 0.0


@pytest.mark.parametrize(
    "change",
    [
        replaced,
        reordered,
        of_another_class,
        unpickled,
        wider,
        swapped,
        misaligned,
        forgotten,
        other_state,
        loaded,
        grown,
        slower,
    ],
)
def test_what_changes_on_the_way(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    check(monkeypatch, RULES["adam"], change)


def test_parameters_and_gradients_that_were_unpickled(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_copies(params: list[Tensor]) -> optim.Optimizer:
        for p in params:
            p.data = pickle.loads(pickle.dumps(p.data))
        return optim.Adam(params, lr=0.1)

    assert is_together(check(monkeypatch, of_copies, unpickled), len(SHAPES))


def test_parameters_that_came_later_have_steps_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def late(step: int, params: list[Tensor], optimizer: optim.Optimizer) -> None:
        if step == 0:
            params[1].grad = params[4].grad = None
        optimizer._bundles.clear()

    optimizer = check(monkeypatch, RULES["adam"], late)
    assert is_together(optimizer, len(SHAPES))
    assert {state["step"] for state in optimizer.state.values()} == {3, 4}


def test_those_that_do_not_fit_go_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def mixed(params: list[Tensor]) -> optim.Optimizer:
        params[1].data = params[1].data.astype(np.float64)
        params[3].data = np.asfortranarray(params[3].data)
        return optim.Adam(params, lr=0.1)

    assert is_together(check(monkeypatch, mixed), len(SHAPES) - 2)


def test_parameters_in_the_same_memory_go_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tied(params: list[Tensor]) -> optim.Optimizer:
        params[4].data = params[0].data.reshape(-1)
        return optim.Adam(params, lr=0.1)

    assert not isinstance(check(monkeypatch, tied)._bundles[0], Together)


@pytest.mark.parametrize("shape", [(4,), (1, 3), (), (2,)])
def test_a_gradient_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    params = parameters()
    optimizer = run(RULES["adam"], params)
    set_gradients(params, 5)
    assert params[1].grad is not None
    params[1].grad.data = np.ones(shape, np.float32)
    with pytest.raises(
        ValueError, match=rf"has shape \(3,\), its gradient {re.escape(str(shape))}"
    ):
        optimizer.step()


def test_where_memory_looks_otherwise_nothing_is_read_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of them is asked to find arrays whose place is known, before it is relied upon."""
    from autograd.kernels._numba import updates as compiled

    def lost(slopes: int, homes: int, kind: int, dtype: int, table: Any) -> bool:
        table[:, 1] = 64
        return True

    for located in (lambda *_: False, lost):
        monkeypatch.setattr(compiled, "located", located)
        assert not is_together(check(monkeypatch, RULES["adam"]), len(SHAPES))


@pytest.mark.parametrize("rule", ["adam", "sgd"])
@pytest.mark.parametrize("when", ["from the start", "later"])
def test_what_is_only_to_be_read_is_not_written(rule: str, when: str) -> None:
    params = parameters()
    optimizer = run(RULES[rule], params, steps=0 if when == "from the start" else 4)
    assert is_together(optimizer, len(SHAPES)) == (when == "later")
    params[4].data.flags.writeable = False
    before = params[4].numpy().copy()
    set_gradients(params, 5)
    with pytest.raises(ValueError, match="read-only"):
        optimizer.step()
    np.testing.assert_array_equal(params[4].numpy(), before)


def test_without_compiled_code_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def off(step: int, params: list[Tensor], optimizer: optim.Optimizer) -> None:
        if step == 2:
            assert is_together(optimizer, len(SHAPES))
            monkeypatch.setattr(SETTINGS, "may_compile", False)

    params, expected = parameters(), parameters()
    optimizer = run(RULES["adam"], params, change=off)
    assert not isinstance(optimizer._bundles[0], Together)
    run(RULES["adam"], expected)
    for p, q in zip(params, expected, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_a_rule_for_all_says_what_it_lacks() -> None:
    class Half(optim.Optimizer):
        elementwise = True

        def _update(self, p: Any, g: Any, state: Any, group: Any) -> None:
            p *= 0.5

        def _together(self, group: Any) -> tuple[str, ...]:
            return ("sgd",)

    with pytest.raises(NotImplementedError, match="Half must define _advance"):
        run(lambda params: Half(params, {}), parameters())


def test_few_numbers_do_not_import_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SETTINGS, "kernels", "auto")
    monkeypatch.setattr(SETTINGS, "started", False)
    params = [Tensor(np.ones(5), requires_grad=True) for _ in range(2)]
    optimizer = run(RULES["adam"], params)
    assert not isinstance(optimizer._bundles[0], Together)
