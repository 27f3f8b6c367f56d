"""``draw``: from what the user has (tensors, a module, a function) to a Drawing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from autograd._graph import GraphError, Node
from autograd._graphbuild import build_graph
from autograd._graphview import Graph
from autograd._modes import enable_grad
from autograd._names import names_from_source
from autograd._recording import record_values
from autograd._tensor import Tensor, grad
from autograd.drawing._contents import make_figure
from autograd.drawing._figure import Figure, Options
from autograd.drawing._scene import Scene, make_scene
from autograd.drawing._svg import to_svg

__all__ = ["Drawing", "draw"]

NAMED = 500  # nodes up to which names are looked for in the source
FORMATS = ("svg", "png", "pdf", "html", "dot", "mmd", "json", "txt")


def draw(
    what: Any,
    *args: Any,
    direction: Literal["forward", "backward", "both"] = "forward",
    values: bool | None = None,
    gradients: bool | None = None,
    intermediates: bool | None = None,
    edge_weight: Literal["gradient"] | None = None,
    fold: int | bool | None = None,
    precision: int = 4,
    legend: bool = False,
    title: str | None = None,
) -> Drawing:
    """Draw the graph behind a tensor, or of a module or function applied to arguments.

    In Jupyter the result shows itself; elsewhere ``.save("graph.svg")``. Needs no other program.

    Args:
        what: a tensor, several in a list or tuple, a recording
            (:class:`autograd.record_values`), a :class:`~autograd.Graph`, a module, or a function.
        args: for a module or function, what to call it with. Arrays of floats become leaves named
            like the function's parameters, and results like the variables they are assigned to. The
            call is recorded with values; where its result has
            one element, gradients are computed too, without touching any ``.grad``. If the call
            raises, what was computed until then is drawn, the operation that failed is marked, and
            the exception is found in ``.error``.
        direction: ``"forward"``, ``"backward"`` (gradients, dashed), or ``"both"``.
        values: write values into the boxes, in full where small, else mean, std, min and max. By
            default in graphs of up to 80 nodes. Of intermediate results only those are known that
            were recorded, saved for the backward pass, or drawn from a call made here.
        gradients: write gradients beside the values; by default where values are shown.
        intermediates: give the result of each operation a box of its own; by default in small
            graphs of which values are known. Otherwise shapes stand beside the edges.
        edge_weight: ``"gradient"`` draws edges as wide as the gradient along them is large
            (logarithmically), where recorded.
        fold: how deep modules are shown unfolded (0: only the outermost, as single boxes); True
            folds all, False none. By default as much is unfolded as stays readable: about 160
            boxes; above that, rows of equal modules stay folded.
        precision: significant digits of numbers.
        legend: explain forms and colours below the picture.
        title: written above the picture.

    Raises:
        GraphError: if a tensor has no graph.
        TypeError: if ``what`` is none of the above.
        ValueError: if an option has no such value.

    >>> from autograd import Tensor
    >>> w = Tensor([0.5, -1.0], requires_grad=True, name="w")
    >>> loss = ((w * [1.0, 2.0]).sum() - 1.0) ** 2
    >>> loss.backward()
    >>> picture = draw(loss, direction="both")
    >>> picture.to_svg().startswith("<svg")
    True
    >>> draw(lambda x, y: x @ y, np.ones((2, 3)), np.ones((2, 3))).error
    ValueError(...)
    """
    if direction not in ("forward", "backward", "both"):
        raise ValueError(f"direction is forward, backward or both, got {direction!r}")
    if edge_weight not in (None, "gradient"):
        raise ValueError(f"edge_weight is None or 'gradient', got {edge_weight!r}")
    if fold is not None and not isinstance(fold, bool) and (not isinstance(fold, int) or fold < 0):
        raise ValueError(f"fold is a depth from 0 up, True or False, got {fold!r}")
    options = Options(
        direction, values, gradients, intermediates, edge_weight, fold, precision, legend, title
    )
    if isinstance(what, Graph):
        graph, error = what, None
    elif isinstance(what, record_values):
        graph, error = build_graph([what]), what.error
    elif callable(what) and not isinstance(what, Tensor):
        graph, error = _of_call(what, args)
        if len(graph) <= NAMED:
            for key, name in names_from_source(graph).items():
                graph[key].name = name
    else:
        if args and all(isinstance(item, Tensor) for item in (what, *args)):
            what = (what, *args)
        elif args:
            raise TypeError("only a module or a function is drawn with arguments")
        graph, error = build_graph(list(_tensors(what))), None
    return Drawing(graph, options, error)


def _tensors(what: Any) -> Iterator[Tensor | Node]:
    """The tensors in nested lists, tuples and dictionaries."""
    stack = [what]
    while stack:
        item = stack.pop()
        if isinstance(item, Tensor | Node):
            yield item
        elif isinstance(item, list | tuple):
            stack.extend(reversed(item))
        elif isinstance(item, dict):
            stack.extend(reversed(list(item.values())))
        else:
            raise TypeError(
                f"cannot draw a {type(item).__name__}: pass a Tensor, several, or a module or "
                "function with its arguments"
            )


def _of_call(function: Callable[..., Any], args: Sequence[Any]) -> tuple[Graph, Exception | None]:
    """Call a function on leaves, recording, and differentiate its result if that is a scalar."""
    leaves = _leaves(function, args)
    error: Exception | None = None
    result: Any = None
    held: Any = function
    buffers = [(b, b.data.copy()) for b in held.buffers()] if _is_module(function) else []
    with enable_grad(), record_values() as record:
        try:
            result = function(*leaves)
        except Exception as raised:
            error = raised
    for buffer, before in buffers:  # running statistics of a model that was only looked at
        buffer.data[...] = before
    if error is not None:
        given = [x for x in leaves if isinstance(x, Tensor) and x.requires_grad]
        return build_graph([record] if record.nodes else given, error=error), error
    outputs = [out for out in _tensors(_plain_numbers_dropped(result)) if _has_graph(out)]
    if not outputs:
        raise GraphError(
            "the call returned nothing that depends on a tensor that requires a gradient: are all "
            "arguments integers, or is the result detached?"
        )
    gradients: dict[int, np.ndarray[Any, Any]] = {}
    if len(outputs) == 1 and isinstance(outputs[0], Tensor) and outputs[0].size == 1:
        gradients = _gradients(outputs[0])
    return build_graph(outputs, gradients), None


def _is_module(function: Any) -> bool:
    return hasattr(function, "named_parameters") and hasattr(function, "buffers")


def _has_graph(out: Tensor | Node) -> bool:
    return isinstance(out, Node) or out.requires_grad


def _plain_numbers_dropped(result: Any) -> Any:
    """Results that are no tensors (numbers, strings) are nothing to draw."""
    if isinstance(result, list | tuple):
        return [_plain_numbers_dropped(item) for item in result]
    if isinstance(result, dict):
        return [_plain_numbers_dropped(item) for item in result.values()]
    return result if isinstance(result, Tensor) else []


def _gradients(output: Tensor) -> dict[int, np.ndarray[Any, Any]]:
    """Derivatives of ``output`` with respect to every leaf, by the leaf's identity."""
    from autograd._graph import iterate_leaves, topological_order

    if output.node is None:
        return {}
    leaves = list(iterate_leaves(topological_order([output.node])))
    found = grad(output, leaves, retain_graph=True, allow_unused=True)
    return {
        id(leaf): gradient.data
        for leaf, gradient in zip(leaves, found, strict=True)
        if gradient is not None
    }


