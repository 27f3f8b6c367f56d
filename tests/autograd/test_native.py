"""Native programs: what is compiled computes what the function does, and the rest is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import autograd
import nn
import nn.functional as F
from autograd import Tensor
from autograd.kernels._twins import settle
from autograd.replay import workspace as workspaces

pytest.importorskip("numba")
if not settle():
    pytest.skip("compiled kernels are off", allow_module_level=True)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(workspaces, "_WORTH_COMPILING", 1)


def workspace(compiled: Any) -> Any:
    (program,) = compiled._known.values()
    return program._idle[-1]


def is_native(compiled: Any) -> bool:
    return workspace(compiled)._native is not None


def compare(function, parameters, arguments, native=True, rtol=1e-5):
    """Replays of a function give its values and gradients, and are compiled or not."""
    compiled = autograd.compile(function)
    tracked = [a for a in arguments if isinstance(a, Tensor)]
    for _ in range(5):
        result, expected = compiled(*arguments), function(*arguments)
        assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(result.data, expected.data, rtol=rtol, atol=rtol)
        g = np.random.default_rng(0).random(result.shape).astype(result.dtype)
        wanted = [*parameters, *tracked]
        found = autograd.grad(result, wanted, g, allow_unused=True)
        for a, b in zip(found, autograd.grad(expected, wanted, g, allow_unused=True), strict=True):
            assert (a is None) == (b is None) or not np.any(np.asarray(b if a is None else a))
            if a is not None and b is not None:
                assert (a.shape, a.dtype) == (b.shape, b.dtype)
                np.testing.assert_allclose(a.data, b.data, rtol=10 * rtol, atol=rtol)
    assert compiled.replays == 3
    del result, found
    assert is_native(compiled) == native
    return compiled


def data(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "bias", "reduction"), [(np.float32, True, "mean"), (np.float64, False, "sum")]
)
def test_a_classifier(dtype, bias, reduction):
    autograd.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(5, 16, bias, dtype=dtype), nn.ReLU(),
        nn.Linear(16, 8, bias, dtype=dtype), nn.Tanh(), nn.Linear(8, 3, bias, dtype=dtype),
    )  # fmt: skip
    x, y = data(20, 5, dtype=dtype), np.random.default_rng(1).integers(3, size=20)
    compare(
        lambda x, y: F.cross_entropy(model(x), y, reduction=reduction),
        list(model.parameters()), [x, y], rtol=1e-5 if dtype == np.float32 else 1e-12,
    )  # fmt: skip


def test_a_regression():
    autograd.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(3, 7), nn.Sigmoid(), nn.SiLU(), nn.Linear(7, 7), nn.Softplus(), nn.GELU("tanh"),
        nn.ELU(), nn.Linear(7, 2), nn.Mish(), nn.LeakyReLU(0.1), nn.Hardtanh(-0.5, 0.5),
    )  # fmt: skip
    x, y = data(11, 3), data(11, 2, seed=1)
    compare(lambda x, y: F.mse_loss(model(x), y), list(model.parameters()), [x, y])


W, V = (Tensor(data(4, 6, dtype=np.float64, seed=s), requires_grad=True) for s in (1, 2))
B = Tensor(data(6, dtype=np.float64, seed=3), requires_grad=True)
S = Tensor(0.7, dtype=np.float64, requires_grad=True)
MASK = data(4, 6, dtype=np.float64, seed=4) > 0

FUNCTIONS = {
    "broadcasting": lambda x: np.sum(x * W + B - S),
    "used twice": lambda x: np.sum(W * W * x + np.exp(W) * (x - W)),
    "sums over axes": lambda x: np.sum(np.sum(W * x, axis=0) * B) + np.sum(x, axis=(0, 1)),
    "means, axes kept": lambda x: np.sum((W - np.mean(W, axis=1, keepdims=True)) * x),
    "products": lambda x: np.sum((W @ V.reshape(6, 4) @ x) ** 2),
    "a result with axes": lambda x: np.tanh(W @ x.reshape(6, 4)) * 2.0,
    "a result that its rule reads": lambda x: np.tanh(W * x + B),
    "a constant from outside": lambda x: np.mean(MASK * W * x),
    "a result that is a sum of parameters": lambda x: W + V,
    "a result that is reshaped": lambda x: (W * x).reshape(3, 8),
    "one parameter in many places": lambda x: np.sum(np.tanh(W @ V.reshape(6, 4) + S) @ (W * x)),
    "layers of means": lambda x: np.mean(np.mean(np.mean(W * V * x, axis=0) * B) * S),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    x = Tensor(data(4, 6, dtype=np.float64), requires_grad=True)
    compare(FUNCTIONS[name], [W, V, B, S], [x], rtol=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(np.cumsum(W * x, axis=0)),
        lambda x: np.sum((W * x)[1:]),
        lambda x: np.sum(np.linalg.norm(W * x, axis=1)),
        lambda x: np.sum(np.einsum("ij,kj->ik", W, x)),
    ],
)
def test_what_has_no_compiled_form_is_replayed_step_by_step(function):
    compare(function, [W], [data(4, 6, dtype=np.float64)], native=False, rtol=1e-12)


def test_large_arrays_are_left_to_the_kernels_for_them():
    weight = Tensor(data(300, 200), requires_grad=True)
    compare(lambda x: np.mean((x @ weight) ** 2), [weight], [data(50, 300)], native=False)


def test_arguments_in_another_order_run_step_by_step():
    compiled = compare(lambda x: np.sum(W * x), [W], [data(4, 6, dtype=np.float64)], rtol=1e-12)
    x = data(6, 4, dtype=np.float64).T
    for given in (x, np.ascontiguousarray(x), x):
        (g,) = autograd.grad(compiled(given), W)
        np.testing.assert_array_equal(g.data, x)
    assert compiled.replays == 6


def test_results_wait_and_are_gone_back_through_again():
    compiled = compare(lambda x: np.sum(np.exp(W * x)), [W], [data(4, 6, dtype=np.float64)])
    xs = [data(4, 6, dtype=np.float64, seed=s) for s in range(3)]
    results = [compiled(x) for x in xs]
    for x, result in zip(xs[::-1], results[::-1], strict=True):
        expected = x * np.exp(W.data * x)
        for _ in range(2):
            (g,) = autograd.grad(result, W, retain_graph=True)
            np.testing.assert_allclose(g.data, expected, rtol=1e-12)


def test_a_target_that_is_no_class_is_the_functions_error():
    model = nn.Linear(4, 3)
    compiled = autograd.compile(lambda x, y: F.cross_entropy(model(x), y))
    x, y = data(6, 4), np.zeros(6, np.int64)
    for _ in range(4):
        compiled(x, y)
    y[2] = 3
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        compiled(x, y)
    y[2] = -100
    assert compiled(x, y).item() == F.cross_entropy(model(x), y).item()


def test_infinite_logits():
    w = Tensor(np.zeros(3), requires_grad=True)
    compiled = autograd.compile(lambda x, y: F.cross_entropy(x + w, y))
    for x in ([0.0, -np.inf, 0.0], [1000.0, 0.0, -1000.0], [np.nan, 0.0, 0.0], [np.inf, 0.0, 0.0]):
        given = np.array([x, [0.0, 1.0, 2.0]])
        for _ in range(4):
            with np.errstate(invalid="ignore"):
                (g,) = autograd.grad(compiled(given, np.array([0, 1])), w)
                (h,) = autograd.grad(F.cross_entropy(given + w, np.array([0, 1])), w)
            np.testing.assert_allclose(g.data, h.data, rtol=1e-12)


def test_small_losses_beside_large_logits():
    w = Tensor(np.zeros(2, np.float32), requires_grad=True)
    compiled = autograd.compile(lambda x, y: F.cross_entropy(x + w, y))
    x, y = np.array([[1000.0, 990.0], [-500.0, -512.0]], np.float32), np.array([0, 0])
    expected = np.log1p(np.exp([-10.0, -12.0])).mean()
    for _ in range(4):
        np.testing.assert_allclose(compiled(x, y).item(), expected, rtol=1e-2)
    assert is_native(compiled)


@pytest.mark.parametrize("writable", [True, False])
def test_compiled_code_is_kept_where_that_can_be(tmp_path, writable):
    home = tmp_path / "cache" if writable else "/dev/null"
    program = (
        "import numpy as np, autograd\n"
        "w = autograd.Tensor(np.ones(3), requires_grad=True)\n"
        "f = autograd.compile(lambda x: np.sum(w * x))\n"
        "for _ in range(30): f(np.ones(3)).backward()\n"
        "assert f.replays == 28\n"
        "(p,) = f._known.values()\n"
        "assert p._idle[0]._native is not None\n"
        "assert w.grad.data.tolist() == [30.0] * 3\n"
    )
    for _ in range(2):
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "XDG_CACHE_HOME": str(home)},
            check=True,
            timeout=120,
        )
    if writable:
        assert list((tmp_path / "cache" / "glassgrad").glob("*.py"))
