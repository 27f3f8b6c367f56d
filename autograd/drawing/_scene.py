"""From a laid-out figure to strokes: curves with arrow heads, frames and boxes at their places.

What the SVG writer and the rasteriser have in common.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from autograd.drawing._figure import Box, Figure, Group, Link
from autograd.drawing._layers import arrange
from autograd.drawing._layout import Placement, place
from autograd.drawing._style import BACKWARD, CLASH, FORWARD, Line

__all__ = ["Label", "Scene", "Stroke", "make_scene"]

Command = tuple[str, tuple[float, ...]]


@dataclass(slots=True)
class Label:
    """Words outside boxes, starting at (x, y)."""

    text: str
    x: float
    y: float
    colour: str


@dataclass(slots=True)
class Stroke:
    """One edge: a path of ``M``, ``L`` and ``C`` commands, and the triangle at its head."""

    path: list[Command]
    head: list[tuple[float, float]]
    colour: str
    width: float
    dash: str
    source: str
    target: str
    backward: bool
    tip: str


@dataclass(slots=True)
class Scene:
    """Everything to draw, in pixels, in drawing order: frames, strokes, boxes, labels."""

    width: float
    height: float
    frames: list[tuple[Group, tuple[float, float, float, float], int]]
    strokes: list[Stroke]
    boxes: list[tuple[Box | Group, tuple[float, float, float, float]]]
    labels: list[Label]


def make_scene(figure: Figure) -> Scene:
    """Lay a figure out and say what to draw."""
    placement = place(figure, arrange(figure))
    frames = [
        (figure.groups[key], placement.boxes[key], len(figure.around(key)))
        for key in figure.visible_groups()
        if key and not figure.groups[key].folded
    ]
    boxes: list[tuple[Box | Group, tuple[float, float, float, float]]] = [
        (box, placement.boxes[box.id]) for box in figure.visible_boxes()
    ]
    boxes += [
        (figure.groups[key], placement.boxes[key])
        for key in figure.visible_groups()
        if figure.groups[key].folded
    ]
    strokes, labels = _strokes(figure, placement)
    width, height = placement.size
    return Scene(width, height, frames, strokes, boxes, labels)


def _strokes(figure: Figure, placement: Placement) -> tuple[list[Stroke], list[Label]]:
    links = [figure.links[number] for number in figure.visible_links()]
    routes = _spread(figure, links, placement)
    direction = figure.options.direction
    heaviest = _norm_range(links)
    strokes: list[Stroke] = []
    labels: list[Label] = []
    said: set[tuple[str, str]] = set()
    for link, route in zip(links, routes, strict=True):
        source, target = figure.shown_as(link.source), figure.shown_as(link.target)
        clash = figure.boxes[link.target].form == "failed"
        width = 1.4
        tip = ""
        if figure.options.edge_weight and link.edge is not None:
            width = _weight(link.edge.gradient_norm, heaviest)
            if link.edge.gradient_norm is not None:
                tip = f"gradient norm {link.edge.gradient_norm:.4g}"
        returns = _flows_back(figure, link)
        if direction in ("forward", "both") or not returns:
            aside = -2.5 if direction == "both" and returns else 0.0
            plain_width = width if direction == "forward" else 1.4
            strokes.append(
                _stroke(
                    route, aside, False, CLASH if clash else FORWARD,
                    2.4 if clash else plain_width, "", source, target, tip,
                )
            )  # fmt: skip
        if direction in ("backward", "both") and returns:
            aside = 2.5 if direction == "both" else 0.0
            strokes.append(_stroke(route, aside, True, BACKWARD, width, "6 3", target, source, tip))
        # Values that leave a folded group side by side say the same but once.
        if link.label and not (source in figure.groups and (source, link.label) in said):
            said.add((source, link.label))
            x, top, _ = route[0]
            labels.append(Label(link.label, x + 7.0, top + 14.0, CLASH if clash else "#555555"))
    return strokes, labels


def _flows_back(figure: Figure, link: Link) -> bool:
    """Whether a gradient comes back along a link: it starts at no constant, and nothing failed."""
    return (
        figure.boxes[link.source].form != "constant" and figure.boxes[link.target].form != "failed"
    )


def _spread(
    figure: Figure, links: list[Link], placement: Placement
) -> list[list[tuple[float, float, float]]]:
    """Let edges that meet in one box arrive side by side."""
    routes = [list(route) for route in placement.routes]
    arriving: dict[str, list[int]] = {}
    for i, link in enumerate(links):
        arriving.setdefault(figure.shown_as(link.target), []).append(i)
    for target, numbers in arriving.items():
        if target not in figure.boxes or len(numbers) < 2:
            continue
        came_from = {i: routes[i][-2][0] if len(routes[i]) > 1 else 0.0 for i in numbers}
        numbers.sort(key=lambda i: (came_from[i], _position(links[i])))
        left, _, width, _ = placement.boxes[target]
        room = width * 0.6
        step = min(18.0 if figure.options.direction == "both" else 12.0, room / (len(numbers) - 1))
        low = left + (width - room) / 2
        # Straight down where that hits the box, side by side where several would.
        ends = []
        for i in numbers:
            ends.append(max(low, min(low + room, came_from[i]), ends[-1] + step if ends else low))
        limit = low + room
        for j in reversed(range(len(ends))):
            ends[j] = min(ends[j], limit)
            limit = ends[j] - step
        for i, x in zip(numbers, ends, strict=True):
            routes[i][-1] = (x, *routes[i][-1][1:])
    return routes


def _position(link: Link) -> int:
    return link.edge.position if link.edge is not None else 0


def _norm_range(links: list[Link]) -> tuple[float, float]:
    norms = [
        link.edge.gradient_norm
        for link in links
        if link.edge is not None
        and link.edge.gradient_norm
        and math.isfinite(link.edge.gradient_norm)
    ]
    return (min(norms), max(norms)) if norms else (1.0, 1.0)


def _weight(norm: float | None, span: tuple[float, float]) -> float:
    """Stroke width from 0.6 to 7 pixels, by the logarithm of the gradient's norm."""
    if norm is None:
        return 1.0
    if not math.isfinite(norm):
        return 7.0
    if norm == 0.0:
        return 0.5
    low, high = math.log10(span[0]), math.log10(span[1])
    if high - low < 0.3:
        return 2.5
    return 0.8 + 6.2 * (math.log10(norm) - low) / (high - low)


