"""Shapes, axes and types: the same elements in another arrangement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd._backward import unbroadcast
from autograd._primitive import attach, implements, primitive, sample
from autograd._tensor import as_tensor

Shape = tuple[int, ...]


@primitive(
    name="reshape",
    view=True,
    batched=True,
    samples=(sample((2, 3), shape=(3, 2)), sample((2, 3), shape=-1)),
)
def _reshape(x: Any, /, shape: Any) -> Any:
    """The same elements in another shape."""
    return x.reshape(shape)


@_reshape.rule
def _(g: Any, x_shape: Shape, y_ndim: int) -> Any:
    return g.reshape(g.shape[: g.ndim - y_ndim] + x_shape)


@implements(np.reshape)
def reshape(x: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """The same elements in another shape; ``order`` as NumPy's, "C" or "F".

    >>> from autograd import Tensor
    >>> reshape(Tensor([[1, 2], [3, 4]]), -1)
    Tensor([1, 2, 3, 4])
    """
    if order == "C":
        return _reshape(x, shape)
    if order != "F":
        raise ValueError(f"reshape of a tensor takes order 'C' or 'F', got {order!r}")
    lengths = shape if isinstance(shape, tuple | list) else (shape,)
    return transpose(_reshape(transpose(x), tuple(lengths)[::-1]))


def _reshape_method(self: Any, *shape: Any, order: str = "C") -> Any:
    return reshape(self, shape[0] if len(shape) == 1 else shape, order)


@primitive(
    name="transpose",
    view=True,
    batched=True,
    samples=(sample((2, 3)), sample((2, 3, 4), axes=(1, -1, 0)), sample(())),
)
def _transpose(x: Any, /, axes: Sequence[int] | None = None) -> Any:
    """The axes in another order, reversed by default."""
    return x.transpose(axes)


@_transpose.rule
def _(g: Any, axes: Sequence[int] | None, x_shape: Shape) -> Any:
    ndim = len(x_shape)
    order = range(ndim)[::-1] if axes is None else [a % ndim for a in axes]
    lead = g.ndim - ndim
    inverse = sorted(range(ndim), key=list(order).__getitem__)
    return g.transpose((*range(lead), *(a + lead for a in inverse)))


@implements(np.transpose, np.permute_dims)
def transpose(x: Any, /, axes: Any = None) -> Any:
    """The axes in another order, reversed by default."""
    return _transpose(x, None if axes is None else tuple(axes))


def _transpose_method(self: Any, *axes: Any) -> Any:
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], tuple | list)):
        return transpose(self, axes[0])
    return transpose(self, axes or None)


@primitive(
    np.swapaxes,
    view=True,
    batched=True,
    samples=(sample((2, 3, 4), axis1=0, axis2=-1), sample((2, 3), axis1=1, axis2=1)),
)
def swapaxes(x: Any, /, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    return x.swapaxes(axis1, axis2)


@swapaxes.rule
def _(g: Any, axis1: int, axis2: int, x_shape: Shape) -> Any:
    ndim = len(x_shape)
    return g.swapaxes(axis1 % ndim - ndim, axis2 % ndim - ndim)


@primitive(
    np.broadcast_to,
    view=True,
    batched=True,
    samples=(sample((3, 1), shape=(2, 3, 4)), sample((), shape=(2,)), sample((2,), shape=(2,))),
)
def broadcast_to(x: Any, /, shape: Any, subok: bool = False) -> Any:
    """x repeated along new axes and axes of length one."""
    return np.broadcast_to(x, shape)


@broadcast_to.rule
def _(g: Any, x_shape: Shape, y_ndim: int) -> Any:
    lead = g.ndim - y_ndim
    if lead == 0:
        return unbroadcast(g, x_shape)
    first = g.ndim - len(x_shape)
    stretched = (i + first for i, n in enumerate(x_shape) if n == 1 != g.shape[i + first])
    summed = np.sum(g, axis=(*range(lead, first), *stretched), keepdims=True)
    return np.reshape(summed, g.shape[:lead] + x_shape)


@primitive(
    np.expand_dims,
    view=True,
    batched=True,
    samples=(sample((2, 3), axis=1), sample((2, 3), axis=(0, -1)), sample((), axis=0)),
)
def expand_dims(x: Any, /, axis: Any) -> Any:
    """New axes of length one."""
    return np.expand_dims(x, axis)


@expand_dims.rule
def _(g: Any, x_shape: Shape, y_ndim: int) -> Any:
    return g.reshape(g.shape[: g.ndim - y_ndim] + x_shape)


@primitive(
    np.squeeze,
    view=True,
    batched=True,
    samples=(sample((1, 3, 1)), sample((1, 3, 1), axis=-1), sample((2, 1), axis=(1,))),
)
def squeeze(x: Any, /, axis: Any = None) -> Any:
    """Axes of length one removed."""
    y = np.squeeze(x, axis)
    return y[...] if y is x else y  # a view of x, never x itself


@squeeze.rule
def _(g: Any, x_shape: Shape, y_ndim: int) -> Any:
    return g.reshape(g.shape[: g.ndim - y_ndim] + x_shape)


@primitive(
    np.flip,
    view=True,
    batched=True,
    samples=(sample((2, 3)), sample((2, 3), axis=1), sample((2, 3, 2), axis=(0, -1))),
)
def flip(x: Any, /, axis: Any = None) -> Any:
    """The elements along axes in reverse order."""
    return np.flip(x, axis)


@flip.rule
def _(g: Any, axis: Any, x_ndim: int) -> Any:
    axes = range(x_ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return np.flip(g, tuple(a % x_ndim - x_ndim for a in axes))


@primitive(view=True, batched=True, samples=(sample((2, 3), dtype=np.float64),))
def astype(x: Any, /, dtype: Any) -> Any:
    """The elements as another type; the gradient comes back in the type of x."""
    return x.astype(dtype)


@astype.rule
def _(g: Any) -> Any:
    return g  # the engine casts it


def _astype_method(self: Any, dtype: Any, copy: bool = True) -> Any:
    if np.dtype(dtype).kind not in "fc":
        return type(self)(self.data.astype(dtype))  # whole numbers carry no gradient
    if not copy and self.dtype == dtype:
        return self
    return astype.call(self, dtype)


def _matrix_transpose(self: Any) -> Any:
    if self.ndim < 2:
        raise ValueError(f"mT needs at least two axes, this tensor has shape {self.shape}")
    return swapaxes(self, -1, -2)


attach("reshape", _reshape_method)
attach("transpose", _transpose_method)
attach("swapaxes", swapaxes.call)
attach("squeeze", squeeze.call)
attach("astype", _astype_method)
attach("T", property(lambda self: _transpose(self), doc="The axes in reverse order."))
attach("mT", property(_matrix_transpose, doc="The last two axes exchanged."))


# ---------------------------------------------------------------- NumPy's other names for all that


def axis_in(axis: int, ndim: int, name: str = "axis") -> int:
    """The axis counted from the front, or NumPy's own error."""
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim, name)
    return axis % ndim


