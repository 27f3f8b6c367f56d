"""Gradients and parameters taken together: clipping, and one vector of all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor
from autograd.extend import note_write

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "vector_to_parameters",
]


def _listed(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Any]:
    return [p.grad.data for p in _listed(parameters) if p.grad is not None]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors taken as one vector."""
    return as_tensor(
        np.asarray(_total_norm([t.data for t in _listed(tensors)], norm_type, error_if_nonfinite))
    )


def _total_norm(arrays: list[Any], norm_type: float, error_if_nonfinite: bool) -> float:
    p = float(norm_type)
    if not arrays:
        return 0.0
    norms = [float(np.linalg.norm(a.ravel().astype(np.float64), p)) for a in arrays]
    total = max(norms) if p == math.inf else float(np.linalg.norm(norms, p))
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is "
            "non-finite, so it cannot be clipped. To disable this error and scale the gradients "
            "by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients down together if their norm, taken as one vector, exceeds ``max_norm``.

    Args:
        parameters: whose ``.grad`` is changed in place.
        max_norm: the largest norm allowed.
        norm_type: the p of the norm, ``math.inf`` for the largest element.
        error_if_nonfinite: raise if the norm is not finite.
        foreach: accepted as PyTorch's.

    Returns:
        The norm before clipping.

    >>> from autograd import Tensor
    >>> x = Tensor([3.0, 4.0], requires_grad=True)
    >>> (x * x / 2).sum().backward()
    >>> clip_grad_norm_([x], 1.0), x.grad.numpy().round(4)
    (Tensor(5.), array([0.6, 0.8]))
    """
    arrays = _gradients(parameters)
    total = _total_norm(arrays, norm_type, error_if_nonfinite)
    _scale(arrays, max_norm, total)
    return as_tensor(np.asarray(total))


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: TensorLike,
    foreach: bool | None = None,
) -> None:
    """Scale all gradients by max_norm / total_norm if that is below 1."""
    _scale(_gradients(parameters), max_norm, float(as_tensor(total_norm)))


def _scale(arrays: list[Any], max_norm: float, total: float) -> None:
    factor = min(1.0, float(max_norm) / (total + 1e-6))
    if factor == 1.0:
        return
    for array in arrays:
        note_write(array)
        array *= array.dtype.type(factor)


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit every element of the gradients to [−clip_value, clip_value], in place."""
    limit = float(clip_value)
    for array in _gradients(parameters):
        note_write(array)
        np.clip(array, -limit, limit, out=array)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters as one vector, in their order; gradients flow through it.

    >>> import nn
    >>> parameters_to_vector(nn.Linear(2, 3).parameters()).shape
    (9,)
    """
    parts = [p.reshape(-1) for p in parameters]
    if not parts:
        raise ValueError("there are no parameters to make a vector of")
    return np.concatenate(parts)


def vector_to_parameters(vec: TensorLike, parameters: Iterable[Tensor]) -> None:
    """Copy the slices of one vector into the parameters, in their order.

    Raises:
        ValueError: if the vector is not exactly as long as the parameters together.
    """
    values = as_tensor(vec).data
    targets = list(parameters)
    total = sum(p.size for p in targets)
    if values.shape != (total,):
        raise ValueError(f"the parameters hold {total} numbers, got a vector of {values.shape}")
    start = 0
    for p in targets:
        note_write(p.data)
        p.data[...] = values[start : start + p.size].reshape(p.shape)
        start += p.size
