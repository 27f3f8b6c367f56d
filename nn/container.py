"""Modules that hold other modules or parameters: in a row, in a list, by name."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, SupportsIndex, cast, overload

from autograd import Tensor, as_tensor
from nn.module import Module
from nn.parameter import Parameter

__all__ = [
    "ChannelsLast",
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
    "Sequential",
]


class _Row(Module):
    """Children named "0", "1", …: what Sequential and ModuleList share."""

    def _position(self, index: SupportsIndex) -> str:
        count = len(self._modules)
        position = operator.index(index)
        if not -count <= position < count:
            raise IndexError(f"index {position} is out of range, there are {count} modules")
        return list(self._modules)[position % count]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())  # type: ignore[arg-type]

    def __setitem__(self, index: SupportsIndex, module: Module) -> None:
        setattr(self, self._position(index), module)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        if isinstance(index, slice):
            for name in list(self._modules)[index]:
                self._drop("_modules", name)
        else:
            self._drop("_modules", self._position(index))
        if all(name.isdigit() for name in self._modules):
            self._renumber(list(self._modules.values()))

    def _renumber(self, modules: Iterable[Module | None]) -> None:
        kept = list(modules)
        for name in list(self._modules):
            self._drop("_modules", name)
        for i, module in enumerate(kept):
            self._keep("_modules", str(i), module)

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"extend takes an iterable of modules, got {type(modules).__name__}")
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Add a module before position ``index``."""
        if not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not an nn.Module")
        count = len(self)
        if not -count <= index <= count:
            raise IndexError(f"index {index} is out of range, there are {count} modules")
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def pop(self, index: SupportsIndex = -1) -> Module:
        """Remove the module at a position and return it."""
        name = self._position(index)
        module = self._modules[name]
        del self[index]
        assert module is not None
        return module

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)


class Sequential(_Row):
    """Modules applied one after the other.

    Args:
        args: modules, or one OrderedDict from name to module.

    Positions and slices work as in a list; a slice is a Sequential of the same modules.

    >>> import nn
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> net([[1.0, 2.0]]).shape
    (1, 1)
    >>> net[1:]
    Sequential(
      (1): ReLU()
      (2): Linear(in_features=3, out_features=1, bias=True)
    )
    """

    def __init__(self, *args: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for i, layer in enumerate(args):
                self.add_module(str(i), layer)  # type: ignore[arg-type]

    def forward(self, input: Any) -> Any:
        """The last module's output."""
        for module in self._modules.values():
            input = module(input)  # type: ignore[misc]
        return input

    @overload
    def __getitem__(self, index: SupportsIndex) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Module:
        if isinstance(index, slice):
            part = Sequential(OrderedDict(list(self._modules.items())[index]))  # type: ignore[arg-type]
            part.training = self.training
            return part
        return self._modules[self._position(index)]  # type: ignore[return-value]

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(f"only a Sequential can be added, got {type(other).__name__}")
        return Sequential(*self, *other)


class ChannelsLast(Sequential):
    """Modules for images with channels first, applied to images (N, H, W, C) and back.

    Args:
        args: as :class:`Sequential`'s.

    An output without spatial axes, (N, features), is passed on as it is.

    >>> import numpy as np, nn
    >>> layer = nn.ChannelsLast(nn.Conv2d(3, 8, 3))
    >>> layer(np.zeros((2, 6, 6, 3))).shape
    (2, 4, 4, 8)
    """

    def forward(self, input: Any) -> Any:
        """The last module's output, with its channels last."""
        x = as_tensor(input)
        if x.ndim < 3:
            raise self._reject("images (N, …, C)", x)
        out = super().forward(x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1)))
        return out if out.ndim < 3 else out.transpose(0, *range(2, out.ndim), 1)

    def _headline(self) -> str:
        return "ChannelsLast(…)"


