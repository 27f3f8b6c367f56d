"""From a graph to what a picture shows: boxes with their words, nested groups, links.

Decides what is shown and what is folded; where it goes is decided in ``_layout``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from autograd._graphview import Graph, GraphEdge, GraphNode, shape_text
from autograd.drawing._style import Line, array_lines, number, settings, symbol

__all__ = ["Box", "Figure", "Group", "Link", "Options", "make_figure"]

BUDGET = 160  # how many boxes a picture shows before groups are folded
LONGEST = 44  # characters of a module's class and arguments
CHUNK = 100  # operations in a group made only because there are too many


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


# ---------------------------------------------------------------------------------------- making


def make_figure(graph: Graph, options: Options) -> Figure:
    """Decide what a picture of ``graph`` shows."""
    figure = Figure(options)
    size = len(graph)
    values = options.values if options.values is not None else size <= 80
    gradients = options.gradients if options.gradients is not None else values
    known = sum(node.value is not None for node in graph if node.kind == "operation")
    operations = sum(node.kind == "operation" for node in graph)
    intermediates = options.intermediates
    if intermediates is None:
        intermediates = values and operations <= 25 and known * 2 > operations and not graph.modules
    for module in graph.modules.values():
        call = f" (call {module.call})" if module.call > 1 else ""
        label = module.label if len(module.label) <= LONGEST else module.label[: LONGEST - 1] + "…"
        title = f"{module.name}: {label}" if module.name != module.label else label
        figure.groups[module.id] = Group(module.id, title + call, module.parent or "")
    position: dict[str, int] = {}
    for node in graph:
        parent = node.module or ""
        show = (values, gradients)
        split = intermediates and node.kind in ("operation", "output") and not node.failed
        figure.boxes[node.id] = _box(node, parent, show, bool(split), options)
        position[node.id] = node.step
        if split:
            key = f"{node.id}:value"
            figure.boxes[key] = _value_box(node, key, parent, show, options)
            position[key] = node.step
            figure.links.append(Link(node.id, key, None))
    for edge in graph.edges:
        source = f"{edge.source}:value" if f"{edge.source}:value" in figure.boxes else edge.source
        figure.links.append(Link(source, edge.target, edge, _link_label(graph, edge, options)))
    _nest(figure, position)
    _group_repeats(figure)
    if options.fold is not False:
        _cut_stretches(figure)
    _count(figure)
    _fold(figure, options.fold)
    for box in figure.boxes.values():
        _measure(box)
    for group in figure.groups.values():
        _measure_group(group)
    _label_links(figure)
    return figure


def _box(
    node: GraphNode, parent: str, show: tuple[bool, bool], split: bool, options: Options
) -> Box:
    lines: list[Line] = []
    if node.failed:
        lines.append(Line(symbol(node), "title"))
        lines += [Line(text, "alarm") for text in _wrapped(node.failed, 64)]
        return Box(node.id, "failed", lines, parent, node, tip=_tip(node))
    if node.kind in ("operation", "output"):
        form = "operation"
        title = symbol(node)
        if node.name and not split:
            title = f"{node.name} = {title}"
        lines.append(Line(title, "title"))
        told = settings(node)
        lines += [Line(text) for text in _packed(told, 30)]
        if not split:
            if node.is_output:
                form = "result"
                lines.append(Line(shape_text(node.shape)))
            lines += _numbers(node, node.name, show, options)
    else:
        form = node.kind
        value = node.value
        if node.name is None and node.kind == "constant" and value is not None and value.ndim == 0:
            lines.append(Line(number(value, options.precision), "title"))
            return Box(node.id, form, lines, parent, node, tip=_tip(node))
        lines.append(Line(node.name or node.kind, "title"))
        if node.shape is not None:
            lines.append(Line(_shape_and_type(node)))
        lines += _numbers(node, node.name, show, options)
    return Box(node.id, form, lines, parent, node, tip=_tip(node))


def _value_box(
    node: GraphNode, key: str, parent: str, show: tuple[bool, bool], options: Options
) -> Box:
    form = "result" if node.is_output else "intermediate"
    lines = [Line(node.name, "title")] if node.name else []
    if node.shape != () or not lines:
        lines.append(Line(_shape_and_type(node)))
    lines += _numbers(node, node.name, show, options)
    return Box(key, form, lines, parent, node, tip=_tip(node))


def _shape_and_type(node: GraphNode) -> str:
    return f"{shape_text(node.shape)} {node.dtype}"


def _numbers(
    node: GraphNode, name: str | None, show: tuple[bool, bool], options: Options
) -> list[Line]:
    """The value's and the gradient's lines."""
    lines: list[Line] = []
    if show[0] and node.value is not None:
        words, alarm = array_lines(node.value, options.precision)
        lines += [Line(word, "value") for word in words]
        if alarm:
            lines.append(Line(f"⚠ {alarm}", "alarm"))
    if show[1] and node.gradient is not None:
        words, alarm = array_lines(node.gradient, options.precision)
        head = f"∂L/∂{name or '·'} "
        if len(words) == 1:
            lines.append(Line(f"{head}= {words[0]}", "gradient"))
        else:
            lines.append(Line(f"{head}=", "gradient"))
            lines += [Line(word, "gradient") for word in words]
        if alarm:
            lines.append(Line(f"⚠ gradient: {alarm}", "alarm"))
    return lines


def _tip(node: GraphNode) -> str:
    """What the pointer shows: all that is known, in words."""
    rows = [f"{node.id} ({node.kind})"]
    if node.shape is not None:
        rows.append(f"shape {shape_text(node.shape)}, {node.dtype}")
    rows += [f"{key} = {value!r}"[:80] for key, value in node.attributes.items()]
    if node.module:
        rows.append(f"in {node.module}")
    if node.source:
        rows.append(os.path.basename(node.source))
    if node.bytes_saved:
        rows.append(f"{node.bytes_saved:,} bytes saved")
    if node.time is not None:
        rows.append(f"{node.time * 1e3:.3f} ms")
    if node.flops is not None:
        rows.append(f"{node.flops:,} FLOPs")
    if node.failed:
        rows.append(node.failed)
    return "\n".join(rows)


def _packed(words: Iterable[str], width: int) -> list[str]:
    """Words joined by commas into lines of about ``width`` characters."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) + 2 <= width:
            lines[-1] += f", {word}"
        else:
            lines.append(word)
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width)[:6]


