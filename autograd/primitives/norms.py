"""Norms of vectors and matrices, and condition numbers."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from autograd._primitive import implements, plain, primitive, sample
from autograd.primitives.decompositions import svdvals
from autograd.primitives.linalg import inv
from autograd.primitives.products import as_array, conjugate

Shape = tuple[int, ...]


@primitive(
    batched=True,
    samples=(
        sample((2, 3)),
        sample((2, 3), axis=0),
        sample((2, 3, 2), axis=(-2, -1), keepdims=True),
        sample((3,), axis=(0,)),
    ),
)
def euclidean_norm(x: Any, /, axis: Any = None, keepdims: Any = False) -> Any:
    """The root of the sum of squares over axes; its gradient at 0 is 0.

    >>> euclidean_norm(np.array([3.0, 4.0]))
    np.float64(5.0)
    """
    squares = x.real**2 + x.imag**2 if x.dtype.kind == "c" else x * x
    return np.sqrt(np.add.reduce(squares, axis=axis, keepdims=keepdims))


@euclidean_norm.rule
def _(g: Any, x: Any, y: Any, axis: Any, keepdims: bool) -> Any:
    g, y = _back(g, axis, keepdims, x.ndim), _back(y, axis, keepdims, x.ndim)
    zero = plain(y) == 0
    if np.any(zero):
        g, y = np.where(zero, 0, g), np.where(zero, 1, y)
    return g / y * conjugate(x)


@primitive(
    batched=True,
    samples=(
        sample((2, 3), p=3),
        sample((2, 3), p=1.5, axis=0, keepdims=True),
        sample((2, 3, 2), p=4, axis=(0, 2)),
        sample((4,), p=-2, low=0.5),
        sample((4,), p=0.5, low=0.5),
    ),
)
def p_norm(x: Any, /, p: float, axis: Any = None, keepdims: Any = False) -> Any:
    """``sum(|x| ** p) ** (1 / p)`` over axes, for real x; its gradient is 0 at elements of 0.

    >>> p_norm(np.array([1.0, 1.0]), 0.5)
    np.float64(4.0)
    """
    with np.errstate(divide="ignore"):
        return np.add.reduce(np.abs(x) ** p, axis=axis, keepdims=keepdims) ** (1 / p)


@p_norm.rule
def _(g: Any, x: Any, y: Any, p: float, axis: Any, keepdims: bool) -> Any:
    g, y = _back(g, axis, keepdims, x.ndim), _back(y, axis, keepdims, x.ndim)
    zero = (plain(x) == 0) | (plain(y) == 0)
    x = np.where(zero, 1, x)
    y = np.where(zero, 1, y)
    sign = np.where(zero, 0, np.sign(plain(x)))
    return g * sign * (np.abs(x) / y) ** (p - 1)


def _back(g: Any, axis: Any, keepdims: bool, ndim: int) -> Any:
    """Put back, with length one, the axes that a norm of ``ndim`` axes was taken over."""
    if keepdims:
        return g
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return np.expand_dims(g, tuple(a % ndim - ndim for a in axes))


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norms of vectors and matrices, as ``np.linalg.norm``.

    The gradient of the Euclidean norm at 0 is 0, those of maxima go to the first of equals, and
    ``ord=0``, a count, has none.

    >>> from autograd import Tensor
    >>> x = Tensor([3.0, 4.0], requires_grad=True)
    >>> norm(x).backward()
    >>> x.grad
    Tensor([0.6, 0.8])
    """
    x = as_array(x)
    if x.dtype.kind not in "fc":
        x = x.astype(float)
    if axis is None:
        axes = tuple(range(x.ndim))
        if ord is None:
            return euclidean_norm(x, axes, keepdims)
        if x.ndim not in (1, 2):
            raise ValueError(
                f"norm of order {ord!r} needs a vector, a matrix or an axis=, got shape {x.shape}"
            )
    else:
        axes = tuple(int(a) for a in axis) if isinstance(axis, tuple | list) else (int(axis),)
    axes = tuple(a - x.ndim if a >= 0 else a for a in axes)
    if len(axes) == 1:
        return _norm_of_vectors(x, ord, axes, keepdims)
    if len(axes) == 2:
        return _norm_of_matrices(x, ord, axes, keepdims)
    raise ValueError(f"norm takes one axis (vectors) or two (matrices), got {axis!r}")


