"""The functions of NumPy's OpenBLAS that are called directly."""

from __future__ import annotations

import numpy as np
import pytest

from autograd.kernels._blas import OpenBlas, openblas


@pytest.fixture
def blas() -> OpenBlas:
    found = openblas()
    if found is None:
        pytest.skip("NumPy has another BLAS than OpenBLAS")
    return found


@pytest.mark.parametrize("kind", ["f", "d"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_product_is_added_to_what_is_there(blas: OpenBlas, kind: str, turned: bool) -> None:
    product = blas.gemm(kind)
    assert product is not None
    rng = np.random.default_rng(0)
    x, y, z = (rng.random(shape).astype(kind) for shape in ((5, 9), (6, 11), (5, 12)))
    expected = z.copy()
    expected[:, 1:9] = 2 * x[:, 2:8] @ y[:, 3:11] + 0.5 * z[:, 1:9]
    given, first = (np.asfortranarray(x), 2 * 5) if turned else (x, 2)
    product(
        *(101, 112 if turned else 111, 111, 5, 8, 6),
        *(2.0, given.ctypes.data + first * x.itemsize, 5 if turned else 9),
        *(y.ctypes.data + 3 * x.itemsize, 11, 0.5, z.ctypes.data + x.itemsize, 12),
    )
    np.testing.assert_allclose(z, expected, rtol=1e-5 if kind == "f" else 1e-14)


def test_each_has_types_of_its_own(blas: OpenBlas) -> None:
    """The same function is also asked for its address, as one without arguments."""
    product = blas.gemm("f")
    assert blas.product("s")
    assert product is not None
    x, z = np.full((1, 1), 3, np.float32), np.ones((1, 1), np.float32)
    one = x.ctypes.data, 1
    product(101, 111, 111, 1, 1, 1, 1.0, *one, *one, 1.0, z.ctypes.data, 1)
    assert z[0, 0] == 10


@pytest.mark.parametrize("kind", ["e", "F", "l", "O"])
def test_other_kinds_have_none(blas: OpenBlas, kind: str) -> None:
    assert blas.gemm(kind) is None
    assert blas.axpby(kind) is None


def test_a_library_may_lack_a_function(blas: OpenBlas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "_names", ("no_such_", ""))
    assert blas.gemm("f") is None
    assert blas.axpby("d") is None
