"""Compiled loops compute what NumPy's ufuncs do, on all kinds of numbers and shapes."""

from __future__ import annotations

import numpy as np
import pytest

from autograd.kernels._twins import settle
from autograd.kernels.formulas import Formula

pytest.importorskip("numba")
if not settle():
    pytest.skip("compiled kernels are off", allow_module_level=True)

from autograd import config
from autograd._backward import unbroadcast
from autograd.kernels._numba.loops import compiled_loop
from autograd.kernels.loops import Loop

SPECIAL = [0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 0.5, -0.5, 1e-30, 20.0, -20.0]
UNARY = [
    np.exp, np.expm1, np.log, np.log1p, np.tanh, np.exp2, np.log2, np.log10, np.sqrt, np.sin,
    np.cos, np.tan, np.arcsin, np.arccos, np.arctan, np.sinh, np.cosh, np.arcsinh, np.arccosh,
    np.arctanh, np.floor, np.ceil, np.trunc, np.negative, np.positive, np.square, np.reciprocal,
    np.absolute, np.fabs, np.isnan, np.sign, np.conjugate,
]  # fmt: skip
BINARY = [
    np.add, np.subtract, np.multiply, np.divide, np.power, np.arctan2, np.maximum, np.minimum,
    np.greater, np.less, np.greater_equal, np.less_equal, np.equal, np.not_equal,
]  # fmt: skip


def check(function, arrays, rtol):
    """All values that the function returns, compiled, are as NumPy computes them."""
    formula = Formula()
    outputs = function(*[formula.input(i, a.shape, a.dtype) for i, a in enumerate(arrays)])
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    run = compiled_loop(formula, outputs, shape)
    assert run is not None
    found = [np.empty(o.shape, o.dtype) for o in outputs]
    with np.errstate(all="ignore"):
        run(arrays, found)
        expected = function(*arrays)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
        assert a.dtype == np.asarray(b).dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_ufunc(dtype):
    rng = np.random.default_rng(0)
    x = np.concatenate([np.array(SPECIAL), rng.standard_normal(500) * 3]).astype(dtype)
    y = np.concatenate([rng.permutation(SPECIAL), rng.standard_normal(500) * 3]).astype(dtype)
    rtol = 2e-6 if dtype == np.float32 else 1e-14
    check(lambda x: [f(x) for f in UNARY], [x], rtol)
    check(lambda x, y: [f(x, y) for f in BINARY], [x, y], rtol)


def test_truth_values_and_numbers():
    rng = np.random.default_rng(0)
    x, mask = rng.standard_normal((4, 3)), rng.random(3) > 0.5

    def function(x, mask):
        below = x < 0
        return [
            mask * x, below & mask, below | mask, below ^ mask, ~below, np.where(mask, x, 1),
            x**3, 2 / x, -1 - x, (x > 0) * 2.0, np.maximum(x, 0), x * True, 0.1 * mask,
        ]  # fmt: skip

    check(function, [x, mask], 1e-15)


@pytest.mark.parametrize(
    "shapes",
    [
        [(5, 4, 3), (4, 1), (5, 1, 1)],
        [(5, 4, 3), (5, 4, 3), ()],
        [(), (), ()],
        [(0, 3), (3,), ()],
        [(2, 1, 3), (1, 1, 3), (2, 1, 1)],
    ],
    ids=str,
)
def test_shapes(shapes):
    rng = np.random.default_rng(0)
    x, y, z = (np.asarray(rng.random(shape)) for shape in shapes)
    check(lambda x, y, z: [(x + y) * z - y, y * 2 + x], [x, y, z], 1e-14)


