"""backward: numbers against closed forms, accumulation, whose memory .grad is, messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd import GraphError, Tensor, grad, no_grad, primitive
from autograd._backward import unbroadcast
from autograd._primitive import Primitive


def leaf(*values: float, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


# ----------------------------------------------------------------------------------------- numbers


def test_closed_forms() -> None:
    x = np.array([0.5, 1.5, 2.5])
    cases: list[tuple[Callable[[Any], Any], Any]] = [
        (lambda t: t**3, 3 * x**2),
        (lambda t: np.sin(t) * np.exp(t), np.exp(x) * (np.sin(x) + np.cos(x))),
        (lambda t: 1 / t, -1 / x**2),
        (lambda t: np.log(t * t + 1), 2 * x / (x**2 + 1)),
        (lambda t: t / t.sum(), np.zeros(3)),
        (lambda t: np.sqrt((t * t).sum()) * np.ones(1), x / np.sqrt((x * x).sum())),
        (lambda t: np.maximum(t, 1.0), [0.0, 1.0, 1.0]),
        (lambda t: t[::-1] * np.arange(3.0), [2.0, 1.0, 0.0]),
    ]
    for function, expected in cases:
        t = Tensor(x, requires_grad=True)
        function(t).sum().backward()
        np.testing.assert_allclose(t.grad.data, expected, rtol=1e-14, atol=1e-15)


def test_every_use_of_a_tensor_counts() -> None:
    x = leaf(3.0)
    y = x * x  # both inputs at once
    z = y + y * x + x  # x^2 + x^3 + x
    z.backward()
    assert x.grad.data.tolist() == [2 * 3 + 3 * 9 + 1]


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.booleans()), max_size=30),
    st.sampled_from([(), (3,)]),
)
def test_graphs_of_any_form(operations: list[tuple[int, int, bool]], shape: tuple[int]) -> None:
    values = [Tensor(np.full(shape, v), requires_grad=True) for v in (1.25, -0.5)]
    slopes = [np.array([1.0, 0.0]), np.array([0.0, 1.0])]  # along with them, forwards
    for first, second, times in operations:
        i, j = first % len(values), second % len(values)
        a, b = values[i], values[j]
        if times:
            slopes.append(slopes[i] * b.data.flat[0] + slopes[j] * a.data.flat[0])
            values.append(a * b)
        else:
            slopes.append((slopes[i] - slopes[j]) / 2)
            values.append((a - b) / 2)
    total = values[-1] + values[len(values) // 2]
    expected = slopes[-1] + slopes[len(values) // 2]
    total.sum().backward()
    for x, slope in zip(values[:2], expected, strict=True):
        found = np.zeros(shape) if x.grad is None else x.grad.data
        np.testing.assert_allclose(found, np.full(shape, slope), rtol=1e-9, atol=1e-9)


def test_a_diamond_runs_each_rule_once() -> None:
    calls = []

    @primitive()
    def counted(x: Any, /) -> Any:
        return 2 * x

    @counted.rule
    def _(g: Any) -> Any:
        calls.append(g.copy())
        return 2 * g

    x = leaf(1.0, 2.0)
    y = counted(x)
    (y * y + 3 * y).sum().backward()
    assert len(calls) == 1
    np.testing.assert_array_equal(calls[0], 2 * y.data + 3)
    np.testing.assert_array_equal(x.grad.data, 2 * (2 * y.data + 3))


def test_gradients_accumulate_over_calls() -> None:
    x = leaf(1.0, 2.0)
    for times in (1, 2, 3):
        (x * x).sum().backward()
        np.testing.assert_array_equal(x.grad.data, times * 2 * x.data)
    x.grad = None
    (x * 5).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [5.0, 5.0])


def test_a_graph_kept_is_walked_again() -> None:
    x = leaf(2.0)
    y = x**3
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.data.tolist() == [36.0]
    with pytest.raises(GraphError, match="freed"):
        y.backward()
    assert x.grad.data.tolist() == [36.0]  # a failed pass leaves no trace


def test_part_of_a_freed_graph_is_an_error() -> None:
    x = leaf(2.0)
    shared = x * x
    (shared * 2).backward()
    again = shared * 3
    with pytest.raises(GraphError, match=r"already freed.*multiply.*test_backward.py:\d+.*retain"):
        again.backward()


def test_a_given_gradient() -> None:
    for gradient in (
        [10.0, 20.0],
        np.array([10, 20]),
        np.array([10, 20], np.float32),
        Tensor([10.0, 20.0]),
        [Tensor(10.0), 20],
    ):
        x = leaf(1.0, 2.0)
        (x * x).backward(gradient)
        np.testing.assert_array_equal(x.grad.data, [20.0, 80.0])
        assert x.grad.dtype == np.float64


def test_backward_of_a_leaf() -> None:
    x = leaf(1.0, 2.0)
    x.backward([3.0, 4.0])
    x.backward([3.0, 4.0])
    assert x.grad.data.tolist() == [6.0, 8.0]


def test_zero_size() -> None:
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad.shape == (0, 3)


def test_leaves_that_need_no_gradient_get_none() -> None:
    x, c = leaf(1.0), Tensor([2.0])
    (x * c).backward()
    assert c.grad is None


def test_deterministic_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    start = rng.standard_normal((8, 8)).astype(np.float32)

    def gradient() -> bytes:
        w = Tensor(start, requires_grad=True)
        h = w
        parts = []
        for k in range(30):
            h = np.tanh(h @ w + 0.1 * k)
            parts.append((h * h).mean())
        np.sum(np.stack(parts)).backward()
        return w.grad.data.tobytes()

    assert len({gradient() for _ in range(5)}) == 1


@given(
    st.integers(0, 2**32 - 1),
    st.floats(-10, 10),
    st.floats(-10, 10),
)
def test_the_gradient_is_linear(seed: int, a: float, b: float) -> None:
    rng = np.random.default_rng(seed)
    x = Tensor(rng.uniform(-2, 2, (3, 2)), requires_grad=True)

    def f(t: Any) -> Any:
        return (np.sin(t) * t).sum()

    def h(t: Any) -> Any:
        return np.exp(-t * t).sum()

    (df,), (dh,), (dboth,) = (grad(v, x) for v in (f(x), h(x), a * f(x) + b * h(x)))
    np.testing.assert_allclose(dboth.data, a * df.data + b * dh.data, atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_the_chain_rule(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    x = Tensor(rng.standard_normal(n), requires_grad=True)
    W = rng.standard_normal((m, n))
    inner = np.tanh(W @ x)
    outer = (inner**2).sum()
    (whole,) = grad(outer, x, retain_graph=True)
    (g,) = grad(outer, inner, retain_graph=True)
    (by_hand,) = grad(inner, x, g)
    np.testing.assert_array_equal(whole.data, by_hand.data)


@given(
    hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4, min_side=0),
    st.integers(0, 2**32 - 1),
)
def test_unbroadcast_is_the_adjoint_of_broadcasting(shapes: Any, seed: int) -> None:
    shape, result = shapes.input_shapes[0], shapes.result_shape
    rng = np.random.default_rng(seed)
    x, g = rng.standard_normal(shape), rng.standard_normal(result)
    back = unbroadcast(g, shape)
    assert back.shape == shape
    np.testing.assert_allclose(
        np.sum(np.broadcast_to(x, result) * g), np.sum(x * back), rtol=1e-12, atol=1e-12
    )
    t = Tensor(x, requires_grad=True)  # and the engine does the same
    (t + np.zeros(result)).backward(g)
    np.testing.assert_allclose(t.grad.data, back, rtol=1e-12, atol=1e-13)


# -------------------------------------------------------------------------- whose memory .grad is


def test_the_gradients_dtype_is_the_leafs() -> None:
    half, single = leaf(1.0, dtype=np.float16), leaf(2.0, dtype=np.float32)
    double = leaf(3.0)
    (half * single * double).sum().backward()
    for x in (half, single, double):
        assert x.grad.dtype == x.dtype
        assert x.grad.shape == x.shape


@pytest.mark.parametrize("on_leaves", [True, False])
@pytest.mark.parametrize("shapes", [((2, 3), (3,)), ((3,), (2, 1)), ((2, 3), (2, 3)), ((), (2,))])
@pytest.mark.parametrize("dtypes", [("f4", "f4"), ("f4", "f8"), ("f2", "f4"), ("f8", "c16")])
def test_every_gradient_is_like_what_it_belongs_to(
    on_leaves: bool, shapes: Any, dtypes: Any
) -> None:
    """Also in the second pass, when the operations' rules are known."""
    x, y = (Tensor(np.full(s, 2.0, t), requires_grad=True) for s, t in zip(shapes, dtypes))
    for _ in range(2):
        x.grad = y.grad = None
        a, b = (x, y) if on_leaves else (np.positive(x), np.positive(y))
        if not on_leaves:
            a.retain_grad()
            b.retain_grad()
        total = np.sum(np.real(a * b + (a - b) - -a))
        total.backward()
        size = np.broadcast_shapes(*shapes)
        for one, slope in ((a, 4.0), (b, 1.0)):
            assert one.grad.dtype == one.dtype
            assert one.grad.shape == one.shape
            np.testing.assert_array_equal(
                one.grad.data, unbroadcast(np.full(size, slope, one.dtype), one.shape)
            )
        if not on_leaves:
            np.testing.assert_array_equal(x.grad.data, a.grad.data)


