"""Relatives of Adam: NAdam, RAdam and Adamax."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from optim._options import check_betas, check_not_negative, refuse_torch_options
from optim.optimizer import Array, Group, Optimizer, Params, State

__all__ = ["Adamax", "NAdam", "RAdam"]


def _update_moments(g: Array, m: Array, v: Array, betas: tuple[float, float], work: Array) -> None:
    """m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g², in place."""
    beta1, beta2 = betas
    np.multiply(m, beta1, out=m)
    np.multiply(g, 1 - beta1, out=work)
    np.add(m, work, out=m)
    np.multiply(v, beta2, out=v)
    np.multiply(g, g, out=work)
    np.multiply(work, 1 - beta2, out=work)
    np.add(v, work, out=v)


class NAdam(Optimizer):
    r"""Adam with Nesterov momentum: the step already uses the momentum of the next one.

    With μₜ = β₁ (1 − ½ · 0.96^(t ψ)) and Πₜ = μ₁ ⋯ μₜ:
    w ← w − η [μₜ₊₁ m / (1 − Πₜ₊₁) + (1 − μₜ) g / (1 − Πₜ)] / (√v̂ + ε), m and v as Adam's.

    Args:
        params: tensors or groups of them.
        lr: learning rate η ≥ 0.
        betas: decay rates (β₁, β₂) in [0, 1).
        eps: ε ≥ 0.
        weight_decay: λ ≥ 0.
        momentum_decay: ψ ≥ 0, how fast μ grows to β₁.
        decoupled_weight_decay: w ← (1 − η λ) w before the step, instead of adding λ w to g.
        maximize: climb instead of descending.

    Source: Dozat 2016, "Incorporating Nesterov Momentum into Adam".

    >>> from autograd import Tensor
    >>> w = Tensor(1.0, requires_grad=True)
    >>> (w**2).backward()
    >>> NAdam([w], lr=1e-3).step()
    >>> round(w.item(), 6)
    0.998944
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **torch_options: Any,
    ) -> None:
        refuse_torch_options(torch_options)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr", "eps", "weight_decay", "momentum_decay")
        check_betas(group)

    def _new_state(self, p: Array, group: Group) -> State:
        return {
            "step": 0,
            "mu_product": 1.0,
            "exp_avg": np.zeros_like(p),
            "exp_avg_sq": np.zeros_like(p),
        }

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        beta1, beta2 = group["betas"]
        lr, psi = float(group["lr"]), group["momentum_decay"]
        m, v = state["exp_avg"], state["exp_avg_sq"]
        state["step"] = t = state["step"] + 1
        mu = beta1 * (1 - 0.5 * 0.96 ** (t * psi))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * psi))
        state["mu_product"] = product = state["mu_product"] * mu
        work, root = self._scratch(p, 2)
        _update_moments(g, m, v, group["betas"], work)
        np.divide(v, 1 - beta2**t, out=root)
        np.sqrt(root, out=root)
        np.add(root, group["eps"], out=root)
        for direction, rate in (
            (g, lr * (1 - mu) / (1 - product)),
            (m, lr * mu_next / (1 - product * mu_next)),
        ):
            np.divide(direction, root, out=work)
            np.multiply(work, rate, out=work)
            np.subtract(p, work, out=p)


class RAdam(Optimizer):
    r"""Adam that steps along m̂ alone while v is estimated from too few gradients.

    ρ∞ = 2 / (1 − β₂) − 1 and ρₜ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ) measure how many gradients v averages.
    For ρₜ > 5: w ← w − η r m̂ √(1 − β₂ᵗ) / (√v + ε) with
    r² = (ρₜ − 4)(ρₜ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρₜ); before that w ← w − η m̂.

    Args:
        params: tensors or groups of them.
        lr: learning rate η ≥ 0.
        betas: decay rates (β₁, β₂) in [0, 1).
        eps: ε ≥ 0.
        weight_decay: λ ≥ 0.
        decoupled_weight_decay: w ← (1 − η λ) w before the step, instead of adding λ w to g.
        maximize: climb instead of descending.

    Source: Liu et al. 2020, "On the Variance of the Adaptive Learning Rate and Beyond".

    >>> from autograd import Tensor
    >>> w = Tensor(1.0, requires_grad=True)
    >>> (w**2).backward()
    >>> RAdam([w], lr=1e-3).step()
    >>> w.item()  # the first step is η g
    0.998
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **torch_options: Any,
    ) -> None:
        refuse_torch_options(torch_options)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr", "eps", "weight_decay")
        check_betas(group)

    def _new_state(self, p: Array, group: Group) -> State:
        return {"step": 0, "exp_avg": np.zeros_like(p), "exp_avg_sq": np.zeros_like(p)}

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        beta1, beta2 = group["betas"]
        m, v = state["exp_avg"], state["exp_avg_sq"]
        state["step"] = t = state["step"] + 1
        (work,) = self._scratch(p, 1)
        _update_moments(g, m, v, group["betas"], work)
        rate = float(group["lr"]) / (1 - beta1**t)
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * t * beta2**t / (1 - beta2**t)
        if length > 5:
            rate *= sqrt(
                (length - 4)
                * (length - 2)
                * longest
                / ((longest - 4) * (longest - 2) * length)
                * (1 - beta2**t)
            )
            np.sqrt(v, out=work)
            np.add(work, group["eps"], out=work)
            np.divide(m, work, out=work)
            np.multiply(work, rate, out=work)
        else:
            np.multiply(m, rate, out=work)
        np.subtract(p, work, out=p)


class Adamax(Optimizer):
    r"""Adam with the largest recent gradient in place of the root mean square.

    u ← max(β₂ u, |g| + ε), w ← w − η / (1 − β₁ᵗ) · m / u, with Adam's m.

    Args:
        params: tensors or groups of them.
        lr: learning rate η ≥ 0.
        betas: decay rates (β₁, β₂) in [0, 1).
        eps: ε ≥ 0.
        weight_decay: λ ≥ 0, adds λ w to the gradient.
        maximize: climb instead of descending.

    Source: Kingma & Ba 2015, "Adam: A Method for Stochastic Optimization", section 7.1.

    >>> from autograd import Tensor
    >>> w = Tensor(1.0, requires_grad=True)
    >>> (w**2).backward()
    >>> Adamax([w], lr=1e-3).step()
    >>> round(w.item(), 9)
    0.999
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
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
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr", "eps", "weight_decay")
        check_betas(group)

    def _new_state(self, p: Array, group: Group) -> State:
        return {"step": 0, "exp_avg": np.zeros_like(p), "exp_inf": np.zeros_like(p)}

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        beta1, beta2 = group["betas"]
        m, u = state["exp_avg"], state["exp_inf"]
        state["step"] = t = state["step"] + 1
        (work,) = self._scratch(p, 1)
        np.multiply(m, beta1, out=m)
        np.multiply(g, 1 - beta1, out=work)
        np.add(m, work, out=m)
        np.multiply(u, beta2, out=u)
        np.abs(g, out=work)
        np.add(work, group["eps"], out=work)
        np.maximum(u, work, out=u)
        np.divide(m, u, out=work)
        np.multiply(work, float(group["lr"]) / (1 - beta1**t), out=work)
        np.subtract(p, work, out=p)
