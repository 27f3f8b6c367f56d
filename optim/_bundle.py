"""Small parameters updated as one, where NumPy's overhead per call would outweigh the work."""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_, itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd import Tensor

if TYPE_CHECKING:
    from optim.optimizer import Array, Group, Optimizer

__all__ = ["Bundle", "Members"]

# Below this many elements, NumPy's overhead per call outweighs copying into a shared buffer.
_SMALL = 4096


class Members:
    """Some of the parameters of a group, which take each step together.

    Attributes:
        others: the rest of the group.
        states: what the optimizer remembers of each member.
        arrays: of that, for each key the members' arrays.
    """

    def __init__(
        self, params: list[Tensor], members: list[Tensor], states: list[dict[str, Any]]
    ) -> None:
        inside = {id(p) for p in members}
        self.params, self.count = params, len(params)
        self.others = [p for p in params if id(p) not in inside]
        self.members, self.states = members, states
        self.shapes, self.dtype = [p.shape for p in members], members[0].dtype
        self.arrays: dict[str, list[Array]] = {}

    def serves(self, params: list[Tensor]) -> bool:
        """Whether it was made for these parameters."""
        return params is self.params and len(params) == self.count

    def intact(self) -> bool:
        """Whether the states' arrays are those they were."""
        try:
            for key, arrays in self.arrays.items():
                if not all(map(is_, map(itemgetter(key), self.states), arrays)):
                    return False
        except KeyError:
            return False
        return True

    def gradients(self) -> list[Array] | None:
        """The members' gradients, or None if one has none that fits."""
        found = []
        dtype = self.dtype
        for p, shape in zip(self.members, self.shapes):
            gradient = p.grad
            if gradient is None:
                return None
            array = gradient.data
            if array.shape != shape or array.dtype != dtype:
                return None
            found.append(array)
        return found


class Bundle(Members):
    """Parameters that share their state in flat arrays, and take each step together.

    The parameters stay where they are: values and gradients are copied in, results copied out.
    """

    def __init__(
        self, params: list[Tensor], members: list[Tensor], states: list[dict[str, Any]]
    ) -> None:
        super().__init__(params, members, states)
        ends = np.cumsum([p.size for p in members]).tolist()
        parts = [slice(end - p.size, end) for p, end in zip(members, ends)]

        def views(flat: Array) -> list[Array]:
            return [flat[part].reshape(shape) for part, shape in zip(parts, self.shapes)]

        self.p = np.empty(ends[-1], self.dtype)
        self.g = np.empty_like(self.p)
        self.values, self.slopes = views(self.p), views(self.g)
        self.homes: list[Array] = []  # the members' own arrays, found to fit
        self.state: dict[str, Any] = dict(states[0])
        for key, value in states[0].items():
            if isinstance(value, np.ndarray):
                self.state[key] = np.concatenate([state[key] for state in states], axis=None)
                self.arrays[key] = views(self.state[key])
                for state, view in zip(states, self.arrays[key]):
                    state[key] = view
        self.scalars = [key for key in self.state if key not in self.arrays]

    @classmethod
    def of(cls, params: list[Tensor], states: Mapping[Tensor, dict[str, Any]]) -> Bundle | None:
        """The bundle of those that can share buffers, or None if it would not pay."""
        candidates: dict[Any, list[Tensor]] = {}
        for p in params:
            state = states.get(p)
            if p.grad is None or state is None or p.size > _SMALL or p.dtype.kind == "c":
                continue
            kinds: list[Any] = []
            for key, value in state.items():
                if isinstance(value, np.ndarray):
                    if value.shape != p.shape or value.dtype != p.dtype:
                        break
                    kinds.append(key)
                elif isinstance(value, int | float):
                    kinds.append((key, value))
                else:
                    break
            else:
                candidates.setdefault((p.dtype, tuple(kinds)), []).append(p)
        members = max(candidates.values(), key=len, default=[])
        if len(members) < 2:
            return None
        return cls(params, members, [states[p] for p in members])

    def step(self, optimizer: Optimizer, group: Group) -> list[Array] | None:
        """Take a step; returns the arrays, or None if the members no longer march in step."""
        if not self.gather():
            return None
        optimizer._apply(self.p, self.g, self.state, group)
        return self.scatter()

    def gather(self) -> bool:
        """Copy values and gradients in; False if the members no longer march in step."""
        slopes = self.gradients()
        if slopes is None or not self.intact():
            return False
        for key in self.scalars:
            if [state.get(key) for state in self.states].count(self.state[key]) != len(slopes):
                return False
        homes = [p.data for p in self.members]
        if not all(map(is_, homes, self.homes)) or not self.homes:
            if [a.shape for a in homes] != self.shapes or {a.dtype for a in homes} != {self.dtype}:
                return False
            self.homes = homes
        for value, home, slope, found in zip(self.values, homes, self.slopes, slopes):
            value[...] = home
            slope[...] = found
        return True

    def scatter(self) -> list[Array]:
        """Copy the updated values back into the parameters' own arrays; these."""
        for home, value in zip(self.homes, self.values):
            home[...] = value
        for key in self.scalars:
            for state in self.states:
                state[key] = self.state[key]
        return self.homes
