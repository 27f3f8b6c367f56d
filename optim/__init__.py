"""Optimizers: parameters and gradients in, better parameters out.

>>> import autograd, optim
>>> w = autograd.Tensor([1.0, -2.0], requires_grad=True)
>>> optimizer = optim.SGD([w], lr=0.1)
>>> for _ in range(3):
...     optimizer.zero_grad()
...     loss = (w * w).sum()
...     loss.backward()
...     optimizer.step()
>>> w
Tensor([ 0.512, -1.024], requires_grad=True)
"""

from optim import _guard

# isort: split
from optim import line_search, lr_scheduler, swa_utils
from optim.adam import Adam, AdamW
from optim.adam_variants import Adamax, NAdam, RAdam
from optim.adaptive import Adadelta, Adagrad, RMSprop
from optim.asgd import ASGD
from optim.classic import DeltaBarDelta, DeltaDelta, Momentum, PerParameterSGD, Quickprop
from optim.flow import (
    batch_size_at_temperature,
    gradient_ascent,
    gradient_flow,
    scaled_lr,
    sgd_temperature,
    standard_error,
)
from optim.gradients import (
    GradientAccumulator,
    clip_grad_norm_,
    clip_grad_value_,
    get_total_norm,
    layer_groups,
)
from optim.lbfgs import LBFGS
from optim.linear_models import irls, perceptron
from optim.lr_finder import LRFinder
from optim.matrixwise import Adafactor, Muon
from optim.optimizer import Optimizer
from optim.rprop import Rprop
from optim.second_order import (
    bfgs,
    gauss_newton,
    levenberg_marquardt,
    newton,
    nonlinear_cg,
    scipy_minimize,
)
from optim.sgd import SGD
from optim.trajectory import descend

# isort: split
from autograd.extend import mark_internal

mark_internal(__file__)
del _guard, mark_internal

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "GradientAccumulator",
    "LRFinder",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "DeltaBarDelta",
    "DeltaDelta",
    "Momentum",
    "PerParameterSGD",
    "Quickprop",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "batch_size_at_temperature",
    "bfgs",
    "clip_grad_norm_",
    "clip_grad_value_",
    "descend",
    "gauss_newton",
    "get_total_norm",
    "gradient_ascent",
    "gradient_flow",
    "irls",
    "layer_groups",
    "levenberg_marquardt",
    "line_search",
    "lr_scheduler",
    "newton",
    "nonlinear_cg",
    "perceptron",
    "scaled_lr",
    "scipy_minimize",
    "sgd_temperature",
    "standard_error",
    "swa_utils",
]
