"""The compiled statistics and maps of channels do what the NumPy ones do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd.kernels import normalization as plain
from autograd.kernels._twins import settle

pytest.importorskip("numba")
if not settle():
    pytest.skip("compiled kernels are off", allow_module_level=True)

from autograd.kernels._numba import normalization as compiled


def numpy_form(name: str) -> Any:
    return getattr(plain, name).__wrapped__


@settings(deadline=None)
@given(
    count=st.integers(1, 200),
    channels=st.integers(1, 5),
    spatial=st.lists(st.integers(1, 9), max_size=3),
    double=st.booleans(),
)
def test_channels(count: int, channels: int, spatial: list[int], double: bool) -> None:
    rng = np.random.default_rng(count * channels)
    dtype = np.float64 if double else np.float32
    x, g = (rng.standard_normal((count, channels, *spatial)).astype(dtype) for _ in range(2))
    a, b, c, d = rng.standard_normal((4, channels))
    tolerance = 1e-12 if double else 3e-6
    for name, args in (
        ("channel_moments", (x,)),
        ("channel_scale", (x, a, b, c)),
        *([("channel_sums", (x,))] if spatial else []),  # NumPy's sum of vectors is as fast
        ("channel_dots", (g, x, a)),
        ("channel_combine", (g, x, a, b, c, d)),
    ):
        expected, found = numpy_form(name)(*args), getattr(compiled, name)(*args)
        for e, f in zip(np.atleast_1d(expected), np.atleast_1d(found), strict=True):
            assert f.dtype == e.dtype
            np.testing.assert_allclose(
                f, e, rtol=tolerance, atol=tolerance * np.sqrt(x.size), err_msg=name
            )


@settings(deadline=None)
@given(
    count=st.integers(1, 200),
    groups=st.integers(1, 3),
    channels=st.integers(1, 20),
    spatial=st.lists(st.integers(1, 5), max_size=2),
    centered=st.booleans(),
    double=st.booleans(),
)
def test_groups(
    count: int, groups: int, channels: int, spatial: list[int], centered: bool, double: bool
) -> None:
    rng = np.random.default_rng(count * channels)
    dtype = np.float64 if double else np.float32
    shape = (count, groups * channels, *spatial)
    x, g = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    weight, bias = rng.standard_normal((2, shape[1])).astype(dtype)
    eps, tolerance = 0.1, 1e-12 if double else 1e-5
    forward = x, weight, bias, groups, eps, centered
    _, mean, rate = numpy_form("group_norm")(*forward)
    for name, args in (
        ("group_norm", forward),
        ("group_norm_grad", (g, x, weight, mean, rate, centered)),
    ):
        expected, found = numpy_form(name)(*args), getattr(compiled, name)(*args)
        for e, f in zip(expected, found, strict=True):
            assert f.dtype == e.dtype
            assert f.shape == e.shape
            np.testing.assert_allclose(
                f, e, rtol=tolerance, atol=tolerance * np.sqrt(count), err_msg=name
            )


def test_what_they_leave_to_numpy() -> None:
    one = np.ones(4)
    x = np.ones((3, 4, 4, 4))
    assert compiled.channel_moments(np.ones((3, 4, 0))) is NotImplemented
    assert compiled.channel_sums(np.ones((3, 4))) is NotImplemented
    assert compiled.channel_scale(x.transpose(0, 1, 3, 2), one, one, one) is NotImplemented
    assert compiled.channel_dots(x.astype(np.float32), x, one) is NotImplemented
    assert compiled.channel_combine(x[..., ::2], x, one, one, one, one) is NotImplemented
    assert compiled.group_norm(x, one.astype(np.float32), one, 2, 0.1) is NotImplemented
    statistics = np.ones((3, 2))
    assert compiled.group_norm_grad(x[:1], x, one, statistics, statistics) is NotImplemented
