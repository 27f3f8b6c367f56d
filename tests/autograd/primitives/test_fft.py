"""numpy.fft: values as NumPy's for every argument, derivatives real and complex."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Tensor, grad, gradcheck, gradgradcheck

Function = Callable[..., Any]
fft = np.fft

NORMS = (None, "backward", "ortho", "forward")
ONE_AXIS = (fft.fft, fft.ifft, fft.rfft, fft.irfft, fft.hfft, fft.ihfft)
TWO_AXES = (fft.fft2, fft.ifft2, fft.rfft2, fft.irfft2)
MANY_AXES = (fft.fftn, fft.ifftn, fft.rfftn, fft.irfftn)
REAL_ONLY = (fft.rfft, fft.ihfft, fft.rfft2, fft.rfftn)


def case(function: Function, shape: tuple[int, ...], **options: Any) -> Any:
    label = ",".join([function.__name__, str(shape), *(f"{k}={v}" for k, v in options.items())])
    return pytest.param(function, shape, options, id=label)


CASES = [
    *(case(f, (2, 5), norm=norm) for f in ONE_AXIS for norm in NORMS),
    *(case(f, (3, 4), n=n, axis=axis) for f in ONE_AXIS for n in (1, 3, 6) for axis in (0, -1)),
    *(case(f, (2, 3, 4)) for f in (*TWO_AXES, *MANY_AXES)),
    *(case(f, (2, 3, 4), norm="ortho", axes=(0, 1)) for f in (*TWO_AXES, *MANY_AXES)),
    *(case(f, (3, 4), s=(2, 6), axes=(1, 0)) for f in (*TWO_AXES, *MANY_AXES)),
    *(case(f, (3, 4), s=(-1, 5), axes=(0, 1), norm="forward") for f in (*TWO_AXES, *MANY_AXES)),
    *(case(f, (3, 4), axes=(1,)) for f in MANY_AXES),
    case(fft.fftshift, (3, 4)),
    case(fft.fftshift, (3, 4), axes=1),
    case(fft.ifftshift, (3, 5), axes=(0, 1)),
]


def values(shape: tuple[int, ...], kind: type = float) -> Any:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, shape)
    return x if kind is float else x + 1j * rng.uniform(-1, 1, shape)


@pytest.mark.parametrize(("function", "shape", "options"), CASES)
def test_value(function: Function, shape: Any, options: Any) -> None:
    for kind in (float, complex):
        if kind is complex and function in REAL_ONLY:
            continue
        x = values(shape, kind)
        expected, got = function(x, **options), function(Tensor(x), **options)
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got.data, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("function", "shape", "options"), CASES)
def test_derivatives(function: Function, shape: Any, options: Any) -> None:
    for kind in (float, complex):
        if kind is complex and function in REAL_ONLY:
            continue
        x = Tensor(values(shape, kind), requires_grad=True)
        assert gradcheck(lambda t: function(t, **options), x, atol=1e-7)
        assert gradgradcheck(lambda t: function(t, **options), x, atol=1e-7)


@pytest.mark.parametrize(("function", "shape", "options"), CASES)
def test_single_precision(function: Function, shape: Any, options: Any) -> None:
    x = Tensor(values(shape).astype(np.float32), requires_grad=True)
    out = function(x, **options)
    assert out.dtype in (np.float32, np.complex64)
    (gradient,) = grad(np.sum(np.abs(out) ** 2), x, create_graph=True)
    assert gradient.dtype == np.float32


def power(x: Any) -> Any:
    """Energy of the low frequencies."""
    spectrum = fft.rfft(x)[..., :3]
    return np.sum(np.real(spectrum) ** 2 + np.imag(spectrum) ** 2)


def circular_convolution(x: Any, y: Any) -> Any:
    return fft.irfft(fft.rfft(x) * fft.rfft(y), x.shape[-1])


def low_pass(x: Any) -> Any:
    keep = np.abs(fft.fftfreq(x.shape[-1])) < 0.3
    return np.real(fft.ifft(fft.fft(x) * keep)) ** 3


@pytest.mark.parametrize("n", [6, 7])
def test_real_functions_of_real_values(n: int) -> None:
    x, y = Tensor(values((2, n)), requires_grad=True), Tensor(values((n,)), requires_grad=True)
    for function, args in ((power, x), (low_pass, x), (circular_convolution, (x, y))):
        assert gradcheck(function, args)
        assert gradgradcheck(function, args)


def test_gradient_by_hand() -> None:
    """By Parseval's theorem the sum of squares of the transform is n times that of x."""
    x = Tensor([1.0, -2.0, 3.0, 0.5], requires_grad=True)
    spectrum = fft.fft(x)
    energy = np.sum(np.real(spectrum) ** 2 + np.imag(spectrum) ** 2)
    (gradient,) = grad(energy, x, create_graph=True)
    np.testing.assert_allclose(gradient.data, 8 * x.data)
    (second,) = grad(gradient[2], x)
    np.testing.assert_allclose(second.data, [0, 0, 8, 0], atol=1e-14)


def test_circular_convolution_is_the_sum_over_shifts() -> None:
    x, y = values((5,)), np.arange(5.0)
    expected = [sum(x[j] * y[(i - j) % 5] for j in range(5)) for i in range(5)]
    np.testing.assert_allclose(circular_convolution(Tensor(x), y).data, expected)


ERRORS = [
    (lambda x: fft.fft(x, 0), ValueError, "n=0"),
    (lambda x: fft.irfft(x[:1]), ValueError, "n=0"),
    (lambda x: fft.fft(x, norm="orthogonal"), ValueError, "'orthogonal'"),
    (lambda x: fft.fft(x, axis=1), ValueError, r"axis 1 is out of bounds for shape \(4,\)"),
    (lambda x: fft.fftn(x, s=(2, 2), axes=(0,)), ValueError, "2 lengths for 1 axes"),
    (lambda x: fft.rfft(fft.fft(x)), TypeError, "real"),
    (lambda x: fft.rfftn(x, axes=()), ValueError, "at least one axis"),
    (lambda x: fft.irfftn(x, axes=()), ValueError, "at least one axis"),
    (lambda x: fft.fft(x, out=np.zeros(4, complex)), TypeError, "out="),
]


@pytest.mark.parametrize(("function", "error", "message"), ERRORS)
def test_errors_say_what_is_wrong(function: Function, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        function(Tensor(np.ones(4), requires_grad=True))


@given(
    st.sampled_from((*ONE_AXIS, *TWO_AXES, *MANY_AXES)),
    st.integers(2, 6),
    st.integers(2, 6),
    st.integers(1, 7),
    st.sampled_from([0, 1, -1, -2]),
    st.sampled_from(NORMS),
)
def test_gradient_is_the_adjoint(
    function: Function, rows: int, columns: int, n: int, axis: int, norm: Any
) -> None:
    """Re <g, F d> = <gradient, d> for every direction d, for any lengths and axes."""
    rng = np.random.default_rng(rows + 7 * columns)
    options = {"n": n, "axis": axis} if function in ONE_AXIS else {"s": (n,), "axes": (axis,)}
    x, d = rng.standard_normal((2, rows, columns))
    tensor = Tensor(x, requires_grad=True)
    out = function(tensor, norm=norm, **options)
    g = rng.standard_normal(out.shape)
    if out.dtype.kind == "c":
        g = g + 1j * rng.standard_normal(out.shape)
    (gradient,) = grad(out, tensor, g)
    expected = np.sum(np.real(np.conj(g) * function(d, norm=norm, **options)))
    assert np.sum(gradient.data * d) == pytest.approx(expected, rel=1e-9, abs=1e-9)
