"""Forward and backward of one convolution: gradients for input, kernel and bias."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from benchmarks import Builder, Step

__all__ = ["Convolution", "builders"]


@dataclass(frozen=True)
class Convolution:
    """A layer and what it is given; kernels and inputs are as long in every dimension."""

    rows: int
    before: int
    after: int
    kernel: int
    size: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    dimensions: int = 2
    transposed: bool = False

    @property
    def output(self) -> int:
        """The length of the output in every dimension."""
        reach = self.dilation * (self.kernel - 1) + 1
        if self.transposed:
            return (self.size - 1) * self.stride - 2 * self.padding + reach
        return (self.size + 2 * self.padding - reach) // self.stride + 1

    @property
    def products(self) -> int:
        """Multiplications of the forward pass."""
        places = self.size if self.transposed else self.output
        taps = self.rows * self.before * self.after // self.groups * self.kernel**self.dimensions
        return taps * places**self.dimensions

    def within(self, products: int) -> Convolution:
        """This layer on an input halved until its forward pass is no longer than that."""
        layer = self
        while layer.products > products:
            layer = replace(layer, size=layer.size // 2)
        return layer

    def arrays(self) -> list[Any]:
        """Input, kernel, bias and the gradient of the output, all positive."""
        import numpy as np

        ends = (self.before, self.after // self.groups)
        if not self.transposed:
            ends = (self.after, self.before // self.groups)
        shapes = (
            (self.rows, self.before, *[self.size] * self.dimensions),
            (*ends, *[self.kernel] * self.dimensions),
            (self.after,),
            (self.rows, self.after, *[self.output] * self.dimensions),
        )
        rng = np.random.default_rng(0)
        return [rng.random(shape, dtype=np.float32) for shape in shapes]

    def call(self, functional: Any, x: Any, weight: Any, bias: Any) -> Any:
        """By a library whose functions are named as PyTorch's."""
        name = f"conv{'_transpose' if self.transposed else ''}{self.dimensions}d"
        return getattr(functional, name)(
            x,
            weight,
            bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )


def _glassgrad(layer: Convolution) -> Builder:
    def build() -> Step:
        import nn.functional as F
        from autograd import Tensor

        *arrays, cotangent = layer.arrays()
        x, weight, bias = (Tensor(array, requires_grad=True) for array in arrays)

        def step() -> object:
            x.grad = weight.grad = bias.grad = None
            layer.call(F, x, weight, bias).backward(cotangent)
            return weight.grad

        return step

    return build


def _torch(layer: Convolution, channels_last: bool = False) -> Builder:
    def build() -> Step:
        import torch

        tensors = [torch.from_numpy(array) for array in layer.arrays()]
        if channels_last:
            layout = torch.channels_last
            tensors = [t.to(memory_format=layout) if t.ndim == 4 else t for t in tensors]
        *inputs, cotangent = tensors
        x, weight, bias = (tensor.requires_grad_() for tensor in inputs)

        def step() -> object:
            x.grad = weight.grad = bias.grad = None
            layer.call(torch.nn.functional, x, weight, bias).backward(cotangent)
            return weight.grad

        return step

    return build


def builders(layer: Convolution) -> dict[str, Builder]:
    made = {"glassgrad": _glassgrad(layer), "torch": _torch(layer)}
    return made | ({"torch_channels_last": _torch(layer, True)} if layer.dimensions == 2 else {})
