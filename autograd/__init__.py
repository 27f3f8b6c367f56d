"""Reverse-mode automatic differentiation of plain NumPy code, on a graph you can hold.

>>> import numpy as np
>>> from autograd import Tensor
>>> x = Tensor([1.0, 2.0], requires_grad=True)
>>> y = np.sum(np.exp(x) * x)
>>> y.backward()
>>> x.grad.numpy().round(4)
array([ 5.4366, 22.1672])
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from autograd import func, special
from autograd import primitives as _primitives
from autograd._anomaly import AnomalyError, detect_anomaly
from autograd._check import GradcheckError, gradcheck, gradgradcheck
from autograd._checkpoint import checkpoint
from autograd._config import config
from autograd._graph import GraphError, Node, RemovableHandle
from autograd._lazy import READERS as _READERS
from autograd._lazy import load as _load
from autograd._modes import (
    enable_grad,
    is_grad_enabled,
    no_grad,
    saved_tensors_hooks,
    set_grad_enabled,
)
from autograd._primitive import Primitive, Sample, implements, primitive, sample
from autograd._random import generator, manual_seed
from autograd._tensor import Tensor, TensorLike, as_tensor, grad, tensor
from autograd.special import (
    erf,
    erfc,
    log_softmax,
    logsumexp,
    relu,
    sigmoid,
    softmax,
    softplus,
)

if _TYPE_CHECKING:
    from autograd._explain import explain
    from autograd._graphbuild import graph_of
    from autograd._graphview import Graph, GraphEdge, GraphModule, GraphNode
    from autograd._profile import profile
    from autograd._recording import record_values
    from autograd.drawing import Drawing, draw, draw_network
    from autograd.replay import compile

del _primitives


def __getattr__(name: str) -> object:
    """Readers of the graph (draw, graph_of …) are imported when first used."""
    if name not in _READERS:
        raise AttributeError(f"module 'autograd' has no attribute {name!r}")
    value = globals()[name] = _load(name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_READERS})


__version__ = "0.1.0"

__all__ = [
    "AnomalyError",
    "Drawing",
    "GradcheckError",
    "Graph",
    "GraphEdge",
    "GraphError",
    "GraphModule",
    "GraphNode",
    "Node",
    "Primitive",
    "RemovableHandle",
    "Sample",
    "Tensor",
    "TensorLike",
    "as_tensor",
    "checkpoint",
    "compile",
    "config",
    "detect_anomaly",
    "draw",
    "draw_network",
    "enable_grad",
    "erf",
    "erfc",
    "explain",
    "func",
    "generator",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph_of",
    "implements",
    "is_grad_enabled",
    "log_softmax",
    "logsumexp",
    "manual_seed",
    "no_grad",
    "primitive",
    "profile",
    "record_values",
    "relu",
    "sample",
    "saved_tensors_hooks",
    "set_grad_enabled",
    "sigmoid",
    "softmax",
    "softplus",
    "special",
    "tensor",
]
