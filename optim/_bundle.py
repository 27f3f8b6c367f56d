"""Small parameters updated as one, where NumPy's overhead per call would outweigh the work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.extend import note_write

__all__ = ["Bundle"]

# Below this many elements, NumPy's overhead per call outweighs copying into a shared buffer.
_SMALL = 4096


class Bundle:
    """Parameters that share their state in flat arrays, and take each step together.

    The parameters stay where they are: values and gradients are copied in, results copied out.
    """

    def __init__(
        self, params: list[Tensor], members: list[Tensor], states: list[dict[str, Any]]
    ) -> None:
        inside = {id(p) for p in members}
        self.params, self.count = params, len(params)
        self.others = [p for p in params if id(p) not in inside]
        dtype = members[0].dtype
        total = sum(p.size for p in members)
        self.p = np.empty(total, dtype)
        self.g = np.empty(total, dtype)
        self.state: dict[str, Any] = {}
        first = states[0]
        arrays = [key for key, value in first.items() if isinstance(value, np.ndarray)]
        self.scalars = [key for key in first if key not in arrays]
        for key in arrays:
            self.state[key] = np.concatenate([state[key].ravel() for state in states])
        for key in self.scalars:
            self.state[key] = first[key]
        self.members = []
        start = 0
        for p, state in zip(members, states):
            part = slice(start, start + p.size)
            start += p.size
            views = []
            for key in arrays:
                state[key] = self.state[key][part].reshape(p.shape)
                views.append((key, state[key]))
            self.members.append((p, p.shape, self.p[part].reshape(p.shape), state, views))

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

    def serves(self, params: list[Tensor]) -> bool:
        """Whether it was made for these parameters."""
        return params is self.params and len(params) == self.count

    def gather(self) -> bool:
        """Copy values and gradients in; False if the members no longer march in step."""
        shared, scalars, dtype = self.state, self.scalars, self.p.dtype
        values, slopes = [], []
        for p, shape, _, state, views in self.members:
            data, gradient = p.data, p.grad
            if gradient is None or data.shape != shape or data.dtype != dtype:
                return False
            g = gradient.data
            if g.shape != shape:
                return False
            for key, view in views:
                if state.get(key) is not view:
                    return False
            for key in scalars:
                if state.get(key) != shared[key]:
                    return False
            values.append(data)
            slopes.append(g)
        np.concatenate(values, axis=None, out=self.p)
        np.concatenate(slopes, axis=None, out=self.g)
        return True

    def scatter(self) -> None:
        """Copy the updated values back into the parameters' own arrays."""
        shared, scalars = self.state, self.scalars
        written = []
        for p, _, value, state, _ in self.members:
            p.data[...] = value
            for key in scalars:
                state[key] = shared[key]
            written.append(p.data)
        note_write(*written)
