"""What things look like: shapes, colours, the words in boxes, and how wide they are.

Colours are those of Okabe and Ito (2008), told apart by readers with any kind of colour vision;
each kind of box also has a form of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd._graphview import GraphNode, shape_text
from autograd._primitive import primitives

__all__ = ["FORMS", "Form", "Line", "array_lines", "number", "symbol", "text_width"]


@dataclass(frozen=True, slots=True)
class Form:
    """How one kind of box is drawn.

    Attributes:
        shape: ``"pill"``, ``"box"``, ``"round"``, ``"hexagon"``, ``"tag"`` or ``"octagon"``.
        fill, stroke: colours.
        width: of the outline.
        dash: of the outline, as in SVG, or empty.
        dot: Graphviz's name for the nearest shape.
        meaning: for the legend.
    """

    shape: str
    fill: str
    stroke: str
    width: float
    dash: str
    dot: str
    meaning: str


FORMS: dict[str, Form] = {
    "operation": Form("pill", "#f2f2f2", "#4d4d4d", 1.2, "", "ellipse", "operation"),
    "leaf": Form("tag", "#d6eaf8", "#0072b2", 1.8, "", "invhouse", "leaf: an input"),
    "parameter": Form("hexagon", "#fdebc8", "#b87700", 1.8, "", "hexagon", "parameter"),
    "constant": Form("box", "#ffffff", "#7a7a7a", 1.2, "4 3", "box", "constant, no gradient"),
    "intermediate": Form("round", "#ffffff", "#56b4e9", 1.4, "", "box", "intermediate result"),
    "result": Form("round", "#d5f0e6", "#00795a", 2.4, "", "box", "output"),
    "failed": Form("octagon", "#fbe3d6", "#d55e00", 3.0, "", "octagon", "failed"),
    "group": Form("folded", "#eef3f7", "#5b7083", 1.4, "", "box3d", "module, folded"),
}
FORWARD = "#333333"
BACKWARD = "#a3417c"
CLASH = "#d55e00"

# --------------------------------------------------------------------------------------- measures

# Advance widths of Helvetica in thousandths of the size, from its font metrics.
_HELVETICA = dict(
    zip(
        " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
        "abcdefghijklmnopqrstuvwxyz{|}~",
        [
            278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556,
            556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667,
            667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722,
            667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500,
            556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278,
            556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
        ],
        strict=True,
    )
)  # fmt: skip
# Many systems put DejaVu or Liberation in Helvetica's place; the wider of them is reckoned with.
_STRETCH = 1.13


def text_width(text: str, size: float, bold: bool = False, mono: bool = False) -> float:
    """An upper estimate of the width of a line, in the unit of ``size``."""
    if mono:
        return 0.605 * size * len(text)
    units = sum(_HELVETICA.get(c, 620) for c in text)
    return units / 1000 * size * _STRETCH * (1.14 if bold else 1.0)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of words in a box.

    Attributes:
        text: the words.
        role: ``"title"``, ``"detail"``, ``"value"``, ``"gradient"`` or ``"alarm"``.
    """

    text: str
    role: str = "detail"

    @property
    def size(self) -> float:
        """Font size in pixels."""
        return 13.0 if self.role == "title" else 10.5

    @property
    def mono(self) -> bool:
        """Whether it is set in a font of one width."""
        return self.role in ("value", "gradient")

    @property
    def width(self) -> float:
        """Estimated width in pixels."""
        return text_width(self.text, self.size, self.role in ("title", "alarm"), self.mono)

    @property
    def height(self) -> float:
        """Height in pixels."""
        return 17.0 if self.role == "title" else 14.0


COLOURS = {
    "title": "#111111",
    "detail": "#444444",
    "value": "#111111",
    "gradient": BACKWARD,
    "alarm": "#b34a00",
}

# ------------------------------------------------------------------------------------------ words

SYMBOLS = {
    "add": "+",
    "subtract": "−",
    "multiply": "×",
    "divide": "÷",
    "negative": "−( )",
    "matmul": "@",
    "power": "^",
    "getitem": "[ ]",
    "logistic": "sigmoid",
}


def symbol(node: GraphNode) -> str:
    """What an operation is called in a picture."""
    name = node.operation or node.name or node.kind
    return SYMBOLS.get(name, name)


