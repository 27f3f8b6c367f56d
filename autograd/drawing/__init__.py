"""Pictures of the graph: SVG in pure Python, stand-alone HTML, Graphviz, Mermaid, text.

Nothing here is imported before the first picture is asked for.
"""

from autograd.drawing._draw import Drawing, draw
from autograd.drawing.network import draw_network

__all__ = ["Drawing", "draw", "draw_network"]
