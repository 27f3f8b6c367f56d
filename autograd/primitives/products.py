"""Products of vectors, matrices and arrays: matmul, dot, tensordot, cross, kron and their kin.

Sums over named axes are in `einsum`, what goes beyond products (inverses, norms, decompositions) in
`linalg` and `decompositions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, cast

import numpy as np

from autograd import kernels
from autograd._primitive import attach, implements, primitive, sample
from autograd.primitives.einsum import einsum

Shape = tuple[int, ...]


def conjugate(x: Any) -> Any:
    """The complex conjugate; a real array as it is."""
    return np.conj(x) if x.dtype.kind == "c" else x


def as_array(x: Any) -> Any:
    """Lists and numbers as arrays; arrays and tensors as they are."""
    return x if hasattr(x, "dtype") else np.asarray(x)


def refuse_out(name: str, out: Any) -> None:
    """Raise if a caller wants the result written into an array of theirs."""
    if out is not None:
        raise TypeError(f"np.{name} of a tensor has no out=: assign the result instead")


# From this many multiplications on, BLAS might use threads, and which ones matters.
LARGE = 1 << 17
_ndarray = np.ndarray


def product(a: Any, b: Any) -> Any:
    """``a @ b`` of arrays or tensors; large matrices in the threads of the other kernels."""
    if type(a) is _ndarray and type(b) is _ndarray and a.ndim == 2 and b.ndim == 2:
        if a.size * b.shape[1] > LARGE and a.shape[1] == b.shape[0]:
            return kernels.matmul(a, b)
        return a.dot(b)
    return a @ b


# ------------------------------------------------------------------------------------------ matmul

PRODUCTS = (
    sample((2, 3), (3, 4)),
    sample((3,), (3,)),
    sample((2, 3), (3,)),
    sample((3,), (3, 2)),
    sample((1, 2, 3), (4, 3, 2)),
    sample((5, 2, 3), (3, 2)),
    sample((2, 2, 3), (3,)),
    sample((3,), (2, 3, 4)),
    sample((2, 3), (4, 3, 2)),
)


@primitive(np.matmul, np.linalg.matmul, batched=True, samples=PRODUCTS)
def matmul(a: Any, b: Any, /) -> Any:
    """Matrix product of matrices, vectors and stacks of matrices, as ``a @ b``.

    >>> from autograd import Tensor
    >>> a = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> (a @ np.array([1.0, 10.0])).sum().backward()
    >>> a.grad
    Tensor([[ 1., 10.],
            [ 1., 10.]])
    """
    return product(a, b) if type(a) is type(b) is np.ndarray else np.matmul(a, b)


@matmul.rule("a")
def _(g: Any, b: Any, a_ndim: int) -> Any:
    b = as_array(b)
    if b.ndim == 1:
        return g[..., None] * b
    if a_ndim == 1:
        return (b @ g[..., None])[..., 0]
    return product(g, b.swapaxes(-1, -2))


@matmul.rule("b")
def _(g: Any, a: Any, b_ndim: int) -> Any:
    a = as_array(a)
    if a.ndim == 1:
        return g[..., None] * a if b_ndim == 1 else a[:, None] * g[..., None, :]
    if b_ndim == 1:
        return (a.swapaxes(-1, -2) @ g[..., None])[..., 0]
    if b_ndim == 2 < a.ndim:  # one product instead of a stack of products and a sum
        rows = prod(a.shape[:-1])
        lead = g.shape[: g.ndim - a.ndim]
        return product(a.reshape(rows, a.shape[-1]).T, g.reshape(*lead, rows, g.shape[-1]))
    return product(a.swapaxes(-1, -2), g)


def _rmatmul(self: Any, other: Any) -> Any:
    return matmul.call(other, self)


attach("__matmul__", matmul.call)
attach("__rmatmul__", _rmatmul)


# --------------------------------------------------------------------------------------- tensordot


@primitive(
    name="tensordot",
    batched=True,
    samples=(
        sample((2, 3), (3, 4), axes=((1,), (0,))),
        sample((2, 3, 4), (4, 2, 5), axes=((0, 2), (1, 0))),
        sample((2, 3), (3, 2), axes=((0, 1), (1, 0))),
        sample((2,), (3,), axes=((), ())),
        sample((2, 3), (2, 3), axes=((-1,), (-1,))),
    ),
)
def _tensordot(a: Any, b: Any, /, axes: tuple[Shape, Shape]) -> Any:
    """Sum of products over pairs of axes; the other axes of a, then those of b, remain."""
    return np.tensordot(a, b, axes)


def _kept(axes: Sequence[int], ndim: int) -> tuple[list[int], list[int]]:
    """The axes that are summed (counted from the front), and those that are not."""
    summed = [axis % ndim for axis in axes]
    return summed, [axis for axis in range(ndim) if axis not in summed]


@_tensordot.rule("a")
def _(g: Any, b: Any, axes: Any, a_ndim: int) -> Any:
    summed_a, kept_a = _kept(axes[0], a_ndim)
    summed_b, kept_b = _kept(axes[1], b.ndim)
    product = np.tensordot(g, b, (tuple(range(-len(kept_b), 0)), tuple(kept_b)))
    # The product's axes: g's extra one, those kept of a, those summed in the order b has them.
    lead = g.ndim - len(kept_a) - len(kept_b)
    order = kept_a + [summed_a[summed_b.index(axis)] for axis in sorted(summed_b)]
    return product.transpose(*range(lead), *(lead + order.index(axis) for axis in range(a_ndim)))


@_tensordot.rule("b")
def _(g: Any, a: Any, axes: Any, b_ndim: int) -> Any:
    summed_a, kept_a = _kept(axes[0], a.ndim)
    summed_b, kept_b = _kept(axes[1], b_ndim)
    lead = g.ndim - len(kept_a) - len(kept_b)
    product = np.tensordot(a, g, (tuple(kept_a), tuple(range(lead, lead + len(kept_a)))))
    # The product's axes: those summed in the order a has them, g's extra one, those kept of b.
    order = [summed_b[summed_a.index(axis)] for axis in sorted(summed_a)] + [-1] * lead + kept_b
    front = range(len(summed_a), len(summed_a) + lead)
    return product.transpose(*front, *(order.index(axis) for axis in range(b_ndim)))


@implements(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum of products over axes, as ``np.tensordot``.

    ``axes`` is a number N (the last N axes of a with the first N of b) or a pair of axes or of
    sequences of axes.

    >>> from autograd import Tensor
    >>> tensordot(Tensor([[1.0, 2.0], [3.0, 4.0]]), np.eye(2), axes=2)
    Tensor(5.)
    """
    a, b = as_array(a), as_array(b)
    if isinstance(axes, int | np.integer):
        count = int(axes)
        axes = (tuple(range(-count, 0)), tuple(range(count)))
    else:
        axes_a, axes_b = axes
        axes = (_as_axes(axes_a), _as_axes(axes_b))
    return _tensordot(a, b, axes)


