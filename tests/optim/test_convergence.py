"""Every optimizer gets there, within stated numbers of steps; and stops and resumes on the way."""

from __future__ import annotations

import numpy as np
import pytest

import optim
from autograd import Tensor

CURVATURE = np.logspace(0, 1.5, 6)  # condition number 32

# From (1, …, 1) to the minimum of ½ Σ cᵢ (wᵢ − 0.3)², to three digits.
STEPS = {
    "SGD": (lambda p: optim.SGD(p, lr=0.06), 160),
    "SGD with momentum": (lambda p: optim.SGD(p, lr=0.05, momentum=0.7), 60),
    "SGD with Nesterov": (lambda p: optim.SGD(p, lr=0.03, momentum=0.7, nesterov=True), 70),
    "Momentum": (lambda p: optim.Momentum(p, lr=0.2, momentum=0.7), 60),
    "PerParameterSGD": (lambda p: optim.PerParameterSGD(p, 1 / CURVATURE), 1),
    "DeltaDelta": (lambda p: optim.DeltaDelta(p, lr=0.03, gamma=1e-4), 300),
    "DeltaBarDelta": (lambda p: optim.DeltaBarDelta(p, lr=0.03, kappa=0.005), 120),
    "Quickprop": (lambda p: optim.Quickprop(p, lr=0.01), 2),
    "Quickprop, limited": (lambda p: optim.Quickprop(p, lr=0.01, max_growth=1.75), 12),
    "Rprop": (lambda p: optim.Rprop(p, lr=0.05), 40),
    "Rprop, backtracking": (lambda p: optim.Rprop(p, lr=0.05, backtrack=True), 40),
    "Rprop, plain": (lambda p: optim.Rprop(p, lr=0.05, backtrack=False), 40),
    "Adam": (lambda p: optim.Adam(p, lr=0.1), 160),
    "Adam, uncorrected": (lambda p: optim.Adam(p, lr=0.1, bias_correction=False), 400),
    "AdamW": (lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.0), 160),
    "Adam, AMSGrad": (lambda p: optim.Adam(p, lr=0.1, amsgrad=True), 250),
    "NAdam": (lambda p: optim.NAdam(p, lr=0.1), 160),
    "RAdam": (lambda p: optim.RAdam(p, lr=0.1), 200),
    "Adamax": (lambda p: optim.Adamax(p, lr=0.1), 200),
    "Adagrad": (lambda p: optim.Adagrad(p, lr=0.5), 60),
    "RMSprop": (lambda p: optim.RMSprop(p, lr=0.01), 160),
    "Adadelta": (lambda p: optim.Adadelta(p, lr=10.0), 400),
    "ASGD": (lambda p: optim.ASGD(p, lr=0.06), 200),
    "LBFGS": (lambda p: optim.LBFGS(p, max_iter=20, line_search_fn="strong_wolfe"), 2),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_quadratic_of_condition_32(name):
    make, steps = STEPS[name]
    walk = optim.descend(
        lambda w: (0.5 * CURVATURE * (w - 0.3) ** 2).sum(), np.ones(6), make, steps
    )
    np.testing.assert_allclose(walk.positions[-1], 0.3, atol=1e-3)


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
def test_a_quadratic_in_a_matrix(name):
    """Steps of a given size: they come as near as the step is long, then with a falling rate."""
    goal = np.array([[1.0, -2.0, 0.5], [0.3, 0.7, -1.5]])
    w = Tensor(np.zeros((2, 3)), requires_grad=True)
    optimizer = getattr(optim, name)([w], lr=0.2, weight_decay=0.0)
    schedule = optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, 200)
    for _ in range(200):
        optimizer.zero_grad()
        ((w - goal) ** 2).sum().backward()
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(w.data, goal, atol=0.03)


def test_lbfgs_on_rosenbrock_within_fifty_evaluations():
    w = Tensor([-1.2, 1.0], requires_grad=True)
    optimizer = optim.LBFGS([w], max_iter=60, line_search_fn="strong_wolfe")
    count = []

    def closure():
        count.append(1)
        optimizer.zero_grad()
        loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(w.data, 1.0, atol=1e-4)
    assert len(count) <= 50
    assert optimizer.state[w]["func_evals"] == len(count)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_resumes_bit_for_bit(search, dtype):
    def run(w, optimizer, calls):
        def closure():
            optimizer.zero_grad()
            loss = (w[1:] ** 4).sum() + ((w[:-1] - 2 * w[1:]) ** 2).sum()
            loss.backward()
            return loss

        for _ in range(calls):
            optimizer.step(closure)

    def make(w):
        return optim.LBFGS([w], lr=0.3, max_iter=3, history_size=4, line_search_fn=search)

    a, b = (Tensor(np.linspace(-1, 2, 5, dtype=dtype), requires_grad=True) for _ in range(2))
    whole, first = make(a), make(b)
    run(a, whole, 5)
    run(b, first, 2)
    second = make(b)
    second.load_state_dict(first.state_dict())
    run(b, second, 3)
    assert np.array_equal(a.data, b.data)
    assert second.state[b]["n_iter"] == whole.state[a]["n_iter"]


