"""Argument checks that datasets, splits and loaders share, and where randomness comes from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def as_columns(owner: str, arrays: Sequence[ArrayLike]) -> tuple[NDArray[Any], ...]:
    """Return `arrays` as NumPy arrays that all have the same length along axis 0, or raise."""
    if not arrays:
        raise ValueError(f"{owner}: expected at least one array, got none")
    columns = tuple(np.asarray(array) for array in arrays)
    for position, column in enumerate(columns):
        if column.ndim == 0:
            raise ValueError(
                f"{owner}: expected arrays whose axis 0 counts the samples, but array {position} "
                f"has shape (); wrap a single sample with np.expand_dims(x, 0)"
            )
        if len(column) != len(columns[0]):
            raise ValueError(
                f"{owner}: expected arrays of one length, but array 0 has {len(columns[0])} "
                f"samples (shape {columns[0].shape}) and array {position} has {len(column)} "
                f"(shape {column.shape})"
            )
    return columns


def default_generator() -> np.random.Generator:
    """Return the generator used where the caller gave neither a seed nor a generator."""
    return np.random.default_rng()


def seeded_generator(
    owner: str, seed: int | None, generator: np.random.Generator | None
) -> np.random.Generator | None:
    """Return the generator that `seed` or `generator` names; None if neither was given."""
    if seed is not None and generator is not None:
        raise ValueError(f"{owner}: expected seed or generator, got both; pass one of them")
    if generator is not None and not isinstance(generator, np.random.Generator):
        raise TypeError(
            f"{owner}: expected generator to be a np.random.Generator, "
            f"got {type(generator).__name__}; for a number write seed=..."
        )
    return generator if seed is None else np.random.default_rng(seed)
