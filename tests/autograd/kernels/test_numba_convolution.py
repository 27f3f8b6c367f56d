"""Compiled convolution gives what the NumPy kernels give."""

from __future__ import annotations

import copy
import inspect
import os
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

import numba

from autograd import kernels
from autograd.kernels._numba import _micro, start
from autograd.kernels._numba import convolution as compiled
from autograd.kernels._settings import SETTINGS

if start() is not None:
    pytest.skip("no thread pool for compiled kernels", allow_module_level=True)


class Plain:
    """The kernels as written in NumPy."""

    conv = staticmethod(inspect.unwrap(kernels.conv))
    conv_input_grad = staticmethod(inspect.unwrap(kernels.conv_input_grad))
    conv_weight_grad = staticmethod(inspect.unwrap(kernels.conv_weight_grad))


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    monkeypatch.setattr(SETTINGS, "convolution", "direct")


class Case:
    """Arguments of a convolution and of its adjoints."""

    def __init__(
        self, images, groups, channels, filters, spatial, kernel, stride, padding, dilation,
        dtype=np.float32, seed=0,
    ):  # fmt: skip
        random = np.random.default_rng(seed)
        self.spatial, self.kernel, self.dtype = spatial, kernel, dtype
        self.out = kernels.conv_output_shape(spatial, kernel, stride, padding, dilation)
        self.settings = (stride, padding, dilation, groups)
        shapes = (
            (images, groups * channels, *spatial),
            (groups * filters, channels, *kernel),
            (images, groups * filters, *self.out),
            (groups * filters,),
        )
        self.x, self.w, self.g, self.bias = (
            random.standard_normal(shape).astype(dtype) for shape in shapes
        )

    def thin_out(self, kept: float) -> None:
        """Set all but such a share of the cotangent to zero."""
        self.g *= np.random.default_rng(1).random(self.g.shape) < kept

    def by(self, module: Any) -> list[Any]:
        """Output, and gradients of input and weight."""
        return [
            module.conv(self.x, self.w, *self.settings, self.bias),
            module.conv_input_grad(self.g, self.w, self.spatial, *self.settings),
            module.conv_weight_grad(self.g, self.x, self.kernel, *self.settings),
        ]

    def check(self, tolerance: float = 3, served: bool = True) -> None:
        """Compare with NumPy's form; errors are in units of the last place of the largest sum of
        magnitudes."""
        magnitudes = copy.copy(self)
        for name in ("x", "w", "g", "bias"):
            setattr(magnitudes, name, np.abs(getattr(self, name)))
        limit = tolerance * np.finfo(self.dtype).eps
        outputs = self.by(compiled)
        SETTINGS.convolution = "direct"
        for ours, numpys, most in zip(outputs, self.by(Plain), magnitudes.by(Plain), strict=True):
            if ours is NotImplemented and not served:
                continue
            assert ours.shape == numpys.shape
            assert ours.dtype == numpys.dtype
            assert np.abs(ours - numpys).max(initial=0) <= limit * most.max(initial=0)


@st.composite
def cases(draw, most_channels=9, most_filters=13, most_axes=3, tiles=False):
    axes = draw(st.integers(1, most_axes))

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    kernel, stride, dilation = each(1, 4), each(1, 3), each(1, 3)
    padding = tuple(zip(each(0, 5), each(0, 5), strict=True))
    if tiles:
        stride, dilation, padding = kernel, (1,) * axes, ((0, 0),) * axes
    fit = [
        max(1, (k - 1) * d + 1 - sum(p)) for k, d, p in zip(kernel, dilation, padding, strict=True)
    ]
    spatial = tuple(n + draw(st.integers(0, 20 if axes < 3 else 6)) for n in fit)
    return Case(
        draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(1, most_channels)),
        draw(st.integers(1, most_filters)), spatial, kernel, stride, padding, dilation,
        draw(st.sampled_from([np.float32, np.float64])), draw(st.integers(0, 9)),
    )  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(cases(), st.integers(1, 3))
def test_direct(case, threads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "threads", threads)
        case.check(served=False)