@implements(np.moveaxis)
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Axes moved to new positions; the others keep their order.

    >>> from autograd import Tensor
    >>> moveaxis(Tensor(np.zeros((2, 3, 4))), 0, -1).shape
    (3, 4, 2)
    """
    moved = np.moveaxis(np.empty((0,) * x.ndim), source, destination)  # checks the arguments
    ndim = moved.ndim
    sources = source if isinstance(source, tuple | list) else (source,)
    targets = destination if isinstance(destination, tuple | list) else (destination,)
    order = [a for a in range(ndim) if a not in [s % ndim for s in sources]]
    for target, origin in sorted((t % ndim, s % ndim) for t, s in zip(targets, sources)):
        order.insert(target, origin)
    return _transpose.call(x, tuple(order))


@implements(np.rollaxis)
def rollaxis(x: Any, axis: int, start: int = 0) -> Any:
    """One axis rolled backwards until it lies before position ``start``."""
    axis = axis_in(axis, x.ndim)
    start = start + x.ndim if start < 0 else start
    order = [a for a in range(x.ndim) if a != axis]
    order.insert(start - (axis < start), axis)
    return _transpose.call(x, tuple(order))


@implements(np.matrix_transpose)
def matrix_transpose(x: Any) -> Any:
    """The last two axes exchanged."""
    return _matrix_transpose(x)


@implements(np.ravel)
def ravel(x: Any, order: str = "C") -> Any:
    """All elements in one axis."""
    return reshape(x, -1, "C" if order in ("A", "K") else order)


@implements(np.flipud)
def flipud(x: Any) -> Any:
    """The rows in reverse order."""
    return flip.call(x, axis=axis_in(0, x.ndim))


@implements(np.fliplr)
def fliplr(x: Any) -> Any:
    """The columns in reverse order."""
    return flip.call(x, axis=axis_in(1, x.ndim))


@implements(np.rot90)
def rot90(x: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """x turned by quarter turns, from the first of the axes towards the second."""
    first, second = (axis_in(a, x.ndim) for a in axes)
    if first == second:
        raise ValueError(f"rot90 needs two different axes, got {tuple(axes)}")
    k %= 4
    if k == 2:
        return flip.call(x, axis=(first, second))
    if k == 1:
        return swapaxes.call(flip.call(x, axis=second), first, second)
    if k == 3:
        return flip.call(swapaxes.call(x, first, second), axis=second)
    return x[:]


@primitive(
    np.roll,
    batched=True,
    samples=(
        sample((2, 3), shift=1),
        sample((2, 3), shift=-4, axis=1),
        sample((2, 3), shift=(1, 2), axis=(0, 1)),
        sample((2, 3), shift=1, axis=(0, 1)),
    ),
)
def roll(x: Any, /, shift: Any, axis: Any = None) -> Any:
    """The elements moved along axes; those pushed out at the end come in at the beginning."""
    return np.roll(x, shift, axis)


@roll.rule
def _(g: Any, shift: Any, axis: Any, x_shape: Shape) -> Any:
    back = tuple(-s for s in shift) if isinstance(shift, tuple | list) else -shift
    ndim = len(x_shape)
    if axis is not None:
        axes = axis if isinstance(axis, tuple | list) else (axis,)
        return np.roll(g, back, tuple(a % ndim - ndim for a in axes))
    lead = g.shape[: g.ndim - ndim]
    return np.reshape(np.roll(np.reshape(g, (*lead, -1)), back, -1), lead + x_shape)


def _at_least(ndim: int, x: Any) -> Any:
    """x with as many axes; NumPy puts new ones in front, but a matrix gets its third at the end."""
    x = as_tensor(x)
    if x.ndim >= ndim:
        return x
    if ndim < 3 or x.ndim == 0:
        return _reshape.call(x, (1,) * (ndim - x.ndim) + x.shape)
    return _reshape.call(x, (1, *x.shape, 1) if x.ndim == 1 else (*x.shape, 1))


def _at_least_each(ndim: int, function: Any) -> None:
    def at_least(*arrays: Any) -> Any:
        made = tuple(_at_least(ndim, x) for x in arrays)
        return made[0] if len(made) == 1 else made

    at_least.__name__ = at_least.__qualname__ = function.__name__
    at_least.__doc__ = f"Each array with at least {ndim} axes."
    implements(function)(at_least)


for _ndim, _function in ((1, np.atleast_1d), (2, np.atleast_2d), (3, np.atleast_3d)):
    _at_least_each(_ndim, _function)


@implements(np.broadcast_arrays)
def broadcast_arrays(*arrays: Any, subok: bool = False) -> tuple[Any, ...]:
    """The arrays broadcast against each other."""
    shape = np.broadcast_shapes(*(np.shape(x) for x in arrays))
    return tuple(broadcast_to.call(as_tensor(x), shape) for x in arrays)


@implements(np.meshgrid)
def meshgrid(
    *arrays: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Any, ...]:
    """Coordinate matrices of coordinate vectors, as ``np.meshgrid``."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"indexing is 'xy' or 'ij', got {indexing!r}")
    count = len(arrays)
    places = list(range(count))
    if indexing == "xy" and count > 1:
        places[0], places[1] = 1, 0
    grids = []
    for place, x in zip(places, arrays):
        lengths = [1] * count
        lengths[place] = -1
        grids.append(_reshape.call(as_tensor(x), tuple(lengths)))
    return tuple(grids) if sparse else broadcast_arrays(*grids)


@implements(*([np.astype] if hasattr(np, "astype") else []))
def astype_function(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """``np.astype``: the elements as another type."""
    return _astype_method(x, dtype, copy)


def _flatten_method(self: Any, order: str = "C") -> Any:
    flat = ravel(self, order)
    return flat if flat.data.base is None else np.positive(flat)


attach("ravel", ravel)
attach("flatten", _flatten_method)
