"""@primitive: one operation's forward, rule, precondition and sample inputs in one declaration.

Calling a primitive on tensors computes its forward on their arrays and records a node. A rule's
parameters say what it reads, and only that is saved:

- the name of an input: that input's array; of an output: that output (``y`` if there is one);
- the name of another argument (``axis``, ``stride`` …): its value;
- ``x_shape``, ``x_ndim`` or ``x_dtype``, where ``x`` is the input the rule is for or an output: a
  property of it;
- ``shapes`` (rules for all inputs at once): the shapes of all inputs;
- ``needs`` (likewise): for each input whether its gradient is wanted.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from types import FunctionType
from typing import Any

import numpy as np

from autograd._graph import (
    GraphError,
    Node,
    Output,
    _internal,
    current_place,
    next_sequence,
    user_frame,
)
from autograd._inplace import attach_view
from autograd._modes import STATE
from autograd._tensor import Tensor, _as_result, _wrap, no_rule_message

__all__ = [
    "Primitive",
    "Sample",
    "attach",
    "constant",
    "implements",
    "plain",
    "primitive",
    "primitives",
    "sample",
]

_ndarray = np.ndarray
_asarray = np.asarray
_new = object.__new__
_state = STATE.get
_getframe = sys._getframe


# Every primitive by name, in order of declaration.
primitives: dict[str, Primitive] = {}

Rule = Callable[..., Any]


class Primitive:
    """An operation the engine can differentiate; made with :func:`primitive`.

    Attributes:
        name: shown in drawings, messages and ``Node.primitive.name``.
        forward: the operation on plain arrays.
        inputs: names of the differentiable arguments, those before ``/`` in the signature.
        samples: sample inputs, from which checks and documentation are generated.
        batched: whether the rule also accepts a gradient with one more leading axis.
        is_view: whether the output may share the input's memory.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        *,
        name: str,
        inputs: Sequence[str],
        outputs: Sequence[str] = ("y",),
        aux: Sequence[str] = (),
        is_view: bool = False,
        batched: bool = False,
    ) -> None:
        self.forward = forward
        self.name = name
        self.__name__ = name
        self.__doc__ = forward.__doc__
        self.__module__ = getattr(forward, "__module__", __name__)
        self.outputs = tuple(outputs)
        self.n_outputs = len(self.outputs)
        self.aux = tuple(aux)
        self.is_view = is_view
        self.batched = batched
        self.samples: list[Sample] = []
        self.variadic = len(inputs) == 1 and inputs[0].startswith("*")
        self.inputs = tuple(name.lstrip("*") for name in inputs)
        self.attributes, self.defaults = _attributes_of(forward, self.inputs)
        self.wrap = _as_result
        self.vjp: Callable[..., Sequence[Any]] = self._vjp
        self._precondition: Callable[..., None] | None = None
        self._rules: dict[str, _Rule] = {}
        self.constant_inputs: tuple[str, ...] = ()  # those with rule None
        self._joint: _Rule | None = None
        # For each bit mask of inputs that need a gradient: which positions to save.
        self._keep: dict[int, tuple[bool, ...]] = {}
        self._shapes_wanted = False
        simple = not (self.attributes or self.aux or self.variadic or self.n_outputs > 1 or is_view)
        self._is_plain = simple and len(self.inputs) <= 2
        if self._is_plain and len(self.inputs) == 1:
            self.call = _unary(self)
        elif self._is_plain:
            self.call = _binary(self)
        else:
            self.call = _general(self)

    @property
    def __signature__(self) -> Any:
        """For ``help`` and completion."""
        import inspect  # only when asked: it is slow to import

        if not isinstance(self.forward, np.ufunc):
            return inspect.signature(self.forward)
        kind = inspect.Parameter.POSITIONAL_ONLY
        return inspect.Signature([inspect.Parameter(name, kind) for name in self.inputs])

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        return self.call(*args, **attrs)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    # ------------------------------------------------------------------------ declaring

    def rule(self, *which: Any) -> Any:
        """Declare the vector-Jacobian product: ``@f.rule`` or ``@f.rule("a")`` for one input.

        The function gets the gradient ``g`` of the output (a list for several outputs) and what
        its other parameters name, and returns the gradient of the input, of the output's shape
        where the input was broadcast. Without a name it is for all inputs at once and returns a
        sequence, unless there is only one input. ``f.rule("b")(None)`` says that the output does
        not depend smoothly on ``b``: no gradient flows there.
        """
        if len(which) == 1 and callable(which[0]):
            return self._declare(which[0], None)

        def declare(function: Any) -> Any:
            for name in which:
                self._declare(function, name)
            return function

        return declare

    def _declare(self, function: Rule | None, name: str | None) -> Rule | None:
        if name is None and len(self.inputs) == 1 and not self.variadic:
            name = self.inputs[0]
        if name is not None and name not in self.inputs:
            raise TypeError(f"{self.name} has no input {name!r}, only {self.inputs}")
        if function is None:
            assert name is not None
            self.constant_inputs += (name,)
            self.vjp = self._vjp
            return None
        label = self.name + (f".rule({name})" if name is not None else ".rule")
        # A traceback should say whose rule it is in.
        code = function.__code__.replace(co_name=label, co_qualname=label)
        function.__code__ = code
        rule = _Rule(self, function, name)
        if name is None:
            self._joint = rule
        else:
            self._rules[name] = rule
        self._keep.clear()
        self.vjp = self._fast_vjp() or self._vjp
        if "shapes" in rule.parameters:
            if self._is_plain:
                raise TypeError(
                    f"the rule of {self.name} can ask for shapes only if the inputs are *arrays or "
                    "there are settings; ask for the inputs' own shapes in a rule for each"
                )
            self._shapes_wanted = True
        return function

    def _fast_vjp(self) -> Callable[..., Sequence[Any]] | None:
        """The vjp of the most frequent primitives, written out: one or two inputs, a rule for each
        that reads saved arrays alone. It saves two calls per node over the general one.
        """
        if self._joint is not None or self.n_outputs > 1 or len(self.inputs) > 2:
            return None
        rules = [self._rules.get(name) for name in self.inputs]
        if not all(rule is not None and rule.only_saved for rule in rules):
            return None
        names: dict[str, Any] = {"slow": self._vjp}
        calls = []
        for position, rule in enumerate(rules):
            assert rule is not None
            names[f"rule{position}"] = rule.function
            read = "".join(f", saved[{p}]" for p in rule.positions)
            calls.append(f"rule{position}(g{read})")
        if len(calls) == 1:
            body = f"return ({calls[0]},)"
        else:
            body = (
                "a, b = edges\n"
                "    if wanted is not None:\n"
                "        return slow(g, saved, node, edges, wanted)\n"
                f"    return (None if a is None else {calls[0]}, None if b is None else {calls[1]})"
            )
        exec(f"def vjp(g, saved, node, edges, wanted):\n    {body}", names)
        return names["vjp"]

    def precondition(self, check: Callable[..., None]) -> Callable[..., None]:
        """Declare a check of the arguments, called as the forward is; it raises or returns None."""
        self._precondition = check
        return check

    # ------------------------------------------------------------------------ recording

    def keep(self, mask: int) -> tuple[bool, ...]:
        """Which of inputs and outputs are saved if the inputs in ``mask`` need a gradient."""
        kept = self._keep.get(mask)
        if kept is None:
            rules = (
                [self._joint]
                if self._joint is not None
                else [
                    rule
                    for position, name in enumerate(self.inputs)
                    if mask >> position & 1 and (rule := self._rules.get(name)) is not None
                ]
            )
            positions = {p for rule in rules if rule is not None for p in rule.positions}
            count = len(self.inputs) + len(self.outputs) + len(self.aux)
            kept = self._keep[mask] = tuple(p in positions for p in range(count))
        return kept

    def fail(self, error: Exception, args: Sequence[Any]) -> Exception:
        """The error to raise where the forward raised ``error``: which operation, on what."""
        if getattr(error, "_explained", False):
            return error
        shapes = ", ".join(_described(arg) for arg in args)
        message = f"{self.name}({shapes}){current_place()}: {error}"
        try:
            explained = type(error)(message)
        except Exception:
            return error
        explained._explained = True  # type: ignore[attr-defined]
        explained.operation = (self, tuple(args))  # type: ignore[attr-defined]
        return explained

    # ---------------------------------------------------------------------- differentiating

    def restore(self, node: Node) -> tuple[Any, ...]:
        """The node's saved values, if they are not simply there: packed by a hook, or freed."""
        saved = node.saved
        if saved is None:
            raise GraphError(
                f"the graph was already freed by an earlier backward pass (at {self.name}, "
                f"{node.source}); pass retain_graph=True to the first pass to walk it twice"
            )
        assert isinstance(saved, _Packed)
        return saved.unpack()

    def _vjp(
        self,
        gradient: Any,
        saved: tuple[Any, ...],
        node: Node,
        edges: tuple[Any, ...],
        wanted: set[Any] | None,
    ) -> Sequence[Any]:
        """Gradients of the inputs from that of the output; None where none is wanted."""
        if self.n_outputs > 1:
            gradient = self._fill_outputs(node, gradient)
        joint = self._joint
        if joint is not None:
            needs = tuple([e is not None and (wanted is None or e in wanted) for e in edges])
            return joint.for_all(gradient, saved, node, needs)
        return [
            None
            if edge is None
            or (wanted is not None and edge not in wanted)
            or name in self.constant_inputs
            else self._rule_for(name, node).apply(gradient, saved, node)
            for name, edge in zip(self.inputs, edges, strict=True)
        ]

    def _rule_for(self, name: str, node: Node) -> _Rule:
        rule = self._rules.get(name)
        if rule is None:
            raise GraphError(
                f"{self.name} has no rule for its input {name} ({node.source}); declare one with "
                f'@{self.name}.rule("{name}")'
            )
        return rule

    def _fill_outputs(self, node: Node, gradients: list[Any]) -> list[Any]:
        """Zeros for the outputs that nothing was computed from."""
        assert node.attrs is not None
        recording = any(isinstance(g, Tensor) for g in gradients)
        filled = []
        for g, (shape, dtype, _) in zip(gradients, node.attrs["outputs"], strict=True):
            if g is None:
                g = _wrap(np.zeros(shape, dtype)) if recording else np.zeros(shape, dtype)
            filled.append(g)
        return filled

    def relink(self, node: Node, saved: tuple[Any, ...]) -> tuple[Any, ...]:
        """The saved arrays as tensors with their place in the graph, so that a rule records."""
        count = len(node.edges)
        values: list[Any] = []
        for position, value in enumerate(saved):
            if value is None:
                values.append(None)
            elif position < count:
                edge = node.edges[position]
                values.append(value if edge is None else _linked(value, edge))
            elif position < count + self.n_outputs and isinstance(value, _ndarray):
                values.append(_linked(value, _output_edge(node, position - count)))
            else:
                values.append(value)
        return tuple(values)


