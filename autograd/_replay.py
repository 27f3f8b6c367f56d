"""compile: a function's operations, recorded and then replayed without the engine between them.

The first two calls with arguments of given shapes run as they are written, and their recordings are
compared. If both did the same to the same parameters and constants, what they did is written out as
two plain Python functions, forward and backward, which later calls use; the result hangs on the
graph by a single node. If not, every call runs as it is written.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from typing import Any

import numpy as np

from autograd._backward import _conform
from autograd._call import record
from autograd._graph import Node
from autograd._modes import CHANGES, STATE, enable_grad
from autograd._primitive import Primitive, Specialized
from autograd._random import generator
from autograd._tensor import Tensor, _wrap, grad
from autograd._writes import WRITES

__all__ = ["Compiled", "compile"]


class _CannotReplayError(Exception):
    """What a function does differs from call to call, or cannot be written out."""


def compile(function: Callable[..., Tensor]) -> Compiled:
    """A function that repeats what ``function`` does to arrays, faster where arrays are small.

    Args:
        function: takes arrays, tensors and hashable settings by position, and returns one tensor,
            such as the loss of a model. It may use parameters and other arrays from outside, whose
            current values are read in every call.

    Returns:
        The same function as a :class:`Compiled`; also to be used as a decorator.

    What is replayed are operations on tensors, not Python: printing, appending to lists, choices
    that depend on values and Python numbers computed from values are not seen again. A function is
    called as it is written, always, if its first two calls show that it makes new arrays or random
    numbers by itself, or writes in place (as batch normalisation does in training), and then a
    warning says so; also without gradients, under hooks on saved values, anomaly detection and
    profiles, and for shapes not yet seen. Modules with hooks are called as they are written too.
    Another mode of a module, another parameter or submodule in its place and a parameter that is
    frozen are noticed; other attributes that decide what a module does are not: see
    :meth:`Compiled.reset`.

    Results of operations are written to the same arrays in every replay, as far as these know how
    to. As long as a result has a graph to go back through, its arrays are left alone.

    >>> import numpy as np, autograd, nn
    >>> model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    >>> loss_of = autograd.compile(lambda x, y: nn.functional.mse_loss(model(x), y))
    >>> x, y = np.ones((8, 2), np.float32), np.zeros((8, 1), np.float32)
    >>> for _ in range(3):
    ...     loss = loss_of(x, y)
    >>> loss.backward()
    >>> loss_of.replays, loss.node.edges[0] is model[0].weight
    (1, True)
    """
    return Compiled(function)


class Compiled:
    """A function that replays what it did; made by :func:`compile`.

    Attributes:
        replays: how many calls were replayed so far.
    """

    def __init__(self, function: Callable[..., Tensor]) -> None:
        update_wrapper(self, function)
        self.function = function
        self.replays = 0
        # By the arguments' shapes: a recording, the program made from two, or None for "never".
        self._known: dict[Any, Any] = {}

    def __call__(self, *args: Any) -> Tensor:
        state = STATE.get()
        if not state.enabled or state.observed or state.guard is not None:
            return self.function(*args)
        try:
            key = tuple([_kind_of(arg) for arg in args])
            known = self._known.get(key, _NEW)
        except TypeError:  # an argument that cannot be compared
            return self.function(*args)
        if type(known) is _Program:
            if known.holds():
                try:
                    result = known(args)
                except Exception:  # the function itself tells better what is wrong
                    return self.function(*args)
                self.replays += 1
                return result
            known = _NEW  # parameters or modes have changed: begin again
        if known is None:
            return self.function(*args)
        recording, result = _record(self.function, args)
        try:
            recording.check()
            if known is _NEW:
                self._known[key] = recording
            else:
                known.compare(recording)
                self._known[key] = _Program(recording, self.function)
        except _CannotReplayError as reason:
            self._known[key] = None
            name = getattr(self.function, "__qualname__", repr(self.function))
            warnings.warn(f"{name} is not replayed: {reason}", RuntimeWarning, stacklevel=2)
        return result

    def reset(self) -> None:
        """Forget all recordings, after a change that a replay cannot see."""
        self._known.clear()


_NEW = object()


def _kind_of(arg: Any) -> Any:
    if isinstance(arg, Tensor):
        return arg.shape, arg.dtype, arg.requires_grad
    if isinstance(arg, np.ndarray):
        return arg.shape, arg.dtype
    hash(arg)
    return type(arg), arg


# -------------------------------------------------------------------------------------- recording


class _Recording:
    """What a call did: its operations in order, and what each of them read."""

    def __init__(self, args: tuple[Any, ...]) -> None:
        self.args: Sequence[Any] = args
        self.nodes: list[Any] = []
        self.tracked: list[int] = []
        self.outputs: list[Any] = []
        self.operands: list[list[tuple[str, Any]]] = []
        self.settings: list[dict[str, tuple[str, Any]]] = []
        self.leaves: list[Tensor] = []
        self.modules: dict[Any, tuple[Any, ...]] = {}  # weak references, and what they were like
        self.problem = ""
        self._step_of: dict[Node, int] = {}
        self._step_with: dict[int, int] = {}
        self._inputs = {id(arg): i for i, arg in enumerate(args) if isinstance(arg, np.ndarray)}
        self._edges: dict[Any, int] = {}
        for i, arg in enumerate(args):
            if isinstance(arg, Tensor | np.ndarray) and not arg.ndim:
                self.problem = "an argument has no axes"  # operations see a number instead of it
            if isinstance(arg, Tensor):
                self._inputs[id(arg.data)] = i
                if arg.requires_grad:
                    self._edges[arg.node or arg] = i

    def watch(self, node: Node, output: Tensor, inputs: tuple[Any, ...]) -> None:
        """Take down a node as it is made."""
        step = len(self.nodes)
        if node.primitive.n_outputs > 1:
            self.problem = f"{node.primitive.name} has several outputs"
        self.operands.append(
            [self._operand(edge, value) for edge, value in zip(node.edges, inputs, strict=True)]
        )
        self.settings.append({k: self._constant(v) for k, v in (node.attrs or {}).items()})
        self.nodes.append(node)
        self.outputs.append(output.data)  # kept, so that no other array gets its identity
        self._step_of[node] = step
        self._step_with[id(output.data)] = step
        scope = node.scope
        while scope is not None:
            if scope.module not in self.modules:
                self.modules[scope.module] = _state_of(scope.module())
                if _has_hooks(scope.module()):
                    self.problem = f"{scope.label} has hooks, which may do anything"
            scope = scope.parent

    def _operand(self, edge: Any, value: Any) -> tuple[str, Any]:
        if edge is None:
            return self._constant(value)
        if edge in self._edges:
            return "arg", self._edges[edge]
        if edge in self._step_of:
            return "step", self._step_of[edge]
        if isinstance(edge, Node):
            self.problem = f"it uses the result of {edge.primitive.name}, computed outside of it"
            return "const", value
        for i, leaf in enumerate(self.leaves):
            if leaf is edge:
                return "leaf", i
        self.leaves.append(edge)
        return "leaf", len(self.leaves) - 1

    def _constant(self, value: Any) -> tuple[str, Any]:
        if isinstance(value, np.ndarray):
            if id(value) in self._inputs:
                return "arg", self._inputs[id(value)]
            if id(value) in self._step_with:
                return "step", self._step_with[id(value)]
        elif isinstance(value, np.generic):
            self.problem = self.problem or "it reads a NumPy scalar, which may change"
        return "const", value

    def like(self, kind: str, which: Any) -> Any:
        """Something with the shape and dtype of an operand; None for None."""
        of: dict[str, Any] = {"step": self.nodes, "leaf": self.leaves, "arg": self.args}
        if kind in of:
            return of[kind][which]
        return None if which is None else np.asarray(which)

    def forget_arrays(self) -> None:
        """Keep what the operations and their arguments were like, without their values and graph.

        Arguments that gradients flow to are then in ``tracked``.
        """
        self.tracked = sorted(set(self._edges.values()))
        self.args = [_Like(arg) if hasattr(arg, "dtype") else arg for arg in self.args]
        self.nodes = [_Step(node) for node in self.nodes]
        for known in (self.outputs, self._edges, self._step_of, self._step_with, self._inputs):
            known.clear()

    def check(self) -> None:
        """Raise if this alone shows that it cannot be replayed."""
        if self.problem:
            raise _CannotReplayError(self.problem)

    def compare(self, other: _Recording) -> None:
        """Raise unless the other call did the same with other arguments."""
        same = len(self.nodes) == len(other.nodes) and all(
            a.primitive is b.primitive and a.shape == b.shape and a.dtype == b.dtype
            for a, b in zip(self.nodes, other.nodes)
        )
        if not same or any(
            [kind for kind, _ in a] != [kind for kind, _ in b] or a_set.keys() != b_set.keys()
            for a, b, a_set, b_set in zip(
                self.operands, other.operands, self.settings, other.settings
            )
        ):
            raise _CannotReplayError("two calls recorded different operations")
        if list(map(id, self.leaves)) != list(map(id, other.leaves)):
            raise _CannotReplayError("two calls used different parameters")
        for node, mine, theirs, a, b in zip(
            self.nodes, self.operands, other.operands, self.settings, other.settings
        ):
            pairs = [*zip(mine, theirs), *((a[name], b[name]) for name in a)]
            if not all(x[0] == y[0] and _same(x[1], y[1]) for x, y in pairs):
                raise _CannotReplayError(
                    f"{node.primitive.name} ({node.source}) reads an array or a number that was "
                    "not the same in two calls and is none of the arguments"
                )


def _state_of(module: Any) -> tuple[Any, ...]:
    """What decides what a module does: mode, submodules, parameters, and which of them learn."""
    parameters = getattr(module, "_parameters", {}).values()
    learning = tuple([p is not None and p._requires_grad for p in parameters])
    modules = getattr(module, "_modules", {}).values()
    members = tuple(map(id, (*modules, *parameters)))
    return (getattr(module, "training", None), members, learning, _has_hooks(module))


def _has_hooks(module: Any) -> bool:
    return any(
        getattr(module, f"_{kind}_hooks", ())
        for kind in ("forward", "forward_pre", "backward", "backward_pre")
    )


def _same(a: Any, b: Any) -> bool:
    """Whether two constants are one: the same array, or equal numbers, strings, tuples of such."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return a is b
    if isinstance(a, tuple | list) and type(a) is type(b):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    return a is b or (type(a) is type(b) and bool(a == b))


