"""Choices between arrays, element by element: where, clip, select, piecewise, nan_to_num."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd._primitive import attach, implements, plain, primitive, sample
from autograd._tensor import as_tensor
from autograd.primitives.arithmetic import distinct, positive
from autograd.primitives.indexing import put
from autograd.primitives.ufuncs import given, store


@primitive(
    batched=True,
    samples=[
        sample(np.array([True, False, True]), (2, 3), (3,)),
        sample(np.array([[True], [False]]), (2, 3), 0.5),
    ],
)
def where(condition: Any, a: Any, b: Any, /) -> Any:
    """a where the condition holds, else b; no gradient flows to the condition."""
    return np.where(condition, a, b)


where.rule("condition")(None)


@where.rule("a")
def _(g: Any, condition: Any) -> Any:
    return np.where(condition, g, 0)


@where.rule("b")
def _(g: Any, condition: Any) -> Any:
    return np.where(condition, 0, g)


@implements(np.where)
def where_or_places(condition: Any, *choices: Any) -> Any:
    """``np.where``: with one argument the places where it holds, plain arrays of indices."""
    if not choices:
        return np.nonzero(plain(condition))
    return where.call(condition, *choices)


@primitive(
    name="clip",
    batched=True,
    samples=[
        sample(distinct(2, 3), -0.4, 0.3),
        sample(distinct(2, 3), None, 0.2),
        sample(distinct(3, 4), (4,), 2.5, low=-0.4, high=-0.35),
    ],
)
def _clip(x: Any, low: Any, high: Any, /) -> Any:
    """x, but no less than low and no more than high; either may be None."""
    return np.clip(x, low, high)


def _within(x: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """Where x is below low, and where it is above high (which wins where low > high)."""
    x, low, high = plain(x), plain(low), plain(high)
    above = (
        np.False_ if high is None else np.greater(x if low is None else np.maximum(x, low), high)
    )
    below = np.False_ if low is None else np.less(x, low) & ~above
    return below, above


@_clip.rule("x")
def _(g: Any, x: Any, low: Any, high: Any) -> Any:
    below, above = _within(x, low, high)
    return g * ~(below | above)


@_clip.rule("low")
def _(g: Any, x: Any, low: Any, high: Any) -> Any:
    return g * _within(x, low, high)[0]


@_clip.rule("high")
def _(g: Any, x: Any, low: Any, high: Any) -> Any:
    return g * _within(x, low, high)[1]


@implements(np.clip)
def clip(
    x: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
    **kwargs: Any,
) -> Any:
    """x, but no less than the first bound and no more than the second; either may be None.

    At a bound itself the gradient goes to x, as PyTorch's does.

    >>> from autograd import Tensor
    >>> clip(Tensor([-2.0, 0.5, 2.0]), -1, 1)
    Tensor([-1. ,  0.5,  1. ])
    """
    low = given(a_min) if min is None else min
    high = given(a_max) if max is None else max
    clipped = (
        positive.call(as_tensor(x)) if low is None and high is None else _clip.call(x, low, high)
    )
    if out is None and not kwargs:
        return clipped
    return np.positive(clipped, out=out, **kwargs)


attach("clip", clip)


@implements(np.select)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """From the first choice whose condition holds, element by element, else ``default``.

    >>> from autograd import Tensor
    >>> x = Tensor([-1.0, 0.5, 2.0])
    >>> select([x < 0, x < 1], [-x, x * x])
    Tensor([1.  , 0.25, 0.  ])
    """
    if len(condlist) != len(choicelist):
        raise ValueError(f"select: {len(condlist)} conditions for {len(choicelist)} choices")
    if not condlist:
        raise ValueError("select needs at least one condition")
    conditions = [np.asarray(plain(c)) for c in condlist]
    for place, condition in enumerate(conditions):
        if condition.dtype != bool:
            raise TypeError(f"select: condition {place} is of {condition.dtype}, not of booleans")
    dtype = np.result_type(*map(plain, (*choicelist, default)))
    result = default
    for condition, choice in zip(conditions[::-1], choicelist[::-1]):
        result = where.call(condition, choice, result)
    return result if result.dtype == dtype else as_tensor(result, dtype)


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """From the choice that ``a`` numbers, element by element.

    >>> from autograd import Tensor
    >>> choose([1, 0], [Tensor([1.0, 2.0]), Tensor([3.0, 4.0])])
    Tensor([3., 2.])
    """
    index = np.asarray(plain(a))
    arrays = np.broadcast_arrays(index, *[as_tensor(c) for c in choices])[1:]
    count = len(arrays)
    if mode == "wrap":
        index = index % count
    elif mode == "clip":
        index = index.clip(0, count - 1)
    elif np.any((index < 0) | (index >= count)):
        raise ValueError(f"choose: an index lies outside the {count} choices")
    stacked = np.stack(arrays)
    shape = stacked.shape[1:]
    chosen = np.take_along_axis(stacked, np.broadcast_to(index, shape)[None], 0)[0]
    return chosen if out is None else store(chosen, out, "choose")


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
    """Each function of the elements for which its condition holds; constants count as functions.

    Each function sees only its own elements, so that none is evaluated outside its domain.

    >>> from autograd import Tensor
    >>> x = Tensor([-4.0, 4.0])
    >>> piecewise(x, [x < 0, x >= 0], [lambda v: -v, np.sqrt])
    Tensor([4., 2.])
    """
    conditions = plain(condlist)
    if np.ndim(conditions) == 0 or (np.ndim(conditions[0]) == 0 and x.ndim != 0):
        conditions = [conditions]  # a single one
    masks = [np.broadcast_to(np.asarray(c, bool), x.shape) for c in conditions]
    if len(funclist) == len(masks) + 1:
        masks.append(~np.logical_or.reduce(masks))
    elif len(funclist) != len(masks):
        raise ValueError(
            f"piecewise: with {len(masks)} conditions, {len(masks)} or {len(masks) + 1} functions "
            f"are expected, got {len(funclist)}"
        )
    result: Any = np.zeros(x.shape, x.dtype)
    for mask, function in zip(masks, funclist):
        if np.any(mask):
            value = function(x[mask], *args, **kwargs) if callable(function) else function
            count = (np.count_nonzero(mask),)
            spread = put.call(np.broadcast_to(as_tensor(value), count), mask, x.shape)
            result = where.call(mask, spread, result)
    return as_tensor(result, x.dtype)


@implements(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """x with NaN and infinities replaced by numbers; no gradient goes to what was replaced.

    >>> from autograd import Tensor
    >>> nan_to_num(Tensor([1.0, np.nan, -np.inf]), neginf=-9)
    Tensor([ 1.,  0., -9.])
    """
    if not copy:
        raise TypeError("nan_to_num of a tensor returns a new one; leave copy=True")
    values = plain(x)
    if values.dtype.kind not in "fc":
        return positive.call(x)
    if values.dtype.kind == "c":
        settings = {"nan": nan, "posinf": posinf, "neginf": neginf}
        return nan_to_num(x.real, **settings) + 1j * nan_to_num(x.imag, **settings)
    limits = np.finfo(values.dtype)
    for bad, number in (
        (np.isnan(values), nan),
        (np.isposinf(values), limits.max if posinf is None else posinf),
        (np.isneginf(values), limits.min if neginf is None else neginf),
    ):
        x = where.call(bad, number, x) if np.any(bad) else x
    return positive.call(x) if x.data is values else x


attach("choose", choose)