class _Packed(tuple[Any, ...]):
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


def _output_edge(node: Node, index: int) -> Node:
    if node.primitive.n_outputs == 1:
        return node
    assert node.attrs is not None
    shape, dtype, made = node.attrs["outputs"][index]
    # The one that the user's tensor has, if it lives: it may have hooks, or be an input of `grad`.
    return (made and made()) or _output_node(node, index, shape, dtype)


def _linked(array: Any, edge: Any) -> Tensor:
    """A tensor of ``array`` whose place in the graph is ``edge``, a node or a leaf."""
    if isinstance(edge, Node):
        out = _wrap(array)
        out._node = edge
        out._requires_grad = True
        return out
    if edge.data is array:
        return edge
    out = _wrap(array)  # the leaf's data has been replaced since: its value then, linked to it
    _record(primitives["positive"], (edge,), (None, None), out, None, _state(), (array,))
    return out


class _Rule:
    """A rule's function, and where its parameters come from."""

    __slots__ = ("apply", "function", "only_saved", "parameters", "positions", "primitive")

    def __init__(self, owner: Primitive, function: Rule, name: str | None) -> None:
        self.primitive = owner
        self.function = function
        self.parameters = _parameters(function)[0][1:]
        slots = (*owner.inputs, *owner.outputs, *owner.aux)
        fetchers: list[tuple[str, Any]] = []
        positions: list[int] = []
        for parameter in self.parameters:
            base, _, what = parameter.rpartition("_")
            if parameter in slots:
                fetchers.append(("saved", slots.index(parameter)))
                positions.append(slots.index(parameter))
            elif parameter in owner.attributes:
                fetchers.append(("attr", parameter))
            elif name is not None and what in ("shape", "ndim", "dtype") and base == name:
                fetchers.append((what, owner.inputs.index(name)))
            elif what in ("shape", "ndim", "dtype") and base == "y" and owner.n_outputs == 1:
                fetchers.append((what, None))
            elif name is None and parameter in ("needs", "shapes"):
                fetchers.append((parameter, None))
            else:
                raise TypeError(
                    f"rule of {owner.name}: parameter {parameter!r} is neither an input "
                    f"{owner.inputs}, an output {(*owner.outputs, *owner.aux)}, nor an argument "
                    f"{owner.attributes}"
                )
        self.positions = tuple(positions)
        self.only_saved = len(positions) == len(self.parameters)
        self.apply = _applier(function, fetchers)

    def for_all(
        self, gradient: Any, saved: tuple[Any, ...], node: Node, needs: tuple[bool, ...]
    ) -> Sequence[Any]:
        """Apply a rule that serves all inputs at once."""
        args: list[Any] = []
        owner = self.primitive
        count = len(needs)
        shift = count - 1 if owner.variadic else 0
        for parameter in self.parameters:
            if parameter == "needs":
                args.append(needs)
            elif parameter == "shapes":
                args.append(saved[-1])
            elif parameter in owner.attributes:
                assert node.attrs is not None
                args.append(node.attrs[parameter])
            elif owner.variadic and parameter == owner.inputs[0]:
                args.append(saved[:count])
            else:
                slots = (*owner.inputs, *owner.outputs, *owner.aux)
                args.append(saved[slots.index(parameter) + shift])
        parts = self.function(gradient, *args)
        if not isinstance(parts, tuple | list) or len(parts) != count:
            raise GraphError(
                f"the rule of {owner.name} must return one gradient for each of its {count} "
                f"inputs, in a tuple, got {_described(parts)}"
            )
        return [part if need else None for part, need in zip(parts, needs, strict=True)]


