"""Choices between arrays, element by element: where, clip, select, piecewise, nan_to_num."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd._primitive import attach, implements, plain, primitive, sample
from autograd.primitives.arithmetic import distinct, positive
from autograd.primitives.indexing import getitem

@primitive(
    np.where,
    batched=True,
    samples=[
        sample(np.array([True, False, True]), (2, 3), (3,)),
        sample(np.array([[True], [False]]), (2, 3), 0.5),
    ],
)
def where(condition: Any, a: Any, b: Any, /) -> Any:
    """a where the condition holds, else b; no gradient flows to the condition."""
    return np.where(condition, a, b)


@where.rule("condition")
def _(g: Any) -> Any:
    return None


@where.rule("a")
def _(g: Any, condition: Any) -> Any:
    return np.where(condition, g, 0)


@where.rule("b")
def _(g: Any, condition: Any) -> Any:
    return np.where(condition, 0, g)


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
    above = np.False_ if high is None else np.greater(x if low is None else np.maximum(x, low), high)
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
    x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None
) -> Any:
    """x, but no less than the first bound and no more than the second; either may be None.

    At a bound itself the gradient goes to x, as PyTorch's does.

    >>> from autograd import Tensor
    >>> clip(Tensor([-2.0, 0.5, 2.0]), -1, 1)
    Tensor([-1. ,  0.5,  1. ])
    """
    low = a_min if min is None else min
    high = a_max if max is None else max
    return positive(x) if low is None and high is None else _clip(x, low, high)


attach("clip", clip)
