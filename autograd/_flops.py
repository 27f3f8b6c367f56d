"""Floating-point operations of primitives, counted from shapes; a multiply-add counts as two.

Counts are those of the textbook algorithm, not of what a kernel really does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["flops", "multiply_adds"]

Shape = tuple[int, ...]

# They move numbers, or look at them, and calculate nothing.
_MOVES = """
    reshape transpose swapaxes moveaxis broadcast_to expand_dims squeeze concatenate stack pad flip
    roll repeat tile take getitem setitem take_along_axis positive astype copy ravel im2col where
    sort split diagonal tril triu max_gather max_unpool
"""
MOVES = frozenset(_MOVES.split())
# One operation for each element that goes in.
_REDUCES = (
    "sum mean max min prod cumsum cumprod var std logsumexp norm any all amax amin cross_entropy"
)
REDUCES = frozenset(_REDUCES.split())
PRODUCTS = frozenset(("matmul", "linear", "dot", "inner", "outer", "vecdot", "tensordot"))
# Several for each element, in round numbers.
PER_ELEMENT = {
    "sigmoid": 4,
    "tanh": 1,
    "softplus": 3,
    "log_softmax": 5,
    "softmax": 5,
    "logsumexp": 3,
    "cross_entropy": 5,
    "batch_norm": 7,
    "channel_scale": 3,
    "var": 3,
    "std": 3,
}


def flops(name: str, shapes: Sequence[Shape], output: Shape, attrs: Mapping[str, Any]) -> int:
    """Operations of one forward call.

    Args:
        name: the primitive's.
        shapes: of its inputs.
        output: shape of its (first) output.
        attrs: its settings.

    >>> flops("matmul", [(2, 3), (3, 4)], (2, 4), {})
    48
    >>> flops("linear", [(2, 3), (4, 3), (4,)], (2, 4), {})
    56
    >>> flops("add", [(5, 1), (1, 4)], (5, 4), {})
    20
    """
    size = math.prod(output)
    if name in MOVES or not shapes:
        return 0
    pairs = multiply_adds(name, shapes, output)
    if pairs:
        biased = name in ("conv", "conv_input_grad", "linear") and len(shapes) > 2 and shapes[2]
        bias = size if biased else 0
        return 2 * pairs + bias
    first = shapes[0]
    if name.startswith(("max_pool", "avg_pool")):
        window = math.prod(attrs.get("kernel") or (1,))
        return max(size, math.prod(first)) if "grad" in name else size * window
    if name in REDUCES:
        return math.prod(first) * PER_ELEMENT.get(name, 1)
    return size * PER_ELEMENT.get(name, 1)


def multiply_adds(name: str, shapes: Sequence[Shape], output: Shape) -> int:
    """Multiplications followed by an addition, in products and convolutions; 0 for all else.

    >>> multiply_adds("conv", [(1, 1, 32, 32), (6, 1, 5, 5)], (1, 6, 28, 28))
    117600
    """
    size = math.prod(output)
    if name in PRODUCTS and len(shapes) > 1:
        return size * math.isqrt(_squared_inner(shapes, size)) if size else 0
    if name.startswith("conv") and len(shapes) > 1:
        return _convolution(name, shapes, output)
    if name == "einsum":
        return math.prod({n for shape in shapes for n in shape})
    return 0


def _squared_inner(shapes: Sequence[Shape], size: int) -> int:
    """The square of the length that a product sums over: |a|·|b| / |out|, for plain products.

    Of stacks of matrices each is counted as often as it is used, so the last axes are taken.
    """
    a, b = shapes[0], shapes[1]
    inner = a[-1] if a else 1
    if len(a) > 2 or len(b) > 2 or not size:
        return inner * inner
    return math.prod(a) * math.prod(b) // size


def _convolution(name: str, shapes: Sequence[Shape], output: Shape) -> int:
    """Each element of the smaller side meets a whole kernel once."""
    x, other = shapes[0], shapes[1]
    if name.endswith("weight_grad"):
        # x is the gradient of the output: each of its elements meets a kernel's worth of images.
        return math.prod(x) * math.prod(output[1:])
    if name.endswith("input_grad"):
        return math.prod(x) * math.prod(other[1:])
    return math.prod(output) * math.prod(other[1:])
