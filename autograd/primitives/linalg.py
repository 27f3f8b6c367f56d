"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd._primitive import attach, primitive, sample

Shape = tuple[int, ...]

PRODUCTS = (
    sample((2, 3), (3, 4)),
    sample((3,), (3,)),
    sample((2, 3), (3,)),
    sample((3,), (3, 2)),
    sample((2, 1, 2, 3), (4, 3, 2)),
    sample((5, 2, 3), (3, 2)),
    sample((2, 2, 3), (3,)),
    sample((3,), (2, 3, 4)),
    sample((2, 3), (4, 3, 2)),
)


@primitive(np.matmul, samples=PRODUCTS)
def matmul(a: Any, b: Any, /) -> Any:
    """Matrix product of matrices, vectors and stacks of matrices, as ``a @ b``."""
    return np.matmul(a, b)


@matmul.rule("a")
def _(g: Any, b: Any, a_ndim: int) -> Any:
    if b.ndim == 1:
        return g * b if a_ndim == 1 else g[..., None] * b
    if a_ndim == 1:
        return (b @ g[..., None])[..., 0]
    return g @ b.swapaxes(-1, -2)


@matmul.rule("b")
def _(g: Any, a: Any, b_ndim: int) -> Any:
    if a.ndim == 1:
        return g * a if b_ndim == 1 else a[:, None] * g[..., None, :]
    if b_ndim == 1:
        return (a.swapaxes(-1, -2) @ g[..., None])[..., 0]
    if b_ndim == 2 < a.ndim:  # one product instead of a stack of products and a sum
        return a.reshape(-1, a.shape[-1]).T @ g.reshape(-1, g.shape[-1])
    return a.swapaxes(-1, -2) @ g


def _rmatmul(self: Any, other: Any) -> Any:
    return matmul.call(other, self)


attach("__matmul__", matmul.call)
attach("__rmatmul__", _rmatmul)
