"""Convolution and pooling: small images worked through by hand, with their gradients.

What layers compute is cross-correlation; true convolution flips the kernel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad
from autograd.func import jacrev
from autograd.primitives.convolution import conv
from autograd.primitives.pooling import avg_pool, max_pool


def correlate(image: Any, kernel: Any, bias: float = 0.0, stride: int = 1, pad: int = 0) -> Any:
    """One image and one kernel, of one or two axes and of one channel."""
    image = image if isinstance(image, Tensor) else np.asarray(image, float)
    kernel = kernel if isinstance(kernel, Tensor) else np.asarray(kernel, float)
    axes = image.ndim
    y = conv(
        image.reshape((1, 1, *image.shape)),
        kernel.reshape((1, 1, *kernel.shape)),
        np.array([bias]),
        (stride,) * axes,
        ((pad, pad),) * axes,
        (1,) * axes,
    )
    return y.reshape(y.shape[2:])


def flipped(kernel: Any) -> Any:
    return np.flip(np.asarray(kernel, float))


COUNT3 = np.arange(1.0, 10).reshape(3, 3)
COUNT4 = np.arange(1.0, 17).reshape(4, 4)
K22 = np.array([[1.0, 2.0], [3.0, 4.0]])
CROSS = np.array([[1.0, 0, 1], [0, 1, 0], [1, 0, 1]])
SHAPES = np.array(
    [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
)
EDGE = np.tile([10.0, 10, 10, 0, 0, 0], (6, 1))
STEP = np.tile([0.0, 0, 0, 1, 1, 1], (5, 1))
VERTICAL = np.array([[1.0, 0, -1]] * 3)
PREWITT_X = -VERTICAL
SOBEL = np.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
SCHARR = np.array([[3.0, 0, -3], [10, 0, -10], [3, 0, -3]])
MISPRINTED_SCHARR = np.array([[3.0, 0, -3], [10, 0, 10], [3, 0, -3]])

VALUES = [
    # name, image, kernel, settings, result
    ("3x3", COUNT3, K22, {}, [[37, 47], [67, 77]]),
    ("3x3 with a bias", COUNT3, K22, {"bias": 0.5}, [[37.5, 47.5], [67.5, 77.5]]),
    ("3x3, true convolution", COUNT3, flipped(K22), {}, [[23, 33], [53, 63]]),
    ("3x3, true, with a bias", COUNT3, flipped(K22), {"bias": 0.5}, [[23.5, 33.5], [53.5, 63.5]]),
    ("4x4", COUNT4, K22, {}, [[44, 54, 64], [84, 94, 104], [124, 134, 144]]),
    ("4x4, true", COUNT4, flipped(K22), {}, [[26, 36, 46], [66, 76, 86], [106, 116, 126]]),
    ("a kernel that flips to itself", SHAPES, CROSS, {}, [[4, 3, 4], [2, 4, 3], [2, 3, 4]]),
    ("the same, true", SHAPES, flipped(CROSS), {}, [[4, 3, 4], [2, 4, 3], [2, 3, 4]]),
    ("differences", EDGE, [[1, -1]], {}, [[0, 0, 10, 0, 0]] * 6),
    ("differences, true", EDGE, [[-1, 1]], {}, [[0, 0, -10, 0, 0]] * 6),
    # Printed with 10 in place of 30: the filter's three rows add up.
    ("vertical edge", EDGE, VERTICAL, {}, [[0, 30, 30, 0]] * 4),
    ("vertical edge, true", EDGE, flipped(VERTICAL), {}, [[0, -30, -30, 0]] * 4),
    ("sobel", EDGE, SOBEL, {}, [[0, 40, 40, 0]] * 4),
    ("scharr", EDGE, SCHARR, {}, [[0, 160, 160, 0]] * 4),
    # With the sign of one entry lost, as printed, the filter answers to a flat region.
    ("scharr as printed", EDGE, MISPRINTED_SCHARR, {}, [[200, 160, 160, 0]] * 4),
    ("no horizontal edge", EDGE, VERTICAL.T, {}, np.zeros((4, 4))),
    ("transposed edge", EDGE.T, VERTICAL.T, {}, np.transpose([[0, 30, 30, 0]] * 4)),
    (
        "same size",
        EDGE,
        VERTICAL,
        {"pad": 1},
        [[-20, 0, 20, 20, 0, 0], *[[-30, 0, 30, 30, 0, 0]] * 4, [-20, 0, 20, 20, 0, 0]],
    ),
    ("stride 2", EDGE, VERTICAL, {"stride": 2}, [[0, 30], [0, 30]]),
    (
        "stride 2, padded",
        EDGE,
        VERTICAL,
        {"stride": 2, "pad": 1},
        [[-20, 20, 0], [-30, 30, 0], [-30, 30, 0]],
    ),
    ("along x", STEP, PREWITT_X, {}, [[0, 3, 3, 0]] * 3),
    ("along x, true", STEP, flipped(PREWITT_X), {}, [[0, -3, -3, 0]] * 3),
    ("no step along x", STEP.T, PREWITT_X, {}, np.zeros((4, 3))),
    ("a line, last element unused", np.arange(6.0), [1, 1, 1], {"stride": 2}, [3, 9]),
    ("a line, full and true", [1, 2, 3], [0.5, 1, 0], {"pad": 2}, [0, 1, 2.5, 4, 1.5]),
]


@pytest.mark.parametrize(
    ("image", "kernel", "settings", "expected"),
    [pytest.param(*row[1:], id=row[0]) for row in VALUES],
)
def test_value(image: Any, kernel: Any, settings: Any, expected: Any) -> None:
    np.testing.assert_allclose(correlate(image, kernel, **settings), expected, atol=1e-12)
    np.testing.assert_allclose(
        correlate(Tensor(np.asarray(image, float)), kernel, **settings).data, expected, atol=1e-12
    )


GRADIENTS = [
    # name, image, δ, gradient of the kernel, gradient of the image
    (
        "4x4",
        COUNT4,
        COUNT3,
        [[348, 393], [528, 573]],
        [[1, 4, 7, 6], [7, 23, 33, 24], [19, 53, 63, 42], [21, 52, 59, 36]],
    ),
    ("3x3", COUNT3, K22, [[37, 47], [67, 77]], [[1, 4, 4], [6, 20, 16], [9, 24, 16]]),
]


@pytest.mark.parametrize(
    ("image", "delta", "by_kernel", "by_image"), [pytest.param(*r[1:], id=r[0]) for r in GRADIENTS]
)
def test_gradients(image: Any, delta: Any, by_kernel: Any, by_image: Any) -> None:
    """The kernel's is the image correlated with δ, unrotated; the image's is δ, padded by the
    kernel's length less one, correlated with the kernel turned by 180 degrees."""
    x, w = Tensor(image, requires_grad=True), Tensor(K22, requires_grad=True)
    b = Tensor([0.0], requires_grad=True)
    y = conv(x.reshape(1, 1, *x.shape), w.reshape(1, 1, 2, 2), b, (1, 1), ((0, 0),) * 2, (1, 1))
    y.backward(delta[None, None])
    np.testing.assert_allclose(w.grad.data, by_kernel)
    np.testing.assert_allclose(x.grad.data, by_image)
    assert b.grad.item() == np.sum(delta)  # one bias per map, not per place
    np.testing.assert_allclose(correlate(image, delta), by_kernel)
    np.testing.assert_allclose(correlate(delta, flipped(K22), pad=1), by_image)


