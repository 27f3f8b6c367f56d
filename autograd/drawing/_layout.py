"""Layered layout of nested groups: ranks, crossing reduction, coordinates, routes.

Every group is laid out on its own, with a port on its upper rim for each value that comes in and
one on its lower rim for each that goes out, and is then a box in the group around it. Boxes
therefore never overlap, and folding a group changes sizes but neither ranks nor orders: the viewer
in the stand-alone page recomputes coordinates only. The method within a group is that of Sugiyama,
Tagawa and Toda (1981); coordinates are found by isotonic regression, layer by layer.

Nothing here is recursive, and nothing depends on hashing: equal graphs give equal pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from autograd.drawing._figure import Figure

__all__ = ["Arrangement", "Cell", "Placement", "arrange", "place"]

GAP = 42.0  # between two layers
PORT_GAP = 16.0  # between the rim of a group and its first or last layer
SEPARATION = 22.0  # between two boxes of a layer
LANE = 9.0  # width of an edge that passes through a layer
MARGIN = 12.0  # inside a group, left, right and below
TITLE = 24.0  # height of a group's title
# How much arrays that enter pull at what reads them, against 1 for results: they stand beside the
# main flow and do not bend it.
PULL = {"leaf": 0.1, "parameter": 0.02, "constant": 0.02}
STRAIGHT = 8.0  # how much the parts of an edge that crosses layers pull at each other


@dataclass(slots=True)
class Cell:
    """What occupies a place in a layer.

    Attributes:
        kind: ``"child"`` (a box or a group), ``"in"`` or ``"out"`` (a port), ``"lane"`` (an edge
            passing through).
        key: the child's id, or the id of the box whose value passes.
        above, below: (cell, key of the value) pairs it is joined to in the neighbouring layers.
        pull: how much it pulls sideways at what reads it.
    """

    kind: str
    key: str
    layer: int = 0
    above: list[tuple[int, str]] = field(default_factory=list)
    below: list[tuple[int, str]] = field(default_factory=list)
    pull: float = 1.0


@dataclass(slots=True)
class Arrangement:
    """Layers and order inside one group, independent of sizes.

    Attributes:
        cells: everything that has a place.
        layers: cell numbers from left to right, from the top layer down.
        chains: from (start, end, value) to the cells along the way, both included; ``start`` and
            ``end`` are child ids, or ``""`` for the rim.
    """

    cells: list[Cell]
    layers: list[list[int]]
    chains: dict[tuple[str, str, str], list[int]]
    ins: list[str]
    outs: list[str]


# ------------------------------------------------------------------------------ ranks and orders


def arrange(figure: Figure, everything: bool = False) -> dict[str, Arrangement]:
    """Ranks and orders inside the groups that are open, or, if asked, inside every group."""
    keys = list(figure.groups) if everything else figure.visible_groups()
    wanted: dict[str, dict[tuple[str, str, str], None]] = {key: {} for key in keys}
    for link in figure.links:
        for group, chain in figure.steps(link):
            if group in wanted:
                wanted[group][chain] = None
    pull = {key: PULL[box.form] for key, box in figure.boxes.items() if box.form in PULL}
    return {
        key: _Group(figure.groups[key].children, list(wanted[key]), pull).arrange()
        if everything or not figure.groups[key].folded
        else _ports_only(list(wanted[key]))
        for key in keys
    }


def _ports_only(chains: Sequence[tuple[str, str, str]]) -> Arrangement:
    """What a folded group shows to the outside."""
    ins = list(dict.fromkeys(value for start, _, value in chains if start == ""))
    outs = list(dict.fromkeys(value for _, end, value in chains if end == ""))
    return Arrangement([], [], {}, ins, outs)


class _Group:
    """The layout problem of one group."""

    def __init__(
        self,
        children: Sequence[str],
        chains: Sequence[tuple[str, str, str]],
        pull: dict[str, float],
    ) -> None:
        self.pull = pull
        self.cells: list[Cell] = []
        self.index: dict[tuple[str, str], int] = {}
        self.place = {key: position for position, key in enumerate(children)}
        for key in children:
            self._cell("child", key)
        # Values go from earlier to later children; should one not, its edge is turned around.
        self.wanted = chains
        self.ins = list(dict.fromkeys(value for start, _, value in chains if start == ""))
        self.outs = list(dict.fromkeys(value for _, end, value in chains if end == ""))
        for value in self.ins:
            self._cell("in", value)
        for value in self.outs:
            self._cell("out", value)

    def _cell(self, kind: str, key: str) -> int:
        number = self.index.get((kind, key))
        if number is None:
            number = self.index[kind, key] = len(self.cells)
            self.cells.append(Cell(kind, key))
        return number

    def _ends(self, chain: tuple[str, str, str]) -> tuple[int, int]:
        start, end, value = chain
        a = self.index["child", start] if start else self.index["in", value]
        b = self.index["child", end] if end else self.index["out", value]
        return a, b

    def arrange(self) -> Arrangement:
        self._rank()
        chains = self._thread()
        layers = self._layers()
        _reduce_crossings(self.cells, layers)
        order = {number: i for layer in layers for i, number in enumerate(layer)}
        ins = sorted(self.ins, key=lambda value: order[self.index["in", value]])
        outs = sorted(self.outs, key=lambda value: order[self.index["out", value]])
        return Arrangement(self.cells, layers, chains, ins, outs)

    def _rank(self) -> None:
        """Longest path from above; then what has more uses than inputs moves down to its uses."""
        count = len(self.place)
        before: list[list[int]] = [[] for _ in range(count)]
        after: list[list[int]] = [[] for _ in range(count)]
        entering = [False] * count
        leaving = [False] * count
        for chain in self.wanted:
            a, b = self._ends(chain)
            if a < count and b < count:
                a, b = min(a, b), max(a, b)  # children are in order of computation
                before[b].append(a)
                after[a].append(b)
            elif a < count:
                leaving[a] = True
            elif b < count:
                entering[b] = True
        rank = [0] * count
        for b in range(count):
            rank[b] = max((rank[a] + 1 for a in before[b]), default=0)
        last = max(rank, default=0)
        for a in reversed(range(count)):
            inward = len(before[a]) + entering[a]
            if after[a] and inward < len(after[a]) + leaving[a]:
                rank[a] = min(rank[b] for b in after[a]) - 1
            elif leaving[a] and not after[a] and not inward:
                rank[a] = last
        lowest = min(rank, default=0)
        top = 1 if self.ins else 0
        for number in range(count):
            cell = self.cells[number]
            cell.layer = rank[number] - lowest + top
            cell.pull = self.pull.get(cell.key, 1.0)
        bottom = max((cell.layer for cell in self.cells[:count]), default=0) + 1
        for cell in self.cells[count:]:
            cell.layer = 0 if cell.kind == "in" else bottom

    def _thread(self) -> dict[tuple[str, str, str], list[int]]:
        """Lay a lane through each layer that a chain crosses; uses of one value share lanes."""
        chains: dict[tuple[str, str, str], list[int]] = {}
        lanes: dict[tuple[int, str, int], int] = {}
        joined: set[tuple[int, int, str]] = set()
        for chain in self.wanted:
            a, b = self._ends(chain)
            value = chain[2]
            turned = self.cells[a].layer > self.cells[b].layer
            if turned:
                a, b = b, a
            way = [a]
            for layer in range(self.cells[a].layer + 1, self.cells[b].layer):
                number = lanes.get((a, value, layer))
                if number is None:
                    number = lanes[a, value, layer] = len(self.cells)
                    self.cells.append(Cell("lane", value, layer))
                way.append(number)
            way.append(b)
            for upper, lower in pairwise(way):
                if (upper, lower, value) not in joined:
                    joined.add((upper, lower, value))
                    self.cells[upper].below.append((lower, value))
                    self.cells[lower].above.append((upper, value))
            chains[chain] = way[::-1] if turned else way
        return chains

    def _layers(self) -> list[list[int]]:
        depth = max((cell.layer for cell in self.cells), default=-1) + 1
        layers: list[list[int]] = [[] for _ in range(depth)]
        for number, cell in enumerate(self.cells):
            layers[cell.layer].append(number)
        return layers


def _reduce_crossings(cells: list[Cell], layers: list[list[int]]) -> None:
    """Barycentre sweeps down and up, keeping the order with the fewest crossings."""
    position = [0.0] * len(cells)

    def renumber(layer: list[int]) -> None:
        for i, number in enumerate(layer):
            position[number] = float(i)

    def sweep(downwards: bool) -> None:
        for layer in layers if downwards else reversed(layers):
            keys: list[tuple[float, int]] = []
            for i, number in enumerate(layer):
                joined = cells[number].above if downwards else cells[number].below
                centre = (
                    sum(position[other] for other, _ in joined) / len(joined)
                    if joined
                    else float(i)
                )
                keys.append((centre, i))
            layer[:] = [layer[i] for _, i in sorted(keys)]
            renumber(layer)

    for layer in layers:
        renumber(layer)
    size = len(cells)
    rounds = 24 if size < 300 else 10 if size < 2000 else 4
    best = _crossings(cells, layers, position)
    kept = [list(layer) for layer in layers]
    for round_number in range(rounds):
        if best == 0:
            break
        sweep(downwards=round_number % 2 == 0)
        if size < 300:
            _exchange(cells, layers, position)
        now = _crossings(cells, layers, position)
        if now < best:
            best, kept = now, [list(layer) for layer in layers]
    layers[:] = kept


def _exchange(cells: list[Cell], layers: list[list[int]], position: list[float]) -> None:
    """Swap neighbours where that undoes crossings."""
    for layer in layers:
        for i in range(len(layer) - 1):
            a, b = layer[i], layer[i + 1]
            if _pair(cells, position, b, a) < _pair(cells, position, a, b):
                layer[i], layer[i + 1] = b, a
                position[a], position[b] = float(i + 1), float(i)


def _pair(cells: list[Cell], position: list[float], left: int, right: int) -> int:
    """Crossings between the edges of two cells of a layer, ``left`` standing left."""
    return sum(
        position[p] > position[q]
        for side in ("above", "below")
        for p, _ in getattr(cells[left], side)
        for q, _ in getattr(cells[right], side)
    )


def _crossings(cells: list[Cell], layers: list[list[int]], position: list[float]) -> int:
    """How many pairs of edges cross, by counting inversions in a Fenwick tree."""
    total = 0
    for layer, following in pairwise(layers):
        width = len(following)
        tree = [0] * (width + 1)
        seen = 0
        for number in layer:
            ends = sorted(int(position[other]) for other, _ in cells[number].below)
            for end in ends:
                i, not_right = end + 1, 0
                while i:
                    not_right += tree[i]
                    i -= i & -i
                total += seen - not_right
            for end in ends:
                i = end + 1
                while i <= width:
                    tree[i] += 1
                    i += i & -i
                seen += 1
    return total


# ------------------------------------------------------------------------------------ coordinates


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
