"""The bundled digits: all of them, as published, in the shape and scale promised."""

import zipfile
from importlib import resources

import numpy as np

from nn.data import load_digits


def test_digits_have_the_promised_shapes_types_and_scale():
    images, labels = load_digits()
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == np.float32
    assert labels.shape == (1797,)
    assert labels.dtype == np.int64
    assert images.min() == 0
    assert images.max() == 1
    sixteenths = images * 16
    assert np.array_equal(sixteenths, np.round(sixteenths))


def test_class_counts_are_the_published_ones():
    _, labels = load_digits()
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_first_digit_is_the_zero_that_everybody_shows():
    images, labels = load_digits()
    assert labels[0] == 0
    assert (images[0, 0, 2] * 16).tolist() == [0, 3, 15, 2, 0, 11, 8, 0]
    # Upright, not mirrored: 0 is hollow in the middle, where 1 (the next digit) has ink.
    assert images[0, 0, 3:5, 3:5].max() < images[1, 0, 3:5, 3:5].min()


def test_images_go_with_their_labels():
    images, labels = load_digits()
    pixels = images.reshape(len(images), -1)
    centroids = np.stack([pixels[labels == digit].mean(axis=0) for digit in range(10)])
    distances = ((pixels[:, np.newaxis] - centroids) ** 2).sum(axis=-1)
    assert (distances.argmin(axis=1) == labels).mean() > 0.88


def test_each_call_gives_fresh_arrays():
    images, labels = load_digits()
    images[:] = -1
    labels[:] = -1
    again, labels_again = load_digits()
    assert again.min() == 0
    assert labels_again.min() == 0


def test_the_file_holds_plain_small_integers_and_its_licence_lies_beside_it():
    folder = resources.files("nn.data")
    with folder.joinpath("digits.npz").open("rb") as file, np.load(file) as data:
        assert sorted(data) == ["images", "labels"]
        assert data["images"].dtype == data["labels"].dtype == np.uint8
        assert data["images"].max() == 16
    with folder.joinpath("digits.npz").open("rb") as file:
        assert sum(item.compress_size for item in zipfile.ZipFile(file).infolist()) < 50_000
    licence = folder.joinpath("LICENSE-digits.md").read_text(encoding="utf-8")
    for credit in ("Alpaydin", "Kaynak", "10.24432/C50P49", "CC BY 4.0"):
        assert credit in licence
        assert credit in (load_digits.__doc__ or "")
