"""A user's own operation, from its declaration to its derivatives of every order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from autograd import (
    GraphError,
    Tensor,
    grad,
    gradcheck,
    gradgradcheck,
    primitive,
    sample,
)
from autograd._primitive import primitives
from autograd._tensor import Tensor as _Tensor
from autograd.func import hessian, jacfwd, jacrev


@pytest.fixture(autouse=True)
def _registers_restored() -> Iterator[None]:
    """A test's operations are gone after it."""
    before, implementations = dict(primitives), dict(_Tensor._implementations)
    yield
    primitives.clear()
    primitives.update(before)
    _Tensor._implementations.clear()
    _Tensor._implementations.update(implementations)


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def huber() -> Any:
    """The example of the documentation: an input, a setting, a precondition, a saved helper."""

    @primitive(aux=("inside",), batched=True, samples=(sample((3,), delta=0.7),))
    def huber(x: Any, /, delta: float = 1.0) -> Any:
        """Quadratic near zero, linear far away."""
        inside = np.abs(x) <= delta
        return np.where(inside, 0.5 * x * x, delta * (np.abs(x) - 0.5 * delta)), inside

    @huber.precondition
    def _(x: Any, delta: float) -> None:
        if delta <= 0:
            raise ValueError(f"delta must be positive, got {delta}")

    @huber.rule
    def _(g: Any, x: Any, inside: Any, delta: float) -> Any:
        return g * np.where(inside, x, delta * np.sign(x))

    return huber


def test_it_works_like_any_other() -> None:
    loss = huber()
    x = leaf(0.25, -3.0, 0.5)
    y = loss(x, delta=0.7)
    assert y.node is not None
    assert y.node.primitive is loss
    assert y.node.attrs == {"delta": 0.7}
    np.testing.assert_allclose(y.data, [0.03125, 0.7 * 2.65, 0.125])
    y.sum().backward()
    np.testing.assert_allclose(x.grad.data, [0.25, -0.7, 0.5])
    assert gradcheck(lambda t: loss(t, 0.7), x)
    assert gradgradcheck(lambda t: loss(t, delta=0.7), x)
    for transform in (jacrev, jacfwd):
        np.testing.assert_allclose(transform(loss)(x.data).data, np.diag([0.25, -1.0, 0.5]))
    np.testing.assert_allclose(
        hessian(lambda t: loss(t).sum())(x.data).data, np.diag([1.0, 0.0, 1.0])
    )


def test_on_arrays_it_returns_arrays() -> None:
    result = huber()(np.array([0.5, 2.0]))
    assert type(result) is np.ndarray
    np.testing.assert_allclose(result, [0.125, 1.5])


def test_samples_draw_the_same_arguments_each_time() -> None:
    (drawn,) = huber().samples
    (a,), settings = drawn.draw(seed=3)
    (b,), _ = drawn.draw(seed=3)
    np.testing.assert_array_equal(a, b)
    assert settings == {"delta": 0.7}
    assert a.shape == (3,)


def test_a_violated_precondition_names_operation_and_shapes() -> None:
    with pytest.raises(ValueError, match=r"^huber\(float64\[2\]\): delta must be positive, got -1"):
        huber()(leaf(1.0, 2.0), delta=-1)


def test_an_error_in_the_forward_names_operation_and_shapes() -> None:
    @primitive()
    def combine(a: Any, b: Any, /, times: int = 1) -> Any:
        return times * (a @ b)

    a = Tensor(np.ones((2, 3)), requires_grad=True, name="weights")
    with pytest.raises(
        ValueError, match=r"^combine\('weights' float64\[2, 3\], float64\[2\]\): .*"
    ):
        combine(a, np.ones(2))
    nn = pytest.importorskip("nn")

    class Layer(nn.Module):
        def forward(self, x: Any) -> Any:
            return combine(a, x)

    with pytest.raises(ValueError, match=r"combine\(.*\) in model: Layer"):
        Layer()(Tensor(np.ones(2), requires_grad=True))


def test_unknown_and_missing_arguments() -> None:
    loss = huber()
    with pytest.raises(TypeError, match=r"huber has no argument 'dim'.*axis=.*it has: x, delta"):
        loss(leaf(1.0), dim=1)
    with pytest.raises(TypeError, match=r"huber has no argument 'dim'.*axis=.*it has: x, delta"):
        loss(np.ones(2), dim=1)
    with pytest.raises(TypeError, match="huber misses its input x"):
        loss()
    with pytest.raises(TypeError, match="takes 2 arguments, got 3"):
        loss(leaf(1.0), 1.0, 2.0)
    np.testing.assert_allclose(loss(x=leaf(0.5)).data, [0.125])


