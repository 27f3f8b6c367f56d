"""Winograd's convolution against the direct one, and how accurate it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autograd.kernels import conv, conv_input_grad, conv_weight_grad, winograd
from autograd.kernels._settings import SETTINGS

Array = np.ndarray[Any, Any]
Padding = tuple[tuple[int, int], tuple[int, int]]
# As written in NumPy, whether or not there are compiled forms.
_CONV, _INPUT_GRAD, _WEIGHT_GRAD = (
    kernel.__wrapped__ for kernel in (conv, conv_input_grad, conv_weight_grad)
)


@pytest.fixture(autouse=True)
def by_winograd() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "convolution", "winograd")
        yield


def arrays(
    images: int, groups: int, channels: int, filters: int, size: tuple[int, int], padding: Padding
) -> tuple[Array, Array, Array, Array]:
    """Images, kernels, biases and an output cotangent in float32."""
    rng = np.random.default_rng(0)
    out = tuple(n + sum(pads) - 2 for n, pads in zip(size, padding, strict=True))
    shapes = (
        (images, groups * channels, *size),
        (groups * filters, channels, 3, 3),
        (groups * filters,),
        (images, groups * filters, *out),
    )
    x, w, b, g = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    return x, w, b, g


def three(
    x: Array, w: Array, b: Array, g: Array, padding: Padding, groups: int
) -> tuple[Array, Array, Array]:
    """Outputs with bias, and both gradients."""
    window = ((1, 1), padding, (1, 1), groups)
    return (
        _CONV(x, w, *window, b),
        _INPUT_GRAD(g, w, x.shape[2:], *window),
        _WEIGHT_GRAD(g, x, (3, 3), *window),
    )


def in_float64(
    x: Array, w: Array, b: Array, g: Array, padding: Padding, groups: int
) -> tuple[Array, Array, Array]:
    wide = [a.astype(np.float64) for a in (x, w, b, g)]
    return three(wide[0], wide[1], wide[2], wide[3], padding, groups)


def error(actual: Array, expected: Array) -> float:
    """Largest error as a fraction of the largest value."""
    return float(abs(actual - expected).max() / abs(expected).max())


@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.integers(3, 14), st.integers(3, 14)),
    st.tuples(*[st.tuples(st.integers(0, 4), st.integers(0, 4))] * 2),
    st.integers(1, 3),
    st.integers(1, 60),
)
def test_any_size_padding_and_groups(
    images: int,
    groups: int,
    planes: tuple[int, int],
    size: tuple[int, int],
    padding: Padding,
    threads: int,
    tiles: int,
) -> None:
    """However the tiles are cut up and shared out."""
    given_arrays = arrays(images, groups, *planes, size, padding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "threads", threads)
        patch.setattr(winograd, "_SHARED", 0)
        patch.setattr(winograd, "_PIECE_BYTES", 1)
        patch.setattr(winograd, "_MIN_TILES", tiles)
        actual = three(*given_arrays, padding, groups)
    expected = in_float64(*given_arrays, padding, groups)
    # Products may cancel: what counts is how large they are.
    x, w, b, g = (abs(a) for a in given_arrays)
    terms = in_float64(x, w, b, g, padding, groups)
    for a, e, t in zip(actual, expected, terms, strict=True):
        assert a.dtype == np.float32
        assert a.flags.c_contiguous
        assert abs(a - e).max() < 1e-5 * t.max()


def three_of_volumes(given_arrays: list[Array], padding: Any, groups: int) -> list[Array]:
    """Outputs with bias, and both gradients."""
    x, w, b, g = given_arrays
    window = ((1, 1, 1), padding, (1, 1, 1), groups)
    return [
        _CONV(x, w, *window, b),
        _INPUT_GRAD(g, w, x.shape[2:], *window),
        _WEIGHT_GRAD(g, x, w.shape[2:], *window),
    ]


@given(
    counts=st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 4), st.integers(1, 4)),
    size=st.tuples(st.integers(1, 9), st.integers(3, 9), st.integers(3, 9)),
    deep=st.integers(1, 4),
    padding=st.tuples(*[st.tuples(st.integers(0, 4), st.integers(0, 4))] * 3),
    threads=st.integers(1, 3),
    tiles=st.integers(1, 60),
    planes=st.integers(1, 5),
)
def test_any_volume(
    counts: tuple[int, int, int, int], size: tuple[int, int, int], deep: int,
    padding: tuple[tuple[int, int], ...], threads: int, tiles: int, planes: int,
) -> None:  # fmt: skip
    """However many planes there are, and however they are cut up."""
    images, groups, channels, filters = counts
    kernel = (deep, 3, 3)
    out = tuple(n + sum(p) - k + 1 for n, p, k in zip(size, padding, kernel, strict=True))
    assume(min(out) > 0)
    rng = np.random.default_rng(0)
    shapes = (
        (images, groups * channels, *size),
        (groups * filters, channels, *kernel),
        (groups * filters,),
        (images, groups * filters, *out),
    )
    given_arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "threads", threads)
        patch.setattr(winograd, "_SHARED", 0)
        patch.setattr(winograd, "_PIECE_BYTES", 1)
        patch.setattr(winograd, "_MIN_TILES", tiles)
        patch.setattr(winograd, "_PLANES", planes)
        actual = three_of_volumes(given_arrays, padding, groups)
    wide = [a.astype(np.float64) for a in given_arrays]
    expected = three_of_volumes(wide, padding, groups)
    terms = three_of_volumes([abs(a) for a in wide], padding, groups)
    for a, e, t in zip(actual, expected, terms, strict=True):
        assert a.dtype == np.float32
        assert a.shape == e.shape
        assert a.flags.c_contiguous
        assert abs(a - e).max() < 1e-5 * max(t.max(), 1e-3)


@pytest.mark.parametrize("channels", [32, 128, 512])
def test_accuracy(channels: int) -> None:
    """What the module's docstring says of it."""
    padding = ((1, 1), (1, 1))
    given_arrays = arrays(2, 1, channels, channels, (12, 12), padding)
    expected = in_float64(*given_arrays, padding, 1)
    for a, e in zip(three(*given_arrays, padding, 1), expected, strict=True):
        assert error(a, e) < 6e-6


