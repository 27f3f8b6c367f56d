"""MNIST from a folder of its four IDX files. Nothing is downloaded; the format lives in `idx`."""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nn.data.idx import IdxFormatError, read_idx

_PREFIXES = {"train": "train", "test": "t10k"}


def load_mnist(
    folder: str | os.PathLike[str], split: Literal["train", "test"] = "train"
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the images and labels of MNIST, or of a data set in its format such as Fashion-MNIST.

    Args:
        folder: where `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and their `t10k-`
            counterparts lie, plain or with `.gz`, also under the names with `.idx` for `-idx`.
        split: "train" (60,000 images in the original) or "test" (10,000).

    Returns:
        images: float32 of shape (N, 1, 28, 28), from 0 (background) to 1 (ink).
        labels: int64 of shape (N,), from 0 to 9.

    Raises:
        FileNotFoundError: the folder or a file is missing.
        IdxFormatError: a file is damaged, of another kind, or the two do not belong together.
        ValueError: `split` is neither "train" nor "test".

    Source:
        Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document
        recognition, Proceedings of the IEEE 86(11), 1998.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from nn.data import load_mnist, write_idx
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     images = np.full((2, 28, 28), 255, dtype=np.uint8)
        ...     write_idx(Path(folder, "t10k-images-idx3-ubyte.gz"), images)
        ...     write_idx(Path(folder, "t10k-labels-idx1-ubyte.gz"), np.uint8([7, 2]))
        ...     images, labels = load_mnist(folder, split="test")
        >>> images.shape, images.max(), labels
        ((2, 1, 28, 28), np.float32(1.0), array([7, 2]))
    """
    if split not in _PREFIXES:
        raise ValueError(f'load_mnist: expected split "train" or "test", got {split!r}')
    folder = Path(folder).expanduser()
    images_path = _find(folder, f"{_PREFIXES[split]}-images", "idx3-ubyte")
    labels_path = _find(folder, f"{_PREFIXES[split]}-labels", "idx1-ubyte")
    images, labels = read_idx(images_path), read_idx(labels_path)
    _check_images(images_path, images)
    _check_labels(labels_path, labels)
    if len(images) != len(labels):
        raise IdxFormatError(
            f"{labels_path}: expected {len(images)} labels for the images in {images_path.name}, "
            f"found {len(labels)}; take both files from one source"
        )
    scaled = images[:, np.newaxis].astype(np.float32)
    scaled /= 255
    return scaled, labels.astype(np.int64)


def _find(folder: Path, stem: str, kind: str) -> Path:
    """Return the file that holds `stem`, under whichever of its usual names it is there."""
    names = [f"{stem}{sep}{kind}{suffix}" for sep in "-." for suffix in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    wanted = f"{names[0]} or {names[1]}"
    if not folder.is_dir():
        found = "a file" if folder.exists() else "no such folder"
        raise FileNotFoundError(
            f"{folder}: expected a folder with {wanted}, found {found}; check the path"
        )
    entries = sorted(entry.name for entry in folder.iterdir())
    found = ", ".join(entries[:4]) + (", ..." if len(entries) > 4 else "") if entries else "nothing"
    raise FileNotFoundError(
        f"{folder / names[1]}: expected {wanted} in this folder, found {found}; put the file there"
    )


def _check_images(path: Path, images: NDArray[Any]) -> None:
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        _fail(path, "images, uint8 of shape (N, 28, 28)", images)


def _check_labels(path: Path, labels: NDArray[Any]) -> None:
    if labels.dtype != np.uint8 or labels.ndim != 1:
        _fail(path, "labels, uint8 of shape (N,)", labels)
    outside = np.flatnonzero(labels > 9)
    if outside.size:
        raise IdxFormatError(
            f"{path}: expected labels from 0 to 9, found {labels[outside[0]]} at position "
            f"{outside[0]}; this is not a label file of MNIST, download it again"
        )


def _fail(path: Path, expected: str, found: NDArray[Any]) -> None:
    raise IdxFormatError(
        f"{path}: expected {expected}, found {found.dtype.name} of shape {found.shape}; "
        f"the file has another's name, download it again"
    )
