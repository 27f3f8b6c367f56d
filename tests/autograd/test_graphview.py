"""The graph object: nodes, edges, ids, ways through it, modules, and what was recorded."""

from __future__ import annotations

import numpy as np
import pytest

import autograd
import nn
from autograd import GraphError, Tensor, graph_of, record_values


def diamond():
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    a, b = x.exp(), np.tanh(x)
    return x, (a * b).sum()


def test_topological_order_and_links_both_ways():
    _, y = diamond()
    graph = y.graph
    position = {node.id: i for i, node in enumerate(graph)}
    for edge in graph.edges:
        assert position[edge.source] < position[edge.target]
        assert edge.source in graph[edge.target].inputs
        assert graph[edge.target] in graph.users_of(edge.source)
    assert [node.step for node in graph] == list(range(len(graph)))


def test_what_a_node_says():
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True, name="x")
    y = x.sum(axis=1, keepdims=True)
    y.name = "total"
    graph = y.graph
    node = graph["total"]
    assert (node.id, node.kind, node.operation) == ("sum_1", "operation", "sum")
    assert node.attributes["axis"] == 1
    assert node.attributes["keepdims"] is True
    assert node.shape == (2, 1)
    assert node.dtype == np.float32
    assert node.is_output
    assert node.source is not None
    assert "test_graphview.py:" in node.source
    leaf = graph["x"]
    assert leaf.kind == "leaf"
    assert leaf.value is x.data
    assert graph.edges[0].shape == (2, 3)


def test_ids_are_the_same_in_every_run():
    first = [node.id for node in diamond()[1].graph]
    diamond()
    assert [node.id for node in diamond()[1].graph] == first == [
        "leaf_1", "exp_1", "tanh_1", "multiply_1", "sum_1",
    ]  # fmt: skip


def test_an_input_used_twice_has_two_edges():
    x = Tensor(3.0, requires_grad=True)
    graph = (x * x).graph
    assert [(edge.source, edge.position) for edge in graph.edges] == [("leaf_1", 0), ("leaf_1", 1)]
    assert graph["multiply_1"].inputs == ("leaf_1", "leaf_1")


def test_ancestors_descendants_and_path():
    _, y = diamond()
    graph = y.graph
    assert [node.id for node in graph.ancestors("multiply_1")] == ["leaf_1", "exp_1", "tanh_1"]
    assert [node.id for node in graph.descendants("exp_1")] == ["multiply_1", "sum_1"]
    way = [node.id for node in graph.path("x", "sum_1")]
    assert way in (
        ["leaf_1", "exp_1", "multiply_1", "sum_1"],
        ["leaf_1", "tanh_1", "multiply_1", "sum_1"],
    )
    assert graph.path("sum_1", "x") == []
    assert [node.id for node in graph.path("exp_1", "exp_1")] == ["exp_1"]


def test_bytes_saved_are_freed_by_backward():
    _, y = diamond()
    before = y.graph["multiply_1"].bytes_saved
    assert before == 2 * 2 * 8
    y.backward()
    assert y.graph["multiply_1"].bytes_saved == 0
    assert len(y.graph) == 5


def test_constants_are_nodes_and_show_what_is_known():
    x = Tensor([1.0, 2.0], requires_grad=True)
    c = np.array([3.0, 4.0])
    graph = (x * c).graph
    (constant,) = [node for node in graph if node.kind == "constant"]
    np.testing.assert_array_equal(constant.value, c)
    assert constant.shape == (2,)
    unknown = (x + c).graph["constant_1"]
    assert unknown.value is None
    with record_values():
        y = x + c
    np.testing.assert_array_equal(y.graph["constant_1"].value, c)


def test_several_outputs_of_one_operation():
    x = Tensor(np.arange(6.0).reshape(3, 2) + np.eye(3, 2), requires_grad=True)
    q, r = np.linalg.qr(x)
    graph = graph_of(q.sum() + r.sum())
    parts = [node for node in graph if node.kind == "output"]
    assert {node.operation for node in parts} == {"qr[0]", "qr[1]"}
    assert {part.shape for part in parts} == {(3, 2), (2, 2)}
    assert all(part.inputs == ("qr_1",) for part in parts)


def test_modules():
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.Linear(3, 1)))
    graph = model(np.ones((4, 2), np.float32)).sum().graph
    assert list(graph.modules) == ["model", "model.0", "model.1", "model.1.0", "model.1.1"]
    assert graph.modules["model.1.1"].label.startswith("Linear(in_features=3")
    assert graph.modules["model.1.1"].class_name == "Linear"
    assert graph.modules["model.1.1"].parent == "model.1"
    parameters = [(node.name, node.module) for node in graph if node.kind == "parameter"]
    assert sorted(parameters) == [
        ("bias", "model.0"), ("bias", "model.1.1"), ("weight", "model.0"), ("weight", "model.1.1"),
    ]  # fmt: skip
    part = graph.subgraph("model.1")
    assert {node.operation for node in part if node.module in part.modules} >= {"tanh", "linear"}
    assert "model.0" not in part.modules
    assert all(edge.source in part and edge.target in part for edge in part.edges)
    with pytest.raises(KeyError, match=r"no module 'model\.9'.*model\.1\.1"):
        graph.subgraph("model.9")


