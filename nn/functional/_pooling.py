"""Pooling: maxima, means and norms over windows, to a given size, and over channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor, kernels
from autograd.primitives import pooling
from nn.functional._arguments import Ints, ints, pairs

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "channel_max_pool",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]

IntOrInts = int | Sequence[int]


def _batched(n: int, input: Any, name: str, run: Callable[[Tensor], Any]) -> Any:
    """``run`` on (N, C, …); an input without the batch axis gets one for the time being."""
    x = as_tensor(input)
    if x.ndim == n + 2:
        return run(x)
    if x.ndim != n + 1:
        axes = ", ".join("DHW"[3 - n :]) if n > 1 else "L"
        raise ValueError(f"{name} expects (N, C, {axes}) or (C, {axes}), got {x.shape}")
    out = run(x[None])
    return tuple(part[0] for part in out) if isinstance(out, tuple) else out[0]


def _max_pool_nd(
    n: int,
    input: TensorLike,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    kernel = ints(kernel_size, n, "kernel_size")
    strides = kernel if stride is None else ints(stride, n, "stride")
    border = pairs(ints(padding, n, "padding", 0))
    dilations = ints(dilation, n, "dilation")

    def run(x: Tensor) -> Any:
        if not return_indices:
            return pooling.max_pool(x, kernel, strides, border, dilations, ceil_mode)
        _, indices = kernels.max_pool(
            x.data, kernel, strides, border, dilations, ceil_mode, want_indices=True
        )
        return pooling.max_gather(x, indices=indices), as_tensor(indices)

    return _batched(n, input, f"max_pool{n}d", run)


def max_pool1d(
    input: TensorLike,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window of sequences (N, C, L), see :func:`max_pool2d`."""
    return _max_pool_nd(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: TensorLike,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window; of equal ones the first gets the gradient.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: of the window.
        stride: between windows; by default ``kernel_size``.
        padding: places on both sides that never win.
        dilation: between the elements of a window.
        ceil_mode: whether a last window that sticks out counts.
        return_indices: also return where the maxima lie, as flat positions in (H, W).

    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2).numpy()[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    return _max_pool_nd(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: TensorLike,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window of volumes (N, C, D, H, W), see :func:`max_pool2d`."""
    return _max_pool_nd(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _max_unpool_nd(
    n: int,
    input: TensorLike,
    indices: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Sequence[int] | None,
) -> Tensor:
    kernel = ints(kernel_size, n, "kernel_size")
    strides = kernel if stride is None else ints(stride, n, "stride")
    paddings = ints(padding, n, "padding", 0)
    places = indices.data if isinstance(indices, Tensor) else np.asarray(indices)
    x = as_tensor(input)
    if places.shape != x.shape:
        raise ValueError(
            f"max_unpool{n}d: indices {places.shape} must have the input's shape {x.shape}"
        )
    default = tuple(
        (length - 1) * s + k - 2 * p
        for length, s, k, p in zip(x.shape[-n:], strides, kernel, paddings)
    )
    size: Ints = default
    if output_size is not None:
        size = tuple(output_size)[-n:]
        for asked, least, s in zip(size, default, strides):
            if not least - s < asked < least + s:
                raise ValueError(
                    f"invalid output_size {size}: each must be within a stride of {default}"
                )
    if places.size and (places.min() < 0 or places.max() >= np.prod(size)):
        raise ValueError(f"max_unpool{n}d: found an invalid max index for the output {size}")
    if x.ndim == n + 1:
        return pooling.max_unpool(x[None], indices=places[None], spatial=size)[0]
    return pooling.max_unpool(x, indices=places, spatial=size)


def max_unpool1d(
    input: TensorLike,
    indices: Any,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Maxima put back where they came from, zeros elsewhere, see :func:`max_unpool2d`."""
    return _max_unpool_nd(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: TensorLike,
    indices: Any,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Maxima put back where they came from, zeros elsewhere.

    Args:
        input: (N, C, H, W), the maxima.
        indices: their places, as ``max_pool2d(…, return_indices=True)`` gives them.
        output_size: by default the smallest that the pooling would have mapped to the input's.
    """
    return _max_unpool_nd(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: TensorLike,
    indices: Any,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Maxima put back where they came from, zeros elsewhere, see :func:`max_unpool2d`."""
    return _max_unpool_nd(3, input, indices, kernel_size, stride, padding, output_size)


def _avg_pool_nd(
    n: int,
    input: TensorLike,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    kernel = ints(kernel_size, n, "kernel_size")
    strides = kernel if stride is None else ints(stride, n, "stride")
    border = pairs(ints(padding, n, "padding", 0))
    if divisor_override == 0:
        raise ValueError("divisor must be not zero")
    return _batched(
        n,
        input,
        f"avg_pool{n}d",
        lambda x: pooling.avg_pool(
            x, kernel, strides, border, ceil_mode, count_include_pad, divisor_override
        ),
    )


def avg_pool1d(
    input: TensorLike,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of every window of sequences (N, C, L), see :func:`avg_pool2d`."""
    return _avg_pool_nd(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: TensorLike,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window.

    Args:
        input: (N, C, H, W) or (C, H, W).
        stride: by default ``kernel_size``.
        padding: zeros on both sides.
        ceil_mode: whether a last window that sticks out counts.
        count_include_pad: whether padding counts in the divisor.
        divisor_override: what to divide by instead of the window's size.

    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2).numpy()[0, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    return _avg_pool_nd(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: TensorLike,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window of volumes (N, C, D, H, W), see :func:`avg_pool2d`."""
    return _avg_pool_nd(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _lp_pool_nd(
    n: int, input: TensorLike, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    x = as_tensor(input)
    kernel = ints(kernel_size, n, "kernel_size")
    total = _avg_pool_nd(n, x**norm_type, kernel, stride, 0, ceil_mode, True, 1)
    return np.sign(total) * np.power(np.maximum(np.abs(total), 0), 1.0 / norm_type)


def lp_pool1d(
    input: TensorLike,
    norm_type: float,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm of every window of sequences (N, C, L), see :func:`lp_pool2d`."""
    return _lp_pool_nd(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: TensorLike,
    norm_type: float,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(Σ xᵖ)^(1/p) over every window, with p = ``norm_type``: 1 sums, ∞ would be the maximum.

    As in PyTorch, x itself is raised to the power, so that p should be even or x not negative.
    """
    return _lp_pool_nd(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: TensorLike,
    norm_type: float,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The p-norm of every window of volumes (N, C, D, H, W), see :func:`lp_pool2d`."""
    return _lp_pool_nd(3, input, norm_type, kernel_size, stride, ceil_mode)


# --------------------------------------------------------------------------- to a given size


def _target_size(n: int, output_size: Any, spatial: Ints) -> Ints:
    """The output size, where None means the input's."""
    sizes = output_size if isinstance(output_size, Sequence) else (output_size,) * n
    if len(sizes) != n:
        raise ValueError(f"output_size must be one number or {n}, got {output_size!r}")
    return tuple(m if s is None else ints(s, 1, "output_size")[0] for s, m in zip(sizes, spatial))


def _bounds(length: int, out: int) -> list[tuple[int, int]]:
    """Where each of ``out`` windows over ``length`` elements starts and ends; they may overlap."""
    return [(i * length // out, -(-(i + 1) * length // out)) for i in range(out)]


def _adaptive_avg_pool_nd(n: int, input: TensorLike, output_size: Any) -> Tensor:
    def run(x: Tensor) -> Tensor:
        spatial = x.shape[2:]
        size = _target_size(n, output_size, spatial)
        if all(length % out == 0 for length, out in zip(spatial, size)):
            window = tuple(length // out for length, out in zip(spatial, size))
            return pooling.avg_pool(x, window, window, ((0, 0),) * n)
        # The mean over a box is a product of means along the axes: one matrix for each.
        for axis, (length, out) in enumerate(zip(spatial, size), start=2):
            means = np.zeros((length, out), x.dtype)
            for i, (start, stop) in enumerate(_bounds(length, out)):
                means[start:stop, i] = 1 / (stop - start)
            x = np.matmul(x.swapaxes(axis, -1), means).swapaxes(axis, -1)
        return x

    return _batched(n, input, f"adaptive_avg_pool{n}d", run)


def adaptive_avg_pool1d(input: TensorLike, output_size: Any) -> Tensor:
    """Means over windows chosen so that the output has a given length."""
    return _adaptive_avg_pool_nd(1, input, output_size)


def adaptive_avg_pool2d(input: TensorLike, output_size: Any) -> Tensor:
    """Means over windows chosen so that the output has a given size.

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: H and W of the output; one number for both, None to keep an axis.

    >>> adaptive_avg_pool2d(np.arange(12.0).reshape(1, 1, 3, 4), (1, 2))
    Tensor([[[[4.5, 6.5]]]])
    """
    return _adaptive_avg_pool_nd(2, input, output_size)


def adaptive_avg_pool3d(input: TensorLike, output_size: Any) -> Tensor:
    """Means over windows of volumes chosen so that the output has a given size."""
    return _adaptive_avg_pool_nd(3, input, output_size)


def _adaptive_max_pool_nd(n: int, input: TensorLike, output_size: Any, return_indices: bool) -> Any:
    def run(x: Tensor) -> Any:
        spatial = x.shape[2:]
        size = _target_size(n, output_size, spatial)
        positions = np.arange(int(np.prod(spatial))).reshape(spatial)
        bounds = [_bounds(length, out) for length, out in zip(spatial, size)]
        indices = np.empty((*x.shape[:2], *size), np.int64)
        for cell in np.ndindex(size):
            box = tuple(slice(*bounds[axis][i]) for axis, i in enumerate(cell))
            window = x.data[(slice(None), slice(None), *box)].reshape(*x.shape[:2], -1)
            indices[(slice(None), slice(None), *cell)] = positions[box].ravel()[window.argmax(-1)]
        out = pooling.max_gather(x, indices=indices)
        return (out, as_tensor(indices)) if return_indices else out

    return _batched(n, input, f"adaptive_max_pool{n}d", run)


def adaptive_max_pool1d(input: TensorLike, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over windows chosen so that the output has a given length."""
    return _adaptive_max_pool_nd(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: TensorLike, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over windows chosen so that the output has a given size, as the mean does."""
    return _adaptive_max_pool_nd(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: TensorLike, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over windows of volumes chosen so that the output has a given size."""
    return _adaptive_max_pool_nd(3, input, output_size, return_indices)


def channel_max_pool(input: TensorLike, kernel_size: int, stride: int | None = None) -> Tensor:
    """The largest of every ``kernel_size`` neighbouring channels at each place (maxout).

    Args:
        input: (N, C, …).
        kernel_size: how many channels compete.
        stride: between groups of channels; by default ``kernel_size``.

    >>> channel_max_pool(np.array([[1.0, 4.0, 3.0, 2.0]]), 2)
    Tensor([[4., 3.]])
    """
    x = as_tensor(input)
    if x.ndim < 2:
        raise ValueError(f"channel_max_pool expects (N, C, …), got {x.shape}")
    (window,) = ints(kernel_size, 1, "kernel_size")
    step = window if stride is None else ints(stride, 1, "stride")[0]
    flat = x.reshape(x.shape[0], x.shape[1], -1).swapaxes(1, 2)
    out = pooling.max_pool(flat, (window,), (step,), ((0, 0),), (1,))
    return out.swapaxes(1, 2).reshape(x.shape[0], -1, *x.shape[2:])