def test_arrays_in_any_order_are_read_and_left_alone():
    x = np.arange(12.0).reshape(3, 4).T
    before = x.copy()
    check(lambda x, y: [x * y + 1], [x, np.broadcast_to(2.0, (4, 3))], 0)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("into", [(), (1,), (4, 1), (3,), (5, 1, 1), (1, 4, 3), (5, 4, 1)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums(into, dtype):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in ((5, 4, 3), (3,), (4, 1))]
    formula = Formula()
    x, y, z = (formula.input(i, a.shape, a.dtype) for i, a in enumerate(arrays))
    whole, part = x * y, x * y + z
    run = compiled_loop(formula, [whole], (5, 4, 3), [(part, into), (x, into)])
    expected = [arrays[0] * arrays[1] + arrays[2], arrays[0]]
    for threads in (1, 3):
        with config(threads=threads):
            out = np.empty((5, 4, 3), dtype)
            sums = run(arrays, [out])
        np.testing.assert_array_equal(out, arrays[0] * arrays[1])
        for found, values in zip(sums, expected, strict=True):
            assert found.dtype == dtype
            assert found.shape == into
            rtol = 10 * np.finfo(dtype).eps
            wanted = unbroadcast(values.astype(np.float64), into)
            np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol)


def test_sums_of_many_numbers_are_made_in_double_precision():
    x = np.full(1 << 22, 0.1, np.float32)
    formula = Formula()
    run = compiled_loop(formula, [], x.shape, [(formula.input("x", x.shape, x.dtype), ())])
    (total,) = run([x], [])
    assert total == np.float32(x.sum(dtype=np.float64))
    x[77] = np.nan
    (total,) = run([x], [])
    assert np.isnan(total)


def test_the_same_number_everywhere_is_read_once():
    """Broadcast gradients come in like that; other arrays may take their place later."""
    rng = np.random.default_rng(0)
    x, y = rng.random((300, 20)), np.broadcast_to(np.float64(3), (300, 20))
    formula = Formula()
    symbols = [formula.input(i, (300, 20), x.dtype) for i in range(2)]
    run = compiled_loop(formula, [symbols[0] * symbols[1]], (300, 20), [(symbols[1], (20,))])
    out = np.empty((300, 20))
    for one, other in ((x, y), (y, x), (y, y), (x, x)):
        (total,) = run([one, other], [out])
        np.testing.assert_allclose(out, one * other, rtol=1e-15)
        np.testing.assert_allclose(total, other.sum(axis=0), rtol=1e-13)


def test_sums_over_nothing():
    formula = Formula()
    x = formula.input("x", (0, 3), np.dtype(float))
    run = compiled_loop(formula, [], (0, 3), [(x * 2, (3,)), (x, ())])
    columns, total = run([np.empty((0, 3))], [])
    np.testing.assert_array_equal(columns, np.zeros(3))
    assert total == 0


@pytest.mark.parametrize("dtype", [np.int64, np.complex128, np.float16])
def test_other_types_are_left_to_numpy(dtype):
    formula = Formula()
    x = formula.input("x", (3,), np.dtype(dtype))
    assert compiled_loop(formula, [x * x], (3,)) is None


def test_the_order_of_operations_is_kept():
    """What a formula cancels on purpose, such as the digits below the unit, stays cancelled."""
    check(lambda x: [(x + 2.0**52) - 2.0**52], [np.linspace(0, 10, 1001)], 0)


def test_loops_are_compiled_when_called_often():
    """Before and after, values that are wanted whole, summed, and both."""
    rng = np.random.default_rng(0)
    x, b = rng.random((400, 300), np.float32), rng.random(300, np.float32)
    formula = Formula()
    symbols = formula.input("x", x.shape, x.dtype), formula.input("b", b.shape, b.dtype)
    y = symbols[0] * symbols[1]
    outputs = [y, y, symbols[0], symbols[0], y + 1]
    loop = Loop(formula, outputs, x.shape, [None, (300,), (), None, (400, 1)])
    expected = [x * b, (x * b).sum(0), x.sum(), x, (x * b + 1).sum(1, keepdims=True)]
    for _ in range(8):
        for found, wanted in zip(loop.call(x, b), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5)
            assert found.shape == wanted.shape
    assert loop._compiled is not None
