"""Layers of networks as single operations: what would be several nodes is one, with one rule.

Each could be composed of other primitives; as one operation it saves less and passes over memory
less often. The rules are again made of primitives, so all of them can be differentiated further.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from autograd import kernels
from autograd._primitive import Specialized, primitive, sample
from autograd.kernels._settings import SETTINGS
from autograd.primitives.elementwise import sigmoid, softplus
from autograd.primitives.products import LARGE, product
from autograd.primitives.reduction import softmax

# By these names Python finds in less time what layers of few numbers need.
_add, _ndarray, _ones = np.add, np.ndarray, kernels.ones

# ------------------------------------------------------------------------------------------ linear


@primitive(
    batched=True,
    samples=(
        sample((4, 3), (2, 3), (2,)),
        sample((4, 3), (2, 3), None),
        sample((3,), (2, 3), (2,)),
        sample((2, 4, 3), (2, 3), (2,)),
        sample((4, 3), (3,), ()),
        sample((2, 4, 3), (3,), None),
    ),
)
def linear(x: Any, weight: Any, bias: Any, /) -> Any:
    """The affine map x Wᵀ + b along the last axis.

    Args:
        x: (…, in).
        weight: (out, in), or (in,) for a single output without an axis.
        bias: (out,), or () for a weight without that axis; None for none.

    Returns:
        (…, out), or (…) for a weight of shape (in,).

    >>> linear(np.array([[1.0, 2.0]]), np.array([[1.0, 1.0], [0.0, 3.0]]), np.array([10.0, 20.0]))
    array([[13., 26.]])
    """
    if weight.ndim == 2 and x.ndim == 2:
        count = len(weight)
        if x.size * count > LARGE:
            y = product(x, weight.T)
        else:
            few = SETTINGS.few
            if few is not None and (y := few.linear(x, weight, bias)) is not None:
                return y
            y = x.dot(weight.T)
        if type(bias) is _ndarray and bias.dtype is y.dtype and bias.shape == (count,):
            if count > 1 and len(y) >= _MANY and y.size <= LARGE:
                bias = bias[None].repeat(len(y), 0)  # a sum of like arrays takes less time
            return _add(y, bias, y)
    elif weight.ndim == 2 and x.ndim > 2:
        rows = product(x.reshape(prod(x.shape[:-1]), x.shape[-1]), weight.T)
        y = rows.reshape(*x.shape[:-1], weight.shape[0])
    else:
        y = np.matmul(x, weight.T)
    if bias is None:
        return y
    if bias.shape != weight.shape[:-1]:
        raise ValueError(
            f"a weight of shape {weight.shape} expects a bias of shape {weight.shape[:-1]}, got "
            f"{bias.shape}"
        )
    return y + bias


@linear.rule("x")
def _(g: Any, weight: Any) -> Any:
    if weight.ndim == 1:
        return g[..., None] * weight
    if g.ndim <= 2:
        return product(g, weight)
    rows = product(g.reshape(prod(g.shape[:-1]), g.shape[-1]), weight)
    return rows.reshape(*g.shape[:-1], weight.shape[1])


@linear.rule("weight")
def _(g: Any, x: Any, y_ndim: int) -> Any:
    if g.ndim == x.ndim == y_ndim == 2:
        return product(g.T, x)  # of the weight's own layout
    lead = g.shape[: g.ndim - y_ndim]
    count = prod(x.shape[:-1])
    rows = x.reshape(count, x.shape[-1])
    if y_ndim < x.ndim:  # there is one output, without an axis
        return g.reshape(*lead, count) @ rows
    return product(g.reshape(*lead, count, g.shape[-1]).swapaxes(-1, -2), rows)


@linear.rule("bias")
def _(g: Any, bias_ndim: int, y_ndim: int) -> Any:
    if type(g) is _ndarray and g.ndim == 2 and y_ndim == 2 and bias_ndim == 1:
        return _sum_of_rows(g)
    if y_ndim == bias_ndim:
        return g
    return np.sum(g, axis=tuple(range(g.ndim - y_ndim, g.ndim - bias_ndim)))


@linear.shortcut
def _(g: Any, edges: Any, x: Any, weight: Any, y_ndim: int) -> Any:
    to_x, to_weight, to_bias = edges
    if to_weight is None or type(g) is not _ndarray or not (g.ndim == x.ndim == y_ndim == 2):
        return None
    if x.size * g.shape[1] > LARGE:
        return None
    gx = None if to_x is None else g.dot(weight)
    return gx, g.T.dot(x), None if to_bias is None else _sum_of_rows(g)


def _sum_of_rows(g: Any) -> Any:
    count = len(g)
    return _ones(count, g.dtype).dot(g) if count <= _FEW else np.add.reduce(g, 0)


# A product with ones sums the rows of a small matrix several times faster than a reduction.
_FEW = 1024
# From so many rows on, adding the same one to each takes longer than copying it for each first.
_MANY = 128


@linear.specialize
def _(x: Any, weight: Any, bias: Any) -> Specialized | None:
    if bias is None or not (x.dtype == weight.dtype == bias.dtype) or x.dtype.kind != "f":
        return None
    if len(x.shape) != 2 or len(weight.shape) != 2:
        return None
    count, width = x.shape[0], weight.shape[0]
    if count > _FEW or prod(x.shape) * width > LARGE:
        return None
    y, rows = (np.empty((count, width), x.dtype) for _ in range(2))
    gx = np.empty(x.shape, x.dtype)
    each = kernels.ones(count, x.dtype)

    def forward(x: Any, weight: Any, bias: Any) -> Any:
        rows[...] = bias  # which, and a sum of like arrays, takes less time than one with a row
        return _add(x.dot(weight.T, y), rows, y)

    return Specialized(
        forward,
        {
            "x": lambda g, weight: g.dot(weight, gx),
            "weight": lambda g, x, y_ndim: g.T.dot(x),
            "bias": lambda g, bias_ndim, y_ndim: each.dot(g),
        },
        (y, gx),
    )


# ----------------------------------------------------------------------------------- cross-entropy

TRUE = np.array([2, 0, 1, 2])
SCALE = np.array([0.5, 0.0, 2.0, 1.0])


@primitive(
    aux=("slopes", "sums"),
    batched=True,
    samples=(
        sample((4, 3), target=TRUE),
        sample((4, 3), target=TRUE, reduction="sum"),
        sample((4, 3), target=TRUE, scale=SCALE, reduction="none"),
        sample((4, 3), target=TRUE, scale=SCALE),
    ),
)
def cross_entropy(x: Any, /, target: Any, scale: Any = None, reduction: str = "mean") -> Any:
    """Minus the logarithm of the softmax at the true class, without overflow.

    Args:
        x: logits (N, C).
        target: the true classes, integers (N,) from 0 to C - 1.
        scale: a factor (N,) for each sample; where it is 0 the sample does not count.
        reduction: "none", "sum", or "mean": the sum divided by that of the factors.

    Returns:
        The losses (N,), or their sum or mean.

    >>> cross_entropy(np.array([[0.0, 0.0]]), target=np.array([1])).round(4)
    np.float64(0.6931)
    """
    few = SETTINGS.few
    if few is not None and scale is None and reduction != "none":
        found = few.cross_entropy(x, target, reduction == "mean")
        if found is not None:
            return found
    losses, slopes, sums = kernels.cross_entropy(x, target)
    if scale is not None:
        scale = scale.astype(x.dtype)
        losses = np.multiply(losses, scale, out=np.zeros_like(losses), where=scale != 0)
    if reduction == "none":
        return losses, slopes, sums
    if len(losses) <= _FEW:
        total = _ones(len(losses), losses.dtype).dot(losses)
    else:
        total = np.add.reduce(losses)
    if reduction == "mean":
        total = _divided(total, target, scale)
    return total, slopes, sums


def _divided(total: Any, target: Any, scale: Any) -> Any:
    if scale is None:
        return total / len(target)
    with np.errstate(divide="ignore", invalid="ignore"):
        return total / np.sum(scale, dtype=total.dtype)


@cross_entropy.rule
def _(
    g: Any, x: Any, slopes: Any, sums: Any, target: Any, scale: Any, reduction: str, y_ndim: int
) -> Any:
    few = SETTINGS.few
    if few is not None and scale is None and type(x) is _ndarray and not g.ndim:
        gx = few.cross_entropy_grad(slopes, sums, g, reduction == "mean")
        if gx is not None:
            return gx
    if reduction == "mean":
        g = _divided(g, target, scale)
    if scale is not None:
        g = (g if y_ndim else g[..., None]) * scale.astype(g.dtype)
    if type(x) is _ndarray and (g.ndim == y_ndim or (g.ndim == 1 and scale is not None)):
        return kernels.cross_entropy_grad(slopes, sums, g)
    if type(x) is _ndarray:
        slopes = slopes / sums[:, None]
    else:
        slopes = softmax.call(x, -1) - np.equal(target[:, None], np.arange(x.shape[1]))
    return slopes * (g[..., None] if y_ndim or scale is not None else g[..., None, None])


@cross_entropy.specialize
def _(x: Any, target: Any, scale: Any, reduction: str) -> Specialized | None:
    if scale is not None or reduction != "mean" or not np.can_cast(target.dtype, np.intp):
        return None
    kernel = kernels.small_cross_entropy(x.shape[0], x.shape[1], x.dtype)
    if kernel is None:
        return None
    compute, differentiate, buffers = kernel
    count = x.shape[0]
    each = kernels.ones(count, x.dtype)

    def forward(x: Any, target: Any, scale: Any, reduction: str) -> Any:
        losses, slopes, sums = compute(x, target)
        return each.dot(losses) / count, slopes, sums

    def rule(g: Any, *_: Any) -> Any:
        return differentiate(g / count)

    return Specialized(forward, {"x": rule}, buffers)


@primitive(batched=True, samples=(sample((2, 3), (2, 3)), sample((5,), (5,), low=-6.0, high=6.0)))
def binary_cross_entropy(x: Any, target: Any, /) -> Any:
    """Minus the logarithm of what σ(x) gives the true one of two classes, without overflow.

    Args:
        x: logits.
        target: of the same shape: 1 for the first class, 0 for the other, or a share.

    Returns:
        softplus(x) - target x.

    >>> binary_cross_entropy(np.array([0.0, 1000.0]), np.array([1.0, 1.0])).round(4)
    array([0.6931, 0.    ])
    """
    return softplus.forward(x) - x * target


@binary_cross_entropy.rule("x")
def _(g: Any, x: Any, target: Any) -> Any:
    return g * (sigmoid.call(x) - target)


@binary_cross_entropy.rule("target")
def _(g: Any, x: Any) -> Any:
    return -g * x


# ------------------------------------------------------------------------------ normalised channels


def _over_channels(x: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """All axes but the channels', and the shape of one number per channel against x."""
    return (0, *range(2, x.ndim)), (1, x.shape[1], *(1,) * (x.ndim - 2))


