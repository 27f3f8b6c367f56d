"""Steps of optimizers on plain arrays, in place: Adam's, and that of descent with momentum.

The compiled twins round after the same operations in the same order: the results are the same bit
for bit, so that a run can be resumed with other kernels, or with parameters grouped otherwise. But
sums of 2¹⁴ elements and more are left to BLAS where it has a function for them, which may round
once where NumPy rounds twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

# By these names Python finds NumPy's functions in less time, which counts where there is little.
from numpy import add, array, divide, maximum, multiply, sqrt, square, subtract

from autograd.kernels._blas import address_of, openblas
from autograd.kernels._settings import SETTINGS
from autograd.kernels._threads import are_up, in_threads, thread_count
from autograd.kernels._twins import compilable, settle
from autograd.kernels._windows import Array

__all__ = ["adam_step", "sgd_step", "steps_together"]

# From this many elements on, a second thread is worth the trouble of waking it, ...
_SHARED = 1 << 18
# ... Numba that of importing it, ...
_COMPILED = 1 << 11
# ... and calling BLAS takes less time than passing over memory twice more. So many at a time stay
# in the cache from one operation to the next.
_LARGE, _BLOCK = 1 << 14, 1 << 18

# combine(y, x, a, b) makes y a x + b y, of arrays in C order; None stands for doing it by ufuncs.
Combine = Callable[[Array, Array, float, float], None] | None


def steps_together(kind: str, arrays: Sequence[Sequence[Array]]) -> Any:
    """Compiled code that takes a step for many parameters in one call; None if there is none.

    Args:
        kind: "adam" or "sgd".
        arrays: for each parameter itself and what `adam_step` or `sgd_step` change beside it, all
            of one dtype and in C order. They are kept, and found by where they are now.

    Returns:
        What has a method ``locate(gradients)``, whether a step can be taken along these, and then
        ``take(numbers, *flags)``: for each parameter, or once for all, the numbers that the step is
        made of, β₁, 1 − β₁, β₂, 1 − β₂, rate, eps, decay and shrink, or rate, momentum,
        1 − dampening and decay; whether eps goes inside, there is a decay, and a shrinking, or
        whether there are momenta, Nesterov's, and a decay.
    """
    large = sum(row[0].size for row in arrays) >= _COMPILED
    worth = large or SETTINGS.started or SETTINGS.kernels == "numba"
    if not SETTINGS.may_compile or not worth or not settle():
        return None
    from autograd.kernels._numba.updates import Steps

    steps = Steps(kind, arrays)
    return steps if steps.can_locate() else None


@lru_cache(maxsize=2)
def _by_blas(dtype: Any) -> Combine:
    """BLAS's way to combine arrays of a dtype in one pass, if it has one."""
    blas = openblas()
    axpby = None if blas is None else blas.axpby(dtype.char)
    if axpby is None:
        return None

    def combine(y: Array, x: Array, a: float, b: float) -> None:
        if not y.flags.writeable:
            raise ValueError("output array is read-only")  # as a ufunc says it
        axpby(y.size, a, address_of(x), 1, b, address_of(y), 1)

    return combine