def _record(function: Callable[..., Tensor], args: tuple[Any, ...]) -> tuple[_Recording, Tensor]:
    recording = _Recording(args)
    state = STATE.get()
    writes = WRITES.latest
    random = generator().bit_generator
    drawn = repr(random.state)
    token = STATE.set(state.replace(watch=recording.watch))
    try:
        result = function(*args)
    finally:
        STATE.reset(token)
    if WRITES.latest != writes:
        recording.problem = "it writes to arrays in place"
    elif repr(random.state) != drawn:
        recording.problem = "it draws random numbers"
    elif not isinstance(result, Tensor) or result.node not in recording._step_of:
        recording.problem = "it does not return a tensor that it computed"
    elif result.node is not recording.nodes[-1]:
        last = recording._step_of[result.node]
        for taken in (recording.nodes, recording.outputs, recording.operands, recording.settings):
            del taken[last + 1 :]
    return recording, result


# --------------------------------------------------------------------------------------- replaying


class _Program:
    """What a recording says: which guards must hold, and what to do to the arguments.

    Attributes:
        leaves: the parameters it reads.
    """

    def __init__(self, recording: _Recording, function: Callable[..., Tensor]) -> None:
        self.leaves = recording.leaves
        self._arrays = [leaf.data for leaf in self.leaves]
        self._modules = recording.modules
        self._changes = CHANGES.count
        recording.forget_arrays()
        # Arguments that gradients flow to are inputs of the node, beside the parameters.
        self._tracked = recording.tracked
        self._function = function
        name = getattr(function, "__name__", "compiled")
        self._primitive = Primitive(function, name=name, inputs=("*inputs",), aux=("lease",))
        self._primitive.vjp = self._vjp
        self._recording = recording
        self._idle: list[_Workspace] = []

    def _vjp(
        self,
        g: Any,
        saved: tuple[Any, ...],
        node: Node,
        edges: tuple[Any, ...],
        wanted: set[Any] | None,
    ) -> Sequence[Any]:
        """The gradients of the leaves, then of the arguments that want one."""
        if type(g) is Tensor:  # to be differentiated again
            assert node.attrs is not None
            return self._recorded(g, node.attrs["args"], edges, wanted)
        lease: _Lease = saved[-1]
        parts: list[Any] = lease.workspace.backward(g, lease.values)
        if lease.workspace.incomplete:
            for i, part in enumerate(parts):
                if part is None:  # the result does not depend on it
                    parts[i] = np.zeros(edges[i].shape, edges[i].dtype)
        return parts

    def _recorded(
        self, g: Tensor, args: tuple[Any, ...], edges: tuple[Any, ...], wanted: set[Any] | None
    ) -> list[Tensor | None]:
        """The same on the graph, by calling the function as it is written."""
        inputs = [*self.leaves, *(args[i] for i in self._tracked)]
        need = [wanted is None or edge in wanted for edge in edges]
        with enable_grad():
            out = self._function(*args)
            asked = [x for x, needed in zip(inputs, need) if needed]
            found = iter(grad(out, asked, g, create_graph=True, allow_unused=True))
        parts = [next(found) if needed else None for needed in need]
        return [
            Tensor(np.zeros_like(x.data)) if needed and part is None else part
            for x, part, needed in zip(inputs, parts, need)
        ]

    def holds(self) -> bool:
        """Whether parameters and modules are as they were when it was made."""
        for leaf, array in zip(self.leaves, self._arrays):
            if leaf.data is not array and not self._fits(leaf.data, array):
                return False
            if not leaf._requires_grad or leaf._node is not None:
                return False
        if self._changes != CHANGES.count:
            changes = CHANGES.count
            if any(_state_of(module()) != state for module, state in self._modules.items()):
                return False
            self._changes = changes
        return True

    def _fits(self, data: Any, array: Any) -> bool:
        """Whether a parameter's new array can stand for the old one; from now on it does."""
        if data.shape != array.shape or data.dtype != array.dtype:
            return False
        self._arrays = [leaf.data for leaf in self.leaves]
        return True

    def __call__(self, args: tuple[Any, ...]) -> Tensor:
        lease = _Lease(self._idle.pop() if self._idle else _Workspace(self._recording), self._idle)
        arrays = [arg.data if isinstance(arg, Tensor) else arg for arg in args]
        leaves = [leaf.data for leaf in self.leaves]
        y, lease.values = lease.workspace.forward(leaves, arrays)
        out = _wrap(np.asarray(y))
        edges, inputs = (*self.leaves,), (*leaves,)
        for i in self._tracked:
            edges += (args[i]._node or args[i],)
            inputs += (arrays[i],)
        # The inputs are saved so that writes to them are noticed.
        saved = (*inputs, None, lease)
        record(self._primitive, edges, saved, out, {"args": args}, STATE.get(), inputs)
        return out


