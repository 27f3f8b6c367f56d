"""The base of all optimizers: parameter groups, state, hooks, saving and resuming.

Which step is taken is each optimizer's own matter; how it reaches the parameters is decided here.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, ClassVar, TypeAlias

import numpy as np

from autograd import RemovableHandle, Tensor, enable_grad
from autograd.extend import forget_gradients, note_write
from optim._bundle import Bundle
from optim._options import TORCH_ONLY, refuse, required
from optim._together import Together

__all__ = ["Array", "Closure", "Group", "Optimizer", "Params", "State", "filled", "zeros_apart"]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Closure: TypeAlias = Callable[[], Any]
Group: TypeAlias = dict[str, Any]
State: TypeAlias = dict[str, Any]
Params: TypeAlias = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[Group]

# Arrays of so many bytes are placed by their address within a page, at a multiple of a cache line.
_PLACED, _PAGE, _LINE = 1 << 16, 1 << 12, 1 << 6


class Optimizer:
    """Base class: hand it parameters and defaults, write ``_update`` (and ``_new_state``).

    Args:
        params: the tensors to optimize: an iterable of leaf Tensors, of pairs (name, Tensor), or of
            dicts with the key ``"params"`` and options of their own (parameter groups).
        defaults: options for groups that do not give their own.

    Attributes:
        param_groups: list of dicts: ``"params"`` and the options (``"lr"`` …) that hold for them.
            Options may be changed at any time, which is what schedulers do.
        state: from parameter to a dict of what the optimizer remembers about it.
        defaults: the options a new group starts from.

    A subclass states the rule for one array; groups, closures, hooks, weight decay, ``maximize``,
    complex parameters and saving are dealt with here.

    >>> class SignDescent(Optimizer):
    ...     def __init__(self, params, lr=0.1):
    ...         super().__init__(params, {"lr": lr})
    ...
    ...     def _update(self, p, g, state, group):
    ...         p -= group["lr"] * np.sign(g)
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> SignDescent([w]).step()
    >>> w
    Tensor([ 0.9, -1.9], requires_grad=True)
    """

    # Whether each element's update depends on no other element: such parameters may share a buffer.
    elementwise: ClassVar[bool] = False
    # Whether the option "weight_decay" is dealt with here, before the rule.
    decays_weights: ClassVar[bool] = True

    param_groups: list[Group]
    _state: defaultdict[Tensor, State]
    defaults: dict[str, Any]

    def __init__(self, params: Params, defaults: Mapping[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError("params must be an iterable of Tensors, or of dicts; got one Tensor")
        self.defaults = dict(defaults)
        self.param_groups = []
        self._state = defaultdict(dict)
        self._start()
        entries: list[Any] = list(params)
        if not entries:
            raise ValueError("an optimizer needs at least one parameter, got an empty list")
        if isinstance(params, set | frozenset):
            raise TypeError("params must have an order, and a set has none; pass a list")
        if not isinstance(entries[0], dict):
            entries = [{"params": entries}]
        for entry in entries:
            self.add_param_group(entry)

    def _start(self) -> None:
        """What is neither copied nor saved."""
        self._hooks: defaultdict[str, OrderedDict[int, Callable[..., Any]]]
        self._hooks = defaultdict(OrderedDict)
        self._buffers: dict[Any, list[Array]] = {}
        self._views: dict[Any, tuple[Array, ...]] = {}
        self._bundles: dict[int, Together | Bundle | None] = {}
        self._step_taken = False
        self._state_shown = False  # whether others may have changed what is in the state

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in vars(cls):
            cls.step = _with_hooks(vars(cls)["step"])  # type: ignore[method-assign]

    @property
    def state(self) -> defaultdict[Tensor, State]:
        """From parameter to a dict of what the optimizer remembers about it."""
        self._state_shown = True
        return self._state

    @state.setter
    def state(self, state: defaultdict[Tensor, State]) -> None:
        self._state = state
        self._bundles = {}

    # -------------------------------------------------------------------------- a subclass's part

    def _new_state(self, p: Array, group: Group) -> State:
        """What is remembered about a parameter before its first update."""
        return {}

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        """Change ``p`` in place, given its gradient ``g``, which is only to be read."""
        raise NotImplementedError(f"{type(self).__name__} must define _update(p, g, state, group)")

    def _together(self, group: Group) -> tuple[str, ...] | None:
        """Which rule compiled code may apply to all parameters at once, and the state's arrays.

        None if ``_update`` must do it. Otherwise ``_advance`` counts a step of parameters with the
        given states, and returns the numbers and flags that the compiled rule is told.
        """
        return None

    def _advance(self, states: list[State], group: Group) -> tuple[list[Any], tuple[bool, ...]]:
        raise NotImplementedError(f"{type(self).__name__} must define _advance(states, group)")

    def _scratch(self, p: Array, count: int, use: str = "update") -> tuple[Array, ...]:
        """Arrays of the shape and dtype of ``p`` to work in; their content does not last."""
        key = (p.shape, p.dtype, count, use)
        views = self._views.get(key)
        if views is None:
            buffers = self._buffers.setdefault((p.dtype, use), [])
            if len(buffers) < count or buffers[0].size < p.size:
                size = max([p.size, *(buffer.size for buffer in buffers)])
                buffers[:] = [np.empty(size, p.dtype) for _ in range(max(count, len(buffers)))]
                self._views.clear()  # they look into the buffers just replaced
            views = tuple(buffer[: p.size].reshape(p.shape) for buffer in buffers[:count])
            self._views[key] = views
        return views

    # ------------------------------------------------------------------------------------ stepping

    def step(self, closure: Closure | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss anew, calls ``backward`` and returns the loss; run before the
                update, with recording on.

        Returns:
            What ``closure`` returned, or None without one.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for index, group in enumerate(self.param_groups):
            self._step_group(index, group)
        return loss

    def _step_group(self, index: int, group: Group) -> None:
        bundle = self._bundles.get(index)
        parameters = group["params"]
        if bundle is not None:
            if bundle.serves(parameters) and bundle.step(self, group):
                parameters = bundle.others
            else:
                self._bundles[index] = None
        written: list[Array] = []
        for p in parameters:
            gradient = p.grad
            if gradient is None:
                continue
            state = self._state[p]
            if not state:
                state.update(self._new_state(p.data, group))
            data, g = p.data, gradient.data
            if g.shape != data.shape:
                raise ValueError(f"{_called(p)} has shape {data.shape}, its gradient {g.shape}")
            if data.dtype.kind == "c":
                self._apply_to_parts(data, g, state, group)
            else:
                self._apply(data, g, state, group)
            written.append(data)
        if written:
            note_write(*written)
            if self.elementwise and index not in self._bundles:
                together = Together.of(self, group)
                self._bundles[index] = together or Bundle.of(group["params"], self._state)

    def _apply(self, p: Array, g: Array, state: State, group: Group) -> None:
        """Weight decay and ``maximize``, then the subclass's rule."""
        decay = group.get("weight_decay", 0)
        if group.get("maximize", False):
            (ascent,) = self._scratch(p, 1, "ascent")
            g = np.negative(g, out=ascent, casting="same_kind")
        if decay and self.decays_weights:
            if group.get("decoupled_weight_decay", False):
                np.multiply(p, 1 - float(group["lr"]) * decay, out=p)
            else:
                (decayed,) = self._scratch(p, 1, "decay")
                np.multiply(p, decay, out=decayed)
                g = np.add(decayed, g, out=decayed)
        self._update(p, g, state, group)

    def _apply_to_parts(self, p: Array, g: Array, state: State, group: Group) -> None:
        """A complex parameter is updated as an array of real and imaginary parts, as PyTorch's."""
        whole = np.asarray(p, order="C")
        parts = {key: _as_real(value) for key, value in state.items()}
        self._apply(_as_real(whole), _as_real(np.asarray(g, p.dtype, order="C")), parts, group)
        if whole is not p:
            p[...] = whole
        for key, value in parts.items():
            if isinstance(value, np.ndarray) and value.shape == (*p.shape, 2):
                state[key] = np.asarray(value, order="C").view(p.dtype)[..., 0]
            else:
                state[key] = value

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients; with ``set_to_none=False``, fill them with zeros instead."""
        for group in self.param_groups:
            if set_to_none:
                forget_gradients(group["params"])
                continue
            for p in group["params"]:
                if p.grad is not None:
                    if p.grad.requires_grad:
                        p.grad = p.grad.detach()
                    p.grad.data.fill(0)
                    note_write(p.grad.data)

    # -------------------------------------------------------------------------------------- groups

    def add_param_group(self, param_group: Group) -> None:
        """Optimize further parameters, with options of their own.

        Args:
            param_group: ``"params"`` (a Tensor or an iterable of them) and any options; those not
                given are taken from :attr:`defaults`.

        Raises:
            TypeError: for things that are not parameters.
            ValueError: for an empty, repeated or non-leaf parameter, or an option out of its range.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"a parameter group is a dict, got {type(param_group).__name__}")
        group = {"params": None, **self.defaults, **param_group}
        params = param_group["params"]
        if isinstance(params, set | frozenset):
            raise TypeError("params must have an order, and a set has none; pass a list")
        entries: list[Any] = [params] if isinstance(params, Tensor) else list(params)
        if not entries:
            raise ValueError("an optimizer needs at least one parameter, got an empty list")
        names = [entry[0] for entry in entries if isinstance(entry, tuple)]
        if names:
            if len(names) != len(entries):
                raise ValueError("either all parameters of a group come with names, or none")
            group["param_names"] = names
            entries = [entry[1] for entry in entries]
        known = {id(p) for other in self.param_groups for p in other["params"]}
        for position, p in enumerate(entries):
            if not isinstance(p, Tensor):
                raise TypeError(f"parameter {position} is a {type(p).__name__}, not a Tensor")
            if p.dtype.kind not in "fc":
                raise TypeError(f"{_called(p)} has dtype {p.dtype}; only floats can be optimized")
            if not (p.is_leaf or p.retains_grad):
                raise ValueError(
                    f"{_called(p)} was computed by an operation; only a leaf can be "
                    "optimized: create it with requires_grad=True, or call detach() first"
                )
            if id(p) in known:
                raise ValueError(f"{_called(p)} appears more than once among the parameters")
            known.add(id(p))
        group["params"] = entries
        if isinstance(group.get("lr"), Tensor):
            group["lr"] = group["lr"].item()
        for key, value in group.items():
            if value is required:
                raise ValueError(f"a parameter group needs its own {key!r}, there is no default")
        for key in [key for key in group if key in TORCH_ONLY]:
            refuse(key, group.pop(key))
        self._check_group(group)
        self._bundles.clear()
        self.param_groups.append(group)

    def _check_group(self, group: Group) -> None:
        """Raise ValueError if an option of the group is out of its range."""

    # --------------------------------------------------------------------------- saving, resuming

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on later, in PyTorch's layout; a copy.

        Returns:
            ``{"state": {0: {...}, ...}, "param_groups": [{..., "params": [0, ...]}, ...]}``, where
            parameters are numbered in order and the state's entries are arrays and numbers.
        """
        for hook in self._hooks["state_dict_pre"].values():
            hook(self)
        number: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                number[id(p)] = len(number)
            saved = {key: _copied(value) for key, value in group.items() if key != "params"}
            saved["params"] = [number[id(p)] for p in group["params"]]
            groups.append(saved)
        state = {
            number[id(p)]: {key: _copied(value) for key, value in entries.items()}
            for p, entries in self._state.items()
            if id(p) in number and entries
        }
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._hooks["state_dict_post"].values():
            changed = hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where another optimizer of the same structure stopped.

        Accepts what :meth:`state_dict` returned, here or in PyTorch; everything is copied.

        Raises:
            ValueError: if the groups differ in number or size.
        """
        for hook in self._hooks["load_state_dict_pre"].values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved_groups = state_dict["param_groups"]
        if len(saved_groups) != len(self.param_groups):
            raise ValueError(
                f"the loaded state has {len(saved_groups)} parameter groups, "
                f"this optimizer has {len(self.param_groups)}"
            )
        named: dict[Any, tuple[Tensor, Group]] = {}
        groups = []
        for index, (group, saved) in enumerate(zip(self.param_groups, saved_groups)):
            if len(saved["params"]) != len(group["params"]):
                raise ValueError(
                    f"group {index} of the loaded state has {len(saved['params'])} parameters, "
                    f"that of this optimizer has {len(group['params'])}"
                )
            options = {key: _copied(value) for key, value in saved.items() if key != "params"}
            for key in [key for key in options if key in TORCH_ONLY]:
                del options[key]
            # Options that the saving program did not know keep their present values.
            groups.append({**group, **options, "params": group["params"]})
            named.update((key, (p, groups[-1])) for key, p in zip(saved["params"], group["params"]))
        state: defaultdict[Tensor, State] = defaultdict(dict)
        for key, entries in state_dict["state"].items():
            if key in named:
                p, group = named[key]
                fresh = self._new_state(p.data, group)
                state[p] = {
                    name: _loaded(value, p, fresh.get(name)) for name, value in entries.items()
                }
        self.state = state
        self.param_groups = groups
        for hook in self._hooks["load_state_dict_post"].values():
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("defaults", "state", "param_groups")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._start()
        for name, value in state.items():
            setattr(self, name, value)
        self._state_shown = True  # a shallow copy shares it with another optimizer

    # --------------------------------------------------------------------------------------- hooks

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; it may return both anew."""
        return RemovableHandle.add(self._hooks["step_pre"], hook)

    def register_step_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return RemovableHandle.add(self._hooks["step_post"], hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(optimizer)`` before :meth:`state_dict`."""
        return RemovableHandle.add(self._hooks["state_dict_pre"], hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` after it; what it returns, if anything, is used."""
        return RemovableHandle.add(self._hooks["state_dict_post"], hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before loading; it may return another to load."""
        return RemovableHandle.add(self._hooks["load_state_dict_pre"], hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(optimizer)`` after :meth:`load_state_dict`."""
        return RemovableHandle.add(self._hooks["load_state_dict_post"], hook)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for index, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {index}")
            for key in sorted(group):
                if key != "params":
                    lines.append(f"    {key}: {group[key]}")
        return "\n".join([*lines, ")"])


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """``step`` with the optimizer's step hooks around it."""

    @wraps(step)
    def hooked(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        hooks = self._hooks
        if not hooks:
            result = step(self, *args, **kwargs)
            self._step_taken = True
            return result
        for hook in list(hooks["step_pre"].values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                args, kwargs = changed
        result = step(self, *args, **kwargs)
        self._step_taken = True
        for hook in list(hooks["step_post"].values()):
            hook(self, args, kwargs)
        return result

    return hooked


Optimizer.step = _with_hooks(Optimizer.step)  # type: ignore[method-assign]


def _called(p: Tensor) -> str:
    return f"parameter {p.name!r}" if p.name else f"the parameter of shape {p.shape}"


def filled(p: Array, value: float) -> Array:
    """An array like ``p`` full of ``value``; of a complex one, both parts."""
    return np.full_like(p, complex(value, value) if p.dtype.kind == "c" else value)


def zeros_apart(p: Array, quarters: int) -> Array:
    """Zeros like ``p``, for what is updated in the same pass: a large array begins so many quarters
    of a page behind ``p``, as far as addresses within a page go.

    By these a processor tells whether what is to be read may just have been written. Where several
    arrays are written to, it waits for nothing again and again if they are alike.
    """
    if p.nbytes < _PLACED or not p.flags.c_contiguous:
        return np.zeros_like(p)
    room = np.zeros(p.nbytes + _PAGE, np.uint8)
    begin = p.ctypes.data // _LINE * _LINE + quarters * _PAGE // 4
    return np.ndarray(p.shape, p.dtype, room, (begin - room.ctypes.data) % _PAGE)


def _as_real(value: Any) -> Any:
    """A complex array as a real one with an axis of length 2 at the end, in the same memory."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "c":
        return value[..., np.newaxis].view(value.real.dtype)
    return value


def _copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list | tuple):
        return type(value)(_copied(item) for item in value)
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return value


def _loaded(value: Any, p: Tensor, fresh: Any) -> Any:
    """A saved entry as kept here: arrays in the parameter's dtype, numbers as Python numbers."""
    if isinstance(value, list | tuple):
        return type(value)(_loaded(item, p, None) for item in value)
    if not hasattr(value, "__array__"):
        return value
    array = np.asarray(value)
    if isinstance(fresh, int | float) or (array.ndim == 0 and p.ndim > 0):
        return type(fresh)(array) if fresh is not None else array.item()
    dtype = p.dtype if array.dtype.kind in "fc" else array.dtype
    if isinstance(fresh, np.ndarray) and (fresh.shape, fresh.dtype) == (array.shape, dtype):
        fresh[...] = array
        return fresh
    return array.astype(dtype)
