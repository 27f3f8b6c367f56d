"""Elementary functions of one number, for compiled loops: free of branches, so that they vectorise.

Each takes a float32 or a float64 number, for which it is compiled apart, and is inlined where it is
called; a loop that calls it on the elements of an array then works on whole vector registers::

    @compiled
    def fill(x, out):
        for i in range(len(x)):
            out[i] = exp(x[i])

NaN, infinities, overflow and gradual underflow are as in NumPy; the sign of a zero may be lost.
Errors, in units in the last place of the result, over the whole range, against wider numbers:

============  =======  =======
function      float32  float64
============  =======  =======
exp               1.1      1.2
expm1             1.7      1.8
log, log1p        0.9      0.9
tanh              2.5      2.8
sigmoid           2.4      2.5
erf               2.5      3.0
============  =======  =======
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types
from numba.extending import overload

from autograd.kernels.elementwise import SCALED_ERFC

__all__ = [
    "erf",
    "erfc_parts",
    "exp",
    "expm1",
    "inlined",
    "log",
    "log1p",
    "plus",
    "sigmoid",
    "tanh",
]

# For functions of numbers. Not to be reordered: the reductions of arguments are exact only as they
# are written.
inlined = numba.njit(
    fastmath={"contract", "nsz"}, error_model="numpy", nogil=True, forceinline=True
)


@numba.njit(fastmath={"reassoc", "nsz"}, nogil=True, forceinline=True)
def plus(a, b):
    """Their sum; such a sum of many numbers may be added up in any order, and so vectorises."""
    return a + b


class _Format(NamedTuple):
    """What differs between float32 and float64. Polynomials begin with the highest power."""

    number: Any
    integer: Any
    fraction: int  # bits of it
    bias: int  # of the exponent
    # ln 2 in two parts, of which the first has so many zeros that its multiples are exact.
    ln2: tuple[float, float]
    # exp(x) is 0 below the first and infinite above the second.
    exp_range: tuple[float, float]
    # |tanh(x)| and erf are 1 from here on, erfc is 0.
    tanh_end: float
    erfc_end: float
    # (exp(r) - 1 - r) / r² for |r| ≤ ln(2) / 2.
    exp: tuple[float, ...]
    # log(1 + f) by s = f / (2 + f): the series of log(1 + s) - log(1 - s), in s² (from fdlibm,
    # e_log.c, Sun Microsystems 1993, and its float32 form by I. L. Taylor).
    log: tuple[float, ...]
    # erf(x) / x for |x| ≤ 1, in x².
    erf: tuple[float, ...]


# The polynomials for exp and erf interpolate at Chebyshev's nodes (in 60 digits).
_SINGLE = _Format(
    number=np.float32,
    integer=np.int32,
    fraction=23,
    bias=127,
    ln2=(0.693359375, -2.12194440e-4),
    exp_range=(-104.0, 89.0),
    tanh_end=10.0,
    erfc_end=10.1,
    exp=(
        1.39262508314976117e-3,
        8.3632328836826182e-3,
        4.16665542129841503e-2,
        1.66665766661199283e-1,
        0.5,
    ),
    log=(0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693),
    erf=(
        7.87587506268548834e-5,
        -8.01686428716586953e-4,
        5.18908742343397399e-3,
        -2.68542120106264124e-2,
        1.12835947151602177e-1,
        -3.7612626666720331e-1,
        1.12837916584835095,
    ),
)
_DOUBLE = _Format(
    number=np.float64,
    integer=np.int64,
    fraction=52,
    bias=1023,
    ln2=(6.93147180369123816490e-01, 1.90821492927058770002e-10),
    exp_range=(-746.0, 710.0),
    tanh_end=20.0,
    erfc_end=27.3,
    exp=(
        2.5100472505694996e-8,
        2.76202015910315488e-7,
        2.75572682769056962e-6,
        2.48015210578682052e-5,
        1.9841269863171556e-4,
        1.38888889173670806e-3,
        8.3333333333300382e-3,
        4.16666666666238205e-2,
        1.66666666666666675e-1,
        0.5,
    ),
    log=(
        1.479819860511658591e-01,
        1.531383769920937332e-01,
        1.818357216161805012e-01,
        2.222219843214978396e-01,
        2.857142874366239149e-01,
        3.999999999940941908e-01,
        6.666666666666735130e-01,
    ),
    erf=(
        5.9571761477489114e-11,
        -1.13728488567916737e-9,
        1.46597752740474358e-8,
        -1.6350312701054695e-7,
        1.6461000484121368e-6,
        -1.49255952668311816e-5,
        1.20553311116427109e-4,
        -8.54832698083378991e-4,
        5.22397762481801447e-3,
        -2.68661706450767932e-2,
        1.12837916709548787e-1,
        -3.76126389031837481e-1,
        1.12837916709551257,
    ),
)


@inlined
def _polynomial(coefficients: Any, x: Any) -> Any:
    value = coefficients[0]
    for c in coefficients[1:]:  # LLVM unrolls it where there are not many more than a dozen
        value = value * x + c
    return value


def _define(f: _Format) -> dict[str, Callable[[Any], Any]]:
    """The functions, for numbers of one format."""
    number, integer = f.number, f.integer
    zero, half, one, two = (number(v) for v in (0, 0.5, 1, 2))
    shift, bias = integer(f.fraction), integer(f.bias)
    # Added to a number, it leaves the nearest integer in the last bits.
    rounder = number(1.5 * 2**f.fraction)
    log2e = number(1.4426950408889634)
    ln2_high, ln2_low = (number(v) for v in f.ln2)
    exp_least, exp_most = (number(v) for v in f.exp_range)
    tanh_end, erfc_end = number(f.tanh_end), number(f.erfc_end)
    erfc_center, erfc_scaled = SCALED_ERFC[np.dtype(number).char]
    center = number(erfc_center)
    exp_rest, log_series, erf_near, erfc_even, erfc_odd = (
        tuple(number(c) for c in p)
        for p in (f.exp, f.log, f.erf, erfc_scaled[::2], erfc_scaled[1::2])
    )
    least_normal, raised = number(np.finfo(number).tiny), number(2.0**f.fraction)
    one_bits, half_root_bits, rounder_bits = (
        v.view(integer) for v in (one, number(np.sqrt(0.5)), rounder)
    )
    fraction_mask, exponent_mask = integer((1 << f.fraction) - 1), integer(2 * f.bias + 1)
    infinity, nan = number(np.inf), number(np.nan)

    @inlined
    def bits_of(x: Any) -> Any:
        return number(x).view(integer)

    @inlined
    def number_of(bits: Any) -> Any:
        return integer(bits).view(number)

    @inlined
    def power(k: Any) -> Any:
        """2 to a whole number in the range of normal exponents."""
        return number_of((bits_of(k + rounder) + bias) << shift)

    @inlined
    def reduced(x: Any) -> Any:
        """k and exp(r) - 1 with x = k ln 2 + r."""
        k = (x * log2e + rounder) - rounder
        r = (x - k * ln2_high) - k * ln2_low
        return k, r + r * r * _polynomial(exp_rest, r)

    @inlined
    def clipped(x: Any, least: Any, most: Any) -> Any:
        x = least if x < least else x  # NaN stays
        return most if x > most else x

    @inlined
    def exp(x: Any) -> Any:
        k, rest = reduced(clipped(x, exp_least, exp_most))
        # The power of two in two factors: neither overflows, and only the last product rounds.
        first = (k * half + rounder) - rounder
        scale = power(first)
        return (scale + scale * rest) * power(k - first)

    @inlined
    def expm1(x: Any) -> Any:
        k, rest = reduced(clipped(x, exp_least, exp_most))
        first = (k * half + rounder) - rounder
        scale = power(first)
        return (scale * rest + (scale - power(first - k))) * power(k - first)

    @inlined
    def tanh(x: Any) -> Any:
        k, rest = reduced(two * clipped(x, -tanh_end, tanh_end))
        scale = power(k)
        less = scale * rest + (scale - one)  # exp(2x) - 1
        return less / (less + two)

    @inlined
    def sigmoid(x: Any) -> Any:
        z = exp(-abs(x))
        return (z if x < zero else one) / (one + z)

    @inlined
    def split(x: Any) -> Any:
        """k and f with x = 2**k (1 + f) and 1 + f from √½ to √2, for positive finite x."""
        small = x < least_normal
        bits = bits_of(x * raised if small else x)
        # Adding what √½ lacks to 1 carries into the exponent where it shall count.
        bits = integer(bits + (one_bits - half_root_bits))
        exponent = ((bits >> shift) & exponent_mask) - bias
        k = number_of(exponent + rounder_bits) - rounder
        fraction = number_of((bits & fraction_mask) + half_root_bits)
        return (k - number(f.fraction) if small else k), fraction - one

    @inlined
    def log_of(k: Any, f: Any, low: Any) -> Any:
        """log(2**k (1 + f)) + low, for small ``low``."""
        s = f / (two + f)
        square, half_square = s * s, half * f * f
        rest = square * _polynomial(log_series, square)
        return k * ln2_high - ((half_square - (s * (half_square + rest) + (k * ln2_low + low))) - f)

    @inlined
    def at_ends(value: Any, x: Any) -> Any:
        """The logarithm of x, which is ``value`` where x is positive and finite."""
        value = value if x < infinity else x  # NaN stays
        value = value if x != zero else -infinity
        return nan if x < zero else value

    @inlined
    def log(x: Any) -> Any:
        k, f = split(x)
        return at_ends(log_of(k, f, zero), x)

    @inlined
    def log1p(x: Any) -> Any:
        total = one + x
        lost = x - (total - one) if x < one else one - (total - x)
        k, f = split(total)
        return at_ends(log_of(k, f, lost / total), total)

    @inlined
    def erfc_parts(x: Any) -> Any:
        near = clipped(x, zero, erfc_end)
        first, second = near + center, one + two * near
        inverse = one / (first * second)
        density = exp(-x * x)
        x = (near - center) * (second * inverse)
        scaled = _polynomial(erfc_even, x * x) + x * _polynomial(erfc_odd, x * x)
        return density, density * (scaled * (first * inverse))

    @inlined
    def erf(x: Any) -> Any:
        size = abs(x)
        near = x * _polynomial(erf_near, clipped(x * x, zero, one))
        far = one - erfc_parts(size)[1]
        far = -far if x < zero else far
        return far if size > one else near

    return locals()


_BY_TYPE = {types.float32: _define(_SINGLE), types.float64: _define(_DOUBLE)}


def _function(stub: Callable[[Any], Any]) -> Any:
    """A compiled function of this name, which takes the form for the type of its argument."""

    def of_type(x):
        raise TypeError("for compiled code")

    @overload(of_type)
    def _(x):
        if x not in _BY_TYPE:
            return None
        form = _BY_TYPE[x][stub.__name__]
        return lambda x: form(x)

    @inlined
    @wraps(stub)
    def function(x: Any) -> Any:
        return of_type(x)

    return function


@_function
def exp(x: Any) -> Any:
    """e to the power x."""


@_function
def expm1(x: Any) -> Any:
    """exp(x) - 1, accurate where x is small."""


@_function
def log(x: Any) -> Any:
    """The natural logarithm."""


@_function
def log1p(x: Any) -> Any:
    """log(1 + x), accurate where x is small."""


@_function
def tanh(x: Any) -> Any:
    """The hyperbolic tangent, (exp(2x) - 1) / (exp(2x) + 1)."""


@_function
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), also where that is tiny."""


@_function
def erf(x: Any) -> Any:
    """The error function."""


@_function
def erfc_parts(x: Any) -> Any:
    """exp(-x²) and erfc(x) = 1 - erf(x), for x ≥ 0; within 12 + x² units in the last place."""
