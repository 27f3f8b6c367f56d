"""Pictures: what is in them, that nothing overlaps, and that equal graphs look equal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

import autograd
import nn
from autograd import GraphError, Tensor, draw
from autograd.drawing._figure import Group

from .samples import neuron, stack, tangle

HERE = Path(__file__).parent
SVG = "{http://www.w3.org/2000/svg}"


def words(svg: str) -> list[str]:
    """All text in a picture."""
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def overlap(a, b, slack=0.01):
    return (
        a[0] + slack < b[0] + b[2]
        and b[0] + slack < a[0] + a[2]
        and a[1] + slack < b[1] + b[3]
        and b[1] + slack < a[1] + a[3]
    )


def inside(inner, outer):
    return (
        outer[0] <= inner[0]
        and outer[1] <= inner[1]
        and inner[0] + inner[2] <= outer[0] + outer[2] + 1e-6
        and inner[1] + inner[3] <= outer[1] + outer[3] + 1e-6
    )


def points_along(path, count=12):
    """Points on a path of M, L and C commands."""
    at = np.zeros(2)
    found = []
    for letter, values in path:
        p = np.array(values, float).reshape(-1, 2)
        t = np.linspace(0, 1, count)[:, None]
        if letter == "L":
            found.append(at + (p[0] - at) * t)
        elif letter == "C":
            found.append(
                (1 - t) ** 3 * at
                + 3 * (1 - t) ** 2 * t * p[0]
                + 3 * (1 - t) * t**2 * p[1]
                + t**3 * p[2]
            )
        at = p[-1]
    return np.concatenate(found)


def check_geometry(scene, figure):
    """Boxes apart from each other and in their frames, edges from box to box around the others."""
    rects = {item.id: rect for item, rect in scene.boxes}
    frames = {group.id: rect for group, rect, _ in scene.frames}
    for a, b in combinations(rects.values(), 2):
        assert not overlap(a, b)
    for key, rect in {**rects, **frames}.items():
        around = figure.parent(key)
        if around:
            assert inside(rect, frames[around])
        for other, frame in frames.items():
            if other != key and other not in figure.around(key) and other not in _in(figure, key):
                assert not overlap(rect, frame)
    for stroke in scene.strokes:
        points = points_along(stroke.path)
        for key, (x, y, w, h) in rects.items():
            if key in (stroke.source, stroke.target):
                continue
            hit = (
                (points[:, 0] > x + 1)
                & (points[:, 0] < x + w - 1)
                & (points[:, 1] > y + 1)
                & (points[:, 1] < y + h - 1)
            )
            assert not hit.any(), f"{stroke.source} → {stroke.target} runs through {key}"


def _in(figure, group):
    return {key for key in (*figure.boxes, *figure.groups) if group in figure.around(key)}


# ------------------------------------------------------------------------------------- geometry


@pytest.mark.parametrize("direction", ["forward", "both"])
@pytest.mark.parametrize("seed", range(8))
def test_nothing_lies_on_anything_else(seed, direction):
    drawing = draw(tangle(25, seed), direction=direction)
    check_geometry(drawing.scene, drawing.figure)


@pytest.mark.parametrize("fold", [None, 0, 1, 2, True, False])
def test_nothing_lies_on_anything_else_in_modules(fold):
    _, loss = stack()
    drawing = draw(loss, fold=fold)
    check_geometry(drawing.scene, drawing.figure)


def test_values_flow_downwards():
    drawing = draw(tangle(40, 3))
    top = {item.id: rect[1] for item, rect in drawing.scene.boxes}
    assert all(top[s.source] < top[s.target] for s in drawing.scene.strokes)


def test_every_edge_is_drawn_once():
    graph = tangle(30, 1).graph
    drawing = draw(graph)
    assert len(drawing.scene.strokes) == len(graph.edges)


def test_a_chain_is_straight():
    x = Tensor(np.ones(3), requires_grad=True, name="x")
    scene = draw(x.exp().tanh().sum(), values=False).scene
    centres = {round(rect[0] + rect[2] / 2, 3) for _, rect in scene.boxes}
    assert len(centres) == 1


def test_parameters_do_not_bend_the_flow():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
    drawing = draw(model, np.ones((1, 3)), values=False)
    flow = [
        rect[0] + rect[2] / 2
        for item, rect in drawing.scene.boxes
        if item.id.startswith(("linear", "tanh"))
    ]
    assert len(flow) == 3
    assert max(flow) - min(flow) < 45


# --------------------------------------------------------------------------------------- content


def test_svg_is_well_formed_and_names_everything():
    text = words(draw(neuron(), direction="both", legend=True, title="a <neuron>").to_svg())
    for word in ("x", "w", "b", "z", "×", "sum", "+", "sigmoid", "a <neuron>"):
        assert word in text
    assert "2 float64" in text


def test_values_and_gradients_are_written_in_full():
    graph = neuron()
    text = words(draw(graph).to_svg())
    assert "[1 -2]" in text
    assert "0.1" in text
    gradient = graph["b"].gradient
    assert gradient is not None
    assert f"∂L/∂b = {float(gradient):.4g}" in text


def test_values_can_be_left_out():
    svg = draw(neuron(), values=False).to_svg()
    assert "[1 -2]" not in svg
    assert "∂L/∂" not in svg
    text = words(draw(neuron(), gradients=False).to_svg())
    assert "[1 -2]" in text
    assert not any("∂L/∂" in word for word in text)


def test_large_values_are_summed_up_and_alarms_raised():
    data = np.arange(1000.0)
    data[3:5] = np.nan
    data[7] = np.inf
    with np.errstate(invalid="ignore"):
        text = words(draw(Tensor(data, requires_grad=True, name="x") * 2.0).to_svg())
    assert "⚠ 2 NaN, 1 Inf" in text
    finite = data[np.isfinite(data)]
    assert f"mean {finite.mean():.4g}  std {finite.std():.4g}" in text
    assert "min 0  max 999" in text


def test_each_kind_has_its_own_form_and_colour():
    model = nn.Linear(2, 1)
    svg = draw(lambda x: model(x) * 3.0, np.ones((1, 2)), fold=False).to_svg()
    looks = {}
    for kind in ("operation", "leaf", "parameter", "constant", "result"):
        pattern = rf'<g class="box {kind}".*?<(rect|polygon) .*?fill="(#\w+)" stroke="(#\w+)"'
        found = re.search(pattern, svg, re.DOTALL)
        assert found, kind
        looks[kind] = found.groups()
    assert len(set(looks.values())) == len(looks)


@pytest.mark.parametrize(
    ("direction", "forward", "backward"),
    [("forward", True, False), ("backward", False, True), ("both", True, True)],
)
def test_forward_and_backward_edges_differ(direction, forward, backward):
    x = Tensor(2.0, requires_grad=True)
    scene = draw(x.exp().tanh(), direction=direction).scene
    assert any(not s.backward for s in scene.strokes) is forward
    assert any(s.backward for s in scene.strokes) is backward
    styles = {(s.backward, s.colour, s.dash) for s in scene.strokes}
    assert len(styles) == forward + backward


def test_no_gradient_flows_to_a_constant():
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    scene = draw(x * np.ones(2), direction="both").scene
    assert not any(s.backward for s in scene.strokes if s.target.startswith("constant"))
    assert any(not s.backward for s in scene.strokes if s.source.startswith("constant"))


def test_edges_are_as_wide_as_their_gradient():
    def shrink(x):
        for _ in range(4):
            x = x * 0.01
        return x.sum()

    drawing = draw(shrink, np.ones(3), edge_weight="gradient", direction="backward")
    strokes = [s for s in drawing.scene.strokes if s.backward]
    widths = {s.target: s.width for s in strokes if ":" not in s.target}
    chain = [widths[key] for key in ("leaf_1",) if key in widths]
    inner = [s.width for s in strokes if s.target.endswith(":value")]
    assert chain[0] < min(inner)
    assert max(s.width for s in strokes) > 4 * chain[0]


def test_shapes_stand_on_edges():
    _, loss = stack()
    labels = [label.text for label in draw(loss, fold=1).scene.labels]
    assert "5×3" in labels
    assert "5×1" in labels


def test_a_folded_group_says_a_shape_once():
    labels = draw(tangle(700)).scene.labels
    assert len({(label.text, label.y) for label in labels}) == len(labels)


def test_drawn_after_backward():
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    loss = (x * x).sum()
    before = [item.id for item, _ in draw(loss, intermediates=False).scene.boxes]
    loss.backward()
    after = draw(loss, intermediates=False)
    assert [item.id for item, _ in after.scene.boxes] == before
    assert "∂L/∂x = [2 4]" in words(after.to_svg())


def test_a_function_is_drawn_with_its_parameters_names_and_leaves_no_gradients():
    weight = Tensor(np.ones(3), requires_grad=True, name="weight")

    def score(signal, offset):
        return ((signal * weight) + offset).sum()

    drawing = draw(score, np.ones(3), 2.0)
    assert {"signal", "offset", "weight"} <= {node.name for node in drawing.graph}
    assert drawing.graph["weight"].gradient is not None
    assert weight.grad is None


def test_drawing_a_model_leaves_it_as_it_was():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    before = {name: np.array(value) for name, value in model.state_dict().items()}
    drawing = draw(model, np.random.default_rng(0).normal(size=(5, 3)))
    assert drawing.error is None
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(np.asarray(value), before[name], err_msg=name)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training


def test_results_are_called_like_the_variables_they_are_assigned_to():
    def f(x):
        squared = x * x
        for _ in range(2):
            squared = np.tanh(squared)
            other = squared + 1.0
        return other.sum()

    names = {node.id: node.name for node in draw(f, np.ones(2)).graph if node.name}
    # `squared` is assigned on two lines: no name is better than a wrong one.
    assert names == {"leaf_1": "x", "add_1": "other"}

    def g(x):
        squared = x * x + 1.0
        return squared.sum()

    names = {node.id: node.name for node in draw(g, np.ones(2)).graph if node.name}
    assert names == {"leaf_1": "x", "add_1": "squared"}


def test_several_tensors():
    x = Tensor(1.0, requires_grad=True)
    a, b = x.exp(), x.tanh()
    for drawing in (draw(a, b), draw([a, b]), draw({"a": a, "b": b})):
        assert {node.operation for node in drawing.graph.outputs} == {"exp", "tanh"}


# ------------------------------------------------------------------------------- groups, folding


def test_modules_are_frames_and_fold_by_depth():
    _, loss = stack()
    frames = {group.title for group, _, _ in draw(loss, fold=False).scene.frames}
    assert any(title.startswith("first: Linear(") for title in frames)
    folded = draw(loss, fold=1)
    boxes = {item.lines[0].text for item, _ in folded.scene.boxes if isinstance(item, Group)}
    assert "Block ×4" in boxes
    outermost = draw(loss, fold=0)
    assert sum(isinstance(item, Group) for item, _ in outermost.scene.boxes) == 1


def test_modules_of_different_shapes_are_not_grouped():
    sizes = [2, 3, 4, 5, 6]
    model = nn.Sequential(nn.Flatten(), *[nn.Linear(a, b) for a, b in pairwise(sizes)])
    drawing = draw(model, np.ones((1, 2)), fold=1)
    assert not any("×4" in item.lines[0].text for item, _ in drawing.scene.boxes)


def test_a_module_called_twice_is_shown_twice():
    layer = nn.Linear(2, 2)

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(self.layer(x))

    model = Twice()
    graph = model(np.ones((1, 2), np.float32)).sum().graph
    assert [call.call for call in graph.modules.values() if call.name == "layer"] == [1, 2]
    assert sum(node.name == "weight" for node in graph) == 1  # one parameter, read twice
    drawing = draw(graph)
    assert any("(call 2)" in group.title for group, _, _ in drawing.scene.frames)
    check_geometry(drawing.scene, drawing.figure)


def test_large_graphs_are_folded_and_quick():
    x = Tensor(1.0, requires_grad=True, name="x")
    y = x
    for _ in range(10_000):
        y = y * x
    start = time.perf_counter()
    drawing = draw(y)
    svg = drawing.to_svg()
    assert time.perf_counter() - start < 60
    assert len(drawing.graph) == 10_001
    assert len(drawing.scene.boxes) < 60
    assert len(svg) < 200_000
    assert sum(item.count for item, _ in drawing.scene.boxes if isinstance(item, Group)) == 10_000


def test_two_thousand_nodes_can_be_drawn_unfolded():
    drawing = draw(tangle(2_600), fold=False)
    assert len(drawing.graph) > 2_000
    assert len(drawing.scene.boxes) == len(drawing.graph)
    assert len(drawing.scene.strokes) == len(drawing.graph.edges)


# -------------------------------------------------------------------------------------- failures


def test_a_failed_forward_is_marked():
    def broken(x, w):
        return (x.exp() @ w.tanh()).sum()

    drawing = draw(broken, np.ones((2, 3)), np.ones((2, 3)))
    assert isinstance(drawing.error, ValueError)
    (failed,) = [node for node in drawing.graph if node.failed]
    assert failed.operation == "matmul"
    assert [node.operation for node in drawing.graph.inputs_of(failed)] == ["exp", "tanh"]
    svg = drawing.to_svg()
    assert '<g class="box failed"' in svg
    clashing = [label.text for label in drawing.scene.labels if label.colour == "#d55e00"]
    assert clashing == ["2×3", "2×3"]


def test_a_failed_module_is_named():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(5, 2))
    drawing = draw(model, np.ones((1, 3), np.float32))
    assert drawing.error is not None
    (failed,) = [node for node in drawing.graph if node.failed]
    assert failed.operation in ("Linear", "linear")
    assert "4" in failed.failed
    assert "5" in failed.failed
    assert [node.operation for node in drawing.graph.inputs_of(failed)][:1] == ["tanh"]


def test_a_failure_at_the_first_operation():
    drawing = draw(lambda x: x @ np.ones((4, 2)), np.ones((1, 3)))
    (failed,) = [node for node in drawing.graph if node.failed]
    assert drawing.graph.inputs_of(failed)[0].name == "x"
    check_geometry(drawing.scene, drawing.figure)


def test_what_was_recorded_before_an_error_can_be_drawn():
    x = Tensor(np.ones(3), requires_grad=True, name="x")
    record = autograd.record_values()
    with pytest.raises(ValueError, match="add"), record:
        x.exp() + np.ones(4)
    drawing = draw(record)
    assert [node.operation for node in drawing.graph if node.failed] == ["add"]


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        (lambda: draw(Tensor(1.0)), GraphError, "requires_grad=True"),
        (lambda: draw(3), TypeError, "cannot draw a int"),
        (lambda: draw("model"), TypeError, "cannot draw a str"),
        (lambda: draw(Tensor(1.0, requires_grad=True), direction="up"), ValueError, "direction"),
        (lambda: draw(Tensor(1.0, requires_grad=True), fold=-1), ValueError, "fold"),
        (lambda: draw(Tensor(1.0, requires_grad=True), edge_weight="x"), ValueError, "edge_weight"),
        (lambda: draw(lambda x: x.detach(), 1.0), GraphError, "returned nothing"),
    ],
)
def test_bad_input(what, error, message):
    with pytest.raises(error, match=message):
        what()


def test_bad_files(tmp_path):
    drawing = draw(neuron())
    with pytest.raises(ValueError, match=r"\.svg, \.png"):
        drawing.save(tmp_path / "graph.jpeg")
    with pytest.raises(FileNotFoundError, match="no folder"):
        drawing.save(tmp_path / "nowhere" / "graph.svg")
    (tmp_path / "taken.svg").mkdir()
    with pytest.raises(OSError, match="cannot write"):
        drawing.save(tmp_path / "taken.svg")
    with pytest.raises(ValueError, match="engine"):
        drawing.save(tmp_path / "graph.svg", engine="neato")


# --------------------------------------------------------------------------------------- formats


def test_save_every_format(tmp_path):
    pytest.importorskip("matplotlib")
    drawing = draw(neuron(), direction="both", title="neuron")
    starts = {
        "svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF", "html": b"<!doctype html>",
        "dot": b"digraph", "mmd": b"flowchart", "json": b"{", "txt": b"add",
    }  # fmt: skip
    for ending, start in starts.items():
        path = drawing.save(tmp_path / f"graph.{ending}")
        assert Path(path).read_bytes().startswith(start)


def test_png_shows_something(tmp_path):
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    path = draw(neuron()).save(tmp_path / "graph.png", engine="matplotlib")
    with image.open(path) as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.min() < 60
    assert (pixels > 250).mean() > 0.3
    assert 0.01 < (pixels < 200).mean() < 0.5


def test_dot_engine_where_present(tmp_path):
    drawing = draw(neuron())
    from autograd.drawing._raster import has_dot

    if not has_dot():
        with pytest.raises(RuntimeError, match="not installed"):
            drawing.save(tmp_path / "graph.svg", engine="dot")
        return
    path = drawing.save(tmp_path / "graph.svg", engine="dot")
    assert "sigmoid" in Path(path).read_text()


def fake_dot(folder, monkeypatch, script):
    """Put a program called dot in front of all others."""
    program = folder / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for dot")
def test_png_and_pdf_come_from_dot_where_there_is_one(tmp_path, monkeypatch):
    fake_dot(tmp_path, monkeypatch, 'cat > "$0.source"; echo "drawn $*"')
    path = draw(neuron()).save(tmp_path / "graph.png")
    assert Path(path).read_text() == "drawn -Kdot -Tpng\n"
    assert "digraph" in (tmp_path / "dot.source").read_text()
    assert Path(draw(neuron()).save(tmp_path / "graph.svg")).read_text().startswith("<svg")


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for dot")
def test_a_broken_dot(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    fake_dot(tmp_path, monkeypatch, "cat > /dev/null; echo no such format >&2; exit 1")
    with pytest.raises(RuntimeError, match="dot failed: no such format"):
        draw(neuron()).save(tmp_path / "graph.svg", engine="dot")
    path = draw(neuron()).save(tmp_path / "graph.png")
    assert Path(path).read_bytes().startswith(b"\x89PNG")


def test_shows_itself_in_notebooks():
    drawing = draw(neuron())
    html = drawing._repr_html_()
    assert "<svg" in html
    assert "<script" not in html
    assert "<svg" in drawing.graph._repr_html_()


def test_json_holds_the_graph():
    graph = neuron()
    data = json.loads(graph.to_json())
    assert [node["id"] for node in data["nodes"]] == [node.id for node in graph]
    assert len(data["edges"]) == len(graph.edges)
    w = next(node for node in data["nodes"] if node.get("name") == "w")
    assert w["value"] == [0.5, 0.25]
    assert w["gradient"] == pytest.approx(np.asarray(graph["w"].gradient).tolist())


@pytest.mark.parametrize(
    "name", ['a "quoted" <b> & c', "back\\slash\\N", "zero\x00byte", "two\nlines", "|#;{}", "µ²→名"]
)
def test_any_name_can_be_drawn(name, tmp_path):
    x = Tensor(1.0, requires_grad=True, name=name)
    drawing = draw(x.exp(), title=name)
    ElementTree.fromstring(drawing.to_svg())
    for ending in ("html", "dot", "mmd", "json"):
        drawing.save(tmp_path / f"graph.{ending}")
    bare = re.sub(r'"(\\.|[^"\\])*"', "", drawing.to_dot())
    assert bare.count("{") == bare.count("}") == 1
    assert len(drawing.to_mermaid().splitlines()) == len(draw(x.exp()).to_mermaid().splitlines())


@pytest.mark.parametrize(
    "array",
    [
        np.ones((0, 3)),
        np.array(1 + 2j),
        np.ones((2, 2), complex),
        np.float32(3),
        np.ones((2, 3, 4)),
    ],
    ids=str,
)
def test_any_array_can_be_drawn(array):
    drawing = draw(lambda x: x * 2.0, np.asarray(array))
    ElementTree.fromstring(drawing.to_svg())
    json.loads(drawing.graph.to_json())


def test_a_single_leaf_can_be_drawn():
    svg = draw(Tensor([1.0, 2.0], requires_grad=True, name="alone")).to_svg()
    assert "alone" in words(svg)


def test_json_survives_nan():
    with np.errstate(invalid="ignore"):
        graph = (Tensor([np.nan, np.inf, 1.0], requires_grad=True) * 2.0).graph
    data = json.loads(graph.to_json(), parse_constant=pytest.fail)
    assert data["nodes"][0]["value"] == ["nan", "inf", 1.0]


def test_networkx():
    networkx = pytest.importorskip("networkx")
    graph = neuron()
    made = graph.to_networkx()
    assert list(made.nodes) == [node.id for node in graph]
    assert made.number_of_edges() == len(graph.edges)
    assert networkx.is_directed_acyclic_graph(made)


GOLDEN = {
    "neuron.dot": lambda: draw(neuron(), direction="both").to_dot(),
    "neuron.mmd": lambda: draw(neuron(), direction="both").to_mermaid(),
    "neuron.json": lambda: neuron().to_json(),
    "neuron.txt": lambda: neuron().to_text() + "\n",
    "stack.dot": lambda: draw(stack()[1], fold=2).to_dot(),
    "stack.txt": lambda: stack()[1].graph.to_text() + "\n",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_files(name):
    """Run with UPDATE_GOLDEN=1 to write them anew after a change that is meant."""
    file = HERE / "golden" / name
    text = re.sub(r"samples\.py:\d+", "samples.py", GOLDEN[name]())
    # The last digits are the machine's.
    text = re.sub(r"-?\d+\.\d{6,}(e-?\d+)?", lambda match: f"{float(match[0]):.9g}", text)
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_brackets_balance_in_dot():
    dot = draw(stack()[1], fold=False).to_dot()
    bare = re.sub(r'"(\\.|[^"\\])*"', "", dot)
    assert bare.count("{") == bare.count("}")
    assert bare.count("subgraph") == sum(
        bool(key) for key in draw(stack()[1], fold=False).figure.groups
    )


def test_bytes_do_not_depend_on_the_run():
    program = (
        "import sys; sys.path.insert(0, '.')\n"
        "from tests.autograd.drawing.samples import neuron, stack, tangle\n"
        "from autograd import draw\n"
        "import hashlib\n"
        "for g in (neuron(), stack()[1].graph, tangle(60).graph):\n"
        "    d = draw(g, direction='both')\n"
        "    for text in (d.to_svg(), d.to_dot(), d.to_html(), g.to_json(), d.to_mermaid()):\n"
        "        print(hashlib.sha256(text.encode()).hexdigest())\n"
    )
    seen = set()
    for seed in ("1", "77"):
        run = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=HERE.parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(run.stdout)
    assert len(seen) == 1
