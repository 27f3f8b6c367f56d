"""Where everything is drawn: coordinates inside groups, and the routes of edges.

Every group is laid out on its own (``_layers`` says in which layers and orders) and is then a box
in the group around it, so that boxes never overlap. Coordinates are found by isotonic regression,
layer by layer. The script of the stand-alone page does the same when groups are folded.
"""

from __future__ import annotations

from dataclasses import dataclass

from autograd.drawing._figure import Figure
from autograd.drawing._layers import Arrangement, Cell

__all__ = ["Placement", "place"]

GAP = 42.0  # between two layers
PORT_GAP = 16.0  # between the rim of a group and its first or last layer
SEPARATION = 22.0  # between two boxes of a layer
LANE = 9.0  # width of an edge that passes through a layer
MARGIN = 12.0  # inside a group, left, right and below
TITLE = 24.0  # height of a group's title
STRAIGHT = 8.0  # how much the parts of an edge that crosses layers pull at each other


@dataclass(slots=True)
class Placement:
    """Where everything is, in pixels, y downwards.

    Attributes:
        boxes: id to (left, top, width, height), of visible boxes and groups.
        routes: for each visible link a polyline whose inner points are passed vertically.
        size: width and height of the whole.
    """

    boxes: dict[str, tuple[float, float, float, float]]
    routes: list[list[tuple[float, float, float]]]
    size: tuple[float, float]


@dataclass(slots=True)
class _Inside:
    """Coordinates inside one group, relative to its upper left corner."""

    width: float
    height: float
    x: list[float]  # of each cell's centre
    top: list[float]  # of each cell
    bands: list[tuple[float, float]]  # top and bottom of each layer
    entry: dict[str, float]
    exit: dict[str, float]


def place(figure: Figure, arrangements: dict[str, Arrangement]) -> Placement:
    """Coordinates of everything visible, given which groups are folded."""
    insides: dict[str, _Inside] = {}
    visible = figure.visible_groups()
    for key in reversed(visible):  # children before parents
        group = figure.groups[key]
        if not group.folded:
            insides[key] = _coordinates(figure, key, arrangements, insides)
    boxes: dict[str, tuple[float, float, float, float]] = {}
    root = insides[""]
    boxes[""] = (0.0, 0.0, root.width, root.height)
    for key in visible:  # parents before children
        if key not in insides:
            continue
        left, top, _, _ = boxes[key]
        inside = insides[key]
        for number, cell in enumerate(arrangements[key].cells):
            if cell.kind == "child":
                width, height = _size(figure, cell.key, insides)
                x = left + inside.x[number] - width / 2
                boxes[cell.key] = (x, top + inside.top[number], width, height)
    routes = [
        _route(figure, figure.links[number], arrangements, insides, boxes)
        for number in figure.visible_links()
    ]
    return Placement(boxes, routes, (root.width, root.height))


def _size(figure: Figure, key: str, insides: dict[str, _Inside]) -> tuple[float, float]:
    if key in insides:
        return insides[key].width, insides[key].height
    box = figure.boxes.get(key) or figure.groups[key]
    return box.width, box.height


def _port(
    figure: Figure,
    key: str,
    value: str,
    arrangements: dict[str, Arrangement],
    insides: dict[str, _Inside],
    entering: bool,
) -> float:
    """Where on the rim of a child a value enters or leaves, from the child's centre."""
    if key in insides:
        inside = insides[key]
        half = inside.width / 2
        return (inside.entry if entering else inside.exit).get(value, half) - half
    if key in figure.groups:
        group = arrangements[key]
        values = group.ins if entering else group.outs
        if value not in values:
            return 0.0
        width = figure.groups[key].width
        return width * 0.8 * ((values.index(value) + 0.5) / len(values) - 0.5)
    return 0.0


def _coordinates(
    figure: Figure,
    key: str,
    arrangements: dict[str, Arrangement],
    insides: dict[str, _Inside],
) -> _Inside:
    group = arrangements[key]
    cells, layers = group.cells, group.layers
    sizes = [
        _size(figure, cell.key, insides) if cell.kind == "child" else (LANE, 0.0) for cell in cells
    ]
    widths = [
        max(width, figure.reserved.get(cell.key, 0.0)) if cell.kind == "child" else width
        for cell, (width, _) in zip(cells, sizes, strict=True)
    ]
    ports_in = [
        {v: _port(figure, c.key, v, arrangements, insides, True) for _, v in c.above}
        if c.kind == "child"
        else {}
        for c in cells
    ]
    ports_out = [
        {v: _port(figure, c.key, v, arrangements, insides, False) for _, v in c.below}
        if c.kind == "child"
        else {}
        for c in cells
    ]
    x = _align(cells, layers, widths, ports_in, ports_out)
    left = min((x[n] - widths[n] / 2 for n in range(len(cells))), default=0.0)
    right = max((x[n] + widths[n] / 2 for n in range(len(cells))), default=0.0)
    margin = MARGIN if key else 8.0
    title = figure.groups[key].title_width + 16.0 if key else 0.0
    spare = max(0.0, title - (right - left) - 2 * margin) / 2
    x = [value - left + margin + spare for value in x]
    width = right - left + 2 * (margin + spare)
    y = (TITLE if key else 0.0) + margin / 2
    bands: list[tuple[float, float]] = []
    for i, layer in enumerate(layers):
        kinds = {cells[number].kind for number in layer}
        is_port = kinds <= {"in", "out"}
        if i == 0 and is_port:
            bands.append((0.0, 0.0))
            y += PORT_GAP - 8.0
            continue
        if is_port:
            y += PORT_GAP - GAP
            bands.append((y, y))
            continue
        height = max(sizes[number][1] for number in layer)
        bands.append((y, y + height))
        y += height + GAP
    ends_in_port = bool(layers) and all(cells[n].kind == "out" for n in layers[-1])
    height = y + 4.0 if ends_in_port else y - GAP + margin
    if ends_in_port:
        bands[-1] = (height, height)
    tops = []
    for cell, (_, h) in zip(cells, sizes, strict=True):
        upper, lower = bands[cell.layer]
        if not cell.above:
            tops.append(lower - h)
        elif not cell.below:
            tops.append(upper)
        else:
            tops.append((upper + lower - h) / 2)
    entry = {c.key: x[n] for n, c in enumerate(cells) if c.kind == "in"}
    leave = {c.key: x[n] for n, c in enumerate(cells) if c.kind == "out"}
    return _Inside(width, height, x, tops, bands, entry, leave)


