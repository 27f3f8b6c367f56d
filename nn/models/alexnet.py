"""AlexNet, the network that won ImageNet's contest in 2012, in its one-tower form."""

from __future__ import annotations

from autograd import Tensor, TensorLike
from nn.activation import ReLU
from nn.container import Sequential
from nn.conv import Conv2d
from nn.dropout import Dropout
from nn.linear import Linear
from nn.module import Module
from nn.pooling import AdaptiveAvgPool2d, MaxPool2d

__all__ = ["AlexNet"]


class AlexNet(Module):
    """Five convolutions and three dense layers; 61,100,840 parameters for 1,000 classes.

    Args:
        num_classes: length of the output.
        dropout: probability of dropping before each of the two hidden dense layers.

    Shapes: (N, 3, H, W) with H and W of at least 63, usually 224, to (N, num_classes).
    The parameters have the names that torchvision gives them.

    Source: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014.

    >>> import numpy as np
    >>> model = AlexNet(num_classes=10).eval()
    >>> model(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = Sequential(
            Conv2d(3, 64, 11, stride=4, padding=2),
            ReLU(),
            MaxPool2d(3, stride=2),
            Conv2d(64, 192, 5, padding=2),
            ReLU(),
            MaxPool2d(3, stride=2),
            Conv2d(192, 384, 3, padding=1),
            ReLU(),
            Conv2d(384, 256, 3, padding=1),
            ReLU(),
            Conv2d(256, 256, 3, padding=1),
            ReLU(),
            MaxPool2d(3, stride=2),
        )
        self.avgpool = AdaptiveAvgPool2d(6)
        self.classifier = Sequential(
            Dropout(dropout),
            Linear(256 * 6 * 6, 4096),
            ReLU(),
            Dropout(dropout),
            Linear(4096, 4096),
            ReLU(),
            Linear(4096, num_classes),
        )

    def forward(self, input: TensorLike) -> Tensor:
        """Logits."""
        x: Tensor = self.avgpool(self.features(input))
        logits: Tensor = self.classifier(x.reshape(len(x), -1))
        return logits
