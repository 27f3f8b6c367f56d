"""Graphs that the tests of drawing share."""

from __future__ import annotations

import numpy as np

import autograd
import nn
from autograd import Graph, Tensor


def neuron() -> Graph:
    """One sigmoid neuron with recorded values and gradients; its input is used twice."""
    x = Tensor([1.0, -2.0], requires_grad=True, name="x")
    w = Tensor([0.5, 0.25], requires_grad=True, name="w")
    b = Tensor(0.1, requires_grad=True, name="b")
    with autograd.record_values():
        z = (x * w).sum() + b
        z.name = "z"
        loss = z.sigmoid() + (x * x).sum()
        loss.backward()
    return autograd.graph_of(loss)


class Block(nn.Module):
    """Two layers with a way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(np.tanh(self.first(x)))


_ALIVE: list[nn.Module] = []  # a graph names modules only as long as they live


def stack(blocks: int = 4, width: int = 3) -> tuple[nn.Module, Tensor]:
    """A stack of blocks between two layers, and the scalar it computes."""
    autograd.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(2, width), *[Block(width) for _ in range(blocks)], nn.Linear(width, 1)
    )
    _ALIVE[:] = [model]
    return model, model(np.ones((5, 2), np.float32)).mean()


def tangle(operations: int, seed: int = 0, leaves: int = 3) -> Tensor:
    """A random computation in which every result may be used again, some time later."""
    rng = np.random.default_rng(seed)
    made = [Tensor(rng.normal(size=2), requires_grad=True, name=f"x{i}") for i in range(leaves)]
    for _ in range(operations):
        kind = rng.integers(4)
        a = made[rng.integers(max(0, len(made) - 3), len(made))]
        b = made[rng.integers(max(0, len(made) - 9), len(made))]
        if kind == 0:
            made.append(a + b)
        elif kind == 1:
            made.append(a * b)
        elif kind == 2:
            made.append(np.tanh(a))
        else:
            made.append(a - b)
    total = made[-1]
    for leaf in made[:leaves]:
        total = total + leaf
    return total
