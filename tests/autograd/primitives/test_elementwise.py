"""Ufuncs: values as NumPy's, derivatives, what happens at kinks, complex numbers, operators."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import GraphError, Tensor, grad, gradcheck, gradgradcheck

Check = Callable[..., None]
ANYWHERE = (-2.0, 2.0)
WITHIN_ONE = (-0.9, 0.9)
POSITIVE = (0.2, 3.0)

UNARY: list[tuple[np.ufunc, tuple[float, float]]] = [
    (np.exp, ANYWHERE),
    (np.exp2, ANYWHERE),
    (np.expm1, ANYWHERE),
    (np.log, POSITIVE),
    (np.log2, POSITIVE),
    (np.log10, POSITIVE),
    (np.log1p, WITHIN_ONE),
    (np.sqrt, POSITIVE),
    (np.cbrt, (-3.0, -0.2)),
    (np.square, ANYWHERE),
    (np.reciprocal, POSITIVE),
    (np.sin, ANYWHERE),
    (np.cos, ANYWHERE),
    (np.tan, WITHIN_ONE),
    (np.arcsin, WITHIN_ONE),
    (np.arccos, WITHIN_ONE),
    (np.arctan, ANYWHERE),
    (np.sinh, ANYWHERE),
    (np.cosh, ANYWHERE),
    (np.tanh, ANYWHERE),
    (np.arcsinh, ANYWHERE),
    (np.arccosh, (1.2, 3.0)),
    (np.arctanh, WITHIN_ONE),
    (np.deg2rad, ANYWHERE),
    (np.radians, ANYWHERE),
    (np.rad2deg, ANYWHERE),
    (np.degrees, ANYWHERE),
    (np.negative, ANYWHERE),
    (np.positive, ANYWHERE),
    (np.absolute, ANYWHERE),
    (np.fabs, ANYWHERE),
    (np.conjugate, ANYWHERE),
]
BINARY: list[tuple[np.ufunc, tuple[float, float]]] = [
    (np.add, ANYWHERE),
    (np.subtract, ANYWHERE),
    (np.multiply, ANYWHERE),
    (np.divide, POSITIVE),
    (np.power, POSITIVE),
    (np.maximum, ANYWHERE),
    (np.minimum, ANYWHERE),
    (np.fmax, ANYWHERE),
    (np.fmin, ANYWHERE),
    (np.hypot, ANYWHERE),
    (np.arctan2, ANYWHERE),
    (np.logaddexp, ANYWHERE),
    (np.logaddexp2, ANYWHERE),
    (np.copysign, ANYWHERE),
    (np.remainder, POSITIVE),
    (np.fmod, POSITIVE),
]
LINEAR = (
    *("deg2rad", "radians", "rad2deg", "degrees"),
    *("negative", "positive", "absolute", "fabs", "conjugate"),
)
HOLOMORPHIC = [
    np.exp,
    np.log,
    np.sqrt,
    np.sin,
    np.cos,
    np.tan,
    np.arcsin,
    np.arccosh,
    np.arctanh,
    np.sinh,
    np.tanh,
    np.square,
    np.reciprocal,
    np.log1p,
    np.expm1,
]


def named(pair: Any) -> str:
    return pair[0].__name__


@pytest.mark.parametrize("pair", UNARY, ids=named)
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 2)], ids=str)
def test_of_one_array(agrees: Check, draw: Any, pair: Any, shape: tuple[int, ...]) -> None:
    ufunc, (low, high) = pair
    agrees(ufunc, draw(shape, low=low, high=high))


def derivative(function: Any, order: int) -> Any:
    """The derivative of some order of a function of one number, as a function of tensors."""

    def differentiated(x: Tensor) -> Tensor:
        y = function(x)
        for _ in range(order):
            (y,) = grad(y.sum(), x, create_graph=True)
        return y

    return differentiated


@pytest.mark.parametrize(
    "pair", [p for p in UNARY if p[0].__name__ not in LINEAR and p[0] is not np.square], ids=named
)
def test_third_and_fourth_derivative(draw: Any, pair: Any) -> None:
    ufunc, (low, high) = pair
    low, high = low + 0.1 * (high - low), high - 0.1 * (high - low)
    x, step = draw((4,), low=low, high=high), 1e-5
    for order in (3, 4):
        below, above = (
            derivative(ufunc, order - 1)(Tensor(x + s, requires_grad=True)).data
            for s in (-step, step)
        )
        got = derivative(ufunc, order)(Tensor(x, requires_grad=True)).data
        np.testing.assert_allclose(got, (above - below) / (2 * step), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("pair", BINARY, ids=named)
@pytest.mark.parametrize(
    "shapes", [((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2, 2)), ((3, 0), (1,))], ids=str
)
def test_of_two_arrays(agrees: Check, draw: Any, pair: Any, shapes: Any) -> None:
    ufunc, (low, high) = pair
    a, b = draw(*shapes, low=low, high=high)
    agrees(ufunc, a, b + 0.013)


@pytest.mark.parametrize("pair", BINARY, ids=named)
def test_python_numbers_do_not_widen(pair: Any) -> None:
    ufunc, _ = pair
    for arguments in (
        (Tensor([1.5], True, np.float32), 2.25),
        (2.25, Tensor([1.5], True, np.float32)),
    ):
        y = ufunc(*arguments)
        assert y.dtype == np.float32
        y.backward()
        tensor = next(a for a in arguments if isinstance(a, Tensor))
        assert tensor.grad is None or tensor.grad.dtype == np.float32


@pytest.mark.parametrize("ufunc", HOLOMORPHIC, ids=lambda f: f.__name__)
def test_complex(ufunc: np.ufunc) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=3) + 1j * rng.normal(size=3)
    z.real += 2 * np.sign(z.real)
    tensor = Tensor(z, requires_grad=True)
    np.testing.assert_allclose(ufunc(tensor).data, ufunc(z))
    assert gradcheck(ufunc, tensor)
    assert gradgradcheck(ufunc, tensor)


@pytest.mark.parametrize(
    "function",
    [
        np.absolute,
        np.angle,
        lambda z: np.angle(z, deg=True),
        np.real,
        np.imag,
        np.conj,
        np.sign,
        lambda z: z.real * z.imag,
        lambda z: np.exp(z.conj()).imag,
    ],
)
def test_functions_of_complex_numbers_that_are_not_holomorphic(function: Any) -> None:
    z = np.array([1.0 + 2.0j, -0.5 + 0.7j, 0.3 - 1.1j])
    tensor = Tensor(z, requires_grad=True)
    np.testing.assert_allclose(function(tensor).data, function(z))
    assert gradcheck(function, tensor)
    assert gradgradcheck(function, tensor)


def test_parts_of_a_real_tensor() -> None:
    x = Tensor([1.0, -2.0], requires_grad=True)
    assert not isinstance(np.imag(x), Tensor)
    np.testing.assert_array_equal(np.angle(x), [0, np.pi])
    (x.real * 3).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [3, 3])


def slope(function: Any, *at: float) -> list[float]:
    tensors = [Tensor(a, requires_grad=True) for a in at]
    found = grad(function(*tensors), tensors, allow_unused=True)
    return [0.0 if g is None else g.item() for g in found]


@pytest.mark.parametrize(
    ("function", "at", "expected"),
    [
        (np.absolute, (0.0,), [0.0]),
        (np.fabs, (0.0,), [0.0]),
        (np.hypot, (0.0, 0.0), [0.0, 0.0]),
        (np.arctan2, (0.0, 0.0), [0.0, 0.0]),
        (np.copysign, (0.0, -1.0), [0.0, 0.0]),
        (np.maximum, (1.0, 1.0), [1.0, 0.0]),
        (np.minimum, (1.0, 1.0), [1.0, 0.0]),
        (np.fmax, (1.0, 1.0), [1.0, 0.0]),
        (np.fmin, (1.0, 1.0), [1.0, 0.0]),
        (np.fmax, (np.nan, 2.0), [0.0, 1.0]),
        (np.fmax, (2.0, np.nan), [1.0, 0.0]),
        (np.fmin, (np.nan, 2.0), [0.0, 1.0]),
        (np.heaviside, (0.0, 0.5), [0.0, 1.0]),
        (np.heaviside, (2.0, 0.5), [0.0, 0.0]),
        (np.nextafter, (1.0, 2.0), [1.0, 0.0]),
        (np.logaddexp, (-np.inf, -np.inf), [0.0, 0.0]),
        (np.logaddexp, (-np.inf, 1.0), [0.0, 1.0]),
        (np.logaddexp2, (1000.0, -1000.0), [1.0, 0.0]),
        (np.power, (0.0, 2.0), [0.0, 0.0]),
        (np.power, (0.0, 1.0), [1.0, 0.0]),
        (np.power, (0.0, 0.0), [0.0, 0.0]),
        (np.remainder, (-5.5, 2.0), [1.0, 3.0]),
        (np.fmod, (-5.5, 2.0), [1.0, 2.0]),
    ],
)
def test_at_kinks_and_limits(function: Any, at: Any, expected: list[float]) -> None:
    assert slope(function, *at) == expected


def test_a_step_has_gradient_zero_and_no_error() -> None:
    x = Tensor([-1.0, 2.0], requires_grad=True)
    np.heaviside(x, 0.5).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [0, 0])


def test_power_to_third_order_at_whole_exponents() -> None:
    x = Tensor([0.0, -1.5, 2.0], requires_grad=True)
    for exponent, third in ((5, [0, 135, 240]), (4, [0, -36, 48]), (3, [6, 6, 6])):
        y = x**exponent
        for _ in range(3):
            (y,) = grad(y.sum(), x, create_graph=True)
        np.testing.assert_allclose(y.data, third)


@pytest.mark.parametrize("exponent", [2, 3, 0.5, -1, -2, 2.5, np.array([1, 2, 3]), [1, 2, 3]])
def test_power_by_constants(exponent: Any) -> None:
    x = np.array([0.5, 1.25, 2.0])
    tensor = Tensor(x, requires_grad=True)
    np.testing.assert_allclose((tensor**exponent).data, x**exponent, rtol=1e-14)
    assert gradcheck(lambda t: t**exponent, tensor)
    assert gradgradcheck(lambda t: t**exponent, tensor)


def test_float_power_widens_as_numpy_does(agrees: Check, draw: Any) -> None:
    agrees(np.float_power, *draw((3,), (3,), low=0.3), widens=True)


def test_divmod_frexp_modf_ldexp(agrees: Check, draw: Any) -> None:
    x = draw((5,), low=-7.0, high=7.0)
    agrees(lambda a: np.divmod(a, 1.7)[1], x)
    agrees(np.modf, x)
    agrees(np.frexp, x)
    agrees(lambda a: np.ldexp(a, [1, 2, -1, 0, 3]), x)
    whole = np.modf(Tensor([np.inf, -np.inf, 2.5]))
    np.testing.assert_array_equal(whole[0].data, [0, 0, 0.5])
    np.testing.assert_array_equal(whole[1], [np.inf, -np.inf, 2])


def test_operators() -> None:
    x, n = np.array([5.5, -3.25]), np.array([6, 3])
    t, k = Tensor(x, requires_grad=True), Tensor(n)
    assert isinstance(t % 2, Tensor)
    for got, expected in (
        (t % 2, x % 2),
        (7 % t, 7 % x),
        (t // 2, x // 2),
        (7 // t, 7 // x),
        (divmod(t, 2), divmod(x, 2)),
        (k & 2, n & 2),
        (k | 1, n | 1),
        (2 ^ k, 2 ^ n),
        (k << 1, n << 1),
        (k >> 1, n >> 1),
        (~k, ~n),
        (abs(t), abs(x)),
        (-t, -x),
        (+t, x),
    ):
        np.testing.assert_array_equal(
            [getattr(g, "data", g) for g in got]
            if isinstance(got, tuple)
            else getattr(got, "data", got),
            expected,
        )


def test_steps_are_plain_and_write_where_told() -> None:
    x = Tensor([1.4, -1.6], requires_grad=True)
    for function in (np.floor, np.ceil, np.trunc, np.rint, np.round, np.sign, np.fix):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", (DeprecationWarning, PendingDeprecationWarning))
            got, expected = function(x), function(x.data)
        assert not isinstance(got, Tensor)
        np.testing.assert_array_equal(got, expected)
    out = x * 1
    square = out * out
    assert np.round(x, out=out) is out
    np.testing.assert_array_equal(out.data, [1, -2])
    with pytest.raises(GraphError, match="in place"):
        square.sum().backward()


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
def test_comparisons_are_plain(compare: Any) -> None:
    t = Tensor([1.0, 2.0], requires_grad=True)
    assert isinstance(compare(t, 1.5), np.ndarray)
    np.testing.assert_array_equal(compare(t, 1.5), compare(t.data, 1.5))


@pytest.mark.parametrize(
    "name", [u.__name__ for u, _ in UNARY if u.__name__ not in ("negative", "positive")]
)
def test_methods_of_the_same_name(name: str) -> None:
    method = {"absolute": "abs"}.get(name, name)
    t = Tensor([1.5] if name == "arccosh" else [0.5], requires_grad=True)
    np.testing.assert_array_equal(getattr(t, method)().data, getattr(np, name)(t.data))


def test_against_torch() -> None:
    torch = pytest.importorskip("torch")
    x = np.linspace(-0.9, 0.9, 7)
    pairs = {
        np.exp2: torch.exp2,
        np.expm1: torch.expm1,
        np.arctanh: torch.atanh,
        np.arcsinh: torch.asinh,
        np.tan: torch.tan,
        np.arccos: torch.acos,
    }
    for ours, theirs in pairs.items():
        t, p = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        (np.square(ours(t)) * 0.5).sum().backward()
        (theirs(p).square() * 0.5).sum().backward()
        np.testing.assert_allclose(t.grad.data, p.grad.numpy(), rtol=1e-12)
