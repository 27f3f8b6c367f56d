"""The stand-alone page: one HTML file that works from disk, with no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograd.drawing._draw import Drawing

__all__ = ["to_html"]


def to_html(drawing: Drawing) -> str:
    """A page that shows the drawing."""
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<title>Computational graph</title></head><body>\n"
        f"{drawing.to_svg()}</body></html>\n"
    )
