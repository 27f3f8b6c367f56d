"""Convolutional layers and their transposes; windows as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from autograd import Tensor, TensorLike
from nn import functional as F
from nn import init
from nn.functional._arguments import Ints, Pairs, ints, like
from nn.functional._conv import IntOrInts, convolve, padding_pairs
from nn.linear import empty_parameter
from nn.module import Module
from nn.parameter import Parameter

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Fold",
    "Unfold",
]

AXES = {1: "L", 2: "H, W", 3: "D, H, W"}
PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate"}
PADDING_MODES["circular"] = "circular"


class _Convolution(Module):
    """What all convolutional layers hold."""

    n: int
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrInts,
        stride: IntOrInts,
        padding: Any,
        dilation: IntOrInts,
        groups: int,
        bias: bool,
        padding_mode: str,
        weight_channels: tuple[int, int],
        dtype: npt.DTypeLike | None,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        if padding_mode not in PADDING_MODES:
            raise ValueError(
                f"padding_mode must be one of {list(PADDING_MODES)}, but got "
                f"padding_mode={padding_mode!r}"
            )
        n = self.n
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size: Ints = ints(kernel_size, n, "kernel_size")
        self.stride: Ints = ints(stride, n, "stride")
        self.dilation: Ints = ints(dilation, n, "dilation")
        self.padding: Ints | str = (
            padding if isinstance(padding, str) else ints(padding, n, "padding", 0)
        )
        self.groups = groups
        self.padding_mode = padding_mode
        self.weight = empty_parameter((*weight_channels, *self.kernel_size), dtype)
        if bias:
            self.bias = empty_parameter((out_channels,), dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters again."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init.fan_in_and_fan_out(self.weight)
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def _check_images(self, x: Any) -> None:
        if x.ndim not in (self.n + 1, self.n + 2) or x.shape[-self.n - 1] != self.in_channels:
            axes = f"({self.in_channels}, {AXES[self.n]})"
            hint = ""
            if x.ndim in (self.n + 1, self.n + 2):
                hint = f"in_channels={x.shape[-self.n - 1]}?"
                if x.shape[-1] == self.in_channels:
                    hint = "channels come before the spatial axes: np.moveaxis(x, -1, 1)?"
                if x.ndim == self.n + 1 and self.in_channels == 1:
                    hint = "x[:, None]?"
            raise self._reject(f"(N, {axes[1:]} or {axes}", x, hint)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        if self.padding != (0,) * self.n:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self.n:
            parts.append(f"dilation={self.dilation}")
        if getattr(self, "output_padding", (0,) * self.n) != (0,) * self.n:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(_Convolution):
    def __init__(
        self,
        in_channels: int,
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
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            (out_channels, in_channels // max(groups, 1)),
            dtype,
        )
        self._border: Pairs = padding_pairs(
            padding, self.n, self.kernel_size, self.stride, self.dilation
        )

    def forward(self, input: TensorLike) -> Tensor:
        """The input's cross-correlation with the kernels, plus the bias."""
        weight = self.weight
        x = like(input, weight)
        self._check_images(x)
        border = self._border
        if self.padding_mode != "zeros":
            widths = [width for pair in border[::-1] for width in pair]
            x = F.pad(x, widths, PADDING_MODES[self.padding_mode])
            border = ((0, 0),) * self.n
        return convolve(x, weight, self.bias, self.stride, border, self.dilation, self.groups)


class Conv1d(_Conv):
    """Convolution of sequences: (N, C, L) to (N, O, L'); arguments as :class:`Conv2d`."""

    n = 1


class Conv2d(_Conv):
    """Convolution of images (cross-correlation, as in every library).

    Args:
        in_channels, out_channels: number of channels of input and output.
        kernel_size: a number, or one per spatial axis; likewise stride, padding and dilation.
        stride: step between windows.
        padding: width of the border, "same" (stride 1 only) or "valid".
        dilation: step between the elements of a window.
        groups: channels are split into this many blocks that do not see each other.
        bias: whether each output channel has a bias.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        dtype: of the parameters, float32 by default.

    Shapes: (N, in_channels, H, W) or (in_channels, H, W) to (N, out_channels, H', W') with
    H' = floor((H + 2 padding − dilation (kernel − 1) − 1) / stride) + 1.

    Attributes:
        weight: (out_channels, in_channels / groups, *kernel_size), from U(−1/√fan_in, 1/√fan_in).
        bias: (out_channels,), from the same, or None.

    >>> import numpy as np, nn
    >>> nn.Conv2d(3, 8, 3, padding=1)(np.zeros((2, 3, 16, 16))).shape
    (2, 8, 16, 16)
    """

    n = 2


