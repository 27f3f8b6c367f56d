"""Weights on disk come back as they were, and nothing is lost when something is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import nn
from nn.training import load_weights, save_weights


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def test_round_trip(tmp_path: Path) -> None:
    one, other = net(), net()
    one(np.random.default_rng(0).normal(size=(4, 1, 4, 4)))  # moves the running statistics
    written = save_weights(tmp_path / "weights", one)
    assert written == tmp_path / "weights.npz"
    load_weights(written, other)
    x = np.random.default_rng(1).normal(size=(2, 1, 4, 4))
    np.testing.assert_array_equal(one.eval()(x).data, other.eval()(x).data)


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_weights(tmp_path / "w.npz", net())
    old = path.read_bytes()

    def full_disk(*args: object, **kwargs: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match="no space"):
        save_weights(path, net())
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["w.npz"]


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        save_weights(tmp_path / "missing" / "w", net())
    with pytest.raises(FileNotFoundError, match=r"no weights file .*gone\.npz"):
        load_weights(tmp_path / "gone.npz", net())
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(ValueError, match=r"text\.npz is not a weights file"):
        load_weights(tmp_path / "text.npz", net())
    whole = save_weights(tmp_path / "w.npz", net())
    (tmp_path / "half.npz").write_bytes(whole.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"half\.npz is not a weights file"):
        load_weights(tmp_path / "half.npz", net())


def test_weights_of_another_network_change_nothing(tmp_path: Path) -> None:
    path = save_weights(tmp_path / "w.npz", nn.Sequential(nn.Linear(8, 3)))
    model = net()
    before = [p.data.copy() for p in model.parameters()]
    with pytest.raises((RuntimeError, KeyError)):
        load_weights(path, model)
    for p, b in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.data, b)
