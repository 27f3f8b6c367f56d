"""Initialisers: PyTorch's names and arguments, filling a tensor in place and returning it.

Every one takes ``generator=``, a ``numpy.random.Generator``, and else draws from the library's own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from autograd import Tensor
from autograd.extend import generator as library_generator
from autograd.extend import note_write

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = [
    "bias_to_mean_",
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "fan_in_and_fan_out",
    "fan_out_normal_",
    "fan_out_uniform_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

T = TypeVar("T", bound=Tensor)


def _fill(tensor: T, values: Any) -> T:
    """Write values into the tensor's own memory."""
    note_write(tensor.data)
    tensor.data[...] = values
    return tensor


def _random(generator: Generator | None) -> Generator:
    return library_generator() if generator is None else generator


def _draw_type(tensor: Tensor) -> Any:
    """The type random numbers are drawn in: float32 where that is enough."""
    return np.float32 if tensor.dtype == np.float32 else np.float64


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> T:
    """U(a, b).

    >>> import numpy as np, nn
    >>> w = nn.init.uniform_(nn.Parameter(np.empty((100, 100))), -2, 2)
    >>> bool(-2 <= w.numpy().min() and w.numpy().max() <= 2)
    True
    """
    draws = _random(generator).random(tensor.shape, _draw_type(tensor))
    return _fill(tensor, draws * (b - a) + a)


def normal_(
    tensor: T, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> T:
    """N(mean, std²)."""
    draws = _random(generator).standard_normal(tensor.shape, _draw_type(tensor))
    return _fill(tensor, draws * std + mean)


# Standard deviation of a standard normal variable that is kept within ±2: its variance is 0.77374.
TRUNCATED_STD = 0.87962566103423978


def trunc_normal_(
    tensor: T,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
    correct_variance: bool = False,
) -> T:
    """N(mean, std²), drawn again where it falls outside [a, b]; the variance is thereby less.

    Args:
        correct_variance: ignore a and b, cut off at two standard deviations of a normal variable
            so much wider that the result's standard deviation is ``std`` itself.
    """
    if correct_variance:
        std = std / TRUNCATED_STD
        a, b = mean - 2 * std, mean + 2 * std
    if a >= b:
        raise ValueError(f"trunc_normal_: a must be less than b, got {a} and {b}")
    low, high = (a - mean) / std, (b - mean) / std
    return _fill(tensor, _truncated(tensor.shape, low, high, _random(generator)) * std + mean)


def _truncated(shape: tuple[int, ...], low: float, high: float, rng: Generator) -> Any:
    """Standard normal numbers within [low, high], by rejection from the better of two envelopes."""
    size = int(np.prod(shape))
    out = np.empty(size)
    mass = 0.5 * (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2)))
    filled = 0
    while filled < size:
        count = size - filled + 8
        if mass > 0.25:
            draws = rng.standard_normal(int(count / mass) + 1)
            draws = draws[(draws >= low) & (draws <= high)]
        else:  # uniform draws, accepted by the density relative to its peak in the interval
            peak = min(max(0.0, low), high)
            width = min(high, peak + 8) - max(low, peak - 8)
            draws = max(low, peak - 8) + width * rng.random(4 * count)
            density = np.exp((peak * peak - draws * draws) / 2)
            draws = draws[rng.random(draws.size) < density]
        draws = draws[: size - filled]
        out[filled : filled + draws.size] = draws
        filled += draws.size
    return out.reshape(shape)


def constant_(tensor: T, val: float) -> T:
    """The same value everywhere."""
    return _fill(tensor, val)


def ones_(tensor: T) -> T:
    """Ones."""
    return _fill(tensor, 1)


def zeros_(tensor: T) -> T:
    """Zeros."""
    return _fill(tensor, 0)


