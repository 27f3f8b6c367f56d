"""Affine and bilinear layers, flattening, and tables of vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd import Tensor, TensorLike, as_tensor
from autograd.primitives import networks
from nn import functional as F
from nn import init
from nn.functional._arguments import like
from nn.module import Module, ShapeError
from nn.parameter import Parameter, get_default_dtype

__all__ = ["Bilinear", "Embedding", "Flatten", "Identity", "Linear", "Unflatten"]

_linear = networks.linear.call


def empty_parameter(shape: tuple[int, ...], dtype: npt.DTypeLike | None) -> Parameter:
    """A parameter of the default or a given dtype, to be filled by an initialiser."""
    return Parameter(np.zeros(shape, get_default_dtype() if dtype is None else np.dtype(dtype)))


class Identity(Module):
    """Returns its input; takes any arguments, so that it can stand in for any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """The input itself."""
        return input


class Linear(Module):
    """y = x Wᵀ + b along the last axis.

    Args:
        in_features: length of the input's last axis.
        out_features: length of the output's last axis.
        bias: whether there is a b.
        device: accepted as PyTorch's, without effect.
        dtype: of the parameters, float32 by default.

    Shapes: (…, in_features) to (…, out_features).

    Attributes:
        weight: (out_features, in_features), from U(−1/√in, 1/√in).
        bias: (out_features,), from the same, or None.

    >>> import nn
    >>> layer = nn.Linear(3, 2)
    >>> layer
    Linear(in_features=3, out_features=2, bias=True)
    >>> layer([[1.0, 2.0, 3.0]]).shape
    (1, 2)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = empty_parameter((out_features, in_features), dtype)
        if bias:
            self.bias = empty_parameter((out_features,), dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters again."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: TensorLike) -> Tensor:
        """x Wᵀ + b."""
        weight, bias = self.weight, self.bias
        x = input if isinstance(input, Tensor) else like(input, weight)
        try:
            return _linear(x, weight, bias)
        except ValueError as error:
            if x.ndim == 0 or x.shape[-1] != self.in_features:
                raise self._misfit(x) from error
            return F.linear(x, weight, bias)  # of a bias that somebody gave another shape

    def _misfit(self, x: Any) -> ShapeError:
        hint = ""
        if x.ndim > 2 and math.prod(x.shape[1:]) == self.in_features:
            hint = "put nn.Flatten() before it"
        elif x.ndim:
            hint = f"in_features={x.shape[-1]}?"
        return self._reject(f"(…, {self.in_features})", x, hint)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )

    def _headline(self) -> str:
        tail = "" if self.bias is not None else ", bias=False"
        return f"{type(self).__name__}({self.in_features}, {self.out_features}{tail})"


class Bilinear(Module):
    """y = x₁ᵀ A x₂ + b, with one matrix A per output feature.

    Args:
        in1_features, in2_features: lengths of the inputs' last axes.
        out_features: length of the output's last axis.
        bias: whether there is a b.
        dtype: of the parameters, float32 by default.

    Attributes:
        weight: (out_features, in1_features, in2_features), from U(−1/√in1, 1/√in1).
        bias: (out_features,), from the same, or None.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {in1_features}")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = empty_parameter((out_features, in1_features, in2_features), dtype)
        if bias:
            self.bias = empty_parameter((out_features,), dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters again."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: TensorLike, input2: TensorLike) -> Tensor:
        """x₁ᵀ A x₂ + b."""
        a, b = like(input1, self.weight), like(input2, self.weight)
        if a.shape[-1:] != (self.in1_features,) or b.shape[-1:] != (self.in2_features,):
            raise self._reject(
                f"(…, {self.in1_features}) and (…, {self.in2_features})", (a.shape, b.shape)
            )
        return F.bilinear(a, b, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Flatten(Module):
    """Axes from ``start_dim`` to ``end_dim`` taken together, by default all but the batch.

    Args:
        start_dim, end_dim: first and last of the axes.
        order: "C" runs through the axes as they are, the last fastest, as PyTorch and NumPy do:
            channel by channel for images (N, C, H, W). "F" runs through them with the first
            fastest. "NHWC" takes images whose channels come last, and gives what "C" gives for
            the same images with channels first: channel by channel, row by row.

    >>> import numpy as np, nn
    >>> nn.Flatten()(np.zeros((5, 16, 4, 4))).shape
    (5, 256)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1, order: str = "C") -> None:
        super().__init__()
        if order not in ("C", "F", "NHWC"):
            raise ValueError(f"order must be 'C', 'F' or 'NHWC', got {order!r}")
        self.start_dim = start_dim
        self.end_dim = end_dim
        self.order = order

    def forward(self, input: TensorLike) -> Tensor:
        """The flattened input."""
        x = as_tensor(input)
        ndim = max(x.ndim, 1)
        if not (-ndim <= self.start_dim < ndim and -ndim <= self.end_dim < ndim):
            raise IndexError(f"{self._headline()} expects those axes to exist, got shape {x.shape}")
        start, end = self.start_dim % ndim, self.end_dim % ndim
        if start > end:
            raise ShapeError("flatten() has invalid args: start_dim cannot come after end_dim")
        if self.order == "F":
            axes = (*range(start), *range(end, start - 1, -1), *range(end + 1, ndim))
            x = x.transpose(axes) if x.ndim else x
        elif self.order == "NHWC":
            axes = (*range(start), end, *range(start, end), *range(end + 1, ndim))
            x = x.transpose(axes) if x.ndim else x
        length = math.prod(x.shape[start : end + 1])
        return x.reshape(*x.shape[:start], length, *x.shape[end + 1 :])

    def extra_repr(self) -> str:
        tail = f", order={self.order!r}" if self.order != "C" else ""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}{tail}"


class Unflatten(Module):
    """One axis split into several.

    Args:
        dim: the axis.
        unflattened_size: their lengths; one may be −1.

    >>> import numpy as np, nn
    >>> nn.Unflatten(1, (2, 3))(np.zeros((5, 6))).shape
    (5, 2, 3)
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        super().__init__()
        if not isinstance(dim, int):
            raise TypeError(f"Unflatten: dim must be an integer, got {type(dim).__name__}")
        if not isinstance(unflattened_size, tuple | list) or not all(
            isinstance(n, int) for n in unflattened_size
        ):
            raise TypeError(
                f"Unflatten: unflattened_size must be a tuple of integers, got {unflattened_size}"
            )
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, input: TensorLike) -> Tensor:
        """The input with the axis split."""
        x = as_tensor(input)
        axis = self.dim % x.ndim
        known = math.prod(n for n in self.unflattened_size if n != -1)
        length = x.shape[axis]
        if (-1 in self.unflattened_size and length % known) or (
            -1 not in self.unflattened_size and length != known
        ):
            raise self._reject(f"an axis {self.dim} that splits into those", x)
        return x.reshape(*x.shape[:axis], *self.unflattened_size, *x.shape[axis + 1 :])

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Embedding(Module):
    """A table of vectors, looked up by integers.

    Args:
        num_embeddings: number of rows.
        embedding_dim: their length.
        padding_idx: a row that starts at zero and gets no gradient.
        max_norm, norm_type, scale_grad_by_freq, sparse: see ``nn.functional.embedding``.
        dtype: of the table, float32 by default.

    Attributes:
        weight: (num_embeddings, embedding_dim), from N(0, 1).

    >>> import nn
    >>> nn.Embedding(10, 3)([[1, 2], [4, 5]]).shape
    (2, 2, 3)
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: TensorLike | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError("Padding_idx must be within num_embeddings")
            padding_idx %= num_embeddings
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            self.weight = empty_parameter((num_embeddings, embedding_dim), dtype)
            self.reset_parameters()
        else:
            self.weight = Parameter(_weight)
            if self.weight.shape != (num_embeddings, embedding_dim):
                raise ValueError(
                    f"Shape of weight {self.weight.shape} does not match num_embeddings "
                    f"{num_embeddings} and embedding_dim {embedding_dim}"
                )
        self.weight.requires_grad = not _freeze

    @classmethod
    def from_pretrained(
        cls,
        embeddings: TensorLike,
        freeze: bool = True,
        padding_idx: int | None = None,
        **kwargs: Any,
    ) -> Embedding:
        """A table of given vectors (count, features); frozen by default."""
        count, features = np.shape(as_tensor(embeddings).data)
        return cls(count, features, padding_idx, _weight=embeddings, _freeze=freeze, **kwargs)

    def reset_parameters(self) -> None:
        """Draw the table again."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def forward(self, input: Any) -> Tensor:
        """The rows at the given positions."""
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.padding_idx is not None:
            parts.append(f"padding_idx={self.padding_idx}")
        if self.max_norm is not None:
            parts.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            parts.append(f"norm_type={self.norm_type}")
        if self.scale_grad_by_freq:
            parts.append(f"scale_grad_by_freq={self.scale_grad_by_freq}")
        if self.sparse:
            parts.append("sparse=True")
        return ", ".join(parts)
