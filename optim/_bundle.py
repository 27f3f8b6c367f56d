"""Small parameters updated as one, where NumPy's overhead per call would outweigh the work."""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_, itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd import Tensor
from autograd.extend import gradient_arrays, note_write

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
        state, scalars: what they share, and the keys of those that are numbers.
        homes: the members' own arrays.
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
        self.state: dict[str, Any] = {}
        self.scalars: list[str] = []
        self.homes = [p.data for p in members]
        self._write: Any = None  # the last one, as noted

    def serves(self, params: list[Tensor]) -> bool:
        """Whether it was made for these parameters."""
        return params is self.params and len(params) == self.count

    def intact(self) -> bool:
        """Whether the states' arrays are those they were, and their numbers those of the state."""
        states, count = self.states, len(self.states)
        try:
            for key, arrays in self.arrays.items():
                if not all(map(is_, map(itemgetter(key), states), arrays)):
                    return False
            for key in self.scalars:
                if list(map(itemgetter(key), states)).count(self.state[key]) != count:
                    return False
        except KeyError:
            return False
        return True

    def note(self) -> None:
        """Say that the members' arrays have been written to."""
        if self._write is None or not self._write.renew():
            self._write = note_write(*self.homes)


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

        self.places: list[tuple[Tensor, Array, tuple[int, ...], Array, Array]]
        self.p = np.empty(ends[-1], self.dtype)
        self.g = np.empty_like(self.p)
        self.values, self.slopes = views(self.p), views(self.g)
        self.follow()
        self.state = dict(states[0])
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

    def step(self, optimizer: Optimizer, group: Group) -> bool:
        """Take a step; False if the members no longer march in step."""
        if (optimizer._state_shown and not self.intact()) or not self.gather():
            return False
        optimizer._apply(self.p, self.g, self.state, group)
        self.scatter()
        self.note()
        return True

    def gather(self) -> bool:
        """Copy values and gradients in; False if the members no longer march in step."""
        gradients = gradient_arrays(self.members)
        for (p, home, shape, value, slope), gradient in zip(self.places, gradients):
            data = p.data
            if gradient is None or gradient.shape != shape:
                return False
            if data is not home and not self.follow():
                return False
            value[...] = data
            slope[...] = gradient
        return True

    def follow(self) -> bool:
        """Note which arrays the members have now; False if they do not fit."""
        homes = [p.data for p in self.members]
        if [a.shape for a in homes] != self.shapes or {a.dtype for a in homes} != {self.dtype}:
            return False
        self.homes, self._write = homes, None
        self.places = list(zip(self.members, homes, self.shapes, self.values, self.slopes))
        return True

    def scatter(self) -> None:
        """Copy the updated values back into the parameters' own arrays."""
        for home, value in zip(self.homes, self.values):
            home[...] = value
        for key in self.scalars:
            for state in self.states:
                state[key] = self.state[key]
