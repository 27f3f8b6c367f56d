"""Images laid out so that the columns a convolution multiplies with are a few long copies.

im2col by the book copies each window on its own, in runs as short as the kernel is wide. Here the
zero-padded input of a few images is laid out once as one flat row per channel. What one tap sees
in *all* windows is then one contiguous run of that row, and the column matrix a few long copies:

    x = a b c    with padding 1, laid out:           . . . . . a b c . d e f . g h i . . . . .
        d e f    1st tap of a 3 by 3 kernel sees     . . . . . a b c . d e
        g h i    2nd tap sees, one position on,        . . . . a b c . d e f    ("." is 0)

- Neighbouring rows share their padding, as above.
- With a stride, cells of equal index modulo the stride are kept in rows of their own, called
  phases; within one phase the windows are adjacent again.
- The images of a batch stand between the last two axes, so that only the last axis has positions
  that belong to no window, at most kernel - 1 of them per row. They are computed and dropped.
- Where images are so small that those would be many, the images of a batch stand innermost, and
  columns are copied row by row of windows: no position is wasted, and runs are still long.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from autograd.kernels._kept import Loan
from autograd.kernels._shares import even
from autograd.kernels._windows import Array, Index, Ints, trailing

__all__ = ["Axis", "FlatRows", "axes_of", "batches", "prefers_innermost"]

# Columns are made in pieces of about this many bytes: small enough for the matrix product to read
# them back from cache, large enough for it to run at full speed.
_COLUMN_BYTES = 1 << 20
# ... but never fewer columns than this, or the product spends its time repacking the weight.
_MIN_COLUMNS = 512
# Columns that are to be added up are made in larger pieces: the sums are many short operations.
_ADDED_BYTES = 1 << 22
# Distances of rows that are multiples of so many bytes are avoided, by the length of a cache line.
_ALIASED, _LINE = 1 << 11, 64
# Images stand innermost where rows are longer than windows need by this factor, and there are so
# many images.
_WASTE = 1.15
_MIN_INNERMOST = 8


class Phase(NamedTuple):
    """Taps of one axis that share a phase of the stride: where they read, and what is there."""

    taps: slice  # these taps of the kernel
    offset: int  # position of the first of them, in window 0
    step: int  # distance from one to the next
    cells: slice  # cells of the input that are in this phase
    positions: slice  # and where they stand


class Axis(NamedTuple):
    """One spatial axis of the flat rows."""

    out: int  # windows
    kernel: int  # taps
    pitch: int  # positions, padding included
    reach: int  # position of the last tap, in window 0
    phases: tuple[Phase, ...]


@lru_cache(maxsize=1024)
def _axis(size: int, out: int, kernel: int, stride: int, before: int, dilation: int) -> Axis:
    """Lay out one axis. ``before`` may be negative: so many cells are then left out.

    Window ``o`` reads padded cell ``o * stride + t * dilation``, which is position
    ``o + (t * dilation) // stride`` of phase ``(t * dilation) % stride``.
    """
    common = math.gcd(stride, dilation)
    apart = stride // common  # taps t and t + apart share a phase
    reach = (kernel - 1) * dilation // stride
    end = out + reach  # no position from here on is ever read
    lead = end  # zeros that every phase starts with
    pitch = out
    phases = []
    for t in range(min(apart, kernel)):
        r = t * dilation % stride
        start = max(0, -((r - before) // stride))
        stop = min(end, (size - 1 + before - r) // stride + 1)
        cells = positions = slice(0, 0)
        if start < stop:
            first = start * stride + r - before
            cells = slice(first, first + (stop - start - 1) * stride + 1, stride)
            positions = slice(start, stop)
            pitch = max(pitch, stop)
            lead = min(lead, start)
        offset = t * dilation // stride
        phases.append(Phase(slice(t, None, apart), offset, dilation // common, cells, positions))
    # What a window reads past the end of its row must be 0: the next row's leading zeros will do.
    return Axis(out, kernel, max(pitch, end - lead), reach, tuple(phases))


def axes_of(
    spatial: Ints, out: Ints, kernel: Ints, stride: Ints, before: Ints, dilation: Ints
) -> list[Axis]:
    return list(map(_axis, spatial, out, kernel, stride, before, dilation))


@lru_cache(maxsize=64)
def _images_first(channels: int, axes: int, images: int) -> list[int]:
    """The order of so many axes of channels and others that puts one of the latter first."""
    order = list(range(channels + axes))
    order.insert(0, order.pop(channels + images))
    return order


class FlatRows:
    """A few images as flat zero-padded rows, and the column matrix that is read off them.

    Arrays here are ``(*channels, ...)``, with all positions of all images flat on the last axis.

    Attributes:
        data: the rows, ``(*channels, phases, positions)``.
        images: how many.
        size: positions on the last axis.
        length: from the first window to the last one, in positions.
        cells: places of the rows that are not padding, viewed as images, and what cells of an image
            they hold.
    """

    def __init__(
        self,
        axes: list[Axis],
        images: int,
        channels: tuple[int, ...],
        dtype: DTypeLike,
        innermost: bool,
        at_once: int,
    ) -> None:
        """``at_once`` is about how many columns a piece shall have; 0 for all of them."""
        self._axes = axes  # which keeps them, and so the key by which this is known, as they are
        n = len(axes)
        pitches, out = [a.pitch for a in axes], [a.out for a in axes]
        self.images = images
        shape = [*pitches, images] if innermost else [*pitches[:-1], images, pitches[-1]]
        steps = [math.prod(shape[i + 1 :]) for i in range(n)]
        if not innermost:
            steps[-1] = 1
        self._shape = shape
        self._images_axis = n if innermost else n - 1
        self._windows = trailing(slice(0, a.out) for a in axes)
        self._spread: Array | None = None
        last = sum((a.out - 1 + a.reach) * step for a, step in zip(axes, steps, strict=True))
        last += images - 1 if innermost else (images - 1) * pitches[-1]  # no position is beyond
        if innermost:
            self.size = self.length = images * math.prod(out)
            self._windows_shape = [*out, images]
        else:
            reach = sum(a.reach * step for a, step in zip(axes, steps, strict=True))
            self.size, self.length = images * math.prod(pitches), last - reach + 1
            self._windows_shape = shape

        # The data, one row per channel and phase.
        phases = list(itertools.product(*(a.phases for a in axes)))
        row = max(math.prod(shape), last + 1)
        self.data = np.zeros((*channels, len(phases), row), dtype)
        self.cells = [
            (
                self._images_first(self.data[..., i, :], shape)[
                    trailing(p.positions for p in phase)
                ],
                trailing(p.cells for p in phase),
            )
            for i, phase in enumerate(phases)
        ]

        # Phase by phase: its taps, where the first of them begins, strides from tap to tap.
        self._taps = [
            (
                tuple(p.taps for p in phase),
                i * row + sum(p.offset * step for p, step in zip(phase, steps, strict=True)),
                [p.step * step for p, step in zip(phase, steps, strict=True)],
            )
            for i, phase in enumerate(phases)
        ]
        kernel = [a.kernel for a in axes]
        if innermost:
            run, self._run_steps, self._span = [*out[:-1], out[-1] * images], steps[:-1], self.size
        else:
            count = max(1, round(self.length / at_once)) if at_once else 1
            self._span = -(-self.length // count)
            run, self._run_steps = [self._span], []
        self._columns_shape = (*channels, *kernel, *run)
        self._all = (slice(None),) * len(channels)
        self._pointwise = kernel == [1] * n and pitches == out

    @classmethod
    def lent(cls, loan: Loan, axes: list[Axis], *others: Any, added: bool = False) -> FlatRows:
        """One that earlier calls may have used, made of ``others`` as by the constructor.

        ``added`` tells that it is to be scattered to: what is around images is no longer 0 then.
        """
        return loan.take((tuple(map(id, axes)), *others, added), lambda: cls(axes, *others))

    @property
    def nbytes(self) -> int:
        """Of all of its arrays."""
        made = (self._spread, self.__dict__.get("_columns"))
        return self.data.nbytes + sum(array.nbytes for array in made if array is not None)

    @cached_property
    def _columns(self) -> Array:
        """Room for column matrices, ``(*channels, *kernel, *run)``."""
        outer = len(self._all) + len(self._axes)
        length = math.prod(self._columns_shape[outer:])
        rows = (*self._columns_shape[:outer], distance(length, self.data.itemsize))
        return np.empty(rows, self.data.dtype)[..., :length].reshape(self._columns_shape)

    def load(self, x: Array) -> None:
        """Lay out ``x``, ``(images, *channels, *spatial)``."""
        for places, cells in self.cells:
            places[...] = x[cells]

    def unload(self, x: Array) -> None:
        """Write back into ``x`` those of its cells that any window can read."""
        for places, cells in self.cells:
            x[cells] = places

    def spread(self, g: Array) -> Array:
        """Lay out ``g``, ``(images, *channels, *out)``, by window, with 0 where no window is."""
        channels = g.shape[1 : g.ndim - len(self._windows) + 1]
        if self._spread is None or self._spread.shape[:-1] != channels:
            row = distance(self.size, self.data.itemsize)
            self._spread = np.zeros((*channels, row), self.data.dtype)[..., : self.size]
        self.windows(self._spread)[...] = g
        return self._spread

    def starts(self) -> list[int]:
        """Where the run that a tap sees begins in the rows of a channel, in the kernel's order."""
        starts = np.empty([axis.kernel for axis in self._axes], np.intp)
        for taps, first, steps in self._taps:
            part = starts[taps]
            away = [n * step for n, step in zip(np.indices(part.shape), steps, strict=True)]
            part[...] = sum(away, np.intp(first))
        return [int(start) for start in starts.flat]

    def windows(self, flat: Array) -> Array:
        """View window positions, ``(*channels, size)``, as ``(images, *channels, *out)``."""
        return self._images_first(flat, self._windows_shape)[self._windows]

    def columns(self) -> Iterator[tuple[slice, Array]]:
        """Column matrices ``(*channels, *kernel, positions)``, each with the positions it is for.

        Each is overwritten by the next.
        """
        if self._pointwise:
            yield slice(0, self.length), self.data[..., 0, : self.length]  # rows are columns
            return
        for start, count in self._pieces():
            for taps, first, steps in self._taps:
                part = self._columns[(*self._all, *taps)][..., :count]
                part[...] = self._run(part.shape, first + start, steps)
            yield slice(start, start + count), self._columns[..., :count]

    def scatter(self) -> Iterator[tuple[slice, Array]]:
        """Adjoint of `columns`: the matrices are to be written to, and are added up on the rows."""
        self.data[...] = 0
        for start, count in self._pieces():
            yield slice(start, start + count), self._columns[..., :count]
            for taps, first, steps in self._taps:
                part = self._columns[(*self._all, *taps)][..., :count]
                runs = self._run(part.shape, first + start, steps)
                # One tap after the other: runs of different taps overlap.
                channels = len(self._all)
                for tap in np.ndindex(part.shape[channels : channels + len(steps)]):
                    at: Index = (*self._all, *tap)
                    np.add(runs[at], part[at], out=runs[at])

    def _images_first(self, flat: Array, shape: Ints) -> Array:
        channels = flat.shape[:-1]
        order = _images_first(len(channels), len(shape), self._images_axis)
        return flat[..., : math.prod(shape)].reshape(channels + tuple(shape)).transpose(order)

    def _pieces(self) -> Iterator[tuple[int, int]]:
        for start in range(0, self.length, self._span):
            yield start, min(self._span, self.length - start)

    def _run(self, shape: tuple[int, ...], first: int, steps: list[int]) -> Array:
        """View of the data that starts at ``first`` and strides from tap to tap by ``steps``."""
        itemsize = self.data.itemsize
        channels = self.data.strides[:-2]
        strides = [*channels, *(itemsize * s for s in (*steps, *self._run_steps, 1))]
        return np.ndarray(shape, self.data.dtype, self.data, itemsize * first, strides)


