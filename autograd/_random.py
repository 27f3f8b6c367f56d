"""The library's random numbers: one generator per process, which users seed and nothing else does.

NumPy's own global state is never read nor written.
"""

from __future__ import annotations

import numpy as np

__all__ = ["generator", "manual_seed"]

_generator: np.random.Generator | None = None


def manual_seed(seed: int) -> np.random.Generator:
    """Start the library's random numbers afresh: initialisation, dropout and noise repeat after it.

    Args:
        seed: any integer; negative ones are taken modulo 2**64, as PyTorch does.

    Returns:
        The generator, as :func:`generator` will return it from now on.

    >>> manual_seed(0).integers(100, size=3)
    array([85, 63, 51])
    """
    global _generator
    _generator = np.random.default_rng(int(seed) % 2**64)
    return _generator


def generator() -> np.random.Generator:
    """The generator that initialisers, dropout and noise draw from, unless they are given another.

    There is one per process; it starts from the operating system's entropy. A forked process
    inherits a copy in the same state, so workers should call :func:`manual_seed` themselves. Its
    state can be kept and put back through ``generator().bit_generator.state``.
    """
    global _generator
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator
