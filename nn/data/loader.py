"""The loader that cuts a dataset into batches, in order or shuffled, and how samples are collated.

It works in the calling process: batches of arrays are one indexing operation each.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nn.data._arguments import as_columns, default_generator, seeded_generator
from nn.data.dataset import ArrayDataset, Dataset, Subset


class DataLoader:
    """Iterate over a dataset in batches; every `iter(loader)` is one epoch.

    Args:
        dataset: a `Dataset`; or a tuple of arrays of shape (N, ...), which stands for
            `ArrayDataset(*arrays)`; or one array of shape (N, ...), whose batches are bare arrays;
            or a list of samples.
        batch_size: samples per batch.
        shuffle: draw a new order for each epoch.
        drop_last: leave out the last batch if it is short. An epoch of a dataset smaller than
            one batch then has no batches, as in PyTorch.
        collate_fn: makes a batch of a list of samples. By default `default_collate`; arrays
            are then indexed a whole batch at once, with the same result.
        generator: draws the orders of the epochs.
        seed: an alternative to `generator`: epoch k of every loader with this seed has the same
            order, and different epochs have different ones. With neither, orders are not
            reproducible.

    Batches are fresh arrays; writing to them changes nothing else. Iterators of one loader do not
    disturb each other: an epoch's order is drawn when `iter` is called.

    Raises:
        TypeError: `dataset` has no length or no indexing, or `batch_size` is not an integer.
        ValueError: `batch_size` < 1, the dataset is empty, arrays differ in length, or both
            `generator` and `seed` are given.

    Example:
        >>> import numpy as np
        >>> from nn.data import DataLoader
        >>> loader = DataLoader((np.arange(10).reshape(5, 2), np.arange(5)), batch_size=2)
        >>> len(loader)
        3
        >>> for inputs, targets in loader:
        ...     print(inputs.shape, targets)
        (2, 2) [0 1]
        (2, 2) [2 3]
        (1, 2) [4]
    """

    dataset: Dataset[Any]
    batch_size: int
    shuffle: bool
    drop_last: bool
    collate_fn: Callable[[list[Any]], Any] | None
    generator: np.random.Generator | None

    def __init__(
        self,
        dataset: Dataset[Any] | tuple[ArrayLike, ...] | NDArray[Any],
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        generator: np.random.Generator | None = None,
        seed: int | None = None,
    ) -> None:
        self.dataset = _as_dataset(dataset)
        self.batch_size = _as_batch_size(batch_size)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.collate_fn = collate_fn
        self.generator = seeded_generator("DataLoader", seed, generator)
        if len(self.dataset) == 0:
            raise ValueError(
                f"DataLoader: expected at least one sample, got a dataset of 0 samples "
                f"for batches of {batch_size}"
            )

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    def __iter__(self) -> Iterator[Any]:
        """Draw the order of an epoch and return an iterator over its batches."""
        if self.shuffle:
            order = (self.generator or default_generator()).permutation(len(self.dataset))
        else:
            order = np.arange(len(self.dataset))
        starts = range(0, len(self) * self.batch_size, self.batch_size)
        return (self._fetch(order[start : start + self.batch_size]) for start in starts)

    def _fetch(self, indices: NDArray[np.intp]) -> Any:
        """Return the batch of the samples at `indices`."""
        dataset: Any = self.dataset
        if self.collate_fn is None:
            # Exact types only: a subclass may have its own __getitem__, which must be heard.
            while type(dataset) is Subset:
                dataset, indices = dataset.dataset, dataset.indices[indices]
            if type(dataset) is np.ndarray:
                return dataset.take(indices, axis=0)
            if type(dataset) is ArrayDataset:
                return dataset.take(indices)
        collate = self.collate_fn or default_collate
        return collate([dataset[index] for index in indices.tolist()])


def _as_dataset(dataset: Any) -> Dataset[Any]:
    """Return what the loader was given as something with a length and an index, or raise."""
    if isinstance(dataset, tuple):
        return ArrayDataset(*as_columns("DataLoader", dataset))
    if isinstance(dataset, np.ndarray):
        return as_columns("DataLoader", (dataset,))[0]
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise TypeError(
            f"DataLoader: expected arrays or a dataset with __len__ and __getitem__, "
            f"got {type(dataset).__name__}; for an iterator pass list(...)"
        )
    checked: Dataset[Any] = dataset
    return checked


def _as_batch_size(batch_size: Any) -> int:
    """Return `batch_size` as a positive int, or raise."""
    try:
        size = operator.index(batch_size)
    except TypeError:
        raise TypeError(
            f"DataLoader: expected batch_size to be an integer, got {batch_size!r}"
        ) from None
    if size < 1:
        raise ValueError(f"DataLoader: expected batch_size >= 1, got {size}")
    return size


def default_collate(samples: Sequence[Any]) -> Any:
    """Make one batch of samples that are built alike.

    Arrays and numbers are stacked along a new axis 0. Tuples, lists and dictionaries are collated
    field by field and keep their type. Anything else, strings among it, becomes a list.

    Args:
        samples: one or more samples of the same structure and shapes.

    Returns:
        The batch, as fresh arrays of shape (B, ...). Python numbers become NumPy's default
        types, float64 and int64.

    Raises:
        ValueError: there are no samples, or their shapes, lengths or keys differ.

    Example:
        >>> import numpy as np
        >>> from nn.data import default_collate
        >>> default_collate([{"x": np.zeros(2), "y": 0}, {"x": np.ones(2), "y": 1}])
        {'x': array([[0., 0.],
               [1., 1.]]), 'y': array([0, 1])}
    """
    if not samples:
        raise ValueError("default_collate: expected at least one sample, got none")
    first = samples[0]
    if isinstance(first, Mapping):
        _check_alike(samples, set, "keys")
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        _check_alike(samples, len, "number of fields")
        fields = [default_collate(field) for field in zip(*samples, strict=True)]
        return type(first)(*fields) if hasattr(first, "_fields") else type(first)(fields)
    if isinstance(first, (int, float, complex, np.generic)) or hasattr(first, "__array__"):
        _check_alike(samples, np.shape, "shape")
        return np.stack(samples)
    return list(samples)


def _check_alike(samples: Sequence[Any], measure: Callable[[Any], Any], what: str) -> None:
    """Raise unless `measure` is the same for all samples of a batch."""
    expected = measure(samples[0])
    for position, sample in enumerate(samples):
        if (found := measure(sample)) != expected:
            raise ValueError(
                f"default_collate: expected samples with one {what}, but sample 0 of the batch "
                f"has {expected} and sample {position} has {found}; make them alike, "
                f"or pass collate_fn"
            )
