"""A small canvas for diagrams: circles, boxes, curves and words, written as SVG, PNG or PDF."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from autograd.drawing._style import text_width
from autograd.drawing._svg import FONT, escape

__all__ = ["Canvas"]

Point = tuple[float, float]
FORMATS = (".svg", ".png", ".pdf", ".html")


def _n(value: float) -> str:
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


@dataclass(slots=True)
class _Shape:
    """A closed or open figure: ``circle``, ``polygon`` or ``curve``."""

    kind: str
    points: list[Point]
    fill: str = "none"
    stroke: str = "#333333"
    width: float = 1.2
    dash: str = ""
    tip: str = ""
    radius: float = 0.0


@dataclass(slots=True)
class _Words:
    text: str
    at: Point
    size: float = 11.0
    colour: str = "#111111"
    bold: bool = False
    anchor: str = "middle"
    halo: bool = False


@dataclass(slots=True)
class Canvas:
    """What a diagram consists of; shows itself in notebooks, and can be saved.

    Attributes:
        title: for readers that cannot see it.
    """

    title: str = "diagram"
    _items: list[_Shape | _Words] = field(default_factory=list)

    def circle(self, centre: Point, radius: float, tip: str = "", **paint: Any) -> None:
        """A circle."""
        self._items.append(_Shape("circle", [centre], radius=radius, tip=tip, **paint))

    def polygon(self, points: list[Point], tip: str = "", **paint: Any) -> None:
        """A closed figure with straight sides."""
        self._items.append(_Shape("polygon", points, tip=tip, **paint))

    def curve(self, points: list[Point], tip: str = "", **paint: Any) -> None:
        """A line of two points, or a cubic curve of four."""
        self._items.append(_Shape("curve", points, tip=tip, **paint))

    def arrow(self, start: Point, end: Point, colour: str = "#333333", width: float = 1.4) -> None:
        """A straight arrow."""
        dx, dy = end[0] - start[0], end[1] - start[1]
        length = (dx * dx + dy * dy) ** 0.5 or 1.0
        ux, uy = dx / length, dy / length
        tail = (end[0] - 8 * ux, end[1] - 8 * uy)
        self.curve([start, tail], stroke=colour, width=width)
        side = (-4.5 * uy, 4.5 * ux)
        corners = [
            end,
            (tail[0] + side[0], tail[1] + side[1]),
            (tail[0] - side[0], tail[1] - side[1]),
        ]
        self.polygon(corners, fill=colour, stroke=colour, width=0.5)

    def text(self, text: str, at: Point, size: float = 11.0, **look: Any) -> None:
        """Words around, before or after a point on their base line."""
        self._items.append(_Words(text, at, size, **look))

    # ------------------------------------------------------------------------- writing

    def _bounds(self) -> tuple[float, float, float, float]:
        xs: list[float] = []
        ys: list[float] = []
        for item in self._items:
            if isinstance(item, _Words):
                width = text_width(item.text, item.size, item.bold)
                left = {"start": 0.0, "middle": width / 2, "end": width}[item.anchor]
                xs += [item.at[0] - left, item.at[0] - left + width]
                ys += [item.at[1] - item.size, item.at[1] + 3]
            else:
                r = item.radius + item.width
                xs += [p[0] + s for p in item.points for s in (-r, r)]
                ys += [p[1] + s for p in item.points for s in (-r, r)]
        if not xs:
            return (0.0, 0.0, 10.0, 10.0)
        return (min(xs) - 10, min(ys) - 10, max(xs) + 10, max(ys) + 10)

    def to_svg(self) -> str:
        """The diagram as SVG."""
        left, top, right, bottom = self._bounds()
        width, height = right - left, bottom - top
        rows = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
            f'viewBox="{_n(left)} {_n(top)} {_n(width)} {_n(height)}" font-family="{FONT}">',
            f"<title>{escape(self.title)}</title>",
            f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(width)}" height="{_n(height)}" '
            'fill="#ffffff"/>',
        ]
        for item in self._items:
            rows.append(_words_svg(item) if isinstance(item, _Words) else _shape_svg(item))
        return "\n".join([*rows, "</svg>", ""])

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def _repr_html_(self) -> str:
        return f'<div style="overflow:auto">{self.to_svg()}</div>'

    def __repr__(self) -> str:
        return f"<diagram: {self.title}>"

    def save(self, path: str | PathLike[str]) -> str:
        """Write to a file that ends in ``.svg``, ``.html``, ``.png`` or ``.pdf``; return the path.

        The last two need matplotlib.

        Raises:
            ValueError: if the format is unknown.
            RuntimeError: if matplotlib is needed and missing.
            OSError: if the file cannot be written.
        """
        file = Path(path)
        kind = file.suffix.lower()
        if kind not in FORMATS:
            raise ValueError(
                f"cannot save a diagram as {file.name!r}: the endings are {', '.join(FORMATS)}"
            )
        if kind == ".svg":
            content = self.to_svg().encode()
        elif kind == ".html":
            page = f"<!doctype html><meta charset='utf-8'><title>{escape(self.title)}</title>"
            content = f"{page}\n{self.to_svg()}".encode()
        else:
            content = self._painted(kind)
        file.write_bytes(content)
        return str(file)

    def _painted(self, kind: str) -> bytes:
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.backends.backend_pdf import FigureCanvasPdf
            from matplotlib.figure import Figure
            from matplotlib.patches import Circle, PathPatch, Polygon
            from matplotlib.path import Path as Curve
            from matplotlib.patheffects import withStroke
        except ImportError as error:
            raise RuntimeError(
                f"a diagram as {kind} needs matplotlib (pip install matplotlib); .svg needs nothing"
            ) from error
        left, top, right, bottom = self._bounds()
        figure = Figure(figsize=((right - left) / 72, (bottom - top) / 72))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(left, right)
        axes.set_ylim(bottom, top)
        axes.axis("off")
        halo = [withStroke(linewidth=3, foreground="white")]
        for item in self._items:
            if isinstance(item, _Words):
                axes.text(
                    *item.at, item.text, fontsize=item.size, color=item.colour, parse_math=False,
                    ha={"start": "left", "middle": "center", "end": "right"}[item.anchor],
                    fontweight="bold" if item.bold else "normal",
                    path_effects=halo if item.halo else None,
                )  # fmt: skip
                continue
            paint: dict[str, Any] = {
                "facecolor": item.fill,
                "edgecolor": item.stroke,
                "linewidth": item.width,
                "linestyle": "dashed" if item.dash else "solid",
            }
            if item.kind == "circle":
                axes.add_patch(Circle(item.points[0], item.radius, **paint))
            elif item.kind == "polygon":
                axes.add_patch(Polygon(item.points, closed=True, **paint))
            else:
                codes = [Curve.MOVETO] + [
                    Curve.CURVE4 if len(item.points) == 4 else Curve.LINETO
                ] * (len(item.points) - 1)
                axes.add_patch(PathPatch(Curve(item.points, codes), **paint))
        out = io.BytesIO()
        if kind == ".pdf":
            canvas: Any = FigureCanvasPdf(figure)
            canvas.print_pdf(out, metadata={"CreationDate": None})
        else:
            figure.set_dpi(144)
            canvas = FigureCanvasAgg(figure)
            canvas.print_png(out, metadata={"Software": None})
        return out.getvalue()


def _shape_svg(item: _Shape) -> str:
    dash = f' stroke-dasharray="{item.dash}"' if item.dash else ""
    paint = f'fill="{item.fill}" stroke="{item.stroke}" stroke-width="{_n(item.width)}"{dash}'
    if item.kind == "circle":
        (x, y), r = item.points[0], item.radius
        body = f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(r)}" {paint}'
        name = "circle"
    elif item.kind == "polygon":
        corners = " ".join(f"{_n(x)},{_n(y)}" for x, y in item.points)
        body = f'<polygon points="{corners}" {paint}'
        name = "polygon"
    else:
        start, *rest = [f"{_n(x)} {_n(y)}" for x, y in item.points]
        body = f'<path d="M{start}{"C" if len(rest) == 3 else "L"}{" ".join(rest)}" {paint}'
        name = "path"
    return f"{body}><title>{escape(item.tip)}</title></{name}>" if item.tip else f"{body}/>"


def _words_svg(item: _Words) -> str:
    bold = ' font-weight="bold"' if item.bold else ""
    halo = ' stroke="#ffffff" stroke-width="3" paint-order="stroke"' if item.halo else ""
    return (
        f'<text x="{_n(item.at[0])}" y="{_n(item.at[1])}" font-size="{_n(item.size)}"{bold} '
        f'text-anchor="{item.anchor}" fill="{item.colour}"{halo}>{escape(item.text)}</text>'
    )
