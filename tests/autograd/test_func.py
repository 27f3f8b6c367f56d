"""autograd.func: every transform against closed forms and torch.func, nested and composed."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
from autograd import GraphError, Primitive, Tensor, primitive
from autograd.func import (
    grad,
    hessian,
    hvp,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    per_example_grad,
    value_and_grad,
    vjp,
)

X = np.array([0.5, 1.5, 2.5])
A = np.arange(6.0).reshape(2, 3) / 3 - 0.5


def f(x: Any) -> Any:
    """From three numbers to two, not linear."""
    return np.sin(A @ x) * x[0] + (x * x)[1:]


def df(x: Any) -> Any:
    jacobian = np.cos(A @ x)[:, None] * A * x[0]
    jacobian[:, 0] += np.sin(A @ x)
    jacobian[0, 1] += 2 * x[1]
    jacobian[1, 2] += 2 * x[2]
    return jacobian


def s(x: Any) -> Any:
    """From three numbers to one."""
    return np.sum(x**3) + x[0] * x[1] * x[2]


def ds(x: Any) -> Any:
    return 3 * x**2 + np.array([x[1] * x[2], x[0] * x[2], x[0] * x[1]])


def dds(x: Any) -> Any:
    a, b, c = x
    return np.array([[6 * a, c, b], [c, 6 * b, a], [b, a, 6 * c]])


# ------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("make", [lambda x: x, Tensor, lambda x: Tensor(x, requires_grad=True)])
def test_each_transform(make: Callable[[Any], Any]) -> None:
    x = make(X)
    v, u = np.array([1.0, -2.0, 0.5]), np.array([3.0, -1.0])
    np.testing.assert_allclose(grad(s)(x).data, ds(X))
    value, gradient = value_and_grad(s)(x)
    np.testing.assert_allclose(value.data, s(X))
    np.testing.assert_allclose(gradient.data, ds(X))
    np.testing.assert_allclose(jacrev(f)(x).data, df(X))
    np.testing.assert_allclose(jacfwd(f)(x).data, df(X))
    np.testing.assert_allclose(hessian(s)(x).data, dds(X))
    out, push = jvp(f, (x,), (v,))
    np.testing.assert_allclose(out.data, f(X))
    np.testing.assert_allclose(push.data, df(X) @ v)
    out, pull = vjp(f, x)
    np.testing.assert_allclose(out.data, f(X))
    for _ in range(2):  # as often as wanted
        np.testing.assert_allclose(pull(u)[0].data, u @ df(X))
    out, forward = linearize(f, x)
    for k in range(3):
        np.testing.assert_allclose(forward(np.eye(3)[k]).data, df(X)[:, k])
    value, (product,) = hvp(s, (x,), (v,))
    np.testing.assert_allclose(value.data, s(X))
    np.testing.assert_allclose(product.data, dds(X) @ v)


def test_results_for_arrays_carry_no_graph() -> None:
    results = [grad(s)(X), *value_and_grad(s)(X), jacrev(f)(X), jacfwd(f)(X), hessian(s)(X)]
    results += [*jvp(f, (X,), (X,)), vjp(f, X)[0], *vjp(f, X)[1](np.ones(2)), hvp(s, (X,), (X,))[0]]
    assert not any(r.requires_grad for r in results)


@given(st.integers(0, 2**32 - 1))
def test_the_transforms_agree_with_each_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    W, x, v = rng.standard_normal((3, 3)), rng.standard_normal(3), rng.standard_normal(3)

    def g(t: Any) -> Any:
        return np.tanh(W @ t) * np.exp(-t * t)

    def h(t: Any) -> Any:
        return np.sum(g(t) ** 2)

    J, H = jacrev(g)(x).data, hessian(h)(x).data
    np.testing.assert_allclose(jacfwd(g)(x).data, J, atol=1e-12)
    np.testing.assert_allclose(jvp(g, (x,), (v,))[1].data, J @ v, atol=1e-12)
    np.testing.assert_allclose(vjp(g, x)[1](v)[0].data, v @ J, atol=1e-12)
    np.testing.assert_allclose(H, H.T, atol=1e-12)
    np.testing.assert_allclose(hvp(h, (x,), (v,))[1][0].data, H @ v, atol=1e-12)
    np.testing.assert_allclose(jacfwd(grad(h))(x).data, H, atol=1e-12)
    np.testing.assert_allclose(jacrev(jacfwd(h))(x).data, H, atol=1e-12)
    np.testing.assert_allclose(jvp(grad(h), (x,), (v,))[1].data, H @ v, atol=1e-12)
    np.testing.assert_allclose(grad(lambda t: jvp(h, (t,), (v,))[1])(x).data, H @ v, atol=1e-12)


def test_third_order_in_every_composition() -> None:
    def quartic(t: Any) -> Any:
        return t**4 * np.exp(0.5 * t)

    x = 1.25
    third = np.exp(x / 2) * (24 * x + 36 * x**2 / 2 + 12 * x**3 / 4 + x**4 / 8)
    steps = [grad, jacrev, jacfwd, lambda g: lambda t: jvp(g, (t,), (1.0,))[1]]
    for a in steps:
        for b in steps:
            for c in steps:
                np.testing.assert_allclose(a(b(c(quartic)))(x).item(), third, rtol=1e-10)


def test_third_derivatives_are_a_symmetric_tensor() -> None:
    T = jacfwd(hessian(s))(X).data
    assert T.shape == (3, 3, 3)
    expected = np.zeros((3, 3, 3))
    for i in range(3):
        expected[i, i, i] = 6
    for i, j, k in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        expected[i, j, k] = 1
    np.testing.assert_allclose(T, expected, atol=1e-12)


def test_shapes_of_jacobians() -> None:
    def g(x: Any) -> Any:
        return np.reshape(x @ np.ones((3, 4)), (4, 2, 1)) * 2

    x = np.ones((2, 3))
    for jacobian in (jacrev(g)(x), jacfwd(g)(x)):
        assert jacobian.shape == (4, 2, 1, 2, 3)
    assert jacrev(np.sum)(x).shape == (2, 3)
    assert jacrev(lambda t: t * np.ones(2))(1.0).shape == (2,)
    assert hessian(lambda t: np.sum(t * t))(x).shape == (2, 3, 2, 3)
    assert jacrev(lambda t: t[:0])(x).shape == (0, 3, 2, 3)


def test_dtypes() -> None:
    x = X.astype(np.float32)
    assert grad(lambda t: np.sum(t**2))(x).dtype == np.float32
    assert jacrev(lambda t: t**2)(x).dtype == np.float32
    assert jacfwd(lambda t: t**2)(x).dtype == np.float32
    assert jvp(np.sin, (x,), (np.ones(3),))[1].dtype == np.float32


# ------------------------------------------------------------------------------------ nested values

Point = namedtuple("Point", "x y")


def test_nested_arguments() -> None:
    parameters = {"w": [np.array([1.0, 2.0]), 3.0], "p": Point(x=2.0, y=(np.ones(2),)), "n": None}

    def loss(p: Any, scale: float) -> Any:
        return scale * np.sum(p["w"][0] ** 2 * p["p"].y[0]) * p["w"][1] + p["p"].x ** 3

    g = grad(loss)(parameters, 2.0)
    assert type(g) is dict
    assert list(g) == ["w", "p", "n"]
    assert type(g["w"]) is list
    assert type(g["p"]) is Point
    assert type(g["p"].y) is tuple
    assert g["n"] is None
    np.testing.assert_allclose(g["w"][0].data, [12.0, 24.0])
    np.testing.assert_allclose(g["w"][1].data, 10.0)
    np.testing.assert_allclose(g["p"].x.data, 12.0)
    np.testing.assert_allclose(g["p"].y[0].data, [6.0, 24.0])
    assert type(grad(lambda p: p["a"])(OrderedDict(a=1.0))) is OrderedDict


def test_nested_results() -> None:
    def g(x: Any) -> Any:
        return {"square": x * x, "pair": (np.sum(x), [x[0]])}

    for jacobian in (jacrev(g)(X), jacfwd(g)(X)):
        np.testing.assert_allclose(jacobian["square"].data, np.diag(2 * X))
        np.testing.assert_allclose(jacobian["pair"][0].data, np.ones(3))
        np.testing.assert_allclose(jacobian["pair"][1][0].data, [1.0, 0.0, 0.0])
    out, push = jvp(g, (X,), (np.ones(3),))
    assert list(push) == list(out) == ["square", "pair"]
    np.testing.assert_allclose(push["pair"][0].data, 3.0)
    out, pull = vjp(g, X)
    cotangent = {"square": np.ones(3), "pair": (10.0, [100.0])}
    np.testing.assert_allclose(pull(cotangent)[0].data, 2 * X + 10 + [100, 0, 0])


def test_argnums() -> None:
    def g(a: Any, b: Any, c: Any = 1.0) -> Any:
        return np.sum(a * b**2) * c

    np.testing.assert_allclose(grad(g, argnums=1)(X, X).data, 2 * X * X)
    np.testing.assert_allclose(grad(g, argnums=-1)(X, X).data, 2 * X * X)
    both = grad(g, argnums=(1, 0))(X, X, c=2.0)
    assert type(both) is tuple
    np.testing.assert_allclose(both[0].data, 4 * X * X)
    np.testing.assert_allclose(both[1].data, 2 * X * X)
    (only,) = grad(g, argnums=(0,))(X, X)
    np.testing.assert_allclose(only.data, X * X)
    blocks = hessian(g, argnums=(0, 1))(X, X)
    np.testing.assert_allclose(blocks[0][0].data, np.zeros((3, 3)))
    np.testing.assert_allclose(blocks[0][1].data, np.diag(2 * X))
    np.testing.assert_allclose(blocks[1][0].data, np.diag(2 * X))
    np.testing.assert_allclose(blocks[1][1].data, np.diag(2 * X))
    jacobians = jacfwd(lambda a, b: a * b, argnums=(0, 1))(X, 2 * X)
    np.testing.assert_allclose(jacobians[0].data, np.diag(2 * X))
    np.testing.assert_allclose(jacobians[1].data, np.diag(X))
    for argnums in (2, -3, (0, 5)):
        with pytest.raises(ValueError, match="argnums .* with 2 arguments"):
            grad(g, argnums)(X, X)


def test_has_aux() -> None:
    def g(x: Any) -> Any:
        return np.sum(x * x), {"seen": "aux", "half": x / 2}

    gradient, aux = grad(g, has_aux=True)(X)
    np.testing.assert_allclose(gradient.data, 2 * X)
    assert aux["seen"] == "aux"
    np.testing.assert_allclose(aux["half"].data, X / 2)
    (value, aux), gradient = value_and_grad(g, has_aux=True)(X)
    np.testing.assert_allclose(value.data, np.sum(X * X))
    np.testing.assert_allclose(gradient.data, 2 * X)


# ---------------------------------------------------------------- what surrounds the differentiated


def test_closing_over_a_tensor_that_requires_a_gradient() -> None:
    w = Tensor([2.0, 3.0, 5.0], requires_grad=True)

    def g(x: Any) -> Any:
        return np.sum(w * x * x)

    gradient = grad(g)(X)  # 2 w x
    np.testing.assert_allclose(gradient.data, 2 * w.data * X)
    (back,) = autograd.grad(gradient.sum(), w)
    np.testing.assert_allclose(back.data, 2 * X)
    assert w.grad is None
    value, _ = value_and_grad(g)(X)
    value.backward()
    np.testing.assert_allclose(w.grad.data, X * X)
    _, push = jvp(g, (X,), (np.ones(3),))
    np.testing.assert_allclose(autograd.grad(push, w)[0].data, 2 * X)
    rows = jacrev(lambda x: w * x * x)(X)
    np.testing.assert_allclose(autograd.grad(rows.sum(), w)[0].data, 2 * X)


def test_an_argument_that_is_also_closed_over() -> None:
    x = Tensor(X, requires_grad=True)
    inner = grad(lambda t: np.sum(t * x))  # only t counts inside …
    np.testing.assert_allclose(inner(x).data, X)
    (outer,) = autograd.grad(inner(x).sum(), x)  # … and x outside
    np.testing.assert_allclose(outer.data, np.ones(3))


def test_inner_and_outer_derivatives_are_not_confused() -> None:
    # d/dx [x * d/dy (x + y)] = 1: the example on which naive implementations fail.
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0).item() == 1.0
    assert grad(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1])(1.0).item() == 1.0
    assert jvp(lambda x: x * grad(lambda y: x * y)(2.0), (3.0,), (1.0,))[1].item() == 6.0


def test_results_flow_back_to_tensors_that_require_a_gradient() -> None:
    x = Tensor(X, requires_grad=True)
    gradient = grad(s)(x)
    assert gradient.requires_grad
    gradient.sum().backward()
    np.testing.assert_allclose(x.grad.data, dds(X).sum(axis=0))


def test_functions_that_write_into_their_argument() -> None:
    def g(x: Any) -> Any:
        x[1:] *= x[:-1]
        x[0] = x[2] ** 2
        return x * 1

    def pure(x: Any) -> Any:
        b, c = x[1] * x[0], x[2] * x[1]
        return np.stack([c**2, b, c])

    array = X.copy()
    tracked = Tensor(X, requires_grad=True)
    for argument in (array, Tensor(array), tracked):
        for transform in (jacrev, jacfwd):
            np.testing.assert_allclose(transform(g)(argument).data, transform(pure)(X).data)
        np.testing.assert_allclose(
            hessian(lambda t: np.sum(g(t) ** 2))(argument).data,
            hessian(lambda t: np.sum(pure(t) ** 2))(X).data,
        )
    np.testing.assert_array_equal(array, X)
    np.testing.assert_array_equal(tracked.data, X)


def test_arguments_are_not_touched() -> None:
    x = Tensor(X)
    grad(s)(x)
    assert not x.requires_grad
    assert x.is_leaf
    y = Tensor(X, requires_grad=True)
    grad(s)(y)
    assert y.grad is None


def test_what_does_not_depend_has_zero_derivatives() -> None:
    np.testing.assert_array_equal(grad(lambda x: 3.0)(X).data, np.zeros(3))
    np.testing.assert_array_equal(grad(lambda x: np.floor(x).sum())(X).data, np.zeros(3))
    np.testing.assert_array_equal(jacrev(lambda x: np.ones(2))(X).data, np.zeros((2, 3)))
    np.testing.assert_array_equal(jacfwd(lambda x: np.ones(2))(X).data, np.zeros((2, 3)))
    np.testing.assert_array_equal(hessian(lambda x: x.sum())(X).data, np.zeros((3, 3)))
    np.testing.assert_array_equal(hvp(np.sum, (X,), (X,))[1][0].data, np.zeros(3))


def test_the_function_itself_as_the_argument_returned() -> None:
    np.testing.assert_array_equal(jacrev(lambda x: x)(X).data, np.eye(3))
    np.testing.assert_array_equal(jacfwd(lambda x: x)(X).data, np.eye(3))
    np.testing.assert_array_equal(jacrev(lambda x: (x, x))(X)[1].data, np.eye(3))
    assert grad(lambda x: x)(2.0).item() == 1.0


def test_hooks_inside_a_batched_jacobian() -> None:
    def g(x: Any) -> Any:
        y = x * 2
        y.register_hook(lambda gradient: gradient * 10)
        return y * y

    np.testing.assert_allclose(jacrev(g)(X).data, np.diag(80 * X))


# ----------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize("transform", [grad, jacrev, jacfwd, hessian])
def test_whole_numbers_are_refused(transform: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"int64.*astype\(float\).*argnums"):
        transform(np.sum)(np.arange(3))
    with pytest.raises(TypeError, match="bool"):
        transform(lambda x: x * 1.0)(True)
    assert transform(lambda x: x * x)(3).shape == ()  # a Python number is a number


def test_what_is_no_scalar_is_refused() -> None:
    for call in (lambda: grad(np.sin)(X), lambda: hvp(np.sin, (X,), (X,))):
        with pytest.raises(GraphError, match=r"one real number.*\(3,\).*jacrev"):
            call()


def test_tangents_and_cotangents_that_do_not_fit() -> None:
    with pytest.raises(GraphError, match=r"tangent of shape \(2,\) for an input of shape \(3,\)"):
        jvp(f, (X,), (np.ones(2),))
    with pytest.raises(GraphError, match="2 tangents for 1 inputs"):
        jvp(f, (X,), (X, X))
    with pytest.raises(TypeError, match="as tuples"):
        jvp(f, X, X)
    _, pull = vjp(f, X)
    with pytest.raises(
        GraphError, match=r"cotangent of shape \(3,\) for an output of shape \(2,\)"
    ):
        pull(X)
    with pytest.raises(GraphError, match="2 cotangents for 1 outputs"):
        pull((np.ones(2), np.ones(2)))


# ------------------------------------------------------------------------------ how often rules run


def counting(batched: bool) -> tuple[Primitive, dict[str, int]]:
    calls = {"forward": 0, "rule": 0}

    def counted(x: Any, /) -> Any:
        calls["forward"] += 1
        return np.sin(x)

    made = primitive(batched=batched)(counted)

    @made.rule
    def _(g: Any, x: Any) -> Any:
        calls["rule"] += 1
        return g * np.cos(x)

    return made, calls


def test_a_jacobian_is_one_pass_where_rules_are_batched() -> None:
    x = np.linspace(0, 1, 20)
    for transform in (jacrev, jacfwd):
        counted, calls = counting(batched=True)
        jacobian = transform(lambda t: counted(t) * 2)(x)  # noqa: B023
        np.testing.assert_allclose(jacobian.data, np.diag(2 * np.cos(x)))
        assert calls == {"forward": 1, "rule": 1}
        counted, calls = counting(batched=False)
        jacobian = transform(lambda t: counted(t) * 2)(x)  # noqa: B023
        np.testing.assert_allclose(jacobian.data, np.diag(2 * np.cos(x)))
        assert calls["forward"] == 1


def test_linearize_evaluates_once() -> None:
    counted, calls = counting(batched=False)
    _, forward = linearize(counted, X)
    for k in range(5):
        np.testing.assert_allclose(forward(np.full(3, k)).data, k * np.cos(X))
    assert calls == {"forward": 1, "rule": 1}
    _, pull = vjp(counted, X)
    pull(X)
    assert calls == {"forward": 2, "rule": 2}


# ---------------------------------------------------------------------------- examples of their own


def test_per_example_gradients() -> None:
    rng = np.random.default_rng(0)
    parameters = {"w": rng.standard_normal((2, 3)), "b": rng.standard_normal(2)}
    batch, targets = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))

    def loss(p: Any, x: Any, y: Any) -> Any:
        return np.sum((np.tanh(p["w"] @ x + p["b"]) - y) ** 2)

    each = per_example_grad(loss)(parameters, batch, targets)
    assert each["w"].shape == (5, 2, 3)
    for k in range(5):
        one = grad(loss)(parameters, batch[k], targets[k])
        np.testing.assert_allclose(each["w"].data[k], one["w"].data)
        np.testing.assert_allclose(each["b"].data[k], one["b"].data)
    with pytest.raises(ValueError, match="common length"):
        per_example_grad(loss)(parameters, batch, targets[:4])
    with pytest.raises(ValueError, match="at least one example"):
        per_example_grad(loss)(parameters, batch[:0], targets[:0])


def test_against_torch_func() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    W, x, v = rng.standard_normal((3, 3)), rng.standard_normal(3), rng.standard_normal(3)

    def ours(w: Any, t: Any) -> Any:
        return np.tanh(w @ t) * np.exp(t)

    def theirs(w: Any, t: Any) -> Any:
        return torch.tanh(w @ t) * torch.exp(t)

    def total(g: Any) -> Any:
        return lambda w, t: (g(w, t) ** 3).sum()

    TW, tx, tv = (torch.tensor(a) for a in (W, x, v))
    F = torch.func
    pairs = [
        (grad(total(ours))(W, x), F.grad(total(theirs))(TW, tx)),
        (jacrev(ours, 0)(W, x), F.jacrev(theirs, 0)(TW, tx)),
        (jacfwd(ours, 0)(W, x), F.jacrev(theirs, 0)(TW, tx)),  # its own jacfwd compiles for seconds
        (hessian(total(ours), 1)(W, x), F.jacrev(F.jacrev(total(theirs), 1), 1)(TW, tx)),
        (vjp(ours, W, x)[1](v)[0], F.vjp(theirs, TW, tx)[1](tv)[0]),
    ]
    for got, expected in pairs:
        assert got.shape == tuple(expected.shape)
        np.testing.assert_allclose(got.data, expected.numpy(), rtol=1e-9, atol=1e-10)