class _Workspace:
    """A recording written out as Python, one line for each operation, and buffers for results."""

    def __init__(self, recording: _Recording) -> None:
        names: dict[str, Any] = {"conform": _conform}
        names["buffers"] = buffers = {}
        special = [_specialized(recording, i, buffers) for i in range(len(recording.nodes))]
        forward = _forward_source(recording, special, names)
        backward = _backward_source(recording, special, names)
        exec(f"{forward}\n\n{backward}", names)
        self.forward, self.backward = names["forward"], names["backward"]
        # Whether the result does not depend on some of the leaves or arguments.
        self.incomplete = "None" in backward.rpartition("return")[2]


class _Lease:
    """The use of a workspace by one result, until what that saved is gone."""

    __slots__ = ("idle", "values", "workspace")

    def __init__(self, workspace: _Workspace, idle: list[_Workspace]) -> None:
        self.workspace = workspace
        self.idle = idle  # where it is put back
        self.values: tuple[Any, ...] = ()

    def __del__(self) -> None:
        self.idle.append(self.workspace)


def _specialized(recording: _Recording, i: int, buffers: dict[int, Any]) -> Specialized | None:
    """The form of an operation for its shapes; its buffers are added to ``buffers``."""
    node, primitive = recording.nodes[i], recording.nodes[i].primitive
    like = [recording.like(*operand) for operand in recording.operands[i]]
    special: Specialized | None = None
    if primitive._specialized is not None:
        settings = {
            key: which if kind == "const" else recording.like(kind, which)
            for key, (kind, which) in recording.settings[i].items()
        }
        special = primitive._specialized(*like, **settings)
    elif isinstance(primitive.forward, np.ufunc) and node.shape:
        out = np.empty(node.shape, node.dtype)
        special = Specialized(partial(primitive.forward, out=out), {}, (out,))
    if special is not None:
        buffers.update((id(buffer), buffer) for buffer in special.buffers)
    return special


