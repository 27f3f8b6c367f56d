"""Convolution and its two adjoints, closed under differentiation, for any number of spatial axes.

As in every library of networks, convolution here is cross-correlation: the kernel is not flipped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import kernels
from autograd._primitive import primitive, sample

Ints = tuple[int, ...]
Padding = tuple[tuple[int, int], ...]

PLAIN: dict[str, Any] = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
STRIDED: dict[str, Any] = {"stride": (2, 1), "padding": ((1, 0), (1, 2)), "dilation": (1, 2)}
LINE: dict[str, Any] = {"stride": (2,), "padding": ((1, 1),), "dilation": (1,)}


@primitive(
    samples=(
        sample((2, 3, 5, 4), (4, 3, 3, 2), (4,), **PLAIN, groups=1),
        sample((1, 4, 6, 5), (2, 2, 2, 2), None, **STRIDED, groups=2),
        sample((2, 2, 6), (3, 2, 3), (3,), **LINE, groups=1),
        sample(
            (1, 1, 3, 3, 3),
            (2, 1, 2, 2, 2),
            None,
            stride=(1, 1, 1),
            padding=((0, 0),) * 3,
            dilation=(1, 1, 1),
            groups=1,
        ),
    )
)
def conv(
    x: Any,
    weight: Any,
    bias: Any,
    /,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int = 1,
) -> Any:
    """Cross-correlation of images with kernels.

    Args:
        x: images, shape (N, C, *spatial).
        weight: kernels, shape (O, C / groups, *kernel).
        bias: one number per output channel, shape (O,), or None.
        stride, dilation: one integer per spatial axis.
        padding: zeros (before, after) each spatial axis.
        groups: number of blocks of channels that do not see each other.

    Returns:
        Shape (N, O, *out) with out = floor((spatial + before + after - dilation (kernel - 1) - 1)
        / stride) + 1.

    >>> x = np.arange(1.0, 17).reshape(1, 1, 4, 4)
    >>> w = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> conv(x, w, None, (1, 1), ((0, 0), (0, 0)), (1, 1))[0, 0]
    array([[ 44.,  54.,  64.],
           [ 84.,  94., 104.],
           [124., 134., 144.]])
    """
    return kernels.conv(x, weight, stride, padding, dilation, groups, bias)


@conv.precondition
def _(
    x: Any,
    weight: Any,
    bias: Any,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> None:
    ndim = len(stride)
    if x.ndim != ndim + 2:
        raise ValueError(
            f"expects images of shape (N, C, {', '.join('DHW'[3 - ndim :])}), got {x.shape}"
        )
    if weight.ndim != ndim + 2:
        raise ValueError(f"expects a weight with {ndim + 2} axes, got shape {weight.shape}")
    if weight.shape[0] % groups or x.shape[1] % groups:
        raise ValueError(
            f"groups={groups} must divide the {x.shape[1]} input channels and the "
            f"{weight.shape[0]} output channels"
        )
    if x.shape[1] != weight.shape[1] * groups:
        raise ValueError(
            f"a weight of shape {weight.shape} with groups={groups} reads "
            f"{weight.shape[1] * groups} channels, the images have {x.shape[1]}: {x.shape}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"expects a bias of shape {weight.shape[:1]}, got {bias.shape}")
    out = kernels.conv_output_shape(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    if min(out) < 1:
        raise ValueError(
            f"the kernel {weight.shape[2:]} (dilation {dilation}) does not fit into the images "
            f"{x.shape[2:]} with padding {padding}"
        )


@conv.rule("x")
def _(
    g: Any,
    weight: Any,
    x_shape: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Any:
    return conv_input_grad(
        g,
        weight,
        None,
        spatial=x_shape[2:],
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


@conv.rule("weight")
def _(
    g: Any,
    x: Any,
    weight_shape: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Any:
    return conv_weight_grad(
        g,
        x,
        kernel=weight_shape[2:],
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


@conv.rule("bias")
def _(g: Any) -> Any:
    return _bias_grad(g)


def _bias_grad(g: Any) -> Any:
    if type(g) is np.ndarray:
        return kernels.channel_sums(g)
    return np.sum(g, axis=(0, *range(2, g.ndim)))


@conv.shortcut
def _(
    g: Any,
    edges: Any,
    x: Any,
    weight: Any,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Any:
    if edges[0] is None or edges[1] is None or type(g) is not np.ndarray:
        return None
    windows = stride, padding, dilation, groups
    both = kernels.conv_grads(g, x, weight, *windows) or _at_once(
        g,
        weight,
        groups,
        lambda: kernels.conv_input_grad(g, weight, x.shape[2:], *windows),
        lambda: kernels.conv_weight_grad(g, x, weight.shape[2:], *windows),
    )
    return both and (*both, None if edges[2] is None else _bias_grad(g))


def _at_once(
    outputs: Any,
    weight: Any,
    groups: int,
    input_grad: Callable[[], Any],
    weight_grad: Callable[[], Any],
) -> list[Any] | None:
    """Both gradients, each by a thread of its own, if that pays."""
    if not kernels.worth_a_thread_each(outputs, weight, groups):
        return None
    return kernels.in_a_thread_each(input_grad, weight_grad)


@primitive(
    samples=(
        sample((2, 4, 3, 3), (4, 3, 3, 2), (3,), spatial=(5, 4), **PLAIN),
        sample((1, 2, 3, 6), (2, 2, 2, 2), None, spatial=(6, 5), **STRIDED, groups=2),
    )
)
def conv_input_grad(
    g: Any,
    weight: Any,
    bias: Any,
    /,
    spatial: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int = 1,
) -> Any:
    """The gradient of :func:`conv` with respect to images of size ``spatial``.

    This is the transposed convolution: with g of shape (N, O, *out) it returns (N, C, *spatial).
    As a layer it has a bias, one number for each of these channels, (C,), or None.
    """
    y = kernels.conv_input_grad(g, weight, spatial, stride, padding, dilation, groups)
    if bias is None:
        return y
    if bias.shape != y.shape[1:2]:
        raise ValueError(f"expects a bias of shape {y.shape[1:2]}, got {bias.shape}")
    dtype = np.result_type(y, bias)
    return np.add(y, bias.reshape(-1, *[1] * len(spatial)), out=y if y.dtype == dtype else None)


@conv_input_grad.rule("g")
def _(g: Any, weight: Any, stride: Ints, padding: Padding, dilation: Ints, groups: int) -> Any:
    return conv(g, weight, None, stride=stride, padding=padding, dilation=dilation, groups=groups)


@conv_input_grad.rule("weight")
def _(
    h: Any,
    g: Any,
    weight_shape: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Any:
    return conv_weight_grad(
        g,
        h,
        kernel=weight_shape[2:],
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


@conv_input_grad.rule("bias")
def _(h: Any) -> Any:
    return _bias_grad(h)


@conv_input_grad.shortcut
def _(
    h: Any,
    edges: Any,
    g: Any,
    weight: Any,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Any:
    if edges[0] is None or edges[1] is None or type(h) is not np.ndarray:
        return None
    windows = stride, padding, dilation, groups
    both = kernels.conv_and_weight_grad(h, g, weight, *windows) or _at_once(
        g,
        weight,
        groups,
        lambda: kernels.conv(h, weight, *windows),
        lambda: kernels.conv_weight_grad(g, h, weight.shape[2:], *windows),
    )
    return both and (*both, None if edges[2] is None else _bias_grad(h))


@primitive(
    samples=(
        sample((2, 4, 3, 3), (2, 3, 5, 4), kernel=(3, 2), **PLAIN, groups=1),
        sample((1, 2, 3, 6), (1, 4, 6, 5), kernel=(2, 2), **STRIDED, groups=2),
    )
)
def conv_weight_grad(
    g: Any,
    x: Any,
    /,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int = 1,
) -> Any:
    """The gradient of :func:`conv` with respect to kernels of size ``kernel``."""
    return kernels.conv_weight_grad(g, x, kernel, stride, padding, dilation, groups)


@conv_weight_grad.rule("g")
def _(h: Any, x: Any, stride: Ints, padding: Padding, dilation: Ints, groups: int) -> Any:
    return conv(x, h, None, stride=stride, padding=padding, dilation=dilation, groups=groups)


@conv_weight_grad.rule("x")
def _(
    h: Any,
    g: Any,
    x_shape: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Any:
    return conv_input_grad(
        g,
        h,
        None,
        spatial=x_shape[2:],
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


@primitive(
    samples=(
        sample((2, 3, 5, 4), kernel=(3, 2), **PLAIN),
        sample((1, 2, 6), kernel=(3,), **LINE),
    )
)
def im2col(x: Any, /, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints) -> Any:
    """Every window of the images as a column: (N, C * prod(kernel), number of windows).

    A convolution is one matrix product with these columns; that is the textbook form.
    """
    return kernels.im2col(x, kernel, stride, padding, dilation)


@im2col.rule
def _(g: Any, x_shape: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints) -> Any:
    return col2im(
        g, spatial=x_shape[2:], kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )


@primitive(samples=(sample((2, 18, 9), spatial=(5, 4), kernel=(3, 2), **PLAIN),))
def col2im(
    x: Any, /, spatial: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints
) -> Any:
    """Columns added back into images where :func:`im2col` read them: its adjoint."""
    return kernels.col2im(x, spatial, kernel, stride, padding, dilation)


@col2im.rule
def _(g: Any, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints) -> Any:
    return im2col(g, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
