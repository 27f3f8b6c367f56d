"""The handwritten digits that come with the package: examples and tests need no download."""

from importlib import resources

import numpy as np
from numpy.typing import NDArray


def load_digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return 1,797 handwritten digits as small grey images, with their labels.

    43 people wrote the digits; these are those of the 13 whose writing makes up the original
    test set. Each pixel counts the inked dots in a 4 x 4 block of a 32 x 32 bitmap, 0 to 16,
    here divided by 16. The arrays are fresh on every call. `train_test_split(images, labels,
    stratify=labels)` splits them with every digit in proportion.

    Returns:
        images: float32 of shape (1797, 1, 8, 8), from 0 (paper) to 1 (ink).
        labels: int64 of shape (1797,), from 0 to 9.

    Source:
        E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
        Repository, 1998, DOI 10.24432/C50P49, licensed under CC BY 4.0; see LICENSE-digits.md.

    Example:
        >>> from nn.data import load_digits
        >>> images, labels = load_digits()
        >>> images.shape, labels[:5]
        ((1797, 1, 8, 8), array([0, 1, 2, 3, 4]))
    """
    with (
        resources.files("nn.data").joinpath("digits.npz").open("rb") as file,
        np.load(file) as data,
    ):
        images = data["images"][:, np.newaxis].astype(np.float32) / np.float32(16)
        return images, data["labels"].astype(np.int64)
