"""Layers as single operations, against what they are composed of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn.functional as F
from autograd import Tensor, grad
from autograd._primitive import primitives

linear = primitives["linear"]


def leaf(rng: Any, *shape: int, dtype: Any = np.float64) -> Tensor:
    return Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)


def operations(y: Tensor) -> list[str]:
    return [node.operation for node in y.graph if node.operation]


# ------------------------------------------------------------------------------------------ linear


@given(
    lead=st.lists(st.integers(0, 4), max_size=3),
    n_in=st.integers(1, 5),
    n_out=st.integers(0, 4) | st.none(),
    bias=st.booleans(),
)
def test_linear_is_a_product_and_a_sum(
    lead: list[int], n_in: int, n_out: int | None, bias: bool
) -> None:
    rng = np.random.default_rng(0)
    outs = () if n_out is None else (n_out,)
    x, w = leaf(rng, *lead, n_in), leaf(rng, *outs, n_in)
    b = leaf(rng, *outs) if bias else None
    y = linear(x, w, b)
    expected = np.matmul(x, w.T) if b is None else np.matmul(x, w.T) + b
    assert y.shape == (*lead, *outs)
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-12)
    given = rng.standard_normal(y.shape)
    leaves = [t for t in (x, w, b) if t is not None]
    for got, want in zip(grad(y, leaves, given), grad(expected, leaves, given), strict=True):
        assert got is not None
        assert want is not None
        np.testing.assert_allclose(got.data, want.data, rtol=1e-12, atol=1e-14)


def test_large_products_are_the_same() -> None:
    rng = np.random.default_rng(1)
    x, w, b = leaf(rng, 150, 200), leaf(rng, 130, 200), leaf(rng, 130)
    y = linear(x, w, b)
    np.testing.assert_allclose(y.data, x.data @ w.data.T + b.data, rtol=1e-12, atol=1e-12)
    g = rng.standard_normal(y.shape)
    y.backward(g)
    np.testing.assert_allclose(x.grad.data, g @ w.data, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(w.grad.data, g.T @ x.data, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(b.grad.data, g.sum(0), rtol=1e-12, atol=1e-12)
    assert w.grad.data.flags.c_contiguous


def test_a_layer_is_one_operation() -> None:
    rng = np.random.default_rng(2)
    assert operations(F.linear(leaf(rng, 4, 3), leaf(rng, 2, 3), leaf(rng, 2))) == ["linear"]
    assert operations(F.linear(leaf(rng, 4, 3), leaf(rng, 2, 3))) == ["linear"]


def test_a_bias_of_another_shape_is_broadcast() -> None:
    rng = np.random.default_rng(3)
    x, w, b = leaf(rng, 4, 3), leaf(rng, 2, 3), leaf(rng, 5, 4, 1)
    y = F.linear(x, w, b)
    np.testing.assert_allclose(y.data, x.data @ w.data.T + b.data)
    y.sum().backward()
    assert b.grad.shape == (5, 4, 1)
    with pytest.raises(ValueError, match=r"expects a bias of shape \(2,\), got \(5, 4, 1\)"):
        linear(x, w, b)


def test_types_are_promoted_as_in_a_sum() -> None:
    rng = np.random.default_rng(4)
    x, w = leaf(rng, 4, 3, dtype=np.float32), leaf(rng, 2, 3, dtype=np.float32)
    assert linear(x, w, leaf(rng, 2, dtype=np.float32)).dtype == np.float32
    assert linear(x, w, leaf(rng, 2)).dtype == np.float64
    y = linear(x, w, leaf(rng, 2))
    y.sum().backward()
    assert w.grad.dtype == np.float32


def test_the_inputs_stay_as_they_are() -> None:
    x, w, b = np.ones((2, 3)), np.ones((4, 3)), np.ones(4)
    linear(x, w, b)
    assert (x == 1).all()
    assert (w == 1).all()
    assert (b == 1).all()


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"linear\(float64\[2, 3\], float64\[4, 5\]"):
        linear(Tensor(np.ones((2, 3))), Tensor(np.ones((4, 5))), None)
