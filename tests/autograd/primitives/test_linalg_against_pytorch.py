"""Gradients and second gradients of linear algebra and transforms, against PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad

torch = pytest.importorskip("torch")

Function = Callable[..., Any]
la = np.linalg


def real(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape)


def complex_(*shape: int) -> Any:
    rng = np.random.default_rng(1)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def positive(x: Any) -> Any:
    """A Hermitian positive definite matrix of the same kind."""
    return x @ np.conj(np.swapaxes(x, -1, -2)) + np.eye(x.shape[-1])


def absolute(x: Any) -> Any:
    """Absolute values: what does not depend on a vector's phase."""
    return np.abs(x) if not isinstance(x, torch.Tensor) else torch.abs(x)


CASES = [
    ("inv", la.inv, lambda x: torch.linalg.inv(x), 3, 3),
    ("det", la.det, lambda x: torch.linalg.det(x), 3, 3),
    ("logabsdet", lambda x: la.slogdet(x)[1], lambda x: torch.linalg.slogdet(x)[1], 2, 3, 3),
    ("pinv", la.pinv, lambda x: torch.linalg.pinv(x), 4, 3),
    ("svdvals", la.svdvals, lambda x: torch.linalg.svdvals(x), 3, 4),
    ("norm", la.norm, lambda x: torch.linalg.norm(x), 3, 4),
    ("nuclear", lambda x: la.norm(x, "nuc"), lambda x: torch.linalg.norm(x, "nuc"), 3, 4),
    ("spectral", lambda x: la.norm(x, 2), lambda x: torch.linalg.norm(x, 2), 3, 4),
    ("cond", la.cond, lambda x: torch.linalg.cond(x), 3, 3),
    (
        "svd",
        lambda x: absolute(la.svd(x, full_matrices=False)[0]),
        lambda x: absolute(torch.linalg.svd(x, full_matrices=False)[0]),
        4,
        3,
    ),
    (
        "svd-vh",
        lambda x: absolute(la.svd(x, full_matrices=False)[2]),
        lambda x: absolute(torch.linalg.svd(x, full_matrices=False)[2]),
        3,
        4,
    ),
    ("qr", lambda x: la.qr(x)[0], lambda x: torch.linalg.qr(x)[0], 4, 3),
    ("qr-r", lambda x: la.qr(x)[1], lambda x: torch.linalg.qr(x)[1], 3, 3),
    (
        "eigvals",
        lambda x: absolute(la.eigvals(x)),
        lambda x: absolute(torch.linalg.eigvals(x)),
        3,
        3,
    ),
    ("eig", lambda x: absolute(la.eig(x)[1]), lambda x: absolute(torch.linalg.eig(x)[1]), 3, 3),
    ("fft", lambda x: absolute(np.fft.fft(x)), lambda x: absolute(torch.fft.fft(x)), 3, 5),
    (
        "ifft2",
        lambda x: absolute(np.fft.ifft2(x, norm="ortho")),
        lambda x: absolute(torch.fft.ifft2(x, norm="ortho")),
        3,
        4,
    ),
    ("irfft", np.fft.irfft, lambda x: torch.fft.irfft(x), 3, 4),
    ("hfft", lambda x: np.fft.hfft(x, 5), lambda x: torch.fft.hfft(x, 5), 4),
]
HERMITIAN = [
    ("cholesky", lambda x: la.cholesky(x), lambda x: torch.linalg.cholesky(x)),
    ("eigvalsh", lambda x: la.eigvalsh(x), lambda x: torch.linalg.eigvalsh(x)),
    ("eigh", lambda x: absolute(la.eigh(x)[1]), lambda x: absolute(torch.linalg.eigh(x)[1])),
]


def compare(ours: Function, theirs: Function, values: Any) -> None:
    x, t = Tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    y, u = ours(x), theirs(t)
    np.testing.assert_allclose(y.data, u.detach().numpy(), rtol=1e-10, atol=1e-10)
    weights = np.random.default_rng(2).standard_normal(y.shape)
    if y.dtype.kind == "c":
        weights = weights * (1 - 0.5j)
    (g,) = grad(y, x, weights, create_graph=True)
    (h,) = torch.autograd.grad(u, t, torch.as_tensor(weights), create_graph=True)
    np.testing.assert_allclose(g.data, h.detach().resolve_conj().numpy(), rtol=1e-8, atol=1e-9)
    if not h.requires_grad:
        return  # linear
    second = np.random.default_rng(3).standard_normal(values.shape).astype(values.dtype)
    (g,) = grad(g, x, second, allow_unused=True)
    (h,) = torch.autograd.grad(h, t, torch.as_tensor(second), allow_unused=True)
    if h is not None and g is not None:
        np.testing.assert_allclose(g.data, h.resolve_conj().numpy(), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("draw", [real, complex_])
@pytest.mark.parametrize(
    ("ours", "theirs", "shape"), [pytest.param(c[1], c[2], c[3:], id=c[0]) for c in CASES]
)
def test_of_general_matrices(ours: Function, theirs: Function, shape: Any, draw: Function) -> None:
    compare(ours, theirs, draw(*shape))


@pytest.mark.parametrize("draw", [real, complex_])
@pytest.mark.parametrize(("ours", "theirs"), [pytest.param(c[1], c[2], id=c[0]) for c in HERMITIAN])
def test_of_hermitian_matrices(ours: Function, theirs: Function, draw: Function) -> None:
    """The gradient of the matrix itself, Hermitian; PyTorch's may have a part that is not."""
    values = positive(draw(3, 3))
    x, t = Tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    y, u = ours(x), theirs(t)
    weights = np.random.default_rng(2).standard_normal(y.shape).astype(y.dtype)
    (g,) = grad(y, x, weights)
    (h,) = torch.autograd.grad(u, t, torch.as_tensor(weights))
    h = ((h + h.mH) / 2).resolve_conj()
    np.testing.assert_allclose(g.data, h.numpy(), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(g.data, np.conj(g.data.T), atol=1e-13)


@pytest.mark.parametrize("draw", [real, complex_])
@pytest.mark.parametrize("columns", [(), (2,)])
def test_of_equations(draw: Function, columns: Any) -> None:
    a, b, g = draw(3, 3), draw(3, *columns)[::-1].copy(), draw(3, *columns)
    x, y = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    s, t = torch.tensor(a, requires_grad=True), torch.tensor(b, requires_grad=True)
    ours = grad(la.solve(x, y), (x, y), g)
    theirs = torch.autograd.grad(torch.linalg.solve(s, t), (s, t), torch.as_tensor(g))
    for mine, other in zip(ours, theirs):
        np.testing.assert_allclose(mine.data, other.resolve_conj().numpy(), rtol=1e-9, atol=1e-12)


def test_of_einsum() -> None:
    a, b, c = complex_(2, 3, 3), complex_(3, 4), complex_(2, 4)
    ours = [Tensor(v, requires_grad=True) for v in (a, b, c)]
    theirs = [torch.tensor(v, requires_grad=True) for v in (a, b, c)]
    g = complex_(2, 3)
    mine = grad(np.einsum("bij,jk,bk->bi", *ours), ours, g)
    others = torch.autograd.grad(torch.einsum("bij,jk,bk->bi", *theirs), theirs, torch.as_tensor(g))
    for x, y in zip(mine, others):
        np.testing.assert_allclose(x.data, y.resolve_conj().numpy(), rtol=1e-10)
