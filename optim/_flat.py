"""Several parameters seen as one vector, as methods that think in vectors need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.extend import note_write

__all__ = ["FlatParameters"]


class FlatParameters:
    """The values and gradients of some tensors, end to end in one vector.

    A complex parameter counts as its real and imaginary parts.
    """

    def __init__(self, params: Sequence[Tensor]) -> None:
        self.params = list(params)
        self.dtype = np.result_type(*(p.data.real.dtype for p in self.params))
        self.size = sum(p.size * (2 if p.dtype.kind == "c" else 1) for p in self.params)

    def values(self) -> np.ndarray:
        """A copy of the parameters as one vector."""
        return self._joined([p.data for p in self.params])

    def gradients(self, gradients: Sequence[Tensor | None] | None = None) -> np.ndarray:
        """A copy of the gradients (by default each ``.grad``); zero where there is none."""
        if gradients is None:
            gradients = [p.grad for p in self.params]
        return self._joined(
            [
                np.zeros_like(p.data) if gradient is None else gradient.data
                for p, gradient in zip(self.params, gradients)
            ]
        )

    def assign(self, vector: np.ndarray) -> None:
        """Write a vector into the parameters' own arrays."""
        for p, part in zip(self.params, self.split(vector)):
            p.data[...] = part
            note_write(p.data)

    def split(self, vector: np.ndarray) -> list[np.ndarray]:
        """Cut a vector into arrays of the parameters' shapes."""
        parts = []
        start = 0
        for p in self.params:
            if p.dtype.kind == "c":
                pairs = vector[start : start + 2 * p.size].reshape(*p.shape, 2)
                parts.append(pairs[..., 0] + 1j * pairs[..., 1])
                start += 2 * p.size
            else:
                parts.append(vector[start : start + p.size].reshape(p.shape))
                start += p.size
        return parts

    def _joined(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        flat: list[Any] = []
        for array in arrays:
            if array.dtype.kind == "c":
                array = np.stack([array.real, array.imag], axis=-1)
            flat.append(array.ravel())
        return np.concatenate(flat).astype(self.dtype, copy=False)
