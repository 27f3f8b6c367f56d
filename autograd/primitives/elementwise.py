"""Functions of one or two arrays, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import kernels
from autograd._primitive import (
    Primitive,
    attach,
    implements,
    plain,
    primitive,
    sample,
)
from autograd.kernels._settings import SETTINGS
from autograd.kernels.formulas import Symbol
from autograd.primitives.arithmetic import binary, distinct, nonzero, reciprocal, square

_ndarray, _zeros = np.ndarray, kernels.zeros

ANY = (sample((2, 3)), sample(()))
POSITIVE = (sample((2, 3), low=0.2), sample((), low=0.2))


def unary(
    ufunc: np.ufunc, rule: Callable[..., Any], samples: Any = ANY, method: bool = True
) -> Primitive:
    """Declare a ufunc of one argument by its rule."""
    made = primitive(ufunc, name=ufunc.__name__, batched=True, samples=samples)(ufunc)
    made.rule(rule)
    if method:
        attach(ufunc.__name__, made.call)
    return made


LN2 = math.log(2)
LN10 = math.log(10)
DEGREE = math.pi / 180
ABOVE_ONE = (sample((2, 3), low=1.2, high=3.0), sample((), low=1.2, high=3.0))
WITHIN_ONE = (sample((2, 3), low=-0.9, high=0.9), sample((), low=-0.9, high=0.9))
NONZERO = (sample(nonzero(2, 3)), sample(nonzero()))

exp = unary(np.exp, lambda g, y: g * y)
exp2 = unary(np.exp2, lambda g, y: g * (y * LN2))
expm1 = unary(np.expm1, lambda g, y: g * (y + 1))
log = unary(np.log, lambda g, x: g / x, POSITIVE)
log2 = unary(np.log2, lambda g, x: g / (x * LN2), POSITIVE)
log10 = unary(np.log10, lambda g, x: g / (x * LN10), POSITIVE)
log1p = unary(np.log1p, lambda g, x: g / (x + 1), POSITIVE)
sqrt = unary(np.sqrt, lambda g, y: g / (2 * y), POSITIVE)
cbrt = unary(np.cbrt, lambda g, y: g / (3 * (y * y)), NONZERO)
sin = unary(np.sin, lambda g, x: g * np.cos(x))
cos = unary(np.cos, lambda g, x: -g * np.sin(x))
tan = unary(np.tan, lambda g, y: g * (1 + y * y), WITHIN_ONE)
arcsin = unary(np.arcsin, lambda g, x: g / np.sqrt(1 - x * x), WITHIN_ONE)
arccos = unary(np.arccos, lambda g, x: -g / np.sqrt(1 - x * x), WITHIN_ONE)
arctan = unary(np.arctan, lambda g, x: g / (1 + x * x))
sinh = unary(np.sinh, lambda g, x: g * np.cosh(x))
cosh = unary(np.cosh, lambda g, x: g * np.sinh(x))
tanh = unary(np.tanh, lambda g, y: g * (1 - y * y))
arcsinh = unary(np.arcsinh, lambda g, x: g / np.sqrt(x * x + 1))
# Two roots, not one of x² - 1: the branch of a complex x.
arccosh = unary(np.arccosh, lambda g, x: g / (np.sqrt(x - 1) * np.sqrt(x + 1)), ABOVE_ONE)
arctanh = unary(np.arctanh, lambda g, x: g / (1 - x * x), WITHIN_ONE)
deg2rad = unary(np.deg2rad, lambda g: g * DEGREE)
radians = unary(np.radians, lambda g: g * DEGREE)
rad2deg = unary(np.rad2deg, lambda g: g / DEGREE)
degrees = unary(np.degrees, lambda g: g / DEGREE)
# |x| has slope 0 at 0; for complex x the slope is conj(x) / |x|.
absolute = unary(np.absolute, lambda g, x: g * _sign(x), NONZERO, method=False)
fabs = unary(np.fabs, lambda g, x: g * np.sign(x), NONZERO)
attach("abs", absolute.call)
attach("__abs__", absolute.call)
attach("square", square.call)
attach("reciprocal", reciprocal.call)


def _sign(x: Any) -> Any:
    return np.sign(x) if x.dtype.kind != "c" else np.conj(np.sign(x))


@implements(np.sign)
def sign(x: Any) -> Any:
    """The sign of x: a plain array for real x, constant but for a jump; x / abs(x) for complex.

    >>> from autograd import Tensor
    >>> sign(Tensor([-2.0, 0.0, 3.0]))
    array([-1.,  0.,  1.])
    """
    if x.dtype.kind != "c":
        return np.sign(plain(x))
    length = absolute.call(x)
    zero = plain(length) == 0
    return x / (length + zero)


# -------------------------------------------------------------------------------- complex numbers


conjugate = unary(np.conjugate, lambda g: np.conj(g), ANY, method=False)
attach("conjugate", conjugate.call)
attach("conj", conjugate.call)


@primitive(np.real, view=True, batched=True, samples=ANY)
def real(x: Any, /) -> Any:
    """The real part."""
    y = np.real(x)
    return y[...] if y is x else y  # a view of x, never x itself


@real.rule
def _(g: Any) -> Any:
    return g  # the engine casts it to the type of x


@primitive(view=True, batched=True, samples=ANY)
def imaginary(x: Any, /) -> Any:
    """The imaginary part; zeros for a real array."""
    return np.imag(x)


@imaginary.rule
def _(g: Any) -> Any:
    return g * -1j


@implements(np.imag)
def imag(x: Any) -> Any:
    """The imaginary part; a plain array of zeros for a real x."""
    return imaginary.call(x) if x.dtype.kind == "c" else np.imag(plain(x))


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """The argument of a complex z, in radians or degrees; a plain array for real z.

    >>> from autograd import Tensor
    >>> angle(Tensor([1j, -1.0]), deg=True)
    Tensor([ 90., 180.])
    """
    if z.dtype.kind != "c":
        return np.angle(plain(z), deg)
    radians = arctan2.call(imaginary.call(z), real.call(z))
    return radians / DEGREE if deg else radians


attach("real", property(lambda self: real.call(self), doc="The real part."))
attach("imag", property(imag, doc="The imaginary part."))


# ------------------------------------------------------------------------------------ two arguments


# At a tie the whole gradient goes to the first argument, so that maximum(x, 0) has slope 1 there
# only from the left of its arguments; relu, which must have slope 0, is a primitive of its own.
maximum = binary(
    np.maximum,
    lambda g, a, b: g * np.greater_equal(plain(a), plain(b)),
    lambda g, a, b: g * np.less(plain(a), plain(b)),
    sample(distinct(2, 3), 0.0),
    sample(distinct(2, 3), distinct(3, 2, 1)),
)
minimum = binary(
    np.minimum,
    lambda g, a, b: g * np.less_equal(plain(a), plain(b)),
    lambda g, a, b: g * np.greater(plain(a), plain(b)),
    sample(distinct(2, 3), 0.0),
    sample(distinct(2, 3), distinct(3, 2, 1)),
)


# As maximum and minimum, but a NaN loses against a number.
fmax = binary(
    np.fmax,
    lambda g, a, b: g * _first_wins(np.greater_equal, a, b),
    lambda g, a, b: g * ~_first_wins(np.greater_equal, a, b),
    sample(distinct(2, 3), 0.0),
    sample(distinct(2, 3), distinct(3, 2, 1)),
)
fmin = binary(
    np.fmin,
    lambda g, a, b: g * _first_wins(np.less_equal, a, b),
    lambda g, a, b: g * ~_first_wins(np.less_equal, a, b),
    sample(distinct(2, 3), 0.0),
    sample(distinct(2, 3), distinct(3, 2, 1)),
)


def _first_wins(compare: Callable[..., Any], a: Any, b: Any) -> Any:
    a, b = plain(a), plain(b)
    return compare(a, b) | np.isnan(b)


def _share(part: Any, total: Any, base: Callable[[Any], Any]) -> Any:
    """base(part - total), what one summand contributes; 0 where the sum is empty (-inf)."""
    empty = np.isneginf(plain(total))
    return base(part - (np.where(empty, 0, total) if np.any(empty) else total))


logaddexp = binary(
    np.logaddexp,
    lambda g, a, y: g * _share(a, y, np.exp),
    lambda g, b, y: g * _share(b, y, np.exp),
)
logaddexp2 = binary(
    np.logaddexp2,
    lambda g, a, y: g * _share(a, y, np.exp2),
    lambda g, b, y: g * _share(b, y, np.exp2),
)
PLANE = (
    sample(nonzero(2, 3), nonzero(3)),
    sample(nonzero(2, 3), 1.5),
    sample(1.5, nonzero(3)),
)
# The slope at the origin is 0, as that of the absolute value.
hypot = binary(
    np.hypot,
    lambda g, a, y: g * (a / _or_one(y)),
    lambda g, b, y: g * (b / _or_one(y)),
    *PLANE,
)
arctan2 = binary(
    np.arctan2,
    lambda g, a, b: g * (b / _or_one(a * a + b * b)),
    lambda g, a, b: g * (-a / _or_one(a * a + b * b)),
    *PLANE,
)


def _or_one(x: Any) -> Any:
    """x, but 1 where it is 0."""
    zero = plain(x) == 0
    return x + zero if np.any(zero) else x


# The sign is a constant; the slope at 0 is 0, as that of the absolute value.
copysign = binary(
    np.copysign,
    lambda g, a, b: (
        np.where(np.signbit(plain(a)) == np.signbit(plain(b)), g, -g) * np.not_equal(plain(a), 0)
    ),
    None,
    *PLANE,
)
# Constant in its first argument but for the jump, where it is the second.
heaviside = binary(
    np.heaviside,
    lambda g: np.zeros_like(g),
    lambda g, a: g * np.equal(plain(a), 0),
    sample(nonzero(2, 3), (3,)),
    sample(np.array([0.0, 1.0, -1.0], np.float32), (2, 3)),
)
nextafter = binary(np.nextafter, lambda g: g, None, sample(nonzero(2, 3), 3.0))
ldexp = binary(
    np.ldexp,
    lambda g, b: np.ldexp(g, plain(b)),
    None,
    sample((2, 3), 2),
    sample((2, 3), np.array([1, 0, -2])),
)


@implements(np.frexp)
def frexp(x: Any) -> tuple[Any, Any]:
    """Mantissa and exponent of two, ``x == mantissa * 2**exponent``; the exponent is constant."""
    exponent = np.frexp(plain(x))[1]
    return ldexp.call(x, -exponent), exponent


@implements(np.modf)
def modf(x: Any) -> tuple[Any, Any]:
    """Fractional and whole part, with the sign of x; the whole part is constant.

    >>> from autograd import Tensor
    >>> modf(Tensor([-1.5, 2.25]))
    (Tensor([-0.5 ,  0.25]), array([-1.,  2.]))
    """
    whole = np.trunc(plain(x))
    infinite = np.isinf(whole)
    if np.any(infinite):
        return np.where(infinite, 0, x) - np.where(infinite, 0, whole), whole
    return x - whole, whole


# -------------------------------------------------------------------------------- activations

# Up to so many elements, the kernels would do what is written here.
SMALL = 1 << 12


@primitive(batched=True, samples=[sample(nonzero(2, 3)), sample(nonzero())])
def relu(x: Any, /) -> Any:
    """max(x, 0), with slope 0 at 0.

    >>> from autograd import Tensor
    >>> relu(Tensor([-1.0, 0.0, 2.0]))
    Tensor([0., 0., 2.])
    """
    if type(x) is not _ndarray:
        return np.maximum(x, 0)
    size = x.size
    if size <= _TINY:
        return _maximum(x, _zero(x.dtype, 0))
    # NumPy's loops are faster for two arrays than for an array and a number.
    return _maximum(x, _zeros(x.shape, x.dtype)) if size <= SMALL else kernels.relu(x)


@relu.rule
def _(g: Any, y: Any) -> Any:
    if type(g) is not _ndarray:
        return g * (plain(y) > 0)
    size = g.size
    if size <= _TINY:
        return g * (y > _zero(y.dtype, 0))
    if size > SMALL or g.shape != y.shape:
        return kernels.relu_grad(g, y)
    few = SETTINGS.few
    if few is not None and (gx := few.relu_grad(g, y)) is not None:
        return gx
    gx = (y > _zero(y.dtype, 0)).astype(g.dtype)
    return _multiply(g, gx, gx)


relu.uniform = True

# NumPy takes an array of the same dtype in half the time that it takes to convert a number.
_zero = {dtype: np.zeros((), dtype) for dtype in map(np.dtype, (np.float32, np.float64))}.get
_TINY = 64
# By these names Python finds NumPy's functions in less time.
_maximum, _multiply = np.maximum, np.multiply


@primitive(
    batched=True,
    samples=[
        sample(nonzero(2, 3)),
        sample(nonzero(2, 3), slope=3.0),
        sample(nonzero(), slope=-1.0),
    ],
)
def leaky_relu(x: Any, /, slope: float = 0.01) -> Any:
    """x where it is positive, ``slope`` x elsewhere.

    >>> leaky_relu(np.array([-1.0, 0.0, 2.0]), slope=0.5)
    array([-0.5,  0. ,  2. ])
    """
    if isinstance(x, Symbol):
        return np.where(x > 0, x, x * slope)
    return kernels.leaky_relu(np.asarray(x), slope)


@leaky_relu.rule
def _(g: Any, x: Any, slope: float) -> Any:
    if type(g) is np.ndarray:
        return kernels.leaky_relu_grad(g, plain(x), slope)
    return np.where(plain(x) > 0, g, g * slope)


def _activated(x: Any, formula: Callable[[Any], Any], name: str, *parameters: float) -> Any:
    """An activation: by its kernel, or by its formula where that is to be written down."""
    if isinstance(x, Symbol):
        return formula(x)
    return kernels.activation(_as_floats(x), name, *parameters)


def _as_floats(x: Any) -> Any:
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(float)


def _differentiated(g: Any, slope: Callable[[Any], Any], x: Any, name: str, *args: float) -> Any:
    """g times the slope at x: by the kernel, or by its formula where it is to be differentiated."""
    if type(g) is np.ndarray:
        return kernels.activation_grad(g, plain(x), name, *args)
    return g * slope(x)


@primitive(batched=True, samples=ANY)
def sigmoid(x: Any, /) -> Any:
    """1 / (1 + exp(-x)), without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    if type(x) is np.ndarray and x.size > SMALL and x.dtype.kind == "f":
        return kernels.activation(x, "sigmoid")
    # tanh saturates without overflow: σ(x) = (1 + tanh(x / 2)) / 2, but it loses the tail of
    # small σ, which exp(-|x|) keeps.
    z = np.exp(-np.abs(x))
    return np.maximum(x >= 0, z) / (1 + z)


