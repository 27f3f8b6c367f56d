"""Cosine annealing, once down or with restarts."""

from __future__ import annotations

from math import cos, floor, log, pi

from optim._options import check
from optim.lr_scheduler.base import LRScheduler
from optim.optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(LRScheduler):
    """η(t) = η_min + ½ (η₀ − η_min) (1 + cos(π t / T)).

    Args:
        optimizer: whose rates are set.
        T_max: T, steps from the highest rate to the lowest.
        eta_min: η_min.
        last_epoch: −1, or where to go on.

    Source: Loshchilov & Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts".

    >>> from optim.lr_scheduler import preview
    >>> preview(lambda o: CosineAnnealingLR(o, T_max=4), steps=5)
    [1.0, 0.8536, 0.5, 0.1464, 0.0]
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`, from the present ones."""
        t, T, low = self.last_epoch, self.T_max, self.eta_min
        rates = self._current()
        if self._is_initial:
            return rates
        if (t - 1 - T) % (2 * T) == 0:  # the rate was at its lowest: the quotient below is 0/0
            rise = (1 - cos(pi / T)) / 2
            return [rate + (base - low) * rise for rate, base in zip(rates, self.base_lrs)]
        factor = (1 + cos(pi * t / T)) / (1 + cos(pi * (t - 1) / T))
        return [low + (rate - low) * factor for rate in rates]

    def _first_lr(self) -> list[float]:
        return self.base_lrs


class CosineAnnealingWarmRestarts(LRScheduler):
    """Cosine annealing that starts again after T₀ steps, then after T₀·m, T₀·m² …

    Args:
        optimizer: whose rates are set.
        T_0: steps of the first period, ≥ 1.
        T_mult: m ≥ 1, by which periods grow.
        eta_min: lowest rate.
        last_epoch: −1, or where to go on.

    Source: Loshchilov & Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts".

    >>> from optim.lr_scheduler import preview
    >>> preview(lambda o: CosineAnnealingWarmRestarts(o, T_0=2, T_mult=2), steps=7)
    [1.0, 0.5, 1.0, 0.8536, 0.5, 0.1464, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        check(T_0 >= 1 and int(T_0) == T_0, "T_0", T_0, "a whole number ≥ 1")
        check(T_mult >= 1 and int(T_mult) == T_mult, "T_mult", T_mult, "a whole number ≥ 1")
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at the present place in the period."""
        share = (1 + cos(pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go one step further, or to ``epoch``, which may be a fraction (``epoch + i / n``)."""
        if epoch is None:
            self._step_count += 1
            self._advance()
            return
        check(epoch >= 0, "epoch", epoch, "a number ≥ 0")
        self._step_count += 1
        self._go_to(epoch)

    def _advance(self) -> None:
        if self.last_epoch < 0:
            self._go_to(0)
            return
        self.last_epoch += 1
        self.T_cur += 1
        if self.T_cur >= self.T_i:
            self.T_cur %= self.T_i
            self.T_i *= self.T_mult
        self._set(self.get_lr())

    def _go_to(self, epoch: float) -> None:
        if epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            n = int(log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**n
        self.last_epoch = floor(epoch)
        self._set(self.get_lr())

    def _restart(self) -> None:
        self._go_to(0)
