"""Schedules that multiply the rate: by a function, at milestones, or a little every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, TypeAlias

from optim._options import check
from optim.lr_scheduler.base import LRScheduler, per_group
from optim.optimizer import Optimizer

__all__ = [
    "ConstantLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "StepLR",
]

Factor: TypeAlias = Callable[[int], float]


class LambdaLR(LRScheduler):
    """η(t) = η₀ f(t).

    Args:
        optimizer: whose rates are set.
        lr_lambda: f of the step number, or one function per parameter group.
        last_epoch: −1, or where to go on.

    >>> from optim.lr_scheduler import preview
    >>> preview(lambda o: LambdaLR(o, lambda t: 1 / (1 + t)), steps=4)
    [1.0, 0.5, 0.3333, 0.25]
    """

    functions: ClassVar[tuple[str, ...]] = ("lr_lambdas",)

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        self.lr_lambdas: list[Factor] = per_group("lr_lambda", lr_lambda, optimizer)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`."""
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas)]


class MultiplicativeLR(LRScheduler):
    """η(t) = η(t − 1) f(t).

    Args:
        optimizer: whose rates are set.
        lr_lambda: f of the step number, or one function per parameter group.
        last_epoch: −1, or where to go on.

    >>> from optim.lr_scheduler import preview
    >>> preview(lambda o: MultiplicativeLR(o, lambda t: 0.5), steps=4)
    [1.0, 0.5, 0.25, 0.125]
    """

    functions: ClassVar[tuple[str, ...]] = ("lr_lambdas",)

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        self.lr_lambdas: list[Factor] = per_group("lr_lambda", lr_lambda, optimizer)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`."""
        if self._is_initial:
            return self._current()
        return [rate * f(self.last_epoch) for rate, f in zip(self._current(), self.lr_lambdas)]


class StepLR(LRScheduler):
    """Multiply the rate by γ every ``step_size`` steps.

    Args:
        optimizer: whose rates are set.
        step_size: steps between two changes, ≥ 1.
        gamma: γ.
        last_epoch: −1, or where to go on.

    >>> import optim
    >>> from autograd import Tensor
    >>> optimizer = optim.SGD([Tensor(1.0, requires_grad=True)], lr=0.1)
    >>> scheduler = StepLR(optimizer, step_size=150)
    >>> for _ in range(150):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> round(optimizer.param_groups[0]["lr"], 12)
    0.01
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        check(step_size >= 1, "step_size", step_size, "a number ≥ 1")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`."""
        if self._is_initial or self.last_epoch % self.step_size:
            return self._current()
        return [rate * self.gamma for rate in self._current()]

    def _first_lr(self) -> list[float]:
        return self.base_lrs


class MultiStepLR(LRScheduler):
    """Multiply the rate by γ at every milestone.

    Args:
        optimizer: whose rates are set.
        milestones: step numbers; one given twice counts twice.
        gamma: γ.
        last_epoch: −1, or where to go on.

    >>> from optim.lr_scheduler import preview
    >>> preview(lambda o: MultiStepLR(o, [1, 3]), steps=4)
    [1.0, 0.1, 0.1, 0.01]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`."""
        if self._is_initial or self.last_epoch not in self.milestones:
            return self._current()
        factor = self.gamma ** self.milestones[self.last_epoch]
        return [rate * factor for rate in self._current()]

    def _first_lr(self) -> list[float]:
        return self.base_lrs


class ConstantLR(LRScheduler):
    """Multiply the rate by ``factor`` for the first ``total_iters`` steps.

    Args:
        optimizer: whose rates are set.
        factor: in (0, 1].
        total_iters: number of steps.
        last_epoch: −1, or where to go on.

    >>> from optim.lr_scheduler import preview
    >>> preview(lambda o: ConstantLR(o, factor=0.1, total_iters=2), steps=4)
    [0.1, 0.1, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        check(0 < factor <= 1, "factor", factor, "a number with 0 < f ≤ 1")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`."""
        if self.last_epoch == 0:
            return [rate * self.factor for rate in self._current()]
        if self._is_initial or self.last_epoch != self.total_iters:
            return self._current()
        return [rate / self.factor for rate in self._current()]

    def _first_lr(self) -> list[float]:
        return [base * self.factor for base in self.base_lrs]


class LinearLR(LRScheduler):
    """Let the factor of the rate grow linearly over ``total_iters`` steps: a warm-up.

    Args:
        optimizer: whose rates are set.
        start_factor: in (0, 1].
        end_factor: in [0, 1].
        total_iters: number of steps.
        last_epoch: −1, or where to go on.

    >>> from optim.lr_scheduler import preview
    >>> preview(lambda o: LinearLR(o, start_factor=0.25, total_iters=3), steps=5)
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        check(0 < start_factor <= 1, "start_factor", start_factor, "a number with 0 < f ≤ 1")
        check(0 <= end_factor <= 1, "end_factor", end_factor, "a number with 0 ≤ f ≤ 1")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`."""
        if self.last_epoch == 0:
            return [rate * self.start_factor for rate in self._current()]
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._current()
        rise = self.end_factor - self.start_factor
        factor = 1 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        return [rate * factor for rate in self._current()]

    def _first_lr(self) -> list[float]:
        return [base * self.start_factor for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Multiply the rate by γ every step: η(t) = η₀ γᵗ.

    Args:
        optimizer: whose rates are set.
        gamma: γ.
        last_epoch: −1, or where to go on.

    >>> from optim.lr_scheduler import preview
    >>> preview(lambda o: ExponentialLR(o, gamma=0.5), steps=4)
    [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`."""
        if self._is_initial:
            return self._current()
        return [rate * self.gamma for rate in self._current()]

    def _first_lr(self) -> list[float]:
        return self.base_lrs


class PolynomialLR(LRScheduler):
    """η(t) = η₀ (1 − t/T)^p, and 0 from step T on.

    Args:
        optimizer: whose rates are set.
        total_iters: T.
        power: p.
        last_epoch: −1, or where to go on.

    >>> from optim.lr_scheduler import preview
    >>> preview(lambda o: PolynomialLR(o, total_iters=4, power=2), steps=5)
    [1.0, 0.5625, 0.25, 0.0625, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`."""
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._current()
        remaining = 1 - self.last_epoch / self.total_iters
        before = 1 - (self.last_epoch - 1) / self.total_iters
        factor: float = (remaining / before) ** self.power
        return [rate * factor for rate in self._current()]

    def _first_lr(self) -> list[float]:
        return self.base_lrs
