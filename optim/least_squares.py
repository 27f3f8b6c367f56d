"""Nonlinear least squares: Gauss–Newton and Levenberg–Marquardt."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np

from autograd import Tensor
from optim._objective import FLAT_ENOUGH, STUCK, Log, Objective, Result, Start
from optim._options import check

__all__ = ["gauss_newton", "levenberg_marquardt"]


def gauss_newton(
    residuals: Callable[..., Tensor],
    x0: Start,
    *,
    tolerance: float = 1e-10,
    max_iter: int = 100,
) -> Result:
    """Minimise ½ |r(x)|² by repeated linear least squares: J d ≈ −r.

    JᵀJ stands for the Hessian, which is right where residuals are small or nearly linear. A step
    is halved until the sum falls. The Jacobian is formed, with one backward pass per residual.

    Args:
        residuals: of a Tensor, to a Tensor of any shape; or a closure of no arguments.
        x0: where to start; for a closure, the list of leaf Tensors it reads, changed in place.
        tolerance: of the largest element of the gradient Jᵀr.
        max_iter: steps at most.

    Returns:
        A :class:`Result`, with ``fun`` = ½ |r|².

    Source: Nocedal & Wright, "Numerical Optimization", section 10.3.

    >>> t = np.array([0.0, 1.0, 2.0, 3.0])
    >>> fit = gauss_newton(lambda w: w[0] * np.exp(w[1] * t) - 2 * np.exp(-0.5 * t), [1.0, 0.0])
    >>> fit.x.round(8)
    array([ 2. , -0.5])
    """
    objective = Objective(residuals, x0)
    x = objective.start
    r, jacobian = objective.residuals(x)
    value = 0.5 * float(r @ r)
    log, message = Log(objective, value), None
    for _ in range(max_iter):
        if np.abs(jacobian.T @ r).max() <= tolerance:
            break
        step = np.linalg.lstsq(jacobian, -r, rcond=None)[0]
        share = 1.0
        while share > 1e-10:
            new_r, new_jacobian = objective.residuals(x + share * step)
            new_value = 0.5 * float(new_r @ new_r)
            if new_value < value:
                break
            share /= 2
        else:
            message = STUCK
            break
        x, value, r, jacobian = x + share * step, new_value, new_r, new_jacobian
        log.add(x, value)
    gradient = jacobian.T @ r
    if np.abs(gradient).max() <= tolerance:
        message = FLAT_ENOUGH
    return log.result(gradient, message, max_iter)


def levenberg_marquardt(
    residuals: Callable[..., Tensor],
    x0: Start,
    *,
    tolerance: float = 1e-10,
    max_iter: int = 200,
    damping: float = 1e-3,
) -> Result:
    """Minimise ½ |r(x)|² by Gauss–Newton steps that are damped while they do not pay.

    (JᵀJ + μ D) d = −Jᵀr with D = diag(JᵀJ): μ → 0 is Gauss–Newton, a large μ a short step down the
    gradient. μ follows the ratio of the decrease found to the decrease that the model foretold.

    Args:
        residuals, x0: as for :func:`gauss_newton`.
        tolerance: of the largest element of the gradient Jᵀr.
        max_iter: trials at most.
        damping: μ at the start, > 0.

    Returns:
        A :class:`Result`, with ``fun`` = ½ |r|².

    Source: Levenberg 1944; Marquardt 1963; Nielsen 1999 for the control of μ.

    >>> fit = levenberg_marquardt(
    ...     lambda x: np.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]]), [-1.2, 1.0]
    ... )  # Rosenbrock's function as a sum of squares
    >>> fit.converged, fit.x.round(6).tolist()
    (True, [1.0, 1.0])
    """
    check(damping > 0, "damping", damping, "a number > 0")
    objective = Objective(residuals, x0)
    x = objective.start
    r, jacobian = objective.residuals(x)
    value = 0.5 * float(r @ r)
    log, message = Log(objective, value), None
    mu, growth = damping, 2.0
    for _ in range(max_iter):
        gradient = jacobian.T @ r
        if np.abs(gradient).max() <= tolerance:
            break
        scale = np.sqrt(np.maximum((jacobian * jacobian).sum(axis=0), 1e-30))
        # Least squares with the damping as further rows: JᵀJ would square the condition number.
        stacked = np.vstack([jacobian, np.diag(sqrt(mu) * scale)])
        step = np.linalg.lstsq(stacked, np.concatenate([-r, np.zeros(len(x))]), rcond=None)[0]
        foretold = 0.5 * float(step @ (mu * scale**2 * step - gradient))
        new_r, new_jacobian = objective.residuals(x + step)
        new_value = 0.5 * float(new_r @ new_r)
        ratio = (value - new_value) / foretold if foretold > 0 else -1.0
        if new_value < value and ratio > 0:
            x, value, r, jacobian = x + step, new_value, new_r, new_jacobian
            log.add(x, value)
            mu *= max(1 / 3, 1 - (2 * ratio - 1) ** 3)
            growth = 2.0
        else:
            mu *= growth
            growth *= 2
            if mu > 1e30:
                message = STUCK
                break
    gradient = jacobian.T @ r
    if np.abs(gradient).max() <= tolerance:
        message = FLAT_ENOUGH
    return log.result(gradient, message, max_iter)
