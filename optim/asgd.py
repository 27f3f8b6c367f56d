"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._options import check_not_negative, refuse_torch_options
from optim.optimizer import Array, Group, Optimizer, Params, State

__all__ = ["ASGD"]


class ASGD(Optimizer):
    r"""Gradient descent with a falling rate that also keeps the average of the iterates.

    w ← (1 − λ ηₜ) w − ηₜ g with ηₜ = η / (1 + λ η t)^α; the average a ← a + μₜ (w − a) with
    μₜ = 1 / max(1, t − t₀) is kept in ``state[p]["ax"]``.

    Args:
        params: tensors or groups of them.
        lr: learning rate η ≥ 0.
        lambd: decay λ.
        alpha: power α of the falling rate.
        t0: step after which averaging starts.
        weight_decay: ≥ 0, added to the gradient times w.
        maximize: climb instead of descending.

    Source: Polyak & Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging".

    >>> from autograd import Tensor
    >>> w = Tensor(1.0, requires_grad=True)
    >>> (w**2).backward()
    >>> ASGD([w], lr=0.1, lambd=0.0).step()
    >>> w.item()
    0.8
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        **torch_options: Any,
    ) -> None:
        refuse_torch_options(torch_options)
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr", "weight_decay")

    def _new_state(self, p: Array, group: Group) -> State:
        return {"step": 0, "eta": float(group["lr"]), "mu": 1.0, "ax": np.zeros_like(p)}

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        lr, lambd, eta, mu = float(group["lr"]), group["lambd"], state["eta"], state["mu"]
        state["step"] = t = state["step"] + 1
        average = state["ax"]
        (work,) = self._scratch(p, 1)
        np.multiply(p, 1 - lambd * eta, out=p)
        np.multiply(g, eta, out=work)
        np.subtract(p, work, out=p)
        if mu == 1:
            np.copyto(average, p)
        else:
            np.subtract(p, average, out=work)
            np.multiply(work, mu, out=work)
            np.add(average, work, out=average)
        state["eta"] = lr / (1 + lambd * lr * t) ** group["alpha"]
        state["mu"] = 1 / max(1, t - group["t0"])
