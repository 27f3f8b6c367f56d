"""The base of learning-rate schedulers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, ClassVar

from autograd import Tensor
from optim.optimizer import Optimizer
from optim.sgd import SGD

__all__ = ["LRScheduler", "per_group", "preview"]


class LRScheduler:
    """Sets ``group["lr"]`` of an optimizer's groups from step to step.

    Call :meth:`step` after the optimizer's, once per epoch or once per update, as the schedule is
    meant. A subclass defines :meth:`get_lr`.

    Args:
        optimizer: whose rates are set.
        last_epoch: the index of the last step taken, −1 at the start; to resume, restore the
            optimizer's state first, whose groups then hold ``"initial_lr"``.

    Attributes:
        base_lrs: the rates of the groups before any schedule.
        last_epoch: number of steps taken.

    >>> import optim
    >>> from autograd import Tensor
    >>> class Halve(LRScheduler):
    ...     def get_lr(self):
    ...         return [base / 2**self.last_epoch for base in self.base_lrs]
    >>> optimizer = optim.SGD([Tensor(1.0, requires_grad=True)], lr=0.8)
    >>> scheduler = Halve(optimizer)
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.1]
    """

    # Attributes that hold user functions: saved only if they are objects with state of their own.
    functions: ClassVar[tuple[str, ...]] = ()

    optimizer: Optimizer
    base_lrs: list[float]
    last_epoch: int

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"a scheduler needs an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"group {index} has no 'initial_lr', which a schedule needs to go on from "
                    f"last_epoch={last_epoch}; load the optimizer's saved state first"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__} must define get_lr()")

    def get_last_lr(self) -> list[float]:
        """The groups' rates that were set last."""
        return self._last_lr

    def step(self) -> None:
        """Go one step further and set the rates."""
        if self._step_count == 1 and not self.optimizer._step_taken:
            warnings.warn(
                "scheduler.step() was called before optimizer.step(): the first rate of the "
                "schedule is never used; call them the other way round",
                stacklevel=2,
            )
        self._step_count += 1
        self._advance()

    def _advance(self) -> None:
        self.last_epoch += 1
        self._set(self.get_lr())

    def _initial_step(self) -> None:
        """Take the rates of the first step; rates already under way stay as they are."""
        self._step_count = 1
        self._is_initial = True
        self._advance()
        self._is_initial = False

    def _restart(self) -> None:
        """Begin again, when a sequence of schedules comes to this one."""
        self.last_epoch = 0
        self._set(self._first_lr())

    def _first_lr(self) -> list[float]:
        return self.get_lr()

    def _set(self, rates: list[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates):
            group["lr"] = rate
        self._last_lr = self._current()

    def _current(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on later: all but the optimizer, and functions without state."""
        state = {key: value for key, value in vars(self).items() if key != "optimizer"}
        for name in self.functions:
            state[name] = _saved_functions(state[name])
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where another scheduler of the same kind stopped."""
        state = dict(state_dict)
        for name in self.functions:
            _restore_functions(getattr(self, name), state.pop(name))
        vars(self).update(state)


def _saved_functions(value: Any) -> Any:
    if isinstance(value, list):
        return [_saved_functions(item) for item in value]
    if value is None or isinstance(value, FunctionType) or not hasattr(value, "__dict__"):
        return None
    return dict(vars(value))


def _restore_functions(functions: Any, saved: Any) -> None:
    if isinstance(functions, list):
        for function, state in zip(functions, saved):
            _restore_functions(function, state)
    elif saved is not None:
        vars(functions).update(saved)


def per_group(name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """One value for each of the optimizer's groups, from one for all or a list."""
    if not isinstance(value, list | tuple):
        return [value] * len(optimizer.param_groups)
    if len(value) != len(optimizer.param_groups):
        raise ValueError(
            f"{name} must be one value, or one for each of the {len(optimizer.param_groups)} "
            f"parameter groups, got {len(value)}"
        )
    return list(value)


def preview(make: Callable[[Optimizer], LRScheduler], steps: int, lr: float = 1.0) -> list[float]:
    """The rates a schedule will give, for a look or a plot before training.

    Args:
        make: from an optimizer to the scheduler; the one it gets is made for this.
        steps: number of rates.
        lr: the optimizer's rate before the schedule.

    Returns:
        The rates used by the first, second, … step.

    >>> from optim.lr_scheduler import StepLR
    >>> preview(lambda optimizer: StepLR(optimizer, 2, gamma=0.5), steps=5)
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    optimizer = SGD([Tensor(0.0, requires_grad=True)], lr=lr, momentum=0.9)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates
