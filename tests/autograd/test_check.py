"""gradcheck and gradgradcheck: they pass what is right, and say what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd import GradcheckError, Primitive, Tensor, gradcheck, gradgradcheck, primitive


def leaf(*values: Any, dtype: Any = None) -> Tensor:
    return Tensor(np.array(values), dtype=dtype, requires_grad=True)


def cube(factor: float = 3.0, power: int = 2, at: tuple[int, ...] | None = None) -> Primitive:
    """x^3 with the rule ``factor * x**power``; with ``at``, wrong in one element only."""

    @primitive()
    def cubed(x: Any, /) -> Any:
        return x**3

    @cubed.rule
    def _(g: Any, x: Any) -> Any:
        correct = 3 * g * x**2
        if at is None:
            return factor * g * x**power
        wrong = np.zeros(x.shape)
        wrong[at] = 0.125
        return correct + wrong * g

    return cubed


def test_correct_derivatives_pass() -> None:
    x, y = leaf(0.5, 1.5), leaf(2.0, 3.0)
    assert gradcheck(cube(), x)
    assert gradgradcheck(cube(), x)
    assert gradcheck(lambda a, b: (a * b, np.sin(a)), (x, y))
    assert gradcheck(lambda a, n: a * n, (x, 3))  # settings and arrays pass through
    assert gradcheck(lambda a: a.sum(), x)
    assert gradcheck(lambda a: a * 1, Tensor(np.zeros((0, 2)), requires_grad=True))
    assert x.grad is None


def test_a_wrong_factor_is_named() -> None:
    x = leaf(0.5, 2.0)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda a, b: cube(2.0)(b) + a, (leaf(1.0, 1.0), x))
    message = str(caught.value)
    assert "output 0[0]" in message
    assert "input 1[0] (shape (2,))" in message
    assert "analytic 0.5" in message
    assert "numeric 0.75" in message


def test_one_wrong_element_is_found() -> None:
    x = Tensor(np.arange(1.0, 7.0).reshape(2, 3), requires_grad=True)
    with pytest.raises(GradcheckError, match=r"output 0\[1, 2\].*input 0\[1, 2\]") as caught:
        gradcheck(cube(at=(1, 2)), x)
    assert "analytic 108.125" in str(caught.value)
    assert "numeric 108" in str(caught.value)


def test_a_forgotten_dependence_is_found() -> None:
    @primitive()
    def product(a: Any, b: Any, /) -> Any:
        return a * b

    @product.rule
    def _(g: Any, b: Any) -> Any:
        return g * b, np.zeros(np.shape(g))

    with pytest.raises(GradcheckError, match="input 1.*analytic 0, numeric 2"):
        gradcheck(product, (leaf(2.0), leaf(3.0)))
    with pytest.raises(GradcheckError, match="analytic 0, numeric 1"):
        gradcheck(lambda x: x.detach() * 1.0 + 0 * x, leaf(2.0))


def test_the_second_output_is_checked_too() -> None:
    with pytest.raises(GradcheckError, match="output 1"):
        gradcheck(lambda x: (x * 2, cube(2.0)(x)), leaf(1.0))


def test_gradgradcheck_catches_what_gradcheck_cannot() -> None:
    @primitive()
    def cubed(x: Any, /) -> Any:
        return x**3

    @cubed.rule
    def _(g: Any, x: Any) -> Any:
        return g * (3 * getattr(x, "data", x) ** 2)  # a right number whose graph is cut

    x = leaf(0.5, 2.0)
    plain = primitive()(lambda v, /: v**3)
    plain.rule(lambda g, v: g * (3 * (v.detach() if isinstance(v, Tensor) else v) ** 2))
    assert gradcheck(plain, x)
    with pytest.raises(GradcheckError, match=r"input 0\[0\].*numeric"):
        gradgradcheck(plain, x)
    assert not gradgradcheck(plain, x, raise_exception=False)


def test_raise_exception_false_returns_the_verdict() -> None:
    assert gradcheck(cube(), leaf(1.0), raise_exception=False) is True
    assert gradcheck(cube(2.0), leaf(1.0), raise_exception=False) is False


def test_tolerances() -> None:
    nearly = cube(3.01)
    assert not gradcheck(nearly, leaf(1.0), raise_exception=False)
    assert gradcheck(nearly, leaf(1.0), atol=0.1)
    assert gradcheck(nearly, leaf(1.0), rtol=0.01)


def test_a_nan_is_a_disagreement() -> None:
    @primitive()
    def bad(x: Any, /) -> Any:
        return x * 1.0

    @bad.rule
    def _(g: Any) -> Any:
        return g * np.nan

    assert not gradcheck(bad, leaf(1.0), raise_exception=False)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex64])
def test_low_precision_is_refused(dtype: Any) -> None:
    for check in (gradcheck, gradgradcheck):
        with pytest.raises(TypeError, match="needs float64 or complex128, input 1 is .*astype"):
            check(lambda a, b: a * b, (leaf(1.0), leaf(1.0, dtype=dtype)))


def test_nothing_to_check_is_an_error() -> None:
    with pytest.raises(ValueError, match="requires_grad=True"):
        gradcheck(np.sin, Tensor([1.0]))
    with pytest.raises(TypeError, match="must return Tensors, got float"):
        gradcheck(lambda x: 1.0, leaf(1.0))


def test_complex() -> None:
    z = leaf(1 + 2j, 0.5 - 1j)
    for function in (
        lambda t: t * t,
        lambda t: np.exp(t) / t,
        lambda t: np.conj(t) * t,
        lambda t: np.abs(t),
        lambda t: np.real(t) * np.imag(t),
    ):
        assert gradcheck(function, z)
        assert gradgradcheck(function, z)
    assert gradcheck(lambda t, x: t * x, (z, leaf(2.0, 3.0)))

    @primitive()
    def square(t: Any, /) -> Any:
        return t * t

    @square.rule
    def _(g: Any, t: Any) -> Any:
        return g * 2 * np.conj(t)  # right for real numbers only

    assert gradcheck(square, leaf(1.0, 2.0))
    with pytest.raises(GradcheckError, match=r"analytic .*j, numeric .*j"):
        gradcheck(square, z)


def test_given_grad_outputs() -> None:
    x = leaf(0.5, 2.0)
    assert gradgradcheck(cube(), x, Tensor([1.0, -1.0]))
