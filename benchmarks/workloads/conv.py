"""Forward and backward of one convolution, gradients for image, kernel and bias."""

from __future__ import annotations

from typing import Any

from benchmarks import Builder, Step, Workload

Arrays = tuple[Any, Any, Any, Any]


def _arrays(rows: int, before: int, after: int, size: int, kernel: int) -> Arrays:
    import numpy as np

    rng = np.random.default_rng(0)
    shapes = (
        (rows, before, size, size),
        (after, before, kernel, kernel),
        (after,),
        (rows, after, size, size),
    )
    x, weight, bias, cotangent = (rng.random(shape, dtype=np.float32) for shape in shapes)
    return x, weight, bias, cotangent


def _glassgrad(*dimensions: int) -> Builder:
    def build() -> Step:
        import nn.functional as F
        from autograd import Tensor

        *arrays, cotangent = _arrays(*dimensions)
        x, weight, bias = (Tensor(array, requires_grad=True) for array in arrays)

        def step() -> object:
            x.grad = weight.grad = bias.grad = None
            F.conv2d(x, weight, bias, padding=dimensions[-1] // 2).backward(cotangent)
            return weight.grad

        return step

    return build


def _torch(*dimensions: int, channels_last: bool = False) -> Builder:
    def build() -> Step:
        import torch

        tensors = [torch.from_numpy(array) for array in _arrays(*dimensions)]
        if channels_last:
            layout = torch.channels_last
            tensors = [t.to(memory_format=layout) if t.ndim == 4 else t for t in tensors]
        *inputs, cotangent = tensors
        x, weight, bias = (tensor.requires_grad_() for tensor in inputs)

        def step() -> object:
            x.grad = weight.grad = bias.grad = None
            y = torch.nn.functional.conv2d(x, weight, bias, padding=dimensions[-1] // 2)
            y.backward(cotangent)
            return weight.grad

        return step

    return build


def _workload(rows: int, before: int, after: int, size: int, kernel: int) -> Workload:
    dimensions = (rows, before, after, size, kernel)
    return Workload(
        f"{kernel}x{kernel}, {before} to {after} channels, {size}x{size}, batch {rows}",
        {
            "glassgrad": _glassgrad(*dimensions),
            "torch": _torch(*dimensions),
            "torch_channels_last": _torch(*dimensions, channels_last=True),
        },
    )


WORKLOADS = [_workload(64, 32, 64, 32, 3), _workload(64, 6, 16, 14, 5)]
