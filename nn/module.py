"""Module: how networks hold their state, and what happens around a call.

Nothing here computes; layers are in the other files of this package.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from autograd import RemovableHandle, Tensor, as_tensor
from autograd.extend import (
    current_path,
    enter_scope,
    is_outermost,
    leave_scope,
    note_change,
    note_write,
    show_lines,
)
from nn._hooks import BackwardWatch, add_hook
from nn.parameter import Buffer, Parameter

__all__ = ["IncompatibleKeys", "Module", "ShapeError"]

T = TypeVar("T")
Array = np.ndarray[Any, np.dtype[Any]]
_ndarray = np.ndarray


class ShapeError(ValueError, RuntimeError):
    """An array does not fit where it was given: says where, what was expected and what came."""


class IncompatibleKeys(NamedTuple):
    """What :meth:`Module.load_state_dict` did not find, and what it did not know."""

    missing_keys: list[str]
    unexpected_keys: list[str]


_STORES = ("_parameters", "_buffers", "_modules")


class Derived(Protocol):
    """How an attribute of a module is computed, and what assigning to it means."""

    def compute(self, module: Module) -> Any:
        """Its value now."""

    def assign(self, module: Module, value: Any) -> None:
        """Change the parameters so that it has this value."""


class Module:
    """Base of all layers and models: assign parameters and modules as attributes, define forward.

    >>> import numpy as np, nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(4, 8)
    ...         self.output = nn.Linear(8, 2)
    ...
    ...     def forward(self, x):
    ...         return self.output(np.tanh(self.hidden(x)))
    >>> net = Net()
    >>> net(np.zeros((3, 4))).shape
    (3, 2)
    >>> [name for name, _ in net.named_parameters()]
    ['hidden.weight', 'hidden.bias', 'output.weight', 'output.bias']
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    # Attributes computed from parameters when they are read: parametrised and pruned weights.
    _derived: dict[str, Derived]

    def __init__(self) -> None:
        own = self.__dict__
        own["training"] = True
        own["_parameters"] = {}
        own["_buffers"] = {}
        own["_modules"] = {}
        own["_transient"] = set()
        own["_derived"] = {}
        own["_forward_hooks"] = OrderedDict()
        own["_forward_pre_hooks"] = OrderedDict()
        own["_backward_hooks"] = OrderedDict()
        own["_backward_pre_hooks"] = OrderedDict()
        own["_hooked"] = False  # true once there has been one

    # --------------------------------------------------------------------------- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if isinstance(value, Parameter) and name not in own.get("_derived", ()):
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._forget(name, "_modules")
            self.add_module(name, value)
        elif name in own.get("_derived", ()) and isinstance(value, Tensor | np.ndarray):
            own["_derived"][name].assign(self, value)
        elif isinstance(value, Buffer):
            self._forget(name, "_buffers")
            self.register_buffer(name, value, getattr(value, "persistent", True))
        elif "_parameters" in own and name in own["_parameters"]:
            if value is not None:
                raise TypeError(
                    f"cannot assign a {type(value).__name__} as parameter {name!r} of "
                    f"{type(self).__name__}; wrap it in nn.Parameter, or assign None"
                )
            self._keep("_parameters", name, None)
        elif "_modules" in own and name in own["_modules"]:
            if value is not None:
                raise TypeError(
                    f"cannot assign a {type(value).__name__} as submodule {name!r} of "
                    f"{type(self).__name__}: it is not an nn.Module"
                )
            self._keep("_modules", name, None)
        elif "_buffers" in own and name in own["_buffers"]:
            if value is not None and not isinstance(value, Tensor | np.ndarray | np.generic):
                raise TypeError(
                    f"cannot assign a {type(value).__name__} as buffer {name!r} of "
                    f"{type(self).__name__}: it is not a Tensor"
                )
            self._keep("_buffers", name, None if value is None else as_tensor(value))
        else:
            object.__setattr__(self, name, value)
            note_change()

    def _keep(self, store: str, name: str, member: Any) -> None:
        """Hold a parameter, buffer or module, also where Python finds attributes without help.

        A name that Python does not find costs it an exception before it asks ``__getattr__``.
        """
        self.__dict__[store][name] = self.__dict__[name] = member
        note_change()

    def _drop(self, store: str, name: str) -> Any:
        """Hold a parameter, buffer or module no longer, and return it."""
        self.__dict__.pop(name, None)
        note_change()
        return self.__dict__[store].pop(name)

    def _forget(self, name: str, keep: str) -> None:
        """Remove an attribute from everywhere but one store, where a new value takes its place."""
        if "_parameters" not in self.__dict__:
            raise AttributeError(
                f"call super().__init__() in {type(self).__name__}.__init__ before assigning "
                "parameters, buffers or modules"
            )
        self.__dict__.pop(name, None)
        for store in _STORES:
            if store != keep:
                self.__dict__[store].pop(name, None)

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        derived = own.get("_derived", {})
        if name in derived:
            return derived[name].compute(self)
        for store in _STORES:  # something may have been put there directly
            if name in own.get(store, ()):
                return own[store][name]
        hint = ""
        if "_parameters" not in own and name in ("training", *_STORES):
            hint = "; call super().__init__() first"
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def __delattr__(self, name: str) -> None:
        for store in _STORES:
            if name in self.__dict__[store]:
                self._drop(store, name)
                self._transient.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> Iterable[str]:
        names = {*super().__dir__(), *self._parameters, *self._buffers, *self._modules}
        names |= set(self._derived)
        return sorted(name for name in names if not name[:1].isdigit())

    def _check_name(self, kind: str, name: str, store: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(
                f"call super().__init__() in {type(self).__name__}.__init__ before registering "
                f"a {kind}"
            )
        if not isinstance(name, str):
            raise TypeError(f"the name of a {kind} must be a string, got {type(name).__name__}")
        if "." in name:
            raise KeyError(f"the name of a {kind} cannot contain a dot: {name!r}")
        if name == "":
            raise KeyError(f"the name of a {kind} cannot be empty")
        if hasattr(self, name) and name not in self.__dict__[store]:
            raise KeyError(f"{type(self).__name__} already has an attribute {name!r}")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None reserves the name for an optional one (``bias=False``)."""
        self._check_name("parameter", name, "_parameters")
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot register a {type(param).__name__} as parameter {name!r}: wrap it in "
                    "nn.Parameter"
                )
            if param.node is not None:
                raise ValueError(
                    f"parameter {name!r} was computed by {param.node.primitive.name}: a parameter "
                    "must be a leaf; compute from it in forward instead"
                )
            if param.name is None:
                param.name = name
        self._keep("_parameters", name, param)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Add a tensor to the module's state that is not learnt.

        Args:
            name: the attribute it is read by.
            tensor: Tensor or array; None reserves the name.
            persistent: whether it is part of ``state_dict``.
        """
        self._check_name("buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor | np.ndarray | np.generic):
            raise TypeError(
                f"cannot register a {type(tensor).__name__} as buffer {name!r}: it is not a Tensor"
            )
        self._keep("_buffers", name, None if tensor is None else as_tensor(tensor))
        if persistent:
            self._transient.discard(name)
        else:
            self._transient.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child; it can be read as the attribute ``name``."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not an nn.Module")
        self._check_name("module", name, "_modules")
        self._keep("_modules", name, module)

    register_module = add_module

    # ------------------------------------------------------------------------------ calling

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines it. Call the module, not this."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = enter_scope(self)
        try:
            for arg in args:
                if type(arg) is _ndarray and arg.dtype.kind == "f":
                    if is_outermost(token):
                        args = self._in_own_dtype(args)
                    break
            if self._hooked:
                return self._call_with_hooks(args, kwargs)
            return self.forward(*args, **kwargs)
        finally:
            leave_scope(token)

    def _in_own_dtype(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Plain arrays given to the outermost module, in the dtype of its parameters.

        So that a float64 batch does not turn a float32 model into a slow one on its way through
        layers without parameters. Tensors keep their dtype.
        """
        dtype = self._own_dtype()
        if dtype is None:
            return args
        return tuple(
            [
                arg.astype(dtype)
                if type(arg) is _ndarray and arg.dtype is not dtype and arg.dtype.kind == "f"
                else arg
                for arg in args
            ]
        )

    def _own_dtype(self) -> np.dtype | None:
        """Of the first floating parameter here or below."""
        for parameter in self._parameters.values():
            if parameter is not None and parameter.data.dtype.kind == "f":
                return parameter.data.dtype
        for module in self._modules.values():
            if module is not None and (dtype := module._own_dtype()) is not None:
                return dtype
        return None

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        show_lines()
        for hook, with_kwargs in list(self._forward_pre_hooks.values()):
            if with_kwargs:
                changed = hook(self, args, kwargs)
                if changed is not None:
                    args, kwargs = changed
            else:
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        watch = None
        if self._backward_hooks or self._backward_pre_hooks:
            watch = BackwardWatch(self)
            args = watch.inputs(args)
        result = self.forward(*args, **kwargs)
        for hook, with_kwargs in list(self._forward_hooks.values()):
            changed = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
            if changed is not None:
                result = changed
        return result if watch is None else watch.outputs(result)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before forward; what it returns replaces the arguments.

        Args:
            hook: returns None, one new argument, or a tuple of them; with ``with_kwargs`` it is
                called as ``hook(module, args, kwargs)`` and returns None or ``(args, kwargs)``.
            prepend: run it before the hooks that are there already.
            with_kwargs: whether it gets the keyword arguments.
        """
        return add_hook(self, self._forward_pre_hooks, hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after forward; what it returns replaces the output.

        Args:
            hook: with ``with_kwargs`` it is called as ``hook(module, args, kwargs, output)``.
            prepend: run it before the hooks that are there already.
            with_kwargs: whether it gets the keyword arguments.

        >>> import nn
        >>> layer = nn.Linear(2, 3)
        >>> handle = layer.register_forward_hook(lambda module, args, out: print(out.shape))
        >>> _ = layer([[0.0, 0.0]])
        (1, 3)
        >>> handle.remove()
        """
        return add_hook(self, self._forward_hooks, hook, prepend, with_kwargs)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` once the inputs' gradients are there.

        Both are tuples, one entry for each positional input and each output, None where there is
        no gradient. A tuple that the hook returns replaces ``grad_input``.
        """
        return add_hook(self, self._backward_hooks, hook, prepend, False)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's derivatives are computed.

        A tuple that the hook returns replaces ``grad_output``.
        """
        return add_hook(self, self._backward_pre_hooks, hook, prepend, False)

    # ------------------------------------------------------------------- walking the members

    def _named_members(
        self, store: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules: Iterable[tuple[str, Module]] = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in modules:
            for name, member in module.__dict__[store].items():
                if member is None or (remove_duplicate and id(member) in seen):
                    continue
                seen.add(id(member))
                yield f"{path}.{name}" if path else name, member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Pairs (dotted name, parameter) in the order of definition; a tied one comes once.

        Args:
            prefix: put before every name.
            recurse: also those of submodules.
            remove_duplicate: with False, a tied parameter comes under each of its names.
        """
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters in the order of definition, tied ones once: what optimizers take."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Pairs (dotted name, buffer), as :meth:`named_parameters`."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers in the order of definition."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Pairs (name, module) of the immediate submodules, each module once."""
        seen: set[int] = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """The immediate submodules."""
        return (module for _, module in self.named_children())

    def named_modules(
        self,
        memo: set[Module] | None = None,
        prefix: str = "",
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Module]]:
        """Pairs (dotted name, module): this one under the prefix, then all below it, each once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path such as ``"features.3"``; the empty path is this one.

        Raises:
            AttributeError: if there is none, or what is there is not a module.
        """
        found: Any = self
        walked: list[str] = []
        for name in target.split(".") if target else []:
            if not hasattr(found, name):
                where = ".".join(walked) or type(self).__name__
                raise AttributeError(f"{where} has no attribute {name!r}")
            found = getattr(found, name)
            walked.append(name)
            if not isinstance(found, Module):
                raise AttributeError(f"{'.'.join(walked)!r} is not an nn.Module")
        return found

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path such as ``"features.3.weight"``."""
        path, _, name = target.rpartition(".")
        found = self.get_submodule(path)._parameters.get(name)
        if found is None:
            raise AttributeError(f"{target!r} is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path such as ``"bn.running_mean"``."""
        path, _, name = target.rpartition(".")
        found = self.get_submodule(path)._buffers.get(name)
        if found is None:
            raise AttributeError(f"{target!r} is not a buffer")
        return found

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` on every submodule, then on this module: to initialise weights, for example.

        >>> import nn
        >>> def zero(module):
        ...     if isinstance(module, nn.Linear):
        ...         nn.init.zeros_(module.weight)
        >>> nn.Sequential(nn.Linear(2, 1)).apply(zero)[0].weight.numpy()
        array([[0., 0.]], dtype=float32)
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ------------------------------------------------------------------------ saved state

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> OrderedDict[str, Any]:
        """Copies of all parameters and persistent buffers, as arrays, by their dotted names.

        The keys and shapes are PyTorch's for the same model: ``{k: torch.from_numpy(v) for k, v in
        model.state_dict().items()}`` loads there, ``np.savez(path, **model.state_dict())`` saves.
        The arrays are copies, so that they keep what they hold while training goes on.

        Args:
            prefix: put before every name.
            keep_vars: give the parameters and buffers themselves instead.
        """
        state: OrderedDict[str, Any] = OrderedDict()
        for key, value in self._state_members(prefix):
            # an unsettled lazy parameter has no shape, and says so here
            state[key] = value if keep_vars else np.array(value.data).reshape(value.shape)
        return state

    def _state_members(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """What a state_dict holds; a tied parameter under each of its names, as PyTorch's."""
        for path, module in self.named_modules(remove_duplicate=False):
            start = f"{prefix}{path}." if path else prefix
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    yield start + name, parameter
            for name, buffer in module._buffers.items():
                if buffer is not None and name not in module._transient:
                    yield start + name, buffer

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values into the parameters and buffers; if anything does not fit, change nothing.

        Args:
            state_dict: from dotted name to array, Tensor or PyTorch tensor.
            strict: whether missing and unexpected names are errors.
            assign: take the dtype of the given values too, instead of keeping the module's.

        Returns:
            The names that were missing and that were not expected.

        Raises:
            RuntimeError: lists all that is missing, unexpected or of another shape.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"a state_dict is a mapping, got {type(state_dict).__name__}")
        for path, module in self.named_modules():
            module._before_load(f"{path}." if path else "", state_dict)
        members = dict(self._state_members())
        missing = [key for key in members if key not in state_dict]
        unexpected = [key for key in state_dict if key not in members]
        problems = []
        if strict and unexpected:
            problems.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}.")
        if strict and missing:
            problems.append(f"Missing key(s) in state_dict: {_quoted(missing)}.")
        arrays: dict[str, Array] = {}
        for key, member in members.items():
            if key not in state_dict:
                continue
            array = _array_of(state_dict[key])
            if array is None:
                problems.append(
                    f"{key}: expected an array or tensor, got {type(state_dict[key]).__name__}."
                )
            elif array.shape != member.shape and not (array.size == member.size == 1):
                problems.append(
                    f"size mismatch for {key}: copying a param with shape {array.shape} from "
                    f"checkpoint, the shape in current model is {member.shape}."
                )
            else:
                arrays[key] = array.reshape(member.shape)
        if problems:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                + "\n\t".join(problems)
            )
        for key, array in arrays.items():
            member = members[key]
            if assign and member.dtype != array.dtype:
                member.data = array.copy()
            else:
                note_write(member.data)
                member.data[...] = array
        return IncompatibleKeys(missing, unexpected)

    def _before_load(self, prefix: str, state: Mapping[str, Any]) -> None:
        """Prepare for values to be loaded; modules whose shapes are not known yet override it."""

    # ----------------------------------------------------------------- modes and conversions

    def train(self, mode: bool = True) -> Self:
        """Set training mode (dropout on, batch statistics) here and below, or evaluation mode."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode here and below; the same as ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train the parameters, or freeze them with False."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        for parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad = as_tensor(np.zeros_like(parameter.grad.data))

    def _convert(self, convert: Callable[[Array], Array]) -> Self:
        seen: set[int] = set()
        for module in self.modules():
            for store in (module._parameters, module._buffers):
                for member in store.values():
                    if member is None or id(member) in seen:
                        continue
                    seen.add(id(member))
                    member.data = convert(member.data)
                    if member.grad is not None:
                        member.grad = as_tensor(convert(member.grad.data))
        return self

    def to(self, *args: Any, dtype: npt.DTypeLike | None = None) -> Self:
        """Change the type of all floating parameters and buffers, in place: ``net.to("float64")``.

        Devices are accepted and ignored, there is only main memory: ``net.to("cpu")``.
        """
        for arg in args:
            if isinstance(arg, str) and arg.split(":")[0] == "cpu":
                continue
            if isinstance(arg, str) and arg.split(":")[0] in ("cuda", "mps", "xpu", "meta"):
                raise RuntimeError(f"there is no device {arg!r} here: modules live in main memory")
            dtype = arg.dtype if isinstance(arg, Tensor | np.ndarray) else arg
        if dtype is None:
            return self
        chosen = np.dtype(dtype)
        if chosen.kind not in "fc":
            raise TypeError(f"a module can be converted to floating types only, got {chosen}")
        return self._convert(
            lambda array: array.astype(chosen, copy=False) if array.dtype.kind in "fc" else array
        )

    def float(self) -> Self:
        """Change floating parameters and buffers to float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Change floating parameters and buffers to float64."""
        return self.to(np.float64)

    def half(self) -> Self:
        """Change floating parameters and buffers to float16."""
        return self.to(np.float16)

    def cpu(self) -> Self:
        """Do nothing: modules live in main memory."""
        return self

    # ------------------------------------------------------------------------------ display

    def extra_repr(self) -> str:
        """The arguments between the parentheses of the printed form."""
        return ""

    def _headline(self) -> str:
        """The module on one line, for messages."""
        return f"{type(self).__name__}({self.extra_repr()})"

    def _reject(self, expected: str, got: Any, hint: str = "") -> ShapeError:
        """The error for an input of the wrong shape: who, what was expected, what came."""
        path = current_path()
        where = f"{path}: " if path else ""
        shape = getattr(got, "shape", got)
        tail = f"; {hint}" if hint else ""
        return ShapeError(f"{where}{self._headline()} expects {expected}, got {shape}{tail}")

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [
            f"({name}): " + repr(module).replace("\n", "\n  ")
            for name, module in self._modules.items()
        ]
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        body = "".join(f"\n  {line}" for line in (*lines, *children))
        return f"{self._get_name()}({body}\n)" if body else f"{self._get_name()}()"

    def _get_name(self) -> str:
        return type(self).__name__


def _quoted(keys: Iterable[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)


def _array_of(value: Any) -> Array | None:
    """The values of an array, a Tensor or a PyTorch tensor; None for anything else."""
    if isinstance(value, Tensor):
        return value.data
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray | np.generic | int | float | bool):
        array = np.asarray(value)
        return array if array.dtype.kind in "biufc" else None
    return None
