"""Tools around modules: clipping, vectors of parameters, parametrisations, pruning, fusion."""

from nn.utils import parametrizations, parametrize, prune
from nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from nn.utils.gradients import (
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
    parameters_to_vector,
    vector_to_parameters,
)

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "fuse_conv_bn_eval",
    "fuse_linear_bn_eval",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "prune",
    "vector_to_parameters",
]
