"""Writes a scene as SVG: static, self-contained, the same bytes for the same graph."""

from __future__ import annotations

import re
from xml.sax import saxutils

from autograd.drawing._figure import Box, Group
from autograd.drawing._scene import Command, Label, Scene, Stroke
from autograd.drawing._style import COLOURS, FORMS, Form

__all__ = ["escape", "to_svg"]

# What no XML document may contain, not even escaped.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def escape(text: str) -> str:
    """Any words as text of an XML document."""
    return saxutils.escape(_FORBIDDEN.sub("\ufffd", text))


def quoteattr(text: str) -> str:
    """Any words as an attribute, with its quotes."""
    return saxutils.quoteattr(_FORBIDDEN.sub("\ufffd", text))


FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
MONO = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
FRAME_FILLS = ("#f7fafc", "#eef4f9", "#e4edf5", "#dae6f0")


def to_svg(scene: Scene, title: str | None = None, legend: bool = False) -> str:
    """The scene as an SVG document."""
    margin = 10.0
    top = margin + (24.0 if title else 0.0)
    width, height = scene.width + 2 * margin, scene.height + top + margin
    parts: list[str] = []
    if legend:
        rows, legend_width, legend_height = _legend(scene)
        width = max(width, legend_width + 2 * margin)
        for row in rows:
            parts.append(f'<g transform="translate({_n(margin)} {_n(height)})">{row}</g>')
        height += legend_height
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="0 0 {_n(width)} {_n(height)}" font-family="{FONT}">',
        f"<title>{escape(title or 'computational graph')}</title>",
        f'<rect width="{_n(width)}" height="{_n(height)}" fill="#ffffff"/>',
    ]
    if title:
        body.append(
            f'<text x="{_n(margin)}" y="{_n(margin + 14)}" font-size="15" font-weight="bold" '
            f'fill="#111111">{escape(title)}</text>'
        )
    body.append(f'<g transform="translate({_n(margin)} {_n(top)})">')
    body += [_frame(group, rect, depth) for group, rect, depth in scene.frames]
    body += [_stroke(stroke) for stroke in scene.strokes]
    body += [_frame_title(group, rect, depth) for group, rect, depth in scene.frames]
    body += [_box(box, rect) for box, rect in scene.boxes]
    body += [_label(label) for label in scene.labels]
    body.append("</g>")
    return "\n".join([*body, *parts, "</svg>", ""])


