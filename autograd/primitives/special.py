"""The error function, which NumPy does not have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd._primitive import primitive, sample

# Rational approximations of W. J. Cody, Math. Comp. 23 (1969): erf x = x P(x²)/Q(x²) near 0, and
# erfc x = exp(−x²) R(x) beyond, with one R up to 4 and another, in 1/x², above.
_P = (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2,
      3.20937758913846947e3)  # fmt: skip
_Q = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
      2.84423683343917062e3)  # fmt: skip
_MIDDLE_P = (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594,
             6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
             1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3)  # fmt: skip
_MIDDLE_Q = (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
             1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
             3.43936767414372164e3, 1.23033935480374942e3)  # fmt: skip
_TAIL_P = (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
           1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4)  # fmt: skip
_TAIL_Q = (1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1,
           6.05183413124413191e-2, 2.33520497626869185e-3)  # fmt: skip


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    out = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        out *= x
        out += c
    return out


def _error_function(x: Any) -> Any:
    """erf of a flat float64 array."""
    a = np.abs(x)
    out = np.ones_like(a)
    near = a <= 0.46875
    z = a[near]
    out[near] = z * _polynomial(_P, z * z) / _polynomial(_Q, z * z)
    middle = ~near & (a <= 4)
    z = a[middle]
    out[middle] = 1 - np.exp(-z * z) * _polynomial(_MIDDLE_P, z) / _polynomial(_MIDDLE_Q, z)
    far = (a > 4) & (a < 6)  # beyond 6 it is 1 to the last digit
    z = a[far]
    inverse = 1 / (z * z)
    ratio = inverse * _polynomial(_TAIL_P, inverse) / _polynomial(_TAIL_Q, inverse)
    out[far] = 1 - np.exp(-z * z) / z * (1 / math.sqrt(math.pi) - ratio)
    out[np.isnan(a)] = np.nan
    return np.copysign(out, x)


@primitive(batched=True, samples=[sample((2, 3)), sample((), low=-6, high=6)])
def erf(x: Any, /) -> Any:
    """2/√π times the integral of exp(−t²) from 0 to x.

    >>> erf(np.array([0.0, 1.0, -1.0])).round(6)
    array([ 0.      ,  0.842701, -0.842701])
    """
    x = np.asarray(x)
    kind = x.dtype if x.dtype.kind == "f" else np.float64
    return _error_function(x.astype(np.float64).ravel()).reshape(x.shape).astype(kind)


@erf.rule
def _(g: Any, x: Any) -> Any:
    return g * (2 / math.sqrt(math.pi)) * np.exp(-x * x)
