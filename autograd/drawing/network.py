"""Networks as textbooks draw them: units in layers, weights on the lines between them.

Of wide layers only the first and last units are shown; convolutional networks are drawn as blocks
(see ``blocks``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np

from autograd._tensor import Tensor, as_tensor, grad
from autograd.drawing._canvas import Canvas, Point
from autograd.drawing._style import BACKWARD, number, text_width

__all__ = ["draw_network"]

Array = np.ndarray[Any, Any]
Weights = Mapping[tuple[int, int], Array]

RADIUS = 21.0
COLUMN = 190.0
ROW = 84.0
ROW_WITH_VALUES = 112.0
POSITIVE, NEGATIVE, FROZEN = "#0072b2", "#d55e00", "#777777"
LABELS = 48  # lines up to which each has its weight written on it


def draw_network(
    network: Any,
    input: Any = None,
    *,
    biases: Mapping[int, Any] | None = None,
    activation: Callable[[Any], Any] | None = None,
    output_activation: Callable[[Any], Any] | None = None,
    symbols: bool = False,
    weights: bool | None = None,
    frozen: Collection[tuple[int, int]] = (),
    names: Sequence[Sequence[str]] | None = None,
    max_units: int = 12,
    precision: int = 4,
    title: str | None = None,
) -> Canvas:
    """Draw a network: unit by unit if it is a stack of affine layers, else as blocks.

    Args:
        network: a module whose parameters sit in ``Linear`` layers one after the other; or a list
            of weight matrices ``(out, in)`` or of pairs (matrix, bias); or, for networks that skip
            layers (XOR with one hidden unit, cascade correlation), a mapping from (from layer, to
            layer) to a matrix, layer 0 being the inputs. A module with other layers that have
            parameters is drawn as blocks with the shape at each stage, and needs ``input``.
        input: one example; values then stand in the units: the activation inside, z below, and,
            if there is one output, δ = ∂y/∂z in the colour of gradients.
        biases: with a mapping: from layer to its bias vector.
        activation: with matrices: what follows every layer but the last. Default: nothing.
        output_activation: with matrices: what follows the last layer.
        symbols: label with w and b and their indices instead of numbers.
        weights: write the weight on each line; by default where there are at most 48 lines. Lines
            are blue where positive, vermilion and dashed where negative, and wider where larger.
        frozen: pairs (from layer, to layer) whose weights are no longer trained: a cross on the
            line, and a square on the others, as in drawings of cascade correlation.
        names: names of the units, layer by layer; x₁ …, h₁ …, y₁ … by default.
        max_units: of wider layers only the first and last units are drawn.
        precision: significant digits.
        title: written above.

    Returns:
        A diagram that shows itself in notebooks; ``.save("network.svg")``.

    Raises:
        TypeError: if ``network`` is none of the above.
        ValueError: if the matrices do not fit each other or the input.

    >>> import numpy as np
    >>> xor = [(np.ones((2, 2)), np.array([0.0, -1.0])), np.array([[1.0, -2.0]])]
    >>> relu = lambda z: np.maximum(z, 0.0)
    >>> picture = draw_network(xor, [1.0, 1.0], activation=relu)
    >>> picture.to_svg().count("<circle")
    5
    """
    if hasattr(network, "named_modules"):
        linear = _linear_layers(network)
        if linear is None:
            from autograd.drawing.blocks import draw_blocks

            return draw_blocks(network, input, title=title)
        matrices, offsets = _as_mapping(linear)
        state = None if input is None else _run_module(network, input, len(linear))
    else:
        matrices, offsets = _described(network, biases)
        state = (
            None if input is None else _run(matrices, offsets, input, activation, output_activation)
        )
    sizes = _sizes(matrices)
    diagram = _Diagram(sizes, matrices, offsets, state, symbols, names, max_units, precision)
    return diagram.draw(weights, frozen, title)


# ----------------------------------------------------------------------------- reading networks


def _linear_layers(module: Any) -> list[tuple[Array, Array | None]] | None:
    """Weights and biases of a stack of Linear layers, or None where there is anything else."""
    found: list[tuple[Array, Array | None]] = []
    held = {id(p) for _, p in module.named_parameters()}
    for _, part in module.named_modules():
        if type(part).__name__ == "Linear":
            bias = getattr(part, "bias", None)
            found.append((part.weight.data, None if bias is None else bias.data))
            held.discard(id(part.weight))
            held.discard(id(bias))
    fits = all(b[0].shape[1] == a[0].shape[0] for a, b in pairwise(found))
    return found if found and not held and fits else None


def _as_mapping(
    layers: Sequence[tuple[Any, Any]],
) -> tuple[dict[tuple[int, int], Array], dict[int, Array]]:
    matrices = {(i, i + 1): np.asarray(w, dtype=float) for i, (w, _) in enumerate(layers)}
    biases = {
        i + 1: np.asarray(b, dtype=float).ravel()
        for i, (_, b) in enumerate(layers)
        if b is not None
    }
    return matrices, biases


def _described(
    network: Any, biases: Mapping[int, Any] | None
) -> tuple[dict[tuple[int, int], Array], dict[int, Array]]:
    """Matrices and biases given as such."""
    if isinstance(network, Mapping):
        matrices = {key: np.atleast_2d(_array(w)) for key, w in network.items()}
        return matrices, {layer: _array(b).ravel() for layer, b in (biases or {}).items()}
    if isinstance(network, Sequence) and not isinstance(network, str) and len(network):
        pairs = [
            (np.atleast_2d(_array(item[0])), None if item[1] is None else _array(item[1]))
            if isinstance(item, tuple) and len(item) == 2
            else (np.atleast_2d(_array(item)), None)
            for item in network
        ]
        return _as_mapping(pairs)
    raise TypeError(
        f"cannot draw a {type(network).__name__} as a network: pass a module, a list of weight "
        "matrices, or a mapping from (from layer, to layer) to a matrix"
    )


def _array(x: Any) -> Array:
    return np.asarray(x.data if isinstance(x, Tensor) else x, dtype=float)


def _sizes(matrices: Weights) -> list[int]:
    """Units in each layer; checks that all matrices agree."""
    found: dict[int, int] = {}
    for (a, b), w in matrices.items():
        if not 0 <= a < b:
            raise ValueError(f"weights lead from layer {a} to layer {b}: only forward is drawn")
        for layer, size in ((a, w.shape[1]), (b, w.shape[0])):
            if found.setdefault(layer, size) != size:
                raise ValueError(
                    f"layer {layer} has {found[layer]} units by one matrix and {size} by that from "
                    f"{a} to {b} of shape {w.shape}; matrices have shape (out, in)"
                )
    if sorted(found) != list(range(len(found))):
        raise ValueError(f"layers must be numbered 0, 1, 2 …, got {sorted(found)}")
    return [found[layer] for layer in range(len(found))]


class _State:
    """Values in the units: inputs, then z, a and δ of every layer."""

    def __init__(self, x: Array) -> None:
        self.a: dict[int, Array] = {0: x}
        self.z: dict[int, Array] = {}
        self.delta: dict[int, Array] = {}


def _run(
    matrices: Weights,
    biases: Mapping[int, Array],
    x: Any,
    activation: Callable[[Any], Any] | None,
    output_activation: Callable[[Any], Any] | None,
) -> _State:
    sizes = _sizes(matrices)
    values = _array(x).ravel()
    if values.size != sizes[0]:
        raise ValueError(f"the network has {sizes[0]} inputs, the example {values.size} values")
    state = _State(values)
    units: dict[int, Tensor] = {0: Tensor(values, requires_grad=True)}
    sums: dict[int, Tensor] = {}
    last = len(sizes) - 1
    for layer in range(1, len(sizes)):
        z: Any = biases.get(layer, 0.0)
        for (a, b), w in matrices.items():
            if b == layer:
                z = z + as_tensor(w) @ units[a]
        sums[layer] = z
        function = output_activation if layer == last else activation
        units[layer] = as_tensor(z if function is None else function(z))
        state.z[layer], state.a[layer] = z.data, units[layer].data
    if units[last].size == 1 and units[last].requires_grad:
        _differentiate(units[last], sums, state)
    return state


def _differentiate(output: Tensor, sums: Mapping[int, Tensor], state: _State) -> None:
    layers = [layer for layer, z in sums.items() if z.requires_grad]
    found = grad(
        output, [sums[layer] for layer in layers], np.ones(output.shape), retain_graph=True,
        allow_unused=True,
    )  # fmt: skip
    for layer, gradient in zip(layers, found, strict=True):
        if gradient is not None:
            state.delta[layer] = gradient.data.ravel()


def _run_module(network: Any, x: Any, depth: int) -> _State:
    """Run a stack of Linear layers and note what goes into and comes out of each."""
    example = Tensor(_array(x), dtype=next(iter(network.parameters())).dtype, requires_grad=True)
    if example.ndim == 2 and example.shape[0] != 1:
        raise ValueError(f"one example at a time is drawn, got a batch of {example.shape[0]}")
    inputs: list[Tensor] = []
    sums: list[Tensor] = []

    def note(module: Any, args: tuple[Any, ...], output: Any) -> None:
        inputs.append(as_tensor(args[0]))
        sums.append(output)

    handles = [
        part.register_forward_hook(note)
        for _, part in network.named_modules()
        if type(part).__name__ == "Linear"
    ]
    try:
        output = network(example)
    finally:
        for handle in handles:
            handle.remove()
    state = _State(example.data.ravel())
    if len(sums) != depth:
        return state
    for layer in range(1, depth + 1):
        state.z[layer] = sums[layer - 1].data.ravel()
        after = inputs[layer] if layer < depth else output
        state.a[layer] = after.data.ravel()
    if output.size == 1:
        _differentiate(output, dict(enumerate(sums, 1)), state)
    return state


# --------------------------------------------------------------------------------------- drawing

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class _Diagram:
    """Places of units, and the lines between them."""

    def __init__(
        self,
        sizes: list[int],
        matrices: Weights,
        biases: Mapping[int, Array],
        state: _State | None,
        symbols: bool,
        names: Sequence[Sequence[str]] | None,
        max_units: int,
        precision: int,
    ) -> None:
        self.sizes, self.matrices, self.biases = sizes, matrices, biases
        self.state, self.symbols, self.names = state, symbols, names
        self.precision = precision
        self.shown = [self._indices(size, max_units) for size in sizes]
        row = ROW if state is None else ROW_WITH_VALUES
        tallest = max(len(rows) for rows in self.shown)
        self.place: dict[tuple[int, int], Point] = {}
        for layer, rows in enumerate(self.shown):
            for i, unit in enumerate(rows):
                y = (i - (len(rows) - 1) / 2 + (tallest - 1) / 2) * row
                self.place[layer, unit] = (layer * COLUMN, y)
        if any(b - a > 1 for a, b in matrices):
            self._stand_aside()

    def _stand_aside(self) -> None:
        """Where lines skip layers, move the layers between up or down, out of their way."""
        home = dict(self.place)
        layers = range(1, len(self.sizes) - 1)
        shifts = sorted((step * 0.5 * ROW for step in range(-6, 7)), key=lambda s: (abs(s), s))

        def worth(choice: Iterable[float]) -> tuple[float, float]:
            choice = list(choice)
            for layer, shift in zip(layers, choice, strict=True):
                self._shift(layer, shift, home)
            # Room enough is enough; then what lies close together is best.
            return min(self._clearance(), 1.6 * RADIUS), -sum(abs(shift) for shift in choice)

        choice = [0.0] * len(layers)
        if len(layers) <= 3:
            choice = list(max(product(shifts, repeat=len(layers)), key=worth))
        else:  # too many to try them all: one layer after the other
            for _ in range(3):
                for i in range(len(layers)):
                    tried = [[*choice[:i], shift, *choice[i + 1 :]] for shift in shifts]
                    choice = max(tried, key=worth)
        worth(choice)

    def _shift(self, layer: int, shift: float, home: dict[tuple[int, int], Point]) -> None:
        for unit in self.shown[layer]:
            x, y = home[layer, unit]
            self.place[layer, unit] = (x, y + shift)

    def _clearance(self) -> float:
        """The smallest distance between a unit's centre and a line that passes it by."""
        least = math.inf
        for a, b in self.matrices:
            for layer in range(a + 1, b):
                t = (layer - a) / (b - a)
                for source in self.shown[a]:
                    for target in self.shown[b]:
                        (x0, y0), (x1, y1) = self.place[a, source], self.place[b, target]
                        slope = math.hypot(x1 - x0, y1 - y0) / (x1 - x0)
                        y = y0 + (y1 - y0) * t
                        for unit in self.shown[layer]:
                            least = min(least, abs(self.place[layer, unit][1] - y) / slope)
        return least

    @staticmethod
    def _indices(size: int, most: int) -> list[int]:
        if size <= most:
            return list(range(size))
        half = most // 2
        return [*range(half), -1, *range(size - half, size)]

    def draw(
        self, weights: bool | None, frozen: Collection[tuple[int, int]], title: str | None
    ) -> Canvas:
        canvas = Canvas(title or "network " + "-".join(map(str, self.sizes)))
        lines = sum(
            sum(unit >= 0 for unit in self.shown[a]) * sum(unit >= 0 for unit in self.shown[b])
            for a, b in self.matrices
        )
        labelled = weights if weights is not None else lines <= LABELS
        largest = max(
            (float(np.abs(w).max(initial=0.0)) for w in self.matrices.values()), default=1.0
        )
        labels: list[tuple[str, Point, str]] = []
        for (a, b), w in sorted(self.matrices.items()):
            for target in self.shown[b]:
                for source in self.shown[a]:
                    if source < 0 or target < 0:
                        continue
                    mark = None if not frozen else (a, b) in frozen
                    self._line(canvas, a, b, source, target, w, largest, mark, labelled, labels)
        for text, at, colour in labels:
            canvas.text(text, at, 10.0, colour=colour, halo=True)
        for layer in range(len(self.sizes)):
            for unit in self.shown[layer]:
                self._unit(canvas, layer, unit, labelled)
        if title:
            xs = [x for x, _ in self.place.values()]
            top = min(y for _, y in self.place.values()) - RADIUS - 40
            canvas.text(title, ((min(xs) + max(xs)) / 2, top), 14.0, bold=True)
        return canvas

    def _line(
        self,
        canvas: Canvas,
        a: int,
        b: int,
        source: int,
        target: int,
        w: Array,
        largest: float,
        frozen: bool | None,
        labelled: bool,
        labels: list[tuple[str, Point, str]],
    ) -> None:
        (x0, y0), (x1, y1) = self.place[a, source], self.place[b, target]
        dx, dy = x1 - x0, y1 - y0
        length = (dx * dx + dy * dy) ** 0.5
        start = (x0 + dx / length * RADIUS, y0 + dy / length * RADIUS)
        end = (x1 - dx / length * RADIUS, y1 - dy / length * RADIUS)
        value = float(w[target, source])
        colour = POSITIVE if value >= 0 else NEGATIVE
        width = 0.7 + 2.3 * abs(value) / largest if largest else 0.7
        dash = "" if value >= 0 else "6 3"
        if self.symbols:
            colour, width, dash = "#444444", 1.1, ""
        canvas.curve([start, end], tip=f"w = {value!r}", stroke=colour, width=width, dash=dash)
        if frozen is not None:
            self._mark(
                canvas, (start[0] * 0.12 + end[0] * 0.88, start[1] * 0.12 + end[1] * 0.88), frozen
            )
        if labelled:
            text = (
                self._symbol("w", b, target, source)
                if self.symbols
                else number(value, self.precision)
            )
            at = self._free_place(text, start, end, b - a, [(t, p) for t, p, _ in labels])
            labels.append((text, at, "#222222" if self.symbols else colour))

    @staticmethod
    def _free_place(
        text: str, start: Point, end: Point, span: int, taken: list[tuple[str, Point]]
    ) -> Point:
        """The place along a line where its label covers the least of those already there."""
        best, kept = math.inf, start
        for t in (0.22, 0.3, 0.38, 0.46, 0.54, 0.62, 0.7, 0.78):
            t /= span
            x = start[0] + (end[0] - start[0]) * t
            y = start[1] + (end[1] - start[1]) * t + 3.5
            covered = 0.0
            for other, (ox, oy) in taken:
                wide = (text_width(text, 10.0) + text_width(other, 10.0)) / 2 + 2 - abs(ox - x)
                tall = 11.5 - abs(oy - y)
                if wide > 0 and tall > 0:
                    covered += wide * tall
            if covered < best:
                best, kept = covered, (x, y)
            if not covered:
                break
        return kept

    @staticmethod
    def _mark(canvas: Canvas, at: Point, frozen: bool) -> None:
        x, y = at
        if frozen:
            canvas.curve([(x - 4, y - 4), (x + 4, y + 4)], stroke=FROZEN, width=2.0)
            canvas.curve([(x - 4, y + 4), (x + 4, y - 4)], stroke=FROZEN, width=2.0)
        else:
            corners = [(x - 4, y - 4), (x + 4, y - 4), (x + 4, y + 4), (x - 4, y + 4)]
            canvas.polygon(corners, fill="#ffffff", stroke="#111111", width=1.4)

    @staticmethod
    def _symbol(letter: str, layer: int, unit: int, source: int | None = None) -> str:
        upper = str(layer).translate(_SUPERSCRIPTS)
        lower = str(unit + 1).translate(_SUBSCRIPTS)
        if source is not None:
            comma = "," if max(unit, source) > 8 else ""
            lower += comma + str(source + 1).translate(_SUBSCRIPTS)
        return f"{letter}{upper}{lower}"

    def _name(self, layer: int, unit: int) -> str:
        if self.names is not None and layer < len(self.names) and unit < len(self.names[layer]):
            return self.names[layer][unit]
        last = len(self.sizes) - 1
        letter = "x" if layer == 0 else "y" if layer == last else "h"
        if letter == "y" and self.sizes[-1] == 1:
            return "ŷ"
        upper = str(layer).translate(_SUPERSCRIPTS) if letter == "h" and last > 2 else ""
        return f"{letter}{upper}{str(unit + 1).translate(_SUBSCRIPTS)}"

    def _unit(self, canvas: Canvas, layer: int, unit: int, labelled: bool) -> None:
        x, y = self.place[layer, unit]
        if unit < 0:
            left_out = self.sizes[layer] - len(self.shown[layer]) + 1
            canvas.text("⋮", (x, y + 6), 20.0)
            canvas.text(f"{left_out} more", (x + 14, y + 4), 9.5, colour="#555555", anchor="start")
            return
        last = len(self.sizes) - 1
        if layer == 0:
            look = {"fill": "#d6eaf8", "stroke": "#0072b2"}
        elif layer == last:
            look = {"fill": "#d5f0e6", "stroke": "#00795a"}
        else:
            look = {"fill": "#f2f2f2", "stroke": "#4d4d4d"}
        canvas.circle((x, y), RADIUS, width=1.8, **look)
        state, name = self.state, self._name(layer, unit)
        value = None if state is None or layer not in state.a else state.a[layer][unit]
        if value is None:
            canvas.text(name, (x, y + 4), 12.0, bold=True)
        else:
            canvas.text(name, (x, y - 3), 10.0, bold=True)
            canvas.text(number(value, self.precision), (x, y + 10), 9.5)
        above = y - RADIUS - 5
        if layer in self.biases and (labelled or self.state is not None):
            text = (
                self._symbol("b", layer, unit)
                if self.symbols
                else f"b = {number(self.biases[layer][unit], self.precision)}"
            )
            canvas.text(text, (x, above), 10.0, colour="#8a5a00", halo=True)
        below = y + RADIUS + 12
        if state is not None and layer in state.z:
            z = number(state.z[layer][unit], self.precision)
            canvas.text(f"z = {z}", (x, below), 9.5, colour="#333333", halo=True)
        if state is not None and layer in state.delta:
            delta = number(state.delta[layer][unit], self.precision)
            canvas.text(f"δ = {delta}", (x, below + 12), 9.5, colour=BACKWARD, halo=True)