def _vector(value: Any, like: Any, default: float) -> Any:
    return np.full(like.shape[1], default, like.dtype) if value is None else value


@primitive(
    aux=("mean", "rate"),
    samples=(
        sample((4, 3), (3,), (3,)),
        sample((2, 2, 3, 2), (2,), (2,), eps=0.1),
        sample((2, 2, 3), None, None),
        sample((3, 2, 2), (2,), None),
    ),
)
def batch_norm(x: Any, weight: Any, bias: Any, /, eps: float = 1e-5, moments: Any = None) -> Any:
    """Each channel with mean 0 and variance 1 over the batch, times weight, plus bias.

    Args:
        x: images (N, C, *spatial).
        weight, bias: (C,), or None for ones and zeros.
        eps: added to the (biased) variance.
        moments: mean and variance of the channels of x, where they are already known.

    >>> batch_norm(np.array([[1.0], [3.0]]), None, None, eps=0.0)
    array([[-1.],
           [ 1.]])
    """
    mean, variance = kernels.channel_moments(x) if moments is None else moments
    rate = 1 / np.sqrt(variance + eps)
    scale = rate if weight is None else weight * rate
    return kernels.channel_scale(x, mean, scale, _vector(bias, x, 0)), mean, rate


@batch_norm.rule
def _(g: Any, x: Any, weight: Any, mean: Any, rate: Any, eps: float, needs: Any) -> Any:
    axes, shape = _over_channels(x)
    count = x.size // x.shape[1]
    if type(g) is np.ndarray:
        sums, dots = kernels.channel_dots(g, x, mean)
        gx = None
        if needs[0]:
            scale = rate if weight is None else weight * rate
            slope = -scale * rate * rate * dots / count
            gx = kernels.channel_combine(g, x, mean, scale, slope, -scale * sums / count)
        return gx, (dots * rate).astype(g.dtype), sums.astype(g.dtype)
    centered = x - np.mean(x, axis=axes, keepdims=True)
    rate = 1 / np.sqrt(np.mean(centered * centered, axis=axes, keepdims=True) + eps)
    normal = centered * rate
    sums = np.sum(g, axis=axes, keepdims=True)
    dots = np.sum(g * normal, axis=axes, keepdims=True)
    scale = rate if weight is None else rate * np.reshape(weight, shape)
    gx = scale * (g - sums / count - normal * (dots / count))
    return gx, np.reshape(dots, shape[1]), np.reshape(sums, shape[1])


