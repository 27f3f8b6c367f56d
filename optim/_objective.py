"""What minimisers share: a function of one vector made of what the user gave, and their result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from autograd import Tensor, TensorLike, enable_grad, grad
from optim._flat import FlatParameters
from optim.line_search import Point

__all__ = ["FLAT_ENOUGH", "STUCK", "Array", "Log", "Objective", "Result", "Start"]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Start: TypeAlias = TensorLike | Sequence[Tensor]

FLAT_ENOUGH = "the gradient is below the tolerance"
STUCK = "no progress: the line search found no lower point"


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


class Objective:
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


class Log:
    """What a minimiser has done so far."""

    def __init__(self, objective: Objective, value: float) -> None:
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
