"""What a picture of a graph shows: words in its boxes, beside its edges, over its groups."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable

from autograd._graphview import Graph, GraphEdge, GraphNode, shape_text
from autograd.drawing._figure import Box, Figure, Group, Link, Options
from autograd.drawing._groups import (
    count_operations,
    cut_stretches,
    fold_groups,
    group_repeats,
    nest,
)
from autograd.drawing._style import (
    FORMS,
    Line,
    array_lines,
    number,
    settings,
    symbol,
    text_width,
)

__all__ = ["make_figure"]

LONGEST = 44  # characters of a module's class and arguments


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
    nest(figure, position)
    group_repeats(figure)
    if options.fold is not False:
        cut_stretches(figure)
    count_operations(figure)
    fold_groups(figure, options.fold)
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
    box.width = round(max(width + pad.get(FORMS[box.form].shape, 18.0), 34.0), 1)
    box.height = round(height + 11.0, 1)


def _measure_group(group: Group) -> None:
    operations = "1 operation" if group.count == 1 else f"{group.count} operations"
    group.lines = [Line(group.title, "title"), Line(f"▸ {operations}")]
    group.title_width = text_width(group.title, 12.0, bold=True) + 22.0
    group.width = round(max(line.width for line in group.lines) + 30.0, 1)
    group.height = 44.0
