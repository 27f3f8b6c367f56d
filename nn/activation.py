"""Activations as modules; the functions are in ``nn.functional``.

``inplace`` is accepted wherever PyTorch has it and changes nothing: results are always new.
"""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt

from autograd import Tensor, TensorLike, as_tensor
from nn import functional as F
from nn import init
from nn.functional._arguments import like
from nn.linear import empty_parameter
from nn.module import Module
from nn.parameter import Parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Heaviside",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SecondOrder",
    "SiLU",
    "Sigmoid",
    "Sign",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Square",
    "TLU",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _Activation(Module):
    """An activation without arguments."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ReLU(_Activation):
    """max(x, 0); its slope at 0 is 0.

    >>> import nn
    >>> nn.ReLU()([-1.0, 2.0])
    Tensor([0., 2.])
    """

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.relu(input)


class ReLU6(_Activation):
    """min(max(x, 0), 6)."""

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.relu6(input)


class LeakyReLU(Module):
    """x where it is positive, ``negative_slope`` x elsewhere."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class PReLU(Module):
    """A leaky ReLU whose slope is learnt.

    Args:
        num_parameters: 1, or the number of channels (axis 1) for a slope each.
        init: where the slopes start.
        dtype: of the slopes, float32 by default.

    Attributes:
        weight: (num_parameters,).
    """

    weight: Parameter

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = empty_parameter((num_parameters,), dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the slopes to where they started."""
        self.weight.data[...] = self.init

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """A leaky ReLU whose slope is drawn from U(lower, upper) in training, else their mean."""

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.rrelu(input, self.lower, self.upper, self.training)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + (
            ", inplace=True" if self.inplace else ""
        )


class ELU(Module):
    """x where it is positive, α (exp(x) − 1) elsewhere."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.elu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class CELU(Module):
    """An ELU with a continuous slope for every α."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.celu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class SELU(_Activation):
    """The scaled ELU of self-normalising networks."""

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.selu(input)


class GELU(Module):
    """x Φ(x); approximate is "none" or "tanh"."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(_Activation):
    """x σ(x), also called swish."""

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.silu(input)


class Mish(_Activation):
    """x tanh(softplus(x))."""

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.mish(input)


class Hardswish(_Activation):
    """x min(max(x + 3, 0), 6) / 6."""

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.hardswish(input)


class Hardsigmoid(_Activation):
    """min(max(x + 3, 0), 6) / 6."""

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.hardsigmoid(input)


class Hardtanh(Module):
    """x, but no less than ``min_val`` and no more than ``max_val``."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        if min_val >= max_val:
            raise ValueError(f"min_val {min_val} must be less than max_val {max_val}")
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + (
            ", inplace=True" if self.inplace else ""
        )


class Hardshrink(Module):
    """x where |x| > λ, else 0."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Module):
    """x moved towards 0 by λ, 0 where |x| ≤ λ."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Tanhshrink(Module):
    """x − tanh(x)."""

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.tanhshrink(input)


class Softplus(Module):
    """log(1 + exp(β x)) / β; the identity where β x exceeds the threshold."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    """x / (1 + |x|)."""

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.softsign(input)


class Sigmoid(Module):
    """1 / (1 + exp(−x)), without overflow."""

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.sigmoid(input)


class LogSigmoid(Module):
    """log σ(x), without underflow."""

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.logsigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.tanh(input)


class Threshold(Module):
    """x where it exceeds the threshold, else ``value``."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.threshold(input, self.threshold, self.value)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}" + (
            ", inplace=True" if self.inplace else ""
        )


class GLU(Module):
    """a σ(b), where a and b are the halves of the input along ``dim``."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Heaviside(Module):
    """The step of a threshold logic unit: 0 below 0, ``values`` at 0, 1 above; no gradient."""

    def __init__(self, values: float = 1.0) -> None:
        super().__init__()
        self.values = values

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.heaviside(input, self.values)

    def extra_repr(self) -> str:
        return f"values={self.values}"


# The name that the documents use.
TLU = Heaviside


class Sign(Module):
    """−1 below 0, ``at_zero`` at 0, +1 above; no gradient."""

    def __init__(self, at_zero: float = 0.0) -> None:
        super().__init__()
        self.at_zero = at_zero

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.sign(input, self.at_zero)

    def extra_repr(self) -> str:
        return f"at_zero={self.at_zero}"


class Square(Module):
    """x²: the simplest second-order unit."""

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        x = as_tensor(input)
        return x * x


class SecondOrder(Module):
    """Second-order (sigma-pi) units: y = xᵀ A x + W x + b, with one matrix A per output.

    Args:
        in_features: length of the input's last axis.
        out_features: length of the output's last axis.
        bias: whether there is a b.
        dtype: of the parameters, float32 by default.

    Attributes:
        quadratic: (out_features, in_features, in_features), A.
        weight: (out_features, in_features), W.
        bias: (out_features,) or None.

    >>> import nn
    >>> nn.SecondOrder(3, 2)([[1.0, 2.0, 3.0]]).shape
    (1, 2)
    """

    quadratic: Parameter
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
        self.quadratic = empty_parameter((out_features, in_features, in_features), dtype)
        self.weight = empty_parameter((out_features, in_features), dtype)
        if bias:
            self.bias = empty_parameter((out_features,), dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters again, each from the range of its fan-in."""
        init.uniform_(self.quadratic, -1 / self.in_features, 1 / self.in_features)
        bound = 1 / math.sqrt(self.in_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: TensorLike) -> Tensor:
        """xᵀ A x + W x + b."""
        x = as_tensor(like(input, self.weight))
        if x.shape[-1:] != (self.in_features,):
            raise self._reject(f"(…, {self.in_features})", x)
        return F.bilinear(x, x, self.quadratic) + F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Softmax(Module):
    """exp(x) / Σ exp(x) along ``dim``, without overflow."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """log softmax(x) along ``dim``, without overflow."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(Module):
    """The softmax of −x along ``dim``."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        return F.softmin(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax2d(Module):
    """The softmax over the channels of (N, C, H, W) or (C, H, W), at each place."""

    def forward(self, input: TensorLike) -> Tensor:
        """The function of each element."""
        x = as_tensor(input)
        if x.ndim not in (3, 4):
            raise self._reject("(N, C, H, W) or (C, H, W)", x)
        return F.softmax(x, -3)
