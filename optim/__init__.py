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
from importlib import import_module
from typing import TYPE_CHECKING, Any

from autograd.extend import mark_internal
from optim import lr_scheduler
from optim.adam import Adam, AdamW
from optim.adam_variants import Adamax, NAdam, RAdam
from optim.adaptive import Adadelta, Adagrad, RMSprop
from optim.asgd import ASGD
from optim.classic import DeltaBarDelta, DeltaDelta, Momentum, PerParameterSGD, Quickprop
from optim.gradients import (
    GradientAccumulator,
    clip_grad_norm_,
    clip_grad_value_,
    get_total_norm,
    layer_groups,
)
from optim.matrixwise import Adafactor, Muon
from optim.optimizer import Optimizer
from optim.rprop import Rprop
from optim.sgd import SGD

if TYPE_CHECKING:
    from optim import line_search, swa_utils
    from optim.flow import (
        batch_size_at_temperature,
        gradient_ascent,
        gradient_flow,
        scaled_lr,
        sgd_temperature,
        standard_error,
    )
    from optim.lbfgs import LBFGS
    from optim.least_squares import gauss_newton, levenberg_marquardt
    from optim.linear_models import irls, perceptron
    from optim.lr_finder import LRFinder
    from optim.second_order import bfgs, newton, nonlinear_cg, scipy_minimize
    from optim.trajectory import descend

mark_internal(__file__)
del _guard, mark_internal

# Loaded when first asked for, so that import stays fast: public name -> module that defines it.
_LATER = {
    "LBFGS": "lbfgs",
    "LRFinder": "lr_finder",
    "batch_size_at_temperature": "flow",
    "bfgs": "second_order",
    "descend": "trajectory",
    "gauss_newton": "least_squares",
    "gradient_ascent": "flow",
    "gradient_flow": "flow",
    "irls": "linear_models",
    "levenberg_marquardt": "least_squares",
    "line_search": "",
    "newton": "second_order",
    "nonlinear_cg": "second_order",
    "perceptron": "linear_models",
    "scaled_lr": "flow",
    "scipy_minimize": "second_order",
    "sgd_temperature": "flow",
    "standard_error": "flow",
    "swa_utils": "",
}

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
    "GradientAccumulator",
    "LRFinder",
    "Momentum",
    "Muon",
    "NAdam",
    "Optimizer",
    "PerParameterSGD",
    "Quickprop",
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


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'optim' has no attribute {name!r}")
    module = _LATER[name]
    value = import_module(f"optim.{module or name}")
    if module:
        value = getattr(value, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
