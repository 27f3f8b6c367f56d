"""Normalisation layers, over the batch or within each sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd import Tensor, TensorLike, as_tensor
from nn import functional as F
from nn import init
from nn.functional._arguments import like
from nn.linear import empty_parameter
from nn.module import Module
from nn.parameter import Parameter, get_default_dtype

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
]


class _RunningNorm(Module):
    """Scale, shift and running statistics of each channel."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        dtype: npt.DTypeLike | None,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = empty_parameter((num_features,), dtype)
        else:
            self.register_parameter("weight", None)
        if affine and bias:
            self.bias = empty_parameter((num_features,), dtype)
        else:
            self.register_parameter("bias", None)
        if track_running_stats:
            of_type = get_default_dtype() if dtype is None else np.dtype(dtype)
            self.register_buffer("running_mean", np.zeros(num_features, of_type))
            self.register_buffer("running_var", np.ones(num_features, of_type))
            self.register_buffer("num_batches_tracked", np.array(0))
        else:
            self.register_buffer("running_mean", None)
            self.register_buffer("running_var", None)
            self.register_buffer("num_batches_tracked", None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the batches seen so far."""
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean.data[...] = 0
            self.running_var.data[...] = 1
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.data[...] = 0

    def reset_parameters(self) -> None:
        """Scale 1, shift 0, nothing seen."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _share_of_new(self) -> float:
        """The momentum of this batch; counts the batch."""
        if self.num_batches_tracked is None:
            return 0.0 if self.momentum is None else self.momentum
        self.num_batches_tracked.data += 1
        if self.momentum is None:  # the plain mean of all batches
            return 1 / int(self.num_batches_tracked.data)
        return self.momentum

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_RunningNorm):
    ndims: tuple[int, ...]
    shapes: str

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias)

    def forward(self, input: TensorLike) -> Tensor:
        """The normalised input; in training the running statistics move."""
        reference = self.weight if self.weight is not None else self.running_mean
        x = as_tensor(input) if reference is None else as_tensor(like(input, reference))
        if x.ndim not in self.ndims or x.shape[1] != self.num_features:
            hint = f"num_features={x.shape[1]}?" if x.ndim in self.ndims else ""
            raise self._reject(self.shapes.replace("C", str(self.num_features)), x, hint)
        by_batch = self.training or self.running_mean is None
        share = 0.0
        if self.training and self.track_running_stats:
            share = self._share_of_new()
        tracked = not self.training or self.track_running_stats
        return F.batch_norm(
            x,
            self.running_mean if tracked else None,
            self.running_var if tracked else None,
            self.weight,
            self.bias,
            by_batch,
            share,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L); arguments as :class:`BatchNorm2d`."""

    ndims = (2, 3)
    shapes = "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Each channel with mean 0 and variance 1 over the batch (Ioffe & Szegedy 2015).

    Args:
        num_features: number of channels C.
        eps: added to the variance.
        momentum: share of each new batch in the running statistics; None for the plain mean of
            all batches.
        affine: whether a scale and, with ``bias``, a shift are learnt.
        track_running_stats: whether evaluation uses running statistics instead of the batch's.
        dtype: of parameters and statistics, float32 by default.

    Shapes: (N, C, H, W) to the same.

    Attributes:
        weight, bias: (C,), scale and shift, 1 and 0 at first.
        running_mean, running_var: (C,); the variance is unbiased.
        num_batches_tracked: how many batches were seen.

    >>> import numpy as np, nn
    >>> norm = nn.BatchNorm2d(1)
    >>> norm(np.array([1.0, 3.0]).reshape(2, 1, 1, 1)).numpy().ravel().round(3)
    array([-1.,  1.], dtype=float32)
    >>> norm.running_mean, norm.running_var
    (Tensor([0.2], dtype=float32), Tensor([1.1], dtype=float32))
    """

    ndims = (4,)
    shapes = "(N, C, H, W)"


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W); arguments as :class:`BatchNorm2d`."""

    ndims = (5,)
    shapes = "(N, C, D, H, W)"


class _InstanceNorm(_RunningNorm):
    n: int
    shapes: str

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias)

    def forward(self, input: TensorLike) -> Tensor:
        """The normalised input."""
        reference = self.weight if self.weight is not None else self.running_mean
        x = as_tensor(input) if reference is None else as_tensor(like(input, reference))
        if x.ndim not in (self.n + 1, self.n + 2) or (
            x.shape[-self.n - 1] != self.num_features
            and (self.affine or self.track_running_stats or x.ndim not in (self.n + 1, self.n + 2))
        ):
            raise self._reject(self.shapes.replace("C", str(self.num_features)), x)
        batched = x if x.ndim == self.n + 2 else x[None]
        share = self.momentum if self.momentum is not None else 0.0
        out = F.instance_norm(
            batched,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            share,
            self.eps,
        )
        return out if x.ndim == self.n + 2 else out[0]


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (N, C, L) or (C, L); arguments as :class:`InstanceNorm2d`."""

    n = 1
    shapes = "(N, C, L) or (C, L)"


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each sample with mean 0 and variance 1 (Ulyanov et al. 2016).

    Args:
        num_features: number of channels C.
        eps: added to the variance.
        momentum: share of each new batch in the running statistics.
        affine: whether a scale and a shift are learnt; not by default.
        track_running_stats: whether evaluation uses running statistics; not by default.
        dtype: of parameters and statistics, float32 by default.
    """

    n = 2
    shapes = "(N, C, H, W) or (C, H, W)"


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of (N, C, D, H, W); arguments as :class:`InstanceNorm2d`."""

    n = 3
    shapes = "(N, C, D, H, W) or (C, D, H, W)"