def _name(kind: str, which: Any, names: dict[str, Any]) -> str:
    """The variable that holds an operand; constants become global names of the program."""
    if kind != "const":
        return {"arg": "a", "leaf": "p", "step": "v"}[kind] + str(which)
    if which is None:
        return "None"
    name = f"c{len(names)}"
    names[name] = which
    return name


def _forward_source(
    recording: _Recording, special: list[Specialized | None], names: dict[str, Any]
) -> str:
    """``forward(leaves, args)``: the result, and all that the backward function reads."""
    lines = ["def forward(leaves, args):"]
    for letter, count in (("p", len(recording.leaves)), ("a", len(recording.args))):
        if count:
            variables = [f"{letter}{i}" for i in range(count)]
            lines.append(f"    {', '.join(variables)}, = {'leaves' if letter == 'p' else 'args'}")
    for i, node in enumerate(recording.nodes):
        primitive, form = node.primitive, special[i]
        inputs = [_name(kind, which, names) for kind, which in recording.operands[i]]
        settings = recording.settings[i]
        given = [f"{key}={_name(*settings[key], names)}" for key in settings]
        call = ", ".join([*inputs, *given])
        names[f"f{i}"] = primitive.forward if form is None else form.forward
        aux = [f"v{i}_{k}" for k in range(len(primitive.aux))]
        if primitive._precondition is not None:
            names[f"check{i}"] = primitive._precondition
            lines.append(f"    check{i}({call})")
        lines.append(f"    {', '.join([f'v{i}', *aux])} = f{i}({call})")
    last = f"v{len(recording.nodes) - 1}"
    lines.append(f"    return {_own(last)}, ({', '.join(_kept(recording))},)")
    return "\n".join(lines)


