"""Connectionist temporal classification: sequences of labels without their alignment."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor
from autograd.primitives import reduction as reductions
from nn.functional._arguments import reduced

__all__ = ["ctc_loss"]

# Stands for log 0: finite, so that differences of two of them are 0 and not NaN.
NEVER = -1e30


def ctc_loss(
    log_probs: TensorLike,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """−log of the probability of all alignments of the targets (Graves et al. 2006).

    Args:
        log_probs: (T, N, C), logarithms of probabilities; or (T, C).
        targets: (N, S) of classes, padded; or all of them in a row, (Σ target_lengths,).
        input_lengths: (N,), how many of the T steps count.
        target_lengths: (N,).
        blank: the class that stands for no label.
        reduction: "none", "sum", or "mean" over losses divided by their targets' lengths.
        zero_infinity: 0 instead of infinity where no alignment exists.

    Returns:
        (N,), or a scalar.

    The forward recursion over the targets with blanks between them, one step of time after the
    other; its derivative is the backward recursion.
    """
    x = as_tensor(log_probs)
    single = x.ndim == 2
    if single:
        x = np.expand_dims(x, 1)
    if x.ndim != 3:
        raise ValueError(f"ctc_loss expects log_probs (T, N, C) or (T, C), got {x.shape}")
    steps, n, n_classes = x.shape
    times = _whole(input_lengths, n, "input_lengths")
    lengths = _whole(target_lengths, n, "target_lengths")
    labels = _padded(targets, lengths, blank)
    if times.max() > steps:
        raise ValueError(f"input_lengths must be at most {steps}, got {times.max()}")
    if not 0 <= blank < n_classes:
        raise ValueError(f"blank must be in label range 0 to {n_classes - 1}, got {blank}")
    if labels.size and (labels.min() < 0 or labels.max() >= n_classes):
        raise ValueError(f"targets must be in label range 0 to {n_classes - 1}")
    # blank, label, blank, label, …, blank
    extended = np.full((n, 2 * labels.shape[1] + 1), blank)
    extended[:, 1::2] = labels
    width = extended.shape[1]
    # A label may be reached from the label before it if the two differ, skipping the blank.
    skips = np.zeros(extended.shape, bool)
    skips[:, 2:] = (extended[:, 2:] != blank) & (extended[:, 2:] != extended[:, :-2])
    forbidden = np.where(skips, 0, NEVER).astype(x.dtype)

    emitted = np.take_along_axis(x, np.broadcast_to(extended, (steps, n, width)), 2)
    start = np.where(np.arange(width) < 2, 0, NEVER).astype(x.dtype)
    alpha = emitted[0] + start
    for t in range(1, steps):
        before = np.pad(alpha, ((0, 0), (2, 0)), constant_values=NEVER)
        ways = np.stack([alpha, before[:, 1:-1], before[:, :-2] + forbidden])
        moved = reductions.logsumexp(ways, 0) + emitted[t]
        alive = (t < times)[:, None]
        alpha = moved if alive.all() else np.where(alive, moved, alpha)
    ends = np.stack([2 * lengths, np.maximum(2 * lengths - 1, 0)], 1)
    last = np.take_along_axis(alpha, ends, 1)
    only = np.where(lengths > 0, 0, NEVER)[:, None] * np.array([0, 1])  # no label: one way to end
    loss = -reductions.logsumexp(last + only.astype(x.dtype), 1)
    impossible = loss.data > -NEVER / 2
    if impossible.any():
        loss = np.where(impossible, 0.0 if zero_infinity else np.inf, loss)
    if reduction == "mean":
        return as_tensor(np.mean(loss / np.maximum(lengths, 1).astype(x.dtype)))
    out = reduced(loss, reduction)
    return out[0] if single and reduction == "none" else out


def _whole(values: Any, n: int, name: str) -> Any:
    array = values.data if isinstance(values, Tensor) else np.asarray(values)
    array = array.reshape(-1)
    if array.dtype.kind not in "iu" or array.shape != (n,) or (n and array.min() < 0):
        raise ValueError(f"{name} must be {n} whole numbers, got {array}")
    return array.astype(np.int64)


def _padded(targets: Any, lengths: Any, blank: int) -> Any:
    """The targets as (N, S), with blanks behind each."""
    labels = targets.data if isinstance(targets, Tensor) else np.asarray(targets)
    out = np.full((len(lengths), int(lengths.max(initial=0))), blank)
    if labels.ndim == 1:
        if labels.size < lengths.sum():
            raise ValueError(f"expected {lengths.sum()} targets in a row, got {labels.size}")
        parts = np.split(labels[: lengths.sum()], np.cumsum(lengths)[:-1])
    elif labels.ndim == 2 and len(labels) == len(lengths) and labels.shape[1] >= out.shape[1]:
        parts = [row[:length] for row, length in zip(labels, lengths)]
    else:
        raise ValueError(f"targets {labels.shape} do not fit target_lengths {lengths}")
    for row, part in zip(out, parts):
        row[: len(part)] = part
    return out
