"""The multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from nn.activation import ReLU
from nn.container import Sequential
from nn.dropout import Dropout
from nn.linear import Linear
from nn.module import Module

__all__ = ["MLP"]


class MLP(Sequential):
    """Linear layers with an activation between each two.

    Args:
        sizes: number of inputs, of units in each hidden layer, of outputs.
        activation: makes the module that follows every layer but the last.
        output_activation: makes the module that follows the last layer; none by default.
        bias: whether the layers have biases.
        dropout: probability of dropping hidden units in training; 0 adds no layers.

    >>> MLP([784, 30, 10])
    MLP(
      (0): Linear(in_features=784, out_features=30, bias=True)
      (1): ReLU()
      (2): Linear(in_features=30, out_features=10, bias=True)
    )
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable[[], Module] = ReLU,
        output_activation: Callable[[], Module] | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        if len(sizes) < 2:
            raise ValueError(f"sizes must hold at least inputs and outputs, got {list(sizes)}")
        layers: list[Module] = []
        for fan_in, fan_out in pairwise(sizes[:-1]):
            layers += [Linear(fan_in, fan_out, bias), activation()]
            if dropout:
                layers.append(Dropout(dropout))
        layers.append(Linear(sizes[-2], sizes[-1], bias))
        if output_activation is not None:
            layers.append(output_activation())
        super().__init__(*layers)
