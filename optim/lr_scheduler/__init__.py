"""Learning rates that change: PyTorch's schedules, those of textbooks, and a batch-size schedule.

>>> import optim
>>> from autograd import Tensor
>>> w = Tensor(1.0, requires_grad=True)
>>> optimizer = optim.SGD([w], lr=0.4)
>>> scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
>>> for epoch in range(2):
...     optimizer.step()
...     scheduler.step()
>>> optimizer.param_groups[0]["lr"]
0.0
"""

from optim.lr_scheduler.base import LRScheduler, preview
from optim.lr_scheduler.combined import ChainedScheduler, SequentialLR
from optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from optim.lr_scheduler.cyclic import CyclicLR, OneCycleLR
from optim.lr_scheduler.plateau import ReduceLROnPlateau
from optim.lr_scheduler.steps import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from optim.lr_scheduler.textbook import (
    BatchSizeScheduler,
    ExponentialDecayLR,
    NCycleLR,
    PiecewiseConstantLR,
    PowerLR,
)

__all__ = [
    "BatchSizeScheduler",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialDecayLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "NCycleLR",
    "OneCycleLR",
    "PiecewiseConstantLR",
    "PolynomialLR",
    "PowerLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "preview",
]
