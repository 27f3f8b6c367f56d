"""checkpoint: keep nothing of a stretch of computation, compute it again going backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd._graph import GraphError, Node, next_sequence
from autograd._modes import SCOPE, STATE, saved_tensors_hooks
from autograd._random import generator
from autograd._tensor import Tensor
from autograd._writes import WRITES

__all__ = ["checkpoint"]


def checkpoint(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call ``function(*args, **kwargs)`` without keeping what its derivatives need.

    The arrays are computed again, once, when a backward pass first asks for one of them: memory
    for time (one more forward pass). The graph is recorded as usual, so gradients of any order,
    parameters that the function closes over, and drawings are as without it. Random numbers drawn
    from the library's generator are the same the second time.

    Raises:
        GraphError: in the backward pass, if the second call computed something else, or could not
            compute the same because an argument was changed in place since.

    Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.

    >>> from autograd import Tensor, checkpoint
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> y = checkpoint(lambda x: np.exp(np.sin(x)), x)
    >>> y.sum().backward()
    >>> x.grad.numpy().round(4)
    array([ 1.2534, -1.0331])
    """
    run = _Run(function, args, kwargs)
    with saved_tensors_hooks(run.leave, run.fetch):
        return function(*args, **kwargs)


class _Run:
    """One checkpointed call: what was saved in it, by number, and how to have it again."""

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.scope = SCOPE.get()
        self.random_state = generator().bit_generator.state
        self.sequence = next_sequence()
        self.kinds: list[tuple[tuple[int, ...], np.dtype[Any]]] = []  # of the arrays not kept
        self.samples: list[Any] = []  # a few elements of each of them
        self.values: dict[int, Any] = {}  # computed again, waiting to be asked for

    def leave(self, array: Any) -> int:
        """In the first run: keep a number instead of the array."""
        self.kinds.append((array.shape, array.dtype))
        self.samples.append(_some_of(array))
        return len(self.kinds) - 1

    def fetch(self, number: int) -> Any:
        """In the backward pass: the array of that number."""
        if number not in self.values:
            self._run_again()
        return self.values.pop(number)

    def _run_again(self) -> None:
        for array in _arrays_in((self.args, self.kwargs)):
            line = WRITES.since(array, self.sequence)
            if line is not None:
                raise GraphError(
                    f"an argument (shape {array.shape}) of a checkpointed function was changed in "
                    f"place by {line}, so that the function cannot be called again to the same "
                    "effect; write `x = x + …` instead of changing x, or change a copy"
                )
        nodes: list[Node] = []

        def collect(node: Node, output: Any, inputs: Any) -> None:
            nodes.append(node)

        random = generator().bit_generator
        state_now = random.state
        random.state = self.random_state
        outer = STATE.get()
        STATE.set(outer.replace(enabled=True, watch=collect, pack=None, unpack=None))
        outside = SCOPE.set(self.scope)
        try:
            self.function(*self.args, **self.kwargs)
        finally:
            STATE.set(outer)
            SCOPE.reset(outside)
            random.state = state_now
        values: list[Any] = []
        for node in nodes:
            if type(node.saved) is tuple:  # not packed by hooks inside, such as another checkpoint
                WRITES.check(node, node.saved)
                values += [value for value in node.saved if isinstance(value, np.ndarray)]
        if [(v.shape, v.dtype) for v in values] != self.kinds or not all(
            map(_agree, map(_some_of, values), self.samples)
        ):
            raise GraphError(
                "a checkpointed function computed something else when it was called again: it must "
                "depend on its arguments and parameters only, and these must not change before the "
                "backward pass. Random numbers repeat if they are drawn from autograd.generator()"
            )
        self.values = dict(enumerate(values))


def _arrays_in(tree: Any) -> Iterator[Any]:
    """The arrays of the tensors in nested tuples, lists and dicts."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, tuple | list):
        for item in tree:
            yield from _arrays_in(item)
    elif isinstance(tree, Tensor):
        yield tree.data


def _some_of(array: Any) -> Any:
    """At most 64 elements, evenly spread: enough to notice that all of them have changed."""
    return array.flat[:: max(1, -(-array.size // 64))]


def _agree(now: Any, before: Any) -> bool:
    if before.dtype.kind not in "fc" or not before.size:
        return np.array_equal(now, before)
    # Threads may add up in another order.
    rtol = float(np.sqrt(np.finfo(before.dtype).eps))
    with np.errstate(all="ignore"):
        scale = np.abs(before[np.isfinite(before)]).max(initial=0)
        return np.allclose(now, before, rtol, rtol * scale, equal_nan=True)
