"""Learning curves as a picture (needs matplotlib, the ``io`` extra)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nn.training.trainer import Epoch

__all__ = ["save_curves"]

# Two of the Okabe-Ito colours, told apart by colour-blind readers; line styles differ as well.
TRAIN, HELD_OUT = "#0072B2", "#D55E00"


def save_curves(path: str | os.PathLike[str], history: Sequence[Epoch], title: str = "") -> Path:
    """Draw loss and accuracy against the epoch, for training and held-out data.

    Args:
        path: of the picture; its suffix decides the format (``.png``, ``.svg``, ``.pdf`` …).

    Raises:
        ImportError: without matplotlib.
        ValueError: if the history is empty.
    """
    if not history:
        raise ValueError("there is no finished epoch to draw")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("learning curves need matplotlib: pip install 'glassgrad[io]'") from error
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    epochs = [e.number for e in history]
    marker = "o" if len(epochs) < 3 else ""
    for axes, name, unit in ((left, "loss", 1.0), (right, "accuracy", 100.0)):
        for part, label, colour, style in (
            ("train", "training (running mean)", TRAIN, "-"),
            ("valid", "held out", HELD_OUT, "--"),
        ):
            values = [getattr(e, f"{part}_{name}") for e in history]
            if None not in values:
                scaled = [unit * v for v in values]
                axes.plot(epochs, scaled, style, color=colour, label=label, marker=marker)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    left.set_ylabel("cross-entropy (nats)")
    left.set_yscale("log")
    right.set_ylabel("accuracy (%)")
    right.legend(loc="lower right")
    if title:
        figure.suptitle(title)
    figure.savefig(path, dpi=150)
    return Path(path)
