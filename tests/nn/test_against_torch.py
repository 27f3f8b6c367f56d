"""Values, gradients, second gradients and state of every module, against PyTorch's."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import autograd
import nn
from tests.nn.cases import CASES, Case, normal

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")


def to_torch(value: Any, requires_grad: bool = False) -> Any:
    if isinstance(value, np.ndarray):
        tensor = torch.from_numpy(value.copy())
        return tensor.requires_grad_() if requires_grad and value.dtype.kind == "f" else tensor
    return value


def is_target(case: Case, position: int) -> bool:
    """Whether an input is a target of a loss, which PyTorch does not always differentiate."""
    return case.name.endswith("Loss") and position == len(case.inputs) - 1 and position > 0


def build(case: Case) -> tuple[Any, Any]:
    """The same module, ours and PyTorch's, with the same float64 parameters and buffers."""
    theirs = getattr(torch.nn, case.name)(
        *case.args, **{k: to_torch(v) for k, v in case.kwargs.items()}
    ).double()
    ours = getattr(nn, case.name)(*case.args, **case.kwargs).double()
    rng = np.random.default_rng(0)
    for parameter in theirs.parameters():
        parameter.data = torch.from_numpy(rng.standard_normal(tuple(parameter.shape)) * 0.5)
    for name, buffer in theirs.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.data = torch.from_numpy(rng.uniform(0.5, 1.5, tuple(buffer.shape)))
    ours.load_state_dict(theirs.state_dict())
    ours.train(case.training)
    theirs.train(case.training)
    return ours, theirs


