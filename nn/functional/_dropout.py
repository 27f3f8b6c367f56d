"""Random zeros and noise in training; all draw from the library's generator."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor
from autograd.extend import generator
from nn.functional._activation import SELU_ALPHA, SELU_SCALE
from nn.functional._arguments import fit_probability

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
    "gaussian_noise",
]


def keep_mask(shape: tuple[int, ...], p: float) -> Any:
    """True with probability 1 − p, independently.

    One number of 64 random bits serves 8 elements if p is a multiple of 1/256, else 4, for which p
    is rounded to a multiple of 2⁻¹⁶; near 0 and 1, where that would matter, each gets its own.
    """
    if p * 256 == int(p * 256):
        kind: Any = np.uint8
    elif 1 / 64 <= p <= 63 / 64:
        kind = np.uint16
    else:
        return generator().random(shape, np.float32) >= p
    bits, count = np.iinfo(kind).bits, prod(shape)
    numbers = generator().bit_generator.random_raw(-(-count * bits // 64))
    return numbers.view(kind)[:count].reshape(shape) >= round(p * 2**bits)


def dropout(
    input: TensorLike, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Each element zero with probability p, the others divided by 1 − p (Srivastava et al. 2014).

    Args:
        p: probability of dropping, not of keeping.
        training: without it, the input as it is.

    >>> from autograd import manual_seed
    >>> _ = manual_seed(0)
    >>> dropout([1.0, 1.0, 1.0, 1.0], p=0.5)
    Tensor([0., 2., 2., 2.])
    """
    fit_probability(p)
    x = as_tensor(input)
    if not training or p == 0:
        return x
    return x * _scaled_mask(x.shape, p, x.dtype)


def _scaled_mask(shape: tuple[int, ...], p: float, dtype: Any) -> Any:
    """1 / (1 − p) where an element is kept, else 0."""
    if p == 1:
        return np.zeros(shape, dtype)
    return keep_mask(shape, p) * dtype.type(1 / (1 - p))


def _channel_dropout(
    input: TensorLike, p: float, training: bool, spatial: int, name: str
) -> Tensor:
    """Drop whole channels of (N, C, …), or of (C, …)."""
    fit_probability(p)
    x = as_tensor(input)
    if x.ndim not in (spatial + 1, spatial + 2):
        raise ValueError(
            f"{name} expects (N, C, …) or (C, …) with {spatial} spatial axes, got {x.shape}"
        )
    if not training or p == 0:
        return x
    lead = x.ndim - spatial
    return x * _scaled_mask(x.shape[:lead] + (1,) * spatial, p, x.dtype)


def dropout1d(
    input: TensorLike, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Whole channels of (N, C, L) or (C, L) zero with probability p."""
    return _channel_dropout(input, p, training, 1, "dropout1d")


def dropout2d(
    input: TensorLike, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Whole channels of (N, C, H, W) or (C, H, W) zero with probability p."""
    return _channel_dropout(input, p, training, 2, "dropout2d")


def dropout3d(
    input: TensorLike, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Whole channels of (N, C, D, H, W) or (C, D, H, W) zero with probability p."""
    return _channel_dropout(input, p, training, 3, "dropout3d")


def alpha_dropout(
    input: TensorLike, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout for self-normalising networks: mean and variance stay (Klambauer et al. 2017).

    Dropped elements take SELU's lower limit; an affine map then restores mean 0 and variance 1.
    """
    x = as_tensor(input)
    return _alpha_dropout(x, p, training, x.shape)


def feature_alpha_dropout(
    input: TensorLike, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """:func:`alpha_dropout` of whole channels of (N, C, …)."""
    x = as_tensor(input)
    if x.ndim < 2:
        raise ValueError(f"feature dropout requires at least 2 dimensions, got {x.shape}")
    return _alpha_dropout(x, p, training, x.shape[:2] + (1,) * (x.ndim - 2))


def _alpha_dropout(x: Tensor, p: float, training: bool, shape: tuple[int, ...]) -> Tensor:
    fit_probability(p)
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0
    low = -SELU_ALPHA * SELU_SCALE
    keep = keep_mask(shape, p)
    a = ((1 - p) * (1 + p * low * low)) ** -0.5
    kept = keep * x.dtype.type(a)
    shift = np.where(keep, 0, a * low) - a * low * p
    return x * kept + shift.astype(x.dtype)


def gaussian_noise(
    input: TensorLike, std: float = 0.1, training: bool = True, relative: bool = False
) -> Tensor:
    """x + σ ε with ε ~ N(0, 1) in training, else x.

    Args:
        std: σ, not negative.
        relative: multiply σ by |x|.
    """
    if std < 0:
        raise ValueError(f"gaussian_noise: std must not be negative, got {std}")
    x = as_tensor(input)
    if not training or std == 0:
        return x
    scale = std * np.abs(x.data) if relative else std
    return x + (generator().standard_normal(x.shape) * scale).astype(x.dtype)
