"""Minimisers that use curvature: Newton, BFGS, conjugate gradients, nonlinear least squares.

Each is a function that goes all the way, given a function of a Tensor and a start, or a closure and
the parameters it reads (which are then changed in place).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from autograd import Tensor, TensorLike, enable_grad, grad
from optim._flat import FlatParameters
from optim._options import check
from optim.line_search import Point, strong_wolfe

__all__ = [
    "Result",
    "bfgs",
    "gauss_newton",
    "levenberg_marquardt",
    "newton",
    "nonlinear_cg",
    "scipy_minimize",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Start: TypeAlias = TensorLike | Sequence[Tensor]


class Result(NamedTuple):
    """Where a minimiser arrived, and what it cost.

    Attributes:
        x: the point, in the start's shape; of several parameters, one vector.
        fun: the function's value there.
        gradient: at x, as one vector.
        converged: whether the stopping rule was met.
        message: why it stopped.
        iterations: number of steps.
        evaluations: of the function with its gradient (or residuals with their Jacobian).
        products: Hessian-vector products.
        path: the points from the start on, as vectors, of shape (iterations + 1, n).
        values: the function along the path.
    """

    x: Array
    fun: float
    gradient: Array
    converged: bool
    message: str
    iterations: int
    evaluations: int
    products: int
    path: Array
    values: list[float]

    def __repr__(self) -> str:
        shown = {name: value for name, value in self._asdict().items() if name != "path"}
        shown["values"] = f"{len(self.values)} values"
        return "Result(\n" + "".join(f"    {k}={v!r},\n" for k, v in shown.items()) + ")"


class _Objective:
    """A function of one vector, made of what the user gave; counts how often it is called."""

    def __init__(self, f: Callable[..., Tensor], x0: Start) -> None:
        if isinstance(x0, list | tuple) and x0 and all(isinstance(p, Tensor) for p in x0):
            self.params: list[Tensor] = [p for p in x0 if isinstance(p, Tensor)]
            for p in self.params:
                if not (p.is_leaf and p.requires_grad):
                    raise ValueError("parameters to minimise over must be leaves that require_grad")
            self.shape: tuple[int, ...] | None = None
            self.call = f
        else:
            start = Tensor(x0)
            if start.dtype.kind != "f":
                start = Tensor(start.data.astype(float))
            variable = start.requires_grad_()
            self.params = [variable]
            self.shape = variable.shape
            self.call = lambda: f(variable)
        self.flat = FlatParameters(self.params)
        self.start = self.flat.values()
        self.evaluations = 0
        self.products = 0
        # The point where a gradient was last recorded, and that gradient; void once x moves on.
        self._recorded: tuple[Array, float, Sequence[Tensor | None]] | None = None

    def _run(self, x: Array) -> Tensor:
        self._recorded = None
        self.flat.assign(x)
        self.evaluations += 1
        with enable_grad():
            return self.call()

    def slope(self, x: Array, recording: bool = False) -> tuple[float, Array]:
        """Value and gradient at ``x``."""
        output = self._run(x)
        gradient = grad(output, self.params, create_graph=recording, allow_unused=True)
        value = float(output.item())
        if recording:
            self._recorded = x.copy(), value, gradient
        return value, self.flat.gradients(gradient)

    def along(
        self, x: Array, direction: Array, recording: bool = False
    ) -> Callable[[float], Point]:
        """The function on a line, for a line search."""

        def evaluate(t: float) -> Point:
            value, gradient = self.slope(x + t * direction, recording)
            return Point(t, value, float(gradient @ direction), gradient)

        return evaluate

    def is_recorded(self, x: Array) -> bool:
        """Whether products with the Hessian at ``x`` are possible as things stand."""
        return self._recorded is not None and np.array_equal(self._recorded[0], x)

    def curvature(self, x: Array) -> tuple[float, Array, Callable[[Array], Array]]:
        """Value, gradient, and the Hessian's product with any vector, at ``x``."""
        if not self.is_recorded(x):
            self.slope(x, recording=True)
        assert self._recorded is not None
        _, value, gradient = self._recorded
        recorded = [(g, i) for i, g in enumerate(gradient) if g is not None and g.requires_grad]

        def product(vector: Array) -> Array:
            self.products += 1
            if not recorded:
                return np.zeros_like(vector)
            parts = self.flat.split(vector)
            rows = grad(
                [g for g, _ in recorded],
                self.params,
                grad_outputs=[parts[i].astype(g.dtype) for g, i in recorded],
                retain_graph=True,
                allow_unused=True,
            )
            return self.flat.gradients(rows)

        return value, self.flat.gradients(gradient), product

    def residuals(self, x: Array) -> tuple[Array, Array]:
        """The residuals as a vector and their Jacobian, of shape (m, n)."""
        output = self._run(x)
        m = output.size
        jacobian = np.zeros((m, self.flat.size), self.flat.dtype)
        if output.requires_grad:
            seed = np.zeros(m, output.dtype)
            for row in range(m):
                seed[row] = 1
                rows = grad(
                    output,
                    self.params,
                    seed.reshape(output.shape),
                    retain_graph=row < m - 1,
                    allow_unused=True,
                )
                jacobian[row] = self.flat.gradients(rows)
                seed[row] = 0
        return output.data.ravel(), jacobian

    def shaped(self, x: Array) -> Array:
        self.flat.assign(x)  # a line search may have left the parameters elsewhere
        return x.copy() if self.shape is None else x.reshape(self.shape).copy()


