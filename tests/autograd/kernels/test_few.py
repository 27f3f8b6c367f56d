"""Compiled layers of few numbers: what NumPy computes, and no array they do not understand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from autograd import Tensor, config, kernels
from autograd.kernels import cross_entropy, cross_entropy_grad
from autograd.kernels._settings import SETTINGS
from autograd.kernels._twins import settle
from nn import functional as F

pytest.importorskip("numba")
if not settle():
    pytest.skip("compiled kernels are off", allow_module_level=True)

from autograd.kernels._numba import few

DTYPES = st.sampled_from([np.float32, np.float64])


def close(found: Any, expected: Any) -> None:
    assert found.dtype == expected.dtype
    error = 2e-5 if expected.dtype == np.float32 else 1e-13
    scale = max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(found, expected, rtol=error, atol=error * scale)


@settings(deadline=None)
@given(
    rows=st.integers(1, 150), width=st.integers(1, 40), out=st.integers(2, 40), dtype=DTYPES,
    seed=st.integers(0, 99),
)  # fmt: skip
def test_linear(rows: int, width: int, out: int, dtype: type, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, weight, bias = (
        rng.standard_normal(shape).astype(dtype) for shape in ((rows, width), (out, width), (out,))
    )
    given_ = [a.copy() for a in (x, weight, bias)]
    y = few.linear(x, weight, bias)
    if width * out > 1024:
        assert y is None  # weights of that size are left to NumPy
        return
    close(y, x @ weight.T + bias)
    for array, before in zip((x, weight, bias), given_, strict=True):
        np.testing.assert_array_equal(array, before)


@settings(deadline=None)
@given(shape=st.lists(st.integers(0, 6), max_size=4).map(tuple), dtype=DTYPES)
def test_the_slope_of_relu(shape: tuple[int, ...], dtype: type) -> None:
    rng = np.random.default_rng(len(shape))
    g = rng.standard_normal(shape).astype(dtype)
    y = np.maximum(rng.standard_normal(shape), 0).astype(dtype)
    g, y = np.asarray(g), np.asarray(y)
    found = few.relu_grad(g, y)
    np.testing.assert_array_equal(found, g * (y > 0))
    assert found.dtype == dtype
    assert found.shape == shape


def test_where_relu_is_flat_a_gradient_that_is_not_finite_shows() -> None:
    g, y = np.array([np.inf, np.nan, np.inf, -2.0]), np.array([0.0, 1.0, 1.0, np.nan])
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(few.relu_grad(g, y), g * (y > 0))


@settings(deadline=None)
@given(
    count=st.integers(1, 120), classes=st.integers(1, 60), mean=st.booleans(), dtype=DTYPES,
    spread=st.sampled_from([0.1, 5.0, 500.0]),
)  # fmt: skip
def test_cross_entropy(count: int, classes: int, mean: bool, dtype: type, spread: float) -> None:
    rng = np.random.default_rng(count * classes)
    x = (rng.standard_normal((count, classes)) * spread).astype(dtype)
    target = rng.integers(0, classes, count)
    g = dtype(rng.standard_normal())
    with config(kernels="numpy"):
        losses, slopes, sums = cross_entropy(x, target)
        each = g / count if mean else g
        expected = cross_entropy_grad(slopes, sums, dtype(each))
    total, own_slopes, own_sums = few.cross_entropy(x, target, mean)
    assert total.shape == ()
    assert total.dtype == dtype
    close(total, np.asarray(losses.mean() if mean else losses.sum()))
    close(own_sums, sums)
    for given_ in ((own_slopes, own_sums), (np.ascontiguousarray(slopes), sums)):
        close(few.cross_entropy_grad(*given_, g, mean), expected)


@settings(deadline=None)
@given(
    shape=st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple), log=st.booleans(),
    dtype=DTYPES, spread=st.sampled_from([0.1, 5.0, 500.0]),
)  # fmt: skip
def test_softmax(shape: tuple[int, ...], log: bool, dtype: type, spread: float) -> None:
    rng = np.random.default_rng(len(shape))
    x = (rng.standard_normal(shape) * spread).astype(dtype)
    g = rng.standard_normal(shape).astype(dtype)
    with config(kernels="numpy"):
        expected = kernels.softmax(x, log)
        slope = kernels.softmax_grad(g, expected, log)
    y = few.softmax(x, log)
    close(y, expected)
    close(few.softmax_grad(g, expected, log), slope)


@settings(deadline=None)
@given(
    rows=st.integers(1, 60), length=st.integers(1, 70), centered=st.booleans(), dtype=DTYPES,
    eps=st.sampled_from([1e-5, 0.1]),
)  # fmt: skip
def test_layer_norm(rows: int, length: int, centered: bool, dtype: type, eps: float) -> None:
    rng = np.random.default_rng(rows)
    x, g = (rng.standard_normal((rows, length)).astype(dtype) for _ in range(2))
    weight, bias = (rng.standard_normal(length).astype(dtype) for _ in range(2))
    with config(kernels="numpy"):
        wide = [a.astype(np.float64) for a in (x, weight, bias)]
        expected = kernels.group_norm(*wide, 1, eps, centered)
        slopes = kernels.group_norm_grad(
            g.astype(np.float64), wide[0], wide[1], *expected[1:], centered
        )
    found = few.layer_norm(x, weight, bias, eps, centered)
    scale = float(np.abs(expected[2]).max())  # by which differences from the mean are multiplied
    for a, e in zip(found, expected, strict=True):
        assert a.shape == e.shape
        assert a.dtype == dtype
        assert abs(a - e).max() <= np.finfo(dtype).eps * 50 * max(1.0, scale, abs(e).max())
    given_ = [a.astype(dtype) for a in expected[1:]]
    for a, e in zip(few.layer_norm_grad(g, x, weight, *given_, centered), slopes, strict=True):
        assert a.shape == e.shape
        assert a.dtype == dtype
        assert abs(a - e).max() <= np.finfo(dtype).eps * 300 * max(1.0, scale**2, abs(e).max())


def test_a_target_that_is_no_class_is_refused_as_ever() -> None:
    x = Tensor(np.zeros((3, 2)), requires_grad=True)
    for wrong in (2, -1, 2**62):
        assert few.cross_entropy(x.numpy(), np.array([0, wrong, 1]), True) is None
    with config(kernels="numba"), pytest.raises(IndexError, match="Target 2 is out of bounds"):
        F.cross_entropy(x, [0, 2, 1])


# -------------------------------------------------------------------- what they do not understand


class _Marked(np.ndarray):
    """A user's kind of array."""


