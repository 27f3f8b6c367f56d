"""What is loaded when it is first asked for, so that import stays fast: readers of the graph."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autograd._primitive import attach

if TYPE_CHECKING:
    from autograd._graphview import Graph
    from autograd._tensor import Tensor

__all__ = ["READERS", "load"]

# Public name -> the module that defines it.
READERS = {
    "Drawing": "autograd.drawing",
    "Graph": "autograd._graphview",
    "GraphEdge": "autograd._graphview",
    "GraphModule": "autograd._graphview",
    "GraphNode": "autograd._graphview",
    "compile": "autograd.replay",
    "draw": "autograd.drawing",
    "draw_network": "autograd.drawing",
    "explain": "autograd._explain",
    "graph_of": "autograd._graphbuild",
    "profile": "autograd._profile",
    "record_values": "autograd._recording",
}


def load(name: str) -> Any:
    """What ``autograd.<name>`` is, imported now."""
    return getattr(import_module(READERS[name]), name)


def _graph(tensor: Tensor) -> Graph:
    """The computation behind this tensor, as an object to walk, draw and export."""
    from autograd._graphbuild import graph_of

    return graph_of(tensor)


attach("graph", property(_graph))
