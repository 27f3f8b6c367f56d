"""Layers that learn the size of their input from the first batch.

Until then their parameters have no shape; after it they are ordinary layers of the class they stand
for, under the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd import Tensor, TensorLike, as_tensor
from nn.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    _Convolution,
)
from nn.functional._conv import IntOrInts
from nn.linear import Linear
from nn.module import Module
from nn.normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from nn.parameter import Parameter, get_default_dtype

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
    "UninitializedParameter",
]


class UninitializedParameter(Parameter):
    """A parameter whose shape is not known yet; :meth:`materialize` gives it one."""

    __slots__ = ()

    def __init__(self, requires_grad: bool = True, dtype: npt.DTypeLike | None = None) -> None:
        of_type = get_default_dtype() if dtype is None else dtype
        super().__init__(np.empty(0, of_type), requires_grad)

    def materialize(self, shape: tuple[int, ...]) -> None:
        """Become an ordinary parameter of this shape, of zeros."""
        self.data = np.zeros(shape, self.data.dtype)
        self.__class__ = Parameter  # type: ignore[assignment]

    @property
    def shape(self) -> tuple[int, ...]:
        """Not known yet."""
        raise RuntimeError(
            "the shape of an uninitialized parameter is not known before the first batch: call "
            "the module once on data (or load a state_dict)"
        )

    def __repr__(self) -> str:
        return "<UninitializedParameter>"


class _Lazy(Module):
    """What lazy layers do: find the size, become the class they stand for."""

    becomes: type[Module]
    size_name: str  # the attribute that is not known before the first batch

    def has_uninitialized_params(self) -> bool:
        """Whether the first batch is still to come."""
        return any(isinstance(p, UninitializedParameter) for p in self._parameters.values())

    def _size_of(self, x: Tensor) -> int:
        raise NotImplementedError

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of all parameters, once the size is known."""
        raise NotImplementedError

    def _settle(self, size: int) -> None:
        setattr(self, self.size_name, size)
        for name, shape in self._shapes().items():
            parameter = self._parameters.get(name)
            if isinstance(parameter, UninitializedParameter):
                parameter.materialize(shape)
        self.__class__ = self.becomes  # type: ignore[assignment]
        self.reset_parameters()

    def forward(self, input: TensorLike, *args: Any, **kwargs: Any) -> Tensor:
        """Learn the size of the input; from then on, what the layer computes."""
        self._settle(self._size_of(as_tensor(input)))
        return self.forward(input, *args, **kwargs)

    def _before_load(self, prefix: str, state: Mapping[str, Any]) -> None:
        weight = state.get(f"{prefix}weight", state.get(f"{prefix}running_mean"))
        if weight is not None:
            self._settle(self._size_in(tuple(weight.shape)))

    def _size_in(self, shape: tuple[int, ...]) -> int:
        """The size, read from the shape of a saved weight."""
        raise NotImplementedError


