"""How convolutions are differentiated; what they compute is in ``tests/autograd/kernels``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import autograd
from autograd import Tensor, grad, kernels
from autograd._backward import backpropagate
from autograd.kernels._settings import SETTINGS
from autograd.primitives.convolution import conv, conv_input_grad

# Of input and kernels, of a convolution of that many axes; enough work to be shared out.
LAYERS: dict[str, tuple[tuple[int, ...], tuple[int, ...], int, int]] = {
    "1-D": ((3, 64, 600), (64, 64, 5), 1, 1),
    "2-D": ((3, 16, 48, 48), (32, 16, 3, 3), 1, 1),
    "strided": ((2, 32, 40, 40), (96, 32, 3, 3), 2, 1),
    "in groups": ((2, 64, 48, 48), (64, 4, 3, 3), 1, 16),
    "3-D": ((1, 16, 12, 12, 12), (32, 16, 3, 3, 3), 1, 1),
    # and with little to do
    "small": ((2, 6, 14, 14), (16, 6, 5, 5), 1, 1),
    "small, in groups": ((2, 6, 9, 8), (4, 3, 3, 2), 1, 2),
    "small, strided": ((2, 6, 14, 14), (16, 6, 5, 5), 2, 1),
}
# The ways to both gradients at once: of a layer, of its transpose.
WAYS = {
    "3-D": ("threads", "threads"),
    "small": ("columns", "columns"),
    "small, in groups": ("columns", "columns"),
    "small, strided": (None, "columns"),
}


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """NumPy's kernels on two threads; which ways shortcuts went."""
    monkeypatch.setattr(SETTINGS, "may_compile", False)
    monkeypatch.setattr(SETTINGS, "threads", 2)
    ways = []
    in_a_thread_each = kernels.in_a_thread_each

    def in_threads(*jobs: Any) -> list[Any]:
        assert len(jobs) == 2
        ways.append("threads")
        return in_a_thread_each(*jobs)

    def noted(kernel: Any) -> Any:
        def by_columns(*args: Any) -> Any:
            both = kernel(*args)
            ways.extend(["columns"] * (both is not None))
            return both

        return by_columns

    monkeypatch.setattr(kernels, "in_a_thread_each", in_threads)
    monkeypatch.setattr(kernels, "conv_grads", noted(kernels.conv_grads))
    monkeypatch.setattr(kernels, "conv_and_weight_grad", noted(kernels.conv_and_weight_grad))
    return ways


