"""numpy.linalg: values as NumPy's, derivatives of every kind, degenerate matrices, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad, gradcheck, gradgradcheck
from autograd.func import jacfwd, jacrev

Function = Callable[..., Any]
inf = np.inf


def general(*shape: int) -> Any:
    """Values without structure."""
    return np.random.default_rng(1).uniform(-1.5, 1.5, shape)


def regular(*shape: int) -> Any:
    """Square matrices far from singular."""
    return np.random.default_rng(2).uniform(-1, 1, shape) + 2 * np.eye(shape[-1])


def symmetric(*shape: int) -> Any:
    """Symmetric positive definite matrices."""
    x = np.random.default_rng(3).uniform(-0.5, 0.5, shape) + np.diag(1.0 + np.arange(shape[-1]))
    return (x + np.swapaxes(x, -1, -2)) / 2


def hermitian(*shape: int) -> Any:
    """Complex Hermitian positive definite matrices."""
    rng = np.random.default_rng(4)
    x = rng.uniform(-0.5, 0.5, shape) + 1j * rng.uniform(-0.5, 0.5, shape)
    return (x + np.conj(np.swapaxes(x, -1, -2))) / 2 + np.diag(2.0 + np.arange(shape[-1]))


def case(name: str, function: Function, *arrays: Any) -> Any:
    return pytest.param(function, arrays, id=name)


def norm(*args: Any, **options: Any) -> Function:
    return lambda x: np.linalg.norm(x, *args, **options)


la = np.linalg
CASES = [
    case("inv", la.inv, regular(3, 3)),
    case("inv-stack", la.inv, regular(2, 3, 3)),
    case("solve-vector", la.solve, regular(3, 3), general(3)),
    case("solve-matrix", la.solve, regular(3, 3), general(3, 2)),
    case("solve-stack-vector", la.solve, regular(2, 3, 3), general(3)),
    case("solve-stack", la.solve, regular(2, 1, 3, 3), general(4, 3, 1)),
    case("pinv-tall", la.pinv, general(4, 2)),
    case("pinv-wide", la.pinv, general(2, 3, 4)),
    case("pinv-rcond", lambda x: la.pinv(x, 1e-10), general(3, 2)),
    case("pinv-rtol", lambda x: la.pinv(x, rtol=1e-10), general(3, 2)),
    case("lstsq-x", lambda a, b: la.lstsq(a, b)[0], general(4, 2), general(4)),
    case("lstsq-x-matrix", lambda a, b: la.lstsq(a, b)[0], general(4, 2), general(4, 3)),
    case("lstsq-x-wide", lambda a, b: la.lstsq(a, b)[0], general(2, 4), general(2)),
    case("lstsq-residuals", lambda a, b: la.lstsq(a, b)[1], general(4, 2), general(4)),
    case("lstsq-residuals-2", lambda a, b: la.lstsq(a, b)[1], general(4, 2), general(4, 2)),
    case("lstsq-s", lambda a, b: la.lstsq(a, b)[3] + 0 * b[0], general(4, 2), general(4)),
    case("det", la.det, general(3, 3)),
    case("det-1", la.det, general(1, 1)),
    case("det-stack", la.det, general(2, 2, 3, 3)),
    case("slogdet", lambda x: la.slogdet(x)[1], general(3, 3)),
    case("slogdet-stack", lambda x: la.slogdet(x).logabsdet, general(2, 3, 3)),
    case("cholesky", lambda x: la.cholesky((x + x.swapaxes(-1, -2)) / 2), symmetric(3, 3)),
    case("cholesky-stack", lambda x: la.cholesky((x + x.swapaxes(-1, -2)) / 2), symmetric(2, 3, 3)),
    case("qr-q", lambda x: la.qr(x)[0], general(4, 3)),
    case("qr-r", lambda x: la.qr(x).R, general(4, 3)),
    case("qr-mode-r", lambda x: la.qr(x, "r"), general(2, 3, 3)),
    case("qr-wide-q", lambda x: la.qr(x).Q, general(2, 3)),
    case("qr-wide-r", lambda x: la.qr(x, mode="complete").R, general(2, 2, 4)),
    case("svd-s", lambda x: la.svd(x)[1], general(3, 3)),
    case("svd-u", lambda x: la.svd(x, full_matrices=False).U, general(4, 2)),
    case("svd-vh", lambda x: la.svd(x, full_matrices=False).Vh, general(2, 2, 3)),
    case("svd-full-s", lambda x: la.svd(x).S, general(4, 2)),
    case("svd-full-u", lambda x: la.svd(x).U[:, :2], general(4, 2)),
    case("svd-values-only", lambda x: la.svd(x, compute_uv=False), general(2, 3, 2)),
    case("svdvals", la.svdvals, general(3, 4)),
    case("eigh-w", lambda x: la.eigh((x + x.swapaxes(-1, -2)) / 2)[0], symmetric(3, 3)),
    case("eigh-v", lambda x: la.eigh((x + x.swapaxes(-1, -2)) / 2)[1], symmetric(2, 3, 3)),
    case("eigvalsh", lambda x: la.eigvalsh((x + x.swapaxes(-1, -2)) / 2), symmetric(2, 3, 3)),
    case("eigvals", la.eigvals, symmetric(3, 3) + np.triu(general(3, 3)) / 5),
    case("eig-v", lambda x: la.eig(x)[1], symmetric(3, 3) + np.triu(general(3, 3)) / 5),
    case("matrix_power-3", lambda x: la.matrix_power(x, 3), general(2, 2, 2)),
    case("matrix_power-6", lambda x: la.matrix_power(x, 6), regular(2, 2) / 2),
    case("matrix_power-1", lambda x: la.matrix_power(x, 1), regular(2, 2)),
    case("matrix_power-0", lambda x: la.matrix_power(x, 0), regular(2, 2)),
    case("matrix_power-minus", lambda x: la.matrix_power(x, -2), regular(2, 2)),
    case("multi_dot", lambda *x: la.multi_dot(x), general(2, 4), general(4, 3), general(3, 2)),
    case("multi_dot-2", lambda *x: la.multi_dot(x), general(2, 4), general(4)),
    case("multi_dot-v", lambda *x: la.multi_dot(x), general(3), general(3, 2), general(2)),
    case(
        "multi_dot-4",
        lambda *x: la.multi_dot(list(x)),
        *(general(3, 1), general(1, 4), general(4, 2), general(2)),
    ),
    case("tensorinv", lambda x: la.tensorinv(x, 1), regular(6, 6).reshape(6, 2, 3)),
    case("tensorsolve", la.tensorsolve, regular(6, 6).reshape(2, 3, 6), general(2, 3)),
    case(
        "tensorsolve-axes",
        lambda a, b: la.tensorsolve(a, b, axes=(0, 2)),
        regular(6, 6).reshape(2, 6, 3),
        general(6),
    ),
    case("diagonal", lambda x: la.diagonal(x, offset=1), general(2, 3, 3)),
    case("matrix_transpose", la.matrix_transpose, general(2, 3, 4)),
    case("norm", norm(), general(2, 3, 2)),
    case("norm-keepdims", norm(keepdims=True), general(2, 3)),
    case("norm-vector-1", norm(1), general(4)),
    case("norm-vector-2", norm(2), general(4)),
    case("norm-vector-3", norm(3), general(4)),
    case("norm-vector-half", norm(0.5), general(4)),
    case("norm-vector-minus-2", norm(-2), general(4)),
    case("norm-vector-inf", norm(inf), general(4)),
    case("norm-vector-minus-inf", norm(-inf, axis=0), general(4, 2)),
    case("norm-vector-axis", norm(2.5, axis=1, keepdims=True), general(2, 3)),
    case("norm-vectors", norm(axis=-1), general(2, 3)),
    case("norm-fro", norm("fro"), general(2, 3)),
    case("norm-nuc", norm("nuc"), general(3, 2)),
    case("norm-nuc-axis", norm("nuc", axis=(2, 0), keepdims=True), general(2, 3, 4)),
    case("norm-matrix-1", norm(1), general(2, 3)),
    case("norm-matrix-minus-1", norm(-1, axis=(0, 2)), general(2, 3, 2)),
    case("norm-matrix-inf", norm(inf, keepdims=True), general(2, 3)),
    case("norm-matrix-minus-inf", norm(-inf, axis=(1, 0)), general(2, 3)),
    case("norm-matrix-2", norm(2), general(3, 2)),
    case("norm-matrix-minus-2", norm(-2, axis=(-2, -1)), general(2, 3, 2)),
    case("vector_norm", la.vector_norm, general(2, 3)),
    case("vector_norm-axes", lambda x: la.vector_norm(x, axis=(0, 2), ord=3), general(2, 3, 2)),
    case("matrix_norm", la.matrix_norm, general(2, 3, 2)),
    case("matrix_norm-nuc", lambda x: la.matrix_norm(x, ord="nuc", keepdims=True), general(3, 2)),
    case("cond", la.cond, general(2, 3, 3)),
    case("cond-minus-2", lambda x: la.cond(x, -2), general(3, 3)),
    case("cond-1", lambda x: la.cond(x, 1), regular(2, 3, 3)),
    case("cond-fro", lambda x: la.cond(x, "fro"), regular(3, 3)),
]


@pytest.mark.parametrize(("function", "arrays"), CASES)
def test_value(function: Function, arrays: Any) -> None:
    expected = function(*arrays)
    got = function(*(Tensor(a) for a in arrays))
    assert isinstance(got, Tensor)
    assert got.shape == np.shape(expected)
    np.testing.assert_allclose(got.data, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("function", "arrays"), CASES)
def test_derivatives(function: Function, arrays: Any) -> None:
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    assert gradcheck(function, tensors, atol=1e-6)
    assert gradgradcheck(function, tensors)


@pytest.mark.parametrize(("function", "arrays"), CASES)
def test_float32(function: Function, arrays: Any) -> None:
    tensors = [Tensor(a.astype(np.float32), requires_grad=True) for a in arrays]
    out = function(*tensors)
    assert out.dtype == np.float32
    for gradient in grad(np.sum(out), tensors, create_graph=True):
        assert gradient.dtype == np.float32


@pytest.mark.parametrize("function", [la.slogdet, la.qr, la.svd, la.eigh, la.eig])
def test_results_are_numpys_named_tuples(function: Function) -> None:
    expected = function(symmetric(3, 3))
    got = function(Tensor(symmetric(3, 3)))
    assert type(got) is type(expected)
    for name in expected._fields:
        np.testing.assert_allclose(getattr(got, name).data, getattr(expected, name), atol=1e-12)


def test_lstsq_gives_what_numpy_gives() -> None:
    for shape in ((4, 2), (2, 4), (3, 3)):
        a, b = general(*shape), general(shape[0], 2)
        expected, got = la.lstsq(a, b), la.lstsq(Tensor(a), b)
        for e, g in zip(expected, got, strict=True):
            np.testing.assert_allclose(getattr(g, "data", g), e, atol=1e-12)
        assert isinstance(got[2], int)


def test_lstsq_and_pinv_of_deficient_rank() -> None:
    """Along changes that keep the rank: a product of factors of two columns."""
    left, right, b = general(4, 2), general(2, 3), general(4)
    for function in (lambda a: la.lstsq(a, b)[0], lambda a: la.pinv(a)):

        def of_factors(u: Any, v: Any, function: Function = function) -> Any:
            return function(u @ v)

        tensors = [Tensor(left, requires_grad=True), Tensor(right, requires_grad=True)]
        np.testing.assert_allclose(of_factors(*tensors).data, of_factors(left, right), atol=1e-12)
        assert gradcheck(of_factors, tensors)
        assert gradgradcheck(of_factors, tensors, eps=1e-5, atol=1e-4)


# ------------------------------------------------------------------------- singular, degenerate


def test_det_of_singular_matrices_to_third_order() -> None:
    for rows in (
        [[1.0, 2.0, 3.0], [4, 5, 6], [7, 8, 9]],
        [[1.0, 2, 3], [2, 4, 6], [1, 1, 1]],
        np.zeros((3, 3)),
    ):
        x = Tensor(rows, requires_grad=True)
        assert gradcheck(la.det, x)
        assert gradgradcheck(la.det, x)
        direction = general(3, 3)
        value = la.det(x)
        for _ in range(3):  # det(x + t d) is a cubic in t, and its last coefficient is det(d)
            (gradient,) = grad(value, x, create_graph=True)
            value = np.sum(gradient * direction)
        assert value.item() == pytest.approx(6 * la.det(direction), rel=1e-10)


def test_det_of_a_stack_with_a_singular_member() -> None:
    x = Tensor([[[1.0, 2.0], [2.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]], requires_grad=True)
    la.det(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[[4, -2], [-2, 1]], [[4, -3], [-2, 1]]], atol=1e-12)


def test_gradient_of_norm_at_zero_is_zero() -> None:
    for ord in (None, 1, 2, 3, 1.5, 0.5, inf):
        x = Tensor(np.zeros(3), requires_grad=True)
        (gradient,) = grad(la.norm(x, ord), x, create_graph=True)
        np.testing.assert_array_equal(gradient.data, np.zeros(3))
        if gradient.requires_grad:
            again = grad(np.sum(gradient), x, allow_unused=True)[0]
            assert again is None or not again.data.any()
    x = Tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    la.norm(x, axis=1).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0, 0], [0.6, 0.8]])


def test_p_norm_at_an_element_of_zero() -> None:
    x = Tensor([0.0, 3.0, 4.0], requires_grad=True)
    for p in (0.5, 1.5, 3):
        (gradient,) = grad(la.norm(x, p), x)
        assert gradient.data[0] == 0
        assert np.isfinite(gradient.data).all()


def test_norm_0_counts() -> None:
    count = la.norm(Tensor([0.0, 3.0, 4.0], requires_grad=True), 0)
    assert count == 2
    assert not isinstance(count, Tensor)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (la.svdvals, np.eye(3)),
        (la.eigvalsh, np.eye(3)),
        (norm("nuc"), np.eye(3)),
        (norm(2), np.diag([1.0, 0, 0])),  # to the first of equals
    ],
)
def test_repeated_values_have_gradients(function: Function, expected: Any) -> None:
    x = Tensor(np.eye(3) * 2, requires_grad=True)
    function(x).sum().backward()
    np.testing.assert_allclose(np.abs(x.grad.numpy()), expected, atol=1e-12)


def polar(x: Any) -> Any:
    """The orthogonal factor of the polar decomposition: defined where no singular value is 0."""
    u, _, vh = la.svd(x, full_matrices=False)
    return u @ vh


def root(x: Any) -> Any:
    """The square root of a symmetric matrix."""
    w, v = la.eigh((x + x.swapaxes(-1, -2)) / 2)
    return (v * np.sqrt(w)) @ v.swapaxes(-1, -2)


REPEATED = [
    ("root of 2I", root, 2 * np.eye(3)),
    ("root of a projection", root, np.diag([1.0, 1, 4])),
    ("polar factor", polar, 2 * np.eye(3)),
    ("eigenvectors", lambda x: la.eigh(x)[1], np.eye(3)),
    ("left vectors", lambda x: la.svd(x, full_matrices=False)[0], np.eye(3)[:, :2]),
    ("right vectors", lambda x: la.svd(x)[2], np.eye(3)),
    ("vectors of 0", lambda x: la.svd(x, full_matrices=False)[0], np.diag([1.0, 0, 0])[:, :2]),
    ("eigenvectors, general", lambda x: la.eig(x)[1], np.eye(3)),
]


@pytest.mark.parametrize(
    ("function", "values"), [pytest.param(f, x, id=name) for name, f, x in REPEATED]
)
def test_vectors_of_equal_values_have_no_derivative(function: Function, values: Any) -> None:
    """What is made of them may have one, but it cannot be had from theirs: no wrong number."""
    x = Tensor(values, requires_grad=True)
    out = function(x)
    with pytest.raises(la.LinAlgError, match="coincide"):
        grad(out, x, general(*out.shape))


def test_vectors_of_other_values_have_their_derivative() -> None:
    """Three eigenvalues coincide, the loss looks at the fourth one's vector."""
    x = Tensor(np.diag([1.0, 1.0, 1.0, 3.0]), requires_grad=True)
    assert gradcheck(lambda x: la.eigh((x + x.T) / 2)[1][:, 3] ** 2, x)
    assert gradcheck(lambda x: la.svd(x)[0][:, 0] ** 2, x)
    assert gradcheck(lambda x: np.outer(la.svd(x)[0][:, 0], la.svd(x)[2][0]), x)
    deficient = Tensor(np.outer([1.0, 2, 3], [1.0, -1, 2]), requires_grad=True)
    assert gradcheck(lambda x: la.norm(x, 2), deficient)
    assert gradgradcheck(lambda x: la.norm(x, 2), deficient)


