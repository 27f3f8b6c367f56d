"""PNG and PDF of a drawing: by Graphviz's ``dot`` where it is installed, else by matplotlib.

matplotlib paints the same scene that the SVG shows.
"""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING, Any

from autograd.drawing._figure import Group
from autograd.drawing._scene import Scene
from autograd.drawing._style import COLOURS, FORMS
from autograd.drawing._svg import FRAME_FILLS, outline, radius

if TYPE_CHECKING:
    from autograd.drawing._draw import Drawing

__all__ = ["has_dot", "rasterise"]

SLOW = 1000  # boxes from which dot takes minutes
LIMIT = 30_000  # pixels in one direction; what is larger is scaled down


def has_dot() -> bool:
    """Whether Graphviz's ``dot`` is installed."""
    return shutil.which("dot") is not None


def rasterise(drawing: Drawing, kind: str, engine: str | None = None) -> bytes:
    """The drawing as ``"png"``, ``"pdf"`` (or, by ``dot``, ``"svg"``).

    Args:
        drawing: what to paint.
        kind: the format.
        engine: ``"dot"``, ``"matplotlib"``, or None for the first that is there.

    Raises:
        RuntimeError: if neither is installed, or dot fails.
    """
    if engine == "dot" and not has_dot():
        raise RuntimeError(
            "the dot program is not installed (Debian: apt install graphviz); leave engine= out "
            "for a layout that needs none"
        )
    if engine == "dot":
        return _by_dot(drawing, kind)
    if engine is None and has_dot() and len(drawing.scene.boxes) <= SLOW:
        try:
            return _by_dot(drawing, kind)
        except RuntimeError:  # a dot without that format: the picture is made all the same
            pass
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise RuntimeError(
            f"a .{kind} needs Graphviz's dot program or matplotlib (pip install matplotlib); "
            ".svg and .html need neither"
        ) from error
    return _painted(drawing.scene, drawing.options.title, kind)


def _by_dot(drawing: Drawing, kind: str) -> bytes:
    import graphviz

    try:
        return bytes(graphviz.Source(drawing.to_dot()).pipe(format=kind))
    except graphviz.CalledProcessError as error:
        words = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        raise RuntimeError(f"dot failed: {words[-1] if words else error}") from error


def _painted(scene: Scene, title: str | None, kind: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    margin = 10.0
    top = 24.0 if title else 0.0
    width, height = scene.width + 2 * margin, scene.height + 2 * margin + top
    dpi = 144.0 * min(1.0, LIMIT / (2 * max(width, height)))
    figure = Figure(figsize=(width / 72, height / 72))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-margin, width - margin)
    axes.set_ylim(height - margin - top, -margin - top)
    axes.axis("off")
    _paint(axes, scene)
    if title:
        axes.text(0, -8, title, fontsize=15, fontweight="bold", va="baseline")
    out = io.BytesIO()
    if kind == "pdf":
        canvas: Any = FigureCanvasPdf(figure)
        canvas.print_pdf(out, metadata={"CreationDate": None})
    else:
        figure.set_dpi(dpi)
        canvas = FigureCanvasAgg(figure)
        canvas.print_png(out, metadata={"Software": None})
    return out.getvalue()


def _paint(axes: Any, scene: Scene) -> None:
    from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
    from matplotlib.path import Path
    from matplotlib.patheffects import withStroke

    def rounded(rect: tuple[float, float, float, float], r: float, **paint: Any) -> None:
        x, y, w, h = rect
        style = f"round,pad=0,rounding_size={r}" if r else "square,pad=0"
        axes.add_patch(FancyBboxPatch((x, y), w, h, boxstyle=style, **paint))

    for _, rect, depth in scene.frames:
        fill = FRAME_FILLS[min(depth, len(FRAME_FILLS)) - 1]
        rounded(rect, 7.0, facecolor=fill, edgecolor="#8ba3b5", linewidth=1.0)
    codes = {"M": [Path.MOVETO], "L": [Path.LINETO], "C": [Path.CURVE4] * 3}
    for stroke in scene.strokes:
        points: list[tuple[float, float]] = []
        kinds: list[Any] = []
        for letter, values in stroke.path:
            points += list(zip(values[::2], values[1::2], strict=True))
            kinds += codes[letter]
        line: Any = (0, (6 / stroke.width, 3 / stroke.width)) if stroke.dash else "solid"
        axes.add_patch(
            PathPatch(
                Path(points, kinds),
                fill=False,
                edgecolor=stroke.colour,
                linewidth=stroke.width,
                linestyle=line,
            )
        )
        axes.add_patch(Polygon(stroke.head, closed=True, color=stroke.colour, linewidth=0))
    for group, rect, depth in scene.frames:
        fill = FRAME_FILLS[min(depth, len(FRAME_FILLS)) - 1]
        axes.text(
            rect[0] + 9, rect[1] + 16, group.title, fontsize=12, fontweight="bold",
            color="#3d5467", path_effects=[withStroke(linewidth=4, foreground=fill)],
        )  # fmt: skip
    for box, rect in scene.boxes:
        form = FORMS["group"] if isinstance(box, Group) else FORMS[box.form]
        paint = {
            "facecolor": form.fill,
            "edgecolor": form.stroke,
            "linewidth": form.width,
            "linestyle": "dashed" if form.dash else "solid",
        }
        corners = outline(form, *rect)
        x, y, w, h = rect
        if corners:
            axes.add_patch(Polygon(corners, closed=True, **paint))
        else:
            if form.shape == "folded":
                rounded((x + 4, y + 4, w, h), 7.0, **paint)
            rounded(rect, radius(form, h), **paint)
        baseline = y + (h - sum(line.height for line in box.lines)) / 2
        for words in box.lines:
            baseline += words.height
            axes.text(
                x + w / 2, baseline - 4, words.text, fontsize=words.size, ha="center",
                color=COLOURS[words.role], family="monospace" if words.mono else "sans-serif",
                fontweight="bold" if words.role in ("title", "alarm") else "normal",
                parse_math=False,
            )  # fmt: skip
    for label in scene.labels:
        axes.text(
            label.x, label.y, label.text, fontsize=10, color=label.colour,
            path_effects=[withStroke(linewidth=3, foreground="white")], parse_math=False,
        )  # fmt: skip