def test_convolution_is_a_sparse_matrix_with_shared_weights() -> None:
    matrix = np.array(
        [
            [1, 2, 0, 3, 4, 0, 0, 0, 0],
            [0, 1, 2, 0, 3, 4, 0, 0, 0],
            [0, 0, 0, 1, 2, 0, 3, 4, 0],
            [0, 0, 0, 0, 1, 2, 0, 3, 4],
        ]
    )
    jacobian = jacrev(lambda x: correlate(x, K22))(COUNT3).data
    np.testing.assert_allclose(jacobian.reshape(4, 9), matrix)
    np.testing.assert_allclose(matrix @ COUNT3.ravel(), correlate(COUNT3, K22).ravel())
    np.testing.assert_allclose(matrix.T @ K22.ravel(), np.ravel(GRADIENTS[1][4]))


def test_unit_sees_its_receptive_field_only() -> None:
    """Of a 3x3 image the first unit of a 2x2 kernel sees pixels 1, 2, 4, 5."""
    x = Tensor(COUNT3, requires_grad=True)
    (g,) = grad(correlate(x, K22)[0, 0], x)
    np.testing.assert_array_equal(np.flatnonzero(g.data), [0, 1, 3, 4])


def test_element_of_the_jacobian() -> None:
    """∂s_ij/∂x_ab = w_(a-i, b-j) where that is an entry of the kernel (printed with i - a once)."""
    w = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0], [2.0, 7.0, 5.0]])
    jacobian = jacrev(lambda x: correlate(x, w))(COUNT4).data
    for i, j, a, b in np.ndindex(2, 2, 4, 4):
        inside = 0 <= a - i < 3 and 0 <= b - j < 3
        assert jacobian[i, j, a, b] == (w[a - i, b - j] if inside else 0)


