"""Averages of a model's weights along its training path: SWA and EMA.

Works with anything that has ``parameters()``, ``buffers()`` and a call, such as an nn.Module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from math import cos, pi
from typing import Any, TypeAlias

import numpy as np

from autograd import Tensor, no_grad
from autograd.extend import note_write
from optim._options import check
from optim.lr_scheduler.base import LRScheduler, per_group
from optim.optimizer import Array, Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average: TypeAlias = Callable[[Array, Array, int], Array]
MultiAverage: TypeAlias = Callable[[list[Array], list[Array], int], None]


def get_swa_avg_fn() -> Average:
    """The plain mean: a + (w − a) / (n + 1), of n models so far.

    >>> get_swa_avg_fn()(np.array([1.0]), np.array([4.0]), 2)
    array([2.])
    """

    def swa(averaged: Array, current: Array, number: int) -> Array:
        return averaged + (current - averaged) / (number + 1)

    return swa


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The exponential average: d a + (1 − d) w.

    Args:
        decay: d in [0, 1].

    >>> get_ema_avg_fn(0.9)(np.array([1.0]), np.array([2.0]), 5)
    array([1.1])
    """
    check(0 <= decay <= 1, "decay", decay, "a number in [0, 1]")

    def ema(averaged: Array, current: Array, number: int) -> Array:
        return decay * averaged + (1 - decay) * current

    return ema


