"""Hooks: on tensors' gradients, on nodes, and on what rules save."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd import GraphError, Tensor, grad, primitive, saved_tensors_hooks
from autograd._primitive import primitives


def leaf(*values: float, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


# ------------------------------------------------------------------------------------------- hooks


@pytest.mark.parametrize("on_leaf", [True, False])
@pytest.mark.parametrize("create_graph", [True, False])
def test_tensor_hooks_see_the_whole_gradient_once(on_leaf: bool, create_graph: bool) -> None:
    x = leaf(1.0, 2.0)
    y = x if on_leaf else x * 1
    seen = []

    def look(g: Tensor) -> None:
        assert isinstance(g, Tensor)
        seen.append(g.data.copy())

    y.register_hook(look)
    (y * y + y).sum().backward(create_graph=create_graph)
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0], [3.0, 5.0])
    np.testing.assert_array_equal(x.grad.data, [3.0, 5.0])


@pytest.mark.parametrize("on_leaf", [True, False])
@pytest.mark.parametrize("create_graph", [True, False])
@pytest.mark.parametrize("answer", ["tensor", "array", "wider"])
def test_tensor_hooks_replace(on_leaf: bool, create_graph: bool, answer: str) -> None:
    x = leaf(1.0, 2.0, dtype=np.float32)
    y = x if on_leaf else x * 1
    fixed = np.array([10.0, 20.0], np.float64 if answer == "wider" else np.float32)

    def replace(g: Tensor) -> Any:
        return Tensor(fixed) if answer == "tensor" else fixed

    y.register_hook(replace)
    y.register_hook(lambda g: g * 2)  # in the order of registration
    (y * y).sum().backward(create_graph=create_graph)
    np.testing.assert_array_equal(x.grad.data, [20.0, 40.0])
    assert x.grad.dtype == np.float32
    x.grad.data[...] = 0
    np.testing.assert_array_equal(fixed, [10.0, 20.0])


def test_a_hooks_gradient_is_not_changed_later() -> None:
    x = leaf(1.0, 2.0)
    seen: list[Tensor] = []
    given = Tensor([5.0, 5.0])
    handle = x.register_hook(seen.append)
    (x * x).sum().backward()
    (x * x).sum().backward()
    np.testing.assert_array_equal(seen[0].data, [2.0, 4.0])
    handle.remove()
    x.register_hook(lambda g: given)
    x.grad = None
    for _ in range(2):
        (x * x).sum().backward()
    np.testing.assert_array_equal(given.data, [5.0, 5.0])
    np.testing.assert_array_equal(x.grad.data, [10.0, 10.0])


@pytest.mark.parametrize("on_leaf", [True, False])
def test_hooks_can_be_removed(on_leaf: bool) -> None:
    x = leaf(1.0)
    calls: list[str] = []
    handle = x.register_hook(lambda g: calls.append("x"))
    with x.register_hook(lambda g: calls.append("while")):
        (x * 2).backward()
    handle.remove()
    handle.remove()
    (x * 2).backward()
    assert calls == ["x", "while"]


def test_a_hook_may_remove_itself() -> None:
    x = leaf(1.0)
    for y in (x, x * 1):
        calls = []
        handle = y.register_hook(lambda g: (calls.append(1), handle.remove())[0])  # noqa: B023
        out = y * 2
        out.backward(retain_graph=True)
        out.backward()
        assert calls == [1]


@pytest.mark.parametrize("on_leaf", [True, False])
def test_a_hook_with_the_wrong_shape(on_leaf: bool) -> None:
    x = leaf(1.0, 2.0)
    y = x if on_leaf else x * 1

    def wrong(g: Tensor) -> Any:
        return np.ones(3)

    y.register_hook(wrong)
    with pytest.raises(GraphError, match=r"hook 'wrong' must return.*\(2,\), got \(3,\)"):
        (y * 2).sum().backward()
    assert x.grad is None


def test_hooks_are_refused_where_no_gradient_comes() -> None:
    with pytest.raises(GraphError, match="does not require"):
        Tensor([1.0]).register_hook(print)
    no_function: Any = 3
    with pytest.raises(TypeError, match="callable"):
        leaf(1.0).register_hook(no_function)


def test_node_hooks() -> None:
    a, b = leaf(2.0), leaf(5.0)
    y = a * b
    node = y.node
    assert node is not None
    log: list[Any] = []
    before = node.register_prehook(lambda g: log.append(("before", g.data.tolist())) or g * 10)
    after = node.register_hook(
        lambda inputs, output: (
            log.append(("after", [i.data.tolist() for i in inputs], output.data.tolist()))
            or (inputs[0] + 1, None)
        )
    )
    y.backward(retain_graph=True)
    assert log == [("before", [1.0]), ("after", [[50.0], [20.0]], [10.0])]
    assert a.grad.data.tolist() == [51.0]
    assert b.grad is None
    before.remove()
    after.remove()
    a.grad = None
    y.backward()
    assert (a.grad.data.tolist(), b.grad.data.tolist()) == ([5.0], [2.0])


def test_a_node_hook_with_too_few_gradients() -> None:
    a, b = leaf(2.0), leaf(5.0)
    y = a * b
    assert y.node is not None
    y.node.register_hook(lambda inputs, output: (inputs[0],))
    with pytest.raises(GraphError, match="hook .* of multiply must return .* 2 inputs"):
        y.backward()


def test_node_hooks_of_an_operation_with_several_outputs() -> None:
    @primitive(outputs=("s", "c"))
    def sincos(x: Any, /) -> Any:
        return np.sin(x), np.cos(x)

    @sincos.rule
    def _(g: Any, s: Any, c: Any) -> Any:
        return g[0] * c - g[1] * s

    x = leaf(0.5)
    s, _ = sincos(x)
    assert s.node is not None
    log: list[Any] = []
    s.node.register_prehook(lambda g: log.append(g.data.tolist()))
    s.node.register_hook(lambda inputs, output: (inputs[0] * 10,))
    whole = s.node.edges[0]
    whole.register_prehook(lambda gs: log.append([g if g is None else g.data.tolist() for g in gs]))
    whole.register_hook(lambda inputs, outputs: log.append(len(outputs)))
    (s * 2).backward()
    assert log == [[2.0], [[20.0], None], 2]
    np.testing.assert_allclose(x.grad.data, 20 * np.cos(0.5))


def test_hooks_and_the_create_graph_pass() -> None:
    x = leaf(2.0)
    y = x * x
    y.register_hook(lambda g: g * g)
    (g,) = grad(y * 3, x, create_graph=True)  # 3^2 * 2x
    assert g.data.tolist() == [36.0]
    (h,) = grad(g, x)
    assert h.data.tolist() == [18.0]


# ----------------------------------------------------------------------------- saved_tensors_hooks


def test_saved_arrays_go_through_the_hooks() -> None:
    packed: list[Any] = []
    unpacked: list[Any] = []

    def pack(a: Any) -> int:
        packed.append(a)
        return len(packed) - 1

    def unpack(number: int) -> Any:
        unpacked.append(number)
        return packed[number] * 10

    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    with saved_tensors_hooks(pack, unpack):
        y = x * w
    z = np.exp(x)  # outside
    assert len(packed) == 2
    assert not unpacked
    (y + 0 * z).sum().backward()
    assert sorted(unpacked) == [0, 1]
    np.testing.assert_array_equal(x.grad.data, [30.0, 40.0])
    np.testing.assert_array_equal(w.grad.data, [10.0, 20.0])


def test_of_which_operations_gradients_need_no_look() -> None:
    x = leaf(1.0, 2.0)
    for _ in range(2):
        np.sum((x * x + x - -x) ** 3.0 @ np.maximum(x, 0.0)).backward()
    uniform = {name for name in ("add", "multiply", "negative") if primitives[name].uniform}
    assert uniform == {"add", "multiply", "negative"}
    assert not any(primitives[name].uniform for name in ("power", "matmul", "maximum", "sum"))


def test_what_comes_back_in_another_dtype_gives_gradients_of_the_leafs() -> None:
    x = leaf(1.0, 2.0, dtype=np.float32)
    for _ in range(2):
        x.grad = None
        with saved_tensors_hooks(lambda a: a, lambda a: a.astype(np.float64)):
            y = x * x
        np.positive(y).sum().backward()
        assert x.grad.dtype == np.float32
        assert x.grad.data.tolist() == [2.0, 4.0]


def test_saved_tensors_hooks_nest_and_come_back_after_an_error() -> None:
    log: list[str] = []

    def named(name: str) -> saved_tensors_hooks:
        return saved_tensors_hooks(lambda a: log.append(name) or a, lambda a: a)

    x = leaf(2.0)
    with named("outer"):
        with named("inner"):
            np.exp(x)
        with pytest.raises(ValueError, match="matmul"), named("inner"):
            np.exp(x) @ np.zeros(7)
        np.exp(x)
    np.exp(x)
    assert log == ["inner", "inner", "outer"]
