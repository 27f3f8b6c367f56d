"""Indexing: reading elements, and putting gradients back where they were read."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from autograd._primitive import attach, implements, plain, primitive, sample
from autograd._tensor import Tensor

Shape = tuple[int, ...]


def is_basic(index: Any) -> bool:
    """Whether NumPy answers the index with a view: slices, integers, None and Ellipsis only."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        part is None
        or part is Ellipsis
        or (isinstance(part, slice | int | np.integer) and not isinstance(part, bool | np.bool_))
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


@primitive(view=True, batched=True, samples=INDICES)
def getitem(x: Any, /, index: Any) -> Any:
    """x[index], for every index NumPy has."""
    return x[index]


@getitem.rule
def _(g: Any, index: Any, x_shape: Shape, y_ndim: int) -> Any:
    if g.ndim == y_ndim:
        return put(g, index, x_shape)
    if is_basic(index):
        return put(g, (slice(None), *_as_tuple(index)), g.shape[:1] + x_shape)
    # Index arrays gather their axes in front, but never disturb an axis behind them.
    spots = put(np.moveaxis(g, 0, -1), _with_last(index), x_shape + g.shape[:1])
    return np.moveaxis(spots, -1, 0)


@primitive(
    batched=True,
    samples=(
        sample((4,), index=1, shape=(3, 4)),
        sample((3, 4), index=np.array([2, 0, 2]), shape=(3, 4)),
        sample((2,), index=np.array([True, False, True]), shape=(3,)),
        sample((2, 3), index=(np.array([0, 1]), slice(None), np.array([1, 1])), shape=(2, 3, 4)),
    ),
)
def put(x: Any, /, index: Any, shape: Shape) -> Any:
    """Zeros of ``shape`` with x added at ``index``: the adjoint of reading it."""
    out = np.zeros(shape, x.dtype)
    if _meets_none_twice(index):
        out[index] = x
    else:
        _add_at(out, index, x)
    return out


# From so many numbers on, it is worth finding the place of each.
_FEW = 1 << 10


def _add_at(out: np.ndarray, index: Any, x: np.ndarray) -> None:
    """``np.add.at``, by places in the flattened array where that is several times faster."""
    first = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    if out.ndim < 2 or x.size < _FEW:
        places = None
    elif isinstance(first, np.ndarray) and first.dtype.kind in "iu":  # rows
        width = prod(out.shape[1:])
        places = np.multiply(first, width, dtype=np.intp, casting="unsafe")[..., np.newaxis]
        places = (places + np.arange(width)).reshape(first.shape + out.shape[1:])
    elif out.size <= 16 * x.size:
        places = np.arange(out.size).reshape(out.shape)[index]
    else:
        places = None
    if places is None:
        np.add.at(out, index, x)
    else:
        values = np.broadcast_to(x, places.shape)
        np.add.at(out.reshape(-1), places.reshape(-1), values.reshape(-1))


@put.rule
def _(g: Any, index: Any, shape: Shape) -> Any:
    if g.ndim == len(shape):
        return g[index]
    if is_basic(index):
        return g[(slice(None), *_as_tuple(index))]
    return np.moveaxis(np.moveaxis(g, 0, -1)[_with_last(index)], -1, 0)


