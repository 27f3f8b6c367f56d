"""The training loop: epochs of batches, a validation pass after each, and a history of both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from autograd import Tensor, no_grad

__all__ = ["Epoch", "Trainer", "accuracy", "evaluate"]

Batch = tuple[Any, Any]
Batches = Iterable[Batch]
Metric = Callable[[Tensor, Any], float]


class _Model(Protocol):
    training: bool

    def __call__(self, x: Any) -> Tensor: ...

    def train(self, mode: bool = True) -> Any: ...


class _Optimizer(Protocol):
    def zero_grad(self) -> None: ...

    def step(self) -> Any: ...


class _Schedule(Protocol):
    def step(self) -> None: ...


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: counted from 1.
        train_loss: mean over the epoch's samples, each taken before the step that used it.
        train_accuracy: share of right answers, likewise.
        valid_loss, valid_accuracy: after the epoch; None without validation data.
    """

    number: int
    train_loss: float
    train_accuracy: float
    valid_loss: float | None = None
    valid_accuracy: float | None = None


def accuracy(logits: Tensor | Any, labels: Any) -> float:
    """Share of rows whose largest logit is the label's.

    Args:
        logits: shape (N, classes).
        labels: class indices, shape (N,).

    >>> accuracy(np.array([[2.0, 1.0], [0.0, 3.0]]), [0, 0])
    0.5
    """
    values = logits.data if isinstance(logits, Tensor) else np.asarray(logits)
    return float(np.mean(values.argmax(axis=1) == np.asarray(labels)))


def evaluate(
    model: _Model, loss: Callable[[Tensor, Any], Tensor], batches: Batches
) -> tuple[float, float]:
    """Mean loss and accuracy over all samples, in evaluation mode and without a graph.

    The model's mode is as before afterwards.
    """
    was_training = model.training
    model.train(False)
    total = _Mean()
    try:
        with no_grad():
            for x, y in batches:
                logits = model(x)
                total.add(len(y), loss(logits, y).item(), accuracy(logits, y))
    finally:
        model.train(was_training)
    return total.loss, total.accuracy


class _Mean:
    """Running means of loss and accuracy, weighted by batch size."""

    def __init__(self) -> None:
        self.count = 0
        self._loss = self._accuracy = 0.0

    def add(self, count: int, loss: float, share: float) -> None:
        self.count += count
        self._loss += count * loss
        self._accuracy += count * share

    @property
    def loss(self) -> float:
        return self._loss / self.count if self.count else float("nan")

    @property
    def accuracy(self) -> float:
        return self._accuracy / self.count if self.count else float("nan")


class Trainer:
    """Fits a classifier: for each batch forward, backward, step; for each epoch a record.

    Args:
        model: from a batch of inputs to logits (N, classes).
        loss: from logits and labels to a scalar, the mean over the batch.
        optimizer: holds the model's parameters.
        schedule: its ``step()`` is called after each optimizer step.

    Attributes:
        history: one :class:`Epoch` per finished epoch.
        interrupted: whether the last :meth:`fit` was stopped by Ctrl-C.

    >>> import nn, optim
    >>> model = nn.Linear(2, 2)
    >>> trainer = Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.5))
    >>> x, y = np.eye(2, dtype=np.float32), np.array([0, 1])
    >>> trainer.fit([(x, y)] * 20, epochs=5)[-1].train_accuracy
    1.0
    """

    def __init__(
        self,
        model: _Model,
        loss: Callable[[Tensor, Any], Tensor],
        optimizer: _Optimizer,
        schedule: _Schedule | None = None,
    ) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.schedule = schedule
        self.history: list[Epoch] = []
        self.interrupted = False

    def fit(
        self,
        batches: Batches,
        epochs: int,
        validation: Batches | None = None,
        progress: bool = False,
    ) -> list[Epoch]:
        """Train for a number of epochs and return the history.

        Ctrl-C ends training after the running batch's bookkeeping: what was learnt stays in the
        model, finished epochs stay in the history, :attr:`interrupted` is True.

        Args:
            batches: iterated once per epoch; yields pairs of inputs and labels.
            epochs: how many more epochs.
            validation: batches to evaluate on after each epoch.
            progress: show a bar (needs tqdm, the ``io`` extra; plain lines without it).
        """
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1, got {epochs}")
        self.interrupted = False
        first = len(self.history) + 1
        try:
            for number in range(first, first + epochs):
                train = self._train_epoch(batches, f"epoch {number}/{first + epochs - 1}", progress)
                valid: tuple[float | None, float | None] = (None, None)
                if validation is not None:
                    valid = evaluate(self.model, self.loss, validation)
                self.history.append(Epoch(number, train.loss, train.accuracy, *valid))
                if progress:
                    print(_line(self.history[-1]), flush=True)
        except KeyboardInterrupt:
            self.interrupted = True
        return self.history

    def _train_epoch(self, batches: Batches, label: str, progress: bool) -> _Mean:
        self.model.train()
        mean = _Mean()
        for x, y in _with_bar(batches, label) if progress else batches:
            logits = self.model(x)
            loss = self.loss(logits, y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            if self.schedule is not None:
                self.schedule.step()
            mean.add(len(y), loss.item(), accuracy(logits, y))
        if not mean.count:
            raise ValueError("there are no batches to train on")
        return mean


def _line(epoch: Epoch) -> str:
    text = (
        f"epoch {epoch.number:3d}  loss {epoch.train_loss:.4f}  accuracy {epoch.train_accuracy:.2%}"
    )
    if epoch.valid_loss is not None:
        text += f"  held out: loss {epoch.valid_loss:.4f}  accuracy {epoch.valid_accuracy:.2%}"
    return text


def _with_bar(batches: Batches, label: str) -> Iterator[Batch]:
    """The batches, with a bar that goes when they end."""
    try:
        from tqdm import tqdm
    except ImportError:  # the bar is a comfort, not a need
        yield from batches
        return
    total = len(batches) if isinstance(batches, Sized) else None
    with tqdm(batches, desc=label, total=total, leave=False, unit="batch", disable=None) as bar:
        yield from bar
