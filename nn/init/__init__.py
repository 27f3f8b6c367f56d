"""Initialisers, and what they do to variances on their way through a network.

PyTorch's names and arguments; those that end in an underscore fill a tensor in place and return it.
"""

from nn.init._fill import (
    bias_to_mean_,
    calculate_gain,
    constant_,
    dirac_,
    eye_,
    fan_in_and_fan_out,
    fan_out_normal_,
    fan_out_uniform_,
    kaiming_normal_,
    kaiming_uniform_,
    lecun_normal_,
    lecun_uniform_,
    normal_,
    ones_,
    orthogonal_,
    sparse_,
    trunc_normal_,
    uniform_,
    xavier_normal_,
    xavier_uniform_,
    zeros_,
)
from nn.init._propagation import (
    data_dependent_,
    gaussian_moment,
    numerical_gain,
    propagation_map,
    selu_moments,
)

__all__ = [
    "bias_to_mean_",
    "calculate_gain",
    "constant_",
    "data_dependent_",
    "dirac_",
    "eye_",
    "fan_in_and_fan_out",
    "fan_out_normal_",
    "fan_out_uniform_",
    "gaussian_moment",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "normal_",
    "numerical_gain",
    "ones_",
    "orthogonal_",
    "propagation_map",
    "selu_moments",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]
