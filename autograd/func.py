"""Transforms of functions: from f to its gradient, Jacobian, Hessian, products with them.

Arguments and results may be nested tuples, lists and dicts of arrays, numbers and Tensors. The
transforms compose: ``grad(grad(f))``, ``jacfwd(jacrev(f))`` and so on to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeAlias

import numpy as np

from autograd._backward import backpropagate
from autograd._graph import GraphError, iterate_leaves, topological_order
from autograd._modes import enable_grad, is_grad_enabled
from autograd._tensor import Tensor, as_tensor

__all__ = [
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "per_example_grad",
    "value_and_grad",
    "vjp",
]

Tree: TypeAlias = Any  # nested tuples, lists and dicts with arrays, numbers and Tensors as leaves
Argnums: TypeAlias = int | Sequence[int]


# ------------------------------------------------------------------------------------ nested values


def flatten(tree: Tree) -> tuple[list[Any], Callable[[Sequence[Any]], Tree]]:
    """The leaves of nested tuples, lists and dicts, and how to put others in their places.

    >>> leaves, rebuild = flatten({"w": 1.0, "b": [2.0, 3.0]})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> rebuild([10, 20, 30])
    {'w': 10, 'b': [20, 30]}
    """
    if tree is None:
        return [], lambda _: None
    if isinstance(tree, dict):
        items, build = _flatten_each(list(tree.values()))
        keys = list(tree)
        return items, lambda new: type(tree)(zip(keys, build(new), strict=True))
    if isinstance(tree, tuple):
        items, build = _flatten_each(list(tree))
        if hasattr(tree, "_fields"):
            return items, lambda new: type(tree)(*build(new))
        return items, lambda new: tuple(build(new))
    if isinstance(tree, list):
        return _flatten_each(tree)
    return [tree], lambda new: new[0]


def _flatten_each(trees: list[Tree]) -> tuple[list[Any], Callable[[Sequence[Any]], list[Tree]]]:
    leaves: list[Any] = []
    parts: list[tuple[int, int, Callable[[Sequence[Any]], Tree]]] = []
    for tree in trees:
        own, build = flatten(tree)
        parts.append((len(leaves), len(leaves) + len(own), build))
        leaves += own
    return leaves, lambda new: [build(new[start:stop]) for start, stop, build in parts]


def _variable(value: Any) -> tuple[Tensor, Tensor]:
    """What is differentiated with respect to, and a copy to call the function with.

    The function may write into its argument, which then takes another place in the graph. A tensor
    that requires a gradient stays linked, so that outer transforms see through.
    """
    if isinstance(value, Tensor) and value.requires_grad and is_grad_enabled():
        variable = as_tensor(np.positive(value))
    else:
        variable = _leaf(value)
    with enable_grad():
        return variable, as_tensor(np.positive(variable))


def _leaf(value: Any) -> Tensor:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = float(value)
    data = value.data if isinstance(value, Tensor) else np.asarray(value)
    if data.dtype.kind not in "fc":
        raise TypeError(
            f"cannot differentiate with respect to {data.dtype} values; convert them with "
            "astype(float), or leave the argument out of argnums"
        )
    return as_tensor(data).requires_grad_()


class _Call:
    """One call of a function on fresh inputs, recorded, with its graph at hand."""

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], argnums: Argnums
    ) -> None:
        self.single = isinstance(argnums, int)
        numbers = [argnums] if isinstance(argnums, int) else list(argnums)
        for n in numbers:
            if not -len(args) <= n < len(args):
                raise ValueError(f"argnums {n} with {len(args)} arguments")
        numbers = [n % len(args) for n in numbers]
        leaves, self.rebuild = flatten(tuple(args[n] for n in numbers))
        self.enabled = is_grad_enabled()
        self.nested = self.enabled and any(
            isinstance(x, Tensor) and x.requires_grad for x in leaves
        )
        variables = [_variable(x) for x in leaves]
        self.inputs = [variable for variable, _ in variables]
        full = list(args)
        for n, tree in zip(numbers, self.rebuild([given for _, given in variables]), strict=True):
            full[n] = tree
        with enable_grad():
            self.output = function(*full)

    def shape_like_args(self, values: Sequence[Any]) -> Tree:
        """Values, one per input leaf, nested as the differentiated arguments are."""
        trees = self.rebuild(values)
        return trees[0] if self.single else trees

    def recording_needed(self, outs: Sequence[Tensor]) -> bool:
        """Whether derivatives of the result may be asked for: by an outer transform, or with
        respect to tensors that the function closes over."""
        if self.nested or not self.enabled:
            return self.nested
        own = {id(x) for x in self.inputs}
        nodes = topological_order([o.node for o in outs if o.node is not None])
        return any(id(leaf) not in own for leaf in iterate_leaves(nodes))

    def pull_back(
        self, outs: Sequence[Tensor], cotangents: Sequence[Any], retain: bool = False
    ) -> list[Tensor]:
        """Vector-Jacobian product: gradients of all inputs, zeros where there is no dependence."""
        return _pull(outs, cotangents, self.inputs, self.recording_needed(outs), retain=retain)


def _pull(
    outs: Sequence[Tensor],
    cotangents: Sequence[Any],
    inputs: Sequence[Tensor],
    recording: bool,
    retain: bool = False,
    batch: int | None = None,
) -> list[Tensor]:
    """Gradients of ``inputs``; with ``batch``, for stacks of that many cotangents."""
    if recording and not is_grad_enabled():
        with enable_grad():
            return _pull(outs, cotangents, inputs, recording, retain, batch)
    roots = []
    for out, cotangent in zip(outs, cotangents, strict=True):
        if not out.requires_grad:
            continue
        start: Any = cotangent if isinstance(cotangent, Tensor) else Tensor(cotangent)
        expected = out.shape if batch is None else (batch, *out.shape)
        if start.shape != expected:
            raise GraphError(f"cotangent of shape {start.shape} for an output of shape {out.shape}")
        if start.dtype != out.dtype:
            start = start.astype(out.dtype)
        if out.dtype.kind == "c":
            start = np.conj(start)
        roots.append((out.node or out, start if recording else start.data))
    targets = [x.node or x for x in inputs]
    found = backpropagate(
        roots,
        targets=targets,
        retain_graph=retain or recording,
        recording=recording,
        batched=batch is not None,
    )
    gradients = []
    for x, target in zip(inputs, targets, strict=True):
        gradient = found.get(target)
        if gradient is None:
            gradient = np.zeros(x.shape if batch is None else (batch, *x.shape), x.dtype)
        elif x.dtype.kind == "c":
            gradient = np.conj(gradient)
        gradients.append(gradient if isinstance(gradient, Tensor) else Tensor(gradient))
    return gradients


def _tensors(output: Tree) -> tuple[list[Tensor], Callable[[Sequence[Any]], Tree]]:
    leaves, rebuild = flatten(output)
    return [x if isinstance(x, Tensor) else Tensor(x) for x in leaves], rebuild


def _any_tracked(values: Sequence[Any]) -> bool:
    return any(isinstance(value, Tensor) and value.requires_grad for value in values)


def _scalar(output: Any, transform: str) -> Tensor:
    if not isinstance(output, Tensor):
        output = Tensor(output)
    if output.size != 1 or output.dtype.kind != "f":
        raise GraphError(
            f"{transform} needs a function with one real number as its result, got shape "
            f"{output.shape} of {output.dtype}; use jacrev for more outputs"
        )
    return output


def _result(tensor: Tensor, recording: bool) -> Tensor:
    return tensor if recording else tensor.detach()


# ---------------------------------------------------------------------------------------- gradients


def value_and_grad(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """From f to a function that returns ``(f(*args), gradient)``.

    Args:
        function: returns a real number (or with ``has_aux`` a pair of that and anything).
        argnums: position or positions of the arguments to differentiate with respect to.
        has_aux: the result is then ``((value, aux), gradient)``.

    >>> value, slope = value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    >>> value.item(), slope
    (5.0, Tensor([2., 4.]))
    """

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _Call(lambda *a: function(*a, **kwargs), args, argnums)
        output, aux = call.output if has_aux else (call.output, None)
        value = _scalar(output, "grad")
        recording = call.recording_needed([value])
        start = np.ones(value.shape, value.dtype)
        gradients = _pull([value], [start], call.inputs, recording)
        shown = _result(value, recording)
        return (shown, aux) if has_aux else shown, call.shape_like_args(gradients)

    return wrapper


def grad(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """From f, with one number as its result, to the function that returns its gradient.

    >>> grad(np.tanh)(0.0)
    Tensor(1.)
    >>> grad(grad(grad(lambda x: x**4)))(2.0)
    Tensor(48.)
    """
    both = value_and_grad(function, argnums, has_aux)

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapper


def per_example_grad(function: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """From a loss of one example to the gradients of every example of a batch, stacked.

    ``per_example_grad(loss)(parameters, x, y)`` calls ``loss(parameters, x[i], y[i])`` for each i;
    the arguments in ``argnums`` are shared by all examples, the others have one row for each.

    >>> loss = lambda w, x, y: (w @ x - y) ** 2
    >>> X, y = np.array([[1.0, 1.0], [2.0, 1.0]]), np.array([1.0, -1.0])
    >>> per_example_grad(loss)(np.zeros(2), X, y)
    Tensor([[-2., -2.],
            [ 4.,  2.]])
    """
    numbers = [argnums] if isinstance(argnums, int) else list(argnums)
    one = grad(function, argnums)

    @wraps(function)
    def wrapper(*args: Any) -> Any:
        shared = {n % len(args) for n in numbers}
        rows = {i: flatten(a) for i, a in enumerate(args) if i not in shared}
        lengths = {len(leaf) for leaves, _ in rows.values() for leaf in leaves}
        if len(lengths) != 1:
            raise ValueError(f"the examples' arrays must have one common length, got {lengths}")
        gradients = []
        for k in range(lengths.pop()):
            example = [
                a if i in shared else rows[i][1]([leaf[k] for leaf in rows[i][0]])
                for i, a in enumerate(args)
            ]
            gradients.append(flatten(one(*example)))
        if not gradients:
            raise ValueError("per_example_grad needs at least one example")
        rebuild = gradients[0][1]
        return rebuild(
            [np.stack(column) for column in zip(*(g for g, _ in gradients), strict=True)]
        )

    return wrapper


# -------------------------------------------------------------------------- products with Jacobians


def vjp(
    function: Callable[..., Any], *primals: Tree
) -> tuple[Tree, Callable[[Tree], tuple[Tree, ...]]]:
    """The value of f and a function from cotangents of the output to gradients of the inputs.

    >>> out, pull_back = vjp(lambda x: x**2, np.array([1.0, 2.0]))
    >>> pull_back(np.array([1.0, 10.0]))
    (Tensor([ 2., 40.]),)
    """
    call = _Call(function, primals, tuple(range(len(primals))))
    outs, rebuild = _tensors(call.output)
    recording = call.recording_needed(outs)

    def pull_back(cotangents: Tree) -> tuple[Tree, ...]:
        given, _ = flatten(cotangents)
        if len(given) != len(outs):
            raise GraphError(f"{len(given)} cotangents for {len(outs)} outputs")
        record = is_grad_enabled() and (recording or _any_tracked(given))
        gradients = _pull(outs, given, call.inputs, record, retain=True)
        return tuple(call.rebuild(gradients))

    return rebuild([_result(o, recording) for o in outs]), pull_back


def linearize(function: Callable[..., Any], *primals: Tree) -> tuple[Tree, Callable[..., Tree]]:
    """The value of f, and its Jacobian at the primals as a function of tangents.

    f is evaluated once, however often the linear function is called.

    >>> out, push_forward = linearize(np.sin, 0.0)
    >>> push_forward(3.0)
    Tensor(3.)
    """
    call = _Call(function, primals, tuple(range(len(primals))))
    outs, rebuild = _tensors(call.output)
    recording = call.recording_needed(outs)
    # The vjp is linear in its cotangent u, whatever u is; transposing it gives the jvp.
    starts = [Tensor(np.zeros(o.shape, o.dtype), requires_grad=True) for o in outs]
    pulled = _pull(outs, starts, call.inputs, recording=True)

    def push_forward(*tangents: Tree) -> Tree:
        given, _ = flatten(tangents)
        if len(given) != len(call.inputs):
            raise GraphError(f"{len(given)} tangents for {len(call.inputs)} inputs")
        nested = is_grad_enabled() and (recording or _any_tracked(given))
        for t, x in zip(given, call.inputs, strict=True):
            if np.shape(t) != x.shape:
                raise GraphError(f"tangent of shape {np.shape(t)} for an input of shape {x.shape}")
        return rebuild(_pull(pulled, given, starts, nested, retain=True))

    return rebuild([_result(o, recording) for o in outs]), push_forward


def jvp(
    function: Callable[..., Any], primals: Sequence[Tree], tangents: Sequence[Tree]
) -> tuple[Tree, Tree]:
    """The value of f and its derivative along ``tangents`` (forward mode).

    Computed as the transpose of the transposed derivative, so every primitive that has a rule for
    going backwards can go forwards.

    >>> jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 0.5))
    (Tensor(6.), Tensor(4.))
    """
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list):
        raise TypeError("jvp takes its primals and tangents as tuples: jvp(f, (x,), (v,))")
    out, push_forward = linearize(function, *primals)
    return out, push_forward(*tangents)


# --------------------------------------------------------------------------- Jacobians and Hessians


def _basis(tensor: Tensor) -> np.ndarray[Any, Any]:
    """All unit vectors of the tensor's shape, stacked."""
    return np.eye(tensor.size, dtype=tensor.dtype).reshape(tensor.size, *tensor.shape)


