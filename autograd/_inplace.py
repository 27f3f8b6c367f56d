"""In-place writes on tensors, and views that follow their base.

A write goes into the tensor's own buffer, as NumPy's does, and the tensor gets a new node: the old
values with a region replaced. Views share the buffer; after a write to any member of a family the
others take their new place in the graph when they are next used.
"""

from __future__ import annotations

from typing import Any


class View:
    """How a tensor is a view of another: the operation that made it, and of what.

    The base of a family has one too, with no parent, once a view of it exists.
    """

    __slots__ = ("args", "attrs", "family", "parent", "primitive", "version")

    def __init__(self, parent: Any, primitive: Any, args: Any, attrs: Any, family: _Family) -> None:
        self.parent = parent
        self.primitive = primitive
        self.args = args
        self.attrs = attrs
        self.family = family
        self.version = family.version

    @staticmethod
    def attach(out: Any, parent: Any, primitive: Any, args: Any, attrs: Any) -> None:
        """Note that ``out`` may be a view of ``parent``."""

    def refresh(self, tensor: Any) -> None:
        """Give ``tensor`` its place in the graph after writes to its family."""


class _Family:
    __slots__ = ("version",)
