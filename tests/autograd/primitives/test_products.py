"""Products: values as NumPy's, first and second derivatives, shapes, dtypes, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Tensor, grad, gradcheck, gradgradcheck

Function = Callable[..., Any]


def case(name: str, function: Function, *shapes: tuple[int, ...]) -> Any:
    return pytest.param(function, shapes, id=name)


CASES = [
    case("dot-vectors", np.dot, (3,), (3,)),
    case("dot-matrices", np.dot, (2, 3), (3, 4)),
    case("dot-matrix-vector", np.dot, (2, 3), (3,)),
    case("dot-vector-matrix", np.dot, (3,), (3, 2)),
    case("dot-number", np.dot, (), (2, 3)),
    case("dot-stacks", np.dot, (2, 3, 4), (2, 4, 3)),
    case("dot-vector-stack", np.dot, (4,), (2, 4, 3)),
    case("vdot", np.vdot, (2, 3), (3, 2)),
    case("inner-vectors", np.inner, (3,), (3,)),
    case("inner-stacks", np.inner, (2, 3), (4, 2, 3)),
    case("inner-number", np.inner, (), (3,)),
    case("outer", np.outer, (2, 2), (3,)),
    case("linalg-outer", np.linalg.outer, (2,), (3,)),
    case("tensordot-2", np.tensordot, (2, 3, 4), (3, 4, 2)),
    case("tensordot-0", lambda a, b: np.tensordot(a, b, 0), (2,), (3, 2)),
    case("tensordot-1", lambda a, b: np.tensordot(a, b, axes=1), (2, 3), (3, 2)),
    case("tensordot-axis", lambda a, b: np.tensordot(a, b, (0, 1)), (3, 2), (4, 3)),
    case(
        "tensordot-crossed",
        lambda a, b: np.tensordot(a, b, axes=([2, 0], [-3, 2])),
        (2, 5, 3),
        (3, 4, 2),
    ),
    case("linalg-tensordot", lambda a, b: np.linalg.tensordot(a, b, axes=1), (2, 3), (3, 2)),
    case("linalg-matmul", np.linalg.matmul, (2, 2, 3), (3, 2)),
    case("matmul-broadcast", np.matmul, (3, 1, 2, 4), (2, 4, 3)),
    case("vecdot", np.vecdot, (2, 3), (4, 1, 3)),
    case("vecdot-axis", lambda a, b: np.vecdot(a, b, axis=0), (3, 2), (3, 2)),
    case("linalg-vecdot", lambda a, b: np.linalg.vecdot(a, b, axis=0), (3, 2), (3, 2)),
    case("kron", np.kron, (2, 3), (3, 2)),
    case("kron-vector", np.kron, (2,), (3, 2)),
    case("kron-3", np.kron, (2, 1, 3), (2, 2)),
    case("cross", np.cross, (4, 3), (4, 3)),
    case("cross-broadcast", np.cross, (3,), (2, 3)),
    case("cross-axis", lambda a, b: np.cross(a, b, axis=0), (3, 2), (3, 2)),
    case(
        "cross-axes",
        lambda a, b: np.cross(a, b, axisa=0, axisb=1, axisc=0),
        (3, 2),
        (2, 3),
    ),
    case("linalg-cross", lambda a, b: np.linalg.cross(a, b, axis=0), (3, 2), (3, 2)),
    case("einsum-matmul", lambda a, b: np.einsum("ij,jk", a, b), (2, 3), (3, 2)),
    case("einsum-spaces", lambda a, b: np.einsum("i j , j k -> k i", a, b), (2, 3), (3, 2)),
    case("einsum-implicit-order", lambda a, b: np.einsum("ba,c", a, b), (2, 3), (2,)),
    case("einsum-ellipsis", lambda a, b: np.einsum("...ij,...jk->...ik", a, b), (4, 2, 3), (3, 2)),
    case("einsum-ellipsis-implicit", lambda a, b: np.einsum("...i,i...", a, b), (2, 3), (3, 2)),
    case("einsum-ellipsis-front", lambda a, b: np.einsum("i...,i...->...i", a, b), (3, 2), (3, 1)),
    case("einsum-diagonals", lambda a, b: np.einsum("iij,jkk->ik", a, b), (2, 2, 3), (3, 2, 2)),
    case("einsum-diagonal-kept", lambda a, b: np.einsum("iii,i->i", a, b), (3, 3, 3), (3,)),
    case("einsum-lone-letters", lambda a, b: np.einsum("ijk,l->j", a, b), (2, 3, 2), (4,)),
    case("einsum-length-one", lambda a, b: np.einsum("ij,ij->j", a, b), (3, 1), (1, 2)),
    case("einsum-same-twice", lambda a, b: np.einsum("ij,ij,jk->k", a, a, b), (2, 3), (3, 2)),
    case("einsum-scalar", lambda a, b: np.einsum(",ij->ji", a, b), (), (2, 3)),
    case(
        "einsum-optimize",
        lambda a, b: np.einsum("ij,jk,kl->il", a, b, a, optimize=True),
        (2, 3),
        (3, 2),
    ),
    case(
        "einsum-path",
        lambda a, b: np.einsum("ij,jk,kl->il", a, b, a, optimize=["einsum_path", (0, 1), (0, 1)]),
        (2, 3),
        (3, 2),
    ),
    case("einsum-lists", lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [2, 0]), (2, 3), (3, 2)),
    case("einsum-lists-implicit", lambda a, b: np.einsum(a, [7, 1], b, [1, 3]), (2, 3), (3, 2)),
    case(
        "einsum-lists-ellipsis",
        lambda a, b: np.einsum(a, [..., 0], b, [..., 0], [...]),
        (2, 3),
        (2, 3),
    ),
    case("trace", lambda a, b: np.trace(a) * np.trace(b, offset=1), (3, 3), (2, 3)),
    case("trace-axes", lambda a, b: np.trace(a, -1, 2, 0) * b, (3, 2, 2), (2,)),
    case("method-trace", lambda a, b: a.trace() * b.trace(1), (2, 2), (3, 3)),
    case(
        "linalg-trace",
        lambda a, b: np.linalg.trace(a, offset=1) * np.linalg.trace(b),
        (2, 2, 3),
        (2, 3, 3),
    ),
]
if hasattr(np, "matvec"):
    CASES += [
        case("matvec", np.matvec, (2, 2, 3), (3,)),
        case("vecmat", np.vecmat, (2, 3), (2, 3, 2)),
    ]


def draw(shapes: tuple[tuple[int, ...], ...], dtype: Any = np.float64) -> list[Any]:
    rng = np.random.default_rng(3)
    return [rng.uniform(-1.5, 1.5, shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize(("function", "shapes"), CASES)
def test_value(function: Function, shapes: Any) -> None:
    arrays = draw(shapes)
    expected = function(*arrays)
    a, b = arrays
    for args in ([Tensor(a), Tensor(b)], [Tensor(a), b]):
        got = function(*args)
        assert isinstance(got, Tensor)
        assert got.shape == np.shape(expected)
        np.testing.assert_allclose(got.data, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(("function", "shapes"), CASES)
def test_derivatives(function: Function, shapes: Any) -> None:
    tensors = [Tensor(a, requires_grad=True) for a in draw(shapes)]
    assert gradcheck(function, tensors)
    assert gradgradcheck(function, tensors)


@pytest.mark.parametrize(("function", "shapes"), CASES)
def test_one_input_only(function: Function, shapes: Any) -> None:
    """With the other input a plain array the gradient is the same."""
    a, b = draw(shapes)
    both = [Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)]
    ga, gb = grad(np.sum(function(*both) ** 2), both)
    x = Tensor(a, requires_grad=True)
    np.testing.assert_allclose(grad(np.sum(function(x, b) ** 2), x)[0].data, ga.data, rtol=1e-12)
    x = Tensor(b, requires_grad=True)
    np.testing.assert_allclose(grad(np.sum(function(a, x) ** 2), x)[0].data, gb.data, rtol=1e-12)


@pytest.mark.parametrize(("function", "shapes"), CASES)
def test_float32(function: Function, shapes: Any) -> None:
    tensors = [Tensor(a, requires_grad=True) for a in draw(shapes, np.float32)]
    out = function(*tensors)
    assert out.dtype == np.float32
    for gradient in grad(np.sum(out), tensors, create_graph=True):
        assert gradient.dtype == np.float32


@pytest.mark.parametrize(
    ("a", "b"),
    [((2, 0), (0, 3)), ((0, 2), (2, 3)), ((3, 0, 2), (2, 3)), ((0,), (0,)), ((0, 2), (2,))],
)
def test_empty_products(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    x, y = Tensor(np.ones(a), requires_grad=True), Tensor(np.ones(b), requires_grad=True)
    out = x @ y
    assert out.shape == np.matmul(np.ones(a), np.ones(b)).shape
    np.sum(out).backward()
    assert x.grad.shape == a
    assert y.grad.shape == b
    assert not x.grad.numpy().any()


def test_third_derivative_of_a_matrix_product() -> None:
    x = Tensor([[0.5, -1.0], [2.0, 0.3]], requires_grad=True)
    y = np.trace(np.linalg.multi_dot([x, x, x]))  # d³/dx³ along E is 6 trace(E³)
    (first,) = grad(y, x, create_graph=True)
    direction = np.array([[1.0, 2.0], [-1.0, 0.5]])
    (second,) = grad(np.sum(first * direction), x, create_graph=True)
    (third,) = grad(np.sum(second * direction), x)
    expected = 6 * np.trace(direction @ direction @ direction)
    assert np.sum(third.data * direction) == pytest.approx(expected, rel=1e-12)


def test_complex_products_conjugate_as_numpy_does() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3)) for _ in range(2))
    for function in (np.vdot, np.vecdot):
        got = function(Tensor(a), Tensor(b))
        np.testing.assert_allclose(got.data, function(a, b))
        tensors = [Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)]
        assert gradcheck(function, tensors)
        assert gradgradcheck(function, tensors)


def test_einsum_of_numbers_and_lists() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    out = np.einsum(",i,i->", 3.0, x, [1.0, 10.0])
    out.backward()
    assert out.item() == 63.0
    np.testing.assert_array_equal(x.grad.numpy(), [3.0, 30.0])


def test_einsum_converts_operands() -> None:
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    out = np.einsum("i->", x, dtype=np.float64)
    out.backward()
    assert out.dtype == np.float64
    assert x.grad.dtype == np.float32


def test_einsum_path_looks_at_shapes_only() -> None:
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    path, _ = np.einsum_path("ij,kj->ik", x, x)
    assert path == ["einsum_path", (0, 1)]


def test_einsum_of_many_letters_with_a_stack_of_gradients() -> None:
    x = Tensor(np.random.default_rng(0).standard_normal((2, 3, 2)), requires_grad=True)
    out = np.einsum("abc,abd->cd", x, x)
    node = out.node
    stack = np.random.default_rng(1).standard_normal((4, *out.shape))
    first, second = node.primitive.vjp(stack, node.saved, node, node.edges, None)
    for k in range(4):
        alone = node.primitive.vjp(stack[k], node.saved, node, node.edges, None)
        np.testing.assert_allclose(first[k], alone[0])
        np.testing.assert_allclose(second[k], alone[1])


ERRORS = [
    (lambda x: x @ np.ones((4, 2)), ValueError, r"matmul\(float64\[2, 3\], float64\[4, 2\]\)"),
    (lambda x: np.dot(x, np.ones(2)), ValueError, r"matmul\(float64\[2, 3\], float64\[2\]\)"),
    (lambda x: np.tensordot(x, np.ones((4, 4))), ValueError, "tensordot.*shape-mismatch"),
    (lambda x: np.einsum("ij,jk->ik", x), ValueError, "for 2 operands, got 1"),
    (
        lambda x: np.einsum("ijk->i", x),
        ValueError,
        r"'ijk' of operand 0 do not fit its shape \(2, 3\)",
    ),
    (lambda x: np.einsum("i->i", x), ValueError, "do not fit"),
    (lambda x: np.einsum("i...->i", x), ValueError, "the output needs '...'"),
    (lambda x: np.einsum("i&->i", x), ValueError, "contain '&'"),
    (lambda x: np.einsum("ij->ii", x), ValueError, "einsum"),
    (lambda x: np.einsum("ij->ik", x), ValueError, "einsum"),
    (lambda x: np.einsum("ij,jk->ik", x, np.ones((2, 2))), ValueError, "einsum"),
    (lambda x: np.einsum("ij->", x, out=np.zeros(())), TypeError, "out="),
    (lambda x: np.dot(x, np.ones(3), out=np.zeros(2)), TypeError, "out="),
    (lambda x: np.outer(x, x, out=np.zeros((6, 6))), TypeError, "out="),
    (lambda x: np.trace(x, out=np.zeros(())), TypeError, "out="),
    (lambda x: np.linalg.outer(x, x), ValueError, "two vectors"),
    (lambda x: np.cross(x, np.ones(2)), ValueError, "3 components"),
    (lambda x: np.cross(x.T, np.ones(3)), ValueError, "3 components"),
]


@pytest.mark.parametrize(("function", "error", "message"), ERRORS)
def test_errors_say_what_is_wrong(function: Function, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        function(Tensor(np.ones((2, 3)), requires_grad=True))


def test_methods() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x.dot([1.0, -1.0]).sum() + x.trace(1)
    y.backward()
    assert y.item() == -2 + 2
    np.testing.assert_array_equal(x.grad.numpy(), [[1.0, 0.0], [1.0, -1.0]])


def test_a_plain_arrays_own_dot_does_not_lose_the_gradient() -> None:
    with pytest.raises(TypeError, match="would lose the gradient"):
        np.ones((2, 2)).dot(Tensor(np.ones(2), requires_grad=True))


def test_einsum_gives_no_hidden_views() -> None:
    x = Tensor(np.ones((2, 2)), requires_grad=True)
    for subscripts in ("ij->ji", "ii->i", "ij"):
        out = np.einsum(subscripts, x)
        assert not np.shares_memory(out.data, x.data)


def test_large_einsum_gradients_match_matmul() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((70, 60)), rng.standard_normal((60, 50))
    x, y = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    g = rng.standard_normal((70, 50))
    ga, gb = grad(np.einsum("ij,jk->ik", x, y), (x, y), g)
    np.testing.assert_allclose(ga.data, g @ b.T)
    np.testing.assert_allclose(gb.data, a.T @ g)


def test_lists_as_factors() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    for out in ([[1, 2]] @ x, np.matmul(x, [[1], [2]]), np.matmul([1, 2], x), x @ [1, 2]):
        (g,) = grad(np.sum(out), x)
        assert g.data.sum() == 6


LENGTHS = {"a": 2, "b": 3, "c": 1, "d": 4}


@st.composite
def summations(draw: Any) -> tuple[str, list[tuple[int, ...]]]:
    """Subscripts of one to three operands, with repeated letters and ellipses, and shapes."""
    terms, shapes = [], []
    for _ in range(draw(st.integers(1, 3))):
        letters = draw(st.text("abcd", min_size=0, max_size=3))
        hidden = draw(st.integers(0, 2))
        at = draw(st.integers(0, len(letters)))
        own = [LENGTHS[letter] for letter in letters]
        shapes.append((*own[:at], *(2, 3)[2 - hidden :], *own[at:]))
        terms.append(letters[:at] + "..." + letters[at:])
    used = sorted(set("".join(terms)) - {"."})
    kept = draw(st.lists(st.sampled_from(used), unique=True)) if used else []
    return ",".join(terms) + "->..." + "".join(kept), shapes


@given(summations(), st.integers(0, 2**32 - 1))
def test_einsum_of_any_kind_is_linear_in_each_operand(case: Any, seed: int) -> None:
    """So that the gradient times a direction is the sum with that direction in its place."""
    subscripts, shapes = case
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    out = np.einsum(subscripts, *tensors)
    np.testing.assert_allclose(out.data, np.einsum(subscripts, *arrays), rtol=1e-12, atol=1e-12)
    g = rng.standard_normal(out.shape)
    for position, gradient in enumerate(grad(out, tensors, g)):
        direction = rng.standard_normal(shapes[position])
        moved = [*arrays[:position], direction, *arrays[position + 1 :]]
        expected = np.sum(g * np.einsum(subscripts, *moved))
        assert gradient.shape == shapes[position]
        assert np.sum(gradient.data * direction) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_traces_of_small_integers_do_not_overflow() -> None:
    x = np.full((2, 2), 100, np.int8)
    assert np.trace(Tensor(x)).item() == np.trace(x) == 200