def _link_label(graph: Graph, edge: GraphEdge, options: Options) -> str:
    source = graph[edge.source]
    words = []
    if source.kind in ("operation", "output") and edge.shape is not None:
        words.append(shape_text(edge.shape))
    if options.edge_weight and edge.gradient_norm is not None:
        words.append(f"‖g‖ = {number(edge.gradient_norm, 2)}")
    if graph[edge.target].failed and not words:
        words.append(shape_text(edge.shape))
    return ", ".join(words)


def _label_links(figure: Figure) -> None:
    """One label for all links of a value, at the first; none beside a box that says the same."""
    said: set[tuple[str, str]] = set()
    for link in figure.links:
        source, target = figure.boxes[link.source], figure.boxes[link.target]
        if target.form == "failed":
            continue
        if source.id != source.node.id and link.label == shape_text(source.node.shape):
            link.label = ""
        if (link.source, link.label) in said:
            link.label = ""
        said.add((link.source, link.label))
        if link.label:
            room = 2 * (Line(link.label).width + 10)
            for key in (link.source, *figure.around(link.source)):
                if key in figure.boxes or figure.groups[key].folded:
                    figure.reserved[key] = max(figure.reserved.get(key, 0.0), room)


def _measure(box: Box) -> None:
    width = max((line.width for line in box.lines), default=20.0)
    height = sum(line.height for line in box.lines)
    pad = {"pill": 26.0, "hexagon": 30.0, "tag": 28.0, "octagon": 30.0}
    from autograd.drawing._style import FORMS

    box.width = round(max(width + pad.get(FORMS[box.form].shape, 18.0), 34.0), 1)
    box.height = round(height + 11.0, 1)


def _measure_group(group: Group) -> None:
    operations = "1 operation" if group.count == 1 else f"{group.count} operations"
    group.lines = [Line(group.title, "title"), Line(f"▸ {operations}")]
    group.title_width = Line(group.title).width * 12 / 10.5 + 24
    group.width = round(max(line.width for line in group.lines) + 30.0, 1)
    group.height = 44.0


# ---------------------------------------------------------------------------------------- groups


def _nest(figure: Figure, position: dict[str, int]) -> None:
    """Give each group its children in order of computation; drop groups without any."""
    first: dict[str, int] = {}
    for key, step in position.items():
        for group in figure.around(key):
            first[group] = min(first.get(group, step), step)
    for key in [key for key in figure.groups if key and key not in first]:
        del figure.groups[key]
    placed = {**first, **position}
    order = {key: i for i, key in enumerate(position)}
    keys = [key for key in placed if key]
    for key in sorted(keys, key=lambda k: (placed[k], order.get(k, -1))):
        parent = figure.parent(key)
        assert parent is not None
        figure.groups[parent].children.append(key)


