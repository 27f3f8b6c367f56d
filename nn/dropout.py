"""Dropout in its variants, and noise on activations; active in training mode only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autograd import Tensor, TensorLike, as_tensor, no_grad
from autograd.extend import note_write
from nn import functional as F
from nn.functional._arguments import fit_probability
from nn.module import Module

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
    "GaussianNoise",
    "MonteCarlo",
    "VanillaDropout",
    "monte_carlo",
]


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = fit_probability(p)
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training, each element zero with probability p and the others divided by 1 − p.

    Args:
        p: probability of dropping, not of keeping.
        inplace: accepted as PyTorch's; the result is always new.

    >>> import nn
    >>> nn.Dropout(0.5).eval()([1.0, 2.0])
    Tensor([1., 2.])
    """

    def forward(self, input: TensorLike) -> Tensor:
        """The input, thinned out in training."""
        return F.dropout(input, self.p, self.training)


class Dropout1d(_Dropout):
    """In training, whole channels of (N, C, L) or (C, L) zero with probability p."""

    def forward(self, input: TensorLike) -> Tensor:
        """The input, thinned out in training."""
        return F.dropout1d(input, self.p, self.training)


class Dropout2d(_Dropout):
    """In training, whole channels of (N, C, H, W) zero with probability p."""

    def forward(self, input: TensorLike) -> Tensor:
        """The input, thinned out in training."""
        return F.dropout2d(input, self.p, self.training)


class Dropout3d(_Dropout):
    """In training, whole channels of (N, C, D, H, W) zero with probability p."""

    def forward(self, input: TensorLike) -> Tensor:
        """The input, thinned out in training."""
        return F.dropout3d(input, self.p, self.training)


class AlphaDropout(_Dropout):
    """Dropout that keeps mean 0 and variance 1, for networks of SELU units."""

    def forward(self, input: TensorLike) -> Tensor:
        """The input, thinned out in training."""
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    """:class:`AlphaDropout` of whole channels."""

    def forward(self, input: TensorLike) -> Tensor:
        """The input, thinned out in training."""
        return F.feature_alpha_dropout(input, self.p, self.training)


class GaussianNoise(Module):
    """In training, x + σ ε with ε ~ N(0, 1): noise on inputs or activations.

    Args:
        std: σ.
        relative: multiply σ by |x|.
    """

    def __init__(self, std: float = 0.1, relative: bool = False) -> None:
        super().__init__()
        if std < 0:
            raise ValueError(f"std must not be negative, got {std}")
        self.std = std
        self.relative = relative

    def forward(self, input: Any) -> Tensor:
        """The input, with noise in training."""
        return F.gaussian_noise(input, self.std, self.training, self.relative)

    def extra_repr(self) -> str:
        return f"std={self.std}, relative={self.relative}"


class VanillaDropout(_Dropout):
    """Dropout as first published: zeros in training, everything times 1 − p in evaluation.

    Where :class:`Dropout` scales the states in training, this scales what follows in evaluation.
    Both have the same expectation; their training differs by the factor.

    Args:
        p: probability of dropping. The lecture's p is the probability of keeping, 1 − p.
    """

    def forward(self, input: TensorLike) -> Tensor:
        """The input, thinned out in training, scaled in evaluation."""
        x = as_tensor(input)
        if not self.training:
            return x * (1 - self.p)
        return F.dropout(x, self.p) * (1 - self.p)

    def fold_into(self, layer: Module) -> None:
        """Scale the weight of the layer that follows by 1 − p, and drop nothing from now on.

        What the document calls weight scaling: after training, evaluation is the same with one
        multiplication less.
        """
        weight = layer.get_parameter("weight")
        note_write(weight.data)
        weight.data *= weight.dtype.type(1 - self.p)
        self.p = 0.0


class MonteCarlo(NamedTuple):
    """What :func:`monte_carlo` found.

    Attributes:
        mean: of the predictions, the model's answer.
        std: their spread, which grows where the model is unsure; of the shape of one prediction.
        samples: all predictions, (n_samples, …).
    """

    mean: np.ndarray[Any, Any]
    std: np.ndarray[Any, Any]
    samples: np.ndarray[Any, Any]


def monte_carlo(
    model: Module,
    inputs: Any,
    n_samples: int = 100,
    transform: Callable[[Any], Any] | None = None,
) -> MonteCarlo:
    """Predict many times with dropout on, and take mean and spread (Gal & Ghahramani 2016).

    Everything else (batch normalisation, say) is in evaluation mode; the modes are put back.

    Args:
        model: with dropout or noise layers.
        inputs: a batch for it.
        n_samples: how many passes; hundreds for a usable spread.
        transform: applied to each output, for example a softmax.

    >>> import nn
    >>> prediction = nn.monte_carlo(nn.Sequential(nn.Dropout(0.5)), [[1.0, 2.0]], 200)
    >>> prediction.mean.shape, prediction.samples.shape
    ((1, 2), (200, 1, 2))
    """
    if n_samples < 1:
        raise ValueError(f"n_samples must be positive, got {n_samples}")
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        for module, _ in modes:
            if isinstance(module, _Dropout | GaussianNoise):
                module.training = True
        with no_grad():
            outputs = []
            for _ in range(n_samples):
                out = model(inputs)
                out = out if transform is None else transform(out)
                outputs.append(out.data if isinstance(out, Tensor) else np.asarray(out))
    finally:
        for module, mode in modes:
            module.training = mode
    samples = np.stack(outputs)
    return MonteCarlo(samples.mean(axis=0), samples.std(axis=0), samples)
