"""How much memory one step of training takes, and what `checkpoint` trades for it.

Growth is what the highest point of two steps adds to what is resident when everything that stays
is there: code that has been loaded and compiled (by a step of another instance), model, data, and
the optimizer's state (by a step on two rows). PyTorch as installed is the peer, which gives memory
back to the system sooner than tuned.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import Builder, Step, Workload
from benchmarks.workloads._trainers import builders, glassgrad_step, torch_step
from benchmarks.workloads._training import batch, module
from benchmarks.workloads.lenet import LENET
from benchmarks.workloads.mlp import perceptron
from benchmarks.workloads.resnet import resnet
from benchmarks.workloads.vgg import vgg

_AMONG = ("glassgrad", "glassgrad-numba", "torch-stock", "torch")
_PEER = "torch-stock"

DEPTH, WIDTH, ROWS = 64, 256, 2048  # 64 layers of which each saves arrays of 2 MiB
STRETCH = 8  # layers in a checkpoint


def _training(
    name: str, model: Callable[[Any], Any], shape: tuple[int, ...], images: bool = True
) -> Workload:
    made = builders(model, partial(batch, shape, 10), images)
    return Workload(f"{name}, batch {shape[0]}", made, among=_AMONG, peer=_PEER, memory=True)


def _deep(nn: Any, checkpoint: Callable[..., Any] | None) -> Any:
    """Linear and tanh, 64 times; every eight of them in a checkpoint, where there is one."""

    class Stretch(nn.Module):  # type: ignore[misc]
        def __init__(self, *layers: Any) -> None:
            super().__init__()
            self.layers = nn.Sequential(*layers)

        def forward(self, x: Any) -> Any:
            return self.layers(x) if checkpoint is None else checkpoint(self.layers, x)

    def stretch() -> Any:
        pairs = ((nn.Linear(WIDTH, WIDTH), nn.Tanh()) for _ in range(STRETCH))
        return Stretch(*(layer for pair in pairs for layer in pair))

    return nn.Sequential(*(stretch() for _ in range(DEPTH // STRETCH)))


def _checkpointing(checkpointed: bool) -> Workload:
    data = partial(batch, (ROWS, WIDTH), WIDTH)

    def glassgrad() -> Step:
        import nn
        from autograd import checkpoint

        return glassgrad_step(_deep(nn, checkpoint if checkpointed else None), *data())

    def torch() -> Step:
        import torch
        from torch.utils.checkpoint import checkpoint

        trading = partial(checkpoint, use_reentrant=False)
        return torch_step(_deep(torch.nn, trading if checkpointed else None), *data())

    made: dict[str, Builder] = {"glassgrad": glassgrad, "torch": torch}
    kept = f"checkpoint every {STRETCH}" if checkpointed else "everything kept"
    return Workload(
        f"{DEPTH} layers of {WIDTH}, {kept}", made, among=_AMONG, peer=_PEER, memory=True
    )


MLP = (784, 512, 256, 10)

WORKLOADS = [
    _training("mlp", lambda nn: module(nn, perceptron(MLP)), (128, 784), images=False),
    _training("lenet", lambda nn: module(nn, LENET), (64, 1, 28, 28)),
    _training("vgg", vgg, (64, 3, 32, 32)),
    _training("resnet", resnet, (64, 3, 32, 32)),
    _checkpointing(False),
    _checkpointing(True),
]