@settings(max_examples=80, deadline=None)
@given(cases(), st.integers(1, 3), st.integers(1, 100), st.integers(1, 5000))
def test_columns(case, threads, windows, size):
    """However many windows and channels are worked on at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "threads", threads)
        patch.setattr(compiled.columns, "_WINDOWS", windows)
        patch.setattr(compiled.columns, "_COLUMN_BYTES", size)
        for gradient in ("weight", "input"):
            patch.setattr(compiled.columns, f"serves_{gradient}_grad", lambda *_: True)
        case.check(served=False)


@settings(max_examples=80, deadline=None)
@given(cases(most_channels=1, most_filters=4, most_axes=2), st.integers(1, 3))
def test_depthwise(case, threads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "threads", threads)
        patch.setattr(compiled.depthwise, "_FEWEST", 0)
        case.check(served=False)


@settings(max_examples=80, deadline=None)
@given(cases(tiles=True), st.integers(1, 3), st.integers(1, 4000))
def test_windows_that_tile_the_input(case, threads, columns):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "threads", threads)
        patch.setattr(compiled.tiles, "_COLUMN_BYTES", columns)
        case.check(served=False)


@settings(max_examples=80, deadline=None)
@given(cases(most_channels=20), st.integers(1, 3), st.sampled_from([0.0, 0.02, 0.2, 1.0]))
def test_cotangents_that_are_mostly_zeros(case, threads, kept):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "threads", threads)
        patch.setattr(compiled.sparse, "_FEWEST", 0)
        for cost in ("_INPUT_COST", "_WEIGHT_COST"):
            patch.setattr(compiled.sparse, cost, 1e-6)  # any cotangent is served
        case.thin_out(kept)
        case.check(served=False)


ONE, SAME = (1, 1), ((1, 1), (1, 1))


@pytest.mark.parametrize(
    "case",
    [
        Case(4, 1, 1, 6, (28, 28), (5, 5), ONE, ((2, 2), (2, 2)), ONE),
        Case(3, 1, 6, 16, (14, 14), (5, 5), ONE, ((0, 0), (0, 0)), ONE),
        Case(2, 1, 70, 130, (9, 9), (3, 3), ONE, SAME, ONE),
        Case(1, 1, 200, 40, (12, 40), (3, 3), (2, 2), SAME, ONE),
        Case(1, 1, 3, 64, (60, 60), (7, 7), (2, 2), ((3, 3), (3, 3)), ONE),
        Case(2, 1, 64, 32, (8, 8), (1, 1), (2, 2), ((0, 0), (0, 0)), ONE),
        Case(2, 1, 64, 32, (7, 7), (1, 1), ONE, ((0, 0), (0, 0)), ONE),
        Case(2, 32, 1, 1, (14, 14), (3, 3), ONE, SAME, ONE),
        Case(2, 8, 1, 2, (15, 15), (3, 3), (2, 2), SAME, ONE),
        Case(2, 32, 1, 1, (28, 30), (3, 3), (2, 2), SAME, ONE),
        Case(2, 16, 1, 1, (500,), (7,), (1,), ((3, 3),), (1,)),
        Case(2, 1, 3, 24, (32, 48), (16, 16), (16, 16), ((0, 0), (0, 0)), ONE),
        Case(3, 1, 16, 32, (29, 28), (2, 2), (2, 2), ((0, 0), (0, 0)), ONE),
        Case(2, 1, 8, 16, (8, 9, 10), (2, 2, 2), (2, 2, 2), ((0, 0),) * 3, (1, 1, 1)),
        Case(1, 1, 20, 20, (300,), (9,), (1,), ((4, 4),), (1,)),
        Case(1, 2, 4, 4, (5, 9, 9), (3, 3, 3), (1, 1, 1), (*SAME, (1, 1)), (1, 1, 1)),
    ],
    ids=lambda case: f"{case.x.shape}-{case.w.shape}",
)
def test_layers_of_networks(case):
    case.check()


@st.composite
def winograd_cases(draw):
    groups = draw(st.sampled_from([1, 1, 2]))
    channels, filters = (
        draw(st.sampled_from([16, 32])) if groups == 2 else draw(st.integers(1, 40))
        for _ in range(2)
    )
    padding = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(2))
    return Case(
        draw(st.integers(1, 4)), groups, channels, filters,
        (draw(st.integers(3, 30)), draw(st.integers(3, 40))), (3, 3), ONE, padding, ONE,
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    winograd_cases(),
    st.integers(1, 3),
    st.sampled_from([1, 1 << 16, 1 << 19]),
    st.sampled_from([1, 1 << 13, 1 << 16]),
    st.sampled_from([1, 1 << 24]),
)
def test_winograd(case, threads, tiles, cells, far):
    """However the tiles are cut up and shared out."""
    SETTINGS.convolution = "winograd"  # the fixture above puts it back
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "threads", threads)
        patch.setattr(compiled.winograd, "_TILE_BYTES", tiles)
        patch.setattr(compiled.winograd, "_CELL_BYTES", cells)
        patch.setattr(compiled.winograd, "_FAR_BYTES", far)
        case.check(tolerance=30)


@pytest.mark.parametrize("how", ["direct", "winograd"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_stays_where_it_is(how, value, monkeypatch):
    case = Case(2, 1, 16, 16, (13, 11), (3, 3), ONE, SAME, ONE)
    case.x[1, 3, 4, 5] = value
    case.g[0, 2, 12, 10] = value
    exact = Plain.conv(case.x, case.w, *case.settings, case.bias)
    exact_input_grad = Plain.conv_input_grad(case.g, case.w, case.spatial, *case.settings)
    monkeypatch.setattr(SETTINGS, "convolution", how)
    ours = compiled.conv(case.x, case.w, *case.settings, case.bias)
    np.testing.assert_allclose(ours, exact, rtol=1e-3, atol=1e-3)
    ours = compiled.conv_input_grad(case.g, case.w, case.spatial, *case.settings)
    np.testing.assert_allclose(ours, exact_input_grad, rtol=1e-3, atol=1e-3)
    assert compiled.conv_weight_grad(case.g, case.x, case.kernel, *case.settings) is NotImplemented


def test_double_precision_is_never_by_winograd(monkeypatch):
    monkeypatch.setattr(SETTINGS, "convolution", "winograd")
    Case(2, 1, 16, 16, (16, 16), (3, 3), ONE, SAME, ONE, np.float64).check()


def test_arrays_that_are_not_contiguous():
    case = Case(2, 1, 5, 7, (9, 8), (3, 3), ONE, SAME, ONE)
    expected = case.by(compiled)
    case.x = np.asfortranarray(case.x)
    case.w = case.w[::-1][::-1].copy("F")
    case.g = np.asfortranarray(case.g)
    for ours, before in zip(case.by(compiled), expected, strict=True):
        np.testing.assert_array_equal(ours, before)


@pytest.mark.parametrize("dtype", [np.int64, np.complex128, np.float16])
def test_other_numbers_are_left_to_numpy(dtype):
    case = Case(1, 1, 2, 2, (4, 4), (3, 3), ONE, SAME, ONE, dtype)
    assert all(ours is NotImplemented for ours in case.by(compiled))


def test_nothing_to_convolve():
    case = Case(0, 1, 2, 3, (4, 4), (3, 3), ONE, SAME, ONE)
    assert all(ours is NotImplemented for ours in case.by(compiled))


@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_threads(threads, monkeypatch):
    monkeypatch.setattr(SETTINGS, "threads", threads)
    Case(2, 1, 24, 20, (9, 17), (3, 3), ONE, SAME, ONE).check()
    Case(1, 1, 3, 20, (9, 17), (3, 3), ONE, SAME, ONE).check()
    monkeypatch.setattr(SETTINGS, "convolution", "winograd")
    Case(3, 1, 24, 20, (9, 17), (3, 3), ONE, SAME, ONE).check(tolerance=30)


def test_innermost_loops_are_as_they_are_written():
    """Not unrolled, as their sums would not fit into the registers, nor merged into a caller."""

    @numba.njit
    def apart(c):
        _micro.by_itself()
        c[0] += 1

    @numba.njit
    def product(a, b, taps, c, zero):
        apart(c)
        _micro.tile6(
            a, 0, 1, 6, 6, b, 0, (0, lanes), taps, len(taps),
            c, 0, (0, lanes), (lanes, lanes), 2 * lanes, zero, 0, False,
        )  # fmt: skip

    lanes = _micro.VECTOR_BYTES // 4
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape).astype("f") for shape in ((50, 6), (50, 2 * lanes)))
    c = np.zeros((6, 2 * lanes), "f")
    product(a.ravel(), b.ravel(), np.arange(50) * 2 * lanes, c.ravel(), np.zeros(6, "f"))
    np.testing.assert_allclose(c, a.T @ b, rtol=1e-4, atol=1e-5)
    (text,) = product.inspect_llvm().values()
    assert text.count(f"fmul contract <{lanes} x float>") == 12
    (called,) = (line for line in text.splitlines() if "define" in line and "apart" in line)
    (number,) = re.findall(r"#(\d+)", called)
    (attributes,) = (x for x in text.splitlines() if x.startswith(f"attributes #{number} "))
    assert "noinline" in attributes


@pytest.mark.skipif(_micro.VECTOR_BYTES == 32, reason="vectors here are no wider")
def test_processors_with_shorter_vectors():
    """The same results, compiled for a processor without AVX-512."""
    env = {**os.environ, "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}
    code = "from autograd.kernels._numba import _micro; assert _micro.VECTOR_BYTES == 32"
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    some = "layers_of_networks or threads or innermost or not_finite"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", some]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


class ReachedError(Exception):
    pass


def reach(*args):
    raise ReachedError


def test_who_goes_by_winograd(monkeypatch):
    monkeypatch.setattr(compiled.winograd, "correlate", reach)
    monkeypatch.setattr(compiled.winograd, "weight_grad", reach)
    many = Case(4, 1, 16, 16, (16, 16), (3, 3), ONE, SAME, ONE)
    few = Case(1, 1, 3, 16, (16, 16), (3, 3), ONE, SAME, ONE)
    by_winograd = {"direct": (), "winograd": (many, few), "auto": (many,)}
    for how, expected in by_winograd.items():
        for case in (many, few):
            monkeypatch.setattr(SETTINGS, "convolution", how)
            if case in expected:
                with pytest.raises(ReachedError):
                    case.by(compiled)
            else:
                case.by(compiled)
    monkeypatch.setattr(SETTINGS, "convolution", "winograd")
    for case in (
        Case(4, 1, 16, 16, (16, 16), (3, 3), (2, 2), SAME, ONE),
        Case(4, 1, 16, 16, (16, 16), (3, 3), ONE, SAME, (2, 1)),
        Case(4, 1, 16, 16, (16, 16), (3, 5), ONE, SAME, ONE),
        Case(4, 16, 1, 1, (16, 16), (3, 3), ONE, SAME, ONE),
    ):
        case.by(compiled)


WAYS = {
    "tiles": (0, 1, 2),
    "depthwise": (2,),
    "depthwise with strides": (1, 2),
    "columns": (1, 2),
    "columns, unequal residues": (1,),
    "columns, equal residues": (),
    "sparse": (1, 2),
    "sparse, large planes": (2,),
    "dense": (),
}


@pytest.mark.parametrize("way", WAYS)
def test_who_goes_by_another_way(way, monkeypatch):
    case = {
        "tiles": Case(2, 1, 8, 4, (16, 16), (2, 2), (2, 2), ((0, 0), (0, 0)), ONE),
        "depthwise": Case(2, 8, 1, 1, (16, 16), (3, 3), ONE, SAME, ONE),
        "depthwise with strides": Case(2, 8, 1, 1, (16, 16), (3, 3), (2, 2), SAME, ONE),
        "columns": Case(2, 1, 8, 128, (9, 9), (3, 3), (2, 2), SAME, ONE),
        "columns, unequal residues": Case(2, 1, 8, 16, (9, 9), (3, 3), (2, 2), SAME, ONE),
        "columns, equal residues": Case(2, 1, 8, 16, (9, 9), (4, 4), (2, 2), SAME, ONE),
    }.get(way, Case(64, 1, 6, 16, (14, 14), (5, 5), ONE, ((0, 0), (0, 0)), ONE))
    if way.startswith("sparse"):
        case.thin_out(0.2)
    if way == "sparse, large planes":
        monkeypatch.setattr(compiled.sparse, "_SECOND_LEVEL", 1000)
    module = getattr(compiled, "sparse" if way == "dense" else way.split()[0].strip(","))
    for name in ("conv", "input_grad", "weight_grad"):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, reach)
    calls = [
        lambda: compiled.conv(case.x, case.w, *case.settings, case.bias),
        lambda: compiled.conv_input_grad(case.g, case.w, case.spatial, *case.settings),
        lambda: compiled.conv_weight_grad(case.g, case.x, case.kernel, *case.settings),
    ]
    for i, call in enumerate(calls):
        if i in WAYS[way]:
            with pytest.raises(ReachedError):
                call()
        else:
            call()


def test_rows_too_long_for_columns():
    """A piece is of whole rows of windows, which must fit into the room for it."""
    columns = compiled.columns
    for out, served in (((512,), True), ((513,), False)):
        served = served and columns.HAS_GEMM
        assert columns.serves_weight_grad(8, 256, out, (1,)) == served
        assert columns.serves_input_grad(1, 8, 256, out, (3,), (2,), (1,)) == served


def test_how_sparse_a_cotangent_is():
    x = np.zeros((8, 6, 28, 28), np.float32)
    for step in (1, 2, 3, 7):
        g = x.copy()
        g[:, :, ::step, ::step] = 1
        seen, found = compiled.sparse._sample(g.reshape(-1))
        assert found / seen == pytest.approx(np.mean(g), abs=0.02)
    assert compiled.sparse._sample(np.ones(3)) == (192, 192)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_zeros_times_what_is_not_finite(value):
    case = Case(64, 1, 6, 16, (14, 14), (5, 5), ONE, ((2, 2), (2, 2)), ONE)
    case.thin_out(0.1)
    case.g[:32] = 0
    case.x[3, 2, 5, 5] = value
    assert compiled.conv_weight_grad(case.g, case.x, case.kernel, *case.settings) is NotImplemented
    for what, where in ((case.w, (2, 1, 0, 3)), (case.g, (40, 3, 9, 9))):
        before, what[where] = what[where], value
        with np.errstate(invalid="ignore"):
            exact = Plain.conv_input_grad(case.g, case.w, case.spatial, *case.settings)
        ours = compiled.conv_input_grad(case.g, case.w, case.spatial, *case.settings)
        np.testing.assert_allclose(ours, exact, rtol=1e-3, atol=1e-3)
        what[where] = before


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_columns_of_what_is_not_finite(value):
    case = Case(1, 1, 16, 128, (7, 7), (3, 3), (2, 2), SAME, ONE)
    assert case.g.size < case.w.size
    for what, where in ((case.x, (0, 2, 5, 5)), (case.w, (2, 1, 0, 2)), (case.g, (0, 3, 0, 0))):
        before, what[where] = what[where], value
        with np.errstate(invalid="ignore"):
            exact = case.by(Plain)
        ours = case.by(compiled)
        np.testing.assert_allclose(ours[1], exact[1], rtol=1e-3, atol=1e-3)
        if what is case.g:
            assert ours[2] is NotImplemented  # the padding was multiplied with it
        else:
            np.testing.assert_allclose(ours[2], exact[2], rtol=1e-3, atol=1e-3)
        what[where] = before


def test_large_numbers_do_not_overflow_on_the_way():
    case = Case(2, 1, 16, 16, (16, 16), (3, 3), ONE, SAME, ONE)
    SETTINGS.convolution = "winograd"
    case.x *= np.float32(2e36)
    case.w *= np.float32(0.25)
    case.bias[:] = 0
    exact = Plain.conv(case.x.astype(np.float64), case.w.astype(np.float64), *case.settings)
    ours = compiled.conv(case.x, case.w, *case.settings, case.bias)
    assert np.abs(ours - exact).max() <= 1e-4 * np.abs(exact).max()