def _leaves(function: Callable[..., Any], args: Sequence[Any]) -> list[Any]:
    """Arrays of floats as leaves that carry the names of the function's parameters."""
    try:
        target = getattr(function, "forward", function)
        names = list(inspect.signature(target).parameters)
    except (TypeError, ValueError):
        names = []
    made: list[Any] = []
    for i, arg in enumerate(args):
        name = names[i] if i < len(names) and names[i] not in ("args", "x_") else f"x{i + 1}"
        if isinstance(arg, Tensor):
            if not arg.requires_grad and arg.dtype.kind in "fc":
                arg = Tensor(arg.data, requires_grad=True, name=arg.name or name)
            made.append(arg)
        elif isinstance(arg, np.ndarray | float | list) and np.asarray(arg).dtype.kind in "fc":
            made.append(Tensor(arg, requires_grad=True, name=name))
        else:
            made.append(arg)
    return made


class Drawing:
    """A picture of a graph, made when it is first needed; see :func:`draw`.

    Attributes:
        graph: what is drawn.
        error: the exception that ended the call that was drawn, or None.
    """

    def __init__(self, graph: Graph, options: Options, error: BaseException | None = None) -> None:
        self.graph = graph
        self.options = options
        self.error = error

    @cached_property
    def figure(self) -> Figure:
        """Boxes, groups and links."""
        return make_figure(self.graph, self.options)

    @cached_property
    def scene(self) -> Scene:
        """Everything at its place."""
        return make_scene(self.figure)

    def to_svg(self) -> str:
        """The picture as SVG."""
        return to_svg(self.scene, self.options.title, self.options.legend)

    def to_dot(self) -> str:
        """The picture's boxes and edges in Graphviz's language."""
        from autograd.drawing.text import to_dot

        return to_dot(self.figure)

    def to_mermaid(self) -> str:
        """The picture's boxes and edges as a Mermaid flowchart."""
        from autograd.drawing.text import to_mermaid

        return to_mermaid(self.figure)

    def to_html(self) -> str:
        """A page with everything in it that works from disk, without a network."""
        from autograd.drawing._html import to_html

        return to_html(self)

    def save(self, path: str | PathLike[str], engine: str | None = None) -> str:
        """Write the picture to a file whose ending names the format, and return the path.

        ``.svg .html .dot .mmd .json .txt`` need nothing else; ``.png`` and ``.pdf`` are made by
        Graphviz's ``dot`` where present, else by matplotlib.

        Args:
            path: the file; an existing one is replaced.
            engine: ``"dot"`` has Graphviz lay out ``.svg``, ``.png`` or ``.pdf``; ``"matplotlib"``
                paints ``.png`` or ``.pdf`` even where ``dot`` is installed.

        Raises:
            ValueError: if the format or the engine is unknown.
            RuntimeError: if the engine is not installed.
            OSError: if the file cannot be written.
        """
        file = Path(path)
        kind = file.suffix.lower().lstrip(".")
        kind = {"gv": "dot", "mermaid": "mmd", "htm": "html"}.get(kind, kind)
        if kind not in FORMATS:
            known = ", ".join("." + name for name in FORMATS)
            raise ValueError(f"cannot save a drawing as {file.name!r}: the endings are {known}")
        if not file.parent.is_dir():
            raise FileNotFoundError(
                f"cannot save {file.name!r}: there is no folder {str(file.parent)!r}"
            )
        if engine not in (None, "dot", "matplotlib"):
            raise ValueError(f"engine is 'dot', 'matplotlib' or None, got {engine!r}")
        content = self._content(kind, engine)
        try:
            file.write_bytes(content)
        except OSError as error:
            raise type(error)(f"cannot write the drawing to {str(file)!r}: {error}") from error
        return str(file)

    def _content(self, kind: str, engine: str | None) -> bytes:
        if kind in ("png", "pdf") or (kind == "svg" and engine is not None):
            from autograd.drawing._raster import rasterise

            return rasterise(self, kind, engine)
        texts: dict[str, Callable[[], str]] = {
            "svg": self.to_svg,
            "html": self.to_html,
            "dot": self.to_dot,
            "mmd": self.to_mermaid,
            "json": self.graph.to_json,
            "txt": lambda: self.graph.to_text() + "\n",
        }
        return texts[kind]().encode()

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def _repr_html_(self) -> str:
        return f'<div style="overflow:auto;max-height:900px">{self.to_svg()}</div>'

    def __repr__(self) -> str:
        return f"<Drawing of {self.graph!r}>"