def eye_(tensor: T) -> T:
    """The identity, as far as a matrix that need not be square allows."""
    if tensor.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got {tensor.shape}")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: T, groups: int = 1) -> T:
    """Kernels that pass each channel on as it is, as far as there are channels."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(
            f"Only tensors with 3, 4, or 5 dimensions are supported, got {tensor.shape}"
        )
    if tensor.shape[0] % groups:
        raise ValueError(f"dim 0 must be divisible by groups, got {tensor.shape[0]} and {groups}")
    per_group = tensor.shape[0] // groups
    values = np.zeros(tensor.shape)
    middle = tuple(k // 2 for k in tensor.shape[2:])
    for g in range(groups):
        for d in range(min(per_group, tensor.shape[1])):
            values[(g * per_group + d, d, *middle)] = 1
    return _fill(tensor, values)


def fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    """How many inputs an output sees, and how many outputs an input reaches.

    Args:
        tensor: a weight (out, in, *kernel), or anything with its ``shape``.

    >>> import numpy as np
    >>> fan_in_and_fan_out(np.empty((16, 6, 5, 5)))
    (150, 400)
    """
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError(
            f"Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, got "
            f"shape {shape}"
        )
    area = math.prod(shape[2:])
    return shape[1] * area, shape[0] * area


def _fan(tensor: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights make up for what a nonlinearity takes away.

    Args:
        nonlinearity: linear, conv1d … conv_transpose3d, sigmoid (all 1), tanh (5/3), relu (√2),
            leaky_relu (√(2/(1 + slope²))), selu (3/4).
        param: the slope of leaky_relu, by default 0.01.

    >>> calculate_gain("tanh").__round__(4)
    1.6667
    """
    ones = ["linear", "sigmoid"]
    ones += [f"conv{t}{n}d" for t in ("", "_transpose") for n in (1, 2, 3)]
    if nonlinearity in ones:
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def xavier_uniform_(tensor: T, gain: float = 1.0, generator: Generator | None = None) -> T:
    """U(−a, a) with a = gain √(6 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    bound = gain * math.sqrt(6.0 / sum(fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: T, gain: float = 1.0, generator: Generator | None = None) -> T:
    """N(0, gain² 2 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    std = gain * math.sqrt(2.0 / sum(fan_in_and_fan_out(tensor)))
    return normal_(tensor, 0.0, std, generator)


def kaiming_uniform_(
    tensor: T,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> T:
    """U(−b, b) with b = gain √(3 / fan) (He et al. 2015).

    Args:
        a: slope of the leaky ReLU behind the layer; 0 is a ReLU.
        mode: "fan_in" keeps the variance of activations, "fan_out" that of gradients.
        nonlinearity: see :func:`calculate_gain`.
    """
    if tensor.size == 0:
        return tensor
    fan = _fan(tensor, mode)
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / fan)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: T,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> T:
    """N(0, gain² / fan) (He et al. 2015), see :func:`kaiming_uniform_`."""
    if tensor.size == 0:
        return tensor
    fan = _fan(tensor, mode)
    std = calculate_gain(nonlinearity, a) / math.sqrt(fan)
    return normal_(tensor, 0.0, std, generator)


def lecun_normal_(tensor: T, truncated: bool = False, generator: Generator | None = None) -> T:
    """N(0, 1/fan_in): for SELU networks, and for units near their linear range (LeCun 1998).

    Args:
        truncated: cut off at two standard deviations, with the variance corrected.
    """
    std = 1 / math.sqrt(_fan(tensor, "fan_in"))
    if truncated:
        return trunc_normal_(tensor, 0.0, std, generator=generator, correct_variance=True)
    return normal_(tensor, 0.0, std, generator)


def lecun_uniform_(tensor: T, generator: Generator | None = None) -> T:
    """U(−√(3/fan_in), √(3/fan_in))."""
    bound = math.sqrt(3.0 / _fan(tensor, "fan_in"))
    return uniform_(tensor, -bound, bound, generator)


def fan_out_normal_(tensor: T, gain: float = 1.0, generator: Generator | None = None) -> T:
    """N(0, gain²/fan_out): keeps the variance of what flows backwards."""
    return normal_(tensor, 0.0, gain / math.sqrt(_fan(tensor, "fan_out")), generator)


def fan_out_uniform_(tensor: T, gain: float = 1.0, generator: Generator | None = None) -> T:
    """U(−b, b) with b = gain √(3/fan_out)."""
    bound = gain * math.sqrt(3.0 / _fan(tensor, "fan_out"))
    return uniform_(tensor, -bound, bound, generator)


def bias_to_mean_(bias: T, targets: Any, link: str = "identity") -> T:
    """An output bias that predicts the mean target before anything is learnt.

    Args:
        bias: of the output layer, (K,).
        targets: (N,) or (N, K); class indices (N,) for "softmax".
        link: "identity" for regression, "sigmoid" for the logit of the share of ones, "softmax"
            for the logarithms of the shares of the classes.

    >>> import numpy as np, nn
    >>> layer = nn.Linear(3, 1)
    >>> bias_to_mean_(layer.bias, [1.0, 2.0, 6.0]).numpy()
    array([3.], dtype=float32)
    """
    t = np.asarray(targets.data if isinstance(targets, Tensor) else targets)
    if link == "softmax":
        shares = np.bincount(t.ravel().astype(np.int64), minlength=bias.size) / t.size
        return _fill(bias, np.log(np.maximum(shares, 0.5 / t.size)))
    mean = t.reshape(len(t), -1).mean(axis=0)
    if link == "sigmoid":
        share = np.clip(mean, 0.5 / len(t), 1 - 0.5 / len(t))
        return _fill(bias, np.log(share / (1 - share)))
    if link != "identity":
        raise ValueError(f"link must be 'identity', 'sigmoid' or 'softmax', got {link!r}")
    return _fill(bias, mean)


def orthogonal_(tensor: T, gain: float = 1, generator: Generator | None = None) -> T:
    """gain times a random matrix with orthonormal rows or columns (Saxe et al. 2014).

    Axes after the first are taken together.
    """
    if tensor.ndim < 2:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported: {tensor.shape}")
    if tensor.size == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.size // rows
    draws = _random(generator).standard_normal((rows, columns))
    q, r = np.linalg.qr(draws.T if rows < columns else draws)
    q = q * np.sign(np.diag(r))  # makes the distribution uniform over the orthogonal matrices
    return _fill(tensor, gain * (q.T if rows < columns else q).reshape(tensor.shape))


def sparse_(tensor: T, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> T:
    """N(0, std²) with a share ``sparsity`` of zeros in every column (Martens 2010)."""
    if tensor.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got {tensor.shape}")
    rng = _random(generator)
    rows, columns = tensor.shape
    n_zeros = math.ceil(sparsity * rows)
    values = rng.standard_normal((rows, columns)) * std
    for column in range(columns):
        values[rng.permutation(rows)[:n_zeros], column] = 0
    return _fill(tensor, values)
