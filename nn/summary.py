"""summary: what a network consists of, and what one pass through it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import autograd
from autograd import Node, Tensor
from nn.module import Module

__all__ = ["Summary", "SummaryRow", "summary"]


@dataclass(slots=True)
class SummaryRow:
    """One module.

    Attributes:
        path: its name from the outermost module on; empty for that itself.
        label: its class and arguments.
        depth: how deeply it is nested.
        calls: how often it ran.
        output: shape of its last output, or None if it did not run.
        parameters: elements of all parameters in it, each counted once.
        trainable: those that require a gradient.
        buffers: elements of all buffers in it.
        multiply_adds: in products and convolutions, for the given batch.
        activations: bytes of the outputs of the innermost modules in it.
        receptive_field: how many input positions along each spatial axis an output element sees;
            None where that has no meaning (no convolution, or everything is seen).
    """

    path: str
    label: str
    depth: int
    calls: int = 0
    output: tuple[int, ...] | None = None
    parameters: int = 0
    trainable: int = 0
    buffers: int = 0
    multiply_adds: int = 0
    activations: int = 0
    receptive_field: tuple[int, ...] | None = None


@dataclass(slots=True)
class Summary:
    """Rows for all modules, outermost first, and totals; prints as a table.

    Attributes:
        rows: one per module, in order of definition.
        input: shapes of the inputs.
        parameter_bytes, buffer_bytes: memory of the state.
    """

    rows: list[SummaryRow] = field(default_factory=list)
    input: tuple[tuple[int, ...], ...] = ()
    parameter_bytes: int = 0
    buffer_bytes: int = 0

    @property
    def parameters(self) -> int:
        """Elements of all parameters."""
        return self.rows[0].parameters

    @property
    def trainable(self) -> int:
        """Elements of the parameters that require a gradient."""
        return self.rows[0].trainable

    @property
    def frozen(self) -> int:
        """Elements of the parameters that do not."""
        return self.parameters - self.trainable

    @property
    def buffers(self) -> int:
        """Elements of all buffers."""
        return self.rows[0].buffers

    @property
    def multiply_adds(self) -> int:
        """In products and convolutions, for the given batch."""
        return self.rows[0].multiply_adds

    @property
    def activations(self) -> int:
        """Bytes of the outputs of the innermost modules."""
        return self.rows[0].activations

    def __getitem__(self, path: str) -> SummaryRow:
        for row in self.rows:
            if row.path == path:
                return row
        raise KeyError(f"no module {path!r} in this summary")

    def to_text(self, depth: int | None = None) -> str:
        """The table.

        Args:
            depth: how deep nested modules are shown; all by default.
        """
        shown = [row for row in self.rows if depth is None or row.depth <= depth]
        branches = _branches([row.depth for row in shown])
        head = ("module", "output", "parameters", "multiply-adds", "activations", "field")
        table = [head]
        for row, branch in zip(shown, branches, strict=True):
            name = row.path.rpartition(".")[2]
            label = f"{branch}{name}: {row.label}" if name else row.label
            if row.calls > 1:
                label += f" ×{row.calls}"
            frozen = row.parameters and not row.trainable
            table.append(
                (
                    label,
                    "not called" if row.output is None else _shape(row.output),
                    f"{row.parameters:,}{' frozen' if frozen else ''}" if row.parameters else "",
                    f"{row.multiply_adds:,}" if row.multiply_adds else "",
                    _bytes(row.activations) if row.activations else "",
                    "" if row.receptive_field is None else _shape(row.receptive_field),
                )
            )
        widths = [max(len(line[i]) for line in table) for i in range(len(head))]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in table
        ]
        rule = "─" * max(len(line) for line in lines)
        return "\n".join([lines[0], rule, *lines[1:], rule, *self._totals()])

    def _totals(self) -> list[str]:
        shapes = ", ".join(_shape(shape) for shape in self.input)
        return [
            f"input {shapes}",
            f"{self.parameters:,} parameters ({_bytes(self.parameter_bytes)}): "
            f"{self.trainable:,} trainable, {self.frozen:,} frozen; "
            f"{self.buffers:,} buffer elements ({_bytes(self.buffer_bytes)})",
            f"{self.multiply_adds:,} multiply-adds, {_bytes(self.activations)} of activations",
        ]

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__


def summary(model: Module, input: Any, *more: Any) -> Summary:
    """Run a model once and list its modules as a tree, with what each holds and costs.

    The run is in evaluation mode, leaves buffers, gradients and modes as they were.

    Args:
        model: any module.
        input: an example batch (array or tensor), or its shape as a tuple of integers.
        more: further inputs of ``forward``.

    Returns:
        A table with output shapes, parameters (those of a module include those in it),
        multiply-adds of products and convolutions, bytes of activations, and receptive fields.

    Raises:
        TypeError: if ``model`` is no module.

    >>> import nn
    >>> found = nn.summary(nn.Sequential(nn.Conv2d(1, 6, 5), nn.Flatten()), (1, 1, 8, 8))
    >>> found.parameters, found.multiply_adds, found["0"].output
    (156, 2400, (1, 6, 4, 4))
    >>> print(str(found).splitlines()[-1])
    2,400 multiply-adds, 768 B of activations
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary is of a module, got {type(model).__name__}")
    dtype = next((p.dtype for p in model.parameters()), np.dtype(np.float32))
    inputs = [_example(x, dtype) for x in (input, *more)]
    names = {id(module): name for name, module in model.named_modules()}
    outputs: list[tuple[Module, Any]] = []

    def note(module: Module, args: tuple[Any, ...], output: Any) -> None:
        outputs.append((module, output))

    handles = [module.register_forward_hook(note) for module in model.modules()]
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.data.copy()) for buffer in model.buffers()]
    try:
        model.eval()
        with autograd.enable_grad(), autograd.profile() as found:
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
        for buffer, before in buffers:
            buffer.data[...] = before
    result = Summary(input=tuple(tuple(x.shape) for x in inputs if hasattr(x, "shape")))
    rows = {name: _row(name, module) for name, module in model.named_modules()}
    fields = _receptive_fields([out for _, out in outputs], inputs)
    for module, out in outputs:
        row = rows[names[id(module)]]
        row.calls += 1
        if isinstance(out, Tensor):
            row.output = tuple(out.shape)
            row.receptive_field = fields.get(id(out.node)) if out.node is not None else None
            if not any(True for _ in module.children()):
                for around in _and_around(row.path):
                    rows[around].activations += out.nbytes
    for event in found.events:
        caller = event.scope.module() if event.scope is not None else None
        if event.depth == 0 and event.multiply_adds and caller is not None:
            for around in _and_around(names.get(id(caller), "")):
                rows[around].multiply_adds += event.multiply_adds
    result.rows = list(rows.values())
    result.parameter_bytes = sum(p.nbytes for p in model.parameters())
    result.buffer_bytes = sum(b.nbytes for b in model.buffers())
    return result