def jacrev(function: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """From f to its Jacobian, one backward pass for all outputs together.

    The result for an output of shape S and an input of shape T has shape S + T. Best where there
    are fewer outputs than inputs.

    >>> jacrev(lambda x: x**2)(np.array([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]])
    """

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _Call(lambda *a: function(*a, **kwargs), args, argnums)
        outs, rebuild = _tensors(call.output)
        recording = call.recording_needed(outs)
        results = []
        for out in outs:
            rows = _pull([out], [_basis(out)], call.inputs, recording, retain=True, batch=out.size)
            blocks = [
                row.reshape(out.shape + x.shape) for row, x in zip(rows, call.inputs, strict=True)
            ]
            results.append(call.shape_like_args(blocks))
        return rebuild(results)

    return wrapper


def jacfwd(function: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """From f to its Jacobian, one forward-mode pass for all inputs together.

    As :func:`jacrev`; best where there are fewer inputs than outputs.

    >>> jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]])
    """

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _Call(lambda *a: function(*a, **kwargs), args, argnums)
        outs, rebuild = _tensors(call.output)
        recording = call.recording_needed(outs)
        starts = [Tensor(np.zeros(o.shape, o.dtype), requires_grad=True) for o in outs]
        pulled = _pull(outs, starts, call.inputs, recording=True)
        columns: list[list[Tensor]] = []  # columns[input][output], stacked over input elements
        for g, x in zip(pulled, call.inputs, strict=True):
            columns.append(_pull([g], [_basis(x)], starts, recording, retain=True, batch=x.size))
        results = []
        for k, out in enumerate(outs):
            blocks = [
                np.moveaxis(column[k], 0, -1).reshape(out.shape + x.shape)
                for column, x in zip(columns, call.inputs, strict=True)
            ]
            results.append(call.shape_like_args(blocks))
        return rebuild(results)

    return wrapper


def hessian(function: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """From f to its matrix of second derivatives.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    Tensor([[6., 2.],
            [2., 0.]])
    """
    return jacrev(jacrev(function, argnums), argnums)


def hvp(
    function: Callable[..., Any], primals: Sequence[Tree], tangents: Sequence[Tree]
) -> tuple[Tree, Tree]:
    """The value of f and its Hessian times the tangents, without forming the Hessian.

    Args:
        function: returns one real number.
        primals: its arguments, in a tuple.
        tangents: the vector, nested like the primals.

    >>> hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    (Tensor(9.), (Tensor([ 6., 12.]),))
    """
    call = _Call(function, tuple(primals), tuple(range(len(primals))))
    value = _scalar(call.output, "hvp")
    recording = call.recording_needed([value])
    first = _pull([value], [np.ones(value.shape, value.dtype)], call.inputs, recording=True)
    vectors, _ = flatten(tuple(tangents))
    second = _pull(first, vectors, call.inputs, recording)
    return _result(value, recording), tuple(call.rebuild(second))
