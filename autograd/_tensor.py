"""Tensor: a NumPy array with an edge into the graph.

What a Tensor holds, how it is made, shown, converted and differentiated. Its arithmetic and NumPy
methods are attached from the register of primitives (see ``_primitive``), not written here.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from sys import getrefcount
from typing import TYPE_CHECKING, Any, ClassVar, SupportsIndex, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from autograd._backward import (
    ALONE,
    backpropagate,
    call_gradient_hook,
    copy_of,
    has_all_of_its_base,
)
from autograd._graph import GraphError, Node, RemovableHandle
from autograd._habits import HABITS, Habit
from autograd._modes import CHANGES, enable_grad, is_grad_enabled
from autograd._writes import WRITES

if TYPE_CHECKING:
    from autograd._graphview import Graph

__all__ = ["Tensor", "TensorLike", "as_tensor", "grad", "tensor"]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_new = object.__new__
_ndarray = np.ndarray


class Tensor:
    """An array that remembers how it was computed.

    Args:
        data: array, nested list, number or Tensor; always copied, so that the caller's array is
            never changed.
        requires_grad: whether derivatives with respect to this tensor are wanted. Only floating
            and complex tensors can.
        dtype: of the tensor; by default NumPy's choice for ``data``.
        name: shown in drawings and messages.

    Attributes:
        data: the values, a plain ndarray.

    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x**2).sum()
    >>> y.backward()
    >>> x.grad
    Tensor([2., 4., 6.])
    """

    __slots__ = ("__weakref__", "_extra", "_grad", "_node", "_requires_grad", "_view", "data")

    data: Array
    _grad: Any  # None, a Tensor, or an array that becomes one when somebody asks for it
    _requires_grad: bool
    _node: Node | None
    _view: Any  # how this tensor is a view of another (see _inplace), or None
    _extra: _Extra | None

    # NumPy function -> what runs when it is called on a Tensor; filled by `_primitive`.
    _implementations: ClassVar[dict[Any, Callable[..., Any]]] = {}

    def __init__(
        self,
        data: TensorLike,
        requires_grad: bool = False,
        dtype: npt.DTypeLike | None = None,
        name: str | None = None,
    ) -> None:
        array = np.array(data.data if isinstance(data, Tensor) else _coerce(data), dtype=dtype)
        if array.dtype.kind not in "biufc":
            raise TypeError(
                f"a Tensor holds numbers, got {type(data).__name__} of dtype {array.dtype}; "
                "nested lists must be rectangular"
            )
        self.data = array
        self._grad = None
        self._node = None
        self._view = None
        self._extra = None
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True
        if name is not None:
            self.name = name

    # ------------------------------------------------------------------------ what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self.data.dtype

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.data.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.data.nbytes

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded."""
        if self._view is not None:
            self._view.refresh(self)
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._node is not None and not value:
            raise GraphError(
                "only a leaf can stop requiring a gradient; use x.detach() for a tensor without "
                "history"
            )
        if value and self.data.dtype.kind not in "fc":
            raise TypeError(
                f"only floating or complex tensors can require a gradient, got {self.data.dtype}; "
                "pass dtype=float"
            )
        self._requires_grad = bool(value)
        CHANGES.count += 1

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient: a Tensor of the same shape, or None."""
        held = self._grad
        if type(held) is _ndarray:
            held = self._grad = _wrap(held)
        return held

    @grad.setter
    def grad(self, gradient: Tensor | None) -> None:
        if gradient is not None:
            if not isinstance(gradient, Tensor):
                raise TypeError(
                    f"grad must be a Tensor or None, got {type(gradient).__name__}; "
                    "wrap an array with autograd.as_tensor"
                )
            if gradient.shape != self.shape:
                raise ValueError(
                    f"grad of shape {gradient.shape} for a tensor of shape {self.shape}"
                )
        self._grad = gradient

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set :attr:`requires_grad` in place and return the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def node(self) -> Node | None:
        """The operation that made this tensor; None for leaves."""
        if self._view is not None:
            self._view.refresh(self)
        return self._node

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        return self.node is None

    @property
    def name(self) -> str | None:
        """Shown in drawings and messages."""
        return None if self._extra is None else self._extra.name

    @name.setter
    def name(self, name: str | None) -> None:
        self._more().name = name
        if self._node is not None:
            self._node.name = name

    def _more(self) -> _Extra:
        if self._extra is None:
            self._extra = _Extra()
        return self._extra

    # ------------------------------------------------------------------- differentiation

    def backward(
        self,
        gradient: TensorLike | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add the derivatives of this tensor to ``.grad`` of every leaf it depends on.

        Args:
            gradient: the derivative of some scalar with respect to this tensor, of its shape; may
                be left out if the tensor has one element.
            retain_graph: keep what the rules saved, so that backward can run again. Defaults to
                ``create_graph``.
            create_graph: record the backward pass too, so that gradients can be differentiated.

        Raises:
            GraphError: if the tensor has no graph, the graph has been freed, ``gradient`` is
                missing or of another shape, or a saved array was changed in place.

        >>> w = Tensor([3.0, 4.0], requires_grad=True)
        >>> w.backward([10.0, 20.0])
        >>> w.grad
        Tensor([10., 20.])
        """
        if create_graph and not is_grad_enabled():
            with enable_grad():
                return self.backward(gradient, retain_graph, create_graph)
        root = _root(self, gradient, create_graph)
        retain = create_graph if retain_graph is None else retain_graph
        gradients = backpropagate([root], retain_graph=retain, recording=create_graph)
        shared: set[int] = {id(root[1])}
        for leaf, part in gradients.items():
            if create_graph or (leaf._extra is not None and leaf._extra.hooks):
                hooks = () if leaf._extra is None else list(leaf._extra.hooks.values())
                part = _as_result(part) if create_graph else copy_of(part)
                for hook in hooks:
                    part = call_gradient_hook(hook, part, _as_result)
                # No two leaves share one .grad, nor does a user's tensor or a constant.
                aliased = hooks or not part._requires_grad or part.data.base is not None
                if aliased or id(part) in shared:
                    part = copy_of(part)
                shared.add(id(part))
            elif (
                type(part) is not _ndarray
                or (part.base is not None and not has_all_of_its_base(part))
                or getrefcount(part) > ALONE
                or not part.flags.carray
            ):
                # An array is handed over if nobody else holds it, in C order and writeable.
                part = np.array(part, order="C")
            elif leaf._grad is None and part.dtype.kind != "c":
                leaf._grad = part
                continue
            leaf._accumulate(part)
        return None

    def _accumulate(self, gradient: Any) -> None:
        """Add to ``.grad``; an array given here belongs to this tensor from now on."""
        if self.data.dtype.kind == "c":
            gradient = np.conj(gradient)  # inside: ∂L/∂z; outside, as PyTorch: its conjugate
        held = self.grad
        if isinstance(gradient, Tensor):
            self.grad = gradient if held is None else held + gradient
        elif held is None:
            self._grad = gradient
        elif held._requires_grad:
            self.grad = held + gradient
        else:
            np.add(held.data, gradient, out=held.data)
            WRITES.note(held.data)

    def retain_grad(self) -> None:
        """Keep this tensor's gradient in ``.grad`` although it is not a leaf."""
        if not self.requires_grad:
            raise GraphError("retain_grad on a tensor that does not require a gradient")
        if self._node is not None and not self.retains_grad:
            reference = weakref.ref(self)
            self._node.add_hooks().retain.append(reference)

    @property
    def retains_grad(self) -> bool:
        """Whether :meth:`retain_grad` was called on this non-leaf tensor."""
        node = self._node
        if node is None or node.hooks is None:
            return False
        return any(reference() is self for reference in node.hooks.retain)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call ``hook(gradient)`` each time this tensor's gradient is computed.

        The gradient is replaced by what the hook returns, if it returns something.

        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> handle = x.register_hook(lambda g: g * 10)
        >>> (x * x).sum().backward()
        >>> x.grad
        Tensor([20., 40.])
        >>> handle.remove()
        """
        if not self.requires_grad:
            raise GraphError("register_hook on a tensor that does not require a gradient")
        if self._node is not None:
            return RemovableHandle.add(self._node.add_hooks().tensor, hook)
        return RemovableHandle.add(self._more().hooks, hook)

    def detach(self) -> Tensor:
        """The same values (same memory) without history."""
        return _wrap(self.data)

    # ------------------------------------------------------------------------ conversion

    def numpy(self) -> Array:
        """The values as a plain ndarray (the tensor's own memory, not a copy)."""
        return self.data

    def item(self) -> Any:
        """The value of a one-element tensor as a Python number."""
        if self.data.size != 1:
            raise ValueError(f"item() needs one element, this tensor has shape {self.shape}")
        return self.data.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self.data.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad and is_grad_enabled():
            raise TypeError(
                "turning a tensor that requires a gradient into an array would lose the gradient "
                "without a word; use t.numpy() or t.detach() to say that this is meant"
            )
        return np.array(self.data, dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        return self.data.__index__()

    def __bool__(self) -> bool:
        return bool(self.data)

    def __len__(self) -> int:
        if self.data.ndim == 0:
            raise TypeError("len() of a tensor without axes")
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        if self.data.ndim == 0:
            raise TypeError("iteration over a tensor without axes")
        return (self[i] for i in range(len(self.data)))

    def __contains__(self, value: Any) -> bool:
        return bool((self.data == (value.data if isinstance(value, Tensor) else value)).any())

    __hash__ = object.__hash__  # by identity, although == compares elements

    def __format__(self, spec: str) -> str:
        return (
            format(self.data[()] if self.data.ndim == 0 else self.data, spec) if spec else str(self)
        )

    def __repr__(self) -> str:
        body = np.array2string(self.data, separator=", ", prefix="Tensor(")
        notes = [body]
        if self.data.dtype not in (np.float64, np.int64, np.bool_, np.complex128):
            notes.append(f"dtype={self.data.dtype}")
        if self.data.size == 0 and self.data.shape != (0,):
            notes.append(f"shape={self.data.shape}")
        if self.node is not None:
            notes.append(f"node=<{self.node.primitive.name}>")
        elif self._requires_grad:
            notes.append("requires_grad=True")
        if self.name is not None:
            notes.append(f"name={self.name!r}")
        return f"Tensor({', '.join(notes)})"

    def __str__(self) -> str:
        return str(self.data)

    # -------------------------------------------------------------------- copies, pickles

    def __copy__(self) -> Tensor:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self.node is not None:
            raise GraphError(
                "only leaves can be deep-copied, a copy of a computed tensor would have half a "
                "graph; use t.detach() for its values"
            )
        copy = _new(type(self))
        memo[id(self)] = copy
        copy.__setstate__(self._state(self.data.copy()))
        if self.grad is not None and self.grad.is_leaf:
            copy.grad = self.grad.__deepcopy__(memo)
        return copy

    def _state(self, data: Array) -> dict[str, Any]:
        return {"data": data, "requires_grad": self._requires_grad, "name": self.name}

    def __reduce__(self) -> tuple[Any, ...]:
        if self.node is not None:
            raise GraphError(
                "only leaves can be pickled, a graph cannot be; use t.detach() for the values"
            )
        return _new, (type(self),), self._state(self.data)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.data = state["data"]
        self._grad = None
        self._node = None
        self._view = None
        self._extra = None
        self._requires_grad = state["requires_grad"]
        if state["name"] is not None:
            self.name = state["name"]

    # ------------------------------------------------------------------- NumPy protocols

    # Set by `_dispatch`, which knows what answers for a ufunc.
    __array_ufunc__: ClassVar[Callable[..., Any]]

    def __array_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any],
        kwargs: dict[str, Any],
    ) -> Any:
        implementation = Tensor._implementations.get(function)
        if implementation is None:
            raise TypeError(no_rule_message(function))
        return implementation(*args, **kwargs)

    def __dir__(self) -> Iterable[str]:
        return sorted(set(super().__dir__()) - HABITS.keys())

    if TYPE_CHECKING:  # attached at import from the register of primitives

        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __add__(self, other: TensorLike) -> Tensor: ...
        def __radd__(self, other: TensorLike) -> Tensor: ...
        def __sub__(self, other: TensorLike) -> Tensor: ...
        def __rsub__(self, other: TensorLike) -> Tensor: ...
        def __mul__(self, other: TensorLike) -> Tensor: ...
        def __rmul__(self, other: TensorLike) -> Tensor: ...
        def __truediv__(self, other: TensorLike) -> Tensor: ...
        def __rtruediv__(self, other: TensorLike) -> Tensor: ...
        def __floordiv__(self, other: TensorLike) -> Any: ...
        def __mod__(self, other: TensorLike) -> Tensor: ...
        def __pow__(self, other: TensorLike) -> Tensor: ...
        def __rpow__(self, other: TensorLike) -> Tensor: ...
        def __matmul__(self, other: TensorLike) -> Tensor: ...
        def __rmatmul__(self, other: TensorLike) -> Tensor: ...
        def __lt__(self, other: TensorLike) -> Array: ...
        def __le__(self, other: TensorLike) -> Array: ...
        def __gt__(self, other: TensorLike) -> Array: ...
        def __ge__(self, other: TensorLike) -> Array: ...
        def __eq__(self, other: object) -> Array: ...  # type: ignore[override]
        def __ne__(self, other: object) -> Array: ...  # type: ignore[override]
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: TensorLike) -> None: ...
        @property
        def graph(self) -> Graph: ...
        @property
        def T(self) -> Tensor: ...  # noqa: N802 - NumPy's name
        @property
        def mT(self) -> Tensor: ...  # noqa: N802 - NumPy's name
        def astype(self, dtype: npt.DTypeLike, copy: bool = True) -> Tensor: ...
        def copy(self) -> Tensor: ...
        def exp(self) -> Tensor: ...
        def exp2(self) -> Tensor: ...
        def expm1(self) -> Tensor: ...
        def log(self) -> Tensor: ...
        def log2(self) -> Tensor: ...
        def log10(self) -> Tensor: ...
        def log1p(self) -> Tensor: ...
        def sqrt(self) -> Tensor: ...
        def cbrt(self) -> Tensor: ...
        def square(self) -> Tensor: ...
        def reciprocal(self) -> Tensor: ...
        def sin(self) -> Tensor: ...
        def cos(self) -> Tensor: ...
        def tan(self) -> Tensor: ...
        def arcsin(self) -> Tensor: ...
        def arccos(self) -> Tensor: ...
        def arctan(self) -> Tensor: ...
        def sinh(self) -> Tensor: ...
        def cosh(self) -> Tensor: ...
        def tanh(self) -> Tensor: ...
        def arcsinh(self) -> Tensor: ...
        def arccosh(self) -> Tensor: ...
        def arctanh(self) -> Tensor: ...
        def abs(self) -> Tensor: ...
        def sigmoid(self) -> Tensor: ...
        def softplus(self) -> Tensor: ...
        def relu(self) -> Tensor: ...
        def erf(self) -> Tensor: ...
        def erfc(self) -> Tensor: ...
        def conj(self) -> Tensor: ...
        def conjugate(self) -> Tensor: ...
        def clip(self, min: Any = None, max: Any = None) -> Tensor: ...
        def sum(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor: ...
        def mean(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor: ...
        def max(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor: ...
        def min(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor: ...
        def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Any: ...
        def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Any: ...
        def reshape(self, *shape: Any) -> Tensor: ...
        def ravel(self) -> Tensor: ...
        def flatten(self) -> Tensor: ...
        def transpose(self, *axes: Any) -> Tensor: ...
        def swapaxes(self, axis1: SupportsIndex, axis2: SupportsIndex) -> Tensor: ...
        def squeeze(self, axis: Axis = None) -> Tensor: ...
        def dot(self, other: TensorLike) -> Tensor: ...
        def prod(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor: ...
        def var(self, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Tensor: ...
        def std(self, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Tensor: ...
        def cumsum(self, axis: int | None = None) -> Tensor: ...
        def cumprod(self, axis: int | None = None) -> Tensor: ...
        def logsumexp(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor: ...
        def softmax(self, axis: int = -1) -> Tensor: ...
        def log_softmax(self, axis: int = -1) -> Tensor: ...
        def all(self, axis: Axis = None) -> Any: ...
        def any(self, axis: Axis = None) -> Any: ...
        def argsort(self, axis: int | None = -1) -> Array: ...
        def argpartition(self, kth: Any, axis: int | None = -1) -> Array: ...
        def searchsorted(self, v: Any) -> Any: ...
        def nonzero(self) -> tuple[Array, ...]: ...
        def round(self, decimals: int = 0) -> Any: ...
        def sort(self, axis: int = -1) -> None: ...
        def partition(self, kth: Any, axis: int = -1) -> None: ...
        def fill(self, value: Any) -> None: ...
        def put(self, indices: Any, values: TensorLike) -> None: ...
        def take(self, indices: Any, axis: int | None = None) -> Tensor: ...
        def repeat(self, repeats: Any, axis: int | None = None) -> Tensor: ...
        def compress(self, condition: Any, axis: int | None = None) -> Tensor: ...
        def choose(self, choices: Any) -> Tensor: ...
        def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor: ...
        @property
        def real(self) -> Tensor: ...
        @property
        def imag(self) -> Tensor: ...
        def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor: ...


TensorLike: TypeAlias = Tensor | npt.ArrayLike
Axis: TypeAlias = int | tuple[int, ...] | None


class _Extra:
    """What few tensors have: a name, hooks on a leaf."""

    __slots__ = ("hooks", "name")

    def __init__(self) -> None:
        self.name: str | None = None
        self.hooks: OrderedDict[int, Callable[[Any], Any]] = OrderedDict()


def _coerce(data: Any) -> Any:
    """Nested lists may hold tensors: take their values."""
    if isinstance(data, list | tuple):
        return [_coerce(item) for item in data]
    return data.data if isinstance(data, Tensor) else data


def _wrap(array: Array) -> Tensor:
    """A tensor around ``array`` itself, without history."""
    out = _new(Tensor)
    out.data = array
    out._grad = None
    out._node = None
    out._view = None
    out._extra = None
    out._requires_grad = False
    return out


def _as_result(value: Any) -> Tensor:
    """A gradient as users see it: a Tensor, whether it travels as an array or as one."""
    return value if isinstance(value, Tensor) else _wrap(np.asarray(value))


def tensor(
    data: TensorLike,
    requires_grad: bool = False,
    dtype: npt.DTypeLike | None = None,
    name: str | None = None,
) -> Tensor:
    """``Tensor(data, …)`` under PyTorch's name; copies ``data``.

    >>> tensor([1, 2, 3])
    Tensor([1, 2, 3])
    """
    return Tensor(data, requires_grad, dtype, name)


def as_tensor(data: TensorLike, dtype: npt.DTypeLike | None = None) -> Tensor:
    """A Tensor of ``data``, sharing its memory where it can; a Tensor is returned as it is.

    >>> a = np.zeros(2)
    >>> as_tensor(a).data is a
    True
    """
    if isinstance(data, Tensor):
        return data if dtype is None or data.dtype == dtype else data.astype(dtype)
    array = np.asarray(_coerce(data), dtype=dtype)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"a Tensor holds numbers, got {type(data).__name__} of {array.dtype}")
    return _wrap(array)


# --------------------------------------------------------------------------------------- gradients


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: TensorLike | Sequence[TensorLike | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Derivatives of ``outputs`` (summed) with respect to ``inputs``, without touching ``.grad``.

    Args:
        outputs: a tensor or several.
        inputs: leaves or intermediate tensors.
        grad_outputs: for each output the derivative to start from (the vector of the
            vector-Jacobian product); may be left out for outputs of one element.
        retain_graph: keep the graph for another pass; defaults to ``create_graph``.
        create_graph: record, so that the results can be differentiated again.
        allow_unused: give None for inputs the outputs do not depend on, instead of raising.

    Returns:
        One Tensor per input, in a tuple, as ``torch.autograd.grad``.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> (dy,) = grad(x**3, x, create_graph=True)
    >>> (d2y,) = grad(dy, x)
    >>> dy.item(), d2y.item()
    (27.0, 18.0)
    """
    if create_graph and not is_grad_enabled():
        with enable_grad():
            return grad(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused)
    outs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    ins = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None:
        starts: tuple[Any, ...] = (None,) * len(outs)
    elif isinstance(outputs, Tensor) and not isinstance(grad_outputs, list | tuple):
        starts = (grad_outputs,)
    else:
        starts = tuple(cast("Sequence[Any]", grad_outputs))
    if len(starts) != len(outs):
        raise GraphError(f"{len(outs)} outputs need as many grad_outputs, got {len(starts)}")
    for position, x in enumerate(ins):
        if not isinstance(x, Tensor):
            raise TypeError(f"input {position} of grad is a {type(x).__name__}, not a Tensor")
        if not x.requires_grad:
            raise GraphError(f"input {_called(position, x)} of grad does not require a gradient")
    roots = [_root(out, start, create_graph) for out, start in zip(outs, starts, strict=True)]
    targets = [x._node or x for x in ins]
    retain = create_graph if retain_graph is None else retain_graph
    found = backpropagate(roots, targets=targets, retain_graph=retain, recording=create_graph)
    results: list[Tensor | None] = []
    for position, (x, target) in enumerate(zip(ins, targets, strict=True)):
        gradient = found.get(target)
        if gradient is None:
            if not allow_unused:
                raise GraphError(
                    f"the outputs do not depend on input {_called(position, x)}; if that is meant, "
                    "pass allow_unused=True and get None for it"
                )
            results.append(None)
            continue
        if x._node is None and x._extra is not None and x._extra.hooks:
            gradient = gradient if create_graph else copy_of(gradient)
            for hook in list(x._extra.hooks.values()):
                gradient = call_gradient_hook(hook, gradient, _as_result)
        if x.dtype.kind == "c":
            gradient = np.conj(gradient)
        if not create_graph:
            gradient = np.array(gradient)  # may be an array that something else holds
        results.append(_as_result(gradient))
    return tuple(results)


def _called(position: int, x: Tensor) -> str:
    return f"{position} ({x.name!r})" if x.name else f"{position} (shape {x.shape})"


def gradient_arrays(tensors: Iterable[Tensor]) -> list[Any]:
    """The array of each tensor's ``.grad``, or None where there is none."""
    held = [tensor._grad for tensor in tensors]
    for g in held:
        if type(g) is not _ndarray:
            return [g.data if isinstance(g, Tensor) else g for g in held]
    return held  # as `backward` left them


def forget_gradients(tensors: Iterable[Tensor]) -> None:
    """Set the ``.grad`` of each to None."""
    for tensor in tensors:
        tensor._grad = None


def _root(out: Tensor, gradient: Any, recording: bool) -> tuple[Any, Any]:
    """Where a backward pass starts: the output's node and the gradient that goes in."""
    if not isinstance(out, Tensor):
        raise TypeError(f"only a Tensor can be differentiated, got {type(out).__name__}")
    if out._view is not None:
        out._view.refresh(out)
    if not out._requires_grad:
        raise GraphError(
            "this tensor has no graph to differentiate: it does not require a gradient; was it "
            "computed under no_grad, from detached tensors, or is requires_grad=True missing?"
        )
    if gradient is None:
        data = out.data
        if data.size != 1:
            raise GraphError(
                f"backward without a gradient needs a tensor of one element, this one has shape "
                f"{data.shape}; reduce it (t.sum(), t.mean()) or pass gradient= of that shape"
            )
        gradient = np.ones(data.shape, data.dtype) if data.ndim else data.dtype.type(1)
        if not recording:
            return out._node or out, gradient
    start = gradient if isinstance(gradient, Tensor) else _wrap(np.asarray(_coerce(gradient)))
    if start.shape != out.shape:
        raise GraphError(f"gradient has shape {start.shape}, the tensor has shape {out.shape}")
    if start.dtype.kind not in "biuf" and not (start.dtype.kind == "c" == out.dtype.kind):
        raise GraphError(f"gradient of dtype {start.dtype} for a tensor of dtype {out.dtype}")
    if recording:
        if start.dtype != out.dtype:
            start = start.astype(out.dtype)
        if out.dtype.kind == "c":
            start = cast(Tensor, np.conj(start))
        return out._node or out, start
    array = start.data.astype(out.dtype, copy=False)
    return out._node or out, np.conj(array) if out.dtype.kind == "c" else array


# ---------------------------------------------------------------------------------------- messages

for _name, _hint in HABITS.items():
    if not hasattr(Tensor, _name):
        setattr(Tensor, _name, Habit(_name, _hint))


def no_rule_message(function: Any) -> str:
    """What to say of a NumPy function that has no implementation for tensors."""
    module = getattr(function, "__module__", "numpy") or "numpy"
    name = getattr(function, "__qualname__", getattr(function, "__name__", function))
    return (
        f"{module}.{name} has no differentiation rule. Compose it from functions that have one, "
        "declare one with @autograd.primitive, or pass plain arrays (t.numpy()) if no gradient "
        "is needed"
    )