def _example(x: Any, dtype: np.dtype[Any]) -> Any:
    """An input that is differentiated, so that its way through the model is recorded."""
    if isinstance(x, tuple) and all(isinstance(n, int) for n in x):
        x = np.zeros(x, dtype)
    if isinstance(x, Tensor):
        x = x.data
    if isinstance(x, np.ndarray | list | float):
        array = np.asarray(x)
        return Tensor(array, requires_grad=array.dtype.kind in "fc")
    return x


def _row(path: str, module: Module) -> SummaryRow:
    parameters = list(module.parameters())
    headline = repr(module).partition("\n")[0].removesuffix("(")
    label = headline if headline.endswith(")") else f"{headline}()"
    return SummaryRow(
        path,
        label,
        path.count(".") + 1 if path else 0,
        parameters=sum(p.size for p in parameters),
        trainable=sum(p.size for p in parameters if p.requires_grad),
        buffers=sum(b.size for b in module.buffers()),
    )


def _and_around(path: str) -> list[str]:
    """The path and those of all modules around it."""
    parts = path.split(".") if path else []
    return [".".join(parts[:i]) for i in range(len(parts) + 1)]


# ------------------------------------------------------------------------------ receptive fields

Field = tuple[tuple[int, ...], tuple[int, ...]]  # size and distance of neighbours, per axis


