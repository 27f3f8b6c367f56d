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

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

from autograd._call import (
    Packed,
    general_call,
    output_node,
    record,
    written_out_call,
)
from autograd._dispatch import attach, constant, constant_functions, implements, plain
from autograd._graph import GraphError, Node, current_place
from autograd._modes import STATE
from autograd._sample import Sample, sample
from autograd._signature import (
    attributes_of,
    described,
    inputs_of,
    parameters_of,
    unknown_argument,
)
from autograd._tensor import Tensor, _as_result, _wrap

__all__ = [
    "Primitive",
    "Sample",
    "Specialized",
    "attach",
    "constant",
    "constant_functions",
    "implements",
    "plain",
    "primitive",
    "primitives",
    "sample",
]

# Every primitive by name, in order of declaration.
primitives: dict[str, Primitive] = {}

Rule = Callable[..., Any]

# Rules that are as soon computed as called: what stands in the place of a call of one.
_SHORT = {
    (lambda g: g).__code__.co_code: "g",
    (lambda g: -g).__code__.co_code: "-g",
    (lambda g, a: g * a).__code__.co_code: "g * {}",
}


class Primitive:
    """An operation the engine can differentiate; made with :func:`primitive`.

    Attributes:
        name: shown in drawings, messages and ``Node.primitive.name``.
        forward: the operation on plain arrays.
        inputs: names of the differentiable arguments, those before ``/`` in the signature.
        samples: sample inputs, from which checks and documentation are generated.
        batched: whether the rule also accepts a gradient with one more leading axis.
        is_view: whether the output may share the input's memory.
        uniform: whether the rules' gradients are known to be of the output's shape and dtype; found
            out of ufuncs, and to be said of others after their rules.
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
        self.attributes, self.defaults = attributes_of(forward, self.inputs)
        self.wrap = _as_result
        self.vjp: Callable[..., Sequence[Any]] = self._first_vjp
        self.uniform = False
        self._precondition: Callable[..., None] | None = None
        self._specialized: Callable[..., Specialized | None] | None = None
        self._shortcut: _Rule | None = None
        self._rules: dict[str, _Rule] = {}
        self.constant_inputs: tuple[str, ...] = ()  # those with rule None
        self._joint: _Rule | None = None
        # For each bit mask of inputs that need a gradient: a mask of the positions to save, in the
        # order inputs, outputs, aux; None until it is worked out.
        self.kept: list[int | None] = [None] * (2 if self.variadic else 1 << len(self.inputs))
        self._shapes_wanted = False
        usual = not self.variadic and self.n_outputs == 1
        self.call = written_out_call(self) if usual else general_call(self)
        self._code_before_calls = self.call.__code__

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
        self._shortcut = None
        if function is None:
            assert name is not None
            self.constant_inputs += (name,)
            self.vjp = self._first_vjp
            return None
        _rename(function, self.name + (f".rule({name})" if name is not None else ".rule"))
        rule = _Rule(self, function, name)
        if name is None:
            self._joint = rule
        else:
            self._rules[name] = rule
        self.kept[:] = [None] * len(self.kept)
        self.write_call_again()  # it may have been written for other rules
        self.vjp = self._first_vjp
        self.uniform = False
        if "shapes" in rule.parameters:
            if not self.variadic:
                raise TypeError(
                    f"the rule of {self.name} can ask for shapes only if the inputs are *arrays; "
                    "ask for the inputs' own shapes in a rule for each"
                )
            self._shapes_wanted = True
        return function

    def shortcut(self, function: Rule) -> Rule:
        """Declare gradients of all inputs at once, for a case in which that is quicker.

        The function gets the gradient of the output, the node's edges, None where no gradient is
        wanted, and what its other parameters name, as in a rule; but arrays are saved for rules
        only. It returns a tuple with the gradient of each input, None where the edge is None; or
        None instead of a tuple, for what it leaves to the rules. A rule declared later puts an end
        to it.
        """
        if self.variadic:
            raise TypeError(f"{self.name} takes any number of inputs: its rule is for all at once")
        shortcut = _Rule(self, function, None, given=2)
        if "needs" in shortcut.parameters:
            raise TypeError(f"a shortcut of {self.name} sees by the edges what is needed")
        _rename(function, f"{self.name}.shortcut")
        self._shortcut = shortcut
        self.vjp = self._first_vjp
        return function

    def write_call_again(self) -> None:
        """Let the next call write the code of :attr:`call`, for what the primitive is then."""
        self.call.__code__ = self._code_before_calls

    def _first_vjp(self, *args: Any) -> Sequence[Any]:
        """The first call of :attr:`vjp`: write it, not before it is needed."""
        written = self.written_vjp()
        if self.vjp == self._first_vjp:  # and nobody has put something in its place
            self.vjp = written
        return written(*args)

    def written_vjp(self) -> Callable[..., Sequence[Any]]:
        """Gradients of the inputs from that of the output, None where none is wanted, by rules."""
        names: dict[str, Any] = {"missing": self._missing_rule, "filled": self._fill_outputs}
        lines = [
            "def vjp(g, saved, node, edges, wanted):",
            "    if wanted is not None:",
            "        edges = [edge if edge in wanted else None for edge in edges]",
        ]
        if self.n_outputs > 1:
            lines.append("    g = filled(node, g)")
        if self._shortcut is not None:
            names.update(shortcut=self._shortcut.function, refuse=self._refuse_parts)
            count = len(self.inputs)
            lines += [
                f"    parts = shortcut({', '.join(['g', 'edges', *self._shortcut.reads])})",
                "    if parts is not None:",
                f"        if type(parts) is not tuple or len(parts) != {count}:",
                f"            refuse(parts, {count})",
                "        return parts",
            ]
        if self._joint is None and not self.variadic:
            lines += self._each_rule(names)
        else:
            lines += self._joint_rule(names)
        exec("\n".join(lines), names)
        return names["vjp"]

    def _each_rule(self, names: dict[str, Any]) -> list[str]:
        """Lines that apply a rule for each input; what they name is put into ``names``.

        For the product of a and b they return

            (None if edges[0] is None else rule0(g, saved[1]),
             None if edges[1] is None else rule1(g, saved[0]))
        """
        parts = []
        short = 0
        for position, name in enumerate(self.inputs):
            rule = self._rules.get(name)
            if name in self.constant_inputs:
                parts.append("None")
                continue
            if rule is None:
                value = f"missing({name!r}, node)"
            elif rule.function.__code__.co_code in _SHORT:
                value = _SHORT[rule.function.__code__.co_code].format(*rule.reads)
                short += 1
            else:
                names[f"rule{position}"] = rule.function
                value = f"rule{position}({', '.join(['g', *rule.reads])})"
            parts.append(f"None if edges[{position}] is None else {value}")
        elementwise = isinstance(self.forward, np.ufunc) and self.forward.signature is None
        self.uniform = self.uniform or (elementwise and short == len(self.inputs))
        return [f"    return ({', '.join(parts)},)"]

    def _joint_rule(self, names: dict[str, Any]) -> list[str]:
        """Lines that apply the rule for all inputs at once, likewise."""
        if self._joint is None:  # a variadic primitive without its rule
            return [f"    missing({self.inputs[0]!r}, node)"]
        names.update(rule=self._joint.function, refuse=self._refuse_parts, sequences=(tuple, list))
        if self.variadic:
            needs = "tuple([edge is not None for edge in edges])"
            result = "[part if need else None for part, need in zip(parts, needs)]"
        else:
            each = range(len(self.inputs))
            needs = f"({', '.join([f'edges[{i}] is not None' for i in each])},)"
            result = f"({', '.join([f'parts[{i}] if needs[{i}] else None' for i in each])},)"
        return [
            "    count = len(edges)",
            f"    needs = {needs}",
            f"    parts = rule({', '.join(['g', *self._joint.reads])})",
            "    if not isinstance(parts, sequences) or len(parts) != count:",
            "        refuse(parts, count)",
            f"    return {result}",
        ]

    def _refuse_parts(self, parts: Any, count: int) -> NoReturn:
        raise GraphError(
            f"the rule of {self.name} must return one gradient for each of its {count} inputs, in "
            f"a tuple, got {described(parts)}"
        )

    def _missing_rule(self, name: str, node: Node) -> NoReturn:
        raise GraphError(
            f"{self.name} has no rule for its input {name} ({node.source}); declare one with "
            f'@{self.name}.rule("{name}")'
        )

    def precondition(self, check: Callable[..., None]) -> Callable[..., None]:
        """Declare a check of the arguments, called as the forward is; it raises or returns None."""
        self._precondition = check
        self.write_call_again()  # it may have been written without a check
        return check

    def specialize(self, make: Callable[..., Specialized | None]) -> Callable[..., Any]:
        """Declare how to compute it again and again for arrays of the same shapes and dtypes.

        ``make`` is called as the forward is, with a thing that has a ``shape`` and a ``dtype`` for
        each array, and returns what a compiled function uses in the place of the forward and of
        rules, an ``autograd.extend.Specialized``, or None. What these return may be a buffer that
        their next call writes to.
        """
        self._specialized = make
        return make

    # ------------------------------------------------------------------------ recording

    def readers(self) -> tuple[tuple[int, ...], ...]:
        """For each input, output and aux value the inputs whose rules read it."""
        rules = [self._joint or self._rules.get(name) for name in self.inputs]
        return tuple(
            tuple(k for k, rule in enumerate(rules) if rule and position in rule.positions)
            for position in range(len(self.inputs) + self.n_outputs + len(self.aux))
        )

    def keep(self, mask: int) -> int:
        """A mask of the positions that are saved if the inputs in ``mask`` need a gradient."""
        if self.variadic:
            mask = 1
        kept = self.kept[mask] = sum(
            1 << position
            for position, inputs in enumerate(self.readers())
            if any(mask >> k & 1 for k in inputs)
        )
        return kept

    def fail(
        self, error: Exception, args: Sequence[Any], settings: Mapping[str, Any] | None
    ) -> Exception:
        """The error to raise where the forward raised ``error``: which operation, on what."""
        if getattr(error, "_explained", False):
            return error
        if (refused := unknown_argument(self, settings or ())) is not None:
            return refused
        shapes = ", ".join(described(arg) for arg in args)
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
        assert isinstance(saved, Packed)
        return saved.unpack()

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
            elif position < count + self.n_outputs and isinstance(value, np.ndarray | np.generic):
                values.append(_linked(value, _output_edge(node, position - count)))
            else:
                values.append(value)
        return tuple(values)


def _rename(function: Any, label: str) -> None:
    """Let tracebacks say whose rule it is."""
    function.__code__ = function.__code__.replace(co_name=label, co_qualname=label)


def _output_edge(node: Node, index: int) -> Node:
    if node.primitive.n_outputs == 1:
        return node
    assert node.attrs is not None
    shape, dtype, made = node.attrs["outputs"][index]
    # The one that the user's tensor has, if it lives: it may have hooks, or be an input of `grad`.
    return (made and made()) or output_node(node, index, shape, dtype)


def _linked(array: Any, edge: Any) -> Tensor:
    """A tensor of ``array`` whose place in the graph is ``edge``, a node or a leaf."""
    array = np.asarray(array)
    if isinstance(edge, Node):
        out = _wrap(array)
        out._node = edge
        out._requires_grad = True
        return out
    if edge.data is array:
        return edge
    out = _wrap(array)  # the leaf's data has been replaced since: its value then, linked to it
    record(primitives["positive"], (edge,), (None, None), out, None, STATE.get(), (array,))
    return out


class Specialized(NamedTuple):
    """A forward and rules for certain shapes and dtypes, called as those they stand for are."""

    forward: Callable[..., Any]
    rules: Mapping[str, Callable[..., Any]]  # from input to its rule
    buffers: Sequence[Any]  # arrays that the forward or a rule may return again


class _Rule:
    """A rule's function, and where its parameters come from."""

    __slots__ = ("function", "parameters", "positions", "reads")

    def __init__(self, owner: Primitive, function: Rule, name: str | None, given: int = 1) -> None:
        self.function = function
        self.parameters = parameters_of(function)[0][given:]
        slots = (*owner.inputs, *owner.outputs, *owner.aux)
        positions: list[int] = []
        # What a call passes on, as it is written in a function of (g, saved, node, edges).
        self.reads: list[str] = []
        for parameter in self.parameters:
            base, _, what = parameter.rpartition("_")
            if parameter in slots:
                position = slots.index(parameter)
                positions.append(position)
                if not owner.variadic:
                    self.reads.append(f"saved[{position}]")
                else:  # all inputs are saved, or none
                    self.reads.append(
                        f"saved[{position - 1} + count]" if position else "saved[:count]"
                    )
            elif parameter in owner.attributes:
                self.reads.append(f"node.attrs[{parameter!r}]")
            elif name is not None and what in ("shape", "ndim", "dtype") and base == name:
                self.reads.append(_PROPERTY[what].format(f"edges[{owner.inputs.index(name)}]"))
            elif what in ("shape", "ndim", "dtype") and base == "y" and owner.n_outputs == 1:
                self.reads.append(_PROPERTY[what].format("node"))
            elif name is None and parameter in ("needs", "shapes"):
                self.reads.append("needs" if parameter == "needs" else "saved[-1]")
            else:
                raise TypeError(
                    f"rule of {owner.name}: parameter {parameter!r} is neither an input "
                    f"{owner.inputs}, an output {(*owner.outputs, *owner.aux)}, nor an argument "
                    f"{owner.attributes}"
                )
        self.positions = tuple(positions)


# Nodes and leaves have a shape and a dtype.
_PROPERTY = {"shape": "{}.shape", "dtype": "{}.dtype", "ndim": "len({}.shape)"}


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
            inputs=inputs_of(forward),
            outputs=outputs,
            aux=aux,
            is_view=view,
            batched=batched,
        )
        made.samples.extend(samples)
        # A user's operation may have the name of one that is there; that one stays.
        primitives.setdefault(made.name, made)
        for function in numpy_functions:
            Tensor._implementations[function] = made.call
        return made

    return declare
