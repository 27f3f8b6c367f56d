"""The convolution kernels against loops over the definition, each other, and PyTorch."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from autograd.kernels import (
    _innermost,
    col2im,
    conv,
    conv_input_grad,
    conv_output_shape,
    conv_weight_grad,
    im2col,
)
from autograd.kernels._layout import is_innermost
from autograd.kernels._settings import SETTINGS
from tests.autograd.kernels.geometry import (
    Geometry,
    all_three,
    assert_all_close,
    by_definition,
    geometries,
    reads,
)


@given(geometries())
def test_definition(geometry: Geometry) -> None:
    arrays = geometry.arrays()
    copies = [a.copy() for a in arrays]
    assert_all_close(all_three(geometry, *arrays), by_definition(geometry, *arrays))
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@given(geometries())
def test_bias_is_added(geometry: Geometry) -> None:
    x, w, _ = geometry.arrays()
    bias = np.random.default_rng(1).standard_normal(len(w))
    per_filter = bias.reshape(-1, *[1] * len(geometry.spatial))
    y = conv(x, w, *geometry.window, geometry.groups, bias)
    np.testing.assert_allclose(y, conv(x, w, *geometry.window, geometry.groups) + per_filter)


def test_bias_takes_part_in_the_dtype() -> None:
    x, w = np.ones((1, 1, 3), np.float32), np.ones((1, 1, 2), np.float32)
    y = conv(x, w, (1,), ((0, 0),), (1,), 1, np.array([1e-12]))
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, [[[2 + 1e-12] * 2]])


@given(geometries(symmetric=True))
def test_torch(geometry: Geometry) -> None:
    torch = pytest.importorskip("torch")
    x, w, g = (torch.tensor(a) for a in geometry.arrays())
    x.requires_grad_()
    w.requires_grad_()
    convolution = getattr(torch.nn.functional, f"conv{len(geometry.spatial)}d")
    before = [b for b, _ in geometry.padding]
    y = convolution(x, w, None, geometry.stride, before, geometry.dilation, geometry.groups)
    assert tuple(y.shape[2:]) == geometry.out
    gx, gw = torch.autograd.grad(y, (x, w), g)
    expected = (y.detach().numpy(), gx.numpy(), gw.numpy())
    assert_all_close(all_three(geometry, *geometry.arrays()), expected)


# Shapes that networks are made of, with more than one piece of columns and an unequal last batch.
LAYERS = {
    "lenet": Geometry(5, 1, 6, 16, (14, 14), (5, 5), (1, 1), ((0, 0),) * 2, (1, 1)),
    "vgg": Geometry(7, 1, 32, 24, (32, 32), (3, 3), (1, 1), ((1, 1),) * 2, (1, 1)),
    "late": Geometry(17, 1, 96, 64, (8, 8), (3, 3), (1, 1), ((1, 1),) * 2, (1, 1)),
    "resnet": Geometry(3, 1, 3, 16, (49, 49), (7, 7), (2, 2), ((3, 3),) * 2, (1, 1)),
    "pointwise": Geometry(3, 1, 32, 48, (14, 14), (1, 1), (1, 1), ((0, 0),) * 2, (1, 1)),
    "small pointwise": Geometry(9, 1, 32, 48, (4, 4), (1, 1), (1, 1), ((0, 0),) * 2, (1, 1)),
    "shortcut": Geometry(3, 1, 32, 48, (15, 14), (1, 1), (2, 2), ((0, 0),) * 2, (1, 1)),
    "depthwise": Geometry(3, 32, 1, 1, (28, 28), (3, 3), (2, 2), ((1, 1),) * 2, (1, 1)),
    "depthwise, large": Geometry(2, 24, 1, 1, (70, 66), (3, 3), (2, 2), ((1, 1),) * 2, (1, 1)),
    "grouped": Geometry(3, 4, 8, 8, (16, 16), (3, 3), (1, 1), ((1, 1),) * 2, (1, 1)),
    "atrous": Geometry(3, 1, 8, 8, (24, 24), (3, 3), (1, 1), ((4, 4),) * 2, (4, 4)),
    "depthwise, several filters": Geometry(
        9, 24, 1, 2, (21, 27), (5, 3), (2, 1), ((2, 2), (1, 1)), (1, 2)
    ),
    "narrow": Geometry(5, 1, 16, 16, (40, 60), (3, 3), (1, 1), ((1, 1),) * 2, (1, 1)),
    "upwards": Geometry(5, 1, 24, 12, (16, 16), (4, 4), (2, 2), ((1, 1),) * 2, (1, 1)),
    "upwards, apart": Geometry(3, 1, 16, 32, (9, 17), (2, 2), (2, 2), ((0, 0),) * 2, (1, 1)),
    "upwards, one axis": Geometry(3, 2, 16, 32, (301,), (4,), (2,), ((1, 1),), (1,)),
    "upwards, volumes": Geometry(
        3, 1, 16, 32, (16, 12, 10), (2, 2, 2), (2, 2, 2), ((0, 0),) * 3, (1, 1, 1)
    ),
    "late, one image": Geometry(1, 1, 256, 256, (7, 7), (3, 3), (1, 1), ((1, 1),) * 2, (1, 1)),
    "audio": Geometry(2, 1, 1, 8, (8000,), (80,), (4,), ((38, 38),), (1,)),
    "video": Geometry(2, 1, 3, 8, (8, 16, 16), (3, 3, 3), (1, 2, 2), ((1, 1),) * 3, (1, 1, 1)),
    "one pixel": Geometry(4, 1, 16, 10, (1, 1), (1, 1), (1, 1), ((0, 0),) * 2, (1, 1)),
    "twice as many": Geometry(70, 1, 10, 20, (12, 12), (5, 5), (1, 1), ((0, 0),) * 2, (1, 1)),
    "twice as many, volumes": Geometry(
        20, 2, 3, 6, (5, 6, 9), (3, 3, 3), (1, 2, 1), ((1, 1),) * 3, (1, 1, 2)
    ),
    "volumes, halved": Geometry(
        9, 1, 32, 48, (9, 10, 12), (3, 3, 3), (2, 2, 2), ((1, 1),) * 3, (1, 1, 1)
    ),
    "volumes, halved, one image": Geometry(
        1, 2, 32, 32, (16, 14, 15), (3, 3, 3), (2, 2, 2), ((1, 1), (2, 2), (0, 0)), (1, 2, 1)
    ),
    "whole plane": Geometry(4, 1, 16, 10, (5, 5), (5, 5), (1, 1), ((0, 0),) * 2, (1, 1)),
}


# Rows of cells that are apart are no band.
BANDED = [name for name, layer in LAYERS.items() if layer.dilation[0] == 1]


@pytest.mark.parametrize(
    ("name", "by_innermost"),
    [(name, False) for name in LAYERS] + [(name, True) for name in BANDED],
)
def test_float32_layers(name: str, by_innermost: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    geometry = LAYERS[name]
    monkeypatch.setattr(_innermost, "pays", lambda *_: by_innermost)
    if by_innermost:
        monkeypatch.setattr(SETTINGS, "may_compile", False)
    arrays = geometry.arrays(dtype=np.float32)
    x, w, g = (torch.tensor(a, dtype=torch.float64) for a in arrays)
    x.requires_grad_()
    w.requires_grad_()
    convolution = getattr(torch.nn.functional, f"conv{len(geometry.spatial)}d")
    before = [b for b, _ in geometry.padding]
    y = convolution(x, w, None, geometry.stride, before, geometry.dilation, geometry.groups)
    expected = (y, *torch.autograd.grad(y, (x, w), g))
    for actual, e in zip(all_three(geometry, *arrays), expected, strict=True):
        assert actual.dtype == np.float32
        assert actual.flags.c_contiguous or (by_innermost and is_innermost(actual))
        scale = float(e.detach().abs().max())
        np.testing.assert_allclose(actual, e.detach().numpy(), atol=1e-5 * scale, rtol=0)


@given(geometries())
def test_adjoints(geometry: Geometry) -> None:
    """<g, conv(x, w)> = <conv_input_grad(g, w), x> = <conv_weight_grad(g, x), w>."""
    x, w, g = geometry.arrays()
    y, gx, gw = all_three(geometry, x, w, g)
    inner = np.vdot(g, y)
    np.testing.assert_allclose([np.vdot(gx, x), np.vdot(gw, w)], inner, rtol=1e-9, atol=1e-9)


@given(geometries())
def test_any_memory_layout(geometry: Geometry) -> None:
    arrays = geometry.arrays()
    expected = all_three(geometry, *arrays)
    backwards = [a[..., ::-1].copy()[..., ::-1] for a in arrays]
    fortran = [np.asfortranarray(a) for a in arrays]
    spread = []
    for a in arrays:
        wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan)
        wide[..., ::2] = a
        spread.append(wide[..., ::2])
    for layout in (backwards, fortran, spread):
        assert_all_close(all_three(geometry, *layout), expected)


def test_same_padding_with_an_even_kernel() -> None:
    x = np.arange(4.0).reshape(1, 1, 4)
    y = conv(x, np.array([[[1.0, 10.0]]]), (1,), ((0, 1),), (1,), 1)
    np.testing.assert_array_equal(y, [[[10.0, 21.0, 32.0, 3.0]]])


def test_cells_that_no_window_reads_get_no_gradient() -> None:
    g, w = np.ones((1, 1, 2, 2)), np.ones((1, 1, 1, 1))
    gx = conv_input_grad(g, w, (6, 5), (3, 3), ((0, 0), (0, 0)), (1, 1), 1)
    assert gx.sum() == 4
    assert gx[0, 0, ::3, ::3].sum() == 4


@pytest.mark.parametrize("bad", [np.inf, np.nan])
@pytest.mark.parametrize("cell", [(0, 0), (0, 6), (6, 6), (3, 0)])
def test_a_bad_number_reaches_only_what_reads_it(bad: float, cell: tuple[int, int]) -> None:
    geometry = Geometry(3, 1, 1, 1, (7, 7), (3, 3), (1, 1), ((0, 0),) * 2, (1, 1))
    x, w, g = geometry.arrays()
    x[(1, 0, *cell)] = bad
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = conv(x, w, *geometry.window, 1)
        gw = conv_weight_grad(g, x, geometry.kernel, *geometry.window, 1)
    met = [(o, t) for o, t, read in reads(geometry) if read == cell]
    assert {(1, 0, *o) for o, _ in met} == set(map(tuple, np.argwhere(~np.isfinite(y)).tolist()))
    assert {(0, 0, *t) for _, t in met} == set(map(tuple, np.argwhere(~np.isfinite(gw)).tolist()))


@pytest.mark.parametrize("filters", [1, 3])
def test_a_bad_weight_reaches_only_what_it_is_read_with(filters: int) -> None:
    geometry = Geometry(2, 1, 1, filters, (7, 7), (3, 3), (2, 2), ((1, 1),) * 2, (1, 1))
    _, w, g = geometry.arrays()
    w[0, 0, 0, 2] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gx = conv_input_grad(g, w, geometry.spatial, *geometry.window, 1)
    bad = {read for _, t, read in reads(geometry) if t == (0, 2)}
    assert {(0, 0, *cell) for cell in bad} == set(
        map(tuple, np.argwhere(np.isnan(gx[:1])).tolist())
    )


@pytest.mark.parametrize("bad", [np.inf, np.nan])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_bad_cotangent_reaches_only_what_its_window_read(bad: float, channels: int) -> None:
    geometry = Geometry(9, 1, channels, 1, (15, 15), (3, 3), (2, 2), ((1, 1),) * 2, (1, 1))
    _, w, g = geometry.arrays()
    g[1, 0, 3, 2] = bad
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gx = conv_input_grad(g, w, geometry.spatial, *geometry.window, 1)
    met = {(1, *read) for o, _, read in reads(geometry) if o == (3, 2)}
    assert met == set(map(tuple, np.argwhere(~np.isfinite(gx[:, 0])).tolist()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128, np.int64])
def test_dtype_is_kept(dtype: Any) -> None:
    geometry = Geometry(2, 1, 2, 3, (6, 6), (3, 3), (2, 2), ((1, 1),) * 2, (1, 1))
    x, w, g = (np.round(10 * a).astype(dtype) for a in geometry.arrays())
    actual = all_three(geometry, x, w, g)
    assert [a.dtype for a in actual] == [dtype] * 3
    assert_all_close(actual, by_definition(geometry, *(a.real.astype(float) for a in (x, w, g))))


@pytest.mark.parametrize("empty", ["images", "channels", "filters"])
def test_empty(empty: str) -> None:
    geometry = Geometry(2, 1, 2, 3, (6,), (3,), (1,), ((1, 1),), (1,))._replace(**{empty: 0})
    x, w, g = geometry.arrays()
    y, gx, gw = all_three(geometry, x, w, g)
    assert (y.shape, gx.shape, gw.shape) == (g.shape, x.shape, w.shape)
    assert not any(a.any() for a in (y, gx, gw))


def test_no_window_fits() -> None:
    assert conv_output_shape((2, 9), (5, 3), (1, 1), ((0, 0), (1, 1)), (1, 1)) == (0, 9)
    y = conv(np.ones((1, 1, 2)), np.ones((1, 1, 5)), (1,), ((0, 0),), (1,), 1)
    assert y.shape == (1, 1, 0)


def test_memory_stays_modest() -> None:
    """Far less than the nine-fold columns of a whole batch."""
    import tracemalloc

    geometry = Geometry(16, 1, 16, 16, (32, 32), (3, 3), (1, 1), ((1, 1),) * 2, (1, 1))
    x, w, g = geometry.arrays(dtype=np.float32)
    all_three(geometry, x, w, g)
    tracemalloc.start()
    try:
        all_three(geometry, x, w, g)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * x.nbytes


# ------------------------------------------------------------------------------------- im2col


@given(geometries(symmetric=True))
def test_im2col_composes_to_conv(geometry: Geometry) -> None:
    geometry = geometry._replace(groups=1)
    x, w, g = geometry.arrays()
    cols = im2col(x, geometry.kernel, *geometry.window)
    taps, windows = math.prod(geometry.kernel), math.prod(geometry.out)
    assert cols.shape == (geometry.images, geometry.channels * taps, windows)
    y = (w.reshape(len(w), geometry.channels * taps) @ cols).reshape(g.shape)
    np.testing.assert_allclose(y, conv(x, w, *geometry.window, 1), atol=1e-10)
    gcols = w.reshape(len(w), -1).T @ g.reshape(geometry.images, len(w), windows)
    gx = col2im(gcols, geometry.spatial, geometry.kernel, *geometry.window)
    expected = conv_input_grad(g, w, geometry.spatial, *geometry.window, 1)
    np.testing.assert_allclose(gx, expected, atol=1e-10)


@given(geometries(symmetric=True))
def test_im2col_torch(geometry: Geometry) -> None:
    torch = pytest.importorskip("torch")
    n = 2  # torch unfolds planes only
    geometry = geometry._replace(
        images=max(1, geometry.images),
        spatial=(geometry.spatial * 2)[:n],
        kernel=(geometry.kernel * 2)[:n],
        stride=(geometry.stride * 2)[:n],
        padding=(geometry.padding * 2)[:n],
        dilation=(geometry.dilation * 2)[:n],
    )
    x, _, _ = geometry.arrays()
    how = {
        "kernel_size": geometry.kernel,
        "stride": geometry.stride,
        "padding": [b for b, _ in geometry.padding],
        "dilation": geometry.dilation,
    }
    expected = torch.nn.functional.unfold(torch.tensor(x), **how)
    cols = im2col(x, geometry.kernel, *geometry.window)
    np.testing.assert_array_equal(cols, expected.numpy())
    sums = torch.nn.functional.fold(expected, geometry.spatial, **how)
    np.testing.assert_allclose(
        col2im(cols, geometry.spatial, geometry.kernel, *geometry.window), sums.numpy(), atol=1e-12
    )
