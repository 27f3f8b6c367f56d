"""Who competes: each contestant's environment, process variables and builder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CONTESTANTS", "PEER", "PLOTTER", "Contestant", "Environment"]


@dataclass(frozen=True)
class Environment:
    """A virtual environment: what pip installs, and what is imported before memory is first read.

    `{root}` in a requirement stands for this repository. `scripts` are put beside the interpreter,
    by name; `{python}` in them stands for it.
    """

    name: str
    requirements: tuple[str, ...]
    modules: tuple[str, ...]
    scripts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contestant:
    """`builder` names the builder of a workload that this contestant runs.

    Attributes:
        invited: takes part without being asked for by name.
    """

    name: str
    environment: Environment
    builder: str
    about: str
    variables: Mapping[str, str] = field(default_factory=dict)
    invited: bool = True


_GLASSGRAD = Environment("glassgrad", ("{root}",), ("autograd", "nn", "optim"))
_NUMBA = Environment("glassgrad-numba", ("{root}[fast]",), ("autograd", "nn", "optim"))
_NUMPY = Environment("numpy", ("numpy>=2",), ("numpy",))
_TORCH = Environment("torch", ("torch==2.13.0", "numpy>=2"), ("torch", "numpy"))
_JAX = Environment("jax", ("jax[cpu]==0.10.2", "numpy>=2"), ("jax", "numpy"))
_ON_CPU = {"JAX_PLATFORMS": "cpu"}
# tinygrad compiles with a Clang that it expects to find; Zig's package brings one.
_TINYGRAD = Environment(
    "tinygrad",
    ("tinygrad==0.14.0", "ziglang", "numpy>=2"),
    ("tinygrad", "numpy"),
    {"clang": '#!/bin/sh\nexec "{python}" -I -m ziglang clang "$@"\n'},
)
# DeZero uses names that NumPy removed in 1.24, and imports matplotlib without asking for it.
_DEZERO = Environment("dezero", ("dezero", "numpy<1.24", "matplotlib<3.9"), ("dezero", "numpy"))
# Another package imported as `autograd`: it must never meet this repository's.
_HIPS = Environment("hips", ("autograd>=1.7", "numpy>=2"), ("autograd", "numpy"))
_MYGRAD = Environment("mygrad", ("mygrad>=2.3", "numpy>=2"), ("mygrad", "numpy"))
_MICROGRAD = Environment("micrograd", ("micrograd",), ("micrograd.engine",))

PLOTTER = Environment("plot", ("matplotlib>=3.9",), ("matplotlib",))

# glibc returns freed memory to the system and PyTorch asks for it again at every step; these make
# it keep what it has. Without them PyTorch looks up to 1.8 times slower than it can be.
_KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**36),
    "MALLOC_TOP_PAD_": str(64 * 2**20),
}
_PLAIN = {"GLASSGRAD_KERNELS": "numpy"}
_COMPILED = {"GLASSGRAD_KERNELS": "numba"}
_TUNED = {"GLASSGRAD_TUNE": "1"}  # the same for the library: its own setting for it

CONTESTANTS = (
    Contestant("glassgrad", _GLASSGRAD, "glassgrad", "NumPy only, tuned", {**_PLAIN, **_TUNED}),
    Contestant(
        "glassgrad-numba",
        _NUMBA,
        "glassgrad",
        "with the `fast` extra, tuned",
        {**_COMPILED, **_TUNED},
    ),
    Contestant(
        "glassgrad-compile",
        _GLASSGRAD,
        "glassgrad_compile",
        "NumPy only, tuned, the loss by autograd.compile",
        {**_PLAIN, **_TUNED},
    ),
    Contestant(
        "glassgrad-compile-numba",
        _NUMBA,
        "glassgrad_compile",
        "with the `fast` extra, tuned, the loss by autograd.compile",
        {**_COMPILED, **_TUNED},
    ),
    Contestant(
        "glassgrad-stock", _GLASSGRAD, "glassgrad", "NumPy only, as installed", _PLAIN, False
    ),
    Contestant(
        "glassgrad-numba-stock",
        _NUMBA,
        "glassgrad",
        "with the `fast` extra, as installed",
        _COMPILED,
        False,
    ),
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
    Contestant("torch-compile", _TORCH, "torch_compile", "the same, compiled", _KEEP_MEMORY, False),
    Contestant("jax", _JAX, "jax", "JAX, the whole step compiled", _ON_CPU),
    Contestant("jax-eager", _JAX, "jax_eager", "JAX, operation by operation", _ON_CPU),
    Contestant(
        "tinygrad",
        _TINYGRAD,
        "tinygrad",
        "tinygrad, the whole step captured",
        {"DEV": "CPU", "TRAINING": "1"},
    ),
    Contestant("dezero", _DEZERO, "dezero", "DeZero, on the NumPy 1.23 that it needs"),
    Contestant("hips", _HIPS, "hips", "HIPS autograd"),
    Contestant("mygrad", _MYGRAD, "mygrad", "MyGrad"),
    Contestant("micrograd", _MICROGRAD, "micrograd", "micrograd, scalars only"),
)

PEER = "torch"