LEAF_PAIRS: list[tuple[str, Callable[[Tensor, Tensor], Tensor]]] = [
    ("add", lambda x, y: x + y),
    ("subtract and reshape", lambda x, y: x.reshape(2, 1).ravel() + y),
    ("concatenate", lambda x, y: np.concatenate([x, y])[:2] + np.concatenate([x, y])[2:]),
    ("stack", lambda x, y: np.stack([x, y]).sum(axis=0)),
    ("where", lambda x, y: np.where([True, True], x, y) + np.where([False, True], x, y)),
    ("through the same node", lambda x, y: (x + y) + 0.0),
    ("broadcast", lambda x, y: np.broadcast_to(x + y, (3, 2)).sum(axis=0)),
]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("combine", [c for _, c in LEAF_PAIRS], ids=[n for n, _ in LEAF_PAIRS])
def test_no_two_gradients_share_memory(
    combine: Callable[[Tensor, Tensor], Tensor], create_graph: bool
) -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    out = combine(x, y)
    out.retain_grad()
    gradient = np.array([1.0, 5.0])
    out.backward(gradient, create_graph=create_graph, retain_graph=True)
    arrays = [x.grad.data, y.grad.data, out.grad.data, gradient]
    for i, a in enumerate(arrays):
        assert a.flags.writeable
        for b in arrays[i + 1 :]:
            assert not np.shares_memory(a, b)
    before = [a.copy() for a in arrays[1:]]
    x.grad.data[...] = -7.0
    for a, b in zip(arrays[1:], before, strict=True):
        np.testing.assert_array_equal(a, b)
    # A second pass adds, and changes nothing but the gradients.
    out.backward(gradient, create_graph=create_graph)
    np.testing.assert_array_equal(gradient, [1.0, 5.0])
    np.testing.assert_array_equal(y.grad.data, 2 * before[0])
    np.testing.assert_array_equal(out.grad.data, 2 * gradient)


