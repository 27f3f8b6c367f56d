"""Classic methods of textbooks that PyTorch has not: momenta by other conventions, own rates.

All are full members of the optimizer family: groups, state, closures, schedules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from optim._options import check, check_not_negative
from optim.optimizer import Array, Group, Optimizer, Params, State, filled

__all__ = ["DeltaBarDelta", "DeltaDelta", "Momentum", "PerParameterSGD", "Quickprop"]


class Momentum(Optimizer):
    r"""Gradient descent with momentum, in the three forms that textbooks use; m starts at 0.

    - ``"average"``: m ← μ m + (1 − μ) g, w ← w − η m. An exponential average of gradients.
    - ``"velocity"``: m ← μ m − η g, w ← w + m. A ball with friction; η acts when a gradient
      arrives.
    - ``"sum"``: m ← μ m − g, w ← w + η m. As velocity, but η acts when a step is taken: the two
      differ only if η changes. This is SGD's form, with the sign of m reversed.

    "average" with rate η equals "velocity" with rate η (1 − μ).

    Args:
        params: tensors or groups of them.
        lr: learning rate η ≥ 0.
        momentum: μ in [0, 1]; 1 never slows down.
        form: one of the above.
        weight_decay: λ ≥ 0, adds λ w to the gradient.
        maximize: climb instead of descending.

    Source: Polyak 1964, "Some methods of speeding up the convergence of iteration methods".

    >>> from autograd import Tensor
    >>> w = Tensor(0.0, requires_grad=True)
    >>> optimizer = Momentum([w], lr=1.0, momentum=0.9, form="velocity")
    >>> for _ in range(3):
    ...     w.grad = Tensor(1.0)
    ...     optimizer.step()
    >>> optimizer.state[w]["momentum_buffer"].item()  # −1, −1.9, −2.71
    -2.71
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.9,
        form: str = "average",
        *,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "form": form,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr", "weight_decay")
        check(0 <= group["momentum"] <= 1, "momentum", group["momentum"], "a number in [0, 1]")
        forms = ("average", "velocity", "sum")
        check(group["form"] in forms, "form", group["form"], f"one of {forms}")

    def _new_state(self, p: Array, group: Group) -> State:
        return {"momentum_buffer": np.zeros_like(p)}

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        mu, lr, form = group["momentum"], float(group["lr"]), group["form"]
        m = state["momentum_buffer"]
        (work,) = self._scratch(p, 1)
        share = {"average": 1 - mu, "velocity": -lr, "sum": -1.0}[form]
        np.multiply(m, mu, out=m)
        np.multiply(g, share, out=work)
        np.add(m, work, out=m)
        np.multiply(m, {"average": -lr, "velocity": 1.0, "sum": lr}[form], out=work)
        np.add(p, work, out=p)


