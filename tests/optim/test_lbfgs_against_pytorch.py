"""L-BFGS against PyTorch's: bit for bit where both round alike, else as near as rounding allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optim
from autograd import Tensor

Function = Callable[[np.ndarray], tuple[Any, np.ndarray]]

SEARCH: dict[str, Any] = {"line_search_fn": "strong_wolfe"}
OPTIONS = {
    "search": SEARCH,
    "search, one iteration": {**SEARCH, "max_iter": 1, "max_eval": 25},
    "search, until nothing changes": {**SEARCH, "tolerance_grad": 0, "tolerance_change": 0},
    "search, short history": {**SEARCH, "history_size": 3, "max_iter": 7, "lr": 0.5},
    "search, few evaluations": {**SEARCH, "max_iter": 4, "max_eval": 6},
    "full steps": {},
    "full steps, one iteration": {"max_iter": 1, "lr": 0.5},
    "short steps": {"lr": 0.01, "max_iter": 5, "history_size": 4},
}


def quadratic(w: np.ndarray) -> tuple[Any, np.ndarray]:
    """Condition number 10."""
    curvature = np.linspace(1, 10, w.size).astype(w.dtype)
    return 0.5 * (curvature * (w - 1) * (w - 1)).sum(), curvature * (w - 1)


def steep_quadratic(w: np.ndarray) -> tuple[Any, np.ndarray]:
    """Condition number 1000."""
    curvature = np.logspace(0, 3, w.size)
    return 0.5 * (curvature * (w - 1) * (w - 1)).sum(), curvature * (w - 1)


def quartic(w: np.ndarray) -> tuple[Any, np.ndarray]:
    return (w * w * w * w + w * w + w).sum(), 4 * w * w * w + 2 * w + 1


def rosenbrock(w: np.ndarray) -> tuple[Any, np.ndarray]:
    rise, left = w[1:] - w[:-1] ** 2, 1 - w[:-1]
    slope = np.zeros_like(w)
    slope[:-1] = -400 * w[:-1] * rise - 2 * left
    slope[1:] += 200 * rise
    return 100 * (rise * rise).sum() + (left * left).sum(), slope


def logistic_regression() -> Function:
    random = np.random.default_rng(0)
    x = random.standard_normal((40, 6))
    sign = np.where(x @ random.standard_normal(6) + random.standard_normal(40) > 0, 1.0, -1.0)

    def loss(w: np.ndarray) -> tuple[Any, np.ndarray]:
        margin = sign * (x @ w)
        miss = sign / (1 + np.exp(margin))
        return np.logaddexp(0, -margin).mean() + 0.05 * (w @ w), 0.1 * w - x.T @ miss / 40

    return loss


PROBLEMS: dict[str, tuple[Function, np.ndarray]] = {
    "quadratic": (quadratic, np.linspace(-1, 2, 10)),
    "logistic regression": (logistic_regression(), np.zeros(6)),
    "quartic": (quartic, np.linspace(-1, 2, 12)),
    "steep quadratic": (steep_quadratic, np.linspace(-1, 2, 12)),
    "Rosenbrock": (rosenbrock, np.array([-1.2, 1.0])),
    "Rosenbrock of 4": (rosenbrock, np.array([-1.2, 1.0, -0.5, 0.8])),
    "Rosenbrock of 10": (rosenbrock, np.linspace(-1.2, 1.0, 10)),
}
WELL_CONDITIONED = ["quadratic", "logistic regression", "quartic"]


def path(
    module: Any, function: Function, start: np.ndarray, options: dict[str, Any], steps: int
) -> list[tuple[int, np.ndarray]]:
    """(evaluations so far, parameters) after each step; both sides get the same gradients."""
    tensor = Tensor if module is optim else pytest.importorskip("torch").tensor
    w = tensor(start.copy(), requires_grad=True)
    optimizer = module.LBFGS([w], **options)
    evaluations = 0
    result = []

    def values() -> np.ndarray:
        return w.data if module is optim else w.detach().numpy()

    def closure() -> float:
        nonlocal evaluations
        evaluations += 1
        loss, slope = function(values())
        w.grad = tensor(slope)
        return float(loss)

    for _ in range(steps):
        optimizer.step(closure)
        result.append((evaluations, values().copy()))
    return result


def compare(problem: str, options: str, steps: int, tolerance: float, dtype: Any = float) -> None:
    torch = pytest.importorskip("torch")
    function, start = PROBLEMS[problem]
    ours, theirs = (
        path(module, function, start.astype(dtype), OPTIONS[options], steps)
        for module in (optim, torch.optim)
    )
    for step, ((count, w), (their_count, expected)) in enumerate(zip(ours, theirs)):
        assert w.dtype == start.astype(dtype).dtype
        error = np.max(np.abs(w - expected)) / np.max(np.abs(expected))
        assert error <= tolerance, (step, error)
        assert count == their_count, step


@pytest.fixture
def rounding_like_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's L-BFGS with NumPy's rounding in the three operations where it differs.

    ``add_`` with a factor is a fused multiply-add there, and products and sums of vectors add up in
    another order.
    """
    torch = pytest.importorskip("torch")

    def like(x: Any, value: Any) -> Any:
        return torch.tensor(value, dtype=x.dtype)

    def add_(self: Any, other: Any, *, alpha: Any = 1) -> Any:
        return self.copy_(like(self, self.numpy(force=True) + float(alpha) * other.numpy()))

    monkeypatch.setattr(torch.Tensor, "add_", add_)
    monkeypatch.setattr(torch.Tensor, "dot", lambda x, y: like(x, x.numpy() @ y.numpy()))
    monkeypatch.setattr(torch.Tensor, "sum", lambda x: like(x, x.numpy().sum()))