@pytest.mark.parametrize("how", ["whole", "a view of all", "a view of a part", "a view held too"])
def test_what_nobody_else_holds_is_handed_over(how: str) -> None:
    made: list[int] = []
    kept: list[np.ndarray] = []

    @primitive()
    def identity(x: np.ndarray, /) -> np.ndarray:
        return x.copy()

    @identity.rule
    def _(g: np.ndarray) -> np.ndarray:
        rows = np.ones(6 if how != "a view of a part" else 12)
        gradient = rows[:6].reshape(2, 3) if how != "whole" else np.ones((2, 3))
        if how == "a view held too":
            kept.append(rows)
        made.append(gradient.ctypes.data)
        return gradient

    x = leaf([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    identity(x).backward(np.ones((2, 3)))
    assert x.grad is not None
    assert (x.grad.data.ctypes.data == made[0]) == (how in ("whole", "a view of all"))
    x.grad.data[...] = 7.0
    assert all((array == 1).all() for array in kept)


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_read_only_gradient_is_no_trap(create_graph: bool) -> None:
    x = leaf(1.0, 2.0, 3.0)
    for _ in range(2):
        (x * 1).sum().backward(create_graph=create_graph)
        x.sum().backward(create_graph=create_graph)  # sums go back as read-only broadcasts
    assert x.grad.data.flags.writeable
    np.testing.assert_array_equal(x.grad.data, [4.0, 4.0, 4.0])
    gradient = np.broadcast_to(np.float64(2.0), (3,))
    x.grad = None
    x.backward(gradient, create_graph=create_graph)
    x.backward(gradient, create_graph=create_graph)
    np.testing.assert_array_equal(x.grad.data, [4.0, 4.0, 4.0])


def test_the_gradient_is_not_a_saved_array() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x * w).sum()
    y.backward(retain_graph=True)
    x.grad.data[...] = 0.0  # the gradient of x is w: but not w's array
    assert w.data.tolist() == [3.0, 4.0]
    y.backward()
    assert x.grad.data.tolist() == [3.0, 4.0]


def test_a_rule_may_return_what_it_saved_or_was_given() -> None:
    table = np.array([1.0, 2.0])

    @primitive()
    def odd(x: Any, /) -> Any:
        return x * table

    @odd.rule
    def _(g: Any) -> Any:
        return table  # not even linear, but an array that someone else owns

    x, y = leaf(1.0, 1.0), leaf(1.0, 1.0)
    (odd(x) + odd(y) + odd(x)).backward([1.0, 1.0])
    np.testing.assert_array_equal(x.grad.data, [2.0, 4.0])
    np.testing.assert_array_equal(table, [1.0, 2.0])
    x.grad.data += 1
    y.grad.data += 1
    np.testing.assert_array_equal(table, [1.0, 2.0])


def test_several_contributions_do_not_add_into_a_shared_array() -> None:
    x, y = leaf(1.0, 2.0), leaf(1.0, 2.0)
    s = x + y  # one gradient array for both
    t = x * 3 + y * 5
    (s + s * 2 + t).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [6.0, 6.0])
    np.testing.assert_array_equal(y.grad.data, [8.0, 8.0])


