"""Layers inside groups: which boxes stand on one level, and in which order.

The method is that of Sugiyama, Tagawa and Toda (1981), applied to every group on its own, with a
port on its upper rim for each value that comes in and one on its lower rim for each that goes out.
Sizes play no part, so that folding a group changes neither ranks nor orders around it. Nothing is
recursive, and nothing depends on hashing: equal graphs give equal pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from autograd.drawing._figure import Figure

__all__ = ["Arrangement", "Cell", "arrange"]

# How much arrays that enter pull at what reads them, against 1 for results: they stand beside the
# main flow and do not bend it.
PULL = {"leaf": 0.1, "parameter": 0.02, "constant": 0.02}


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
