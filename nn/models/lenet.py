"""LeNet as lectures draw it, and a smaller network of the same kind for 8×8 digits."""

from __future__ import annotations

from collections.abc import Callable

from autograd import Tensor, TensorLike
from nn.activation import ReLU, Tanh
from nn.container import Sequential
from nn.conv import Conv2d
from nn.dropout import Dropout
from nn.linear import Flatten, Linear
from nn.module import Module
from nn.normalization import BatchNorm2d
from nn.pooling import AvgPool2d, MaxPool2d

__all__ = ["DigitsCNN", "LeNet"]

POOLS: dict[str, Callable[[int], Module]] = {"avg": AvgPool2d, "max": MaxPool2d}


class LeNet(Module):
    """The modified LeNet: three convolutions of 5×5, two poolings of 2×2, two dense layers.

    Every map of C3 sees all maps of S2, and the output is linear: feed it to a cross-entropy.

    ======  =============================  ===========  ==========
    layer                                  output       parameters
    ======  =============================  ===========  ==========
    c1      6 kernels of 5×5               28×28×6             156
    s2      pooling 2×2                    14×14×6               0
    c3      16 kernels of 5×5              10×10×16          2,416
    s4      pooling 2×2                    5×5×16                0
    c5      120 kernels of 5×5             1×1×120          48,120
    f6      fully connected                84               10,164
    output  fully connected                10                  850
    ======  =============================  ===========  ==========

    Args:
        num_classes: length of the output; 10 makes 61,706 parameters.
        activation: makes the module that follows c1, c3, c5 and f6.
        pool: "max" or "avg".

    Shapes: (N, 1, 32, 32) to (N, num_classes). MNIST's 28×28 images are padded by 2 on each side
    (``nn.data.Pad(2)``).

    After LeCun et al., Gradient-based learning applied to document recognition, 1998.

    >>> import numpy as np
    >>> model = LeNet()
    >>> sum(p.size for p in model.parameters())
    61706
    >>> model(np.zeros((2, 1, 32, 32))).shape
    (2, 10)
    """

    def __init__(
        self,
        num_classes: int = 10,
        activation: Callable[[], Module] = Tanh,
        pool: str = "max",
    ) -> None:
        super().__init__()
        if pool not in POOLS:
            raise ValueError(f"pool must be 'max' or 'avg', got {pool!r}")
        make_pool = POOLS[pool]
        self.c1 = Conv2d(1, 6, 5)
        self.a1 = activation()
        self.s2 = make_pool(2)
        self.c3 = Conv2d(6, 16, 5)
        self.a3 = activation()
        self.s4 = make_pool(2)
        self.c5 = Conv2d(16, 120, 5)
        self.a5 = activation()
        self.flatten = Flatten()
        self.f6 = Linear(120, 84)
        self.a6 = activation()
        self.output = Linear(84, num_classes)

    def forward(self, input: TensorLike) -> Tensor:
        """Logits."""
        x: Tensor = self.s2(self.a1(self.c1(input)))
        x = self.s4(self.a3(self.c3(x)))
        x = self.flatten(self.a5(self.c5(x)))
        return self.output(self.a6(self.f6(x)))


class DigitsCNN(Sequential):
    """A small network for 8×8 digits: two convolutions, one pooling, two dense layers.

    Args:
        num_classes: length of the output.
        width: channels of the first convolution; the second has twice as many.
        dropout: probability of dropping before the last layers.

    Shapes: (N, 1, 8, 8) to (N, num_classes).

    >>> import numpy as np
    >>> DigitsCNN()(np.zeros((5, 1, 8, 8))).shape
    (5, 10)
    """

    def __init__(self, num_classes: int = 10, width: int = 16, dropout: float = 0.5) -> None:
        super().__init__(
            Conv2d(1, width, 3, padding=1),
            BatchNorm2d(width),
            ReLU(),
            Conv2d(width, 2 * width, 3, padding=1),
            BatchNorm2d(2 * width),
            ReLU(),
            MaxPool2d(2),
            Flatten(),
            Dropout(dropout),
            Linear(2 * width * 16, 64),
            ReLU(),
            Dropout(dropout),
            Linear(64, num_classes),
        )
