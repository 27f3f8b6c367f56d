"""In-place writes: which buffer was written last and where, so that no rule reads what is stale."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd._graph import GraphError, Node, next_sequence, source_line, user_frame

__all__ = ["WRITES", "Write", "owner"]


class Write:
    """An in-place write: when, by which line, and of how many buffers it is the last one."""

    __slots__ = ("_code", "_instruction", "_total", "count", "sequence")

    def __init__(self, count: int) -> None:
        self.count = self._total = count
        self.renew()

    def renew(self) -> bool:
        """Let the same buffers be written again, now and by the user's current line.

        Returns:
            False, and nothing is noted, if somebody else has written to one of them since.
        """
        if self.count != self._total:
            return False
        self.sequence = WRITES.latest = next_sequence()
        frame = user_frame(sys._getframe(2))
        self._code, self._instruction = frame.f_code, frame.f_lasti
        return True

    @property
    def source(self) -> str:
        """The line of the user's code, as ``file.py:12``."""
        return source_line(self._code, self._instruction)


class _Writes:
    """The last in-place write to each buffer, by the number it would have had as a node.

    An array that a node saved is stale if its buffer was written after the node was made. Nothing
    is kept per node for this; a buffer's entry goes when the buffer goes.
    """

    def __init__(self) -> None:
        self.latest = 0  # sequence number of the newest write to any buffer
        # By the buffer's identity: the buffer, and the last write to it.
        self._entries: dict[int, list[Any]] = {}

    def note(self, *arrays: np.ndarray[Any, Any]) -> Write:
        """Record that the buffers of ``arrays`` are being written by the user's current line."""
        write = Write(len(arrays))
        entries = self._entries
        for array in arrays:
            entry = entries.get(id(array))
            if entry is None or entry[0]() is not array:
                entry = self._entry(owner(array))
            if entry[1] is not None:
                entry[1].count -= 1
            entry[1] = write
        return write

    def _entry(self, buffer: np.ndarray[Any, Any]) -> list[Any]:
        """That of a buffer, made on first use."""
        key = id(buffer)
        entry = self._entries.get(key)
        if entry is None or entry[0]() is not buffer:
            entry = self._entries[key] = [weakref.ref(buffer, self._forgetter(key)), None]
        return entry

    def _forgetter(self, key: int) -> Callable[[weakref.ref[Any]], None]:
        entries = self._entries

        def forget(dead: weakref.ref[Any]) -> None:
            if key in entries and entries[key][0] is dead:
                del entries[key]

        return forget

    def since(self, array: np.ndarray[Any, Any], sequence: int) -> str | None:
        """The line of the last write to the buffer of ``array``, if it is newer than a node."""
        entry = self._entries.get(id(owner(array)))
        if entry is None:
            return None
        write = entry[1]
        return write.source if write.sequence > sequence else None

    def check(self, node: Node, saved: tuple[Any, ...]) -> None:
        """Raise if an array saved by ``node`` has been written since."""
        for array in saved:
            if isinstance(array, np.ndarray):
                line = self.since(array, node.sequence)
                if line is not None:
                    raise GraphError(
                        f"{node.primitive.name} at {node.source} saved an array of shape "
                        f"{array.shape} for its derivative, and {line} changed it in place since; "
                        "write `x = x + …` instead of changing x, or change a copy"
                    )


def owner(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array that owns the memory of ``array``: itself, or the end of its chain of bases."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


WRITES = _Writes()