class LazyLinear(_Lazy, Linear):
    """A :class:`Linear` whose ``in_features`` are those of the first batch.

    >>> import numpy as np, nn
    >>> layer = nn.LazyLinear(3)
    >>> layer(np.zeros((2, 5))).shape
    (2, 3)
    >>> layer
    Linear(in_features=5, out_features=3, bias=True)
    """

    becomes = Linear
    size_name = "in_features"

    def __init__(
        self,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        Module.__init__(self)
        self.in_features = 0
        self.out_features = out_features
        self.weight = UninitializedParameter(dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(dtype=dtype)
        else:
            self.register_parameter("bias", None)

    def _size_of(self, x: Tensor) -> int:
        return x.shape[-1]

    def _size_in(self, shape: tuple[int, ...]) -> int:
        return shape[1]

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            "weight": (self.out_features, self.in_features),
            "bias": (self.out_features,),
        }


class _LazyConvolution(_Lazy, _Convolution):
    size_name = "in_channels"

    def _size_of(self, x: Tensor) -> int:
        if x.ndim not in (self.n + 1, self.n + 2):
            raise self._reject("(N, C, …) or (C, …)", x)
        return x.shape[-self.n - 1]

    def _settle(self, size: int) -> None:
        if size % self.groups:
            raise ValueError("in_channels must be divisible by groups")
        super()._settle(size)

    def reset_parameters(self) -> None:
        """Nothing to draw before the first batch."""


class _LazyConv(_LazyConvolution):
    def __init__(
        self,
        out_channels: int,
        kernel_size: IntOrInts,
        stride: IntOrInts = 1,
        padding: IntOrInts | str = 0,
        dilation: IntOrInts = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(
            0,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self.weight = UninitializedParameter(dtype=self.weight.dtype)

    def _size_in(self, shape: tuple[int, ...]) -> int:
        return shape[1] * self.groups

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        channels = self.in_channels // self.groups
        return {"weight": (self.out_channels, channels, *self.kernel_size)}


class _LazyConvTranspose(_LazyConvolution):
    def __init__(
        self,
        out_channels: int,
        kernel_size: IntOrInts,
        stride: IntOrInts = 1,
        padding: IntOrInts = 0,
        output_padding: IntOrInts = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: IntOrInts = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        eager: Any = super()  # the transposed convolution that comes next in the order of bases
        eager.__init__(
            0,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self.weight = UninitializedParameter(dtype=self.weight.dtype)

    def _size_in(self, shape: tuple[int, ...]) -> int:
        return shape[0]

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        channels = self.out_channels // self.groups
        return {"weight": (self.in_channels, channels, *self.kernel_size)}


class LazyConv1d(_LazyConv, Conv1d):
    """A :class:`Conv1d` whose ``in_channels`` are those of the first batch."""

    becomes = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A :class:`Conv2d` whose ``in_channels`` are those of the first batch."""

    becomes = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A :class:`Conv3d` whose ``in_channels`` are those of the first batch."""

    becomes = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A :class:`ConvTranspose1d` whose ``in_channels`` are those of the first batch."""

    becomes = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A :class:`ConvTranspose2d` whose ``in_channels`` are those of the first batch."""

    becomes = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A :class:`ConvTranspose3d` whose ``in_channels`` are those of the first batch."""

    becomes = ConvTranspose3d


class _LazyNorm(_Lazy):
    size_name = "num_features"

    def _size_of(self, x: Tensor) -> int:
        if x.ndim < 2:
            raise self._reject("(N, C, …)", x)
        return x.shape[1]

    def _size_in(self, shape: tuple[int, ...]) -> int:
        return shape[0]

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.num_features,), "bias": (self.num_features,)}

    def _settle(self, size: int) -> None:
        for name in ("running_mean", "running_var"):
            buffer = self._buffers[name]
            if buffer is not None:
                buffer.data = np.zeros(size, buffer.dtype)
        super()._settle(size)

    def _start(self, dtype: npt.DTypeLike | None) -> None:
        for name in ("weight", "bias"):
            if self._parameters[name] is not None:
                setattr(self, name, UninitializedParameter(dtype=dtype))

    def has_uninitialized_params(self) -> bool:
        """Whether the first batch is still to come."""
        return True


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """A :class:`BatchNorm1d` whose ``num_features`` are those of the first batch."""

    becomes = BatchNorm1d

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self._start(dtype)


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """A :class:`BatchNorm2d` whose ``num_features`` are those of the first batch."""

    becomes = BatchNorm2d

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self._start(dtype)


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """A :class:`BatchNorm3d` whose ``num_features`` are those of the first batch."""

    becomes = BatchNorm3d

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self._start(dtype)


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """A :class:`InstanceNorm1d` whose ``num_features`` are those of the first batch."""

    becomes = InstanceNorm1d

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self._start(dtype)


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """A :class:`InstanceNorm2d` whose ``num_features`` are those of the first batch."""

    becomes = InstanceNorm2d

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self._start(dtype)


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """A :class:`InstanceNorm3d` whose ``num_features`` are those of the first batch."""

    becomes = InstanceNorm3d

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self._start(dtype)
