"""Between backward and step: clipping and accumulation of gradients. And a rate for each layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.extend import note_write
from optim._options import check
from optim.optimizer import Group, Optimizer

__all__ = [
    "GradientAccumulator",
    "clip_grad_norm_",
    "clip_grad_value_",
    "get_total_norm",
    "layer_groups",
]


def _with_gradient(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    each = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p for p in each if p.grad is not None]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> float:
    """The p-norm of all tensors together, as of one long vector.

    Args:
        tensors: one or several.
        norm_type: p; ``inf`` for the largest absolute value.
        error_if_nonfinite: raise instead of returning inf or nan.

    Raises:
        FloatingPointError: if asked for, and the norm is not finite.

    >>> get_total_norm([Tensor([3.0]), Tensor([[4.0]])])
    5.0
    """
    each = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    # Sums of many squares of float32 are taken in float64: they overflow late and round little.
    norms = [float(np.linalg.norm(t.data.ravel(), norm_type)) for t in each if t.size]
    total = float(np.linalg.norm(norms, norm_type)) if norms else 0.0
    if error_if_nonfinite and not np.isfinite(total):
        raise FloatingPointError(f"the total norm of order {norm_type} is {total}")
    return total


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale all gradients down together, in place, so that their norm is at most ``max_norm``.

    Args:
        parameters: tensors whose ``.grad`` is clipped; those without one are passed over.
        max_norm: largest norm, ≥ 0.
        norm_type: p of the p-norm; ``inf`` for the largest absolute value.
        error_if_nonfinite: raise if the norm is inf or nan.

    Returns:
        The norm before clipping.

    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks".

    >>> w = Tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = Tensor([3.0, 4.0])
    >>> clip_grad_norm_(w, 1.0)
    5.0
    >>> w.grad.data.round(4)
    array([0.6, 0.8])
    """
    check(max_norm >= 0, "max_norm", max_norm, "a number ≥ 0")
    gradients = [p.grad for p in _with_gradient(parameters) if p.grad is not None]
    total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    factor = max_norm / (total + 1e-6)
    if factor < 1 or np.isnan(factor):
        for gradient in gradients:
            np.multiply(gradient.data, factor, out=gradient.data)
            note_write(gradient.data)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clip every element of the gradients, in place, to [−clip_value, clip_value].

    >>> w = Tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = Tensor([3.0, -0.5])
    >>> clip_grad_value_(w, 1.0)
    >>> w.grad
    Tensor([ 1. , -0.5])
    """
    check(clip_value >= 0, "clip_value", clip_value, "a number ≥ 0")
    for p in _with_gradient(parameters):
        assert p.grad is not None
        np.clip(p.grad.data, -clip_value, clip_value, out=p.grad.data)
        note_write(p.grad.data)


class GradientAccumulator:
    """Take one step for several small batches, as if they were one large batch.

    Losses are means over their batches, so each is divided by the number of batches; gradients add
    up until enough have come.

    Args:
        optimizer: whose ``step`` and ``zero_grad`` are called.
        batches: number of batches per step, ≥ 1.
        before_step: called before each step, for example to clip.

    >>> import optim
    >>> w = Tensor(0.0, requires_grad=True)
    >>> accumulator = GradientAccumulator(optim.SGD([w], lr=0.1), batches=2)
    >>> [accumulator.add(w * x) for x in (1.0, 3.0)]
    [False, True]
    >>> w.item()  # −0.1 · (1 + 3) / 2
    -0.2
    """

    def __init__(
        self,
        optimizer: Optimizer,
        batches: int,
        before_step: Callable[[], Any] | None = None,
    ) -> None:
        check(batches >= 1, "batches", batches, "a number ≥ 1")
        self.optimizer = optimizer
        self.batches = batches
        self.before_step = before_step
        self.pending = 0

    def add(self, loss: Tensor) -> bool:
        """Add the gradients of a batch's mean loss; step if they are complete, and say so."""
        (loss * (1 / self.batches)).backward()
        self.pending += 1
        if self.pending < self.batches:
            return False
        self._step()
        return True

    def flush(self) -> bool:
        """Step with what has come, at the end of the data; False if nothing was pending."""
        if not self.pending:
            return False
        scale = self.batches / self.pending
        for group in self.optimizer.param_groups:
            for p in _with_gradient(group["params"]):
                assert p.grad is not None
                np.multiply(p.grad.data, scale, out=p.grad.data)
                note_write(p.grad.data)
        self._step()
        return True

    def _step(self) -> None:
        if self.before_step is not None:
            self.before_step()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.pending = 0


def layer_groups(
    named_parameters: Iterable[tuple[str, Tensor]],
    lr: float,
    decay: float = 1.0,
    overrides: dict[str, Group] | None = None,
) -> list[Group]:
    """Parameter groups with a learning rate (and other options) for each layer.

    Parameters belong to one layer if their names agree up to the last dot. The last layer gets
    ``lr``, each one before it ``decay`` times the rate of the one after it.

    Args:
        named_parameters: pairs (name, parameter) in order, as ``module.named_parameters()`` gives.
        lr: rate of the last layer.
        decay: factor from layer to layer, towards the input.
        overrides: from layer name to options that hold for it, such as ``{"weight_decay": 0.1}``.

    Returns:
        Groups for any optimizer; each also has ``"name"``, the layer's.

    Raises:
        KeyError: if an override names no layer.

    >>> parameters = {
    ...     name: Tensor(1.0, requires_grad=True) for name in ("0.weight", "0.bias", "2.weight")
    ... }
    >>> groups = layer_groups(parameters.items(), lr=0.1, decay=0.5)
    >>> [(group["name"], group["lr"], len(group["params"])) for group in groups]
    [('0', 0.05, 2), ('2', 0.1, 1)]
    """
    layers: dict[str, list[Tensor]] = {}
    for name, p in named_parameters:
        layers.setdefault(name.rpartition(".")[0], []).append(p)
    unknown = set(overrides or {}) - set(layers)
    if unknown:
        raise KeyError(f"there is no layer {sorted(unknown)}; the layers are {list(layers)}")
    return [
        {
            "params": params,
            "name": name,
            "lr": lr * decay ** (len(layers) - 1 - index),
            **(overrides or {}).get(name, {}),
        }
        for index, (name, params) in enumerate(layers.items())
    ]