# Settings of windowed operations that say nothing, and what they are then.
_TRIVIAL = {"stride": 1, "dilation": 1, "padding": 0, "groups": 1}


def settings(node: GraphNode) -> list[str]:
    """The operation's settings that differ from the defaults, ``stride=2``."""
    primitive = primitives.get(node.operation or "")
    defaults = primitive.defaults if primitive is not None else {}
    shown = []
    for key, value in node.attributes.items():
        if isinstance(value, np.ndarray):
            value = f"array {shape_text(value.shape)}"
        elif key in defaults and _same(defaults[key], value):
            continue
        if key in _TRIVIAL or key == "kernel":
            value = _single(value)
            if key in _TRIVIAL and value == _TRIVIAL[key]:
                continue
        text = re.sub(r"\s+", " ", str(value))
        shown.append(f"{key}={text if len(text) <= 28 else text[:26] + '…'}")
    return shown


def _single(value: Any) -> Any:
    """The one number that nested tuples repeat, or the tuples."""
    numbers = {int(n) for n in re.findall(r"-?\d+", str(value))}
    return numbers.pop() if isinstance(value, tuple) and len(numbers) == 1 else value


def _same(a: Any, b: Any) -> bool:
    try:
        return bool(a is b or a == b)
    except (ValueError, TypeError):
        return False


def number(value: Any, precision: int = 4) -> str:
    """A number as short as its precision allows.

    >>> number(0.5), number(2.6423134928), number(-1e-9), number(3), number(1234567.0)
    ('0.5', '2.642', '-1e-09', '3', '1.235e+06')
    """
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, complex):
        return f"{value:.{precision}g}"
    return f"{value:.{precision}g}"


def array_lines(
    array: np.ndarray[Any, Any], precision: int = 4, small: int = 12
) -> tuple[list[str], str | None]:
    """An array in words: in full if small, else summed up; and a warning of NaN and Inf.

    Args:
        array: of any shape.
        precision: significant digits.
        small: up to how many elements it is shown in full.

    >>> array_lines(np.array([1.0, 2.0]))
    (['[1 2]'], None)
    >>> array_lines(np.array([1.0, np.nan]))[1]
    '1 NaN'
    >>> array_lines(np.arange(100.0))[0]
    ['mean 49.5  std 28.87', 'min 0  max 99']
    """
    alarm = None
    values = array
    if array.dtype.kind in "fc":
        nans, infinities = int(np.isnan(array).sum()), int(np.isinf(array).sum())
        words = [f"{nans} NaN"] * bool(nans) + [f"{infinities} Inf"] * bool(infinities)
        alarm = ", ".join(words) or None
        values = array[np.isfinite(array)]
    if array.ndim == 0:
        return [number(array, precision)], alarm
    if array.size <= small and array.ndim <= 2:
        rows = array if array.ndim == 2 else array[None]
        words_of = [[number(v, precision) for v in row] for row in rows]
        if rows.size == 0:
            return ["[ ]"], alarm
        widths = [max(len(row[j]) for row in words_of) for j in range(rows.shape[1])]
        if array.ndim == 1 and sum(widths) + len(widths) > 36:
            return _broken(words_of[0], max(widths)), alarm
        lines = [
            "[" + " ".join(word.rjust(width) for word, width in zip(row, widths, strict=True)) + "]"
            for row in words_of
        ]
        return lines, alarm
    if values.size == 0:
        return ["no finite value" if array.size else "empty"], alarm
    if values.dtype.kind == "c":
        return [f"mean |·| {number(np.abs(values).mean(), precision)}"], alarm
    values = values.astype(np.float64, copy=False)
    return [
        f"mean {number(values.mean(), precision)}  std {number(values.std(), precision)}",
        f"min {number(values.min(), precision)}  max {number(values.max(), precision)}",
    ], alarm


def _broken(words: list[str], width: int) -> list[str]:
    """A long vector over several lines of equal length."""
    per_line = max(1, 36 // (width + 1))
    per_line = -(-len(words) // -(-len(words) // per_line))
    lines = [
        " ".join(word.rjust(width) for word in words[start : start + per_line])
        for start in range(0, len(words), per_line)
    ]
    lines = [line.ljust(len(lines[0])) for line in lines]
    last = len(lines) - 1
    return [
        ("[" if i == 0 else " ") + line + ("]" if i == last else " ")
        for i, line in enumerate(lines)
    ]
