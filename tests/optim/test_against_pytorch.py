"""Trajectories of every optimizer PyTorch has, with all their options, step by step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import optim
from autograd import Tensor

OPTIONS = [
    ("NAdam", {}),
    ("NAdam", {"lr": 0.05, "momentum_decay": 0.02, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.05, "decoupled_weight_decay": True, "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.05}),
    ("RAdam", {"lr": 0.05, "betas": (0.8, 0.9), "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.01, "decoupled_weight_decay": True, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.05, "betas": (0.8, 0.95), "weight_decay": 0.1, "maximize": True}),
    ("Adagrad", {"lr": 0.2}),
    ("Adagrad", {"lr": 0.2, "lr_decay": 0.1, "weight_decay": 0.1, "eps": 1e-3}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.9, "centered": True, "weight_decay": 0.1, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.001, "momentum": 0.9, "maximize": True}),
    ("RMSprop", {"lr": 0.001, "momentum": 0.5, "centered": True, "eps": 1e-3}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.95, "eps": 1e-4, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.4, 1.5), "step_sizes": (1e-3, 0.5)}),
    ("Rprop", {"lr": 0.01, "maximize": True, "step_sizes": (1e-6, 1.0)}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.1, "lambd": 0.01, "alpha": 0.5, "t0": 20, "weight_decay": 0.1}),
    ("ASGD", {"lr": 0.001, "maximize": True, "t0": 3}),
    ("Adafactor", {}),
    ("Adafactor", {"lr": 0.02, "weight_decay": 0.1, "d": 1.5, "beta2_decay": -0.7}),
    ("Adafactor", {"lr": 0.05, "eps": (1e-3, 1e-2), "maximize": True}),
]


@pytest.fixture
def double_counters() -> Iterator[None]:
    """PyTorch keeps some numbers of its state in its default dtype; we keep them as floats."""
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("double_counters")
@pytest.mark.parametrize(("name", "options"), OPTIONS)
@pytest.mark.parametrize(
    ("dtype", "steps", "tolerance"), [(np.float64, 100, 1e-12), (np.float32, 30, 5e-5)]
)
def test_trajectory(same_trajectory, name, options, dtype, steps, tolerance):
    torch = pytest.importorskip("torch")
    same_trajectory(
        lambda p: getattr(optim, name)(p, **options),
        lambda p: getattr(torch.optim, name)(p, foreach=False, **options),
        dtype=dtype,
        steps=steps,
        tolerance=tolerance,
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"nesterov": False, "weight_decay": 0.0},
        {"adjust_lr_fn": "match_rms_adamw", "momentum": 0.8},
    ],
)
def test_muon_up_to_pytorchs_bfloat16(same_trajectory, options):
    torch = pytest.importorskip("torch")
    same_trajectory(
        lambda p: optim.Muon(p, lr=0.01, **options),
        lambda p: torch.optim.Muon(p, lr=0.01, **options),
        shapes=[(3, 3), (8, 4), (4, 7)],
        steps=5,
        tolerance=2e-3,
    )


@pytest.mark.parametrize(
    "name",
    ["NAdam", "RAdam", "Adamax", "Adagrad", "RMSprop", "Adadelta", "Rprop", "ASGD", "Adafactor"],
)
@pytest.mark.usefixtures("double_counters")
def test_pytorchs_state_goes_on_here(name):
    torch = pytest.importorskip("torch")
    starts = [
        np.random.default_rng(i).standard_normal(shape) for i, shape in enumerate([(3, 2), ()])
    ]
    ours = [Tensor(start, requires_grad=True) for start in starts]
    theirs = [torch.tensor(start, requires_grad=True) for start in starts]
    optimizer = getattr(optim, name)(ours, lr=0.02)
    other = getattr(torch.optim, name)(theirs, lr=0.02)

    def slope(x, t):
        return np.cos(2 * x + t) + 0.5 * x

    for t in range(4):
        for q in theirs:
            q.grad = torch.tensor(slope(q.detach().numpy(), t))
        other.step()
    for p, q in zip(ours, theirs):
        p.data[...] = q.detach().numpy()
    saved = other.state_dict()
    optimizer.load_state_dict(saved)
    mine = optimizer.state_dict()
    assert mine["state"][0].keys() == saved["state"][0].keys()
    assert set(mine["param_groups"][0]) <= {*saved["param_groups"][0], "eps_inside", "backtrack"}
    for t in range(4, 9):
        for p, q in zip(ours, theirs):
            p.grad = Tensor(slope(p.data, t))
            q.grad = torch.tensor(slope(q.detach().numpy(), t))
        optimizer.step()
        other.step()
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-11)