def _n(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


def _frame(group: Group, rect: tuple[float, float, float, float], depth: int) -> str:
    x, y, width, height = rect
    fill = FRAME_FILLS[min(depth, len(FRAME_FILLS)) - 1]
    dash = "" if group.kind == "module" else ' stroke-dasharray="2 3"'
    return (
        f'<g class="frame" data-id={quoteattr(group.id)}>'
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="7" '
        f'fill="{fill}" stroke="#8ba3b5"{dash}/></g>'
    )


def _frame_title(group: Group, rect: tuple[float, float, float, float], depth: int) -> str:
    """Drawn after the edges, with a rim in the frame's colour, so that none runs through it."""
    fill = FRAME_FILLS[min(depth, len(FRAME_FILLS)) - 1]
    return (
        f'<text x="{_n(rect[0] + 9)}" y="{_n(rect[1] + 16)}" font-size="12" font-weight="bold" '
        f'fill="#3d5467" stroke="{fill}" stroke-width="4" paint-order="stroke">'
        f"{escape(group.title)}</text>"
    )


def path_data(path: list[Command]) -> str:
    """The ``d`` attribute of a path."""
    return "".join(f"{letter}{' '.join(_n(v) for v in values)}" for letter, values in path)


def _stroke(stroke: Stroke) -> str:
    head = " ".join(f"{_n(x)},{_n(y)}" for x, y in stroke.head)
    dash = f' stroke-dasharray="{stroke.dash}"' if stroke.dash else ""
    kind = "backward" if stroke.backward else "forward"
    tip = f"<title>{escape(stroke.tip)}</title>" if stroke.tip else ""
    return (
        f'<g class="edge {kind}" data-from={quoteattr(stroke.source)} '
        f"data-to={quoteattr(stroke.target)}>{tip}"
        f'<path d="{path_data(stroke.path)}" fill="none" stroke="{stroke.colour}" '
        f'stroke-width="{_n(stroke.width)}"{dash}/>'
        f'<polygon points="{head}" fill="{stroke.colour}"/></g>'
    )


def outline(form: Form, x: float, y: float, w: float, h: float) -> list[tuple[float, float]]:
    """The corners of a form with straight sides; empty for rectangles and pills."""
    match form.shape:
        case "hexagon":
            c = min(11.0, h / 2)
            return [(x + c, y), (x + w - c, y), (x + w, y + h / 2), (x + w - c, y + h),
                    (x + c, y + h), (x, y + h / 2)]  # fmt: skip
        case "tag":
            c = min(12.0, h / 2)
            return [(x, y), (x + w - c, y), (x + w, y + h / 2), (x + w - c, y + h), (x, y + h)]
        case "octagon":
            c = min(12.0, h / 3)
            return [(x + c, y), (x + w - c, y), (x + w, y + c), (x + w, y + h - c),
                    (x + w - c, y + h), (x + c, y + h), (x, y + h - c), (x, y + c)]  # fmt: skip
        case _:
            return []


def radius(form: Form, h: float) -> float:
    """How round the corners of a form are."""
    return {"pill": min(h / 2, 15.0), "round": 7.0, "folded": 7.0}.get(form.shape, 0.0)


def _shape(form: Form, rect: tuple[float, float, float, float]) -> str:
    x, y, w, h = rect
    dash = f' stroke-dasharray="{form.dash}"' if form.dash else ""
    paint = f'fill="{form.fill}" stroke="{form.stroke}" stroke-width="{_n(form.width)}"{dash}'
    corners = outline(form, x, y, w, h)
    if corners:
        return f'<polygon points="{" ".join(f"{_n(a)},{_n(b)}" for a, b in corners)}" {paint}/>'
    r = radius(form, h)
    plain = f'width="{_n(w)}" height="{_n(h)}" rx="{_n(r)}" {paint}'
    shape = f'<rect x="{_n(x)}" y="{_n(y)}" {plain}/>'
    if form.shape == "folded":  # a stack: there is more behind it
        shape = f'<rect x="{_n(x + 4)}" y="{_n(y + 4)}" {plain}/>' + shape
    return shape


def _box(box: Box | Group, rect: tuple[float, float, float, float]) -> str:
    form = FORMS["group"] if isinstance(box, Group) else FORMS[box.form]
    x, y, w, h = rect
    rows = []
    baseline = y + (h - sum(line.height for line in box.lines)) / 2
    for line in box.lines:
        baseline += line.height
        weight = ' font-weight="bold"' if line.role in ("title", "alarm") else ""
        family = f' font-family="{MONO}"' if line.mono else ""
        rows.append(
            f'<text x="{_n(x + w / 2)}" y="{_n(baseline - 4)}" font-size="{_n(line.size)}"{weight}'
            f'{family} text-anchor="middle" fill="{COLOURS[line.role]}" xml:space="preserve">'
            f"{escape(line.text)}</text>"
        )
    tip = f"<title>{escape(box.tip)}</title>" if isinstance(box, Box) and box.tip else ""
    kind = "group" if isinstance(box, Group) else box.form
    return (
        f'<g class="box {kind}" data-id={quoteattr(box.id)}>{tip}{_shape(form, rect)}'
        + "".join(rows)
        + "</g>"
    )


def _label(label: Label) -> str:
    return (
        f'<text x="{_n(label.x)}" y="{_n(label.y)}" font-size="10" fill="{label.colour}" '
        f'stroke="#ffffff" stroke-width="3" stroke-opacity="0.85" paint-order="stroke">'
        f"{escape(label.text)}</text>"
    )


def _legend(scene: Scene) -> tuple[list[str], float, float]:
    """One row of small boxes for the forms that occur."""
    present = {"group" if isinstance(box, Group) else box.form for box, _ in scene.boxes}
    x, row = 0.0, []
    for key, form in FORMS.items():
        if key not in present:
            continue
        row.append(_shape(form, (x + 2, 4.0, 26.0, 16.0)))
        row.append(
            f'<text x="{_n(x + 36)}" y="16" font-size="11" fill="#333333">{form.meaning}</text>'
        )
        x += 36 + 6.4 * len(form.meaning) + 18
    lines = [(FORWARD_MEANING, False), (BACKWARD_MEANING, True)]
    for meaning, backward in lines:
        strokes = [stroke for stroke in scene.strokes if stroke.backward is backward]
        if strokes:
            dash = ' stroke-dasharray="6 3"' if backward else ""
            row.append(
                f'<line x1="{_n(x)}" y1="12" x2="{_n(x + 30)}" y2="12" '
                f'stroke="{strokes[0].colour}" stroke-width="1.6"{dash}/>'
                f'<text x="{_n(x + 36)}" y="16" font-size="11" fill="#333333">{meaning}</text>'
            )
            x += 36 + 6.4 * len(meaning) + 18
    return ["".join(row)], x, 32.0


FORWARD_MEANING = "values forward"
BACKWARD_MEANING = "gradients backward"
