"""The pooling kernels against loops over the definition and against PyTorch."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd.kernels.pooling as kernels
from autograd._primitive import primitives
from autograd.kernels import (
    avg_pool,
    avg_pool_input_grad,
    max_gather,
    max_pool,
    max_pool_grad,
    max_unpool,
    pool_output_shape,
)
from autograd.kernels._settings import SETTINGS

Array = np.ndarray[Any, Any]


class Geometry(NamedTuple):
    """One way to pool: everything but the numbers."""

    images: int
    channels: int
    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    ceil_mode: bool

    @property
    def window(self) -> tuple[Any, ...]:
        return self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode

    @property
    def undilated(self) -> tuple[Any, ...]:
        return self.kernel, self.stride, self.padding, self.ceil_mode

    @property
    def out(self) -> tuple[int, ...]:
        return pool_output_shape(self.spatial, *self.window)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.images, self.channels, *self.spatial)

    def places(self, o: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Cells that window ``o`` covers, row-major, those in the padding and beyond included."""
        starts = [oi * s - b for oi, s, (b, _) in zip(o, self.stride, self.padding, strict=True)]
        return [
            tuple(i + t * d for i, t, d in zip(starts, tap, self.dilation, strict=True))
            for tap in itertools.product(*map(range, self.kernel))
        ]

    def inside(self, place: tuple[int, ...], padded: bool = False) -> bool:
        return all(
            -before * padded <= p < n + after * padded
            for p, n, (before, after) in zip(place, self.spatial, self.padding, strict=True)
        )

    def windows(self) -> list[tuple[int, ...]]:
        return list(itertools.product(*map(range, self.out)))


