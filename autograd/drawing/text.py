"""The graph in other languages: Graphviz's DOT, Mermaid, JSON, networkx, and a tree of text.

The same graph always gives the same bytes.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd._graphview import Graph, GraphNode, shape_text
from autograd.drawing._style import BACKWARD, FORMS, number

if TYPE_CHECKING:
    from autograd.drawing._figure import Box, Figure, Group

__all__ = ["to_dot", "to_json", "to_mermaid", "to_networkx", "to_text"]

IN_FULL = 64  # elements of an array that JSON holds in full


# ---------------------------------------------------------------------------------------- DOT


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _words(lines: list[Any]) -> str:
    return "\n".join(line.text for line in lines)


def to_dot(figure: Figure) -> str:
    """A figure in Graphviz's language: groups as clusters, folded ones as boxes."""
    options = figure.options
    rows = [
        "digraph computation {",
        '  graph [rankdir=TB, fontname="Helvetica", compound=true, ranksep=0.35, nodesep=0.3];',
        '  node [fontname="Helvetica", fontsize=11, style=filled, margin="0.12,0.06"];',
        '  edge [fontname="Helvetica", fontsize=9, arrowsize=0.7];',
    ]
    if options.title:
        rows.append(f"  label={_quoted(options.title)}; labelloc=t;")
    # Groups are opened and closed as brackets around their children, without recursion.
    stack: list[tuple[str, int]] = [("", 0)]
    while stack:
        key, position = stack.pop()
        children = figure.groups[key].children
        depth = len(stack) + 1
        if position == len(children):
            if key:
                rows.append("  " * depth + "}")
            continue
        stack.append((key, position + 1))
        child = children[position]
        indent = "  " * (len(stack) + 0)
        if child in figure.boxes:
            rows.append(indent + _dot_box(figure.boxes[child]))
        elif figure.groups[child].folded:
            rows.append(indent + _dot_group(figure.groups[child]))
        else:
            group = figure.groups[child]
            rows.append(indent + f"subgraph {_quoted('cluster_' + child)} {{")
            rows.append(
                indent + f"  label={_quoted(group.title)}; labeljust=l; fontsize=11; "
                'style="rounded,filled"; color="#8ba3b5"; fillcolor="#eef4f9";'
            )
            stack.append((child, 0))
    for i in figure.visible_links():
        link = figure.links[i]
        ends = f"{_quoted(figure.shown_as(link.source))} -> {_quoted(figure.shown_as(link.target))}"
        returns = figure.boxes[link.source].form != "constant"
        if options.direction != "backward" or not returns:
            label = f" [label={_quoted(link.label)}]" if link.label else ""
            rows.append(f"  {ends}{label};")
        if options.direction != "forward" and returns:
            rows.append(
                f'  {ends} [dir=back, style=dashed, color="{BACKWARD}", constraint='
                f"{'true' if options.direction == 'backward' else 'false'}];"
            )
    return "\n".join([*rows, "}", ""])


def _dot_box(box: Box) -> str:
    form = FORMS[box.form]
    style = "filled,dashed" if form.dash else "filled"
    if form.shape == "round":
        style = f"rounded,{style}"
    return (
        f"{_quoted(box.id)} [label={_quoted(_words(box.lines))}, shape={form.dot}, "
        f'style="{style}", fillcolor="{form.fill}", color="{form.stroke}", '
        f"penwidth={form.width:g}, tooltip={_quoted(box.tip)}];"
    )


def _dot_group(group: Group) -> str:
    form = FORMS["group"]
    return (
        f"{_quoted(group.id)} [label={_quoted(_words(group.lines))}, shape={form.dot}, "
        f'fillcolor="{form.fill}", color="{form.stroke}"];'
    )


# ------------------------------------------------------------------------------------- Mermaid

_ENTITIES = {"&": "&amp;", "#": "&num;", '"': "&quot;", "<": "&lt;", ">": "&gt;", "|": "&vert;"}
_BRACKETS = {
    "pill": ('(["', '"])'),
    "tag": ('>"', '"]'),
    "hexagon": ('{{"', '"}}'),
    "box": ('["', '"]'),
    "round": ('("', '")'),
    "octagon": ('[["', '"]]'),
    "folded": ('[["', '"]]'),
}


