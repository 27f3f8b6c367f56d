"""Sample inputs of primitives, from which checks and documentation are generated."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Sample", "sample"]


class Sample:
    """Arguments to try a primitive on: shapes and makers of arrays, and settings.

    An input is a shape (values drawn uniformly from ``low`` to ``high``), a function from a
    ``numpy.random.Generator`` to an array, or any other value, taken as it is and not
    differentiated.
    """

    def __init__(self, *inputs: Any, low: float = -2.0, high: float = 2.0, **attrs: Any) -> None:
        self.inputs = inputs
        self.low = low
        self.high = high
        self.attrs = attrs

    def draw(self, seed: int = 0, dtype: Any = np.float64) -> tuple[list[Any], dict[str, Any]]:
        """The arguments and settings; the same for the same seed."""
        rng = np.random.default_rng(seed)
        args: list[Any] = []
        for spec in self.inputs:
            if isinstance(spec, tuple):
                args.append(rng.uniform(self.low, self.high, spec).astype(dtype))
            elif callable(spec):
                value = np.asarray(spec(rng))
                args.append(value.astype(dtype) if value.dtype.kind == "f" else value)
            else:
                args.append(spec)
        return args, dict(self.attrs)

    def __repr__(self) -> str:
        parts = [
            str(i) if isinstance(i, tuple) else getattr(i, "__name__", str(i)) for i in self.inputs
        ]
        return f"({', '.join(parts + [f'{k}={v}' for k, v in self.attrs.items()])})"


def sample(*inputs: Any, low: float = -2.0, high: float = 2.0, **attrs: Any) -> Sample:
    """A :class:`Sample`: ``sample((2, 3), (3,), axis=0)``, ``sample((4,), low=0.1)``."""
    return Sample(*inputs, low=low, high=high, **attrs)
