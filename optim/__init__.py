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

import autograd

if not hasattr(autograd, "Tensor") or not hasattr(autograd, "Node"):
    raise ImportError(
        "optim belongs to glassgrad and needs glassgrad's package autograd, but the autograd found "
        f"at {getattr(autograd, '__file__', None)} is another one (PyPI has a package of that "
        "name, HIPS autograd); `pip uninstall autograd`, then reinstall glassgrad"
    )
autograd._graph.mark_internal(__file__)

from optim.adam import Adam, AdamW  # noqa: E402
from optim.optimizer import Optimizer  # noqa: E402
from optim.sgd import SGD  # noqa: E402

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
