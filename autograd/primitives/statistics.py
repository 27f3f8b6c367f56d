"""Variances, averages and covariances, and the reductions that leave NaN out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd._primitive import implements, plain, primitive, sample
from autograd._tensor import as_tensor
from autograd.primitives.reduction import (
    REDUCTIONS,
    Axis,
    as_axis,
    count_where,
    drop_axes,
    max_,
    min_,
    negative_axes,
    publish,
    real_type,
    restore_axes,
    sum_,
)
from autograd.primitives.ufuncs import REDUCTIONS as REDUCTIONS_OF
from autograd.primitives.ufuncs import given, store, wants_gradient

SPREADS = (
    *REDUCTIONS[:3],
    sample((2, 3), axis=-1, ddof=1),
    sample((4,), ddof=0.5, keepdims=True),
)


def _freedom(shape: tuple[int, ...], axis: Axis, ddof: float) -> float:
    """The divisor of a variance: the number of elements minus ``ddof``, but not below 0."""
    count = 1
    for a in negative_axes(axis, len(shape)):
        count *= shape[a]
    return max(count - ddof, 0)


def _square_distance(x: np.ndarray, axis: Axis, keepdims: bool) -> Any:
    """The sum of squares of x minus its mean: what np.var does, without its checks."""
    count = _freedom(x.shape, axis, 0)
    distance = x - np.add.reduce(x, axis=axis, keepdims=True) / count
    return np.add.reduce(distance * distance, axis=axis, keepdims=keepdims)


def _deviation(x: Any, axis: Axis) -> Any:
    """x minus its mean; conjugated if complex, as its squared modulus has slope 2 conj(d)."""
    deviation = x - np.sum(x, axis=axis, keepdims=True) / _freedom(x.shape, axis, 0)
    return np.conj(deviation) if x.dtype.kind == "c" else deviation


@primitive(name="var", batched=True, samples=SPREADS)
def _var(x: Any, /, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """The variance over axes: the mean square distance from the mean.

    ``ddof`` is subtracted from the number of elements in the divisor.
    """
    if x.dtype.kind == "f" and x.itemsize > 2 and x.size:
        return _square_distance(x, axis, keepdims) / _freedom(x.shape, axis, ddof)
    return np.var(x, axis=axis, ddof=ddof, keepdims=keepdims)


@_var.rule
def _(g: Any, x: Any, axis: Axis, ddof: float, keepdims: bool) -> Any:
    freedom = _freedom(x.shape, axis, ddof)
    scale = 2 / freedom if freedom else math.inf
    return restore_axes(g, axis, keepdims, x.ndim) * (_deviation(x, axis) * scale)


@primitive(name="std", batched=True, samples=SPREADS)
def _std(x: Any, /, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """The standard deviation over axes, with slope 0 where it is 0.

    ``ddof`` is subtracted from the number of elements in the divisor.
    """
    return np.sqrt(_var.forward(x, axis, ddof, keepdims))


@_std.rule
def _(g: Any, x: Any, y: Any, axis: Axis, ddof: float, keepdims: bool) -> Any:
    zero = plain(y) == 0
    if np.any(zero):
        y = np.where(zero, np.inf, y)
    g = restore_axes(g / y, axis, keepdims, x.ndim)
    return g * (_deviation(x, axis) / _freedom(x.shape, axis, ddof))


def _spread(made: Any, function: Any) -> None:
    """NumPy's signature in front of var and std."""
    name = made.name

    def spread(
        x: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: Any = False,
        *,
        where: Any = True,
        mean: Any = None,
        correction: Any = None,
    ) -> Any:
        x = as_tensor(x, dtype)
        axis, keepdims = as_axis(axis), keepdims is True or keepdims == 1
        where, mean, correction = given(where, True), given(mean), given(correction)
        ddof = ddof if correction is None else correction
        if where is True and mean is None:
            value = made.call(x, axis=axis, ddof=ddof, keepdims=keepdims)
        else:
            value = _selected(x, axis, ddof, keepdims, where, mean)
            value = np.sqrt(value) if name == "std" else value
        return value if out is None else store(value, out, name)

    publish(spread, name, made.__doc__, function)