@sigmoid.rule
def _(g: Any, y: Any) -> Any:
    if type(g) is np.ndarray and g.size > SMALL:
        return kernels.activation_grad(g, y, "sigmoid")
    return g * (y * (1 - y))


@primitive(batched=True, samples=ANY)
def silu(x: Any, /) -> Any:
    """x σ(x) with σ the sigmoid (Elfwing et al. 2018), also called swish.

    >>> silu(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.2689,  0.    ,  0.7311])
    """
    return _activated(x, lambda x: x * sigmoid.call(x), "silu")


@silu.rule
def _(g: Any, x: Any) -> Any:
    def slope(x: Any) -> Any:
        share = sigmoid.call(x)
        return share * (1 + x * (1 - share))

    return _differentiated(g, slope, x, "silu")


@primitive(
    batched=True,
    samples=(*ANY, sample((2, 3), beta=2.0, threshold=1.5), sample((3,), beta=-1.0)),
)
def softplus(x: Any, /, beta: float = 1.0, threshold: float = math.inf) -> Any:
    """log(1 + exp(beta x)) / beta, without overflow; x where beta x exceeds the threshold.

    >>> softplus(np.array([-1000.0, 0.0, 1000.0])).round(4)
    array([0.000e+00, 6.931e-01, 1.000e+03])
    """

    def formula(x: Any) -> Any:
        z = x * beta
        smooth = (np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))) / beta
        return np.where(z > threshold, x, smooth) if threshold < math.inf else smooth

    return _activated(x, formula, "softplus", beta, threshold)


