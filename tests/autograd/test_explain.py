"""Explain mode: symbols and numbers of worked examples, line by line."""

from __future__ import annotations

import re

import numpy as np
import pytest

import autograd
import nn
import nn.models
from autograd import GraphError, Tensor, explain


def network(x, W0, b0, W1, b1, W2, b2):
    z1 = W0 @ x + b0
    a1 = z1.sigmoid()
    z2 = W1 @ a1 + b1
    a2 = z2.sigmoid()
    y = W2 @ a2 + b2
    return y


SHAPES = {"W0": (2, 3), "b0": (2,), "W1": (3, 2), "b1": (3,), "W2": (1, 3), "b2": (1,)}


def lines_of(explanation):
    """From symbol to the numbers on the right of its line."""
    found = {}
    for line in (*explanation.forward, *explanation.backward):
        left, *_, right = line.split(" = ")
        body = right.removeprefix(r"\begin{bmatrix} ").removesuffix(r" \end{bmatrix}")
        rows = [[float(v) for v in row.split("&")] for row in body.split(r"\\")]
        found[left] = np.array(rows)
    return found


def test_backpropagation_by_hand_through_a_3_2_3_1_network():
    """All weights 1, all biases 0, x = (2, 4, 3): every number as printed in the worked example."""
    parameters = [
        np.ones(shape) if len(shape) == 2 else np.zeros(shape) for shape in SHAPES.values()
    ]
    told = explain(network, np.array([2.0, 4.0, 3.0]), *parameters, decimals=11, layout="numerator")
    numbers = lines_of(told)
    printed = {
        "z_{1}": [[9], [9]],
        "a_{1}": [[0.99987660542]] * 2,
        "z_{2}": [[1.99975321085]] * 3,
        "a_{2}": [[0.88077116426]] * 3,
        "y": [[2.6423134928]],
        "D_{y}": [[1]],
        "D_{W_{2}}": [[0.88077116426]] * 3,
        "D_{b_{2}}": [[1]],
        "D_{a_{2}}": [[1, 1, 1]],
        "D_{z_{2}}": [[0.10501332046] * 3],
        "D_{b_{1}}": [[0.10501332046] * 3],
        "D_{W_{1}}": [[0.10500036239] * 3] * 2,
        "D_{a_{1}}": [[0.31503996138] * 2],
        "D_{z_{1}}": [[0.00003886942] * 2],
        "D_{b_{0}}": [[0.00003886942] * 2],
        "D_{W_{0}}": [[0.00007773884] * 2, [0.00015547768] * 2, [0.00011660826] * 2],
    }
    order = list(numbers)
    assert [key for key in order if key in printed] == [
        "z_{1}", "a_{1}", "z_{2}", "a_{2}", "y",
        "D_{y}", "D_{b_{2}}", "D_{W_{2}}", "D_{a_{2}}", "D_{z_{2}}", "D_{b_{1}}", "D_{W_{1}}",
        "D_{a_{1}}", "D_{z_{1}}", "D_{b_{0}}", "D_{W_{0}}",
    ]  # fmt: skip
    for key, expected in printed.items():
        assert numbers[key].shape == np.shape(expected), key
        np.testing.assert_allclose(numbers[key], expected, rtol=0, atol=5e-11, err_msg=key)
    formulas = told.to_markdown()
    for formula in (
        r"a_{1} = \sigma(z_{1})",
        r"D_{z_{2}} = D_{a_{2}} \odot a_{2} \odot (1 - a_{2})",
        r"\,W_{1} = ",
    ):
        assert formula in formulas


def test_the_other_layout_is_that_of_the_gradients():
    parameters = [
        np.ones(shape) if len(shape) == 2 else np.zeros(shape) for shape in SHAPES.values()
    ]
    numbers = lines_of(explain(network, np.array([2.0, 4.0, 3.0]), *parameters, decimals=11))
    weights = numbers[r"\frac{\partial y}{\partial W_{0}}"]
    assert weights.shape == (2, 3)
    np.testing.assert_allclose(weights[0], [7.773885e-05, 1.5547770e-04, 1.1660828e-04], atol=5e-11)


def test_scalars_are_worked_out_with_numbers():
    def f(a, b):
        c = a * b
        d = c + a
        return d

    told = explain(f, 2.0, -3.0)
    assert told.forward[2] == r"c = a \cdot b = 2 \cdot (-3) = -6"
    text = told.to_markdown()
    assert r"\left(\frac{\partial d}{\partial a}\right)^{[1]}" in text
    assert text.rstrip().splitlines()[-2].endswith("= -2$")  # 1 by the sum, -3 by the product


def test_layers_are_numbered():
    model = nn.models.MLP([3, 2, 1], activation=nn.Sigmoid)
    text = explain(model, np.ones((1, 3), np.float32)).to_markdown()
    for symbol in ("W^{(1)}", "b^{(2)}", "z^{(1)}", r"a^{(1)} = \sigma(z^{(1)})"):
        assert symbol in text


def test_an_operation_without_a_formula_is_named():
    told = explain(lambda x: np.cumsum(x).sum(), np.ones(3))
    assert any(r"\operatorname{cumsum}" in line for line in told.forward)
    assert any(r"J_{\mathrm{cumsum}}^\top" in line for line in told.backward)


def test_latex_brackets_balance(tmp_path):
    told = explain(network, np.ones(3), *[np.ones(s) for s in SHAPES.values()])
    for text in (told.to_latex(), told.to_markdown()):
        assert text.count("{") == text.count("}")
        assert text.count(r"\begin") == text.count(r"\end")
        assert not re.search(r"\^\{[^{}]*\}\^", text)  # a double exponent
    assert told.to_latex().startswith(r"\begin{align*}")
    path = told.save(tmp_path / "chain.tex")
    assert path.endswith("chain.tex")
    with pytest.raises(ValueError, match=r"\.md or \.tex"):
        told.save(tmp_path / "chain.pdf")


def test_a_recorded_graph_can_be_explained():
    x = Tensor(2.0, requires_grad=True, name="x")
    with autograd.record_values():
        y = x.exp()
        y.backward()
    told = explain(y)
    assert told.forward[0] == "x = 2"
    assert any("7.38906" in line for line in told.backward)


def test_too_large_and_failing_computations():
    def long(x):
        for _ in range(200):
            x = x + 1.0
        return x

    with pytest.raises(GraphError, match="one line per operation"):
        explain(long, 1.0)
    with pytest.raises(ValueError, match="matmul"):
        explain(lambda a, b: a @ b, np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="layout"):
        explain(lambda a: a.exp(), 1.0, layout="other")


def test_an_affine_layer():
    x = Tensor([[1.0, 2.0]], requires_grad=True, name="x")
    w = Tensor([[3.0, 4.0]], requires_grad=True, name="w")
    b = Tensor([5.0], requires_grad=True, name="b")

    def without(x, w):
        return nn.functional.linear(x, w).sum()

    def layer(x, w, b):
        return nn.functional.linear(x, w, b).sum()

    assert any(line.endswith("16") for line in explain(layer, x, w, b).forward)
    assert any(r"x\,w^\top + b" in line for line in explain(layer, x, w, b).forward)
    assert not any("+" in line for line in explain(without, x, w).forward)
    for layout, parts in (
        ("denominator", (r"\,w = ", r"^\top x = ", r"\textstyle\sum")),
        ("numerator", (r"= w^\top ", r"\,x)^\top = ", r"\textstyle\sum")),
    ):
        told = "\n".join(explain(layer, x, w, b, layout=layout).backward)
        for part in parts:
            assert part in told
