"""ResNet: blocks that add what they compute to what they were given."""

from __future__ import annotations

from autograd import Tensor, TensorLike
from nn.activation import ReLU
from nn.container import Sequential
from nn.conv import Conv2d
from nn.linear import Linear
from nn.module import Module
from nn.normalization import BatchNorm2d
from nn.pooling import AdaptiveAvgPool2d, MaxPool2d

__all__ = ["BasicBlock", "Bottleneck", "ResNet", "resnet18", "resnet50"]


def _conv3(channels: int, width: int, stride: int = 1) -> Conv2d:
    return Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)


def _conv1(channels: int, width: int, stride: int = 1) -> Conv2d:
    return Conv2d(channels, width, 1, stride=stride, bias=False)


def _shortcut(channels: int, out: int, stride: int) -> Module | None:
    """What brings a block's input to the shape of its output, if they differ."""
    if stride == 1 and channels == out:
        return None
    return Sequential(_conv1(channels, out, stride), BatchNorm2d(out))


class BasicBlock(Module):
    """Two 3×3 convolutions and the sum with the input: (N, channels, H, W) to (N, width, …)."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = _conv3(channels, width, stride)
        self.bn1 = BatchNorm2d(width)
        self.relu = ReLU()
        self.conv2 = _conv3(width, width)
        self.bn2 = BatchNorm2d(width)
        self.downsample = _shortcut(channels, width, stride)

    def forward(self, input: Tensor) -> Tensor:
        """The block's sum, rectified."""
        x: Tensor = self.relu(self.bn1(self.conv1(input)))
        x = self.bn2(self.conv2(x))
        result: Tensor = self.relu(
            x + (input if self.downsample is None else self.downsample(input))
        )
        return result


class Bottleneck(Module):
    """1×1, 3×3 and 1×1 convolutions and the sum with the input; four times ``width`` go out."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        out = self.expansion * width
        self.conv1 = _conv1(channels, width)
        self.bn1 = BatchNorm2d(width)
        self.conv2 = _conv3(width, width, stride)
        self.bn2 = BatchNorm2d(width)
        self.conv3 = _conv1(width, out)
        self.bn3 = BatchNorm2d(out)
        self.relu = ReLU()
        self.downsample = _shortcut(channels, out, stride)

    def forward(self, input: Tensor) -> Tensor:
        """The block's sum, rectified."""
        x: Tensor = self.relu(self.bn1(self.conv1(input)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        result: Tensor = self.relu(
            x + (input if self.downsample is None else self.downsample(input))
        )
        return result


# Kind of block, and how many in each of the four stages, by the number of layers with weights.
STAGES: dict[int, tuple[type[BasicBlock | Bottleneck], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


class ResNet(Module):
    """ResNet with 18, 34, 50, 101 or 152 layers.

    For 1,000 classes ResNet-18 has 11,689,512 parameters and ResNet-50 has 25,557,032.

    Args:
        layers: 18, 34, 50, 101 or 152.
        num_classes: length of the output.

    Shapes: (N, 3, H, W), usually 224×224, to (N, num_classes). The stride of a bottleneck is in
    its 3×3 convolution. The parameters have the names that torchvision gives them.

    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016.

    >>> import numpy as np
    >>> model = ResNet(18, num_classes=10).eval()
    >>> model(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 10)
    """

    def __init__(self, layers: int = 18, num_classes: int = 1000) -> None:
        super().__init__()
        if layers not in STAGES:
            raise ValueError(f"ResNet has {', '.join(map(str, STAGES))} layers, got {layers}")
        block, counts = STAGES[layers]
        self.conv1 = Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = BatchNorm2d(64)
        self.relu = ReLU()
        self.maxpool = MaxPool2d(3, stride=2, padding=1)
        channels = 64
        for stage, count in enumerate(counts):
            width = 64 * 2**stage
            blocks: list[Module] = []
            for number in range(count):
                stride = 2 if stage and not number else 1
                blocks.append(block(channels, width, stride))
                channels = block.expansion * width
            self.add_module(f"layer{stage + 1}", Sequential(*blocks))
        self.avgpool = AdaptiveAvgPool2d(1)
        self.fc = Linear(channels, num_classes)

    def forward(self, input: TensorLike) -> Tensor:
        """Logits."""
        x: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(input))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        x = self.avgpool(x)
        logits: Tensor = self.fc(x.reshape(len(x), -1))
        return logits


def resnet18(num_classes: int = 1000) -> ResNet:
    """``ResNet(18)``: 11,689,512 parameters for 1,000 classes."""
    return ResNet(18, num_classes)


def resnet50(num_classes: int = 1000) -> ResNet:
    """``ResNet(50)``: 25,557,032 parameters for 1,000 classes."""
    return ResNet(50, num_classes)
