"""The operations the engine can differentiate, one file per family.

Importing a file registers its primitives; they answer for the NumPy functions of the same name and
become Tensor's operators and methods.
"""

from autograd.primitives import (
    arithmetic,
    choosing,
    constants,
    convolution,
    cumulative,
    decompositions,
    diagonals,
    einsum,
    elementwise,
    fft,
    indexing,
    inplace,
    joining,
    linalg,
    norms,
    padding,
    pooling,
    products,
    reduction,
    shaping,
    sorting,
    ufuncs,
)

__all__ = [
    "arithmetic",
    "choosing",
    "constants",
    "convolution",
    "cumulative",
    "decompositions",
    "diagonals",
    "einsum",
    "elementwise",
    "fft",
    "indexing",
    "inplace",
    "joining",
    "linalg",
    "norms",
    "padding",
    "pooling",
    "products",
    "reduction",
    "shaping",
    "sorting",
    "ufuncs",
]
