"""Stochastic gradient descent, with momentum in PyTorch's form."""

from __future__ import annotations

from typing import Any

from autograd.extend import sgd_step
from optim._options import check, check_not_negative, refuse_torch_options
from optim.optimizer import Array, Group, Optimizer, Params, State, zeros_apart

__all__ = ["SGD"]


class SGD(Optimizer):
    r"""Gradient descent: w ← w − η m with m ← μ m + (1 − τ) g, and m = g at the first step.

    Without momentum (μ = 0) it is w ← w − η g. With ``nesterov``, the step is along g + μ m.

    Args:
        params: tensors or groups of them.
        lr: learning rate η ≥ 0.
        momentum: μ ≥ 0.
        dampening: τ. With τ = μ, m is an exponential average of gradients (from the second step).
        weight_decay: λ ≥ 0; adds λ w to the gradient.
        nesterov: look ahead along the momentum; needs μ > 0 and τ = 0.
        maximize: climb instead of descending.

    Raises:
        ValueError: for an option out of its range.

    See Also:
        :class:`optim.Momentum` for momentum as an exponential average from the first step on, and
        as a velocity with the rate inside.

    Source: Polyak 1964; Sutskever et al. 2013, "On the importance of initialization and momentum in
    deep learning".

    >>> from autograd import Tensor
    >>> w = Tensor(1.0, requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w**2).backward()
    ...     optimizer.step()
    >>> w.item()  # 1 - 0.2 = 0.8, then 0.8 - 0.1 · (1.6 + 0.9 · 2)
    0.46
    """

    elementwise = True
    decays_weights = False  # the step does so in passing

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **torch_options: Any,
    ) -> None:
        refuse_torch_options(torch_options)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr", "momentum", "weight_decay")
        check(
            not group["nesterov"] or (group["momentum"] > 0 and group["dampening"] == 0),
            "nesterov",
            group["nesterov"],
            "used with momentum > 0 and dampening = 0",
        )

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        momentum, decay = group["momentum"], group["weight_decay"]
        dampening, nesterov = group["dampening"], group["nesterov"]
        m = None
        if momentum:
            m = state.get("momentum_buffer")
            if m is None:  # the first step is along the gradient, undamped
                m = state["momentum_buffer"] = zeros_apart(p, 2)
                dampening = 0.0
        scratch = self._scratch(p, 2 if decay else 1)
        rate = float(group["lr"])
        sgd_step(p, g, m, scratch, rate, momentum, dampening, nesterov, decay)

    def _together(self, group: Group) -> tuple[str, ...] | None:
        if group["maximize"] or type(self)._update is not SGD._update:
            return None
        return ("sgd", "momentum_buffer") if group["momentum"] else ("sgd",)

    def _advance(self, states: list[State], group: Group) -> tuple[list[Any], tuple[bool, ...]]:
        momentum, decay = group["momentum"], group["weight_decay"]
        numbers = float(group["lr"]), momentum, 1 - group["dampening"], decay
        return [numbers], (momentum != 0, bool(group["nesterov"]), decay != 0)