def to_mermaid(figure: Figure) -> str:
    """A figure as a Mermaid flowchart."""
    numbers: dict[str, str] = {}

    def short(key: str) -> str:
        return numbers.setdefault(key, f"n{len(numbers)}")

    def words(lines: list[Any]) -> str:
        return "<br/>".join(_plain(line.text) for line in lines)

    rows = ["flowchart TB"]
    used: dict[str, list[str]] = {}
    stack: list[tuple[str, int]] = [("", 0)]
    while stack:
        key, position = stack.pop()
        children = figure.groups[key].children
        if position == len(children):
            if key:
                rows.append("  " * (len(stack)) + "end")
            continue
        stack.append((key, position + 1))
        child = children[position]
        indent = "  " * len(stack)
        if child in figure.groups and not figure.groups[child].folded:
            rows.append(f'{indent}subgraph {short(child)}["{_plain(figure.groups[child].title)}"]')
            stack.append((child, 0))
            continue
        item = figure.boxes.get(child) or figure.groups[child]
        form = getattr(item, "form", "group")
        left, right = _BRACKETS[FORMS[form].shape]
        rows.append(f"{indent}{short(child)}{left}{words(item.lines)}{right}")
        used.setdefault(form, []).append(short(child))
    direction = figure.options.direction
    styles: list[str] = []
    count = 0
    for i in figure.visible_links():
        link = figure.links[i]
        a, b = short(figure.shown_as(link.source)), short(figure.shown_as(link.target))
        returns = figure.boxes[link.source].form != "constant"
        if direction != "backward" or not returns:
            label = f"|{_plain(link.label)}|" if link.label else ""
            rows.append(f"  {a} -->{label} {b}")
            count += 1
        if direction != "forward" and returns:
            rows.append(f"  {b} -.-> {a}")
            styles.append(f"  linkStyle {count} stroke:{BACKWARD}")
            count += 1
    rows += styles
    for form, keys in used.items():
        look = FORMS[form]
        rows.append(
            f"  classDef {form} fill:{look.fill},stroke:{look.stroke},"
            f"stroke-width:{look.width:g}px,color:#111"
        )
        rows.append(f"  class {','.join(keys)} {form}")
    return "\n".join([*rows, ""])


def _plain(text: str) -> str:
    """Words that Mermaid does not take for its own signs, on one line."""
    for sign, code in _ENTITIES.items():
        text = text.replace(sign, code)
    return " ".join(text.split())


# ---------------------------------------------------------------------------------------- JSON


def _json_array(array: np.ndarray[Any, Any] | None) -> Any:
    """A small array in full; of a large one its shape and what sums it up."""
    if array is None:
        return None
    if array.size <= IN_FULL:
        return _json_numbers(array.tolist())
    summary: dict[str, Any] = {"shape": list(array.shape)}
    if array.dtype.kind in "biuf":
        finite = array[np.isfinite(array)].astype(np.float64)
        if finite.size:
            summary |= {
                name: float(f"{getattr(finite, name)():.9g}")
                for name in ("mean", "std", "min", "max")
            }
        if array.dtype.kind == "f":
            summary |= {"nan": int(np.isnan(array).sum()), "inf": int(np.isinf(array).sum())}
    return summary


def _json_numbers(value: Any) -> Any:
    """Lists as JSON can hold them: NaN, Inf and complex numbers as strings; two levels at most
    are copied at a time, arrays here have at most 64 elements."""
    if isinstance(value, list):
        return [_json_numbers(item) for item in value]
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    return value


def _json_setting(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, np.ndarray):
        return _json_array(value)
    if isinstance(value, tuple | list):
        return [_json_setting(item) for item in value]
    return str(value)