def test_a_loss_beside_the_model_goes_by_its_class():
    model, loss = nn.Linear(2, 3), nn.MSELoss()
    x, y = np.ones((4, 2), np.float32), np.zeros((4, 3), np.float32)
    assert list(loss(model(x), y).graph.modules) == ["model", "MSELoss"]
    assert list(nn.MSELoss()(model(x), y).graph.modules) == ["model", "MSELoss"]  # gone by now
    graph = model(model(np.ones((4, 2), np.float32))[:, :2]).graph
    assert list(graph.modules) == ["model", "model@2"]


def test_lookup_errors_name_the_choices():
    x = Tensor(1.0, requires_grad=True, name="same")
    y = Tensor(1.0, requires_grad=True, name="same")
    graph = (x + y).graph
    with pytest.raises(KeyError, match="no node has the id or name 'z'"):
        graph["z"]
    with pytest.raises(KeyError, match="2 nodes are named 'same': leaf_1, leaf_2"):
        graph["same"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Tensor(1.0).graph, GraphError, "does not require a gradient"),
        (lambda: graph_of(), TypeError, "needs a tensor"),
        (lambda: graph_of(np.ones(2)), TypeError, "got ndarray"),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_recording_nothing_is_an_error():
    with record_values() as record:
        pass
    with pytest.raises(GraphError, match="nothing was recorded"):
        graph_of(record)


def test_a_leaf_alone_is_a_graph():
    x = Tensor([1.0], requires_grad=True, name="x")
    assert [node.id for node in x.graph] == ["leaf_1"]
    assert x.graph["x"].is_output


def test_a_long_chain_needs_no_recursion():
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y + 1.0
    graph = y.graph
    assert len(graph.ancestors(graph.outputs[0])) == len(graph) - 1
    assert len(graph.path("leaf_1", graph.outputs[0])) == 20_001
    assert graph.to_text(max_lines=5).count("\n") == 5


# --------------------------------------------------------------------------------- what is recorded


def test_recorded_values_are_copies():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with record_values():
        y = x * 3.0
    y.data[...] = 0.0
    np.testing.assert_array_equal(graph_of(y.node)["multiply_1"].value, [3.0, 6.0])


def test_recorded_gradients_are_those_of_the_chain_rule():
    x = Tensor([0.5, -1.0], requires_grad=True, name="x")
    with record_values():
        a = np.tanh(x)
        b = a * a
        loss = (b * 2.0).sum()
    loss.backward()
    graph = loss.graph
    np.testing.assert_allclose(graph["multiply_1"].gradient, [2.0, 2.0])
    np.testing.assert_allclose(graph["tanh_1"].gradient, 4 * np.tanh([0.5, -1.0]))
    parts = [edge for edge in graph.edges if edge.source == "tanh_1"]
    assert len(parts) == 2
    np.testing.assert_allclose(sum(edge.gradient for edge in parts), graph["tanh_1"].gradient)
    for edge in parts:
        assert edge.gradient_norm == pytest.approx(np.linalg.norm(edge.gradient))


def test_parts_of_gradients_have_the_shape_of_what_was_broadcast():
    x = Tensor(np.ones((3, 1)), requires_grad=True)
    b = Tensor(np.ones(4), requires_grad=True)
    with record_values():
        loss = (x + b).sum()
    loss.backward()
    shapes = {
        edge.source: edge.gradient.shape for edge in loss.graph.edges if edge.target == "add_1"
    }
    assert shapes == {"leaf_1": (3, 1), "leaf_2": (4,)}


def test_backward_steps_run_from_the_output_to_the_leaves():
    with record_values():
        _, y = diamond()
        y.backward()
    steps = {node.id: node.backward_step for node in y.graph if node.kind == "operation"}
    assert steps["sum_1"] == 0
    assert steps["multiply_1"] == 1
    assert {steps["exp_1"], steps["tanh_1"]} == {2, 3}


def test_recording_changes_no_result_and_ends_with_its_block():
    plain = diamond()
    plain[1].backward()
    with record_values() as record:
        x, y = diamond()
        y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), plain[0].grad.numpy())
    count = len(record.nodes)
    diamond()
    assert len(record.nodes) == count == 4


def test_recording_several_outputs_and_left_out_biases():
    x = Tensor(np.eye(3), requires_grad=True)
    layer = nn.Conv2d(1, 2, 3, bias=False)
    with record_values():
        q, r = np.linalg.qr(x)
        loss = q.sum() + r.sum() + layer(np.ones((1, 1, 5, 5), np.float32)).sum()
    loss.backward()
    kinds = [node for node in loss.graph if node.kind == "constant"]
    assert [node.shape for node in kinds] == [(1, 1, 5, 5)]


def test_gradients_that_were_retained_are_seen_without_recording():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 2.0
    y.retain_grad()
    loss = (y * y).sum()
    loss.backward()
    node = loss.graph["multiply_1"]
    np.testing.assert_array_equal(node.gradient, [4.0, 8.0])
    np.testing.assert_array_equal(node.value, [2.0, 4.0])


def test_the_graph_keeps_no_tensor_alive():
    import gc
    import weakref

    gc.disable()
    try:
        with record_values():
            _, y = diamond()
        y.backward()
        graph = y.graph
        watched = weakref.ref(y.node)
        del y
        assert watched() is None
        assert len(graph) == 5
    finally:
        gc.enable()


def test_importing_autograd_loads_no_reader():
    import subprocess
    import sys

    program = (
        "import sys, autograd\n"
        "assert not [m for m in sys.modules if m.startswith('autograd.drawing')]\n"
        "assert 'autograd._graphview' not in sys.modules\n"
        "assert {'draw', 'graph_of', 'explain', 'profile'} <= set(dir(autograd))\n"
        "assert callable(autograd.draw)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert callable(autograd.draw)