@pytest.mark.usefixtures("rounding_like_numpy")
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_same_operations_in_the_same_order(problem, options):
    """However much a problem amplifies a rounding error, there is none to amplify."""
    compare(problem, options, steps=100, tolerance=0.0)


@pytest.mark.parametrize("options", [name for name in OPTIONS if "nothing" not in name])
@pytest.mark.parametrize("problem", WELL_CONDITIONED)
def test_100_steps_to_rounding(problem, options):
    """Not where a search goes on until nothing changes: rounding alone directs its last steps."""
    compare(problem, options, steps=100, tolerance=1e-12)


@pytest.mark.parametrize("problem", ["steep quadratic", "Rosenbrock", "Rosenbrock of 4"])
@pytest.mark.parametrize("options", ["search", "search, one iteration"])
def test_100_steps_where_rounding_grows(problem, options):
    """One unit in the last place of the first step is 1e-9 a hundred evaluations later."""
    compare(problem, options, steps=100, tolerance=1e-7)


@pytest.mark.usefixtures("rounding_like_numpy")
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("problem", ["quadratic", "quartic", "Rosenbrock"])
def test_single_precision(problem, options):
    """The numbers of a search are float32 too: where no decrease shows in them, it ends."""
    compare(problem, options, steps=50, tolerance=0.0, dtype=np.float32)


@pytest.mark.parametrize("options", ["search", "search, short history", "short steps"])
def test_with_gradients_of_either_engine(options):
    torch = pytest.importorskip("torch")
    start = np.linspace(-1, 2, 12).reshape(3, 4)
    ends = []
    for module, tensor in ((optim, Tensor), (torch.optim, torch.tensor)):
        weights = [tensor(rows.copy(), requires_grad=True) for rows in (start[:1], start[1:])]
        optimizer = module.LBFGS(weights, **OPTIONS[options])

        def closure(weights: Any = weights, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = sum(((w * w + 1) * w * w + w).sum() for w in weights)
            loss.backward()
            return loss

        losses = [float(optimizer.step(closure).item()) for _ in range(20)]
        rows = [w.data if module is optim else w.detach().numpy() for w in weights]
        ends.append((losses, np.concatenate(rows)))
    np.testing.assert_allclose(ends[0][0], ends[1][0], rtol=1e-12)
    np.testing.assert_allclose(ends[0][1], ends[1][1], rtol=1e-12)


def test_pytorchs_state_goes_on_here():
    torch = pytest.importorskip("torch")
    start = np.linspace(-1, 2, 6)
    w, v = Tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
    ours = optim.LBFGS([w], max_iter=2, **SEARCH)
    theirs = torch.optim.LBFGS([v], max_iter=2, **SEARCH)

    def closure(x: Any, tensor: Any) -> float:
        values = x.data if tensor is Tensor else x.detach().numpy()
        loss, slope = rosenbrock(values)
        x.grad = tensor(slope)
        return float(loss)

    for _ in range(4):
        theirs.step(lambda: closure(v, torch.tensor))
    w.data[...] = v.detach().numpy()
    ours.load_state_dict(theirs.state_dict())
    for _ in range(3):
        theirs.step(lambda: closure(v, torch.tensor))
        ours.step(lambda: closure(w, Tensor))
    np.testing.assert_allclose(w.data, v.detach().numpy(), rtol=1e-10)


@pytest.mark.parametrize("beyond", [np.inf, np.nan])
def test_a_step_beyond_the_domain_is_shortened(beyond):
    """w − log w from 1e-2, where the first step leads far beyond a wall at 3."""
    w = Tensor([0.01], requires_grad=True)
    optimizer = optim.LBFGS([w], lr=1e4, max_iter=50, **SEARCH)

    def closure() -> float:
        x = w.data[0]
        w.grad = Tensor([1 - 1 / x])
        return float(x - np.log(x)) if 0 < x < 3 else beyond

    optimizer.step(closure)
    assert w.item() == pytest.approx(1.0, abs=1e-4)
