"""The training loop: what it computes, in which mode, and what is left when it is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import nn
import optim
from nn.training import Trainer, accuracy, evaluate


def blobs(count: int = 40, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    x = rng.normal(size=(count, 3)) + 3 * y[:, None]
    return x.astype(np.float32), y


def trainer(**options: Any) -> Trainer:
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    return Trainer(model, nn.CrossEntropyLoss(), optimizer, **options)


def test_it_learns_and_keeps_a_history() -> None:
    x, y = blobs()
    batches = [(x[i : i + 8], y[i : i + 8]) for i in range(0, 40, 8)]
    job = trainer()
    history = job.fit(batches, epochs=15, validation=batches)
    assert [epoch.number for epoch in history] == list(range(1, 16))
    assert history[-1].train_loss < history[0].train_loss / 2
    assert history[-1].valid_accuracy == evaluate(job.model, job.loss, batches)[1] > 0.9
    job.fit(batches, epochs=1)
    assert job.history[-1].number == 16
    assert job.history[-1].valid_loss is None


def test_one_step_is_forward_backward_step() -> None:
    """Against the same step written out."""
    x, y = blobs(8)
    job = trainer()
    job.model[2].p = 0.0
    before = {k: np.array(getattr(v, "data", v)) for k, v in job.model.state_dict().items()}
    job.fit([(x, y)], epochs=1)
    after = {k: np.array(getattr(v, "data", v)) for k, v in job.model.state_dict().items()}
    job.model.load_state_dict(before)
    for p in job.model.parameters():
        p.grad = None
    loss = job.loss(job.model(x), y)
    loss.backward()
    assert job.history[0].train_loss == pytest.approx(loss.item(), rel=1e-6)
    for name, p in job.model.named_parameters():
        np.testing.assert_allclose(after[name], before[name] - 0.1 * p.grad.data, rtol=1e-5)


def test_means_are_weighted_by_batch_size() -> None:
    x, y = blobs(10)
    job = trainer()
    whole = evaluate(job.model, job.loss, [(x, y)])
    ragged = evaluate(job.model, job.loss, [(x[:7], y[:7]), (x[7:], y[7:])])
    assert ragged == pytest.approx(whole, rel=1e-5)


def test_evaluation_uses_and_restores_the_mode() -> None:
    x, y = blobs(8)
    job = trainer()
    modes = []
    job.model.register_forward_hook(lambda module, inputs, output: modes.append(module.training))
    job.model.train()
    evaluate(job.model, job.loss, [(x, y)])
    assert modes == [False]
    assert job.model.training
    job.model.eval()
    evaluate(job.model, job.loss, [(x, y)])
    assert not job.model.training


def test_schedule_steps_once_per_batch() -> None:
    class Count:
        steps = 0

        def step(self) -> None:
            self.steps += 1

    x, y = blobs(8)
    schedule = Count()
    trainer(schedule=schedule).fit([(x, y)] * 3, epochs=2)
    assert schedule.steps == 6


class Interrupted:
    """Batches of which the fifth is Ctrl-C."""

    def __init__(self) -> None:
        self.given = 0

    def __iter__(self) -> Iterator[Any]:
        for _ in range(3):
            self.given += 1
            if self.given == 5:
                raise KeyboardInterrupt
            yield blobs(8)


def test_ctrl_c_keeps_what_was_learnt() -> None:
    job = trainer()
    before = [p.data.copy() for p in job.model.parameters()]
    history = job.fit(Interrupted(), epochs=10)
    assert job.interrupted
    assert [epoch.number for epoch in history] == [1]
    assert any((p.data != b).any() for p, b in zip(job.model.parameters(), before, strict=True))
    job.fit([blobs(8)], epochs=1)
    assert not job.interrupted


def test_misuse_is_told() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        trainer().fit([blobs(4)], epochs=0)
    with pytest.raises(ValueError, match="no batches"):
        trainer().fit([], epochs=1)


def test_accuracy_counts_rows() -> None:
    logits = np.array([[1.0, 2.0, 0.0], [5.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    assert accuracy(logits, [1, 0, 0, 1]) == 0.75
