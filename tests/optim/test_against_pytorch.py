"""Trajectories of every optimizer PyTorch has, with all their options, step by step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import optim
from autograd import Tensor
from optim.matrixwise import _bfloat16, orthogonalize

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


GROUPED = {
    "SGD": {"momentum": 0.9, "nesterov": True},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "NAdam": {},
    "RAdam": {},
    "Adamax": {},
    "Adagrad": {},
    "Adadelta": {},
    "RMSprop": {"momentum": 0.5},
    "Rprop": {},
    "ASGD": {"t0": 20},
    "Adafactor": {},
}
SCHEDULES = {
    "steps": lambda m, o: m.StepLR(o, 10, 0.8),
    "warm-up, then cosine": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=10), m.CosineAnnealingLR(o, 60)], [10]
    ),
}


@pytest.mark.usefixtures("double_counters")
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", GROUPED)
@pytest.mark.parametrize(
    ("dtype", "steps", "tolerance"), [(np.float64, 100, 1e-12), (np.float32, 30, 5e-5)]
)
def test_groups_and_schedules(same_trajectory, name, schedule, dtype, steps, tolerance):
    """Two groups with options of their own and scheduled rates; a third one for the last steps."""
    torch = pytest.importorskip("torch")
    late, schedulers = [], []
    decay = {} if name == "Rprop" else {"weight_decay": 0.05}

    def make(package, schedules):
        def on(p):
            groups = [{"params": p[:2], "lr": 0.02}, {"params": p[2:4], **decay}]
            optimizer = getattr(package, name)(groups, lr=0.01, **GROUPED[name])
            late.append(p[4])
            schedulers.append(SCHEDULES[schedule](schedules, optimizer))
            return optimizer

        return on

    taken = 0

    def after(*optimizers):
        nonlocal taken
        taken += 1
        if taken == steps - 10:
            for optimizer, p in zip(optimizers, late):
                optimizer.add_param_group({"params": [p], "lr": 0.03, **decay})
        if taken < steps - 10:
            for scheduler in schedulers:
                scheduler.step()

    same_trajectory(
        make(optim, optim.lr_scheduler),
        make(torch.optim, torch.optim.lr_scheduler),
        dtype=dtype,
        steps=steps,
        tolerance=tolerance,
        after=after,
    )


MUON_OPTIONS = [
    {},
    {"nesterov": False, "weight_decay": 0.0},
    {"adjust_lr_fn": "match_rms_adamw", "momentum": 0.8},
    {"momentum": 0.3, "ns_steps": 3, "eps": 1e-3, "ns_coefficients": (2.0, -1.5, 0.5)},
]
MATRICES = [(3, 3), (8, 4), (4, 7)]


@pytest.mark.parametrize("options", MUON_OPTIONS)
@pytest.mark.parametrize(
    ("dtype", "steps", "tolerance"), [(np.float64, 100, 1e-12), (np.float32, 30, 5e-5)]
)
def test_muon_with_the_same_iteration(
    monkeypatch, same_trajectory, options, dtype, steps, tolerance
):
    """PyTorch's Muon, given our orthogonalization in place of its own in bfloat16."""
    torch = pytest.importorskip("torch")
    muon = pytest.importorskip("torch.optim._muon")

    def iteration(matrix, coefficients, steps, eps):
        return torch.tensor(orthogonalize(matrix.numpy(), coefficients, steps, eps))

    monkeypatch.setattr(muon, "_zeropower_via_newtonschulz", iteration)
    same_trajectory(
        lambda p: optim.Muon(p, lr=0.01, **options),
        lambda p: torch.optim.Muon(p, lr=0.01, **options),
        shapes=MATRICES,
        dtype=dtype,
        steps=steps,
        tolerance=tolerance,
    )


@pytest.mark.parametrize("options", MUON_OPTIONS)
@pytest.mark.parametrize(
    ("precision", "steps", "tolerance"), [("bfloat16", 100, 1.5e-3), (None, 5, 2e-3)]
)
def test_muon(same_trajectory, options, precision, steps, tolerance):
    """Most steps in bfloat16 are equal bit for bit; a sum that rounds elsewhere moves one of them
    by up to 2⁻⁸ of the rate, so a hundred of them differ by less than five in full precision."""
    torch = pytest.importorskip("torch")
    same_trajectory(
        lambda p: optim.Muon(p, lr=0.01, precision=precision, **options),
        lambda p: torch.optim.Muon(p, lr=0.01, **options),
        shapes=MATRICES,
        steps=steps,
        tolerance=tolerance,
    )


@pytest.mark.parametrize(
    ("shape", "equal"), [((3, 3), 0.97), ((8, 4), 0.97), ((16, 16), 0.97), ((32, 64), 0.7)]
)
def test_orthogonalizing_in_bfloat16(shape, equal):
    """The same bits nearly everywhere, and never more than an element's last bits elsewhere."""
    torch = pytest.importorskip("torch")
    muon = pytest.importorskip("torch.optim._muon")
    random = np.random.default_rng(0)
    same = []
    for _ in range(20):
        matrix = random.standard_normal(shape)
        ours = orthogonalize(matrix, precision="bfloat16")
        theirs = muon._zeropower_via_newtonschulz(
            torch.tensor(matrix), (3.4445, -4.775, 2.0315), 5, 1e-7
        )
        theirs = theirs.double().numpy()
        np.testing.assert_allclose(ours, theirs, atol=2.0**-6)
        same.append((ours == theirs).mean())
    assert np.mean(same) >= equal


def test_rounding_to_bfloat16():
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    ends = [
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        3.3e38,
        3.4e38,
        1e-40,
        -1e-45,
        1 + 2**-8,
        1.5 + 2**-8,
    ]
    x = np.float32([*random.lognormal(sigma=20, size=2000), *random.standard_normal(2000), *ends])
    np.testing.assert_array_equal(_bfloat16(x), torch.tensor(x).bfloat16().double().numpy())


@pytest.mark.parametrize(
    "name",
    [
        *("SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "RMSprop", "Adadelta"),
        *("Rprop", "ASGD", "Adafactor"),
    ],
)
@pytest.mark.usefixtures("double_counters")
def test_pytorchs_state_goes_on_here(name):
    torch = pytest.importorskip("torch")
    starts = [
        np.random.default_rng(i).standard_normal(shape) for i, shape in enumerate([(3, 2), ()])
    ]
    ours = [Tensor(start, requires_grad=True) for start in starts]
    theirs = [torch.tensor(start, requires_grad=True) for start in starts]
    options = {"lr": 0.02, "momentum": 0.9} if name == "SGD" else {"lr": 0.02}
    optimizer = getattr(optim, name)(ours, **options)
    other = getattr(torch.optim, name)(theirs, **options)

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
    own = {"eps_inside", "backtrack", "bias_correction"}
    assert set(mine["param_groups"][0]) <= {*saved["param_groups"][0], *own}
    for t in range(4, 9):
        for p, q in zip(ours, theirs):
            p.grad = Tensor(slope(p.data, t))
            q.grad = torch.tensor(slope(q.detach().numpy(), t))
        optimizer.step()
        other.step()
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-11)
