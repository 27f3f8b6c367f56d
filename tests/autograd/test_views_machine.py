"""A state machine over views and in-place writes, against the same program on plain arrays.

Each run is a random program: leaves, arithmetic, views of views, writes of every kind. It runs on
tensors and on NumPy arrays side by side; in the end all values agree exactly, and the gradient of a
random scalar agrees with central differences of the NumPy program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    rule,
)

from autograd import GraphError, Tensor, grad

# Every step of a program: which results it reads, and what it does with them; None: writes only.
Step = tuple[tuple[int, ...], Callable[..., Any]]

VIEWS: list[Callable[[Any], Any]] = [
    lambda t: t[1:],
    lambda t: t[::-1],
    lambda t: t[..., ::2],
    lambda t: t[..., :1],
    lambda t: t[None],
    lambda t: t.T,
    lambda t: t.reshape(-1) if t.ndim == 1 else t.reshape(-1, t.shape[0]),
    lambda t: np.expand_dims(t, -1),
    lambda t: np.squeeze(t),
    lambda t: np.swapaxes(t, 0, -1),
    lambda t: np.flip(t, -1),
    lambda t: np.moveaxis(t, -1, 0),
]

# These read copies of their own, which no write can spoil …
OPERATIONS: list[Callable[[Any], Any]] = [
    lambda t: t * 1.0,
    lambda t: np.tanh(t * 1.0) + 0.0,
    lambda t: np.square(t + 0.0),
    lambda t: np.sin(t - 0.1) + 0.5,
]

PAIRS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: (a + 0.0) * np.sum(b),
    lambda a, b: a - np.mean(b),
    lambda a, b: np.where(np.ones(a.shape, bool), a, np.sum(b)),
]

# … and these read the array itself: writing to it later is refused.
FRAGILE: list[Callable[[Any], Any]] = [lambda t: t * t, np.arctan, np.tanh, np.cos]


def _iadd(t: Any, v: Any) -> None:
    t += v


def _isub(t: Any, v: Any) -> None:
    t -= v


def _imul(t: Any, v: Any) -> None:
    t *= v


def _item(t: Any, v: Any) -> None:
    t[..., 0] = v


def _all(t: Any, v: Any) -> None:
    t[...] = v


def _every_second(t: Any, v: Any) -> None:
    t[::2] += v


def _picked(t: Any, v: Any) -> None:
    t[np.arange(len(t))[::-1]] = v


def _repeated(t: Any, v: Any) -> None:
    t[[0, -1, 0]] = v


def _masked(t: Any, v: Any) -> None:
    t[np.arange(t.size).reshape(t.shape) % 3 == 0] = v


def _copied(t: Any, v: Any) -> None:
    np.copyto(t, v)


WRITES = [_iadd, _isub, _imul, _item, _all, _every_second, _picked, _repeated, _masked, _copied]

VALUES: list[Callable[[Any], Any]] = [
    lambda s: 0.5,
    lambda s: np.tanh(np.sum(s)),
    lambda s: s.reshape(-1)[0],
    lambda s: np.mean(s) * 2,
]


class Machine(RuleBasedStateMachine):
    """Builds a program step by step, running it on tensors as it grows."""

    variables = Bundle("variables")

    @initialize(target=variables, seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> Any:
        rng = np.random.default_rng(seed)
        self.weights_seed = seed
        self.fragile = False
        self.inputs = [rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, 4)]
        self.leaves = [Tensor(a, requires_grad=True) for a in self.inputs]
        constant = rng.uniform(-1, 1, (2, 3))
        self.steps: list[Step] = [
            ((), lambda: self.now[0] * 1.0),
            ((), lambda: self.now[1] * 1.0),
            ((), lambda: self.fresh(constant)),
        ]
        self.now: list[Any] = self.leaves
        self.fresh: Callable[[Any], Any] = Tensor
        self.values: list[Any] = []
        for reads, step in self.steps:
            self.values.append(step(*reads))
        return multiple(0, 1, 2)

    def run(self, reads: tuple[int, ...], step: Callable[..., Any]) -> int:
        self.steps.append((reads, step))
        with np.errstate(all="ignore"):  # a program may overflow: then so does its reference
            self.values.append(step(*(self.values[i] for i in reads)))
        return len(self.values) - 1

    @rule(target=variables, i=variables, view=st.sampled_from(VIEWS))
    def view(self, i: int, view: Callable[[Any], Any]) -> Any:
        if self.values[i].ndim == 0 or self.values[i].ndim > 4:
            return i
        if 0 in view(self.values[i].data).shape:
            return i
        return self.run((i,), view)

    @rule(target=variables, i=variables, operation=st.sampled_from(OPERATIONS))
    def compute(self, i: int, operation: Callable[[Any], Any]) -> int:
        return self.run((i,), operation)

    @rule(target=variables, i=variables, operation=st.sampled_from(FRAGILE))
    def compute_without_a_copy(self, i: int, operation: Callable[[Any], Any]) -> int:
        self.fragile = True
        return self.run((i,), operation)

    @rule(target=variables, i=variables, j=variables, pair=st.sampled_from(PAIRS))
    def combine(self, i: int, j: int, pair: Callable[[Any, Any], Any]) -> int:
        return self.run((i, j), pair)

    @rule(
        i=variables,
        j=variables,
        write=st.sampled_from(WRITES),
        value=st.sampled_from(VALUES),
    )
    def write(
        self, i: int, j: int, write: Callable[[Any, Any], None], value: Callable[[Any], Any]
    ) -> None:
        if self.values[i].ndim:
            self.run((i, j), lambda t, s: write(t, value(s)))
            self.values[-1] = Tensor(0.0)

    @rule(i=variables, j=variables)
    def write_onto_another_of_its_shape(self, i: int, j: int) -> None:
        if self.values[i].shape == self.values[j].shape and self.values[i].ndim:
            self.run((i, j), lambda t, s: _all(t, s))
            self.values[-1] = Tensor(0.0)

    def program(self, inputs: list[Any]) -> list[Any]:
        """All values of the same program on plain arrays."""
        keep = self.now, self.fresh
        self.now, self.fresh = inputs, np.array
        try:
            values: list[Any] = []
            for reads, step in self.steps:
                with np.errstate(all="ignore"):
                    result = step(*(values[i] for i in reads))
                values.append(np.zeros(()) if result is None else np.asarray(result))
            return values
        finally:
            self.now, self.fresh = keep

    def score(self, values: list[Any]) -> Any:
        rng = np.random.default_rng(self.weights_seed)
        total: Any = 0.0
        for value in values:
            total = total + np.sum(value * rng.uniform(-1, 1, value.shape))
        return total

    def teardown(self) -> None:
        if not hasattr(self, "values"):
            return
        expected = self.program([a.copy() for a in self.inputs])
        for got, wanted in zip(self.values, expected, strict=True):
            np.testing.assert_array_equal(got.data, wanted)
        for leaf, start in zip(self.leaves, self.inputs, strict=True):
            np.testing.assert_array_equal(leaf.data, start)
        if not all(np.all(np.abs(v) < 1e3) for v in expected):
            return
        try:
            gradients = grad(self.score(self.values), self.leaves, allow_unused=True)
        except GraphError as error:
            if self.fragile and "changed it in place since" in str(error):
                return
            raise
        rng = np.random.default_rng(self.weights_seed + 1)
        for k, gradient in enumerate(gradients):
            direction = rng.uniform(-1, 1, self.inputs[k].shape)
            sides = []
            for step in (1e-6, -1e-6):
                moved = [a.copy() for a in self.inputs]
                moved[k] = moved[k] + step * direction
                sides.append(self.score(self.program(moved)))
            numeric = (sides[0] - sides[1]) / 2e-6
            analytic = 0.0 if gradient is None else np.sum(gradient.data * direction)
            np.testing.assert_allclose(analytic, numeric, rtol=1e-4, atol=1e-5)


TestViewsAndWrites = Machine.TestCase
TestViewsAndWrites.settings = settings(
    settings.default, max_examples=60, stateful_step_count=20, deadline=None
)
