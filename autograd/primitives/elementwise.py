"""Functions of one array, element by element, and choices between arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd._primitive import Primitive, attach, implements, plain, primitive, sample
from autograd.primitives.arithmetic import binary, distinct, nonzero, positive

ANY = (sample((2, 3)), sample(()))
POSITIVE = (sample((2, 3), low=0.2), sample((), low=0.2))


def unary(
    ufunc: np.ufunc, rule: Callable[..., Any], samples: Any = ANY, method: bool = True
) -> Primitive:
    """Declare a ufunc of one argument by its rule."""
    made = primitive(ufunc, name=ufunc.__name__, batched=True, samples=samples)(ufunc)
    made.rule(rule)
    if method:
        attach(ufunc.__name__, made.call)
    return made


exp = unary(np.exp, lambda g, y: g * y)
log = unary(np.log, lambda g, x: g / x, POSITIVE)
sqrt = unary(np.sqrt, lambda g, y: g / (2 * y), POSITIVE)
tanh = unary(np.tanh, lambda g, y: g * (1 - y * y))
# |x| has slope 0 at 0; for complex x the slope is conj(x) / |x|.
absolute = unary(np.absolute, lambda g, x: g * _sign(x), [sample(nonzero(2, 3))], method=False)
attach("abs", absolute.call)
attach("__abs__", absolute.call)


def _sign(x: Any) -> Any:
    return np.sign(x) if x.dtype.kind != "c" else np.conj(np.sign(x))


# At a tie the whole gradient goes to the first argument, so that maximum(x, 0) has slope 1 there
# only from the left of its arguments; relu, which must have slope 0, is a primitive of its own.
maximum = binary(
    np.maximum,
    lambda g, a, b: g * np.greater_equal(plain(a), plain(b)),
    lambda g, a, b: g * np.less(plain(a), plain(b)),
    sample(distinct(2, 3), 0.0),
    sample(distinct(2, 3), distinct(3, 2, 1)),
)
minimum = binary(
    np.minimum,
    lambda g, a, b: g * np.less_equal(plain(a), plain(b)),
    lambda g, a, b: g * np.greater(plain(a), plain(b)),
    sample(distinct(2, 3), 0.0),
    sample(distinct(2, 3), distinct(3, 2, 1)),
)


@primitive(batched=True, samples=[sample(nonzero(2, 3)), sample(nonzero())])
def relu(x: Any, /) -> Any:
    """max(x, 0), with slope 0 at 0.

    >>> from autograd import Tensor
    >>> relu(Tensor([-1.0, 0.0, 2.0]))
    Tensor([0., 0., 2.])
    """
    return np.maximum(x, 0)


@relu.rule
def _(g: Any, y: Any) -> Any:
    return g * (plain(y) > 0)


@primitive(batched=True, samples=ANY)
def sigmoid(x: Any, /) -> Any:
    """1 / (1 + exp(-x)), without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    # tanh saturates without overflow: σ(x) = (1 + tanh(x / 2)) / 2, but it loses the tail of
    # small σ, which exp(-|x|) keeps.
    z = np.exp(-np.abs(x))
    return np.maximum(x >= 0, z) / (1 + z)


@sigmoid.rule
def _(g: Any, y: Any) -> Any:
    return g * (y * (1 - y))


@primitive(batched=True, samples=ANY)
def softplus(x: Any, /) -> Any:
    """log(1 + exp(x)), without overflow.

    >>> softplus(np.array([-1000.0, 0.0, 1000.0])).round(4)
    array([0.000e+00, 6.931e-01, 1.000e+03])
    """
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@softplus.rule
def _(g: Any, x: Any) -> Any:
    return g * sigmoid(x)


for _primitive in (relu, sigmoid, softplus):
    attach(_primitive.name, _primitive.call)


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
