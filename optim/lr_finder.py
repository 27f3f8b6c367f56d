"""The learning-rate range test: which rates let the loss fall, and where it begins to diverge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from math import inf, isfinite
from typing import Any

from autograd import enable_grad
from optim._options import check
from optim.optimizer import Optimizer

__all__ = ["LRFinder"]


class LRFinder:
    """Train for a while with an exponentially growing rate, and watch the loss.

    From a very small rate on, the rate is multiplied by a constant after every update. The loss
    stays, falls, and at some rate, the critical one, begins to rise. A tenth of it is a good
    highest rate for :class:`optim.lr_scheduler.NCycleLR` or ``OneCycleLR``. Weights, buffers and
    the optimizer's state are put back afterwards.

    Args:
        optimizer: with the parameters to train; its groups' rates keep their ratios.
        model: whose buffers (running statistics) are put back too, and which is left in the mode
            it was in; not needed for models without buffers.

    Attributes:
        history: the ``"lr"``, ``"loss"`` and ``"smoothed"`` loss of every update.

    Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3.

    >>> import numpy as np, optim
    >>> from autograd import Tensor
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> finder = LRFinder(optim.SGD([w], lr=0.1))
    >>> noise = np.random.default_rng(0).standard_normal((200, 2))
    >>> finder.range_test(lambda x: ((w - x) ** 2).sum(), noise, 1e-4, 100, num_iter=200)
    >>> bool(0.1 < finder.critical_lr < 1.5)  # it diverges from η = 1 on
    True
    >>> w.data
    array([ 1., -2.])
    """

    def __init__(self, optimizer: Optimizer, model: Any = None) -> None:
        self.optimizer = optimizer
        self.model = model
        self.history: dict[str, list[float]] = {"lr": [], "loss": [], "smoothed": []}

    def range_test(
        self,
        loss: Callable[..., Any],
        batches: Iterable[Any] | None = None,
        start_lr: float = 1e-6,
        end_lr: float = 10.0,
        num_iter: int = 100,
        smoothing: float = 0.9,
        diverges: float = 5.0,
    ) -> None:
        """Run the test; the result is in :attr:`history`.

        Args:
            loss: computes the loss, of a batch if there are ``batches``, else of what it likes.
            batches: taken in turn, again from the start when exhausted.
            start_lr: the first rate of the first group, > 0.
            end_lr: the last one.
            num_iter: number of updates, ≥ 2.
            smoothing: share in [0, 1) of the past in the running mean of the loss.
            diverges: stop when the smoothed loss exceeds its minimum by this factor.

        Raises:
            ValueError: for an option out of its range, or if there are no batches.
        """
        check(0 < start_lr < end_lr, "start_lr", start_lr, f"a number in (0, {end_lr})")
        check(num_iter >= 2, "num_iter", num_iter, "a number ≥ 2")
        check(0 <= smoothing < 1, "smoothing", smoothing, "a number in [0, 1)")
        check(diverges > 1, "diverges", diverges, "a number > 1")
        self.history = {"lr": [], "loss": [], "smoothed": []}
        growth = (end_lr / start_lr) ** (1 / (num_iter - 1))
        groups = self.optimizer.param_groups
        reference = float(groups[0]["lr"]) or 1.0
        ratios = [float(group["lr"]) / reference or 1.0 for group in groups]
        supply = None if batches is None else _in_turn(batches)
        restore = self._snapshot()
        mean, lowest = 0.0, inf
        try:
            for iteration in range(num_iter):
                rate = start_lr * growth**iteration
                for group, ratio in zip(self.optimizer.param_groups, ratios):
                    group["lr"] = rate * ratio
                self.optimizer.zero_grad()
                with enable_grad():
                    value = loss() if supply is None else loss(next(supply))
                current = float(value.item())
                mean = smoothing * mean + (1 - smoothing) * current
                smoothed = mean / (1 - smoothing ** (iteration + 1))  # the mean began at 0
                self.history["lr"].append(rate)
                self.history["loss"].append(current)
                self.history["smoothed"].append(smoothed)
                if not isfinite(current) or (iteration and smoothed > diverges * lowest > 0):
                    break
                lowest = min(lowest, smoothed)
                value.backward()
                self.optimizer.step()
        finally:
            restore()

    @property
    def critical_lr(self) -> float:
        """The rate η_crit of the lowest smoothed loss: from there on it rises."""
        smoothed = self._measured("smoothed")
        finite = [value if isfinite(value) else inf for value in smoothed]
        return self.history["lr"][finite.index(min(finite))]

    @property
    def suggested_lr(self) -> float:
        """η_max = η_crit / 10."""
        return self.critical_lr / 10

    @property
    def steepest_lr(self) -> float:
        """The rate at which the smoothed loss falls fastest, per factor of the rate."""
        smoothed = self._measured("smoothed")
        falls = [b - a for a, b in pairwise(smoothed)]
        finite = [fall if isfinite(fall) else inf for fall in falls]
        return self.history["lr"][finite.index(min(finite))]

    def _measured(self, name: str) -> list[float]:
        values = self.history[name]
        if len(values) < 2:
            raise RuntimeError("run range_test first: there is no history of losses yet")
        return values

    def plot(self, ax: Any = None) -> Any:
        """Draw loss against rate, with the critical and the suggested rate.

        Args:
            ax: Matplotlib axes to draw on; a new figure's by default.

        Returns:
            The axes. Needs Matplotlib.
        """
        self._measured("loss")
        if ax is None:
            from matplotlib.figure import Figure

            ax = Figure(layout="constrained").add_subplot()
        ax.plot(self.history["lr"], self.history["loss"], alpha=0.3, label="loss")
        ax.plot(self.history["lr"], self.history["smoothed"], label="smoothed")
        ax.axvline(self.critical_lr, color="C3", linestyle="--", label="critical")
        ax.axvline(self.suggested_lr, color="C2", linestyle="--", label="suggested")
        ax.set_xscale("log")
        ax.set_xlabel("learning rate")
        ax.set_ylabel("loss")
        ax.legend()
        return ax

    def _snapshot(self) -> Callable[[], None]:
        """What puts everything back as it is now."""
        tensors = [p for group in self.optimizer.param_groups for p in group["params"]]
        if self.model is not None:
            known = {id(tensor) for tensor in tensors}
            others = [*self.model.parameters(), *getattr(self.model, "buffers", tuple)()]
            tensors += [tensor for tensor in others if id(tensor) not in known]
        values = [tensor.data.copy() for tensor in tensors]
        gradients = [tensor.grad for tensor in tensors]
        state = self.optimizer.state_dict()
        training = getattr(self.model, "training", None)

        def restore() -> None:
            for tensor, value, gradient in zip(tensors, values, gradients):
                tensor.data[...] = value
                tensor.grad = gradient
            self.optimizer.load_state_dict(state)
            if training is not None:
                self.model.train(training)

        return restore


def _in_turn(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches, over and over."""
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise ValueError("there are no batches to take a loss of")
