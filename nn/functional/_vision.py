"""Sizes of images: interpolation, and channels traded for places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor

__all__ = [
    "affine_grid",
    "channel_shuffle",
    "grid_sample",
    "interpolate",
    "pixel_shuffle",
    "pixel_unshuffle",
    "upsample",
]


def pixel_shuffle(input: TensorLike, upscale_factor: int) -> Tensor:
    """(…, C r², H, W) to (…, C, H r, W r): channels become places (Shi et al. 2016).

    >>> pixel_shuffle(np.arange(4.0).reshape(1, 4, 1, 1), 2)
    Tensor([[[[0., 1.],
              [2., 3.]]]])
    """
    x = as_tensor(input)
    r = upscale_factor
    if r <= 0:
        raise ValueError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    if x.ndim < 3 or x.shape[-3] % (r * r):
        raise ValueError(f"pixel_shuffle expects (…, C × {r * r}, H, W), got {x.shape}")
    *lead, c, h, w = x.shape
    k = len(lead)
    x = x.reshape(*lead, c // (r * r), r, r, h, w)
    x = x.transpose(*range(k), k, k + 3, k + 1, k + 4, k + 2)
    return x.reshape(*lead, c // (r * r), h * r, w * r)


def pixel_unshuffle(input: TensorLike, downscale_factor: int) -> Tensor:
    """(…, C, H r, W r) to (…, C r², H, W): the inverse of :func:`pixel_shuffle`."""
    x = as_tensor(input)
    r = downscale_factor
    if r <= 0:
        raise ValueError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    if x.ndim < 3 or x.shape[-1] % r or x.shape[-2] % r:
        raise ValueError(f"pixel_unshuffle expects (…, C, H × {r}, W × {r}), got {x.shape}")
    *lead, c, h, w = x.shape
    k = len(lead)
    x = x.reshape(*lead, c, h // r, r, w // r, r)
    x = x.transpose(*range(k), k, k + 2, k + 4, k + 1, k + 3)
    return x.reshape(*lead, c * r * r, h // r, w // r)


def channel_shuffle(input: TensorLike, groups: int) -> Tensor:
    """Channels of (N, C, …) dealt out anew, one from each of the groups in turn."""
    x = as_tensor(input)
    if x.ndim < 3 or groups <= 0 or x.shape[1] % groups:
        raise ValueError(f"channel_shuffle expects (N, C × {groups}, …), got {x.shape}")
    n, c = x.shape[:2]
    mixed = x.reshape(n, groups, c // groups, -1).swapaxes(1, 2)
    return mixed.reshape(x.shape)


# ----------------------------------------------------------------------------------- interpolation

_MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "area": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "bicubic": (2,),
    "trilinear": (3,),
}


def interpolate(
    input: TensorLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Images of another size.

    Args:
        input: (N, C, L), (N, C, H, W) or (N, C, D, H, W).
        size: of the output, one number or one per spatial axis.
        scale_factor: instead of ``size``.
        mode: "nearest", "nearest-exact", "area", "linear" (L), "bilinear" and "bicubic" (H, W) or
            "trilinear" (D, H, W).
        align_corners: whether the centres of the corner pixels stay, instead of their edges.
        recompute_scale_factor: use the ratio of the sizes instead of the given factor.
        antialias: not supported.

    The weights are separable: each axis is one product with a matrix.

    >>> interpolate([[[1.0, 3.0]]], scale_factor=2, mode="linear")
    Tensor([[[1. , 1.5, 2.5, 3. ]]])
    """
    x = as_tensor(input)
    n = x.ndim - 2
    if mode not in _MODES:
        raise NotImplementedError(f"interpolate has the modes {', '.join(_MODES)}, got {mode!r}")
    if n not in _MODES[mode]:
        raise NotImplementedError(
            f"mode {mode!r} is for {' or '.join(map(str, _MODES[mode]))} spatial axes, the input "
            f"has shape {x.shape}"
        )
    if antialias:
        raise NotImplementedError("interpolate does not support antialias=True")
    smooth = mode in ("linear", "bilinear", "bicubic", "trilinear")
    if align_corners is not None and not smooth:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear "
            "| bicubic | trilinear"
        )
    sizes, factors = _sizes(x.shape[2:], size, scale_factor, bool(recompute_scale_factor))
    if mode == "area":
        from nn.functional import _pooling as pools

        adaptive = (
            pools.adaptive_avg_pool1d,
            pools.adaptive_avg_pool2d,
            pools.adaptive_avg_pool3d,
        )
        return adaptive[n - 1](x, sizes)
    for axis, (out, factor) in enumerate(zip(sizes, factors), start=2):
        length = x.shape[axis]
        if mode in ("nearest", "nearest-exact"):
            places = _nearest(length, out, factor, exact=mode == "nearest-exact")
            x = x[(slice(None),) * axis + (places,)]
        else:
            weights = _kernel(mode)(length, out, factor, bool(align_corners)).astype(x.dtype)
            x = np.matmul(x.swapaxes(axis, -1), weights).swapaxes(axis, -1)
    return x