def test_transposed_convolution_of_a_line() -> None:
    """∂L/∂x_a = w₂ δ_(a-2) + w₁ δ_(a-1) + w₀ δ_a, with δ zero outside 0..4."""
    rng = np.random.default_rng(0)
    w, delta = rng.standard_normal(3), rng.standard_normal(5)
    x = Tensor(rng.standard_normal(7), requires_grad=True)
    y = correlate(x, w)
    np.testing.assert_allclose(
        y.data, [w @ x.data[k : k + 3] for k in range(5)], rtol=1e-13, atol=1e-14
    )
    y.backward(delta)
    padded = np.concatenate([np.zeros(2), delta, np.zeros(2)])
    expected = [w[2] * padded[a] + w[1] * padded[a + 1] + w[0] * padded[a + 2] for a in range(7)]
    np.testing.assert_allclose(x.grad.data, expected, atol=1e-14)


def test_element_that_no_stride_reaches_has_gradient_zero() -> None:
    x = Tensor(np.arange(6.0), requires_grad=True)
    y = correlate(x, [1.0, 2.0, 3.0], stride=2)
    assert y.shape == (2,)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [1, 2, 4, 2, 3, 0])


def test_connections_of_a_first_unit() -> None:
    """To an image of 200 x 200: 40000 of a dense unit, 25 of a unit with a 5 x 5 kernel."""
    rng = np.random.default_rng(7)
    x = Tensor(np.zeros((200, 200)), requires_grad=True)
    dense = np.sum(x * rng.uniform(0.1, 1, (200, 200)))
    shared = correlate(x, rng.uniform(0.1, 1, (5, 5)))
    assert shared.shape == (196, 196)
    assert np.count_nonzero(grad(dense, x)[0].data) == 40000
    assert np.count_nonzero(grad(shared[70, 120], x)[0].data) == 25


def test_windows_of_an_image() -> None:
    """Counted from 1: the window at row 2, column 1 of length 2, and at row 1, column 2 of 3."""
    a = Tensor(COUNT4, requires_grad=True)
    np.testing.assert_array_equal(a[1:3, 0:2].data, [[5, 6], [9, 10]])
    window = a[0:3, 1:4]
    np.testing.assert_array_equal(window.data, [[2, 3, 4], [6, 7, 8], [10, 11, 12]])
    np.sum(window * VERTICAL).backward()  # a Frobenius product: one unit of the map
    expected = np.zeros((4, 4))
    expected[0:3, 1:4] = VERTICAL
    np.testing.assert_array_equal(a.grad.data, expected)
    assert np.sum(window * VERTICAL).item() == correlate(COUNT4, VERTICAL)[0, 1]


def test_full_output_of_a_true_convolution() -> None:
    """Zero outside its support, a kernel of k makes an image of h grow to h + k - 1."""
    full = correlate(COUNT3, flipped(K22), pad=1)
    assert full.shape == (4, 4)
    expected = np.zeros((4, 4))
    for i, j in np.ndindex(3, 3):
        expected[i : i + 2, j : j + 2] += COUNT3[i, j] * K22
    np.testing.assert_allclose(full, expected)