def _as_axes(axes: Any) -> Shape:
    return tuple(int(axis) for axis in axes) if np.ndim(axes) else (int(axes),)


# ------------------------------------------------------------------------- products of two arrays


@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    """The product of NumPy's ``np.dot``: ``a * b`` for numbers, ``a @ b`` up to two axes.

    Beyond that, the sum over the last axis of a and the second to last of b, for all pairs.

    >>> from autograd import Tensor
    >>> dot(Tensor([1.0, 2.0]), [3.0, 4.0])
    Tensor(11.)
    """
    refuse_out("dot", out)
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim == 1 or (a.ndim == 1 and b.ndim == 2) or a.ndim == b.ndim == 2:
        return matmul.call(a, b)
    return _tensordot(a, b, ((-1,), (-2,)))


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """The sum over the last axes of both, for all pairs of the other axes, as ``np.inner``.

    >>> from autograd import Tensor
    >>> inner(Tensor([[1.0, 2.0], [3.0, 4.0]]), [1.0, 1.0])
    Tensor([3., 7.])
    """
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return _tensordot(a, b, ((-1,), (-1,)))


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """The sum of conj(a) times b over all elements, both flattened, as ``np.vdot``."""
    a, b = as_array(a), as_array(b)
    return matmul.call(conjugate(a).reshape(-1), b.reshape(-1))


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    """All products of an element of a and one of b, both flattened: shape (a.size, b.size).

    >>> from autograd import Tensor
    >>> outer(Tensor([1.0, 2.0]), [1.0, 10.0])
    Tensor([[ 1., 10.],
            [ 2., 20.]])
    """
    refuse_out("outer", out)
    return as_array(a).reshape(-1, 1) * as_array(b).reshape(-1)


@implements(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any, /) -> Any:
    """All products of an element of x1 and one of x2, which must be vectors."""
    x1, x2 = as_array(x1), as_array(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer takes two vectors, got shapes {x1.shape} and {x2.shape}")
    return outer(x1, x2)


@implements(np.vecdot, np.linalg.vecdot, cast(Any, (np.vecdot, "__call__")))  # with axis=
def vecdot(a: Any, b: Any, /, *, axis: int = -1) -> Any:
    """Sum of conj(a) times b along an axis, for stacks of vectors.

    >>> from autograd import Tensor
    >>> vecdot(Tensor([[1.0, 2.0], [3.0, 4.0]]), [1.0, 10.0])
    Tensor([21., 43.])
    """
    a, b = as_array(a), as_array(b)
    if axis != -1:
        a, b = np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1)
    return einsum("...i,...i->...", conjugate(a), b)


