"""compile: a function's operations, recorded and then replayed without the engine between them.

The first two calls with arguments of given shapes run as they are written, and their recordings are
compared. If both did the same to the same parameters and constants, what they did is written out as
two functions, forward and backward, which later calls use; the result hangs on the graph by a
single node. If not, every call runs as it is written.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

import numpy as np

from autograd._call import record
from autograd._graph import Node
from autograd._modes import CHANGES, STATE, enable_grad
from autograd._primitive import Primitive
from autograd._tensor import Tensor, _wrap, grad
from autograd.replay.recording import CannotReplayError, Recording, record_call, state_of
from autograd.replay.workspace import Lease, Workspace

__all__ = ["Compiled", "compile"]


def compile(function: Callable[..., Tensor]) -> Compiled:
    """A function that repeats what ``function`` does to arrays, in less time.

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

    Neighbouring operations that do the same to every element (arithmetic, powers, exp, tanh,
    activations …) become one loop, there and back; in plain NumPy it works in blocks that fit the
    cache, with the ``fast`` extra it is compiled, and makes the sum or mean of all elements that
    follows, and sums of broadcast gradients, in passing. With that extra, a function whose arrays
    are all small, and that does nothing but such operations, matrix products, sums, means,
    reshaping and cross-entropy, becomes native code after twenty replays. What is compiled rounds
    otherwise in the last places, and so do activations such as SiLU, which are then their formulas.

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
            leaves = known.arrays()
            if leaves is not None:
                lease = known.lease()
                try:
                    result = known(args, leaves, lease)
                except Exception:  # the function itself tells better what is wrong
                    return self.function(*args)
                self.replays += 1
                return result
            known = _NEW  # parameters or modes have changed: begin again
        if known is None:
            return self.function(*args)
        recording, result = record_call(self.function, args)
        try:
            recording.check()
            if known is _NEW:
                self._known[key] = recording
            else:
                known.compare(recording)
                self._known[key] = _Program(recording, self.function)
        except CannotReplayError as reason:
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
        return arg.data.shape, arg.data.dtype, arg.requires_grad
    if isinstance(arg, np.ndarray):
        return arg.shape, arg.dtype
    hash(arg)
    return type(arg), arg


# --------------------------------------------------------------------------------------- replaying


def _arrays(args: tuple[Any, ...]) -> list[Any]:
    return [arg.data if isinstance(arg, Tensor) else arg for arg in args]


class _Program:
    """What a recording says: which guards must hold, and what to do to the arguments.

    Attributes:
        leaves: the parameters it reads.
    """

    def __init__(self, recording: Recording, function: Callable[..., Tensor]) -> None:
        self.leaves = recording.leaves
        self._arrays = [leaf.data for leaf in self.leaves]
        self._modules = recording.modules
        self._changes = CHANGES.count
        # Arguments that gradients flow to are inputs of the node, beside the parameters.
        self._tracked = recording.tracked
        self._function = function
        name = getattr(function, "__name__", "compiled")
        self._primitive = Primitive(function, name=name, inputs=("*inputs",), aux=("lease",))
        self._primitive.vjp = self._vjp
        self._recording = recording
        self._idle: list[Workspace] = []

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
        lease: Lease = saved[-1]
        values, lease.values = lease.values, None
        if values is None:  # an earlier pass over a graph that was retained has used them up
            assert node.attrs is not None
            arrays = _arrays(node.attrs["args"])
            _, values = lease.workspace.forward([leaf.data for leaf in self.leaves], arrays)
        parts: list[Any] = lease.workspace.backward(g, values)
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

    def arrays(self) -> list[Any] | None:
        """Those of the parameters; None if these, or modules, are not as when it was made."""
        arrays = self._arrays
        for i, leaf in enumerate(self.leaves):
            array, before = leaf.data, arrays[i]
            if leaf._node is not None or not leaf._requires_grad:
                return None
            if array is not before:
                if array.shape != before.shape or array.dtype != before.dtype:
                    return None
                arrays = self._arrays = [*arrays[:i], array, *arrays[i + 1 :]]
        if self._changes != CHANGES.count:
            changes = CHANGES.count
            if any(state_of(module()) != state for module, state in self._modules.items()):
                return None
            self._changes = changes
        return arrays

    def lease(self) -> Lease:
        """A workspace for one call."""
        return Lease(self._idle.pop() if self._idle else Workspace(self._recording), self._idle)

    def __call__(self, args: tuple[Any, ...], leaves: list[Any], lease: Lease) -> Tensor:
        arrays = _arrays(args)
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
