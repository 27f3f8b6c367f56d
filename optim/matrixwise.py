"""Optimizers that look at a parameter as a matrix: Adafactor and Muon."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from optim._options import check, check_not_negative, refuse_torch_options
from optim.optimizer import Array, Group, Optimizer, Params, State

__all__ = ["Adafactor", "Muon", "orthogonalize"]


class Adafactor(Optimizer):
    r"""Adam's scaling from the rows' and columns' mean squares only: memory r + c instead of r · c.

    For a matrix, R and C are running means of g² over columns and over rows; v = R C / mean(R). For
    a vector v is the running mean of g². The update u = g / max(√v, ε₁) is shrunk to a root mean
    square of at most d and scaled by max(ε₂, RMS(w)) · min(η, 1/√t). The averages decay at
    1 − t^c with c = ``beta2_decay``.

    Args:
        params: real tensors or groups of them; axes before the last two are a stack of matrices.
        lr: learning rate η ≥ 0.
        beta2_decay: c ≤ 0.
        eps: (ε₁, ε₂) ≥ 0; ε₁ = None is the resolution of the parameter's dtype.
        d: clipping threshold ≥ 1 of the update.
        weight_decay: λ ≥ 0, w ← (1 − η λ) w before the step.
        maximize: climb instead of descending.

    Source: Shazeer & Stern 2018, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost".

    >>> from autograd import Tensor
    >>> w = Tensor(np.ones((3, 4)), requires_grad=True)
    >>> (w**2).sum().backward()
    >>> optimizer = Adafactor([w], lr=0.1)
    >>> optimizer.step()
    >>> w[0, 0].item()
    0.9
    >>> optimizer.state[w]["row_var"].shape, optimizer.state[w]["col_var"].shape
    ((3, 1), (1, 4))
    """

    decays_weights = False

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        **torch_options: Any,
    ) -> None:
        refuse_torch_options(torch_options)
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps": eps,
                "d": d,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr", "weight_decay")
        check(group["beta2_decay"] <= 0, "beta2_decay", group["beta2_decay"], "a number ≤ 0")
        first, second = group["eps"]
        allowed = "a pair of numbers ≥ 0, of which the first may be None"
        check((first is None or first >= 0) and second >= 0, "eps", group["eps"], allowed)
        check(group["d"] >= 1, "d", group["d"], "a number ≥ 1")
        for p in group["params"]:
            check(p.dtype.kind == "f", "params", p.dtype, "real for Adafactor")

    def _new_state(self, p: Array, group: Group) -> State:
        if p.ndim < 2:
            return {"step": 0, "variance": np.zeros_like(p)}
        rows, columns = (*p.shape[:-1], 1), (*p.shape[:-2], 1, p.shape[-1])
        return {
            "step": 0,
            "row_var": np.zeros(rows, p.dtype),
            "col_var": np.zeros(columns, p.dtype),
        }

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        eps1, eps2 = group["eps"]
        if eps1 is None:
            eps1 = float(np.finfo(p.dtype).eps)
        state["step"] = t = state["step"] + 1
        blend = float(t) ** group["beta2_decay"]
        lr = float(group["lr"])
        alpha = max(eps2, float(np.linalg.norm(p)) / sqrt(p.size)) * min(lr, 1 / sqrt(t))
        np.multiply(p, 1 - lr * group["weight_decay"], out=p)
        work, update = self._scratch(p, 2)
        np.multiply(g, g, out=work)
        if p.ndim < 2:
            v = state["variance"]
            v += blend * (work - v)
            np.copyto(update, v)
        else:
            rows, columns = state["row_var"], state["col_var"]
            rows += blend * (work.mean(axis=-1, keepdims=True) - rows)
            columns += blend * (work.mean(axis=-2, keepdims=True) - columns)
            np.multiply(rows, columns, out=update)
            update /= np.maximum(rows.mean(axis=-2, keepdims=True), eps1)
        np.maximum(update, eps1 * eps1, out=update)
        np.sqrt(update, out=update)
        np.divide(g, update, out=update)
        clip = max(1.0, float(np.linalg.norm(update)) / (sqrt(p.size) * group["d"]))
        np.multiply(update, alpha / clip, out=update)
        np.subtract(p, update, out=p)


class Muon(Optimizer):
    r"""Momentum whose step is made orthogonal: all singular values are brought near 1.

    b ← μ b + (1 − μ) g; the step is along O(g + μ (b − g)) with ``nesterov``, else O(b), where O is
    :func:`orthogonalize`. For the weight matrices of hidden layers; biases, embeddings and outputs
    go to another optimizer.

    Args:
        params: matrices (2 axes), or groups of them.
        lr: learning rate η ≥ 0.
        weight_decay: λ ≥ 0, w ← (1 − η λ) w before the step.
        momentum: μ ≥ 0.
        nesterov: look ahead along the momentum.
        ns_coefficients: (a, b, c) of the Newton–Schulz polynomial.
        eps: smallest norm to divide by.
        ns_steps: number of its iterations.
        adjust_lr_fn: how the rate depends on the shape (r, c): ``"original"`` (or None) scales by
            √max(1, r/c), ``"match_rms_adamw"`` by 0.2 √max(r, c).
        precision: of the iteration: None for the parameter's own, or ``"bfloat16"``, whose rounding
            is then emulated, for the steps that PyTorch takes.

    Note:
        PyTorch always iterates in bfloat16; elements of its steps differ from those in full
        precision by about one per cent. With ``precision="bfloat16"`` they are the same, bit for
        bit, except where a sum lies so near the middle of two bfloat16 numbers that the order of
        summation decides.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; Liu et
    al. 2025, "Muon is Scalable for LLM Training".

    >>> from autograd import Tensor
    >>> w = Tensor(np.zeros((2, 2)), requires_grad=True)
    >>> (w * [[100.0, 0.0], [0.0, 1.0]]).sum().backward()
    >>> Muon([w], lr=1.0).step()
    >>> bool((np.diag(w.data) < -0.1).all())  # a step in both directions, however small one slope
    True
    """

    decays_weights = False

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        *,
        precision: str | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
                "precision": precision,
            },
        )

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr", "weight_decay", "momentum", "eps")
        steps, rule = group["ns_steps"], group["adjust_lr_fn"]
        check(0 <= steps < 100, "ns_steps", steps, "a number with 0 ≤ n < 100")
        rules = (None, "original", "match_rms_adamw")
        check(rule in rules, "adjust_lr_fn", rule, f"one of {rules}")
        _check_precision(group["precision"])
        coefficients = group["ns_coefficients"]
        check(len(coefficients) == 3, "ns_coefficients", coefficients, "three numbers")
        for p in group["params"]:
            check(p.ndim == 2, "params", p.shape, "matrices (of 2 axes) for Muon")
            check(p.dtype.kind == "f", "params", p.dtype, "real for Muon")

    def _new_state(self, p: Array, group: Group) -> State:
        return {"momentum_buffer": np.zeros_like(p)}

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        mu, b = group["momentum"], state["momentum_buffer"]
        np.copyto(b, _between(b, g, 1 - mu))
        step = orthogonalize(
            _between(g, b, mu) if group["nesterov"] else b,
            group["ns_coefficients"],
            group["ns_steps"],
            group["eps"],
            precision=group["precision"],
        )
        lr = float(group["lr"])
        np.multiply(p, 1 - lr * group["weight_decay"], out=p)
        r, c = p.shape
        scale = sqrt(max(1, r / c))
        if group["adjust_lr_fn"] == "match_rms_adamw":
            scale = 0.2 * sqrt(max(r, c))
        p -= lr * scale * step


def orthogonalize(
    matrix: Array,
    coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
    steps: int = 5,
    eps: float = 1e-7,
    *,
    precision: str | None = None,
) -> Array:
    """Bring all singular values of a matrix near 1, keeping its singular vectors.

    Newton–Schulz: X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X acts on every singular value as
    s ← a s + b s³ + c s⁵. The default coefficients trade exactness for speed: five steps leave
    singular values between 0.7 and 1.2, unless they were a hundred times smaller than the largest.

    Args:
        matrix: of shape (r, c).
        coefficients: (a, b, c).
        steps: number of iterations.
        eps: smallest norm to divide by at the start.
        precision: None for that of the matrix, or ``"bfloat16"`` to round every intermediate result
            to the 8 significant bits of that format, sums being taken in double precision.

    Returns:
        Array of the same shape and dtype.

    Raises:
        ValueError: for another ``precision``.

    >>> rotation = np.array([[0.0, -1.0], [1.0, 0.0]])
    >>> orthogonalize(5 * rotation, (1.5, -0.5, 0.0), steps=20).round(6) + 0.0
    array([[ 0., -1.],
           [ 1.,  0.]])
    """
    _check_precision(precision)
    rounded = _as_given if precision is None else _bfloat16
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = rounded(matrix.T if tall else matrix)
    x = rounded(x / np.maximum(rounded(np.linalg.norm(x)), rounded(x.dtype.type(eps))))
    for _ in range(steps):
        gram = rounded(x @ x.T)
        x = rounded(a * x + rounded(b * gram + c * (gram @ gram)) @ x)
    return (x.T if tall else x).astype(matrix.dtype, copy=False)


def _check_precision(precision: str | None) -> None:
    check(precision in (None, "bfloat16"), "precision", precision, "'bfloat16' or None")


def _between(start: Array, end: Array, share: float) -> Array:
    """start + share (end − start), counted from the nearer of the two, as PyTorch's ``lerp``."""
    if share < 0.5:
        return start + share * (end - start)
    return end - (1 - share) * (end - start)


def _as_given(x: Any) -> Any:
    return x


def _bfloat16(x: Any) -> Any:
    """The nearest bfloat16 numbers, ties to even, as float64.

    They are the float32 numbers whose last 16 bits are zero. Adding half a unit of what remains,
    less one where the last bit that stays is zero, carries into it where rounding is upwards.
    """
    single = np.asarray(x, np.float32)
    bits = single.view(np.uint32)
    up = bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
    nearest = (up & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.isnan(single), single, nearest).astype(np.float64)
