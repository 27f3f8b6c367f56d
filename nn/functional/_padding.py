"""Borders: constants, reflections, copies of the edge, and wrapping around."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor

__all__ = ["pad"]

_NUMPY_MODES: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(
    input: TensorLike, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """x with a border, given from the last axis backwards: (left, right, top, bottom, …).

    Args:
        input: any shape for "constant"; (…, L), (…, H, W) or (…, D, H, W) for the others.
        pad: two widths per axis, the last axis first. Negative ones cut off ("constant" and
            "circular" only).
        mode: "constant", "reflect" (without the edge), "replicate" or "circular".
        value: of a constant border, 0 by default.

    >>> pad([[1.0, 2.0, 3.0]], (1, 2), mode="replicate")
    Tensor([[1., 1., 2., 3., 3., 3.]])
    """
    x = as_tensor(input)
    if len(pad) % 2:
        raise ValueError(f"pad must hold two widths per axis, got {len(pad)}: {tuple(pad)}")
    n_axes = len(pad) // 2
    if n_axes > x.ndim:
        raise ValueError(f"pad for {n_axes} axes, but the input has shape {x.shape}")
    widths = [(0, 0)] * (x.ndim - n_axes)
    widths += [(int(pad[2 * i]), int(pad[2 * i + 1])) for i in range(n_axes)][::-1]
    for axis, (length, (before, after)) in enumerate(zip(x.shape, widths)):
        if length + before + after < 0:
            raise ValueError(f"pad {tuple(pad)} leaves nothing of axis {axis} of {x.shape}")
        if mode == "reflect" and max(before, after) >= length > 0:
            raise ValueError(
                f"reflect: padding {(before, after)} must be less than axis {axis} of {x.shape}"
            )
        if mode == "circular" and max(before, after) > length:
            raise ValueError(
                f"circular: padding {(before, after)} wraps around axis {axis} of {x.shape} more "
                "than once"
            )
    if any(w < 0 for pair in widths for w in pair):
        if mode not in ("constant", "circular"):
            raise ValueError(f"mode {mode!r} takes no negative padding, got {tuple(pad)}")
        inside = tuple(slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(x.shape, widths))
        x = x[inside]
        widths = [(max(b, 0), max(a, 0)) for b, a in widths]
    if all(pair == (0, 0) for pair in widths):
        return np.positive(x)
    if mode == "constant":
        return np.pad(x, widths, constant_values=0 if value is None else value)
    if mode not in _NUMPY_MODES:
        raise NotImplementedError(
            f"pad has modes constant, reflect, replicate and circular, got {mode!r}"
        )
    if value:
        raise ValueError(f"mode {mode!r} does not take a value")
    return np.pad(x, widths, mode=_NUMPY_MODES[mode])
