"""Calling a primitive: compute on the arrays, and record a node if a gradient may be wanted.

These are the hottest lines of the engine, so the calls with one and two inputs are written out,
down to the node: every call less is a tenth of a microsecond. In place of arrays without axes they
compute with NumPy's scalars, and save them: that is several times faster.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from autograd._graph import (  # noqa: F401 - generated calls use these
    Node,
    Output,
    _outside,
    next_sequence,
    place,
    user_frame,
)
from autograd._inplace import attach_view  # noqa: F401 - generated calls use these
from autograd._modes import SCOPE, STATE, State
from autograd._signature import unknown_argument
from autograd._tensor import Tensor, _wrap

if TYPE_CHECKING:
    from autograd._primitive import Primitive

__all__ = [
    "Packed",
    "general_call",
    "output_node",
    "record",
    "written_out_call",
]

_ndarray = np.ndarray
_asarray = np.asarray
_new = object.__new__
_state, _scope = STATE.get, SCOPE.get
_getframe = sys._getframe
_NESTED = (list, tuple)  # operands that rules could not read as arrays
# For NumPy's scalars these take a fifth of the time of the ufuncs.
_OPERATORS = {np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/"}


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
    node.scope = scope = _scope()
    node.hooks = node.name = None
    if scope is not None and scope.opaque:
        node._code, node._instruction = None, 0
    else:
        node._code, node._instruction = place(_getframe(2))
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


def written_out_call(primitive: Primitive) -> Callable[..., Any]:
    """The call of a primitive with a fixed number of inputs and one output."""
    forward = primitive.forward
    # What called last, which spares looking up whose file it is in: a user's code, maybe by way of
    # a function of the library's.
    users: CodeType | None = None
    wrapper: CodeType | None = None

    def call(*args: Any, **settings: Any) -> Any:
        # The code is written in the first call, as it takes a millisecond. It finds its variables
        # in this function, which must therefore have the same ones.
        nonlocal users, wrapper
        _ = forward, primitive, users, wrapper
        code = _code_of_call(
            len(primitive.inputs),
            len(primitive.aux),
            len(primitive.attributes),
            bool(primitive.attributes or primitive.aux or primitive.is_view),
            "" if primitive._precondition else _OPERATORS.get(forward, ""),
            primitive._precondition is not None,
            primitive.readers(),
        )
        # A copy of its own, which Python adapts to what this primitive is called with.
        primitive.call.__code__ = code.replace(co_name=primitive.name)
        return primitive.call(*args, **settings)

    return _named(call, primitive)


# `_code_of_call` fills in what is between braces; x are inputs, a their arrays, e their edges.
_CALL = """\
def make(forward, primitive, users, wrapper):
    def call({parameters}):
        nonlocal users, wrapper
        {sort_out}
        {edges} = None
        {read}
        try:
            {compute}
        except Exception as error:
            raise primitive.fail(error, ({inputs},), {attrs}) from error
        out = _new(Tensor)
        if type(y) is _ndarray:
            out.data = y
        else:
            {scalars}
        out._grad = out._view = out._extra = None
        if {constant} or not (state := _state()).enabled:
            out._node = None
            out._requires_grad = False
        else:
            out._requires_grad = True
            out._node = node = Node()
            node.primitive = primitive
            node.edges = ({edge_list},)
            node.saved = ({saved},)
            node.attrs = {attrs}
            node.shape = y.shape
            node.dtype = y.dtype
            node.sequence = next_sequence()
            node.scope = scope = _scope()
            node.hooks = node.name = None
            if scope is not None and scope.opaque:
                node._code = None
            else:
                frame = _getframe(1)
                code = frame.f_code
                if code is wrapper:
                    frame = frame.f_back or frame
                    code = frame.f_code
                if code is not users:
                    if code.co_filename in _outside:
                        users = code
                    else:
                        inner, frame = frame, user_frame(frame)
                        if frame is not inner:
                            wrapper = code
                        code = frame.f_code
                node._code = code
                node._instruction = frame.f_lasti
            if state.observed:
                _show(node, out, ({arrays},), state)
        {view}
        return out

    return call