class _Log:
    """What a minimiser has done so far."""

    def __init__(self, objective: _Objective, value: float) -> None:
        self.objective = objective
        self.path = [objective.start]
        self.values = [value]

    def add(self, x: Array, value: float) -> None:
        self.path.append(x)
        self.values.append(value)

    def result(self, gradient: Array, message: str | None, max_iter: int) -> Result:
        objective = self.objective
        return Result(
            x=objective.shaped(self.path[-1]),
            fun=self.values[-1],
            gradient=gradient,
            converged=message is not None and not message.startswith("no progress"),
            message=message or f"not converged after {max_iter} iterations",
            iterations=len(self.path) - 1,
            evaluations=objective.evaluations,
            products=objective.products,
            path=np.stack(self.path),
            values=self.values,
        )


_FLAT_ENOUGH = "the gradient is below the tolerance"
_STUCK = "no progress: the line search found no lower point"


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
    objective = _Objective(f, x0)
    x = objective.start
    value, g, product = objective.curvature(x)
    log, message = _Log(objective, value), None
    limit = 10 * len(x) if max_products is None else max_products
    for _ in range(max_iter):
        if np.abs(g).max() <= tolerance:
            break
        norm = float(np.linalg.norm(g))
        direction = _solve(product, g, min(1e-4, norm) * norm, limit)
        start = Point(0.0, value, float(g @ direction), g)
        line = objective.along(x, direction, recording=True)
        found, _ = strong_wolfe(line, start, noise=_rounding(value))
        if found.t == 0:
            message = _STUCK
            break
        x = x + found.t * direction
        value, g, product = objective.curvature(x)
        log.add(x, value)
    if np.abs(g).max() <= tolerance:
        message = _FLAT_ENOUGH
    return log.result(g, message, max_iter)


def _rounding(value: float) -> float:
    """How exactly a function's value can be trusted, near a minimum."""
    return 1000 * float(np.finfo(float).eps) * abs(value)


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
    objective = _Objective(f, x0)
    x = objective.start
    value, g = objective.slope(x)
    log, message = _Log(objective, value), None
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
        found, _ = strong_wolfe(objective.along(x, direction), start, t, noise=_rounding(value))
        if found.t == 0:
            message = _STUCK
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
        message = _FLAT_ENOUGH
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
    objective = _Objective(f, x0)
    x = objective.start
    value, g = objective.slope(x)
    log, message = _Log(objective, value), None
    direction = -g
    t = min(1.0, 1.0 / max(float(np.abs(g).sum()), 1e-300))
    for _ in range(max_iter):
        if np.abs(g).max() <= tolerance:
            break
        slope = float(g @ direction)
        if slope >= 0:
            direction, slope = -g, -float(g @ g)
        start = Point(0.0, value, slope, g)
        # The directions stay conjugate only if each line is searched with some care.
        line = objective.along(x, direction)
        found, _ = strong_wolfe(line, start, t, c2=0.02, noise=_rounding(value))
        if found.t == 0:
            if (direction == -g).all():
                message = _STUCK
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
        message = _FLAT_ENOUGH
    return log.result(g, message, max_iter)


# ---------------------------------------------------------------------------------- least squares


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
    objective = _Objective(residuals, x0)
    x = objective.start
    r, jacobian = objective.residuals(x)
    value = 0.5 * float(r @ r)
    log, message = _Log(objective, value), None
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
            message = _STUCK
            break
        x, value, r, jacobian = x + share * step, new_value, new_r, new_jacobian
        log.add(x, value)
    gradient = jacobian.T @ r
    if np.abs(gradient).max() <= tolerance:
        message = _FLAT_ENOUGH
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
    objective = _Objective(residuals, x0)
    x = objective.start
    r, jacobian = objective.residuals(x)
    value = 0.5 * float(r @ r)
    log, message = _Log(objective, value), None
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
                message = _STUCK
                break
    gradient = jacobian.T @ r
    if np.abs(gradient).max() <= tolerance:
        message = _FLAT_ENOUGH
    return log.result(gradient, message, max_iter)


# ----------------------------------------------------------------------------------------- SciPy


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
    objective = _Objective(f, x0)
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