@softplus.rule
def _(g: Any, x: Any, beta: float, threshold: float) -> Any:
    def slope(x: Any) -> Any:
        share = sigmoid.call(x * beta)
        return np.where(plain(x) * beta > threshold, 1, share) if threshold < math.inf else share

    return _differentiated(g, slope, x, "softplus", beta, threshold)


@primitive(batched=True, samples=(*ANY, sample((5,), low=-6.0, high=6.0)))
def gelu(x: Any, /) -> Any:
    """x Φ(x) with the normal distribution function Φ (Hendrycks & Gimpel 2016).

    >>> gelu(np.array([-10.0, 0.0, 1.0])).round(4)
    array([-0.    ,  0.    ,  0.8413])
    """
    return kernels.activation(_as_floats(x), "gelu")


@gelu.rule
def _(g: Any, x: Any) -> Any:
    def slope(x: Any) -> Any:
        from autograd.primitives.special import erf  # which needs this module

        density = np.exp(x * x * -0.5) * math.sqrt(0.5 / math.pi)
        return 0.5 * (1 + erf.call(x * math.sqrt(0.5))) + x * density

    return _differentiated(g, slope, x, "gelu")


@primitive(batched=True, samples=(*ANY, sample((5,), low=-6.0, high=6.0)))
def gelu_tanh(x: Any, /) -> Any:
    """x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), close to `gelu` (Hendrycks & Gimpel 2016).

    >>> gelu_tanh(np.array([-10.0, 0.0, 1.0])).round(4)
    array([-0.    ,  0.    ,  0.8412])
    """
    first = 2 * math.sqrt(2 / math.pi)  # (1 + tanh(u)) / 2 = σ(2u)
    return _activated(
        x, lambda x: x * sigmoid.call(x * (first + first * 0.044715 * (x * x))), "gelu_tanh"
    )


