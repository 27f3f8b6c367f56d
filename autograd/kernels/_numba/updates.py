"""Steps of optimizers in one pass over memory, rounded exactly as the NumPy ones are."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from autograd.kernels._numba import prange, serves
from autograd.kernels._threads import thread_count

__all__ = ["adam_step", "sgd_step"]

# No operation is reordered, nor a product fused into a sum.
_exact = numba.njit(error_model="numpy", cache=True, nogil=True)
_exact_parallel = numba.njit(error_model="numpy", cache=True, nogil=True, parallel=True)

# From this many elements on, a second thread is worth the trouble of waking it.
_SHARED = 1 << 15


def adam_step(
    p: Any, g: Any, m: Any, v: Any, largest: Any, scratch: Any, betas: Any, rate: float,
    eps: float, eps_inside: bool, decay: float, shrink: float,
) -> Any:  # fmt: skip
    """See :func:`autograd.kernels.updates.adam_step`."""
    if largest is not None or not serves(p, g, m, v):
        return NotImplemented
    number = p.dtype.type
    beta1, beta2 = betas
    numbers = np.array([beta1, 1 - beta1, beta2, 1 - beta2, rate, eps, decay, shrink], number)
    arrays = (p.reshape(-1), g.reshape(-1), m.reshape(-1), v.reshape(-1))
    threads = 1 if p.size < _SHARED else thread_count()
    _adam(*arrays, numbers, eps_inside, decay != 0, shrink != 1, threads)
    return None


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


@_exact_parallel
def _adam(p, g, m, v, numbers, eps_inside, decays, shrinks, threads):
    for t in prange(threads):
        first, last = len(p) * t // threads, len(p) * (t + 1) // threads
        _adam_part(
            p[first:last], g[first:last], m[first:last], v[first:last],
            numbers, eps_inside, decays, shrinks,
        )  # fmt: skip


def sgd_step(
    p: Any, g: Any, m: Any, scratch: Any, rate: float, momentum: float, dampening: float,
    nesterov: bool, decay: float,
) -> Any:  # fmt: skip
    """See :func:`autograd.kernels.updates.sgd_step`."""
    if not serves(p, g) or (m is not None and not serves(p, m)):
        return NotImplemented
    numbers = np.array([rate, momentum, 1 - dampening, decay], p.dtype.type)
    threads = 1 if p.size < _SHARED else thread_count()
    flat = p.reshape(-1)
    along = flat if m is None else m.reshape(-1)
    _sgd(flat, g.reshape(-1), along, numbers, m is not None, nesterov, decay != 0, threads)
    return None


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


@_exact_parallel
def _sgd(p, g, m, numbers, moves, nesterov, decays, threads):
    for t in prange(threads):
        first, last = len(p) * t // threads, len(p) * (t + 1) // threads
        _sgd_part(p[first:last], g[first:last], m[first:last], numbers, moves, nesterov, decays)
