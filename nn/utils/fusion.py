"""Batch normalisation folded into the layer before it, for evaluation."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import numpy as np

from nn.module import Module
from nn.parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_linear_bn_eval"]

M = TypeVar("M", bound=Module)


def _fused(layer: M, bn: Any, axis: int) -> M:
    if layer.training or bn.training:
        raise ValueError("fusion only for eval: call layer.eval() and bn.eval() first")
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError("fusion needs running statistics (track_running_stats=True)")
    fused = copy.deepcopy(layer)
    weight = layer.weight.data
    scale = 1 / np.sqrt(bn.running_var.data + bn.eps)
    if bn.weight is not None:
        scale = scale * bn.weight.data
    shift = -bn.running_mean.data if layer.bias is None else layer.bias.data - bn.running_mean.data
    bias = shift * scale + (0 if bn.bias is None else bn.bias.data)
    shape = [1] * weight.ndim
    shape[axis] = -1
    trained = layer.weight.requires_grad
    fused.weight = Parameter((weight * scale.reshape(shape)).astype(weight.dtype), trained)
    fused.bias = Parameter(bias.astype(weight.dtype), trained)
    return fused


def fuse_conv_bn_eval(conv: M, bn: Module, transpose: bool = False) -> M:
    """One convolution that does what the two do in evaluation mode.

    Args:
        conv: a convolution in evaluation mode.
        bn: the batch normalisation that follows it, in evaluation mode.
        transpose: whether it is a transposed convolution (without groups).

    >>> import numpy as np, nn
    >>> from nn.utils import fuse_conv_bn_eval
    >>> pair = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).eval()
    >>> x = np.ones((1, 1, 4, 4), np.float32)
    >>> np.allclose(fuse_conv_bn_eval(*pair)(x).numpy(), pair(x).numpy(), atol=1e-6)
    True
    """
    return _fused(conv, bn, 1 if transpose else 0)


def fuse_linear_bn_eval(linear: M, bn: Module) -> M:
    """One linear layer that does what the two do in evaluation mode."""
    return _fused(linear, bn, 0)
