"""Parameters that one call of compiled code updates, each where it is."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd import Tensor
from autograd.extend import gradient_arrays, steps_together
from optim._bundle import Members

if TYPE_CHECKING:
    from optim.optimizer import Array, Group, Optimizer

__all__ = ["Together"]


class Together(Members):
    """Parameters, what goes with each, and what compiled code knows of them."""

    def __init__(
        self, optimizer: Optimizer, params: list[Tensor], members: list[Tensor], rule: Any
    ) -> None:
        super().__init__(params, members, [optimizer._state[p] for p in members])
        self._rule = rule
        self.arrays = {key: [state[key] for state in self.states] for key in rule[1:]}
        self._steps = steps_together(rule[0], list(zip(self.homes, *self.arrays.values())))

    @classmethod
    def of(cls, optimizer: Optimizer, group: Group) -> Together | None:
        """Of all parameters that can; None if it would not pay, or compiled code cannot do it."""
        rule = optimizer._together(group)
        if rule is None:
            return None
        candidates: dict[Any, list[Tensor]] = {}
        for p in group["params"]:
            state = optimizer._state.get(p, {})
            arrays = [p.data, *map(state.get, rule[1:])]
            if p.grad is not None and all(_serves(array, p.data) for array in arrays):
                candidates.setdefault(p.dtype, []).append(p)
        members = max(candidates.values(), key=len, default=[])
        if len(members) < 2 or _overlap([p.data for p in members]):
            return None
        together = cls(optimizer, group["params"], members, rule)
        return None if together._steps is None else together

    def step(self, optimizer: Optimizer, group: Group) -> bool:
        """Take a step; False if they, or the rule, are not what they were."""
        if not self._steps.ready or optimizer._together(group) != self._rule:
            return False
        if optimizer._state_shown and not self.intact():
            return False
        for p, home in zip(self.members, self.homes):
            if p.data is not home:
                return False
        if not self._steps.locate(tuple(gradient_arrays(self.members))):
            return False
        numbers, flags = optimizer._advance(self.states, group)
        self._steps.take(numbers, *flags)
        self.note()
        return True


def _serves(array: Any, p: Array) -> bool:
    return (
        type(array) is np.ndarray
        and array.dtype == p.dtype
        and array.dtype.char in "fd"
        and array.shape == p.shape
        and array.flags.c_contiguous
        and array.flags.writeable
    )


def _overlap(arrays: list[Array]) -> bool:
    """Whether some of them share memory, so that threads would write to the same places."""
    bounds = sorted((a.ctypes.data, a.ctypes.data + a.nbytes) for a in arrays if a.size)
    return any(end > start for (_, end), (start, _) in pairwise(bounds))
