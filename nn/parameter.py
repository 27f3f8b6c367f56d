"""Parameter and Buffer: the tensors a module holds, and the dtype they have by default."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from autograd import Tensor, TensorLike

__all__ = ["Buffer", "Parameter", "get_default_dtype", "set_default_dtype"]

_default_dtype: np.dtype[Any] = np.dtype(np.float32)


def get_default_dtype() -> np.dtype[Any]:
    """The type of new parameters where no ``dtype=`` says otherwise: float32 at the start."""
    return _default_dtype


def set_default_dtype(dtype: npt.DTypeLike) -> None:
    """Choose the type of new parameters and buffers, for the whole process.

    >>> import nn
    >>> nn.set_default_dtype("float64")
    >>> nn.Linear(2, 1).weight.dtype
    dtype('float64')
    >>> nn.set_default_dtype("float32")
    """
    global _default_dtype
    chosen = np.dtype(dtype)
    if chosen.kind != "f":
        raise TypeError(f"the default dtype must be a floating type, got {chosen}")
    _default_dtype = chosen


class Parameter(Tensor):
    """A tensor that a module learns: assigned as an attribute, it is registered as a parameter.

    Args:
        data: the values; copied. Numbers and nested lists get the default dtype (float32), arrays
            and tensors keep theirs.
        requires_grad: whether it is trained.

    >>> Parameter([1.0, 2.0])
    Parameter containing:
    Tensor([1., 2.], dtype=float32, requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: TensorLike, requires_grad: bool = True) -> None:
        typed = isinstance(data, Tensor | np.ndarray | np.generic)
        super().__init__(data, requires_grad, None if typed else _default_dtype)

    def __repr__(self) -> str:
        plain = Tensor.__new__(Tensor)
        plain.__setstate__({"data": self.data, "requires_grad": self.requires_grad, "name": None})
        return f"Parameter containing:\n{plain!r}"


class Buffer(Tensor):
    """A tensor that belongs to a module's state but is not learnt, such as running statistics.

    Assigned as an attribute, it is registered as a buffer.

    Args:
        data: the values; copied. Numbers and nested lists get the default dtype.
        persistent: whether it is part of the module's ``state_dict``.
    """

    __slots__ = ("persistent",)

    def __init__(self, data: TensorLike, *, persistent: bool = True) -> None:
        typed = isinstance(data, Tensor | np.ndarray | np.generic)
        super().__init__(data, dtype=None if typed else _default_dtype)
        self.persistent = persistent