def _in_blocks(
    work: Callable[..., None],
    arrays: Sequence[Array | None],
    scratch: Sequence[Array | None],
    *options: Any,
) -> None:
    """``work(combine, *arrays, *scratch, *options)`` on slices of large arrays; None stays None.

    Slices go one after the other, in two threads where some of ours are up already. None are
    started for it: the gain is a fifth of a step, and BLAS would have to do with one thread from
    then on.
    """
    given = [a for a in (*arrays, *scratch) if a is not None]
    first = given[0]
    if not all(a.flags.c_contiguous and a.dtype == first.dtype for a in given):
        work(None, *arrays, *scratch, *options)
        return
    combine = _by_blas(first.dtype)
    flat, room = ([None if a is None else a.reshape(-1) for a in s] for s in (arrays, scratch))
    size = first.size
    threads = thread_count() if size >= _SHARED and are_up() else 1
    bounds = [size * i // threads for i in range(threads + 1)]

    def share(i: int) -> None:
        for start in range(bounds[i], bounds[i + 1], _BLOCK):
            part = slice(start, min(start + _BLOCK, bounds[i + 1]))
            own = slice(bounds[i], bounds[i] + part.stop - start)  # the same for all of a thread's
            parts = [None if a is None else a[part] for a in flat]
            work(combine, *parts, *[None if a is None else a[own] for a in room], *options)

    in_threads(share, range(threads))


@compilable(least=_COMPILED)
def adam_step(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    largest: Array | None,
    scratch: Sequence[Array],
    betas: tuple[float, float],
    rate: float,
    eps: float,
    eps_inside: bool,
    decay: float,
    shrink: float,
) -> None:
    """One step of Adam: p ← shrink p − rate m / (√v + eps), all arrays of one shape and dtype.

    Before it, g becomes g + decay p where decay is not 0, m ← β₁ m + (1 − β₁) g and
    v ← β₂ v + (1 − β₂) g².

    Args:
        p, m, v: changed in place.
        g: only read.
        largest: where given, the largest v so far, which is divided by instead.
        scratch: an array to work in, a second one if decay is not 0; must not be p, g, m or v.
        eps_inside: divide by √(v + eps) instead.

    >>> p, g, m, v, work = (np.full(1, x) for x in (1.0, 2.0, 0.0, 0.0, 0.0))
    >>> adam_step(p, g, m, v, None, [work], (0.5, 0.75), 0.1, 0.0, False, 0.0, 1.0)
    >>> m, v, p
    (array([1.]), array([1.]), array([0.9]))
    """
    arrays, work = (p, g, m, v, largest), (scratch[0], scratch[1] if decay else None)
    if p.size < _LARGE:
        _adam(None, *arrays, *work, betas, rate, eps, eps_inside, decay, shrink)
    else:
        _in_blocks(_adam, arrays, work, betas, rate, eps, eps_inside, decay, shrink)


def _adam(
    combine: Combine,
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    largest: Array | None,
    work: Array,
    decayed: Array | None,
    betas: tuple[float, float],
    rate: float,
    eps: float,
    eps_inside: bool,
    decay: float,
    shrink: float,
) -> None:
    # `out` by position and numbers as arrays: on small ones NumPy takes half the time.
    dtype = p.dtype
    beta1, rest1, beta2, rest2 = _shares(*betas, dtype)
    if decayed is not None:
        multiply(p, decay, decayed)
        g = add(decayed, g, decayed)
    if shrink != 1:
        multiply(p, shrink, p)
    if combine is not None:
        combine(m, g, rest1, beta1)
        combine(v, square(g, work), rest2, beta2)
    else:
        multiply(m, beta1, m)
        multiply(g, rest1, work)
        add(m, work, m)
        multiply(v, beta2, v)
        square(g, work)
        multiply(work, rest2, work)
        add(v, work, v)
    if largest is not None:
        v = maximum(largest, v, out=largest)
    small = array(eps, dtype)
    if eps_inside:
        add(v, small, work)
        sqrt(work, work)
    else:
        sqrt(v, work)
        add(work, small, work)
    divide(m, work, work)
    if combine is not None:
        combine(p, work, -rate, 1)
    else:
        multiply(work, array(rate, dtype), work)
        subtract(p, work, p)


@lru_cache(maxsize=64)
def _shares(beta1: float, beta2: float, dtype: Any) -> list[Array]:
    """β₁, 1 − β₁, β₂ and 1 − β₂ as arrays without axes, not to be written to."""
    numbers = [np.asarray(b, dtype) for b in (beta1, 1 - beta1, beta2, 1 - beta2)]
    for number in numbers:
        number.flags.writeable = False
    return numbers


@compilable(least=1 << 13)
def sgd_step(
    p: Array,
    g: Array,
    m: Array | None,
    scratch: Sequence[Array],
    rate: float,
    momentum: float,
    dampening: float,
    nesterov: bool,
    decay: float,
) -> None:
    """One step of gradient descent: p ← p − rate m with m ← momentum m + (1 − dampening) g.

    Args:
        p: changed in place.
        g: only read; becomes g + decay p first where decay is not 0.
        m: changed in place; None for a step along g.
        scratch: an array to work in, a second one if decay is not 0; must not be p, g or m.
        nesterov: step along g + momentum m instead.

    >>> p, g, m, work = (np.full(1, x) for x in (1.0, 2.0, 4.0, 0.0))
    >>> sgd_step(p, g, m, [work], 0.1, 0.5, 0.0, False, 0.0)
    >>> m, p
    (array([4.]), array([0.6]))
    """
    arrays, work = (p, g, m), (scratch[0], scratch[1] if decay else None)
    if p.size < _LARGE:
        _sgd(None, *arrays, *work, rate, momentum, dampening, nesterov, decay)
    else:
        _in_blocks(_sgd, arrays, work, rate, momentum, dampening, nesterov, decay)


def _sgd(
    combine: Combine,
    p: Array,
    g: Array,
    m: Array | None,
    work: Array,
    decayed: Array | None,
    rate: float,
    momentum: float,
    dampening: float,
    nesterov: bool,
    decay: float,
) -> None:
    if decayed is not None:
        multiply(p, decay, decayed)
        g = add(decayed, g, decayed)
    if m is not None:
        if combine is not None:
            combine(m, g, 1 - dampening, momentum)
        else:
            multiply(m, momentum, m)
            add(m, multiply(g, 1 - dampening, work) if dampening else g, m)
        if nesterov:
            multiply(m, momentum, work)
            g = add(work, g, work)
        else:
            g = m
    if combine is not None:
        combine(p, g, -rate, 1)
    else:
        multiply(g, rate, work)
        subtract(p, work, p)
