"""Losses between predictions and targets.

``size_average`` and ``reduce`` are PyTorch's older names for ``reduction`` and keep their places.
Plain targets (arrays, lists) take the prediction's dtype.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor
from autograd.primitives import elementwise, networks
from autograd.primitives import reduction as reductions
from nn.functional._arguments import like, reduced, reduction_of

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "gaussian_nll_loss",
    "half_squared_error",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "p_norm_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]

_log_softmax = reductions.log_softmax
_softplus = elementwise.softplus.call
_huber = elementwise.huber.call
_binary_cross_entropy = networks.binary_cross_entropy.call
_cross_entropy = networks.cross_entropy.call


def both(input: TensorLike, target: TensorLike, name: str) -> tuple[Tensor, Any]:
    """Prediction and target; their shapes must agree, or one is a single number."""
    x = as_tensor(input)
    t = like(target, x) if x.dtype.kind == "f" else as_tensor(target)
    if x.shape != t.shape:
        try:
            np.broadcast_shapes(x.shape, t.shape)
        except ValueError:
            raise ValueError(
                f"{name}: the shapes of input {x.shape} and target {t.shape} do not agree"
            ) from None
        if x.size != 1 and t.size != 1:
            # The classic slip: (N, 1) against (N,) would silently compare all pairs.
            raise ValueError(
                f"{name}: input has shape {x.shape}, target {t.shape}; broadcasting them would "
                f"compare every pair, reshape one of them"
            )
    return x, t


# ------------------------------------------------------------------------------------ regression


def mse_loss(
    input: TensorLike,
    target: TensorLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: TensorLike | None = None,
) -> Tensor:
    """The squared difference; its mean over all elements by default.

    The documents' ½ Σ (y − t)² is :func:`half_squared_error`.

    Args:
        input, target: of one shape.
        weight: multiplies each element's loss.

    >>> mse_loss([1.0, 2.0], [1.0, 4.0])
    Tensor(2.)
    """
    x, t = both(input, target, "mse_loss")
    difference = x - t
    loss = difference * difference
    if weight is not None:
        w = as_tensor(like(weight, x))
        loss = loss * w
        if reduction_of(size_average, reduce, reduction) == "mean":
            return np.sum(loss) / np.sum(np.broadcast_to(w, loss.shape))
    return reduced(loss, reduction_of(size_average, reduce, reduction))


def half_squared_error(input: TensorLike, target: TensorLike, reduction: str = "sum") -> Tensor:
    """½ (y − t)²: the lecture's squared error, whose derivative is y − t. Summed by default.

    >>> half_squared_error([1.0, 2.0], [1.0, 4.0])
    Tensor(2.)
    """
    x, t = both(input, target, "half_squared_error")
    difference = x - t
    return reduced(0.5 * difference * difference, reduction)


def l1_loss(
    input: TensorLike,
    target: TensorLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: TensorLike | None = None,
) -> Tensor:
    """The absolute difference; its mean over all elements by default."""
    x, t = both(input, target, "l1_loss")
    loss = np.abs(x - t)
    if weight is not None:
        w = as_tensor(like(weight, x))
        loss = loss * w
        if reduction_of(size_average, reduce, reduction) == "mean":
            return np.sum(loss) / np.sum(np.broadcast_to(w, loss.shape))
    return reduced(loss, reduction_of(size_average, reduce, reduction))


def p_norm_loss(
    input: TensorLike, target: TensorLike, p: float = 2.0, reduction: str = "sum"
) -> Tensor:
    """|y − t|ᵖ, summed by default: p = 2 is the squared error, p = 1 the absolute one."""
    if p <= 0:
        raise ValueError(f"p_norm_loss: p must be positive, got {p}")
    x, t = both(input, target, "p_norm_loss")
    return reduced(_power(np.abs(x - t), p), reduction)


def _power(distance: Any, p: float) -> Any:
    """dᵖ for d ≥ 0, with slope 0 at 0 for p < 1 too."""
    if p == 1:
        return distance
    if p == 2:
        return distance * distance
    if p > 1:
        return np.power(distance, p)
    apart = distance.data > 0
    return np.where(apart, np.power(np.where(apart, distance, 1), p), 0)


def smooth_l1_loss(
    input: TensorLike,
    target: TensorLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d²/(2β) where d = |y − t| is below β, else d − β/2."""
    if beta < 0:
        raise ValueError("smooth_l1_loss does not support negative values for beta")
    if beta == 0:
        return l1_loss(input, target, size_average, reduce, reduction)
    x, t = both(input, target, "smooth_l1_loss")
    loss = _huber(x - t, delta=beta)
    if beta != 1:
        loss = loss / beta
    return reduced(loss, reduction_of(size_average, reduce, reduction))


