"""How arguments are read: a number for all axes, plain arrays for tensors, names of reductions."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import Tensor

Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def like(value: Any, reference: Any) -> Any:
    """A tensor as it is; a plain array, list or number as an array of the reference's dtype.

    Data without a declared type take the model's: float64 batches do not turn a float32 model into
    a slow one. Tensors keep their dtype, and NumPy's promotion decides.
    """
    if isinstance(value, Tensor):
        return value
    array, dtype = np.asarray(value), reference.dtype
    if array.dtype is not dtype and array.dtype.kind in "biuf":
        array = array.astype(dtype, copy=False)
    return array


def ints(value: Any, n: int, name: str, minimum: int = 1) -> Ints:
    """One integer for each of ``n`` axes: a single one is repeated."""
    if type(value) is int and value >= minimum:
        return (value,) * n
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        values = list(value)
        if len(values) == 1:
            values = values * n
    else:
        values = [value] * n
    try:
        whole = tuple(operator.index(v) for v in values)
    except TypeError:
        raise TypeError(f"{name} must be an integer or {n} of them, got {value!r}") from None
    if len(whole) != n:
        raise ValueError(f"{name} must be one integer or {n}, got {len(whole)}: {value!r}")
    if min(whole) < minimum:
        least = "positive" if minimum == 1 else f"at least {minimum}"
        raise ValueError(f"{name} must be {least}, got {value!r}")
    return whole


def pairs(padding: Ints) -> Pairs:
    """The same padding before and after each axis."""
    return tuple([(p, p) for p in padding])


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction, also from PyTorch's two older arguments for it."""
    if size_average is not None or reduce is not None:
        if reduce is False:
            return "none"
        return "sum" if size_average is False else "mean"
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction!r} is not a valid value for reduction: none, mean or sum")
    return reduction


def reduced(loss: Any, reduction: str) -> Any:
    """The losses themselves, their mean or their sum."""
    if reduction == "mean":
        return np.mean(loss)
    if reduction == "sum":
        return np.sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"{reduction!r} is not a valid value for reduction: none, mean or sum")


def fit_probability(p: float, name: str = "dropout probability") -> float:
    """p, checked to lie in [0, 1]."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name} has to be between 0 and 1, but got {p}")
    return p