def _sizes(
    spatial: tuple[int, ...], size: Any, scale_factor: Any, recompute: bool
) -> tuple[tuple[int, ...], list[float | None]]:
    """Output sizes, and for each axis the given factor or None."""
    n = len(spatial)
    if (size is None) == (scale_factor is None):
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        sizes = tuple(int(s) for s in (size if isinstance(size, Sequence) else [size] * n))
        factors: list[float | None] = [None] * n
    else:
        given = scale_factor if isinstance(scale_factor, Sequence) else [scale_factor] * n
        if len(given) != n:
            raise ValueError(f"scale_factor must be one number or {n}, got {scale_factor!r}")
        sizes = tuple(math.floor(length * float(f)) for length, f in zip(spatial, given))
        factors = [None if recompute else float(f) for f in given]
    if len(sizes) != n:
        raise ValueError(f"size must be one number or {n}, got {size!r}")
    if min(sizes) < 1:
        raise ValueError(f"input and output sizes should be greater than 0, got {sizes}")
    return sizes, factors


def _nearest(length: int, out: int, factor: float | None, exact: bool) -> Any:
    scale = length / out if factor is None else 1 / factor
    places = np.floor((np.arange(out) + (0.5 if exact else 0.0)) * scale).astype(np.int64)
    return np.minimum(places, length - 1)


def _sources(length: int, out: int, factor: float | None, align_corners: bool) -> Any:
    """Where each output's centre lies on the input's axis."""
    i = np.arange(out)
    if align_corners:
        return i * ((length - 1) / (out - 1)) if out > 1 else i * 0.0
    return (i + 0.5) * (length / out if factor is None else 1 / factor) - 0.5


def _linear(length: int, out: int, factor: float | None, align_corners: bool) -> Any:
    """(length, out): the weights of linear interpolation."""
    source = np.clip(_sources(length, out, factor, align_corners), 0, None)
    left = np.minimum(np.floor(source).astype(np.int64), length - 1)
    right = np.minimum(left + 1, length - 1)
    share = np.clip(source - left, 0, 1)
    weights = np.zeros((length, out))
    np.add.at(weights, (left, np.arange(out)), 1 - share)
    np.add.at(weights, (right, np.arange(out)), share)
    return weights


def _cubic(length: int, out: int, factor: float | None, align_corners: bool) -> Any:
    """(length, out): the weights of Keys' cubic convolution with a = −3/4; edges are repeated."""
    a = -0.75
    source = _sources(length, out, factor, align_corners)
    left = np.floor(source).astype(np.int64)
    share = source - left
    weights = np.zeros((length, out))
    for offset in (-1, 0, 1, 2):
        t = np.abs(share - offset)
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
        places = np.clip(left + offset, 0, length - 1)
        np.add.at(weights, (places, np.arange(out)), np.where(t <= 1, near, far))
    return weights


def _kernel(mode: str) -> Any:
    return _cubic if mode == "bicubic" else _linear


