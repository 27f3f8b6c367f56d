"""Rates that go up and down: CyclicLR and OneCycleLR; momentum moves the opposite way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, floor, pi
from typing import ClassVar, TypeAlias

from optim._options import check
from optim.lr_scheduler.base import LRScheduler, per_group
from optim.optimizer import Group, Optimizer

__all__ = ["CyclicLR", "OneCycleLR"]

Rates: TypeAlias = float | Sequence[float]


def _set_momentum(group: Group, momentum: float) -> None:
    """Set the group's momentum, or β₁ where it has betas."""
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


def _check_momentum(optimizer: Optimizer) -> None:
    check(
        "momentum" in optimizer.defaults or "betas" in optimizer.defaults,
        "cycle_momentum",
        True,
        f"False: {type(optimizer).__name__} has neither momentum nor betas",
    )


class CyclicLR(LRScheduler):
    """Linear ramps between a low and a high rate, over and over.

    Args:
        optimizer: whose rates are set.
        base_lr: low end, or one per group.
        max_lr: high end, or one per group.
        step_size_up: steps from low to high.
        step_size_down: steps back; as many by default.
        mode: ``"triangular"``, ``"triangular2"`` (the height halves every cycle) or
            ``"exp_range"`` (the height falls as γ to the power of the step number).
        gamma: γ.
        scale_fn: height as a function, in place of ``mode``.
        scale_mode: whether ``scale_fn`` gets the number of the ``"cycle"`` (from 1) or of the
            ``"iterations"``.
        cycle_momentum: momentum (or β₁) falls while the rate rises.
        base_momentum, max_momentum: its ends, one for all groups or one per group.
        last_epoch: −1, or where to go on.

    Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks".

    >>> from optim.lr_scheduler import preview
    >>> preview(lambda o: CyclicLR(o, base_lr=0.1, max_lr=0.5, step_size_up=2), steps=6)
    [0.1, 0.3, 0.5, 0.3, 0.1, 0.3]
    """

    functions: ClassVar[tuple[str, ...]] = ("scale_fn",)

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Rates,
        max_lr: Rates,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Rates = 0.8,
        max_momentum: Rates = 0.9,
        last_epoch: int = -1,
    ) -> None:
        modes = ("triangular", "triangular2", "exp_range")
        check(mode in modes or scale_fn is not None, "mode", mode, f"one of {modes}")
        scale_modes = ("cycle", "iterations")
        check(scale_mode in scale_modes, "scale_mode", scale_mode, f"one of {scale_modes}")
        low_rates = per_group("base_lr", base_lr, optimizer)
        self.max_lrs = per_group("max_lr", max_lr, optimizer)
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self.scale_fn = scale_fn
        self.scale_mode = scale_mode
        self.cycle_momentum = cycle_momentum
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, low_rates):
                group["lr"] = rate
        if cycle_momentum:
            _check_momentum(optimizer)
            self.base_momentums = per_group("base_momentum", base_momentum, optimizer)
            self.max_momentums = per_group("max_momentum", max_momentum, optimizer)
            for group, low, high in zip(
                optimizer.param_groups, self.base_momentums, self.max_momentums
            ):
                if last_epoch == -1:
                    _set_momentum(group, high)
                    group["max_momentum"], group["base_momentum"] = high, low
        super().__init__(optimizer, last_epoch)
        self.base_lrs = low_rates  # whatever "initial_lr" an earlier schedule has left
        self._set(self.get_lr())

    def _height(self, cycle: int) -> float:
        x = cycle if self.scale_mode == "cycle" else self.last_epoch
        if self.scale_fn is not None:
            return self.scale_fn(x)
        if self.mode == "triangular":
            return 1.0
        if self.mode == "triangular2":
            return 1 / 2.0 ** (cycle - 1)
        return float(self.gamma**self.last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`; sets their momentum as well."""
        turns = 1 + self.last_epoch / self.total_size
        cycle = floor(turns)
        x = turns - cycle
        ramp = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height = ramp * self._height(cycle)
        if self.cycle_momentum:
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums
            ):
                _set_momentum(group, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs)]


class OneCycleLR(LRScheduler):
    """One rise to a high rate and a long descent far below where it began. Step after every batch.

    Args:
        optimizer: whose rates are set.
        max_lr: the highest rate, or one per group.
        total_steps: number of steps; or give ``epochs`` and ``steps_per_epoch``.
        epochs, steps_per_epoch: whose product is the number of steps.
        pct_start: share of the steps, in [0, 1], in which the rate rises.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: momentum (or β₁) falls while the rate rises.
        base_momentum, max_momentum: its ends, one for all groups or one per group.
        div_factor: the first rate is ``max_lr / div_factor``.
        final_div_factor: the last rate is the first divided by it.
        three_phase: come down to the first rate as fast as it rose, then to the last one.
        last_epoch: −1, or where to go on.

    Source: Smith & Topin 2019, "Super-Convergence".

    >>> from optim.lr_scheduler import preview
    >>> schedule = lambda o: OneCycleLR(o, max_lr=1.0, total_steps=5, pct_start=0.4, div_factor=10)
    >>> preview(schedule, steps=5)
    [0.1, 1.0, 0.75, 0.25, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Rates,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Rates = 0.85,
        max_momentum: Rates = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("give total_steps, or both epochs and steps_per_epoch")
            check(epochs >= 1, "epochs", epochs, "a number ≥ 1")
            check(steps_per_epoch >= 1, "steps_per_epoch", steps_per_epoch, "a number ≥ 1")
            total_steps = epochs * steps_per_epoch
        check(total_steps >= 1, "total_steps", total_steps, "a number ≥ 1")
        check(0 <= pct_start <= 1, "pct_start", pct_start, "a number with 0 ≤ p ≤ 1")
        strategies = ("cos", "linear")
        check(
            anneal_strategy in strategies, "anneal_strategy", anneal_strategy, "'cos' or 'linear'"
        )
        self.total_steps = total_steps
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        # Each phase: its last step, and where the rate and the momentum go from and to.
        top = pct_start * total_steps - 1
        self._phases: list[tuple[float, str, str, str, str]] = [
            (top, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        ]
        if three_phase:
            down = 2 * pct_start * total_steps - 2
            self._phases += [
                (down, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                (total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self._phases.append(
                (total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")
            )
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, per_group("max_lr", max_lr, optimizer)):
                group["initial_lr"] = rate / div_factor
                group["max_lr"] = rate
                group["min_lr"] = group["initial_lr"] / final_div_factor
        if cycle_momentum:
            _check_momentum(optimizer)
            lows = per_group("base_momentum", base_momentum, optimizer)
            highs = per_group("max_momentum", max_momentum, optimizer)
            for group, low, high in zip(optimizer.param_groups, lows, highs):
                if last_epoch == -1:
                    _set_momentum(group, high)
                    group["max_momentum"], group["base_momentum"] = high, low
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`; sets their momentum as well."""
        t = self.last_epoch
        if t > self.total_steps:
            raise ValueError(f"this schedule has {self.total_steps} steps, step {t} is beyond it")
        start = 0.0
        for phase in self._phases:
            if t <= phase[0] or phase is self._phases[-1]:
                break
            start = phase[0]
        end, lr_from, lr_to, momentum_from, momentum_to = phase
        share = (t - start) / (end - start)
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                _set_momentum(group, self._between(group[momentum_from], group[momentum_to], share))
        return [
            self._between(group[lr_from], group[lr_to], share)
            for group in self.optimizer.param_groups
        ]

    def _between(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * share
        return end + (start - end) / 2 * (1 + cos(pi * share))
