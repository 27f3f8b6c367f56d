"""Parameters computed from others each time they are read, as ``torch.nn.utils.parametrize``.

After ``register_parametrization(layer, "weight", f)`` the attribute ``layer.weight`` is
``f(layer.parametrizations.weight.original)``, and the original is what is trained and saved.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import Tensor, no_grad
from nn.container import ModuleDict, ModuleList
from nn.module import Module
from nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
]


class ParametrizationList(ModuleList):
    """The functions of one parameter, applied one after the other, and what they start from.

    What they start from is called ``original``, or ``original0``, ``original1``, … where the first
    function's ``right_inverse`` gives several.
    """

    def __init__(self, first: Module, value: Parameter) -> None:
        super().__init__([first])
        right_inverse = getattr(first, "right_inverse", None)
        with no_grad():
            original = value if right_inverse is None else right_inverse(value.detach())
        self.is_tensor = isinstance(original, Tensor)
        self.ntensors = 1 if self.is_tensor else len(original)
        if self.is_tensor:
            self.original = value if original is value else Parameter(original)
        else:
            for i, part in enumerate(original):
                setattr(self, f"original{i}", Parameter(part, value.requires_grad))

    def originals(self) -> tuple[Any, ...]:
        """The parameters that are trained."""
        if self.is_tensor:
            return (self.original,)
        return tuple(getattr(self, f"original{i}") for i in range(self.ntensors))

    def forward(self) -> Tensor:
        """The parameter's value now."""
        first, *others = self
        value: Tensor = first(*self.originals())
        for function in others:
            value = function(value)
        return value

    def compute(self, module: Module) -> Tensor:
        """The value of the attribute of ``module`` that this stands for."""
        return self()

    def assign(self, module: Module, value: Any) -> None:
        """Set the originals so that the attribute has this value."""
        with no_grad():
            for function in reversed(list(self)):
                if not hasattr(function, "right_inverse"):
                    raise RuntimeError(
                        f"{type(function).__name__} does not define right_inverse, so the value "
                        "that leads to the assigned one is not known"
                    )
                value = function.right_inverse(value)
        parts = (value,) if self.is_tensor else value
        for parameter, part in zip(self.originals(), parts, strict=True):
            parameter.data = np.array(getattr(part, "data", part), parameter.dtype)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let ``module.<tensor_name>`` be computed by ``parametrization`` from now on.

    Args:
        module: whose parameter it is.
        tensor_name: its name.
        parametrization: a module from one tensor (or several) to one; its ``right_inverse``, if it
            has one, gives what to start from so that the value stays. Several stack up.
        unsafe: skip the check that shape and dtype stay.

    Returns:
        The module.

    >>> import numpy as np, nn
    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return np.triu(x.numpy()) * 0 + (x + x.T) / 2
    >>> layer = register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all())
    True
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'parametrizations.weight.original']
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        row = module.parametrizations[tensor_name]
        before = getattr(module, tensor_name)
        _check(parametrization(before.detach()), before, parametrization, unsafe)
        if hasattr(parametrization, "right_inverse"):
            with no_grad():
                row.assign(module, parametrization.right_inverse(before.detach()))
        row.append(parametrization)
        return module
    value = module._parameters.get(tensor_name)
    if value is None:
        raise ValueError(
            f"module {type(module).__name__} does not have a parameter or a parametrized tensor "
            f"with name {tensor_name!r}"
        )
    row = ParametrizationList(parametrization, value)
    with no_grad():
        _check(row(), value, parametrization, unsafe)
    module._drop("_parameters", tensor_name)
    if "parametrizations" not in module._modules:
        module.add_module("parametrizations", ModuleDict())
    module.parametrizations[tensor_name] = row
    module._derived[tensor_name] = row
    return module


def _check(new: Any, old: Tensor, parametrization: Module, unsafe: bool) -> None:
    if not unsafe and (new.shape != old.shape or new.dtype != old.dtype):
        raise ValueError(
            f"{type(parametrization).__name__} turns {old.dtype} {old.shape} into {new.dtype} "
            f"{new.shape}; pass unsafe=True if that is meant"
        )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrised attributes, or this one."""
    row = module._modules.get("parametrizations")
    if not isinstance(row, ModuleDict) or len(row) == 0:
        return False
    return tensor_name is None or tensor_name in row


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make the attribute a parameter of its own again.

    Args:
        leave_parametrized: with the value it has now, or else with the original's.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(
            f"module {type(module).__name__} does not have a parametrization on {tensor_name}"
        )
    row = module.parametrizations[tensor_name]
    if leave_parametrized:
        with no_grad():
            value = Parameter(row())
    elif row.is_tensor:
        value = row.original
    else:
        raise ValueError("cannot leave unparametrized a tensor that has several originals")
    del module._derived[tensor_name]
    del module.parametrizations[tensor_name]
    if len(module.parametrizations) == 0:
        del module.parametrizations
    module.register_parameter(tensor_name, value)
    return module
