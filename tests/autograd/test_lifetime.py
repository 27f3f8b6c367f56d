"""How long things live: deep and wide graphs, saved arrays, no reference cycles; source lines."""

from __future__ import annotations

import _thread
import gc
import inspect
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import nn.functional as F
from autograd import Node, Tensor, checkpoint, detect_anomaly, func, grad, no_grad, primitive, relu
from autograd._graph import topological_order


@pytest.fixture
def _no_collector() -> Iterator[None]:
    """Without the garbage collector, only reference counts free anything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# ----------------------------------------------------------------------------- deep and wide graphs


def test_a_chain_of_200000_operations() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x
    for _ in range(100_000):
        y = (y + 1e-5) * 1.0
    assert len(topological_order([y.node])) == 200_000
    y.sum().backward()
    np.testing.assert_allclose(x.grad.data, [1.0, 1.0])
    np.testing.assert_allclose(y.data, [2.0, 3.0])
    first = weakref.ref(topological_order([y.node])[0])
    del y  # a chain this long is let go of without recursion, too
    assert first() is None


def test_a_deep_chain_to_second_order() -> None:
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(3_000):
        y = y * x
    (g,) = grad(y, x, create_graph=True)
    (h,) = grad(g, x)
    assert g.item() == 3_001
    assert h.item() == 3_001 * 3_000


def test_a_deep_chain_of_views_and_writes() -> None:
    x = Tensor(np.ones(4), requires_grad=True)
    y = x * 1
    view = y
    for _ in range(5_000):
        view = view.reshape(2, 2).T.reshape(4) if view.size != 4 else view[::-1]
    view[0] = 5.0
    for k in range(5_000):
        y[k % 4] = y[(k + 1) % 4] * 1.0
    view.sum().backward()
    assert x.grad is not None
    del view, y


def test_a_wide_graph() -> None:
    x = Tensor(2.0, requires_grad=True)
    terms = [x * float(k) for k in range(20_000)]
    np.sum(np.stack(terms)).backward()
    assert x.grad.item() == sum(range(20_000))


def test_many_paths_are_walked_once_each() -> None:
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(60):  # 2^60 paths, 60 nodes
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60


# --------------------------------------------------------------------------------- freed at once


def plain_pass(x: Tensor) -> list[Any]:
    y = np.tanh(x * 2)
    z = (y * y).sum()
    z.backward()
    return [y, z]


def never_walked(x: Tensor) -> list[Any]:
    y = np.exp(x)
    return [y, y * y]


def with_hooks(x: Tensor) -> list[Any]:
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 2)
    z = (y * y).sum()
    assert z.node is not None
    z.node.register_prehook(lambda g: None)
    z.node.register_hook(lambda gi, go: None)
    z.backward()
    return [y, z]


def second_order(x: Tensor) -> list[Any]:
    y = (np.sin(x) * x).sum()
    (g,) = grad(y, x, create_graph=True)
    penalty = (g * g).sum()
    (h,) = grad(penalty, x)
    return [y, g, penalty, h]


def accumulated_second_order(x: Tensor) -> list[Any]:
    y = x * 3
    z = (y * y).sum()
    z.backward(create_graph=True)
    # As in PyTorch, x holds its gradient and that gradient's graph holds x: the user cuts here.
    x.grad = None
    return [y, z]


def writes_and_views(x: Tensor) -> list[Any]:
    y = x * 1
    v = y[1:]
    w = v.reshape(-1, 1)
    v[0] = y[0] * 2
    y *= 2
    (w * w).sum().backward()
    return [y, v, w]


def checkpointed(x: Tensor) -> list[Any]:
    y = checkpoint(lambda t: np.exp(np.sin(t)), x)
    z = checkpoint(lambda t: t * t, y).sum()
    z.backward()
    return [y, z]


def transformed(x: Tensor) -> list[Any]:
    h = func.hessian(lambda t: (t * t * t).sum())(x)
    out, push = func.linearize(np.sin, x)
    return [h, out, push(np.ones(x.shape))]


def watched(x: Tensor) -> list[Any]:
    with detect_anomaly():
        y = np.exp(x)
        y.sum().backward()
    return [y]


def several_outputs(x: Tensor) -> list[Any]:
    @primitive(outputs=("s", "c"))
    def sincos(x: Any, /) -> Any:
        return np.sin(x), np.cos(x)

    @sincos.rule
    def _(g: Any, s: Any, c: Any) -> Any:
        return g[0] * c - g[1] * s

    s, c = sincos(x)
    (g,) = grad((s * c).sum(), x, create_graph=True)
    (h,) = grad(g.sum(), x, retain_graph=True)
    return [s, c, g, h]


PROGRAMS = [
    plain_pass,
    never_walked,
    with_hooks,
    second_order,
    accumulated_second_order,
    writes_and_views,
    checkpointed,
    transformed,
    watched,
    several_outputs,
]


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_a_graph_goes_when_its_tensors_go(program: Callable[[Tensor], list[Any]]) -> None:
    x = Tensor([0.5, 1.5, 2.5], requires_grad=True)
    results = program(x)
    references: list[Any] = []
    nodes = topological_order([t.node for t in results if t.node is not None])
    references += [weakref.ref(node) for node in nodes]
    references += [weakref.ref(t) for t in results]
    references += [weakref.ref(t.data) for t in results if t.data.base is None]
    for node in nodes:
        for value in node.saved or ():
            if isinstance(value, np.ndarray) and value is not x.data and value.base is not x.data:
                references.append(weakref.ref(value))
    assert len(references) > 2
    value = node = None  # the loops' variables, too
    del results, nodes
    left = [r() for r in references if r() is not None]
    assert left == []
    x_alive = weakref.ref(x)
    x.grad = None
    del x
    assert x_alive() is None


@pytest.mark.usefixtures("_no_collector")
def test_a_module_and_its_graph_go_at_once() -> None:
    nn = pytest.importorskip("nn")
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    out = model(np.ones((2, 3)))
    loss = (out * out).mean()
    loss.backward()
    references = [weakref.ref(v) for v in (model, out, loss, loss.node, *model.parameters())]
    del model, out, loss
    assert [r() for r in references if r() is not None] == []


@pytest.mark.usefixtures("_no_collector")
def test_no_cycles_are_left_for_the_collector() -> None:
    gc.collect()
    for program in PROGRAMS:
        if program is several_outputs:  # its primitive, a class's worth of closures, is a cycle
            continue
        program(Tensor([0.5, 1.5], requires_grad=True))
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        found = [o for o in gc.garbage if isinstance(o, Tensor | Node | np.ndarray)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert found == []


@pytest.mark.usefixtures("_no_collector")
def test_saved_arrays_go_as_backward_goes() -> None:
    x = Tensor(np.ones(3), requires_grad=True)
    alive: list[weakref.ref[Any]] = []
    counts: list[int] = []

    def link(t: Tensor) -> Tensor:
        out = np.exp(t * 0.1)
        alive.append(weakref.ref(out.data))  # exp saves its output, and nothing else holds it
        out.register_hook(lambda g: counts.append(sum(r() is not None for r in alive)))
        return out

    y = x
    for _ in range(5):
        y = link(y)
    total = y.sum()
    del y
    assert sum(r() is not None for r in alive) == 5
    total.backward()
    assert counts == [5, 4, 3, 2, 1]
    assert not any(r() is not None for r in alive)
    assert len(topological_order([total.node])) == 11  # the structure stays, to be drawn


@pytest.mark.usefixtures("_no_collector")
def test_only_what_rules_read_is_kept() -> None:
    x = Tensor(np.ones(3), requires_grad=True)

    def alive_after(function: Callable[[Tensor], Tensor]) -> bool:
        between = x * 2
        reference = weakref.ref(between.data)
        out = function(between)
        del between
        kept = reference() is not None
        assert out.requires_grad
        return kept

    for function in (lambda t: t + 1, lambda t: t - 1, lambda t: t.sum(), lambda t: -t, np.exp):
        assert not alive_after(function)
    for function in (lambda t: t * t, np.sin, lambda t: t * x):
        assert alive_after(function)
    constant = Tensor(np.ones(3))
    assert not alive_after(lambda t: t * constant)  # only constant is read
    with no_grad():
        y = np.sin(x * 2)
    assert y.node is None


@pytest.mark.usefixtures("_no_collector")
def test_hooks_do_not_keep_tensors_alive() -> None:
    x = Tensor(np.ones(3), requires_grad=True)
    y = x * 2
    y.retain_grad()
    z = (y * 3).sum()
    reference = weakref.ref(y)
    del y
    assert reference() is None
    z.backward()  # a tensor that is gone needs no gradient
    assert x.grad.data.tolist() == [6.0, 6.0, 6.0]


# ---------------------------------------------------------------------------------- source lines


def line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_source_is_the_users_line() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    results = [(np.exp(x), line()), (x * 2, line()), (x.sum(axis=0), line()), (x[0], line())]
    results += [(np.mean(x), line()), (2 - x, line()), (x @ np.ones(2), line())]
    results += [(np.concatenate([x, x]), line()), (x.reshape(-1), line()), (x.T, line())]
    nodes = [(out.node, expected) for out, expected in results]
    y = x * 1
    y[0] = 5.0
    nodes.append((y.node, line() - 1))
    y += 1
    nodes.append((y.node, line() - 1))
    for node, expected in nodes:
        assert node is not None
        assert node.source == f"{__file__}:{expected}", node


def test_source_whoever_called_last() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    elsewhere: dict[str, Any] = {}
    exec(
        compile("def f(x):\n\n    return x.relu(), x.relu(), relu(x)", "elsewhere.py", "exec"),
        elsewhere,
    )
    elsewhere["relu"] = F.relu

    def within(x: Tensor) -> tuple[Tensor, int]:
        return F.relu(x), line()

    for _ in range(3):  # directly, by way of the library, by way of the library's own functions
        for out, expected in (
            (x.relu(), line()),
            (F.relu(x), line()),
            within(x),
            (relu(x), line()),
            (F.relu6(x), line()),
            (F.relu(x), line()),
            within(x),
        ):
            assert out.node is not None
            assert out.node.source == f"{__file__}:{expected}"
        for out in elsewhere["f"](x):
            assert out.node.source == "elsewhere.py:3"


def test_source_where_no_user_called() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    before = F.relu(x)  # from here, which is not where the next call comes from
    outs: list[Any] = []
    _thread.start_new_thread(outs.extend, (map(F.relu, [x, x]),))  # all in C
    end = time.monotonic() + 10
    while len(outs) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(outs) == 2
    for out in outs:
        assert "_activation.py" in out.node.source
    for out, expected in ((F.relu(x), line()), (before, line() - 9)):
        assert out.node is not None
        assert out.node.source == f"{__file__}:{expected}"


def test_source_over_several_lines_is_a_line_of_the_call() -> None:
    x = Tensor([1.0], requires_grad=True)
    first = line() + 1
    y = np.add(
        x,
        1.0,
    )
    assert y.node is not None
    name, number = y.node.source.rsplit(":", 1)
    assert name == __file__
    assert first <= int(number) <= first + 3


def test_source_inside_a_module_is_the_users_call() -> None:
    nn = pytest.importorskip("nn")
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    out = model(np.ones((2, 3)))
    expected = line() - 1
    nodes = topological_order([out.node])
    assert {node.source for node in nodes} == {f"{__file__}:{expected}"}
    assert "model.0: Linear(" in repr(nodes[0])

    class Own(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * 2

    x = Tensor([1.0], requires_grad=True)
    out = Own()(x)
    assert out.node.source == f"{__file__}:{line() - 4}"


def test_source_of_a_transformed_function() -> None:
    sources = []

    def f(t: Any) -> Any:
        y = np.exp(t)
        sources.append((y.node.source, line() - 1))
        return y.sum()

    func.grad(f)(np.ones(2))
    func.hessian(f)(np.ones(2))
    assert len(sources) == 2
    for source, expected in sources:
        assert source == f"{__file__}:{expected}"


def test_repr_of_a_node() -> None:
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    assert repr((x * 2).node) == "<Node multiply: 2×3 float32>"
    assert repr(x.sum().node) == "<Node sum: scalar float32>"