def _receptive_fields(outputs: Iterable[Any], inputs: Sequence[Any]) -> dict[int, tuple[int, ...]]:
    """For each operation what an element of its output sees of the input, by the node's identity.

    r grows by (k − 1)·d·j at a window of k elements d apart, where neighbours lie j input positions
    apart; j is multiplied by the stride (Dumoulin and Visin, 2016). Branches that meet give the
    larger field; an operation that mixes all positions ends it.
    """
    first = inputs[0] if inputs else None
    if not isinstance(first, Tensor) or first.ndim < 3:
        return {}
    axes = first.ndim - 2
    start: Field = ((1,) * axes, (1,) * axes)
    fields: dict[int, Field | None] = {id(first): start}
    windowed = False
    result: dict[int, tuple[int, ...]] = {}
    for node in _in_order(outputs):
        known = [fields[id(edge)] for edge in node.edges if edge is not None and id(edge) in fields]
        if not known or any(item is None for item in known):
            if known:
                fields[id(node)] = None
            continue
        sizes = [item for item in known if item is not None]
        field: Field | None = max(sizes, key=lambda item: item[0])
        name = node.primitive.name
        if _is_window(name):
            windowed = True
            field = _widened(field, node) if field is not None else None
        elif name in ("matmul", "linear", "mean", "sum", "getitem", "einsum"):
            field = None
        fields[id(node)] = field
        if field is not None and windowed:
            result[id(node)] = field[0]
    return result


def _is_window(name: str) -> bool:
    return name == "conv" or name.startswith(("max_pool", "avg_pool"))


def _widened(field: Field, node: Node) -> Field | None:
    attrs = node.attrs or {}
    kernel = attrs.get("kernel")
    if kernel is None:  # a convolution: the shape of its weight says
        weight = node.edges[1] if len(node.edges) > 1 else None
        saved = node.saved[1] if node.saved is not None and len(node.saved) > 1 else None
        shape = weight.shape if weight is not None else getattr(saved, "shape", None)
        if shape is None:
            return None
        kernel = shape[2:]
    axes = len(field[0])
    if len(kernel) != axes:
        return None
    stride = attrs.get("stride") or (1,) * axes
    dilation = attrs.get("dilation") or (1,) * axes
    size = tuple(
        r + (k - 1) * d * j for r, k, d, j in zip(field[0], kernel, dilation, field[1], strict=True)
    )
    return size, tuple(j * s for j, s in zip(field[1], stride, strict=True))


def _in_order(outputs: Iterable[Any]) -> list[Node]:
    """All operations behind some tensors, inputs before what reads them."""
    seen: set[Node] = set()
    stack = [out.node for out in outputs if isinstance(out, Tensor) and out.node is not None]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(edge for edge in node.edges if isinstance(edge, Node))
    key: Callable[[Node], int] = lambda node: node.sequence  # noqa: E731
    return sorted(seen, key=key)


# ----------------------------------------------------------------------------------------- words


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) if shape else "scalar"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _branches(depths: Sequence[int]) -> list[str]:
    """The lines of a tree before each of its rows."""
    found = []
    for i, depth in enumerate(depths):
        parts = []
        for level in range(1, depth + 1):
            later = next((d for d in depths[i + 1 :] if d <= level), 0)
            more = later == level
            if level == depth:
                parts.append("├─ " if more else "└─ ")
            else:
                parts.append("│  " if more else "   ")
        found.append("".join(parts))
    return found