def matvec(a: Any, b: Any, /) -> Any:
    """Stacks of matrices (..., m, n) times stacks of vectors (..., n)."""
    return matmul.call(as_array(a), as_array(b)[..., None])[..., 0]


def vecmat(a: Any, b: Any, /) -> Any:
    """Stacks of conjugated vectors (..., m) times stacks of matrices (..., m, n)."""
    return matmul.call(conjugate(as_array(a))[..., None, :], as_array(b))[..., 0, :]


for _function in (matvec, vecmat):
    if hasattr(np, _function.__name__):  # NumPy 2.2
        implements(getattr(np, _function.__name__))(_function)


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """The Kronecker product: blocks ``a[i, j] * b``, for any numbers of axes, as ``np.kron``.

    >>> from autograd import Tensor
    >>> kron(Tensor([1.0, 10.0]), [1.0, 2.0])
    Tensor([ 1.,  2., 10., 20.])
    """
    a, b = as_array(a), as_array(b)
    ndim = max(a.ndim, b.ndim)
    a = a.reshape((1,) * (ndim - a.ndim) + a.shape)
    b = b.reshape((1,) * (ndim - b.ndim) + b.shape)
    left = a.reshape(tuple(n for length in a.shape for n in (length, 1)))
    right = b.reshape(tuple(n for length in b.shape for n in (1, length)))
    return (left * right).reshape(tuple(m * n for m, n in zip(a.shape, b.shape, strict=True)))


# ------------------------------------------------------------------------------------------- cross


@primitive(
    name="cross",
    batched=True,
    samples=(sample((3,), (3,)), sample((2, 3), (2, 3)), sample((3,), (2, 4, 3))),
)
def _cross(a: Any, b: Any, /) -> Any:
    """Cross product along the last axis, of length 3."""
    return np.cross(a, b)


@_cross.rule("a")
def _(g: Any, b: Any) -> Any:
    return np.cross(b, g)


@_cross.rule("b")
def _(g: Any, a: Any) -> Any:
    return np.cross(g, a)


@implements(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """The cross product of vectors of 3 components along an axis, as ``np.cross``.

    >>> from autograd import Tensor
    >>> cross(Tensor([1.0, 0.0, 0.0]), [0.0, 1.0, 0.0])
    Tensor([0., 0., 1.])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0 or a.shape[axisa] != 3 or b.shape[axisb] != 3:
        raise ValueError(
            f"cross takes vectors of 3 components, got shapes {a.shape} (axis {axisa}) and "
            f"{b.shape} (axis {axisb})"
        )
    if axisa not in (-1, a.ndim - 1):
        a = np.moveaxis(a, axisa, -1)
    if axisb not in (-1, b.ndim - 1):
        b = np.moveaxis(b, axisb, -1)
    product = _cross(a, b)
    return product if axisc in (-1, product.ndim - 1) else np.moveaxis(product, -1, axisc)


@implements(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross product of vectors of 3 components along one axis of both."""
    return cross(x1, x2, axis=axis)


# ------------------------------------------------------------------------------------------- trace


@primitive(
    name="trace",
    batched=True,
    samples=(
        sample((3, 3)),
        sample((2, 3), offset=1),
        sample((3, 2), offset=-1),
        sample((2, 3, 4), axis1=-1, axis2=0),
        sample((2, 3), offset=5),
    ),
)
def _trace(x: Any, /, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sum along a diagonal of the two axes."""
    return np.trace(x, offset, axis1, axis2)


@_trace.rule
def _(g: Any, offset: int, axis1: int, axis2: int, x_shape: Shape) -> Any:
    ndim = len(x_shape)
    first, second = axis1 % ndim - ndim, axis2 % ndim - ndim
    diagonal = np.eye(x_shape[first], x_shape[second], offset, dtype=g.dtype)
    return np.moveaxis(g[..., None, None] * diagonal, (-2, -1), (first, second))


@implements(np.trace)
def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    """The sum along a diagonal of two axes, as ``np.trace``.

    >>> from autograd import Tensor
    >>> trace(Tensor([[1.0, 2.0], [3.0, 4.0]]))
    Tensor(5.)
    """
    refuse_out("trace", out)
    return _trace(a if dtype is None else a.astype(dtype), offset, axis1, axis2)


@implements(np.linalg.trace)
def linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sums along a diagonal of matrices in the last two axes."""
    return trace(x, offset, -2, -1, dtype)


attach("dot", dot)
attach("trace", trace)
