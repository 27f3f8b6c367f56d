"""Compiled loops compute what NumPy's ufuncs do, on all kinds of numbers and shapes."""

from __future__ import annotations

import numpy as np
import pytest

from autograd.kernels._twins import settle
from autograd.kernels.formulas import Formula

pytest.importorskip("numba")
if not settle():
    pytest.skip("compiled kernels are off", allow_module_level=True)

from autograd.kernels._numba.loops import compiled_loop

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


@pytest.mark.parametrize("dtype", [np.int64, np.complex128, np.float16])
def test_other_types_are_left_to_numpy(dtype):
    formula = Formula()
    x = formula.input("x", (3,), np.dtype(dtype))
    assert compiled_loop(formula, [x * x], (3,)) is None


def test_the_order_of_operations_is_kept():
    """What a formula cancels on purpose, such as the digits below the unit, stays cancelled."""
    check(lambda x: [(x + 2.0**52) - 2.0**52], [np.linspace(0, 10, 1001)], 0)