def get_swa_multi_avg_fn() -> MultiAverage:
    """:func:`get_swa_avg_fn` for lists of arrays, in place."""
    return _in_place(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """:func:`get_ema_avg_fn` for lists of arrays, in place."""
    return _in_place(get_ema_avg_fn(decay))


def _in_place(average: Average) -> MultiAverage:
    def update(averaged: list[Array], current: list[Array], number: int) -> None:
        for ours, theirs in zip(averaged, current, strict=True):
            # Counts, which are whole numbers, are averaged too, and rounded down.
            ours[...] = np.asarray(average(ours, theirs, number)).astype(ours.dtype)

    return update


class AveragedModel:
    """A copy of a model that holds the average of the weights it was shown.

    Args:
        model: copied deeply; the copy is ``.module``.
        device: for PyTorch's signature; only None and "cpu" are possible.
        avg_fn: from the average, the current weights and the number of models so far, to the
            new average; by default the plain mean (stochastic weight averaging).
        multi_avg_fn: instead, gets lists of averages and of current weights, and that number;
            changes the averages in place.
        use_buffers: average buffers too, instead of taking over the model's latest.

    Attributes:
        module: the averaged model.
        n_averaged: number of models averaged so far.

    Source: Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better
    Generalization"; Polyak & Juditsky 1992.

    >>> class Scale:
    ...     def __init__(self):
    ...         self.weight = Tensor(0.0, requires_grad=True)
    ...
    ...     def parameters(self):
    ...         return [self.weight]
    ...
    ...     def __call__(self, x):
    ...         return self.weight * x
    >>> model = Scale()
    >>> averaged = AveragedModel(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     model.weight.data[...] = value
    ...     averaged.update_parameters(model)
    >>> averaged(10.0).item()
    30.0
    """

    def __init__(
        self,
        model: Any,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None,
        use_buffers: bool = False,
    ) -> None:
        check(device in (None, "cpu"), "device", device, "None or 'cpu'")
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("give avg_fn or multi_avg_fn, not both")
        self.module = deepcopy(model)
        self.n_averaged = 0
        if multi_avg_fn is None:
            multi_avg_fn = _in_place(get_swa_avg_fn() if avg_fn is None else avg_fn)
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def parameters(self) -> Iterable[Tensor]:
        """Those of the averaged model."""
        parameters: Iterable[Tensor] = self.module.parameters()
        return parameters

    def update_parameters(self, model: Any) -> None:
        """Take the model's present weights into the average."""
        pairs = list(zip(self.module.parameters(), model.parameters(), strict=True))
        buffers = list(zip(_buffers(self.module), _buffers(model), strict=True))
        averaged = pairs + (buffers if self.use_buffers else [])
        if self.n_averaged > 0:
            ours = [tensor.data for tensor, _ in averaged]
            theirs = [tensor.data for _, tensor in averaged]
            self.multi_avg_fn(ours, theirs, self.n_averaged)
            copied = [] if self.use_buffers else buffers
        else:
            copied = pairs + buffers
        for tensor, latest in copied:
            tensor.data[...] = latest.data
        note_write(*(tensor.data for tensor, _ in pairs + buffers))
        self.n_averaged += 1

    def train(self, mode: bool = True) -> AveragedModel:
        """Put the averaged model into training mode."""
        self.module.train(mode)
        return self

    def eval(self) -> AveragedModel:
        """Put the averaged model into evaluation mode."""
        return self.train(False)

    def state_dict(self) -> dict[str, Any]:
        """The averaged model's state under ``module.``, and ``n_averaged``."""
        inner = {f"module.{key}": value for key, value in self.module.state_dict().items()}
        return {"n_averaged": np.array(self.n_averaged), **inner}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""
        self.n_averaged = int(state_dict["n_averaged"])
        prefix = "module."
        self.module.load_state_dict(
            {key[len(prefix) :]: v for key, v in state_dict.items() if key.startswith(prefix)}
        )


def _buffers(model: Any) -> list[Tensor]:
    return list(model.buffers()) if hasattr(model, "buffers") else []


def update_bn(
    loader: Iterable[Any], model: Any, prepare: Callable[[Any], Any] | None = None
) -> None:
    """Recompute the running statistics of batch normalisation by one pass over the data.

    Averaged weights give activations that none of the averaged models had; their statistics have to
    be measured. The modules then hold the plain mean over all batches.

    Args:
        loader: gives batches; of a list or tuple, the first entry is the input.
        model: a module (or :class:`AveragedModel`) with ``modules()``, ``train()``.
        prepare: from a batch to the model's input, in place of the rule above.
    """
    module = model.module if isinstance(model, AveragedModel) else model
    norms = [m for m in module.modules() if getattr(m, "running_mean", None) is not None]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    was_training = module.training
    try:
        module.train()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean
        with no_grad():
            for batch in loader:
                if prepare is not None:
                    module(prepare(batch))
                else:
                    module(batch[0] if isinstance(batch, list | tuple) else batch)
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        module.train(was_training)


class SWALR(LRScheduler):
    """Bring the rate to a constant one, at which weights are then averaged.

    Args:
        optimizer: whose rates are set.
        swa_lr: the rate to reach, or one per group.
        anneal_epochs: steps until then, ≥ 0.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        last_epoch: −1, or where to go on.

    >>> import optim
    >>> optimizer = optim.SGD([Tensor(1.0, requires_grad=True)], lr=1.0)
    >>> scheduler = SWALR(optimizer, swa_lr=0.2, anneal_epochs=2, anneal_strategy="linear")
    >>> rates = []
    >>> for _ in range(4):
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 6))
    ...     optimizer.step()
    ...     scheduler.step()
    >>> rates
    [1.0, 0.6, 0.2, 0.2]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for group, rate in zip(optimizer.param_groups, per_group("swa_lr", swa_lr, optimizer)):
            group["swa_lr"] = rate
        allowed = "'cos' or 'linear'"
        check(anneal_strategy in ("cos", "linear"), "anneal_strategy", anneal_strategy, allowed)
        check(anneal_epochs >= 0, "anneal_epochs", anneal_epochs, "a number ≥ 0")
        self.anneal_epochs = anneal_epochs
        self.anneal_strategy = anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _share(self, t: float) -> float:
        """How much of the way is done at step ``t``."""
        done = max(0.0, min(1.0, t / max(1, self.anneal_epochs)))
        return done if self.anneal_strategy == "linear" else (1 - cos(pi * done)) / 2

    def get_lr(self) -> list[float]:
        """The groups' rates at :attr:`last_epoch`, from the present ones."""
        # `_step_count` counts from 1, the first step taken when the schedule was made.
        t = self._step_count - 1 + (self.anneal_epochs == 0)
        before, now = self._share(t - 1), self._share(t)
        rates = []
        for group in self.optimizer.param_groups:
            rate, goal = group["lr"], group["swa_lr"]
            start = goal if before == 1 else (rate - before * goal) / (1 - before)
            rates.append(goal * now + start * (1 - now))
        return rates
