"""Pictures of the graph: SVG in pure Python, stand-alone HTML, Graphviz, Mermaid, text.

Nothing here is imported before the first picture is asked for.
"""

from autograd.drawing._draw import Drawing, draw

__all__ = ["Drawing", "draw"]