@primitive(
    samples=(
        sample((4, 3), (3,), (3,)),
        sample((2, 2, 3, 2), (2,), (2,), center=np.array([1.0, -2.0])),
        sample((2, 2, 3), (2,), None),
    )
)
def channel_scale(x: Any, scale: Any, shift: Any, /, center: Any = None) -> Any:
    """(x - center) scale + shift, with one number of each for each channel.

    Args:
        x: images (N, C, *spatial).
        scale: (C,).
        shift: (C,), or None for zeros.
        center: (C,), a constant; None for zeros.

    >>> channel_scale(np.ones((1, 2)), np.array([2.0, 3.0]), np.array([4.0, 5.0]))
    array([[6., 8.]])
    """
    return kernels.channel_scale(x, _vector(center, x, 0), scale, _vector(shift, x, 0))


@channel_scale.rule
def _(g: Any, x: Any, scale: Any, center: Any, needs: Any) -> Any:
    gx = channel_scale(g, scale, None) if needs[0] else None
    if not (needs[1] or needs[2]):
        return gx, None, None
    center = _vector(center, x, 0)
    if type(g) is np.ndarray:
        sums, dots = kernels.channel_dots(g, x, center)
        return gx, dots.astype(g.dtype), sums.astype(g.dtype)
    axes, shape = _over_channels(x)
    apart = x - center.reshape(shape).astype(x.dtype)
    return gx, np.sum(g * apart, axis=axes), np.sum(g, axis=axes)


