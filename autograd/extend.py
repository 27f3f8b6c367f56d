"""What packages built on the engine need: module scopes, random numbers, notes of writes.

`nn` calls these; so can any package that wants its layers named in graphs and messages.
"""

from __future__ import annotations

import weakref
from contextvars import Token
from typing import Any

import numpy as np

from autograd._graph import Scope, mark_internal
from autograd._modes import STATE, State
from autograd._random import generator
from autograd._writes import WRITES

__all__ = [
    "Scope",
    "current_path",
    "enter_scope",
    "generator",
    "leave_scope",
    "mark_internal",
    "note_write",
]


def enter_scope(module: Any) -> Token[State]:
    """Record what follows as done by ``module``, until :func:`leave_scope` gets the token back.

    The outermost module is called ``model`` in paths such as ``model.features.3``; the others get
    the names under which their owners hold them.
    """
    state = STATE.get()
    parent = state.scope
    scope = Scope(weakref.ref(module), type(module).__name__, parent)
    return STATE.set(
        State(state.enabled, scope, state.watch, state.pack, state.unpack, state.guard)
    )


def leave_scope(token: Token[State]) -> None:
    """Return to the scope (and grad mode) that :func:`enter_scope` left."""
    STATE.reset(token)


def current_path() -> str:
    """``model.features.3`` inside a module's call, else an empty string."""
    scope = STATE.get().scope
    return "" if scope is None else scope.path


def note_write(*arrays: np.ndarray[Any, Any]) -> None:
    """Say that ``arrays`` are being changed in place.

    A rule that saved one before will then raise an error instead of computing with the new values.
    """
    WRITES.note(*arrays)