def _applier(function: Rule, fetchers: list[tuple[str, Any]]) -> Callable[[Any, Any, Node], Any]:
    """``apply(g, saved, node)`` for a rule; the common shapes of rule without a loop."""
    kinds = [kind for kind, _ in fetchers]
    if not fetchers:
        return lambda g, saved, node: function(g)
    if kinds == ["saved"]:
        i = fetchers[0][1]
        return lambda g, saved, node: function(g, saved[i])
    if kinds == ["saved", "saved"]:
        i, j = fetchers[0][1], fetchers[1][1]
        return lambda g, saved, node: function(g, saved[i], saved[j])

    def fetch(kind: str, key: Any, saved: tuple[Any, ...], node: Node) -> Any:
        if kind == "saved":
            return saved[key]
        if kind == "attr":
            return node.attrs[key]  # type: ignore[index]
        of = node if key is None else node.edges[key]
        return len(of.shape) if kind == "ndim" else getattr(of, kind)

    return lambda g, saved, node: function(g, *[fetch(k, v, saved, node) for k, v in fetchers])


# ------------------------------------------------------------------------- calling, recording


def _record(
    primitive: Primitive,
    edges: tuple[Any, ...],
    saved: tuple[Any, ...],
    out: Tensor,
    attrs: dict[str, Any] | None,
    state: Any,
    inputs: tuple[Any, ...],
) -> None:
    """Make ``out`` the output of a new node; ``inputs`` are the plain values it came from."""
    frame = _getframe(2)
    if _internal[frame.f_code.co_filename] and state.scope is None:
        frame = user_frame(2)
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
    node.hooks = None
    node.name = None
    node._code = frame.f_code
    node._instruction = frame.f_lasti
    out._node = node
    out._requires_grad = True
    if state.watch is not None:
        state.watch(node, out, inputs)
    if state.pack is not None:
        _pack(node, state)


