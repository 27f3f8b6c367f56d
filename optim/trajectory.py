"""Watching an optimizer walk through a landscape: the path, for contour plots and comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from autograd import Tensor, TensorLike, enable_grad
from optim._options import check
from optim.optimizer import Optimizer

__all__ = ["Trajectory", "descend"]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


class Trajectory(NamedTuple):
    """A walk of n steps.

    Attributes:
        positions: of shape (n + 1, *shape), the start included.
        values: of the function at the positions, of shape (n + 1,).
        slopes: the gradients at the positions, of shape (n + 1, *shape).
    """

    positions: Array
    values: Array
    slopes: Array


def descend(
    f: Callable[[Tensor], Tensor],
    x0: TensorLike,
    make: Callable[[list[Tensor]], Optimizer],
    steps: int = 100,
    *,
    tolerance: float = 0.0,
    stop: Callable[[int, float], bool] | None = None,
) -> Trajectory:
    """Let an optimizer minimise any function, and record where it goes.

    Args:
        f: from a Tensor to a scalar Tensor.
        x0: where to start, of any shape; not changed.
        make: from a list of parameters to the optimizer, such as ``lambda p: optim.Adam(p, 0.1)``.
        steps: steps at most.
        tolerance: stop when no element of the gradient exceeds it.
        stop: called with the number of steps taken and the value; True ends the walk.

    Returns:
        Positions, values and gradients, those of the start and the end included.

    >>> import optim
    >>> walk = descend(lambda w: (w**2).sum(), [1.0], lambda p: optim.SGD(p, lr=0.1), steps=3)
    >>> walk.positions.ravel()
    array([1.   , 0.8  , 0.64 , 0.512])
    """
    check(steps >= 0, "steps", steps, "a number ≥ 0")
    x = np.array(x0.data if isinstance(x0, Tensor) else x0)
    w = Tensor(x if x.dtype.kind == "f" else x.astype(float), requires_grad=True)
    optimizer = make([w])
    positions, values, slopes = [], [], []

    def evaluate() -> Tensor:
        optimizer.zero_grad()
        value = f(w)
        value.backward()
        return value

    for taken in range(steps + 1):
        with enable_grad():
            value = float(evaluate().item())
        assert w.grad is not None
        positions.append(w.data.copy())
        values.append(value)
        slopes.append(w.grad.data.copy())
        if taken == steps or np.abs(w.grad.data).max() <= tolerance:
            break
        if stop is not None and stop(taken, value):
            break
        optimizer.step(evaluate)
    return Trajectory(np.stack(positions), np.array(values), np.stack(slopes))
