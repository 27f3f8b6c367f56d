"""Pruning by masks: the weight is ``weight_orig * weight_mask``, and stays so while it is trained.

PyTorch's ``torch.nn.utils.prune``: the same names in the ``state_dict``, the same functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd import Tensor, no_grad
from autograd.extend import generator
from nn.module import Module

__all__ = [
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


class _Masked:
    """A parameter times its mask."""

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, module: Module) -> Tensor:
        """The pruned parameter."""
        return module._parameters[f"{self.name}_orig"] * module._buffers[f"{self.name}_mask"]  # type: ignore[operator]

    def assign(self, module: Module, value: Any) -> None:
        """Change the parameter under the mask."""
        original = module._parameters[f"{self.name}_orig"]
        assert original is not None
        original.data[...] = getattr(value, "data", value)


def custom_from_mask(module: Module, name: str, mask: Any) -> Module:
    """Prune where ``mask`` is 0; on top of an earlier mask, only what that had left can go.

    >>> import numpy as np, nn
    >>> layer = nn.Linear(2, 1)
    >>> _ = custom_from_mask(layer, "weight", np.array([[1.0, 0.0]]))
    >>> layer.weight.numpy()[0, 1]
    np.float32(0.0)
    >>> [name for name, _ in layer.named_parameters()], [name for name, _ in layer.named_buffers()]
    (['bias', 'weight_orig'], ['weight_mask'])
    """
    keep = np.asarray(getattr(mask, "data", mask) if isinstance(mask, Tensor) else mask)
    if name in module._derived:
        current = module._buffers[f"{name}_mask"]
        assert current is not None
        _check_mask(keep, current)
        module.register_buffer(f"{name}_mask", (current.data * keep).astype(current.dtype))
        return module
    parameter = module._parameters.get(name)
    if parameter is None:
        raise AttributeError(f"{type(module).__name__} has no parameter {name!r} to prune")
    _check_mask(keep, parameter)
    module._drop("_parameters", name)
    module.register_parameter(f"{name}_orig", parameter)
    module.register_buffer(f"{name}_mask", keep.astype(parameter.dtype))
    module._derived[name] = _Masked(name)
    return module


def _check_mask(mask: Any, parameter: Tensor) -> None:
    if mask.shape != parameter.shape:
        raise ValueError(f"the mask has shape {mask.shape}, the parameter {parameter.shape}")


def identity(module: Module, name: str) -> Module:
    """Install a mask of ones."""
    return custom_from_mask(module, name, np.ones(getattr(module, name).shape))


def _how_many(amount: float, total: int) -> int:
    """``amount`` as a count: a whole number is one, a fraction is a share."""
    if isinstance(amount, bool) or not isinstance(amount, int | float | np.number):
        raise TypeError(f"amount must be a number, got {amount!r}")
    if isinstance(amount, int | np.integer):
        if amount < 0:
            raise ValueError(f"amount={amount} must not be negative")
        if amount > total:
            raise ValueError(f"amount={amount} should not exceed the {total} parameters to prune")
        return int(amount)
    if not 0 <= amount <= 1:
        raise ValueError(f"amount={amount} should be an integer or a share between 0 and 1")
    return round(amount * total)


def _standing(module: Module, name: str) -> Any:
    """Where the current mask, if there is one, has left a weight."""
    if name in module._derived:
        mask = module._buffers[f"{name}_mask"]
        assert mask is not None
        return mask.data != 0
    return np.ones(getattr(module, name).shape, bool)


def l1_unstructured(
    module: Module, name: str, amount: float, importance_scores: Any = None
) -> Module:
    """Prune the weights of smallest magnitude.

    Args:
        amount: how many of those still standing, or which share of them.
        importance_scores: prune the smallest of these instead.
    """
    standing = _standing(module, name)
    scores = _scores(module, name, importance_scores)
    return custom_from_mask(module, name, _without_smallest(scores, standing, amount))


def _scores(module: Module, name: str, importance_scores: Any) -> Any:
    if importance_scores is None:
        with no_grad():
            return np.abs(getattr(module, name).data)
    return np.asarray(getattr(importance_scores, "data", importance_scores))


def _without_smallest(scores: Any, standing: Any, amount: float) -> Any:
    count = _how_many(amount, int(standing.sum()))
    places = np.flatnonzero(standing)
    order = np.argsort(scores.ravel()[places], kind="stable")
    mask = standing.copy().ravel()
    mask[places[order[:count]]] = False
    return mask.reshape(standing.shape)


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Prune weights at random."""
    standing = _standing(module, name)
    scores = generator().random(standing.shape)
    return custom_from_mask(module, name, _without_smallest(scores, standing, amount))


def ln_structured(
    module: Module,
    name: str,
    amount: float,
    n: float,
    dim: int,
    importance_scores: Any = None,
) -> Module:
    """Prune whole slices along axis ``dim``, those with the smallest n-norm."""
    scores = _scores(module, name, importance_scores)
    axis = dim % scores.ndim
    slices = np.moveaxis(scores, axis, 0).reshape(scores.shape[axis], -1)
    return _prune_slices(module, name, amount, axis, np.linalg.norm(slices, ord=n, axis=1))


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prune whole slices along axis ``dim`` at random."""
    shape = getattr(module, name).shape
    axis = dim % len(shape)
    return _prune_slices(module, name, amount, axis, generator().random(shape[axis]))


def _prune_slices(module: Module, name: str, amount: float, axis: int, scores: Any) -> Module:
    standing = _standing(module, name)
    others = tuple(a for a in range(standing.ndim) if a != axis)
    alive = standing.any(axis=others)
    keep = _without_smallest(scores, alive, amount)
    shape = tuple(-1 if a == axis else 1 for a in range(standing.ndim))
    return custom_from_mask(module, name, standing & keep.reshape(shape))


def global_unstructured(
    parameters: Iterable[tuple[Module, str]], pruning_method: Any = None, *, amount: float
) -> None:
    """Prune the smallest magnitudes of several parameters taken together.

    Args:
        parameters: pairs (module, name).
        pruning_method: accepted as PyTorch's; always by magnitude.
        amount: how many of all, or which share of them.
    """
    pairs = list(parameters)
    scores = [_scores(module, name, None).ravel() for module, name in pairs]
    standing = [_standing(module, name) for module, name in pairs]
    together = np.concatenate([s.ravel() for s in standing])
    mask = _without_smallest(np.concatenate(scores), together, amount)
    start = 0
    for (module, name), own in zip(pairs, standing):
        stop = start + math.prod(own.shape)
        custom_from_mask(module, name, mask[start:stop].reshape(own.shape))
        start = stop


def is_pruned(module: Module) -> bool:
    """Whether anything in a module has a mask."""
    return any(
        isinstance(derived, _Masked) for m in module.modules() for derived in m._derived.values()
    )


def remove(module: Module, name: str) -> Module:
    """Make the pruning permanent: the parameter keeps its zeros and loses its mask."""
    if not isinstance(module._derived.get(name), _Masked):
        raise ValueError(
            f"Parameter {name!r} of module {type(module).__name__} has to be pruned before pruning "
            "can be removed"
        )
    parameter = module._drop("_parameters", f"{name}_orig")
    mask = module._drop("_buffers", f"{name}_mask")
    del module._derived[name]
    parameter.data *= mask.data
    parameter.name = name
    module.register_parameter(name, parameter)
    return module
