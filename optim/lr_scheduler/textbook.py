"""Schedules that textbooks have and PyTorch has not: power, tenfold decay, pieces, n cycles.

And a schedule for the batch size, whose growth does what a falling rate does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

from optim._options import check
from optim.lr_scheduler.base import LRScheduler, per_group
from optim.optimizer import Optimizer

__all__ = [
    "BatchSizeScheduler",
    "ExponentialDecayLR",
    "NCycleLR",
    "PiecewiseConstantLR",
    "PowerLR",
]


class PowerLR(LRScheduler):
    """η(t) = η₀ / (1 + t/s)^c: falls fast at first, then ever more slowly.

    Args:
        optimizer: whose rates are set.
        s: steps > 0 after which the rate is η₀ / 2^c.
        c: power ≥ 0.
        last_epoch: −1, or where to go on.

    >>> import optim
    >>> from autograd import Tensor
    >>> optimizer = optim.SGD([Tensor(1.0, requires_grad=True)], lr=0.4)
    >>> scheduler = PowerLR(optimizer, s=10, c=2)
    >>> for _ in range(10):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.1]
    """

    def __init__(
        self, optimizer: Optimizer, s: float, c: float = 1.0, last_epoch: int = -1
    ) -> None:
        check(s > 0, "s", s, "a number > 0")
        check(c >= 0, "c", c, "a number ≥ 0")
        self.s = s
        self.c = c
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`."""
        return [base / (1 + self.last_epoch / self.s) ** self.c for base in self.base_lrs]


