"""Arithmetic with broadcasting: the operators and their ufuncs."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd._primitive import (
    Primitive,
    Sample,
    attach,
    constant,
    implements,
    plain,
    primitive,
    sample,
)
from autograd._tensor import Tensor

PAIRS = (
    sample((2, 3), (2, 3)),
    sample((2, 1), (3,)),
    sample((), (2, 3)),
    sample((2, 3), 1.5),
    sample(2.5, (3,)),
)


def nonzero(*shape: int) -> Callable[[np.random.Generator], Any]:
    """A maker of values of both signs that keep away from zero."""

    def away_from_zero(rng: np.random.Generator) -> Any:
        return rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape)

    return away_from_zero


def distinct(*shape: int) -> Callable[[np.random.Generator], Any]:
    """A maker of values at least 0.1 apart, so that no order changes under a small step."""

    def apart(rng: np.random.Generator) -> Any:
        count = int(np.prod(shape))
        return (rng.permutation(count).reshape(shape) - count / 2) * 0.3 + 0.07

    return apart


def binary(
    ufunc: np.ufunc, a: Callable[..., Any], b: Callable[..., Any], *samples: Sample
) -> Primitive:
    """Declare a ufunc of two arguments by the rules for its first and second."""
    made = primitive(ufunc, name=ufunc.__name__, batched=True, samples=samples or PAIRS)(ufunc)
    made.rule("a")(a)
    made.rule("b")(b)
    return made


add = binary(np.add, lambda g: g, lambda g: g)
subtract = binary(np.subtract, lambda g: g, lambda g: -g)
multiply = binary(np.multiply, lambda g, b: g * b, lambda g, a: g * a)
divide = binary(
    np.divide,
    lambda g, b: g / b,
    lambda g, b, y: -g * y / b,
    sample((2, 3), nonzero(2, 3)),
    sample((2, 1), nonzero(3)),
    sample((2, 3), 4.0),
    sample(2.0, nonzero(3)),
)


@primitive(
    np.power,
    batched=True,
    samples=(
        sample((2, 3), (2, 3), low=0.3),
        sample((2, 1), (3,), low=0.3),
        sample(nonzero(2, 3), 2),
        sample((2, 3), 3),
        sample((2, 3), np.array([0, 1, 4], np.float32)),
        sample(nonzero(3), -1),
        sample((3,), 0.5, low=0.3),
        sample(2.0, (3,)),
    ),
)
def power(a: Any, b: Any, /) -> Any:
    """a to the power b, element by element.

    >>> from autograd import Tensor
    >>> Tensor([1.0, 2.0, 3.0]) ** 2
    Tensor([1., 4., 9.])
    """
    if isinstance(b, int) and b == 3 and isinstance(a, np.ndarray) and a.dtype.kind in "fc":
        return a * a * a  # NumPy's general power takes twenty times as long
    return np.power(a, b) if isinstance(a, list) else a**b  # ** knows short ways for 2, 1/2, -1


@power.rule("a")
def _(g: Any, a: Any, b: Any) -> Any:
    return g * _power_slope(a, b)


@power.rule("b")
def _(g: Any, a: Any, y: Any) -> Any:
    # 0 where a is 0, as the limit for b > 0, and no warning is worth raising.
    return g * y * _log_or_zero(a)


def _power_slope(a: Any, b: Any) -> Any:
    """b a^(b-1); exactly 0 where b is 0."""
    if isinstance(b, int | float):
        if b == 2:
            return 2 * a
        return 0 * a if b == 0 else b * a ** (b - 1)
    if isinstance(b, list):
        b = np.asarray(b)
    if b.dtype.kind in "biu":  # whole numbers must not widen a float32 gradient
        b = b.astype(np.result_type(plain(a), 1.0))
    both_zero = (plain(a) == 0) & (plain(b) == 0)
    return b * a ** (np.where(both_zero, 1, b - 1) if np.any(both_zero) else b - 1)


def _log_or_zero(a: Any) -> Any:
    """log a where a is not 0, else 0."""
    is_zero = np.equal(plain(a), 0)
    return np.where(is_zero, 0.0, np.log(np.where(is_zero, 1, a))) if np.any(is_zero) else np.log(a)


square = primitive(np.square, name="square", batched=True, samples=[sample((2, 3))])(np.square)
square.rule(lambda g, x: g * (2 * x))

reciprocal = primitive(
    np.reciprocal, name="reciprocal", batched=True, samples=[sample(nonzero(2, 3))]
)(np.reciprocal)
reciprocal.rule(lambda g, y: -g * (y * y))


@implements(np.float_power)
def float_power(a: Any, b: Any) -> Any:
    """a to the power b in float64 (or complex128) at least, as ``np.float_power``."""
    wide = np.result_type(plain(a), plain(b), np.float64)
    return power.call(
        *[x.astype(wide) if hasattr(x, "astype") else np.asarray(x, wide) for x in (a, b)]
    )


# The quotient is constant between its jumps; the remainder has the slope of a minus that of b times
# the quotient. The sign follows the divisor in remainder, the dividend in fmod, as NumPy's.
DIVISIONS = (
    sample((2, 3), 0.7),
    sample(distinct(2, 3), nonzero(3)),
    sample(5.17, distinct(2, 2)),
)
remainder = binary(
    np.remainder,
    lambda g: g,
    lambda g, a, b: -g * np.floor_divide(plain(a), plain(b)),
    *DIVISIONS,
)
fmod = binary(
    np.fmod,
    lambda g: g,
    lambda g, a, b: -g * np.trunc(np.divide(plain(a), plain(b))),
    *DIVISIONS,
)


@implements(np.divmod)
def divmod(a: Any, b: Any) -> tuple[Any, Any]:
    """The quotient rounded down, a plain array, and the remainder."""
    return np.floor_divide(plain(a), plain(b)), remainder.call(a, b)


constant(np.floor_divide)

negative = primitive(np.negative, name="negative", batched=True, samples=[sample((2, 3))])(
    np.negative
)
negative.rule(lambda g: -g)

positive = primitive(np.positive, name="positive", batched=True, samples=[sample((2, 3))])(
    np.positive
)
positive.rule(lambda g: g)


def _reflected(operation: Primitive) -> Callable[[Any, Any], Any]:
    call = operation.call

    def reflected(self: Any, other: Any) -> Any:
        return call(other, self)

    return reflected


for _name, _operation in {
    "add": add,
    "sub": subtract,
    "mul": multiply,
    "truediv": divide,
    "pow": power,
    "mod": remainder,
}.items():
    attach(f"__{_name}__", _operation.call)
    attach(f"__r{_name}__", _reflected(_operation))
for _name, _function in {
    "divmod": divmod,
    "floordiv": Tensor._implementations[np.floor_divide],
}.items():
    attach(f"__{_name}__", _function)
    attach(f"__r{_name}__", lambda self, other, function=_function: function(other, self))
attach("__neg__", negative.call)
attach("__pos__", positive.call)


def _comparison(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Comparisons are constant almost everywhere: they give plain boolean arrays."""

    def compared(self: Any, other: Any) -> Any:
        return compare(self.data, plain(other))

    return compared


for _compare in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
    attach(f"__{_compare.__name__}__", _comparison(_compare))


def _whole(name: str, ufunc: np.ufunc) -> None:
    """An operator on whole numbers and truth values: a plain array, no gradient."""
    attach(f"__{name}__", lambda self, other: ufunc(self.data, plain(other)))
    attach(f"__r{name}__", lambda self, other: ufunc(plain(other), self.data))


_whole("and", np.bitwise_and)
_whole("or", np.bitwise_or)
_whole("xor", np.bitwise_xor)
_whole("lshift", np.left_shift)
_whole("rshift", np.right_shift)
attach("__invert__", lambda self: np.invert(self.data))