def test_second_derivative_of_equal_values_is_refused() -> None:
    """The sum of squared eigenvalues is smooth, but one by one the eigenvalues are not."""
    x = Tensor(np.eye(3), requires_grad=True)
    (g,) = grad(np.sum(la.eigvalsh(x) ** 2), x, create_graph=True)
    np.testing.assert_allclose(g.data, 2 * np.eye(3))
    with pytest.raises(la.LinAlgError, match="coincide"):
        grad(g, x, general(3, 3))


def test_forward_mode_refuses_too() -> None:
    with pytest.raises(la.LinAlgError, match="coincide"):
        jacfwd(lambda x: la.eigh(x)[1])(np.eye(3))
    np.testing.assert_allclose(jacfwd(lambda x: np.sum(la.eigvalsh(x)))(np.eye(3)).data, np.eye(3))


def test_function_of_a_matrix_is_differentiable_where_eigenvalues_are_apart() -> None:
    x = Tensor(symmetric(3, 3), requires_grad=True)
    assert gradcheck(root, x)
    assert gradgradcheck(root, x)


def test_singular_values_of_a_zero_matrix() -> None:
    x = Tensor(np.zeros((3, 2)), requires_grad=True)
    (gradient,) = grad(np.sum(la.svd(x, full_matrices=False)[1]), x)
    np.testing.assert_allclose(gradient.data.T @ gradient.data, np.eye(2), atol=1e-15)


