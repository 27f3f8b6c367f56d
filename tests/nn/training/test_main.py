"""The main job as a user runs it: what it leaves, and one line for every mistake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nn.training.__main__ import main


def test_it_leaves_weights_curves_and_graph(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    assert main(["--epochs", "1", "--output", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "1437 images to learn from, 360 held out" in said
    assert "test accuracy" in said
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "run" / "graph.svg").read_text("utf-8")
    with np.load(tmp_path / "run" / "weights.npz") as weights:
        assert sum(weights[key].size for key in weights.files) > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "mnist"], "needs --path FOLDER"),
        (["--path", "somewhere"], "--path goes with --data mnist"),
        (["--data", "letters"], "invalid choice: 'letters'"),
        (["--epochs", "0"], "'0' is not a whole number above 0"),
        (["--lr", "fast"], "'fast' is not a number above 0"),
        (["--data", "mnist", "--path", "{tmp}/none"], "{tmp}/none"),
        (["--epochs", "1", "--output", "{tmp}/file/run"], "{tmp}/file"),
    ],
)
def test_a_mistake_gives_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    arguments = [a.replace("{tmp}", str(tmp_path)) for a in arguments]
    try:
        status = main(arguments)
    except SystemExit as leaving:  # argparse
        status = leaving.code  # type: ignore[assignment]
    said = capsys.readouterr().err.strip().splitlines()
    assert status == 2
    assert message.replace("{tmp}", str(tmp_path)) in said[-1]
    assert not any("Traceback" in line for line in said)


def test_ctrl_c_saves_what_was_learnt(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    command = [sys.executable, "-m", "nn.training", "--epochs", "500", "--output", str(tmp_path)]
    job = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A job started in the background may have been told to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert job.stdout is not None
        for line in job.stdout:  # the first finished epoch
            if line.startswith("epoch"):
                break
        time.sleep(0.2)
        job.send_signal(signal.SIGINT)
        said, _ = job.communicate(timeout=60)
    finally:
        job.kill()
    assert job.returncode == 130, said
    assert "interrupted" in said
    assert "test accuracy" in said
    assert (tmp_path / "weights.npz").is_file()
    assert (tmp_path / "graph.svg").is_file()


def test_lenet_on_mnist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = os.environ.get("GLASSGRAD_MNIST")
    if not folder:
        pytest.skip("set GLASSGRAD_MNIST to a folder with MNIST's IDX files to run this test")
    arguments = ["--data", "mnist", "--path", folder, "--epochs", "1", "--output", str(tmp_path)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "LeNet: 61,706 parameters" in said
    assert "8000 images to learn from, 2000 held out" in said
