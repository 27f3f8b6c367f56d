"""NumPy's polynomials: arrays of coefficients, highest power first; ranges between tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd._primitive import implements, plain
from autograd._tensor import as_tensor


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """The polynomial with coefficients p, highest power first, at x; by Horner's scheme.

    >>> from autograd import Tensor
    >>> polyval([3.0, 0.0, 1.0], Tensor(5.0)).item()
    76.0
    """
    p, x = as_tensor(p), as_tensor(x)
    value: Any = np.zeros_like(plain(x))
    for k in range(p.shape[0]):
        value = value * x + p[k]
    return as_tensor(value)


def _same_length(a: Any, b: Any) -> tuple[Any, Any]:
    """Coefficients of two polynomials with zeros in front of the shorter."""
    a, b = np.atleast_1d(as_tensor(a)), np.atleast_1d(as_tensor(b))
    length = max(a.size, b.size)
    return np.pad(a, (length - a.size, 0)), np.pad(b, (length - b.size, 0))


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """The sum of two polynomials."""
    a, b = _same_length(a1, a2)
    return a + b


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """The difference of two polynomials."""
    a, b = _same_length(a1, a2)
    return a - b


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """The product of two polynomials: the convolution of their coefficients.

    >>> from autograd import Tensor
    >>> polymul(Tensor([1.0, 1.0]), [1.0, -1.0])
    Tensor([ 1.,  0., -1.])
    """
    return np.convolve(as_tensor(a1), as_tensor(a2))


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """The m-th derivative of a polynomial."""
    if m < 0:
        raise ValueError(f"the order of a derivative is not negative, got {m}")
    p = as_tensor(p)
    for _ in range(m):
        if p.size == 0:
            break
        p = p[:-1] * np.arange(p.size - 1, 0, -1).astype(p.dtype)
    return p


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The m-th antiderivative of a polynomial, with constants of integration ``k``."""
    if m < 0:
        raise ValueError(f"the order of an integral is not negative, got {m}")
    p = as_tensor(p)
    constants = np.zeros(m, p.dtype) if k is None else np.broadcast_to(as_tensor(k), (m,))
    for step in range(m):
        terms = p / np.arange(p.size, 0, -1).astype(p.dtype)
        p = np.concatenate([terms, np.reshape(constants[step], (1,))])
    return p


def _ends(start: Any, stop: Any) -> tuple[Any, Any]:
    """Two ends as tensors of their common type, which Python numbers do not widen."""
    kind = np.result_type(
        *(x if isinstance(x, int | float) else np.asarray(plain(x)).dtype for x in (start, stop))
    )
    kind = kind if kind.kind in "fc" else np.dtype(float)
    return as_tensor(start, kind), as_tensor(stop, kind)


@implements(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """``num`` numbers in equal steps between two ends, which may be tensors.

    >>> from autograd import Tensor
    >>> linspace(Tensor(0.0), 1.0, 3)
    Tensor([0. , 0.5, 1. ])
    """
    if num < 0:
        raise ValueError(f"the number of samples is not negative, got {num}")
    start, stop = _ends(start, stop)
    gaps = num - 1 if endpoint else num
    difference = stop - start
    share = np.arange(num) / max(gaps, 1)
    share = share.astype(difference.dtype).reshape(-1, *(1,) * difference.ndim)
    points = start + difference * share
    if endpoint and num > 1:  # exactly the end
        end = np.broadcast_to(stop, difference.shape)
        points = np.concatenate([points[:-1], np.expand_dims(end, 0)])
    points = np.moveaxis(points, 0, axis) if axis else points
    points = points if dtype is None else points.astype(dtype)
    if retstep:
        return points, difference / gaps if gaps > 0 else difference * np.nan
    return points


@implements(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """``base`` to the power of numbers in equal steps; ends and base may be tensors."""
    exponents = linspace(start, stop, num, endpoint)
    if np.ndim(plain(base)):
        base = np.expand_dims(base, 0)
    points = np.power(base, exponents)
    points = np.moveaxis(points, 0, axis) if axis else points
    return points if dtype is None else points.astype(dtype)


@implements(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """``num`` numbers with equal ratios between two ends of the same sign, which may be tensors."""
    start, stop = _ends(start, stop)
    ratio = stop / start
    if ratio.dtype.kind != "c" and not np.all(plain(ratio) > 0):
        raise ValueError("geomspace of tensors needs ends of the same sign, neither of them 0")
    points = start * np.exp(linspace(np.zeros_like(plain(ratio)), np.log(ratio), num, endpoint))
    points = np.moveaxis(points, 0, axis) if axis else points
    return points if dtype is None else points.astype(dtype)