def _selected(x: Any, axis: Axis, ddof: Any, keepdims: bool, where: Any, mean: Any) -> Any:
    """The variance of the elements where ``where`` is True, from a mean that may be given."""
    count = count_where(where, axis, x.shape, x.dtype)
    if mean is None:
        mean = sum_(x, axis, keepdims=True, where=where) / count
    distance = x - mean
    square = np.real(distance * np.conj(distance)) if x.dtype.kind == "c" else distance * distance
    total = sum_(square, axis, keepdims=True, where=where)
    return drop_axes(total / np.maximum(count - ddof, 0), axis, keepdims)


_spread(_var, np.var)
_spread(_std, np.std)


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """The largest minus the smallest element over axes.

    >>> from autograd import Tensor
    >>> ptp(Tensor([3.0, 1.0, 2.0])).item()
    2.0
    """
    value = max_(a, axis, keepdims=keepdims) - min_(a, axis, keepdims=keepdims)
    return value if out is None else store(value, out, "ptp")


@implements(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    """The weighted mean; the gradient goes to the weights too.

    >>> from autograd import Tensor
    >>> average(Tensor([1.0, 3.0]), weights=[3, 1]).item()
    1.5
    """
    a, axis = as_tensor(a), as_axis(axis)
    keepdims = keepdims is True or keepdims == 1
    if weights is None:
        value = np.mean(a, axis=axis, keepdims=keepdims)
        scale: Any = np.asarray(a.size / max(value.size, 1), value.dtype)
    else:
        w = as_tensor(weights)
        if w.shape != a.shape:
            axes = tuple(x + a.ndim for x in negative_axes(axis, a.ndim))
            if axis is None or w.shape != tuple(a.shape[x] for x in axes):
                raise ValueError(
                    f"average: weights of shape {w.shape} for an array of shape {a.shape} along "
                    f"axis {axis}"
                )
            w = np.transpose(w, sorted(range(len(axes)), key=axes.__getitem__))
            w = np.reshape(w, [n if x in axes else 1 for x, n in enumerate(a.shape)])
            w = np.broadcast_to(w, a.shape)
        scale = np.sum(w, axis=axis, keepdims=keepdims)
        if np.any(plain(scale) == 0):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        value = np.sum(a * w, axis=axis, keepdims=keepdims) / scale
    return (value, np.broadcast_to(scale, value.shape)) if returned else value


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """The covariance matrix of variables in rows (or columns), as ``np.cov``.

    >>> from autograd import Tensor
    >>> cov(Tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    Tensor([[ 1., -1.],
            [-1.,  1.]])
    """

    def rows(x: Any) -> Any:
        x = np.atleast_2d(as_tensor(x, dtype))
        x = x.astype(float) if x.dtype.kind in "biu" else x
        return x if rowvar or x.shape[0] == 1 else x.T

    if np.ndim(plain(m)) > 2:
        raise ValueError(f"cov takes at most two axes, got shape {m.shape}")
    x = rows(m) if y is None else np.concatenate([rows(m), rows(y)], 0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    if wants_gradient(fweights, aweights):
        raise TypeError("np.cov is not differentiated with respect to its weights")
    weights = np.ones(x.shape[1], x.real.dtype if x.dtype.kind == "c" else x.dtype)
    freedom = float(x.shape[1] - ddof)
    if fweights is not None or aweights is not None:
        frequencies = np.ones(x.shape[1]) if fweights is None else np.asarray(plain(fweights))
        importance = np.ones(x.shape[1]) if aweights is None else np.asarray(plain(aweights))
        weights = (frequencies * importance).astype(weights.dtype)
        total = float(weights.sum())
        freedom = total - ddof
        if aweights is not None and ddof:
            freedom = total - ddof * float((weights * importance).sum()) / total
    centre = np.sum(x * weights, axis=1, keepdims=True) / weights.sum()
    distance = x - centre
    matrix = np.matmul(distance * weights, np.conj(distance).T) / max(freedom, 0.0)
    return np.squeeze(matrix)


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """The correlation matrix of variables in rows (or columns), as ``np.corrcoef``."""
    matrix = cov(x, y, rowvar, dtype=dtype)
    if matrix.ndim == 0:
        return matrix / matrix
    deviation = np.sqrt(np.real(np.diagonal(matrix)))
    return matrix / deviation[:, None] / deviation[None, :]


# -------------------------------------------------------------------------------- without NaN


def _present(x: Any) -> Any:
    return ~np.isnan(plain(x))


def _nan_total(function: Any, reduce: Callable[..., Any], neutral: float) -> None:
    def total(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        kept = np.where(_present(a), a, neutral)
        return reduce(kept, axis, dtype, out, keepdims, initial, where)

    total.__name__ = total.__qualname__ = function.__name__
    total.__doc__ = f"``np.{function.__name__}``: NaN counts as {neutral:g} and gets no gradient."
    implements(function)(total)


_nan_total(np.nansum, np.sum, 0.0)
_nan_total(np.nanprod, np.prod, 1.0)


def _nan_extreme(function: Any, reduce: Callable[..., Any], worst: float) -> None:
    def extreme(
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        present = _present(a)
        axis, keepdims = as_axis(axis), keepdims is True or keepdims == 1
        value = reduce(np.where(present, a, worst), axis, None, keepdims, initial, where)
        empty = ~np.any(present, axis=axis, keepdims=keepdims)
        if np.any(empty) and given(initial) is None:
            warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=3)
            value = np.where(empty, np.nan, value)
        return value if out is None else store(value, out, function.__name__)

    extreme.__name__ = extreme.__qualname__ = function.__name__
    extreme.__doc__ = f"``np.{function.__name__}``; NaN where there is nothing else."
    implements(function)(extreme)


_nan_extreme(np.nanmax, np.max, -np.inf)
_nan_extreme(np.nanmin, np.min, np.inf)


def _without_nan(reduce: Callable[..., Any], worst: float) -> Callable[..., Any]:
    """``fmax.reduce`` and ``fmin.reduce``: NaN where there is nothing else, without a warning."""

    def reduction(x: Any, axis: Axis, keepdims: bool) -> Any:
        present = _present(x)
        value = reduce(np.where(present, x, worst), axis, None, keepdims)
        empty = ~np.any(present, axis=axis, keepdims=keepdims)
        return np.where(empty, np.nan, value) if np.any(empty) else value

    return reduction


REDUCTIONS_OF[np.fmax] = _without_nan(np.max, -np.inf)
REDUCTIONS_OF[np.fmin] = _without_nan(np.min, np.inf)


@implements(np.nanmean)
def nanmean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    *,
    where: Any = True,
) -> Any:
    """The mean of what is not NaN.

    >>> from autograd import Tensor
    >>> nanmean(Tensor([1.0, np.nan, 3.0])).item()
    2.0
    """
    present = _present(a) & np.asarray(plain(given(where, True)))
    return np.mean(a, axis, dtype, out, keepdims, where=present)


def _nan_spread(function: Any, spread: Callable[..., Any]) -> None:
    def deviation(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: Any = False,
        *,
        where: Any = True,
        mean: Any = None,
        correction: Any = None,
    ) -> Any:
        a, axis = as_tensor(a, dtype), as_axis(axis)
        ddof = ddof if given(correction) is None else correction
        present = _present(a) & np.asarray(plain(given(where, True)))
        count = count_where(present, axis, a.shape, a.dtype)
        few = count <= ddof
        if np.any(few):
            warnings.warn("Degrees of freedom <= 0 for slice.", RuntimeWarning, stacklevel=3)
        x = np.where(present, a, 0)
        total = sum_(x, axis, keepdims=True)
        centre = total / np.maximum(count, 1) if given(mean) is None else mean
        distance = np.where(present, x - centre, 0)
        square = np.real(distance * np.conj(distance)) if a.dtype.kind == "c" else distance**2
        value = sum_(square, axis, keepdims=True) / np.where(few, 1, count - ddof).astype(
            real_type(a.dtype)
        )
        if np.any(few):
            value = np.where(few, np.nan, value)
        value = drop_axes(value, axis, keepdims is True or keepdims == 1)
        value = np.sqrt(value) if spread is np.std else value
        return value if out is None else store(value, out, function.__name__)

    deviation.__name__ = deviation.__qualname__ = function.__name__
    deviation.__doc__ = f"``np.{function.__name__}``: of what is not NaN."
    implements(function)(deviation)


_nan_spread(np.nanvar, np.var)
_nan_spread(np.nanstd, np.std)
