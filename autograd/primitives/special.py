"""Special functions that NumPy has not, or only without a derivative: erf, gamma, Bessel, logistic.

Each is accurate to float64 in plain NumPy; float32 stays float32. Families whose derivative is the
next member (polygamma, Bessel, the derivatives of sinc) are one primitive each, so that every order
of derivative is exact, at removable singularities too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd._primitive import attach, implements, plain, primitive, sample
from autograd._tensor import as_tensor
from autograd.primitives.elementwise import ANY, POSITIVE, softplus

SQRT2 = math.sqrt(2)
SQRT_PI = math.sqrt(math.pi)
WITHIN = (sample((2, 3), low=-0.95, high=0.95), sample((), low=-0.9, high=0.9))
PROBABILITIES = (sample((2, 3), low=0.05, high=0.95), sample((), low=0.1, high=0.9))


def _floating(x: Any) -> tuple[np.ndarray, np.dtype]:
    """x in float64 and the type of the result."""
    x = np.asarray(x)
    kind = x.dtype if x.dtype.kind == "f" else np.dtype(float)
    return x.astype(np.float64, copy=False), kind


def _polynomial(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    """The polynomial with these coefficients, highest power first."""
    value = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        value *= x
        value += c
    return value


# ------------------------------------------------------------------------------- the error function

# Rational minimax approximations of W. J. Cody, "Rational Chebyshev approximations for the error
# function", Mathematics of Computation 23 (1969): of erf(x)/x in x² for |x| <= 0.46875, of
# exp(x²) erfc(x) in x up to 4, and of its remainder to the asymptotic form in 1/x² beyond.
_ERF_P = (
    1.85777706184603153e-1,
    3.16112374387056560e0,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_ERF_Q = (
    1.0,
    2.36012909523441209e1,
    2.44024637934444173e2,
    1.28261652607737228e3,
    2.84423683343917062e3,
)
_MIDDLE_P = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e0,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
_MIDDLE_Q = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)
_TAIL_P = (
    1.63153871373020978e-2,
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4,
)
_TAIL_Q = (
    1.0,
    2.56852019228982242e0,
    1.87295284992346725e0,
    5.27905102951428412e-1,
    6.05183413124413191e-2,
    2.33520497626869185e-3,
)
_NEAR = 0.46875
_FAR = 4.0


def _scaled_erfc(z: np.ndarray) -> np.ndarray:
    """exp(z²) erfc(z) for z > 0.46875."""
    far = z > _FAR
    if not far.any():
        return _polynomial(_MIDDLE_P, z) / _polynomial(_MIDDLE_Q, z)
    out = np.empty_like(z)
    big = z[far]
    with np.errstate(over="ignore"):
        w = 1 / (big * big)
    rest = w * _polynomial(_TAIL_P, w) / _polynomial(_TAIL_Q, w)
    out[far] = (1 / SQRT_PI - rest) / big
    near = ~far
    z = z[near]
    out[near] = _polynomial(_MIDDLE_P, z) / _polynomial(_MIDDLE_Q, z)
    return out


def _gaussian(z: np.ndarray) -> np.ndarray:
    """exp(-z²) for z >= 0 to full accuracy: z² as the square of a short number and the rest."""
    short = np.trunc(z * 16) / 16
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        value = np.exp(-short * short) * np.exp(-(z - short) * (z + short))
    return np.where(z > 27.5, 0.0, value)


def _tail(z: np.ndarray) -> np.ndarray:
    """erfc(z) for z > 0.46875."""
    with np.errstate(under="ignore"):
        return _gaussian(z) * _scaled_erfc(z)


def _erf_near(x: np.ndarray) -> np.ndarray:
    """erf(x) for |x| <= 0.46875."""
    square = x * x
    return x * _polynomial(_ERF_P, square) / _polynomial(_ERF_Q, square)


# Elements worked on at a time, so that the intermediate arrays stay in the processor's cache.
_BLOCK = 1 << 14


def _in_parts(x: Any, near: Callable[..., Any], far: Callable[..., Any]) -> Any:
    """``near`` of the elements with |x| <= 0.46875 and ``far`` of the others."""
    wide, kind = _floating(x)
    flat = wide.reshape(-1)
    out = np.empty(flat.shape, kind)
    for start in range(0, flat.size, _BLOCK):
        block = flat[start : start + _BLOCK]
        result = out[start : start + _BLOCK]
        small = np.abs(block) <= _NEAR
        result[small] = near(block[small])
        np.logical_not(small, out=small)
        result[small] = far(block[small])
    return out.reshape(wide.shape)[()]


# erf(x)/x in x² for |x| <= 3.92, by Lawson's iteration for the smallest relative error, 2e-8.
_SINGLE_P = (
    2.050119698e-6,
    2.848815487e-4,
    3.765515291e-3,
    5.274840724e-2,
    1.904039394e-1,
    1.128379146,
)
_SINGLE_Q = (
    3.809199340e-5,
    1.162513078e-3,
    1.496900995e-2,
    1.141080841e-1,
    5.020738391e-1,
    1.0,
)


def _erf_single(x: np.ndarray) -> np.ndarray:
    """erf of a float32 array, within three units in the last place."""
    flat = x.reshape(-1)
    out = np.empty_like(flat)
    for start in range(0, flat.size, _BLOCK):
        v = np.clip(flat[start : start + _BLOCK], -3.92, 3.92)
        square = v * v
        v *= _polynomial(_SINGLE_P, square)
        v /= _polynomial(_SINGLE_Q, square)
        np.clip(v, -1, 1, out=out[start : start + _BLOCK])
    return out.reshape(x.shape)[()]


@primitive(batched=True, samples=(*ANY, sample((5,), low=-6.0, high=6.0)))
def erf(x: Any, /) -> Any:
    """The error function, 2/sqrt(pi) times the integral of exp(-t²) from 0 to x.

    W. J. Cody's rational approximations (1969), within a few units in the last place of float64;
    in float32 a shorter one.

    >>> erf(np.array([0.0, 0.5, np.inf])).round(6)
    array([0.    , 0.5205, 1.    ])
    """
    if getattr(x, "dtype", None) == np.float32:
        return _erf_single(np.asarray(x))
    return _in_parts(x, _erf_near, lambda v: np.copysign(1 - _tail(np.abs(v)), v))


@erf.rule
def _(g: Any, x: Any) -> Any:
    return g * (np.exp(-x * x) * (2 / SQRT_PI))


@primitive(batched=True, samples=(*ANY, sample((5,), low=-6.0, high=6.0)))
def erfc(x: Any, /) -> Any:
    """1 - erf(x), accurate where it is tiny.

    >>> erfc(10.0)
    np.float64(2.088487583762545e-45)
    """

    def far(v: np.ndarray) -> np.ndarray:
        tail = _tail(np.abs(v))
        return np.where(v < 0, 2 - tail, tail)

    return _in_parts(x, lambda v: 1 - _erf_near(v), far)


@erfc.rule
def _(g: Any, x: Any) -> Any:
    return g * (np.exp(-x * x) * (-2 / SQRT_PI))


@primitive(batched=True, samples=WITHIN)
def erfinv(y: Any, /) -> Any:
    """The inverse of erf: infinite at -1 and 1, NaN outside.

    S. Winitzki's approximation, then three Halley steps on erf, or on erfc where y is near ±1.

    >>> erfinv(0.5204998778130465).round(12)
    np.float64(0.5)
    """
    wide, kind = _floating(y)
    size = np.abs(wide)
    inside = size < 1
    v = np.where(inside, size, 0.0)
    a = 0.147
    log = np.log1p(-v * v)
    middle = 2 / (math.pi * a) + log / 2
    x = np.sqrt(np.maximum(np.sqrt(middle * middle - log / a) - middle, 0))
    for _step in range(3):
        error = np.where(v < 0.5, erf(x) - v, (1 - v) - erfc(x))
        newton = error / (2 / SQRT_PI * _gaussian(x))
        x = x - newton / (1 + x * newton)
    x = np.where(inside, x, np.where(size == 1, np.inf, np.nan))
    return np.copysign(x, wide).astype(kind, copy=False)[()]


@erfinv.rule
def _(g: Any, y: Any) -> Any:
    x = erfinv(y)  # again, so that it can be differentiated once more
    return g * (np.exp(x * x) * (SQRT_PI / 2))


@primitive(batched=True, samples=ANY)
def ndtr(x: Any, /) -> Any:
    """The distribution function of the standard normal, as GELU needs it: erfc(-x / sqrt(2)) / 2.

    >>> ndtr(np.array([-np.inf, 0.0, np.inf]))
    array([0. , 0.5, 1. ])
    """
    return erfc(np.multiply(x, -1 / SQRT2)) * 0.5


@ndtr.rule
def _(g: Any, x: Any) -> Any:
    return g * (np.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi)))


# -------------------------------------------------------------------------- logistic and entropy


def log_sigmoid(x: Any) -> Any:
    """log(sigmoid(x)) without overflow.

    >>> log_sigmoid(np.array([-1000.0, 0.0])).round(4)
    array([-1.000e+03, -6.931e-01])
    """
    return -softplus(-x)


@primitive(batched=True, samples=PROBABILITIES)
def logit(p: Any, /) -> Any:
    """log(p / (1 - p)), the inverse of the sigmoid; infinite at 0 and 1.

    >>> logit(np.array([0.5, 1.0]))
    array([ 0., inf])
    """
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(np.negative(p))


@logit.rule
def _(g: Any, p: Any) -> Any:
    return g / (p * (1 - p))


@primitive(
    batched=True,
    samples=(
        sample((2, 3), (2, 3), low=0.2),
        sample((2, 1), (3,), low=0.2),
        sample(np.zeros(3, np.float32), (2, 3), low=0.2),
    ),
)
def xlogy(x: Any, y: Any, /) -> Any:
    """x log y, and 0 where x is 0 whatever y is.

    >>> xlogy(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    array([0., 0.])
    """
    zero = np.equal(x, 0) & ~np.isnan(y)
    return np.where(zero, 0, x) * np.log(np.where(zero, 1, y))


@xlogy.rule("x")
def _(g: Any, x: Any, y: Any) -> Any:
    return g * np.log(_defined(x, y))


@xlogy.rule("y")
def _(g: Any, x: Any, y: Any) -> Any:
    return g * (x / _defined(x, y))


def _defined(x: Any, y: Any) -> Any:
    """y, but 1 where both x and y are 0."""
    zero = np.equal(plain(x), 0) & np.equal(plain(y), 0)
    return np.where(zero, 1, y) if np.any(zero) else y


def entr(x: Any) -> Any:
    """-x log x, what an outcome of probability x adds to the entropy; 0 at 0.

    >>> entr(np.array([0.0, 1.0, 0.5])).round(4)
    array([0.    , 0.    , 0.3466])
    """
    return 0 - xlogy(x, x)


# ---------------------------------------------------------------------------- gamma and its kin

# Bernoulli numbers B2, B4 … of Stirling's series.
_BERNOULLI = (
    1 / 6,
    -1 / 30,
    1 / 42,
    -1 / 30,
    5 / 66,
    -691 / 2730,
    7 / 6,
    -3617 / 510,
    43867 / 798,
    -174611 / 330,
)
_LARGE = 12.0


@primitive(
    batched=True,
    samples=(*POSITIVE, sample((2, 3), low=3.0, high=20.0), sample((3,), low=-0.9, high=-0.1)),
)
def gammaln(x: Any, /) -> Any:
    """log |Γ(x)|, accurate to about 1e-14 relative to max(1, result).

    Stirling's series for x >= 12, reached by Γ(x) = Γ(x + 1) / x; Euler's reflection below 1/2.

    >>> gammaln(np.array([1.0, 5.0])).round(6)
    array([0.      , 3.178054])
    """
    wide, kind = _floating(x)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mirrored = wide < 0.5
        z = np.where(mirrored, 1 - wide, wide)
        below = np.ones_like(z)
        for _step in range(int(_LARGE)):
            small = z < _LARGE
            if not small.any():
                break
            below = np.where(small, below * z, below)
            z = np.where(small, z + 1, z)
        series = np.zeros_like(z)
        inverse = 1 / (z * z)
        for k in range(len(_BERNOULLI), 0, -1):
            series = series * inverse + _BERNOULLI[k - 1] / (2 * k * (2 * k - 1))
        value = (z - 0.5) * np.log(z) - z + math.log(2 * math.pi) / 2 + series / z - np.log(below)
        value = np.where(np.isposinf(z), np.inf, value)
        sine = np.abs(np.sin(math.pi * (wide - np.round(wide))))
        value = np.where(mirrored, math.log(math.pi) - np.log(sine) - value, value)
        value = np.where(np.isneginf(wide), np.inf, value)
    return value.astype(kind, copy=False)[()]


@gammaln.rule
def _(g: Any, x: Any) -> Any:
    return g * polygamma(x, order=0)


@primitive(
    batched=True,
    samples=(
        sample((2, 3), order=0, low=0.3),
        sample((2, 3), order=1, low=0.3),
        sample((3,), order=2, low=3.0, high=20.0),
        sample((3,), order=0, low=-0.8, high=-0.2),
    ),
)
def polygamma(x: Any, /, order: int) -> Any:
    """The derivative of ``order`` of digamma, which is that of log Γ; trigamma is of order 1.

    The asymptotic series for x >= 12 + order, reached by the recurrence; for negative x it takes
    as many steps as x is long, so it is meant for x > -1000.

    >>> polygamma(1.0, order=0).round(10), polygamma(1.0, order=1).round(10)
    (np.float64(-0.5772156649), np.float64(1.6449340668))
    """
    if order < 0:
        raise ValueError(f"polygamma: the order is not negative, got {order}")
    wide, kind = _floating(x)
    z = wide.copy()
    factorial = math.factorial(order)
    steps = np.zeros_like(z)
    limit = _LARGE + order
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        pole = (wide <= 0) & (wide == np.floor(wide))
        while (small := (z < limit) & np.isfinite(z) & ~pole).any():
            steps = steps + np.where(small, 1 / np.where(small, z, 1) ** (order + 1), 0)
            z = np.where(small, z + 1, z)
        inverse = 1 / (z * z)
        series = np.zeros_like(z)
        for k in range(len(_BERNOULLI), 0, -1):
            weight = math.factorial(2 * k + order - 1) / math.factorial(2 * k)
            series = series * inverse + _BERNOULLI[k - 1] * weight
        series = series * inverse
        if order == 0:
            value = np.log(z) - 1 / (2 * z) - series - steps
        else:
            value = math.factorial(order - 1) + factorial / (2 * z) + series
            value = (-1) ** (order + 1) * (value / z**order + factorial * steps)
        value = np.where(pole | np.isneginf(wide), np.nan, value)
    return value.astype(kind, copy=False)[()]


@polygamma.rule
def _(g: Any, x: Any, order: int) -> Any:
    return g * polygamma(x, order=order + 1)


def digamma(x: Any) -> Any:
    """The derivative of log Γ(x).

    >>> digamma(1.0).round(10)
    np.float64(-0.5772156649)
    """
    return polygamma(x, order=0)


# ---------------------------------------------------------------------------- Bessel and sinc


@primitive(
    batched=True,
    samples=(sample((2, 3), order=0), sample((3,), order=1), sample((3,), order=2, low=-9, high=9)),
)
def bessel_i(x: Any, /, order: int) -> Any:
    """The modified Bessel function of the first kind of a whole order.

    The power series up to |x| = 30, the asymptotic series beyond.

    >>> bessel_i(np.array([0.0, 1.0]), order=1).round(6)
    array([0.      , 0.565159])
    """
    order = abs(order)
    wide, kind = _floating(x)
    size = np.abs(wide)
    half = np.minimum(size, 30.0) / 2
    term = half**order / math.factorial(order)
    total = term
    square = half * half
    for k in range(1, 90):
        term = term * square / (k * (k + order))
        total = total + term
    if (large := size > 30).any():
        z = np.where(large, size, 30.0)
        part = np.ones_like(z)
        tail = np.ones_like(z)
        for k in range(1, 30 + order):
            part = part * ((2 * k - 1) ** 2 - 4 * order * order) / (8 * k * z)
            tail = tail + part
        with np.errstate(over="ignore"):  # in two factors, as the first overflows early
            far = np.exp(z / 2) * (np.exp(z / 2) / np.sqrt(2 * math.pi * z) * tail)
        total = np.where(large, far, total)
    value = np.where(wide < 0, (-1) ** order, 1) * total
    return value.astype(kind, copy=False)[()]


@bessel_i.rule
def _(g: Any, x: Any, order: int) -> Any:
    below, above = bessel_i(x, order=abs(order - 1)), bessel_i(x, order=order + 1)
    return g * ((below + above) * 0.5)


@implements(np.i0)
def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind of order 0, as ``np.i0``."""
    return bessel_i.call(as_tensor(x), order=0)


@primitive(
    batched=True,
    samples=(
        sample((2, 3), order=0),
        sample((2, 3), order=1),
        sample((3,), order=3, low=-9, high=9),
        sample(lambda rng: np.zeros(2), order=2),
    ),
)
def sinc_derivative(x: Any, /, order: int) -> Any:
    """The derivative of ``order`` of sin(pi x) / (pi x); order 0 is ``np.sinc`` itself.

    The power series near 0, else the recurrence z f⁽ⁿ⁾ + n f⁽ⁿ⁻¹⁾ = sin(z + n pi/2).

    >>> sinc_derivative(np.array([0.0, 1.0]), order=1).round(12)
    array([ 0., -1.])
    """
    wide, kind = _floating(x)
    if order == 0:
        return np.sinc(wide).astype(kind, copy=False)[()]
    z = wide * math.pi
    near = np.abs(z) < 2 + order
    far = np.where(near, math.inf, z)
    z_far = np.where(near, 0, z)
    value = np.sin(z_far) / far
    for n in range(1, order + 1):
        value = (np.sin(z_far + n * math.pi / 2) - n * value) / far
    small = np.where(near, z, 0.0)
    square = small * small
    first = (order + 1) // 2  # the first power that the derivative leaves
    term = (-1.0) ** first * small ** (2 * first - order)
    term = term / ((2 * first + 1) * math.factorial(2 * first - order))
    series = term
    for k in range(first + 1, first + 18 + order):
        left = 2 * k - order
        term = term * (-square * ((2 * k - 1) / ((2 * k + 1) * left * (left - 1))))
        series = series + term
    value = np.where(near, series, value) * math.pi**order
    return value.astype(kind, copy=False)[()]


@sinc_derivative.rule
def _(g: Any, x: Any, order: int) -> Any:
    return g * sinc_derivative(x, order=order + 1)


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), and 1 at 0, as ``np.sinc``; smooth there to every order.

    >>> from autograd import Tensor
    >>> sinc(Tensor([0.0, 0.5])).data.round(6)
    array([1.     , 0.63662])
    """
    return sinc_derivative.call(as_tensor(x), order=0)


for _name, _function in {
    "erf": erf.call,
    "erfc": erfc.call,
    "erfinv": erfinv.call,
    "logit": logit.call,
    "log_sigmoid": log_sigmoid,
    "sinc": sinc,
}.items():
    attach(_name, _function)
