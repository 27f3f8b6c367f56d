"""gradcheck and gradgradcheck: derivatives held against central differences, element by element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd._tensor import Tensor, grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(AssertionError):
    """A derivative and its finite difference disagree."""


def gradcheck(
    function: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compare every element of the Jacobian of ``function`` with central differences.

    Args:
        function: from tensors to a tensor or a tuple of tensors.
        inputs: its arguments. Those that are tensors with ``requires_grad`` are checked; they
            must be float64 or complex128, anything less is too coarse for differences.
        eps: step of the differences.
        atol, rtol: allowed is ``|analytic - numeric| <= atol + rtol * |numeric|``.
        raise_exception: raise :class:`GradcheckError`, or return False, on a disagreement.

    Returns:
        True if all elements agree.

    Raises:
        GradcheckError: naming the input, the element and both numbers.
        TypeError, ValueError: if there is nothing to check.

    >>> gradcheck(lambda x: np.sin(x) * x, Tensor([0.5, 1.0], requires_grad=True))
    True
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck needs at least one input Tensor with requires_grad=True")
    for i in checked:
        if args[i].dtype not in (np.float64, np.complex128):
            raise TypeError(
                f"gradcheck needs float64 or complex128, input {i} is {args[i].dtype}: finite "
                "differences are too coarse in lower precision; pass x.astype(np.float64)"
            )
    try:
        for out_index, out in enumerate(_outputs(function(*args))):
            if out.dtype.kind in "fc":
                _check_output(function, args, checked, out_index, out, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    function: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """:func:`gradcheck` of the gradient of ``function``: its second derivatives.

    Args:
        grad_outputs: gradients of the outputs that the first backward pass starts from; random
            ones by default. The derivative with respect to them is checked too.
        function, inputs, eps, atol, rtol, raise_exception: as in :func:`gradcheck`.

    >>> gradgradcheck(lambda x: x**3, Tensor([0.5, 1.0], requires_grad=True))
    True
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outs = [o for o in _outputs(function(*args)) if o.requires_grad]
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        starts = []
        for out in outs:
            value = rng.standard_normal(out.shape)
            if out.dtype.kind == "c":
                value = value + 1j * rng.standard_normal(out.shape)
            starts.append(Tensor(value, requires_grad=True))
    else:
        given = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
        starts = [Tensor(g, requires_grad=True) for g in given]
    count = len(args)

    def first_derivative(*both: Any) -> tuple[Tensor, ...]:
        xs, gs = both[:count], both[count:]
        ys = [o for o in _outputs(function(*xs)) if o.requires_grad]
        wanted = [x for x in xs if isinstance(x, Tensor) and x.requires_grad]
        gradients = grad(ys, wanted, list(gs), create_graph=True, allow_unused=True)
        return tuple(
            g if g is not None else Tensor(np.zeros(x.shape, x.dtype))
            for g, x in zip(gradients, wanted, strict=True)
        )

    return gradcheck(
        first_derivative,
        (*args, *starts),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
    )


def _outputs(result: Any) -> tuple[Tensor, ...]:
    outs = tuple(result) if isinstance(result, tuple | list) else (result,)
    for out in outs:
        if not isinstance(out, Tensor):
            raise TypeError(f"the function must return Tensors, got {type(out).__name__}")
    return outs


def _check_output(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    checked: list[int],
    out_index: int,
    out: Tensor,
    eps: float,
    atol: float,
    rtol: float,
) -> None:
    """Check the Jacobian of one output, one column (element of an input) at a time."""
    directions = _unit_vectors(out)
    targets = [args[i] for i in checked]
    analytic: list[list[Any]] = []  # analytic[row][which input]
    for vector in directions:
        if out.requires_grad:
            row = grad(out, targets, vector, retain_graph=True, allow_unused=True)
        else:
            row = (None,) * len(targets)
        for gradient, x in zip(row, targets, strict=True):
            if gradient is not None and gradient.dtype != x.dtype:
                raise GradcheckError(f"gradient of dtype {gradient.dtype} for {x.dtype} input")
        analytic.append([None if g is None else g.data for g in row])

    for position, i in enumerate(checked):
        x = args[i]
        for element in np.ndindex(x.shape):
            column = _difference(function, args, i, element, eps, out_index)
            for row_index, vector in enumerate(directions):
                numeric = _project(column, vector, x.dtype.kind == "c")
                found = analytic[row_index][position]
                value = 0.0 if found is None else found[element]
                if not abs(value - numeric) <= atol + rtol * abs(numeric):
                    where = np.unravel_index(int(np.argmax(np.abs(vector))), out.shape)
                    raise GradcheckError(
                        f"derivative of output {out_index}{list(map(int, where))} with respect to "
                        f"input {i}{list(element)} (shape {x.shape}): analytic {value:.10g}, "
                        f"numeric {numeric:.10g}, difference {abs(value - numeric):.3g}"
                    )


def _unit_vectors(out: Tensor) -> list[Any]:
    """Gradients that pick one element of the output, its real or its imaginary part."""
    vectors = []
    for element in np.ndindex(out.shape):
        for unit in (1.0, 1j) if out.dtype.kind == "c" else (1.0,):
            vector = np.zeros(out.shape, out.dtype)
            vector[element] = unit
            vectors.append(vector)
    return vectors


def _difference(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    i: int,
    element: tuple[int, ...],
    eps: float,
    out_index: int,
) -> list[Any]:
    """Central differences of an output along an element's real (and imaginary) direction."""
    columns = []
    for unit in (1.0, 1j) if args[i].dtype.kind == "c" else (1.0,):
        sides = []
        for sign in (1, -1):
            moved = args[i].data.copy()
            moved[element] += sign * eps * unit
            call = list(args)
            # The function may differentiate inside, so the moved input requires a gradient too.
            call[i] = Tensor(moved, requires_grad=True)
            sides.append(_outputs(function(*call))[out_index].data)
        columns.append((sides[0] - sides[1]) / (2 * eps))
    return columns


def _project(columns: list[Any], vector: Any, is_complex: bool) -> Any:
    """The numeric counterpart of one element of the gradient."""
    parts = [float(np.real(np.sum(np.conj(vector) * column))) for column in columns]
    return complex(*parts) if is_complex else parts[0]