def _misaligned(a: Any) -> Any:
    return np.frombuffer(b"\0" + a.tobytes(), a.dtype, offset=1).reshape(a.shape)


OTHERS: dict[str, Callable[[Any], Any]] = {
    "Fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=0)[::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "misaligned": _misaligned,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "float64": lambda a: a.astype(np.float64),
    "float16": lambda a: a.astype(np.float16),
    "int32": lambda a: a.astype(np.int32),
    "complex": lambda a: a.astype(np.complex64),
    "subclass": lambda a: a.view(_Marked),
    "longer": lambda a: np.concatenate([a, a]),
    "narrower": lambda a: a[..., :-1].copy(),
    "empty": lambda a: a[:0],
    "another axis": lambda a: a[None],
}


def _arrays() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shapes = {
        "x": (5, 3), "weight": (4, 3), "bias": (4,), "g": (5, 4), "y": (5, 4),
        "row": (3,), "slopes of x": (5, 3), "mean": (5, 1), "rate": (5, 1),
    }  # fmt: skip
    arrays: dict[str, Any] = {
        name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()
    }
    arrays["target"] = rng.integers(0, 3, 5)
    _, arrays["slopes"], arrays["sums"] = few.cross_entropy(arrays["x"], arrays["target"], True)
    return arrays