def _layer(
    name: str, transposed: bool, bias: bool = False, trained: int | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Its results and its leaves, of which all are trained, or that one."""
    shape, kernel, stride, groups = LAYERS[name]
    axes = len(kernel) - 2
    windows: dict[str, Any] = {
        "stride": (stride,) * axes,
        "padding": ((1, 0),) * axes,
        "dilation": (1,) * axes,
        "groups": groups,
    }
    rng = np.random.default_rng(0)
    w = Tensor(rng.standard_normal(kernel), requires_grad=trained != 0)
    out = kernels.conv_output_shape(shape[2:], kernel[2:], *list(windows.values())[:3])
    given, filters = shape, kernel[0]
    if transposed:
        given, filters = (shape[0], kernel[0], *out), shape[1]
        windows["spatial"] = shape[2:]
    x = Tensor(rng.standard_normal(given), requires_grad=trained != 1)
    b = Tensor(rng.standard_normal(filters), requires_grad=True) if bias else None
    y = (conv_input_grad if transposed else conv)(x, w, b, **windows)
    return y, [t for t in (x, w, b) if t is not None]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_both_gradients_at_once_are_those_of_the_rules(
    name: str, transposed: bool, at_once: list[str]
) -> None:
    y, leaves = _layer(name, transposed, bias=name in ("2-D", "small"))
    way = WAYS.get(name, ("threads", "columns"))[transposed]
    ways = [way] if way is not None else []
    seed = np.random.default_rng(1).standard_normal(y.shape)
    found = grad(y, leaves, seed, retain_graph=True)
    assert at_once == ways
    expected = grad(y, leaves, seed, create_graph=True)  # a recorded pass goes by the rules
    assert at_once == ways
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one.data, other.data, rtol=1e-10, atol=1e-10)
    stack = np.stack([seed, -2 * seed])
    several = backpropagate([(y.node, stack)], targets=leaves, batched=True)
    assert at_once == ways * 3
    for leaf, other in zip(leaves, expected, strict=True):
        twice = np.stack([other.data, -2 * other.data])
        np.testing.assert_allclose(several[leaf], twice, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("which", [0, 1])
def test_a_gradient_alone_is_shared_out_by_its_kernel(
    which: int, transposed: bool, at_once: list[str]
) -> None:
    y, leaves = _layer("2-D", transposed)
    both = grad(y, leaves, np.ones(y.shape), retain_graph=True)
    way = ["columns" if transposed else "threads"]
    assert at_once == way
    (alone,) = grad(y, [leaves[which]], np.ones(y.shape))
    y, leaves = _layer("2-D", transposed, trained=which)
    y.backward(np.ones(y.shape))
    assert at_once == way
    assert leaves[1 - which].grad is None
    for found in (alone, leaves[which].grad):
        np.testing.assert_allclose(found.data, both[which].data, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("threads", [1, 3])
def test_two_gradients_are_for_two_threads(
    threads: int, at_once: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SETTINGS, "threads", threads)
    y, leaves = _layer("2-D", transposed=False)
    grad(y, leaves, np.ones(y.shape))
    assert at_once == []


def test_small_gradients_are_not_worth_a_thread(at_once: list[str]) -> None:
    rng = np.random.default_rng(0)
    for size, groups, worth in ((48, 1, True), (12, 1, False), (48, 16, False), (0, 1, False)):
        g, w = rng.random((3, 32, size, size)), rng.random((32, 16 // groups, 3, 3))
        assert kernels.worth_a_thread_each(g, w, groups) == worth
    assert not kernels.worth_a_thread_each(np.empty((3, 0, 48, 48)), np.empty((0, 16, 3, 3)), 1)


def test_to_ask_for_little_work_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("there is nothing to get ready")

    monkeypatch.setattr(SETTINGS, "threads", 2)
    monkeypatch.setattr("autograd.kernels.convolution.settle", refuse)
    monkeypatch.setattr("autograd.kernels._shares.hold_back_blas", refuse)
    assert not kernels.worth_a_thread_each(np.ones((3, 32, 12, 12)), np.ones((32, 16, 3, 3)), 1)


def test_compiled_kernels_share_each_gradient_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(SETTINGS, "threads", 2)
    g, w = np.ones((3, 32, 48, 48)), np.ones((32, 16, 3, 3))
    monkeypatch.setattr(SETTINGS, "may_compile", False)
    assert kernels.worth_a_thread_each(g, w, 1)
    monkeypatch.setattr(SETTINGS, "may_compile", True)
    monkeypatch.setattr(SETTINGS, "why", "Numba is installed")
    assert not kernels.worth_a_thread_each(g, w, 1)


def test_what_a_gradient_raises_is_raised(
    at_once: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    y, leaves = _layer("2-D", transposed=False)

    def fail(*_: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(kernels, "conv_weight_grad", fail)
    with pytest.raises(MemoryError, match="no room"):
        grad(y, leaves, np.ones(y.shape))
    assert at_once == ["threads"]


def test_overflows_are_told_as_by_one_thread(at_once: list[str]) -> None:
    y, leaves = _layer("2-D", transposed=False)
    seed = np.full(y.shape, math.inf)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        grad(y, leaves, seed, retain_graph=True)
    with np.errstate(all="ignore"):
        found = grad(y, leaves, seed)
    assert not np.isfinite(found[0].data).all()
    assert at_once == ["threads"] * 2


def test_a_replay_has_the_same_bits(at_once: list[str]) -> None:
    rng = np.random.default_rng(0)
    shape, kernel, *_ = LAYERS["2-D"]
    w = Tensor(rng.standard_normal(kernel).astype("f"), requires_grad=True)
    windows: dict[str, Any] = {
        "stride": (1, 1),
        "padding": ((1, 1), (1, 1)),
        "dilation": (1, 1),
    }

    def loss_of(x: Tensor) -> Tensor:
        return (conv(x.tanh(), w, None, **windows) ** 2).mean()

    compiled = autograd.compile(loss_of)
    for call in range(4):
        x = Tensor(rng.standard_normal(shape).astype("f"), requires_grad=True)
        compiled(x).backward()
        found = [np.array(t.grad.data) for t in (x, w)]
        x.grad = w.grad = None
        loss_of(x).backward()
        for one, tensor in zip(found, (x, w), strict=True):
            np.testing.assert_array_equal(one, tensor.grad.data)
        w.grad = None
        assert compiled.replays == max(0, call - 1)
    assert at_once == ["threads"] * 8


def test_a_transposed_convolution_adds_its_bias() -> None:
    rng = np.random.default_rng(0)
    g, w, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((3, 2, 3)), rng.standard_normal(2)
    windows: dict[str, Any] = {"spatial": (6,), "stride": (1,), "padding": ((0, 0),)}
    plain = conv_input_grad(g, w, None, **windows, dilation=(1,))
    expected = plain.data + b[:, None]
    np.testing.assert_array_equal(conv_input_grad(g, w, b, **windows, dilation=(1,)).data, expected)
    single = [a.astype(np.float32) for a in (g, w)]
    assert conv_input_grad(*single, b, **windows, dilation=(1,)).dtype == np.float64
    assert conv_input_grad(*single, b.astype("f"), **windows, dilation=(1,)).dtype == np.float32
    for wrong in (b[:1], rng.standard_normal(3), b[:, None]):
        with pytest.raises(ValueError, match=r"a bias of shape \(2,\), got"):
            conv_input_grad(g, w, wrong, **windows, dilation=(1,))
