"""Work space that threads keep from one call to the next.

To make it anew takes each of them Python's time, while the others wait for the interpreter. A
thread alone makes it anew: in memory just released, which is still in its cache, it is faster.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar

from autograd.kernels._threads import at_once, thread_count

__all__ = ["Loan"]

# Bytes that all threads keep together, at most.
_MOST_BYTES = 1 << 25


class _Space(Protocol):
    @property
    def nbytes(self) -> int: ...


Space = TypeVar("Space", bound=_Space)


class _Shelf(threading.local):
    """What a thread keeps, by its key, with how many bytes it takes; longest unused first."""

    def __init__(self) -> None:
        self.spaces: dict[Hashable, tuple[Any, int]] = {}
        self.nbytes = 0


_shelf = _Shelf()


class Loan:
    """One space at a time, which nobody else gets until it is put back: at the end of a ``with``,
    or when another one is asked for."""

    _key: Hashable = None
    _space: Any = None

    def take(self, key: Hashable, make: Callable[[], Space]) -> Space:
        """The space of this key: the one that is lent, one that is kept, or else a new one.

        What is in it is what its last user has left there.
        """
        if key != self._key:
            self._put_back()
            found, nbytes = _shelf.spaces.pop(key, (None, 0))
            _shelf.nbytes -= nbytes
            self._key, self._space = key, make() if found is None else found
        space: Space = self._space
        return space

    def __enter__(self) -> Loan:
        return self

    def __exit__(self, *_: object) -> None:
        self._put_back()

    def _put_back(self) -> None:
        """Keep the space for the next call that asks for it, if several threads are at work."""
        key, space, self._key, self._space = self._key, self._space, None, None
        if space is None or not at_once():
            return
        spaces, nbytes = _shelf.spaces, space.nbytes
        most = _MOST_BYTES // thread_count()
        if nbytes > most or key in spaces:
            return
        spaces[key] = space, nbytes
        _shelf.nbytes += nbytes
        while _shelf.nbytes > most:
            _, released = spaces.pop(next(iter(spaces)))
            _shelf.nbytes -= released
