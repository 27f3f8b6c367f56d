"""Complete networks, each on one page."""

from nn.models.lenet import DigitsCNN, LeNet
from nn.models.mlp import MLP

__all__ = ["DigitsCNN", "LeNet", "MLP"]
