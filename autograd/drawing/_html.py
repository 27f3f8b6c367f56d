"""The stand-alone page: one HTML file that works from disk, with no network.

Ranks and orders come from ``_layout``; the page's script (``viewer.js``) recomputes coordinates
when groups are folded, by the same method and with the same constants.
"""

from __future__ import annotations

import json
from html import escape
from os.path import basename
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from autograd.drawing import _layout
from autograd.drawing._figure import Figure
from autograd.drawing._layers import Arrangement, arrange
from autograd.drawing._style import BACKWARD, CLASH, COLOURS, FORMS, FORWARD, Line
from autograd.drawing._svg import FONT, FRAME_FILLS, MONO
from autograd.drawing.text import node_data

if TYPE_CHECKING:
    from autograd.drawing._draw import Drawing

__all__ = ["to_html"]

HERE = Path(__file__).parent
KINDS = ("child", "in", "out", "lane")


def to_html(drawing: Drawing) -> str:
    """A page that shows the drawing, to fold, search, zoom and step through."""
    model = json.dumps(_model(drawing), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Template((HERE / "viewer.html").read_text("utf-8")).substitute(
        title=escape(drawing.options.title or "Computational graph"),
        style=(HERE / "viewer.css").read_text("utf-8"),
        svg=drawing.to_svg(),
        model=model.replace("<", "\\u003c"),
        script=(HERE / "viewer.js").read_text("utf-8"),
    )


def _lines(lines: list[Line]) -> list[list[str]]:
    return [[line.text, line.role] for line in lines]


def _model(drawing: Drawing) -> dict[str, Any]:
    """Everything the script needs; boxes count from 0, groups from where boxes end, -1 is a rim."""
    figure, graph = drawing.figure, drawing.graph
    code: dict[str, int] = {"": -1}
    box_number = {key: i for i, key in enumerate(figure.boxes)}
    group_number = {key: i for i, key in enumerate(figure.groups)}
    code |= box_number
    code |= {key: len(box_number) + i for key, i in group_number.items() if key}
    node_number = {node.id: i for i, node in enumerate(graph)}
    arrangements = arrange(figure, everything=True)
    return {
        "constants": {
            "gap": _layout.GAP,
            "portGap": _layout.PORT_GAP,
            "separation": _layout.SEPARATION,
            "lane": _layout.LANE,
            "margin": _layout.MARGIN,
            "title": _layout.TITLE,
            "straight": _layout.STRAIGHT,
            "font": FONT,
            "mono": MONO,
            "frames": FRAME_FILLS,
            "colours": COLOURS,
            "forward": FORWARD,
            "backward": BACKWARD,
            "clash": CLASH,
            "precision": drawing.options.precision,
        },
        "forms": {
            key: [form.shape, form.fill, form.stroke, form.width, form.dash, form.meaning]
            for key, form in FORMS.items()
        },
        "direction": drawing.options.direction,
        "weighted": drawing.options.edge_weight is not None,
        "nodes": [{**node_data(node), "source": basename(node.source or "")} for node in graph],
        "boxes": [
            {
                "id": box.id,
                "form": box.form,
                "lines": _lines(box.lines),
                "parent": group_number[box.parent],
                "w": box.width,
                "h": box.height,
                "tip": box.tip,
                "node": node_number[box.node.id],
                "room": figure.reserved.get(box.id, 0.0),
            }
            for box in figure.boxes.values()
        ],
        "groups": [
            {
                "id": group.id,
                "kind": group.kind,
                "title": group.title,
                "parent": -1 if group.parent is None else group_number[group.parent],
                "children": [code[child] for child in group.children],
                "folded": group.folded,
                "lines": _lines(group.lines),
                "w": group.width,
                "h": group.height,
                "titleWidth": group.title_width,
            }
            for group in figure.groups.values()
        ],
        "links": _links(figure, box_number),
        "arrangements": [
            _arrangement(arrangements[key], code, box_number) for key in figure.groups
        ],
    }


def _links(figure: Figure, box_number: dict[str, int]) -> list[dict[str, Any]]:
    from autograd.drawing.text import _json_array

    links = []
    for link in figure.links:
        data: dict[str, Any] = {"s": box_number[link.source], "t": box_number[link.target]}
        if link.label:
            data["label"] = link.label
        if link.edge is not None:
            data["position"] = link.edge.position
            if link.edge.gradient is not None:
                data["gradient"] = _json_array(link.edge.gradient)
            norm = link.edge.gradient_norm
            if norm is not None and norm < float("inf"):
                data["norm"] = norm
        links.append(data)
    return links


def _arrangement(
    arrangement: Arrangement, code: dict[str, int], box_number: dict[str, int]
) -> dict[str, Any]:
    cells = [
        [
            KINDS.index(cell.kind),
            code[cell.key] if cell.kind == "child" else box_number[cell.key],
            cell.layer,
            cell.pull,
        ]
        for cell in arrangement.cells
    ]
    return {
        "cells": cells,
        "joins": [
            [upper, lower, box_number[value]]
            for upper, cell in enumerate(arrangement.cells)
            for lower, value in cell.below
        ],
        "layers": arrangement.layers,
        "chains": [
            [code[start], code[end], box_number[value], way]
            for (start, end, value), way in arrangement.chains.items()
        ],
        "ins": [box_number[value] for value in arrangement.ins],
        "outs": [box_number[value] for value in arrangement.outs],
    }
