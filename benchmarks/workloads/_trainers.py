"""One step of training, by library: forward, softmax cross-entropy, backward, Adam.

Those of PyTorch and of this library train any module; those of the others train layers given as
data, written as their users would write it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from benchmarks import Builder, Step
from benchmarks.workloads._training import (
    Adam,
    Layers,
    Operations,
    batch,
    first_state,
    forward,
    initial,
    module,
)

__all__ = ["builders", "glassgrad_step", "layered", "torch_step"]

RATE = 1e-3
Data = tuple[Any, Any]


def glassgrad_step(model: Any, x: Any, y: Any, *, compiled: bool = False) -> Step:
    """The step takes a number of rows: all, if it is not said."""
    import autograd
    import nn.functional as F
    import optim

    model.load_state_dict({**model.state_dict(), **first_state(model)})
    optimizer = optim.Adam(model.parameters(), lr=RATE)

    def eager(x: Any, y: Any) -> Any:
        return F.cross_entropy(model(x), y)

    loss_of = autograd.compile(eager) if compiled else eager

    def step(rows: int | None = None) -> object:
        optimizer.zero_grad()
        loss = loss_of(x[:rows], y[:rows])
        loss.backward()
        optimizer.step()
        return loss

    return step


def torch_step(
    model: Any, x: Any, y: Any, *, channels_last: bool = False, compiled: bool = False, **adam: Any
) -> Step:
    """The same for PyTorch; `adam` goes to its optimizer."""
    import torch

    first = {name: torch.from_numpy(array) for name, array in first_state(model).items()}
    model.load_state_dict({**model.state_dict(), **first})
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        inputs = inputs.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, **adam)
    network = torch.compile(model) if compiled else model

    def step(rows: int | None = None) -> object:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(inputs[:rows]), targets[:rows])
        loss.backward()
        optimizer.step()
        return loss

    return step


def builders(model: Callable[[Any], Any], data: Callable[[], Data], images: bool) -> dict[str, Any]:
    """For a model that is built from the module `nn` of either library."""

    def glassgrad(**options: Any) -> Builder:
        def build() -> Step:
            import nn

            return glassgrad_step(model(nn), *data(), **options)

        return build

    def torch(**options: Any) -> Builder:
        def build() -> Step:
            import torch

            return torch_step(model(torch.nn), *data(), **options)

        return build

    made = {
        "glassgrad": glassgrad(),
        "glassgrad_compile": glassgrad(compiled=True),
        "torch": torch(),
        "torch_fused": torch(fused=True),
        "torch_compile": torch(compiled=True),
    }
    return made | ({"torch_channels_last": torch(channels_last=True)} if images else {})


def layered(layers: Layers, shape: tuple[int, ...], classes: int) -> dict[str, Any]:
    """For layers given as data: every library that has what they need."""

    def data() -> Data:
        return batch(shape, classes)

    def by(trainer: Callable[..., Step], **options: Any) -> Builder:
        return lambda: trainer(layers, *data(), **options)

    images = len(shape) == 4
    made = builders(lambda nn: module(nn, layers), data, images)
    made |= {
        "jax": by(_jax_step, jit=True),
        "jax_eager": by(_jax_step, jit=False),
        "tinygrad": by(_tinygrad_step),
        "dezero": by(_dezero_step),
        "mygrad": by(_mygrad_step),
    }
    return made if images else made | {"hips": by(_hips_step)}


def _jax_step(layers: Layers, x: Any, y: Any, *, jit: bool) -> Step:
    jax, jnp, lax = import_module("jax"), import_module("jax.numpy"), import_module("jax.lax")

    def conv(x: Any, w: Any, b: Any, padding: int) -> Any:
        pads = [(padding, padding)] * 2
        numbers = ("NCHW", "OIHW", "NCHW")
        y = lax.conv_general_dilated(x, w, (1, 1), pads, dimension_numbers=numbers)
        return y + b[:, None, None]

    square = (1, 1, 2, 2)
    operations = Operations(
        linear=lambda x, w, b: x @ w.T + b,
        relu=jax.nn.relu,
        conv=conv,
        pool=lambda x: lax.reduce_window(x, -jnp.inf, lax.max, square, square, "VALID"),
        flatten=lambda x: x.reshape(x.shape[0], -1),
    )

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        scores = jax.nn.log_softmax(forward(layers, parameters, x, operations))
        return -jnp.take_along_axis(scores, y[:, None], 1).mean()

    def update(parameters: Any, m: Any, v: Any, t: Any, x: Any, y: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(parameters, x, y)
        t = t + 1
        m = [0.9 * m + 0.1 * g for m, g in zip(m, gradients, strict=True)]
        v = [0.999 * v + 0.001 * g * g for v, g in zip(v, gradients, strict=True)]
        scale = jnp.sqrt(1 - 0.999**t)
        rate = RATE * scale / (1 - 0.9**t)
        parameters = [
            p - rate * m / (jnp.sqrt(v) + 1e-8 * scale)
            for p, m, v in zip(parameters, m, v, strict=True)
        ]
        return parameters, m, v, t, value

    advance: Callable[..., Any] = jax.jit(update, donate_argnums=(0, 1, 2, 3)) if jit else update
    parameters = [jnp.array(w) for w in initial(layers)]
    state = [parameters, *([jnp.zeros_like(p) for p in parameters] for _ in "mv"), jnp.zeros(())]
    inputs, targets = jnp.array(x), jnp.array(y)

    def step() -> object:
        *state[:], value = advance(*state, inputs, targets)
        jax.block_until_ready(state)  # it returns before it has computed
        return value

    return step


def _tinygrad_step(layers: Layers, x: Any, y: Any) -> Step:
    tinygrad, adam = import_module("tinygrad"), import_module("tinygrad.nn.optim").Adam
    tensor = tinygrad.Tensor
    operations = Operations(
        linear=lambda x, w, b: x @ w.T + b,
        relu=lambda x: x.relu(),
        conv=lambda x, w, b, padding: x.conv2d(w, b, padding=padding),
        pool=lambda x: x.max_pool2d((2, 2)),
        flatten=lambda x: x.flatten(1),
    )
    parameters = [tensor(w).realize() for w in initial(layers)]
    optimizer = adam(parameters, lr=RATE)
    inputs, targets = tensor(x).realize(), tensor(y.astype("int32")).realize()

    def train() -> Any:
        optimizer.zero_grad()
        scores = forward(layers, parameters, inputs, operations)
        loss = scores.sparse_categorical_crossentropy(targets).backward()
        return loss.realize(*optimizer.schedule_step())

    captured = tinygrad.TinyJit(train)

    def step() -> object:
        loss = captured()
        tinygrad.Device[tinygrad.Device.DEFAULT].synchronize()
        return loss

    return step


def _dezero_step(layers: Layers, x: Any, y: Any) -> Step:
    dezero, F = import_module("dezero"), import_module("dezero.functions")
    operations = Operations(
        linear=lambda x, w, b: F.linear(x, F.transpose(w), b),
        relu=F.relu,
        conv=lambda x, w, b, padding: F.conv2d(x, w, b, 1, padding),
        pool=lambda x: F.pooling(x, 2, 2),
        flatten=lambda x: F.reshape(x, (x.shape[0], -1)),
    )
    parameters = [dezero.Parameter(w) for w in initial(layers)]
    optimizer = import_module("dezero.optimizers").Adam(alpha=RATE)
    optimizer.setup(SimpleNamespace(params=lambda: parameters))

    def step() -> object:
        for parameter in parameters:
            parameter.cleargrad()
        loss = F.softmax_cross_entropy(
            forward(layers, parameters, dezero.Variable(x), operations), y
        )
        loss.backward()
        optimizer.update()
        return loss.data

    return step


def _mygrad_step(layers: Layers, x: Any, y: Any) -> Step:
    mygrad, nnet = import_module("mygrad"), import_module("mygrad.nnet.layers")
    cross_entropy = import_module("mygrad.nnet.losses").softmax_crossentropy

    def conv(x: Any, w: Any, b: Any, padding: int) -> Any:
        return nnet.conv_nd(x, w, stride=1, padding=padding) + b.reshape(-1, 1, 1)

    operations = Operations(
        linear=lambda x, w, b: x @ w.T + b,
        relu=lambda x: mygrad.maximum(x, 0),
        conv=conv,
        pool=lambda x: nnet.max_pool(x, (2, 2), 2),
        flatten=lambda x: x.reshape(len(x), -1),
    )
    parameters = [mygrad.tensor(w) for w in initial(layers)]
    optimizer = Adam([p.data for p in parameters], RATE)

    def step() -> object:
        loss = cross_entropy(forward(layers, parameters, x, operations), y)
        loss.backward()
        optimizer.step([p.grad for p in parameters])
        return loss

    return step


def _hips_step(layers: Layers, x: Any, y: Any) -> Step:
    hips, anp = import_module("autograd"), import_module("autograd.numpy")
    operations = Operations(
        linear=lambda x, w, b: anp.dot(x, w.T) + b, relu=lambda x: anp.maximum(x, 0)
    )
    parameters = initial(layers)
    optimizer = Adam(parameters, RATE)
    index = anp.arange(len(x))

    def loss(parameters: list[Any]) -> Any:
        h = forward(layers, parameters, x, operations)
        shifted = h - anp.max(h, 1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(shifted), 1)) - shifted[index, y])

    both = hips.value_and_grad(loss)

    def step() -> object:
        value, gradients = both(parameters)
        optimizer.step(gradients)
        return value

    return step