# ------------------------------------------------------------------------------ symmetric inputs


@pytest.mark.parametrize(
    "function",
    [
        lambda x: la.cholesky(x),
        lambda x: la.eigh(x)[0] ** 2,
        lambda x: la.eigvalsh(x) ** 2,
        lambda x: la.cholesky(x, upper=True),
        lambda x: la.pinv(x, hermitian=True),
        lambda x: la.svd(x, hermitian=True)[1] ** 2,
    ],
)
def test_gradient_of_a_symmetric_matrix_is_symmetric(function: Function) -> None:
    x = Tensor(symmetric(3, 3), requires_grad=True)
    np.sum(function(x)).backward()
    np.testing.assert_allclose(x.grad.numpy(), x.grad.numpy().T, atol=1e-13)
    assert gradcheck(lambda t: function((t + t.T) / 2), Tensor(symmetric(3, 3), requires_grad=True))


@pytest.mark.parametrize(
    ("function", "read"),
    [
        (lambda x: la.cholesky(x), np.tril),
        (lambda x: la.cholesky(x, upper=True), np.triu),
        (lambda x: la.eigvalsh(x), np.tril),
        (lambda x: la.eigvalsh(x, UPLO="U"), np.triu),
        (lambda x: la.eigh(x, "U")[0], np.triu),
        (lambda x: la.pinv(x, hermitian=True), np.tril),
    ],
)
def test_only_one_triangle_of_other_matrices_is_read(function: Function, read: Function) -> None:
    """As NumPy does; the gradient is then zero in the other triangle."""
    values = symmetric(3, 3) + 0.1 * general(3, 3)
    x = Tensor(values, requires_grad=True)
    np.testing.assert_allclose(function(x).data, function(values), atol=1e-12)
    assert gradcheck(function, x)
    np.sum(function(x) ** 2).backward()
    np.testing.assert_array_equal(x.grad.numpy(), read(x.grad.numpy()))


