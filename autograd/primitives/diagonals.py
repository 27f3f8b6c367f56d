"""Diagonals and triangles of matrices, and matrices made from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd._primitive import attach, implements, primitive, sample
from autograd._tensor import as_tensor
from autograd.primitives.indexing import getitem

Shape = tuple[int, ...]

MATRICES = (
    sample((3, 4)),
    sample((3, 3), k=1),
    sample((4, 3), k=-2),
    sample((2, 3, 3), k=0),
)


@primitive(np.tril, batched=True, samples=MATRICES)
def tril(m: Any, /, k: int = 0) -> Any:
    """The lower triangle up to the k-th diagonal, zeros above."""
    return np.tril(m, k)


@tril.rule
def _(g: Any, k: int, m_ndim: int) -> Any:
    lower = np.tril(g, k)
    return np.sum(lower, axis=-2) if m_ndim == 1 else lower  # a vector was every row


@primitive(np.triu, batched=True, samples=MATRICES)
def triu(m: Any, /, k: int = 0) -> Any:
    """The upper triangle from the k-th diagonal on, zeros below."""
    return np.triu(m, k)


@triu.rule
def _(g: Any, k: int, m_ndim: int) -> Any:
    upper = np.triu(g, k)
    return np.sum(upper, axis=-2) if m_ndim == 1 else upper


@primitive(
    np.diagonal,
    view=True,
    batched=True,
    samples=(
        sample((3, 4)),
        sample((3, 3), offset=1),
        sample((2, 3, 4), offset=-1, axis1=-1, axis2=0),
        sample((2, 2), offset=2),
    ),
)
def diagonal(a: Any, /, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of a matrix, or of each matrix along two axes; it becomes the last axis."""
    return np.diagonal(a, offset, axis1, axis2)


@diagonal.rule
def _(g: Any, offset: int, axis1: int, axis2: int, a_shape: Shape) -> Any:
    ndim = len(a_shape)
    shape = g.shape[: g.ndim - ndim + 1] + a_shape
    return put_diagonal(g, offset, axis1 % ndim - ndim, axis2 % ndim - ndim, shape)


@primitive(
    samples=(
        sample((3,), offset=0, axis1=0, axis2=1, shape=(3, 4)),
        sample((2, 3), offset=-1, axis1=-1, axis2=0, shape=(3, 2, 4)),
    )
)
def put_diagonal(x: Any, /, offset: int, axis1: int, axis2: int, shape: Shape) -> Any:
    """Zeros of ``shape`` with the last axis of x on the diagonal of two axes."""
    out = np.zeros(shape, x.dtype)
    matrices = np.moveaxis(out, (axis1, axis2), (-2, -1))
    k = np.arange(x.shape[-1])
    matrices[..., k + max(-offset, 0), k + max(offset, 0)] = x
    return out


@put_diagonal.rule
def _(g: Any, offset: int, axis1: int, axis2: int) -> Any:
    return np.diagonal(g, offset, axis1, axis2)


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """The k-th diagonal of a matrix, or the matrix with a vector on its k-th diagonal.

    >>> from autograd import Tensor
    >>> diag(Tensor([1.0, 2.0]), 1)
    Tensor([[0., 1., 0.],
            [0., 0., 2.],
            [0., 0., 0.]])
    """
    if v.ndim == 1:
        n = v.size + abs(k)
        return put_diagonal.call(v, k, 0, 1, (n, n))
    if v.ndim != 2:
        raise ValueError(f"diag takes a vector or a matrix, got shape {v.shape}")
    return np.positive(diagonal.call(v, k))


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """The matrix with all elements of v on its k-th diagonal."""
    return diag(np.reshape(as_tensor(v), -1), k)


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The matrix of powers of x, one in each column.

    >>> from autograd import Tensor
    >>> vander(Tensor([2.0, 3.0]), 3)
    Tensor([[4., 2., 1.],
            [9., 3., 1.]])
    """
    powers = np.arange(x.size if N is None else N, dtype=x.dtype)
    column = getitem.call(x, index=(slice(None), None))
    return np.power(column, powers if increasing else powers[::-1])


attach("diagonal", diagonal.call)
