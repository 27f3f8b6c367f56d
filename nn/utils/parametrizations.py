"""Ready-made parametrisations: weight and spectral normalisation, noise on weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import Tensor, no_grad
from autograd.extend import generator, note_write
from nn.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from nn.functional._distance import vector_norm
from nn.module import Module
from nn.utils.parametrize import register_parametrization

__all__ = ["spectral_norm", "weight_noise", "weight_norm"]


class _WeightNorm(Module):
    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = dim

    def _norm(self, v: Tensor) -> Tensor:
        if self.dim is None:
            return vector_norm(v)
        axes = tuple(a for a in range(v.ndim) if a != self.dim % v.ndim)
        return vector_norm(v, 2.0, axes, keepdims=True) if axes else np.abs(v)

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        """g v / ‖v‖."""
        return v * (g / self._norm(v))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The norm and the weight itself."""
        return self._norm(weight), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train a weight's length and direction apart: w = g v / ‖v‖ (Salimans & Kingma 2016).

    Args:
        module: whose parameter it is.
        name: of the parameter.
        dim: the axis whose slices have a length each; None for one length of all.

    The parameters are ``parametrizations.<name>.original0`` (g) and ``original1`` (v).

    >>> import nn
    >>> layer = weight_norm(nn.Linear(20, 40))
    >>> layer.parametrizations.weight.original0.shape
    (40, 1)
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class _SpectralNorm(Module):
    def __init__(self, weight: Any, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got {n_power_iterations}"
            )
        self.dim = dim if dim >= 0 else dim + weight.ndim
        self.n_power_iterations = n_power_iterations
        self.eps = eps
        if weight.ndim > 1:
            matrix = self._as_matrix(weight.data)
            rng = generator()
            start = (rng.standard_normal(n).astype(weight.dtype) for n in matrix.shape)
            u, v = (x / max(np.linalg.norm(x), eps) for x in start)
            self.register_buffer("_u", u)
            self.register_buffer("_v", v)
            self._iterate(matrix, 15)

    def _as_matrix(self, weight: Any) -> Any:
        if self.dim != 0:
            order = (self.dim, *(a for a in range(weight.ndim) if a != self.dim))
            weight = weight.transpose(order)
        return weight.reshape(weight.shape[0], -1)

    def _iterate(self, matrix: Any, times: int) -> None:
        """Power iterations: u and v approach the first singular vectors."""
        u, v = self._u.data, self._v.data
        for _ in range(times):
            u = matrix @ v
            u /= max(np.linalg.norm(u), self.eps)
            v = matrix.T @ u
            v /= max(np.linalg.norm(v), self.eps)
        for buffer, value in ((self._u, u), (self._v, v)):
            note_write(buffer.data)
            buffer.data[...] = value

    def forward(self, weight: Tensor) -> Tensor:
        """W / σ(W); in training u and v take a step first."""
        if weight.ndim == 1:
            return weight / np.maximum(vector_norm(weight), self.eps)
        matrix = self._as_matrix(weight)
        if self.training:
            self._iterate(matrix.data, self.n_power_iterations)
        u, v = self._u.data.copy(), self._v.data.copy()
        return weight / (u @ (matrix @ v))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself: it is assumed to have been divided already."""
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a weight by its largest singular value (Miyato et al. 2018).

    The value is found by power iteration, one step in every call in training, with vectors kept as
    buffers. The gradient treats these vectors as constants.

    Args:
        module: whose parameter it is.
        name: of the parameter.
        n_power_iterations: steps in every call in training.
        eps: keeps divisions finite.
        dim: the axis of the outputs; 0, but 1 for transposed convolutions.

    >>> import numpy as np, nn
    >>> layer = spectral_norm(nn.Linear(20, 40))
    >>> for _ in range(100):
    ...     weight = layer.weight
    >>> np.linalg.norm(weight.numpy(), 2).round(3)
    np.float32(1.0)
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module {type(module).__name__!r} has no parameter with name {name!r}")
    if dim is None:
        transposed = isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d)
        dim = 1 if transposed else 0
    return register_parametrization(
        module, name, _SpectralNorm(weight, n_power_iterations, dim, eps)
    )


class _WeightNoise(Module):
    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = std

    def forward(self, weight: Tensor) -> Tensor:
        """The weight, with noise in training."""
        if not self.training:
            return weight
        noise = generator().standard_normal(weight.shape).astype(weight.dtype)
        return weight + weight.dtype.type(self.std) * noise

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself."""
        return value


def weight_noise(module: Module, name: str = "weight", std: float = 0.01) -> Module:
    """White noise N(0, std²) on a weight, new each time it is read, in training only.

    For small weights it acts as a penalty on the curvature of the output (Murray & Edwards 1993).
    """
    if std < 0:
        raise ValueError(f"weight_noise: std must not be negative, got {std}")
    with no_grad():
        return register_parametrization(module, name, _WeightNoise(std))
