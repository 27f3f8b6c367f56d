"""Weights on disk: a module's state as a plain ``.npz`` that NumPy alone can read."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["load_weights", "save_weights"]


def save_weights(path: str | os.PathLike[str], module: Any) -> Path:
    """Write ``module.state_dict()`` to a ``.npz``, one array per key.

    The file appears whole or not at all: a crash on the way leaves an older one as it was.

    Args:
        path: of the file; ``.npz`` is added if missing. Its folder must exist.

    Returns:
        The path written.

    >>> import nn, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> written = save_weights(folder.name + "/net", nn.Linear(2, 1))
    >>> sorted(np.load(written).keys())
    ['bias', 'weight']
    >>> folder.cleanup()
    """
    target = Path(path)
    if target.suffix != ".npz":
        target = target.with_name(target.name + ".npz")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot save weights: there is no folder {target.parent}")
    arrays = {key: np.asarray(getattr(v, "data", v)) for key, v in module.state_dict().items()}
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def load_weights(path: str | os.PathLike[str], module: Any, strict: bool = True) -> Any:
    """Read weights written by :func:`save_weights` into a module of the same build.

    Args:
        strict: as in ``Module.load_state_dict``, whose result is returned.

    Raises:
        FileNotFoundError, ValueError: if the file is missing, or no ``.npz`` of arrays.
    """
    source = Path(path)
    if not source.is_file():
        raise FileNotFoundError(f"there is no weights file {source}")
    try:
        with source.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{source} is not a weights file (.npz): {error}") from error
    return module.load_state_dict(arrays, strict=strict)
