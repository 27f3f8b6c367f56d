"""Dropout in its variants, and noise on activations; active in training mode only."""

from __future__ import annotations

from typing import Any

from autograd import Tensor, TensorLike
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
