"""Steps of optimizers in one pass over memory, rounded exactly as the NumPy ones are.

Arrays are found by their addresses, so that one call can update any number of them: what is around
a call, such as waking threads, takes as long as ten thousand elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np

from autograd.kernels._blas import address_of
from autograd.kernels._numba import prange, serves
from autograd.kernels._numba._objects import located, values_at
from autograd.kernels._settings import SETTINGS
from autograd.kernels._threads import thread_count

__all__ = ["Steps", "adam_step", "sgd_step"]

# No operation is reordered, nor a product fused into a sum.
_exact = numba.njit(error_model="numpy", cache=True, nogil=True)
_exact_parallel = numba.njit(error_model="numpy", cache=True, nogil=True, parallel=True)

# From this many elements on, a second thread is worth the trouble of waking it.
_SHARED = 1 << 15


class Steps:
    """Steps of many arrays at once; see :func:`autograd.kernels.updates.steps_together`."""

    def __init__(self, kind: str, arrays: Sequence[Sequence[Any]]) -> None:
        self._arrays = arrays  # which keeps them where they are
        self._share, self._run = {"adam": (_adam_share, _adam), "sgd": (_sgd_share, _sgd)}[kind]
        homes = tuple([p for p, *_ in arrays])
        self._dtype = np.dtype(homes[0].dtype.char)  # NumPy's own, and not one that was unpickled
        self._like = np.empty(0, self._dtype)
        # Of the array, its gradient, and its state; and the number of elements.
        self._table = np.zeros((len(arrays), 5), np.int64)
        for row, (p, *state) in zip(self._table, arrays):
            row[0], row[4] = address_of(p), p.size
            row[2 : 2 + len(state)] = list(map(address_of, state))
        self._total = int(self._table[:, 4].sum())
        self._kinds = id(np.ndarray), id(self._dtype)
        self._homes = homes
        self._slopes: Sequence[Any] = ()

    @property
    def ready(self) -> bool:
        """Whether compiled code may still be used."""
        return SETTINGS.may_compile

    def can_locate(self) -> bool:
        """Whether arrays are found by what memory looks like, which is promised by nobody: where
        these ones are is known."""
        return self._found(self._usual(self._homes)) and not np.diff(self._table[:, :2]).any()

    def locate(self, gradients: tuple[Any, ...]) -> bool:
        """Find the gradients for the next step; False if the arrays may not be written to, or a
        gradient is missing or of another shape or dtype."""
        if self._found(gradients):
            return True
        if any(g is None or g.dtype != self._dtype for g in gradients):
            return False
        return self._found(self._usual(gradients))

    def _usual(self, arrays: Sequence[Any]) -> tuple[Any, ...]:
        """The same numbers in plain arrays in C order; arrays that are such keep their place."""
        return tuple([np.require(a, self._dtype, ("C", "A")).view(self._dtype) for a in arrays])

    def _found(self, gradients: tuple[Any, ...]) -> bool:
        self._slopes = gradients  # which keeps them where they are
        return located(id(gradients), id(self._homes), *self._kinds, self._table)

    def point_at(self, gradients: Sequence[Any]) -> None:
        """Take the next step along these gradients, which are known to fit."""
        self._slopes = gradients
        self._table[:, 1] = list(map(address_of, gradients))

    def take(self, numbers: Sequence[Sequence[float]], *flags: bool) -> None:
        """One step of all of them."""
        numbers = np.array(numbers, self._dtype)
        if self._total < _SHARED:
            self._share(self._table, self._total, numbers, self._like, *flags, 0, 1)
        else:
            self._run(self._table, self._total, numbers, self._like, *flags, thread_count())
        self._slopes = ()


def adam_step(
    p: Any, g: Any, m: Any, v: Any, largest: Any, scratch: Any, betas: Any, rate: float,
    eps: float, eps_inside: bool, decay: float, shrink: float,
) -> Any:  # fmt: skip
    """See :func:`autograd.kernels.updates.adam_step`."""
    if largest is not None or not serves(p, g, m, v) or not _writeable(p, m, v):
        return NotImplemented
    beta1, beta2 = betas
    numbers = (beta1, 1 - beta1, beta2, 1 - beta2, rate, eps, decay, shrink)
    steps = Steps("adam", [(p, m, v)])
    steps.point_at([g])
    steps.take([numbers], eps_inside, decay != 0, shrink != 1)
    return None


def sgd_step(
    p: Any, g: Any, m: Any, scratch: Any, rate: float, momentum: float, dampening: float,
    nesterov: bool, decay: float,
) -> Any:  # fmt: skip
    """See :func:`autograd.kernels.updates.sgd_step`."""
    arrays = (p,) if m is None else (p, m)
    if not serves(*arrays, g) or not _writeable(*arrays):
        return NotImplemented
    numbers = (rate, momentum, 1 - dampening, decay)
    steps = Steps("sgd", [arrays])
    steps.point_at([g])
    steps.take([numbers], m is not None, nesterov, decay != 0)
    return None


def _writeable(*arrays: Any) -> bool:
    """Whether they may be written to; compiled code, which has an address, would do it anyway."""
    return all(a.flags.writeable for a in arrays)


# ------------------------------------------------------------------------------ compiled


@_exact
def _adam_part(p, g, m, v, numbers, eps_inside, decays, shrinks):
    beta1, rest1, beta2, rest2 = numbers[0], numbers[1], numbers[2], numbers[3]
    rate, eps, decay, shrink = numbers[4], numbers[5], numbers[6], numbers[7]
    if decays or shrinks or eps_inside:
        for i in range(len(p)):
            slope = p[i] * decay + g[i] if decays else g[i]
            if shrinks:
                p[i] = p[i] * shrink
            m[i] = m[i] * beta1 + slope * rest1
            v[i] = v[i] * beta2 + slope * slope * rest2
            root = np.sqrt(v[i] + eps) if eps_inside else np.sqrt(v[i]) + eps
            p[i] = p[i] - m[i] / root * rate
    else:
        for i in range(len(p)):
            m[i] = m[i] * beta1 + g[i] * rest1
            v[i] = v[i] * beta2 + g[i] * g[i] * rest2
            p[i] = p[i] - m[i] / (np.sqrt(v[i]) + eps) * rate


@_exact
def _adam_share(table, total, numbers, like, eps_inside, decays, shrinks, share, shares):
    """One of so many equal shares of the numbers of all arrays."""
    first, last = total * share // shares, total * (share + 1) // shares
    for k in range(len(table)):
        begin, end = max(first, 0), min(last, table[k, 4])
        if begin < end:
            _adam_part(
                values_at(table[k, 0], begin, end, like), values_at(table[k, 1], begin, end, like),
                values_at(table[k, 2], begin, end, like), values_at(table[k, 3], begin, end, like),
                numbers[min(k, len(numbers) - 1)], eps_inside, decays, shrinks,
            )  # fmt: skip
        first -= table[k, 4]
        last -= table[k, 4]


@_exact_parallel
def _adam(table, total, numbers, like, eps_inside, decays, shrinks, threads):
    for t in prange(threads):
        _adam_share(table, total, numbers, like, eps_inside, decays, shrinks, t, threads)


@_exact
def _sgd_part(p, g, m, numbers, moves, nesterov, decays):
    rate, momentum, rest, decay = numbers[0], numbers[1], numbers[2], numbers[3]
    if moves:
        for i in range(len(p)):
            slope = p[i] * decay + g[i] if decays else g[i]
            m[i] = m[i] * momentum + slope * rest
            along = m[i] * momentum + slope if nesterov else m[i]
            p[i] = p[i] - along * rate
    else:
        for i in range(len(p)):
            slope = p[i] * decay + g[i] if decays else g[i]
            p[i] = p[i] - slope * rate


@_exact
def _sgd_share(table, total, numbers, like, moves, nesterov, decays, share, shares):
    """One of so many equal shares of the numbers of all arrays."""
    first, last = total * share // shares, total * (share + 1) // shares
    for k in range(len(table)):
        begin, end = max(first, 0), min(last, table[k, 4])
        if begin < end:
            _sgd_part(
                values_at(table[k, 0], begin, end, like), values_at(table[k, 1], begin, end, like),
                values_at(table[k, 2 if moves else 0], begin, end, like),
                numbers[min(k, len(numbers) - 1)], moves, nesterov, decays,
            )  # fmt: skip
        first -= table[k, 4]
        last -= table[k, 4]


@_exact_parallel
def _sgd(table, total, numbers, like, moves, nesterov, decays, threads):
    for t in prange(threads):
        _sgd_share(table, total, numbers, like, moves, nesterov, decays, t, threads)