# --------------------------------------------------------------------------------------- complex


def complex_general(*shape: int) -> Any:
    rng = np.random.default_rng(5)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def project(v: Any) -> Any:
    """Projections on the columns of v: what does not change with their phases."""
    return v[:, :1] @ np.conj(v[:, :1]).T


COMPLEX = [
    case("inv", la.inv, complex_general(3, 3)),
    case("solve", la.solve, complex_general(3, 3), complex_general(3)),
    case("pinv", la.pinv, complex_general(3, 2)),
    case("lstsq", lambda a, b: la.lstsq(a, b)[0], complex_general(4, 2), complex_general(4)),
    case(
        "lstsq-residuals", lambda a, b: la.lstsq(a, b)[1], complex_general(4, 2), complex_general(4)
    ),
    case("det", la.det, complex_general(3, 3)),
    case("det-singular", la.det, complex_general(3, 1) @ complex_general(1, 3)),
    case("logabsdet", lambda x: la.slogdet(x)[1], complex_general(3, 3)),
    case("sign", lambda x: la.slogdet(x)[0], complex_general(3, 3)),
    case("norm", norm(), complex_general(2, 3)),
    case("norm-nuc", norm("nuc"), complex_general(2, 3)),
    case("svdvals", la.svdvals, complex_general(2, 3)),
    case("qr-r", lambda x: la.qr(x)[1], complex_general(3, 2)),
    case("qr-q", lambda x: la.qr(x)[0], complex_general(3, 2)),
    case("cholesky", lambda x: la.cholesky((x + np.conj(x).T) / 2), hermitian(3, 3)),
    case("eigvalsh", lambda x: la.eigvalsh((x + np.conj(x).T) / 2), hermitian(3, 3)),
    case("eigh-v", lambda x: project(la.eigh((x + np.conj(x).T) / 2)[1]), hermitian(3, 3)),
    case("svd-u", lambda x: project(la.svd(x, full_matrices=False)[0]), complex_general(3, 2)),
    case("polar", polar, complex_general(3, 2)),
    case("eigvals", la.eigvals, complex_general(3, 3)),
    case("eig-v", lambda x: project(la.eig(x)[1]), complex_general(3, 3)),
]


