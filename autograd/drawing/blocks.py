"""Architectures as blocks: a solid per stage, as large as its tensor, with the shape above."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd._graphview import shape_text
from autograd._modes import no_grad
from autograd._tensor import Tensor
from autograd.drawing._canvas import Canvas, Point

__all__ = ["draw_blocks"]

MOST_STAGES = 24


@dataclass(slots=True)
class _Stage:
    """What one module, with those that only act elementwise after it, makes of its input."""

    words: list[str]
    shape: tuple[int, ...]
    parameters: int


def draw_blocks(
    model: Any, input: Any, *, depth: int | None = None, title: str | None = None
) -> Canvas:
    """Draw an architecture as a row of blocks with the tensor shape at every stage.

    Images are drawn as solids (height and width of the image, thickness by the channels), vectors
    as bars; sizes grow with the logarithm.

    Args:
        model: a module.
        input: an example batch, or its shape; the first axis is the batch and is not drawn.
        depth: how far nested modules are opened; by default as far as gives at most 24 blocks.
        title: written above.

    Raises:
        TypeError: if ``input`` is missing or ``model`` is no module.
    """
    if input is None:
        raise TypeError(
            "blocks are as large as their tensors: pass an example, or its shape, as input="
        )
    if not hasattr(model, "named_modules"):
        raise TypeError(f"blocks are drawn of a module, not of a {type(model).__name__}")
    if isinstance(input, tuple) and all(isinstance(n, int) for n in input):
        dtype = next((p.dtype for p in model.parameters()), np.dtype(np.float32))
        input = np.zeros(input, dtype)
    deepest = max((name.count(".") + 1 for name, _ in model.named_modules() if name), default=0)
    depths = [depth] if depth is not None else list(range(deepest, 0, -1)) or [0]
    # A module is opened only where what is inside follows one after the other, without branches.
    _, breaks = _stages(model, input, depths[-1])
    for tried in depths:
        stages, found = _stages(model, input, tried)
        if len(stages) <= MOST_STAGES and found <= breaks:
            break
    first = tuple(np.shape(input.data if isinstance(input, Tensor) else input))
    return _drawn([_Stage(["input"], first, 0), *stages], title or type(model).__name__)


def _stages(model: Any, input: Any, depth: int) -> tuple[list[_Stage], int]:
    """Run the model and note the output of every module at ``depth``, or shallower and simple.

    Also says how many of them did not start from the output of the one before.
    """
    calls: list[tuple[Any, tuple[int, ...]]] = []
    latest: list[Any] = []
    breaks = 0

    def note(module: Any, args: tuple[Any, ...], output: Any) -> None:
        nonlocal breaks
        if hasattr(output, "shape"):
            breaks += bool(latest) and not any(x is latest[-1] for x in args)
            latest.append(output)
            calls.append((module, tuple(output.shape)))

    handles = []
    for name, part in model.named_modules():
        level = name.count(".") + 1 if name else 0
        simple = not any(True for _ in part.children())
        if level == depth or (level < depth and simple):
            handles.append(part.register_forward_hook(note))
    training = bool(getattr(model, "training", False))
    try:
        model.eval()
        with no_grad():
            model(input)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    stages: list[_Stage] = []
    for module, shape in calls:
        parameters = sum(p.size for p in module.parameters())
        name = _short(module)
        unchanged = bool(stages) and stages[-1].shape == shape
        if unchanged and (parameters == 0 or "Norm" in name):
            stages[-1].words.append(f"+ {type(module).__name__}")
            stages[-1].parameters += parameters
        else:
            stages.append(_Stage([name], shape, parameters))
    return _gathered(stages), breaks


def _gathered(stages: list[_Stage]) -> list[_Stage]:
    """Three or more equal stages in a row as one, with their number."""
    found: list[_Stage] = []
    start = 0
    while start < len(stages):
        end = start + 1
        while end < len(stages) and stages[end] == stages[start]:
            end += 1
        if end - start >= 3:
            first, *rest = stages[start].words
            words = [f"{first} ×{end - start}", *rest]
            total = stages[start].parameters * (end - start)
            found.append(_Stage(words, stages[start].shape, total))
        else:
            found += stages[start:end]
        start = end
    return found


def _short(module: Any) -> str:
    """The class with what says most about it."""
    name = type(module).__name__
    kernel = getattr(module, "kernel_size", None)
    if kernel is not None:
        sides = kernel if isinstance(kernel, tuple) else (kernel,) * 2
        stride = getattr(module, "stride", 1)
        strides = stride if isinstance(stride, tuple) else (stride,)
        step = f" /{strides[0]}" if strides and strides[0] not in (1, None) else ""
        return f"{name} {'×'.join(map(str, sides))}{step}"
    return name


def _extent(n: int, unit: float) -> float:
    """Pixels for a length, growing with its logarithm."""
    return unit * (1.0 + math.log2(max(n, 1)))


def _drawn(stages: list[_Stage], title: str) -> Canvas:
    canvas = Canvas(title)
    x = 0.0
    centre = 0.0
    previous: float | None = None
    for stage in stages:
        inner = stage.shape[1:] if len(stage.shape) > 1 else stage.shape
        words = max(len(word) for word in stage.words) * 5.6
        if len(inner) >= 3:
            channels, height, width = inner[0], inner[-2], inner[-1]
            front, tall, skew = _extent(channels, 5.0), _extent(height, 15.0), _extent(width, 5.0)
        else:
            front, tall, skew = 16.0, _extent(inner[-1] if inner else 1, 13.0), 7.0
        room = max(front + skew, words, 52.0)
        left = x + (room - front - skew) / 2
        if previous is not None:
            canvas.arrow((previous + 5, centre), (left - 4, centre))
        _solid(canvas, (left, centre - tall / 2), front, tall, skew, stage)
        middle = left + (front + skew) / 2
        canvas.text(shape_text(inner), (middle, centre - tall / 2 - skew - 8), 11.0, bold=True)
        y = centre + tall / 2 + 18
        for word in stage.words:
            canvas.text(word, (middle, y), 10.5, colour="#333333")
            y += 13
        if stage.parameters:
            canvas.text(f"{stage.parameters:,} parameters", (middle, y), 9.5, colour="#8a5a00")
        previous = left + front + skew
        x += max(room, text_room(stage)) + 34
    return canvas


def text_room(stage: _Stage) -> float:
    """Pixels that the words below a block need."""
    parameters = f"{stage.parameters:,} parameters" if stage.parameters else ""
    return max(5.6 * max(map(len, stage.words)), 5.2 * len(parameters))


def _solid(
    canvas: Canvas, corner: Point, front: float, tall: float, skew: float, stage: _Stage
) -> None:
    """A box seen from the front, a little from above and the right."""
    x, y = corner
    learns = stage.parameters > 0
    fill, edge = ("#fdebc8", "#b87700") if learns else ("#e4edf5", "#5b7083")
    side, lid = ("#f6d796", "#fff5e0") if learns else ("#cbdae6", "#f3f7fa")
    if stage.words == ["input"]:
        fill, side, lid, edge = "#d6eaf8", "#b3d4ec", "#eef6fc", "#0072b2"
    dx, dy = skew, skew * 0.8
    tip = f"{' '.join(stage.words)}: {shape_text(stage.shape)}"
    front_face = [(x, y), (x + front, y), (x + front, y + tall), (x, y + tall)]
    right_face = [
        (x + front, y),
        (x + front + dx, y - dy),
        (x + front + dx, y + tall - dy),
        (x + front, y + tall),
    ]
    top_face = [(x, y), (x + dx, y - dy), (x + front + dx, y - dy), (x + front, y)]
    canvas.polygon(right_face, fill=side, stroke=edge)
    canvas.polygon(top_face, fill=lid, stroke=edge)
    canvas.polygon(front_face, fill=fill, stroke=edge, tip=tip)