class PerParameterSGD(Optimizer):
    r"""Gradient descent with a learning rate for every element: w ← w − η ⊙ g.

    Descends, for small enough rates, whatever positive η is: the loss changes by
    −Σ ηᵢ gᵢ² to first order. Rates may be changed between steps in ``state[p]["rate"]``.

    Args:
        params: tensors; all in one group.
        rates: for each parameter a number or an array that broadcasts to its shape, > 0. One
            number or array serves all.
        lr: factor on all rates, for schedules.
        maximize: climb instead of descending.

    >>> from autograd import Tensor
    >>> w = Tensor([1.0, 1.0], requires_grad=True)
    >>> optimizer = PerParameterSGD([w], rates=np.array([0.5, 0.1]))
    >>> (w**2 * [1.0, 5.0]).sum().backward()
    >>> optimizer.step()
    >>> w  # the minimum, in one step
    Tensor([0., 0.], requires_grad=True)
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        rates: float | Array | Sequence[float | Array],
        lr: float = 1.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "maximize": maximize})
        parameters = [p for group in self.param_groups for p in group["params"]]
        if isinstance(rates, list | tuple):
            if len(rates) != len(parameters):
                raise ValueError(f"{len(parameters)} parameters need as many rates: {len(rates)}")
            each: Sequence[Any] = rates
        else:
            each = [rates] * len(parameters)
        for p, rate in zip(parameters, each):
            array = np.asarray(rate)
            check(bool((array > 0).all()), "rates", rate, "positive")
            self.state[p]["rate"] = np.array(filled(p.data, 1.0) * array, p.dtype)

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr")

    def _new_state(self, p: Array, group: Group) -> State:
        return {"rate": filled(p, 1.0)}

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        (work,) = self._scratch(p, 1)
        np.multiply(g, state["rate"], out=work)
        np.multiply(work, float(group["lr"]), out=work)
        np.subtract(p, work, out=p)


class DeltaDelta(Optimizer):
    r"""Every element's rate follows the product of successive slopes.

    ηᵢ ← ηᵢ + γ gᵢ(t) gᵢ(t − 1), then wᵢ ← wᵢ − ηᵢ gᵢ(t).

    Mainly of historic interest: on plateaus the products are tiny, and where the curvature is high
    a rate can become negative. :class:`DeltaBarDelta` mends both.

    Args:
        params: tensors or groups of them.
        lr: the rates at the start, ≥ 0.
        gamma: γ ≥ 0, the step in the space of rates.
        maximize: climb instead of descending.

    Source: Jacobs 1988, "Increased rates of convergence through learning rate adaptation".

    >>> from autograd import Tensor
    >>> w = Tensor(1.0, requires_grad=True)
    >>> optimizer = DeltaDelta([w], lr=0.1, gamma=0.01)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w**2).backward()
    ...     optimizer.step()
    >>> optimizer.state[w]["rate"].item()  # 0.1 + 0.01 · 1.6 · 2
    0.132
    """

    elementwise = True

    def __init__(
        self, params: Params, lr: float = 0.01, gamma: float = 1e-3, *, maximize: bool = False
    ) -> None:
        super().__init__(params, {"lr": lr, "gamma": gamma, "maximize": maximize})

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr", "gamma")

    def _new_state(self, p: Array, group: Group) -> State:
        return {"rate": filled(p, float(group["lr"])), "prev": np.zeros_like(p)}

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        rate, before = state["rate"], state["prev"]
        (work,) = self._scratch(p, 1)
        np.multiply(g, before, out=work)
        np.multiply(work, group["gamma"], out=work)
        np.add(rate, work, out=rate)
        np.copyto(before, g)
        np.multiply(rate, g, out=work)
        np.subtract(p, work, out=p)


class DeltaBarDelta(Optimizer):
    r"""Every element's rate grows by steps while slopes agree, and shrinks by a factor if not.

    With the average ḡ ← θ ḡ + (1 − θ) g: ηᵢ grows by κ where ḡᵢ gᵢ > 0, and loses the share φ where
    ḡᵢ gᵢ < 0; then wᵢ ← wᵢ − ηᵢ gᵢ, or along m ← μ m + g with momentum. Rates stay positive.

    Args:
        params: tensors or groups of them.
        lr: the rates at the start, > 0.
        kappa: κ > 0.
        phi: φ in (0, 1).
        theta: θ in (0, 1).
        momentum: μ in [0, 1).
        compare_with_previous: compare g(t) with ḡ(t − 1), as Jacobs does, instead of ḡ(t), which
            already contains g(t).
        maximize: climb instead of descending.

    Source: Jacobs 1988, "Increased rates of convergence through learning rate adaptation".

    >>> from autograd import Tensor
    >>> w = Tensor(1.0, requires_grad=True)
    >>> optimizer = DeltaBarDelta([w], lr=0.1, kappa=0.05)
    >>> (w**2).backward()
    >>> optimizer.step()
    >>> w.item()  # ḡ = 0.6 agrees with g = 2: the rate is 0.15
    0.7
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 0.01,
        kappa: float = 1e-3,
        phi: float = 0.1,
        theta: float = 0.7,
        momentum: float = 0.0,
        *,
        compare_with_previous: bool = False,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "kappa": kappa,
                "phi": phi,
                "theta": theta,
                "momentum": momentum,
                "compare_with_previous": compare_with_previous,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Group) -> None:
        check(group["lr"] > 0, "lr", group["lr"], "a number > 0")
        check(group["kappa"] > 0, "kappa", group["kappa"], "a number > 0")
        for name in ("phi", "theta"):
            check(0 < group[name] < 1, name, group[name], "a number in (0, 1)")
        check(0 <= group["momentum"] < 1, "momentum", group["momentum"], "a number in [0, 1)")

    def _new_state(self, p: Array, group: Group) -> State:
        state = {"rate": filled(p, float(group["lr"])), "grad_avg": np.zeros_like(p)}
        if group["momentum"]:
            state["momentum_buffer"] = np.zeros_like(p)
        return state

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        theta, rate, average = group["theta"], state["rate"], state["grad_avg"]
        work, agreement = self._scratch(p, 2)
        if group["compare_with_previous"]:
            np.multiply(np.sign(average), np.sign(g), out=agreement)
        np.multiply(average, theta, out=average)
        np.multiply(g, 1 - theta, out=work)
        np.add(average, work, out=average)
        if not group["compare_with_previous"]:
            np.multiply(np.sign(average), np.sign(g), out=agreement)
        np.multiply(rate, 1 - group["phi"] * (agreement < 0), out=rate)
        np.add(rate, group["kappa"] * (agreement > 0), out=rate)
        if group["momentum"]:
            m = state["momentum_buffer"]
            np.multiply(m, group["momentum"], out=m)
            g = np.add(m, g, out=m)
        np.multiply(rate, g, out=work)
        np.subtract(p, work, out=p)