"""
# Where all settings are given, nobody looks at their names: the forward refuses wrong ones.
_SORT_OUT = """\
if len(args) != {count} or len(settings) != {n_settings}:
    args, settings = _sorted_out(primitive, args, settings)
{inputs}, = args
"""
_READ = """\
if isinstance(x{i}, Tensor):
    if x{i}._view is not None:
        x{i}._view.refresh(x{i})
    a{i} = x{i}.data
    if x{i}._requires_grad:
        e{i} = x{i}._node or x{i}
else:
    {plain}
    a{i} = x{i} if type(x{i}) not in _NESTED else _asarray(x{i})
"""
# Where the last input is no tensor, none of them might be.
_PLAIN = """\
if not ({are_tensors}):
    try:
        return forward({inputs}{settings}){first}
    except TypeError as error:
        raise (unknown_argument(primitive, {names}) or error)
"""
_COMPUTE = """\
{check}
{results} = forward({arrays}{settings})
"""
_OPERATE = """\
if type(a0) is _ndarray and not a0.ndim:
    a0 = a0[()]
    if type(a1) is _ndarray and not a1.ndim:
        a1 = a1[()]
    y = a0 {operator} a1
else:
    y = forward(a0, a1)
"""
_SCALAR = """\
if type(a{i}) is _ndarray and not a{i}.ndim:
    a{i} = a{i}[()]
"""
_VIEW = """\
if primitive.is_view and (y.base is not None or y is a0):
    attach_view(out, x0, primitive.call, (), settings)
