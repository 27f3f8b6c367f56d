"""checkpoint: the same values and gradients for less memory; what it refuses."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import (
    GraphError,
    Tensor,
    checkpoint,
    generator,
    grad,
    gradcheck,
    gradgradcheck,
    no_grad,
    saved_tensors_hooks,
)


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def block(t: Any, w: Any) -> Any:
    return np.tanh(t * w) * np.exp(-t * t) + t


def test_values_and_gradients_are_the_same() -> None:
    x, w = leaf(0.5, -1.5), leaf(2.0, 0.3)
    plain = block(block(x, w), w)
    kept = checkpoint(block, checkpoint(block, x, w), w)
    np.testing.assert_array_equal(kept.data, plain.data)
    for a, b in zip(grad(plain.sum(), [x, w]), grad(kept.sum(), [x, w]), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    assert gradcheck(lambda t, v: checkpoint(block, t, v), (x, w))


def test_second_order() -> None:
    assert gradgradcheck(lambda t, v: checkpoint(block, t, v), (leaf(0.5, -1.5), leaf(2.0, 0.3)))


def test_it_can_be_walked_twice_and_is_freed() -> None:
    x = leaf(0.5)
    calls = []

    def counted(t: Any) -> Any:
        calls.append(1)
        return np.sin(np.exp(t))

    y = checkpoint(counted, x)
    assert len(calls) == 1
    y.backward(retain_graph=True)
    assert len(calls) == 2
    y.backward()
    np.testing.assert_allclose(x.grad.data, 2 * np.cos(np.exp(0.5)) * np.exp(0.5))
    with pytest.raises(GraphError, match="freed"):
        y.backward()


def test_parameters_closed_over_nested_values_and_keywords() -> None:
    w = leaf(3.0, 4.0)

    def f(tree: Any, *, scale: float) -> Any:
        return {"out": np.sin(tree["x"] * w) * scale, "n": 3}

    x = leaf(1.0, 2.0)
    y = checkpoint(f, {"x": x}, scale=2.0)
    assert y["n"] == 3
    y["out"].sum().backward()
    np.testing.assert_allclose(w.grad.data, 2 * x.data * np.cos(x.data * w.data))
    np.testing.assert_allclose(x.grad.data, 2 * w.data * np.cos(x.data * w.data))


def test_nested() -> None:
    x, w = leaf(0.5, -1.5), leaf(2.0, 0.3)

    def outer(t: Any) -> Any:
        return checkpoint(block, np.sin(t), w) * t

    plain = block(np.sin(x), w) * x
    expected = grad(plain.sum(), [x, w])
    for _ in range(2):
        got = grad(checkpoint(outer, x).sum(), [x, w])
        for a, b in zip(expected, got, strict=True):
            np.testing.assert_allclose(a.data, b.data, rtol=1e-14)


def test_random_numbers_repeat_and_the_stream_goes_on() -> None:
    def dropout(t: Any) -> Any:
        return np.sin(t) * (generator().random(t.shape) < 0.5)

    x = Tensor(np.ones(200), requires_grad=True)
    y = checkpoint(dropout, x)
    after = generator().bit_generator.state
    y.sum().backward()
    np.testing.assert_allclose(x.grad.data, np.cos(1.0) * (y.data != 0))
    assert 50 < np.count_nonzero(x.grad.data) < 150
    assert generator().bit_generator.state == after
    z = checkpoint(dropout, x)
    assert np.any((z.data != 0) != (y.data != 0))  # another draw


def peak(run: Callable[[], Any]) -> tuple[int, Any]:
    tracemalloc.start()
    try:
        result = run()
        return tracemalloc.get_traced_memory()[0], result
    finally:
        tracemalloc.stop()


def test_memory_is_lower() -> None:
    x = Tensor(np.ones(20_000), requires_grad=True)

    def stretch(t: Any) -> Any:
        for _ in range(10):
            t = np.sin(t) * np.exp(t * 0.01)
        return t

    def plain() -> Any:
        return stretch(stretch(stretch(x)))

    def checkpointed() -> Any:
        return checkpoint(stretch, checkpoint(stretch, checkpoint(stretch, x)))

    full, a = peak(plain)
    small, b = peak(checkpointed)
    (ga,), (gb,) = grad(a.sum(), x), grad(b.sum(), x)
    np.testing.assert_array_equal(ga.data, gb.data)
    assert small < full / 8
    assert small < 5 * x.nbytes


def test_under_no_grad_nothing_is_kept() -> None:
    with no_grad():
        y = checkpoint(np.exp, leaf(1.0))
    assert not y.requires_grad


def test_the_outer_hooks_are_back_afterwards() -> None:
    packed = []
    with saved_tensors_hooks(lambda a: packed.append(a) or a, lambda a: a):
        checkpoint(np.exp, leaf(1.0))
        assert not packed
        np.exp(leaf(1.0))
        assert len(packed) == 1


# -------------------------------------------------------------------------------------- refusals


def test_a_function_that_computes_something_else_is_noticed() -> None:
    calls: list[int] = []

    def longer(t: Any) -> Any:
        calls.append(1)
        for _ in calls:
            t = np.sin(t)
        return t

    def other(t: Any) -> Any:
        calls.append(1)
        return t * np.full(2, float(len(calls)))

    own = np.random.default_rng(0)

    def noisy(t: Any) -> Any:
        return t * own.random(2)

    for function in (longer, other, noisy):
        x = leaf(1.0, 2.0)
        y = checkpoint(function, x)
        with pytest.raises(GraphError, match=r"computed something else.*autograd\.generator\(\)"):
            y.sum().backward()
        assert x.grad is None


@pytest.mark.parametrize("through_a_view", [True, False])
def test_an_argument_changed_since_is_noticed(through_a_view: bool) -> None:
    x = leaf(1.0, 2.0)
    t = x * 1
    y = checkpoint(lambda v: np.sin(v + 0.0), t)
    if through_a_view:
        t[1:] += 1
    else:
        t *= 2
    with pytest.raises(
        GraphError, match=r"argument \(shape \(2,\)\).*changed in place by .*py:\d+"
    ):
        y.sum().backward()


def test_parameters_changed_since_are_noticed() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = checkpoint(lambda t: np.sin(t * w), x)
    with no_grad():
        w -= 0.5
    with pytest.raises(GraphError, match="computed something else|changed it in place"):
        y.sum().backward()


def test_writes_to_its_own_values_are_fine() -> None:
    def f(t: Any) -> Any:
        y = t * 1
        y[0] = y[1] * 3
        y *= t
        return np.sin(y)

    assert gradcheck(lambda t: checkpoint(f, t), leaf(0.5, 1.5))