def huber_loss(
    input: TensorLike,
    target: TensorLike,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: TensorLike | None = None,
) -> Tensor:
    """d²/2 where d = |y − t| is at most δ, else δ (d − δ/2) (Huber 1964)."""
    if delta <= 0:
        raise ValueError("huber_loss does not support non-positive values for delta")
    x, t = both(input, target, "huber_loss")
    loss = _huber(x - t, delta=delta)
    if weight is not None:
        w = as_tensor(like(weight, x))
        loss = loss * w
        if reduction == "mean":
            return np.sum(loss) / np.sum(np.broadcast_to(w, loss.shape))
    return reduced(loss, reduction)


# -------------------------------------------------------------------------------- classification


def _check_classes(index: Any, shape: tuple[int, ...], name: str) -> None:
    """Raise if targets are no integers that fit an input of shape (N, C, …) or (C,)."""
    expected = () if len(shape) == 1 else (shape[0], *shape[2:])
    if index.shape != expected:
        raise ValueError(
            f"{name}: input {shape} expects class indices of shape {expected}, got {index.shape}"
        )
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name}: class indices must be integers, got {index.dtype}")


def cross_entropy(
    input: TensorLike,
    target: Any,
    weight: TensorLike | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """−log of the softmax at the true class, without overflow.

    Args:
        input: logits (N, C), (N, C, …) or (C,).
        target: class indices (N,), (N, …) or (); or probabilities of the input's shape.
        weight: (C,), a factor for each class; the mean is then over the weights.
        ignore_index: targets of this value do not count.
        reduction: "mean", "sum" or "none".
        label_smoothing: share of the target that is spread evenly over all classes.

    >>> cross_entropy([[0.0, 0.0]], [1]).item().__round__(4)
    0.6931
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    x = as_tensor(input)
    shape = x.data.shape
    if not shape:
        raise ValueError("cross_entropy expects logits of shape (N, C), (N, C, …) or (C,)")
    axis = 0 if len(shape) == 1 else 1
    n_classes = shape[axis]
    w = None if weight is None else class_weights(weight, x, n_classes)
    index = target.data if isinstance(target, Tensor) else np.asarray(target)
    if index.dtype.kind == "f" and index.shape == shape:
        log_p = _log_softmax(x, axis)
        t = as_tensor(like(target, x))
        if label_smoothing:
            t = t * (1 - label_smoothing) + label_smoothing / n_classes
        if w is not None:
            t = t * w.reshape(-1, *(1,) * (x.ndim - axis - 1))
        loss = -np.sum(log_p * t, axis=axis)
        if reduction == "mean":
            return as_tensor(np.sum(loss) / max(x.size // n_classes, 1))
        return reduced(loss, reduction)
    _check_classes(index, shape, "cross_entropy")
    if len(shape) == 2 and x.data.size and x.data.dtype.char in "fd" and not label_smoothing:
        if w is None and not 0 <= ignore_index < n_classes:
            try:
                return _cross_entropy(x, target=index, scale=None, reduction=reduction)
            except IndexError:
                pass  # some are to be ignored, or wrong
        safe, valid = _in_range(index, ignore_index, n_classes)
        if w is None or not w.requires_grad:
            scale = valid if w is None else w.data[safe] if valid is None else w.data[safe] * valid
            return _cross_entropy(x, target=safe, scale=scale, reduction=reduction)
    log_p = _log_softmax(x, axis)
    if not label_smoothing:
        return _nll(log_p, index, w, ignore_index, reduction, axis)
    weighted = log_p if w is None else log_p * w.reshape(-1, *(1,) * (x.ndim - axis - 1))
    smooth = -np.sum(weighted, axis=axis)
    valid = index != ignore_index
    if not valid.all():
        smooth = smooth * valid
    hit = _nll(log_p, index, w, ignore_index, "none", axis)
    loss = (1 - label_smoothing) * hit + (label_smoothing / n_classes) * smooth
    if reduction == "mean":
        return np.sum(loss) / _total_weight(np.where(valid, index, 0), valid, w, x.dtype)
    return reduced(loss, reduction)


def class_weights(weight: Any, x: Tensor, n_classes: int) -> Tensor | None:
    if weight is None:
        return None
    w = as_tensor(like(weight, x))
    if w.shape != (n_classes,):
        raise ValueError(
            f"weight tensor should be defined either for all {n_classes} classes or no classes, "
            f"got shape {w.shape}"
        )
    return w


def _total_weight(safe: Any, valid: Any, w: Tensor | None, dtype: Any) -> Any:
    """The sum of the weights of all targets that count; ``valid`` None says that all do."""
    if w is None:
        return dtype.type(safe.size if valid is None else valid.sum())
    return (w.data[safe] if valid is None else w.data[safe] * valid).sum()


def _in_range(index: Any, ignore_index: int, n_classes: int) -> tuple[Any, Any]:
    """Indices with 0 for those to ignore, and which are not to be ignored; None for all.

    Raises:
        IndexError: for another index that is not from 0 to ``n_classes`` - 1.
    """
    if not index.size:
        return index, None
    inside = index.min() >= 0 and index.max() < n_classes
    if inside and not 0 <= ignore_index < n_classes:
        return index, None
    valid = index != ignore_index
    safe = np.where(valid, index, 0)
    if not inside and (safe.min() < 0 or safe.max() >= n_classes):
        bad = safe[(safe < 0) | (safe >= n_classes)].ravel()[0]
        raise IndexError(f"Target {bad} is out of bounds for {n_classes} classes.")
    return safe, None if valid.all() else valid


def _nll(
    log_p: Tensor, index: Any, w: Tensor | None, ignore_index: int, reduction: str, axis: int
) -> Tensor:
    """Minus the log-probabilities at the indices, weighted and reduced."""
    safe, valid = _in_range(index, ignore_index, log_p.shape[axis])
    picked = np.take_along_axis(log_p, np.expand_dims(safe, axis), axis)
    loss = -np.squeeze(picked, axis)
    if w is None and valid is None:
        return reduced(loss, reduction)
    if w is not None:
        loss = loss * w[safe]
    if valid is not None:
        loss = np.where(valid, loss, 0)
    if reduction != "mean":
        return reduced(loss, reduction)
    total = _total_weight(safe, valid, w, log_p.dtype)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sum(loss) / total


def nll_loss(
    input: TensorLike,
    target: Any,
    weight: TensorLike | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the given log-probability at the true class, see :func:`cross_entropy`."""
    reduction = reduction_of(size_average, reduce, reduction)
    x = as_tensor(input)
    axis = 0 if x.ndim == 1 else 1
    index = target.data if isinstance(target, Tensor) else np.asarray(target)
    _check_classes(index, x.shape, "nll_loss")
    return _nll(x, index, class_weights(weight, x, x.shape[axis]), ignore_index, reduction, axis)


def binary_cross_entropy(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """−(t log p + (1 − t) log(1 − p)) of probabilities p; logarithms are kept above −100.

    Where there are logits, :func:`binary_cross_entropy_with_logits` is exact.
    """
    x = as_tensor(input)
    t = like(target, x)
    if x.shape != t.shape:
        raise ValueError(
            f"Using a target size ({t.shape}) that is different to the input size ({x.shape}) is "
            "deprecated. Please ensure they have the same size."
        )
    if x.size and (x.data.min() < 0 or x.data.max() > 1):
        raise RuntimeError("all elements of input should be between 0 and 1")
    loss = -(t * _log_above(x) + (1 - t) * _log_above(1 - x))
    if weight is not None:
        loss = loss * like(weight, x)
    return reduced(loss, reduction_of(size_average, reduce, reduction))


def _log_above(p: Tensor, least: float = -100.0) -> Tensor:
    """log p, but no less than −100, with a finite slope there."""
    tiny = p.data < math.exp(least)
    if not tiny.any():
        return np.log(p)
    return np.where(tiny, p.dtype.type(least), np.log(np.where(tiny, 1, p)))


def binary_cross_entropy_with_logits(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: TensorLike | None = None,
) -> Tensor:
    """The binary cross-entropy of σ(x), without overflow: softplus(x) − t x.

    Args:
        pos_weight: a factor for the positive targets, broadcast along the classes.

    >>> binary_cross_entropy_with_logits([1000.0, -1000.0], [1.0, 0.0])
    Tensor(0.)
    """
    x = as_tensor(input)
    t = like(target, x)
    if x.shape != t.shape:
        raise ValueError(f"Target size ({t.shape}) must be the same as input size ({x.shape})")
    if pos_weight is None:
        loss = _binary_cross_entropy(x, t)
    else:
        factor = (as_tensor(like(pos_weight, x)) - 1) * t + 1
        loss = (1 - t) * x + factor * _softplus(-x)
    if weight is not None:
        loss = loss * like(weight, x)
    return reduced(loss, reduction_of(size_average, reduce, reduction))


def kl_div(
    input: TensorLike,
    target: TensorLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """t (log t − x) for log-probabilities x: the terms of the Kullback–Leibler divergence.

    Args:
        input: log-probabilities.
        target: probabilities, or their logarithms if ``log_target``.
        reduction: "batchmean" gives the divergence itself; "mean" divides by all elements.
    """
    x = as_tensor(input)
    t = as_tensor(like(target, x))
    if log_target:
        loss = np.exp(t) * (t - x)
    else:
        positive = t.data > 0
        log_t = np.log(np.where(positive, t, 1))
        loss = np.where(positive, t * log_t, 0) - t * x
    if reduction == "batchmean" and size_average is None and reduce is None:
        return as_tensor(np.sum(loss) / x.shape[0])
    return reduced(loss, reduction_of(size_average, reduce, reduction))


def poisson_nll_loss(
    input: TensorLike,
    target: TensorLike,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(x) − t x, the negative log-likelihood of counts t with log-rate x.

    Args:
        log_input: whether the input is the logarithm of the rate, else the rate itself.
        full: add Stirling's approximation of log t! for t > 1.
        eps: keeps log(rate + eps) finite.
    """
    x = as_tensor(input)
    t = like(target, x)
    loss = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    if full:
        counts = as_tensor(t)
        large = counts.data > 1
        safe = np.where(large, counts, 2)
        stirling = safe * np.log(safe) - safe + 0.5 * np.log(2 * math.pi * safe)
        loss = loss + np.where(large, stirling, 0)
    return reduced(loss, reduction_of(size_average, reduce, reduction))


def gaussian_nll_loss(
    input: TensorLike,
    target: TensorLike,
    var: TensorLike | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """½ (log σ² + (y − t)²/σ²): the negative log-likelihood under a predicted variance.

    Args:
        var: σ² of the input's shape, of that shape with a last axis of 1, or without it.
        full: add ½ log 2π.
        eps: the least variance; below it no gradient flows to ``var``'s value.
    """
    x = as_tensor(input)
    t = like(target, x)
    if isinstance(var, int | float):
        var = np.full(x.shape, var, x.dtype)
    v = as_tensor(like(var, x))
    if v.data.size and v.data.min() < 0:
        raise ValueError("var has negative entry/entries")
    if v.shape != x.shape:
        if x.shape[:-1] == v.shape:
            v = np.expand_dims(v, -1)
        elif not (x.shape[:-1] == v.shape[:-1] and v.shape[-1] == 1):
            raise ValueError("var is of incorrect size")
    # PyTorch clamps the value and passes the gradient on as if it had not.
    small = v.data < eps
    if small.any():
        v = v + np.where(small, eps - v.data, 0).astype(v.dtype)
    difference = x - t
    loss = 0.5 * (np.log(v) + difference * difference / v)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)