def node_data(node: GraphNode) -> dict[str, Any]:
    """A node as plain data, without what is unknown."""
    data: dict[str, Any] = {
        "id": node.id,
        "kind": node.kind,
        "name": node.name,
        "operation": node.operation,
        "attributes": {k: _json_setting(v) for k, v in node.attributes.items()} or None,
        "shape": None if node.shape is None else list(node.shape),
        "dtype": None if node.dtype is None else str(node.dtype),
        "module": node.module,
        "inputs": list(node.inputs) or None,
        "bytes_saved": node.bytes_saved or None,
        "value": _json_array(node.value),
        "gradient": _json_array(node.gradient),
        "time": node.time,
        "flops": node.flops,
        "output": node.is_output or None,
        "failed": node.failed,
        "backward_step": node.backward_step,
    }
    return {key: value for key, value in data.items() if value is not None}


def to_json(graph: Graph) -> str:
    """Nodes in topological order, edges and module calls.

    Source lines are left out: they hold paths of one machine.
    """
    data = {
        "format": "glassgrad-graph",
        "version": 1,
        "nodes": [node_data(node) for node in graph],
        "edges": [
            {
                key: value
                for key, value in (
                    ("source", edge.source),
                    ("target", edge.target),
                    ("position", edge.position),
                    ("shape", None if edge.shape is None else list(edge.shape)),
                    ("gradient", _json_array(edge.gradient)),
                    ("gradient_norm", _json_setting(edge.gradient_norm)),
                )
                if value is not None
            }
            for edge in graph.edges
        ],
        "modules": [
            {
                "id": module.id,
                "path": module.path,
                "label": module.label,
                "parent": module.parent,
                "call": module.call,
            }
            for module in graph.modules.values()
        ],
    }
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def to_networkx(graph: Graph) -> Any:
    """A ``networkx.MultiDiGraph``: node attributes as of GraphNode, edges with ``position``."""
    try:
        import networkx
    except ImportError as error:
        raise ImportError("to_networkx needs networkx: pip install networkx") from error
    made = networkx.MultiDiGraph()
    fields = GraphNode.__dataclass_fields__
    for node in graph:
        made.add_node(node.id, **{name: getattr(node, name) for name in fields if name != "id"})
    for edge in graph.edges:
        made.add_edge(
            edge.source,
            edge.target,
            position=edge.position,
            shape=edge.shape,
            gradient_norm=edge.gradient_norm,
        )
    return made


# ---------------------------------------------------------------------------------------- text


def _text_line(node: GraphNode) -> str:
    head = node.name if node.name and node.kind != "operation" else node.id
    parts = [head, ": "]
    if node.failed:
        return f"{head}: FAILED: {node.failed}"
    parts.append(shape_text(node.shape))
    if node.dtype is not None:
        parts.append(f" {node.dtype}")
    if node.kind == "operation" and node.name:
        parts.append(f" {node.name!r}")
    if node.kind != "operation":
        parts.append(f" ({node.kind})")
    if node.value is not None and node.value.ndim == 0:
        parts.append(f" = {number(node.value)}")
    if node.gradient is not None and node.gradient.ndim == 0:
        parts.append(f", gradient {number(node.gradient)}")
    return "".join(parts)


def to_text(graph: Graph, max_lines: int = 200) -> str:
    """A tree of text, outputs first; an operation shown before is referred to by ``⋯``."""
    rows: list[str] = []
    seen: set[str] = set()
    # (node, prefix of its own line, prefix of the lines below it)
    stack: list[tuple[GraphNode, str, str]] = [(node, "", "") for node in reversed(graph.outputs)]
    failed = [node for node in graph if node.failed]
    stack += [(node, "", "") for node in failed if not node.is_output]
    while stack:
        node, prefix, below = stack.pop()
        if len(rows) == max_lines:
            rows.append(f"… of {len(graph)} nodes")
            break
        again = node.id in seen and bool(node.inputs)
        rows.append(prefix + _text_line(node) + (" ⋯" if again else ""))
        seen.add(node.id)
        if again:
            continue
        inputs = graph.inputs_of(node)
        for i in reversed(range(len(inputs))):
            last = i == len(inputs) - 1
            stack.append(
                (inputs[i], below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))
            )
    return "\n".join(rows)