def _norm_of_vectors(x: Any, ord: Any, axes: Shape, keepdims: bool) -> Any:
    if ord is None or ord == 2:
        return euclidean_norm(x, axes, keepdims)
    if isinstance(ord, str):
        raise ValueError(f"norm: {ord!r} is an order for matrices, not for vectors")
    if ord == 0:
        return np.linalg.norm(plain(x), 0, axes[0], keepdims)
    if ord == inf:
        return np.max(np.abs(x), axis=axes, keepdims=keepdims)
    if ord == -inf:
        return np.min(np.abs(x), axis=axes, keepdims=keepdims)
    if ord == 1:
        return np.sum(np.abs(x), axis=axes, keepdims=keepdims)
    if x.dtype.kind == "c":
        x = np.abs(x)
    return p_norm(x, float(ord), axes, keepdims)


def _norm_of_matrices(x: Any, ord: Any, axes: Shape, keepdims: bool) -> Any:
    rows, columns = axes
    if rows % x.ndim == columns % x.ndim:
        raise ValueError(f"norm of matrices needs two different axes, got {axes}")
    if ord is None or ord == "fro":
        return euclidean_norm(x, axes, keepdims)
    if ord in (1, -1, inf, -inf):
        sums = np.sum(np.abs(x), axis=rows if abs(ord) == 1 else columns, keepdims=True)
        result = (np.max if ord > 0 else np.min)(sums, axis=axes, keepdims=True)
    elif ord in (2, -2, "nuc"):
        values = svdvals(np.moveaxis(x, axes, (-2, -1)))
        result = np.sum(values, axis=-1) if ord == "nuc" else values[..., 0 if ord == 2 else -1]
        return np.expand_dims(result, axes) if keepdims else result
    else:
        raise ValueError(
            f"norm of matrices takes ord 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}"
        )
    return result if keepdims else np.squeeze(result, axes)


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Norms of vectors that may lie in several axes, as ``np.linalg.vector_norm``.

    >>> from autograd import Tensor
    >>> vector_norm(Tensor([[3.0, 0.0], [0.0, 4.0]]))
    Tensor(5.)
    """
    x = as_array(x)
    if x.dtype.kind not in "fc":
        x = x.astype(float)
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    axes = tuple(int(a) % x.ndim - x.ndim for a in axes)
    if ord == 0:
        return np.linalg.vector_norm(plain(x), axis=axes, keepdims=keepdims, ord=0)
    return _norm_of_vectors(x, ord, axes, keepdims)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Norms of matrices in the last two axes, as ``np.linalg.matrix_norm``.

    >>> from autograd import Tensor
    >>> matrix_norm(Tensor([[3.0, 0.0], [0.0, 4.0]]), ord="nuc")
    Tensor(7.)
    """
    return norm(x, ord, (-2, -1), keepdims)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """The condition numbers of matrices, as ``np.linalg.cond``.

    Raises:
        LinAlgError: for singular matrices, whose condition number is infinite and has no
            derivative, if a derivative is wanted.

    >>> from autograd import Tensor
    >>> cond(Tensor([[4.0, 0.0], [0.0, 2.0]]))
    Tensor(2.)
    """
    value = np.linalg.cond(plain(x), p)
    if np.any(np.isinf(value)):
        if getattr(x, "requires_grad", False):
            raise np.linalg.LinAlgError(
                "cond: the condition number of a singular matrix is infinite and has no gradient"
            )
        return value
    if p is None or p == 2:
        values = svdvals(x)
        return values[..., 0] / values[..., -1]
    if p == -2:
        values = svdvals(x)
        return values[..., -1] / values[..., 0]
    return norm(x, p, (-2, -1)) * norm(inv.call(x), p, (-2, -1))