def test_zero_dimensional_gradients_can_be_written() -> None:
    x = Tensor(2.0, requires_grad=True)
    (x * x).backward()
    (x * x).backward()
    assert type(x.grad.data) is np.ndarray
    x.grad.data[...] = 1.0
    assert x.grad.item() == 1.0


# ------------------------------------------------------------------------------------ retain_grad


def test_retain_grad() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    z = y * 3
    assert not y.retains_grad
    y.retain_grad()
    y.retain_grad()  # twice is once
    assert y.retains_grad
    z.sum().backward(retain_graph=True)
    np.testing.assert_array_equal(y.grad.data, [3.0, 3.0])
    assert z.grad is None
    z.sum().backward()
    np.testing.assert_array_equal(y.grad.data, [6.0, 6.0])
    x.retain_grad()  # a leaf keeps its gradient anyway
    assert not x.retains_grad
    with pytest.raises(GraphError, match="does not require"):
        Tensor([1.0]).retain_grad()


def test_retained_gradient_with_create_graph_can_be_differentiated() -> None:
    x = leaf(2.0)
    y = x * x
    y.retain_grad()
    (y**3).sum().backward(create_graph=True)
    assert y.grad.data.tolist() == [3 * 16.0]
    (d,) = grad(y.grad, x)
    assert d.data.tolist() == [6 * 4.0 * 4.0]