def _align(
    cells: list[Cell],
    layers: list[list[int]],
    widths: list[float],
    ports_in: list[dict[str, float]],
    ports_out: list[dict[str, float]],
) -> list[float]:
    """Horizontal positions of centres: each layer as near to its neighbours as order allows."""
    x = [0.0] * len(cells)
    for layer in layers:
        at = 0.0
        for number in layer:
            x[number] = at + widths[number] / 2
            at += widths[number] + SEPARATION
        for number in layer:
            x[number] -= (at - SEPARATION) / 2

    def pulls(number: int, side: str) -> list[tuple[float, float]]:
        """(weight, wanted centre) for each neighbour on a side."""
        cell = cells[number]
        found = []
        for other, value in cell.above if side == "above" else cell.below:
            mine = (ports_in if side == "above" else ports_out)[number].get(value, 0.0)
            theirs = (ports_out if side == "above" else ports_in)[other].get(value, 0.0)
            weight = 1.0
            if cell.kind == "lane" and cells[other].kind == "lane":
                weight = STRAIGHT
            elif side == "above":
                weight = cells[other].pull
            found.append((weight, x[other] + theirs - mine))
        return found

    rounds = 8 if len(cells) < 3000 else 4
    for round_number in range(rounds):
        both = round_number >= rounds - 2
        downwards = round_number % 2 == 0
        for layer in layers if downwards else layers[::-1]:
            wanted, weights = [], []
            for number in layer:
                found = pulls(number, "above" if downwards else "below")
                if both or not found:
                    found = found + pulls(number, "below" if downwards else "above")
                total = sum(weight for weight, _ in found)
                wanted.append(sum(w * at for w, at in found) / total if total else x[number])
                weights.append(max(total, 0.01) * cells[number].pull)
            for number, at in zip(
                layer, _separate(wanted, weights, [widths[n] for n in layer]), strict=True
            ):
                x[number] = at
    return x


def _separate(wanted: list[float], weights: list[float], widths: list[float]) -> list[float]:
    """The centres nearest to ``wanted`` (weighted squares) that keep order and distance.

    Pool-adjacent-violators on the positions less the room to the left.

    >>> _separate([0.0, 0.0], [1.0, 1.0], [10.0, 10.0])
    [-16.0, 16.0]
    """
    offsets, at = [], 0.0
    for i, width in enumerate(widths):
        if i:
            at += (widths[i - 1] + width) / 2 + SEPARATION
        offsets.append(at)
    pools: list[tuple[float, float, int]] = []  # mean, weight, count
    for value, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, total, count = value - offset, weight, 1
        while pools and pools[-1][0] > mean:
            other, other_weight, other_count = pools.pop()
            mean = (mean * total + other * other_weight) / (total + other_weight)
            total += other_weight
            count += other_count
        pools.append((mean, total, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


# ----------------------------------------------------------------------------------------- routes


def _route(
    figure: Figure,
    link: object,
    arrangements: dict[str, Arrangement],
    insides: dict[str, _Inside],
    boxes: dict[str, tuple[float, float, float, float]],
) -> list[tuple[float, float, float]]:
    """Points (x, top, bottom) that the edge passes, straight down from top to bottom in each."""
    points: list[tuple[float, float, float]] = []
    for group, chain in figure.steps(link):
        if group not in insides or group not in boxes:
            continue  # folded
        arrangement, inside = arrangements[group], insides[group]
        left, top, _, _ = boxes[group]
        value = chain[2]
        way = arrangement.chains[chain]
        for i, number in enumerate(way):
            cell = arrangement.cells[number]
            x = left + inside.x[number]
            upper, lower = inside.bands[cell.layer]
            if cell.kind == "child":
                _, y, _, height = boxes[cell.key]
                entering = i > 0
                x += _port(figure, cell.key, value, arrangements, insides, entering)
                point = (x, top + upper, y) if entering else (x, y + height, top + lower)
            else:
                point = (x, top + upper, top + lower)
            points.append(point)
    return points
