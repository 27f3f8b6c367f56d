"""Pooling layers: maxima, means and norms over windows, and to a given size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd import Tensor, TensorLike
from nn import functional as F
from nn.functional._arguments import ints
from nn.functional._pooling import IntOrInts
from nn.module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "ChannelMaxPool",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _Windows(Module):
    """What pooling over windows holds."""

    kernel_size: IntOrInts
    stride: IntOrInts
    padding: IntOrInts

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _MaxPool(_Windows):
    def __init__(
        self,
        kernel_size: IntOrInts,
        stride: IntOrInts | None = None,
        padding: IntOrInts = 0,
        dilation: IntOrInts = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, dilation={self.dilation}, ceil_mode={self.ceil_mode}"


class MaxPool1d(_MaxPool):
    """The largest element of every window of (N, C, L); arguments as :class:`MaxPool2d`."""

    def forward(self, input: TensorLike) -> Any:
        """The maxima, or the pair (maxima, indices)."""
        return F.max_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class MaxPool2d(_MaxPool):
    """The largest element of every window; of equal ones the first gets the gradient.

    Args:
        kernel_size: of the window; one number or one per axis, as the others.
        stride: between windows; by default ``kernel_size``.
        padding: places on both sides that never win.
        dilation: between the elements of a window.
        return_indices: also return where the maxima lie, as flat positions, for unpooling.
        ceil_mode: whether a last window that sticks out counts.

    Shapes: (N, C, H, W) or (C, H, W) to the same with H' = floor((H + 2 padding − dilation
    (kernel − 1) − 1) / stride) + 1.

    >>> import numpy as np, nn
    >>> nn.MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).numpy()[0, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    def forward(self, input: TensorLike) -> Any:
        """The maxima, or the pair (maxima, indices)."""
        return F.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class MaxPool3d(_MaxPool):
    """The largest element of every window of (N, C, D, H, W); arguments as :class:`MaxPool2d`."""

    def forward(self, input: TensorLike) -> Any:
        """The maxima, or the pair (maxima, indices)."""
        return F.max_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class _MaxUnpool(_Windows):
    n: int

    def __init__(
        self, kernel_size: IntOrInts, stride: IntOrInts | None = None, padding: IntOrInts = 0
    ) -> None:
        super().__init__()
        self.kernel_size = ints(kernel_size, self.n, "kernel_size")
        self.stride = self.kernel_size if stride is None else ints(stride, self.n, "stride")
        self.padding = ints(padding, self.n, "padding", 0)


class MaxUnpool1d(_MaxUnpool):
    """Maxima put back where they came from, zeros elsewhere: undoes :class:`MaxPool1d`."""

    n = 1

    def forward(
        self, input: TensorLike, indices: Any, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """The unpooled maxima, by default of the smallest fitting size."""
        return F.max_unpool1d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool2d(_MaxUnpool):
    """Maxima put back where they came from, zeros elsewhere: undoes :class:`MaxPool2d`."""

    n = 2

    def forward(
        self, input: TensorLike, indices: Any, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """The unpooled maxima, by default of the smallest fitting size."""
        return F.max_unpool2d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool3d(_MaxUnpool):
    """Maxima put back where they came from, zeros elsewhere: undoes :class:`MaxPool3d`."""

    n = 3

    def forward(
        self, input: TensorLike, indices: Any, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """The unpooled maxima, by default of the smallest fitting size."""
        return F.max_unpool3d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class AvgPool1d(_Windows):
    """The mean of every window of (N, C, L); arguments as :class:`AvgPool2d`."""

    def __init__(
        self,
        kernel_size: IntOrInts,
        stride: IntOrInts | None = None,
        padding: IntOrInts = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = ints(kernel_size, 1, "kernel_size")
        self.stride = self.kernel_size if stride is None else ints(stride, 1, "stride")
        self.padding = ints(padding, 1, "padding", 0)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: TensorLike) -> Tensor:
        """The means."""
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )


class AvgPool2d(_Windows):
    """The mean of every window.

    Args:
        kernel_size: of the window; one number or one per axis, as the others.
        stride: between windows; by default ``kernel_size``.
        padding: zeros on both sides.
        ceil_mode: whether a last window that sticks out counts.
        count_include_pad: whether padding counts in the divisor.
        divisor_override: what to divide by instead of the window's size.

    >>> import numpy as np, nn
    >>> nn.AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).numpy()[0, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """

    def __init__(
        self,
        kernel_size: IntOrInts,
        stride: IntOrInts | None = None,
        padding: IntOrInts = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: TensorLike) -> Tensor:
        """The means."""
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(_Windows):
    """The mean of every window of (N, C, D, H, W); arguments as :class:`AvgPool2d`."""

    def __init__(
        self,
        kernel_size: IntOrInts,
        stride: IntOrInts | None = None,
        padding: IntOrInts = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: TensorLike) -> Tensor:
        """The means."""
        return F.avg_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class _LPPool(Module):
    def __init__(
        self,
        norm_type: float,
        kernel_size: IntOrInts,
        stride: IntOrInts | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """(Σ xᵖ)^(1/p) over every window of (N, C, L), with p = ``norm_type``."""

    def forward(self, input: TensorLike) -> Tensor:
        """The norms."""
        return F.lp_pool1d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPool):
    """(Σ xᵖ)^(1/p) over every window of (N, C, H, W), with p = ``norm_type``."""

    def forward(self, input: TensorLike) -> Tensor:
        """The norms."""
        return F.lp_pool2d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool3d(_LPPool):
    """(Σ xᵖ)^(1/p) over every window of (N, C, D, H, W), with p = ``norm_type``."""

    def forward(self, input: TensorLike) -> Tensor:
        """The norms."""
        return F.lp_pool3d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class _AdaptiveAvgPool(Module):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means over windows of (N, C, L) chosen so that the output has a given size."""

    def forward(self, input: TensorLike) -> Tensor:
        """The means."""
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over windows of (N, C, H, W) chosen so that the output has a given size.

    Args:
        output_size: one number for all axes or one for each; None keeps an axis.

    >>> import numpy as np, nn
    >>> nn.AdaptiveAvgPool2d(1)(np.zeros((2, 8, 7, 5))).shape
    (2, 8, 1, 1)
    """

    def forward(self, input: TensorLike) -> Tensor:
        """The means."""
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means over windows of (N, C, D, H, W) chosen so that the output has a given size."""

    def forward(self, input: TensorLike) -> Tensor:
        """The means."""
        return F.adaptive_avg_pool3d(input, self.output_size)


class _AdaptiveMaxPool(_AdaptiveAvgPool):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima over windows of (N, C, L) chosen so that the output has a given size."""

    def forward(self, input: TensorLike) -> Any:
        """The maxima, or the pair (maxima, indices)."""
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima over windows of (N, C, H, W) chosen so that the output has a given size."""

    def forward(self, input: TensorLike) -> Any:
        """The maxima, or the pair (maxima, indices)."""
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maxima over windows of (N, C, D, H, W) chosen so that the output has a given size."""

    def forward(self, input: TensorLike) -> Any:
        """The maxima, or the pair (maxima, indices)."""
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class ChannelMaxPool(Module):
    """The largest of every ``kernel_size`` neighbouring channels (maxout), at each place.

    Args:
        kernel_size: how many channels compete.
        stride: between groups of channels; by default ``kernel_size``.
    """

    def __init__(self, kernel_size: int, stride: int | None = None) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride

    def forward(self, input: TensorLike) -> Tensor:
        """The maxima."""
        return F.channel_max_pool(input, self.kernel_size, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}"
