"""Small networks written in plain NumPy on tensors: outputs and gradients known in numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad
from autograd.func import jacrev, per_example_grad
from autograd.primitives.elementwise import relu, sigmoid, softplus
from autograd.primitives.reduction import softmax

Function = Callable[..., Any]
Layers = Sequence[tuple[Any, Any]]


def forward(x: Any, layers: Layers, activation: Function) -> tuple[Any, list[Any], list[Any]]:
    """Output, pre-activations and activations; the last layer is linear."""
    pre, post = [], [x]
    for weight, bias in layers:
        pre.append(weight @ post[-1] + bias)
        post.append(activation(pre[-1]))
    return pre[-1], pre, post


def leaves(layers: Layers) -> list[tuple[Tensor, Tensor]]:
    return [
        (
            Tensor(np.asarray(w, float), requires_grad=True),
            Tensor(np.asarray(b, float), requires_grad=True),
        )
        for w, b in layers
    ]


# ------------------------------------------------- 3-2-3-1, all weights 1, all biases 0, sigmoid

ONES = [
    (np.ones((2, 3)), np.zeros(2)),
    (np.ones((3, 2)), np.zeros(3)),
    (np.ones((1, 3)), np.zeros(1)),
]

BY_HAND = [
    # x, then what every unit of a layer has alike
    (
        (2.0, 4.0, 3.0),
        {
            "z1": 9.0,
            "a1": 0.99987660542,
            "z2": 1.99975321085,
            "a2": 0.88077116426,
            "y": 2.642313492794482,
            "d_z2": 0.10501332046440794,
            "d_a1": 0.3150399613932238,
            "d_z1": 3.886942558666468e-05,
            "d_w1": 0.10500036239025631,  # left out in print
            "d_w0": (7.773885117332936e-05, 1.5547770234665873e-04, 1.1660827675999405e-04),
        },
    ),
    (
        (1.0, 0.0, 5.0),
        {
            "z1": 6.0,
            "a1": 0.997527376843,
            "z2": 1.995054753687,
            "a2": 0.880276880294,
            "y": 2.6408306408827285,
            "d_z2": 0.10538949431367806,
            "d_a1": 0.31616848294103417,
            "d_z1": 7.798325008092346e-04,
            "d_w1": 0.10512890580957204,
            "d_w0": (7.798325008092346e-04, 0.0, 3.899162504046173e-03),
        },
    ),
]


@pytest.mark.parametrize(("x", "numbers"), BY_HAND)
def test_back_propagation_worked_by_hand(x: Any, numbers: dict[str, Any]) -> None:
    layers = leaves(ONES)
    y, (z1, z2, z3), (_, a1, a2, _) = forward(np.array(x), layers, sigmoid)
    middle = (z1, a1, z2, a2, z3)
    d_z1, d_a1, d_z2, d_a2, d_z3 = grad(y, middle, retain_graph=True)
    y.backward()
    close = {"rtol": 1e-12, "atol": 5e-12}
    for tensor, name in ((z1, "z1"), (a1, "a1"), (z2, "z2"), (a2, "a2"), (y, "y")):
        np.testing.assert_allclose(tensor.data, numbers[name], **close)
    for gradient, expected in (
        (d_z3, 1),
        (d_a2, 1),
        (d_z2, numbers["d_z2"]),
        (d_a1, numbers["d_a1"]),
        (d_z1, numbers["d_z1"]),
    ):
        np.testing.assert_allclose(gradient.data, expected, rtol=1e-12)
    (w0, b0), (w1, b1), (w2, b2) = layers
    np.testing.assert_allclose(w2.grad.data, [[numbers["a2"]] * 3], **close)
    np.testing.assert_allclose(b2.grad.data, [1])
    np.testing.assert_allclose(w1.grad.data, numbers["d_w1"], rtol=1e-12)
    np.testing.assert_allclose(b1.grad.data, numbers["d_z2"], rtol=1e-12)
    # Printed transposed, with entry (i, j) the derivative by w_ji.
    np.testing.assert_allclose(w0.grad.data, [numbers["d_w0"]] * 2, rtol=1e-12)
    np.testing.assert_allclose(b0.grad.data, numbers["d_z1"], rtol=1e-12)


INPUTS = np.array([[2.0, 4.0, 3.0], [1.0, 0.0, 5.0]])
TARGETS = np.array([5.0, -1.0])


def squared(layers: Layers) -> Any:
    outputs = [forward(x, layers, sigmoid)[0] for x in INPUTS]
    return np.mean((np.concatenate(outputs) - TARGETS) ** 2)


def test_loss_of_two_examples_and_its_gradient() -> None:
    layers = leaves(ONES)
    loss = squared(layers)
    loss.backward()
    assert loss.item() == pytest.approx(9.407166710924749, rel=1e-14)
    (w0, b0), (w1, b1), (w2, b2) = layers
    row = [0.00265595422320545, -0.000366567680994033, 0.013921264557766808]
    for leaf, expected in (
        (w0, [row, row]),
        (b0, 0.002747596143453958),
        (w1, 0.1351986038547671),
        (b1, 0.13611681138859144),
        (w2, 1.1283567483130588),
        (b2, 1.2831441336772103),
    ):
        np.testing.assert_allclose(
            leaf.grad.data, np.broadcast_to(expected, leaf.shape), rtol=1e-11
        )


def test_descent_fits_the_two_examples_exactly() -> None:
    layers = leaves(ONES)
    parameters = [p for layer in layers for p in layer]
    for step in range(2000):
        loss = squared(layers)
        for p, g in zip(parameters, grad(loss, parameters)):
            p.data -= 0.1 * g.data
        if step == 0:
            assert squared(layers).item() == pytest.approx(9.037423947115297, rel=1e-13)
    assert squared(layers).item() < 1e-25


def test_cross_entropy_of_the_two_examples() -> None:
    outputs = np.concatenate([forward(x, leaves(ONES), sigmoid)[0] for x in INPUTS])
    p = sigmoid(outputs)
    np.testing.assert_allclose(p.data, [0.933535653389086, 0.9334435879487021], rtol=1e-13)
    loss = np.mean(softplus(outputs) - np.array([1.0, 0.0]) * outputs)
    assert loss.item() == pytest.approx(1.389240756445812, rel=1e-13)


def test_weights_as_single_numbers_or_as_matrices() -> None:
    """Every weight and bias a variable of its own gives the same 21 derivatives."""
    values = np.random.default_rng(0).uniform(-1, 1, 21)
    single = [Tensor(v, requires_grad=True) for v in values]
    w = iter(single)

    def units(inputs: Sequence[Any], count: int, activation: Function) -> list[Any]:
        rows = []
        for _ in range(count):
            total = sum((next(w) * x for x in inputs), 0.0)
            rows.append(activation(total + next(w)))
        return rows

    (y,) = units(units(units([2.0, 4.0, 3.0], 2, sigmoid), 3, sigmoid), 1, lambda z: z)
    y.backward()

    def network(vector: Any) -> Any:
        a: Any = np.array([2.0, 4.0, 3.0])
        start = 0
        for inputs, outputs in ((3, 2), (2, 3), (3, 1)):
            stop = start + outputs * (inputs + 1)
            layer = np.reshape(vector[start:stop], (outputs, inputs + 1))
            z = layer @ np.concatenate([a, [1.0]])
            a, start = sigmoid(z), stop
        return z[0]

    np.testing.assert_allclose(
        [v.grad.item() for v in single], jacrev(network)(values).data, rtol=1e-12
    )


# ----------------------------------------------------------------- 3-2-3-1 with whole numbers

# Weights printed transposed; one row per output here.
NUMBERED = [
    ([[2, -1, -2], [1, 4, 5]], [2, 3]),
    ([[-3, 7], [2, 3], [1, -5]], [3, 7, -1]),
    ([[-9, 4, 7]], [6]),
]
OUTPUTS = [
    ("relu", relu, (-1829, -1472, -621)),
    ("identity", lambda z: +z, (-3264, -2746, -1076)),
    ("tanh", np.tanh, (-5.999989240758, -5.999989258467, -5.999601877528)),
    ("sigmoid", sigmoid, (1.017877755941, 1.017582032924, 1.039478191478)),
]


@pytest.mark.parametrize(
    ("activation", "expected"), [pytest.param(f, e, id=name) for name, f, e in OUTPUTS]
)
def test_outputs_of_a_network_of_whole_numbers(activation: Function, expected: Any) -> None:
    for x, y in zip(((2.0, 4, 3), (1.0, 0, 5), (1.0, 1, 1)), expected):
        got = forward(np.array(x), leaves(NUMBERED), activation)[0]
        assert got.item() == pytest.approx(y, abs=5e-13 * max(1, abs(y)))


WHOLE_GRADIENTS = [
    (
        "relu",
        relu,
        ([[0, 0, 0], [-102, -204, -153]], [0, -51]),
        ([[0, -324], [0, 144], [0, 0]], [-9, 4, 0]),
        ([[255, 115, 0]], [1]),
    ),
    (
        "identity",
        lambda z: +z,
        ([[84, 168, 126], [-172, -344, -258]], [42, -86]),
        ([[36, -324], [-16, 144], [-28, 252]], [-9, 4, 7]),
        ([[267, 107, -185]], [1]),
    ),
]


@pytest.mark.parametrize(
    ("activation", "expected"), [pytest.param(r[1], r[2:], id=r[0]) for r in WHOLE_GRADIENTS]
)
def test_gradients_of_a_network_of_whole_numbers(activation: Function, expected: Any) -> None:
    layers = leaves(NUMBERED)
    y, pre, _ = forward(np.array([2.0, 4.0, 3.0]), layers, activation)
    np.testing.assert_array_equal(pre[0].data, [-4, 36])
    y.backward()
    for (w, b), (d_w, d_b) in zip(layers, expected):
        np.testing.assert_array_equal(w.grad.data, d_w)
        np.testing.assert_array_equal(b.grad.data, d_b)


# ------------------------------------------------------------------------------------- logic gates

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
XOR = np.array([0.0, 1.0, 1.0, 0.0])  # one table prints 1 in the last place


def step(z: Any) -> Any:
    return np.heaviside(z, 0.0)


def test_xor_by_two_rectified_units() -> None:
    hidden = relu(Tensor(CORNERS) @ np.ones((2, 2)) + np.array([0.0, -1.0]))
    np.testing.assert_array_equal(hidden.data, [[0, 0], [1, 0], [1, 0], [2, 1]])
    np.testing.assert_array_equal((hidden @ np.array([1.0, -2.0])).data, XOR)


LINEAR_FITS = [
    ("without bias", CORNERS, [1 / 3, 1 / 3], 2 / 3),
    ("with bias", np.column_stack([CORNERS, np.ones(4)]), [0, 0, 0.5], 0.5),
]


@pytest.mark.parametrize(
    ("X", "best", "least"), [pytest.param(*row[1:], id=row[0]) for row in LINEAR_FITS]
)
def test_no_linear_model_fits_xor(X: Any, best: Any, least: float) -> None:
    def half_squares(w: Any) -> Any:
        return 0.5 * np.sum((X @ w - XOR) ** 2)

    w, *_ = np.linalg.lstsq(Tensor(X), XOR)
    np.testing.assert_allclose(w.data, best, atol=1e-15)
    np.testing.assert_allclose(jacrev(half_squares)(w.data).data, 0, atol=1e-14)
    assert half_squares(w).item() == pytest.approx(least)


def test_gates_of_threshold_units() -> None:
    x1, x2 = CORNERS.T
    np.testing.assert_array_equal(step(3 - 2 * x1 - 2 * x2), [1, 1, 1, 0])  # NAND
    both = step(x1 + x2 - 1.5)
    np.testing.assert_array_equal(step(x1 + x2 - 2 * both - 0.5), XOR)  # with a shortcut
    np.testing.assert_array_equal(step(step(x1 + x2 - 0.5) - both - 0.5), XOR)


def test_threshold_at_zero() -> None:
    """Strictly more than 0 in one text, at least 0 in another."""
    assert np.heaviside(Tensor(0.0), 0.0).item() == 0
    assert np.heaviside(Tensor(0.0), 1.0).item() == 1


# ------------------------------------------------------------------------------ chains and branches


def test_value_used_twice_collects_both_gradients() -> None:
    x = Tensor(2.0, requires_grad=True)
    a, b = x**2, 3 * x
    loss = a * b
    da, db, dx = grad(loss, (a, b, x))
    assert (loss.item(), da.item(), db.item(), dx.item()) == (24, 6, 4, 36)


def test_chain_of_four_weights() -> None:
    weights = [Tensor(w, requires_grad=True) for w in (2.0, 3.0, 4.0, 5.0)]
    y = Tensor(1.0)
    for w in weights:
        y = w * y
    loss = (y - 100) ** 2
    gradients = grad(loss, [y, *weights])
    assert y.item() == 120
    assert [g.item() for g in gradients] == [40, 2400, 1600, 1200, 960]


def test_differences_against_back_propagation() -> None:
    """For x³ at 2 with a step of 1e-3: one-sided 12.006001, central 12.000001, exact 12."""
    x, h = Tensor(2.0, requires_grad=True), 1e-3
    (exact,) = grad(x**3, x)
    assert exact.item() == 12
    assert ((2 + h) ** 3 - 8) / h == pytest.approx(12.006001, abs=1e-9)
    assert ((2 + h) ** 3 - (2 - h) ** 3) / (2 * h) == pytest.approx(12.000001, abs=1e-9)


def test_affine_maps_compose_to_an_affine_map() -> None:
    rng = np.random.default_rng(0)
    W1, W2, b1, b2 = (rng.standard_normal(s) for s in ((4, 3), (2, 4), 4, 2))
    x = rng.standard_normal(3)

    def network(x: Any) -> Any:
        return W2 @ (W1 @ x + b1) + b2

    np.testing.assert_allclose(network(Tensor(x)).data, W2 @ W1 @ x + W2 @ b1 + b2)
    np.testing.assert_allclose(jacrev(network)(x).data, W2 @ W1)
    np.testing.assert_allclose(network(np.zeros(3)), W2 @ b1 + b2)


def test_bias_as_a_weight_of_a_constant_input() -> None:
    rng = np.random.default_rng(1)
    W, b, x = rng.standard_normal((2, 3)), rng.standard_normal(2), rng.standard_normal(3)
    joined = Tensor(np.column_stack([W, b]), requires_grad=True)
    y = joined @ np.append(x, 1)
    np.testing.assert_allclose(y.data, W @ x + b)
    delta = np.array([1.0, -2.0])
    y.backward(delta)
    np.testing.assert_allclose(joined.grad.data[:, :3], np.outer(delta, x))
    np.testing.assert_allclose(joined.grad.data[:, 3], delta)


# --------------------------------------------------------------- the equations of back-propagation


def network(seed: int = 0) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(seed)
    sizes = (3, 5, 4, 2)
    return [
        (rng.standard_normal((n, m)) / 2, rng.standard_normal(n) / 2) for m, n in pairwise(sizes)
    ]


@pytest.mark.parametrize("activation", [np.tanh, sigmoid, relu])
def test_four_equations(activation: Function) -> None:
    """δᴸ = ∇J ∘ f', δˡ = (Wᵀδ) ∘ f', ∂J/∂W = δ aᵀ, ∂J/∂b = δ; the recursion starts at L - 1."""
    layers = leaves(network())
    x, target = np.array([0.5, -1.0, 2.0]), np.array([1.0, -0.5])
    y, pre, post = forward(x, layers, activation)
    loss = 0.5 * np.sum((y - target) ** 2)
    deltas = grad(loss, pre, retain_graph=True)
    loss.backward()
    delta = y.data - target
    for index in (2, 1, 0):
        np.testing.assert_allclose(deltas[index].data, delta)
        w, b = layers[index]
        inputs = post[index].data if index else x
        np.testing.assert_allclose(w.grad.data, np.outer(delta, inputs))
        np.testing.assert_allclose(b.grad.data, delta)
        if index:
            slope = jacrev(activation)(pre[index - 1].data).data.diagonal()
            delta = (w.data.T @ delta) * slope


def test_batches_as_rows_or_columns() -> None:
    """∂E/∂W = δᵀa / m with examples as rows is the mean of the gradients of single examples."""
    rng = np.random.default_rng(2)
    X, T = rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
    layers = network()

    def loss(parameters: Any, x: Any, t: Any) -> Any:
        a = x
        for position, (w, b) in enumerate(parameters):
            a = a @ w.T + b
            if position < 2:
                a = np.tanh(a)
        return 0.5 * np.sum((a - t) ** 2, axis=-1)

    whole = leaves(layers)
    np.mean(loss(whole, X, T)).backward()
    singles = [leaves(layers) for _ in X]
    for x, t, parameters in zip(X, T, singles):
        loss(parameters, x, t).backward()
    columns = leaves(layers)
    a: Any = X.T
    for position, (w, b) in enumerate(columns):
        a = w @ a + b[:, None]
        if position < 2:
            a = np.tanh(a)
    (np.sum((a - T.T) ** 2) / 12).backward()
    for index in range(3):
        for part in range(2):
            mean = np.mean([p[index][part].grad.data for p in singles], axis=0)
            np.testing.assert_allclose(whole[index][part].grad.data, mean, atol=1e-14)
            np.testing.assert_allclose(columns[index][part].grad.data, mean, atol=1e-14)


def test_per_example_gradients_at_once() -> None:
    rng = np.random.default_rng(3)
    w, X, t = rng.standard_normal(3), rng.standard_normal((5, 3)), rng.standard_normal(5)

    def loss(w: Any, x: Any, t: Any) -> Any:
        return np.sum(0.5 * (x @ w - t) ** 2)

    got = per_example_grad(loss)(w, X, t)
    np.testing.assert_allclose(got.data, (X @ w - t)[:, None] * X)


def test_units_one_by_one_with_shortcuts() -> None:
    """The recursion unit by unit, where any unit may feed any later one."""
    rng = np.random.default_rng(4)
    inputs, units = 3, 8
    weights = np.tril(rng.standard_normal((units, units)), -1)
    weights[:inputs] = 0
    x = np.array([0.4, -0.3, 0.9])
    w = Tensor(weights, requires_grad=True)
    a: list[Any] = [Tensor(v) for v in x]
    s: list[Any] = [None] * inputs
    for i in range(inputs, units):
        s.append(sum(w[i, j] * a[j] for j in range(i)))
        a.append(np.tanh(s[i]))
    loss = 0.5 * ((a[6] - 1.0) ** 2 + (a[7] + 1.0) ** 2)
    loss.backward()
    values = [t.item() for t in a]
    slope = [1 - v**2 for v in values]
    delta = np.zeros(units)
    for i in range(units - 1, inputs - 1, -1):
        own = (values[i] - 1) if i == 6 else (values[i] + 1) if i == 7 else 0.0
        later = sum(delta[k] * weights[k, i] for k in range(i + 1, units))
        delta[i] = slope[i] * (own + later)
    expected = np.tril(np.outer(delta, values), -1)
    np.testing.assert_allclose(w.grad.data, expected, atol=1e-15)


def test_equal_weights_stay_equal() -> None:
    """Units that start alike get the same gradients for ever: in effect one unit per layer."""
    layers = leaves([(np.full((4, 3), 0.5), np.full(4, 0.5)), (np.full((1, 4), 0.5), np.zeros(1))])
    parameters = [p for layer in layers for p in layer]
    for _ in range(5):
        y = forward(np.array([1.0, -2.0, 0.5]), layers, sigmoid)[0]
        for p, g in zip(parameters, grad(np.sum((y - 3) ** 2), parameters)):
            p.data -= 0.1 * g.data
    weight = layers[0][0].data
    np.testing.assert_array_equal(weight, np.broadcast_to(weight[0], (4, 3)))
    assert not np.allclose(weight, 0.5)


@pytest.mark.parametrize("activation", [relu, np.tanh])
def test_all_zero_weights_move_the_last_bias_only(activation: Function) -> None:
    layers = leaves([(np.zeros((4, 3)), np.zeros(4)), (np.zeros((1, 4)), np.zeros(1))])
    y = forward(np.array([1.0, -2.0, 0.5]), layers, activation)[0]
    np.sum((y - 3) ** 2).backward()
    (w1, b1), (w2, b2) = layers
    assert not w1.grad.data.any()
    assert not b1.grad.data.any()
    assert not w2.grad.data.any()
    assert b2.grad.item() == -6


def test_symmetries_of_tanh_networks() -> None:
    """w₂ tanh(w₁ x) = (-w₂) tanh(-w₁ x), and hidden units may change places."""
    rng = np.random.default_rng(5)
    w1, w2, x = rng.standard_normal((4, 3)), rng.standard_normal((2, 4)), rng.standard_normal(3)
    y = (w2 @ np.tanh(w1 @ Tensor(x))).data
    order = rng.permutation(4)
    np.testing.assert_allclose(((-w2) @ np.tanh(-w1 @ Tensor(x))).data, y)
    np.testing.assert_allclose((w2[:, order] @ np.tanh(w1[order] @ Tensor(x))).data, y)


@pytest.mark.parametrize("n", [2, 3])
def test_positive_inputs_move_all_weights_of_a_unit_the_same_way(n: int) -> None:
    """So that only 2 of the 2ⁿ sign patterns occur."""
    rng = np.random.default_rng(6)
    patterns = set()
    for _ in range(200):
        w = Tensor(rng.standard_normal(n), requires_grad=True)
        x, t = rng.uniform(0.1, 1, n), rng.integers(0, 2)
        z = np.sum(w * x)
        (g,) = grad(softplus(z) - t * z, w)
        patterns.add(tuple(np.sign(g.data)))
    assert patterns == {(1.0,) * n, (-1.0,) * n}


def test_second_order_units() -> None:
    """sᵢ = Σ w_ijk a_j a_k with a constant a₀ = 1 contains linear and constant terms."""
    rng = np.random.default_rng(7)
    w, a = rng.standard_normal((2, 4, 4)), np.append(1.0, rng.standard_normal(3))
    weights, units = Tensor(w, requires_grad=True), Tensor(a, requires_grad=True)
    s = np.einsum("ijk,j,k->i", weights, units, units)
    delta = np.array([1.0, -2.0])
    s.backward(delta)
    np.testing.assert_allclose(weights.grad.data, np.einsum("i,j,k->ijk", delta, a, a))
    both = w + w.swapaxes(1, 2)
    np.testing.assert_allclose(units.grad.data, np.einsum("i,ijk,k->j", delta, both, a))


def test_gradient_that_trains_a_unit_against_residuals() -> None:
    """For C = Σ_k |Σ_n (aⁿ - ā)(εⁿ_k - ε̄_k)|, ∂C/∂w_j = Σ_k sign_k Σ_n (εⁿ_k - ε̄_k) f'(sⁿ) xⁿ_j.

    The sign belongs to each k, inside the sum over k.
    """
    rng = np.random.default_rng(8)
    X, residuals, w = (
        rng.standard_normal((9, 3)),
        rng.standard_normal((9, 2)),
        rng.standard_normal(3),
    )
    centred = residuals - residuals.mean(0)

    def covariance(w: Any) -> Any:
        a = np.tanh(X @ w)
        return np.sum(np.abs(np.sum((a - np.mean(a))[:, None] * centred, axis=0)))

    a = np.tanh(X @ w)
    signs = np.sign((a - a.mean()) @ centred)
    expected = X.T @ ((centred @ signs) * (1 - a**2))
    np.testing.assert_allclose(jacrev(covariance)(w).data, expected)


def test_bumps_of_steps_approximate_a_function() -> None:
    """Two threshold units per bin: heights at the midpoints, error at most slope times w / 2."""

    def f(x: Any) -> Any:
        return np.sin(3 * x)

    for bins in (10, 100):
        edges = np.linspace(0, 1, bins + 1)
        middles = (edges[1:] + edges[:-1]) / 2
        x = np.linspace(0.001, 0.999, 997)
        bumps = step(x[:, None] - edges[:-1]) - step(x[:, None] - edges[1:])
        approximation = bumps @ f(Tensor(middles))
        assert np.max(np.abs(approximation.data - f(x))) <= 3 / bins / 2 + 1e-12


def test_feature_layer_then_softmax_uses_the_whole_jacobian() -> None:
    """δ = f' ∘ ∂L/∂a holds for functions of single units; softmax couples them."""
    s = np.array([0.2, -0.4, 1.0])
    target = np.array([0.1, 0.7, 0.2])
    by_engine = jacrev(lambda s: np.sum((softmax(s) - target) ** 2))(s).data
    p = softmax(s)
    np.testing.assert_allclose(by_engine, (np.diag(p) - np.outer(p, p)) @ (2 * (p - target)))
