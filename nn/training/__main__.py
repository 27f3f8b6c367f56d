"""``python -m nn.training``: a convolutional network learns digits, from data to picture.

Without options it needs no download: it trains on the bundled 8×8 digits and leaves weights,
learning curves and a drawing of the network's graph in one folder.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import autograd
import nn
import optim
from nn.data import DataLoader, Pad, load_digits, load_mnist, train_test_split
from nn.models import DigitsCNN, LeNet
from nn.training.curves import save_curves
from nn.training.trainer import Trainer, evaluate
from nn.training.weights import save_weights

INTERRUPTED = 130  # the exit status of a program ended by Ctrl-C


@dataclass(frozen=True)
class Job:
    """What is trained on what, and how.

    Attributes:
        data: name of the data set.
        model: a fresh network.
        train, test: images (N, C, H, W) and labels (N,) to learn from and to be judged on.
        epochs, batch_size, learning_rate: of the training.
    """

    data: str
    model: Any
    train: tuple[Any, Any]
    test: tuple[Any, Any]
    epochs: int
    batch_size: int
    learning_rate: float


def digits_job(seed: int) -> Job:
    """The bundled 8×8 digits: four fifths to learn from, a stratified fifth held out."""
    images, labels = load_digits()
    x, x_test, y, y_test = train_test_split(images, labels, seed=seed, stratify=labels)
    return Job("digits", DigitsCNN(), (x, y), (x_test, y_test), 20, 32, 3e-3)


def mnist_job(folder: str, seed: int) -> Job:
    """MNIST from its IDX files, padded to LeNet's 32×32.

    With MNIST's training files, those are learnt from and the test files held out; with the test
    files alone, four fifths of these are learnt from and a stratified fifth is held out.
    """
    test_images, test_labels = load_mnist(folder, "test")
    try:
        x, y = load_mnist(folder, "train")
        x_test, y_test = test_images, test_labels
    except FileNotFoundError:
        x, x_test, y, y_test = train_test_split(
            test_images, test_labels, seed=seed, stratify=test_labels
        )
    pad = Pad(2)
    return Job("mnist", LeNet(), (pad(x), y), (pad(x_test), y_test), 8, 64, 2e-3)


def run(job: Job, output: Path, seed: int) -> int:
    """Train, save everything into ``output``, print the accuracy; return the exit status."""
    output.mkdir(parents=True, exist_ok=True)
    model = job.model
    parameters = sum(p.size for p in model.parameters())
    print(f"{job.data}: {len(job.train[1])} images to learn from, {len(job.test[1])} held out")
    print(f"{type(model).__name__}: {parameters:,} parameters", flush=True)
    loader = DataLoader(job.train, batch_size=job.batch_size, shuffle=True, seed=seed)
    held_out = DataLoader(job.test, batch_size=256)
    optimizer = optim.Adam(model.parameters(), lr=job.learning_rate)
    schedule = optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=job.learning_rate, total_steps=job.epochs * len(loader)
    )
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, schedule)
    start = time.perf_counter()
    trainer.fit(loader, job.epochs, validation=held_out, progress=True)
    seconds = time.perf_counter() - start
    print(f"{'interrupted' if trainer.interrupted else 'trained'} after {seconds:.1f} s")

    saved = [save_weights(output / "weights.npz", model)]
    if trainer.history:
        title = f"{type(model).__name__} on {job.data}"
        try:
            saved.append(save_curves(output / "curves.png", trainer.history, title))
        except ImportError as missing:
            print(f"no curves: {missing}")
    saved.append(_draw(output / "graph.svg", model, job.test))
    _, share = evaluate(model, trainer.loss, held_out)
    print(f"test accuracy {share:.2%} ({round(share * len(job.test[1]))} of {len(job.test[1])})")
    print("saved " + ", ".join(map(str, saved)))
    return INTERRUPTED if trainer.interrupted else 0


def _draw(path: Path, model: Any, data: tuple[Any, Any]) -> Path:
    """Draw the graph of the loss of two images."""
    model.eval()
    loss = nn.CrossEntropyLoss()(model(data[0][:2]), data[1][:2])
    loss.name = "loss"
    autograd.draw(loss).save(path)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; mistakes give one line and exit status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m nn.training",
        description="Train a convolutional network on handwritten digits.",
    )
    parser.add_argument("--data", choices=("digits", "mnist"), default="digits")
    parser.add_argument("--path", metavar="FOLDER", help="where MNIST's IDX files are")
    parser.add_argument("--epochs", type=_positive(int), help="default: 20 for digits, 8 for mnist")
    parser.add_argument("--batch-size", type=_positive(int), help="default: 32 and 64")
    parser.add_argument("--lr", type=_positive(float), help="peak learning rate of Adam")
    parser.add_argument("--seed", type=int, default=0, help="of weights, split and order")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: runs/DATA")
    options = parser.parse_args(arguments)
    if options.data == "mnist" and options.path is None:
        parser.error("--data mnist needs --path FOLDER, the folder with MNIST's IDX files")
    if options.data == "digits" and options.path is not None:
        parser.error("--path goes with --data mnist; the digits come with the package")
    autograd.manual_seed(options.seed)
    try:
        if options.data == "mnist":
            job = mnist_job(options.path, options.seed)
        else:
            job = digits_job(options.seed)
        changes = {
            "epochs": options.epochs,
            "batch_size": options.batch_size,
            "learning_rate": options.lr,
        }
        job = Job(**{**job.__dict__, **{k: v for k, v in changes.items() if v is not None}})
        return run(job, options.output or Path("runs") / options.data, options.seed)
    except (OSError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted before anything was learnt", file=sys.stderr)
        return INTERRUPTED


def _positive(kind: type) -> Any:
    """A converter of option values that must be above zero."""

    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not value > 0:
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {what} above 0")
        return value

    return convert


if __name__ == "__main__":
    sys.exit(main())