def _pack(node: Node, state: Any) -> None:
    packed = _Packed(
        state.pack(value) if isinstance(value, _ndarray) else _Kept(value)
        for value in node.saved or ()
    )
    packed.unpack_one = state.unpack
    node.saved = packed


def _unary(primitive: Primitive) -> Callable[..., Any]:
    """The call of a primitive with one input and nothing else."""
    forward = primitive.forward

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
        out.data = y if type(y) is _ndarray else _asarray(y)
        out.grad = out._node = out._view = out._extra = None
        if x._requires_grad and (state := _state()).enabled:
            keep = primitive._keep.get(1) or primitive.keep(1)
            saved = (a if keep[0] else None, out.data if keep[1] else None)
            _record(primitive, (x._node or x,), saved, out, None, state, (a,))
        else:
            out._requires_grad = False
        return out

    return _named(call, primitive)


def _binary(primitive: Primitive) -> Callable[..., Any]:
    """The call of a primitive with two inputs and nothing else."""
    forward = primitive.forward

    def call(a: Any, b: Any) -> Any:
        if isinstance(a, Tensor):
            if a._view is not None:
                a._view.refresh(a)
            x = a.data
            edge_a = (a._node or a) if a._requires_grad else None
            if isinstance(b, Tensor):
                if b._view is not None:
                    b._view.refresh(b)
                z = b.data
                edge_b = (b._node or b) if b._requires_grad else None
            else:
                z = b if not isinstance(b, list | tuple) else _asarray(b)
                edge_b = None
        elif isinstance(b, Tensor):
            if b._view is not None:
                b._view.refresh(b)
            x = a if not isinstance(a, list | tuple) else _asarray(a)
            edge_a = None
            z = b.data
            edge_b = (b._node or b) if b._requires_grad else None
        else:
            return forward(a, b)
        try:
            y = forward(x, z)
        except Exception as error:
            raise primitive.fail(error, (a, b)) from error
        out = _new(Tensor)
        out.data = y if type(y) is _ndarray else _asarray(y)
        out.grad = out._node = out._view = out._extra = None
        mask = (edge_a is not None) + 2 * (edge_b is not None)
        if mask and (state := _state()).enabled:
            keep = primitive._keep.get(mask) or primitive.keep(mask)
            saved = (x if keep[0] else None, z if keep[1] else None, out.data if keep[2] else None)
            _record(primitive, (edge_a, edge_b), saved, out, None, state, (x, z))
        else:
            out._requires_grad = False
        return out

    return _named(call, primitive)