def _as_tuple(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _with_last(index: Any) -> tuple[Any, ...]:
    """The index of an array with one more axis at the end, which is taken whole."""
    parts = _as_tuple(index)
    dots = any(part is Ellipsis for part in parts)
    return (*parts, slice(None)) if dots else (*parts, Ellipsis)


def _meets_none_twice(index: Any) -> bool:
    """Whether the index surely reaches no element twice: a basic one, or a single mask."""
    if is_basic(index):
        return True
    arrays = [part for part in _as_tuple(index) if not is_basic(part)]
    return len(arrays) == 1 and isinstance(arrays[0], np.ndarray) and arrays[0].dtype == bool


def _getitem(self: Any, index: Any) -> Any:
    index = plain(index)
    if not is_basic(index):
        index = _copied(index)  # the caller's array may change before the backward pass
    return getitem.call(self, index=index)


def _copied(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple([_copied(part) for part in index])
    return index.copy() if isinstance(index, np.ndarray) else index


attach("__getitem__", _getitem)


@primitive(
    name="take_along_axis",
    batched=True,
    samples=(
        sample((3, 4), indices=np.array([[1, 1], [0, 3], [2, 2]]), axis=1),
        sample((3, 4), indices=np.array([[2, 0, 0, 1]]), axis=0),
        sample((1, 4), indices=np.array([[2, 0], [1, 1]]), axis=-1),
    ),
)
def _take_along_axis(x: Any, /, indices: Any, axis: int) -> Any:
    """Elements of x picked along an axis, one index array for each row of it."""
    return np.take_along_axis(x, indices, axis)


@_take_along_axis.rule
def _(g: Any, indices: Any, axis: int, x_shape: Shape) -> Any:
    ndim = len(x_shape)
    lead = g.shape[: g.ndim - ndim]
    axis = axis % ndim - ndim
    # Along the other axes either may have been broadcast; the engine undoes that of x.
    shape = [*g.shape]
    shape[axis] = x_shape[axis]
    indices = indices.reshape((1,) * len(lead) + indices.shape)
    return put_along_axis(g, indices, axis, tuple(shape))


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Elements picked along an axis, one index array for each line of it.

    >>> from autograd import Tensor
    >>> take_along_axis(Tensor([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]]), 1)
    Tensor([[2.],
            [3.]])
    """
    indices = np.array(plain(indices))  # the caller's may change before the backward pass
    if axis is None:
        arr, axis = np.reshape(arr, -1), 0
    return _take_along_axis.call(arr, indices, axis)


@primitive(
    batched=True,
    samples=(
        sample((3, 2), index=np.array([[1, 1], [0, 3], [2, 2]]), axis=1, shape=(3, 4)),
        sample((3, 1), index=np.array([[1], [0], [2]]), axis=1, shape=(3, 4)),
        sample((1, 3), index=np.array([[1, 0, 1]]), axis=0, shape=(2, 3)),
    ),
)
def put_along_axis(x: Any, /, index: Any, axis: int, shape: Shape) -> Any:
    """Zeros of ``shape`` with x added along an axis: the adjoint of ``take_along_axis``."""
    out = np.zeros(shape, x.dtype)
    if index.shape[axis] == 1 and axis in (-1, len(shape) - 1):  # one element of each row
        rows = out.reshape(-1, shape[-1])
        chosen = np.broadcast_to(index, x.shape).reshape(-1)
        rows[np.arange(chosen.size), chosen] = x.reshape(-1)
    elif index.shape[axis] == 1:
        np.put_along_axis(out, index, x, axis)
    else:
        grid = list(np.ogrid[tuple(slice(n) for n in x.shape)])
        grid[axis] = index
        _add_at(out, tuple(grid), x)
    return out


@put_along_axis.rule
def _(g: Any, index: Any, axis: int, shape: Shape) -> Any:
    lead = g.ndim - len(shape)
    index = index.reshape((1,) * lead + index.shape)
    return np.take_along_axis(g, index, axis % len(shape) - len(shape))


@primitive(
    batched=True, samples=(sample((2, 4), index=np.array([0, 2, 2, 0]), axis=1, shape=(2, 3)),)
)
def add_slices(x: Any, /, index: Any, axis: int, shape: Shape) -> Any:
    """Zeros of ``shape`` with the k-th slice of x added at ``index[k]`` along an axis."""
    out = np.zeros(shape, x.dtype)
    _add_at(out, (slice(None),) * (axis % len(shape)) + (index,), x)
    return out


@add_slices.rule
def _(g: Any, index: Any, axis: int, x_ndim: int) -> Any:
    return np.take(g, index, axis % x_ndim - x_ndim)


@primitive(
    name="take",
    batched=True,
    samples=(
        sample((3, 4), index=np.array([2, 0, 2]), axis=1),
        sample((3, 4), index=np.array([[1, 1], [0, 2]]), axis=-2),
        sample((2, 3), index=np.array(1), axis=0),
    ),
)
def _take(x: Any, /, index: Any, axis: int) -> Any:
    """Slices of x along an axis, in the order of ``index``, which may have any shape."""
    return np.take(x, index, axis)


@_take.rule
def _(g: Any, index: Any, axis: int, x_shape: Shape, y_ndim: int) -> Any:
    axis %= len(x_shape)
    lead = g.shape[: g.ndim - y_ndim]
    lines = np.reshape(g, (*lead, *x_shape[:axis], index.size, *x_shape[axis + 1 :]))
    return add_slices(lines, index.reshape(-1), axis - len(x_shape), lead + x_shape)


@implements(np.take)
def take(
    a: Any, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise"
) -> Any:
    """Slices of ``a`` at integer indices along an axis, or elements of the flattened array.

    ``mode`` says what indices outside do: ``"raise"``, ``"wrap"`` around or be ``"clip"``-ped.

    >>> from autograd import Tensor
    >>> take(Tensor([[1.0, 2.0, 3.0]]), [2, 0], axis=1)
    Tensor([[3., 1.]])
    """
    if axis is None:
        a, axis = np.reshape(a, -1), 0
    index = np.array(plain(indices))  # the caller's may change before the backward pass
    if mode == "wrap":
        index = index % a.shape[axis]
    elif mode == "clip":
        index = index.clip(0, a.shape[axis] - 1)
    elif mode != "raise":
        raise ValueError(f"mode is 'raise', 'wrap' or 'clip', got {mode!r}")
    taken = _take.call(a, index, axis)
    if out is None:
        return taken
    out[...] = taken
    return out


@implements(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Any:
    """The slices of ``a`` along an axis for which the condition holds."""
    return take(a, np.flatnonzero(plain(condition)), axis, out)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """The elements of the flattened array for which the condition holds.

    >>> from autograd import Tensor
    >>> extract([True, False, True], Tensor([1.0, 2.0, 3.0]))
    Tensor([1., 3.])
    """
    return take(arr, np.flatnonzero(plain(condition)))


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """How often each number occurs, or the sum of its weights; the gradient goes to the weights.

    >>> from autograd import Tensor
    >>> bincount([0, 2, 2], weights=Tensor([1.0, 2.0, 3.0]))
    Tensor([1., 0., 5.])
    """
    x = plain(x)
    counts = np.bincount(x, minlength=minlength)
    if weights is None:
        return counts
    return put.call(weights, np.asarray(x), counts.shape)


# In-place writes under NumPy's names; they are assignments to an index.


@implements(np.put)
def put_function(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """``np.put``: write values at indices of the flattened array, repeating them as needed."""
    index = np.asarray(plain(ind)).reshape(-1)
    if mode != "raise":
        index = index % a.size if mode == "wrap" else index.clip(0, a.size - 1)
    values = np.resize(v, index.shape)
    _writable(a)[np.unravel_index(index, a.shape)] = values


@implements(np.put_along_axis)
def put_along_axis_function(arr: Any, indices: Any, values: Any, axis: int | None = -1) -> None:
    """``np.put_along_axis``: write values at places chosen along an axis."""
    index = plain(indices)
    if axis is None:
        _writable(arr)[np.unravel_index(index, arr.shape)] = values
        return
    axis %= arr.ndim
    grid = list(np.ogrid[tuple(slice(n) for n in arr.shape)])
    grid[axis] = index
    _writable(arr)[tuple(grid)] = values


@implements(np.putmask, np.place)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """``np.putmask``: write values where a mask is True."""
    mask = np.asarray(plain(mask), bool)
    if np.size(plain(values)) == 1:
        _writable(a)[mask] = np.reshape(values, ())
    else:
        raise TypeError("putmask and place of a tensor write one value; use t[mask] = values")


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """``np.fill_diagonal``: write one value, or a row of values, on the main diagonal."""
    if wrap or a.ndim < 2:
        raise TypeError("fill_diagonal of a tensor needs two or more axes and wrap=False")
    place = np.arange(min(a.shape))
    _writable(a)[(place,) * a.ndim] = val


def _writable(a: Any) -> Any:
    if not isinstance(a, Tensor):
        raise TypeError(
            "writing a tensor into a plain array would lose its gradient; write t.numpy() if that "
            "is meant"
        )
    return a


def _fill(self: Any, value: Any) -> None:
    """Write one value everywhere, as ``ndarray.fill``."""
    self[...] = value


attach("fill", _fill)
attach("take", take)
attach("compress", lambda self, condition, axis=None: compress(condition, self, axis))
attach("put", put_function)


@primitive(
    batched=True,
    samples=(
        sample((2, 3), order=np.array([[2, 0, 1], [0, 2, 1]]), axis=1),
        sample((3, 2), order=np.array([[2, 0], [1, 1], [0, 2]]), axis=0),
    ),
)
def permute_along_axis(x: Any, /, order: Any, axis: int) -> Any:
    """Each line of x along an axis in another order: ``take_along_axis`` by permutations."""
    return np.take_along_axis(x, order, axis)


@permute_along_axis.rule
def _(g: Any, order: Any, axis: int) -> Any:
    axis = axis % order.ndim - order.ndim
    inverse = np.empty_like(order)
    place = np.arange(order.shape[axis]).reshape(-1, *(1,) * (-axis - 1))
    np.put_along_axis(inverse, order, place, axis)
    return permute_along_axis(g, inverse.reshape((1,) * (g.ndim - order.ndim) + order.shape), axis)
