"""Splits: arrays into training and test arrays, stratified if asked, and datasets into parts."""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nn.data._arguments import as_columns, default_generator, seeded_generator
from nn.data.dataset import Dataset, Subset

T = TypeVar("T")

# Fractions are meant in decimal: 0.07 * 100 is 7.000000000000001 in binary, and means 7.
_ROUNDING = 1e-9


def train_test_split(
    *arrays: ArrayLike,
    test_size: float | int = 0.2,
    seed: int | None = 0,
    stratify: ArrayLike | None = None,
) -> list[NDArray[Any]]:
    """Shuffle arrays together and split each into a training and a test part.

    Args:
        *arrays: arrays of shape (N, ...) that share axis 0.
        test_size: the test part, as a fraction between 0 and 1 (rounded up to whole samples) or
            as a number of samples.
        seed: the same seed gives the same split. None draws a new one.
        stratify: classes of shape (N,), usually the labels. Both parts then hold every class in
            the proportion of the whole, to within one sample.

    Returns:
        Fresh arrays in scikit-learn's order: the training and test part of the first array,
        then of the second, and so on.

    Raises:
        ValueError: lengths differ, a part would be empty, `stratify` has another shape than (N,),
            a class has a single sample, or a part has fewer samples than there are classes.

    Example:
        >>> from nn.data import load_digits, train_test_split
        >>> images, labels = load_digits()
        >>> x_train, x_test, y_train, y_test = train_test_split(images, labels, stratify=labels)
        >>> x_train.shape, x_test.shape
        ((1437, 1, 8, 8), (360, 1, 8, 8))
    """
    columns = as_columns("train_test_split", arrays)
    total = len(columns[0])
    n_test = _count_test(test_size, total)
    generator = default_generator() if seed is None else np.random.default_rng(seed)
    order = generator.permutation(total)
    if stratify is None:
        in_test = np.arange(total) < n_test
    else:
        in_test = _stratified_mask(_class_codes(stratify, total)[order], n_test)
    train, test = order[~in_test], order[in_test]
    return [part for column in columns for part in (column[train], column[test])]


def _count_test(test_size: float | int, total: int) -> int:
    """Return how many of `total` samples go into the test part."""
    if isinstance(test_size, (int, np.integer)) and not isinstance(test_size, bool):
        n_test = int(test_size)
    elif 0 < test_size < 1:
        n_test = math.ceil(test_size * total - _ROUNDING)
    else:
        raise ValueError(
            f"train_test_split: expected test_size as a fraction between 0 and 1 or as a number "
            f"of samples (an int), got {test_size!r}"
        )
    if not 0 < n_test < total:
        raise ValueError(
            f"train_test_split: test_size={test_size!r} of {total} samples leaves "
            f"{total - n_test} for training and {n_test} for testing; both need at least one"
        )
    return n_test


def _class_codes(stratify: ArrayLike, total: int) -> NDArray[np.intp]:
    """Return the classes of all samples as numbers 0 .. K - 1, shape (N,)."""
    classes = np.asarray(stratify)
    if classes.shape != (total,):
        raise ValueError(
            f"train_test_split: expected stratify of shape ({total},), one class per sample, "
            f"got shape {classes.shape}"
        )
    names, codes, counts = np.unique(classes, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            f"train_test_split: class {names[counts.argmin()]} has a single sample, which cannot "
            f"be in both parts; leave it out or drop stratify"
        )
    return codes


def _stratified_mask(codes: NDArray[np.intp], n_test: int) -> NDArray[np.bool_]:
    """Return which samples are for testing: the first few of each class, as many as is its due.

    Shares are whole numbers by the largest-remainder method, so they add up to `n_test`.
    """
    counts = np.bincount(codes)
    total = len(codes)
    if min(n_test, total - n_test) < len(counts):
        raise ValueError(
            f"train_test_split: parts of {total - n_test} and {n_test} samples cannot both hold "
            f"all {len(counts)} classes of stratify; change test_size"
        )
    shares, remainders = np.divmod(counts * n_test, total)
    by_remainder = np.argsort(-remainders, kind="stable")
    shares[by_remainder[: n_test - shares.sum()]] += 1

    by_class = np.argsort(codes, kind="stable")
    first_of_class = np.cumsum(counts) - counts
    rank = np.empty(total, dtype=np.intp)
    rank[by_class] = np.arange(total) - first_of_class[codes[by_class]]
    return np.asarray(rank < shares[codes])


def random_split(
    dataset: Dataset[T],
    lengths: Sequence[float | int],
    generator: np.random.Generator | None = None,
    *,
    seed: int | None = None,
) -> list[Subset[T]]:
    """Split a dataset at random into parts that do not overlap.

    Args:
        dataset: the dataset to split; it is not copied.
        lengths: numbers of samples that sum to `len(dataset)`, or fractions that sum to 1.
            Samples left over by rounding fractions down go to the first parts, one each.
        generator: draws the order.
        seed: an alternative to `generator`; the same seed gives the same parts. With neither,
            every call draws a new order.

    Returns:
        One `Subset` for each length.

    Raises:
        ValueError: a length is negative, they do not sum to `len(dataset)` or to 1, or both
            `generator` and `seed` are given.

    Example:
        >>> from nn.data import random_split
        >>> train, test = random_split(range(10), [0.7, 0.3], seed=0)
        >>> len(train), len(test), sorted([*train, *test]) == list(range(10))
        (7, 3, True)
    """
    counts = _count_parts(lengths, len(dataset))
    generator = seeded_generator("random_split", seed, generator) or default_generator()
    order = generator.permutation(len(dataset))
    ends = np.cumsum(counts)
    return [
        Subset(dataset, order[end - count : end]) for end, count in zip(ends, counts, strict=True)
    ]


def _count_parts(lengths: Sequence[float | int], total: int) -> list[int]:
    """Return `lengths`, counts or fractions, as counts that sum to `total`."""
    if any(length < 0 for length in lengths):
        raise ValueError(f"random_split: expected lengths >= 0, got {list(lengths)}")
    if all(isinstance(length, (int, np.integer)) for length in lengths):
        counts = [int(length) for length in lengths]
        if sum(counts) != total:
            raise ValueError(
                f"random_split: expected lengths that sum to the dataset's {total} samples (or "
                f"fractions that sum to 1), got {counts}, which sum to {sum(counts)}"
            )
        return counts
    if not math.isclose(sum(lengths), 1):
        raise ValueError(
            f"random_split: expected fractions that sum to 1 (or whole numbers that sum to the "
            f"dataset's {total} samples), got {list(lengths)}, which sum to {sum(lengths)}"
        )
    counts = [math.floor(length * total + _ROUNDING) for length in lengths]
    for part in range(total - sum(counts)):
        counts[part] += 1
    return counts