class Conv3d(_Conv):
    """Convolution of volumes: (N, C, D, H, W); arguments as :class:`Conv2d`."""

    n = 3


class _ConvTranspose(_Convolution):
    def __init__(
        self,
        in_channels: int,
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
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        self.__dict__["output_padding"] = ints(output_padding, self.n, "output_padding", 0)
        extra = self.__dict__["output_padding"]
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            ints(padding, self.n, "padding", 0),
            dilation,
            groups,
            bias,
            padding_mode,
            (in_channels, out_channels // max(groups, 1)),
            dtype,
        )
        self.output_padding: Ints = extra

    def forward(self, input: TensorLike, output_size: Sequence[int] | None = None) -> Tensor:
        """The adjoint of a convolution, plus the bias.

        Args:
            output_size: the wanted size, instead of ``output_padding``: with or without N and C.
        """
        x = like(input, self.weight)
        self._check_images(x)
        extra = self.output_padding
        if output_size is not None:
            extra = self._extra(x, tuple(output_size))
        convolve_transposed = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
        return convolve_transposed[self.n - 1](
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,  # type: ignore[arg-type]
            extra,
            self.groups,
            self.dilation,
        )

    def _extra(self, x: Any, output_size: Ints) -> Ints:
        """The output padding that leads to a wanted size."""
        size = output_size[-self.n :]
        paddings = ints(self.padding, self.n, "padding", 0)
        least = [
            (length - 1) * s - 2 * p + d * (k - 1) + 1
            for length, s, p, d, k in zip(
                x.shape[-self.n :],
                self.stride,
                paddings,
                self.dilation,
                self.kernel_size,
            )
        ]
        if len(output_size) not in (self.n, self.n + 1, self.n + 2) or any(
            not low <= asked < low + s for low, asked, s in zip(least, size, self.stride)
        ):
            top = [low + s - 1 for low, s in zip(least, self.stride)]
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {least} "
                f"to {top} (for an input of {x.shape})"
            )
        return tuple(asked - low for low, asked in zip(least, size))


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of sequences (N, C, L); arguments as :class:`ConvTranspose2d`."""

    n = 1


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution of images: the adjoint of :class:`Conv2d`, used to enlarge them.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, groups, bias, dilation, dtype:
            those of the convolution that leads from the output back to the input.
        output_padding: added to one side of the output, where several sizes would be possible.
        padding_mode: "zeros" only.

    Shapes: (N, in_channels, H, W) to (N, out_channels, H', W') with
    H' = (H − 1) stride − 2 padding + dilation (kernel − 1) + output_padding + 1.

    Attributes:
        weight: (in_channels, out_channels / groups, *kernel_size).
        bias: (out_channels,) or None.

    >>> import numpy as np, nn
    >>> nn.ConvTranspose2d(8, 3, 2, stride=2)(np.zeros((1, 8, 4, 4))).shape
    (1, 3, 8, 8)
    """

    n = 2


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of volumes (N, C, D, H, W); arguments as :class:`ConvTranspose2d`."""

    n = 3


class Unfold(Module):
    """The windows of images (N, C, H, W) as columns (N, C KH KW, windows), see ``F.unfold``."""

    def __init__(
        self,
        kernel_size: IntOrInts,
        dilation: IntOrInts = 1,
        padding: IntOrInts = 0,
        stride: IntOrInts = 1,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: TensorLike) -> Tensor:
        """The windows."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class Fold(Module):
    """Columns added up where their windows lie: the adjoint of :class:`Unfold`, see ``F.fold``."""

    def __init__(
        self,
        output_size: IntOrInts,
        kernel_size: IntOrInts,
        dilation: IntOrInts = 1,
        padding: IntOrInts = 0,
        stride: IntOrInts = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: TensorLike) -> Tensor:
        """The images."""
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )
