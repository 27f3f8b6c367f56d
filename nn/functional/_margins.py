"""Losses with margins, of scores and of embeddings; and the count of mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor
from autograd.primitives import elementwise
from nn.functional._arguments import like, reduced, reduction_of
from nn.functional._distance import pairwise_distance
from nn.functional._loss import both, class_weights

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "perceptron_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "zero_one_loss",
]

_softplus = elementwise.softplus.call


def hinge_embedding_loss(
    input: TensorLike,
    target: TensorLike,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """x where the target is 1, max(0, margin − x) where it is −1."""
    x = as_tensor(input)
    t = _values(target)
    zero = x * 0
    loss = np.where(t != 1, elementwise.relu(margin - x), zero) + np.where(t != -1, x, zero)
    return reduced(loss, reduction_of(size_average, reduce, reduction))


def _values(target: Any) -> Any:
    return target.data if isinstance(target, Tensor) else np.asarray(target)


def margin_ranking_loss(
    input1: TensorLike,
    input2: TensorLike,
    target: TensorLike,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, −t (x₁ − x₂) + margin): t = 1 ranks x₁ higher, t = −1 lower."""
    a = as_tensor(input1)
    b, t = like(input2, a), like(target, a)
    if a.ndim != b.ndim or a.ndim != t.ndim:
        raise ValueError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {a.shape}, input2: {b.shape}, target: {t.shape}"
        )
    loss = elementwise.relu(margin - t * (a - b))
    return reduced(loss, reduction_of(size_average, reduce, reduction))


def perceptron_loss(input: TensorLike, target: TensorLike, reduction: str = "sum") -> Tensor:
    """max(0, −t a): the perceptron criterion for scores a and targets t of −1 or 1.

    Only misclassified samples contribute, so that a step of gradient descent is the perceptron
    rule. Summed by default.

    >>> perceptron_loss([2.0, -3.0], [1.0, 1.0])
    Tensor(3.)
    """
    x, t = both(input, target, "perceptron_loss")
    return reduced(elementwise.relu(-(x * t)), reduction)


def zero_one_loss(input: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """1 where the prediction is wrong, else 0: a metric, without a gradient.

    Args:
        input: scores (N, C), of which the largest is the prediction; or, of the target's shape,
            predicted classes, or scores whose sign is compared with targets −1 and 1.
        target: classes (N,), or −1 and 1.

    >>> zero_one_loss([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    Tensor(0.5)
    """
    x, t = _values(input), _values(target)
    if x.ndim == t.ndim + 1:
        wrong = x.argmax(axis=1) != t
    elif x.shape != t.shape:
        raise ValueError(f"zero_one_loss: input {x.shape} does not fit target {t.shape}")
    elif x.dtype.kind == "f" and np.isin(t, (-1, 1)).all():
        wrong = x * t <= 0
    else:
        wrong = x != t
    return as_tensor(np.asarray(reduced(wrong.astype(np.float64), reduction)))


def multi_margin_loss(
    input: TensorLike,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: TensorLike | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Σ max(0, margin − x_t + x_c)ᵖ / C over the classes c ≠ t.

    Args:
        input: (N, C) or (C,).
        target: classes (N,) or ().
        p: 1 or 2.
        weight: (C,), a factor for the true class.
    """
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    x = as_tensor(input)
    index = _values(target)
    rows = x.reshape(1, -1) if x.ndim == 1 else x
    if rows.ndim != 2 or index.size != rows.shape[0]:
        raise ValueError(
            f"multi_margin_loss: input {x.shape} and target {index.shape} are not (N, C) and (N,)"
        )
    places = index.reshape(-1, 1)
    if places.size and (places.min() < 0 or places.max() >= rows.shape[1]):
        raise IndexError(f"Target {places.max()} is out of bounds for {rows.shape[1]} classes.")
    true = np.take_along_axis(rows, places, 1)
    hinge = elementwise.relu(margin - true + rows)
    if p == 2:
        hinge = hinge * hinge
    w = class_weights(weight, x, rows.shape[1])
    if w is not None:
        hinge = hinge * w[places]
    others = np.arange(rows.shape[1]) != places
    loss = np.sum(hinge * others, axis=1) / rows.shape[1]
    return reduced(loss if x.ndim == 2 else loss[0], reduction_of(size_average, reduce, reduction))


def multilabel_margin_loss(
    input: TensorLike,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Σ max(0, 1 − (x_t − x_c)) / C over the true labels t and the other classes c.

    Args:
        input: (N, C) or (C,).
        target: of the same shape; in each row the true labels, ended by −1.
    """
    x = as_tensor(input)
    labels = _values(target)
    if labels.shape != x.shape:
        raise ValueError(
            f"multilabel_margin_loss: inconsistent target size {labels.shape} for input {x.shape}"
        )
    rows = x.reshape(1, -1) if x.ndim == 1 else x
    t = labels.reshape(rows.shape)
    n_classes = rows.shape[1]
    valid = np.cumprod(t >= 0, axis=1, dtype=bool)
    if (t[valid] >= n_classes).any():
        raise IndexError(f"a label is out of bounds for {n_classes} classes")
    places = np.where(valid, t, 0)
    is_true = np.zeros(rows.shape, bool)
    for row, places_of_row, ok in zip(is_true, places, valid):
        row[places_of_row[ok]] = True
    # (N, labels, classes): margin of each true label over each class that is not a label
    true = np.expand_dims(np.take_along_axis(rows, places, 1), 2)
    counts = valid[:, :, None] & ~is_true[:, None, :]
    hinge = elementwise.relu(1 - true + np.expand_dims(rows, 1)) * counts
    loss = np.sum(hinge, axis=(1, 2)) / n_classes
    return reduced(loss if x.ndim == 2 else loss[0], reduction_of(size_average, reduce, reduction))


def soft_margin_loss(
    input: TensorLike,
    target: TensorLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(−t x)) for targets −1 and 1."""
    x = as_tensor(input)
    loss = _softplus(-(like(target, x) * x))
    return reduced(loss, reduction_of(size_average, reduce, reduction))


def multilabel_soft_margin_loss(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The binary cross-entropy of σ(x) with targets 0 and 1, averaged over the classes."""
    x = as_tensor(input)
    t = like(target, x)
    loss = _softplus(x) - x * t
    if weight is not None:
        loss = loss * like(weight, x)
    return reduced(np.mean(loss, axis=-1), reduction_of(size_average, reduce, reduction))


# -------------------------------------------------------------------------------------- embeddings


def cosine_embedding_loss(
    input1: TensorLike,
    input2: TensorLike,
    target: Any,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 − cos(x₁, x₂) where the target is 1, max(0, cos(x₁, x₂) − margin) where it is −1."""
    a = as_tensor(input1)
    b = as_tensor(like(input2, a))
    t = _values(target)
    if a.ndim not in (1, 2) or t.ndim != a.ndim - 1:
        raise ValueError(
            f"cosine_embedding_loss: inputs {a.shape} expect a target with {a.ndim - 1} axes, "
            f"got {t.shape}"
        )
    # PyTorch adds 1e-12 to the squared norms here, and not elsewhere.
    norms = (np.sum(a * a, axis=-1) + 1e-12) * (np.sum(b * b, axis=-1) + 1e-12)
    cosine = np.sum(a * b, axis=-1) / np.sqrt(norms)
    zero = cosine * 0
    loss = np.where(t == 1, 1 - cosine, zero) + np.where(
        t == -1, elementwise.relu(cosine - margin), zero
    )
    return reduced(loss, reduction_of(size_average, reduce, reduction))


def triplet_margin_loss(
    anchor: TensorLike,
    positive: TensorLike,
    negative: TensorLike,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) − d(anchor, negative) + margin) with the p-norm distance d.

    Args:
        swap: use the distance from positive to negative where that is smaller.
    """
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")

    def distance(a: TensorLike, b: TensorLike) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    chosen = reduction_of(size_average, reduce, reduction)
    return _triplet(anchor, positive, negative, distance, margin, swap, chosen)


def triplet_margin_with_distance_loss(
    anchor: TensorLike,
    positive: TensorLike,
    negative: TensorLike,
    *,
    distance_function: Any = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """:func:`triplet_margin_loss` with any distance, a function of two tensors."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    distance = distance_function or pairwise_distance
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    anchor: Any,
    positive: Any,
    negative: Any,
    distance: Any,
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    shapes = {as_tensor(x).ndim for x in (anchor, positive, negative)}
    if len(shapes) != 1:
        raise ValueError("anchor, positive and negative must have the same number of axes")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = np.minimum(far, distance(positive, negative))
    return reduced(elementwise.relu(near - far + margin), reduction)
