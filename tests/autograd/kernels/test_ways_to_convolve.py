"""Each way to compute a convolution or its gradients against the definition, and who goes it."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd.kernels.convolution as kernels
from autograd.kernels import (
    _bands,
    _columns,
    _innermost,
    _residues,
    _rows,
    _scatter,
    _shares,
    _tiles,
    conv,
    conv_input_grad,
    conv_weight_grad,
)
from autograd.kernels._blas import openblas
from autograd.kernels._layout import innermost, is_innermost
from autograd.kernels._scatter import prefers_planes
from autograd.kernels._settings import SETTINGS
from autograd.kernels._threads import in_shares
from tests.autograd.kernels.geometry import (
    Array,
    Geometry,
    all_three,
    assert_all_close,
    by_definition,
    geometries,
)

# Distances of rows that are multiples of so many bytes are avoided: all, or hardly any here.
ALIASED = st.sampled_from([1, 1 << 11])


@given(
    geometries(), st.integers(1, 40), st.integers(1, 3), st.sampled_from([0.0, 1.2, 9.0]), ALIASED
)
@pytest.mark.parametrize("bands", [True, False], ids=["bands", "flat"])
@pytest.mark.parametrize("few", [True, False], ids=["filters shared out", "outputs shared out"])
def test_however_the_work_is_cut_up(
    few: bool,
    bands: bool,
    geometry: Geometry,
    columns: int,
    threads: int,
    waste: float,
    aliased: int,
) -> None:
    """Small arrays fit in one piece of columns, and are not worth a thread; here they are cut."""
    arrays = geometry.arrays()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "threads", threads)
        patch.setattr(_shares, "_SHARED", 0)
        patch.setattr(_columns, "few_outputs", lambda *_: few)
        patch.setattr(_rows, "_COLUMN_BYTES", 1)
        patch.setattr(_rows, "_MIN_COLUMNS", columns)
        patch.setattr(_rows, "_ALIASED", aliased)
        patch.setattr(_columns, "_MIN_POINTWISE", 4)
        patch.setattr(_rows, "_WASTE", waste)
        patch.setattr(_rows, "_MIN_INNERMOST", 2)
        patch.setattr(_bands, "_MIN_WIDTH", 1 if bands else 1 << 40)
        patch.setattr(_bands, "_TAPS_PER_FILTER", 0)
        patch.setattr(_bands, "_WIDTH", columns)
        patch.setattr(_bands, "_PIECE_BYTES", 64 * columns)
        patch.setattr(_bands, "_MIN_ROWS", 1)
        patch.setattr(_bands, "_MIN_PRODUCT", 0)
        patch.setattr(_bands, "_MANY_TAPS", 0)
        actual = all_three(geometry, *arrays)
    assert_all_close(actual, by_definition(geometry, *arrays))


@given(geometries(), st.booleans(), st.integers(1, 3), st.sampled_from([1, 500, 1 << 20]))
@pytest.mark.parametrize("finite", [True, False], ids=["finite", "not finite"])
def test_images_innermost(
    finite: bool, geometry: Geometry, given_so: bool, threads: int, piece: int
) -> None:
    geometry = geometry._replace(dilation=(1, *geometry.dilation[1:]))
    x, w, g = geometry.arrays()
    if not finite and x.size:
        x.flat[x.size // 2] = np.inf
        g.flat[g.size // 2] = np.nan
    if given_so and x.size:
        x, g = (_turned(a) for a in (x, g))
    bias = np.arange(float(len(w)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "may_compile", False)
        patch.setattr(SETTINGS, "threads", threads)
        patch.setattr(_innermost, "_SHARED", 0)
        patch.setattr(_innermost, "_PIECE_BYTES", piece)
        patch.setattr(_innermost, "pays", lambda images, *_: images > 0)
        actual = all_three(geometry, x, w, g)
        biased = conv(x, w, *geometry.window, geometry.groups, bias)
    for a in (*actual[:2], biased):
        assert a.flags.owndata
        assert is_innermost(a) or (a.flags.c_contiguous and (1 in a.shape or not a.size))
    with np.errstate(invalid="ignore"):
        assert_all_close(actual, by_definition(geometry, x, w, g))
        expected = actual[0] + bias.reshape(-1, *[1] * len(geometry.spatial))
    np.testing.assert_allclose(biased, expected)


def _turned(x: Array) -> Array:
    turned = innermost(x.shape, x.dtype)
    turned[...] = x
    return turned


def test_whose_images_stand_innermost() -> None:
    """Those of small convolutions of many images, whoever asks; none by Winograd's algorithm."""
    none = ((0, 0), (0, 0))

    def is_so(shape: tuple[int, ...], kernels: tuple[int, ...], step: int = 1, by: int = 1) -> bool:
        x, w = np.ones(shape, np.float32), np.ones(kernels, np.float32)
        window = (step, step), none, (by, by)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SETTINGS, "may_compile", False)
            y = conv(x, w, *window, 1)
            gx = conv_input_grad(y, w, x.shape[2:], *window, 1)
            gw = conv_weight_grad(y, x, w.shape[2:], *window, 1)
        assert is_innermost(y) == is_innermost(gx)
        assert gw.flags.c_contiguous
        return is_innermost(y)

    assert is_so((64, 1, 28, 28), (6, 1, 5, 5))
    assert is_so((8, 6, 14, 14), (16, 6, 5, 5), step=2)
    assert not is_so((7, 6, 14, 14), (16, 6, 5, 5))
    assert is_so((64, 6, 14, 14), (32, 6, 5, 5))
    assert not is_so((64, 6, 14, 14), (33, 6, 5, 5))
    assert is_so((64, 15, 14, 14), (17, 15, 3, 3))
    assert is_so((64, 16, 14, 14), (17, 16, 3, 3), step=2)
    assert not is_so((64, 16, 14, 14), (17, 16, 3, 3))
    assert not is_so((64, 6, 14, 14), (16, 6, 1, 1))
    assert not is_so((64, 6, 14, 14), (16, 6, 5, 5), by=2)
    assert not is_so((8, 6, 40, 40), (16, 6, 5, 5))
    assert not is_so((2000, 1, 28, 28), (6, 1, 5, 5))
    assert not is_so((64, 1, 32, 32), (6, 1, 2, 2), step=2)
    assert is_so((8, 16, 12, 12), (16, 16, 3, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "convolution", "winograd")
        assert not is_so((8, 16, 12, 12), (16, 16, 3, 3))


@st.composite
def tilings(draw: st.DrawFn) -> Geometry:
    """Windows that do not overlap, with and without cells between them and at the end."""
    n = draw(st.integers(1, 3))

    def per_axis(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(n))

    kernel, dilation, out = per_axis(1, 3), per_axis(1, 2), per_axis(1, 3)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    stride = tuple(r + gap for r, gap in zip(reach, per_axis(0, 2), strict=True))
    spatial = tuple(
        (o - 1) * s + r + draw(st.integers(0, s - 1))
        for o, s, r in zip(out, stride, reach, strict=True)
    )
    images, groups, channels, filters = (draw(st.integers(i, 3)) for i in (0, 1, 1, 1))
    padding = ((0, 0),) * n
    return Geometry(images, groups, channels, filters, spatial, kernel, stride, padding, dilation)


@given(tilings(), st.integers(1, 3), st.sampled_from([1, 300, 1 << 20]), st.booleans(), ALIASED)
def test_windows_that_do_not_overlap(
    geometry: Geometry, threads: int, columns: int, finite: bool, aliased: int
) -> None:
    x, w, g = geometry.arrays()
    bias = np.arange(float(len(w)))
    if not finite and x.size:
        x.flat[x.size // 2] = np.inf
        g.flat[g.size // 2] = np.nan
    served = []

    def serves(*what: Any) -> bool:
        served.append(_serves(*what))
        return served[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "may_compile", False)
        patch.setattr(SETTINGS, "threads", threads)
        patch.setattr(_shares, "_SHARED", 0)
        patch.setattr(_rows, "_ALIASED", aliased)
        patch.setattr(_tiles, "_COLUMN_BYTES", columns)
        patch.setattr(_tiles, "_MIN_WINDOWS", 1)
        patch.setattr(_tiles, "serves", serves)
        actual = all_three(geometry, x, w, g)
        biased = conv(x, w, *geometry.window, geometry.groups, bias)
    # Asked for the output, that with a bias, and both gradients, but not for that of no images.
    assert served == [max(geometry.stride) > 1] * (4 if x.size else 3)
    with np.errstate(invalid="ignore"):
        assert_all_close(actual, by_definition(geometry, x, w, g))
        expected = actual[0] + bias.reshape(-1, *[1] * len(geometry.spatial))
    np.testing.assert_allclose(biased, expected)


_serves = _tiles.serves


@pytest.mark.parametrize("empty", ["images", "channels", "filters"])
def test_nothing_in_windows_that_do_not_overlap(empty: str) -> None:
    sizes = {"images": 2, "channels": 3, "filters": 4, empty: 0}
    images, channels, filters = sizes.values()
    x, w = np.ones((images, channels, 16, 16)), np.ones((filters, channels, 2, 2))
    g, window = np.ones((images, filters, 8, 8)), ((2, 2), ((0, 0), (0, 0)), (1, 1))
    bias = np.arange(float(filters))
    y = conv(x, w, *window, 1, bias)
    np.testing.assert_array_equal(y, np.ones(g.shape) * bias[:, None, None] + 4.0 * channels)
    gx = conv_input_grad(g, w, (16, 16), *window, 1)
    np.testing.assert_array_equal(gx, np.full(x.shape, float(filters)))
    gw = conv_weight_grad(g, x, (2, 2), *window, 1)
    np.testing.assert_array_equal(gw, np.full(w.shape, 64.0 * images))


def test_windows_that_overlap_or_see_padding_are_no_tiles() -> None:
    out, plain = (8, 8), ((0, 0), (0, 0))
    assert _serves(out, (2, 3), (2, 3), plain, (1, 1))
    assert not _serves(out, (2, 3), (2, 2), plain, (1, 1))
    assert not _serves(out, (2, 2), (2, 2), plain, (1, 2))
    assert not _serves(out, (2, 2), (2, 2), ((0, 1), (0, 0)), (1, 1))
    assert not _serves((7, 9), (2, 2), (2, 2), plain, (1, 1))


@given(geometries(), st.integers(1, 3))
@pytest.mark.parametrize("scatter", [True, False], ids=["scatter", "gather"])
@pytest.mark.parametrize("together", [True, False], ids=["together", "by residue"])
def test_every_form_of_the_input_gradient(
    together: bool, scatter: bool, geometry: Geometry, threads: int
) -> None:
    _, w, g = geometry.arrays()
    w[:, :, ...] += 1  # so that no tap is nearly 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "threads", threads)
        patch.setattr(_shares, "_SHARED", 0)
        patch.setattr(kernels, "prefers_scatter", lambda *_: scatter and g.size > 0)
        patch.setattr(_residues, "_prefers_together", lambda *_: together)
        patch.setattr(_bands, "_MIN_WIDTH", 1)
        patch.setattr(_bands, "_TAPS_PER_FILTER", 0)
        gx = conv_input_grad(g, w, geometry.spatial, *geometry.window, geometry.groups)
    x = np.zeros((geometry.images, geometry.groups * geometry.channels, *geometry.spatial))
    _, expected, _ = by_definition(geometry, x, w, g)
    np.testing.assert_allclose(gx, expected, rtol=1e-10, atol=1e-10)


def from_same_columns(geometry: Geometry, *arrays: Array) -> list[Any]:
    """What the kernels for two results give, of input, weight and cotangent, with NumPy: output and
    weight gradient, then both gradients."""
    x, w, g = arrays
    window, groups = geometry.window, geometry.groups
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "may_compile", False)
        return [
            kernels.conv_and_weight_grad(x, g, w, *window, groups),
            kernels.conv_grads(g, x, w, *window, groups),
        ]


@given(geometries(), st.integers(1, 3), st.booleans())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_results_from_the_same_columns(
    dtype: Any, geometry: Geometry, threads: int, stepwise: bool
) -> None:
    if stepwise:
        stride = (1,) * len(geometry.stride)
        geometry = geometry._replace(stride=stride)
    arrays = geometry.arrays()
    expected = by_definition(geometry, *arrays)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "threads", threads)
        patch.setattr(_shares, "_SHARED", 0)
        patch.setattr(kernels, "is_shared", lambda *_: False)
        patch.setattr(kernels, "_prefers_same_columns", lambda x, g, *_: x.size * g.size > 0)
        found = from_same_columns(geometry, *(np.asfortranarray(a.astype(dtype)) for a in arrays))
    if geometry.images == 0:
        assert found == [None, None]
        return
    close = 1e-10 if dtype == np.float64 else 1e-4
    (y, gw), both = found
    assert y.dtype == gw.dtype == dtype
    np.testing.assert_allclose(y, expected[0], rtol=close, atol=close)
    np.testing.assert_allclose(gw, expected[2], rtol=close, atol=close)
    assert (both is None) == (max(geometry.stride) > 1)
    if both is not None:
        assert both[0].dtype == both[1].dtype == dtype
        assert both[1].flags.c_contiguous
        np.testing.assert_allclose(both[0], expected[1], rtol=close, atol=close)
        np.testing.assert_allclose(both[1], expected[2], rtol=close, atol=close)


# Input and weight, stride, groups; and whether output and weight gradient come from the same
# columns, and both gradients.
TWO_RESULTS: list[tuple[Any, ...]] = [
    ("little to do", (2, 6, 14, 14), (16, 6, 5, 5), 1, 1, "d", True, True),
    ("a stride", (2, 6, 14, 14), (16, 6, 5, 5), 2, 1, "d", True, False),
    ("in groups", (2, 6, 14, 14), (8, 3, 5, 5), 1, 2, "d", True, True),
    ("much to do", (4, 32, 40, 40), (32, 32, 5, 5), 1, 1, "d", True, False),
    ("not for each thread", (1, 32, 40, 40), (64, 32, 5, 5), 1, 1, "d", False, False),
    ("by Winograd", (4, 32, 40, 40), (32, 32, 3, 3), 1, 1, "f", False, False),
    ("by bands", (8, 64, 58, 58), (64, 1, 3, 3), 1, 64, "d", False, False),
    ("images innermost", (16, 6, 14, 14), (16, 6, 5, 5), 1, 1, "f", False, False),
    ("tiles", (2, 8, 16, 16), (8, 8, 2, 2), 2, 1, "d", False, False),
    ("points", (2, 8, 16, 16), (8, 8, 1, 1), 1, 1, "d", False, False),
    ("integers", (2, 6, 14, 14), (16, 6, 5, 5), 1, 1, "l", False, False),
    ("no filters", (2, 6, 14, 14), (0, 6, 5, 5), 1, 1, "d", False, False),
    ("no channels", (2, 0, 14, 14), (16, 0, 5, 5), 1, 1, "d", False, False),
    ("no images", (0, 6, 14, 14), (16, 6, 5, 5), 1, 1, "d", False, False),
]


@pytest.mark.parametrize("case", TWO_RESULTS, ids=lambda case: case[0])
def test_what_is_computed_from_the_same_columns(
    case: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, shape, kernel, stride, groups, dtype, *expected = case
    monkeypatch.setattr(SETTINGS, "threads", 2)
    per_group, filters = shape[1] // groups, kernel[0] // groups
    window = (stride,) * 2, ((0, 0),) * 2, (1, 1)
    geometry = Geometry(shape[0], groups, per_group, filters, shape[2:], kernel[2:], *window)
    found = from_same_columns(geometry, *geometry.arrays(dtype=dtype))
    assert [both is not None for both in found] == expected


def test_compiled_kernels_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """They need no columns; but for few numbers nobody asks whether there are any."""
    asked = []

    def settle() -> bool:
        asked.append(True)
        return True

    monkeypatch.setattr(SETTINGS, "threads", 1)
    monkeypatch.setattr(kernels, "settle", settle)
    for side, few in ((9, True), (40, False)):
        geometry = Geometry(2, 1, 6, 4, (side, side), (3, 3), (1, 1), ((0, 0),) * 2, (1, 1))
        x, w, g = geometry.arrays()
        assert (max(x.size, g.size) < 1 << 10) == few
        window = geometry.window
        both = kernels.conv_and_weight_grad(x, g, w, *window, 1)
        gradients = kernels.conv_grads(g, x, w, *window, 1)
        assert (both is not None) == (gradients is not None) == few
        assert asked == ([] if few else [True, True])


def test_arrays_of_several_precisions_are_for_each_kernel_by_itself() -> None:
    geometry = Geometry(2, 1, 6, 16, (14, 14), (5, 5), (1, 1), ((0, 0),) * 2, (1, 1))
    for i in range(3):
        arrays = list(geometry.arrays())
        arrays[i] = arrays[i].astype(np.float32)
        assert from_same_columns(geometry, *arrays) == [None, None]


@pytest.mark.parametrize("bad", [np.inf, np.nan])
@pytest.mark.parametrize("cell", [(0, 0), (0, 6), (6, 6), (3, 0)])
def test_a_bad_number_in_the_same_columns(bad: float, cell: tuple[int, int]) -> None:
    geometry = Geometry(3, 1, 2, 2, (7, 7), (3, 3), (1, 1), ((0, 0),) * 2, (1, 1))
    for i in (0, 2):  # in the input, in the cotangent
        arrays = geometry.arrays()
        place = cell if i == 0 else (min(cell[0], 4), min(cell[1], 4))
        arrays[i][(1, 0, *place)] = bad
        with np.errstate(invalid="ignore"):
            expected = by_definition(geometry, *arrays)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            (y, gw), both = from_same_columns(geometry, *arrays)
        assert_all_close((y, expected[1], gw), expected)
        if i == 0:  # beyond the windows a cotangent is 0, which kernels meet too
            assert_all_close((expected[0], *both), expected)
        np.testing.assert_allclose(both[1], expected[2], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("threads", [1, 2])
def test_infinities_that_cancel_in_the_same_columns(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two images, which two threads have one each of."""
    monkeypatch.setattr(SETTINGS, "threads", threads)
    monkeypatch.setattr(_shares, "_SHARED", 0)
    monkeypatch.setattr(kernels, "is_shared", lambda *_: False)
    geometry = Geometry(2, 1, 2, 2, (7, 7), (3, 3), (1, 1), ((0, 0),) * 2, (1, 1))
    x, w, g = geometry.arrays()
    x[:, 0, 3, 3] = np.inf, -np.inf
    g[:] = np.abs(g)
    with np.errstate(invalid="ignore"):
        expected = by_definition(geometry, x, w, g)
    assert np.isnan(expected[2]).any()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        # What is not finite is computed once more, tap by tap, which tells.
        patch.setattr(kernels, "_weight_grad_by_tap", lambda *_: expected[2])
        (y, gw), both = from_same_columns(geometry, x, w, g)
    assert gw is expected[2]
    assert both is not None
    np.testing.assert_allclose(y, expected[0], rtol=1e-10, atol=1e-10)


BY_BLAS = pytest.mark.skipif(openblas() is None, reason="NumPy has another BLAS than OpenBLAS")


@BY_BLAS
@given(geometries(least_axes=3), st.integers(1, 3), st.sampled_from([1, 30, 1 << 20]))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_input_gradient_of_volumes_added_up_by_blas(
    dtype: Any, geometry: Geometry, threads: int, together: int
) -> None:
    geometry = geometry._replace(dilation=(1, *geometry.dilation[1:]))
    x, w, g = geometry.arrays()
    _, expected, _ = by_definition(geometry, x, w, g)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "threads", threads)
        patch.setattr(SETTINGS, "may_compile", False)
        patch.setattr(_shares, "_SHARED", 0)
        patch.setattr(_scatter, "_PLANE", together)
        patch.setattr(kernels, "_prefers_innermost", lambda *_: False)
        patch.setattr(kernels, "_serves_winograd", lambda *_: False)
        patch.setattr(_tiles, "serves", lambda *_: False)
        patch.setattr(kernels, "prefers_planes", lambda *_: g.size > 0)
        by_planes = mock.Mock(wraps=_scatter.scatter_in_planes)
        patch.setattr(kernels, "scatter_in_planes", by_planes)
        cotangent = np.asfortranarray(g.astype(dtype))
        window, groups = geometry.window, geometry.groups
        gx = conv_input_grad(cotangent, w.astype(dtype), geometry.spatial, *window, groups)
    assert by_planes.called == (g.size > 0)
    assert gx.dtype == dtype
    close = 1e-10 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(gx, expected, rtol=close, atol=close)


@BY_BLAS
def test_which_volumes_are_added_up_by_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    g, w = np.zeros((8, 64, 8, 8, 8), np.float32), np.zeros((1, 64, 32, 3, 3, 3), np.float32)
    strided, plain = (2, 2, 2), (1, 1, 1)
    assert prefers_planes(g, w, strided, plain)
    assert prefers_planes(g, w, (2, 1, 1), (1, 2, 1))
    assert not prefers_planes(g, w, plain, (1, 2, 1))
    assert not prefers_planes(g, w, (1, 2, 2), plain)
    assert not prefers_planes(g, w[..., :1, :1], strided, plain)
    assert not prefers_planes(g, w, strided, (2, 1, 1))
    assert not prefers_planes(g, w[:, :, :8], strided, plain)
    assert not prefers_planes(g[:, :16], w[:, :16], strided, plain)
    assert not prefers_planes(g[:1, :, :2], w, strided, plain)
    assert not prefers_planes(g[:, :, 0], w[:, :, :, 0], strided[1:], plain[1:])
    assert not prefers_planes(g, w, (3, 3, 3), plain)
    assert not prefers_planes(g.astype(np.float64), w, strided, plain)
    assert not prefers_planes(g.astype(np.float16), w.astype(np.float16), strided, plain)
    w[0, 0, 0, 1, 1, 1] = np.nan
    assert not prefers_planes(g, w, strided, plain)
    w[...] = 1
    assert prefers_planes(g, w, strided, plain)
    monkeypatch.setattr(_scatter, "_product", lambda _: None)
    assert not prefers_planes(g, w, strided, plain)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_shares_are_equal_and_in_order(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SETTINGS, "threads", threads)
    shares: list[list[int]] = []
    in_shares(shares.append, list(range(13)))
    assert [piece for share in sorted(shares) for piece in share] == list(range(13))
    assert len(shares) == threads
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("filters", "reached"), [(20, True), (2, False)])
def test_who_goes_by_scattered_bands(
    filters: int, reached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    scatter = _scatter.scatter_by_bands

    def spy(*args: Any) -> None:
        calls.append(args)
        scatter(*args)

    monkeypatch.setattr(_scatter, "scatter_by_bands", spy)
    monkeypatch.setattr(_innermost, "pays", lambda *_: False)
    monkeypatch.setattr(SETTINGS, "may_compile", False)
    rng = np.random.default_rng(0)
    g, w = rng.standard_normal((64, filters, 8, 8)), rng.standard_normal((filters, 10, 5, 5))
    arguments = ((12, 12), (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    gx = conv_input_grad(g, w, *arguments)
    assert bool(calls) == reached
    monkeypatch.setattr(kernels, "prefers_bands", lambda *_: False)
    np.testing.assert_allclose(gx, conv_input_grad(g, w, *arguments), atol=1e-12)


@pytest.mark.parametrize(
    ("channels", "side", "size", "stride", "expected"),
    [
        (1, 56, 3, 1, True),
        (1, 40, 3, 2, False),
        (1, 56, 3, 2, True),
        (2, 56, 3, 2, False),
        (1, 56, 4, 2, True),
        (1, 56, 7, 2, True),
        (1, 112, 3, 2, True),
        (2, 112, 3, 2, True),
        (1, 224, 3, 4, False),
    ],
)
def test_bands_are_for_rows_that_serve_several_taps_and_for_large_planes(
    channels: int, side: int, size: int, stride: int, expected: bool
) -> None:
    out = (side - 1) // stride + 1
    before = [size // 2] * 2
    weight = (64, 1, channels, size, size)
    window = [stride] * 2, before, [1, 1]
    plan = _bands.layout(8, weight, (side, side), (out, out), *window, 4, 1)
    assert (plan is not None) == expected


def test_last_images_may_be_laid_out_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 22 images, 8, 8 and 6 at a time, the last stand side by side with room between their
    rows, in as many positions as the others take without."""
    monkeypatch.setattr(_bands, "_WIDTH", 24)
    rng = np.random.default_rng(0)
    g, w = rng.standard_normal((22, 4, 6, 3)), rng.standard_normal((4, 2, 3, 3))
    window = (1, 1), ((1, 1), (1, 1)), (1, 1)
    axes = _rows.axes_of((6, 3), (6, 3), (3, 3), (1, 1), (1, 1), (1, 1))
    found = np.zeros((22, 1, 2, 6, 3))
    _bands.scatter_by_bands(g[:, np.newaxis], w[np.newaxis], found, axes, 1)
    expected = conv_input_grad(g, w, (6, 3), *window, 1)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-12, atol=1e-12)


def test_small_convolutions_start_no_threads() -> None:
    """BLAS would have to do with one from then on: LeNet's first layer is not worth that."""
    program = (
        "import numpy as np\n"
        "from autograd import config, kernels\n"
        "from autograd.kernels._threads import are_up\n"
        "config.kernels, config.threads = 'numpy', 2\n"
        "x, w = np.ones((64, 1, 28, 28), np.float32), np.ones((6, 1, 5, 5), np.float32)\n"
        "geometry = (1, 1), ((2, 2), (2, 2)), (1, 1), 1\n"
        "y = kernels.conv(x, w, *geometry)\n"
        "kernels.conv_input_grad(y, w, (28, 28), *geometry)\n"
        "kernels.conv_weight_grad(y, x, (5, 5), *geometry)\n"
        "assert not are_up()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
