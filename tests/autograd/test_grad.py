"""autograd.grad: which paths are walked, in which order, to any order, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import GraphError, Primitive, Tensor, enable_grad, grad, no_grad, primitive


def leaf(*values: float, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def counting() -> tuple[Primitive, list[int]]:
    """A primitive that doubles, and a list that grows with each call of its rule."""
    calls: list[int] = []

    @primitive()
    def doubled(x: Any, /) -> Any:
        return 2 * x

    @doubled.rule
    def _(g: Any) -> Any:
        calls.append(1)
        return 2 * g

    return doubled, calls


def test_leaves_and_intermediates() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    z = (y * 3).sum()
    dx, dy, dz = grad(z, [x, y, z])
    np.testing.assert_array_equal(dx.data, [6.0, 12.0])
    np.testing.assert_array_equal(dy.data, [3.0, 3.0])
    assert dz.data == 1.0
    assert x.grad is None
    assert y.grad is None


def test_an_intermediate_counts_all_its_uses_and_its_own_gradient() -> None:
    x = leaf(2.0)
    y = x * x
    z = y * y + y
    dy, dx = grad([z, y], [y, x], [[1.0], [100.0]])
    assert dy.data.tolist() == [2 * 4 + 1 + 100.0]
    assert dx.data.tolist() == [4 * (2 * 4 + 1 + 100.0)]


def test_the_same_tensor_twice() -> None:
    x = leaf(3.0)
    a, b = grad(x * x, [x, x])
    assert a.data.tolist() == b.data.tolist() == [6.0]
    assert not np.shares_memory(a.data, b.data)


@pytest.mark.parametrize("create_graph", [True, False])
def test_an_output_that_is_an_input(create_graph: bool) -> None:
    gradient = np.array([5.0, 6.0])
    for x in (leaf(1.0, 2.0), leaf(1.0, 2.0) * 1):
        (g,) = grad(x, x, gradient, create_graph=create_graph)
        np.testing.assert_array_equal(g.data, gradient)
        (g,) = grad([x, x * 2], x, [gradient, gradient], create_graph=create_graph)
        np.testing.assert_array_equal(g.data, 3 * gradient)
    if not create_graph:
        g.data[...] = 0
        np.testing.assert_array_equal(gradient, [5.0, 6.0])


def test_the_same_output_twice() -> None:
    x = leaf(3.0)
    y = x * x
    (g,) = grad([y, y], x, [[1.0], [10.0]])
    assert g.data.tolist() == [66.0]


def test_several_outputs_with_none_entries() -> None:
    x = leaf(1.0, 2.0)
    total, squares = x.sum(), x * x
    (g,) = grad([total, squares], x, [None, [1.0, 10.0]], retain_graph=True)
    np.testing.assert_array_equal(g.data, [3.0, 41.0])
    (g,) = grad((total, x.sum() * 2), x)
    np.testing.assert_array_equal(g.data, [3.0, 3.0])
    with pytest.raises(GraphError, match="tensor of one element"):
        grad([total, x * x], x, [None, None])


def test_grad_outputs_as_lists_arrays_and_numbers() -> None:
    x = leaf(1.0, 2.0)
    for gradient in ([1.0, 2.0], (1, 2), np.array([1, 2]), Tensor([1.0, 2.0])):
        outputs = [gradient] if isinstance(gradient, list | tuple) else gradient
        (g,) = grad(x * 3, x, outputs)
        np.testing.assert_array_equal(g.data, [3.0, 6.0])


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ([[1.0, 2.0, 3.0]], r"gradient has shape \(3,\), the tensor has shape \(2,\)"),
        ([[1.0, 2.0], [1.0, 2.0]], "1 outputs need as many grad_outputs, got 2"),
        ([[1j, 2j]], "dtype complex128"),
    ],
)
def test_grad_outputs_that_do_not_fit(outputs: Any, message: str) -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(GraphError, match=message):
        grad([x * 3], x, outputs)


def test_unused_inputs() -> None:
    x, other = leaf(1.0), leaf(2.0, 3.0)
    y = x * 2
    with pytest.raises(GraphError, match=r"input 1 \(shape \(2,\)\).*allow_unused=True"):
        grad(y, [x, other], retain_graph=True)
    other.name = "bias"
    with pytest.raises(GraphError, match="input 1 \\('bias'\\)"):
        grad(y, [x, other], retain_graph=True)
    a, b = grad(y, [x, other], allow_unused=True)
    assert a is not None
    assert b is None
    assert a.data.tolist() == [2.0]


def test_inputs_that_cannot_be_differentiated() -> None:
    x = leaf(1.0)
    with pytest.raises(GraphError, match="input 0 .* does not require a gradient"):
        grad(x * 2, Tensor([1.0]))
    with pytest.raises(TypeError, match="input 1 of grad is a ndarray"):
        grad(x * 2, [x, np.ones(1)])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="only a Tensor can be differentiated, got float"):
        grad([1.0], x)  # type: ignore[list-item]
    with pytest.raises(GraphError, match="no graph"):
        grad(Tensor([1.0]), x)


def test_only_needed_paths_are_walked() -> None:
    doubled, calls = counting()
    x, y = leaf(1.0), leaf(2.0)
    left, right = doubled(x), doubled(doubled(doubled(y)))
    out = left * right
    grad(out, x, retain_graph=True)
    assert len(calls) == 1
    grad(out, left, retain_graph=True)
    assert len(calls) == 1
    grad(out, y, retain_graph=True)
    assert len(calls) == 4


def test_only_the_needed_side_of_a_rule_runs() -> None:
    sides: list[str] = []

    @primitive()
    def times(a: Any, b: Any, /) -> Any:
        return a * b

    @times.rule("a")
    def _(g: Any, b: Any) -> Any:
        sides.append("a")
        return g * b

    @times.rule("b")
    def _(g: Any, a: Any) -> Any:
        sides.append("b")
        return g * a

    x, y = leaf(1.0), leaf(2.0)
    out = times(x, y)
    grad(out, y, retain_graph=True)
    assert sides == ["b"]
    sides.clear()
    times(x, 3.0).backward()
    assert sides == ["a"]


def test_paths_not_walked_are_not_freed() -> None:
    x, y = leaf(1.0), leaf(2.0)
    a, b = np.exp(x), np.exp(y)
    grad(a * b, x)
    (g,) = grad(b, y)  # b's own node was not needed before
    np.testing.assert_array_equal(g.data, np.exp(y.data))
    with pytest.raises(GraphError, match="freed"):
        grad(a, x)


def test_hooks_are_honoured() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    x.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: g + 1)
    dx, dy = grad(y.sum(), [x, y])
    np.testing.assert_array_equal(dy.data, [2.0, 2.0])
    np.testing.assert_array_equal(dx.data, [40.0, 80.0])


def test_nothing_is_accumulated() -> None:
    x, w = leaf(1.0), leaf(2.0)
    x.grad = Tensor([5.0])
    grad((x * w).sum(), x)
    assert x.grad.data.tolist() == [5.0]
    assert w.grad is None


def test_results_are_private() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    gradient = np.array([1.0, 1.0])
    out = x + y
    a, b, c = grad(out, [x, y, out], gradient)
    assert not np.shares_memory(a.data, b.data)
    assert not any(np.shares_memory(t.data, gradient) for t in (a, b, c))
    assert all(t.data.flags.writeable for t in (a, b, c))
    assert not a.requires_grad


# ------------------------------------------------------------------------------------ higher orders


@pytest.mark.parametrize(
    ("function", "derivatives"),
    [
        (np.sin, [np.cos, lambda v: -np.sin(v), lambda v: -np.cos(v)]),
        (np.exp, [np.exp] * 3),
        (np.log, [lambda v: 1 / v, lambda v: -1 / v**2, lambda v: 2 / v**3]),
        (lambda t: t**5, [lambda v: 5 * v**4, lambda v: 20 * v**3, lambda v: 60 * v**2]),
        (lambda t: t * t * t, [lambda v: 3 * v**2, lambda v: 6 * v, lambda v: 6 + 0 * v]),
        (
            lambda t: 1 / (1 + t),
            [lambda v: -1 / (1 + v) ** 2, lambda v: 2 / (1 + v) ** 3, lambda v: -6 / (1 + v) ** 4],
        ),
    ],
)
def test_to_third_order(function: Callable[[Any], Any], derivatives: list[Any]) -> None:
    x = leaf(0.5, 1.25, 2.0)
    y = function(x)
    for k, expected in enumerate(derivatives):
        (y,) = grad(y.sum(), x, create_graph=k < len(derivatives) - 1)
        np.testing.assert_allclose(y.data, expected(x.data), rtol=1e-12)
    assert not y.requires_grad


def test_mixed_derivatives_commute() -> None:
    x, y = leaf(0.3, 0.7), leaf(1.1, 0.2)
    f = (np.sin(x * y) * np.exp(x)).sum()
    dx, dy = grad(f, [x, y], create_graph=True)
    (dxy,) = grad(dx.sum(), y, retain_graph=True)
    (dyx,) = grad(dy.sum(), x)
    np.testing.assert_allclose(dxy.data, dyx.data, rtol=1e-13)


def test_backward_of_a_gradient_reaches_leaves() -> None:
    x, w = leaf(2.0), leaf(3.0)
    (g,) = grad(w * x**3, x, create_graph=True)
    assert x.grad is None
    (g * g).backward()  # (3 w x^2)^2
    np.testing.assert_allclose(x.grad.data, 36 * 9 * 8.0)
    np.testing.assert_allclose(w.grad.data, 18 * 3 * 16.0)


def test_gradients_accumulate_with_their_graphs() -> None:
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    (x**2).backward(create_graph=True)
    total = x.grad
    assert total.data.tolist() == [16.0]
    (second,) = grad(total, x)
    assert second.data.tolist() == [6 * 2 + 2.0]


def test_create_graph_keeps_the_graph_unless_told_otherwise() -> None:
    x = leaf(2.0)
    y = x**3
    grad(y, x, create_graph=True)
    grad(y, x, create_graph=True, retain_graph=False)
    with pytest.raises(GraphError, match="freed"):
        grad(y, x)


def test_create_graph_records_even_under_no_grad() -> None:
    x = leaf(2.0)
    y = x**3
    with no_grad():
        (g,) = grad(y, x, create_graph=True)
        y.backward(create_graph=True)
    for first in (g, x.grad):
        (second,) = grad(first, x, retain_graph=True)
        assert second.data.tolist() == [12.0]


def test_gradient_with_respect_to_grad_outputs() -> None:
    x, v = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (g,) = grad(np.sin(x), x, v, create_graph=True)
    (dv,) = grad(g.sum(), v)
    np.testing.assert_allclose(dv.data, np.cos(x.data))


def test_a_leaf_given_new_data_is_still_differentiated_at_its_old_value() -> None:
    x = leaf(2.0)
    y = x**3
    x.data = np.array([100.0])
    (g,) = grad(y, x, create_graph=True)
    assert g.data.tolist() == [12.0]
    (h,) = grad(g, x)
    assert h.data.tolist() == [12.0]


def test_float32_to_second_order() -> None:
    x = leaf(1.0, 2.0, dtype=np.float32)
    (g,) = grad((np.exp(x) * 2).mean(), x, create_graph=True)
    (h,) = grad((g * g).sum(), x)
    assert g.dtype == h.dtype == np.float32


# --------------------------------------------------------------------------------- several outputs


def sincos() -> Primitive:
    @primitive(outputs=("s", "c"))
    def both(x: Any, /) -> Any:
        return np.sin(x), np.cos(x)

    @both.rule
    def _(g: Any, s: Any, c: Any) -> Any:
        return g[0] * c - g[1] * s

    return both


def test_one_or_both_of_several_outputs() -> None:
    x = leaf(0.3, 0.5)
    v = x.data
    both = sincos()
    s, c = both(x)
    np.testing.assert_allclose(grad(s.sum(), x, retain_graph=True)[0].data, np.cos(v))
    np.testing.assert_allclose(grad(c.sum(), x, retain_graph=True)[0].data, -np.sin(v))
    (g,) = grad([s, c], x, [[1.0, 2.0], [3.0, 4.0]], retain_graph=True)
    np.testing.assert_allclose(g.data, [1, 2] * np.cos(v) - [3, 4] * np.sin(v))
    ds, dc = grad((s * s * c).sum(), [s, c])
    np.testing.assert_allclose(ds.data, 2 * np.sin(v) * np.cos(v))
    np.testing.assert_allclose(dc.data, np.sin(v) ** 2)
    a, b = both(v)  # without tensors: arrays
    assert type(a) is type(b) is np.ndarray


def test_saved_outputs_are_differentiated_beside_the_outputs_themselves() -> None:
    x = leaf(0.3, 0.5)
    v = x.data
    s, c = sincos()(x)
    (g,) = grad((s * s).sum(), x, create_graph=True)  # sin 2x, through the saved s and c
    loss = (g * g).sum() + 3 * s.sum() + (c * c).sum()
    (total,) = grad(loss, x, retain_graph=True)
    expected = 2 * np.sin(2 * v) * 2 * np.cos(2 * v) + 3 * np.cos(v) - np.sin(2 * v)
    np.testing.assert_allclose(total.data, expected)
    # g = 2 s c: what it owes to s itself counts too.
    (ds,) = grad(g.sum(), s)
    np.testing.assert_allclose(ds.data, 2 * np.cos(v))


def test_an_output_without_a_gradient_of_its_own() -> None:
    @primitive(outputs=("top", "where"))
    def highest(x: Any, /) -> Any:
        return np.max(x), np.argmax(x)

    @highest.rule
    def _(g: Any, x: Any, where: Any) -> Any:
        picked = np.zeros(np.shape(x))
        picked[where] = 1.0
        return g[0] * picked

    x = leaf(1.0, 5.0, 2.0)
    top, where = highest(x)
    assert not where.requires_grad
    assert where.dtype.kind == "i"
    top.backward()
    assert x.grad.data.tolist() == [0.0, 1.0, 0.0]


def test_a_kept_graph_survives_the_mode() -> None:
    x = leaf(2.0)
    with no_grad():
        with enable_grad():
            y = x * x
        (g,) = grad(y, x)
    assert g.data.tolist() == [4.0]
    assert not g.requires_grad
