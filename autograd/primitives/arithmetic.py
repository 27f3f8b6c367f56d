"""Arithmetic with broadcasting: the operators and their ufuncs."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd._primitive import Primitive, Sample, attach, plain, primitive, sample

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
    """A maker of values that lie at least 0.1 apart, so that no order changes under a small step."""

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
# d/db of a**b is 0 where a is 0, as the limit for b > 0, and no warning is worth raising.
power = binary(
    np.power,
    lambda g, a, b: g * _power_slope(a, b),
    lambda g, a, y: g * y * _log_or_zero(a),
    sample((2, 3), (2, 3), low=0.3),
    sample((2, 1), (3,), low=0.3),
    sample(nonzero(2, 3), 2),
    sample((2, 3), 3),
    sample((3,), 0.5, low=0.3),
    sample(2.0, (3,)),
)


def _power_slope(a: Any, b: Any) -> Any:
    """b a^(b-1); exactly 0 where b is 0."""
    if isinstance(b, int | float):
        if b == 2:
            return 2 * a
        return 0 * a if b == 0 else b * a ** (b - 1)
    exponent = np.where(plain(b) == 0, 1, b - 1)
    return b * a**exponent


def _log_or_zero(a: Any) -> Any:
    """log a where a is not 0, else 0."""
    is_zero = plain(a) == 0
    return np.where(is_zero, 0.0, np.log(np.where(is_zero, 1, a))) if np.any(is_zero) else np.log(a)


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
}.items():
    attach(f"__{_name}__", _operation.call)
    attach(f"__r{_name}__", _reflected(_operation))
attach("__neg__", negative.call)
attach("__pos__", positive.call)


def _comparison(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Comparisons are constant almost everywhere: they give plain boolean arrays."""

    def compared(self: Any, other: Any) -> Any:
        return compare(self.data, plain(other))

    return compared


for _compare in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
    attach(f"__{_compare.__name__}__", _comparison(_compare))
