"""Ufuncs with ``where=``, ``dtype=`` and ``out=``, and their methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, gradcheck, no_grad

Check = Callable[..., None]
MASK = np.array([[True, False, True], [False, True, True]])


def test_where_leaves_zero_and_evaluates_nothing_else() -> None:
    x = Tensor([[1.0, 0.0, 2.0], [-1.0, 3.0, 4.0]], requires_grad=True)
    y = np.log(x, where=MASK)  # log would warn of 0 and -1, and warnings are errors here
    np.testing.assert_allclose(y.data, np.where(MASK, np.log(np.where(MASK, x.data, 1)), 0))
    assert gradcheck(lambda t: np.log(t, where=MASK), x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data == 0, ~MASK)


def test_where_with_out_keeps_the_old_values() -> None:
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    old = Tensor([10.0, 20.0, 30.0], requires_grad=True)
    out = old * 1
    result = np.multiply(x, 2, out=out, where=[True, False, True])
    assert result is out
    np.testing.assert_array_equal(out.data, [2, 20, 6])
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2, 0, 2])
    np.testing.assert_array_equal(old.grad.data, [0, 1, 0])


def test_where_broadcasts() -> None:
    a = Tensor([[1.0], [2.0]], requires_grad=True)
    b = Tensor([3.0, 4.0, 5.0], requires_grad=True)
    assert gradcheck(lambda a, b: np.multiply(a, b, where=[[True], [False]]), [a, b])
    assert gradcheck(lambda a, b: np.hypot(a, b, where=MASK), [a, b])


def test_dtype() -> None:
    x = Tensor([1.0, 2.0], True, np.float32)
    y = np.sin(x, dtype=np.float64)
    assert y.dtype == np.float64
    y.sum().backward()
    assert x.grad.dtype == np.float32


def test_out() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    out = Tensor([0.0, 0.0])
    assert np.exp(x, out=out) is out
    out.sum().backward()
    np.testing.assert_allclose(x.grad.data, np.exp(x.data))
    with pytest.raises(TypeError, match="lose the gradient"):
        np.exp(x, out=np.zeros(2))
    buffer = np.zeros(2)
    with no_grad():
        assert np.exp(x, out=buffer) is buffer
    np.testing.assert_allclose(buffer, np.exp(x.data))
    np.exp(x.detach(), out=buffer)
    np.testing.assert_array_equal(np.less(x, 2, out=np.zeros(2, bool)), [True, False])


def test_adding_to_a_plain_array_does_not_drop_the_gradient() -> None:
    total = np.zeros(2)
    with pytest.raises(TypeError, match="lose the gradient"):
        total += Tensor([1.0, 2.0], requires_grad=True)


REDUCIBLE = [
    np.add,
    np.multiply,
    np.maximum,
    np.minimum,
    np.fmax,
    np.fmin,
    np.logaddexp,
    np.logaddexp2,
    np.hypot,
    np.subtract,
    np.divide,
]


@pytest.mark.parametrize("ufunc", REDUCIBLE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("axis", [0, -1], ids=str)
def test_reduce(agrees: Check, draw: Any, ufunc: np.ufunc, axis: int) -> None:
    x = draw((3, 4), low=0.5)
    agrees(lambda t: ufunc.reduce(t, axis=axis), x)
    agrees(lambda t: ufunc.reduce(t, axis, keepdims=True), x)
    agrees(ufunc.reduce, x)


@pytest.mark.parametrize("ufunc", REDUCIBLE[:9], ids=lambda f: f.__name__)
def test_reduce_with_where_and_initial(agrees: Check, draw: Any, ufunc: np.ufunc) -> None:
    x = draw((2, 3), low=0.5)
    agrees(lambda t: ufunc.reduce(t, axis=1, where=MASK, initial=0.75), x)
    agrees(lambda t: ufunc.reduce(t, axis=None, initial=0.75), x)
    if ufunc.identity is None:
        with pytest.raises(ValueError, match="initial"):
            ufunc.reduce(Tensor(x), where=MASK)


@pytest.mark.parametrize("ufunc", REDUCIBLE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("axis", [0, 1], ids=str)
def test_accumulate(agrees: Check, draw: Any, ufunc: np.ufunc, axis: int) -> None:
    agrees(lambda t: ufunc.accumulate(t, axis), draw((3, 4), low=0.5))
    agrees(lambda t: ufunc.accumulate(t, axis), draw((2, 0, 2) if axis else (0, 2)))


def test_running_maximum_with_nan_and_ties() -> None:
    x = np.array([1.0, 3.0, 3.0, 2.0, np.nan, 5.0])
    t = Tensor(x, requires_grad=True)
    y = np.maximum.accumulate(t)
    np.testing.assert_array_equal(y.data, np.maximum.accumulate(x))
    y.backward(np.ones(6))
    np.testing.assert_array_equal(t.grad.data, [1, 3, 0, 0, 2, 0])  # the first of equals


@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.power, np.maximum, np.arctan2])
def test_outer(agrees: Check, draw: Any, ufunc: np.ufunc) -> None:
    a, b = draw((2,), (3, 2), low=0.5)
    agrees(ufunc.outer, a, b + 0.017)


def test_outer_of_two_results(agrees: Check, draw: Any) -> None:
    a, b = draw((2,), (3,), low=0.5)
    agrees(lambda s, t: np.divmod.outer(s, t)[1], a, b)


@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.maximum, np.hypot])
def test_reduceat(agrees: Check, draw: Any, ufunc: np.ufunc) -> None:
    x = draw((6,), low=0.5)
    agrees(lambda t: ufunc.reduceat(t, [0, 2, 5, 3]), x)
    agrees(lambda t: ufunc.reduceat(t, [0, 1], axis=1), draw((2, 3), low=0.5))


def test_at() -> None:
    leaf = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    values = Tensor([10.0, 20.0], requires_grad=True)
    x = leaf * 1
    np.add.at(x, [2, 2], values)
    np.testing.assert_array_equal(x.data, [1, 2, 33])
    (x * [1, 2, 3]).sum().backward()
    np.testing.assert_array_equal(leaf.grad.data, [1, 2, 3])
    np.testing.assert_array_equal(values.grad.data, [3, 3])
    x = leaf * 1
    np.multiply.at(x, [0, 1], values.detach())
    np.testing.assert_array_equal(x.data, [10, 40, 3])
    with pytest.raises(TypeError, match="once"):
        np.multiply.at(leaf * 1, [0, 0], 2.0)
    with pytest.raises(TypeError, match="lose the gradient"):
        np.add.at(np.zeros(3), [0, 1], values)


def test_constant_ufuncs_have_all_methods() -> None:
    t = Tensor([[1.0, 0.0], [2.0, 3.0]], requires_grad=True)
    np.testing.assert_array_equal(np.logical_and.reduce(t, axis=1), [False, True])
    np.testing.assert_array_equal(np.floor(t, where=True), t.data)
    assert isinstance(np.greater.outer(t, t), np.ndarray)


def test_a_ufunc_without_a_rule_says_so() -> None:
    cube = np.frompyfunc(lambda x: x**3, 1, 1)
    with pytest.raises(TypeError, match="no differentiation rule"):
        cube(Tensor([1.0, 2.0], requires_grad=True))
    with pytest.raises(TypeError, match="axes"):
        np.add(Tensor([1.0]), 1.0, axes=[0])
