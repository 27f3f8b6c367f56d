"""numpy.fft: discrete Fourier transforms of one or more axes, complex and real.

Each transform is linear and its matrix symmetric, so that a transform's adjoint is a transform.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np

from autograd._primitive import implements, primitive, sample
from autograd.primitives.products import as_array, conjugate

Axes = tuple[int, ...]

Norm: TypeAlias = Literal["backward", "ortho", "forward"]


def _swapped(norm: Norm) -> Norm:
    """The norm of the transform in the other direction that scales as this one does."""
    return "ortho" if norm == "ortho" else "forward" if norm == "backward" else "backward"


@primitive(
    name="fft",
    batched=True,
    samples=(
        sample((4,), axes=(-1,)),
        sample((3, 4), axes=(-2, -1), norm="ortho"),
        sample((3, 5), axes=(-2,), inverse=True),
        sample((2, 3), axes=(-1,), inverse=True, norm="forward"),
    ),
)
def _fft(x: Any, /, axes: Axes, inverse: bool = False, norm: Norm = "backward") -> Any:
    """The transform over axes (counted from the end), or its inverse."""
    return (np.fft.ifftn if inverse else np.fft.fftn)(x, axes=axes, norm=norm)


@_fft.rule
def _(g: Any, axes: Axes, inverse: bool, norm: Norm) -> Any:
    return _fft(g, axes, inverse, norm)


@primitive(
    name="rfft",
    batched=True,
    samples=(sample((4,)), sample((2, 5), norm="ortho"), sample((2, 1), norm="forward")),
)
def _rfft(x: Any, /, norm: Norm = "backward") -> Any:
    """The frequencies 0 to n // 2 of the transform of real x over the last axis."""
    return np.fft.rfft(x, norm=norm)


@_rfft.rule
def _(g: Any, x_shape: tuple[int, ...], norm: Norm) -> Any:
    # The inverse counts the frequencies between the ends twice, the transform gave them once.
    n = x_shape[-1]
    return _irfft(conjugate(g / _times_counted(n, g)), n, _swapped(norm))


@primitive(
    name="irfft",
    batched=True,
    samples=(sample((3,), n=4), sample((2, 3), n=5, norm="ortho"), sample((2, 1), n=1)),
)
def _irfft(x: Any, /, n: int, norm: Norm = "backward") -> Any:
    """The n real values whose frequencies 0 to n // 2 are x, over the last axis."""
    return np.fft.irfft(x, n, norm=norm)


@_irfft.rule
def _(g: Any, n: int, norm: Norm) -> Any:
    spectrum = _rfft(g, _swapped(norm))
    return conjugate(spectrum * _times_counted(n, spectrum))


