"""What a dataset is, arrays as a dataset, and a part of a dataset. Splitting lives in `split`."""

from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nn.data._arguments import as_columns

T_co = TypeVar("T_co", covariant=True)


class Dataset(Protocol[T_co]):
    """Anything with a length and a sample at each index 0 .. len - 1.

    Subclassing is optional: a list of samples is a dataset too.

    Example:
        >>> from nn.data import DataLoader, Dataset
        >>> class Squares(Dataset):
        ...     def __len__(self):
        ...         return 4
        ...
        ...     def __getitem__(self, index):
        ...         return index, index**2
        >>> next(iter(DataLoader(Squares(), batch_size=4)))
        (array([0, 1, 2, 3]), array([0, 1, 4, 9]))
    """

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def __getitem__(self, index: int, /) -> T_co:
        """Return the sample at `index`."""
        ...


class ArrayDataset(Dataset[tuple[Any, ...]]):
    """Arrays that share axis 0; sample `i` is the tuple of their rows `i`.

    PyTorch calls it `TensorDataset`, and that name works here too.

    Args:
        *arrays: one or more arrays of shape (N, ...), usually inputs and targets. They are
            neither copied nor changed. Nested lists are accepted.

    Raises:
        ValueError: no array was given, one has no axis 0, or their lengths differ.

    Example:
        >>> import numpy as np
        >>> from nn.data import ArrayDataset
        >>> dataset = ArrayDataset(np.eye(3), np.array([5, 6, 7]))
        >>> len(dataset)
        3
        >>> features, label = dataset[1]
        >>> print(features, label)
        [0. 1. 0.] 6
    """

    arrays: tuple[NDArray[Any], ...]

    def __init__(self, *arrays: ArrayLike) -> None:
        self.arrays = as_columns("ArrayDataset", arrays)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Any, /) -> tuple[Any, ...]:
        """Return each array indexed by `index`, which may be whatever NumPy takes for axis 0."""
        return tuple(array[index] for array in self.arrays)

    def take(self, indices: NDArray[np.intp]) -> tuple[NDArray[Any], ...]:
        """Return the samples at `indices`, shape (B,), as fresh arrays of shape (B, ...)."""
        return tuple(array.take(indices, axis=0) for array in self.arrays)


TensorDataset = ArrayDataset


class Subset(Dataset[T_co]):
    """The samples of `dataset` at `indices`, in that order.

    Args:
        dataset: the dataset to take from.
        indices: integers of shape (M,), negative ones counting from the end, or a boolean
            mask of shape (N,).

    Raises:
        TypeError: `indices` are neither integers nor booleans.
        ValueError: `indices` are not one-dimensional, or a mask has another length than `dataset`.
        IndexError: an index lies outside `dataset`.

    Example:
        >>> from nn.data import Subset
        >>> list(Subset(["a", "b", "c"], [2, 0]))
        ['c', 'a']
    """

    dataset: Dataset[T_co]
    indices: NDArray[np.intp]

    def __init__(self, dataset: Dataset[T_co], indices: ArrayLike) -> None:
        self.dataset = dataset
        self.indices = _as_indices(np.asarray(indices), len(dataset))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> T_co:
        return self.dataset[int(self.indices[index])]


def _as_indices(indices: NDArray[Any], length: int) -> NDArray[np.intp]:
    """Return `indices` (integers or a mask) as non-negative positions below `length`, or raise."""
    if indices.ndim != 1:
        raise ValueError(f"Subset: expected indices of shape (M,), got shape {indices.shape}")
    if indices.dtype == np.bool_:
        if len(indices) != length:
            raise ValueError(
                f"Subset: expected a mask as long as the dataset, {length}, got {len(indices)}"
            )
        return np.flatnonzero(indices)
    if indices.size and indices.dtype.kind not in "iu":
        raise TypeError(f"Subset: expected integer indices or a mask, got dtype {indices.dtype}")
    outside = (indices < -length) | (indices >= length)
    if outside.any():
        raise IndexError(
            f"Subset: index {indices[outside][0]} is outside a dataset of {length} samples"
        )
    positions = indices.astype(np.intp)
    return np.where(positions < 0, positions + length, positions)
