"""Joining arrays, taking them apart, and repeating them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from autograd._primitive import attach, implements, plain, primitive, sample
from autograd._tensor import as_tensor
from autograd.primitives import ufuncs
from autograd.primitives.indexing import add_slices, getitem
from autograd.primitives.shaping import axis_in

Shape = tuple[int, ...]


@primitive(
    name="concatenate",
    batched=True,
    samples=(
        sample((2, 3), (1, 3), axis=0),
        sample((2, 3), (2, 1), (2, 2), axis=-1),
        sample((2, 2), (3,), axis=None),
    ),
)
def _concatenate(*arrays: Any, axis: int | None = 0) -> Any:
    """Arrays joined along an existing axis (None: flattened first)."""
    return np.concatenate(arrays, axis)


@_concatenate.rule
def _(g: Any, axis: int | None, shapes: Sequence[Shape], needs: Sequence[bool]) -> Any:
    # Counted from the end, as g may have another axis in front.
    back = 1 if axis is None else len(shapes[0]) - axis % len(shapes[0])
    parts = []
    start = 0
    for shape, need in zip(shapes, needs, strict=True):
        stop = start + (math.prod(shape) if axis is None else shape[-back])
        if need:
            part = g[(..., slice(start, stop), *(slice(None),) * (back - 1))]
            parts.append(np.reshape(part, g.shape[:-1] + shape) if axis is None else part)
        else:
            parts.append(None)
        start = stop
    return parts


@implements(np.concatenate)
def concatenate(
    arrays: Sequence[Any],
    axis: int | None = 0,
    out: Any = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    """Arrays joined along an existing axis (None: flattened first)."""
    joined = _concatenate.call(*arrays, axis=axis)
    if dtype is not None:
        joined = as_tensor(joined, dtype)
    return joined if out is None else ufuncs.store(joined, out, "concatenate")


@primitive(
    name="stack",
    batched=True,
    samples=(
        sample((2, 3), (2, 3), axis=1),
        sample((), (), (), axis=0),
        sample((2,), (2,), axis=-1),
    ),
)
def _stack(*arrays: Any, axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis."""
    return np.stack(arrays, axis)


@_stack.rule
def _(g: Any, axis: int, shapes: Sequence[Shape], needs: Sequence[bool]) -> Any:
    ndim = len(shapes[0]) + 1
    after = (slice(None),) * (ndim - axis % ndim - 1)
    return [g[(..., i, *after)] if need else None for i, need in enumerate(needs)]