def _stroke(
    route: list[tuple[float, float, float]],
    aside: float,
    backward: bool,
    colour: str,
    width: float,
    dash: str,
    source: str,
    target: str,
    tip: str,
) -> Stroke:
    points = [(x + aside, top, bottom) for x, top, bottom in route]
    head_length = 7.0 + 0.8 * width
    half = 3.2 + 0.8 * width
    x0, y0, first_bottom = points[0]
    x1, last_top, y1 = points[-1]
    if backward:
        head = [(x0, y0), (x0 - half, y0 + head_length), (x0 + half, y0 + head_length)]
        y0 += head_length - 1
        first_bottom = max(first_bottom, y0)
    else:
        head = [(x1, y1), (x1 - half, y1 - head_length), (x1 + half, y1 - head_length)]
        y1 -= head_length - 1
        last_top = min(last_top, y1)
    points[0] = (x0, y0, first_bottom)
    points[-1] = (x1, last_top, y1)
    path: list[Command] = [("M", (x0, y0))]
    at_x, at_y = x0, y0
    for i, (x, top, bottom) in enumerate(points):
        if i:
            if abs(x - at_x) < 0.05:
                path.append(("L", (x, top)))
            else:
                middle = (at_y + top) / 2
                path.append(("C", (at_x, middle, x, middle, x, top)))
            at_x, at_y = x, top
        if abs(bottom - at_y) > 0.05:
            path.append(("L", (x, bottom)))
            at_y = bottom
    return Stroke(path, head, colour, width, dash, source, target, backward, tip)


def box_lines(box: Box | Group) -> list[Line]:
    """The words in a box or a folded group."""
    return box.lines