def _own(value: str) -> str:
    """An expression for a value that no later call writes to."""
    return f"{value}.copy() if {value}.base is not None or id({value}) in buffers else {value}"


def _backward_source(
    recording: _Recording,
    special: list[Specialized | None],
    names: dict[str, Any],
) -> str:
    """``backward(g, values)``: the gradients of the leaves and of the arguments that want one."""
    nodes, last = recording.nodes, len(recording.nodes) - 1
    lines = [
        "def backward(g, values):",
        f"    {', '.join(_kept(recording))}, = values",
        f"    gv{last} = g",
    ]
    started = {f"gv{last}"}
    for i in range(last, -1, -1):
        if f"gv{i}" not in started:
            continue  # nothing that is returned depends on it
        node, operands, form = nodes[i], recording.operands[i], special[i]
        parts = _parts(recording, i, form, names, lines)
        for k, (kind, which) in enumerate(operands):
            edge = node.edges[k]
            if edge is None or parts[k] == "None":
                continue
            target = "g" + _name(kind, which, names)
            names[f"e{i}_{k}"] = edge
            names[f"s{i}_{k}"], names[f"t{i}_{k}"] = edge.shape, edge.dtype
            lines.append(f"    part = {parts[k]}")
            if form is None or node.primitive.inputs[k] not in form.rules:
                lines += [
                    f"    if part.shape != s{i}_{k} or part.dtype is not t{i}_{k}:",
                    f"        part = conform(part, e{i}_{k}, n{i})",
                ]
            if target in started:
                lines.append(f"    {target} = {target} + part")
            else:
                lines.append(f"    {target} = {'part' if kind == 'step' else _own('part')}")
            started.add(target)
    targets = [f"gp{i}" for i in range(len(recording.leaves))] + [
        f"ga{i}" for i in recording.tracked
    ]
    lines.append(f"    return [{', '.join(t if t in started else 'None' for t in targets)}]")
    return "\n".join(lines)


