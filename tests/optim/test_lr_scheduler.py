"""Schedules against PyTorch's, step by step, and textbook schedules against their formulas."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

import optim
from autograd import Tensor
from optim import lr_scheduler

CASES = {
    "LambdaLR": lambda m, o: m.LambdaLR(o, lambda t: 0.95**t),
    "LambdaLR per group": lambda m, o: m.LambdaLR(o, [lambda t: 0.9**t, lambda t: 1 / (1 + t)]),
    "MultiplicativeLR": lambda m, o: m.MultiplicativeLR(o, lambda t: 1 - 0.01 * t),
    "StepLR": lambda m, o: m.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda m, o: m.MultiStepLR(o, [2, 5, 5, 9], 0.5),
    "ConstantLR": lambda m, o: m.ConstantLR(o, 0.25, 4),
    "LinearLR": lambda m, o: m.LinearLR(o, 0.1, 0.9, 7),
    "ExponentialLR": lambda m, o: m.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda m, o: m.PolynomialLR(o, 8, 2.0),
    "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, 7, 1e-3),
    "CosineAnnealingWarmRestarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 3, 2, 1e-3),
    "CosineAnnealingWarmRestarts 1": lambda m, o: m.CosineAnnealingWarmRestarts(o, 4),
    "CyclicLR": lambda m, o: m.CyclicLR(o, 0.01, 0.1, 4, 6),
    "CyclicLR 2": lambda m, o: m.CyclicLR(o, [0.01, 0.02], [0.1, 0.3], 3, mode="triangular2"),
    "CyclicLR exp": lambda m, o: m.CyclicLR(o, 0.01, 0.1, 4, mode="exp_range", gamma=0.97),
    "CyclicLR fn": lambda m, o: m.CyclicLR(
        o, 0.01, 0.1, 4, scale_fn=lambda x: 1 / (5 ** (x * 0.1)), scale_mode="iterations"
    ),
    "OneCycleLR": lambda m, o: m.OneCycleLR(o, 0.5, total_steps=26),
    "OneCycleLR linear": lambda m, o: m.OneCycleLR(
        o, [0.5, 0.2], epochs=13, steps_per_epoch=2, anneal_strategy="linear", pct_start=0.4
    ),
    "OneCycleLR three": lambda m, o: m.OneCycleLR(o, 0.5, total_steps=26, three_phase=True),
    "SequentialLR": lambda m, o: m.SequentialLR(
        o,
        [m.ConstantLR(o, 0.1, 3), m.LinearLR(o, 0.2, 1.0, 4), m.ExponentialLR(o, 0.9)],
        [4, 10],
    ),
    "SequentialLR of cosines": lambda m, o: m.SequentialLR(
        o,
        [m.LinearLR(o, 0.2, 1.0, 4), m.CosineAnnealingLR(o, 9), m.StepLR(o, 2)],
        [4, 13],
    ),
    "ChainedScheduler": lambda m, o: m.ChainedScheduler(
        [m.ConstantLR(o, 0.1, 2), m.ExponentialLR(o, 0.9), m.StepLR(o, 4)]
    ),
}


def two_groups(kind="SGD"):
    groups = [
        {"params": [Tensor(1.0, requires_grad=True)]},
        {"params": [Tensor(1.0, requires_grad=True)], "lr": 0.3},
    ]
    options = {"lr": 0.1, "momentum": 0.9} if kind == "SGD" else {"lr": 0.1}
    return getattr(optim, kind)(groups, **options)


def torch_groups(torch, kind="SGD"):
    groups = [
        {"params": [torch.ones(1, requires_grad=True)]},
        {"params": [torch.ones(1, requires_grad=True)], "lr": 0.3},
    ]
    options = {"lr": 0.1, "momentum": 0.9} if kind == "SGD" else {"lr": 0.1}
    return getattr(torch.optim, kind)(groups, **options)


def settings(optimizer):
    """The rates and momenta of the groups."""
    momentum = "betas" if "betas" in optimizer.param_groups[0] else "momentum"
    return np.array([[g["lr"], np.ravel(g[momentum])[0]] for g in optimizer.param_groups])


@pytest.mark.filterwarnings("ignore:Detected call")
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("case", CASES)
def test_as_pytorch(case, kind):
    torch = pytest.importorskip("torch")
    ours, theirs = two_groups(kind), torch_groups(torch, kind)
    scheduler = CASES[case](lr_scheduler, ours)
    other = CASES[case](torch.optim.lr_scheduler, theirs)
    for step in range(25):
        np.testing.assert_allclose(settings(ours), settings(theirs), rtol=1e-12, err_msg=str(step))
        np.testing.assert_allclose(scheduler.get_last_lr(), other.get_last_lr(), rtol=1e-12)
        ours.step()
        theirs.step()
        scheduler.step()
        other.step()


@pytest.mark.parametrize("case", CASES)
def test_resuming_a_schedule(case):
    optimizer, resumed = two_groups(), two_groups()
    scheduler, other = CASES[case](lr_scheduler, optimizer), CASES[case](lr_scheduler, resumed)
    for _ in range(7):
        optimizer.step()
        scheduler.step()
    resumed.load_state_dict(optimizer.state_dict())
    other.load_state_dict(scheduler.state_dict())
    resumed.step()
    for _ in range(12):
        scheduler.step()
        other.step()
        assert np.array_equal(settings(optimizer), settings(resumed))


@pytest.mark.parametrize(
    "case",
    ["StepLR", "MultiStepLR", "ExponentialLR", "LinearLR", "CosineAnnealingLR", "PolynomialLR"],
)
def test_going_on_from_an_epoch(case):
    torch = pytest.importorskip("torch")
    make = {
        "StepLR": lambda m, o, t: m.StepLR(o, 3, 0.5, last_epoch=t),
        "MultiStepLR": lambda m, o, t: m.MultiStepLR(o, [2, 5, 9], 0.5, last_epoch=t),
        "ExponentialLR": lambda m, o, t: m.ExponentialLR(o, 0.9, last_epoch=t),
        "LinearLR": lambda m, o, t: m.LinearLR(o, 0.1, 0.9, 7, last_epoch=t),
        "CosineAnnealingLR": lambda m, o, t: m.CosineAnnealingLR(o, 7, last_epoch=t),
        "PolynomialLR": lambda m, o, t: m.PolynomialLR(o, 8, last_epoch=t),
    }[case]
    ours, theirs = two_groups(), torch_groups(torch)
    for optimizer in (ours, theirs):
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    scheduler, other = make(lr_scheduler, ours, 3), make(torch.optim.lr_scheduler, theirs, 3)
    for _ in range(8):
        np.testing.assert_allclose(settings(ours), settings(theirs), rtol=1e-12)
        for each in (ours, theirs, scheduler, other):
            each.step()
    with pytest.raises(KeyError, match="initial_lr"):
        make(lr_scheduler, two_groups(), 3)


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"patience": 1, "mode": "max", "cooldown": 2, "factor": 0.5},
        {"patience": 0, "threshold": 0.05, "threshold_mode": "abs", "min_lr": [0.01, 0.05]},
        {"patience": 1, "threshold": 0.1, "mode": "max", "eps": 0.02},
    ],
)
def test_plateau_as_pytorch(options):
    torch = pytest.importorskip("torch")
    ours, theirs = two_groups(), torch_groups(torch)
    scheduler = lr_scheduler.ReduceLROnPlateau(ours, **options)
    other = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    values = np.round(np.cumsum(np.random.default_rng(3).normal(size=60) * 0.1), 2)
    for value in values:
        scheduler.step(value)
        other.step(value)
        np.testing.assert_allclose(settings(ours), settings(theirs), rtol=1e-12)
        assert scheduler.num_bad_epochs == other.num_bad_epochs
        assert scheduler.best == other.best


def test_plateau_takes_a_tensor():
    optimizer = two_groups()
    lr_scheduler.ReduceLROnPlateau(optimizer).step(Tensor(1.0))


def test_warm_restarts_by_fractions_of_epochs():
    torch = pytest.importorskip("torch")
    ours, theirs = two_groups(), torch_groups(torch)
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(ours, 2, 2)
    other = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(theirs, 2, 2)
    for epoch in np.arange(0, 20, 0.3):
        scheduler.step(float(epoch))
        other.step(float(epoch))
        np.testing.assert_allclose(settings(ours), settings(theirs), rtol=1e-12)


def rates(make, steps):
    optimizer = optim.SGD([Tensor(1.0, requires_grad=True)], lr=1.0, momentum=0.5)
    scheduler = make(optimizer)
    result = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        result.append(optimizer.param_groups[0]["lr"])
    return np.array(result)


def test_chained_schedules_in_a_sequence():
    def make(o):
        chain = [lr_scheduler.ConstantLR(o, 0.1, 2), lr_scheduler.ExponentialLR(o, 0.5)]
        parts = [lr_scheduler.ChainedScheduler(chain), lr_scheduler.StepLR(o, 2)]
        return lr_scheduler.SequentialLR(o, parts, [3])

    expected = [0.1, 0.05, 0.25, 1.0, 1.0, 0.1, 0.1, 0.01]
    np.testing.assert_allclose(rates(make, 7), expected)


def test_power_schedule():
    t = np.arange(31)
    found = rates(lambda o: lr_scheduler.PowerLR(o, s=10, c=3), 30)
    np.testing.assert_allclose(found, 1 / (1 + t / 10) ** 3)
    assert found[10] == 1 / 2**3


def test_exponential_schedule():
    found = rates(lambda o: lr_scheduler.ExponentialDecayLR(o, s=5), 10)
    np.testing.assert_allclose(found, 0.1 ** (np.arange(11) / 5))
    np.testing.assert_allclose(found[[5, 10]], [0.1, 0.01])


def test_piecewise_constant_schedule():
    found = rates(lambda o: lr_scheduler.PiecewiseConstantLR(o, [3, 5], [0.5, 0.1, 0.02]), 6)
    assert found.tolist() == [0.5, 0.5, 0.5, 0.1, 0.1, 0.02, 0.02]


@pytest.mark.parametrize("n", [1, 3])
def test_n_cycles(n):
    steps = 100
    found = rates(lambda o: lr_scheduler.NCycleLR(o, 0.5, steps, n, final_fraction=0.1), steps + 3)
    assert found[0] == pytest.approx(0.05)
    assert found.max() <= 0.5
    assert (found[: 90 + 1] > 0.48).any()
    assert found[90] == pytest.approx(0.05)
    np.testing.assert_allclose(found[steps:], 1e-6)
    inner = found[:91]
    peaks = (inner[1:-1] > inner[:-2]) & (inner[1:-1] >= inner[2:])
    assert peaks.sum() == n


def test_dividing_by_ten_after_150_epochs():
    found = rates(lambda o: lr_scheduler.StepLR(o, 150), 151)
    assert found[149] == 1.0
    assert found[150] == pytest.approx(0.1)


def test_batch_size_schedule():
    loader = SimpleNamespace(batch_size=10)
    scheduler = lr_scheduler.BatchSizeScheduler(loader, [2, 4], factor=3)
    seen = []
    for _ in range(3):
        seen.append(loader.batch_size)
        scheduler.step()
    other = SimpleNamespace(batch_size=10)
    resumed = lr_scheduler.BatchSizeScheduler(other, [2, 4], factor=3)
    resumed.load_state_dict(scheduler.state_dict())
    for _ in range(3):
        seen.append(other.batch_size)
        resumed.step()
    assert seen == [10, 10, 30, 30, 90, 90]


def test_the_wrong_order_is_noticed():
    scheduler = lr_scheduler.StepLR(two_groups(), 2)
    with pytest.warns(UserWarning, match=r"before optimizer\.step"):
        scheduler.step()


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda o: lr_scheduler.StepLR(None, 2), TypeError),
        (lambda o: lr_scheduler.StepLR(o, 0), ValueError),
        (lambda o: lr_scheduler.LinearLR(o, 0.0), ValueError),
        (lambda o: lr_scheduler.ConstantLR(o, 2.0), ValueError),
        (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 0), ValueError),
        (lambda o: lr_scheduler.CyclicLR(o, [0.1], 0.2), ValueError),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.2, mode="square"), ValueError),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1), ValueError),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 10, pct_start=2), ValueError),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="best"), ValueError),
        (lambda o: lr_scheduler.LambdaLR(o, [math.sin]), ValueError),
        (lambda o: lr_scheduler.SequentialLR(o, [], []), ValueError),
        (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1)], [2]), ValueError),
        (
            lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]),
            ValueError,
        ),
        (
            lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(two_groups(), 1)], o),
            ValueError,
        ),
        (lambda o: lr_scheduler.PiecewiseConstantLR(o, [3, 2], [1, 2, 3]), ValueError),
        (lambda o: lr_scheduler.PiecewiseConstantLR(o, [3], [1]), ValueError),
        (lambda o: lr_scheduler.PowerLR(o, 0), ValueError),
        (lambda o: lr_scheduler.NCycleLR(o, 0.1, 100, final_fraction=1.0), ValueError),
    ],
)
def test_what_is_refused(make, error):
    with pytest.raises(error):
        make(two_groups())


def test_cycling_momentum_needs_momentum():
    optimizer = optim.Adagrad([Tensor(1.0, requires_grad=True)])
    with pytest.raises(ValueError, match="Adagrad has neither momentum nor betas"):
        lr_scheduler.OneCycleLR(optimizer, 0.1, 10)
    lr_scheduler.OneCycleLR(optimizer, 0.1, 10, cycle_momentum=False)