class ModuleList(_Row):
    """A list of modules whose parameters are found; it does not define forward.

    >>> import nn
    >>> layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> ModuleList: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Module:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._modules[self._position(index)]  # type: ignore[return-value]

    def insert(self, index: int, module: Module) -> None:
        """Add a module before position ``index``."""
        super().insert(index, module)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])


class ModuleDict(Module):
    """Modules by name, in order of insertion; it does not define forward.

    >>> import nn
    >>> heads = nn.ModuleDict({"age": nn.Linear(4, 1), "kind": nn.Linear(4, 3)})
    >>> list(heads), heads["kind"].out_features
    (['age', 'kind'], 3)
    """

    def __init__(
        self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None
    ) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]  # type: ignore[return-value]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        self._drop("_modules", key)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all."""
        for key in list(self._modules):
            self._drop("_modules", key)

    def pop(self, key: str) -> Module:
        """Remove one and return it."""
        return cast(Module, self._drop("_modules", key))

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Pairs (name, module)."""
        return self._modules.items()  # type: ignore[return-value]

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._modules.values()  # type: ignore[return-value]

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add all of a mapping or of pairs (name, module), replacing those of the same name."""
        if isinstance(modules, ModuleDict | Mapping):
            pairs: Iterable[Any] = modules.items()
        elif isinstance(modules, Iterable):
            pairs = modules
        else:
            raise TypeError(f"update takes a mapping or pairs, got {type(modules).__name__}")
        for pair in pairs:
            if len(pair) != 2:
                raise ValueError(f"update takes pairs (name, module), got {len(pair)} items")
            self[pair[0]] = pair[1]


def _as_parameter(value: Any) -> Any:
    """A tensor becomes a parameter, anything else stays as it is (as PyTorch)."""
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        return Parameter(value)
    return value


class ParameterList(Module):
    """A list of parameters that are found as the module's; tensors become parameters.

    >>> import numpy as np, nn
    >>> weights = nn.ParameterList([nn.Parameter(np.zeros(n)) for n in (2, 3)])
    >>> [name for name, _ in weights.named_parameters()]
    ['0', '1']
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def _position(self, index: SupportsIndex) -> str:
        position = operator.index(index)
        if not -self._size <= position < self._size:
            raise IndexError(f"index {position} is out of range, there are {self._size}")
        return str(position % self._size)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> ParameterList: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)([self[i] for i in range(*index.indices(self._size))])
        return getattr(self, self._position(index))

    def __setitem__(self, index: SupportsIndex, value: Any) -> None:
        setattr(self, self._position(index), _as_parameter(value))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(self._size))

    def append(self, value: Any) -> Self:
        """Add a value at the end."""
        setattr(self, str(self._size), _as_parameter(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add values at the end."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(f"extend takes an iterable of values, got {type(values).__name__}")
        for value in values:
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def extra_repr(self) -> str:
        return "\n".join(f"({i}): {_described(value)}" for i, value in enumerate(self))


class ParameterDict(Module):
    """Parameters by name, in order of insertion; tensors become parameters.

    >>> import numpy as np, nn
    >>> weights = nn.ParameterDict({"left": nn.Parameter(np.zeros(2))})
    >>> weights["right"] = nn.Parameter(np.ones(3))
    >>> list(weights)
    ['left', 'right']
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._keys[key] = None
        setattr(self, key, _as_parameter(value))

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._keys.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Pairs (name, parameter)."""
        return [(key, self[key]) for key in self._keys]

    def values(self) -> Iterable[Any]:
        """The parameters."""
        return [self[key] for key in self._keys]

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter of that name, or a default."""
        return self[key] if key in self._keys else default

    def pop(self, key: str) -> Any:
        """Remove one and return it."""
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Remove all."""
        for key in list(self._keys):
            del self[key]

    def update(self, parameters: Any) -> None:
        """Add all of a mapping or of pairs (name, parameter)."""
        if isinstance(parameters, ParameterDict | Mapping):
            parameters = parameters.items()
        elif not isinstance(parameters, Iterable):
            raise TypeError(f"update takes a mapping or pairs, got {type(parameters).__name__}")
        for key, value in parameters:
            self[key] = value

    def extra_repr(self) -> str:
        return "\n".join(f"({key}): {_described(value)}" for key, value in self.items())


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
        return f"{kind} containing: [{value.dtype} of size {'x'.join(map(str, value.shape))}]"
    return f"Object of type: {type(value).__name__}"