@pytest.mark.parametrize("channels", [32, 128])
def test_accuracy_of_volumes(channels: int) -> None:
    rng = np.random.default_rng(0)
    shapes = ((2, channels, 10, 12, 12), (channels, channels, 3, 3, 3), (channels,))
    given_arrays = [rng.standard_normal(s).astype(np.float32) for s in (*shapes, shapes[0])]
    wide = [a.astype(np.float64) for a in given_arrays]
    padding = ((1, 1),) * 3
    expected = three_of_volumes(wide, padding, 1)
    for a, e in zip(three_of_volumes(given_arrays, padding, 1), expected, strict=True):
        assert error(a, e) < 6e-6


def test_points_are_well_chosen() -> None:
    """The usual ones, 0, ±1 and ±2, are several times less accurate."""
    padding = ((1, 1), (1, 1))
    given_arrays = arrays(2, 1, 64, 64, (12, 12), padding)
    expected = in_float64(*given_arrays, padding, 1)[0]
    chosen = error(three(*given_arrays, padding, 1)[0], expected)
    usual = winograd._rounded((0.0, 1.0, -1.0, 2.0, -2.0))
    with pytest.MonkeyPatch.context() as patch:
        for name, matrix in zip(("_OUTPUTS", "_CELLS", "_TAPS"), usual, strict=True):
            patch.setattr(winograd, name, matrix)
        with_ones = np.concatenate([winograd._OUTPUTS, np.ones((4, 1), np.float32)], axis=1)
        patch.setattr(winograd, "_OUTPUTS_AND_BIAS", with_ones)
        others = error(
            _CONV(*given_arrays[:2], (1, 1), padding, (1, 1), 1, given_arrays[2]), expected
        )
    assert 2 * chosen < others < 5e-5


