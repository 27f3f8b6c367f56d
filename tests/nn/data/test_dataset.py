"""Arrays as a dataset, parts of a dataset, and what the checks of both say."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nn.data
from nn.data import ArrayDataset, Dataset, Subset, TensorDataset


def test_samples_are_rows_of_all_arrays():
    features, labels = np.arange(12.0).reshape(4, 3), np.array([3, 2, 1, 0])
    dataset = ArrayDataset(features, labels)
    assert len(dataset) == 4
    row, label = dataset[2]
    np.testing.assert_array_equal(row, features[2])
    assert label == 1
    assert len(dataset[-1][0]) == 3
    assert [int(label) for _, label in dataset] == [3, 2, 1, 0]


def test_arrays_are_not_copied_but_taken_batches_are():
    features = np.zeros((4, 3))
    dataset = ArrayDataset(features)
    assert np.shares_memory(dataset.arrays[0], features)
    (batch,) = dataset.take(np.array([0, 1]))
    batch += 1
    assert not features.any()


def test_nested_lists_are_arrays_and_one_array_gives_tuples_of_one():
    dataset = ArrayDataset([[1, 2], [3, 4]])
    assert isinstance(dataset[0], tuple)
    assert dataset[1][0].tolist() == [3, 4]
    assert TensorDataset is ArrayDataset


def test_slices_and_index_arrays_select_several_samples():
    dataset = ArrayDataset(np.arange(5), np.arange(5) * 10)
    assert [part.tolist() for part in dataset[1:3]] == [[1, 2], [10, 20]]
    assert [part.tolist() for part in dataset[[4, 0]]] == [[4, 0], [40, 0]]


def test_arrays_of_different_length_are_named_with_both_lengths():
    with pytest.raises(ValueError, match="one length") as caught:
        ArrayDataset(np.zeros((5, 2)), np.zeros(5), np.zeros((4, 1)))
    for part in ("ArrayDataset", "array 0 has 5", "(5, 2)", "array 2 has 4", "(4, 1)"):
        assert part in str(caught.value)


def test_no_array_and_arrays_without_samples_axis():
    with pytest.raises(ValueError, match="at least one array"):
        ArrayDataset()
    with pytest.raises(ValueError, match=r"array 1 has shape \(\)"):
        ArrayDataset(np.zeros(1), 3.0)


def test_subset_takes_samples_in_the_order_given():
    subset = Subset("abcdef", [4, 0, -1, 0])
    assert len(subset) == 4
    assert list(subset) == ["e", "a", "f", "a"]
    assert subset.indices.tolist() == [4, 0, 5, 0]
    assert subset[-1] == "a"
    assert list(Subset(subset, [1, 2])) == ["a", "f"]
    assert list(Subset("abc", [])) == []
    assert list(Subset("abc", range(1, 3))) == ["b", "c"]


def test_subset_takes_a_mask():
    assert list(Subset("abc", np.array([True, False, True]))) == ["a", "c"]
    with pytest.raises(ValueError, match="as long as the dataset, 3, got 2"):
        Subset("abc", [True, False])


@pytest.mark.parametrize("index", [3, -4, 2**40])
def test_subset_rejects_indices_outside(index):
    with pytest.raises(IndexError, match=f"index {index} is outside a dataset of 3 samples"):
        Subset("abc", [0, index])


def test_subset_rejects_what_is_no_list_of_integers():
    with pytest.raises(TypeError, match="float64"):
        Subset("abc", [0.0, 1.0])
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        Subset("abc", [[0, 1]])


def test_subset_keeps_its_indices_when_the_callers_change():
    indices = np.array([0, 1])
    subset = Subset("abc", indices)
    indices[:] = 2
    assert list(subset) == ["a", "b"]


def test_a_dataset_may_subclass_the_protocol():
    class Constant(Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return 7

    assert Subset(Constant(), [1])[0] == 7


def test_the_data_package_needs_numpy_only():
    program = (
        "import sys, types\n"
        "import numpy, numpy.random\n"
        "package = types.ModuleType('nn'); package.__path__ = [sys.argv[1]]\n"
        "sys.modules['nn'] = package\n"
        "before = set(sys.modules)\n"
        "import nn.data\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - sys.stdlib_module_names - {'nn', 'numpy'}))\n"
    )
    folder = str(Path(nn.data.__path__[0]).parent)
    result = subprocess.run(
        [sys.executable, "-c", program, folder], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
