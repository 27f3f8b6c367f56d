"""profile: every operation is measured once, sums are right, nothing is left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import autograd
import nn
from autograd import Tensor, profile
from autograd._flops import flops, multiply_adds
from autograd._primitive import primitives


def test_calls_time_and_phases():
    x = Tensor(np.ones((30, 40)), requires_grad=True)
    with profile() as found:
        for _ in range(3):
            (x @ x.T).sum().backward()
    rows = {row["name"]: row for row in found.rows()}
    assert rows["matmul"]["calls"] == 3
    assert rows["matmul"]["forward"] > 0
    assert rows["matmul"]["backward"] > 0
    assert rows["matmul"]["flops"] == 3 * 3 * 2 * 30 * 40 * 30  # forward, and for each input
    total = sum(row["forward"] + row["backward"] for row in rows.values())
    assert total <= found.wall
    phases = [event.phase for event in found.events if event.name == "matmul"]
    assert phases.count("forward") == phases.count("backward") == 3


def test_nothing_is_left_behind():
    before = {name: (p.forward, p.vjp) for name, p in primitives.items()}
    x = Tensor(np.ones(3), requires_grad=True)
    measured = profile()

    def broken():
        with measured:
            x.exp().sum().backward()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    found = measured.result
    assert {name: (p.forward, p.vjp) for name, p in primitives.items()} == before
    count = len(found.events)
    assert count >= 4
    x.exp().sum().backward()
    assert len(found.events) == count


def test_profiles_do_not_nest_and_can_follow_each_other():
    with profile(), pytest.raises(RuntimeError, match="already running"), profile():
        pass
    with profile() as found:
        Tensor(1.0, requires_grad=True).exp()
    assert [event.name for event in found.events] == ["exp"]


def test_results_are_the_same():
    x = Tensor(np.linspace(-1, 1, 7), requires_grad=True)
    np.tanh(x * x).sum().backward()
    expected = x.grad.numpy().copy()
    x.grad = None
    with profile():
        np.tanh(x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), expected)


def test_modules_include_those_inside():
    model = nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.Tanh(), nn.Linear(8, 2)))
    with profile() as found:
        model(np.ones((5, 4), np.float32)).sum().backward()
    rows = {row["name"]: row for row in found.rows("module")}
    assert rows["model.1"]["flops"] == rows["model.1.0"]["flops"] + rows["model.1.1"]["flops"]
    assert rows["model"]["calls"] == rows["model.0"]["calls"] + rows["model.1"]["calls"]
    assert rows["model.1.1"]["backward"] > 0
    assert "(no module)" in rows
    with pytest.raises(ValueError, match="by is"):
        found.rows("layer")


def test_nodes_carry_what_was_measured():
    x = Tensor(np.ones((20, 20)), requires_grad=True)
    with profile():
        y = (x @ x).sum()
    node = y.graph["matmul_1"]
    assert node.time is not None
    assert node.time > 0
    assert node.flops == 2 * 20**3


def test_operations_without_a_graph_are_measured_too():
    with profile() as found, autograd.no_grad():
        Tensor(np.ones(3), requires_grad=True).exp()
    assert [event.name for event in found.events] == ["exp"]


def test_its_own_cost_is_stated():
    with profile() as found:
        Tensor(1.0, requires_grad=True).exp().backward()
    assert 0 < found.cost_per_event < 1e-3
    assert found.overhead == pytest.approx(found.cost_per_event * len(found.events))
    assert "profiling itself added" in found.table()
    assert "profiling itself added" in str(found)


def test_chrome_trace(tmp_path):
    model = nn.Linear(3, 2)
    with profile() as found:
        model(np.ones((5, 3), np.float32)).sum().backward()
    data = json.loads(Path(found.save(tmp_path / "trace.json")).read_text())
    events = data["traceEvents"]
    assert len(events) == len(found.events)
    assert {event["ph"] for event in events} == {"X"}
    assert [event["ts"] for event in events] == sorted(event["ts"] for event in events)
    assert {event["cat"] for event in events} == {"forward", "backward"}
    assert any(event["args"]["module"] == "model" for event in events)
    assert "linear" in Path(found.save(tmp_path / "profile.txt")).read_text()
    with pytest.raises(ValueError, match=r"\.json or \.txt"):
        found.save(tmp_path / "profile.csv")


@pytest.mark.parametrize(
    ("name", "shapes", "output", "attrs", "expected"),
    [
        ("matmul", [(3,), (3,)], (), {}, 6),
        ("matmul", [(2, 3), (3,)], (2,), {}, 12),
        ("matmul", [(7, 2, 3), (7, 3, 4)], (7, 2, 4), {}, 7 * 48),
        ("linear", [(2, 3), (4, 3), None], (2, 4), {}, 48),
        ("linear", [(5, 2, 3), (4, 3), (4,)], (5, 2, 4), {}, 5 * 56),
        ("conv", [(2, 4, 9), (6, 2, 3)], (2, 6, 7), {}, 2 * 2 * 6 * 7 * 2 * 3),  # two groups
        ("conv", [(1, 1, 4, 4), (1, 1, 3, 3), (1,)], (1, 1, 2, 2), {}, 2 * 36 + 4),
        ("conv_input_grad", [(1, 1, 2, 2), (1, 1, 3, 3), (1,)], (1, 1, 4, 4), {}, 2 * 36 + 16),
        ("sum", [(4, 5)], (), {}, 20),
        ("reshape", [(4, 5)], (20,), {}, 0),
        ("max_pool", [(1, 1, 4, 4)], (1, 1, 2, 2), {"kernel": (2, 2)}, 16),
        ("exp", [(4, 5)], (4, 5), {}, 20),
    ],
)
def test_flops(name, shapes, output, attrs, expected):
    assert flops(name, shapes, output, attrs) == expected


def test_the_three_convolutions_of_one_layer_cost_the_same():
    x, w, y = (5, 3, 8, 8), (4, 3, 3, 3), (5, 4, 6, 6)
    cost = multiply_adds("conv", [x, w], y)
    assert cost == 5 * 4 * 36 * 27
    assert multiply_adds("conv_input_grad", [y, w], x) == cost
    assert multiply_adds("conv_weight_grad", [y, x], w) == cost


def test_operations_on_scalars_are_seen():
    x = Tensor(2.0, requires_grad=True)
    with profile() as seen:
        y = x * x + x
    assert [event.name for event in seen.events] == ["multiply", "add"]
    assert y.item() == 6.0
    x * x  # the short way is back
    assert len(seen.events) == 2


def test_operations_that_have_never_been_called_can_be_measured():
    program = (
        "import numpy as np, autograd, nn\n"
        "model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())\n"
        "with autograd.profile() as seen:\n"
        "    y = model(np.ones((1, 1, 6, 6), np.float32))\n"
        "    (y * y).sum().backward()\n"
        "print([e.name for e in seen.events if e.phase == 'forward'])\n"
        "model(np.ones((1, 1, 6, 6), np.float32))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = ["conv", "relu", "max_pool", "reshape", "multiply", "sum", "conv_weight_grad"]
    assert done.stdout.strip() == str(names)