# ---------------------------------------------------------------------------------------- messages


def test_a_non_scalar_needs_a_gradient() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(GraphError, match=r"shape \(2,\).*t\.sum\(\).*gradient="):
        (x * 2).backward()
    assert x.grad is None


def test_a_gradient_of_the_wrong_shape() -> None:
    x = leaf(1.0, 2.0)
    for gradient in ([1.0], [[1.0, 2.0]], 1.0):
        with pytest.raises(GraphError, match=r"gradient has shape .*the tensor has shape \(2,\)"):
            (x * 2).backward(gradient)


def test_a_gradient_of_the_wrong_dtype() -> None:
    x = leaf(1.0, 2.0)
    for gradient in ([1j, 2.0], np.array(["a", "b"])):
        with pytest.raises((GraphError, TypeError), match="dtype"):
            (x * 2).backward(gradient)


def test_no_graph() -> None:
    x = leaf(1.0)
    with no_grad():
        y = x * 2
    for out in (Tensor(1.0), y, (x * 2).detach()):
        with pytest.raises(GraphError, match="no graph.*no_grad.*requires_grad=True"):
            out.backward()


def test_a_rule_that_returns_the_wrong_thing() -> None:
    def declare(answer: Any) -> Any:
        @primitive()
        def broken(x: Any, /) -> Any:
            return x * 2

        @broken.rule
        def _(g: Any) -> Any:
            return answer

        return broken

    for answer, message in (
        (np.ones(3), r"rule of broken returned a gradient of shape \(3,\).*shape \(2,\).*py:\d+"),
        (np.ones(()), r"rule of broken returned a gradient of shape \(\)"),
        (1.0, "rule of broken returned a float"),
        (None, "rule of broken returned None"),
    ):
        x = leaf(1.0, 2.0)
        with pytest.raises(GraphError, match=message):
            declare(answer)(x).sum().backward()
        assert x.grad is None


def test_a_rule_declared_anew_is_looked_at_anew() -> None:
    negated = Primitive(np.positive, name="positive", inputs=("x",))
    x = leaf(1.0, 2.0)
    negated.rule(lambda g: -g)
    for _ in range(2):
        x.grad = None
        negated(x).sum().backward()
        assert x.grad.data.tolist() == [-1.0, -1.0]
    negated.rule(lambda g: g[:1])
    with pytest.raises(GraphError, match=r"rule of positive returned a gradient of shape \(1,\)"):
        negated(x).sum().backward()


def test_a_joint_rule_that_returns_too_few_gradients() -> None:
    @primitive()
    def broken(a: Any, b: Any, /) -> Any:
        return a + b

    @broken.rule
    def _(g: Any) -> Any:
        return (g,)

    with pytest.raises(GraphError, match="rule of broken must return .* 2 inputs"):
        broken(leaf(1.0), leaf(1.0)).backward()


def test_complex_gradients_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    values = np.array([1 + 2j, 0.5 - 1j])
    z = Tensor(values, requires_grad=True)
    t = torch.tensor(values, requires_grad=True)
    np.abs(z * z + 1j * z).sum().backward()
    (t * t + 1j * t).abs().sum().backward()
    np.testing.assert_allclose(z.grad.data, t.grad.numpy())
    z.grad = t.grad = None
    (z * z).backward([1 + 1j, 2 - 1j])
    (t * t).backward(torch.tensor([1 + 1j, 2 - 1j], dtype=torch.complex128))
    np.testing.assert_allclose(z.grad.data, t.grad.numpy())
