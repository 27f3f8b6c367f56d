"""One check of a NumPy function on tensors: value, shape and type, two orders of derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, gradcheck, gradgradcheck


def parts_of(result: Any) -> list[Any]:
    """The arrays and tensors in a result, through lists and tuples."""
    if isinstance(result, list | tuple):
        return [part for item in result for part in parts_of(item)]
    return [result]


def differentiable(result: Any) -> tuple[Tensor, ...]:
    return tuple(p for p in parts_of(result) if isinstance(p, Tensor) and p.requires_grad)


def compare(got: Any, expected: Any, **tolerance: Any) -> None:
    """Two results agree part by part in value, shape and dtype."""
    got, expected = parts_of(got), parts_of(expected)
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        values = ours.data if isinstance(ours, Tensor) else ours
        theirs = np.asarray(theirs)
        assert np.shape(values) == theirs.shape
        assert np.asarray(values).dtype == theirs.dtype
        np.testing.assert_allclose(values, theirs, **tolerance)


def agrees(
    function: Callable[..., Any], *arrays: Any, second: bool = True, widens: bool = False
) -> None:
    """``function`` on tensors is ``function`` on arrays, and its derivatives are right.

    Checked: values, shapes and dtypes in float64; that values and gradients stay float32 (unless
    the function ``widens``); arrays with negative strides; first and second derivatives against
    central differences.
    """
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    got = function(*tensors)
    compare(got, function(*arrays), rtol=1e-12, atol=1e-13)
    assert differentiable(got), "nothing to differentiate"
    assert gradcheck(lambda *xs: differentiable(function(*xs)), tensors)
    if second:
        assert gradgradcheck(lambda *xs: differentiable(function(*xs)), tensors, atol=1e-4)

    backwards = [a[::-1] if a.ndim else a for a in arrays]
    compare(function(*map(turned, arrays)), function(*backwards), rtol=1e-12, atol=1e-13)

    if not any(np.iscomplexobj(a) for a in arrays):
        single = [a.astype(np.float32) for a in arrays]
        tensors = [Tensor(a, requires_grad=True) for a in single]
        got = function(*tensors)
        for ours, theirs in zip(parts_of(got), parts_of(function(*single)), strict=True):
            np.testing.assert_allclose(getattr(ours, "data", ours), theirs, rtol=3e-5, atol=1e-5)
        for out in differentiable(got):
            assert widens or out.dtype == np.float32
            out.backward(np.ones(out.shape), retain_graph=True)
        for tensor in tensors:
            assert tensor.grad is None or tensor.grad.dtype == np.float32


def turned(a: np.ndarray) -> Tensor:
    """A tensor on the same values in reverse order, with negative strides."""
    t = Tensor(a)
    t.data = t.data[::-1] if a.ndim else t.data
    return t


@pytest.fixture(name="agrees")
def agrees_fixture() -> Callable[..., None]:
    return agrees


@pytest.fixture(name="compare")
def compare_fixture() -> Callable[..., None]:
    return compare


@pytest.fixture
def draw() -> Callable[..., Any]:
    """Arrays of distinct values for shapes, the same in every run."""

    def arrays(*shapes: tuple[int, ...], low: float = -2.0, high: float = 2.0) -> Any:
        rng = np.random.default_rng(7)
        made = []
        for shape in shapes:
            count = int(np.prod(shape))
            # Far enough apart that no step of a difference changes their order.
            steps = (rng.permutation(count) + rng.uniform(0.3, 0.7, count)) / max(count, 1)
            made.append((low + (high - low) * steps).reshape(shape))
        return made[0] if len(made) == 1 else made

    return arrays