def test_how_many_windows_cover_a_pixel() -> None:
    x = Tensor(np.zeros((6, 6)), requires_grad=True)
    correlate(x, np.ones((3, 3))).sum().backward()
    counts = [1, 2, 3, 3, 2, 1]
    np.testing.assert_array_equal(x.grad.data, np.outer(counts, counts))


SIZES = [
    # length, kernel, stride, padding, outputs: ⌊(n + 2p - f) / s⌋ + 1 (2p is subtracted in print)
    (200, 5, 1, 0, 196),
    (196, 2, 2, 0, 98),
    (98, 5, 1, 0, 94),
    (94, 2, 2, 0, 47),
    (3, 2, 1, 0, 2),
    (28, 5, 1, 0, 24),
    (28, 5, 1, 2, 28),
    (32, 5, 1, 0, 28),
    (28, 2, 2, 0, 14),
    (14, 5, 1, 0, 10),
    (10, 2, 2, 0, 5),
    (5, 5, 1, 0, 1),
    (6, 3, 2, 0, 2),
]


@pytest.mark.parametrize(("length", "kernel", "stride", "padding", "outputs"), SIZES)
def test_output_length(length: int, kernel: int, stride: int, padding: int, outputs: int) -> None:
    y = correlate(np.zeros(length), np.zeros(kernel), stride=stride, pad=padding)
    assert y.shape == (outputs,)


def test_channels_are_summed_and_kernels_stacked() -> None:
    rng = np.random.default_rng(1)
    x, w, b = (
        rng.standard_normal((2, 3, 6, 5)),
        rng.standard_normal((4, 3, 3, 2)),
        rng.standard_normal(4),
    )
    y = conv(Tensor(x), w, b, (1, 1), ((0, 0),) * 2, (1, 1)).data
    assert y.shape == (2, 4, 4, 4)
    for n, o in np.ndindex(2, 4):
        total = sum(correlate(x[n, c], w[o, c]) for c in range(3)) + b[o]
        np.testing.assert_allclose(y[n, o], total, atol=1e-12)


def test_gradient_of_twenty_kernels_goes_back_to_three_channels() -> None:
    """By three filters of depth twenty, each turned by 180 degrees."""
    rng = np.random.default_rng(2)
    w, delta = rng.standard_normal((20, 3, 3, 3)), rng.standard_normal((1, 20, 4, 4))
    x = Tensor(rng.standard_normal((1, 3, 6, 6)), requires_grad=True)
    conv(x, w, None, (1, 1), ((0, 0),) * 2, (1, 1)).backward(delta)
    turned = np.flip(w, (2, 3)).swapaxes(0, 1)
    back = conv(delta, turned, None, (1, 1), ((2, 2),) * 2, (1, 1))
    np.testing.assert_allclose(x.grad.data, back, atol=1e-12)


def test_kernel_as_large_as_the_image_is_a_dense_layer() -> None:
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((5, 2, 3, 4)), rng.standard_normal((6, 2, 3, 4))
    y = conv(Tensor(x), w, None, (1, 1), ((0, 0),) * 2, (1, 1))
    assert y.shape == (5, 6, 1, 1)
    np.testing.assert_allclose(y.data[:, :, 0, 0], x.reshape(5, -1) @ w.reshape(6, -1).T)


def test_kernel_of_one_pixel_is_a_dense_layer_at_every_pixel() -> None:
    rng = np.random.default_rng(4)
    x, w = rng.standard_normal((1, 4, 4, 4)), rng.standard_normal((3, 4, 1, 1))
    y = conv(Tensor(x), w, None, (1, 1), ((0, 0),) * 2, (1, 1))
    assert y.shape == (1, 3, 4, 4)
    np.testing.assert_allclose(y.data, np.einsum("oc,nchw->nohw", w[:, :, 0, 0], x))


