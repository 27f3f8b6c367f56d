"""Einstein summation: sums of products over named axes, differentiated by itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from string import ascii_letters, ascii_lowercase, ascii_uppercase
from typing import Any

import numpy as np

from autograd._primitive import implements, plain, primitive, sample

Shape = tuple[int, ...]


@primitive(
    name="einsum",
    batched=True,
    samples=(
        sample((2, 3), (3, 4), subscripts="ij,jk->ik"),
        sample((2, 3), subscripts="ij->"),
        sample((3, 3), subscripts="ii->i"),
        sample((3, 3), subscripts="ii->"),
        sample((2, 3, 3), (3, 2), subscripts="kii,ij->jk"),
        sample((2, 3), (3, 4), (4, 2), subscripts="ij,jk,ki->", optimize=True),
        sample((2, 3), (2, 3), subscripts="ij,ij->i"),
        sample((2, 1), (1, 3), subscripts="ij,ij->"),
        sample((2,), (3,), subscripts="i,j->ji"),
        sample((), (2,), subscripts=",i->i"),
    ),
)
def _einsum(*operands: Any, subscripts: str, optimize: Any = False) -> Any:
    """Sum of products; the subscripts have an output and no ellipsis."""
    result = np.einsum(subscripts, *operands, optimize=optimize)
    if len(operands) == 1 and np.may_share_memory(result, operands[0]):
        return result.copy()  # NumPy's is a view: a write to it would change the operand unseen
    return result


@_einsum.rule
def _(
    g: Any,
    operands: Sequence[Any],
    subscripts: str,
    optimize: Any,
    shapes: Sequence[Shape],
    needs: Sequence[bool],
) -> Any:
    parts = []
    for position, need in enumerate(needs):
        if not need:
            parts.append(None)
            continue
        expression, extras = _adjoint(subscripts, tuple(shapes), position, g.ndim)
        constants = [(np.eye if twice else np.ones)(n, dtype=g.dtype) for twice, n in extras]
        factors = [g, *operands[:position], *operands[position + 1 :], *constants]
        # A path given for the forward pass does not fit here; a search pays for three factors or
        # more, and for two that are large, which it hands to matmul.
        search = bool(optimize) or len(factors) > 2 or sum(np.size(f) for f in factors) > 4096
        parts.append(np.einsum(expression, *factors, optimize=search))
    return parts


@lru_cache(1024)
def _adjoint(
    subscripts: str, shapes: tuple[Shape, ...], position: int, g_ndim: int
) -> tuple[str, tuple[tuple[bool, int], ...]]:
    """Subscripts that give the gradient of one operand: from g, the other operands, and constants.

    The constants, each an identity matrix or a vector of ones, follow with their lengths.
    """
    left, output = subscripts.split("->")
    terms = left.split(",")
    own = terms.pop(position)
    others = [shape for other, shape in enumerate(shapes) if other != position]
    lengths: dict[str, int] = {}
    for term, shape in zip([own, *terms], [shapes[position], *others], strict=True):
        for letter, length in zip(term, shape, strict=True):
            lengths[letter] = lengths.get(letter, 1) if length == 1 else length
    spare = iter([letter for letter in ascii_letters if letter not in subscripts])
    lead = next(spare) if g_ndim > len(output) else ""
    full = set(output)  # letters that some factor has in full length
    for term, shape in zip(terms, others, strict=True):
        full.update(letter for letter, n in zip(term, shape, strict=True) if n == lengths[letter])
    labels = [lead + output, *terms]
    extras = []
    result = lead
    for letter in own:
        if letter in result:  # a diagonal: the gradient is zero off it
            copy = next(spare)
            labels.append(letter + copy)
            extras.append((True, lengths[letter]))
            result += copy
            continue
        if letter not in full:  # summed over in the operand alone: the same gradient everywhere
            labels.append(letter)
            extras.append((False, lengths[letter]))
        result += letter
    return f"{','.join(labels)}->{result}", tuple(extras)


@implements(np.einsum)
def einsum(
    *operands: Any,
    out: Any = None,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
    optimize: Any = False,
) -> Any:
    """Sum of products over named axes, as ``np.einsum``: ``einsum("ij,jk->ik", a, b)``.

    Repeated letters take a diagonal, ``...`` stands for axes that broadcast, the output may be left
    out, and the form with lists of axes, ``einsum(a, [0, 1], b, [1, 2])``, works too.

    Args:
        operands: subscripts and arrays, or arrays and lists of axes.
        out: not for tensors.
        dtype: to convert the operands to.
        order, casting: as NumPy's; without effect on values.
        optimize: whether and how to look for a good order of several products.

    >>> from autograd import Tensor
    >>> a = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> trace = einsum("ii", a)
    >>> trace.backward()
    >>> trace, a.grad
    (Tensor(5., node=<einsum>), Tensor([[1., 0.],
            [0., 1.]]))
    """
    if out is not None:
        raise TypeError("np.einsum of a tensor has no out=: assign the result instead")
    subscripts, arrays = _as_string(operands)
    arrays = [array if hasattr(array, "dtype") else np.asarray(array) for array in arrays]
    if dtype is not None:
        arrays = [array.astype(dtype) for array in arrays]
    explicit = _explicit(subscripts, tuple([array.shape for array in arrays]))
    return _einsum(*arrays, subscripts=explicit, optimize=optimize)


def _as_string(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """Subscripts as a string, and the arrays, from either of NumPy's two forms."""
    if not operands:
        raise ValueError("einsum needs subscripts and at least one operand")
    if isinstance(operands[0], str):
        return operands[0].replace(" ", ""), list(operands[1:])
    arrays = list(operands[0 : len(operands) // 2 * 2 : 2])
    terms = [_letters(axes) for axes in operands[1 : len(arrays) * 2 : 2]]
    subscripts = ",".join(terms)
    if len(operands) % 2:
        subscripts += "->" + _letters(operands[-1])
    return subscripts, arrays


def _letters(axes: Sequence[Any]) -> str:
    alphabet = ascii_uppercase + ascii_lowercase  # sorts as the numbers do
    return "".join("..." if axis is Ellipsis else alphabet[axis] for axis in axes)


@lru_cache(1024)
def _explicit(subscripts: str, shapes: tuple[Shape, ...]) -> str:
    """The same subscripts with an output, and a letter for every axis ``...`` stands for."""
    left, arrow, output = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError(
            f"einsum subscripts {subscripts!r} are for {len(terms)} operands, got {len(shapes)}"
        )
    unknown = set(left + output) - set(ascii_letters) - set(",.")
    if unknown:
        raise ValueError(f"einsum subscripts {subscripts!r} contain {sorted(unknown)[0]!r}")
    hidden = []  # how many axes each term's ellipsis stands for
    for position, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        named = term.replace("...", "", 1)
        missing = len(shape) - len(named)
        if "." in named or missing < 0 or (missing and "..." not in term):
            raise ValueError(
                f"einsum subscripts {term!r} of operand {position} do not fit its shape {shape}"
            )
        hidden.append(missing if "..." in term else 0)
    spare = [letter for letter in reversed(ascii_letters) if letter not in subscripts]
    broadcast = "".join(spare[: max(hidden, default=0)])
    named_terms = [
        term.replace("...", broadcast[len(broadcast) - count :])
        for term, count in zip(terms, hidden, strict=True)
    ]
    if not arrow:
        letters = left.replace(".", "").replace(",", "")
        output = "..." + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    elif broadcast and "..." not in output:
        raise ValueError(
            f"einsum subscripts {subscripts!r}: the output needs '...' for the axes that '...' "
            "stands for in the operands"
        )
    return ",".join(named_terms) + "->" + output.replace("...", broadcast)


@implements(np.einsum_path)
def einsum_path(*operands: Any, **options: Any) -> Any:
    """The order of products ``np.einsum`` would take: a question about shapes, not values."""
    return np.einsum_path(*[plain(operand) for operand in operands], **options)
