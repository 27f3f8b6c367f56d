"""Normalisation over batches, channels, groups and neighbourhoods; vectors of unit length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor, kernels
from autograd.extend import note_write
from autograd.primitives import networks
from nn.functional._arguments import like

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]

_batch_norm = networks.batch_norm.call
_channel_scale = networks.channel_scale.call
_group_norm = networks.group_norm.call
_layer_norm = networks.layer_norm.call


def _moments(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, deviations from it, and their mean square, with the axes kept."""
    mean = np.mean(x, axis=axes, keepdims=True)
    centered = x - mean
    return mean, centered, np.mean(centered * centered, axis=axes, keepdims=True)


def _affine(x: Tensor, scale: Any, weight: Any, bias: Any, shape: tuple[int, ...]) -> Tensor:
    """x scale weight + bias, with the small factors multiplied first."""
    if weight is not None:
        scale = scale * as_tensor(weight).reshape(shape)
    out = x * scale
    return out if bias is None else out + as_tensor(bias).reshape(shape)


def _update(running: Tensor, new: Any, momentum: float) -> None:
    """running ← (1 − momentum) running + momentum new, in place."""
    note_write(running.data)
    running.data *= 1 - momentum
    running.data += (momentum * new).astype(running.dtype)


def _alike(shape: tuple[int, ...], x: Tensor, *others: Any) -> list[Any]:
    """Tensors of one dtype, those but the first of the shape; None stays."""
    if any(v is not None and v.dtype is not x.dtype for v in others):
        dtype = np.result_type(x.dtype, *[v.dtype for v in others if v is not None])
        x = as_tensor(x, dtype)
        others = tuple([v if v is None else as_tensor(v, dtype) for v in others])
    tensors = [v if v is None else as_tensor(v) for v in others]
    return [x, *[v if v is None or v.shape == shape else v.reshape(shape) for v in tensors]]


def _values(running: Any) -> Any:
    return as_tensor(running).data.reshape(-1)


