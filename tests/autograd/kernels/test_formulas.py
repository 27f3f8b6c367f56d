"""Formulas: what functions of elements write down, and what is no such function."""

from __future__ import annotations

import numpy as np
import pytest

from autograd._backward import unbroadcast
from autograd.kernels import Loop
from autograd.kernels.formulas import Formula, NotElementwise

FLOAT = np.dtype(np.float32)


def written(function, *shapes):
    formula = Formula()
    symbols = [formula.input(i, shape, FLOAT) for i, shape in enumerate(shapes)]
    return formula, function(*symbols)


def test_a_function_is_written_down_once_and_in_order():
    formula, y = written(lambda x: np.exp(-x) / (1 + np.exp(-x)), (2, 3))
    assert [op.ufunc for op in formula.operations] == [np.negative, np.exp, np.add, np.divide]
    assert (y.shape, y.dtype) == ((2, 3), FLOAT)


def test_types_and_shapes_are_numpys():
    formula = Formula()
    x, n = formula.input("x", (3, 1), FLOAT), formula.input("n", (4,), np.dtype(np.int64))
    assert (x * 2.0).dtype == FLOAT
    assert (x * n).dtype == np.float64
    assert (x * n).shape == (3, 4)
    assert (x > 0).dtype == bool
    assert (n / 2).dtype == np.float64


def test_equal_numbers_of_different_types_are_not_one():
    formula = Formula()
    n = formula.input("n", (3,), np.dtype(np.int64))
    assert (n * 1).dtype == np.int64
    assert (n * 1.0).dtype == np.float64
    assert (n * True).dtype == np.int64
    assert len(formula.operations) == 3


@pytest.mark.parametrize(("power", "ufunc"), [(2, "square"), (0.5, "sqrt"), (-1, "reciprocal")])
def test_powers_go_the_short_way(power, ufunc):
    formula, _ = written(lambda x: x**power, (3,))
    assert [op.ufunc.__name__ for op in formula.operations] == [ufunc]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(x),
        lambda x: np.add.reduce(x),
        lambda x: np.where(x > 0),
        lambda x: np.where(x, x, 0),
        lambda x: np.concatenate([x, x]),
        lambda x: x[0],
        lambda x: x if x > 0 else -x,
        lambda x: np.asarray(x) * 2,
        lambda x: float(x),
        lambda x: np.modf(x),
        lambda x: x @ x,
        lambda x: x * np.ones(3, np.float32),
        lambda x: np.add(x, 1, where=np.array([True, False, True])),
        lambda x: list(x),
    ],
)
def test_what_is_no_function_of_elements_is_refused(function):
    with pytest.raises(NotElementwise):
        written(function, (3,))


def test_in_place_operators_are_refused():
    def double(x):
        x *= 2
        return x

    with pytest.raises(NotElementwise):
        written(double, (3,))


def test_a_loop_returns_inputs_and_writes_to_its_own_arrays():
    formula = Formula()
    x = formula.input("x", (4,), FLOAT)
    loop = Loop(formula, [x * 2, x, x * 2 + 1], (4,))
    given = np.arange(4, dtype=np.float32)
    for _ in range(2):
        double, same, odd = loop.call(given)
        assert same is given
        assert double is loop.buffers[0]
        assert odd is loop.buffers[1]
        np.testing.assert_array_equal(double, [0, 2, 4, 6])
        np.testing.assert_array_equal(odd, [1, 3, 5, 7])
        np.testing.assert_array_equal(given, range(4))
        given[...] = np.arange(4)


FUNCTIONS = [
    lambda x, a, b: np.tanh(x * a + b) * x - a,
    lambda x, a, b: np.maximum(x, 0) + np.minimum(a, b) * (x > a),
    lambda x, a, b: np.exp(-(x**2)) / (1 + np.abs(b)) + np.sqrt(np.abs(a)),
    lambda x, a, b: np.sign(x) * np.floor(a * 3) + np.isnan(b) * 1.0,
    lambda x, a, b: np.where(x > a, np.exp(x), np.where(b < 0, 0, b) * 2) * x,
    lambda x, a, b: (x * x + a * a) ** 0.5 + np.log1p(np.square(b)) - np.arctan2(x, 2.0),
]
SHAPES = [
    ((5, 7), (7,), ()),
    ((5, 7), (5, 7), (5, 1)),
    ((300, 200), (300, 200), ()),
    ((300, 200), (200,), (300, 1)),
    ((3, 40000), (1, 40000), (3, 1)),
    ((2, 3, 120, 90), (3, 1, 1), (2, 3, 120, 90)),
    ((40000,), (1,), ()),
    ((0, 4), (4,), ()),
    ((1, 1), (1,), (1, 1)),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_loop_computes_what_the_function_does(function, shapes, dtype):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(dtype)[()] for shape in shapes]
    formula = Formula()
    symbols = [formula.input(i, s, np.dtype(dtype)) for i, s in enumerate(shapes)]
    wanted = function(*symbols)
    loop = Loop(formula, [wanted], shapes[0])
    for _ in range(3):
        (found,) = loop.call(*arrays)
        np.testing.assert_array_equal(found, function(*arrays))
        assert found.dtype == function(*arrays).dtype


@pytest.mark.parametrize("count", [3, 1 << 16])
def test_one_value_may_be_wanted_twice(count):
    formula = Formula()
    x = formula.input("x", (count,), FLOAT)
    loop = Loop(formula, [x + 1, x, x + 1], (count,))
    one, same, other = loop.call(np.zeros(count, np.float32))
    assert one is other
    assert one.all()
    assert not same.any()


def test_inputs_may_be_in_any_order():
    formula = Formula()
    x, y = formula.input("x", (300, 200), FLOAT), formula.input("y", (300, 200), FLOAT)
    loop = Loop(formula, [x * y + 1], (300, 200))
    rng = np.random.default_rng(0)
    x, y = (rng.random((200, 300), np.float32).T for _ in range(2))
    np.testing.assert_array_equal(loop.call(x, y)[0], x * y + 1)
    y = np.broadcast_to(np.float32(3), (300, 200))
    np.testing.assert_array_equal(loop.call(x, y)[0], x * y + 1)


@pytest.mark.parametrize("into", [(), (1,), (1, 1), (200,), (300, 1), (1, 200)], ids=str)
@pytest.mark.parametrize("rows", [3, 300])
def test_outputs_may_be_summed(rows, into):
    into = tuple(rows if n == 300 else n for n in into)
    formula = Formula()
    x = formula.input("x", (rows, 200), FLOAT)
    loop = Loop(formula, [x * 2, x * 2, x], (rows, 200), [into, None, into])
    values = np.random.default_rng(0).random((rows, 200), np.float32)
    summed, whole, given = loop.call(values)
    np.testing.assert_array_equal(whole, values * 2)
    np.testing.assert_array_equal(summed, unbroadcast(values * 2, into))
    np.testing.assert_array_equal(given, unbroadcast(values, into))
