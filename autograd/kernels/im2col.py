"""im2col as in textbooks, on plain arrays, and its adjoint: the whole batch at once.

`conv` gets the same products from pieces that fit into caches, and copies less.
"""

from __future__ import annotations

import math

import numpy as np

from autograd.kernels._windows import Array, Ints, Padding, conv_output_shape, each_tap

__all__ = ["col2im", "im2col"]


def im2col(x: Array, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints) -> Array:
    """Lay out every window of ``x`` as a column, so that convolution becomes a matrix product.

    The textbook form, whole batch at once; `conv` gets the same product from cache-sized pieces.

    Args:
        x: input, ``(N, C, *spatial)``.
        kernel: spatial shape of the window.
        stride, padding, dilation: as for `conv`.

    Returns:
        Columns, ``(N, C * prod(kernel), prod(out))``, both axes in row-major order, as
        ``torch.nn.functional.unfold`` lays them out.

    >>> im2col(np.arange(4).reshape(1, 1, 4), (2,), (1,), ((0, 0),), (1,))
    array([[[0, 1, 2],
            [1, 2, 3]]])
    """
    out = conv_output_shape(x.shape[2:], kernel, stride, padding, dilation)
    cols = np.zeros((*x.shape[:2], math.prod(kernel), *out), x.dtype)
    taps = each_tap(x.shape[2:], out, kernel, stride, padding, dilation)
    for i, (windows, cells) in enumerate(taps):
        cols[:, :, i][windows] = x[cells]
    return cols.reshape(x.shape[0], x.shape[1] * math.prod(kernel), math.prod(out))


def col2im(
    cols: Array, spatial: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints
) -> Array:
    """Adjoint of `im2col`: add every column back onto the cells its window covers.

    Args:
        cols: columns, ``(N, C * prod(kernel), prod(out))``.
        spatial: spatial shape of the result.
        kernel, stride, padding, dilation: as given to `im2col`.

    Returns:
        Sums, ``(N, C, *spatial)``, as ``torch.nn.functional.fold`` gives them.

    >>> col2im(np.ones((1, 2, 3)), (4,), (2,), (1,), ((0, 0),), (1,))
    array([[[1., 2., 2., 1.]]])
    """
    out = conv_output_shape(spatial, kernel, stride, padding, dilation)
    channels = cols.shape[1] // math.prod(kernel)
    cols = cols.reshape(cols.shape[0], channels, math.prod(kernel), *out)
    x = np.zeros((cols.shape[0], channels, *spatial), cols.dtype)
    taps = each_tap(spatial, out, kernel, stride, padding, dilation)
    for i, (windows, cells) in enumerate(taps):
        x[cells] += cols[:, :, i][windows]
    return x
