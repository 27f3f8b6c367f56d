"""Checks of hyper-parameters, with messages that say what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "TORCH_ONLY",
    "check",
    "check_betas",
    "check_not_negative",
    "refuse",
    "refuse_torch_options",
    "required",
]

# Only PyTorch's devices and compilers need these; None and False ask for nothing and are accepted.
TORCH_ONLY = {
    "capturable": "it is for CUDA graphs; leave it out",
    "differentiable": "steps are not recorded; leave it out",
    "foreach": "small parameters are already updated together; leave it out",
    "fused": "updates are already done in place; leave it out",
}


class _Required:
    def __repr__(self) -> str:
        return "<required>"


required: Any = _Required()
"""A default that says: every group must give its own value."""


def check(ok: bool, name: str, value: Any, allowed: str) -> None:
    """Raise ValueError saying what is allowed, unless ``ok``.

    >>> check(False, "lr", -1, "a number ≥ 0")
    Traceback (most recent call last):
    ValueError: lr must be a number ≥ 0, got -1
    """
    if not ok:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")


def check_not_negative(group: dict[str, Any], *names: str) -> None:
    """Raise ValueError unless the options are numbers ≥ 0."""
    for name in names:
        check(group[name] >= 0, name, group[name], "a number ≥ 0")


def check_betas(group: dict[str, Any], name: str = "betas") -> None:
    """Raise ValueError unless the option is a pair of decay rates in [0, 1)."""
    betas = group[name]
    ok = len(betas) == 2 and all(0 <= beta < 1 for beta in betas)
    check(ok, name, betas, "two numbers with 0 ≤ β < 1")


def refuse_torch_options(options: Mapping[str, Any]) -> None:
    """Accept PyTorch's device options where they ask for nothing, else say why they are refused."""
    for key, value in options.items():
        if key not in TORCH_ONLY:
            raise TypeError(f"unexpected option {key!r}")
        refuse(key, value)


def refuse(key: str, value: Any) -> None:
    """Raise ValueError if an option that only PyTorch has asks for something."""
    if value:
        raise ValueError(f"{key}={value!r} is not supported: {TORCH_ONLY[key]}")