@pytest.mark.parametrize(("function", "arrays"), COMPLEX)
def test_complex_derivatives(function: Function, arrays: Any) -> None:
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    np.testing.assert_allclose(function(*tensors).data, function(*arrays), atol=1e-12)
    assert gradcheck(function, tensors)
    assert gradgradcheck(function, tensors)


def test_complex_eigenvalues_of_a_real_matrix_have_real_gradients() -> None:
    x = Tensor([[0.5, 2.0, 0.1], [-1.5, 0.3, 0.4], [0.2, 0.1, 1.0]], requires_grad=True)

    def spectral(x: Any) -> Any:
        w = la.eigvals(x)
        return np.sum(np.real(w) ** 2) + np.sum(np.imag(w) ** 2)

    assert la.eigvals(x.data).dtype.kind == "c"
    assert gradcheck(spectral, x)
    assert gradgradcheck(spectral, x)


# ---------------------------------------------------------------------------------------- errors


def test_matrix_rank_is_a_plain_number() -> None:
    assert la.matrix_rank(Tensor(np.eye(3), requires_grad=True)) == 3


def backward_of(function: Function) -> Function:
    return lambda x: np.sum(function(x)).backward()


SINGULAR = [[1.0, 2.0], [2.0, 4.0]]
ERRORS = [
    (la.inv, SINGULAR, la.LinAlgError, r"inv\(float64\[2, 2\]\).*singular.*pinv"),
    (la.inv, [np.eye(2), SINGULAR], la.LinAlgError, r"at index \(1,\) is singular"),
    (lambda x: la.solve(x, np.ones(2)), SINGULAR, la.LinAlgError, "singular"),
    (
        lambda x: la.solve(x, np.ones(3)),
        np.eye(2),
        ValueError,
        r"solve\(float64\[2, 2\], float64\[3\]",
    ),
    (la.inv, np.ones((2, 3)), la.LinAlgError, "square"),
    (la.cholesky, [[1.0, 2.0], [2.0, 1.0]], la.LinAlgError, "not positive definite.*-1"),
    (la.cholesky, np.ones((2, 3)), la.LinAlgError, r"square.*\(2, 3\)"),
    (lambda x: la.eigh(x, "X"), np.eye(2), ValueError, "UPLO"),
    (lambda x: la.qr(x, "complete"), np.ones((3, 2)), ValueError, "mode='reduced'"),
    (lambda x: la.qr(x, "raw"), np.ones((3, 2)), ValueError, "'raw'"),
    (la.cond, [[1.0, 0.0], [1.0, 0.0]], la.LinAlgError, "infinite"),
    (lambda x: la.matrix_power(x, 2), np.ones((2, 3)), la.LinAlgError, "square"),
    (lambda x: la.matrix_power(x, 1.5), np.eye(2), TypeError, "whole number"),
    (lambda x: la.multi_dot([x]), np.eye(2), ValueError, "two arrays"),
    (lambda x: la.multi_dot([x, np.ones((2, 2, 2))]), np.eye(2), la.LinAlgError, "array 1"),
    (lambda x: la.norm(x, "fro"), np.ones(3), ValueError, "'fro'"),
    (lambda x: la.norm(x, 3), np.ones((2, 3)), ValueError, "got 3"),
    (lambda x: la.norm(x, 1), np.ones((2, 3, 4)), ValueError, "axis="),
    (lambda x: la.norm(x, axis=(0, 1, 2)), np.ones((2, 3, 4)), ValueError, "one axis"),
    (lambda x: la.tensorinv(x, 0), np.eye(2), ValueError, "ind > 0"),
    (lambda x: la.tensorinv(x, 1), np.ones((2, 3)), ValueError, "as many elements"),
    (lambda x: la.tensorsolve(x, np.ones(2)), np.ones((2, 3)), ValueError, "square system"),
    (backward_of(lambda x: la.slogdet(x)[1]), SINGULAR, la.LinAlgError, "-inf"),
    (backward_of(lambda x: la.qr(x)[1]), SINGULAR, la.LinAlgError, "linearly dependent"),
    (backward_of(lambda x: la.eigvals(x)), [[1.0, 1.0], [0.0, 1.0]], la.LinAlgError, "defective"),
    (backward_of(lambda x: la.svd(x)[0]), np.ones((3, 2)), ValueError, "full_matrices=False"),
]