@gelu_tanh.rule
def _(g: Any, x: Any) -> Any:
    def slope(x: Any) -> Any:
        first = 2 * math.sqrt(2 / math.pi)  # (1 + tanh(u)) / 2 = σ(2u)
        third = first * 0.044715
        share = sigmoid.call(x * (first + third * (x * x)))
        return share * (1 + (1 - share) * (x * (first + 3 * third * (x * x))))

    return _differentiated(g, slope, x, "gelu_tanh")


@primitive(
    batched=True, samples=(sample(nonzero(2, 3)), sample(nonzero(3), alpha=1.5, scale=2, inner=0.5))
)
def elu(x: Any, /, alpha: float = 1.0, scale: float = 1.0, inner: float = 1.0) -> Any:
    """scale x where x is positive, scale alpha (exp(inner x) - 1) elsewhere.

    The exponential linear unit (Clevert et al. 2016) and its variants SELU and CELU.

    >>> elu(np.array([-1.0, 0.0, 2.0])).round(4)
    array([-0.6321,  0.    ,  2.    ])
    """

    def formula(x: Any) -> Any:
        below = np.expm1(np.minimum(x, 0) * inner) * (alpha * scale)
        return np.where(x > 0, x * scale, below)

    return _activated(x, formula, "elu", alpha, scale, inner)