def upsample(
    input: TensorLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """:func:`interpolate` under its older name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


# --------------------------------------------------------------------------------- sampling grids


def affine_grid(
    theta: TensorLike, size: Sequence[int], align_corners: bool | None = None
) -> Tensor:
    """The places that an affine map of the output's places reads, for :func:`grid_sample`.

    Args:
        theta: (N, 2, 3).
        size: of the output, (N, C, H, W).
        align_corners: whether −1 and 1 are the centres of the corner pixels, or their edges.

    Returns:
        (N, H, W, 2), x before y, in [−1, 1].
    """
    t = as_tensor(theta)
    if t.ndim != 3 or t.shape[1:] != (2, 3) or len(size) != 4:
        raise ValueError(f"affine_grid expects theta (N, 2, 3) and four sizes, got {t.shape}")
    _, _, h, w = size

    def centres(n: int) -> Any:
        if align_corners:
            return np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
        return (np.arange(n) * 2 + 1) / n - 1

    y, x = np.meshgrid(centres(h), centres(w), indexing="ij")
    base = np.stack([x, y, np.ones_like(x)], -1).reshape(1, h * w, 3).astype(t.dtype)
    return np.matmul(base, t.swapaxes(1, 2)).reshape(t.shape[0], h, w, 2)


def grid_sample(
    input: TensorLike,
    grid: TensorLike,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Images read at given places: the heart of a spatial transformer (Jaderberg et al. 2015).

    Args:
        input: (N, C, H, W).
        grid: (N, OH, OW, 2), x before y, in [−1, 1].
        mode: "bilinear" or "nearest".
        padding_mode: what lies outside: "zeros", or the "border".
        align_corners: whether −1 and 1 are the centres of the corner pixels, or their edges.

    Returns:
        (N, C, OH, OW).
    """
    x, g = as_tensor(input), as_tensor(grid)
    if x.ndim != 4 or g.ndim != 4 or g.shape[-1] != 2 or g.shape[0] != x.shape[0]:
        raise ValueError(
            f"grid_sample expects (N, C, H, W) and (N, OH, OW, 2), got {x.shape}, {g.shape}"
        )
    if mode not in ("bilinear", "nearest") or padding_mode not in ("zeros", "border"):
        raise NotImplementedError(
            "grid_sample has mode 'bilinear' or 'nearest' and padding_mode 'zeros' or 'border', "
            f"got {mode!r} and {padding_mode!r}"
        )
    n, _, h, w = x.shape

    def pixels(t: Tensor, length: int) -> Tensor:
        at = (t + 1) * ((length - 1) / 2) if align_corners else ((t + 1) * length - 1) / 2
        return np.clip(at, 0, length - 1) if padding_mode == "border" else at

    px, py = pixels(g[..., 0], w), pixels(g[..., 1], h)
    rows = np.arange(n)[:, None, None]

    def corner(iy: Any, ix: Any) -> Tensor:
        """(N, OH, OW, C): the pixels at integer places, 0 outside."""
        inside = (ix >= 0) & (ix < w) & (iy >= 0) & (iy < h)
        safe_y, safe_x = np.clip(iy, 0, h - 1), np.clip(ix, 0, w - 1)
        return x.transpose(0, 2, 3, 1)[rows, safe_y, safe_x] * inside[..., None]

    if mode == "nearest":
        out = corner(np.rint(py.data).astype(np.int64), np.rint(px.data).astype(np.int64))
        return out.transpose(0, 3, 1, 2)
    x0, y0 = np.floor(px.data).astype(np.int64), np.floor(py.data).astype(np.int64)
    fx, fy = np.expand_dims(px - x0, -1), np.expand_dims(py - y0, -1)
    top = corner(y0, x0) * (1 - fx) + corner(y0, x0 + 1) * fx
    bottom = corner(y0 + 1, x0) * (1 - fx) + corner(y0 + 1, x0 + 1) * fx
    return (top * (1 - fy) + bottom * fy).transpose(0, 3, 1, 2)