def arrays_of(values: Any) -> list[np.ndarray]:
    return [v.detach().numpy() for v in values]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_and_derivatives(case: Case):
    ours, theirs = build(case)
    x = [
        autograd.Tensor(v, requires_grad=v.dtype.kind == "f" and not is_target(case, i))
        for i, v in enumerate(case.inputs)
    ]
    z = [to_torch(v, not is_target(case, i)) for i, v in enumerate(case.inputs)]
    y, t = ours(*x), theirs(*z)
    if isinstance(t, tuple):
        if not isinstance(t[1], tuple):  # indices, the last state, attention's weights
            np.testing.assert_allclose(y[1].numpy(), t[1].detach().numpy(), rtol=1e-9)
        y, t = y[0], t[0]
    assert y.shape == tuple(t.shape)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y.numpy(), t.detach().numpy(), rtol=1e-10, atol=1e-12)
    for name, buffer in theirs.named_buffers():
        np.testing.assert_allclose(ours.get_buffer(name).numpy(), buffer.numpy(), rtol=1e-12)

    sources = [v for v in x if v.requires_grad] + list(ours.parameters())
    references = [v for v in z if v.requires_grad] + list(theirs.parameters())
    assert [s.shape for s in sources] == [tuple(r.shape) for r in references]
    if not sources:
        return
    weight = normal(*y.shape, seed=5)
    first = autograd.grad(y, sources, weight, create_graph=True)
    expected = torch.autograd.grad(t, references, torch.from_numpy(weight), create_graph=True)
    for g, e in zip(first, expected, strict=True):
        np.testing.assert_allclose(g.numpy(), e.detach().numpy(), rtol=1e-7, atol=1e-10)

    if not case.second or not any(e.requires_grad for e in expected):
        return
    weights = [normal(*g.shape, seed=6) for g in first]
    again = sum((g * w).sum() for g, w in zip(first, weights, strict=True))
    their_again = sum((e * torch.from_numpy(w)).sum() for e, w in zip(expected, weights))
    if not their_again.requires_grad:
        return
    if case.name in ("MultiMarginLoss", "MultiLabelMarginLoss", "Hardsigmoid"):
        return  # PyTorch has no second derivative of these
    expected_second = torch.autograd.grad(their_again, references, allow_unused=True)
    if not again.requires_grad:
        assert all(e is None or not e.any() for e in expected_second)
        return
    second = autograd.grad(again, sources, allow_unused=True)
    for g, e in zip(second, expected_second, strict=True):
        mine = 0.0 if g is None else g.numpy()
        theirs_ = 0.0 if e is None else e.numpy()
        np.testing.assert_allclose(mine, theirs_, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_state_travels_in_both_directions(case: Case):
    ours, theirs = build(case)
    state = ours.state_dict()
    reference = theirs.state_dict()
    assert list(state) == list(reference)
    for key, value in reference.items():
        assert state[key].dtype == value.numpy().dtype
        np.testing.assert_array_equal(state[key], value.numpy())
    theirs.load_state_dict({key: torch.from_numpy(v) for key, v in state.items()})


@pytest.mark.parametrize("case", CASES, ids=str)
def test_default_state_has_the_same_types(case: Case):
    ours = getattr(nn, case.name)(*case.args, **case.kwargs)
    arguments = {k: to_torch(v) for k, v in case.kwargs.items()}
    theirs = getattr(torch.nn, case.name)(*case.args, **arguments)
    assert {k: (v.shape, str(v.dtype)) for k, v in ours.state_dict().items()} == {
        k: (tuple(v.shape), str(v.dtype).removeprefix("torch."))
        for k, v in theirs.state_dict().items()
    }
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert [n for n, _ in ours.named_buffers()] == [n for n, _ in theirs.named_buffers()]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_printed_form(case: Case):
    arguments = {k: to_torch(v) for k, v in case.kwargs.items()}
    theirs = getattr(torch.nn, case.name)(*case.args, **arguments)
    assert repr(getattr(nn, case.name)(*case.args, **case.kwargs)) == repr(theirs)


# Where pieces meet: at and around every kink of an activation, and where prediction meets target.
KINKS = np.array([-6.0, -3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0])
ACTIVATIONS = [
    "ReLU", "ReLU6", "LeakyReLU", "RReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish",
    "Hardswish", "Hardsigmoid", "Hardtanh", "Hardshrink", "Softshrink", "Tanhshrink", "Softsign",
]  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_at_kinks(name):
    x = autograd.Tensor(KINKS, requires_grad=True)
    z = torch.from_numpy(KINKS.copy()).requires_grad_()
    y, t = getattr(nn, name)().eval()(x), getattr(torch.nn, name)().eval()(z)
    np.testing.assert_allclose(y.data, t.detach().numpy(), rtol=1e-7)
    y.sum().backward()
    t.sum().backward()
    np.testing.assert_allclose(x.grad.data, z.grad.numpy(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "name", ["L1Loss", "MSELoss", "SmoothL1Loss", "HuberLoss", "HingeEmbeddingLoss"]
)
def test_slopes_of_losses_at_kinks(name):
    target = np.where(np.arange(10) % 2, 1.0, -1.0)
    x = autograd.Tensor(KINKS, requires_grad=True)
    z = torch.from_numpy(KINKS.copy()).requires_grad_()
    getattr(nn, name)()(x, target).backward()
    getattr(torch.nn, name)()(z, torch.from_numpy(target)).backward()
    np.testing.assert_allclose(x.grad.data, z.grad.numpy())


def test_equal_elements_of_a_window_share_no_gradient():
    values = np.zeros((1, 1, 4, 4))
    for name, options in (("MaxPool2d", (3, 1)), ("AdaptiveMaxPool2d", (3,))):
        x = autograd.Tensor(values, requires_grad=True)
        z = torch.from_numpy(values.copy()).requires_grad_()
        getattr(nn, name)(*options)(x).sum().backward()
        getattr(torch.nn, name)(*options)(z).sum().backward()
        np.testing.assert_array_equal(x.grad.data, z.grad.numpy())


SIGNATURES = sorted(
    name
    for name in nn.__all__
    if inspect.isclass(getattr(nn, name))
    and issubclass(getattr(nn, name), nn.Module)
    and hasattr(torch.nn, name)
)
# Longer by an argument of ours, or shorter by a deprecated one of theirs.
DIFFERENT = {"Flatten", "Hardtanh", "NLLLoss2d", "Module", "Sequential"}


@pytest.mark.parametrize("name", [name for name in SIGNATURES if name not in DIFFERENT])
def test_arguments_have_the_same_names_order_and_defaults(name):
    def arguments(cls):
        return [
            (p.name, p.default)
            for p in inspect.signature(cls).parameters.values()
            if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]

    theirs = arguments(getattr(torch.nn, name))
    if theirs:  # some take anything, as *args
        assert arguments(getattr(nn, name)) == theirs
