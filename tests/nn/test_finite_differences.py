"""First and second derivatives of every module against finite differences: needs no peer.

Along one random direction in the space of all inputs and parameters together.
"""

from __future__ import annotations

import numpy as np
import pytest

import autograd
import nn
from tests.nn.cases import CASES, Case, signs

STEP = 1e-6


def is_differentiable(case: Case, position: int) -> bool:
    """Whether an input is neither of integers nor the target of a loss."""
    if case.inputs[position].dtype.kind != "f":
        return False
    if not case.name.endswith("Loss") or position == 0:
        return True
    return case.name == "TripletMarginLoss" or (
        case.name in ("CosineEmbeddingLoss", "MarginRankingLoss") and position == 1
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivatives(case: Case):
    module = getattr(nn, case.name)(*case.args, **case.kwargs).double().train(case.training)
    rng = np.random.default_rng(0)
    for p in module.parameters():
        p.data[...] = rng.standard_normal(p.shape) * 0.5
    state = module.state_dict()
    moving = [i for i in range(len(case.inputs)) if is_differentiable(case, i)]
    if case.name == "Embedding" and case.kwargs:
        pytest.skip("its gradient is not the derivative of its value: that is the option's purpose")
    start = [case.inputs[i] for i in moving] + [p.data.copy() for p in module.parameters()]
    if not start:
        pytest.skip("there is nothing to differentiate")

    def run(values):
        """The output, and the leaves that hold ``values``."""
        inputs = list(case.inputs)
        leaves = [autograd.Tensor(v, requires_grad=True) for v in values[: len(moving)]]
        for i, leaf in zip(moving, leaves):
            inputs[i] = leaf
        for p, v in zip(module.parameters(), values[len(moving) :]):
            p.data[...] = v
        for name, buffer in module.named_buffers():  # running statistics stay where they were
            buffer.data[...] = state.get(name, buffer.data)
        out = module(*inputs)
        return (out[0] if isinstance(out, tuple) else out), [*leaves, *module.parameters()]

    def moved(by):
        return [v + by * d for v, d in zip(start, direction)]

    def gradients(values, create_graph=False):
        out, leaves = run(values)
        return autograd.grad(out, leaves, cotangent, create_graph=create_graph), leaves

    direction = [rng.standard_normal(v.shape) for v in start]
    out, _ = run(start)
    cotangent = rng.standard_normal(out.shape)
    found, _ = gradients(start)
    slope = sum(float((g.data * d).sum()) for g, d in zip(found, direction))
    rise = float(((run(moved(STEP))[0].data - run(moved(-STEP))[0].data) * cotangent).sum())
    assert slope == pytest.approx(rise / (2 * STEP), rel=1e-5, abs=1e-6)

    above = [g.data for g in gradients(moved(STEP))[0]]
    below = [g.data for g in gradients(moved(-STEP))[0]]
    found, leaves = gradients(start, create_graph=True)
    along = sum((g * d).sum() for g, d in zip(found, direction))
    if along.requires_grad:
        second = autograd.grad(along, leaves, allow_unused=True)
    else:
        second = [None] * len(leaves)
    for h, a, b in zip(second, above, below):
        np.testing.assert_allclose(
            0.0 if h is None else h.data, (a - b) / (2 * STEP), rtol=1e-4, atol=1e-5
        )


DOCUMENTS = [
    ("HalfSquaredError", (3, 4)),
    ("PNormLoss", (3, 4)),
    ("PerceptronLoss", (3, 4)),
]


@pytest.mark.parametrize(("name", "shape"), DOCUMENTS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_of_the_documents(name, shape, reduction):
    loss = getattr(nn, name)(reduction=reduction)
    x = np.random.default_rng(0).standard_normal(shape)
    leaf = autograd.Tensor(x, requires_grad=True)
    assert autograd.gradcheck(lambda t: loss(t, signs(*shape)), leaf)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0, 0.5])
def test_p_norm_loss_is_the_sum_of_powers(p):
    x, t = np.array([1.0, -2.0, 0.5]), np.array([0.0, 0.0, 0.5])
    leaf = autograd.Tensor(x, requires_grad=True)
    loss = nn.PNormLoss(p)(leaf, t)
    assert loss.item() == pytest.approx((np.abs(x - t) ** p).sum())
    loss.backward()
    assert leaf.grad.data[2] == 0  # where prediction and target meet
    np.testing.assert_allclose(leaf.grad.data[:2], p * np.abs(x[:2]) ** (p - 1) * np.sign(x[:2]))
