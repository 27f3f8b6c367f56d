"""The operations the engine can differentiate, one file per family.

Importing a file registers its primitives; they answer for the NumPy functions of the same name and
become Tensor's operators and methods.
"""

from autograd.primitives import (
    arithmetic,
    convolution,
    elementwise,
    indexing,
    inplace,
    linalg,
    pooling,
    reduction,
    shaping,
)

__all__ = ["arithmetic", "convolution", "elementwise", "indexing", "inplace", "linalg", "pooling", "reduction", "shaping"]
