"""Convolutions and their transposes in one, two and three dimensions; windows as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor
from autograd.primitives import convolution
from nn.functional._arguments import Ints, Pairs, ints, like, pairs

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "fold",
    "true_conv1d",
    "true_conv2d",
    "true_conv3d",
    "unfold",
]

_conv = convolution.conv
_conv_input_grad = convolution.conv_input_grad
IntOrInts = int | Sequence[int]


def same_padding(kernel: Ints, dilation: Ints) -> Pairs:
    """The padding that keeps the size at stride 1; the odd one goes after, as PyTorch's."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation)]
    return tuple((total // 2, total - total // 2) for total in totals)


def padding_pairs(padding: Any, n: int, kernel: Ints, stride: Ints, dilation: Ints) -> Pairs:
    """``padding`` of a convolution, a number, numbers, "same" or "valid", as pairs."""
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * n
        if padding != "same":
            raise ValueError(f"padding must be a number, 'same' or 'valid', got {padding!r}")
        if any(s != 1 for s in stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
        return same_padding(kernel, dilation)
    return pairs(ints(padding, n, "padding", 0))


def convolve(
    x: Any, weight: Any, bias: Any, stride: Ints, padding: Pairs, dilation: Ints, groups: int
) -> Tensor:
    """A convolution of images with or without the leading batch axis."""
    x = like(x, weight)
    if x.ndim == len(stride) + 1:
        return _conv(x[None], weight, bias, stride, padding, dilation, groups)[0]
    return _conv(x, weight, bias, stride, padding, dilation, groups)


def _conv_nd(
    n: int,
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None,
    stride: IntOrInts,
    padding: Any,
    dilation: IntOrInts,
    groups: int,
) -> Tensor:
    weight = as_tensor(weight)
    strides, dilations = ints(stride, n, "stride"), ints(dilation, n, "dilation")
    border = padding_pairs(padding, n, weight.shape[2:], strides, dilations)
    return convolve(
        input,
        weight,
        None if bias is None else like(bias, weight),
        strides,
        border,
        dilations,
        groups,
    )


def conv1d(
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: IntOrInts = 1,
    padding: IntOrInts | str = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of sequences with kernels, see :func:`conv2d`.

    Args:
        input: (N, C, L) or (C, L).
        weight: (O, C / groups, K).
        bias: (O,).

    >>> conv1d(np.array([[[1.0, 2.0, 3.0, 4.0]]]), np.array([[[1.0, 10.0]]]))
    Tensor([[[21., 32., 43.]]])
    """
    return _conv_nd(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: IntOrInts = 1,
    padding: IntOrInts | str = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of images with kernels: what libraries call convolution.

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (O, C / groups, KH, KW).
        bias: (O,).
        stride, dilation: one number, or one per axis.
        padding: zeros on both sides; a number, one per axis, "same" (stride 1 only) or "valid".
        groups: channels are split into this many blocks that do not see each other.

    Returns:
        (N, O, OH, OW) with OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1.
        Small images of a batch may stand innermost in memory, neighbours being cells of two
        images: values are the same, strides are not. Rows, (N, -1), are a view in any case.

    For true convolution flip the kernel: ``conv2d(x, np.flip(w, (2, 3)))``.

    >>> x = np.arange(1.0, 17).reshape(1, 1, 4, 4)
    >>> w = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> conv2d(x, w).numpy()[0, 0]
    array([[ 44.,  54.,  64.],
           [ 84.,  94., 104.],
           [124., 134., 144.]])
    """
    return _conv_nd(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: IntOrInts = 1,
    padding: IntOrInts | str = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of volumes (N, C, D, H, W) with kernels, see :func:`conv2d`."""
    return _conv_nd(3, input, weight, bias, stride, padding, dilation, groups)


def _true_conv_nd(
    n: int, input: TensorLike, weight: TensorLike, bias: TensorLike | None, **options: Any
) -> Tensor:
    axes = tuple(range(-n, 0))
    return _conv_nd(
        n,
        input,
        np.flip(as_tensor(weight), axes),
        bias,
        options.get("stride", 1),
        options.get("padding", 0),
        options.get("dilation", 1),
        options.get("groups", 1),
    )


def true_conv1d(
    input: TensorLike, weight: TensorLike, bias: TensorLike | None = None, **options: Any
) -> Tensor:
    """Convolution as mathematics defines it: :func:`conv1d` with the kernel flipped."""
    return _true_conv_nd(1, input, weight, bias, **options)


def true_conv2d(
    input: TensorLike, weight: TensorLike, bias: TensorLike | None = None, **options: Any
) -> Tensor:
    """Convolution as mathematics defines it: :func:`conv2d` with the kernel flipped.

    Args:
        options: stride, padding, dilation and groups.

    >>> x = np.arange(1.0, 17).reshape(1, 1, 4, 4)
    >>> w = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> true_conv2d(x, w).numpy()[0, 0]
    array([[ 26.,  36.,  46.],
           [ 66.,  76.,  86.],
           [106., 116., 126.]])
    """
    return _true_conv_nd(2, input, weight, bias, **options)


def true_conv3d(
    input: TensorLike, weight: TensorLike, bias: TensorLike | None = None, **options: Any
) -> Tensor:
    """Convolution as mathematics defines it: :func:`conv3d` with the kernel flipped."""
    return _true_conv_nd(3, input, weight, bias, **options)


def _conv_transpose_nd(
    n: int,
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None,
    stride: IntOrInts,
    padding: IntOrInts,
    output_padding: IntOrInts,
    groups: int,
    dilation: IntOrInts,
) -> Tensor:
    weight = as_tensor(weight)
    x = as_tensor(like(input, weight))
    if x.ndim == n + 1:
        return _conv_transpose_nd(
            n, x[None], weight, bias, stride, padding, output_padding, groups, dilation
        )[0]
    strides, dilations = ints(stride, n, "stride"), ints(dilation, n, "dilation")
    paddings = ints(padding, n, "padding", 0)
    extra = ints(output_padding, n, "output_padding", 0)
    if x.ndim != n + 2 or weight.ndim != n + 2 or x.shape[1] != weight.shape[0]:
        raise ValueError(
            f"conv_transpose{n}d: a weight of shape {weight.shape} expects images "
            f"(N, {weight.shape[0]}, {', '.join('DHW'[3 - n :])}), got {x.shape}"
        )
    if any(e >= max(s, d) for e, s, d in zip(extra, strides, dilations)):
        raise ValueError(
            f"output padding must be smaller than either stride or dilation, but got "
            f"output_padding {extra}, stride {strides}, dilation {dilations}"
        )
    size = tuple(
        (length - 1) * s - 2 * p + d * (k - 1) + e + 1
        for length, s, p, d, k, e in zip(
            x.shape[2:], strides, paddings, dilations, weight.shape[2:], extra
        )
    )
    if min(size) < 1:
        raise ValueError(f"conv_transpose{n}d: the output would have size {size}")
    # The transpose of a convolution is the adjoint of the convolution that leads back.
    return _conv_input_grad(
        x,
        weight,
        None if bias is None else like(bias, weight),
        spatial=size,
        stride=strides,
        padding=pairs(paddings),
        dilation=dilations,
        groups=groups,
    )


def conv_transpose1d(
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: IntOrInts = 1,
    padding: IntOrInts = 0,
    output_padding: IntOrInts = 0,
    groups: int = 1,
    dilation: IntOrInts = 1,
) -> Tensor:
    """Transposed convolution of sequences (N, C, L), see :func:`conv_transpose2d`."""
    return _conv_transpose_nd(
        1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: IntOrInts = 1,
    padding: IntOrInts = 0,
    output_padding: IntOrInts = 0,
    groups: int = 1,
    dilation: IntOrInts = 1,
) -> Tensor:
    """The adjoint of a convolution: each input value spreads a kernel over the output.

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (C, O / groups, KH, KW).
        bias: (O,).
        output_padding: added to one side of the output size, to choose among the sizes that the
            convolution would have mapped to this input's.

    Returns:
        (N, O, OH, OW), OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.

    >>> conv_transpose2d(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2))).numpy()[0, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    return _conv_transpose_nd(
        2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: IntOrInts = 1,
    padding: IntOrInts = 0,
    output_padding: IntOrInts = 0,
    groups: int = 1,
    dilation: IntOrInts = 1,
) -> Tensor:
    """Transposed convolution of volumes (N, C, D, H, W), see :func:`conv_transpose2d`."""
    return _conv_transpose_nd(
        3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def _window_grid(
    size: Ints, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints
) -> tuple[Ints, Any, Any]:
    """Number of windows per axis, and the row and column of each element of each window."""
    counts = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(size, kernel, dilation, padding, stride)
    )
    if min(counts) < 1:
        raise ValueError(f"windows of {kernel} do not fit into {size} with padding {padding}")
    rows, columns = (
        np.arange(k)[:, None] * d + np.arange(c)[None, :] * s
        for k, d, c, s in zip(kernel, dilation, counts, stride)
    )
    # (KH, KW, OH, OW)
    return counts, rows[:, None, :, None], columns[None, :, None, :]


def unfold(
    input: TensorLike,
    kernel_size: IntOrInts,
    dilation: IntOrInts = 1,
    padding: IntOrInts = 0,
    stride: IntOrInts = 1,
) -> Tensor:
    """The windows that a convolution would see, as columns (im2col).

    Args:
        input: (N, C, H, W) or (C, H, W).

    Returns:
        (N, C KH KW, number of windows).

    >>> unfold(np.arange(9.0).reshape(1, 1, 3, 3), 2).numpy()[0]
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.],
           [3., 4., 6., 7.],
           [4., 5., 7., 8.]])
    """
    x = as_tensor(input)
    if x.ndim == 3:
        return unfold(x[None], kernel_size, dilation, padding, stride)[0]
    if x.ndim != 4:
        raise ValueError(f"unfold expects (N, C, H, W) or (C, H, W), got {x.shape}")
    kernel = ints(kernel_size, 2, "kernel_size")
    paddings = ints(padding, 2, "padding", 0)
    counts, rows, columns = _window_grid(
        x.shape[2:], kernel, ints(dilation, 2, "dilation"), paddings, ints(stride, 2, "stride")
    )
    if any(paddings):
        x = np.pad(x, ((0, 0), (0, 0), *pairs(paddings)))
    n, c = x.shape[:2]
    windows = x[:, :, rows, columns]
    return windows.reshape(n, c * kernel[0] * kernel[1], counts[0] * counts[1])


def fold(
    input: TensorLike,
    output_size: IntOrInts,
    kernel_size: IntOrInts,
    dilation: IntOrInts = 1,
    padding: IntOrInts = 0,
    stride: IntOrInts = 1,
) -> Tensor:
    """Columns added up where their windows lie: the adjoint of :func:`unfold`.

    Args:
        input: (N, C KH KW, number of windows), or without N.
        output_size: (H, W).

    Returns:
        (N, C, H, W).
    """
    x = as_tensor(input)
    if x.ndim == 2:
        return fold(x[None], output_size, kernel_size, dilation, padding, stride)[0]
    size = ints(output_size, 2, "output_size")
    kernel = ints(kernel_size, 2, "kernel_size")
    paddings = ints(padding, 2, "padding", 0)
    dilations, strides = ints(dilation, 2, "dilation"), ints(stride, 2, "stride")
    counts, _, _ = _window_grid(size, kernel, dilations, paddings, strides)
    area, blocks = kernel[0] * kernel[1], counts[0] * counts[1]
    if x.ndim != 3 or x.shape[1] % area or x.shape[2] != blocks:
        raise ValueError(
            f"fold to {size} with kernel {kernel} expects (N, C × {area}, {blocks}), got {x.shape}"
        )
    n, c = x.shape[0], x.shape[1] // area
    # Each window position is a channel; a kernel of ones at that position puts it in its place.
    places = np.eye(area, dtype=x.dtype).reshape(area, 1, *kernel)
    out = _conv_input_grad(
        x.reshape(n * c, area, *counts),
        places,
        None,
        spatial=size,
        stride=strides,
        padding=pairs(paddings),
        dilation=dilations,
        groups=1,
    )
    return out.reshape(n, c, *size)
