"""Convolution of volumes by one of planes, against the direct one in float64."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import unwrap
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autograd.kernels import _volumes, conv, conv_input_grad, conv_weight_grad
from autograd.kernels._settings import SETTINGS
from autograd.kernels._twins import settle
from autograd.kernels._windows import conv_output_shape

Array = np.ndarray[Any, Any]
KERNELS = {"numpy": [unwrap(kernel) for kernel in (conv, conv_input_grad, conv_weight_grad)]}
if settle():
    from autograd.kernels._numba import convolution as compiled

    KERNELS["numba"] = [compiled.conv, compiled.conv_input_grad, compiled.conv_weight_grad]


WAYS = ("conv", "input_grad", "weight_grad")


@pytest.fixture(autouse=True)
def by_winograd() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "convolution", "winograd")
        yield


def all_three(kernels: list[Any], x: Array, w: Array, b: Array, g: Array, window: Any) -> list[Any]:
    """Outputs with bias, and both gradients."""
    return [
        kernels[0](x, w, *window, b),
        kernels[1](g, w, x.shape[2:], *window),
        kernels[2](g, x, w.shape[2:], *window),
    ]


def volumes(
    images: int, channels: int, filters: int, spatial: Any, depth: int, window: Any
) -> tuple[Array, Array, Array, Array]:
    """Volumes, kernels, biases and a cotangent in float32."""
    rng = np.random.default_rng(0)
    out = conv_output_shape(spatial, (depth, 3, 3), *window[:3])
    shapes = (
        (images, channels, *spatial),
        (filters, channels, depth, 3, 3),
        (filters,),
        (images, filters, *out),
    )
    x, w, b, g = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    return x, w, b, g


@pytest.mark.parametrize("kind", KERNELS)
@given(
    counts=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
    spatial=st.tuples(st.integers(1, 7), st.integers(3, 9), st.integers(3, 9)),
    depth=st.integers(1, 4),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    padding=st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 3),
    most=st.sampled_from([1, 1 << 11, 1 << 25]),
)
def test_any_window(
    kind: str, counts: Any, spatial: Any, depth: int, stride: int, dilation: int,
    padding: Any, most: int,
) -> None:  # fmt: skip
    window = ((stride, 1, 1), padding, (dilation, 1, 1), 1)
    assume(min(conv_output_shape(spatial, (depth, 3, 3), *window[:3])) > 0)
    arrays = volumes(*counts, spatial, depth, window)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_volumes, "_MOST_BYTES", most)
        went = [mock.Mock(wraps=getattr(_volumes, name)) for name in WAYS]
        for name, way in zip(WAYS, went, strict=True):
            patch.setattr(_volumes, name, way)
        found = all_three(KERNELS[kind], *arrays, window)
        # In NumPy, Winograd's algorithm takes volumes as they are, step by step.
        whole = kind == "numpy" and stride == dilation == 1
        assert [way.call_count for way in went] == ([0, 0, 0] if whole else [1, 1, 1])
    wide = [a.astype(np.float64) for a in arrays]
    for f, e in zip(found, all_three(KERNELS["numpy"], *wide, window), strict=True):
        assert f.shape == e.shape
        assert f.dtype == np.float32
        np.testing.assert_allclose(f, e, atol=3e-5 * max(1, abs(e).max()))


@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("why", ["direct", "float64", "stride", "groups"])
def test_who_does_not_go_by_planes(kind: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step, groups = 2 if why == "stride" else 1, 2 if why == "groups" else 1
    window = ((1, step, step), ((1, 1),) * 3, (1, 1, 1), groups)
    x, w, b, g = volumes(2, 4, 4, (5, 6, 7), 3, window)
    arrays = [x, w[:, : 4 // groups].copy(), b, g]
    if why == "float64":
        arrays = [a.astype(np.float64) for a in arrays]
    elif why == "direct":
        monkeypatch.setattr(SETTINGS, "convolution", "direct")
    for name in WAYS:
        monkeypatch.setattr(_volumes, name, mock.Mock(side_effect=AssertionError))
    y, gx, gw = all_three(KERNELS[kind], *arrays, window)
    assert (y.shape, gx.shape, gw.shape) == (g.shape, x.shape, arrays[1].shape)


@pytest.mark.parametrize("kind", KERNELS)
def test_what_is_not_finite_stays_where_it_is(kind: str) -> None:
    window = ((1, 1, 1), ((1, 1),) * 3, (1, 1, 1), 1)
    x, w, b, g = volumes(2, 3, 4, (5, 6, 7), 3, window)
    g[0, 1, 0, 2, 3] = np.inf
    found = all_three(KERNELS[kind], x, w, b, g, window)
    if found[2] is NotImplemented:  # the compiled form leaves it to the other
        found[2] = KERNELS["numpy"][2](g, x, (3, 3, 3), *window)
    wide = [a.astype(np.float64) for a in (x, w, b, g)]
    with np.errstate(invalid="ignore"):
        expected = all_three(KERNELS["numpy"], *wide, window)
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.isfinite(f), np.isfinite(e))