def test_declarations_that_make_no_sense() -> None:
    with pytest.raises(TypeError, match="no differentiable input.*'/'"):

        @primitive()
        def f(x: Any) -> Any:
            return x

    @primitive()
    def h(a: Any, b: Any, /) -> Any:
        return a + b

    with pytest.raises(TypeError, match="h has no input 'c'"):

        @h.rule("c")
        def _(g: Any) -> Any:
            return g

    with pytest.raises(TypeError, match="parameter 'nonsense' is neither an input"):

        @h.rule("a")
        def _(g: Any, nonsense: Any) -> Any:
            return g


def test_only_what_the_needed_rules_name_is_saved() -> None:
    @primitive()
    def product(a: Any, b: Any, /) -> Any:
        return a * b

    @product.rule("a")
    def _(g: Any, b: Any) -> Any:
        return g * b

    @product.rule("b")
    def _(g: Any, a: Any) -> Any:
        return g * a

    x, c = leaf(2.0), np.array([3.0])
    assert product(x, c).node.saved == (None, c, None)
    assert product(c, x).node.saved == (c, None, None)
    a, b, _ = product(x, x).node.saved
    assert a is b is x.data


def test_a_joint_rule_may_ask_for_what_the_output_is() -> None:
    @primitive()
    def scaled(a: Any, b: Any, /, factor: float = 2.0) -> Any:
        return factor * a * b

    @scaled.rule
    def _(g: Any, a: Any, b: Any, factor: float, y_shape: Any, y_ndim: int) -> Any:
        assert (y_shape, y_ndim) == ((3,), 1)
        return factor * g * b, factor * g * a

    a, b = Tensor(np.arange(3.0), requires_grad=True), Tensor(np.ones(3), requires_grad=True)
    scaled(a, b, factor=3.0).sum().backward()
    assert a.grad.data.tolist() == [3.0, 3.0, 3.0]
    assert b.grad.data.tolist() == [0.0, 3.0, 6.0]


def test_a_joint_rule_is_told_what_is_needed() -> None:
    asked: list[Any] = []

    @primitive()
    def join(*xs: Any) -> Any:
        return np.concatenate(xs)

    @join.rule
    def _(g: Any, shapes: Any, needs: Any) -> Any:
        asked.append((shapes, needs))
        ends = np.cumsum([s[0] for s in shapes])
        return [g[e - s[0] : e] for e, s in zip(ends, shapes, strict=True)]

    x, y = leaf(1.0, 2.0), leaf(3.0)
    out = join(x, np.zeros(2), y)
    (gy,) = grad(out, y, [[1.0, 2.0, 3.0, 4.0, 5.0]], retain_graph=True)
    assert gy.data.tolist() == [5.0]
    out.backward([1.0, 2.0, 3.0, 4.0, 5.0])
    assert x.grad.data.tolist() == [1.0, 2.0]
    assert asked == [
        (((2,), (2,), (1,)), (False, False, True)),
        (((2,), (2,), (1,)), (True, False, True)),
    ]


def test_a_shortcut_goes_before_the_rules_and_may_leave_it_to_them() -> None:
    asked: list[Any] = []

    @primitive()
    def scaled(a: Any, b: Any, /, factor: float = 2.0) -> Any:
        return factor * a * b

    @scaled.rule("a")
    def _(g: Any, b: Any, factor: float) -> Any:
        return factor * g * b

    @scaled.rule("b")
    def _(g: Any, a: Any, factor: float) -> Any:
        return factor * g * a

    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    scaled(a, b).sum().backward()  # the code for it is written again below

    @scaled.shortcut
    def _(g: Any, edges: Any, a: Any, b: Any, factor: float, y_ndim: int) -> Any:
        to_a, to_b = edges
        asked.append((to_a, to_b, a is None, b is None, y_ndim))
        if isinstance(g, Tensor) or to_a is None or to_b is None:
            return None
        return factor * b * g + 100, factor * a * g

    scaled(a, b).sum().backward()
    assert a.grad.data.tolist() == [112.0, 116.0]
    assert b.grad.data.tolist() == [4.0, 8.0]
    c = b.detach()
    (ga,) = grad(scaled(a, c).sum(), a)  # of b, which is not read, nothing is saved
    assert ga.data.tolist() == [6.0, 8.0]
    (gb,) = grad(scaled(a, b).sum(), b, create_graph=True)
    assert grad(gb.sum(), a)[0].data.tolist() == [2.0, 2.0]
    assert asked[0] == (a, b, False, False, 1)
    assert asked[1] == (a, None, True, False, 1)
    asked.clear()
    scaled.rule("b")(None)  # it may not know of this
    scaled(a, b).sum().backward()
    assert not asked


