"""Reverse-mode automatic differentiation of plain NumPy code, on a graph you can hold.

>>> import numpy as np
>>> from autograd import Tensor
>>> x = Tensor([1.0, 2.0], requires_grad=True)
>>> y = np.sum(np.exp(x) * x)
>>> y.backward()
>>> x.grad.numpy().round(4)
array([ 5.4366, 22.1672])
"""

from autograd import func
from autograd import primitives as _primitives
from autograd._anomaly import AnomalyError, detect_anomaly
from autograd._check import GradcheckError, gradcheck, gradgradcheck
from autograd._checkpoint import checkpoint
from autograd._graph import (
    GraphError,
    Node,
    RemovableHandle,
    enable_grad,
    is_grad_enabled,
    no_grad,
    saved_tensors_hooks,
    set_grad_enabled,
)
from autograd._primitive import Primitive, Sample, implements, primitive, sample
from autograd._random import generator, manual_seed
from autograd._tensor import Tensor, TensorLike, as_tensor, grad, tensor

del _primitives

__version__ = "0.1.0"

__all__ = [
    "AnomalyError",
    "GraphError",
    "GradcheckError",
    "Node",
    "Primitive",
    "RemovableHandle",
    "Sample",
    "Tensor",
    "TensorLike",
    "as_tensor",
    "checkpoint",
    "detect_anomaly",
    "enable_grad",
    "func",
    "generator",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "implements",
    "is_grad_enabled",
    "manual_seed",
    "no_grad",
    "primitive",
    "sample",
    "saved_tensors_hooks",
    "set_grad_enabled",
    "tensor",
]
