"""Explain mode: the chain rule written out for a small graph, node by node, as on a blackboard.

First the values forward, then the derivatives backward, each line with symbols and numbers, in
Markdown with LaTeX formulas.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from autograd._graph import GraphError
from autograd._graphview import Graph, GraphEdge, GraphNode, shape_text
from autograd._names import names_from_source

__all__ = ["Explanation", "explain"]

Array = np.ndarray[Any, Any]
MOST = 120  # operations; a blackboard has an end

# How an operation is written: its inputs by position, {y} its output, {g} the derivative of the
# result with respect to that output; {base0} and so on are the same under an exponent.
FORWARD: dict[str, str] = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": r"{0} {times} {1}",
    "divide": r"\frac{{{0}}}{{{1}}}",
    "negative": "-{0}",
    "positive": "{0}",
    "power": "{base0}^{{{1}}}",
    "square": "{base0}^2",
    "reciprocal": r"\frac{{1}}{{{0}}}",
    "matmul": r"{0}\,{1}",
    "linear": r"{0}\,{base1}^\top + {2}",
    "exp": r"e^{{{0}}}",
    "log": r"\ln {0}",
    "log1p": r"\ln(1 + {0})",
    "expm1": r"e^{{{0}}} - 1",
    "sqrt": r"\sqrt{{{0}}}",
    "sin": r"\sin {0}",
    "cos": r"\cos {0}",
    "tanh": r"\tanh {0}",
    "sigmoid": r"\sigma({0})",
    "relu": r"\max(0, {0})",
    "absolute": r"\lvert {0} \rvert",
    "abs": r"\lvert {0} \rvert",
    "maximum": r"\max({0}, {1})",
    "minimum": r"\min({0}, {1})",
    "sum": r"\sum {0}",
    "mean": r"\operatorname{{mean}} {0}",
    "transpose": r"{base0}^\top",
    "softplus": r"\ln(1 + e^{{{0}}})",
}
BACKWARD: dict[str, tuple[str, ...]] = {
    "add": ("{g}", "{g}"),
    "subtract": ("{g}", "-{g}"),
    "multiply": (r"{g} {times} {1}", r"{g} {times} {0}"),
    "divide": (r"\frac{{{g}}}{{{1}}}", r"-{g} {times} \frac{{{y}}}{{{1}}}"),
    "negative": ("-{g}",),
    "positive": ("{g}",),
    "power": (r"{g} {times} {1}\,{base0}^{{{1} - 1}}", r"{g} {times} {y} {times} \ln {0}"),
    "square": (r"2\,{g} {times} {0}",),
    "reciprocal": (r"-{g} {times} {basey}^2",),
    "matmul": (r"{g}\,{base1}^\top", r"{base0}^\top {g}"),
    "linear": (r"{g}\,{1}", r"{baseg}^\top {0}", r"\textstyle\sum {g}"),
    "exp": (r"{g} {times} {y}",),
    "log": (r"\frac{{{g}}}{{{0}}}",),
    "log1p": (r"\frac{{{g}}}{{1 + {0}}}",),
    "expm1": (r"{g} {times} ({y} + 1)",),
    "sqrt": (r"\frac{{{g}}}{{2\,{y}}}",),
    "sin": (r"{g} {times} \cos {0}",),
    "cos": (r"-{g} {times} \sin {0}",),
    "tanh": (r"{g} {times} (1 - {basey}^2)",),
    "sigmoid": (r"{g} {times} {y} {times} (1 - {y})",),
    "relu": (r"{g} {times} [{0} > 0]",),
    "absolute": (r"{g} {times} \operatorname{{sign}} {0}",),
    "abs": (r"{g} {times} \operatorname{{sign}} {0}",),
    "maximum": (r"{g} {times} [{0} \ge {1}]", r"{g} {times} [{1} > {0}]"),
    "minimum": (r"{g} {times} [{0} \le {1}]", r"{g} {times} [{1} < {0}]"),
    "sum": (r"{g}\,\mathbf{{1}}",),
    "mean": (r"\tfrac{{1}}{{{n}}}\,{g}\,\mathbf{{1}}",),
    "transpose": (r"{baseg}^\top",),
    "softplus": (r"{g} {times} \sigma({0})",),
}


class Explanation:
    """Lines of the chain rule; shows itself in notebooks, prints as Markdown.

    Attributes:
        graph: what is explained.
        forward, backward: the lines, as LaTeX formulas without delimiters.
    """

    def __init__(self, graph: Graph, forward: list[str], backward: list[str], result: str) -> None:
        self.graph = graph
        self.forward = forward
        self.backward = backward
        self._result = result

    def to_markdown(self) -> str:
        """Two numbered lists of formulas between dollar signs."""
        rows = ["**Forward**", ""]
        rows += [f"{i}. ${line}$" for i, line in enumerate(self.forward, 1)]
        if self.backward:
            rows += ["", f"**Backward**, derivatives of ${self._result}$", ""]
            rows += [f"{i}. ${line}$" for i, line in enumerate(self.backward, 1)]
        return "\n".join([*rows, ""])

    def to_latex(self) -> str:
        """Two ``align*`` environments."""

        def environment(lines: list[str]) -> list[str]:
            rows = [line.replace(" = ", " &= ", 1) for line in lines]
            return [r"\begin{align*}", " \\\\\n".join(rows), r"\end{align*}"]

        rows = environment(self.forward)
        if self.backward:
            rows += environment(self.backward)
        return "\n".join([*rows, ""])

    def save(self, path: str | PathLike[str]) -> str:
        """Write to a file that ends in ``.md`` or ``.tex``; return the path."""
        file = Path(path)
        texts: dict[str, Callable[[], str]] = {".md": self.to_markdown, ".tex": self.to_latex}
        if file.suffix not in texts:
            raise ValueError(f"an explanation is saved as .md or .tex, not as {file.name!r}")
        file.write_text(texts[file.suffix](), encoding="utf-8")
        return str(file)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def __str__(self) -> str:
        return self.to_markdown()

    def __repr__(self) -> str:
        return f"<Explanation of {len(self.forward)} values, {len(self.backward)} derivatives>"


def explain(
    what: Any,
    *args: Any,
    precision: int = 6,
    decimals: int | None = None,
    layout: str = "denominator",
) -> Explanation:
    """Write out the chain rule for a small computation, with symbols and numbers.

    Args:
        what: a function or module to be called with ``args`` (recorded as :func:`autograd.draw`
            does), or a tensor or graph whose values were recorded
            (:class:`autograd.record_values`).
        args: arrays or tensors. Values are called like the function's parameters and like the
            variables on the left of its assignments; in a stack of ``Linear`` modules W, b, z and a
            with the number of the layer; otherwise v₁, v₂ …
        precision: significant digits.
        decimals: digits after the point instead.
        layout: ``"denominator"`` writes the derivative with respect to a matrix in the matrix's own
            shape, as everywhere in this library; ``"numerator"`` writes its transpose, called D,
            as texts do that multiply row vectors from the left.

    Raises:
        GraphError: if the graph has more than 120 operations.
        ValueError: if the layout is unknown.

    >>> def f(a, b):
    ...     c = a * b
    ...     return c.tanh()
    >>> told = explain(f, 2.0, 0.5)
    >>> print("\\n".join(told.forward))
    a = 2
    b = 0.5
    c = a \\cdot b = 2 \\cdot 0.5 = 1
    v_{2} = \\tanh c = \\tanh 1 = 0.761594
    >>> [line.split(" = ")[-1] for line in told.backward]
    ['1', '0.419974', '0.209987', '0.839949']
    """
    if layout not in ("denominator", "numerator"):
        raise ValueError(f"layout is 'denominator' or 'numerator', got {layout!r}")
    if isinstance(what, Graph):
        graph = what
    else:
        from autograd.drawing import draw

        drawing = draw(what, *args)
        if drawing.error is not None:
            raise drawing.error
        graph = drawing.graph
    operations = sum(node.kind in ("operation", "output") for node in graph)
    if operations > MOST:
        raise GraphError(
            f"explain writes one line per operation, and this graph has {operations} (at most "
            f"{MOST}); explain a part of it, or draw it"
        )
    return _Writer(graph, precision, decimals, layout).write()


# ------------------------------------------------------------------------------------------ names


def _names_from_modules(graph: Graph) -> dict[str, str]:
    """W, b, z and a with the number of the layer, in a stack of Linear modules."""
    found: dict[str, str] = {}
    calls = [call for call in graph.modules.values() if call.class_name == "Linear"]
    for layer, call in enumerate(calls, 1):
        inside = [node for node in graph if node.module == call.id]
        for node in inside:
            if node.kind == "parameter":
                letter = "b" if (node.name or "").endswith("bias") else "W"
                found[node.id] = f"{letter}^{{({layer})}}"
        operations = [node for node in inside if node.kind == "operation"]
        if not operations:
            continue
        output = operations[-1]
        found[output.id] = f"z^{{({layer})}}"
        users = graph.users_of(output)
        if len(users) == 1 and users[0].module != call.id:
            user = graph.modules.get(users[0].module or "")
            if user is not None and user.class_name != "Linear":
                found[users[0].id] = f"a^{{({layer})}}"
    return found


def _letter(name: str) -> str:
    """A name as LaTeX: ``z1`` with an index, long names upright."""
    if "^" in name or "_{" in name or "\\" in name:
        return name
    match = re.fullmatch(r"([A-Za-z]|[α-ωΑ-Ω])_?(\d*)", name)
    if match:
        return f"{match[1]}_{{{match[2]}}}" if match[2] else match[1]
    return r"\mathrm{" + name.replace("_", r"\_") + "}"


# ---------------------------------------------------------------------------------------- writing


class _Writer:
    """Turns a graph into lines."""

    def __init__(self, graph: Graph, precision: int, decimals: int | None, layout: str) -> None:
        self.graph = graph
        self.precision, self.decimals = precision, decimals
        self.numerator = layout == "numerator"
        self.symbols = self._symbols()
        outputs = [node for node in graph.outputs if node.kind == "operation"] or list(
            graph.outputs
        )
        self.output = outputs[-1] if outputs else None

    def _symbols(self) -> dict[str, str]:
        names = {**_names_from_modules(self.graph), **names_from_source(self.graph)}
        symbols: dict[str, str] = {}
        taken: set[str] = set()
        count = 0
        for node in self.graph:
            if node.kind in ("operation", "output"):
                count += 1
            name = node.name if node.kind != "parameter" else names.get(node.id, node.name)
            name = name or names.get(node.id)
            symbol = _letter(name) if name else f"v_{{{count}}}"
            if node.kind == "constant" and not name:
                scalar = node.value is not None and node.value.ndim == 0
                symbol = self._number(node.value) if scalar else f"c_{{{node.step + 1}}}"
            while symbol in taken and node.kind != "constant":
                symbol += "'"
            taken.add(symbol)
            symbols[node.id] = symbol
        return symbols

    # ------------------------------------------------------------------------ numbers

    def _number(self, value: Any) -> str:
        value = value.item() if hasattr(value, "item") else value
        if isinstance(value, int | bool):
            return str(value)
        if isinstance(value, complex) or not np.isfinite(value):
            return str(value)
        if self.decimals is not None:
            if value == round(value, 0):
                return f"{value:.0f}"
            return f"{value:.{self.decimals}f}"
        text = f"{value:.{self.precision}g}"
        mantissa, _, exponent = text.partition("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else text

    def _array(self, array: Array | None, transposed: bool = False) -> str | None:
        if array is None:
            return None
        if array.ndim == 0:
            return self._number(array)
        if array.ndim > 2 or array.size > 24:
            return rf"\text{{array {shape_text(array.shape)}}}"
        rows = np.atleast_2d(array)
        if array.ndim == 1 and not transposed:
            rows = rows.T  # vectors are columns
        elif transposed and array.ndim == 2:
            rows = rows.T
        body = r" \\ ".join(" & ".join(self._number(v) for v in row) for row in rows)
        return rf"\begin{{bmatrix}} {body} \end{{bmatrix}}"

    # -------------------------------------------------------------------------- lines

    def write(self) -> Explanation:
        forward = [line for node in self.graph if (line := self._forward(node))]
        if self.output is None:
            return Explanation(self.graph, forward, [], "")
        known = any(edge.gradient is not None for edge in self.graph.edges)
        backward = self._backward() if known else []
        return Explanation(self.graph, forward, backward, self.symbols[self.output.id])

    def _formula(self, template: str, node: GraphNode, parts: list[str], **more: str) -> str:
        scalar = all((self.graph[key].shape or ()) == () for key in node.inputs)
        times = r"\cdot" if scalar and node.shape == () else r"\odot"
        values = {**{str(i): part for i, part in enumerate(parts)}, "y": "", "g": "", **more}
        bases = {f"base{key}": _base(text) for key, text in values.items()}
        named = {key: text for key, text in values.items() if not key.isdigit()}
        return template.format(*parts, times=times, **named, **bases)

    def _forward(self, node: GraphNode) -> str | None:
        symbol = self.symbols[node.id]
        value = self._array(node.value)
        if node.kind == "constant" and (value == symbol or value is None):
            return None
        if node.kind not in ("operation", "output"):
            return f"{symbol} = {value}"
        sides = [symbol]
        template = FORWARD.get(node.operation or "")
        if node.operation == "linear" and len(node.inputs) == 2:
            template = FORWARD["linear"].removesuffix(" + {2}")
        parts = [self._operand(key, node) for key in node.inputs]
        if template is not None:
            sides.append(self._formula(template, node, parts))
            if all(self._is_scalar(key) for key in node.inputs):
                numbers = [self._bracketed(self.graph[key].value) for key in node.inputs]
                sides.append(self._formula(template, node, numbers))
        else:
            sides.append(rf"\operatorname{{{_upright(node.operation)}}}({', '.join(parts)})")
        if value is not None and value != sides[-1]:
            sides.append(value)
        return " = ".join(sides)

    def _operand(self, key: str, node: GraphNode) -> str:
        """A symbol, in brackets where it is a negative number in a product."""
        text = self.symbols[key]
        return f"({text})" if text.startswith("-") and node.operation != "add" else text

    def _is_scalar(self, key: str) -> bool:
        value = self.graph[key].value
        return value is not None and value.ndim == 0

    def _bracketed(self, value: Array | None) -> str:
        assert value is not None
        text = self._number(value)
        return f"({text})" if text.startswith("-") or r"\cdot" in text else text

    def _derivative(self, key: str) -> str:
        assert self.output is not None
        if self.numerator:
            return f"D_{{{self.symbols[key]}}}"
        return rf"\frac{{\partial {self.symbols[self.output.id]}}}{{\partial {self.symbols[key]}}}"

    def _backward(self) -> list[str]:
        """For each operation in the order of the backward pass: what goes to its inputs."""
        assert self.output is not None
        graph = self.graph
        into: dict[str, list[GraphEdge]] = {}
        uses: dict[str, int] = {}
        for edge in graph.edges:
            if edge.gradient is not None:
                into.setdefault(edge.target, []).append(edge)
                uses[edge.source] = uses.get(edge.source, 0) + 1
        lines = []
        seed = self._gradient(self.output, self.output.gradient)
        lines.append(f"{self._derivative(self.output.id)} = {seed or 1}")
        order = sorted(
            (node for node in graph if node.id in into),
            key=lambda n: n.backward_step if n.backward_step is not None else -n.step,
        )
        arrived: dict[str, tuple[int, Array]] = {}
        for node in order:
            for edge in into[node.id]:
                source = graph[edge.source]
                assert edge.gradient is not None
                count, total = arrived.get(source.id, (0, np.zeros_like(edge.gradient)))
                arrived[source.id] = (count + 1, total + edge.gradient)
                lines.append(self._part(node, edge, uses[source.id], count + 1))
                if count + 1 == uses[source.id] > 1:
                    whole = self._gradient(source, arrived[source.id][1])
                    terms = " + ".join(
                        f"{_base(self._derivative(source.id))}^{{[{i}]}}"
                        for i in range(1, count + 2)
                    )
                    lines.append(f"{self._derivative(source.id)} = {terms} = {whole}")
        return lines

    def _gradient(self, node: GraphNode, gradient: Array | None) -> str | None:
        """A derivative in numbers; in numerator layout vectors are rows and matrices transposed."""
        return self._array(gradient, transposed=self.numerator)

    def _part(self, node: GraphNode, edge: GraphEdge, uses: int, number: int) -> str:
        source = self.graph[edge.source]
        left = self._derivative(source.id)
        if uses > 1:
            left = f"{_base(left)}^{{[{number}]}}"
        sides = [left]
        templates = BACKWARD.get(node.operation or "")
        if templates is not None and edge.position < len(templates):
            template = self._arranged(templates[edge.position], node, edge)
            parts = [self._operand(key, node) for key in node.inputs]
            scale = str(source.value.size if source.value is not None else "n")
            own = self._derivative(node.id)
            sides.append(
                self._formula(template, node, parts, y=self.symbols[node.id], g=own, n=scale)
            )
            scalars = all(self._is_scalar(key) for key in (*node.inputs, node.id))
            if scalars and node.gradient is not None:
                numbers = [self._bracketed(self.graph[key].value) for key in node.inputs]
                y, g = self._bracketed(node.value), self._bracketed(node.gradient)
                text = self._formula(template, node, numbers, y=y, g=g, n=scale)
                if text != self._number(edge.gradient):
                    sides.append(text)
        else:
            sides.append(
                rf"J_{{\mathrm{{{_upright(node.operation)}}}}}^\top {self._derivative(node.id)}"
            )
        sides.append(self._gradient(source, edge.gradient) or "?")
        return " = ".join(sides)

    def _arranged(self, template: str, node: GraphNode, edge: GraphEdge) -> str:
        """In numerator layout factors of matrix products stand the other way round."""
        broadcast = node.operation in ("add", "subtract") and edge.shape != node.shape
        if broadcast:
            template = rf"\textstyle\sum {template}"
        if self.numerator and node.operation == "matmul":
            return ("{1}\\,{g}", "{g}\\,{0}")[edge.position]
        if self.numerator and node.operation == "linear":
            return (r"{base1}^\top {g}", r"({g}\,{0})^\top", template)[edge.position]
        return template


def _base(text: str) -> str:
    """What can stand under an exponent."""
    if text.startswith(r"\frac"):
        return rf"\left({text}\right)"
    return f"{{{text}}}" if "^" in text else text


def _upright(name: str | None) -> str:
    return (name or "").replace("_", r"\_")
