"""Functions that NumPy does not have, on arrays and tensors alike.

Accurate to float64 and stable where the plain formula overflows; each is differentiable to any
order. The names are those of ``scipy.special``, with ``sigmoid`` for its ``expit``.
"""

from autograd.primitives.elementwise import relu, sigmoid, softplus
from autograd.primitives.reduction import log_softmax, logsumexp, softmax
from autograd.primitives.special import (
    digamma,
    entr,
    erf,
    erfc,
    erfinv,
    gammaln,
    log_sigmoid,
    logit,
    ndtr,
    polygamma,
    xlogy,
)

__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfinv",
    "gammaln",
    "log_sigmoid",
    "log_softmax",
    "logit",
    "logsumexp",
    "ndtr",
    "polygamma",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "xlogy",
]
