"""Steps of optimizers in one pass over memory, rounded exactly as the NumPy ones are.

Arrays are found by their addresses, so that one call can update any number of them: what is around
a call, such as waking threads, takes as long as ten thousand elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from autograd.kernels._blas import address_of, addresses_of
from autograd.kernels._numba import prange, serves
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
        self._like = np.empty(0, arrays[0][0].dtype)
        # Of the array, its gradient, and its state; and the number of elements.
        self._table = np.zeros((len(arrays), 5), np.int64)
        for row, (p, *state) in zip(self._table, arrays):
            row[0], row[4] = address_of(p), p.size
            row[2 : 2 + len(state)] = list(map(address_of, state))
        self._slopes = self._table[:, 1]
        self._total = int(self._table[:, 4].sum())

    @property
    def ready(self) -> bool:
        """Whether compiled code may still be used."""
        return SETTINGS.may_compile

    def take(
        self, gradients: Sequence[Any], numbers: Sequence[Sequence[float]], *flags: bool
    ) -> None:
        """One step of all of them."""
        addresses = addresses_of(gradients)
        if 0 in addresses:
            gradients = list(map(np.ascontiguousarray, gradients))
            addresses = addresses_of(gradients)
        self._slopes[:] = addresses
        numbers = np.array(numbers, self._like.dtype)
        if self._total < _SHARED:
            self._share(self._table, self._total, numbers, self._like, *flags, 0, 1)
        else:
            self._run(self._table, self._total, numbers, self._like, *flags, thread_count())


def adam_step(
    p: Any, g: Any, m: Any, v: Any, largest: Any, scratch: Any, betas: Any, rate: float,
    eps: float, eps_inside: bool, decay: float, shrink: float,
) -> Any:  # fmt: skip
    """See :func:`autograd.kernels.updates.adam_step`."""
    if largest is not None or not serves(p, g, m, v) or not _writeable(p, m, v):
        return NotImplemented
    beta1, beta2 = betas
    numbers = (beta1, 1 - beta1, beta2, 1 - beta2, rate, eps, decay, shrink)
    Steps("adam", [(p, m, v)]).take([g], [numbers], eps_inside, decay != 0, shrink != 1)
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
    Steps("sgd", [arrays]).take([g], [numbers], m is not None, nesterov, decay != 0)
    return None


def _writeable(*arrays: Any) -> bool:
    """Whether they may be written to; compiled code, which has an address, would do it anyway."""
    return all(a.flags.writeable for a in arrays)


# ------------------------------------------------------------------------------ compiled


@intrinsic
def _pointer(typingctx, address, like):
    """The address of numbers like those of an array."""
    pointer = types.CPointer(like.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(pointer))

    return pointer(types.intp, like), codegen


@_exact
def _part(address, first, last, like):
    """The numbers from ``first`` to ``last`` of those at an address."""
    return carray(_pointer(address + first * like.itemsize, like), last - first)


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
                _part(table[k, 0], begin, end, like), _part(table[k, 1], begin, end, like),
                _part(table[k, 2], begin, end, like), _part(table[k, 3], begin, end, like),
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
                _part(table[k, 0], begin, end, like), _part(table[k, 1], begin, end, like),
                _part(table[k, 2 if moves else 0], begin, end, like),
                numbers[min(k, len(numbers) - 1)], moves, nesterov, decays,
            )  # fmt: skip
        first -= table[k, 4]
        last -= table[k, 4]


@_exact_parallel
def _sgd(table, total, numbers, like, moves, nesterov, decays, threads):
    for t in prange(threads):
        _sgd_share(table, total, numbers, like, moves, nesterov, decays, t, threads)
