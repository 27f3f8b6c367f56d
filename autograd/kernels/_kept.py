"""Work space that threads keep from one call to the next.

To make it anew takes each of them Python's time, while the others wait for the interpreter. A
thread alone makes it anew: in memory just released, which is still in its cache, it is faster.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar

from autograd.kernels._threads import at_once, thread_count

__all__ = ["Space", "put_back", "take"]

# Bytes that all threads keep together, at most.
_MOST_BYTES = 1 << 25


class Space:
    """Arrays to work in.

    Attributes:
        key: what they are for; spaces of equal keys can stand for each other.
    """

    key: Hashable

    @property
    def nbytes(self) -> int:
        """Of all of its arrays."""
        raise NotImplementedError


T = TypeVar("T", bound=Space)


class _Shelf(threading.local):
    """What a thread keeps, by its key, with how many bytes it takes; longest unused first."""

    def __init__(self) -> None:
        self.spaces: dict[Hashable, tuple[Space, int]] = {}
        self.nbytes = 0


_shelf = _Shelf()


def take(key: Hashable, make: Callable[[], T]) -> T:
    """The space kept under ``key``, or else a new one; nobody else gets it until it is put back.

    What is in it is what its last user has left there.
    """
    space, nbytes = _shelf.spaces.pop(key, (None, 0))
    _shelf.nbytes -= nbytes
    if space is None:
        space = make()
        space.key = key
    return space  # type: ignore[return-value]


def put_back(space: Space) -> None:
    """Keep a space for the next call that asks for it, if several threads are at work."""
    if not at_once():
        return
    spaces, nbytes = _shelf.spaces, space.nbytes
    most = _MOST_BYTES // thread_count()
    if nbytes > most or space.key in spaces:
        return
    spaces[space.key] = space, nbytes
    _shelf.nbytes += nbytes
    while _shelf.nbytes > most:
        _, released = spaces.pop(next(iter(spaces)))
        _shelf.nbytes -= released