class ExponentialDecayLR(LRScheduler):
    """η(t) = η₀ · 0.1^(t/s): a tenth after every s steps, smoothly.

    Args:
        optimizer: whose rates are set.
        s: steps > 0 over which the rate falls by ``factor``.
        factor: in (0, 1).
        last_epoch: −1, or where to go on.

    See Also:
        :class:`ExponentialLR`, the same with γ = factor^(1/s).

    >>> from optim.lr_scheduler import preview
    >>> preview(lambda o: ExponentialDecayLR(o, s=2), steps=5)
    [1.0, 0.3162, 0.1, 0.0316, 0.01]
    """

    def __init__(
        self, optimizer: Optimizer, s: float, factor: float = 0.1, last_epoch: int = -1
    ) -> None:
        check(s > 0, "s", s, "a number > 0")
        check(0 < factor < 1, "factor", factor, "a number with 0 < f < 1")
        self.s = s
        self.factor = factor
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`."""
        return [base * self.factor ** (self.last_epoch / self.s) for base in self.base_lrs]


class PiecewiseConstantLR(LRScheduler):
    """η = η₁ for t < t₁, η₂ for t₁ ≤ t < t₂, …

    Args:
        optimizer: whose rates are set.
        boundaries: t₁ < t₂ < …
        values: η₁, η₂, …, one more than boundaries; the same for all groups.
        last_epoch: −1, or where to go on.

    >>> from optim.lr_scheduler import preview
    >>> preview(lambda o: PiecewiseConstantLR(o, [1, 3], [0.1, 0.01, 0.001]), steps=4)
    [0.1, 0.01, 0.01, 0.001]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        boundaries: Sequence[int],
        values: Sequence[float],
        last_epoch: int = -1,
    ) -> None:
        increasing = all(a < b for a, b in pairwise(boundaries))
        check(increasing, "boundaries", boundaries, "increasing step numbers")
        check(
            len(values) == len(boundaries) + 1,
            "values",
            values,
            f"{len(boundaries) + 1} rates for {len(boundaries)} boundaries",
        )
        self.boundaries = list(boundaries)
        self.values = list(values)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`."""
        rate = self.values[bisect_right(self.boundaries, self.last_epoch)]
        return [rate] * len(self.optimizer.param_groups)


class NCycleLR(LRScheduler):
    """n linear ramps η_min → η_max → η_min, then a linear decay to a very small rate.

    With n = 1 the one-cycle schedule. η_max is a tenth of the rate at which the loss begins to
    diverge (see :class:`optim.LRFinder`).

    Args:
        optimizer: whose rates are set.
        max_lr: η_max, or one per group.
        total_steps: number of steps of it all; later steps keep the last rate.
        n_cycles: n ≥ 1.
        min_lr: η_min; η_max / 10 by default.
        final_lr: the rate at step ``total_steps``.
        final_fraction: share, in [0, 1), of the steps spent on the last decay.
        last_epoch: −1, or where to go on.

    Source: Smith 2018, "A disciplined approach to neural network hyper-parameters".

    >>> import optim
    >>> from autograd import Tensor
    >>> optimizer = optim.SGD([Tensor(1.0, requires_grad=True)], lr=1.0)
    >>> scheduler = NCycleLR(optimizer, max_lr=1.0, total_steps=10, final_fraction=0.2)
    >>> rates = []
    >>> for _ in range(11):
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 6))
    ...     optimizer.step()
    ...     scheduler.step()
    >>> rates
    [0.1, 0.325, 0.55, 0.775, 1.0, 0.775, 0.55, 0.325, 0.1, 0.05, 1e-06]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int,
        n_cycles: int = 1,
        min_lr: float | Sequence[float] | None = None,
        final_lr: float = 1e-6,
        final_fraction: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        check(total_steps >= 1, "total_steps", total_steps, "a number ≥ 1")
        check(n_cycles >= 1, "n_cycles", n_cycles, "a number ≥ 1")
        allowed = "a number with 0 ≤ f < 1"
        check(0 <= final_fraction < 1, "final_fraction", final_fraction, allowed)
        self.max_lrs = per_group("max_lr", max_lr, optimizer)
        if min_lr is None:
            self.min_lrs = [rate / 10 for rate in self.max_lrs]
        else:
            self.min_lrs = per_group("min_lr", min_lr, optimizer)
        self.total_steps = total_steps
        self.n_cycles = n_cycles
        self.final_lr = final_lr
        self.cycling_steps = (1 - final_fraction) * total_steps
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`."""
        t = min(self.last_epoch, self.total_steps)
        if t > self.cycling_steps:
            share = (t - self.cycling_steps) / (self.total_steps - self.cycling_steps)
            return [low + (self.final_lr - low) * share for low in self.min_lrs]
        turns = t * self.n_cycles / self.cycling_steps
        height = 1 - abs(2 * (turns % 1) - 1)
        return [low + (high - low) * height for low, high in zip(self.min_lrs, self.max_lrs)]


class HasBatchSize(Protocol):
    """Anything with a batch size to set, such as a data loader."""

    batch_size: Any


class BatchSizeScheduler:
    """Let the batch grow at milestones: less noise near the end, as from a lower rate.

    Args:
        loader: whose ``batch_size`` is set.
        milestones: step (usually epoch) numbers at which it is multiplied by ``factor``.
        factor: > 0.
        max_batch_size: never more than that.

    Source: Smith et al. 2018, "Don't Decay the Learning Rate, Increase the Batch Size".

    >>> from types import SimpleNamespace
    >>> loader = SimpleNamespace(batch_size=32)
    >>> scheduler = BatchSizeScheduler(loader, milestones=[1, 2, 3], factor=4, max_batch_size=1000)
    >>> sizes = []
    >>> for epoch in range(4):
    ...     sizes.append(loader.batch_size)
    ...     scheduler.step()
    >>> sizes
    [32, 128, 512, 1000]
    """

    def __init__(
        self,
        loader: HasBatchSize,
        milestones: Sequence[int],
        factor: float = 2.0,
        max_batch_size: int | None = None,
    ) -> None:
        check(factor > 0, "factor", factor, "a number > 0")
        self.loader = loader
        self.milestones = sorted(milestones)
        self.factor = factor
        self.max_batch_size = max_batch_size
        self.base_batch_size = int(loader.batch_size)
        self.last_epoch = 0

    def get_batch_size(self) -> int:
        """The size at :attr:`last_epoch`, at least 1."""
        growth = self.factor ** bisect_right(self.milestones, self.last_epoch)
        size = max(1, round(self.base_batch_size * growth))
        return size if self.max_batch_size is None else min(size, self.max_batch_size)

    def step(self) -> None:
        """Go one step further and set the loader's batch size."""
        self.last_epoch += 1
        self.loader.batch_size = self.get_batch_size()

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on later."""
        return {key: value for key, value in vars(self).items() if key != "loader"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where another one stopped."""
        vars(self).update(state_dict)
        self.loader.batch_size = self.get_batch_size()