def batch_norm(
    input: TensorLike,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel with the batch's mean 0 and variance 1, or by running statistics.

    Args:
        input: (N, C, …).
        running_mean, running_var: (C,); read in evaluation, changed in place in training.
        weight, bias: (C,), applied afterwards.
        training: normalise by the batch's own statistics.
        momentum: share of the new batch in the running statistics.
        eps: added to the variance.

    The batch is divided by its biased variance, the running one is unbiased, as in PyTorch.
    """
    x = as_tensor(input if weight is None else like(input, weight))
    if x.ndim < 2:
        raise ValueError(f"batch_norm expects (N, C, …), got {x.shape}")
    axes = (0, *range(2, x.ndim))
    shape = (1, -1) + (1,) * (x.ndim - 2)
    for name, value in (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", weight),
        ("bias", bias),
    ):
        if value is not None and value.size != x.shape[1]:
            raise ValueError(
                f"{name} should contain {x.shape[1]} elements, one per channel, not {value.size}"
            )
    x, weight, bias = _alike(x.shape[1:2], x, weight, bias)
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm in evaluation needs running_mean and running_var")
        if x.dtype.kind == "f" and x.size:
            rate = 1 / np.sqrt(_values(running_var) + eps)
            scale = rate if weight is None else weight * rate.astype(weight.dtype)
            return _channel_scale(x, scale, bias, center=_values(running_mean).copy())
        centered = x - as_tensor(running_mean).detach().data.reshape(shape)
        scale = 1 / np.sqrt(as_tensor(running_var).detach().data.reshape(shape) + eps)
        return _affine(centered, scale, weight, bias, shape)
    count = x.size // x.shape[1] if x.shape[1] else 0
    if count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {x.shape}"
        )
    if x.dtype.kind == "f" and x.size:
        moments = kernels.channel_moments(x.data)
        if running_mean is not None:
            _update(running_mean, moments[0], momentum)
        if running_var is not None:
            _update(running_var, moments[1] * (count / max(count - 1, 1)), momentum)
        return _batch_norm(x, weight, bias, eps, moments)
    mean, centered, variance = _moments(x, axes)
    if running_mean is not None:
        _update(running_mean, mean.data.ravel(), momentum)
    if running_var is not None:
        _update(running_var, variance.data.ravel() * (count / max(count - 1, 1)), momentum)
    return _affine(centered, 1 / np.sqrt(variance + eps), weight, bias, shape)


def layer_norm(
    input: TensorLike,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each sample's last axes with mean 0 and variance 1 (Ba et al. 2016).

    Args:
        input: (…, *normalized_shape).
        weight, bias: of shape ``normalized_shape``.
    """
    x = _floating(as_tensor(input if weight is None else like(input, weight)))
    shape = _last_axes(x, normalized_shape, "layer_norm")
    return _over_last(shape, x, weight, bias, eps, True)


def rms_norm(
    input: TensorLike,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Each sample's last axes divided by their root mean square (Zhang & Sennrich 2019).

    Args:
        eps: by default the machine epsilon of the input's dtype.
    """
    x = _floating(as_tensor(input if weight is None else like(input, weight)))
    shape = _last_axes(x, normalized_shape, "rms_norm")
    if eps is None:
        eps = float(np.finfo(x.dtype).eps)
    return _over_last(shape, x, weight, None, eps, False)


def _over_last(
    shape: tuple[int, ...], x: Tensor, weight: Any, bias: Any, eps: float, centered: bool
) -> Tensor:
    """The last axes, of that shape, normalised together."""
    x, weight, bias = _alike(shape, x, weight, bias)
    if not x.size:
        return x * 1
    return _layer_norm(x, weight, bias, axes=len(shape), eps=eps, centered=centered)


def _grouped(x: Tensor, weight: Any, bias: Any, groups: int, eps: float) -> Tensor:
    """Each of the groups of channels of (N, C, …) normalised, times weight, plus bias."""
    x, weight, bias = _alike(x.shape[1:2], _floating(x), weight, bias)
    return _group_norm(x, weight, bias, groups=groups, eps=eps, centered=True) if x.size else x * 1


def _floating(x: Tensor) -> Tensor:
    return x if x.dtype.kind == "f" else as_tensor(x, float)


def _last_axes(x: Tensor, normalized_shape: Sequence[int], name: str) -> tuple[int, ...]:
    """The shape, if the last axes have it."""
    shape = tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(
            f"{name}: Given normalized_shape={list(shape)}, expected input with shape "
            f"(…, {', '.join(map(str, shape))}), but got {x.shape}"
        )
    return shape


def group_norm(
    input: TensorLike,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each sample's groups of channels with mean 0 and variance 1 (Wu & He 2018).

    Args:
        input: (N, C, …).
        num_groups: divides C; 1 normalises over all channels, C over each one.
        weight, bias: (C,).
    """
    x = as_tensor(input if weight is None else like(input, weight))
    if x.ndim < 2:
        raise ValueError(f"group_norm expects (N, C, …), got {x.shape}")
    n, c = x.shape[:2]
    if num_groups < 1 or c % num_groups:
        raise ValueError(
            f"Expected number of channels in input to be divisible by num_groups, but got input "
            f"of shape {x.shape} and num_groups={num_groups}"
        )
    if n * num_groups == 1 == x.size:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {x.shape}"
        )
    return _grouped(x, weight, bias, num_groups, eps)


def instance_norm(
    input: TensorLike,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample with mean 0 and variance 1 (Ulyanov et al. 2016).

    Args:
        input: (N, C, …) with at least one further axis.
        running_mean, running_var: (C,), the means over the batch; changed in place if given.
        use_input_stats: normalise by each sample's statistics, not by the running ones.
    """
    x = as_tensor(input if weight is None else like(input, weight))
    if x.ndim < 3:
        raise ValueError(f"instance_norm expects (N, C, …) with spatial axes, got {x.shape}")
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    count = int(np.prod(x.shape[2:]))
    if count == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {x.shape}"
        )
    axes = tuple(range(2, x.ndim))
    if running_mean is not None:
        _update(running_mean, x.data.mean(axes).mean(0), momentum)
    if running_var is not None:
        _update(running_var, x.data.var(axes, ddof=1).mean(0), momentum)
    return _grouped(x, weight, bias, x.shape[1], eps)


def local_response_norm(
    input: TensorLike, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + α mean of x² over ``size`` neighbouring channels)^β (Krizhevsky et al. 2012).

    As in PyTorch the mean runs over ``size`` channels, zeros beyond the edges included.

    Args:
        input: (N, C, …).
    """
    x = as_tensor(input)
    if x.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {x.ndim} dimensions)")
    if size < 1:
        raise ValueError(f"local_response_norm: size must be positive, got {size}")
    before, after = size // 2, (size - 1) // 2
    squares = np.pad(x * x, ((0, 0), (before, after), *((0, 0),) * (x.ndim - 2)))
    total: Any = 0
    for shift in range(size):
        total = total + squares[:, shift : shift + x.shape[1]]
    return x / np.power(total * (alpha / size) + k, beta)


def normalize(
    input: TensorLike, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: None = None
) -> Tensor:
    """x / max(‖x‖ₚ, eps) along ``dim``: vectors of unit length.

    >>> normalize([[3.0, 4.0]])
    Tensor([[0.6, 0.8]])
    """
    from nn.functional._distance import vector_norm

    x = as_tensor(input)
    return x / np.maximum(vector_norm(x, p, dim, keepdims=True), eps)
