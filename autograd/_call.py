"""Calling a primitive: compute on the arrays, and record a node if a gradient may be wanted.

These are the hottest lines of the engine, so the calls with one and two inputs are written out,
down to the node: every call less is a tenth of a microsecond. In place of arrays without axes they
compute with NumPy's scalars, and save them: that is several times faster.
"""

from __future__ import annotations

import operator
import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd._graph import Node, Output, _outside, next_sequence, place
from autograd._inplace import attach_view
from autograd._modes import STATE, State
from autograd._signature import unknown_argument
from autograd._tensor import Tensor, _wrap

if TYPE_CHECKING:
    from autograd._primitive import Primitive

__all__ = [
    "Packed",
    "binary_call",
    "general_call",
    "output_node",
    "record",
    "unary_call",
]

_ndarray = np.ndarray
_asarray = np.asarray
_new = object.__new__
_state = STATE.get
_getframe = sys._getframe
_NESTED = (list, tuple)  # operands that rules could not read as arrays
_NOTHING = (None, None, None)
# For NumPy's scalars these take a fifth of the time of the ufuncs.
_OPERATORS: dict[Any, Callable[[Any, Any], Any]] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.divide: operator.truediv,
}


class Packed(tuple[Any, ...]):
    """Saved values that went through a user's ``pack``; they come back through ``unpack``."""

    unpack_one: Callable[[Any], Any]

    def unpack(self) -> tuple[Any, ...]:
        """The values as they were saved."""
        return tuple(v.value if type(v) is _Kept else self.unpack_one(v) for v in self)