@primitive(
    aux=("mean", "rate"),
    samples=(
        sample((4, 6), (6,), (6,)),
        sample((2, 4, 3, 2), (4,), (4,), groups=2, eps=0.1),
        sample((3, 4), (4,), None, centered=False),
    ),
)
def group_norm(
    x: Any, weight: Any, bias: Any, /, groups: int = 1, eps: float = 1e-5, centered: bool = True
) -> Any:
    """Each image's groups of channels with mean 0 and variance 1, times weight, plus bias.

    Args:
        x: images (N, C, *spatial).
        weight, bias: (C,), or None for ones and zeros.
        groups: divides C; 1 with vectors (N, C) is layer normalisation.
        eps: added to the (biased) variance.
        centered: False divides by the root mean square instead.

    >>> group_norm(np.array([[1.0, 3.0]]), None, None, eps=0.0)
    array([[-1.,  1.]])
    """
    return kernels.group_norm(x, _vector(weight, x, 1), _vector(bias, x, 0), groups, eps, centered)


@group_norm.rule
def _(
    g: Any, x: Any, weight: Any, mean: Any, rate: Any, groups: int, eps: float, centered: bool
) -> Any:
    if type(g) is np.ndarray:
        return kernels.group_norm_grad(g, x, _vector(weight, x, 1), mean, rate, centered)
    return _recorded_gradients(g, x, weight, groups, eps, centered)