CALLS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "linear": (few.linear, ("x", "weight", "bias")),
    "relu_grad": (few.relu_grad, ("g", "y")),
    "cross_entropy": (lambda x, target: few.cross_entropy(x, target, True), ("x", "target")),
    "cross_entropy_grad": (
        lambda slopes, sums: few.cross_entropy_grad(slopes, sums, 1.0, True),
        ("slopes", "sums"),
    ),
    "softmax": (lambda x: few.softmax(x, False), ("x",)),
    "softmax_grad": (lambda g, y: few.softmax_grad(g, y, True), ("g", "y")),
    "layer_norm": (lambda x, row: few.layer_norm(x, row, row, 0.1, True), ("x", "row")),
    "layer_norm_grad": (
        lambda *arrays: few.layer_norm_grad(*arrays, True),
        ("slopes of x", "x", "row", "mean", "rate"),
    ),
}


# What fits all the same: vectors are in both orders; more rows; labels say nothing of a dtype.
FITTING = {
    ("bias", "Fortran"), ("target", "Fortran"), ("sums", "Fortran"), ("row", "Fortran"),
    ("mean", "Fortran"), ("rate", "Fortran"),
    ("x of linear", "longer"), ("x of cross_entropy", "float64"), ("x of layer_norm", "longer"),
    ("x of softmax", "narrower"),
    ("slopes", "narrower"),
    ("x of softmax", "longer"), ("x of softmax", "float64"), ("x of softmax", "another axis"),
}  # fmt: skip


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("call", CALLS)
def test_other_arrays_are_left_to_numpy(call: str, other: str) -> None:
    function, names = CALLS[call]
    arrays = _arrays()
    assert function(*[arrays[name] for name in names]) is not None
    for name in names:
        fits = {(name, other), (f"{name} of {call}", other)} & FITTING
        changed = {**arrays, name: OTHERS[other](arrays[name])}
        assert (function(*[changed[name] for name in names]) is not None) == bool(fits), name


def test_what_is_no_array_is_left_to_numpy() -> None:
    arrays = _arrays()
    assert few.linear(arrays["x"], arrays["weight"], None) is None
    assert few.linear(arrays["x"], arrays["weight"], [0.0] * 4) is None
    assert few.softmax(np.array(1.0), False) is None  # which has no rows
    assert few.softmax_grad(np.array(1.0), np.array(1.0), False) is None
    for kind in (np.int32, np.uint8, np.uint64):
        assert few.cross_entropy(arrays["x"], arrays["target"].astype(kind), True) is None


def test_read_only_arrays_are_read() -> None:
    arrays = _arrays()
    for array in arrays.values():
        array.flags.writeable = False
    for function, names in CALLS.values():
        assert function(*[arrays[name] for name in names]) is not None


def test_where_arrays_look_different_in_memory_nobody_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from autograd.kernels._numba import _objects

    _objects.understood.cache_clear()
    assert few.usable()
    _objects.understood.cache_clear()
    monkeypatch.setattr(_objects, "length_of", lambda array, axis: 7)
    try:
        with config(kernels="numba"):
            assert SETTINGS.few is None
            y = F.linear(Tensor(np.ones((2, 3))), np.ones((4, 3)), np.zeros(4))
        np.testing.assert_array_equal(y.numpy(), np.full((2, 4), 3.0))
    finally:
        _objects.understood.cache_clear()