def _general(primitive: Primitive) -> Callable[..., Any]:
    """The call of any primitive."""
    forward = primitive.forward
    variadic = primitive.variadic
    n_inputs = len(primitive.inputs)
    names = primitive.attributes
    defaults = primitive.defaults
    allowed = frozenset(names)
    several = primitive.n_outputs > 1
    has_aux = bool(primitive.aux)
    is_view = primitive.is_view

    def call(*args: Any, **attrs: Any) -> Any:
        inputs = args if variadic else args[:n_inputs]
        if attrs and not allowed.issuperset(attrs):
            if not variadic and len(inputs) < n_inputs:  # an input given by its name
                for name in primitive.inputs[len(inputs) :]:
                    if name in attrs:
                        args = inputs = (*inputs, attrs.pop(name))
                return call(*args, **attrs)
            raise TypeError(_unknown_argument(primitive, set(attrs) - allowed))
        if len(inputs) < n_inputs and not variadic:
            missing = ", ".join(primitive.inputs[len(inputs) :])
            raise TypeError(f"{primitive.name} misses its input {missing}")
        if names:
            rest = args[n_inputs:] if not variadic else ()
            if len(rest) > len(names):
                raise TypeError(
                    f"{primitive.name} takes {n_inputs + len(names)} arguments, got {len(args)}"
                )
            attrs = {**defaults, **dict(zip(names, rest, strict=False)), **attrs}
        arrays = []
        edges: list[Any] = []
        tracked = mask = 0
        for position, x in enumerate(inputs):
            if isinstance(x, Tensor):
                tracked = 1
                if x._view is not None:
                    x._view.refresh(x)
                arrays.append(x.data)
                if x._requires_grad:
                    edges.append(x._node or x)
                    mask |= 1 << position
                    continue
            else:
                arrays.append(x)
            edges.append(None)
        try:
            if primitive._precondition is not None:
                primitive._precondition(*arrays, **attrs)
            result = forward(*arrays, **attrs)
        except Exception as error:
            raise primitive.fail(error, inputs) from error
        if not tracked:
            return result[: primitive.n_outputs] if several else result[0] if has_aux else result
        outputs = result[: primitive.n_outputs] if several else (result[0] if has_aux else result,)
        aux = result[primitive.n_outputs :] if has_aux else ()
        outs = tuple(_wrap(y if type(y) is _ndarray else _asarray(y)) for y in outputs)
        if mask and (state := _state()).enabled:
            values = (*arrays, *(out.data for out in outs), *aux)
            if variadic:
                keep_list, keep_rest = primitive.keep(1)[0], primitive.keep(1)[1:]
                keep: Sequence[bool] = (keep_list,) * len(arrays) + keep_rest
            else:
                keep = primitive.keep(mask)
            saved = tuple([v if k else None for v, k in zip(values, keep, strict=True)])
            if primitive._shapes_wanted:
                saved = (*saved, tuple([np.shape(a) for a in arrays]))
            if several:
                layout: list[Any] = [(out.shape, out.dtype, None) for out in outs]
                attrs = {**attrs, "outputs": layout}
                carrier = _wrap(outs[0].data)
                _record(primitive, tuple(edges), saved, carrier, attrs, state, tuple(arrays))
                source = carrier._node
                assert source is not None
                for index, out in enumerate(outs):
                    if out.dtype.kind in "fc":
                        out._node = _output_node(source, index, out.shape, out.dtype)
                        out._requires_grad = True
                        layout[index] = (out.shape, out.dtype, weakref.ref(out._node))
                return outs
            out = outs[0]
            _record(primitive, tuple(edges), saved, out, attrs, state, tuple(arrays))
        if is_view:
            parent = inputs[0]
            data = outs[0].data
            if isinstance(parent, Tensor) and (data.base is not None or data is parent.data):
                attach_view(outs[0], parent, call, (), attrs)
        return outs if several else outs[0]

    return _named(call, primitive)


