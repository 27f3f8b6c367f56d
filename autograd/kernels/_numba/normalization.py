"""Statistics of channels and maps of channels, compiled; images are shared out over the cores."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd.kernels._numba import compiled, parallel, prange, serves
from autograd.kernels._settings import SETTINGS
from autograd.kernels._threads import thread_count

__all__ = [
    "channel_combine",
    "channel_dots",
    "channel_moments",
    "channel_scale",
    "channel_sums",
    "group_norm",
    "group_norm_grad",
    "normalize_vectors",
    "vectors_grad",
]

# Planes shorter than this are taken together: loops run over all channels of an image, with what
# belongs to a channel repeated for each of its elements.
_SHORT = 8
# So many images are added up in their own dtype.
_FEW = 64


def _planes(x: Any) -> Any:
    return x.reshape(x.shape[0], x.shape[1], x.size // (x.shape[0] * x.shape[1]))


def _flat(x: Any) -> Any:
    return x.reshape(x.shape[0], x.size // x.shape[0])


def _short(x: Any) -> bool:
    return x.size < _SHORT * x.shape[0] * x.shape[1]


def _spread(values: Any, x: Any) -> Any:
    """One number per channel, for the loops over x."""
    values = np.ascontiguousarray(values, x.dtype)
    return np.repeat(values, x.size // (x.shape[0] * x.shape[1])) if _short(x) else values


def _blocks(count: int) -> int:
    """So many parts of so many images, a few each, but as many as there are threads."""
    return max(min(count, thread_count()), -(-count // _FEW))


def _gather(parts: Any, channels: int) -> Any:
    """Sums of blocks, of a channel or of an element each, as sums over channels."""
    sums = np.add.reduce(parts.reshape(len(parts), -1), 0, np.float64)
    return sums if sums.size == channels else sums.reshape(channels, -1).sum(1)


def _dots(g: Any, x: Any, g_center: Any, center: Any) -> tuple[Any, Any]:
    """For each channel the sums of g - g_center and of (g - g_center) (x - center)."""
    g_center, center = _spread(g_center, x), _spread(center, x)
    if not _short(x):
        sums, dots = np.zeros((2, thread_count(), x.shape[1]))
        _sums(_planes(g), _planes(x), g_center, center, sums, dots)
        return sums.sum(0), dots.sum(0)
    sums, dots = np.zeros((2, _blocks(len(x)), x.size // len(x)), x.dtype)
    _column_sums(_flat(g), _flat(x), g_center, center, sums, dots)
    return _gather(sums, x.shape[1]), _gather(dots, x.shape[1])


def channel_moments(x: Any) -> Any:
    """See :func:`autograd.kernels.normalization.channel_moments`."""
    if not serves(x) or not x.size:
        return NotImplemented
    first = _planes(x)[0]
    start = (np.add.reduce(first, 1, np.float64) / first.shape[1]).astype(x.dtype)
    sums, squares = _dots(x, x, start, start)
    count = x.size // x.shape[1]
    mean = sums / count
    return start + mean, np.maximum(squares / count - mean * mean, 0)


def channel_sums(x: Any) -> Any:
    """See :func:`autograd.kernels.normalization.channel_sums`."""
    if not serves(x) or x.ndim < 3 or not x.size:
        return NotImplemented
    sums = np.zeros((thread_count(), x.shape[1]))
    _totals(_planes(x), sums)
    return sums.sum(0).astype(x.dtype)


def channel_dots(g: Any, x: Any, center: Any) -> Any:
    """See :func:`autograd.kernels.normalization.channel_dots`."""
    if not serves(g, x) or not x.size:
        return NotImplemented
    return _dots(g, x, np.zeros_like(center), center)


def channel_scale(x: Any, center: Any, scale: Any, shift: Any) -> Any:
    """See :func:`autograd.kernels.normalization.channel_scale`."""
    if not serves(x) or not x.size:
        return NotImplemented
    vectors = (_spread(v, x) for v in (center, scale, shift))
    out = np.empty(x.shape, x.dtype)
    if _short(x):
        _scale_columns(_flat(x), *vectors, _flat(out), thread_count())
    else:
        _scale(_planes(x), *vectors, _planes(out), thread_count())
    return out


def channel_combine(g: Any, x: Any, center: Any, of_g: Any, of_x: Any, shift: Any) -> Any:
    """See :func:`autograd.kernels.normalization.channel_combine`."""
    if not serves(g, x) or not x.size:
        return NotImplemented
    vectors = (_spread(v, x) for v in (center, of_g, of_x, shift))
    out = np.empty(x.shape, x.dtype)
    if _short(x):
        _combine_columns(_flat(g), _flat(x), *vectors, _flat(out), thread_count())
    else:
        _combine(_planes(g), _planes(x), *vectors, _planes(out), thread_count())
    return out


def _groups(x: Any, groups: int) -> Any:
    """Images as (N * groups, length), or with planes for the channels of a group if not short."""
    count = x.shape[0] * groups
    shape = (x.size // count,) if _short(x) else (x.shape[1] // groups, _planes(x).shape[2])
    return x.reshape(count, *shape)


def group_norm(
    x: Any, weight: Any, bias: Any, groups: int, eps: float, centered: bool = True
) -> Any:
    """See :func:`autograd.kernels.normalization.group_norm`."""
    few = SETTINGS.few
    if few is not None and groups == 1:
        found = few.layer_norm(x, weight, bias, eps, centered)
        if found is not None:
            return found
    if not serves(x, weight, bias) or not x.size:
        return NotImplemented
    weight, bias = (_spread(v, x).reshape(groups, -1) for v in (weight, bias))
    out = np.empty(x.shape, x.dtype)
    mean, rate = (np.zeros((len(x), groups), x.dtype) for _ in range(2))
    rows = x.reshape(mean.size, -1)
    normalize = _normalize_vectors if _short(x) else _normalize_planes
    normalize(
        rows, _groups(x, groups), weight, bias, x.dtype.type(eps), centered,
        mean.reshape(-1), rate.reshape(-1), _groups(out, groups), thread_count(),
    )  # fmt: skip
    return out, mean, rate


def group_norm_grad(
    g: Any, x: Any, weight: Any, mean: Any, rate: Any, centered: bool = True
) -> Any:
    """See :func:`autograd.kernels.normalization.group_norm_grad`."""
    few = SETTINGS.few
    if few is not None and mean.shape[1] == 1:
        found = few.layer_norm_grad(g, x, weight, mean, rate, centered)
        if found is not None:
            return found
    if not serves(g, x, weight, mean, rate) or not x.size or g.shape != x.shape:
        return NotImplemented
    groups, blocks = mean.shape[1], _blocks(len(x))
    weight = _spread(weight, x).reshape(groups, -1)
    gx = np.empty(x.shape, x.dtype)
    of_weight, of_bias = (np.zeros((blocks, *weight.shape), x.dtype) for _ in range(2))
    differentiate = _vectors_grad if _short(x) else _planes_grad
    differentiate(
        _groups(g, groups), _groups(x, groups), weight, mean.reshape(-1), rate.reshape(-1),
        centered, _groups(gx, groups), of_weight, of_bias, blocks,
    )  # fmt: skip
    return gx, *(_gather(v, x.shape[1]).astype(x.dtype) for v in (of_weight, of_bias))


@compiled
def _row_sums(g, x, g_center, center):
    """Sums of g - g_center and of its products with x - center, over one row."""
    total, dot = g.dtype.type(0), g.dtype.type(0)
    for i in range(len(x)):
        a = g[i] - g_center
        total += a
        dot += a * (x[i] - center)
    return total, dot


@parallel
def _sums(g, x, g_center, center, sums, dots):
    """For each thread and channel the sums of g - g_center and of (g - g_center) (x - center)."""
    count, channels, threads = x.shape[0], x.shape[1], len(sums)
    for t in prange(threads):
        for n in range(count * t // threads, count * (t + 1) // threads):
            for c in range(channels):
                total, dot = _row_sums(g[n, c], x[n, c], g_center[c], center[c])
                sums[t, c] += total
                dots[t, c] += dot


@compiled
def _row_sum(x):
    total = x.dtype.type(0)
    for i in range(len(x)):
        total += x[i]
    return total


@parallel
def _totals(x, sums):
    count, channels, threads = x.shape[0], x.shape[1], len(sums)
    for t in prange(threads):
        for n in range(count * t // threads, count * (t + 1) // threads):
            for c in range(channels):
                sums[t, c] += _row_sum(x[n, c])


@compiled
def _scale_row(x, center, scale, shift, out):
    for i in range(len(x)):
        out[i] = (x[i] - center) * scale + shift


@parallel
def _scale(x, center, scale, shift, out, threads):
    count, channels = x.shape[0], x.shape[1]
    for t in prange(threads):
        for n in range(count * t // threads, count * (t + 1) // threads):
            for c in range(channels):
                _scale_row(x[n, c], center[c], scale[c], shift[c], out[n, c])


@compiled
def _combine_row(g, x, center, of_g, of_x, shift, out):
    for i in range(len(x)):
        out[i] = g[i] * of_g + ((x[i] - center) * of_x + shift)


@parallel
def _combine(g, x, center, of_g, of_x, shift, out, threads):
    count, channels = x.shape[0], x.shape[1]
    for t in prange(threads):
        for n in range(count * t // threads, count * (t + 1) // threads):
            for c in range(channels):
                _combine_row(g[n, c], x[n, c], center[c], of_g[c], of_x[c], shift[c], out[n, c])


# ------------------------------------------------------------------------- channels side by side


@compiled
def _add_columns(g, x, g_center, center, sums, dots):
    for n in range(len(x)):
        for j in range(x.shape[1]):
            a = g[n, j] - g_center[j]
            sums[j] += a
            dots[j] += a * (x[n, j] - center[j])


@parallel
def _column_sums(g, x, g_center, center, sums, dots):
    """Sums as by `_sums`, for each column and block of rows."""
    blocks = len(sums)
    for b in prange(blocks):
        first, last = len(x) * b // blocks, len(x) * (b + 1) // blocks
        _add_columns(g[first:last], x[first:last], g_center, center, sums[b], dots[b])


@compiled
def _scale_columns_part(x, center, scale, shift, out):
    for n in range(len(x)):
        for j in range(x.shape[1]):
            out[n, j] = (x[n, j] - center[j]) * scale[j] + shift[j]


@parallel
def _scale_columns(x, center, scale, shift, out, threads):
    for t in prange(threads):
        first, last = len(x) * t // threads, len(x) * (t + 1) // threads
        _scale_columns_part(x[first:last], center, scale, shift, out[first:last])


@compiled
def _combine_columns_part(g, x, center, of_g, of_x, shift, out):
    for n in range(len(x)):
        for j in range(x.shape[1]):
            out[n, j] = g[n, j] * of_g[j] + ((x[n, j] - center[j]) * of_x[j] + shift[j])


@parallel
def _combine_columns(g, x, center, of_g, of_x, shift, out, threads):
    for t in prange(threads):
        first, last = len(x) * t // threads, len(x) * (t + 1) // threads
        _combine_columns_part(
            g[first:last], x[first:last], center, of_g, of_x, shift, out[first:last]
        )


# ---------------------------------------------------------------------------------------- groups


@compiled
def _moments(row, eps, centered, mean, rate, r):
    if centered:
        mean[r] = _row_sum(row) / len(row)
    square = _row_sums(row, row, mean[r], mean[r])[1]
    rate[r] = 1 / np.sqrt(square / len(row) + eps)


@compiled
def _normalize_vector(x, mean, rate, weight, bias, out):
    for j in range(len(x)):
        out[j] = (x[j] - mean) * rate * weight[j] + bias[j]


@compiled
def normalize_vectors(rows, x, weight, bias, eps, centered, mean, rate, out, first, last):
    """See :func:`autograd.kernels.normalization.group_norm`; of some of the groups of vectors."""
    groups = len(weight)
    for r in range(first, last):
        _moments(rows[r], eps, centered, mean, rate, r)
        k = r % groups
        _normalize_vector(x[r], mean[r], rate[r], weight[k], bias[k], out[r])


@parallel
def _normalize_vectors(rows, x, weight, bias, eps, centered, mean, rate, out, threads):
    for t in prange(threads):
        normalize_vectors(
            rows, x, weight, bias, eps, centered, mean, rate, out,
            len(x) * t // threads, len(x) * (t + 1) // threads,
        )  # fmt: skip


@parallel
def _normalize_planes(rows, x, weight, bias, eps, centered, mean, rate, out, threads):
    groups = len(weight)
    for t in prange(threads):
        for r in range(len(x) * t // threads, len(x) * (t + 1) // threads):
            _moments(rows[r], eps, centered, mean, rate, r)
            for c in range(x.shape[1]):
                factor = weight[r % groups, c] * rate[r]
                _scale_row(x[r, c], mean[r], factor, bias[r % groups, c], out[r, c])


@compiled
def _vector_sums(g, x, weight, mean, rate, of_weight, of_bias):
    """Sums of g weight and of its products with x normalised; of g alone for each element."""
    total, dot = x.dtype.type(0), x.dtype.type(0)
    for j in range(len(x)):
        product = g[j] * ((x[j] - mean) * rate)
        of_weight[j] += product
        of_bias[j] += g[j]
        total += g[j] * weight[j]
        dot += product * weight[j]
    return total, dot


@compiled
def _combine_vector(g, x, weight, mean, of_g, of_x, shift, out):
    for j in range(len(x)):
        out[j] = g[j] * (of_g * weight[j]) + ((x[j] - mean) * of_x + shift)


@compiled
def _slopes(total, dot, rates, r, length, centered):
    """What x - mean is multiplied by in its gradient, and what is added."""
    rate = rates[r]
    shift = -rate * (total / length) if centered else 0.0
    return rates.dtype.type(-rate * rate * (dot / length)), rates.dtype.type(shift)


@compiled
def vectors_grad(g, x, weight, mean, rate, centered, gx, of_weight, of_bias, first, last):
    """See :func:`autograd.kernels.normalization.group_norm_grad`; of some of the groups of vectors.

    What belongs to weights and biases is added to ``of_weight`` and ``of_bias``.
    """
    groups = len(weight)
    for r in range(first, last):
        k = r % groups
        total, dot = _vector_sums(g[r], x[r], weight[k], mean[r], rate[r], of_weight[k], of_bias[k])
        of_x, shift = _slopes(total, dot, rate, r, x.shape[1], centered)
        _combine_vector(g[r], x[r], weight[k], mean[r], rate[r], of_x, shift, gx[r])


@parallel
def _vectors_grad(g, x, weight, mean, rate, centered, gx, of_weight, of_bias, blocks):
    groups = len(weight)
    images = len(x) // groups
    for b in prange(blocks):
        vectors_grad(
            g, x, weight, mean, rate, centered, gx, of_weight[b], of_bias[b],
            images * b // blocks * groups, images * (b + 1) // blocks * groups,
        )  # fmt: skip


@parallel
def _planes_grad(g, x, weight, mean, rate, centered, gx, of_weight, of_bias, blocks):
    groups, length = len(weight), x.shape[1] * x.shape[2]
    images = len(x) // groups
    for b in prange(blocks):
        first, last = images * b // blocks, images * (b + 1) // blocks
        for r in range(first * groups, last * groups):
            k = r % groups
            total, dot = x.dtype.type(0), x.dtype.type(0)
            for c in range(x.shape[1]):
                of_g, of_x = _row_sums(g[r, c], x[r, c], x.dtype.type(0), mean[r])
                of_bias[b, k, c] += of_g
                of_weight[b, k, c] += of_x * rate[r]
                total += of_g * weight[k, c]
                dot += of_x * rate[r] * weight[k, c]
            of_x, shift = _slopes(total, dot, rate, r, length, centered)
            for c in range(x.shape[1]):
                factor = rate[r] * weight[k, c]
                _combine_row(g[r, c], x[r, c], mean[r], factor, of_x, shift, gx[r, c])