@pytest.mark.parametrize(("function", "values", "error", "message"), ERRORS)
def test_errors_say_what_is_wrong(
    function: Function, values: Any, error: Any, message: str
) -> None:
    with pytest.raises(error, match=message):
        function(Tensor(values, requires_grad=True))


def test_what_has_no_derivative_still_has_values() -> None:
    x = Tensor([[3.0], [4.0]])
    q, r = la.qr(x, "complete")
    assert q.shape == (2, 2)
    assert r.shape == (2, 1)
    assert la.cond(Tensor(SINGULAR)) > 1e15
    assert la.cond(Tensor([[1.0, 0.0], [1.0, 0.0]])) == inf


def test_lists_as_equations() -> None:
    b = Tensor([2.0, 3.0], requires_grad=True)
    (g,) = grad(np.sum(la.solve([[2, 0], [0, 4]], b)), b)
    np.testing.assert_array_equal(g.data, [0.5, 0.25])
    a = Tensor([[2.0, 0.0], [0.0, 4.0]], requires_grad=True)
    (g,) = grad(np.sum(la.solve(a, [2, 4])), a)
    np.testing.assert_array_equal(g.data, [[-0.5, -0.5], [-0.25, -0.25]])


# ------------------------------------------------------------------------ higher orders, stacks


