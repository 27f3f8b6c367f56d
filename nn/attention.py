"""Multi-head attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from autograd import Tensor, TensorLike, as_tensor
from nn import functional as F
from nn import init
from nn.functional._arguments import like
from nn.functional._attention import attention_weights
from nn.linear import Linear, empty_parameter
from nn.module import Module
from nn.parameter import Parameter

__all__ = ["MultiheadAttention"]


class NonDynamicallyQuantizableLinear(Linear):
    """A :class:`Linear` under the name that PyTorch prints here."""


class MultiheadAttention(Module):
    """Several attentions side by side, each on its own projection (Vaswani et al. 2017).

    Args:
        embed_dim: length of queries and outputs, divisible by ``num_heads``.
        num_heads: number of attentions.
        dropout: share of the attention weights dropped in training.
        bias: whether the projections have biases.
        kdim, vdim: lengths of keys and values, ``embed_dim`` by default.
        batch_first: (N, L, E) instead of (L, N, E).
        dtype: of the parameters, float32 by default.

    Attributes:
        in_proj_weight: (3 embed_dim, embed_dim); or q_proj_weight, k_proj_weight, v_proj_weight
            where kdim or vdim differ.
        in_proj_bias: (3 embed_dim,) or None.
        out_proj: a Linear.

    >>> import numpy as np, nn
    >>> attention = nn.MultiheadAttention(8, 2, batch_first=True)
    >>> out, weights = attention(*[np.ones((1, 5, 8))] * 3)
    >>> out.shape, weights.shape
    ((1, 5, 8), (1, 5, 5))
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got {embed_dim}, {num_heads}"
            )
        if embed_dim % num_heads:
            raise ValueError("embed_dim must be divisible by num_heads")
        if add_bias_kv or add_zero_attn:
            raise NotImplementedError("add_bias_kv and add_zero_attn are not supported")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.head_dim = embed_dim // num_heads
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = empty_parameter((3 * embed_dim, embed_dim), dtype)
            for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
                self.register_parameter(name, None)
        else:
            self.q_proj_weight = empty_parameter((embed_dim, embed_dim), dtype)
            self.k_proj_weight = empty_parameter((embed_dim, self.kdim), dtype)
            self.v_proj_weight = empty_parameter((embed_dim, self.vdim), dtype)
            self.register_parameter("in_proj_weight", None)
        if bias:
            self.in_proj_bias = empty_parameter((3 * embed_dim,), dtype)
        else:
            self.register_parameter("in_proj_bias", None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, dtype=dtype)
        for name, parameter in self._parameters.items():
            if parameter is not None and name.endswith("weight"):
                init.xavier_uniform_(parameter)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: TensorLike,
        key: TensorLike,
        value: TensorLike,
        key_padding_mask: TensorLike | None = None,
        need_weights: bool = True,
        attn_mask: TensorLike | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attention's outputs and, if wanted, its weights.

        Args:
            query: (L, N, E), (L, E) without a batch, or (N, L, E) with ``batch_first``.
            key, value: likewise, of length S.
            key_padding_mask: (N, S), True (or −∞) at keys that nobody may see.
            need_weights: return the weights too.
            attn_mask: (L, S) or (N num_heads, L, S), True at keys a query may not see, or numbers
                that are added to the scores.
            average_attn_weights: their mean over the heads.
            is_causal: as in PyTorch a hint that ``attn_mask`` is the causal mask, which must be
                given.
        """
        reference = self.out_proj.weight
        q, k, v = (as_tensor(like(x, reference)) for x in (query, key, value))
        batched = q.ndim == 3
        if q.ndim not in (2, 3) or k.ndim != q.ndim or v.ndim != q.ndim:
            raise self._reject("query, key and value with 2 or 3 axes each", (q.shape, k.shape))
        if is_causal and attn_mask is None:
            raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
        for x, size in ((q, self.embed_dim), (k, self.kdim), (v, self.vdim)):
            if x.shape[-1] != size:
                raise self._reject(f"(…, {size})", x)
        if not batched:
            q, k, v = (np.expand_dims(x, 0) for x in (q, k, v))
        elif not self.batch_first:
            q, k, v = (x.swapaxes(0, 1) for x in (q, k, v))
        n, length, _ = q.shape
        mask = self._mask(attn_mask, key_padding_mask, n, length, k.shape[1], q.dtype)
        heads = [
            x.reshape(n, x.shape[1], self.num_heads, self.head_dim).swapaxes(1, 2)
            for x in self._project(q, k, v)
        ]
        weights = attention_weights(heads[0], heads[1], mask, False, None)
        weights = F.dropout(weights, self.dropout, self.training)
        out = np.matmul(weights, heads[2]).swapaxes(1, 2).reshape(n, length, self.embed_dim)
        result = self.out_proj(out)
        shown = None
        if need_weights:
            shown = np.mean(weights, axis=1) if average_attn_weights else weights
        if not batched:
            return result[0], None if shown is None else shown[0]
        return (result if self.batch_first else result.swapaxes(0, 1)), shown

    def _project(self, q: Tensor, k: Tensor, v: Tensor) -> list[Tensor]:
        e = self.embed_dim
        if self.in_proj_weight is not None:
            weights = [self.in_proj_weight[i * e : (i + 1) * e] for i in range(3)]
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        bias = self.in_proj_bias
        biases = [None if bias is None else bias[i * e : (i + 1) * e] for i in range(3)]
        return [F.linear(x, w, b) for x, w, b in zip((q, k, v), weights, biases)]

    def _mask(
        self, attn_mask: Any, padding: Any, n: int, length: int, keys: int, dtype: Any
    ) -> Any:
        """What is added to the scores, (N or 1, heads or 1, L or 1, S), or None."""
        total: Any = None
        if attn_mask is not None:
            m = _additive(attn_mask, dtype)
            if m.ndim == 3:
                m = m.reshape(-1, self.num_heads, length, keys)
            total = m
        if padding is not None:
            p = _additive(padding, dtype).reshape(-1, 1, 1, keys)
            total = p if total is None else total + p
        return total


def _additive(mask: Any, dtype: Any) -> Any:
    """A mask as numbers to be added: −∞ where it is True."""
    m = mask.data if isinstance(mask, Tensor) else np.asarray(mask)
    if m.dtype.kind == "b":
        return np.where(m, -np.inf, 0).astype(dtype)
    return m.astype(dtype)
