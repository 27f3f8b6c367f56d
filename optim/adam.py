"""Adam and AdamW: steps scaled by running averages of the gradient and of its square."""

from __future__ import annotations

from math import sqrt
from typing import Any

from autograd.extend import adam_step
from optim._options import check_betas, check_not_negative, refuse_torch_options
from optim.optimizer import Array, Group, Optimizer, Params, State, zeros_apart

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    r"""Adam: w ← w − η m̂ / (√v̂ + ε).

    m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g² start at zero, which m̂ = m / (1 − β₁ᵗ) and
    v̂ = v / (1 − β₂ᵗ) make up for at step t = 1, 2, …

    Args:
        params: tensors or groups of them.
        lr: learning rate η ≥ 0.
        betas: decay rates (β₁, β₂) in [0, 1).
        eps: ε ≥ 0, keeps the step finite where gradients vanish.
        weight_decay: λ ≥ 0; adds λ w to the gradient, or shrinks w directly if decoupled.
        amsgrad: divide by the largest v so far.
        maximize: climb instead of descending.
        decoupled_weight_decay: w ← (1 − η λ) w before the step, as :class:`AdamW`.
        bias_correction: False leaves m and v as they are (m̂ = m, v̂ = v); the first step is then
            larger, by (1 − β₁) / √(1 − β₂), 3.16 with these β.
        eps_inside: True divides by √(v̂ + ε).

    Raises:
        ValueError: for an option out of its range.

    Source: Kingma & Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1; Reddi et
    al. 2018 for ``amsgrad``.

    >>> from autograd import Tensor
    >>> w = Tensor(1.0, requires_grad=True)
    >>> (w**2).backward()
    >>> Adam([w], lr=1e-3).step()
    >>> w.item()
    0.999
    """

    elementwise = True
    decays_weights = False  # the step does so in passing

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        bias_correction: bool = True,
        eps_inside: bool = False,
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
                "amsgrad": amsgrad,
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
                "bias_correction": bias_correction,
                "eps_inside": eps_inside,
            },
        )

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr", "eps", "weight_decay")
        check_betas(group)

    def _new_state(self, p: Array, group: Group) -> State:
        state = {"step": 0, "exp_avg": zeros_apart(p, 1), "exp_avg_sq": zeros_apart(p, 2)}
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros_apart(p, 3)
        return state

    def _numbers(self, t: int, group: Group) -> tuple[float, float, float, float]:
        """What step t is made of: rate, ε, decay of the gradient, and factor of the parameter."""
        # The corrections are numbers, so they go into η and ε rather than through the arrays:
        # η/c₁ · m / (√(v/c₂) + ε) = η √c₂/c₁ · m / (√v + √c₂ ε).
        beta1, beta2 = group["betas"]
        rate = lr = float(group["lr"])
        eps, decay = group["eps"], group["weight_decay"]
        if group["bias_correction"]:
            correction = 1 - beta2**t
            root = sqrt(correction)
            rate *= root / (1 - beta1**t)
            eps *= correction if group["eps_inside"] else root
        if decay and group["decoupled_weight_decay"]:
            return rate, eps, 0.0, 1 - lr * decay
        return rate, eps, decay, 1.0

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        state["step"] = t = state["step"] + 1
        rate, eps, decay, shrink = self._numbers(t, group)
        adam_step(
            p,
            g,
            state["exp_avg"],
            state["exp_avg_sq"],
            state["max_exp_avg_sq"] if group["amsgrad"] else None,
            self._scratch(p, 2 if decay else 1),
            group["betas"],
            rate,
            eps,
            group["eps_inside"],
            decay,
            shrink,
        )

    def _together(self, group: Group) -> tuple[str, ...] | None:
        if group["amsgrad"] or group["maximize"] or type(self)._update is not Adam._update:
            return None
        return "adam", "exp_avg", "exp_avg_sq"

    def _advance(self, states: list[State], group: Group) -> tuple[list[Any], tuple[bool, ...]]:
        beta1, beta2 = group["betas"]
        rows: dict[int, tuple[float, ...]] = {}
        t = 0
        for state in states:
            state["step"] = count = state["step"] + 1
            if count != t:
                t = count
                rows[t] = (beta1, 1 - beta1, beta2, 1 - beta2, *self._numbers(t, group))
        *_, decay, shrink = rows[t]
        flags = bool(group["eps_inside"]), decay != 0, shrink != 1
        return [rows[t]] if len(rows) == 1 else [rows[state["step"]] for state in states], flags


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: w ← (1 − η λ) w, then Adam's step.

    Args:
        params, lr, betas, eps, amsgrad, maximize, bias_correction, eps_inside: as :class:`Adam`.
        weight_decay: λ ≥ 0, 0.01 unless given.

    Source: Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization".

    >>> from autograd import Tensor
    >>> w = Tensor(1.0, requires_grad=True)
    >>> (w**2).backward()
    >>> AdamW([w], lr=1e-3).step()
    >>> w.item()  # (1 - 0.001 · 0.01) - 0.001
    0.99899
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        bias_correction: bool = True,
        eps_inside: bool = False,
        **torch_options: Any,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
            bias_correction=bias_correction,
            eps_inside=eps_inside,
            **torch_options,
        )
