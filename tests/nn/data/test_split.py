"""Splits: parts that are disjoint, complete, reproducible and, if asked, stratified."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn.data import ArrayDataset, DataLoader, load_digits, random_split, train_test_split


@given(
    total=st.integers(2, 60),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
def test_parts_are_disjoint_complete_and_arrays_stay_together(total, fraction, seed):
    if not 0 < np.ceil(fraction * total - 1e-9) < total:
        return
    x, y = np.arange(total), np.arange(total) * 10.0
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=fraction, seed=seed)
    assert sorted([*x_train, *x_test]) == list(range(total))
    assert len(x_test) == np.ceil(fraction * total - 1e-9)
    np.testing.assert_array_equal(y_train, x_train * 10)
    np.testing.assert_array_equal(y_test, x_test * 10)


@pytest.mark.parametrize(
    ("test_size", "total", "expected"),
    [(0.2, 1797, 360), (0.07, 100, 7), (0.25, 4, 1), (0.5, 5, 3), (3, 10, 3), (np.int64(9), 10, 9)],
)
def test_test_size_is_a_fraction_or_a_count(test_size, total, expected):
    train, test = train_test_split(np.arange(total), test_size=test_size)
    assert (len(train), len(test)) == (total - expected, expected)


def test_the_seed_decides_and_none_draws_anew():
    x = np.arange(1000)
    first, second = train_test_split(x, seed=5)[1], train_test_split(x, seed=5)[1]
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, train_test_split(x, seed=6)[1])
    np.testing.assert_array_equal(train_test_split(x)[1], train_test_split(x, seed=0)[1])
    draws = [train_test_split(x, seed=None)[1] for _ in range(2)]
    assert not np.array_equal(*draws)


@pytest.mark.parametrize("stratify", [False, True])
def test_samples_are_shuffled(stratify):
    x = np.arange(1000)
    train, test = train_test_split(x, stratify=x // 500 if stratify else None)
    for part in (train, test):
        assert 0.3 < (np.diff(part) > 0).mean() < 0.7
    assert 350 < test.mean() < 650


def test_parts_are_fresh_and_the_input_is_kept():
    x = np.arange(10)
    train, test = train_test_split(x)
    train[:], test[:] = -1, -1
    np.testing.assert_array_equal(x, np.arange(10))


@given(
    counts=st.lists(st.integers(2, 40), min_size=1, max_size=6),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 1000),
)
def test_each_class_has_its_share_to_within_one(counts, fraction, seed):
    total = sum(counts)
    n_test = int(np.ceil(fraction * total - 1e-9))
    if min(n_test, total - n_test) < len(counts):
        return
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    index = np.arange(total)
    train, test = train_test_split(index, test_size=n_test, seed=seed, stratify=labels)
    assert len(test) == n_test
    assert sorted([*train, *test]) == list(range(total))
    drawn = np.bincount(labels[test], minlength=len(counts))
    assert np.all(np.abs(drawn - np.array(counts) * n_test / total) < 1)


def test_digits_are_split_in_proportion():
    images, labels = load_digits()
    parts = train_test_split(images, labels, stratify=labels)
    assert [part.shape for part in parts] == [(1437, 1, 8, 8), (360, 1, 8, 8), (1437,), (360,)]
    assert np.abs(np.bincount(parts[3]) - np.bincount(labels) * 360 / 1797).max() < 1


def test_classes_may_be_names():
    names = np.array(["cat"] * 10 + ["dog"] * 10)
    _, test = train_test_split(names, test_size=4, stratify=names)
    assert sorted(test) == ["cat", "cat", "dog", "dog"]


@pytest.mark.parametrize("test_size", [0.0, 1.0, -0.5, 1.5, True, float("nan")])
def test_bad_fractions(test_size):
    with pytest.raises(ValueError, match="fraction between 0 and 1"):
        train_test_split(np.arange(10), test_size=test_size)


@pytest.mark.parametrize(("test_size", "total"), [(0, 10), (10, 10), (11, 10), (-1, 10), (0.5, 1)])
def test_parts_without_samples(test_size, total):
    with pytest.raises(ValueError, match=f"of {total} samples leaves .* both need at least one"):
        train_test_split(np.arange(total), test_size=test_size)


def test_bad_arrays_and_bad_classes():
    with pytest.raises(ValueError, match="array 0 has 5 samples .* array 1 has 4"):
        train_test_split(np.zeros(5), np.zeros(4))
    with pytest.raises(ValueError, match="at least one array"):
        train_test_split()
    with pytest.raises(ValueError, match=r"stratify of shape \(5,\).* got shape \(4,\)"):
        train_test_split(np.zeros(5), stratify=np.zeros(4))
    with pytest.raises(ValueError, match="class 7 has a single sample"):
        train_test_split(np.zeros(5), stratify=[1, 1, 7, 1, 1], test_size=2)
    with pytest.raises(ValueError, match="parts of 5 and 1 samples cannot both hold all 3 classes"):
        train_test_split(np.zeros(6), stratify=[1, 1, 2, 2, 3, 3], test_size=1)


@given(counts=st.lists(st.integers(0, 10), min_size=1, max_size=5), seed=st.integers(0, 100))
def test_random_split_by_counts(counts, seed):
    data = np.arange(sum(counts))
    parts = random_split(data, counts, seed=seed)
    assert [len(part) for part in parts] == counts
    assert sorted(int(sample) for part in parts for sample in part) == data.tolist()


@pytest.mark.parametrize(
    ("fractions", "total", "expected"),
    [
        ([0.8, 0.2], 10, [8, 2]),
        ([0.5, 0.5], 5, [3, 2]),
        ([1 / 3, 1 / 3, 1 / 3], 11, [4, 4, 3]),
        ([0.71, 0.29], 100, [71, 29]),
        ([1.0], 4, [4]),
    ],
)
def test_random_split_by_fractions(fractions, total, expected):
    assert [len(part) for part in random_split(range(total), fractions)] == expected


def test_random_split_is_reproducible():
    def draw(**how):
        return list(random_split(range(100), [50, 50], **how)[0])

    assert draw(seed=3) == draw(seed=3) == draw(generator=np.random.default_rng(3))
    assert draw(seed=3) != draw(seed=4)
    assert draw() != draw()


def test_random_split_feeds_loaders():
    dataset = ArrayDataset(np.arange(10), np.arange(10) * 2)
    train, test = random_split(dataset, [7, 3], seed=0)
    seen = [pair for part in (train, test) for pair in DataLoader(part, batch_size=4)]
    assert sorted(np.concatenate([x for x, _ in seen])) == list(range(10))
    assert all(np.array_equal(y, 2 * x) for x, y in seen)


def test_random_split_errors():
    with pytest.raises(ValueError, match=r"dataset's 10 samples .* sum to 9"):
        random_split(range(10), [5, 4])
    with pytest.raises(ValueError, match=r"fractions that sum to 1 .* sum to 0\.9"):
        random_split(range(10), [0.5, 0.4])
    with pytest.raises(ValueError, match=r"lengths >= 0, got \[11, -1\]"):
        random_split(range(10), [11, -1])
    with pytest.raises(ValueError, match="got both"):
        random_split(range(10), [10], np.random.default_rng(0), seed=0)
    with pytest.raises(TypeError, match="np.random.Generator, got int"):
        random_split(range(10), [10], 42)
