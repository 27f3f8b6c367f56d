"""Inverses, equations, determinants and powers of matrices.

Norms are in `norms`, decompositions in `decompositions`, products in `products`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd._primitive import constant, implements, plain, primitive, sample
from autograd.primitives.decompositions import from_triangle, is_zero
from autograd.primitives.products import as_array, conjugate, matmul

Shape = tuple[int, ...]


def transposed(x: Any) -> Any:
    """The last two axes exchanged."""
    return x.swapaxes(-1, -2)


def adjoint(x: Any) -> Any:
    """The last two axes exchanged, and conjugated."""
    return conjugate(x.swapaxes(-1, -2))


def regular(*shape: int) -> Callable[[np.random.Generator], Any]:
    """A maker of square matrices far from singular ones."""

    def far_from_singular(rng: np.random.Generator) -> Any:
        return rng.uniform(-1, 1, shape) + 2.5 * np.eye(shape[-1])

    return far_from_singular


def singular(*shape: int) -> Callable[[np.random.Generator], Any]:
    """A maker of square matrices of rank one less than full."""

    def rank_deficient(rng: np.random.Generator) -> Any:
        matrix = rng.uniform(-1, 1, shape)
        matrix[..., 0, :] = matrix[..., 1:, :].sum(-2)
        return matrix

    return rank_deficient


def _need_regular(what: str, error: np.linalg.LinAlgError, x: Any) -> np.linalg.LinAlgError:
    """What to say where a matrix of a stack turned out singular."""
    if "ingular" not in str(error):
        return error
    values = np.linalg.svd(plain(x), compute_uv=False)
    flat = np.argwhere(values[..., -1] <= values[..., 0] * np.finfo(values.dtype).eps)
    which = ""
    if x.ndim > 2 and len(flat):
        which = f" at index {tuple(int(i) for i in flat[0])}"
    return np.linalg.LinAlgError(
        f"{what}: the matrix{which} is singular; np.linalg.pinv and np.linalg.lstsq take such "
        "matrices"
    )


# ----------------------------------------------------------------------------- inverse, equations


@primitive(
    np.linalg.inv,
    batched=True,
    samples=(sample(regular(3, 3)), sample(regular(2, 2, 2)), sample(regular(1, 1))),
)
def inv(x: Any, /) -> Any:
    """The inverses of square matrices.

    >>> inv(np.array([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    x = np.asarray(x)
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError as error:
        raise _need_regular("inv", error, x) from error


@inv.rule
def _(g: Any, y: Any) -> Any:
    y = transposed(y)
    return -(y @ g @ y)


@primitive(
    np.linalg.solve,
    batched=True,
    samples=(
        sample(regular(3, 3), (3,)),
        sample(regular(3, 3), (3, 2)),
        sample(regular(2, 3, 3), (3,)),
        sample(regular(2, 3, 3), (2, 3, 1)),
        sample(regular(3, 3), (2, 3, 2)),
    ),
)
def solve(a: Any, b: Any, /) -> Any:
    """x with ``a @ x == b``; b is a vector if it has one axis, else (a stack of) matrices.

    >>> solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 2.0]))
    array([1. , 0.5])
    """
    a, b = np.asarray(a), np.asarray(b)
    if b.ndim == 1:  # as NumPy 2 has it; earlier ones looked at the number of axes of a
        return _solved(a, b[:, None])[..., 0]
    return _solved(a, b)


def _solved(a: Any, b: Any) -> Any:
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError as error:
        raise _need_regular("solve", error, a) from error


@solve.rule
def _(g: Any, a: Any, y: Any, needs: Sequence[bool]) -> Any:
    a = as_array(a)
    if y.ndim < a.ndim:  # b is a vector
        down = np.linalg.solve(transposed(a), g[..., None])
        return (-(down @ y[..., None, :]) if needs[0] else None), down[..., 0]
    down = np.linalg.solve(transposed(a), g)
    return (-(down @ transposed(y)) if needs[0] else None), down


PINV = (sample((3, 2)), sample((2, 3)), sample(regular(2, 2)), sample((2, 4, 2)))


@primitive(name="pinv", batched=True, samples=PINV)
def _pinv(x: Any, /, rcond: Any = None, hermitian: bool = False) -> Any:
    """The Moore-Penrose inverses of matrices."""
    if rcond is None:
        return np.linalg.pinv(x, hermitian=hermitian)
    return np.linalg.pinv(x, rcond, hermitian=hermitian)


@_pinv.rule
def _(g: Any, x: Any, y: Any) -> Any:
    # Golub and Pereyra, SIAM J. Numer. Anal. 10 (1973), for a rank that does not change.
    g, yh = conjugate(g), adjoint(y)
    left = adjoint(g) - x @ (y @ adjoint(g))
    right = adjoint(g) - (adjoint(g) @ y) @ x
    return conjugate(left @ y @ yh + yh @ y @ right - yh @ g @ yh)


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """The Moore-Penrose inverses of matrices, as ``np.linalg.pinv``.

    The derivative is the one for a rank that does not change; where it does, the inverse itself
    jumps.

    >>> from autograd import Tensor
    >>> pinv(Tensor([[2.0], [0.0]]))
    Tensor([[0.5, 0. ]])
    """
    if rcond is None:
        rcond = rtol
    if hermitian:
        a = from_triangle(a, "L")
    return _pinv(a, plain(rcond), hermitian)


@primitive(
    name="lstsq",
    outputs=("x", "s", "rank"),
    samples=(sample((4, 2), (4,)), sample((4, 2), (4, 3)), sample((2, 4), (2,))),
)
def _lstsq(a: Any, b: Any, /, rcond: Any = None) -> Any:
    """The least-squares solution of least norm, the singular values and the rank of a."""
    x, _, rank, s = np.linalg.lstsq(a, b, rcond)
    return x, s, np.asarray(rank)


@_lstsq.rule
def _(g: Any, a: Any, b: Any, x: Any, rcond: Any, needs: Sequence[bool]) -> Any:
    g, g_s, _ = g
    vector = b.ndim == 1
    if vector:
        g, b, x = g[:, None], b[:, None], x[:, None]
    g = conjugate(g)
    inverse = _pinv(a, _cutoff(a, rcond))
    down = adjoint(inverse) @ g
    part = None
    if needs[0]:  # the rule of pinv, with the products taken in a cheaper order
        part = (
            -down @ adjoint(x)
            + (b - a @ x) @ adjoint(inverse @ down)
            + (adjoint(inverse) @ x) @ adjoint(g - adjoint(a) @ down)
        )
        part = conjugate(part)
        if not is_zero(g_s):
            u, _, vh = np.linalg.svd(a, full_matrices=False)
            part = part + conjugate((u * g_s) @ vh)
    return part, conjugate(down[:, 0] if vector else down)


def _cutoff(a: Any, rcond: Any) -> float:
    """The singular values that lstsq takes for zero, relative to the largest."""
    eps = float(np.finfo(a.dtype).eps)
    return eps * max(a.shape) if rcond is None else max(float(rcond), eps)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, Any, int, Any]:
    """The least-squares solution, residuals, rank and singular values, as ``np.linalg.lstsq``.

    All but the rank can be differentiated; of several solutions the one of least norm is taken, and
    its derivative is the one for a rank that does not change.

    >>> from autograd import Tensor
    >>> lstsq(Tensor([[1.0], [1.0]]), [1.0, 3.0])[0]
    Tensor([2.])
    """
    a, b = as_array(a), as_array(b)
    x, s, rank = _lstsq(a, b, rcond)
    m, n = a.shape
    if int(rank) == n < m:
        rest = b - a @ x
        squares = rest * conjugate(rest)
        residuals = np.sum(squares.real if squares.dtype.kind == "c" else squares, axis=0)
        if b.ndim == 1:
            residuals = residuals.reshape(1)
    else:
        residuals = np.zeros((0,), s.dtype)
    return x, residuals, int(rank), s


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of a as a linear map from its axes from ``ind`` on to those before."""
    if ind <= 0:
        raise ValueError(f"tensorinv needs ind > 0, got {ind}")
    before, after = a.shape[:ind], a.shape[ind:]
    size = int(np.prod(after))
    if int(np.prod(before)) != size:
        raise ValueError(
            f"tensorinv needs as many elements before axis {ind} as after it, got {before} and "
            f"{after}"
        )
    return inv.call(a.reshape(size, size)).reshape(after + before)


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """x with ``np.tensordot(a, x, x.ndim) == b``, as ``np.linalg.tensorsolve``."""
    a, b = as_array(a), as_array(b)
    if axes is not None:
        last = [axis % a.ndim for axis in axes]
        a = a.transpose([axis for axis in range(a.ndim) if axis not in last] + last)
    shape = a.shape[b.ndim :]
    size = int(np.prod(shape))
    if b.size != size or a.size != size * size:
        raise ValueError(
            f"tensorsolve: shapes {a.shape} and {b.shape} make no square system of equations"
        )
    return solve.call(a.reshape(size, size), b.reshape(size)).reshape(shape)


# ----------------------------------------------------------------------------------- determinants


@primitive(
    np.linalg.det,
    batched=True,
    samples=(sample((3, 3)), sample((2, 2, 2)), sample(singular(3, 3)), sample((1, 1))),
)
def det(x: Any, /) -> Any:
    """The determinants of square matrices.

    Singular matrices have derivatives too, to every order.

    >>> from autograd import Tensor
    >>> x = Tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    >>> det(x).backward()
    >>> x.grad.numpy().round(6)
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    return np.linalg.det(x)


@det.rule
def _(g: Any, x: Any, y: Any) -> Any:
    inverse = _accurate_inverse(x)
    if inverse is None:
        return g[..., None, None] * cofactor(x)
    return (g * y)[..., None, None] * transposed(inverse)


def _accurate_inverse(x: Any) -> Any:
    """The inverses, if all of them are good to half the digits at least; else None."""
    try:
        inverse = np.linalg.inv(x)
    except np.linalg.LinAlgError:
        return None
    size = np.abs(plain(x)).sum(-1).max(-1, initial=0)
    cond = size * np.abs(plain(inverse)).sum(-1).max(-1, initial=0)
    return inverse if np.all(cond < np.finfo(size.dtype).eps ** -0.5) else None


@primitive(batched=True, samples=(sample((3, 3)), sample(singular(3, 3)), sample((2, 2, 2))))
def cofactor(x: Any, /) -> Any:
    """The matrices of cofactors, ``det(x) * inv(x).T`` without the division.

    >>> cofactor(np.array([[1.0, 2.0], [3.0, 4.0]])).round(6)
    array([[ 4., -3.],
           [-2.,  1.]])
    """
    u, s, vh = np.linalg.svd(x)
    others = np.repeat(s[..., None, :], s.shape[-1], -2)
    diagonal = np.arange(s.shape[-1])
    others[..., diagonal, diagonal] = 1
    scale = np.prod(others, -1) * (np.linalg.det(u) * np.linalg.det(vh))[..., None]
    return conjugate((u * conjugate(scale)[..., None, :]) @ vh)


@cofactor.rule
def _(g: Any, x: Any) -> Any:
    # Each cofactor is the signed determinant of a minor, whose derivative is its own cofactors.
    n = x.shape[-1]
    if n == 1:
        return 0 * g
    index = np.arange(n)
    rest = np.array([np.delete(index, i) for i in range(n)])  # all indices but i
    rows = rest[:, None, :, None]
    columns = rest[None, :, None, :]
    minors = x[..., rows, columns]
    signs = ((-1.0) ** np.add.outer(index, index)).astype(np.real(plain(x)).dtype)
    parts = (g * signs)[..., None, None] * cofactor(minors)
    # Element (k, l) of x is element (k - (k > i), l - (l > j)) of minor (i, j).
    place = (rest[:, :, None] == index).astype(signs.dtype)  # (i, element of the minor, k)
    return np.einsum("...ijab,iak,jbl->...kl", parts, place, place, optimize=True)


SLOGDET = type(np.linalg.slogdet(np.eye(1)))


@primitive(
    name="slogdet",
    outputs=("sign", "logabsdet"),
    batched=True,
    samples=(sample(regular(3, 3)), sample(regular(2, 2, 2))),
)
def _slogdet(x: Any, /) -> Any:
    """Sign and logarithm of the absolute value of determinants."""
    return tuple(np.linalg.slogdet(x))


@_slogdet.rule
def _(g: Any, x: Any, sign: Any) -> Any:
    g_sign, g_log = g
    try:
        inverse = np.linalg.inv(x)
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(
            "slogdet: log |det| of a singular matrix is -inf and has no gradient"
        ) from error
    if x.dtype.kind == "c":  # sign = exp(i Im log det)
        g_log = g_log - 1j * np.real(1j * g_sign * sign)
    return g_log[..., None, None] * transposed(inverse)


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """Sign and logarithm of the absolute value of determinants, as ``np.linalg.slogdet``.

    >>> from autograd import Tensor
    >>> slogdet(Tensor([[2.0, 0.0], [0.0, -1.0]])).sign
    Tensor(-1.)
    """
    return SLOGDET(*_slogdet(a))


# ------------------------------------------------------------------------------ powers, products


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """Square matrices multiplied n times with themselves; the inverse's for negative n.

    >>> from autograd import Tensor
    >>> matrix_power(Tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    Tensor([[1., 5.],
            [0., 1.]])
    """
    a = as_array(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"matrix_power takes square matrices, got shape {a.shape}")
    if n != int(n):
        raise TypeError(f"matrix_power takes a whole number as exponent, got {n!r}")
    if n == 0:
        return 0 * a + np.eye(a.shape[-1], dtype=a.dtype)
    if n < 0:
        a, n = inv.call(a), -n
    result = None
    while True:
        if n % 2:
            result = a if result is None else matmul.call(result, a)
        n //= 2
        if n == 0:
            return +result if result is a else result
        a = matmul.call(a, a)


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Any:
    """The product of several matrices in the cheapest order; the first and last may be vectors.

    >>> from autograd import Tensor
    >>> multi_dot([[1.0, 2.0], Tensor([[1.0, 0.0], [0.0, 3.0]]), [1.0, 1.0]])
    Tensor(7.)
    """
    if out is not None:
        raise TypeError("np.linalg.multi_dot of tensors has no out=: assign the result instead")
    matrices = [as_array(array) for array in arrays]
    if len(matrices) < 2:
        raise ValueError("multi_dot needs at least two arrays")
    first, last = matrices[0].ndim == 1, matrices[-1].ndim == 1
    if first:
        matrices[0] = matrices[0][None, :]
    if last:
        matrices[-1] = matrices[-1][:, None]
    for position, matrix in enumerate(matrices):
        if matrix.ndim != 2:
            raise np.linalg.LinAlgError(
                f"multi_dot takes matrices (and vectors at its ends); array {position} has shape "
                f"{matrix.shape}"
            )
    product = _chain(matrices, _cheapest([m.shape[0] for m in matrices] + [matrices[-1].shape[1]]))
    return product[(0,) * first + (slice(None),) * (not first) + (0,) * last]


def _cheapest(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to split each run of a chain of matrices (Cormen et al., chapter 15)."""
    count = len(sizes) - 1
    cost = dict.fromkeys([(i, i) for i in range(count)], 0)
    split: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length

            def total(k: int, i: int = i, j: int = j) -> int:
                return cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]

            split[i, j] = best = min(range(i, j), key=total)
            cost[i, j] = total(best)
    return split


def _chain(matrices: Sequence[Any], split: dict[tuple[int, int], int]) -> Any:
    def product(i: int, j: int) -> Any:
        if i == j:
            return matrices[i]
        k = split[i, j]
        return matmul.call(product(i, k), product(k + 1, j))

    return product(0, len(matrices) - 1)


@implements(np.linalg.diagonal)
def linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonals of matrices in the last two axes."""
    return np.diagonal(x, offset, -2, -1)


@implements(np.linalg.matrix_transpose, np.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged."""
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose needs at least two axes, got shape {x.shape}")
    return transposed(x)


constant(np.linalg.matrix_rank)
