"""The library's one generator: seeded by users, touched by nothing else."""

from __future__ import annotations

import numpy as np
import pytest

import autograd
from autograd import generator, manual_seed


def test_a_seed_repeats() -> None:
    manual_seed(7)
    first = generator().random(5)
    manual_seed(7)
    np.testing.assert_array_equal(generator().random(5), first)
    manual_seed(8)
    assert np.any(generator().random(5) != first)


def test_it_returns_the_generator_in_use() -> None:
    assert manual_seed(0) is generator()
    assert generator() is generator()


@pytest.mark.parametrize("seed", [-1, 2**64 + 5, np.int64(3), True])
def test_any_integer_is_a_seed(seed: int) -> None:
    first = manual_seed(seed).random()
    assert manual_seed(seed).random() == first


def test_negative_seeds_are_not_their_opposites() -> None:
    assert manual_seed(-3).random() != manual_seed(3).random()


def test_numpys_own_generators_are_left_alone() -> None:
    own = np.random.default_rng(0)
    state = own.bit_generator.state
    manual_seed(3)
    generator().random(10)
    assert own.bit_generator.state == state  # the global one is watched after every test


def test_the_state_can_be_kept_and_put_back() -> None:
    state = generator().bit_generator.state
    first = generator().random(3)
    generator().bit_generator.state = state
    np.testing.assert_array_equal(generator().random(3), first)


def test_differentiating_draws_no_random_numbers() -> None:
    state = generator().bit_generator.state
    x = autograd.Tensor([1.0, 2.0], requires_grad=True)
    autograd.gradgradcheck(np.sin, x)
    autograd.checkpoint(np.sin, x).sum().backward()
    assert generator().bit_generator.state == state


def test_unseeded_it_starts_from_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    from autograd import _random

    draws = []
    for _ in range(2):
        monkeypatch.setattr(_random, "_generator", None)
        draws.append(generator().random(4).tolist())
    assert draws[0] != draws[1]