@elu.rule
def _(g: Any, x: Any, alpha: float, scale: float, inner: float) -> Any:
    def slope(x: Any) -> Any:
        below = np.exp(np.where(plain(x) > 0, 0.0, x) * inner) * (alpha * scale * inner)
        return np.where(plain(x) > 0, scale, below)

    return _differentiated(g, slope, x, "elu", alpha, scale, inner)


@primitive(batched=True, samples=ANY)
def mish(x: Any, /) -> Any:
    """x tanh(log(1 + exp(x))) (Misra 2019).

    >>> mish(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.3034,  0.    ,  0.8651])
    """
    return _activated(x, lambda x: x * np.tanh(softplus.call(x)), "mish")


@mish.rule
def _(g: Any, x: Any) -> Any:
    def slope(x: Any) -> Any:
        share = np.tanh(softplus.call(x))
        return share + x * (1 - share * share) * sigmoid.call(x)

    return _differentiated(g, slope, x, "mish")


@primitive(batched=True, samples=(sample((2, 3), low=-3.0, high=3.0), sample((4,), most=0.5)))
def hardtanh(x: Any, /, least: float = -1.0, most: float = 1.0) -> Any:
    """x, but no less than ``least`` and no more than ``most``; the slope at both is 0.

    >>> hardtanh(np.array([-3.0, 0.5, 1.0]))
    array([-1. ,  0.5,  1. ])
    """
    return _activated(x, lambda x: np.minimum(np.maximum(x, least), most), "hardtanh", least, most)


@hardtanh.rule
def _(g: Any, x: Any, least: float, most: float) -> Any:
    def slope(x: Any) -> Any:
        return (plain(x) > least) & (plain(x) < most)

    return _differentiated(g, slope, x, "hardtanh", least, most)


@primitive(
    batched=True,
    samples=(
        sample((2, 3), low=-0.9, high=0.9),
        sample((4,), low=-3.0, high=-1.1),
        sample((), low=0.6, high=2.0, delta=0.5),
    ),
)
def huber(x: Any, /, delta: float = 1.0) -> Any:
    """x²/2 where the size of x is at most delta, delta (|x| - delta/2) elsewhere (Huber 1964).

    >>> huber(np.array([0.5, -3.0]))
    array([0.125, 2.5  ])
    """
    size = np.abs(x)
    near = np.minimum(size, delta)
    return near * (size - 0.5 * near)


@huber.rule
def _(g: Any, x: Any, delta: float) -> Any:
    return g * np.minimum(np.maximum(x, -delta), delta)


for _primitive in (relu, sigmoid, softplus):
    attach(_primitive.name, _primitive.call)