# ------------------------------------------------------------------------------------ in a network


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the functions that served a call, in order."""
    names: list[str] = []

    def watched(name: str) -> Callable[..., Any]:
        function = getattr(few, name)

        def call(*args: Any) -> Any:
            result = function(*args)
            if result is not None:
                names.append(name)
            return result

        return call

    for name in ("linear", "relu_grad", "cross_entropy", "cross_entropy_grad"):
        monkeypatch.setattr(few, name, watched(name))
    return names


def _step(dtype: Any, reduction: str = "mean") -> list[Any]:
    """The loss and all gradients of a small network."""
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
    for p in net.parameters():
        p.data = rng.standard_normal(p.shape).astype(dtype)
    x = Tensor(rng.standard_normal((100, 2)).astype(dtype))
    loss = F.cross_entropy(net(x), rng.integers(0, 2, 100), reduction=reduction)
    loss.sum().backward()
    return [loss.numpy(), *[p.grad.numpy() for p in net.parameters()]]


def test_layers_of_a_transformer_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("softmax", "softmax_grad", "layer_norm", "layer_norm_grad")
    calls: list[str] = []

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: calls.append(name) or function(*args)

    for name in names:
        monkeypatch.setattr(few, name, watched(name, getattr(few, name)))

    def gradients() -> list[Any]:
        rng = np.random.default_rng(0)
        x = Tensor(rng.standard_normal((3, 4, 8)), requires_grad=True)
        weight, bias = (Tensor(rng.standard_normal(8), requires_grad=True) for _ in range(2))
        y = F.gelu(F.layer_norm(x, (8,), weight, bias))
        z = (F.softmax(y, -1) * F.log_softmax(x, -1) * rng.standard_normal((3, 4, 8))).sum()
        z.backward()
        return [z.numpy(), x.grad.numpy(), weight.grad.numpy(), bias.grad.numpy()]

    with config(kernels="numpy"):
        expected = gradients()
    assert not calls
    with config(kernels="numba"):
        found = gradients()
    assert set(calls) == set(names)
    for a, e in zip(found, expected, strict=True):
        close(a, e)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_is_the_same(dtype: Any, reduction: str, calls: list[str]) -> None:
    with config(kernels="numpy"):
        expected = _step(dtype, reduction)
    assert not calls
    with config(kernels="numba"):
        found = _step(dtype, reduction)
    layers = [name for name in calls if not name.startswith("cross")]
    assert layers == ["linear"] * 3 + ["relu_grad"] * 2
    assert len(calls) - len(layers) == (0 if reduction == "none" else 2)
    for a, b in zip(found, expected, strict=True):
        close(a, b)


def test_only_those_who_ask_for_compiled_kernels_get_them(calls: list[str]) -> None:
    for choice in ("auto", "numpy"):
        with config(kernels=choice):
            assert SETTINGS.few is None
            _step(np.float32)
    assert not calls
    with config(kernels="numba"):
        assert SETTINGS.few is few
        with config(kernels="numpy"):
            assert SETTINGS.few is None
        assert SETTINGS.few is few


def printed(code: str) -> list[str]:
    """What a process prints in whose environment compiled kernels are asked for."""
    env = {**os.environ, "GLASSGRAD_KERNELS": "numba"}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env=env
    ).stdout.split()


def test_who_asks_by_the_environment_gets_them_with_the_first_layer() -> None:
    code = """
import sys
import numpy as np
from autograd.kernels._settings import SETTINGS
from nn import functional as F
assert "numba" not in sys.modules
print(F.linear(np.ones((2, 3)), np.ones((4, 3)), np.zeros(4)).numpy().sum(), SETTINGS.few.__name__)
"""
    assert printed(code) == ["24.0", "autograd.kernels._numba.few"]


def test_who_asks_in_vain_is_told_once_and_goes_on() -> None:
    code = """
import sys
import numpy as np
from nn import functional as F
sys.modules["numba"] = None
for _ in range(2):
    try:
        print(F.linear(np.ones((2, 3)), np.ones((4, 3)), np.zeros(4)).numpy().sum())
    except RuntimeError as error:
        print("not installed" in str(error))
"""
    assert printed(code) == ["True", "24.0"]


def test_softmax_of_a_number_is_one_for_all() -> None:
    for choice in ("numpy", "numba"):
        with config(kernels=choice):
            assert F.softmax(Tensor(3.0), 0).item() == 1
            assert F.softmax(Tensor(np.zeros((3, 0))), -1).shape == (3, 0)


def test_second_derivatives_pass_by(calls: list[str]) -> None:
    def penalty() -> Any:
        x = Tensor(np.linspace(-1.0, 1.0, 160).reshape(8, 20), requires_grad=True)
        weight = Tensor(np.cos(np.arange(60.0)).reshape(3, 20), requires_grad=True)
        bias = Tensor(np.zeros(3), requires_grad=True)
        loss = F.cross_entropy(F.relu(F.linear(x, weight, bias)), np.arange(8) % 3)
        loss.backward(create_graph=True)
        slope = x.grad
        x.grad = None
        (slope * slope).sum().backward()
        return weight.grad.numpy()

    with config(kernels="numpy"):
        expected = penalty()
    with config(kernels="numba"):
        close(penalty(), expected)
    assert {"linear", "cross_entropy"} <= set(calls)
