"""Penalties on weights and derivatives, to be added to a loss.

Each is a module that is called with a model (or named parameters, or tensors) and returns a scalar:
``loss = criterion(model(x), y) + nn.penalty.L2(1e-4)(model)``. Biases are left out by default.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from autograd import Tensor, TensorLike, as_tensor, grad
from autograd.extend import show_lines
from autograd.primitives import reduction as reductions
from nn.module import Module
from nn.parameter import Parameter, get_default_dtype

__all__ = [
    "L1",
    "L2",
    "Cauchy",
    "ElasticNet",
    "FlatMinimum",
    "GaussianMixture",
    "Penalty",
    "Tikhonov",
    "WeightElimination",
    "gradient_normalized",
    "select",
]

Target = Module | Tensor | Iterable[Tensor] | Iterable[tuple[str, Tensor]]


def select(target: Target, bias: bool = False) -> list[tuple[str, Tensor]]:
    """The named parameters a penalty applies to: those with a gradient, without biases.

    Args:
        target: a model, a tensor, tensors, or pairs (name, tensor).
        bias: with True, biases too. Scales and shifts of normalisation layers count as biases, and
            so does every other parameter with fewer than two axes in a model.
    """
    if isinstance(target, Tensor):
        return [("", target)]
    if not isinstance(target, Module):
        items = list(target)
        return [item if isinstance(item, tuple) else ("", item) for item in items]
    return [
        (name, p)
        for name, p in target.named_parameters()
        if p.requires_grad and (bias or (p.ndim > 1 and not name.endswith("bias")))
    ]


class Penalty(Module):
    """λ Ω(w) summed over the parameters; subclasses define Ω of one tensor.

    Args:
        strength: λ; or a mapping from a pattern of names (as in ``"features.*"``) to λ, of which
            the first that fits counts, and parameters that fit none are left out.
        bias: whether biases are penalised.
    """

    def __init__(self, strength: float | Mapping[str, float] = 1.0, bias: bool = False) -> None:
        super().__init__()
        for value in strength.values() if isinstance(strength, Mapping) else [strength]:
            if value < 0:
                raise ValueError(f"strength must not be negative, got {value}")
        self.strength = strength
        self.bias = bias

    def _strength_of(self, name: str) -> float:
        if not isinstance(self.strength, Mapping):
            return self.strength
        for pattern, value in self.strength.items():
            if fnmatch.fnmatchcase(name, pattern):
                return value
        return 0.0

    def term(self, w: Tensor) -> Tensor:
        """Ω of one tensor."""
        raise NotImplementedError

    def forward(self, target: Target) -> Tensor:
        """λ Ω, a scalar."""
        total: Any = None
        for name, w in select(target, self.bias):
            strength = self._strength_of(name)
            if strength:
                part = self.term(w) * strength
                total = part if total is None else total + part
        return as_tensor(np.zeros((), get_default_dtype())) if total is None else total

    def extra_repr(self) -> str:
        return f"strength={self.strength}, bias={self.bias}"


class L2(Penalty):
    """λ ½ ‖w‖²: weight decay; its gradient is λ w.

    >>> L2(0.5)(as_tensor([1.0, 2.0]))
    Tensor(1.25)
    """

    def term(self, w: Tensor) -> Tensor:
        """½ Σ w²."""
        return as_tensor(0.5 * np.sum(w * w))


class L1(Penalty):
    """λ Σ |w|: the lasso; weights become exactly irrelevant. Its slope at 0 is 0."""

    def term(self, w: Tensor) -> Tensor:
        """Σ |w|."""
        return np.sum(np.abs(w))


class ElasticNet(Penalty):
    """λ (ρ Σ |w| + (1 − ρ) ½ Σ w²): the lasso and weight decay together (Zou & Hastie 2005).

    Args:
        strength: λ.
        l1_ratio: ρ.
    """

    def __init__(
        self,
        strength: float | Mapping[str, float] = 1.0,
        l1_ratio: float = 0.5,
        bias: bool = False,
    ) -> None:
        super().__init__(strength, bias)
        if not 0 <= l1_ratio <= 1:
            raise ValueError(f"l1_ratio must be between 0 and 1, got {l1_ratio}")
        self.l1_ratio = l1_ratio

    def term(self, w: Tensor) -> Tensor:
        """ρ Σ |w| + (1 − ρ) ½ Σ w²."""
        squares = 0.5 * np.sum(w * w)
        return as_tensor(self.l1_ratio * np.sum(np.abs(w)) + (1 - self.l1_ratio) * squares)


class Cauchy(Penalty):
    """λ log(1 + wᵀw), one logarithm for each tensor (Williams 1995).

    Args:
        elementwise: Σ log(1 + w²) instead.
    """

    def __init__(
        self,
        strength: float | Mapping[str, float] = 1.0,
        elementwise: bool = False,
        bias: bool = False,
    ) -> None:
        super().__init__(strength, bias)
        self.elementwise = elementwise

    def term(self, w: Tensor) -> Tensor:
        """log(1 + Σ w²) or Σ log(1 + w²)."""
        return np.sum(np.log1p(w * w)) if self.elementwise else np.log1p(np.sum(w * w))


class WeightElimination(Penalty):
    """λ Σ (w/w₀)² / (1 + (w/w₀)²): small weights go, large ones stay (Weigend et al. 1991).

    Args:
        strength: λ.
        threshold: w₀, below which a weight counts as small.

    >>> WeightElimination(threshold=0.2)(as_tensor([0.2]))
    Tensor(0.5)
    """

    def __init__(
        self,
        strength: float | Mapping[str, float] = 1.0,
        threshold: float = 0.2,
        bias: bool = False,
    ) -> None:
        super().__init__(strength, bias)
        if threshold <= 0:
            raise ValueError(f"threshold must be positive, got {threshold}")
        self.threshold = threshold

    def term(self, w: Tensor) -> Tensor:
        """Σ (w/w₀)² / (1 + (w/w₀)²)."""
        squares = (w / self.threshold) ** 2
        return np.sum(squares / (1 + squares))


class GaussianMixture(Penalty):
    """Soft weight sharing: −λ Σ log Σⱼ αⱼ N(w; μⱼ, σⱼ²) (Nowlan & Hinton 1992).

    The mixture is learnt with the weights unless it is frozen (``requires_grad_(False)``).

    Args:
        strength: λ.
        means: μⱼ where they start.
        stds: σⱼ where they start; their logarithms are learnt.
        weights: αⱼ where they start; their logits are learnt. All equal by default.

    Attributes:
        mean, log_std, logit: (number of components,).

    >>> mixture = GaussianMixture(means=[-1, 0, 1], stds=[0.5, 0.1, 0.5], weights=[0.25, 0.5, 0.25])
    >>> mixture(as_tensor([0.3])).item().__round__(3)
    2.265
    """

    def __init__(
        self,
        strength: float | Mapping[str, float] = 1.0,
        means: TensorLike = (-1.0, 0.0, 1.0),
        stds: TensorLike | float = 0.5,
        weights: TensorLike | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__(strength, bias)
        mu = np.asarray(means, np.float64)
        sigma = np.broadcast_to(np.asarray(stds, np.float64), mu.shape)
        alpha = np.full(mu.shape, 1 / mu.size) if weights is None else np.asarray(weights)
        if mu.ndim != 1 or alpha.shape != mu.shape or sigma.min() <= 0 or alpha.min() <= 0:
            raise ValueError("means, stds and weights must be as many, stds and weights positive")
        dtype = get_default_dtype()
        self.mean = Parameter(mu.astype(dtype))
        self.log_std = Parameter(np.log(sigma).astype(dtype))
        self.logit = Parameter(np.log(alpha).astype(dtype))

    def log_density(self, w: Tensor) -> Tensor:
        """log p of each element of w."""
        z = (np.expand_dims(w, -1) - self.mean) * np.exp(-self.log_std)
        log_alpha = reductions.log_softmax(self.logit, -1)
        log_normal = -0.5 * z * z - self.log_std - 0.5 * math.log(2 * math.pi)
        return reductions.logsumexp(log_alpha + log_normal, -1)

    def term(self, w: Tensor) -> Tensor:
        """−Σ log p(w)."""
        return -np.sum(self.log_density(w))


def gradient_normalized(
    loss: Tensor,
    penalty: Tensor,
    parameters: Iterable[Tensor],
    strength: float = 1.0,
    eps: float = 1e-12,
) -> Tensor:
    """λ ‖∇loss‖ Ω / ‖∇Ω‖ with the two norms as constants: a penalty as strong as the loss.

    Its gradient is λ ‖∇loss‖ ∇Ω / ‖∇Ω‖, so that λ is the ratio of the two pulls on the weights.

    Args:
        loss, penalty: scalars with a graph; both graphs stay.
        parameters: with respect to which the gradients are taken.
        strength: λ.
        eps: keeps the division finite.
    """
    wanted = list(parameters)

    def norm(value: Tensor) -> float:
        parts = grad(value, wanted, retain_graph=True, allow_unused=True)
        return math.sqrt(sum(float(np.sum(g.data**2)) for g in parts if g is not None))

    return penalty * (strength * norm(loss) / max(norm(penalty), eps))


class FlatMinimum(Module):
    """Flat-minimum search: a penalty on how sharply outputs depend on weights.

    ½ (−W log ε + Σ_w log Σ_k (∂a_k/∂w)² + W log Σ_k (Σ_w |∂a_k/∂w| / √(Σ_k (∂a_k/∂w)²))²) for W
    weights w and outputs a_k (Hochreiter & Schmidhuber 1997), meant for one input; the mean over
    the given inputs is taken. It differentiates a Jacobian, so its own gradient takes second
    derivatives.

    Args:
        strength: λ.
        tolerance: ε, the change of the output that is tolerated.
        bias: whether biases count as weights.
        eps: added to sums of squares, which may be 0 (a dead unit).

    >>> w = as_tensor(np.array([3.0, 4.0])).requires_grad_()
    >>> penalty = FlatMinimum(eps=0.0)
    >>> penalty(lambda x: np.expand_dims(x @ w, -1), [[1.0, 2.0]], [w]).item().__round__(4)
    2.0794
    """

    def __init__(
        self,
        strength: float = 1.0,
        tolerance: float = 1.0,
        bias: bool = False,
        eps: float = 1e-12,
    ) -> None:
        super().__init__()
        self.strength = strength
        self.tolerance = tolerance
        self.bias = bias
        self.eps = eps

    def forward(
        self,
        model: Callable[[Any], Tensor],
        inputs: TensorLike,
        parameters: Iterable[Tensor] | None = None,
    ) -> Tensor:
        """The penalty for a model on inputs (N, …); its outputs must be (N, K).

        Args:
            parameters: the weights, by default those of the model.
        """
        if parameters is None:
            if not isinstance(model, Module):
                raise TypeError("a model that is not a Module needs its parameters named")
            weights = [p for _, p in select(model, self.bias)]
        else:
            weights = list(parameters)
        x = as_tensor(inputs)
        show_lines()  # of the model
        total: Any = 0
        for i in range(x.shape[0]):
            total = total + self._of_one(model(x[i : i + 1]).reshape(-1), weights)
        return total * (self.strength / x.shape[0])

    def _of_one(self, outputs: Tensor, weights: list[Tensor]) -> Tensor:
        rows = []
        for k in range(outputs.shape[0]):
            parts = grad(outputs[k], weights, create_graph=True, allow_unused=True)
            rows.append(
                np.concatenate(
                    [
                        as_tensor(np.zeros(w.size, w.dtype)) if g is None else g.reshape(-1)
                        for g, w in zip(parts, weights)
                    ]
                )
            )
        jacobian = np.stack(rows)  # (K, W)
        count = jacobian.shape[1]
        squares = np.sum(jacobian * jacobian, axis=0) + self.eps
        shares = np.sum(np.abs(jacobian) / np.sqrt(squares), axis=1)
        return 0.5 * (
            np.sum(np.log(squares))
            + count * np.log(np.sum(shares * shares))
            - count * math.log(self.tolerance)
        )


class Tikhonov(Module):
    """λ mean ‖∂y/∂x‖²: outputs that change little with the inputs.

    The squared norm of the input-output Jacobian, averaged over the batch. Noise of variance σ² on
    the inputs acts, to second order, as this with λ = σ²/2 (Bishop 1995).

    Args:
        strength: λ.

    >>> penalty = Tikhonov()
    >>> penalty(lambda x: x * 3.0, [[1.0, 2.0]])
    Tensor(18.)
    """

    def __init__(self, strength: float = 1.0) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, model: Callable[[Any], Tensor], inputs: TensorLike) -> Tensor:
        """The penalty for a model from (N, …) to (N, …), samples independent of each other."""
        x = as_tensor(np.array(as_tensor(inputs).data)).requires_grad_()
        show_lines()  # of the model
        y = model(x)
        flat = y.reshape(y.shape[0], -1)
        total: Any = 0
        for k in range(flat.shape[1]):
            (g,) = grad(np.sum(flat[:, k]), x, create_graph=True, allow_unused=True)
            if g is not None:
                total = total + np.sum(g * g)
        return as_tensor(total * (self.strength / x.shape[0]))
