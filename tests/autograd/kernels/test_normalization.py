"""Statistics and maps of channels, against their definitions in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd import kernels

SHAPES = [(1, 3), (5, 3), (50, 4), (3, 2, 7), (4, 3, 5, 5), (2, 3, 30, 20), (70, 3, 40, 40)]


def drawn(shape: tuple[int, ...], dtype: Any, mean: float = 0.0) -> Any:
    rng = np.random.default_rng(sum(shape))
    return (rng.standard_normal(shape) + mean).astype(dtype)


def axes_of(x: Any) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def spread(v: Any, x: Any) -> Any:
    return v.reshape(1, -1, *(1,) * (x.ndim - 2))


@pytest.mark.parametrize("mean", [0.0, 100.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_moments(shape: tuple[int, ...], dtype: Any, mean: float) -> None:
    x = drawn(shape, dtype, mean)
    wide = x.astype(np.float64)
    tolerance = 4e-7 if dtype == np.float32 else 1e-13
    found = kernels.channel_moments(x)
    np.testing.assert_allclose(found[0], wide.mean(axes_of(x)), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(found[1], wide.var(axes_of(x)), rtol=2 * tolerance, atol=1e-12)
    assert found[0].dtype == found[1].dtype == np.float64


def test_moments_where_the_first_image_is_unlike_the_others() -> None:
    x = drawn((30, 2, 8, 8), np.float32)
    x[0] += 1000
    mean, variance = kernels.channel_moments(x)
    np.testing.assert_allclose(mean, x.astype(np.float64).mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(variance, x.astype(np.float64).var((0, 2, 3)), rtol=2e-6)


def test_moments_of_a_constant_are_exact() -> None:
    mean, variance = kernels.channel_moments(np.full((9, 2, 30, 30), 0.1, np.float32))
    assert (variance == 0).all()
    np.testing.assert_allclose(mean, np.float32(0.1), rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_maps_and_sums(shape: tuple[int, ...], dtype: Any) -> None:
    x, g = drawn(shape, dtype, 3), drawn(shape, dtype)
    a, b, c, d = np.random.default_rng(1).standard_normal((4, shape[1]))
    wide, given = x.astype(np.float64), g.astype(np.float64)
    apart = wide - spread(a, x)
    tolerance = 1e-6 if dtype == np.float32 else 1e-13
    scaled = kernels.channel_scale(x, a, b, c)
    expected = apart * spread(b, x) + spread(c, x)
    np.testing.assert_allclose(scaled, expected, rtol=tolerance, atol=10 * tolerance)
    for center, shift in ((0 * a, c), (a, 0 * c), (0 * a, 0 * c)):
        some = (wide - spread(center, x)) * spread(b, x) + spread(shift, x)
        found = kernels.channel_scale(x, center, b, shift)
        np.testing.assert_allclose(found, some, rtol=tolerance, atol=10 * tolerance)
    combined = kernels.channel_combine(g, x, a, b, c, d)
    expected = given * spread(b, x) + apart * spread(c, x) + spread(d, x)
    np.testing.assert_allclose(combined, expected, rtol=tolerance, atol=10 * tolerance)
    sums, dots = kernels.channel_dots(g, x, a)
    room = tolerance * np.sqrt(x.size / shape[1]) * 5
    np.testing.assert_allclose(sums, given.sum(axes_of(x)), rtol=tolerance, atol=room)
    np.testing.assert_allclose(dots, (given * apart).sum(axes_of(x)), rtol=tolerance, atol=room)
    assert scaled.shape == combined.shape == shape
    assert scaled.dtype == combined.dtype == dtype


def test_any_layout() -> None:
    x = drawn((4, 6, 5, 3), np.float64).transpose(0, 3, 1, 2)
    mean, variance = kernels.channel_moments(x)
    np.testing.assert_allclose(mean, x.mean((0, 2, 3)), atol=1e-14)
    one = np.ones(3)
    np.testing.assert_allclose(kernels.channel_scale(x, mean, one, one).mean((0, 2, 3)), one)
    np.testing.assert_allclose(kernels.channel_dots(x, x, mean)[1], variance * 4 * 30)


# Vectors and short images, too many for a few calls of NumPy to do.
MANY = [(700, 6), (300, 3, 5)]


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "groups"), [(s, n) for s in (*SHAPES, *MANY) for n in (1, 3) if s[1] % n == 0]
)
def test_group_norm_and_its_gradients(
    shape: tuple[int, ...], groups: int, dtype: Any, centered: bool
) -> None:
    x, g = drawn(shape, dtype, 3.0), drawn(shape, dtype)[::-1].copy()
    weight, bias = drawn((2, shape[1]), dtype)
    wide = x.astype(np.float64).reshape(shape[0], groups, -1)
    center = wide.mean(2, keepdims=True) * centered
    scale = 1 / np.sqrt(((wide - center) ** 2).mean(2, keepdims=True) + 0.1)
    normal = (wide - center) * scale
    y, mean, rate = kernels.group_norm(x, weight, bias, groups, 0.1, centered)
    tolerance = {"rtol": 1e-10 if dtype == np.float64 else 2e-4, "atol": 1e-10}
    tolerance["atol"] = tolerance["rtol"]
    expected = normal.reshape(shape) * spread(weight, x) + spread(bias, x)
    np.testing.assert_allclose(y, expected, **tolerance)
    np.testing.assert_allclose(mean, center[..., 0], **tolerance)
    np.testing.assert_allclose(rate, scale[..., 0], **tolerance)
    gx, of_weight, of_bias = kernels.group_norm_grad(g, x, weight, mean, rate, centered)
    given = (g * spread(weight, x)).astype(np.float64).reshape(wide.shape)
    inner = given - normal * (given * normal).mean(2, keepdims=True)
    inner -= given.mean(2, keepdims=True) * centered
    tolerance["atol"] *= np.sqrt(x.size / shape[1])
    np.testing.assert_allclose(gx, (inner * scale).reshape(shape), **tolerance)
    dots = (g * normal.reshape(shape)).sum(axes_of(x))
    np.testing.assert_allclose(of_weight, dots, **tolerance)
    np.testing.assert_allclose(of_bias, g.sum(axes_of(x), np.float64), **tolerance)
    assert y.dtype == gx.dtype == of_weight.dtype == of_bias.dtype == dtype