def _signature(figure: Figure, key: str) -> tuple[Any, ...] | None:
    """What makes two module calls alike: the class, and the operations and groups in it."""
    group = figure.groups.get(key)
    if group is None or group.kind != "module":
        return None
    inner = tuple(
        figure.boxes[child].node.operation or figure.boxes[child].node.kind
        if child in figure.boxes
        else figure.groups[child].title.partition(": ")[2].partition("(")[0]
        for child in group.children
    )
    return (group.title.partition(": ")[2].partition("(")[0], inner)


def _group_repeats(figure: Figure) -> None:
    """Put three or more equal module calls in a row into one group: ``Block ×12``."""
    for key in list(figure.groups):
        children = figure.groups[key].children
        signatures = [_signature(figure, child) for child in children]
        start = 0
        kept: list[str] = []
        while start < len(children):
            end = start + 1
            while end < len(children) and signatures[end] == signatures[start] is not None:
                end += 1
            if end - start >= 3 and end - start < len(children) and signatures[start] is not None:
                name = signatures[start][0]  # type: ignore[index]
                made = f"{children[start]}…{children[end - 1].rpartition('.')[2]}"
                figure.groups[made] = Group(
                    made, f"{name} ×{end - start}", key, "repeat", children[start:end]
                )
                for child in children[start:end]:
                    figure.groups[child].parent = made
                kept.append(made)
            else:
                kept += children[start:end]
            start = end
        figure.groups[key].children = kept
    figure.forget_nesting()


def _cut_stretches(figure: Figure) -> None:
    """Cut groups of very many children into stretches, and those into longer ones, if need be."""
    steps = _first_and_last_steps(figure)
    for key in list(figure.groups):
        level, length, most = 1, CHUNK, 3 * CHUNK
        while len(figure.groups[key].children) > most:
            children = figure.groups[key].children
            kept = []
            parts = -(-len(children) // length)
            cuts = [len(children) * i // parts for i in range(parts + 1)]
            for i, (start, end) in enumerate(pairwise(cuts), 1):
                part = children[start:end]
                made = f"{key}#{level}.{i}"
                first = min(steps[child][0] for child in part)
                last = max(steps[child][1] for child in part)
                steps[made] = (first, last)
                figure.groups[made] = Group(
                    made, f"steps {first + 1}–{last + 1}", key, "stretch", part
                )
                for child in part:
                    if child in figure.boxes:
                        figure.boxes[child].parent = made
                    else:
                        figure.groups[child].parent = made
                kept.append(made)
            figure.groups[key].children = kept
            level, length, most = level + 1, 10, 25
    figure.forget_nesting()


def _first_and_last_steps(figure: Figure) -> dict[str, tuple[int, int]]:
    """The first and last step of computation in each box and group."""
    found: dict[str, tuple[int, int]] = {}
    for key, box in figure.boxes.items():
        step = box.node.step
        for place in (key, *figure.around(key)):
            low, high = found.get(place, (step, step))
            found[place] = (min(low, step), max(high, step))
    return found


def _count(figure: Figure) -> None:
    for box in figure.boxes.values():
        if box.form != "intermediate" and box.node.kind == "operation" and ":" not in box.id:
            for group in figure.around(box.id):
                figure.groups[group].count += 1


def _fold(figure: Figure, fold: int | bool | None) -> None:
    """Fold what lies deeper than asked, or, if nothing was asked, what would be too much."""
    if fold is False or (fold is None and len(figure.boxes) <= BUDGET):
        return
    if fold is not None and fold is not True:
        for key, group in figure.groups.items():
            group.folded = bool(key) and len(figure.around(key)) > fold
        return
    for key, group in figure.groups.items():
        group.folded = bool(key)
    if fold is True:
        return
    # Open groups from the outside in, as long as the picture stays readable.
    shown = len(figure.groups[""].children)
    queue = [child for child in figure.groups[""].children if child in figure.groups]
    for key in queue:
        group = figure.groups[key]
        if shown - 1 + len(group.children) > BUDGET or group.kind != "module":
            continue
        group.folded = False
        shown += len(group.children) - 1
        queue.extend(child for child in group.children if child in figure.groups)


def small(array: np.ndarray[Any, Any] | None) -> bool:
    """Whether an array is shown in full."""
    return array is not None and array.size <= 12 and array.ndim <= 2