def test_any_memory_layout() -> None:
    padding = ((1, 1), (0, 2))
    x, w, b, g = arrays(2, 2, 3, 4, (9, 6), padding)
    expected = three(x, w, b, g, padding, 2)
    backwards = [a[..., ::-1].copy()[..., ::-1] for a in (x, w, b, g)]
    fortran = [np.asfortranarray(a) for a in (x, w, b, g)]
    for layout in (backwards, fortran):
        for a, e in zip(three(*layout, padding, 2), expected, strict=True):  # type: ignore[arg-type]
            np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, 3e38])
def test_a_bad_number_reaches_only_what_reads_it(bad: float) -> None:
    padding = ((1, 1), (1, 1))
    x, w, b, g = arrays(2, 1, 16, 16, (16, 16), padding)
    x[1, 3, 5, 6] = g[0, 2, 8, 8] = bad
    with np.errstate(over="ignore", invalid="ignore"):
        actual = three(x, w, b, g, padding, 1)
        SETTINGS.convolution = "direct"
        expected = three(x, w, b, g, padding, 1)
    for a, e in zip(actual, expected, strict=True):
        assert not np.isfinite(e).all()
        assert np.isfinite(e).any()
        np.testing.assert_array_equal(a, e)


def test_who_is_served() -> None:
    """Float32, 3 by 3, stride and dilation 1; by default only where it pays; never if unwanted."""
    padding = ((1, 1), (1, 1))
    x, w, b, _ = arrays(3, 1, 16, 16, (16, 16), padding)
    seen: list[tuple[int, ...]] = []
    original = winograd.correlate

    def spy(x: Array, *args: Any) -> bool:
        seen.append(x.shape)
        return original(x, *args)

    def is_served(x: Array = x, w: Array = w, stride: int = 1, dilation: int = 1) -> bool:
        seen.clear()
        _CONV(x, w, (stride,) * 2, padding, (dilation,) * 2, 1, b)
        return bool(seen)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "correlate", spy)
        assert is_served()
        assert is_served(x[:, :2], w[:, :2])
        assert not is_served(stride=2)
        assert not is_served(dilation=2)
        assert not is_served(w=w[..., :2])
        assert not is_served(x.astype(np.float64), w.astype(np.float64))
        patch.setattr(SETTINGS, "convolution", "auto")
        assert is_served()
        assert not is_served(x[:, :2], w[:, :2])
        patch.setattr(SETTINGS, "convolution", "direct")
        assert not is_served()


def test_which_volumes_are_served() -> None:
    x = np.ones((1, 8, 5, 8, 8), np.float32)
    w = np.ones((8, 8, 3, 3, 3), np.float32)
    seen: list[tuple[int, ...]] = []
    original = winograd.correlate

    def spy(x: Array, *args: Any, **options: Any) -> bool:
        seen.append(x.shape)
        return original(x, *args, **options)

    def served(x: Array, w: Array, depth_stride: int = 1) -> list[bool]:
        """As they are, of outputs and of the gradient of the input."""
        window = ((depth_stride, 1, 1), ((1, 1),) * 3, (1, 1, 1), 1)
        found = []
        y = _CONV(x, w, *window)
        found.append(x.shape in seen)
        seen.clear()
        _INPUT_GRAD(y, w, x.shape[2:], *window)
        found.append(y.shape in seen)
        seen.clear()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "correlate", spy)
        patch.setattr(SETTINGS, "convolution", "auto")
        assert served(x, w) == [True, True]
        assert served(x[..., :3, :3], w) == [False, False]  # one tile in a plane
        assert served(x[:, :4].copy(), w[:, :4].copy()) == [False, False]
        assert served(x, w, depth_stride=2) == [False, False]
        patch.setattr(SETTINGS, "convolution", "direct")
        assert served(x, w) == [False, False]