def _output_node(source: Node, index: int, shape: tuple[int, ...], dtype: Any) -> Output:
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
    call.__module__ = primitive.__module__
    return call


# ---------------------------------------------------------------------------------- declaring


def primitive(
    *numpy_functions: Callable[..., Any],
    name: str | None = None,
    outputs: Sequence[str] = ("y",),
    aux: Sequence[str] = (),
    view: bool = False,
    batched: bool = False,
    samples: Iterable[Sample] = (),
) -> Callable[[Callable[..., Any]], Primitive]:
    """Declare an operation: its forward on plain arrays, to be followed by its rule.

    Arguments before ``/`` in the signature are differentiable arrays, those after it are settings.

    Args:
        numpy_functions: NumPy functions that shall arrive here when called on tensors.
        name: by default the function's.
        outputs: names of the outputs; with several, the forward returns a tuple.
        aux: names of further values the forward returns for its rule only.
        view: the output may share the first input's memory.
        batched: the rule also takes a gradient with one more leading axis.
        samples: sample inputs, see :func:`sample`.

    >>> from autograd import Tensor, gradcheck, primitive
    >>> @primitive()
    ... def cube(x, /):
    ...     return x**3
    >>> @cube.rule
    ... def _(g, x):
    ...     return g * 3 * x**2
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> cube(x).sum().backward()
    >>> x.grad
    Tensor([ 3., 12.])
    >>> gradcheck(cube, x)
    True
    """

    def declare(forward: Callable[..., Any]) -> Primitive:
        made = Primitive(
            forward,
            name=name or forward.__name__,
            inputs=_inputs_of(forward),
            outputs=outputs,
            aux=aux,
            is_view=view,
            batched=batched,
        )
        made.samples.extend(samples)
        primitives[made.name] = made
        for function in numpy_functions:
            Tensor._implementations[function] = made.call
        return made

    return declare