def distance(length: int, itemsize: int) -> int:
    """How far apart rows of so many numbers should lie that a matrix product reads.

    At distances that are multiples of 2048 bytes the first numbers of all rows would share a few
    places of the cache, and a product take up to twice as long.
    """
    return length + (0 if length * itemsize % _ALIASED else _LINE // itemsize)


def prefers_innermost(axes: Sequence[Axis], images: int) -> bool:
    """Whether so many images had better stand innermost."""
    return axes[-1].pitch > _WASTE * axes[-1].out and images >= _MIN_INNERMOST


def batches(
    count: int,
    channels: tuple[int, ...],
    axes: list[Axis],
    dtype: DTypeLike,
    added: bool = False,
) -> Iterator[tuple[slice, FlatRows]]:
    """Flat rows for a few images at a time, about as many as fill one piece of columns.

    Args:
        added: whether columns are to be added up, rather than multiplied with.
    """
    depth = math.prod(channels) * math.prod(a.kernel for a in axes)
    plane = math.prod(a.pitch for a in axes)
    room = _ADDED_BYTES if added else _COLUMN_BYTES
    wanted = max(_MIN_COLUMNS, room // (depth * np.dtype(dtype).itemsize))
    most = max(1, round(wanted / plane))
    together = min(count, 2 * wanted // math.prod(a.out for a in axes))
    innermost = prefers_innermost(axes, together)
    if innermost:
        most = together
    most = even(count, most)
    with Loan() as loan:
        for start in range(0, count, most):
            images = min(most, count - start)
            yield (
                slice(start, start + images),
                FlatRows.lent(loan, axes, images, channels, dtype, innermost, wanted, added=added),
            )
