"""L-BFGS: quasi-Newton steps from the last few changes of the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import enable_grad
from optim._flat import FlatParameters
from optim._options import check, check_not_negative
from optim.line_search import Point, strong_wolfe
from optim.optimizer import Array, Closure, Group, Optimizer, Params, State

__all__ = ["LBFGS"]

# Line searches stop when the parameters' largest change within the interval is below this, whatever
# tolerance_change is, as PyTorch's do.
NARROWEST = 1e-9


class LBFGS(Optimizer):
    r"""Limited-memory BFGS: w ← w − η H g, where H is built from the last steps and slopes.

    Each pair s = Δw, y = Δg with s·y > 0 updates the inverse Hessian
    H ← (1 − ρ s yᵀ) H (1 − ρ y sᵀ) + ρ s sᵀ, ρ = 1/(s·y), starting from (s·y)/(y·y) times the
    identity; H g is worked out without forming H. One call of :meth:`step` does several iterations.

    Args:
        params: tensors; all in one group.
        lr: length η of the step (the first one tried, with a line search).
        max_iter: iterations per call of ``step``.
        max_eval: evaluations of the closure per call; 1.25 × ``max_iter`` by default.
        tolerance_grad: stop when the largest slope is below.
        tolerance_change: stop when loss or parameters change by less.
        history_size: number of pairs kept.
        line_search_fn: ``"strong_wolfe"`` or None for steps of length η.

    Note:
        Each operation is PyTorch's, in its order, so trajectories agree to rounding: PyTorch fuses
        some multiplications with the addition that follows, and its BLAS may sum in another order.

    Source: Nocedal 1980; Nocedal & Wright, "Numerical Optimization", algorithms 7.4 and 7.5.

    >>> from autograd import Tensor
    >>> w = Tensor([-1.2, 1.0], requires_grad=True)
    >>> optimizer = LBFGS([w], max_iter=100, line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    24.2
    >>> w.data.round(6)
    array([1., 1.])
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )

    def add_param_group(self, param_group: Group) -> None:
        """Only one group is possible: H couples all parameters."""
        if self.param_groups:
            raise ValueError("LBFGS takes one parameter group only: its step couples all of them")
        super().add_param_group(param_group)

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr", "tolerance_grad", "tolerance_change")
        search = group["line_search_fn"]
        check(search in (None, "strong_wolfe"), "line_search_fn", search, "'strong_wolfe' or None")
        check(group["max_iter"] >= 1, "max_iter", group["max_iter"], "a number ≥ 1")
        check(group["history_size"] >= 1, "history_size", group["history_size"], "a number ≥ 1")

    def step(self, closure: Closure | None = None) -> Any:
        """Iterate until converged or ``max_iter`` is reached.

        Args:
            closure: clears the gradients, computes the loss, calls ``backward``, returns the loss.

        Returns:
            The loss before the step.
        """
        if closure is None:
            raise TypeError("LBFGS.step needs a closure that computes the loss and its gradients")
        group = self.param_groups[0]
        flat = FlatParameters(group["params"])
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        def evaluate() -> tuple[Any, Array]:
            with enable_grad():
                loss = closure()
            state["func_evals"] += 1
            return loss, flat.gradients()

        first_loss, g = evaluate()
        loss = float(first_loss)
        evaluations = 1
        if not np.abs(g).max() > group["tolerance_grad"]:
            return first_loss
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = self._direction(g, state, group)
            state["prev_flat_grad"], state["prev_loss"] = g, loss
            t = float(group["lr"])
            if state["n_iter"] == 1:  # H is still the identity: be careful
                t *= min(1.0, float(1.0 / np.abs(g).sum()))
            state["d"], state["t"] = direction, t
            slope = g @ direction  # a NumPy scalar: a search decides in the gradient's precision
            searches = group["line_search_fn"] is not None
            if slope > -group["tolerance_change"] or (searches and not slope < 0):
                break
            start = flat.values()
            if searches:

                def along(t: float, d: Array = direction, start: Array = start) -> Point:
                    flat.assign(start + t * d)
                    value, gradient = evaluate()
                    return Point(t, float(value), gradient @ d, gradient)

                found, spent = strong_wolfe(
                    along,
                    Point(0.0, loss, slope, g),
                    t,
                    max_evaluations=group["max_eval"] - evaluations,
                    resolution=NARROWEST / float(np.abs(direction).max()),
                    by_value=True,
                )
                t, loss, g = float(found.t), found.value, found.gradient
                state["t"] = t
                flat.assign(start + t * direction)
                evaluations += spent
            else:
                flat.assign(start + t * direction)
                if iteration < group["max_iter"]:  # the last step need not be judged
                    value, g = evaluate()
                    loss = float(value)
                    evaluations += 1
            if (
                evaluations >= group["max_eval"]
                or np.abs(g).max() <= group["tolerance_grad"]
                or np.abs(t * direction).max() <= group["tolerance_change"]
                or abs(loss - state["prev_loss"]) < group["tolerance_change"]
            ):
                break
        return first_loss

    def _direction(self, g: Array, state: State, group: Group) -> Array:
        """−H g, after adding the newest pair to the history."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -g
        slopes, steps, inverse = state["old_dirs"], state["old_stps"], state["ro"]
        y = g - state["prev_flat_grad"]
        s = state["d"] * state["t"]
        ys = y @ s
        if ys > 1e-10:
            if len(slopes) == group["history_size"]:
                for history in (slopes, steps, inverse):
                    history.pop(0)
            slopes.append(y)
            steps.append(s)
            inverse.append(float(1.0 / ys))
            state["H_diag"] = float(ys / (y @ y))
        q = -g
        shares = []
        for y, s, rho in zip(slopes[::-1], steps[::-1], inverse[::-1]):
            shares.append((s @ q) * rho)
            q = q - shares[-1] * y
        d = q * state["H_diag"]
        for y, s, rho, share in zip(slopes, steps, inverse, shares[::-1]):
            d = d + s * (share - (y @ d) * rho)
        return d
