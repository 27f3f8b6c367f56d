"""Grad modes: as contexts and decorators, nested, in threads and in asyncio tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from autograd import (
    Tensor,
    detect_anomaly,
    enable_grad,
    func,
    grad,
    is_grad_enabled,
    no_grad,
    saved_tensors_hooks,
    set_grad_enabled,
)


def test_nothing_is_recorded_under_no_grad() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with no_grad():
        results = [x * 2, np.exp(x), x[0], x.reshape(2, 1), np.concatenate([x, x]), x.sum()]
        made = Tensor([1.0], requires_grad=True)
    assert not any(r.requires_grad or r.node for r in results)
    assert made.requires_grad  # a leaf is a leaf
    assert (x * 2).requires_grad


def test_modes_nest_and_are_reentrant() -> None:
    mode = no_grad()
    with mode:
        assert not is_grad_enabled()
        with enable_grad():
            assert is_grad_enabled()
            with mode:
                assert not is_grad_enabled()
            assert is_grad_enabled()
        assert not is_grad_enabled()
    assert is_grad_enabled()


def test_an_exception_restores_the_mode() -> None:
    with pytest.raises(ZeroDivisionError), no_grad():
        _ = 1 / 0
    assert is_grad_enabled()

    @no_grad()
    def fails() -> None:
        raise ValueError("expected")

    with pytest.raises(ValueError, match="expected"):
        fails()
    assert is_grad_enabled()


@pytest.mark.parametrize("make", [lambda: no_grad, no_grad, lambda: set_grad_enabled(False)])
def test_decorators(make: Callable[[], Any]) -> None:
    @make()
    def inside(a: int, *, b: int = 2) -> tuple[bool, int]:
        """Its docstring."""
        return is_grad_enabled(), a + b

    assert is_grad_enabled()
    for _ in range(2):
        assert inside(1, b=5) == (False, 6)
        assert is_grad_enabled()
    assert inside.__name__ == "inside"
    assert inside.__doc__ == "Its docstring."
    with enable_grad():
        assert inside(1)[0] is False

    @enable_grad()
    def recursive(depth: int) -> list[bool]:
        now = [is_grad_enabled()]
        with no_grad():
            return now + (recursive(depth - 1) if depth else [])

    assert recursive(3) == [True] * 4


def test_a_decorated_generator_has_the_mode_only_while_it_runs() -> None:
    @no_grad()
    def modes() -> Iterator[bool]:
        got = yield is_grad_enabled()
        try:
            yield got
        except KeyError:
            yield is_grad_enabled()

    running = modes()
    assert next(running) is False
    assert is_grad_enabled()
    assert running.send("sent") == "sent"  # type: ignore[attr-defined]
    assert running.throw(KeyError()) is False  # type: ignore[attr-defined]
    assert is_grad_enabled()
    running.close()  # type: ignore[attr-defined]
    assert list(no_grad()(lambda: iter([is_grad_enabled()]))()) == [False]


def test_set_grad_enabled_as_a_function() -> None:
    set_grad_enabled(False)
    try:
        assert not is_grad_enabled()
    finally:
        set_grad_enabled(True)
    assert is_grad_enabled()


def test_set_grad_enabled_as_a_context() -> None:
    for mode in (False, True):
        context = set_grad_enabled(mode)
        with context:
            assert is_grad_enabled() is mode
        assert is_grad_enabled()
        with context:  # again
            assert is_grad_enabled() is mode
        assert is_grad_enabled()
    with no_grad():
        with set_grad_enabled(True):
            assert is_grad_enabled()
        assert not is_grad_enabled()


def test_other_state_is_not_disturbed() -> None:
    packed = []
    x = Tensor([1.0], requires_grad=True)
    with saved_tensors_hooks(lambda a: packed.append(a) or a, lambda a: a), no_grad():
        with enable_grad():
            np.exp(x)
        assert len(packed) == 1
    with no_grad(), saved_tensors_hooks(lambda a: a, lambda a: a):
        assert not is_grad_enabled()
    with no_grad(), detect_anomaly():
        assert not is_grad_enabled()
    assert is_grad_enabled()


def test_functions_of_functions_under_no_grad() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with no_grad():
        slope = func.grad(lambda t: (t * t * t).sum())(x)
        curvature = func.hessian(lambda t: (t * t * t).sum())(x)
        out, forward = func.jvp(np.sin, (x,), (np.ones(2),))
    np.testing.assert_allclose(slope.data, [3.0, 12.0])
    np.testing.assert_allclose(curvature.data, [[6.0, 0.0], [0.0, 12.0]])
    np.testing.assert_allclose(forward.data, np.cos(x.data))
    for result in (slope, curvature, out, forward):
        assert not result.requires_grad


# ----------------------------------------------------------------------------- threads and tasks


def test_each_thread_has_its_own_mode() -> None:
    step = threading.Barrier(2, timeout=10)
    seen: dict[str, list[bool]] = {"off": [], "on": []}

    def off() -> None:
        with no_grad():
            step.wait()
            seen["off"].append(is_grad_enabled())
            step.wait()
            seen["off"].append((Tensor([1.0], requires_grad=True) * 2).requires_grad)
        step.wait()

    def on() -> None:
        step.wait()
        seen["on"].append(is_grad_enabled())
        seen["on"].append((Tensor([1.0], requires_grad=True) * 2).requires_grad)
        step.wait()
        step.wait()

    run_together(off, on)
    assert seen == {"off": [False, False], "on": [True, True]}


def run_together(*functions: Callable[[], None]) -> None:
    with ThreadPoolExecutor(len(functions)) as pool:
        for future in [pool.submit(f) for f in functions]:
            future.result(timeout=60)


def network(seed: int) -> tuple[bytes, bytes]:
    """First and second derivatives of a small network with in-place writes and views."""
    rng = np.random.default_rng(seed)
    w = Tensor(rng.standard_normal((6, 6)), requires_grad=True)
    h = Tensor(rng.standard_normal((4, 6)))
    for k in range(20):
        h = np.tanh(h @ w)
        y = h * 1
        y[k % 4] = h[0] * 2
        h = y
    loss = (h * h).mean()
    (g,) = grad(loss, w, create_graph=True)
    (g * g).sum().backward()
    return g.data.tobytes(), w.grad.data.tobytes()


def test_threads_build_and_differentiate_at_once() -> None:
    alone = [network(seed) for seed in range(4)]
    results: dict[int, list[Any]] = {seed: [] for seed in range(4)}
    start = threading.Barrier(4, timeout=10)

    def work(seed: int) -> Callable[[], None]:
        def run() -> None:
            start.wait()
            for _ in range(5):
                results[seed].append(network(seed))

        return run

    run_together(*(work(seed) for seed in range(4)))
    for seed in range(4):
        assert results[seed] == [alone[seed]] * 5


def test_one_graph_differentiated_by_two_threads() -> None:
    x = Tensor(np.linspace(0.1, 1.0, 50), requires_grad=True)
    y = np.exp(np.sin(x)) * x
    expected = grad(y.sum(), x, retain_graph=True)[0].data
    got = []

    def run() -> None:
        for _ in range(20):
            got.append(grad(y, x, np.ones(50), retain_graph=True)[0].data)

    run_together(run, run)
    assert len(got) == 40
    for g in got:
        np.testing.assert_array_equal(g, expected)


def test_each_task_has_its_own_mode() -> None:
    async def off(turn: asyncio.Event) -> bool:
        with no_grad():
            turn.set()
            await asyncio.sleep(0)
            return is_grad_enabled()

    async def on(turn: asyncio.Event) -> tuple[bool, bool]:
        await turn.wait()
        return is_grad_enabled(), (Tensor([1.0], requires_grad=True) * 2).requires_grad

    @no_grad()
    async def decorated() -> bool:
        await asyncio.sleep(0)
        return is_grad_enabled()

    async def main() -> list[Any]:
        turn = asyncio.Event()
        results = await asyncio.gather(off(turn), on(turn), decorated(), inherits())
        return [*results, is_grad_enabled()]

    async def inherits() -> bool:
        with no_grad():
            return await asyncio.create_task(mode())

    async def mode() -> bool:
        return is_grad_enabled()

    assert asyncio.run(main()) == [False, (True, True), False, False, True]
