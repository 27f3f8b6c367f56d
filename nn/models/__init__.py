"""Complete networks, each on one page."""

from nn.models.alexnet import AlexNet
from nn.models.lenet import DigitsCNN, LeNet
from nn.models.mlp import MLP
from nn.models.resnet import ResNet, resnet18, resnet50
from nn.models.vgg import VGG, vgg16

__all__ = ["MLP", "VGG", "AlexNet", "DigitsCNN", "LeNet", "ResNet", "resnet18", "resnet50", "vgg16"]
