"""Networks drawn unit by unit and as blocks: the numbers are those of the network."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import numpy as np
import pytest

import nn
import nn.models
from autograd import draw_network

SVG = "{http://www.w3.org/2000/svg}"


def parsed(diagram):
    return ElementTree.fromstring(diagram.to_svg())


def words(diagram):
    return [element.text for element in parsed(diagram).iter(f"{SVG}text")]


def ones_and_zeros(*sizes):
    model = nn.models.MLP(list(sizes), activation=nn.Sigmoid).double()
    for parameter in model.parameters():
        parameter.data[...] = 1.0 if parameter.ndim == 2 else 0.0
    return model


def test_a_3_2_3_1_network_with_its_numbers():
    diagram = draw_network(ones_and_zeros(3, 2, 3, 1), [2.0, 4.0, 3.0], precision=7)
    text = words(diagram)
    assert len(list(parsed(diagram).iter(f"{SVG}circle"))) == 9
    assert len(list(parsed(diagram).iter(f"{SVG}path"))) == 3 * 2 + 2 * 3 + 3
    assert text.count("0.9998766") == 2
    assert text.count("z = 9") == 2
    assert text.count("z = 1.999753") == 3
    assert text.count("0.8807712") == 3
    assert text.count("δ = 0.1050133") == 3
    assert text.count("δ = 3.886943e-05") == 2
    assert "2.642313" in text
    assert text.count("b = 0") == 6


def test_symbols():
    text = words(draw_network(ones_and_zeros(3, 2, 3, 1), symbols=True))
    assert {"w¹₁₁", "w¹₂₃", "w²₃₂", "w³₁₃", "b¹₂", "b³₁"} <= set(text)
    assert len([word for word in text if word.startswith("w")]) == 15


def test_labels_do_not_cover_each_other():
    diagram = draw_network(ones_and_zeros(3, 2, 3, 1), symbols=True)
    places = [
        (float(e.get("x")), float(e.get("y")))
        for e in parsed(diagram).iter(f"{SVG}text")
        if (e.text or "").startswith("w")
    ]
    for i, (x, y) in enumerate(places):
        for u, v in places[i + 1 :]:
            assert abs(x - u) > 20 or abs(y - v) > 9


def test_xor_from_matrices():
    def relu(z):
        return np.maximum(z, 0.0)

    xor = [(np.ones((2, 2)), np.array([0.0, -1.0])), np.array([[1.0, -2.0]])]
    outputs = []
    for x in ([0, 0], [0, 1], [1, 0], [1, 1]):
        text = words(draw_network(xor, x, activation=relu))
        outputs.append(text[text.index("ŷ") + 1])
    assert outputs == ["0", "1", "1", "0"]


def test_signs_and_sizes_of_weights_are_seen():
    paths = list(parsed(draw_network([np.array([[2.0, -1.0]])])).iter(f"{SVG}path"))
    first, second = paths
    assert first.get("stroke") != second.get("stroke")
    assert first.get("stroke-dasharray") is None
    assert second.get("stroke-dasharray") is not None
    assert float(first.get("stroke-width")) > float(second.get("stroke-width"))


def cascade():
    rng = np.random.default_rng(0)
    sizes = [3, 1, 1, 2]
    return {(a, b): rng.normal(size=(sizes[b], sizes[a])) for b in range(1, 4) for a in range(b)}


def test_lines_that_skip_layers_pass_units_by():
    root = parsed(draw_network(cascade(), weights=False))
    circles = [
        np.array([float(c.get("cx")), float(c.get("cy"))]) for c in root.iter(f"{SVG}circle")
    ]
    lines = list(root.iter(f"{SVG}path"))
    assert len(lines) == 3 + 3 + 1 + 2 * (3 + 1 + 1)
    for line in lines:
        start, end = (
            np.array([float(v) for v in point.split()])
            for point in line.get("d").removeprefix("M").split("L")
        )
        for centre in circles:
            t = np.clip((centre - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1)
            distance = np.linalg.norm(start + t * (end - start) - centre)
            assert distance > 20.8  # its own units end a line at their rim


def test_frozen_and_trained_weights_are_marked():
    hidden = {(0, 1), (0, 2), (1, 2)}
    diagram = draw_network(cascade(), weights=False, frozen=hidden)
    squares = list(parsed(diagram).iter(f"{SVG}polygon"))
    crosses = [p for p in parsed(diagram).iter(f"{SVG}path") if p.get("stroke") == "#777777"]
    assert len(squares) == 2 * (3 + 1 + 1)
    assert len(crosses) == 2 * (3 + 3 + 1)


def test_wide_layers_are_cut_short():
    text = words(draw_network(nn.models.MLP([100, 30, 2])))
    assert "88 more" in text
    assert "18 more" in text
    assert "x₁₀₀" in text


def test_names():
    text = words(draw_network([np.ones((1, 2))], names=[["height", "age"], ["risk"]]))
    assert {"height", "age", "risk"} <= set(text)


def test_an_affine_network_with_two_outputs_has_no_deltas():
    text = words(draw_network([np.ones((2, 2))], [1.0, 2.0]))
    assert "z = 3" in text
    assert not any(word.startswith("δ") for word in text)


def test_drawing_leaves_the_model_as_it_was():
    model = nn.models.MLP([2, 3, 1])
    draw_network(model, [1.0, 2.0])
    assert all(parameter.grad is None for parameter in model.parameters())
    for module in model.modules():
        assert not list(getattr(module, "_forward_hooks", {}) or {})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: draw_network("net"), TypeError, "cannot draw a str"),
        (
            lambda: draw_network([np.ones((2, 3)), np.ones((2, 3))]),
            ValueError,
            "layer 1 has 2 units",
        ),
        (lambda: draw_network({(1, 0): np.ones((1, 1))}), ValueError, "only forward"),
        (lambda: draw_network({(0, 2): np.ones((1, 1))}), ValueError, "numbered"),
        (lambda: draw_network([np.ones((1, 2))], [1.0]), ValueError, "2 inputs"),
        (lambda: draw_network(nn.Conv2d(1, 1, 3)), TypeError, "pass an example"),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make()


# ------------------------------------------------------------------------------------- blocks


def test_blocks_of_lenet():
    diagram = draw_network(nn.models.LeNet(), (1, 1, 32, 32))
    text = words(diagram)
    shapes = [
        word for word in text if word and "×" in word and word[0].isdigit() and " " not in word
    ]
    assert shapes == ["1×32×32", "6×28×28", "6×14×14", "16×10×10", "16×5×5", "120×1×1"]
    for count in ("156 parameters", "2,416 parameters", "48,120 parameters", "10,164 parameters"):
        assert count in text
    assert "850 parameters" in text
    assert "Conv2d 5×5" in text
    assert "+ Tanh" in text


def test_blocks_are_as_large_as_their_tensors_and_stand_apart():
    root = parsed(draw_network(nn.models.LeNet(), (1, 1, 32, 32)))
    fronts = []
    for polygon in root.iter(f"{SVG}polygon"):
        if polygon.find(f"{SVG}title") is not None:
            corners = np.array(
                [[float(v) for v in p.split(",")] for p in polygon.get("points").split()]
            )
            fronts.append((corners.min(0), corners.max(0)))
    heights = [high[1] - low[1] for low, high in fronts]
    assert heights[1] > heights[2] > heights[4] > heights[5]
    for (_, high), (low, _) in pairwise(fronts):
        assert high[0] < low[0]


def test_equal_blocks_are_counted():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), *[nn.Conv2d(4, 4, 3, padding=1) for _ in range(5)])
    text = words(draw_network(model, (1, 1, 8, 8)))
    assert "Conv2d 3×3 ×5" in text


def test_modules_with_branches_stay_closed():
    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)
            self.short = nn.Conv2d(2, 2, 1)

        def forward(self, x):
            return self.conv(x) + self.short(x)

    model = nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), Around(), nn.Flatten())
    text = words(draw_network(model, (1, 1, 6, 6)))
    assert "Around" in text
    assert "Conv2d 1×1" not in text


def test_save(tmp_path):
    diagram = draw_network(ones_and_zeros(2, 2, 1))
    for ending, start in (("svg", b"<svg"), ("html", b"<!doctype")):
        path = tmp_path / f"net.{ending}"
        diagram.save(path)
        assert path.read_bytes().startswith(start)
    with pytest.raises(ValueError, match="endings"):
        diagram.save(tmp_path / "net.bmp")
    pytest.importorskip("matplotlib")
    for ending, start in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
        path = tmp_path / f"net.{ending}"
        diagram.save(path)
        assert path.read_bytes().startswith(start)
    assert "<svg" in diagram._repr_html_()
