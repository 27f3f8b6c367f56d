"""Ways to convolve for tests: all there are, and what they give by the definition."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from autograd.kernels import (
    conv,
    conv_input_grad,
    conv_output_shape,
    conv_weight_grad,
)

Array = np.ndarray[Any, Any]


class Geometry(NamedTuple):
    """One way to convolve: everything but the numbers."""

    images: int
    groups: int
    channels: int  # per group
    filters: int  # per group
    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]

    @property
    def window(self) -> tuple[Any, ...]:
        return self.stride, self.padding, self.dilation

    @property
    def out(self) -> tuple[int, ...]:
        return conv_output_shape(self.spatial, self.kernel, *self.window)

    def arrays(self, seed: int = 0, dtype: Any = np.float64) -> tuple[Array, Array, Array]:
        """Input, weight and output cotangent."""
        rng = np.random.default_rng(seed)
        shapes = (
            (self.images, self.groups * self.channels, *self.spatial),
            (self.groups * self.filters, self.channels, *self.kernel),
            (self.images, self.groups * self.filters, *self.out),
        )
        x, w, g = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
        return x, w, g


@st.composite
def geometries(draw: st.DrawFn, symmetric: bool = False, least_axes: int = 1) -> Geometry:
    n = draw(st.integers(least_axes, 3))

    def per_axis(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(n))

    kernel, stride, dilation = per_axis(1, 4), per_axis(1, 4), per_axis(1, 3)
    before = per_axis(0, 3)
    padding = tuple(zip(before, before if symmetric else per_axis(0, 3), strict=True))
    spatial = tuple(
        max(1, (k - 1) * d + 1 - sum(pads)) + draw(st.integers(0, 5))
        for k, d, pads in zip(kernel, dilation, padding, strict=True)
    )
    images, groups = draw(st.integers(0, 3)), draw(st.integers(1, 3))
    channels, filters = draw(st.integers(1, 2)), draw(st.integers(1, 5))
    return Geometry(images, groups, channels, filters, spatial, kernel, stride, padding, dilation)


def reads(geometry: Geometry) -> list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Every (window, tap, cell) with the cell inside the input, by the definition."""
    found = []
    for o in itertools.product(*map(range, geometry.out)):
        for t in itertools.product(*map(range, geometry.kernel)):
            cell = tuple(
                oi * s + ti * d - before
                for oi, ti, s, (before, _), d in zip(o, t, *geometry.window, strict=True)
            )
            if all(0 <= c < n for c, n in zip(cell, geometry.spatial, strict=True)):
                found.append((o, t, cell))
    return found


def by_definition(geometry: Geometry, x: Array, w: Array, g: Array) -> tuple[Array, Array, Array]:
    """Output, input gradient and weight gradient, one product of two numbers at a time."""
    y, gx, gw = np.zeros(g.shape), np.zeros(x.shape), np.zeros(w.shape)
    for group in range(geometry.groups):
        c = slice(group * geometry.channels, (group + 1) * geometry.channels)
        k = slice(group * geometry.filters, (group + 1) * geometry.filters)
        for o, t, cell in reads(geometry):
            at_o, at_t, at_cell = (_ALL, k, *o), (k, _ALL, *t), (_ALL, c, *cell)
            y[at_o] += x[at_cell] @ w[at_t].T
            gx[at_cell] += g[at_o] @ w[at_t]
            gw[at_t] += g[at_o].T @ x[at_cell]
    return y, gx, gw


_ALL = slice(None)


def all_three(geometry: Geometry, x: Array, w: Array, g: Array) -> tuple[Array, Array, Array]:
    """The same three from the kernels."""
    groups = geometry.groups
    return (
        conv(x, w, *geometry.window, groups),
        conv_input_grad(g, w, geometry.spatial, *geometry.window, groups),
        conv_weight_grad(g, x, geometry.kernel, *geometry.window, groups),
    )


def assert_all_close(actual: tuple[Array, ...], expected: tuple[Array, ...], **how: Any) -> None:
    for a, e, name in zip(actual, expected, ("y", "gx", "gw"), strict=True):
        np.testing.assert_allclose(a, e, err_msg=name, **{"rtol": 1e-10, "atol": 1e-10, **how})