@implements(np.stack)
def stack(
    arrays: Sequence[Any],
    axis: int = 0,
    out: Any = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    """Arrays of one shape joined along a new axis."""
    joined = _stack.call(*arrays, axis=axis)
    if dtype is not None:
        joined = as_tensor(joined, dtype)
    return joined if out is None else ufuncs.store(joined, out, "stack")


def _row_axis(x: Any) -> int:
    return 1 if x.ndim > 1 else 0


@implements(np.hstack)
def hstack(tup: Sequence[Any], *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Arrays side by side: along the second axis, or the first of vectors."""
    arrays = [np.atleast_1d(as_tensor(x)) for x in tup]
    return concatenate(arrays, _row_axis(arrays[0]), dtype=dtype)


@implements(np.vstack)
def vstack(tup: Sequence[Any], *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Arrays one below the other; vectors become rows.

    >>> from autograd import Tensor
    >>> vstack([Tensor([1.0, 2.0]), [3.0, 4.0]])
    Tensor([[1., 2.],
            [3., 4.]])
    """
    return concatenate([np.atleast_2d(as_tensor(x)) for x in tup], 0, dtype=dtype)


@implements(np.dstack)
def dstack(tup: Sequence[Any]) -> Any:
    """Arrays behind each other, along the third axis."""
    return concatenate([np.atleast_3d(as_tensor(x)) for x in tup], 2)


@implements(np.column_stack)
def column_stack(tup: Sequence[Any]) -> Any:
    """Arrays side by side; vectors become columns."""
    arrays = [as_tensor(x) for x in tup]
    return concatenate([x if x.ndim > 1 else np.reshape(x, (-1, 1)) for x in arrays], 1)


@implements(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """``values`` behind ``arr`` along an axis, or both flattened."""
    return concatenate([as_tensor(arr), as_tensor(values)], axis)


@implements(np.block)
def block(arrays: Any) -> Any:
    """An array of blocks given as nested lists: the innermost lists run along the last axis.

    >>> from autograd import Tensor
    >>> block([[Tensor([[1.0]]), np.zeros((1, 2))]])
    Tensor([[1., 0., 0.]])
    """
    depth = _depth(arrays)
    ndim = max(depth, *(np.ndim(plain(x)) for x in _leaves(arrays)))
    return _joined(arrays, depth, ndim)


def _depth(arrays: Any) -> int:
    return 1 + max(map(_depth, arrays)) if isinstance(arrays, list) else 0


def _leaves(arrays: Any) -> list[Any]:
    if not isinstance(arrays, list):
        return [arrays, arrays]  # two, so that a single block can be compared by max()
    if not arrays:
        raise ValueError("block of an empty list")
    return [leaf for part in arrays for leaf in _leaves(part)]


def _joined(arrays: Any, depth: int, ndim: int) -> Any:
    if isinstance(arrays, list):
        return concatenate([_joined(part, depth - 1, ndim) for part in arrays], -depth)
    x = as_tensor(arrays)
    return np.reshape(x, (1,) * (ndim - x.ndim) + x.shape)


# ---------------------------------------------------------------------------------- taking apart


@implements(np.array_split)
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Parts of x along an axis: so many, or cut at these indices; lengths may differ by one.

    >>> from autograd import Tensor
    >>> [part.tolist() for part in array_split(Tensor([1, 2, 3]), 2)]
    [[1, 2], [3]]
    """
    axis = axis_in(axis, x.ndim)
    length = x.shape[axis]
    sections = plain(indices_or_sections)
    if np.ndim(sections) == 0:
        count = int(sections)
        if count <= 0:
            raise ValueError(f"the number of sections must be positive, got {count}")
        each, longer = divmod(length, count)
        cuts = np.cumsum([0] + longer * [each + 1] + (count - longer) * [each]).tolist()
    else:
        cuts = [0, *(int(i) for i in sections), length]
    before = (slice(None),) * axis
    return [getitem.call(x, index=(*before, slice(start, stop))) for start, stop in pairwise(cuts)]


@implements(np.split)
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Parts of x along an axis: so many of equal length, or cut at these indices."""
    sections = plain(indices_or_sections)
    if np.ndim(sections) == 0 and x.shape[axis] % sections:
        raise ValueError(
            f"split of an axis of length {x.shape[axis]} into {sections} equal parts; "
            "np.array_split allows parts of different lengths"
        )
    return array_split(x, sections, axis)


def _split_along(function: Any, axis_of: Callable[[Any], int], least: int) -> None:
    def split_along(x: Any, indices_or_sections: Any) -> list[Any]:
        if x.ndim < least:
            raise ValueError(f"{function.__name__} needs {least} axes, got shape {x.shape}")
        return split(x, indices_or_sections, axis_of(x))

    split_along.__name__ = split_along.__qualname__ = function.__name__
    split_along.__doc__ = f"``np.{function.__name__}``: parts of x along one fixed axis."
    implements(function)(split_along)


_split_along(np.hsplit, _row_axis, 1)
_split_along(np.vsplit, lambda x: 0, 2)
_split_along(np.dsplit, lambda x: 2, 3)


@implements(*([np.unstack] if hasattr(np, "unstack") else []))
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices of x along an axis."""
    before = (slice(None),) * axis_in(axis, x.ndim)
    return tuple(getitem.call(x, index=(*before, i)) for i in range(x.shape[axis]))


# ------------------------------------------------------------------------------------- repeating


@primitive(
    name="repeat",
    batched=True,
    samples=(
        sample((2, 3), repeats=2, axis=1),
        sample((2, 3), repeats=np.array([2, 0]), axis=0),
        sample((2, 3), repeats=np.array([1, 0, 3]), axis=-1),
        sample((3,), repeats=0, axis=0),
    ),
)
def _repeat(x: Any, /, repeats: Any, axis: int) -> Any:
    """Each element along an axis so many times."""
    return np.repeat(x, repeats, axis)


@_repeat.rule
def _(g: Any, repeats: Any, axis: int, x_shape: Shape) -> Any:
    axis = axis % len(x_shape) - len(x_shape)
    shape = g.shape[: g.ndim - len(x_shape)] + x_shape
    if np.ndim(repeats) == 0:
        place = axis + len(shape) + 1
        return np.sum(np.reshape(g, (*shape[:place], repeats, *shape[place:])), axis=place)
    source = np.repeat(np.arange(x_shape[axis]), repeats)
    return add_slices(g, source, axis, shape)


@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element along an axis so many times, or of the flattened array.

    >>> from autograd import Tensor
    >>> repeat(Tensor([1.0, 2.0]), 2)
    Tensor([1., 1., 2., 2.])
    """
    if axis is None:
        a, axis = np.reshape(a, -1), 0
    repeats = np.asarray(plain(repeats))
    if repeats.ndim == 1 and repeats.size == 1:
        repeats = repeats[0]
    return _repeat.call(a, int(repeats) if repeats.ndim == 0 else repeats, axis)


@implements(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """Copies of the whole array side by side along each axis.

    >>> from autograd import Tensor
    >>> tile(Tensor([1.0, 2.0]), 2)
    Tensor([1., 2., 1., 2.])
    """
    reps = tuple(int(r) for r in np.atleast_1d(plain(reps)))
    ndim = max(len(reps), A.ndim)
    reps = (1,) * (ndim - len(reps)) + reps
    shape = (1,) * (ndim - A.ndim) + A.shape
    # A new axis of length one before each axis, stretched to the number of copies.
    parts = np.reshape(A, tuple(n for length in shape for n in (1, length)))
    copies = np.broadcast_to(parts, tuple(n for pair in zip(reps, shape) for n in pair))
    return np.reshape(copies, tuple(r * n for r, n in zip(reps, shape)))


# --------------------------------------------------------- functions that only move elements about


def moving(function: Callable[..., Any]) -> Callable[..., Any]:
    """A NumPy function whose result consists of elements of its first argument.

    It is run on the places of the elements; the elements are then fetched from these places.
    """

    def moved(x: Any, *args: Any, **kwargs: Any) -> Any:
        x = as_tensor(x)
        places = np.arange(x.size).reshape(x.shape)
        flat = np.reshape(x, -1)
        return getitem.call(flat, index=function(places, *plain(args), **plain_values(kwargs)))

    moved.__name__ = moved.__qualname__ = function.__name__
    moved.__doc__ = f"``np.{function.__name__}``; the gradient goes where each element came from."
    return moved


def plain_values(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Settings given by name, as plain values."""
    return {name: plain(value) for name, value in kwargs.items()}


implements(np.delete)(moving(np.delete))


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """The elements in another shape, cut off or repeated as needed; zeros if there are none."""
    a = as_tensor(a)
    return moving(np.resize)(a, new_shape) if a.size else as_tensor(np.resize(plain(a), new_shape))


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """``values`` put before the indices ``obj`` along an axis, or into the flattened array.

    >>> from autograd import Tensor
    >>> insert(Tensor([1.0, 2.0]), 1, 5.0)
    Tensor([1., 5., 2.])
    """
    arr = as_tensor(arr)
    values = as_tensor(values, arr.dtype)
    places = np.arange(arr.size).reshape(arr.shape)
    new = arr.size + np.arange(values.size).reshape(values.shape)
    joined = concatenate([np.reshape(arr, -1), np.reshape(values, -1)])
    return getitem.call(joined, index=np.insert(places, plain(obj), new, axis))


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", **kwargs: Any) -> Any:
    """Without the zeros at the front (``f``) and at the back (``b``)."""
    nonzero = np.flatnonzero(plain(filt))
    if filt.ndim != 1 or kwargs:
        raise TypeError("trim_zeros of a tensor takes one axis")
    if not nonzero.size:
        return filt[:0]
    trim = trim.lower()
    start = int(nonzero[0]) if "f" in trim else 0
    return filt[start : int(nonzero[-1]) + 1 if "b" in trim else None]


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of vectors applied to each vector along an axis, one call for each.

    >>> from autograd import Tensor
    >>> apply_along_axis(np.sum, 0, Tensor([[1.0, 2.0], [3.0, 4.0]]))
    Tensor([4., 6.])
    """
    x = as_tensor(arr)
    axis = axis_in(axis, x.ndim)
    around = x.shape[:axis] + x.shape[axis + 1 :]
    if 0 in around:
        raise ValueError("apply_along_axis of an array without elements")
    results = []
    for place in np.ndindex(*around):
        line = x[(*place[:axis], slice(None), *place[axis:])]
        results.append(as_tensor(func1d(line, *args, **kwargs)))
    inner = results[0].ndim
    stacked = np.reshape(np.stack(results), around + results[0].shape)
    # The axes of each result take the place of the axis.
    order = [*range(axis), *range(len(around), len(around) + inner), *range(axis, len(around))]
    return np.transpose(stacked, order)


@implements(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    """A function ``func(a, axis)`` applied over one axis after the other, keeping the axes."""
    x = as_tensor(a)
    for axis in np.atleast_1d(plain(axes)).tolist():
        axis = axis_in(axis, a.ndim)
        result = func(x, axis)
        x = np.expand_dims(result, axis) if result.ndim == x.ndim - 1 else result
    return x


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """All windows of a shape in x; the axes of the window come last. Here it is a copy.

    >>> from autograd import Tensor
    >>> sliding_window_view(Tensor([1.0, 2.0, 3.0]), 2)
    Tensor([[1., 2.],
            [2., 3.]])
    """
    x = as_tensor(x)
    windows = tuple(window_shape) if isinstance(window_shape, tuple | list) else (window_shape,)
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if len(windows) != len(axes):
        raise ValueError(f"sliding_window_view: window {windows} for {len(axes)} axes")
    for width, a in zip(windows, axes):
        a = axis_in(a, x.ndim)
        if not 0 <= width <= x.shape[a]:
            raise ValueError(f"a window of {width} does not fit into an axis of {x.shape[a]}")
        places = np.arange(x.shape[a] - width + 1)[:, None] + np.arange(width)
        x = np.moveaxis(np.take(x, places, a), a + 1, -1)
    return x


attach("repeat", repeat)