def _recorded_gradients(
    g: Any, x: Any, weight: Any, groups: int, eps: float, centered: bool
) -> tuple[Any, Any, Any]:
    """What `group_norm_grad` returns, made of operations that can be differentiated."""
    axes, shape = _over_channels(x)
    apart = np.reshape(x, (x.shape[0], groups, -1))
    if centered:
        apart = apart - np.mean(apart, axis=2, keepdims=True)
    rate = 1 / np.sqrt(np.mean(apart * apart, axis=2, keepdims=True) + eps)
    normal = apart * rate
    scaled = g if weight is None else g * np.reshape(weight, shape)
    scaled = np.reshape(scaled, apart.shape)
    gx = scaled - normal * np.mean(scaled * normal, axis=2, keepdims=True)
    if centered:
        gx = gx - np.mean(scaled, axis=2, keepdims=True)
    normal = np.reshape(normal, x.shape)
    return np.reshape(gx * rate, x.shape), np.sum(g * normal, axis=axes), np.sum(g, axis=axes)


@primitive(
    aux=("mean", "rate"),
    samples=(
        sample((4, 6), (6,), (6,)),
        sample((2, 3, 4), (4,), (4,), eps=0.1),
        sample((2, 3, 2), (3, 2), (3, 2), axes=2, eps=0.1),
        sample((2, 3, 4), (4,), None, centered=False),
        sample((2, 3), None, None, eps=0.1),
    ),
)
def layer_norm(
    x: Any, weight: Any, bias: Any, /, axes: int = 1, eps: float = 1e-5, centered: bool = True
) -> Any:
    """The last axes together with mean 0 and variance 1, times weight, plus bias.

    Args:
        x: (…, *normalized).
        weight, bias: (*normalized,), or None for ones and zeros.
        axes: how many axes are normalised together.
        eps: added to the (biased) variance.
        centered: False divides by the root mean square instead.

    >>> layer_norm(np.array([[[1.0, 3.0]]]), None, None, eps=0.0)
    array([[[-1.,  1.]]])
    """
    rows = _as_rows(x, axes)
    one, zero = (None if v is None else _in_shape(v, rows.shape[1:]) for v in (weight, bias))
    y, mean, rate = group_norm.forward(rows, one, zero, eps=eps, centered=centered)
    return _in_shape(y, x.shape), mean, rate


@layer_norm.rule
def _(
    g: Any, x: Any, weight: Any, mean: Any, rate: Any, axes: int, eps: float, centered: bool
) -> Any:
    given, rows = _as_rows(g, axes), _as_rows(x, axes)
    factors = None if weight is None else _in_shape(weight, rows.shape[1:])
    if type(g) is np.ndarray:
        one = _vector(factors, rows, 1)
        parts = kernels.group_norm_grad(given, rows, one, mean, rate, centered)
    else:
        parts = _recorded_gradients(given, rows, factors, 1, eps, centered)
    shape = x.shape[x.ndim - axes :]
    return tuple(_in_shape(part, to) for part, to in zip(parts, (x.shape, shape, shape)))


def _in_shape(array: Any, shape: tuple[int, ...]) -> Any:
    return array if array.shape == shape else np.reshape(array, shape)


def _as_rows(x: Any, axes: int) -> Any:
    """The last axes as rows of a matrix."""
    if x.ndim == 2 and axes == 1:
        return x
    length = prod(x.shape[x.ndim - axes :])
    return np.reshape(x, (x.size // max(length, 1), length))