def test_shortcuts_that_make_no_sense() -> None:
    @primitive()
    def join(*xs: Any) -> Any:
        return np.concatenate(xs)

    @primitive()
    def product(a: Any, b: Any, /) -> Any:
        return a * b

    with pytest.raises(TypeError, match="join takes any number of inputs"):
        join.shortcut(lambda g, edges: None)
    with pytest.raises(TypeError, match="sees by the edges what is needed"):
        product.shortcut(lambda g, edges, needs: None)
    with pytest.raises(TypeError, match="'c' is neither an input"):
        product.shortcut(lambda g, edges, c: None)
    for wrong in (lambda g, edges: (g,), lambda g, edges: [g, g], lambda g, edges: g):
        product.shortcut(wrong)
        with pytest.raises(GraphError, match="one gradient for each of its 2 inputs"):
            product(leaf(1.0), leaf(2.0)).sum().backward()


def test_broadcasting_and_dtypes_are_the_engines_business() -> None:
    @primitive()
    def plus(a: Any, b: Any, /) -> Any:
        return a + b

    @plus.rule
    def _(g: Any) -> Any:
        return g.astype(np.float64), g  # neither shapes nor types are minded here

    a = Tensor(np.ones((3, 1), np.float32), requires_grad=True)
    b = Tensor(np.ones(4), requires_grad=True)
    plus(a, b).sum().backward()
    assert (a.grad.shape, a.grad.dtype) == ((3, 1), np.float32)
    assert (b.grad.shape, b.grad.dtype) == ((4,), np.float64)
    np.testing.assert_array_equal(a.grad.data, np.full((3, 1), 4.0))


def test_answering_for_a_numpy_function() -> None:
    @primitive(np.spacing)
    def spacing(x: Any, /) -> Any:
        return np.spacing(x)

    @spacing.rule
    def _(g: Any) -> Any:
        return np.zeros(g.shape)

    x = leaf(1.0)
    y = np.spacing(x)
    assert y.node is not None
    assert y.node.primitive is spacing
    y.backward()
    assert x.grad.data.tolist() == [0.0]


def test_an_input_without_a_rule_is_an_error_not_a_zero() -> None:
    @primitive()
    def half_done(a: Any, b: Any, /) -> Any:
        return a * b

    @half_done.rule("a")
    def _(g: Any, b: Any) -> Any:
        return g * b

    x = leaf(2.0)
    half_done(x, 3.0).backward()
    assert x.grad.data.tolist() == [3.0]
    with pytest.raises(
        GraphError, match=r"half_done has no rule for its input b.*@half_done\.rule"
    ):
        half_done(2.0, leaf(3.0)).backward()

    @primitive()
    def no_rule(a: Any, /) -> Any:
        return a * 2

    with pytest.raises(GraphError, match="no_rule has no rule for its input a"):
        no_rule(x).backward()


def test_a_forgotten_return_for_one_of_two_inputs_is_an_error() -> None:
    @primitive()
    def scaled(a: Any, b: Any, /) -> Any:
        return a * b

    scaled.rule("a")(lambda g, b: g * b)

    @scaled.rule("b")
    def _(g: Any, a: Any) -> Any:
        g * a  # the mistake: nothing is returned

    x, y = (Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    with pytest.raises(GraphError, match="scaled returned None where a gradient is needed"):
        scaled(x, y).sum().backward()
    scaled(x, [3.0, 4.0]).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("forward", [np.multiply, lambda a, b, /: a * b])
def test_a_check_declared_after_the_first_call_is_made(forward):
    def times(a, b, /):
        return forward(a, b)

    made = primitive(name="times")(forward if isinstance(forward, np.ufunc) else times)
    x = Tensor(2.0)
    assert made(x, 3.0).item() == 6.0

    @made.precondition
    def _(a, b):
        if b < 0:
            raise ValueError("b is negative")

    assert made(x, 3.0).item() == 6.0
    with pytest.raises(ValueError, match="b is negative"):
        made(x, -1.0)
