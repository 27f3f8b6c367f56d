"""Who competes: each contestant's environment, process variables and builder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CONTESTANTS", "PEER", "Contestant", "Environment"]


@dataclass(frozen=True)
class Environment:
    """A virtual environment: what pip installs, and what is imported before memory is first read.

    `{root}` in a requirement stands for this repository.
    """

    name: str
    requirements: tuple[str, ...]
    modules: tuple[str, ...]


@dataclass(frozen=True)
class Contestant:
    """`builder` names the builder of a workload that this contestant runs."""

    name: str
    environment: Environment
    builder: str
    about: str
    variables: Mapping[str, str] = field(default_factory=dict)


_GLASSGRAD = Environment("glassgrad", ("{root}",), ("autograd", "nn", "optim"))
_NUMBA = Environment("glassgrad-numba", ("{root}[fast]",), ("autograd", "nn", "optim"))
_NUMPY = Environment("numpy", ("numpy>=2",), ("numpy",))
_TORCH = Environment("torch", ("torch==2.13.0", "numpy>=2"), ("torch", "numpy"))
# Another package imported as `autograd`: it must never meet this repository's.
_HIPS = Environment("hips", ("autograd>=1.7", "numpy>=2"), ("autograd", "numpy"))
_MYGRAD = Environment("mygrad", ("mygrad>=2.3", "numpy>=2"), ("mygrad", "numpy"))
_MICROGRAD = Environment("micrograd", ("micrograd",), ("micrograd.engine",))

# glibc returns freed memory to the system and PyTorch asks for it again at every step; these make
# it keep what it has. Without them PyTorch looks up to 1.8 times slower than it can be.
_KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**36),
    "MALLOC_TOP_PAD_": str(64 * 2**20),
}

CONTESTANTS = (
    Contestant("glassgrad", _GLASSGRAD, "glassgrad", "NumPy only"),
    Contestant("glassgrad-numba", _NUMBA, "glassgrad", "with the `fast` extra"),
    Contestant("numpy", _NUMPY, "numpy", "bare NumPy, derivatives by hand, nothing recorded"),
    Contestant("torch-stock", _TORCH, "torch", "PyTorch eager as installed"),
    Contestant("torch", _TORCH, "torch", "PyTorch eager, allocator tuned", _KEEP_MEMORY),
    Contestant(
        "torch-channels-last",
        _TORCH,
        "torch_channels_last",
        "the same, images stored channels last",
        _KEEP_MEMORY,
    ),
    Contestant(
        "torch-fused", _TORCH, "torch_fused", "the same, with its fused optimizer", _KEEP_MEMORY
    ),
    Contestant("hips", _HIPS, "hips", "HIPS autograd"),
    Contestant("mygrad", _MYGRAD, "mygrad", "MyGrad"),
    Contestant("micrograd", _MICROGRAD, "micrograd", "micrograd, scalars only"),
)

PEER = "torch"
