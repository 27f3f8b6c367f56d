"""Pooling over windows of images, closed under differentiation, for any number of spatial axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import kernels
from autograd._primitive import plain, primitive, sample
from autograd.kernels._windows import once_for_each
from autograd.primitives.arithmetic import distinct

Ints = tuple[int, ...]
Padding = tuple[tuple[int, int], ...]

TILES: dict[str, Any] = {"kernel": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0))}
OVERLAPPING: dict[str, Any] = {"kernel": (3, 2), "stride": (2, 1), "padding": ((1, 1), (0, 0))}
LINE: dict[str, Any] = {"kernel": (3,), "stride": (2,), "padding": ((1, 1),)}


def _check(x: Any, kernel: Ints, stride: Ints, padding: Padding, **other: Any) -> None:
    ndim = len(kernel)
    if x.ndim != ndim + 2:
        raise ValueError(
            f"expects images of shape (N, C, {', '.join('DHW'[3 - ndim :])}), got {x.shape}"
        )
    problem = _problem(
        x.shape[2:], kernel, stride, padding, other.get("dilation"), other.get("ceil_mode")
    )
    if problem:
        raise ValueError(problem)


@once_for_each
def _problem(
    spatial: Ints,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints | None,
    ceil_mode: bool | None,
) -> str | None:
    """What is wrong with windows, if anything is."""
    dilation = dilation or (1,) * len(kernel)
    if any(2 * max(pair) > (k - 1) * d + 1 for pair, k, d in zip(padding, kernel, dilation)):
        return f"padding {padding} is more than half of the kernel {kernel}"
    out = kernels.pool_output_shape(spatial, kernel, stride, padding, dilation, bool(ceil_mode))
    if min(out) < 1:
        return f"the window {kernel} does not fit into the images {spatial}"
    return None


@primitive(
    samples=(
        sample(distinct(2, 2, 4, 6), **TILES, dilation=(1, 1)),
        sample(distinct(1, 2, 5, 5), **OVERLAPPING, dilation=(1, 2)),
        sample(distinct(2, 1, 7), **LINE, dilation=(1,), ceil_mode=True),
    ),
)
def max_pool(
    x: Any,
    /,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool = False,
) -> Any:
    """The largest element of every window; the gradient goes to the first of equal ones.

    Args:
        x: images, shape (N, C, *spatial).
        kernel, stride, dilation: one integer per spatial axis.
        padding: (before, after) each spatial axis; padded places never win.
        ceil_mode: whether a last window that sticks out counts.
    """
    return kernels.max_pool(x, kernel, stride, padding, dilation, ceil_mode, False)[0]


max_pool.precondition(_check)


@max_pool.rule
def _(
    g: Any,
    x: Any,
    y: Any,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    ceil_mode: bool,
) -> Any:
    x, y, window = plain(x), plain(y), (kernel, stride, padding, dilation, ceil_mode)
    if type(g) is np.ndarray:
        return kernels.max_pool_grad(g, x, y, *window)
    return max_unpool(g, indices=kernels.max_pool(x, *window)[1], spatial=x.shape[2:])


# Flat positions in 4×4 planes, one taken twice in a plane.
PLACES = np.arange(24).reshape(2, 3, 2, 2) * 5 % 16
PLACES[0, 0, 1, 1] = PLACES[0, 0, 0, 0]


@primitive(samples=(sample((2, 3, 2, 2), indices=PLACES, spatial=(4, 4)),))
def max_unpool(x: Any, /, indices: Any, spatial: Ints) -> Any:
    """Zeros of size ``spatial`` with x added at flat positions, adjoint to :func:`max_gather`."""
    return kernels.max_unpool(x, indices, spatial)


@max_unpool.rule
def _(g: Any, indices: Any) -> Any:
    return max_gather(g, indices=indices)


@primitive(samples=(sample((2, 3, 4, 4), indices=PLACES),))
def max_gather(x: Any, /, indices: Any) -> Any:
    """The elements of each plane of x at flat positions, as found by a max-pooling."""
    return kernels.max_gather(x, indices)


@max_gather.rule
def _(g: Any, indices: Any, x_shape: Ints) -> Any:
    return max_unpool(g, indices=indices, spatial=x_shape[2:])


@primitive(
    samples=(
        sample((2, 2, 4, 6), **TILES),
        sample((1, 2, 5, 5), **OVERLAPPING, count_include_pad=False),
        sample((2, 1, 7), **LINE, ceil_mode=True, divisor_override=2),
    ),
)
def avg_pool(
    x: Any,
    /,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of every window of the images, shape (N, C, *spatial)."""
    return kernels.avg_pool(
        x, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


avg_pool.precondition(_check)


@avg_pool.rule
def _(
    g: Any,
    x_shape: Ints,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    return avg_pool_input_grad(
        g,
        spatial=x_shape[2:],
        kernel=kernel,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor_override=divisor_override,
    )


@primitive(samples=(sample((2, 2, 2, 3), spatial=(4, 6), **TILES),))
def avg_pool_input_grad(
    x: Any,
    /,
    spatial: Ints,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Each mean's gradient shared out over its window: the adjoint of :func:`avg_pool`."""
    return kernels.avg_pool_input_grad(
        x, spatial, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@avg_pool_input_grad.rule
def _(
    g: Any,
    kernel: Ints,
    stride: Ints,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    return avg_pool(
        g,
        kernel=kernel,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor_override=divisor_override,
    )
