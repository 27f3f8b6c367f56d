"""Borders around sequences, images and volumes as modules."""

from __future__ import annotations

from collections.abc import Sequence

from autograd import Tensor, TensorLike, as_tensor
from nn import functional as F
from nn.functional._arguments import ints
from nn.module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """A border; widths are given from the last axis backwards: (left, right, top, bottom, …)."""

    n: int
    mode: str

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        self.padding = ints(padding, 2 * self.n, "padding", -(2**31))

    def forward(self, input: TensorLike) -> Tensor:
        """The input with its border."""
        x = as_tensor(input)
        if self.mode != "constant" and x.ndim not in (self.n + 1, self.n + 2):
            raise self._reject(f"{self.n + 1} or {self.n + 2} axes", x)
        return F.pad(x, self.padding, self.mode)

    def extra_repr(self) -> str:
        return str(self.padding)


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: TensorLike) -> Tensor:
        """The input with its border."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A border of a constant around the last axis.

    Args:
        padding: one width for all sides, or 2, the last axis first; negative ones cut off.
        value: of the border.
    """

    n = 1


class ConstantPad2d(_ConstantPad):
    """A border of a constant around the last 2 axes.

    Args:
        padding: one width for all sides, or 4, the last axis first; negative ones cut off.
        value: of the border.
    """

    n = 2


class ConstantPad3d(_ConstantPad):
    """A border of a constant around the last 3 axes.

    Args:
        padding: one width for all sides, or 6, the last axis first; negative ones cut off.
        value: of the border.
    """

    n = 3


class ZeroPad1d(_Pad):
    """A border of zeros around the last axis; negative widths cut off."""

    n = 1
    mode = "constant"


class ZeroPad2d(_Pad):
    """A border of zeros around the last 2 axes; negative widths cut off."""

    n = 2
    mode = "constant"


class ZeroPad3d(_Pad):
    """A border of zeros around the last 3 axes; negative widths cut off."""

    n = 3
    mode = "constant"


class ReflectionPad1d(_Pad):
    """A border that mirrors the input, without repeating the edge.

    >>> import nn
    >>> nn.ReflectionPad1d(2)([[1.0, 2.0, 3.0]])
    Tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    n = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """A border that mirrors the input, without repeating the edge."""

    n = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """A border that mirrors the input, without repeating the edge."""

    n = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """A border that repeats the edge."""

    n = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """A border that repeats the edge."""

    n = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """A border that repeats the edge."""

    n = 3
    mode = "replicate"


class CircularPad1d(_Pad):
    """A border from the opposite side, as if the input wrapped around."""

    n = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """A border from the opposite side, as if the input wrapped around."""

    n = 2
    mode = "circular"


class CircularPad3d(_Pad):
    """A border from the opposite side, as if the input wrapped around."""

    n = 3
    mode = "circular"
