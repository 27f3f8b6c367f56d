"""The loader: each sample once per epoch, in a reproducible order, in fresh batches of one kind."""

from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn.data import ArrayDataset, DataLoader, Subset, default_collate


class Pairs:
    """A dataset that computes its samples one at a time."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        assert isinstance(index, int)
        return np.full((2, 3), index, np.float32), index


def labels_of(loader):
    return [label for _, labels in loader for label in labels.tolist()]


def pairs_as_arrays(length):
    return tuple(default_collate([Pairs(length)[index] for index in range(length)]))


@given(
    total=st.integers(1, 40),
    batch_size=st.integers(1, 45),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    kind=st.sampled_from(["tuple", "ArrayDataset", "Subset", "one by one", "list"]),
    seed=st.integers(0, 100),
)
def test_an_epoch_covers_each_sample_once(total, batch_size, shuffle, drop_last, kind, seed):
    arrays = pairs_as_arrays(total)
    dataset = {
        "tuple": lambda: arrays,
        "ArrayDataset": lambda: ArrayDataset(*arrays),
        "Subset": lambda: Subset(Subset(ArrayDataset(*arrays), np.arange(total)), range(total)),
        "one by one": lambda: Pairs(total),
        "list": lambda: [Pairs(total)[index] for index in range(total)],
    }[kind]()
    loader = DataLoader(dataset, batch_size, shuffle, drop_last=drop_last, seed=seed)
    for _ in range(2):
        batches = list(loader)
        assert len(batches) == len(loader)
        sizes = [len(labels) for _, labels in batches]
        whole, rest = divmod(total, batch_size)
        assert sizes == [batch_size] * whole + ([rest] if rest and not drop_last else [])
        for batch in batches:
            assert isinstance(batch, tuple)
            images, labels = batch
            assert images.shape == (len(labels), 2, 3)
            assert images.dtype == np.float32
            assert labels.dtype == np.int64
            np.testing.assert_array_equal(images[:, 0, 0], labels)
        seen = [label for _, labels in batches for label in labels.tolist()]
        assert len(set(seen)) == len(seen) == sum(sizes)
        assert set(seen) <= set(range(total))
        if not shuffle:
            assert seen == list(range(len(seen)))


def test_the_same_order_by_arrays_and_one_by_one():
    by_array = DataLoader(pairs_as_arrays(20), 3, True, seed=1)
    one_by_one = DataLoader(Pairs(20), 3, True, seed=1)
    for left, right in zip(by_array, one_by_one, strict=True):
        for a, b in zip(left, right, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def test_a_single_array_gives_bare_batches():
    batches = list(DataLoader(np.arange(5), batch_size=2))
    assert [batch.tolist() for batch in batches] == [[0, 1], [2, 3], [4]]
    (batch,) = next(iter(DataLoader(ArrayDataset(np.arange(5)), batch_size=2)))
    assert batch.tolist() == [0, 1]
    assert next(iter(DataLoader(Subset(np.arange(5), [4, 2]), 2))).tolist() == [4, 2]


def test_defaults_are_single_samples_in_order():
    loader = DataLoader(Pairs(3))
    assert len(loader) == 3
    assert labels_of(loader) == [0, 1, 2]


def test_drop_last_of_a_dataset_below_one_batch_leaves_nothing():
    loader = DataLoader(Pairs(3), batch_size=4, drop_last=True)
    assert len(loader) == 0
    assert list(loader) == []


def test_a_seed_reproduces_all_epochs_and_epochs_differ():
    first, second = (DataLoader(Pairs(50), 8, shuffle=True, seed=7) for _ in range(2))
    epochs = [labels_of(first) for _ in range(3)]
    assert epochs == [labels_of(second) for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert epochs[0] != list(range(50))
    assert labels_of(DataLoader(Pairs(50), 8, shuffle=True, seed=8)) != epochs[0]


def test_a_generator_is_drawn_from_and_only_for_shuffling():
    generator = np.random.default_rng(7)
    loader = DataLoader(Pairs(50), 8, shuffle=True, generator=generator)
    assert loader.generator is generator
    assert labels_of(loader) == labels_of(DataLoader(Pairs(50), 8, shuffle=True, seed=7))
    before = generator.bit_generator.state
    labels_of(DataLoader(Pairs(50), 8, generator=generator))
    assert generator.bit_generator.state == before


def test_without_a_seed_orders_differ_and_the_global_state_is_left_alone():
    assert labels_of(DataLoader(Pairs(50), shuffle=True)) != labels_of(
        DataLoader(Pairs(50), shuffle=True)
    )


def test_the_order_is_uniform():
    loader = DataLoader(np.arange(3), 3, shuffle=True, seed=0)
    counts = {}
    for _ in range(1200):
        order = tuple(next(iter(loader)).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert min(counts.values()) > 150


def test_two_iterators_at_once_are_independent():
    def interleave(order):
        loader = DataLoader(Pairs(9), 2, shuffle=True, seed=3)
        iterators, seen = [iter(loader), iter(loader)], ([], [])
        for which in order:
            seen[which].extend(next(iterators[which])[1].tolist())
        return seen

    together = interleave([0, 1, 1, 0, 1, 0, 0, 1, 1, 0])
    assert together == interleave([1] * 5 + [0] * 5)
    assert sorted(together[0]) == sorted(together[1]) == list(range(9))
    assert together[0] != together[1]


def test_breaking_off_an_epoch_does_not_carry_over():
    whole, broken = (DataLoader(Pairs(20), 4, shuffle=True, seed=3) for _ in range(2))
    labels_of(whole)
    next(iter(broken))
    assert labels_of(whole) == labels_of(broken)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3, 10])
def test_batches_are_fresh_and_inputs_are_never_changed(shuffle, batch_size):
    x, y = np.ones((10, 2)), np.ones(10)
    for dataset in [(x, y), ArrayDataset(x, y), list(zip(x, y, strict=True))]:
        for inputs, targets in DataLoader(dataset, batch_size, shuffle):
            inputs *= 0
            targets *= 0
    for batch in DataLoader(x, batch_size, shuffle):
        batch *= 0
    assert x.all()
    assert y.all()


def test_read_only_and_strided_arrays_are_fine():
    x = np.arange(20)[::-2]
    x.flags.writeable = False
    (batch,) = DataLoader(x, 10)
    batch[0] = -1
    assert x[0] == 19


def test_a_subclass_with_its_own_samples_is_heard():
    class Negated(ArrayDataset):
        def __getitem__(self, index):
            return -super().__getitem__(index)[0]

    class Doubled(Subset):
        def __getitem__(self, index):
            return 2 * super().__getitem__(index)

    negated = Negated(np.arange(4))
    assert next(iter(DataLoader(negated, 4))).tolist() == [0, -1, -2, -3]
    assert next(iter(DataLoader(Subset(negated, [3]), 4))).tolist() == [-3]
    assert next(iter(DataLoader(Doubled(np.arange(4), [1, 3]), 4))).tolist() == [2, 6]


def test_collate_fn_gets_the_list_of_samples():
    calls = []
    loader = DataLoader((np.arange(3), np.arange(3) * 2), 2, collate_fn=calls.append)
    assert list(loader) == [None, None]
    assert calls == [[(0, 0), (1, 2)], [(2, 4)]]


@pytest.mark.parametrize("batch_size", [0, -3])
def test_batch_size_must_be_positive(batch_size):
    with pytest.raises(ValueError, match=f"batch_size >= 1, got {batch_size}"):
        DataLoader(Pairs(3), batch_size)


@pytest.mark.parametrize("batch_size", [2.0, "2", None])
def test_batch_size_must_be_an_integer(batch_size):
    with pytest.raises(TypeError, match=f"integer, got {batch_size!r}"):
        DataLoader(Pairs(3), batch_size)


def test_numpy_integers_are_batch_sizes():
    assert len(DataLoader(Pairs(3), np.int64(2))) == 2


def test_arrays_of_different_length():
    with pytest.raises(ValueError, match="DataLoader.* array 0 has 5 samples.* array 1 has 4"):
        DataLoader((np.zeros((5, 2)), np.zeros(4)))


@pytest.mark.parametrize("empty", [np.zeros((0, 3)), (np.zeros(0), np.zeros(0)), [], Pairs(0)])
def test_empty_datasets(empty):
    with pytest.raises(ValueError, match="at least one sample, got a dataset of 0 samples"):
        DataLoader(empty, shuffle=True)


def test_what_is_no_dataset():
    with pytest.raises(ValueError, match="at least one array"):
        DataLoader(())
    with pytest.raises(ValueError, match=r"shape \(\)"):
        DataLoader(np.array(3.0))
    with pytest.raises(TypeError, match=r"got generator; for an iterator pass list"):
        DataLoader(x for x in range(3))


def test_seed_and_generator_exclude_each_other():
    with pytest.raises(ValueError, match="expected seed or generator, got both"):
        DataLoader(Pairs(3), seed=0, generator=np.random.default_rng(0))
    with pytest.raises(TypeError, match="np.random.Generator, got int.* seed="):
        DataLoader(Pairs(3), generator=0)


def test_collate_keeps_structure_and_types():
    point = namedtuple("point", "x y")
    samples = [
        {"p": point(np.float32(i), [i, True]), "name": f"n{i}", "z": (1.5 * i, None)}
        for i in range(2)
    ]
    batch = default_collate(samples)
    assert list(batch) == ["p", "name", "z"]
    assert isinstance(batch["p"], point)
    assert batch["p"].x.dtype == np.float32
    assert isinstance(batch["p"].y, list)
    assert batch["p"].y[0].tolist() == [0, 1]
    assert batch["p"].y[1].dtype == np.bool_
    assert batch["name"] == ["n0", "n1"]
    assert isinstance(batch["z"], tuple)
    assert batch["z"][0].dtype == np.float64
    assert batch["z"][1] == [None, None]


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([np.zeros(3), np.zeros(3), np.zeros(4)], r"one shape.* \(3,\) and sample 2 has \(4,\)"),
        ([(1, 2), (1, 2, 3)], "number of fields.* has 2 and sample 1 has 3"),
        ([{"a": 1}, {"b": 1}], "one keys"),
        ([], "at least one sample"),
    ],
)
def test_samples_that_do_not_fit_together(samples, words):
    with pytest.raises(ValueError, match=words):
        default_collate(samples)
