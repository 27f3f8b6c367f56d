"""ReduceLROnPlateau: lower the rate when a measured quantity stops improving."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from optim._options import check
from optim.lr_scheduler.base import LRScheduler, per_group
from optim.optimizer import Optimizer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """Multiply the rate by ``factor`` after more than ``patience`` steps without improvement.

    Args:
        optimizer: whose rates are set.
        mode: ``"min"`` if less is better, ``"max"`` if more is.
        factor: in (0, 1).
        patience: steps without improvement that are tolerated.
        threshold: how much better counts as better.
        threshold_mode: ``"rel"``: by that share of the best value; ``"abs"``: by that much.
        cooldown: steps after a reduction during which nothing is counted.
        min_lr: lowest rate, or one per group.
        eps: smallest change of the rate that is made.

    >>> import optim
    >>> from autograd import Tensor
    >>> optimizer = optim.SGD([Tensor(1.0, requires_grad=True)], lr=1.0)
    >>> scheduler = ReduceLROnPlateau(optimizer, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"a scheduler needs an Optimizer, got {type(optimizer).__name__}")
        check(0 < factor < 1, "factor", factor, "a number with 0 < f < 1")
        check(mode in ("min", "max"), "mode", mode, "'min' or 'max'")
        check(threshold_mode in ("rel", "abs"), "threshold_mode", threshold_mode, "'rel' or 'abs'")
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lrs = per_group("min_lr", min_lr, optimizer)
        self.eps = eps
        self.best = inf if mode == "min" else -inf
        self.last_epoch = 0
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self._last_lr = self._current()

    @property
    def in_cooldown(self) -> bool:
        """Whether a recent reduction is still given time."""
        return self.cooldown_counter > 0

    def is_better(self, value: float) -> bool:
        """Whether ``value`` improves on the best so far by more than the threshold."""
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "abs":
            return sign * value > sign * self.best + self.threshold
        return sign * value > sign * self.best * (1 + sign * self.threshold)

    def step(self, metrics: float) -> None:  # type: ignore[override]
        """Take note of a new value of the quantity, and lower the rates if it is time."""
        value = float(metrics)
        self.last_epoch += 1
        if self.is_better(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, lowest in zip(self.optimizer.param_groups, self.min_lrs):
                rate = max(group["lr"] * self.factor, lowest)
                if group["lr"] - rate > self.eps:
                    group["lr"] = rate
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._current()
