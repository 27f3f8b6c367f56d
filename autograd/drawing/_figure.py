"""From a graph to what a picture shows: boxes with their words, nested groups, links.

Decides what is shown and what is folded; where it goes is decided in ``_layout``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from autograd._graphview import GraphEdge, GraphNode
from autograd.drawing._style import Line

__all__ = ["Box", "Figure", "Group", "Link", "Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """What to show; see :func:`autograd.draw`."""

    direction: Literal["forward", "backward", "both"] = "forward"
    values: bool | None = None
    gradients: bool | None = None
    intermediates: bool | None = None
    edge_weight: Literal["gradient"] | None = None
    fold: int | bool | None = None
    precision: int = 4
    legend: bool = False
    title: str | None = None


@dataclass(slots=True)
class Box:
    """One box.

    Attributes:
        id: of the node, with ``:value`` for the result of an operation drawn on its own.
        form: a key of ``_style.FORMS``.
        lines: the words in it.
        parent: the group it is in.
        width, height: in pixels.
        node: what it stands for.
        tip: shown when the pointer rests on it.
    """

    id: str
    form: str
    lines: list[Line]
    parent: str
    node: GraphNode
    width: float = 0.0
    height: float = 0.0
    tip: str = ""


@dataclass(slots=True)
class Group:
    """A frame around boxes: a module call, a row of equal modules, or a stretch of operations.

    Attributes:
        id: the module call's, or made up.
        title: the words in its upper left corner.
        parent: the group around it; the outermost one, ``""``, has none.
        children: ids of boxes and groups in order of computation.
        kind: ``"module"``, ``"repeat"``, ``"stretch"`` or ``"root"``.
        folded: whether it is shown as one box.
        count: operations inside.
        width, height: when folded, in pixels.
    """

    id: str
    title: str
    parent: str | None
    kind: str = "module"
    children: list[str] = field(default_factory=list)
    folded: bool = False
    count: int = 0
    lines: list[Line] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0
    title_width: float = 0.0


@dataclass(slots=True)
class Link:
    """A value's way from a box to a box.

    Attributes:
        source, target: box ids.
        edge: the graph's edge, or None between an operation and its own result.
        label: words beside it, at its start.
    """

    source: str
    target: str
    edge: GraphEdge | None
    label: str = ""


class Figure:
    """Boxes, groups and links, with the options they were made for."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.boxes: dict[str, Box] = {}
        self.groups: dict[str, Group] = {"": Group("", "", None, "root")}
        self.links: list[Link] = []
        self.reserved: dict[str, float] = {}  # room that the words beside a box's edges need
        self._around: dict[str, tuple[str, ...]] = {}

    def parent(self, key: str) -> str | None:
        """The group around a box or group."""
        box = self.boxes.get(key)
        return box.parent if box is not None else self.groups[key].parent

    def around(self, key: str) -> tuple[str, ...]:
        """All groups around a box or group, innermost first."""
        found = self._around.get(key)
        if found is None:
            chain = []
            at = self.parent(key)
            while at is not None:
                chain.append(at)
                at = self.groups[at].parent
            found = self._around[key] = tuple(chain)
        return found

    def forget_nesting(self) -> None:
        """To be called when a box or group has moved to another group."""
        self._around.clear()

    def steps(self, link: Any) -> list[tuple[str, tuple[str, str, str]]]:
        """The way of a link through the groups: (group, (from, to, value)), ``""`` for a rim."""
        up, down = self.around(link.source), self.around(link.target)
        common = next(group for group in up if group in set(down))
        steps: list[tuple[str, tuple[str, str, str]]] = []
        at = link.source
        for group in up:
            if group == common:
                break
            steps.append((group, (at, "", link.source)))
            at = group
        arrival: list[tuple[str, tuple[str, str, str]]] = []
        end = link.target
        for group in down:
            if group == common:
                break
            arrival.append((group, ("", end, link.source)))
            end = group
        return [*steps, (common, (at, end, link.source)), *reversed(arrival)]

    def visible_groups(self) -> list[str]:
        """Groups that are seen, open or folded, parents before children."""
        seen = [""]
        for key in seen:
            if not self.groups[key].folded:
                seen.extend(child for child in self.groups[key].children if child in self.groups)
        return seen

    def shown_as(self, key: str) -> str:
        """The box itself, or the outermost folded group that hides it."""
        for group in reversed(self.around(key)):
            if self.groups[group].folded:
                return group
        return key

    def visible_links(self) -> list[int]:
        """Numbers of the links to draw: one for each value between two things that are seen."""
        seen: set[tuple[str, str, str, int]] = set()
        found = []
        for number_, link in enumerate(self.links):
            a, b = self.shown_as(link.source), self.shown_as(link.target)
            twice = link.edge.position if link.edge is not None and b == link.target else 0
            if a != b and (a, b, link.source, twice) not in seen:
                seen.add((a, b, link.source, twice))
                found.append(number_)
        return found

    def visible_boxes(self) -> list[Box]:
        """Boxes that no folded group hides."""
        return [box for box in self.boxes.values() if self.shown_as(box.id) == box.id]
