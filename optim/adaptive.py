"""Rates from accumulated squares of gradients: Adagrad, RMSprop and Adadelta.

Textbooks differ in where ε stands; ``eps_inside`` chooses, and PyTorch's place is the default.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._options import check, check_not_negative, refuse_torch_options
from optim.optimizer import Array, Group, Optimizer, Params, State, filled

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


def _root(v: Array, eps: float, inside: bool, out: Array) -> Array:
    """√(v + ε) or √v + ε."""
    if inside:
        np.add(v, eps, out=out)
        return np.sqrt(out, out=out)
    np.sqrt(v, out=out)
    return np.add(out, eps, out=out)


def _decay_towards_square(v: Array, g: Array, decay: float, work: Array) -> None:
    """v ← ρ v + (1 − ρ) g², in place."""
    np.multiply(v, decay, out=v)
    np.multiply(g, g, out=work)
    np.multiply(work, 1 - decay, out=work)
    np.add(v, work, out=v)


class Adagrad(Optimizer):
    r"""v ← v + g², w ← w − η / (1 + (t − 1) δ) · g / (√v + ε).

    Args:
        params: tensors or groups of them.
        lr: learning rate η ≥ 0.
        lr_decay: δ ≥ 0.
        weight_decay: λ ≥ 0, adds λ w to the gradient.
        initial_accumulator_value: where v starts, ≥ 0.
        eps: ε ≥ 0.
        maximize: climb instead of descending.
        eps_inside: True divides by √(v + ε), often with ε = 1e-8.

    Source: Duchi, Hazan & Singer 2011, "Adaptive Subgradient Methods".

    >>> from autograd import Tensor
    >>> w = Tensor([1.0, 100.0], requires_grad=True)
    >>> (w**2).sum().backward()
    >>> Adagrad([w], lr=0.5).step()
    >>> w  # the first step is η in every direction
    Tensor([ 0.5, 99.5], requires_grad=True)
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        eps_inside: bool = False,
        **torch_options: Any,
    ) -> None:
        refuse_torch_options(torch_options)
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "maximize": maximize,
                "eps_inside": eps_inside,
            },
        )

    def _check_group(self, group: Group) -> None:
        check_not_negative(
            group, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"
        )

    def _new_state(self, p: Array, group: Group) -> State:
        return {"step": 0, "sum": filled(p, group["initial_accumulator_value"])}

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        state["step"] = t = state["step"] + 1
        v = state["sum"]
        (work,) = self._scratch(p, 1)
        np.multiply(g, g, out=work)
        np.add(v, work, out=v)
        np.divide(g, _root(v, group["eps"], group["eps_inside"], work), out=work)
        np.multiply(work, float(group["lr"]) / (1 + (t - 1) * group["lr_decay"]), out=work)
        np.subtract(p, work, out=p)