def _times_counted(n: int, like: Any) -> Any:
    """How often each of the frequencies 0 to n // 2 occurs among all n: once or twice."""
    counts = np.full(n // 2 + 1, 2.0, np.float32 if like.dtype.itemsize <= 8 else np.float64)
    counts[0] = 1
    if n % 2 == 0:
        counts[-1] = 1
    return counts


# ----------------------------------------------------------------------------- numpy's signatures


def _norm(norm: str | None) -> Norm:
    if norm is None:
        return "backward"
    if norm not in get_args(Norm):
        raise ValueError(f"norm is one of {', '.join(get_args(Norm))}, got {norm!r}")
    return cast(Norm, norm)


def _refuse_out(out: Any) -> None:
    if out is not None:
        raise TypeError("the transforms of a tensor have no out=: assign the result instead")


def _resized(x: Any, n: int, axis: int) -> Any:
    """x with length n along an axis: cut off, or filled up with zeros."""
    length = x.shape[axis]
    if n < 1:
        raise ValueError(f"a transform needs at least one point, got n={n}")
    if n < length:
        return x[(slice(None),) * (axis % x.ndim) + (slice(n),)]
    if n > length:
        widths = [(0, 0)] * x.ndim
        widths[axis] = (0, n - length)
        return np.pad(x, widths)
    return x


def _plan(x: Any, s: Any, axes: Any) -> tuple[list[int], Axes]:
    """Lengths, and axes counted from the end, from NumPy's s and axes."""
    if axes is None:
        axes = range(-x.ndim if s is None else -len(s), 0)
    negative = tuple(int(axis) - x.ndim if axis >= 0 else int(axis) for axis in axes)
    for axis in negative:
        if not -x.ndim <= axis < 0:
            raise ValueError(f"axis {axis + x.ndim} is out of bounds for shape {x.shape}")
    if s is None:
        return [x.shape[axis] for axis in negative], negative
    if len(s) != len(negative):
        raise ValueError(f"s has {len(s)} lengths for {len(negative)} axes")
    return [x.shape[a] if n == -1 else int(n) for n, a in zip(s, negative, strict=True)], negative


def _complex(x: Any, s: Any, axes: Any, norm: str | None, inverse: bool) -> Any:
    x = as_array(x)
    lengths, axes = _plan(x, s, axes)
    for axis, length in zip(axes, lengths, strict=True):
        x = _resized(x, length, axis)
    return _fft(x, axes, inverse, _norm(norm)) if axes else +x


def _plan_real(x: Any, s: Any, axes: Any) -> tuple[list[int], Axes]:
    lengths, axes = _plan(x, s, axes)
    if not axes:
        raise ValueError("a real transform needs at least one axis")
    return lengths, axes


def _real(x: Any, s: Any, axes: Any, norm: str | None) -> Any:
    x = as_array(x)
    if x.dtype.kind == "c":
        raise TypeError(f"a real transform takes real values, got {x.dtype}; use fft")
    lengths, axes = _plan_real(x, s, axes)
    for axis, length in zip(axes, lengths, strict=True):
        x = _resized(x, length, axis)
    *others, last = axes
    y = _last(lambda moved: _rfft(moved, _norm(norm)), x, last)
    return _fft(y, tuple(others), False, _norm(norm)) if others else y


def _inverse_real(x: Any, s: Any, axes: Any, norm: str | None) -> Any:
    x = as_array(x)
    lengths, axes = _plan_real(x, s, axes)
    if s is None or s[-1] == -1:
        lengths[-1] = 2 * (x.shape[axes[-1]] - 1)
    if lengths[-1] < 1:
        raise ValueError(f"a transform needs at least one point, got n={lengths[-1]}")
    for axis, length in zip(axes[:-1], lengths[:-1], strict=True):
        x = _resized(x, length, axis)
    *others, last = axes
    if others:
        x = _fft(x, tuple(others), True, _norm(norm))
    n = lengths[-1]
    x = _resized(x, n // 2 + 1, last)
    return _last(lambda moved: _irfft(moved, n, _norm(norm)), x, last)


def _last(transform: Callable[[Any], Any], x: Any, axis: int) -> Any:
    """A transform of the last axis applied to another one."""
    if axis == -1:
        return transform(x)
    return transform(x.swapaxes(axis, -1)).swapaxes(axis, -1)


def _one_axis(transform: Callable[..., Any], *numpy_functions: Any) -> Callable[..., Any]:
    def call(
        a: Any, n: int | None = None, axis: int = -1, norm: str | None = None, out: Any = None
    ) -> Any:
        _refuse_out(out)
        return transform(a, None if n is None else (n,), (axis,), norm)

    return _documented(call, *numpy_functions)


def _two_axes(transform: Callable[..., Any], *numpy_functions: Any) -> Callable[..., Any]:
    def call(
        a: Any,
        s: Sequence[int] | None = None,
        axes: Sequence[int] = (-2, -1),
        norm: str | None = None,
        out: Any = None,
    ) -> Any:
        _refuse_out(out)
        return transform(a, s, axes, norm)

    return _documented(call, *numpy_functions)


def _many_axes(transform: Callable[..., Any], *numpy_functions: Any) -> Callable[..., Any]:
    def call(
        a: Any,
        s: Sequence[int] | None = None,
        axes: Sequence[int] | None = None,
        norm: str | None = None,
        out: Any = None,
    ) -> Any:
        _refuse_out(out)
        return transform(a, s, axes, norm)

    return _documented(call, *numpy_functions)


def _documented(call: Callable[..., Any], function: Any) -> Callable[..., Any]:
    call.__name__ = call.__qualname__ = function.__name__
    call.__doc__ = f"As ``np.fft.{function.__name__}``, for arrays and tensors."
    implements(function)(call)
    return call


def _forward(x: Any, s: Any, axes: Any, norm: str | None) -> Any:
    return _complex(x, s, axes, norm, inverse=False)


def _backward(x: Any, s: Any, axes: Any, norm: str | None) -> Any:
    return _complex(x, s, axes, norm, inverse=True)


def _hermitian(x: Any, s: Any, axes: Any, norm: str | None) -> Any:
    return _inverse_real(conjugate(as_array(x)), s, axes, _swapped(_norm(norm)))


def _inverse_hermitian(x: Any, s: Any, axes: Any, norm: str | None) -> Any:
    return conjugate(_real(x, s, axes, _swapped(_norm(norm))))


fft = _one_axis(_forward, np.fft.fft)
ifft = _one_axis(_backward, np.fft.ifft)
rfft = _one_axis(_real, np.fft.rfft)
irfft = _one_axis(_inverse_real, np.fft.irfft)
hfft = _one_axis(_hermitian, np.fft.hfft)
ihfft = _one_axis(_inverse_hermitian, np.fft.ihfft)
fft2 = _two_axes(_forward, np.fft.fft2)
ifft2 = _two_axes(_backward, np.fft.ifft2)
rfft2 = _two_axes(_real, np.fft.rfft2)
irfft2 = _two_axes(_inverse_real, np.fft.irfft2)
fftn = _many_axes(_forward, np.fft.fftn)
ifftn = _many_axes(_backward, np.fft.ifftn)
rfftn = _many_axes(_real, np.fft.rfftn)
irfftn = _many_axes(_inverse_real, np.fft.irfftn)


def _shift_by(x: Any, axes: Any, half: Callable[[int], int]) -> Any:
    x = as_array(x)
    axes = range(x.ndim) if axes is None else (axes,) if np.ndim(axes) == 0 else axes
    axes = tuple(int(axis) for axis in axes)
    return np.roll(x, tuple(half(x.shape[axis]) for axis in axes), axes)


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """Frequency 0 moved to the middle of the axes, as ``np.fft.fftshift``."""
    return _shift_by(x, axes, lambda n: n // 2)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """The inverse of :func:`fftshift`, as ``np.fft.ifftshift``."""
    return _shift_by(x, axes, lambda n: -(n // 2))