class _Kept:
    """A saved value that is no array and therefore was not packed."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def record(
    primitive: Primitive,
    edges: tuple[Any, ...],
    saved: tuple[Any, ...],
    out: Tensor,
    attrs: dict[str, Any] | None,
    state: Any,
    inputs: tuple[Any, ...],
) -> None:
    """Make ``out`` the output of a new node; ``inputs`` are the plain values it came from."""
    data = out.data
    node = Node()
    node.primitive = primitive
    node.edges = edges
    node.saved = saved
    node.attrs = attrs
    node.shape = data.shape
    node.dtype = data.dtype
    node.sequence = next_sequence()
    node.scope = state.scope
    node.hooks = node.name = None
    node._code, node._instruction = place(_getframe(2), state.scope)
    out._node = node
    out._requires_grad = True
    if state.observed:
        _show(node, out, inputs, state)


def _show(node: Node, out: Tensor, inputs: tuple[Any, ...], state: State) -> None:
    """Let those who watch see a new node, and pack what it saved."""
    if state.watch is not None:
        state.watch(node, out, inputs)
    if state.pack is not None:
        packed = Packed(
            state.pack(value) if isinstance(value, _ndarray) else _Kept(value)
            for value in node.saved or ()
        )
        assert state.unpack is not None
        packed.unpack_one = state.unpack
        node.saved = packed


def unary_call(primitive: Primitive) -> Callable[..., Any]:
    """The call of a primitive with one input and nothing else."""
    forward, kept = primitive.forward, primitive.kept

    def call(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return forward(x)
        if x._view is not None:
            x._view.refresh(x)
        a = x.data
        try:
            y = forward(a)
        except Exception as error:
            raise primitive.fail(error, (x,)) from error
        out = _new(Tensor)
        if type(y) is _ndarray:
            out.data = y
        else:
            out.data = _asarray(y)
            if type(a) is _ndarray and not a.ndim:
                a = a[()]
        out._grad = out._view = out._extra = None
        if not x._requires_grad or not (state := _state()).enabled:
            out._node = None
            out._requires_grad = False
            return out
        out._requires_grad = True
        keep = kept[1]
        if keep is None:
            keep = primitive.keep(1)
        out._node = node = Node()
        node.primitive = primitive
        node.edges = (x._node or x,)
        node.saved = (a if keep & 1 else None, y if keep & 2 else None)
        node.shape = y.shape
        node.dtype = y.dtype
        node.sequence = next_sequence()
        node.scope = scope = state.scope
        node.attrs = node.hooks = node.name = None
        frame = _getframe(1)
        code = frame.f_code
        if code.co_filename in _outside:
            node._code = code
            node._instruction = frame.f_lasti
        else:
            node._code, node._instruction = place(frame, scope)
        if state.observed:
            _show(node, out, (a,), state)
        return out

    return _named(call, primitive)


def binary_call(primitive: Primitive) -> Callable[..., Any]:
    """The call of a primitive with two inputs and nothing else."""
    forward, kept = primitive.forward, primitive.kept
    of_scalars = _OPERATORS.get(forward)

    def call(a: Any, b: Any) -> Any:
        mask = 0
        edge_a = edge_b = None
        if isinstance(a, Tensor):
            if a._view is not None:
                a._view.refresh(a)
            x = a.data
            if a._requires_grad:
                edge_a = a._node or a
                mask = 1
            if isinstance(b, Tensor):
                if b._view is not None:
                    b._view.refresh(b)
                z = b.data
                if b._requires_grad:
                    edge_b = b._node or b
                    mask += 2
            else:
                z = b if type(b) not in _NESTED else _asarray(b)
        elif isinstance(b, Tensor):
            if b._view is not None:
                b._view.refresh(b)
            x = a if type(a) not in _NESTED else _asarray(a)
            z = b.data
            if b._requires_grad:
                edge_b = b._node or b
                mask = 2
        else:
            return forward(a, b)
        try:
            if of_scalars is not None and type(x) is _ndarray and not x.ndim:
                x = x[()]
                if type(z) is _ndarray and not z.ndim:
                    z = z[()]
                y = of_scalars(x, z)
            else:
                y = forward(x, z)
        except Exception as error:
            raise primitive.fail(error, (a, b)) from error
        out = _new(Tensor)
        if type(y) is _ndarray:
            out.data = y
        else:
            out.data = _asarray(y)
            if type(x) is _ndarray and not x.ndim:
                x = x[()]
            if type(z) is _ndarray and not z.ndim:
                z = z[()]
        out._grad = out._view = out._extra = None
        if not mask or not (state := _state()).enabled:
            out._node = None
            out._requires_grad = False
            return out
        out._requires_grad = True
        keep = kept[mask]
        if keep is None:
            keep = primitive.keep(mask)
        out._node = node = Node()
        node.primitive = primitive
        node.edges = (edge_a, edge_b)
        if keep == 3:
            node.saved = (x, z, None)
        elif keep == 0:
            node.saved = _NOTHING
        else:
            node.saved = (x if keep & 1 else None, z if keep & 2 else None, y if keep & 4 else None)
        node.shape = y.shape
        node.dtype = y.dtype
        node.sequence = next_sequence()
        node.scope = scope = state.scope
        node.attrs = node.hooks = node.name = None
        frame = _getframe(1)
        code = frame.f_code
        if code.co_filename in _outside:
            node._code = code
            node._instruction = frame.f_lasti
        else:
            node._code, node._instruction = place(frame, scope)
        if state.observed:
            _show(node, out, (x, z), state)
        return out

    return _named(call, primitive)


def general_call(primitive: Primitive) -> Callable[..., Any]:
    """The call of any primitive."""
    forward, kept = primitive.forward, primitive.kept
    variadic = primitive.variadic
    n_inputs = len(primitive.inputs)
    defaults = primitive.defaults
    allowed = frozenset(primitive.attributes)
    several = primitive.n_outputs > 1
    has_aux = bool(primitive.aux)
    is_view = primitive.is_view

    def call(*args: Any, **attrs: Any) -> Any:
        if variadic:
            inputs = args
        elif len(args) != n_inputs or not allowed.issuperset(attrs):
            inputs, attrs = _sorted_out(primitive, args, attrs)
        else:
            inputs = args
        if defaults:
            attrs = {**defaults, **attrs}
        arrays = []
        edges: list[Any] = []
        tracked = mask = 0
        bit = 1
        for x in inputs:
            edge = None
            if isinstance(x, Tensor):
                tracked = 1
                if x._view is not None:
                    x._view.refresh(x)
                if x._requires_grad:
                    edge = x._node or x
                    mask |= bit
                x = x.data
            arrays.append(x)
            edges.append(edge)
            bit <<= 1
        try:
            if primitive._precondition is not None:
                primitive._precondition(*arrays, **attrs)
            result = forward(*arrays, **attrs)
        except Exception as error:
            raise primitive.fail(error, inputs) from error
        if several:
            if not tracked:
                return result[: primitive.n_outputs]
            outs = tuple([_wrap(_asarray(y)) for y in result[: primitive.n_outputs]])
            out = _wrap(outs[0].data)  # carries the node that all of them come from
        else:
            y = result[0] if has_aux else result
            if not tracked:
                return y
            out = _wrap(y if type(y) is _ndarray else _asarray(y))
        if mask and (state := _state()).enabled:
            values = [*arrays, *(y.data for y in outs)] if several else [*arrays, out.data]
            if has_aux:
                values += result[primitive.n_outputs :]
            keep = kept[1 if variadic else mask]
            if keep is None:
                keep = primitive.keep(mask)
            if variadic:  # all of them or none
                keep = (keep >> 1 << len(arrays)) | (keep & 1) * ((1 << len(arrays)) - 1)
            saved = tuple([v if keep >> i & 1 else None for i, v in enumerate(values)])
            if primitive._shapes_wanted:
                saved = (*saved, tuple([np.shape(a) for a in arrays]))
            if several:
                attrs = {**attrs, "outputs": [(y.shape, y.dtype, None) for y in outs]}
            record(primitive, tuple(edges), saved, out, attrs, state, tuple(arrays))
            if several:
                assert out._node is not None
                _attach_outputs(out._node, outs)
        if several:
            return outs
        if is_view:
            parent, data = inputs[0], out.data
            if isinstance(parent, Tensor) and (data.base is not None or data is parent.data):
                attach_view(out, parent, call, (), attrs)
        return out

    return _named(call, primitive)


def _sorted_out(
    primitive: Primitive, args: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Inputs and settings of a call that gave inputs by name, or settings by position."""
    count, settings = len(primitive.inputs), primitive.attributes
    inputs, rest = args[:count], args[count:]
    for name in primitive.inputs[len(inputs) :]:
        if name in named:
            inputs = (*inputs, named.pop(name))
    unknown = named.keys() - set(settings)
    if unknown:
        raise TypeError(unknown_argument(primitive, unknown))
    if len(inputs) < count:
        missing = ", ".join(primitive.inputs[len(inputs) :])
        raise TypeError(f"{primitive.name} misses its input {missing}")
    if len(rest) > len(settings):
        raise TypeError(
            f"{primitive.name} takes {count + len(settings)} arguments, got {len(args)}"
        )
    return inputs, {**dict(zip(settings, rest, strict=False)), **named}


def _attach_outputs(source: Node, outs: tuple[Tensor, ...]) -> None:
    """Give each of several outputs its place in the graph."""
    assert source.attrs is not None
    layout = source.attrs["outputs"]
    for index, out in enumerate(outs):
        if out.dtype.kind in "fc":
            out._node = output_node(source, index, out.shape, out.dtype)
            out._requires_grad = True
            layout[index] = (out.shape, out.dtype, weakref.ref(out._node))


def output_node(source: Node, index: int, shape: tuple[int, ...], dtype: Any) -> Output:
    node = Output()
    node.primitive = source.primitive
    node.edges = (source,)
    node.saved = ()
    node.attrs = None
    node.shape = shape
    node.dtype = dtype
    node.sequence = next_sequence()
    node.scope = source.scope
    node.hooks = None
    node.name = None
    node._code = source._code
    node._instruction = source._instruction
    node.index = index
    return node


def _named(call: Callable[..., Any], primitive: Primitive) -> Callable[..., Any]:
    call.__name__ = call.__qualname__ = primitive.name
    call.__doc__ = primitive.__doc__
    return call