# NumPy functions whose results on tensors carry no gradient.
constant_functions: set[Callable[..., Any]] = set()


def constant(*numpy_functions: Callable[..., Any]) -> None:
    """On tensors, let NumPy functions that are constant almost everywhere return plain arrays."""
    for function in numpy_functions:
        Tensor._implementations[function] = _on_arrays(function)
        constant_functions.add(function)


def _on_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*[plain(a) for a in args], **{k: plain(v) for k, v in kwargs.items()})

    return call


def plain(x: Any) -> Any:
    """The array of a tensor, through lists and tuples; anything else as it is."""
    if isinstance(x, Tensor):
        return x.data
    if isinstance(x, tuple | list):
        return type(x)(plain(item) for item in x)
    return x


def implements(*numpy_functions: Callable[..., Any]) -> Callable[[Any], Any]:
    """Let a function composed of primitives answer for NumPy functions on tensors."""

    def register(function: Any) -> Any:
        for numpy_function in numpy_functions:
            Tensor._implementations[numpy_function] = function
        return function

    return register


def _parameters(function: Any) -> tuple[tuple[str, ...], int, str | None]:
    """A function's named parameters, how many stand before ``/``, and the name after ``*``.

    Read off its code: importing ``inspect`` costs more than declaring all primitives.
    """
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    star = code.co_varnames[count] if code.co_flags & _VARARGS else None
    return code.co_varnames[:count], code.co_posonlyargcount, star


_VARARGS = 0x04  # inspect.CO_VARARGS


def _inputs_of(forward: Callable[..., Any]) -> list[str]:
    if isinstance(forward, np.ufunc):
        return ["x"] if forward.nin == 1 else ["a", "b"]
    names, before_slash, star = _parameters(forward)
    inputs = [*names[:before_slash], *(["*" + star] if star else [])]
    if not inputs:
        raise TypeError(
            f"{getattr(forward, '__name__', forward)} has no differentiable input: put its arrays "
            "before a '/' in the signature, as in `def f(x, /, axis=None)`"
        )
    return inputs


def _attributes_of(
    forward: Callable[..., Any], inputs: Sequence[str]
) -> tuple[tuple[str, ...], dict[str, Any]]:
    if isinstance(forward, np.ufunc):
        return (), {}
    names, _, _ = _parameters(forward)
    positional = names[: forward.__code__.co_argcount]
    values = getattr(forward, "__defaults__", None) or ()
    defaults = dict(zip(positional[len(positional) - len(values) :], values, strict=True))
    defaults.update(getattr(forward, "__kwdefaults__", None) or {})
    attributes = tuple(name for name in names if name not in inputs)
    return attributes, {name: defaults[name] for name in attributes if name in defaults}


def _described(arg: Any) -> str:
    shape = getattr(arg, "shape", None)
    if shape is None:
        return repr(arg) if isinstance(arg, int | float | complex) else type(arg).__name__
    label = f"{arg.name!r} " if isinstance(arg, Tensor) and arg.name else ""
    return f"{label}{arg.dtype}{list(shape)}"


