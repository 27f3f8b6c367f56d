"""Line searches: how far to go along a direction of descent."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, sqrt
from typing import Any, NamedTuple

import numpy as np

from optim._options import check

__all__ = ["Point", "backtracking", "strong_wolfe"]


class Point(NamedTuple):
    """A function φ(t) = f(x + t d) at one t.

    Attributes:
        t: distance along the direction.
        value: φ(t).
        slope: φ'(t), the gradient's product with the direction.
        gradient: whatever the caller wants to keep of this point, usually ∇f.
    """

    t: float
    value: float
    slope: float
    gradient: Any = None


def backtracking(
    evaluate: Callable[[float], float],
    start: Point,
    t: float = 1.0,
    *,
    shrink: float = 0.5,
    c1: float = 1e-4,
    max_evaluations: int = 50,
) -> tuple[float, float, int]:
    """Shorten the step until φ falls by at least c₁ t |φ'(0)| (Armijo's condition).

    Args:
        evaluate: φ.
        start: φ at 0, with its slope, which must be negative.
        t: the first step tried.
        shrink: factor in (0, 1) between one trial and the next.
        c1: share in (0, 1) of the linear decrease that is asked for.
        max_evaluations: give up after so many trials.

    Returns:
        (t, φ(t), evaluations); t = 0 if none of the trials was good enough.

    Raises:
        ValueError: if the direction does not descend, or an option is out of its range.

    Source: Armijo 1966; Nocedal & Wright, "Numerical Optimization", algorithm 3.1.

    >>> backtracking(lambda t: (t - 1) ** 2, Point(0.0, 1.0, -2.0), t=4.0)
    (1.0, 0.0, 3)
    """
    check(start.slope < 0, "the slope at the start", start.slope, "negative")
    check(0 < shrink < 1, "shrink", shrink, "a number with 0 < s < 1")
    check(0 < c1 < 1, "c1", c1, "a number with 0 < c₁ < 1")
    for evaluations in range(1, max_evaluations + 1):
        value = evaluate(t)
        if value <= start.value + c1 * t * start.slope:
            return t, value, evaluations
        t *= shrink
    return 0.0, start.value, max_evaluations


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    t: float = 1.0,
    *,
    c1: float = 1e-4,
    c2: float = 0.9,
    max_evaluations: int = 25,
    resolution: float = 1e-9,
    noise: float = 0.0,
    by_value: bool = False,
) -> tuple[Point, int]:
    """Find a step with enough decrease and a flat enough slope (strong Wolfe conditions).

    φ(t) ≤ φ(0) + c₁ t φ'(0) and |φ'(t)| ≤ c₂ |φ'(0)|: first steps grow until such a point is found
    or lies in between, then the interval is narrowed by cubic interpolation.

    Args:
        evaluate: gives φ, as a :class:`Point`, at t.
        start: φ at 0; its slope must be negative.
        t: the first step tried.
        c1, c2: with 0 < c₁ < c₂ < 1.
        max_evaluations: of φ after the first.
        resolution: stop when the interval is narrower.
        noise: differences of φ up to this are rounding: slopes alone decide then.
        by_value: take the lower end of the interval for the better one even where its decrease is
            too small, and the one bracketed first where both are equal, as PyTorch's L-BFGS does.

    A value that is not finite counts as too high, so that a step beyond the function's domain is
    shortened.

    Returns:
        The point (the best found, if none met the conditions) and the number of evaluations.

    Raises:
        ValueError: if the direction does not descend, or an option is out of its range.

    Source: Nocedal & Wright, "Numerical Optimization", algorithms 3.5 and 3.6, with the safeguards
    of M. Schmidt's minFunc.

    >>> def f(t):
    ...     return Point(t, (t - 1) ** 4, 4 * (t - 1) ** 3)
    >>> point, evaluations = strong_wolfe(f, f(0.0), t=0.01, c2=0.1)
    >>> abs(point.slope) <= 0.1 * 4 and point.value < f(0.0).value
    True
    """
    check(start.slope < 0, "the slope at the start", start.slope, "negative")
    check(0 < c1 < c2 < 1, "(c1, c2)", (c1, c2), "numbers with 0 < c₁ < c₂ < 1")

    def is_too_high(point: Point) -> bool:
        return not point.value <= start.value + c1 * point.t * start.slope + noise

    def is_not_lower(point: Point, other: Point) -> bool:
        return point.value >= other.value + noise

    def is_flat(point: Point) -> bool:
        return abs(point.slope) <= -c2 * start.slope

    previous, point = start, evaluate(t)
    trials = 0
    while trials < max_evaluations:
        if is_too_high(point) or (trials > 1 and is_not_lower(point, previous)):
            break
        if is_flat(point):
            return point, trials + 1
        if point.slope >= 0:
            break
        bounds = point.t + 0.01 * (point.t - previous.t), 10 * point.t
        t = _minimum(previous, point, bounds, noise)
        previous, point = point, evaluate(t)
        trials += 1
    else:
        return (start if start.value <= point.value else point), trials + 1

    # `best` is the index of the better end; towards the other one the function falls at first.
    ends = [previous, point]
    best = int(previous.value > point.value and (by_value or not is_too_high(point)))
    stuck = False
    while trials < max_evaluations and abs(ends[1].t - ends[0].t) >= resolution:
        low, high = ends[best], ends[1 - best]
        left, right = min(low.t, high.t), max(low.t, high.t)
        t = _minimum(low, high, (left, right), noise)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            # Too near the interval's end to narrow it: allowed once, then a step inwards.
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        point = evaluate(t)
        trials += 1
        if is_too_high(point) or is_not_lower(point, low):
            ends[1 - best] = point
            if by_value:
                best = int(ends[0].value > ends[1].value)
            continue
        if is_flat(point):
            return point, trials + 1
        if point.slope * (high.t - low.t) >= 0:
            ends[1 - best] = low
        ends[best] = point
    return ends[best], trials + 1


@np.errstate(all="ignore")  # what is not finite is dealt with below
def _minimum(a: Point, b: Point, bounds: tuple[float, float], noise: float) -> float:
    """The minimum of the cubic through two points with their slopes, within bounds.

    Of the parabola through their slopes, where the values differ by no more than noise.
    """
    lower, upper = bounds
    if a.t > b.t:
        a, b = b, a
    if a.t == b.t:
        return (lower + upper) / 2
    if abs(a.value - b.value) < 100 * noise:
        share = b.slope / (b.slope - a.slope) if b.slope != a.slope else 0.5
    else:
        d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
        square = d1 * d1 - a.slope * b.slope
        if not (square >= 0 and isfinite(square)):  # no minimum, or a value that is not finite
            return (lower + upper) / 2
        d2 = type(square)(sqrt(square))  # in the precision of the slopes
        denominator = b.slope - a.slope + 2 * d2
        if denominator == 0:
            return (lower + upper) / 2
        share = (b.slope + d2 - d1) / denominator
    return min(max(b.t - (b.t - a.t) * share, lower), upper)
