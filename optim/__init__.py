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
from optim import line_search, lr_scheduler
from optim.adam import Adam, AdamW
from optim.adam_variants import Adamax, NAdam, RAdam
from optim.adaptive import Adadelta, Adagrad, RMSprop
from optim.asgd import ASGD
from optim.classic import DeltaBarDelta, DeltaDelta, Momentum, PerParameterSGD, Quickprop
from optim.lbfgs import LBFGS
from optim.matrixwise import Adafactor, Muon
from optim.optimizer import Optimizer
from optim.rprop import Rprop
from optim.sgd import SGD

# isort: split
from autograd.extend import mark_internal

mark_internal(__file__)
del _guard, mark_internal

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
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
    "line_search",
    "lr_scheduler",
]
