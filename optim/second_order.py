"""Minimisers that use curvature: Newton, BFGS, conjugate gradients, and SciPy's.

Each is a function that goes all the way, given a function of a Tensor and a start, or a closure and
the parameters it reads (which are then changed in place).
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from autograd import Tensor
from optim._objective import FLAT_ENOUGH, STUCK, Array, Log, Objective, Result, Start
from optim._options import check
from optim.line_search import Point, strong_wolfe

__all__ = ["Result", "bfgs", "newton", "nonlinear_cg", "scipy_minimize"]


def newton(
    f: Callable[..., Tensor],
    x0: Start,
    *,
    tolerance: float = 1e-8,
    max_iter: int = 100,
    max_products: int | None = None,
) -> Result:
    """Newton's method without forming the Hessian: H d = −g is solved by conjugate gradients.

    H enters through products with vectors only (backward through backward). Early on d is computed
    roughly, near the minimum ever more exactly; where H curves downwards, the direction so far is
    used. A line search makes every step descend.

    Args:
        f: of a Tensor, to a scalar Tensor; or a closure of no arguments.
        x0: where to start; for a closure, the list of leaf Tensors it reads, changed in place.
        tolerance: of the gradient's largest element.
        max_iter: steps at most.
        max_products: Hessian products per step; ten per variable by default.

    Returns:
        A :class:`Result`.

    Source: Nocedal & Wright, "Numerical Optimization", algorithm 7.1 (line search Newton–CG).

    >>> def rosenbrock(x):
    ...     return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    >>> result = newton(rosenbrock, [-1.2, 1.0])
    >>> result.converged, result.x.round(8).tolist()
    (True, [1.0, 1.0])
    """
    objective = Objective(f, x0)
    x = objective.start
    value, g, product = objective.curvature(x)
    log, message = Log(objective, value), None
    limit = 10 * len(x) if max_products is None else max_products
    for _ in range(max_iter):
        if np.abs(g).max() <= tolerance:
            break
        norm = float(np.linalg.norm(g))
        direction = _solve(product, g, min(1e-4, norm) * norm, limit)
        start = Point(0.0, value, float(g @ direction), g)
        line = objective.along(x, direction, recording=True)
        found, _ = strong_wolfe(line, start, noise=_rounding(value, g))
        if found.t == 0:
            message = STUCK
            break
        x = x + found.t * direction
        value, g, product = objective.curvature(x)
        log.add(x, value)
    if np.abs(g).max() <= tolerance:
        message = FLAT_ENOUGH
    return log.result(g, message, max_iter)


def _rounding(value: float, g: Array) -> float:
    """How exactly a function's value can be trusted near a minimum, in the gradient's precision."""
    return (1000 if g.itemsize == 8 else 10) * float(np.finfo(g.dtype).eps) * abs(value)


def _solve(product: Callable[[Array], Array], g: Array, tolerance: float, limit: int) -> Array:
    """Conjugate gradients for H d = −g; stops where H does not curve upwards."""
    d = np.zeros_like(g)
    residual = g
    direction = -g
    square = float(residual @ residual)
    for iteration in range(limit):
        curved = product(direction)
        curvature = float(direction @ curved)
        if curvature <= 1e-14 * float(direction @ direction):
            return -g if iteration == 0 else d
        t = square / curvature
        d = d + t * direction
        residual = residual + t * curved
        before, square = square, float(residual @ residual)
        if sqrt(square) <= tolerance:
            break
        direction = -residual + square / before * direction
    return d


def bfgs(
    f: Callable[..., Tensor],
    x0: Start,
    *,
    tolerance: float = 1e-8,
    max_iter: int = 500,
) -> Result:
    """Quasi-Newton: the inverse Hessian, a full matrix, is learnt from the change of the gradient.

    For up to some thousand variables; :class:`optim.LBFGS` needs less memory.

    Args:
        f, x0: as for :func:`newton`.
        tolerance: of the gradient's largest element.
        max_iter: steps at most.

    Returns:
        A :class:`Result`.

    Source: Broyden, Fletcher, Goldfarb & Shanno 1970; Nocedal & Wright, algorithm 6.1.

    >>> def valley(x):
    ...     return x[0] ** 2 + 5 * x[1] ** 2
    >>> bfgs(valley, [1.0, 1.0]).x.round(6) + 0.0
    array([0., 0.])
    """
    objective = Objective(f, x0)
    x = objective.start
    value, g = objective.slope(x)
    log, message = Log(objective, value), None
    inverse = np.eye(len(x), dtype=x.dtype)
    for iteration in range(max_iter):
        if np.abs(g).max() <= tolerance:
            break
        direction = -inverse @ g
        slope = float(g @ direction)
        if slope >= 0:  # rounding has spoilt the matrix: begin again
            inverse = np.eye(len(x), dtype=x.dtype)
            direction, slope = -g, -float(g @ g)
        t = 1.0 if iteration else min(1.0, 1.0 / float(np.abs(g).sum()))
        start = Point(0.0, value, slope, g)
        found, _ = strong_wolfe(objective.along(x, direction), start, t, noise=_rounding(value, g))
        if found.t == 0:
            message = STUCK
            break
        s, y = found.t * direction, found.gradient - g
        x, value, g = x + s, found.value, found.gradient
        log.add(x, value)
        ys = float(y @ s)
        if ys > 1e-12 * float(np.linalg.norm(y) * np.linalg.norm(s)):
            if iteration == 0:
                inverse *= ys / float(y @ y)
            hy = inverse @ y
            inverse += (1 + float(y @ hy) / ys) / ys * np.outer(s, s)
            inverse -= (np.outer(hy, s) + np.outer(s, hy)) / ys
    if np.abs(g).max() <= tolerance:
        message = FLAT_ENOUGH
    return log.result(g, message, max_iter)


def nonlinear_cg(
    f: Callable[..., Tensor],
    x0: Start,
    *,
    tolerance: float = 1e-8,
    max_iter: int = 2000,
    formula: str = "polak-ribiere",
) -> Result:
    """Conjugate gradients on any smooth function: memory of a few vectors only.

    d ← −g + β d. On a quadratic in n variables done after n steps, but for rounding.

    Args:
        f, x0: as for :func:`newton`.
        tolerance: of the gradient's largest element.
        max_iter: steps at most.
        formula: for β: ``"polak-ribiere"`` (never negative) or ``"fletcher-reeves"``.

    Returns:
        A :class:`Result`.

    Source: Fletcher & Reeves 1964; Polak & Ribière 1969; Nocedal & Wright, algorithm 5.4.

    >>> result = nonlinear_cg(lambda x: (x**2 * [1.0, 10.0, 100.0]).sum(), [1.0, 1.0, 1.0])
    >>> result.converged
    True
    """
    formulas = ("polak-ribiere", "fletcher-reeves")
    check(formula in formulas, "formula", formula, f"one of {formulas}")
    objective = Objective(f, x0)
    x = objective.start
    value, g = objective.slope(x)
    log, message = Log(objective, value), None
    direction = -g
    t = min(1.0, 1.0 / max(float(np.abs(g).sum()), 1e-300))
    for _ in range(max_iter):
        if np.abs(g).max() <= tolerance:
            break
        slope = float(g @ direction)
        if slope >= 0:
            direction, slope = -g, -float(g @ g)
        start = Point(0.0, value, slope, g)
        # The directions stay conjugate only if each line is searched with care: with c₂ = 0.02 some
        # quadratics of condition 10⁴ take ten times as many evaluations.
        line = objective.along(x, direction)
        found, _ = strong_wolfe(line, start, t, c2=0.001, noise=_rounding(value, g))
        if found.t == 0:
            if (direction == -g).all():
                message = STUCK
                break
            direction = -g
            continue
        x, value, new = x + found.t * direction, found.value, found.gradient
        log.add(x, value)
        change = new - g if formula == "polak-ribiere" else new
        beta = max(0.0, float(new @ change) / float(g @ g))
        g = new
        direction = -g + beta * direction
        following = float(g @ direction)
        # As great a first-order change as last time is a good first guess.
        t = found.t * slope / following if following < 0 else 1.0
    if np.abs(g).max() <= tolerance:
        message = FLAT_ENOUGH
    return log.result(g, message, max_iter)


def scipy_minimize(
    f: Callable[..., Tensor],
    x0: Start,
    method: str = "L-BFGS-B",
    **options: Any,
) -> Any:
    """``scipy.optimize.minimize`` with exact gradients, and exact Hessian products where it asks.

    Args:
        f, x0: as for :func:`newton`; parameters end at the minimum found.
        method: SciPy's name of it.
        options: further arguments of ``scipy.optimize.minimize`` (``bounds``, ``tol``, ``options``
            …).

    Returns:
        SciPy's OptimizeResult; ``.x`` has the start's shape.

    Raises:
        ImportError: if SciPy is not installed.
    """
    try:
        from scipy.optimize import minimize  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ImportError("scipy_minimize needs SciPy: pip install scipy") from error
    objective = Objective(f, x0)
    slopes = method.lower() not in ("nelder-mead", "powell", "cobyla", "cobyqa")
    if method.lower() in ("newton-cg", "trust-ncg", "trust-krylov", "trust-constr"):
        # The products with one point's Hessian all use the graph recorded there once.
        latest: list[Callable[[Array], Array]] = []

        def product(x: Array, vector: Array) -> Array:
            if not latest or not objective.is_recorded(x):
                latest[:] = [objective.curvature(x)[2]]
            return latest[0](vector)

        options.setdefault("hessp", product)
    result = minimize(
        objective.slope if slopes else lambda x: objective.slope(x)[0],
        objective.start,
        method=method,
        jac=slopes or None,
        **options,
    )
    result.x = objective.shaped(np.asarray(result.x, objective.flat.dtype))
    return result
