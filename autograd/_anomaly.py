"""detect_anomaly: stop at the first operation whose result is not finite, and say all about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np

from autograd._graph import Node
from autograd._modes import STATE, State

__all__ = ["AnomalyError", "detect_anomaly"]

_F = TypeVar("_F", bound=Callable[..., Any])


class AnomalyError(ArithmeticError):
    """An operation, or the derivative of one, gave a NaN or an infinity."""


class detect_anomaly:  # noqa: N801 - PyTorch's name
    """Within it, the first recorded operation that gives a NaN or an infinity raises.

    Forward and backward are both watched. The message names the operation, the user's line it
    came from, its module, and shapes and ranges of its inputs. The cost is one sum over each
    result. Context manager and decorator.

    Args:
        check_inf: whether infinities count too, or NaN alone.

    Raises:
        AnomalyError: at the first result that is not finite.

    >>> import numpy as np
    >>> from autograd import Tensor, detect_anomaly
    >>> x = Tensor([1.0, -1.0], requires_grad=True)
    >>> with detect_anomaly(), np.errstate(invalid="ignore"):
    ...     np.sqrt(x)  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    AnomalyError: sqrt gave 1 NaN among 2 values
    """

    def __init__(self, check_inf: bool = True) -> None:
        self.check_inf = check_inf
        self._before: list[State] = []

    def __enter__(self) -> detect_anomaly:
        state = STATE.get()
        self._before.append(state)
        outer_watch, outer_guard = state.watch, state.guard

        def watch(node: Node, output: Any, inputs: tuple[Any, ...]) -> None:
            if outer_watch is not None:
                outer_watch(node, output, inputs)
            self._check_forward(node, output.data, inputs)

        def guard(node: Node, gradient: Any, parts: Sequence[Any]) -> None:
            if outer_guard is not None:
                outer_guard(node, gradient, parts)
            self._check_backward(node, gradient, parts)

        STATE.set(state.replace(watch=watch, guard=guard))
        return self

    def __exit__(self, *_: object) -> None:
        before = self._before.pop()
        STATE.set(STATE.get().replace(watch=before.watch, guard=before.guard))

    def __call__(self, function: _F) -> _F:
        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with detect_anomaly(self.check_inf):
                return function(*args, **kwargs)

        return cast(_F, wrapper)

    def _is_bad(self, values: Any) -> bool:
        array = getattr(values, "data", values) if not isinstance(values, np.ndarray) else values
        array = np.asarray(array)
        if array.dtype.kind not in "fc":
            return False
        with np.errstate(all="ignore"):
            total = complex(np.add.reduce(array, axis=None))
        if math.isfinite(total.real) and math.isfinite(total.imag):
            return False
        # The sum may have overflowed where every summand is finite.
        return bool(np.isnan(array).any() or (self.check_inf and np.isinf(array).any()))

    def _check_forward(self, node: Node, output: Any, inputs: tuple[Any, ...]) -> None:
        if not self._is_bad(output):
            return
        lines = [f"{node.primitive.name} gave {_count(output)}", *_place(node)]
        names = node.primitive.inputs
        for position, value in enumerate(inputs):
            name = names[position] if position < len(names) else f"{names[-1]}[{position}]"
            lines.append(f"  input {name}: {_range(value)}")
        if any(self._is_bad(value) for value in inputs if value is not None):
            lines.append("  it was not the origin: an input was not finite already")
        raise AnomalyError("\n".join(lines))

    def _check_backward(self, node: Node, gradient: Any, parts: Sequence[Any]) -> None:
        arrays = gradient if isinstance(gradient, list) else [gradient]
        for position, part in enumerate(parts):
            if part is None or not self._is_bad(part):
                continue
            names = node.primitive.inputs
            name = names[position] if position < len(names) else f"{names[-1]}[{position}]"
            value = getattr(part, "data", part) if not isinstance(part, np.ndarray) else part
            lines = [
                f"the derivative of {node.primitive.name} with respect to {name} gave "
                f"{_count(np.asarray(value))}",
                *_place(node),
                *(f"  gradient of its output: {_range(g)}" for g in arrays if g is not None),
            ]
            saved = node.saved if type(node.saved) is tuple else ()
            slots = (*node.primitive.inputs, *node.primitive.outputs)
            if not node.primitive.variadic:
                for slot, kept in zip(slots, saved or (), strict=False):
                    if kept is not None:
                        lines.append(f"  saved {slot}: {_range(kept)}")
            if any(self._is_bad(g) for g in arrays if g is not None):
                lines.append("  it was not the origin: the gradient it was given was not finite")
            raise AnomalyError("\n".join(lines))


def _place(node: Node) -> list[str]:
    lines = [f"  at {node.source}"]
    if node.scope is not None:
        lines.append(f"  in {node.scope!r}")
    return lines


def _count(array: Any) -> str:
    nans, infs = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    found = [f"{n} {what}" for n, what in ((nans, "NaN"), (infs, "infinite")) if n]
    return f"{' and '.join(found)} among {array.size} values (shape {array.shape})"


def _range(value: Any) -> str:
    if value is None:
        return "None"
    array = getattr(value, "data", value) if not isinstance(value, np.ndarray) else value
    array = np.asarray(array)
    if array.size == 0 or array.dtype.kind not in "biufc":
        return f"shape {array.shape}, {array.dtype}"
    with np.errstate(all="ignore"):
        values = np.abs(array) if array.dtype.kind == "c" else array
        low, high = values.min(), values.max()
    return f"shape {array.shape}, {array.dtype}, from {low:.6g} to {high:.6g}"
