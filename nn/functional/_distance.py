"""Norms, distances and similarities of vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor
from nn.functional._arguments import like

__all__ = ["cosine_similarity", "pairwise_distance", "pdist", "vector_norm"]


def vector_norm(
    input: TensorLike, p: float = 2.0, axis: Any = None, keepdims: bool = False
) -> Tensor:
    """(Σ |x|ᵖ)^(1/p) over axes; the slope at the zero vector is 0.

    >>> vector_norm([3.0, 4.0])
    Tensor(5.)
    """
    x = as_tensor(input)
    if p == math.inf:
        return np.max(np.abs(x), axis=axis, keepdims=keepdims)
    if p == -math.inf:
        return np.min(np.abs(x), axis=axis, keepdims=keepdims)
    if p == 0:
        return np.sum(as_tensor((x.data != 0).astype(x.dtype)), axis=axis, keepdims=keepdims)
    if p == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    powers = x * x if p == 2 else np.power(_away_from_zero(np.abs(x)), p)
    if p != 2 and (x.data == 0).any():
        powers = np.where(x.data == 0, 0, powers)
    total = np.sum(powers, axis=axis, keepdims=keepdims)
    zero = total.data == 0
    if not zero.any():
        return np.sqrt(total) if p == 2 else np.power(total, 1 / p)
    safe = np.where(zero, 1, total)
    return np.where(zero, 0, np.sqrt(safe) if p == 2 else np.power(safe, 1 / p))


def _away_from_zero(x: Tensor) -> Tensor:
    zero = x.data == 0
    return np.where(zero, 1, x) if zero.any() else x


def pairwise_distance(
    x1: TensorLike, x2: TensorLike, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """‖x₁ − x₂ + eps‖ₚ along the last axis."""
    a = as_tensor(x1)
    return vector_norm(a - like(x2, a) + eps, p, -1, keepdim)


def cosine_similarity(x1: TensorLike, x2: TensorLike, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x₁·x₂ / (max(‖x₁‖, eps) max(‖x₂‖, eps)) along ``dim``.

    >>> cosine_similarity([[1.0, 0.0]], [[1.0, 1.0]]).numpy().round(4)
    array([0.7071])
    """
    a = as_tensor(x1)
    b = as_tensor(like(x2, a))
    dot = np.sum(a * b, axis=dim)
    norms = [np.maximum(vector_norm(x, 2.0, dim), eps) for x in (a, b)]
    return dot / (norms[0] * norms[1])


def pdist(input: TensorLike, p: float = 2.0) -> Tensor:
    """The distances of all pairs of rows, (N (N − 1) / 2,), in the order (0, 1), (0, 2), …"""
    x = as_tensor(input)
    if x.ndim != 2:
        raise ValueError(f"pdist expects (N, features), got {x.shape}")
    rows, columns = np.triu_indices(x.shape[0], 1)
    return vector_norm(x[rows] - x[columns], p, -1)
