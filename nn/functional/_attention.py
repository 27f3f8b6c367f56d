"""Attention: values weighted by how well their keys fit the queries."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor
from nn.functional._activation import softmax
from nn.functional._dropout import dropout

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    attn_mask: TensorLike | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(Q Kᵀ scale + mask) V (Vaswani et al. 2017).

    Args:
        query: (…, L, E).
        key: (…, S, E).
        value: (…, S, V).
        attn_mask: broadcast to (…, L, S); boolean, True where attention is allowed, or numbers
            that are added to the scores.
        dropout_p: share of the weights that are dropped; pass 0 in evaluation.
        is_causal: position i sees positions up to i only.
        scale: 1/√E by default.
        enable_gqa: several query heads (axis −3) share a head of keys and values.

    Returns:
        (…, L, V).

    >>> out = scaled_dot_product_attention(np.zeros((1, 4)), np.eye(2, 4), [[1.0], [3.0]])
    >>> out
    Tensor([[2.]])
    """
    q, k, v = as_tensor(query), as_tensor(key), as_tensor(value)
    if enable_gqa:
        times = q.shape[-3] // k.shape[-3]
        k, v = np.repeat(k, times, axis=-3), np.repeat(v, times, axis=-3)
    weights = attention_weights(q, k, attn_mask, is_causal, scale)
    if dropout_p:
        weights = dropout(weights, dropout_p)
    return np.matmul(weights, v)


def attention_weights(
    q: Tensor, k: Tensor, mask: Any, is_causal: bool, scale: float | None
) -> Tensor:
    """(…, L, S): how much each query takes from each key."""
    factor = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = np.matmul(q * factor, k.swapaxes(-1, -2))
    if is_causal:
        if mask is not None:
            raise ValueError("attn_mask and is_causal=True exclude each other")
        mask = np.tri(q.shape[-2], k.shape[-2], dtype=bool)
    if mask is not None:
        given = mask if isinstance(mask, Tensor) else np.asarray(mask)
        if given.dtype.kind == "b":
            allowed = given.data if isinstance(given, Tensor) else given
            lowest = -np.inf if allowed.any(axis=-1).all() else np.finfo(scores.dtype).min
            scores = np.where(allowed, scores, scores.dtype.type(lowest))
        else:
            scores = scores + (given if isinstance(given, Tensor) else given.astype(scores.dtype))
    return softmax(scores, -1)