class LayerNorm(Module):
    """Each sample's last axes with mean 0 and variance 1 (Ba et al. 2016).

    Args:
        normalized_shape: lengths of the last axes that are normalised together.
        eps: added to the variance.
        elementwise_affine: whether a scale and a shift are learnt.
        bias: whether there is a shift.
        dtype: of the parameters, float32 by default.

    Attributes:
        weight, bias: of shape ``normalized_shape``, 1 and 0 at first, or None.

    >>> import nn
    >>> nn.LayerNorm(2)([[1.0, 3.0]]).numpy().round(3)
    array([[-1.,  1.]], dtype=float32)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape_of(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        if elementwise_affine:
            self.weight = empty_parameter(self.normalized_shape, dtype)
        else:
            self.register_parameter("weight", None)
        if elementwise_affine and bias:
            self.bias = empty_parameter(self.normalized_shape, dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: TensorLike) -> Tensor:
        """The normalised input."""
        x = as_tensor(input if self.weight is None else like(input, self.weight))
        _check_last_axes(self, x)
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


def _shape_of(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    if isinstance(normalized_shape, int | np.integer):
        return (int(normalized_shape),)
    return tuple(int(n) for n in normalized_shape)


def _check_last_axes(module: LayerNorm | RMSNorm, x: Tensor) -> None:
    shape = module.normalized_shape
    if x.shape[x.ndim - len(shape) :] != shape:
        raise module._reject(f"(…, {', '.join(map(str, shape))})", x)


class RMSNorm(Module):
    """Each sample's last axes divided by their root mean square (Zhang & Sennrich 2019).

    Args:
        normalized_shape: lengths of the last axes that are normalised together.
        eps: added to the mean square, by default the machine epsilon of the input's dtype.
        elementwise_affine: whether a scale is learnt.
        dtype: of the scale, float32 by default.
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape_of(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        if elementwise_affine:
            self.weight = empty_parameter(self.normalized_shape, dtype)
        else:
            self.register_parameter("weight", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: TensorLike) -> Tensor:
        """The normalised input."""
        x = as_tensor(input if self.weight is None else like(input, self.weight))
        _check_last_axes(self, x)
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(Module):
    """Each sample's groups of channels with mean 0 and variance 1 (Wu & He 2018).

    Args:
        num_groups: divides ``num_channels``.
        num_channels: C.
        eps: added to the variance.
        affine: whether a scale and a shift of each channel are learnt.
        dtype: of the parameters, float32 by default.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError("num_channels must be divisible by num_groups")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        if affine:
            self.weight = empty_parameter((num_channels,), dtype)
        else:
            self.register_parameter("weight", None)
        if affine and bias:
            self.bias = empty_parameter((num_channels,), dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: TensorLike) -> Tensor:
        """The normalised input."""
        x = as_tensor(input if self.weight is None else like(input, self.weight))
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise self._reject(f"(N, {self.num_channels}, …)", x)
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """x / (k + α mean of x² over ``size`` neighbouring channels)^β (Krizhevsky et al. 2012)."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: TensorLike) -> Tensor:
        """The normalised input."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