@st.composite
def geometries(draw: st.DrawFn, dilated: bool = True) -> Geometry:
    n = draw(st.integers(1, 3))

    def per_axis(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(n))

    kernel, stride = per_axis(1, 4), per_axis(1, 4)
    if draw(st.booleans()):
        stride = kernel
    dilation = per_axis(1, 2) if dilated else (1,) * n
    padding = tuple((p, p) for p in (draw(st.integers(0, k // 2)) for k in kernel))
    spatial = tuple(
        (k - 1) * d + 1 + draw(st.integers(0, 5)) for k, d in zip(kernel, dilation, strict=True)
    )
    images, channels = draw(st.integers(0, 2)), draw(st.integers(1, 2))
    ceil_mode = draw(st.booleans())
    return Geometry(images, channels, spatial, kernel, stride, padding, dilation, ceil_mode)


def torch_pool(torch: Any, kind: str, geometry: Geometry, x: Any, **options: Any) -> Any:
    before = [b for b, _ in geometry.padding]
    pool = getattr(torch.nn.functional, f"{kind}_pool{len(geometry.spatial)}d")
    return pool(
        x, geometry.kernel, geometry.stride, before, ceil_mode=geometry.ceil_mode, **options
    )


# ---------------------------------------------------------------------------------- max pooling


def max_by_definition(geometry: Geometry, x: Array) -> tuple[Array, Array]:
    shape = (*x.shape[:2], *geometry.out)
    y, indices = np.zeros(shape, x.dtype), np.zeros(shape, np.int64)
    for n, c in np.ndindex(*x.shape[:2]):
        for o in geometry.windows():
            best = None
            for place in filter(geometry.inside, geometry.places(o)):
                value = x[(n, c, *place)]
                if best is None or value > x[(n, c, *best)] or np.isnan(value):
                    best = place
            assert best is not None
            y[(n, c, *o)] = x[(n, c, *best)]
            indices[(n, c, *o)] = np.ravel_multi_index(best, geometry.spatial)
    return y, indices


@given(geometries(), st.sampled_from(["normal", "ties", "nan", "-inf"]))
def test_max_pool_definition(geometry: Geometry, numbers: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(geometry.shape)
    if numbers != "normal":
        x = rng.integers(-2, 2, geometry.shape).astype(float)
    if numbers in ("nan", "-inf"):
        x[rng.random(x.shape) < 0.5] = float(numbers)
    copy = x.copy()
    y, indices = max_pool(x, *geometry.window)
    assert indices is not None
    expected = max_by_definition(geometry, x)
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(indices, expected[1])
    alone, nothing = max_pool(x, *geometry.window, want_indices=False)
    np.testing.assert_array_equal(alone, y)
    assert nothing is None
    np.testing.assert_array_equal(max_gather(x, indices), y)
    np.testing.assert_array_equal(x, copy)


@given(geometries(), st.sampled_from(["ties", "nan", "-inf"]))
def test_max_pool_torch(geometry: Geometry, numbers: str) -> None:
    torch = pytest.importorskip("torch")
    geometry = geometry._replace(images=max(1, geometry.images))
    rng = np.random.default_rng(1)
    x = rng.integers(-2, 2, geometry.shape).astype(float)
    if numbers != "ties":
        x[rng.random(x.shape) < 0.4] = float(numbers)
    t = torch.tensor(x, requires_grad=True)
    expected, where = torch_pool(
        torch, "max", geometry, t, dilation=geometry.dilation, return_indices=True
    )
    y, indices = max_pool(x, *geometry.window)
    assert indices is not None
    np.testing.assert_array_equal(y, expected.detach().numpy())
    np.testing.assert_array_equal(indices, where.numpy())
    g = rng.standard_normal(y.shape)
    (gx,) = torch.autograd.grad(expected, t, torch.tensor(g))
    np.testing.assert_allclose(max_unpool(g, indices, geometry.spatial), gx.numpy(), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.int64, np.bool_])
@pytest.mark.parametrize("padding", [0, 1])
def test_max_pool_dtypes(dtype: Any, padding: int) -> None:
    x = np.random.default_rng(0).integers(-9, 0, (2, 3, 8, 8)).astype(dtype)
    pads = ((padding, padding),) * 2
    geometry = Geometry(2, 3, (8, 8), (2, 2), (2, 2), pads, (1, 1), False)
    y, indices = max_pool(x, *geometry.window)
    expected = max_by_definition(geometry, x)
    assert y.dtype == dtype
    assert indices is not None
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(indices, expected[1])


@pytest.fixture
def many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two planes of 9 by 8 numbers at a time, on three threads."""
    monkeypatch.setattr(kernels, "_BLOCK_BYTES", 2 * 9 * 8 * 8)
    monkeypatch.setattr(kernels, "_SHARED", 1)
    monkeypatch.setattr(SETTINGS, "threads", 3)


@pytest.mark.usefixtures("many_blocks")
@pytest.mark.parametrize("window", [((3, 3), (3, 3)), ((2, 2), (2, 2))])
@pytest.mark.parametrize("strange", [0.0, np.nan])
def test_gradients_in_many_blocks(window: Any, strange: float) -> None:
    """Also where one block, of one thread, cannot be done by masks."""
    geometry = Geometry(5, 3, (12, 6), *window, ((0, 0), (0, 0)), (1, 1), False)
    x = np.random.default_rng(0).standard_normal(geometry.shape)
    x[3, 1, 4, 2] = strange
    y, indices = max_pool(x, *geometry.window)
    assert indices is not None
    g = np.random.default_rng(1).standard_normal(y.shape)
    expected = max_unpool(g, indices, geometry.spatial)
    np.testing.assert_array_equal(max_pool_grad(g, x, y, *geometry.window), expected)
    area = np.prod(geometry.kernel)
    means = avg_pool(np.nan_to_num(x), *geometry.undilated)
    np.testing.assert_allclose(means.sum() * area, np.nan_to_num(x).sum())
    spread = avg_pool_input_grad(g, geometry.spatial, *geometry.undilated)
    np.testing.assert_allclose(spread[:, :, 0, 0], g[:, :, 0, 0] / area)
    np.testing.assert_allclose(spread.sum(), g.sum())


@pytest.mark.usefixtures("many_blocks")
def test_max_pool_in_many_blocks() -> None:
    geometry = Geometry(5, 3, (9, 8), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), True)
    x = np.random.default_rng(0).standard_normal(geometry.shape)
    y, indices = max_pool(x, *geometry.window)
    expected = max_by_definition(geometry, x)
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(indices, expected[1])
    assert indices is not None
    np.testing.assert_array_equal(max_gather(x, indices), y)
    g = np.ones_like(y)
    assert max_unpool(g, indices, geometry.spatial).sum() == g.size


def test_max_pool_of_a_large_window() -> None:
    """More taps than a byte can number."""
    x = np.random.default_rng(0).permutation(2 * 20 * 20).reshape(1, 2, 20, 20)
    y, indices = max_pool(x, (20, 20), (20, 20), ((0, 0), (0, 0)), (1, 1))
    np.testing.assert_array_equal(y.reshape(2), x.reshape(2, -1).max(axis=1))
    assert indices is not None
    np.testing.assert_array_equal(indices.reshape(2), x.reshape(2, -1).argmax(axis=1))


def test_a_window_without_a_cell_gives_the_lowest_value() -> None:
    y, indices = max_pool(np.ones((1, 1, 1)), (2,), (1,), ((3, 3),), (3,))
    np.testing.assert_array_equal(y, [[[1.0, -np.inf, -np.inf, 1.0]]])
    np.testing.assert_array_equal(indices, [[[0, 0, 0, 0]]])


@given(geometries(), st.sampled_from(["normal", "ties", "nan", "-inf"]))
def test_gradient_goes_to_the_places_of_the_maxima(geometry: Geometry, numbers: str) -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal(geometry.shape)
    if numbers != "normal":
        x = rng.integers(-2, 2, geometry.shape).astype(float)
    if numbers in ("nan", "-inf"):
        x[rng.random(x.shape) < 0.5] = float(numbers)
    y, indices = max_pool(x, *geometry.window)
    assert indices is not None
    for g in (rng.standard_normal(y.shape), np.full(y.shape, np.inf), np.full(y.shape, np.nan)):
        expected = max_unpool(g, indices, geometry.spatial)
        found = max_pool_grad(g, x, y, *geometry.window)
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("strange", [0.0, np.nan, np.inf, -np.inf])
def test_gradient_of_tiles(strange: float) -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(-2, 2, (9, 4, 26, 30)).astype(np.float32)
    x[rng.random(x.shape) < 0.3] = strange
    for window in (((2, 2), (2, 2)), ((2, 3), (2, 3)), ((1, 2), (2, 2))):
        rest = ((0, 0), (0, 0)), (1, 1)
        y, indices = max_pool(x, *window, *rest)
        assert indices is not None
        g = rng.standard_normal(y.shape).astype(np.float32)
        expected = max_unpool(g, indices, x.shape[2:])
        np.testing.assert_array_equal(max_pool_grad(g, x, y, *window, *rest), expected)


@given(geometries())
def test_unpool_and_gather_are_adjoint(geometry: Geometry) -> None:
    rng = np.random.default_rng(0)
    x, v = rng.standard_normal((2, *geometry.shape))
    y, indices = max_pool(x, *geometry.window)
    assert indices is not None
    g = rng.standard_normal(y.shape)
    left = np.vdot(max_unpool(g, indices, geometry.spatial), v)
    np.testing.assert_allclose(left, np.vdot(g, max_gather(v, indices)), atol=1e-10)


def test_an_infinite_gradient_stays_where_it_belongs() -> None:
    _, indices = max_pool(np.arange(4.0).reshape(1, 1, 4), (2,), (2,), ((0, 0),), (1,))
    assert indices is not None
    gx = max_unpool(np.array([[[np.inf, 1.0]]]), indices, (4,))
    np.testing.assert_array_equal(gx, [[[0.0, np.inf, 0.0, 1.0]]])


# ------------------------------------------------------------------------------ average pooling


def avg_by_definition(
    geometry: Geometry, x: Array, g: Array, count_include_pad: bool, divisor: int | None
) -> tuple[Array, Array]:
    y, gx = np.zeros(g.shape), np.zeros(x.shape)
    for o in geometry.windows():
        places = geometry.places(o)
        cells = [p for p in places if geometry.inside(p)]
        counted = sum(geometry.inside(p, padded=count_include_pad) for p in places)
        for cell in cells:
            y[(..., *o)] += x[(..., *cell)] / (divisor or counted)
            gx[(..., *cell)] += g[(..., *o)] / (divisor or counted)
    return y, gx


@given(geometries(dilated=False), st.booleans(), st.sampled_from([None, 1, 5]))
def test_avg_pool_definition(geometry: Geometry, include: bool, divisor: int | None) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(geometry.shape)
    g = rng.standard_normal((*x.shape[:2], *geometry.out))
    options = (*geometry.undilated, include, divisor)
    y = avg_pool(x, *options)
    gx = avg_pool_input_grad(g, geometry.spatial, *options)
    expected = avg_by_definition(geometry, x, g, include, divisor)
    np.testing.assert_allclose(y, expected[0], atol=1e-12)
    np.testing.assert_allclose(gx, expected[1], atol=1e-12)
    np.testing.assert_allclose(np.vdot(g, y), np.vdot(gx, x), atol=1e-9)


@given(geometries(dilated=False), st.booleans(), st.sampled_from([None, 3]))
def test_avg_pool_torch(geometry: Geometry, include: bool, divisor: int | None) -> None:
    torch = pytest.importorskip("torch")
    geometry = geometry._replace(images=max(1, geometry.images))
    rng = np.random.default_rng(0)
    x = rng.standard_normal(geometry.shape)
    t = torch.tensor(x, requires_grad=True)
    more: dict[str, Any] = {"count_include_pad": include}
    if len(geometry.spatial) > 1:
        more["divisor_override"] = divisor
    else:
        divisor = None
    expected = torch_pool(torch, "avg", geometry, t, **more)
    g = rng.standard_normal(tuple(expected.shape))
    (gx,) = torch.autograd.grad(expected, t, torch.tensor(g))
    options = (*geometry.undilated, include, divisor)
    np.testing.assert_allclose(avg_pool(x, *options), expected.detach().numpy(), atol=1e-12)
    actual = avg_pool_input_grad(g, geometry.spatial, *options)
    np.testing.assert_allclose(actual, gx.numpy(), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("include", [True, False])
def test_avg_pool_keeps_the_dtype(dtype: Any, include: bool) -> None:
    x = np.ones((2, 3, 7, 7), dtype)
    options: tuple[Any, ...] = ((3, 3), (2, 2), ((1, 1), (1, 1)), True, include)
    y = avg_pool(x, *options)
    assert y.dtype == dtype
    assert avg_pool_input_grad(y, (7, 7), *options).dtype == dtype


# ---------------------------------------------------------------------------------- both kinds


@given(geometries(dilated=False))
def test_any_memory_layout(geometry: Geometry) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(geometry.shape)
    y, indices = max_pool(x, *geometry.window)
    assert indices is not None
    g = rng.standard_normal(y.shape)

    def results(x: Array, g: Array, indices: Array) -> list[Any]:
        return [
            *max_pool(x, *geometry.window),
            max_unpool(g, indices, geometry.spatial),
            max_gather(x, indices),
            avg_pool(x, *geometry.undilated),
            avg_pool_input_grad(g, geometry.spatial, *geometry.undilated),
        ]

    expected = results(x, g, indices)
    for layout in (
        lambda a: a[..., ::-1].copy()[..., ::-1],
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
        lambda a: np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0),
    ):
        actual = results(layout(x), layout(g), layout(indices))
        for a, e in zip(actual, expected, strict=True):
            np.testing.assert_array_equal(a, e)


def test_output_shape_with_ceil_mode() -> None:
    def shape(n: int, k: int, s: int, p: int, ceil_mode: bool) -> int:
        (out,) = pool_output_shape((n,), (k,), (s,), ((p, p),), (1,), ceil_mode)
        return out

    assert (shape(5, 2, 2, 0, False), shape(5, 2, 2, 0, True)) == (2, 3)
    # The third window would start in the padding on the right: dropped.
    assert shape(3, 2, 2, 1, False) == shape(3, 2, 2, 1, True) == 2
    assert shape(2, 5, 1, 0, True) == 0


def test_empty_batch() -> None:
    x = np.empty((0, 3, 8, 8), np.float32)
    window: tuple[Any, ...] = ((2, 2), (2, 2), ((0, 0), (0, 0)))
    y, indices = max_pool(x, *window, (1, 1))
    assert indices is not None
    assert y.shape == indices.shape == (0, 3, 4, 4)
    assert max_unpool(y, indices, (8, 8)).shape == x.shape
    assert max_gather(x, indices).shape == y.shape
    assert avg_pool(x, *window).shape == y.shape
    assert avg_pool_input_grad(y, (8, 8), *window).shape == x.shape


def test_windows_may_be_lists() -> None:
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    y = primitives["max_pool"].call(x, [2, 2], [2, 2], [(0, 0), (0, 0)], [1, 1])
    np.testing.assert_array_equal(y[0, 0], [[5, 7], [13, 15]])
    taps = np.ones((1, 1, 2, 2))
    y = primitives["conv"].call(x, taps, None, [2, 2], [[0, 0], [0, 0]], [1, 1])
    np.testing.assert_array_equal(y[0, 0], [[10, 18], [42, 50]])


def test_means_are_computed_in_the_dtype_of_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number of cells that is the same for all windows turns no array into float64."""
    monkeypatch.setattr(SETTINGS, "may_compile", False)
    seen = []
    spread = kernels._spread_windows

    def spy(g: Array, *others: Any) -> None:
        seen.append(g.dtype)
        spread(g, *others)

    monkeypatch.setattr(kernels, "_spread_windows", spy)
    window = (3, 3), (3, 3), ((0, 0), (0, 0))
    g = np.ones((2, 2, 2, 2), np.float32)
    for cotangent in (g, np.moveaxis(np.moveaxis(g, 0, -1).copy(), -1, 0)):
        avg_pool_input_grad(cotangent, (6, 6), *window)
    assert seen == [np.float32] * 2
