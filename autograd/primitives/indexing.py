"""Indexing: reading elements, and putting gradients back where they were read."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd._primitive import attach, plain, primitive, sample

Shape = tuple[int, ...]


def is_basic(index: Any) -> bool:
    """Whether NumPy answers the index with a view: slices, integers, None and Ellipsis only."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        part is None
        or part is Ellipsis
        or isinstance(part, slice | int | np.integer)
        and not isinstance(part, bool | np.bool_)
        for part in parts
    )


INDICES = (
    sample((3, 4), index=1),
    sample((3, 4), index=(slice(None), -1)),
    sample((3, 4), index=(slice(None, None, -2), None, slice(1, 3))),
    sample((2, 3, 4), index=(..., 0)),
    sample((3, 4), index=np.array([2, 0, 2])),
    sample((3, 4), index=(np.array([[0], [2]]), np.array([1, 1]))),
    sample((3, 4), index=(slice(1, None), np.array([3, 3, 0]))),
    sample((2, 3, 4), index=(np.array([0, 1]), slice(None), np.array([1, 1]))),
    sample((3,), index=np.array([True, False, True])),
    sample((), index=()),
)


@primitive(view=True, samples=INDICES)
def getitem(x: Any, /, index: Any) -> Any:
    """x[index], for every index NumPy has."""
    return x[index]


@getitem.rule
def _(g: Any, index: Any, x_shape: Shape) -> Any:
    return put(g, index, x_shape)


@primitive(
    samples=(
        sample((4,), index=1, shape=(3, 4)),
        sample((3, 4), index=np.array([2, 0, 2]), shape=(3, 4)),
    )
)
def put(x: Any, /, index: Any, shape: Shape) -> Any:
    """Zeros of ``shape`` with x added at ``index``: the adjoint of reading it."""
    out = np.zeros(shape, x.dtype)
    if is_basic(index):
        out[index] = x
    else:
        np.add.at(out, index, x)
    return out


@put.rule
def _(g: Any, index: Any) -> Any:
    return g[index]


def _getitem(self: Any, index: Any) -> Any:
    return getitem.call(self, index=plain(index))


attach("__getitem__", _getitem)


@primitive(
    np.take_along_axis,
    samples=(
        sample((3, 4), indices=np.array([[1, 1], [0, 3], [2, 2]]), axis=1),
        sample((3, 4), indices=np.array([[2, 0, 0, 1]]), axis=0),
    ),
)
def take_along_axis(x: Any, /, indices: Any, axis: int | None = -1) -> Any:
    """Elements of x picked along an axis, one index array for each row of it."""
    return np.take_along_axis(x, indices, axis)


@take_along_axis.rule
def _(g: Any, indices: Any, axis: int | None, x_shape: Shape) -> Any:
    if axis is None:
        return np.reshape(put_along_axis(g, indices, 0, (int(np.prod(x_shape)),)), x_shape)
    return put_along_axis(g, indices, axis, x_shape)


@primitive(
    samples=(sample((3, 2), index=np.array([[1, 1], [0, 3], [2, 2]]), axis=1, shape=(3, 4)),)
)
def put_along_axis(x: Any, /, index: Any, axis: int, shape: Shape) -> Any:
    """Zeros of ``shape`` with x added along an axis: the adjoint of ``take_along_axis``."""
    out = np.zeros(shape, x.dtype)
    if index.shape[axis] == 1:
        np.put_along_axis(out, index, x, axis)
    else:
        axis %= len(shape)
        grid = list(np.ogrid[tuple(slice(n) for n in index.shape)])
        grid[axis] = index
        np.add.at(out, tuple(grid), x)
    return out


@put_along_axis.rule
def _(g: Any, index: Any, axis: int) -> Any:
    return np.take_along_axis(g, index, axis)
