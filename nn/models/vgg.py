"""VGG: stacks of 3×3 convolutions, halved in size and doubled in channels from stack to stack."""

from __future__ import annotations

from autograd import Tensor, TensorLike
from nn.activation import ReLU
from nn.container import Sequential
from nn.conv import Conv2d
from nn.dropout import Dropout
from nn.linear import Linear
from nn.module import Module
from nn.normalization import BatchNorm2d
from nn.pooling import AdaptiveAvgPool2d, MaxPool2d

__all__ = ["VGG", "vgg16"]

# Convolutions in each of the five stacks, by the number of layers with weights.
STACKS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
CHANNELS = (64, 128, 256, 512, 512)


class VGG(Module):
    """VGG with 11, 13, 16 or 19 layers; VGG-16 has 138,357,544 parameters for 1,000 classes.

    Args:
        layers: 11, 13, 16 or 19.
        num_classes: length of the output.
        batch_norm: normalise after each convolution.
        dropout: probability of dropping after each of the two hidden dense layers.

    Shapes: (N, 3, H, W) with H and W of at least 32, usually 224, to (N, num_classes).
    The parameters have the names that torchvision gives them.

    Source: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
    recognition", 2015.
    """

    def __init__(
        self,
        layers: int = 16,
        num_classes: int = 1000,
        batch_norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if layers not in STACKS:
            raise ValueError(f"VGG has {', '.join(map(str, STACKS))} layers, got {layers}")
        parts: list[Module] = []
        channels = 3
        for count, width in zip(STACKS[layers], CHANNELS, strict=True):
            for _ in range(count):
                parts.append(Conv2d(channels, width, 3, padding=1))
                if batch_norm:
                    parts.append(BatchNorm2d(width))
                parts.append(ReLU())
                channels = width
            parts.append(MaxPool2d(2))
        self.features = Sequential(*parts)
        self.avgpool = AdaptiveAvgPool2d(7)
        self.classifier = Sequential(
            Linear(512 * 7 * 7, 4096),
            ReLU(),
            Dropout(dropout),
            Linear(4096, 4096),
            ReLU(),
            Dropout(dropout),
            Linear(4096, num_classes),
        )

    def forward(self, input: TensorLike) -> Tensor:
        """Logits."""
        x: Tensor = self.avgpool(self.features(input))
        logits: Tensor = self.classifier(x.reshape(len(x), -1))
        return logits


def vgg16(num_classes: int = 1000, batch_norm: bool = False) -> VGG:
    """``VGG(16)``: 138,357,544 parameters for 1,000 classes."""
    return VGG(16, num_classes, batch_norm)
