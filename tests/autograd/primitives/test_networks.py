"""Layers as single operations, against what they are composed of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn.functional as F
from autograd import Tensor, grad
from autograd._backward import backpropagate
from autograd._primitive import primitives

linear = primitives["linear"]


def leaf(rng: Any, *shape: int, dtype: Any = np.float64) -> Tensor:
    return Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)


def operations(y: Tensor) -> list[str]:
    return [node.operation for node in y.graph if node.operation]


# ------------------------------------------------------------------------------------------ linear


@pytest.mark.parametrize("trained", ["xwb", "xw", "wb", "xb", "w", "b", "x"])
@pytest.mark.parametrize("shape", [(7, 5), (1, 1), (0, 3), (1500, 2), (5,), (2, 3, 4)])
@pytest.mark.parametrize("outs", [(3,), ()])
def test_the_shortcut_of_linear_gives_what_its_rules_give(
    trained: str, shape: tuple[int, ...], outs: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    x, w, b = leaf(rng, *shape), leaf(rng, *outs, shape[-1]), leaf(rng, *outs)
    for name, tensor in zip("xwb", (x, w, b), strict=True):
        tensor.requires_grad = name in trained
    wanted = [t for t in (x, w, b) if t.requires_grad]
    y = linear(x, w, b)
    seed = rng.standard_normal(y.shape)
    found = grad(y, wanted, seed, retain_graph=True)
    expected = grad(y, wanted, seed, create_graph=True)  # a recorded pass goes by the rules
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one.data, other.data, rtol=1e-12, atol=1e-12)
    stack = np.stack([seed, -2 * seed])
    several = backpropagate([(y.node, stack)], targets=wanted, batched=True)
    for tensor, other in zip(wanted, expected, strict=True):
        one = np.stack([other.data, -2 * other.data])
        np.testing.assert_allclose(several[tensor], one, rtol=1e-12, atol=1e-12)


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


# ----------------------------------------------------------------------------------- cross-entropy


def composed(x: Tensor, target: Any, scale: Any, reduction: str) -> Tensor:
    losses = -np.take_along_axis(x.log_softmax(-1), target[:, None], 1)[:, 0]
    if scale is not None:
        losses = losses * scale
    if reduction == "none":
        return losses
    divisor = 1 if reduction == "sum" else len(target) if scale is None else scale.sum()
    return losses.sum() / divisor


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("classes", [1, 5, 100])
def test_cross_entropy_is_its_composition(reduction: str, scaled: bool, classes: int) -> None:
    rng = np.random.default_rng(5)
    x, target = leaf(rng, 6, classes), rng.integers(0, classes, 6)
    scale = np.array([1.0, 0.5, 0.0, 2.0, 1.0, 3.0]) if scaled else None
    y = primitives["cross_entropy"](x, target=target, scale=scale, reduction=reduction)
    expected = composed(x, target, scale, reduction)
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-12)
    given = rng.standard_normal(y.shape)
    (first,) = grad(y, x, given, create_graph=True)
    (wanted,) = grad(expected, x, given, create_graph=True)
    np.testing.assert_allclose(first.data, wanted.data, rtol=1e-10, atol=1e-12)
    (second,) = grad((first**2).sum(), x)
    (wanted,) = grad((wanted**2).sum(), x)
    np.testing.assert_allclose(second.data, wanted.data, rtol=1e-10, atol=1e-12)
    (plain,) = grad(primitives["cross_entropy"](x, target, scale, reduction), x, given)
    np.testing.assert_allclose(plain.data, first.data, rtol=1e-12, atol=1e-14)


def test_cross_entropy_is_one_operation() -> None:
    rng = np.random.default_rng(6)
    x, target = leaf(rng, 4, 3), np.array([0, -100, 2, 1])
    w = np.array([1.0, 2.0, 3.0])
    assert operations(F.cross_entropy(x, np.array([0, 1, 2, 0]))) == ["cross_entropy"]
    assert operations(F.cross_entropy(x, target, w)) == ["cross_entropy"]
    learnt = Tensor(w, requires_grad=True)
    loss = F.cross_entropy(x, target, learnt)
    np.testing.assert_allclose(loss.data, F.cross_entropy(x, target, w).data)
    loss.backward()
    assert np.abs(learnt.grad.data).max() > 0


def test_targets_to_ignore() -> None:
    rng = np.random.default_rng(7)
    x = leaf(rng, 4, 3)
    loss = F.cross_entropy(x, [0, 9, 2, 9], ignore_index=9)
    np.testing.assert_allclose(loss.data, F.cross_entropy(x.data[::2], [0, 2]).data)
    loss.backward()
    assert not x.grad.data[1::2].any()
    inside = F.cross_entropy(x, [0, 1, 2, 1], ignore_index=1)  # an index that is a class too
    np.testing.assert_allclose(inside.data, loss.data)
    assert np.isnan(F.cross_entropy(x, [9, 9, 9, 9], ignore_index=9).data)
    assert F.cross_entropy(x, [9, 9, 9, 9], ignore_index=9, reduction="sum").item() == 0
    for bad in ([0, 3, 1, 2], [0, -1, 1, 2]):
        with pytest.raises(IndexError, match="out of bounds for 3 classes"):
            F.cross_entropy(x, bad)
    x.data[1] = np.inf  # what does not count may hold anything
    with np.errstate(invalid="ignore"):
        assert np.isfinite(F.cross_entropy(x, [0, 9, 2, 9], ignore_index=9).data)


# ------------------------------------------------------------------------------------- batch norm


@pytest.mark.parametrize("shape", [(6, 3), (4, 2, 5), (3, 2, 4, 4), (2, 2, 30, 30)])
@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm_is_its_composition(shape: tuple[int, ...], affine: bool) -> None:
    rng = np.random.default_rng(8)
    x = leaf(rng, *shape)
    w, b = (leaf(rng, shape[1]), leaf(rng, shape[1])) if affine else (None, None)
    y = F.batch_norm(x, None, None, w, b, training=True)
    axes, column = (0, *range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)
    centered = x - x.mean(axes, keepdims=True)
    expected = centered / np.sqrt((centered**2).mean(axes, keepdims=True) + 1e-5)
    if affine:
        expected = expected * w.reshape(column) + b.reshape(column)
    assert operations(y) == ["batch_norm"]
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-10, atol=1e-12)
    given = rng.standard_normal(shape)
    leaves = [t for t in (x, w, b) if t is not None]
    recorded = grad(y, leaves, given, create_graph=True)
    plain = grad(F.batch_norm(x, None, None, w, b, training=True), leaves, given)
    wanted = grad(expected, leaves, given, create_graph=True)
    for found in (recorded, plain):
        for f, e in zip(found, wanted, strict=True):
            np.testing.assert_allclose(f.data, e.data, rtol=1e-9, atol=1e-11)
    (second,) = grad((recorded[0] ** 2).sum(), x)
    (wanted_second,) = grad((wanted[0] ** 2).sum(), x)
    np.testing.assert_allclose(second.data, wanted_second.data, rtol=1e-8, atol=1e-9)


def test_batch_norm_in_evaluation() -> None:
    rng = np.random.default_rng(9)
    x, w, b = leaf(rng, 5, 3, 4, dtype=np.float32), leaf(rng, 3, dtype=np.float32), leaf(rng, 3)
    mean, var = Tensor([1.0, 2.0, 3.0]), Tensor([0.5, 1.0, 2.0])
    y = F.batch_norm(x, mean, var, w, b)
    assert y.dtype == np.float64  # of the bias
    column = (1, -1, 1)
    expected = (x.data - mean.data.reshape(column)) / np.sqrt(var.data.reshape(column) + 1e-5)
    expected = expected * w.data.reshape(column) + b.data.reshape(column)
    np.testing.assert_allclose(y.data, expected, rtol=1e-5, atol=1e-6)
    mean.data[...] = 100  # later training steps do not change what was recorded
    y.sum().backward()
    normal = (x.data - np.array([1, 2, 3]).reshape(column)) / np.sqrt(var.data.reshape(column))
    np.testing.assert_allclose(w.grad.data, normal.sum((0, 2)), rtol=1e-4)
    np.testing.assert_allclose(b.grad.data, [20.0] * 3)
    factor = (w.data / np.sqrt(var.data + 1e-5)).reshape(column)
    np.testing.assert_allclose(x.grad.data, np.broadcast_to(factor, x.shape), rtol=1e-5)


def test_batch_norm_stays_float32_and_updates_running_statistics() -> None:
    rng = np.random.default_rng(10)
    x = leaf(rng, 8, 2, 3, 3, dtype=np.float32)
    mean, var = Tensor(np.zeros(2, np.float32)), Tensor(np.ones(2, np.float32))
    y = F.batch_norm(x, mean, var, training=True, momentum=0.1)
    assert y.dtype == mean.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_allclose(mean.data, 0.1 * x.data.mean((0, 2, 3)), rtol=1e-5)
    unbiased = x.data.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(var.data, 0.9 + 0.1 * unbiased, rtol=1e-5)