"""


@lru_cache
def _code_of_call(
    n_inputs: int,
    n_aux: int,
    n_settings: int,
    has_settings: bool,
    operator: str,
    has_check: bool,
    readers: tuple[tuple[int, ...], ...],
) -> CodeType:
    """Of calls of a kind: without loops, and without questions that can be settled here."""

    def each(text: str, last: str = "") -> str:
        plain = [""] * (n_inputs - 1) + [last.replace("\n", "\n    ")]
        return "".join([text.format(i=i, plain=plain[i]) for i in range(n_inputs)])

    def row(letter: str, count: int) -> str:
        return ", ".join([f"{letter}{i}" for i in range(count)])

    inputs, arrays, aux = row("x", n_inputs), row("a", n_inputs), row("v", n_aux)
    settings = ", **settings" if has_settings else ""
    results = f"y, {aux}" if n_aux else "y"
    values = f"{arrays}, {results}".split(", ")
    saved = []  # each value where an input needs a gradient whose rule reads it
    for value, whose in zip(values, readers, strict=True):
        edges = [f"e{k} is not None" for k in whose]
        if 0 < len(edges) < n_inputs:
            value = f"{value} if {' or '.join(edges)} else None"
        saved.append(value if edges else "None")
    plain = _PLAIN.format(
        are_tensors=" or ".join([f"isinstance(x{i}, Tensor)" for i in range(n_inputs - 1)]) or "()",
        inputs=inputs,
        settings=settings,
        first="[0]" if n_aux else "",
        names="settings" if has_settings else "()",
    )
    check = f"primitive._precondition({arrays}{settings})" if has_check else ""
    compute = _COMPUTE.format(check=check, results=results, arrays=arrays, settings=settings)
    sort_out = _SORT_OUT.format(count=n_inputs, n_settings=n_settings, inputs=inputs)
    own = "out.data = _asarray(y)"
    pieces = {
        "parameters": "*args, **settings" if has_settings else inputs,
        "sort_out": sort_out if has_settings else "",
        "edges": " = ".join(row("e", n_inputs).split(", ")),
        "read": each(_READ, plain),
        "inputs": inputs,
        "compute": _OPERATE.format(operator=operator) if operator else compute,
        "scalars": f"y = {own}" if has_settings else f"{own}\n{each(_SCALAR)}",
        "edge_list": row("e", n_inputs),
        "constant": " and ".join([f"e{i} is None" for i in range(n_inputs)]),
        "saved": ", ".join(saved),
        "attrs": "settings" if has_settings else "None",
        "arrays": arrays,
        "view": _VIEW if has_settings else "",
    }
    lines = []
    for line in _CALL.splitlines():
        text = line.lstrip()
        indent = line[: len(line) - len(text)]
        lines += [indent + piece for piece in text.format(**pieces).splitlines()]
    made: dict[str, Any] = {}
    exec(compile("\n".join(lines), _GENERATED, "exec"), globals(), made)
    return cast(CodeType, made["make"](*[None] * 4).__code__)


# In this folder, so that its lines are not taken for the user's.
_GENERATED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "<call>")


def general_call(primitive: Primitive) -> Callable[..., Any]:
    """The call of a primitive with any number of inputs, or with several outputs."""
    forward, kept = primitive.forward, primitive.kept
    variadic = primitive.variadic
    n_inputs, n_outputs = len(primitive.inputs), primitive.n_outputs
    n_settings, defaults = len(primitive.attributes), primitive.defaults
    whole = n_outputs == 1 and not primitive.aux  # the forward returns an array, not a tuple

    def call(*args: Any, **settings: Any) -> Any:
        if variadic:
            inputs = args
            if defaults:
                settings = {**defaults, **settings}
        elif len(args) != n_inputs or len(settings) != n_settings:
            inputs, settings = _sorted_out(primitive, args, settings)
        else:
            inputs = args
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
                primitive._precondition(*arrays, **settings)
            result = forward(*arrays, **settings)
        except Exception as error:
            raise primitive.fail(error, inputs, settings) from error
        results = (result,) if whole else result
        if not tracked:
            return result if whole else results[0] if n_outputs == 1 else results[:n_outputs]
        outs = tuple([_wrap(_asarray(y)) for y in results[:n_outputs]])
        # Of several outputs, a tensor nobody sees carries the node that all of them come from.
        out = outs[0] if n_outputs == 1 else _wrap(outs[0].data)
        if mask and (state := _state()).enabled:
            values = [*arrays, *(y.data for y in outs), *results[n_outputs:]]
            keep = kept[1 if variadic else mask]
            if keep is None:
                keep = primitive.keep(mask)
            if variadic:  # all of them or none
                keep = (keep >> 1 << len(arrays)) | (keep & 1) * ((1 << len(arrays)) - 1)
            saved = tuple([v if keep >> i & 1 else None for i, v in enumerate(values)])
            if primitive._shapes_wanted:
                saved = (*saved, tuple([np.shape(a) for a in arrays]))
            if n_outputs > 1:
                settings = {**settings, "outputs": [(y.shape, y.dtype, None) for y in outs]}
            record(primitive, tuple(edges), saved, out, settings, state, tuple(arrays))
            if n_outputs > 1:
                assert out._node is not None
                _attach_outputs(out._node, outs)
        return out if n_outputs == 1 else outs

    return _named(call, primitive)


def _sorted_out(
    primitive: Primitive, args: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Inputs and settings of a call that gave inputs by name, settings by position, or not all."""
    count, settings = len(primitive.inputs), primitive.attributes
    inputs, rest = args[:count], args[count:]
    for name in primitive.inputs[len(inputs) :]:
        if name in named:
            inputs = (*inputs, named.pop(name))
    if (refused := unknown_argument(primitive, named)) is not None:
        raise refused
    if len(inputs) < count:
        missing = ", ".join(primitive.inputs[len(inputs) :])
        raise TypeError(f"{primitive.name} misses its input {missing}")
    if len(rest) > len(settings):
        raise TypeError(
            f"{primitive.name} takes {count + len(settings)} arguments, got {len(args)}"
        )
    return inputs, {**primitive.defaults, **dict(zip(settings, rest, strict=False)), **named}


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
    node.saved = None
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