def along(function: Function, direction: Any, order: int) -> Function:
    """The derivative of a given order of t -> sum of weighted outputs at x + t direction."""

    def derivative(values: Any) -> float:
        x = Tensor(values, requires_grad=True)
        out = function(x)
        y = np.sum(out * np.cos(np.arange(out.size)).reshape(out.shape))
        for _ in range(order):
            y = np.sum(grad(y, x, create_graph=True)[0] * direction)
        return y.item()

    return derivative


THIRD = [
    ("inv", la.inv, regular(3, 3)),
    ("solve", lambda x: la.solve(x, x[0]), regular(3, 3)),
    ("det", la.det, general(3, 3)),
    ("slogdet", lambda x: la.slogdet(x)[1], regular(3, 3)),
    ("pinv", la.pinv, general(3, 2)),
    ("lstsq", lambda x: la.lstsq(x[:, :2], x[:, 2])[0], general(4, 3)),
    ("cholesky", lambda x: la.cholesky(x @ x.T), regular(3, 3)),
    ("qr", lambda x: la.qr(x)[0], general(3, 2)),
    ("svd", lambda x: la.svd(x, full_matrices=False)[0], general(3, 2)),
    ("svdvals", la.svdvals, general(3, 2)),
    ("eigh", lambda x: la.eigh(x + x.T)[1], symmetric(3, 3)),
    ("eigvalsh", lambda x: la.eigvalsh(x + x.T), symmetric(3, 3)),
    ("eigvals", la.eigvals, symmetric(3, 3) + np.triu(general(3, 3)) / 5),
    ("norm", la.norm, general(3, 3)),
    ("norm-3", lambda x: la.norm(x, 3, axis=0), general(3, 3)),
    ("polar", polar, regular(3, 3)),
]