def test_lbfgs_with_complex_parameters():
    torch = pytest.importorskip("torch")
    goal = np.array([1 + 2j, -0.5j])
    z = Tensor(np.zeros(2, complex), requires_grad=True)
    t = torch.zeros(2, dtype=torch.complex128, requires_grad=True)
    ours = optim.LBFGS([z], line_search_fn="strong_wolfe")
    theirs = torch.optim.LBFGS([t], line_search_fn="strong_wolfe")

    def closure():
        difference = z.data - goal
        z.grad = Tensor(4 * difference * np.abs(difference) ** 2)
        return (np.abs(difference) ** 4).sum()

    def other():
        theirs.zero_grad()
        loss = ((t - torch.tensor(goal)).abs() ** 4).sum()
        loss.backward()
        return loss

    for _ in range(3):
        ours.step(closure)
        theirs.step(other)
    np.testing.assert_allclose(z.data, t.detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(z.data, goal, atol=0.02)


def test_lbfgs_takes_one_group_and_needs_a_closure():
    a, b = (Tensor([1.0], requires_grad=True) for _ in range(2))
    with pytest.raises(ValueError, match="one parameter group"):
        optim.LBFGS([{"params": a}, {"params": b}])
    with pytest.raises(TypeError, match="closure"):
        optim.LBFGS([a]).step()


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
def test_matrix_optimizers_resume_bit_for_bit(name):
    starts = np.random.default_rng(0).standard_normal((4, 3))
    a, b = Tensor(starts, requires_grad=True), Tensor(starts, requires_grad=True)
    kind = getattr(optim, name)
    whole, part = kind([a], lr=0.1), kind([b], lr=0.1)
    for t in range(6):
        if t == 3:
            saved = part.state_dict()
            part = kind([b], lr=0.1)
            part.load_state_dict(saved)
        for p, optimizer in ((a, whole), (b, part)):
            p.grad = Tensor(np.cos(p.data + t))
            optimizer.step()
    assert np.array_equal(a.data, b.data)


def test_orthogonalising_keeps_singular_vectors_and_evens_out_singular_values():
    from optim.matrixwise import orthogonalize

    random = np.random.default_rng(0)
    for shape in ((4, 4), (7, 3), (3, 7)):
        matrix = random.standard_normal(shape)
        u, s, vt = np.linalg.svd(matrix, full_matrices=False)
        values = s / np.linalg.norm(s)
        for _ in range(5):
            values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
        np.testing.assert_allclose(orthogonalize(matrix), (u * values) @ vt, atol=1e-10)


def test_descend_stops_when_told():
    def f(w):
        return (w**2).sum()

    def make(p):
        return optim.SGD(p, lr=0.25)

    walk = optim.descend(f, [1, 1], make, 100, tolerance=0.1)
    assert len(walk.values) == 6
    np.testing.assert_allclose(walk.slopes, 2 * walk.positions)
    np.testing.assert_allclose(walk.values, (walk.positions**2).sum(axis=1))
    assert len(optim.descend(f, [1.0], make, stop=lambda n, value: n == 3).values) == 4
    assert len(optim.descend(f, [1.0], make, 0).values) == 1


def test_a_network_learns_xor():
    """Two ReLU units suffice; from near the textbook's weights they are found again."""
    X, y = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], float), np.array([0.0, 1, 1, 0])
    W = Tensor(np.array([[1.2, 0.7], [0.8, 1.3]]), requires_grad=True)
    c = Tensor(np.array([0.1, -0.7]), requires_grad=True)
    w = Tensor(np.array([0.8, -1.5]), requires_grad=True)
    optimizer = optim.Adam([W, c, w], lr=0.02)
    for _ in range(600):
        optimizer.zero_grad()
        loss = ((np.maximum(X @ W.T + c, 0.0) @ w - y) ** 2).mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-4


def test_averaging_a_module():
    nn = pytest.importorskip("nn")
    model = nn.Linear(3, 2)
    averaged = optim.swa_utils.AveragedModel(model)
    kept = []
    for value in range(3):
        for p in model.parameters():
            p.data[...] = value
        kept.append(value)
        averaged.update_parameters(model)
    np.testing.assert_allclose(averaged(np.ones((1, 3), np.float32)).numpy(), 4.0)
    again = optim.swa_utils.AveragedModel(nn.Linear(3, 2))
    again.load_state_dict(averaged.state_dict())
    np.testing.assert_allclose(again.module.weight.numpy(), 1.0)
