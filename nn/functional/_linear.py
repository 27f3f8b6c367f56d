"""Affine and bilinear maps, and rows of a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor
from autograd.primitives import networks
from nn.functional._arguments import like

__all__ = ["bilinear", "embedding", "linear", "one_hot"]

_linear = networks.linear.call


def linear(input: TensorLike, weight: TensorLike, bias: TensorLike | None = None) -> Tensor:
    """x Wᵀ + b along the last axis.

    Args:
        input: (…, in).
        weight: (out, in), or (in,) for a single output without an axis.
        bias: (out,) or None.

    Returns:
        (…, out).

    >>> import numpy as np, nn.functional as F
    >>> F.linear([[1.0, 2.0]], np.array([[1.0, 1.0], [0.0, 3.0]]), np.array([10.0, 20.0]))
    Tensor([[13., 26.]])
    """
    if not isinstance(weight, Tensor):
        weight = as_tensor(weight)
    x = input if isinstance(input, Tensor) else as_tensor(like(input, weight))
    if bias is None:
        return _linear(x, weight, None)
    if not isinstance(bias, Tensor):
        bias = as_tensor(bias)
    if bias.data.shape == weight.data.shape[:-1]:
        return _linear(x, weight, bias)
    return _linear(x, weight, None) + bias


def bilinear(
    input1: TensorLike, input2: TensorLike, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """x₁ᵀ A x₂ + b for each matrix A of the stack ``weight``.

    Args:
        input1: (…, in1).
        input2: (…, in2), with the same leading axes.
        weight: (out, in1, in2).
        bias: (out,) or None.
    """
    weight = as_tensor(weight)
    a, b = as_tensor(like(input1, weight)), as_tensor(like(input2, weight))
    if a.shape[:-1] != b.shape[:-1]:
        raise ValueError(
            f"bilinear: the leading axes of the inputs must agree, got {a.shape} and {b.shape}"
        )
    lead = a.shape[:-1]
    n_out, n_in1, n_in2 = weight.shape
    # a (N, in1) times A as (in1, out·in2), then the product with b over in2
    flat = weight.transpose(1, 0, 2).reshape(n_in1, n_out * n_in2)
    left = np.matmul(a.reshape(-1, n_in1), flat).reshape(-1, n_out, n_in2)
    out = np.sum(left * np.expand_dims(b.reshape(-1, n_in2), 1), axis=-1).reshape(*lead, n_out)
    return out if bias is None else out + bias


def embedding(
    input: Any,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of ``weight`` at the integer positions ``input``.

    Args:
        input: integers of any shape (…).
        weight: (count, features).
        padding_idx: the row that gets no gradient.
        max_norm: rows that are used are first scaled down to this norm, in place.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide a row's gradient by how often it is used.
        sparse: accepted as PyTorch's; gradients are always dense.

    Returns:
        (…, features).
    """
    weight = as_tensor(weight)
    index = input.data if isinstance(input, Tensor) else np.asarray(input)
    if index.dtype.kind not in "iu":
        raise TypeError(f"embedding takes integer indices, got {index.dtype}")
    count = weight.shape[0]
    if index.size and (index.min() < 0 or index.max() >= count):
        raise IndexError(f"embedding: index out of range for {count} rows: {index.max()}")
    if padding_idx is not None and not -count <= padding_idx < count:
        raise ValueError(f"padding_idx must be within the {count} rows, got {padding_idx}")
    if max_norm is not None:
        _shrink_rows(weight.data, np.unique(index), max_norm, norm_type)
    factor = None
    if padding_idx is not None:
        factor = (index != padding_idx % count).astype(weight.dtype)
    if scale_grad_by_freq:
        often = np.bincount(index.ravel(), minlength=count)[index]
        factor = (1 if factor is None else factor) / often.astype(weight.dtype)
    rows = weight[index]
    if factor is None:
        return rows
    # the value of all rows, the gradient of the scaled ones
    factor = factor[..., None]
    return rows * factor + rows.detach() * (1 - factor)


def _shrink_rows(table: Any, used: Any, max_norm: float, norm_type: float) -> None:
    norms = np.linalg.norm(table[used], ord=norm_type, axis=1)
    large = norms > max_norm
    table[used[large]] *= (max_norm / (norms[large] + 1e-7))[:, None].astype(table.dtype)


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """A new last axis with a one at each index and zeros elsewhere, as integers.

    >>> one_hot([0, 2]).numpy()
    array([[1, 0, 0],
           [0, 0, 1]])
    """
    index = tensor.data if isinstance(tensor, Tensor) else np.asarray(tensor)
    if index.dtype.kind not in "iu":
        raise TypeError(f"one_hot takes integers, got {index.dtype}")
    if index.size and index.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        if index.size == 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = int(index.max()) + 1
    if index.size and index.max() >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return as_tensor((index[..., None] == np.arange(num_classes)).astype(np.int64))