@pytest.mark.parametrize(
    ("function", "values"), [pytest.param(f, x, id=name) for name, f, x in THIRD]
)
def test_third_derivative(function: Function, values: Any) -> None:
    direction = np.random.default_rng(7).standard_normal(values.shape) / 4
    second, third = (along(function, direction, order) for order in (2, 3))
    step = 1e-4
    expected = (second(values + step * direction) - second(values - step * direction)) / (2 * step)
    assert third(values) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(("function", "arrays"), CASES)
def test_jacobian_by_a_stack_of_gradients(function: Function, arrays: Any) -> None:
    """All rows in one backward pass, where the rules allow, are those of one pass each."""
    jacobians = jacrev(function, argnums=tuple(range(len(arrays))))(*arrays)
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    out = function(*tensors)
    flat = np.reshape(out, -1)
    for jacobian, x in zip(jacobians, tensors):
        rows = [grad(flat[k], x, retain_graph=True, allow_unused=True)[0] for k in range(out.size)]
        expected = np.stack([np.zeros(x.shape) if row is None else row.data for row in rows])
        np.testing.assert_allclose(
            jacobian.data, expected.reshape(out.shape + x.shape), rtol=1e-9, atol=1e-11
        )


STACKED = [
    ("inv", la.inv, regular(4, 3, 3)),
    ("det", la.det, general(4, 3, 3)),
    ("logabsdet", lambda x: la.slogdet(x)[1], general(4, 3, 3)),
    ("pinv", la.pinv, general(4, 3, 2)),
    ("qr", lambda x: la.qr(x)[0], general(4, 3, 2)),
    ("svd", lambda x: la.svd(x, full_matrices=False)[0], general(4, 3, 2)),
    ("cholesky", la.cholesky, symmetric(4, 3, 3)),
    ("eigh", lambda x: la.eigh(x)[1], symmetric(4, 3, 3)),
    ("eig", lambda x: np.abs(la.eig(x)[1]), general(4, 3, 3)),
]


@pytest.mark.parametrize(
    ("function", "values"), [pytest.param(f, x, id=name) for name, f, x in STACKED]
)
def test_stack_is_each_matrix_alone(function: Function, values: Any) -> None:
    x = Tensor(values.reshape(2, 2, *values.shape[1:]), requires_grad=True)
    function(x).sum().backward()
    for k in np.ndindex(2, 2):
        alone = Tensor(x.data[k], requires_grad=True)
        function(alone).sum().backward()
        np.testing.assert_allclose(x.grad.data[k], alone.grad.data, rtol=1e-9, atol=1e-11)