def test_flattening_with_the_channel_slowest() -> None:
    """Row by row within a channel: the order of an array with channels first."""
    names = np.array([[[f"z{i}{j}{k}" for k in (1, 2)] for j in (1, 2)] for i in (1, 2)])
    assert list(names.transpose(2, 0, 1).ravel()) == [
        "z111", "z121", "z211", "z221", "z112", "z122", "z212", "z222",
    ]  # fmt: skip
    z = Tensor(np.arange(8.0).reshape(2, 2, 2), requires_grad=True)
    weights = np.arange(8.0)
    (np.transpose(z, (2, 0, 1)).ravel() @ weights).backward()
    np.testing.assert_array_equal(z.grad.data, weights.reshape(2, 2, 2).transpose(1, 2, 0))


def test_shifting_the_input_shifts_the_map() -> None:
    rng = np.random.default_rng(5)
    x, w = np.zeros((9, 9)), rng.standard_normal((3, 3))
    x[2:5, 2:5] = rng.standard_normal((3, 3))
    shifted = np.roll(x, (1, 2), (0, 1))
    np.testing.assert_allclose(
        correlate(shifted, w), np.roll(correlate(x, w), (1, 2), (0, 1)), atol=1e-14
    )


# ---------------------------------------------------------------------------------------- pooling


def pooled(x: Any, kind: Any = max_pool, size: int = 2) -> Any:
    """Windows of one length that do not overlap, on one image of one or two axes."""
    axes = x.ndim
    options: dict[str, Any] = {"kernel": (size,) * axes, "stride": (size,) * axes}
    options["padding"] = ((0, 0),) * axes
    if kind is max_pool:
        options["dilation"] = (1,) * axes
    y = kind(x.reshape((1, 1, *x.shape)), **options)
    return y.reshape(y.shape[2:])


def test_pooling_hides_a_small_shift() -> None:
    a = Tensor([5.0, 0, 0, 0, 7, 0, 0, 0])
    b = Tensor([0.0, 5, 0, 0, 0, 7, 0, 0])
    np.testing.assert_array_equal(pooled(a).data, [5, 0, 7, 0])
    np.testing.assert_array_equal(pooled(b).data, [5, 0, 7, 0])


def test_gradient_of_a_maximum_goes_to_its_place_alone() -> None:
    image = np.array([[1.0, 2, 0, 0], [3, 0, 0, 9], [5, 5, 1, 0], [5, 5, 0, 1]])
    x = Tensor(image, requires_grad=True)
    y = pooled(x)
    np.testing.assert_array_equal(y.data, [[3, 9], [5, 1]])
    y.backward([[10.0, 20.0], [30.0, 40.0]])
    expected = np.zeros((4, 4))
    expected[1, 0], expected[1, 3], expected[2, 0], expected[2, 2] = 10, 20, 30, 40  # first of ties
    np.testing.assert_array_equal(x.grad.data, expected)


def test_gradient_of_a_mean_is_shared() -> None:
    x = Tensor(COUNT4, requires_grad=True)
    y = pooled(x, avg_pool)
    np.testing.assert_allclose(y.data, [[3.5, 5.5], [11.5, 13.5]])
    y.backward([[4.0, 8.0], [12.0, 16.0]])
    np.testing.assert_allclose(x.grad.data, np.kron([[1, 2], [3, 4]], np.ones((2, 2))))


def test_pooling_over_channels() -> None:
    """The strongest filter at every pixel."""
    rng = np.random.default_rng(6)
    x = Tensor(rng.standard_normal((3, 4, 4)), requires_grad=True)
    y = np.max(x, axis=0)
    y.sum().backward()
    np.testing.assert_array_equal(y.data, x.data.max(0))
    np.testing.assert_array_equal(x.grad.data.sum(0), np.ones((4, 4)))
    assert np.count_nonzero(x.grad.data) == 16


def test_receptive_field_grows_behind_pooling() -> None:
    """Of a line: 3 after a kernel of 3, 4 after pooling by 2, 8 after another kernel of 3."""
    for depth, field in ((1, 3), (2, 4), (3, 8)):
        x = Tensor(np.zeros(20), requires_grad=True)
        h = correlate(x, np.ones(3))
        if depth > 1:
            h = pooled(h, avg_pool)
        if depth > 2:
            h = correlate(h, np.ones(3))
        (g,) = grad(h[2], x)
        assert np.count_nonzero(g.data) == field
