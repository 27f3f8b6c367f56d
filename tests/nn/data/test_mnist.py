"""Loading MNIST's files: their usual names, every way they can be wrong, and the real ones."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from nn.data import IdxFormatError, load_mnist, write_idx

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path, pixels: np.ndarray) -> Path:
    write_idx(tmp_path / IMAGES, pixels)
    write_idx(tmp_path / LABELS, np.array([7, 2, 1, 0, 9], np.uint8))
    return tmp_path


def load_error(folder: Path, kind: type[Exception] = IdxFormatError) -> str:
    with pytest.raises(kind) as caught:
        load_mnist(folder, "test")
    message = str(caught.value)
    assert "\n" not in message
    assert "expected " in message
    assert "found " in message
    assert "; " in message
    return message


def test_images_are_scaled_and_get_a_channel(folder, pixels):
    images, labels = load_mnist(folder, split="test")
    assert images.dtype == np.float32
    assert images.shape == (5, 1, 28, 28)
    np.testing.assert_array_equal(images[:, 0], pixels.astype(np.float32) / np.float32(255))
    assert labels.dtype == np.int64
    assert labels.tolist() == [7, 2, 1, 0, 9]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("separator", ["-", "."])
@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
def test_files_are_found_under_all_their_names(tmp_path, pixels, split, prefix, separator, suffix):
    write_idx(tmp_path / f"{prefix}-images{separator}idx3-ubyte{suffix}", pixels)
    write_idx(tmp_path / f"{prefix}-labels{separator}idx1-ubyte{suffix}", np.zeros(5, np.uint8))
    images, labels = load_mnist(str(tmp_path), split)
    assert len(images) == len(labels) == 5


def test_train_is_the_default_and_splits_are_told_apart(folder, pixels):
    write_idx(folder / "train-images-idx3-ubyte", pixels[:3])
    write_idx(folder / "train-labels-idx1-ubyte", np.array([4, 5, 6], np.uint8))
    assert load_mnist(folder)[1].tolist() == [4, 5, 6]
    assert len(load_mnist(folder, "test")[1]) == 5


def test_unknown_split(folder):
    with pytest.raises(ValueError, match='split "train" or "test", got \'validation\''):
        load_mnist(folder, "validation")


def test_missing_folder(folder):
    message = load_error(folder / "absent", FileNotFoundError)
    assert str(folder / "absent") in message
    assert f"{IMAGES} or {IMAGES}.gz, found no such folder" in message


def test_file_in_place_of_the_folder(folder):
    assert "found a file;" in load_error(folder / IMAGES, FileNotFoundError)


@pytest.mark.parametrize("missing", [IMAGES, LABELS])
def test_missing_file(folder, missing):
    (folder / missing).unlink()
    message = load_error(folder, FileNotFoundError)
    other = {IMAGES: LABELS, LABELS: IMAGES}[missing]
    assert str(folder / missing) in message
    assert f"expected {missing} or {missing}.gz in this folder, found {other};" in message


def test_empty_folder_and_full_folder_say_what_is_there(tmp_path):
    assert "found nothing;" in load_error(tmp_path, FileNotFoundError)
    for name in "edcba":
        (tmp_path / name).touch()
    assert "found a, b, c, d, ...;" in load_error(tmp_path, FileNotFoundError)


def test_labels_where_images_are_expected(folder):
    write_idx(folder / IMAGES, np.zeros(5, np.uint8))
    message = load_error(folder)
    assert message.startswith(str(folder / IMAGES))
    assert "images, uint8 of shape (N, 28, 28), found uint8 of shape (5,)" in message


def test_images_where_labels_are_expected(folder, pixels):
    write_idx(folder / LABELS, pixels)
    message = load_error(folder)
    assert message.startswith(str(folder / LABELS))
    assert "labels, uint8 of shape (N,), found uint8 of shape (5, 28, 28)" in message


@pytest.mark.parametrize("shape", [(5, 28), (5, 32, 32), (5, 1, 28, 28), ()])
def test_images_of_another_shape(folder, shape):
    write_idx(folder / IMAGES, np.zeros(shape, np.uint8))
    assert f"found uint8 of shape {shape}" in load_error(folder)


@pytest.mark.parametrize("name", [IMAGES, LABELS])
def test_files_of_another_type(folder, name):
    shape = (5, 28, 28) if name == IMAGES else (5,)
    write_idx(folder / name, np.zeros(shape, np.int32))
    assert f"found int32 of shape {shape}" in load_error(folder)


@pytest.mark.parametrize("count", [0, 4, 6])
def test_another_number_of_labels_than_images(folder, count):
    write_idx(folder / LABELS, np.zeros(count, np.uint8))
    message = load_error(folder)
    assert message.startswith(str(folder / LABELS))
    assert f"expected 5 labels for the images in {IMAGES}, found {count}" in message


def test_labels_outside_0_to_9(folder):
    write_idx(folder / LABELS, np.array([1, 2, 3, 10, 255], np.uint8))
    assert "labels from 0 to 9, found 10 at position 3" in load_error(folder)


@pytest.mark.parametrize("name", [IMAGES, LABELS])
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[:-1], "the file is incomplete"),
        (lambda content: content + b"x", "cut off what follows"),
        (lambda content: b"<!DOCTYPE html>", "another kind of file"),
        (lambda content: gzip.compress(content)[:-10], "intact gzip file"),
    ],
)
def test_damaged_files_are_named(folder, name, damage, words):
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))
    message = load_error(folder)
    assert message.startswith(str(path))
    assert words in message


def test_the_real_test_images():
    real = os.environ.get("GLASSGRAD_MNIST")
    if not real:
        pytest.skip("set GLASSGRAD_MNIST to a folder with MNIST's t10k files to run this")
    images, labels = load_mnist(real, "test")
    assert images.shape == (10_000, 1, 28, 28)
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(labels).tolist() == counts
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert (images.min(), images.max()) == (0, 1)
    # The published statistics of the test images.
    assert images.mean(dtype=np.float64) == pytest.approx(0.1325, abs=1e-4)
    assert images.std(dtype=np.float64) == pytest.approx(0.3105, abs=1e-4)
