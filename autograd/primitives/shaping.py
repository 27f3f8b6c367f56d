"""Moving elements about without changing them: shapes, axes, joining, padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd._graph import unbroadcast
from autograd._primitive import attach, implements, primitive, sample

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
    samples=(sample((3, 1), shape=(2, 3, 4)), sample((), shape=(2,)), sample((2,), shape=(2,))),
)
def broadcast_to(x: Any, /, shape: Any, subok: bool = False) -> Any:
    """x repeated along new axes and axes of length one."""
    return np.broadcast_to(x, shape)


@broadcast_to.rule
def _(g: Any, x_shape: Shape) -> Any:
    return unbroadcast(g, x_shape)


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
    return np.squeeze(x, axis)


@squeeze.rule
def _(g: Any, x_shape: Shape, y_ndim: int) -> Any:
    return g.reshape(g.shape[: g.ndim - y_ndim] + x_shape)


@primitive(
    np.flip,
    view=True,
    samples=(sample((2, 3)), sample((2, 3), axis=1), sample((2, 3, 2), axis=(0, -1))),
)
def flip(x: Any, /, axis: Any = None) -> Any:
    """The elements along axes in reverse order."""
    return np.flip(x, axis)


@flip.rule
def _(g: Any, axis: Any) -> Any:
    return np.flip(g, axis)


@primitive(
    name="concatenate",
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
    parts = []
    start = 0
    for shape, need in zip(shapes, needs, strict=True):
        if axis is None:
            stop = start + int(np.prod(shape))
            parts.append(g[start:stop].reshape(shape) if need else None)
        else:
            stop = start + shape[axis]
            region = (slice(None),) * (axis % len(shape)) + (slice(start, stop),)
            parts.append(g[region] if need else None)
        start = stop
    return parts


@implements(np.concatenate)
def concatenate(arrays: Sequence[Any], axis: int | None = 0, *, dtype: Any = None) -> Any:
    """Arrays joined along an existing axis (None: flattened first)."""
    joined = _concatenate(*arrays, axis=axis)
    return joined if dtype is None else joined.astype(dtype)


@primitive(
    name="stack",
    samples=(sample((2, 3), (2, 3), axis=1), sample((), (), (), axis=0), sample((2,), (2,), axis=-1)),
)
def _stack(*arrays: Any, axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis."""
    return np.stack(arrays, axis)


@_stack.rule
def _(g: Any, axis: int, needs: Sequence[bool]) -> Any:
    before = (slice(None),) * (axis % g.ndim)
    return [g[(*before, i)] if need else None for i, need in enumerate(needs)]


@implements(np.stack)
def stack(arrays: Sequence[Any], axis: int = 0, *, dtype: Any = None) -> Any:
    """Arrays of one shape joined along a new axis."""
    joined = _stack(*arrays, axis=axis)
    return joined if dtype is None else joined.astype(dtype)


@primitive(
    name="pad",
    samples=(
        sample((2, 3), widths=((1, 0), (0, 2))),
        sample((3,), widths=((2, 1),), value=1.5),
    ),
)
def _pad(x: Any, /, widths: Any, value: Any = 0) -> Any:
    """x with a border of a constant."""
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
    out = np.full(shape, value, x.dtype) if value else np.zeros(shape, x.dtype)
    out[_inside(x.shape, widths)] = x
    return out


@_pad.rule
def _(g: Any, widths: Any, x_shape: Shape) -> Any:
    return g[_inside(x_shape, widths)]


def _inside(shape: Shape, widths: Any) -> tuple[slice, ...]:
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths, strict=True))


@implements(np.pad)
def pad(x: Any, pad_width: Any, mode: str = "constant", **options: Any) -> Any:
    """x with a border, as ``np.pad``: ``constant``, or any mode that copies elements of x.

    >>> from autograd import Tensor
    >>> pad(Tensor([1.0, 2.0, 3.0]), 1, mode="reflect")
    Tensor([2., 1., 2., 3., 2.])
    """
    widths = tuple((int(b), int(a)) for b, a in np.broadcast_to(pad_width, (x.ndim, 2)))
    if any(n < 0 for pair in widths for n in pair):
        raise ValueError(f"pad widths must not be negative, got {pad_width}")
    if mode == "constant":
        value = options.pop("constant_values", 0)
        if options:
            raise TypeError(f"pad with mode 'constant' does not take {sorted(options)}")
        if np.ndim(value) == 0:
            return _pad(x, widths, value)
        values = np.broadcast_to(value, (x.ndim, 2))
        for axis, (before, after) in enumerate(widths):  # a constant for each side of each axis
            for side, width in enumerate((before, after)):
                one = [(0, 0)] * x.ndim
                one[axis] = (width, 0) if side == 0 else (0, width)
                x = _pad(x, tuple(one), values[axis, side].item())
        return x
    if mode not in ("edge", "reflect", "symmetric", "wrap") or options:
        raise TypeError(
            f"pad of a tensor takes mode 'constant', 'edge', 'reflect', 'symmetric' or 'wrap', "
            f"got {mode!r} {options or ''}"
        )
    for axis, width in enumerate(widths):
        if width != (0, 0):
            copied = np.pad(np.arange(x.shape[axis]), width, mode=mode)  # type: ignore[call-overload]
            x = x[(slice(None),) * axis + (copied,)]
    return x


@primitive(batched=True, samples=(sample((2, 3), dtype=np.float64),))
def astype(x: Any, /, dtype: Any, copy: bool = True) -> Any:
    """The elements as another type; the gradient comes back in the type of x."""
    return x.astype(dtype, copy=copy)


@astype.rule
def _(g: Any) -> Any:
    return g  # the engine casts it


def _astype_method(self: Any, dtype: Any, copy: bool = True) -> Any:
    if np.dtype(dtype).kind not in "fc":
        return type(self)(self.data.astype(dtype))  # whole numbers carry no gradient
    return astype.call(self, dtype=dtype, copy=copy)


def _matrix_transpose(self: Any) -> Any:
    if self.ndim < 2:
        raise ValueError(f"mT needs at least two axes, this tensor has shape {self.shape}")
    return swapaxes(self, -1, -2)


attach("reshape", _reshape_method)
attach("transpose", _transpose_method)
attach("swapaxes", swapaxes.call)
attach("squeeze", squeeze.call)
attach("astype", _astype_method)
attach("ravel", lambda self: _reshape(self, -1))
attach("flatten", lambda self: _reshape(self, -1))
attach("T", property(lambda self: _transpose(self), doc="The axes in reverse order."))
attach("mT", property(_matrix_transpose, doc="The last two axes exchanged."))
