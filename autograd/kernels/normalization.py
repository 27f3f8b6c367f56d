"""Statistics of channels, and maps that differ from channel to channel, on images (N, C, *spatial).

Batch normalisation and its adjoint are made of them; normalisation of each image by itself is a
kernel of its own. Sums over a channel are kept in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod, sqrt
from typing import Any

import numpy as np

from autograd.kernels._layout import alike, images_last, in_order, is_innermost, new_like
from autograd.kernels._threads import in_threads, thread_count
from autograd.kernels._twins import compilable
from autograd.kernels._windows import Array
from autograd.kernels.losses import ones

__all__ = [
    "channel_combine",
    "channel_dots",
    "channel_moments",
    "channel_scale",
    "channel_sums",
    "group_norm",
    "group_norm_grad",
]

# From this length on, NumPy's loops run over one channel of one image; below, over a whole image,
# with what belongs to a channel repeated for each of its elements.
_LONG = 512
# Up to so many elements, NumPy's calls are what takes time: as few as possible, on whole arrays.
_SMALL = 1 << 12
# So many short numbers are added up before the sum is widened.
_FEW = 16
# Images are worked on in blocks of about so many elements: the next pass finds them in the cache.
_BLOCK = 1 << 18
# From this many elements on, a second thread is worth the trouble of waking it.
_SHARED = 1 << 20


def _rows(x: Array) -> Array:
    """Images as (N, C, length), or as (N, C * length) if the channels are short."""
    n, c, length = x.shape[0], x.shape[1], prod(x.shape[2:])
    return in_order(x).reshape((n, c, length) if length >= _LONG else (n, c * length))


def _channels(x: Array) -> Array:
    """Images as `_rows`, or where they stand innermost, (rows, C, length) with what is in a row of
    all of them: to statistics of channels it is all one. A view of either layout."""
    if not is_innermost(x):
        return _rows(x)
    return images_last(x).reshape(*x.shape[1:3], -1).swapaxes(0, 1)


def _spread(values: Array, like: Array, dtype: Any) -> Array:
    """One number per channel, to be broadcast against `_rows`."""
    values = values.astype(dtype, copy=False)
    if like.ndim == 3:
        return values[:, np.newaxis]
    length = like.shape[1] // len(values)
    return values if length == 1 else np.repeat(values, length)


def _gather(sums: Array, channels: int) -> Array:
    """Sums over images, of one channel or of one element each, as sums over channels."""
    return sums if len(sums) == channels else sums.reshape(channels, -1).sum(1)


def _in_blocks(rows: Array, work: Callable[[slice, Any], Any]) -> list[Any]:
    """``work(images, scratch)`` block by block, in threads where that pays; what it returned.

    Scratch is an array for a block, which one thread has for itself.
    """
    count = len(rows)
    if rows.size <= _BLOCK:
        return [work(slice(0, count), np.empty(rows.shape, rows.dtype))]
    step = max(1, _BLOCK * count // rows.size)
    threads = min(thread_count(), count) if rows.size >= _SHARED else 1
    results: list[list[Any]] = [[] for _ in range(threads)]

    def blocks(piece: int) -> None:
        last = count * (piece + 1) // threads
        scratch = np.empty((min(step, count), *rows.shape[1:]), rows.dtype)
        for start in range(count * piece // threads, last, step):
            images = slice(start, min(start + step, last))
            results[piece].append(work(images, scratch[: images.stop - start]))

    in_threads(blocks, range(threads))
    return [result for piece in results for result in piece]


def _total(x: Array) -> Array:
    """Sums over the images of a block, and over a channel if there are three axes, in float64."""
    if x.ndim == 3:
        n, c, length = x.shape
        if x.flags.c_contiguous:
            x = x.reshape(n * c, length)
        return np.matmul(x, ones(length, x.dtype)).reshape(n, c).sum(0, np.float64)
    whole = len(x) // _FEW * _FEW  # long sums are not left to the dtype of x alone
    sums = ones(len(x) - whole, x.dtype).dot(x[whole:]).astype(np.float64)
    if whole:
        grouped = x[:whole].reshape(-1, _FEW, x.shape[1])
        sums += np.matmul(ones(_FEW, x.dtype), grouped).sum(0, np.float64)
    return sums


def _total_products(x: Array, z: Array, scratch: Array) -> Array:
    """Likewise of x z."""
    if x.ndim == 3:
        return np.vecdot(x, z).sum(0, np.float64)
    return _total(np.multiply(x, z, out=scratch))


@compilable(least=1 << 12)
def channel_moments(x: Array) -> tuple[Array, Array]:
    """Mean and (biased) variance of every channel.

    Both come of one pass, over differences from the mean of the first image: it is close enough to
    the mean of all to lose no digits (Chan, Golub and LeVeque 1983).

    Args:
        x: images (N, C, *spatial) with N ≥ 1.

    Returns:
        Mean and variance, (C,), in float64.

    >>> channel_moments(np.array([[1.0, 5.0], [3.0, 5.0]]))
    (array([2., 5.]), array([1., 0.]))
    """
    rows, channels = _channels(x), x.shape[1]
    count = x.size // channels
    start = _gather(_total(rows[:1]), channels) / (count // len(rows))
    shift = _spread(start, rows, rows.dtype)

    def work(images: slice, scratch: Array) -> tuple[Array, Array]:
        apart = np.subtract(rows[images], shift, out=scratch)
        return _total(apart), _total_products(apart, apart, scratch)

    parts = _in_blocks(rows, work)
    mean, square = (_gather(sum(part), channels) / count for part in zip(*parts))
    variance = np.maximum(square - mean * mean, 0)
    return start.astype(rows.dtype) + mean, variance


@compilable(least=1 << 14)
def channel_sums(x: Array) -> Array:
    """The sum over every channel, (C,).

    >>> channel_sums(np.arange(6.0).reshape(1, 2, 3))
    array([ 3., 12.])
    """
    size = prod(x.shape[2:])
    if x.dtype.kind == "f" and is_innermost(x):
        rows = _channels(x)
        return np.matmul(rows, ones(rows.shape[2], x.dtype)).sum(0)
    if x.dtype.kind != "f" or not x.flags.c_contiguous or not size:
        return np.sum(x, axis=(0, *range(2, x.ndim)))
    rows = x.reshape(-1, size)  # a product with ones takes half the time of a reduction
    return rows.dot(np.ones(size, x.dtype)).reshape(x.shape[:2]).sum(0)


@compilable(least=1 << 12)
def channel_scale(x: Array, center: Array, scale: Array, shift: Array) -> Array:
    """(x - center) scale + shift, all three with one number for each channel.

    >>> channel_scale(np.ones((1, 2)), np.array([1, 0]), np.array([2, 3]), np.array([4, 5]))
    array([[4., 8.]])
    """
    rows = _channels(x)
    centered, shifted = bool(center.any()), bool(shift.any())
    center, scale, shift = (_spread(v, rows, x.dtype) for v in (center, scale, shift))
    result = new_like(x, x.shape)
    out = _channels(result)

    def work(images: slice, scratch: Array) -> None:
        part = rows[images]
        if centered:
            part = np.subtract(part, center, out=out[images])
        part = np.multiply(part, scale, out=out[images])
        if shifted:
            np.add(part, shift, out=part)

    _in_blocks(rows, work)
    return result


@compilable(least=1 << 12)
def channel_dots(g: Array, x: Array, center: Array) -> tuple[Array, Array]:
    """The sums of g and of g (x - center) over every channel, (C,), in float64.

    >>> channel_dots(np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]]), np.array([3.0]))
    (array([3.]), array([2.]))
    """
    given, rows, channels = _channels(alike(x, g)), _channels(x), x.shape[1]
    center = _spread(center, rows, x.dtype)

    def work(images: slice, scratch: Array) -> tuple[Array, Array]:
        apart = np.subtract(rows[images], center, out=scratch)
        return _total(given[images]), _total_products(apart, given[images], scratch)

    sums, dots = (_gather(sum(part), channels) for part in zip(*_in_blocks(rows, work)))
    return sums, dots


@compilable(least=1 << 12)
def channel_combine(
    g: Array, x: Array, center: Array, of_g: Array, of_x: Array, shift: Array
) -> Array:
    """of_g g + of_x (x - center) + shift, with one number for each channel.

    >>> one = np.ones(1)
    >>> channel_combine(np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]]), one, one, one, one)
    array([[4.],
           [6.]])
    """
    given, rows = _channels(alike(x, g)), _channels(x)
    center, of_g, of_x, shift = (_spread(v, rows, x.dtype) for v in (center, of_g, of_x, shift))
    result = new_like(x, x.shape)
    out = _channels(result)

    def work(images: slice, scratch: Array) -> None:
        part = np.subtract(rows[images], center, out=out[images])
        np.multiply(part, of_x, out=part)
        np.add(part, shift, out=part)
        np.add(part, np.multiply(given[images], of_g, out=scratch), out=part)

    _in_blocks(rows, work)
    return result


@compilable(least=1 << 12, few=0)
def group_norm(
    x: Array, weight: Array, bias: Array, groups: int, eps: float, centered: bool = True
) -> tuple[Array, Array, Array]:
    """Each image's groups of channels with mean 0 and variance 1, times weight, plus bias.

    Layer normalisation is that of vectors (N, C) in one group (Ba et al. 2016), instance
    normalisation that of as many groups as channels (Wu & He 2018).

    Args:
        x: images (N, C, *spatial).
        weight, bias: (C,), in the dtype of x.
        groups: divides C.
        eps: added to the (biased) variance.
        centered: False divides by the root mean square instead (Zhang & Sennrich 2019).

    Returns:
        The result, and the mean of each group and what it was multiplied by, (N, groups).

    >>> y, mean, rate = group_norm(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), 1, 0.0)
    >>> y, mean, rate
    (array([[-1.,  1.]]), array([[2.]]), array([[1.]]))
    """
    rows = _rows(x)
    weight, bias = (_spread(v, rows, x.dtype) for v in (weight, bias))
    if groups == 1 and rows.ndim == 2 and rows.size <= _SMALL:
        few, mean, rate = _few_rows(rows, weight, bias, eps, centered)
        return few.reshape(x.shape), mean, rate
    result = np.empty(x.shape, x.dtype)  # which owns its memory: it may be kept
    out = result.reshape(rows.shape)
    mean, rate = (np.zeros((len(x), groups), x.dtype) for _ in range(2))
    length = x.size // mean.size
    each = ones(length, x.dtype)

    def work(images: slice, scratch: Array) -> None:
        apart = rows[images].reshape(-1, length)
        part = out[images]
        normal, scale = part.reshape(apart.shape), rate[images].reshape(-1, 1)
        if centered:
            center = mean[images].reshape(-1, 1)
            np.divide(apart.dot(each)[:, np.newaxis], length, center)
            apart = np.subtract(apart, center, normal)
        spread = np.vecdot(apart, apart)[:, np.newaxis]
        np.divide(spread, length, spread)
        np.add(spread, spread.dtype.type(eps), spread)
        np.divide(1, np.sqrt(spread, spread), scale)
        np.multiply(apart, scale, normal)
        np.multiply(part, weight, part)
        np.add(part, bias, part)

    _in_blocks(rows, work)
    return result, mean, rate


@compilable(least=1 << 12, few=0)
def group_norm_grad(
    g: Array, x: Array, weight: Array, mean: Array, rate: Array, centered: bool = True
) -> tuple[Array, Array, Array]:
    """The gradients of x, weight and bias for `group_norm`.

    Args:
        g: the gradient of the result, (N, C, *spatial).
        x, weight, centered: as given to `group_norm`.
        mean, rate: as it returned them.

    >>> g, x, one = np.array([[1.0, 0.0]]), np.array([[1.0, 3.0]]), np.ones((1, 1))
    >>> gx, weight, bias = group_norm_grad(g, x, np.ones(2), 2 * one, one)
    >>> gx, weight, bias
    (array([[0., 0.]]), array([-1.,  0.]), array([1., 0.]))
    """
    given, rows, channels = _rows(g), _rows(x), x.shape[1]
    factors = _spread(weight, rows, x.dtype)
    # Where what belongs together is a row, its sums of products with weights are a matrix's product
    # with a vector.
    by_row = rows.ndim == 2 and mean.shape[1] == 1
    if by_row and rows.size <= _SMALL:
        few, *sums = _few_rows_grad(given, rows, factors, mean, rate, centered)
        return few.reshape(x.shape), _gather(sums[0], channels), _gather(sums[1], channels)
    whole = np.empty(x.shape, x.dtype)
    gx = whole.reshape(rows.shape)
    length = x.size // mean.size
    each = factors if by_row else ones(length, x.dtype)

    def work(images: slice, scratch: Array) -> tuple[Array, Array]:
        slopes, result = given[images], gx[images]
        center, scale = mean[images].reshape(-1, 1), rate[images].reshape(-1, 1)
        normal, grouped = scratch.reshape(-1, length), result.reshape(-1, length)
        np.subtract(rows[images].reshape(-1, length), center, normal)
        np.multiply(normal, scale, normal)
        np.multiply(slopes, scratch, result)
        of_weight = _total(result)
        if by_row:
            dots, sums = result.dot(each), slopes.dot(each)
            np.multiply(slopes, factors, result)
        else:
            np.multiply(slopes, factors, result)
            dots, sums = np.vecdot(grouped, normal), grouped.dot(each)
        np.multiply(normal, (dots / length)[:, np.newaxis], normal)
        np.subtract(grouped, normal, grouped)
        if centered:
            np.subtract(grouped, (sums / length)[:, np.newaxis], grouped)
        np.multiply(grouped, scale, grouped)
        return of_weight, _total(slopes)

    of_weight, of_bias = (
        _gather(sum(part), channels).astype(x.dtype) for part in zip(*_in_blocks(rows, work))
    )
    return whole, of_weight, of_bias


def _few_rows(
    rows: Array, weight: Array, bias: Array, eps: float, centered: bool
) -> tuple[Array, Array, Array]:
    """`group_norm` of few vectors in one group."""
    count, length = rows.shape
    dtype = rows.dtype
    if centered:
        mean = rows.dot(_averaging(length, dtype))[:, np.newaxis]
        apart = normal = np.subtract(rows, mean)
    else:
        mean = np.zeros((count, 1), dtype)
        apart, normal = rows, np.empty(rows.shape, dtype)
    rate = np.vecdot(apart, apart)[:, np.newaxis]
    np.add(rate, dtype.type(length * eps), rate)
    np.divide(dtype.type(sqrt(length)), np.sqrt(rate, rate), rate)
    np.multiply(apart, rate, normal)
    np.multiply(normal, weight, normal)
    return np.add(normal, bias, normal), mean, rate


def _few_rows_grad(
    g: Array, rows: Array, weight: Array, mean: Array, rate: Array, centered: bool
) -> tuple[Array, Array, Array]:
    """`group_norm_grad` of few vectors in one group, with a sum for each element of theirs."""
    each, shares = ones(len(rows), rows.dtype), _averaging(rows.shape[1], rows.dtype)
    normal = np.subtract(rows, mean)
    np.multiply(normal, rate, normal)
    gx = np.multiply(g, normal)
    of_weight, of_bias = each.dot(gx), each.dot(g)
    dots = gx.dot(weight * shares)
    np.multiply(g, weight, gx)
    if centered:
        np.subtract(gx, gx.dot(shares)[:, np.newaxis], gx)
    np.multiply(normal, dots[:, np.newaxis], normal)
    np.subtract(gx, normal, gx)
    return np.multiply(gx, rate, gx), of_weight, of_bias


@lru_cache(maxsize=64)
def _averaging(length: int, dtype: Any) -> Array:
    """So many equal numbers whose sum is 1, not to be written to: a product with them is a mean."""
    result = np.full(length, 1 / length, dtype)
    result.flags.writeable = False
    return result