def _parts(
    recording: _Recording,
    i: int,
    special: Specialized | None,
    names: dict[str, Any],
    lines: list[str],
) -> list[str]:
    """Expressions for the gradients of an operation's inputs: calls of its rules."""
    node, operands, settings = recording.nodes[i], recording.operands[i], recording.settings[i]
    primitive = node.primitive
    count = len(operands)
    values = [_name(kind, which, names) for kind, which in operands]
    values += [f"v{i}", *(f"v{i}_{k}" for k in range(len(primitive.aux)))]
    names[f"n{i}"] = node
    if primitive._joint is None:
        parts = []
        for k, name in enumerate(primitive.inputs):
            rule = primitive._rules.get(name)
            if node.edges[k] is None or rule is None:
                parts.append("None")
                continue
            names[f"r{i}_{k}"] = rule.function
            if special is not None:
                names[f"r{i}_{k}"] = special.rules.get(name, rule.function)
            reads = []
            for read in rule.reads:
                what, _, which = read.rstrip("]").partition("[")
                if what == "saved":
                    reads.append(values[int(which)])
                elif what == "node.attrs":
                    reads.append(_name(*settings[which.strip("'")], names))
                else:  # a property of the node or of an input, which stays the same
                    value = eval(read, {"node": node, "edges": node.edges})
                    reads.append(_name("const", value, names))
            parts.append(f"r{i}_{k}({', '.join([f'gv{i}', *reads])})")
        return parts
    keep = primitive.keep(sum(1 << k for k, e in enumerate(node.edges) if e is not None))
    if primitive.variadic:
        keep = (keep >> 1 << count) | (keep & 1) * ((1 << count) - 1)
    saved = [value if keep >> k & 1 else "None" for k, value in enumerate(values)]
    if primitive._shapes_wanted:
        shapes = tuple([recording.like(*operand).shape for operand in operands])
        saved.append(_name("const", shapes, names))
    names[f"q{i}"], names[f"e{i}"] = primitive, node.edges
    given = ", ".join(f"{k!r}: {_name(*settings[k], names)}" for k in settings)
    at = f"n{i}.having({{{given}}})"
    lines.append(f"    parts = q{i}._vjp(gv{i}, ({', '.join(saved)},), {at}, e{i}, None)")
    return [f"parts[{k}]" for k in range(count)]


def _kept(recording: _Recording) -> list[str]:
    """What the backward function reads: results, leaves and arguments."""
    kept = []
    for i, node in enumerate(recording.nodes):
        kept += [f"v{i}", *(f"v{i}_{k}" for k in range(len(node.primitive.aux)))]
    kept += [f"p{i}" for i in range(len(recording.leaves))]
    return kept + [f"a{i}" for i in range(len(recording.args))]


class _Like:
    """The shape and dtype of something, without its array."""

    def __init__(self, of: Any) -> None:
        self.shape, self.dtype = of.shape, of.dtype


class _Step(_Like):
    """What a rule asks of a node: its shape, dtype and settings, and what its inputs are like."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.primitive, self.attrs, self.source = node.primitive, None, node.source
        self.edges = [None if edge is None else _Like(edge) for edge in node.edges]

    def having(self, attrs: dict[str, Any]) -> _Step:
        """The same with the settings of another call."""
        copy = object.__new__(_Step)
        copy.__dict__.update(self.__dict__, attrs=attrs)
        return copy
