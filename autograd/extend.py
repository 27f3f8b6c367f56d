"""What packages built on the engine need: module scopes, random numbers, notes of writes, steps.

`nn` calls these; so can any package that wants its layers named in graphs and messages.
"""

from __future__ import annotations

from contextvars import Token
from typing import Any

import numpy as np

from autograd._graph import Scope as Scope
from autograd._graph import enter_scope as enter_scope
from autograd._graph import leave_scope as leave_scope
from autograd._graph import mark_internal as mark_internal
from autograd._graph import show_lines as show_lines
from autograd._modes import CHANGES, SCOPE
from autograd._primitive import Specialized as Specialized
from autograd._random import generator
from autograd._tensor import forget_gradients as forget_gradients
from autograd._tensor import gradient_arrays as gradient_arrays
from autograd._writes import WRITES, Write
from autograd.kernels import adam_step as adam_step
from autograd.kernels import sgd_step as sgd_step
from autograd.kernels import steps_together as steps_together

__all__ = [
    "Scope",
    "Specialized",
    "adam_step",
    "current_path",
    "enter_scope",
    "forget_gradients",
    "generator",
    "gradient_arrays",
    "is_outermost",
    "leave_scope",
    "mark_internal",
    "note_change",
    "note_write",
    "sgd_step",
    "show_lines",
    "steps_together",
]


def is_outermost(token: Token[Scope | None]) -> bool:
    """Whether the scope that :func:`enter_scope` entered is in no other."""
    return token.old_value is None or token.old_value is token.MISSING


def current_path() -> str:
    """``model.features.3`` inside a module's call, else an empty string."""
    scope = SCOPE.get()
    return "" if scope is None else scope.path


def note_change() -> None:
    """Say that a module has been changed: its mode, a parameter, a submodule or a hook.

    Compiled functions then look whether it still is what they have recorded.
    """
    CHANGES.count += 1


def note_write(*arrays: np.ndarray[Any, Any]) -> Write:
    """Say that ``arrays`` are being changed in place.

    A rule that saved one before will then raise an error instead of computing with the new values.

    Returns:
        What can say so again for the same arrays, in less time: its ``renew()`` does, unless it
        returns False.
    """
    return WRITES.note(*arrays)
