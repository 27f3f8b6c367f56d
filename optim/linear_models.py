"""Methods for linear classifiers: the perceptron rule, and Newton's method for logistic regression.

They work on arrays: X of shape (n, d) with examples as rows, and labels of shape (n,). A bias is a
column of ones in X.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from autograd import Tensor, TensorLike
from optim._options import check

__all__ = ["LogisticFit", "PerceptronFit", "irls", "perceptron"]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def _examples(X: TensorLike, y: TensorLike) -> tuple[Array, Array]:
    features = np.asarray(X.data if isinstance(X, Tensor) else X, dtype=float)
    labels = np.asarray(y.data if isinstance(y, Tensor) else y, dtype=float)
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ValueError(
            f"X must have shape (n, d) and y (n,), got {features.shape} and {labels.shape}"
        )
    return features, labels


class PerceptronFit(NamedTuple):
    """What :func:`perceptron` found.

    Attributes:
        w: weights of shape (d,).
        mistakes: number of misclassified examples in each epoch.
        converged: whether the last epoch had none.
    """

    w: Array
    mistakes: list[int]
    converged: bool


def perceptron(
    X: TensorLike,
    y: TensorLike,
    lr: float = 1.0,
    max_epochs: int = 1000,
    *,
    batch: bool = False,
    w: TensorLike | None = None,
) -> PerceptronFit:
    """Rosenblatt's rule: for each misclassified example, w ← w + η y x.

    Stops after finitely many mistakes if a hyperplane through the origin separates the classes
    (with a column of ones in X: any hyperplane), and never otherwise, hence ``max_epochs``.

    Args:
        X: examples of shape (n, d).
        y: labels −1 and +1, of shape (n,).
        lr: η > 0. From w = 0 it only scales w.
        max_epochs: passes through the examples at most.
        batch: sum the corrections of an epoch before making them.
        w: where to start; 0 by default.

    Returns:
        Weights, mistakes per epoch, and whether they came to an end. An example on the plane
        (w·x = 0) counts as misclassified.

    Raises:
        ValueError: for wrong shapes or labels.

    Source: Rosenblatt 1958, "The Perceptron".

    >>> X = [[1, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1]]  # a bias column, then two inputs
    >>> fit = perceptron(X, [-1, -1, -1, 1])  # AND
    >>> fit.converged, (np.array(X) @ fit.w > 0).tolist()
    (True, [False, False, False, True])
    >>> perceptron(X, [-1, 1, 1, -1], max_epochs=50).converged  # XOR
    False
    """
    features, labels = _examples(X, y)
    check(bool(np.isin(labels, (-1, 1)).all()), "y", np.unique(labels), "labels −1 and +1")
    check(lr > 0, "lr", lr, "a number > 0")
    if w is None:
        weights = np.zeros(features.shape[1])
    else:
        weights = np.array(w.data if isinstance(w, Tensor) else w, dtype=float)
    mistakes: list[int] = []
    for _ in range(max_epochs):
        if batch:
            wrong = labels * (features @ weights) <= 0
            mistakes.append(int(wrong.sum()))
            weights = weights + lr * labels[wrong] @ features[wrong]
        else:
            mistakes.append(0)
            for x, label in zip(features, labels):
                if label * (weights @ x) <= 0:
                    weights = weights + lr * label * x
                    mistakes[-1] += 1
        if mistakes[-1] == 0:
            return PerceptronFit(weights, mistakes, True)
    return PerceptronFit(weights, mistakes, False)


class LogisticFit(NamedTuple):
    """What :func:`irls` found.

    Attributes:
        w: weights of shape (d,).
        loss: the summed negative log-likelihood (plus ½ λ |w|²) at w.
        path: the weights from the start on, of shape (steps + 1, d).
        losses: the loss along the path.
        converged: whether the gradient fell below the tolerance.
        separable: whether a hyperplane was found to separate the classes. Without a penalty there
            is then no best w: it grows for ever.
    """

    w: Array
    loss: float
    path: Array
    losses: list[float]
    converged: bool
    separable: bool


def irls(
    X: TensorLike,
    y: TensorLike,
    w: TensorLike | None = None,
    *,
    ridge: float = 0.0,
    tolerance: float = 1e-10,
    max_iter: int = 50,
) -> LogisticFit:
    """Logistic regression by Newton–Raphson, as iteratively reweighted least squares.

    w ← w − H⁻¹ (Xᵀ(a − y) + λ w) with a = σ(X w), H = Xᵀ R X + λ 1, R = diag(a (1 − a)). A step
    that would raise the loss is halved until it does not.

    Args:
        X: examples of shape (n, d).
        y: labels 0 and 1, of shape (n,).
        w: where to start; 0 by default.
        ridge: λ ≥ 0; makes the solution unique and finite in every case.
        tolerance: of the gradient's largest element.
        max_iter: Newton steps at most.

    Returns:
        The weights, the path to them, and whether it converged. With separable classes and no
        penalty it stops as soon as that is seen.

    Raises:
        ValueError: for wrong shapes or labels, or dependent columns of X with ``ridge=0``.

    Source: Rubin 1983; Bishop 2006, "Pattern Recognition and Machine Learning", section 4.3.3.

    >>> fit = irls([[1, 0], [1, 1], [1, 2], [1, 3]], [0, 1, 0, 1])
    >>> fit.w.round(6), round(fit.loss, 6), fit.converged
    (array([-1.362276,  0.908184]), 2.347487, True)
    """
    features, labels = _examples(X, y)
    check(bool(np.isin(labels, (0, 1)).all()), "y", np.unique(labels), "labels 0 and 1")
    check(ridge >= 0, "ridge", ridge, "a number ≥ 0")
    d = features.shape[1]
    if ridge == 0 and np.linalg.matrix_rank(features) < d:
        raise ValueError(
            f"the {d} columns of X are linearly dependent, so that the best weights are not "
            "unique; leave some out or give ridge > 0"
        )
    signs = 2 * labels - 1

    def loss_at(weights: Array) -> float:
        margins = signs * (features @ weights)
        return float(np.logaddexp(0, -margins).sum() + 0.5 * ridge * weights @ weights)

    if w is None:
        weights = np.zeros(d)
    else:
        weights = np.array(w.data if isinstance(w, Tensor) else w, dtype=float)
    path, losses = [weights], [loss_at(weights)]
    converged = separable = False
    for _ in range(max_iter):
        z = features @ weights
        separable = bool((signs * z > 0).all())
        activation = 0.5 * (1 + np.tanh(0.5 * z))  # the sigmoid, without overflow
        gradient = features.T @ (activation - labels) + ridge * weights
        # No penalty and no errors: the loss falls for ever along w.
        if separable and ridge == 0:
            break
        if np.abs(gradient).max() <= tolerance:
            converged = True
            break
        spread = activation * (1 - activation)
        hessian = (features.T * spread) @ features + ridge * np.eye(d)
        step = np.linalg.solve(hessian, gradient)
        share, candidate = 1.0, weights - step
        # Near the minimum the loss cannot fall measurably: a rise by rounding is let pass.
        while loss_at(candidate) > losses[-1] * (1 + 1e-14) and share > 1e-8:
            share /= 2
            candidate = weights - share * step
        weights = candidate
        path.append(weights)
        losses.append(loss_at(weights))
    return LogisticFit(weights, losses[-1], np.stack(path), losses, converged, separable)
