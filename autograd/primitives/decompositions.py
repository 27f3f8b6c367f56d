"""Decompositions of numpy.linalg: Cholesky, QR, singular values, eigenvalues and eigenvectors.

Vectors are determined up to a sign or phase only; they have the derivative without any turn of
their own, which is the true one for all losses that the choice of sign or phase does not change.
Where two values coincide their vectors have no derivative: they can be any that span the same
space, and which ones jumps. The backward pass then raises an error if a gradient reaches such
vectors. The values alone have gradients there, which are the true ones for functions of all of
them that treat equals alike, such as sums.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd._primitive import implements, plain, primitive, sample
from autograd.primitives.arithmetic import nonzero
from autograd.primitives.products import as_array, conjugate


def _adjoint(x: Any) -> Any:
    return conjugate(x.swapaxes(-1, -2))


def _hermitian_part(x: Any) -> Any:
    return (x + _adjoint(x)) / 2


def _times_identity(x: Any) -> Any:
    """Vectors in the last axis as diagonal matrices."""
    return x[..., None] * np.eye(x.shape[-1], dtype=np.real(plain(x)).dtype)


def is_zero(g: Any) -> bool:
    """Whether a gradient is zero and nothing is to be differentiated by it."""
    return not getattr(g, "requires_grad", False) and not np.any(plain(g))


def symmetric(*shape: int) -> Callable[[np.random.Generator], Any]:
    """A maker of symmetric matrices with eigenvalues well apart."""

    def with_distinct_eigenvalues(rng: np.random.Generator) -> Any:
        x = rng.uniform(-0.5, 0.5, shape) + np.diag(1.5 * np.arange(shape[-1]) - 2)
        return (x + x.swapaxes(-1, -2)) / 2

    return with_distinct_eigenvalues


def positive_definite(*shape: int) -> Callable[[np.random.Generator], Any]:
    """A maker of symmetric positive definite matrices with eigenvalues well apart."""

    def with_positive_eigenvalues(rng: np.random.Generator) -> Any:
        x = rng.uniform(-0.5, 0.5, shape) + np.diag(1.5 * np.arange(shape[-1]) + 2)
        return (x + x.swapaxes(-1, -2)) / 2

    return with_positive_eigenvalues


def from_triangle(x: Any, uplo: str) -> Any:
    """The Hermitian matrices whose lower ("L") or upper ("U") triangle x holds.

    NumPy's routines for Hermitian matrices read one triangle only. A matrix that is Hermitian, up
    to rounding, is taken as it is, so that its gradient is Hermitian too.
    """
    x = as_array(x)
    if x.dtype.kind not in "fc":
        x = x.astype(float)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise np.linalg.LinAlgError(f"square matrices are needed, got shape {x.shape}")
    values = plain(x)
    if uplo.upper() not in ("L", "U"):
        raise ValueError(f"UPLO is 'L' or 'U', got {uplo!r}")
    gap = np.abs(values - _adjoint(values)).max(initial=0)
    if gap <= 8 * np.finfo(values.dtype).eps * np.abs(values).max(initial=0):
        return x
    n = x.shape[-1]
    mask = np.tri(n, k=-1, dtype=np.real(values).dtype)
    triangle = x * (mask if uplo.upper() == "L" else mask.T)
    diagonal = x * np.eye(n, dtype=mask.dtype)
    if x.dtype.kind == "c":
        diagonal = _hermitian_part(diagonal)
    return triangle + diagonal + _adjoint(triangle)


def _gaps(values: Any) -> Any:
    """``values[j] - values[i]`` at (i, j), and 1 at (i, i); exactly 0 where two coincide."""
    gaps = values[..., None, :] - values[..., :, None]
    return _snapped(gaps, plain(values)) + np.eye(values.shape[-1], dtype=values.dtype)


def _snapped(gaps: Any, values: Any) -> Any:
    """Small differences of values, with what is only rounding set to 0."""
    scale = np.abs(values).max(-1, initial=0)[..., None, None]
    rounding = 4 * values.shape[-1] * np.finfo(values.dtype).eps * scale
    return gaps * (np.abs(plain(gaps)) > rounding)


def _without_diagonal(x: Any) -> Any:
    return x * (1 - np.eye(x.shape[-1], dtype=np.real(plain(x)).dtype))


@primitive(
    batched=True,
    samples=(
        sample((3, 3), nonzero(3, 3)),
        sample((2, 3, 2), nonzero(1, 2)),
    ),
)
def ratio(x: Any, gaps: Any, /) -> Any:
    """``x / gaps``, and 0 where both are 0.

    Raises:
        LinAlgError: where only the gap is 0, so that vectors without a derivative are asked for it.

    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    array([0.5, 0. ])
    """
    closed = np.broadcast_to(gaps == 0, np.broadcast_shapes(x.shape, gaps.shape))
    if not closed.any():
        return x / gaps
    size = np.abs(x)
    allowed = 16 * x.shape[-1] * np.finfo(x.dtype).eps * size.max(initial=0)
    if np.any(closed & (size > allowed)):
        raise np.linalg.LinAlgError(
            "a gradient reaches vectors of a decomposition whose values coincide (or singular "
            "vectors of the value 0): such vectors have no derivative; use np.linalg.svdvals or "
            "eigvalsh where only the values matter, or move the matrix a little"
        )
    return np.where(closed, 0, x / np.where(closed, 1, gaps)).astype(x.dtype, copy=False)


@ratio.rule("x")
def _(g: Any, gaps: Any) -> Any:
    return ratio(g, gaps)


@ratio.rule("gaps")
def _(g: Any, gaps: Any, y: Any) -> Any:
    return -ratio(g * y, gaps)


# --------------------------------------------------------------------------------------- Cholesky


@primitive(
    name="cholesky",
    batched=True,
    samples=(sample(positive_definite(3, 3)), sample(positive_definite(2, 2, 2))),
)
def _cholesky(x: Any, /) -> Any:
    """The lower triangular factors L with ``L @ L.T`` the Hermitian part of x."""
    try:
        return np.linalg.cholesky(_hermitian_part(x))
    except np.linalg.LinAlgError as error:
        lowest = np.linalg.eigvalsh(_hermitian_part(x)).min()
        raise np.linalg.LinAlgError(
            f"the matrix is not positive definite: its smallest eigenvalue is {lowest:.3g}"
        ) from error


@_cholesky.rule
def _(g: Any, y: Any) -> Any:
    # Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527.
    g = conjugate(g)
    n = y.shape[-1]
    half = np.tri(n, dtype=np.real(plain(y)).dtype) - np.eye(n, dtype=np.real(plain(y)).dtype) / 2
    inner = _hermitian_part((_adjoint(y) @ g) * half)
    left = np.linalg.solve(_adjoint(y), inner)
    return conjugate(_hermitian_part(_adjoint(np.linalg.solve(_adjoint(y), _adjoint(left)))))


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """Triangular factors of positive definite matrices, as ``np.linalg.cholesky``.

    The gradient of a symmetric matrix is symmetric.

    Raises:
        LinAlgError: if a matrix is not positive definite.

    >>> from autograd import Tensor
    >>> cholesky(Tensor([[4.0, 2.0], [2.0, 5.0]]))
    Tensor([[2., 0.],
            [1., 2.]])
    """
    factor = _cholesky(from_triangle(a, "U" if upper else "L"))
    return _adjoint(factor) if upper else factor


# --------------------------------------------------------------------------------------------- QR

QR = type(np.linalg.qr(np.eye(1)))


@primitive(
    name="qr",
    outputs=("q", "r"),
    batched=True,
    samples=(sample((3, 3)), sample((4, 2)), sample((2, 3, 2))),
)
def _qr(x: Any, /) -> Any:
    """Orthonormal columns and a triangular matrix; x has no more columns than rows."""
    return tuple(np.linalg.qr(x))


@_qr.rule
def _(g: Any, q: Any, r: Any) -> Any:
    # Walter, Lehmann and Lamour, "On evaluating higher-order derivatives of the QR decomposition",
    # Optim. Methods Softw. 27 (2012).
    g_q, g_r = conjugate(g[0]), conjugate(g[1])
    diagonal = np.abs(np.diagonal(plain(r), axis1=-2, axis2=-1))
    if np.any(
        diagonal <= np.finfo(diagonal.dtype).eps * diagonal.max(-1, keepdims=True, initial=0)
    ):
        raise np.linalg.LinAlgError(
            "qr: the columns of the matrix are linearly dependent, its factors have no derivative"
        )
    n = r.shape[-1]
    m = r @ _adjoint(g_r) - _adjoint(g_q) @ q
    lower = np.tri(n, k=-1, dtype=diagonal.dtype)
    below = m * lower
    on = m * np.eye(n, dtype=diagonal.dtype)
    if m.dtype.kind == "c":
        on = _hermitian_part(on)
    total = g_q + q @ (below + on + _adjoint(below))
    return conjugate(_adjoint(np.linalg.solve(r, _adjoint(total))))


@implements(np.linalg.qr)
def qr(a: Any, mode: Any = "reduced") -> Any:
    """Orthonormal and triangular factors of matrices, as ``np.linalg.qr``.

    Args:
        a: matrices (..., m, n); their first min(m, n) columns must be linearly independent for a
            derivative to exist.
        mode: "reduced", "r", or "complete" where m <= n. The additional columns that "complete"
            gives for m > n are arbitrary and have no derivative.

    >>> from autograd import Tensor
    >>> qr(Tensor([[3.0], [4.0]])).R.numpy().round(6)
    array([[-5.]])
    """
    a = as_array(a)
    if a.ndim < 2:
        raise np.linalg.LinAlgError(f"qr takes matrices, got shape {a.shape}")
    rows, columns = a.shape[-2:]
    if mode == "raw" or mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr of a tensor takes mode 'reduced', 'complete' or 'r', got {mode!r}")
    if mode == "complete" and rows > columns:
        if getattr(a, "requires_grad", False):
            raise ValueError(
                f"qr: with mode='complete' the last {rows - columns} columns of q are arbitrary "
                "and have no derivative; use mode='reduced'"
            )
        return QR(*map(as_array, np.linalg.qr(plain(a), mode)))
    if rows >= columns:
        q, r = _qr(a)
    else:
        q, left = _qr(a[..., :rows])
        r = np.concatenate([left, _adjoint(q) @ a[..., rows:]], axis=-1)
    return r if mode == "r" else QR(q, r)


# ----------------------------------------------------------------------- singular values, vectors

SVD = type(np.linalg.svd(np.eye(1)))


@primitive(
    name="svd",
    outputs=("u", "s", "vh"),
    batched=True,
    samples=(
        sample((3, 3), full_matrices=False),
        sample((4, 2), full_matrices=False),
        sample((2, 2, 3), full_matrices=False),
    ),
)
def _svd(x: Any, /, full_matrices: bool = True) -> Any:
    """Left singular vectors, singular values and right singular vectors (as rows)."""
    return tuple(np.linalg.svd(x, full_matrices))


@_svd.rule
def _(g: Any, u: Any, s: Any, vh: Any) -> Any:
    k = s.shape[-1]
    if np.any(plain(g[0])[..., k:]) or np.any(plain(g[2])[..., k:, :]):
        raise ValueError(
            "svd: with full_matrices=True the last columns of u (rows of vh) are arbitrary and "
            "have no derivative; use full_matrices=False"
        )
    g_u, g_s, g_v = conjugate(g[0][..., :k]), g[1], g[2][..., :k, :].swapaxes(-1, -2)
    u, vh = u[..., :k], vh[..., :k, :]
    v = _adjoint(vh)
    if is_zero(g_u) and is_zero(g_v):
        return conjugate((u * g_s[..., None, :]) @ vh)
    # With the turns a = uᴴg_u - g_uᴴu and b = vᴴg_v - g_vᴴv the middle is
    # (a s_j + s_i b) / (s_j² - s_i²): a turn of both and a turn of one against the other.
    turn_u, turn_v = _adjoint(u) @ g_u, vh @ g_v
    gaps = _gaps(s)
    both = ratio(_without_diagonal(turn_u), gaps) + ratio(_without_diagonal(turn_v), gaps)
    against = turn_u - turn_v
    against = against - _adjoint(against)
    sums = _snapped(s[..., None, :] + s[..., :, None], plain(s))
    if against.dtype.kind != "c":  # phases have no turn of their own
        against = _without_diagonal(against)
        sums = _without_diagonal(sums) + np.eye(k, dtype=s.dtype)
    middle = (both + _adjoint(both) + ratio(against, sums)) / 2
    total = u @ (middle + _times_identity(g_s)) @ vh
    sizes = _snapped(s[..., None, :], plain(s))
    if u.shape[-2] > k:
        total = total + ratio(g_u - u @ turn_u, sizes) @ vh
    if vh.shape[-1] > k:
        total = total + u @ _adjoint(ratio(g_v - v @ turn_v, sizes))
    return conjugate(total)


@primitive(
    np.linalg.svdvals,
    batched=True,
    samples=(sample((3, 3)), sample((4, 2)), sample((2, 2, 3))),
)
def svdvals(x: Any, /) -> Any:
    """The singular values of matrices, largest first.

    >>> svdvals(np.array([[3.0, 0.0], [0.0, -4.0]]))
    array([4., 3.])
    """
    return np.linalg.svd(x, compute_uv=False)


@svdvals.rule
def _(g: Any, x: Any) -> Any:
    u, _, vh = np.linalg.svd(x, full_matrices=False)
    return conjugate((u * g[..., None, :]) @ vh)


@implements(np.linalg.svd)
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """Singular value decomposition, as ``np.linalg.svd``.

    The singular values alone (``compute_uv=False``) have a gradient also where some coincide; the
    vectors of such values, those of the value 0, and those that only ``full_matrices=True`` gives
    have none. Pairs of vectors are determined up to a sign (phase), which counts as nothing.

    Args:
        a: matrices (..., m, n).
        full_matrices: whether u is (m, m) and vh is (n, n), or (m, k) and (k, n), k = min(m, n).
        compute_uv: whether to compute vectors at all.
        hermitian: whether to read the lower triangle of ``a`` only.

    Raises:
        LinAlgError, ValueError: in the backward pass, if a gradient reaches vectors that have no
            derivative.

    >>> from autograd import Tensor
    >>> svd(Tensor([[3.0, 0.0], [0.0, 4.0]])).S
    Tensor([4., 3.])
    """
    a = from_triangle(a, "L") if hermitian else as_array(a)
    if a.dtype.kind not in "fc":
        a = a.astype(float)
    if not compute_uv:
        return svdvals.call(a)
    return SVD(*_svd(a, bool(full_matrices)))


# --------------------------------------------------------------------- eigenvalues, eigenvectors

EIGH = type(np.linalg.eigh(np.eye(1)))
EIG = type(np.linalg.eig(np.eye(1)))


@primitive(
    name="eigh",
    outputs=("w", "v"),
    batched=True,
    samples=(sample(symmetric(3, 3)), sample(symmetric(2, 2, 2))),
)
def _eigh(x: Any, /) -> Any:
    """Eigenvalues, ascending, and eigenvectors of the Hermitian part of x."""
    return tuple(np.linalg.eigh(_hermitian_part(x)))


@_eigh.rule
def _(g: Any, w: Any, v: Any) -> Any:
    g_w, g_v = g[0], conjugate(g[1])
    middle = ratio(_without_diagonal(_adjoint(v) @ g_v), _gaps(w)) + _times_identity(g_w)
    return conjugate(_hermitian_part(v @ middle @ _adjoint(v)))


@primitive(
    name="eigvalsh",
    batched=True,
    samples=(sample(symmetric(3, 3)), sample(symmetric(2, 2, 2))),
)
def _eigvalsh(x: Any, /) -> Any:
    """Eigenvalues, ascending, of the Hermitian part of x."""
    return np.linalg.eigvalsh(_hermitian_part(x))


@_eigvalsh.rule
def _(g: Any, x: Any) -> Any:
    _, v = _eigh(x)
    return conjugate((v * g[..., None, :]) @ _adjoint(v))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of Hermitian matrices, ascending, as ``np.linalg.eigvalsh``.

    The gradient of a symmetric matrix is symmetric, and exists also where eigenvalues coincide.

    >>> from autograd import Tensor
    >>> eigvalsh(Tensor([[2.0, 1.0], [1.0, 2.0]])).numpy().round(6)
    array([1., 3.])
    """
    return _eigvalsh(from_triangle(a, UPLO))


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues, ascending, and eigenvectors of Hermitian matrices, as ``np.linalg.eigh``.

    The gradient of a symmetric matrix is symmetric. Eigenvectors are determined up to a sign
    (phase), which counts as nothing.

    Raises:
        LinAlgError: in the backward pass, if a gradient reaches eigenvectors of equal eigenvalues.

    >>> from autograd import Tensor
    >>> eigh(Tensor([[3.0, 0.0], [0.0, 2.0]])).eigenvalues
    Tensor([2., 3.])
    """
    return EIGH(*_eigh(from_triangle(a, UPLO)))


def apart(*shape: int) -> Callable[[np.random.Generator], Any]:
    """A maker of matrices, not symmetric, with real eigenvalues well apart."""

    def with_real_eigenvalues(rng: np.random.Generator) -> Any:
        return rng.uniform(-0.3, 0.3, shape) + np.diag(2.0 * np.arange(shape[-1]) - 1)

    return with_real_eigenvalues


def _inverse_of_vectors(v: Any) -> Any:
    array = plain(v)
    try:
        if array.size and np.linalg.cond(array).max() > 0.1 / np.finfo(array.dtype).eps:
            raise np.linalg.LinAlgError("singular")
        return np.linalg.inv(v)
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(
            "eig: the matrix is defective (has too few eigenvectors); its eigenvalues and "
            "eigenvectors have no derivative"
        ) from error


@primitive(
    name="eig",
    outputs=("w", "v"),
    batched=True,
    samples=(sample(apart(3, 3)), sample(apart(2, 2, 2))),
)
def _eig(x: Any, /) -> Any:
    """Eigenvalues and eigenvectors of square matrices."""
    return tuple(np.linalg.eig(x))


@_eig.rule
def _(g: Any, w: Any, v: Any) -> Any:
    # Boeddeker et al., "On the computation of complex-valued gradients", arXiv:1701.00392.
    g_w, g_v = conjugate(g[0]), conjugate(g[1])
    back = _adjoint(_inverse_of_vectors(v))
    overlap = _adjoint(v) @ g_v
    n = w.shape[-1]
    on = np.real(np.sum(overlap * np.eye(n, dtype=overlap.dtype), axis=-1))
    turn = overlap - (_adjoint(v) @ v) * on[..., None, :]
    middle = ratio(_without_diagonal(turn), conjugate(_gaps(w))) + _times_identity(g_w)
    return conjugate(back @ middle @ _adjoint(v))


@primitive(np.linalg.eigvals, batched=True, samples=(sample(apart(3, 3)), sample(apart(2, 2, 2))))
def eigvals(x: Any, /) -> Any:
    """The eigenvalues of square matrices, in no particular order; complex if any is.

    >>> eigvals(np.array([[0.0, 1.0], [1.0, 0.0]])).round(6)
    array([ 1., -1.])
    """
    return np.linalg.eigvals(x)


@eigvals.rule
def _(g: Any, x: Any) -> Any:
    _, v = _eig(x)
    back = _inverse_of_vectors(v).swapaxes(-1, -2)
    return (back * g[..., None, :]) @ v.swapaxes(-1, -2)


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """Eigenvalues and eigenvectors of square matrices, as ``np.linalg.eig``.

    Eigenvectors have length 1; their phase is arbitrary and counts as nothing. A real matrix gets a
    real gradient, also where its eigenvalues are complex.

    Raises:
        LinAlgError: in the backward pass, if the matrix is defective, or if a gradient reaches
            eigenvectors of equal eigenvalues.

    >>> from autograd import Tensor
    >>> eig(Tensor([[3.0, 0.0], [0.0, 2.0]])).eigenvalues
    Tensor([3., 2.])
    """
    return EIG(*_eig(a))