class Quickprop(Optimizer):
    r"""Every element jumps to the minimum of a parabola through its last two slopes.

    Δwᵢ ← gᵢ(t) / (gᵢ(t − 1) − gᵢ(t)) · Δwᵢ: Newton's step with the curvature measured between two
    points. Exact on quadratics without mixed terms. For full batches.

    Begins with gradient steps, −η g; takes them again wherever there is no parabola to go by: the
    last step was zero, or the slope has not fallen along it (no minimum lies ahead).

    Args:
        params: tensors or groups of them.
        lr: η ≥ 0 of the gradient steps.
        max_growth: no step may exceed the last one by this factor; where the slope has not fallen,
            the step is the last one times the factor. None sets no limit; Fahlman advises 1.75.
        bootstrap: number of gradient steps to begin with, ≥ 1.
        weight_decay: λ ≥ 0, adds λ w to the gradient, which keeps curvatures from vanishing.
        maximize: climb instead of descending.

    Source: Fahlman 1988, "An Empirical Study of Learning Speed in Back-Propagation Networks".

    >>> from autograd import Tensor
    >>> w = Tensor(0.0, requires_grad=True)
    >>> optimizer = Quickprop([w], lr=0.1)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     ((w - 3) ** 2).backward()
    ...     optimizer.step()
    >>> w.item()  # a gradient step to 0.6, then the minimum
    3.0
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 0.01,
        max_growth: float | None = None,
        bootstrap: int = 1,
        *,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "max_growth": max_growth,
                "bootstrap": bootstrap,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr", "weight_decay")
        limit = group["max_growth"]
        check(limit is None or limit > 0, "max_growth", limit, "a number > 0, or None")
        check(group["bootstrap"] >= 1, "bootstrap", group["bootstrap"], "a number ≥ 1")

    def _new_state(self, p: Array, group: Group) -> State:
        return {"step": 0, "prev": np.zeros_like(p), "delta": np.zeros_like(p)}

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        before, delta, limit = state["prev"], state["delta"], group["max_growth"]
        state["step"] += 1
        work, fall = self._scratch(p, 2)
        np.multiply(g, -float(group["lr"]), out=work)  # a gradient step
        if state["step"] > group["bootstrap"]:
            np.subtract(before, g, out=fall)
            # The parabola opens upwards where the slope rises along the step: Δg · Δw > 0.
            moved = delta != 0
            opens = moved & (np.sign(fall) * np.sign(delta) < 0)
            np.divide(g, fall, out=work, where=opens)
            np.multiply(work, delta, out=work, where=opens)
            if limit is not None:
                longest = limit * np.abs(delta)
                np.clip(work, -longest, longest, out=work, where=opens)
                onwards = moved & ~opens & (np.sign(g) * np.sign(delta) < 0)
                np.multiply(delta, limit, out=work, where=onwards)
        np.copyto(delta, work)
        np.copyto(before, g)
        np.add(p, work, out=p)