class RMSprop(Optimizer):
    r"""v ← α v + (1 − α) g², w ← w − η g / (√v + ε).

    With ``momentum`` μ > 0: b ← μ b + g / (√v + ε), w ← w − η b. With ``centered``, the square
    of the running mean of g is taken off v, which leaves the variance.

    Args:
        params: tensors or groups of them.
        lr: learning rate η ≥ 0.
        alpha: decay α in [0, 1] of the average; textbooks often use 0.9.
        eps: ε ≥ 0.
        weight_decay: λ ≥ 0, adds λ w to the gradient.
        momentum: μ ≥ 0.
        centered: divide by an estimate of the standard deviation.
        maximize: climb instead of descending.
        eps_inside: True divides by √(v + ε).

    Note:
        α = 0 gives v = g², steps by the sign of the gradient: not Adagrad, as is sometimes said.

    Source: Tieleman & Hinton 2012, lecture 6.5; Graves 2013 for ``centered``.

    >>> from autograd import Tensor
    >>> w = Tensor(1.0, requires_grad=True)
    >>> (w**2).backward()
    >>> RMSprop([w], lr=0.01).step()
    >>> w.item()  # v = 0.01 · g²: a first step of η / √0.01
    0.9
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
        eps_inside: bool = False,
        **torch_options: Any,
    ) -> None:
        refuse_torch_options(torch_options)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "eps_inside": eps_inside,
            },
        )

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr", "eps", "weight_decay", "momentum")
        check(0 <= group["alpha"] <= 1, "alpha", group["alpha"], "a number with 0 ≤ α ≤ 1")

    def _new_state(self, p: Array, group: Group) -> State:
        state = {"step": 0, "square_avg": np.zeros_like(p)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = np.zeros_like(p)
        if group["centered"]:
            state["grad_avg"] = np.zeros_like(p)
        return state

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        alpha = group["alpha"]
        state["step"] += 1
        v = state["square_avg"]
        work, root = self._scratch(p, 2)
        _decay_towards_square(v, g, alpha, work)
        if group["centered"]:
            mean = state["grad_avg"]
            np.multiply(mean, alpha, out=mean)
            np.multiply(g, 1 - alpha, out=work)
            np.add(mean, work, out=mean)
            np.multiply(mean, mean, out=work)
            v = np.subtract(v, work, out=root)
        np.divide(g, _root(v, group["eps"], group["eps_inside"], root), out=work)
        if group["momentum"] > 0:
            b = state["momentum_buffer"]
            np.multiply(b, group["momentum"], out=b)
            np.add(b, work, out=b)
            np.multiply(b, float(group["lr"]), out=work)
        else:
            np.multiply(work, float(group["lr"]), out=work)
        np.subtract(p, work, out=p)


class Adadelta(Optimizer):
    r"""Steps in the units of the parameters: the size of past steps over that of past gradients.

    v ← ρ v + (1 − ρ) g², d = √(u + ε) / √(v + ε) · g, u ← ρ u + (1 − ρ) d², w ← w − η d.

    Args:
        params: tensors or groups of them.
        lr: scale η ≥ 0 of the step; the method itself has none, hence 1.
        rho: decay ρ in [0, 1] of both averages.
        eps: ε ≥ 0.
        weight_decay: λ ≥ 0, adds λ w to the gradient.
        maximize: climb instead of descending.
        eps_inside: False takes (√u + ε) / (√v + ε) instead.

    Note:
        Some texts print the step without the minus sign; it is subtracted.

    Source: Zeiler 2012, "ADADELTA: An Adaptive Learning Rate Method".

    >>> from autograd import Tensor
    >>> w = Tensor(1.0, requires_grad=True)
    >>> (w**2).backward()
    >>> Adadelta([w]).step()
    >>> round(w.item(), 7)  # 1 - √1e-6 / √(0.1 · 4 + 1e-6) · 2
    0.9968377
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        eps_inside: bool = True,
        **torch_options: Any,
    ) -> None:
        refuse_torch_options(torch_options)
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "eps_inside": eps_inside,
            },
        )

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr", "eps", "weight_decay")
        check(0 <= group["rho"] <= 1, "rho", group["rho"], "a number with 0 ≤ ρ ≤ 1")

    def _new_state(self, p: Array, group: Group) -> State:
        return {"step": 0, "square_avg": np.zeros_like(p), "acc_delta": np.zeros_like(p)}

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        rho, eps, inside = group["rho"], group["eps"], group["eps_inside"]
        state["step"] += 1
        v, u = state["square_avg"], state["acc_delta"]
        work, delta = self._scratch(p, 2)
        _decay_towards_square(v, g, rho, work)
        _root(u, eps, inside, delta)
        np.divide(delta, _root(v, eps, inside, work), out=delta)
        np.multiply(delta, g, out=delta)
        _decay_towards_square(u, delta, rho, work)
        np.multiply(delta, float(group["lr"]), out=work)
        np.subtract(p, work, out=p)