# PyTorch's names of arguments that NumPy spells otherwise.
_ARGUMENT_HABITS = {"dim": "axis", "keepdim": "keepdims", "dims": "axes", "input": "x"}


def _unknown_argument(primitive: Primitive, unknown: set[str]) -> str:
    name = sorted(unknown)[0]
    hint = f"; NumPy's name is {_ARGUMENT_HABITS[name]}=" if name in _ARGUMENT_HABITS else ""
    known = ", ".join((*primitive.inputs, *primitive.attributes))
    return f"{primitive.name} has no argument {name!r}{hint} (it has: {known})"


# ------------------------------------------------------------------------------------- samples


class Sample:
    """Arguments to try a primitive on: shapes and makers of arrays, and settings.

    An input is a shape (values drawn uniformly from ``low`` to ``high``), a function from a
    ``numpy.random.Generator`` to an array, or any other value, taken as it is and not
    differentiated.
    """

    def __init__(self, *inputs: Any, low: float = -2.0, high: float = 2.0, **attrs: Any) -> None:
        self.inputs = inputs
        self.low = low
        self.high = high
        self.attrs = attrs

    def draw(self, seed: int = 0, dtype: Any = np.float64) -> tuple[list[Any], dict[str, Any]]:
        """The arguments and settings; the same for the same seed."""
        rng = np.random.default_rng(seed)
        args: list[Any] = []
        for spec in self.inputs:
            if isinstance(spec, tuple):
                args.append(rng.uniform(self.low, self.high, spec).astype(dtype))
            elif callable(spec):
                value = np.asarray(spec(rng))
                args.append(value.astype(dtype) if value.dtype.kind == "f" else value)
            else:
                args.append(spec)
        return args, dict(self.attrs)

    def __repr__(self) -> str:
        parts = [
            str(i) if isinstance(i, tuple) else getattr(i, "__name__", str(i)) for i in self.inputs
        ]
        return f"({', '.join(parts + [f'{k}={v}' for k, v in self.attrs.items()])})"


def sample(*inputs: Any, low: float = -2.0, high: float = 2.0, **attrs: Any) -> Sample:
    """A :class:`Sample`: ``sample((2, 3), (3,), axis=0)``, ``sample((4,), low=0.1)``."""
    return Sample(*inputs, low=low, high=high, **attrs)


# --------------------------------------------------------------------------------------- ufuncs


def _call_ufunc(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What ``Tensor.__array_ufunc__`` does."""
    implementation = Tensor._implementations.get(ufunc)
    if implementation is None:
        raise TypeError(no_rule_message(ufunc))
    if method == "__call__" and not kwargs:
        return implementation(*inputs)
    variant = Tensor._implementations.get((ufunc, method))
    if variant is not None:
        return variant(*inputs, **kwargs)
    general = Tensor._implementations.get((None, method))  # for every ufunc, see primitives/ufuncs
    if general is None:
        raise TypeError(
            f"np.{ufunc.__name__}.{method} has no differentiation rule for tensors; "
            "pass plain arrays (t.numpy()) if no gradient is needed"
        )
    return general(ufunc, *inputs, **kwargs)


Tensor._call_ufunc = staticmethod(_call_ufunc)


def attach(name: str, function: Any) -> None:
    """Make a function a method, operator or property of Tensor."""
    if type(function) is FunctionType and not name.startswith("_"):
        function = _with_hints(name, function)
    setattr(Tensor, name, function)


def _with_hints(name: str, function: FunctionType) -> Callable[..., Any]:
    """The method, answering PyTorch's argument names with NumPy's."""
    code = function.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    hints = {habit: meant for habit, meant in _ARGUMENT_HABITS.items() if meant in known}
    if not hints:
        return function

    @wraps(function)
    def method(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            for habit in kwargs:
                if habit in hints and habit not in known:
                    raise TypeError(
                        f"{name} has no argument {habit!r}; NumPy's name is {hints[habit]}="
                    ) from error
            raise

    return method
