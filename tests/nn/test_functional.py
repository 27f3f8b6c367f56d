"""Functions that have no module, arguments that are rejected, and numbers of the documents."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import autograd
import nn
import nn.functional as F
from autograd import Tensor
from tests.nn.cases import classes, normal, positive

RNG = np.random.default_rng(0)


# ----------------------------------------------------------------------- against PyTorch


def compare(ours, theirs, *arrays, rtol=1e-9, **options):
    """Value and gradients of a function against PyTorch's."""
    torch = pytest.importorskip("torch")
    x = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    z = [torch.from_numpy(a.copy()).requires_grad_(a.dtype.kind == "f") for a in arrays]
    y, t = ours(*x, **options), theirs(*z, **options)
    np.testing.assert_allclose(y.data, t.detach().numpy(), rtol=rtol, atol=1e-12)
    cotangent = normal(*y.shape, seed=3)
    y.backward(cotangent)
    t.backward(torch.from_numpy(cotangent))
    for a, b in zip(x, z):
        if a.requires_grad:
            np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=rtol, atol=1e-10)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border"])
def test_grid_sample(align_corners, mode, padding_mode):
    torch = pytest.importorskip("torch")
    options = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    grid = RNG.uniform(-1.3, 1.3, (2, 3, 4, 2))
    if mode == "nearest":
        compare(
            lambda x: F.grid_sample(x, grid, **options),
            lambda x: torch.nn.functional.grid_sample(x, torch.from_numpy(grid), **options),
            normal(2, 3, 5, 6),
        )
    else:
        compare(F.grid_sample, torch.nn.functional.grid_sample, normal(2, 3, 5, 6), grid, **options)


@pytest.mark.parametrize("align_corners", [True, False])
def test_affine_grid(align_corners):
    torch = pytest.importorskip("torch")
    compare(
        lambda t: F.affine_grid(t, (2, 3, 4, 5), align_corners),
        lambda t: torch.nn.functional.affine_grid(t, (2, 3, 4, 5), align_corners),
        normal(2, 2, 3),
    )


def test_distances():
    torch = pytest.importorskip("torch")
    for p in (1.0, 2.0, 3.0, math.inf):
        compare(F.pdist, torch.nn.functional.pdist, normal(5, 3), p=p)
        compare(F.normalize, torch.nn.functional.normalize, normal(5, 3), p=p, dim=0)


@pytest.mark.parametrize("causal", [True, False])
def test_scaled_dot_product_attention(causal):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional.scaled_dot_product_attention
    q, k, v = normal(2, 2, 4, 3), normal(2, 2, 5, 3, seed=1), normal(2, 2, 5, 6, seed=2)
    compare(F.scaled_dot_product_attention, theirs, q, k, v, is_causal=causal)
    compare(F.scaled_dot_product_attention, theirs, q, k, v, scale=0.3)
    mask = RNG.random((4, 5)) > 0.3
    mask[:, 0] = True
    for given in (mask, normal(4, 5)):
        compare(
            lambda *x, given=given: F.scaled_dot_product_attention(*x, attn_mask=given),
            lambda *x, given=given: theirs(*x, attn_mask=torch.from_numpy(given)),
            q,
            k,
            v,
        )


def test_masks_of_multi_head_attention():
    torch = pytest.importorskip("torch")
    ours = nn.MultiheadAttention(6, 2, batch_first=True).double()
    theirs = torch.nn.MultiheadAttention(6, 2, batch_first=True).double()
    ours.load_state_dict(theirs.state_dict())
    x = normal(2, 4, 6)
    masks = {
        "key_padding_mask": np.array([[False, False, False, True], [False, True, False, False]]),
        "attn_mask": np.triu(np.ones((4, 4), bool), 1),
    }
    y, w = ours(x, x, x, average_attn_weights=False, **masks)
    z = torch.from_numpy(x)
    t, u = theirs(
        z, z, z, average_attn_weights=False, **{k: torch.from_numpy(m) for k, m in masks.items()}
    )
    np.testing.assert_allclose(y.data, t.detach().numpy(), rtol=1e-9)
    np.testing.assert_allclose(w.data, u.detach().numpy(), rtol=1e-9)
    assert ours(x, x, x, need_weights=False)[1] is None


def test_lstm_takes_and_returns_its_state():
    torch = pytest.importorskip("torch")
    ours, theirs = nn.LSTM(3, 4, 2).double(), torch.nn.LSTM(3, 4, 2).double()
    ours.load_state_dict(theirs.state_dict())
    x, h, c = normal(5, 2, 3), normal(2, 2, 4), normal(2, 2, 4, seed=1)
    y, (hn, cn) = ours(x, (h, c))
    t, (un, vn) = theirs(torch.from_numpy(x), (torch.from_numpy(h), torch.from_numpy(c)))
    for a, b in ((y, t), (hn, un), (cn, vn)):
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-9)
    cell, reference = nn.LSTMCell(3, 4).double(), torch.nn.LSTMCell(3, 4).double()
    cell.load_state_dict(reference.state_dict())
    for a, b in zip(
        cell(x[0], (h[0], c[0])),
        reference(*(torch.from_numpy(x[0]),), (torch.from_numpy(h[0]), torch.from_numpy(c[0]))),
        strict=True,
    ):
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-9)
    half = ours(x[:2], (h, c))
    rest = ours(x[2:], half[1])
    np.testing.assert_allclose(rest[0].data, y.data[2:])


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_ctc(reduction):
    torch = pytest.importorskip("torch")
    x = normal(7, 3, 5)
    targets = np.array([[1, 2, 2], [3, 1, 0], [4, 0, 0]])
    lengths = (np.array([7, 6, 3]), np.array([3, 2, 1]))
    for given in (targets, np.array([1, 2, 2, 3, 1, 4])):
        compare(
            lambda t, given=given: nn.CTCLoss(reduction=reduction)(
                F.log_softmax(t, -1), given, *lengths
            ),
            lambda t, given=given: torch.nn.CTCLoss(reduction=reduction)(
                t.log_softmax(-1), torch.from_numpy(given), *map(torch.from_numpy, lengths)
            ),
            x,
        )


def test_ctc_is_the_sum_over_alignments():
    x = Tensor(normal(4, 1, 3), requires_grad=True)
    p = np.exp(F.log_softmax(x, -1).data[:, 0])
    total = 0.0
    for path in itertools.product(range(3), repeat=4):
        labels = [k for k, _ in itertools.groupby(path) if k != 0]
        if labels == [1, 2]:
            total += math.prod(p[t, k] for t, k in enumerate(path))
    loss = F.ctc_loss(F.log_softmax(x, -1), [[1, 2]], [4], [2], reduction="sum")
    assert loss.item() == pytest.approx(-math.log(total))
    impossible = [[1, 1, 1]], [4], [3]
    assert F.ctc_loss(F.log_softmax(x, -1), *impossible).item() == math.inf
    zero = F.ctc_loss(F.log_softmax(x, -1), *impossible, zero_infinity=True)
    assert zero.item() == 0
    zero.backward()
    assert not x.grad.data.any()
    empty = F.ctc_loss(F.log_softmax(x, -1), np.zeros((1, 0), int), [4], [0])
    assert empty.item() == pytest.approx(-np.log(p[:, 0]).sum())


def test_embedding_options():
    table = nn.Parameter(normal(5, 3) * 3)
    F.embedding([[0, 3]], table, max_norm=1.0)
    norms = np.linalg.norm(table.data, axis=1)
    assert (norms[[0, 3]] <= 1 + 1e-6).all()
    assert norms[1] > 1
    layer = nn.Embedding(4, 2, padding_idx=-1).double()
    assert not layer.weight.data[3].any()
    layer([0, 3, 0]).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.data, [[2, 2], [0, 0], [0, 0], [0, 0]])
    frozen = nn.Embedding.from_pretrained(np.eye(3))
    assert not frozen.weight.requires_grad
    np.testing.assert_array_equal(frozen([2]).data, [[0, 0, 1]])
    counted = nn.Embedding(3, 1, scale_grad_by_freq=True).double()
    counted([0, 0, 1]).sum().backward()
    np.testing.assert_array_equal(counted.weight.grad.data, [[1], [1], [0]])


def test_gumbel_softmax_samples_the_distribution():
    nn.manual_seed(0)
    logits = Tensor(np.log(np.tile([0.1, 0.2, 0.7], (20000, 1))), requires_grad=True)
    hard = F.gumbel_softmax(logits, hard=True)
    assert set(np.unique(hard.data.round(9))) == {0.0, 1.0}
    np.testing.assert_allclose(hard.data.mean(axis=0), [0.1, 0.2, 0.7], atol=0.02)
    (hard * np.arange(3)).sum().backward()
    assert logits.grad.data.any()
    np.testing.assert_allclose(F.gumbel_softmax(logits, 0.5).data.sum(axis=1), 1)


def test_one_hot():
    np.testing.assert_array_equal(F.one_hot([1, 0], 3).data, [[0, 1, 0], [1, 0, 0]])
    with pytest.raises(RuntimeError, match="smaller"):
        F.one_hot([3], 3)


# ----------------------------------------------------------------------- the documents' numbers


def test_convolution_and_its_gradients_by_the_numbers():
    x = Tensor(np.arange(1.0, 17).reshape(1, 1, 4, 4), requires_grad=True)
    w = Tensor([[[[1.0, 2.0], [3.0, 4.0]]]], requires_grad=True)
    delta = np.arange(1.0, 10).reshape(1, 1, 3, 3)
    F.conv2d(x, w).backward(delta)
    np.testing.assert_array_equal(w.grad.data[0, 0], [[348, 393], [528, 573]])
    expected = [[1, 4, 7, 6], [7, 23, 33, 24], [19, 53, 63, 42], [21, 52, 59, 36]]
    np.testing.assert_array_equal(x.grad.data[0, 0], expected)
    unused = Tensor(np.ones((1, 1, 6)), requires_grad=True)  # stride 2 never reaches the last one
    out = F.conv1d(unused, np.ones((1, 1, 3)), stride=2)
    assert out.shape == (1, 1, 2)
    out.sum().backward()
    np.testing.assert_array_equal(unused.grad.data.ravel(), [1, 1, 2, 1, 1, 0])


def test_true_convolution_is_the_flipped_one():
    x = normal(2, 3, 6)
    w = normal(4, 3, 2)
    expected = [
        [sum(np.convolve(x[n, c], w[o, c], "valid") for c in range(3)) for o in range(4)]
        for n in range(2)
    ]
    np.testing.assert_allclose(F.true_conv1d(x, w).data, expected)
    volume = normal(1, 2, 3, 4, 3)
    kernel = normal(2, 2, 2, 2, 2)
    flipped = F.conv3d(volume, np.flip(kernel, (2, 3, 4)).copy(), padding=1)
    np.testing.assert_allclose(F.true_conv3d(volume, kernel, padding=1).data, flipped.data)


def test_parameter_counts_of_the_lecture():
    model = nn.models.LeNet()
    counts = {
        name: sum(p.size for p in child.parameters()) for name, child in model.named_children()
    }
    assert {k: v for k, v in counts.items() if v} == {
        "c1": 156,
        "c3": 2416,
        "c5": 48120,
        "f6": 10164,
        "output": 850,
    }
    assert sum(counts.values()) == 61706
    shapes = {}
    for name, child in model.named_children():
        child.register_forward_hook(
            lambda m, args, out, name=name: shapes.__setitem__(name, out.shape[1:])
        )
    assert model(np.zeros((2, 1, 32, 32))).shape == (2, 10)
    assert [shapes[k] for k in ("c1", "s2", "c3", "s4", "c5", "f6")] == [
        (6, 28, 28),
        (6, 14, 14),
        (16, 10, 10),
        (16, 5, 5),
        (120, 1, 1),
        (84,),
    ]
    assert isinstance(nn.models.LeNet(pool="avg").s2, nn.AvgPool2d)
    with pytest.raises(ValueError, match="pool"):
        nn.models.LeNet(pool="none")
    with pytest.raises(ValueError, match="inputs"):
        nn.models.MLP([3])
    mlp = nn.models.MLP([4, 5, 3], nn.Tanh, nn.Softmax, dropout=0.1)
    assert [type(m) for m in mlp] == [nn.Linear, nn.Tanh, nn.Dropout, nn.Linear, nn.Softmax]


def test_per_sample_gradients_of_the_lecture():
    x, w = normal(6, 3), normal(3)
    for link, loss, target in (
        (lambda s: s, F.half_squared_error, normal(6)),
        (lambda s: s, F.binary_cross_entropy_with_logits, np.array([0.0, 1, 1, 0, 1, 0])),
    ):
        leaf = Tensor(w, requires_grad=True)
        loss(link(x @ leaf), target, reduction="sum").backward()
        a = x @ w if loss is F.half_squared_error else 1 / (1 + np.exp(-(x @ w)))
        np.testing.assert_allclose(leaf.grad.data, x.T @ (a - target))
    matrix, labels = Tensor(normal(4, 3), requires_grad=True), classes(6, n=4)
    F.cross_entropy(x @ matrix.T, labels, reduction="sum").backward()
    a = F.softmax(x @ matrix.data.T, 1).data
    np.testing.assert_allclose(matrix.grad.data, (a - np.eye(4)[labels]).T @ x)


def test_perceptron_criterion():
    scores = Tensor([2.0, -1.0, 0.5, -3.0], requires_grad=True)
    labels = np.array([1.0, 1.0, -1.0, -1.0])
    loss = F.perceptron_loss(scores, labels)
    assert loss.item() == 1.5  # the two that are wrong
    loss.backward()
    np.testing.assert_array_equal(scores.grad.data, [0, -1, 1, 0])


def test_xor_by_hand():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1, bias=False)).double()
    net[0].weight.data[...] = 1
    net[0].bias.data[...] = [0, -1]
    net[2].weight.data[...] = [[1, -2]]
    out = net(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]))
    np.testing.assert_array_equal(out.data.ravel(), [0, 1, 1, 0])


def test_second_order_units_solve_xor():
    unit = nn.SecondOrder(2, 1).double()
    unit.quadratic.data[...] = [[[0, -1], [-1, 0]]]
    unit.weight.data[...] = 1
    unit.bias.data[...] = 0
    out = unit(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]))
    np.testing.assert_array_equal(out.data.ravel(), [0, 1, 1, 0])
    x = Tensor(normal(3, 2), requires_grad=True)
    assert autograd.gradgradcheck(unit, x)
    with pytest.raises(ValueError, match="expects"):
        unit(np.ones((1, 3)))


def test_steps_have_no_gradient():
    for module, expected in (
        (nn.TLU(), [0, 1, 1]),
        (nn.Heaviside(0.5), [0, 0.5, 1]),
        (nn.Sign(), [-1, 0, 1]),
        (nn.Sign(at_zero=1.0), [-1, 1, 1]),
    ):
        x = Tensor([-2.0, 0.0, 3.0], requires_grad=True)
        y = module(x)
        np.testing.assert_array_equal(y.data, expected)
        y.sum().backward()
        assert not x.grad.data.any()
    x = Tensor([3.0], requires_grad=True)
    nn.Square()(x).backward()
    assert x.grad.item() == 6


def test_zero_one_loss():
    assert F.zero_one_loss([[0.1, 0.9], [0.8, 0.2]], [1, 1], reduction="sum").item() == 1
    np.testing.assert_array_equal(F.zero_one_loss([1, 2], [1, 0], reduction="none").data, [0, 1])
    assert nn.ZeroOneLoss()([0.5, -0.1, 2.0], [1, 1, -1]).item() == pytest.approx(2 / 3)


def test_maxout():
    x = Tensor(normal(2, 6, 3), requires_grad=True)
    y = nn.ChannelMaxPool(2)(x)
    np.testing.assert_array_equal(y.data, x.data.reshape(2, 3, 2, 3).max(axis=2))
    y.sum().backward()
    assert x.grad.data.sum() == y.size


def test_stable_forms():
    big = Tensor([1000.0, -1000.0, 0.0], requires_grad=True)
    for function in (F.sigmoid, F.logsigmoid, F.softplus, F.silu, F.mish, F.gelu, F.elu, F.selu):
        (g,) = autograd.grad(function(big).sum(), big)
        assert np.isfinite(g.data).all(), function.__name__
    loss = F.binary_cross_entropy_with_logits(big, [0.0, 1.0, 1.0], reduction="none")
    np.testing.assert_allclose(loss.data, [1000, 1000, math.log(2)])
    loss = F.cross_entropy([[1000.0, 0.0], [0.0, 1000.0]], [1, 1], reduction="none")
    np.testing.assert_allclose(loss.data, [1000, 0])
    p = Tensor([0.0, 1.0], requires_grad=True)
    F.binary_cross_entropy(p, [1.0, 0.0]).backward()
    assert np.isfinite(p.grad.data).all()


def test_float32_stays_float32():
    x = Tensor(positive(2, 4, 6, 6).astype(np.float32), requires_grad=True)
    for module in (
        nn.Conv2d(4, 2, 3),
        nn.BatchNorm2d(4),
        nn.GroupNorm(2, 4),
        nn.LayerNorm(6),
        nn.GELU(),
        nn.SELU(),
        nn.Dropout(),
        nn.AlphaDropout(),
        nn.Softshrink(),
        nn.Hardtanh(),
        nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d(4),
        nn.Upsample(scale_factor=2, mode="bicubic"),
        nn.LocalResponseNorm(2),
        nn.GaussianNoise(),
        nn.Threshold(0.1, 0.2),
        nn.RReLU(),
        nn.Heaviside(),
    ):
        y = module(x)
        assert y.dtype == np.float32, module
        y.sum().backward()
        assert x.grad.dtype == np.float32
    target = np.zeros((2, 4, 6, 6))  # float64, as NumPy makes them
    for loss in (nn.MSELoss(), nn.L1Loss(), nn.HuberLoss(), nn.BCELoss(), nn.KLDivLoss()):
        assert loss(x, target).dtype == np.float32, loss
    assert nn.CrossEntropyLoss(label_smoothing=0.1)(x, np.zeros((2, 6, 6), int)).dtype == np.float32


# --------------------------------------------------------------------------------- bad arguments

IMAGE = np.zeros((1, 2, 4, 4))
BAD = [
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "divisible"),
    (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "divisible"),
    (lambda: nn.Conv2d(2, 2, 3, groups=0), ValueError, "positive"),
    (lambda: nn.Conv2d(2, 2, 0), ValueError, "kernel_size"),
    (lambda: nn.Conv2d(2, 2, (3, 3, 3)), ValueError, "kernel_size"),
    (lambda: nn.Conv2d(2, 2, 3, stride=0), ValueError, "stride"),
    (lambda: nn.Conv2d(2, 2, 3, padding=-1), ValueError, "padding"),
    (lambda: nn.Conv2d(2, 2, 3, padding="full"), ValueError, "padding"),
    (lambda: nn.Conv2d(2, 2, 3, stride=2, padding="same"), ValueError, "strided"),
    (lambda: nn.Conv2d(2, 2, 3, padding_mode="mirror"), ValueError, "padding_mode"),
    (lambda: nn.Conv2d(2, 2, 2.5), TypeError, "kernel_size"),
    (lambda: nn.Conv2d(2, 2, 5)(IMAGE), ValueError, "does not fit"),
    (lambda: nn.Conv2d(3, 2, 3)(IMAGE), ValueError, "in_channels=2"),
    (lambda: nn.ConvTranspose2d(2, 2, 3, padding_mode="reflect"), ValueError, "zeros"),
    (lambda: nn.ConvTranspose2d(2, 2, 3, output_padding=1)(IMAGE), ValueError, "output padding"),
    (lambda: nn.ConvTranspose2d(2, 2, 3)(IMAGE, output_size=(9, 9)), ValueError, "output size"),
    (lambda: nn.MaxPool2d(2)(np.zeros((4, 4))), ValueError, "N, C"),
    (lambda: nn.MaxPool2d(2, padding=2)(IMAGE), ValueError, "padding"),
    (lambda: nn.MaxPool2d(9)(IMAGE), ValueError, "fit"),
    (lambda: nn.AvgPool2d(2, divisor_override=0)(IMAGE), ValueError, "zero"),
    (lambda: F.fold(np.zeros((1, 5, 4)), 4, 2), ValueError, "expects"),
    (lambda: nn.BatchNorm2d(2)(np.zeros((2, 2))), ValueError, "N, 2, H, W"),
    (lambda: nn.BatchNorm1d(2)(IMAGE), ValueError, "N, 2"),
    (lambda: nn.GroupNorm(3, 4), ValueError, "divisible"),
    (lambda: nn.GroupNorm(2, 4)(IMAGE), ValueError, "4"),
    (lambda: nn.LayerNorm(5)(IMAGE), ValueError, "5"),
    (lambda: nn.InstanceNorm2d(2)(np.zeros((1, 2, 1, 1))), ValueError, "spatial"),
    (lambda: nn.Bilinear(2, 3, 1)(np.ones((1, 3)), np.ones((1, 3))), ValueError, "expects"),
    (lambda: nn.Embedding(3, 2)([3]), IndexError, "range"),
    (lambda: nn.Embedding(3, 2)([1.0]), TypeError, "integer"),
    (lambda: nn.Embedding(3, 2, padding_idx=3), ValueError, "within"),
    (lambda: nn.PReLU(3)(np.ones((2, 4))), ValueError, "channels"),
    (lambda: nn.GLU()(np.ones((2, 3))), ValueError, "even"),
    (lambda: nn.Hardtanh(1, 0), ValueError, "less"),
    (lambda: nn.Softshrink(-1)([1.0]), ValueError, "lambda"),
    (lambda: nn.GELU("exact")([1.0]), ValueError, "approximate"),
    (lambda: nn.Unflatten(1, (2, 2))(np.ones((1, 5))), ValueError, "split"),
    (lambda: nn.Flatten(2, 1)(IMAGE), RuntimeError, "start_dim"),
    (lambda: nn.Flatten(order="A"), ValueError, "order"),
    (lambda: nn.MSELoss(reduction="total"), ValueError, "reduction"),
    (lambda: nn.MSELoss()(np.ones((3, 1)), np.ones(3)), ValueError, "every pair"),
    (lambda: nn.MSELoss()(np.ones(2), np.ones(3)), ValueError, "agree"),
    (lambda: nn.CrossEntropyLoss()(np.ones((2, 3)), [0, 3]), IndexError, "out of bounds"),
    (lambda: nn.CrossEntropyLoss()(np.ones((2, 3)), [0, -1]), IndexError, "out of bounds"),
    (lambda: nn.CrossEntropyLoss()(np.ones((2, 3)), [0]), ValueError, "shape"),
    (lambda: nn.CrossEntropyLoss()(np.ones((2, 3)), [0.0, 1.0]), TypeError, "integers"),
    (lambda: nn.CrossEntropyLoss([1.0])(np.ones((2, 3)), [0, 1]), ValueError, "3 classes"),
    (lambda: F.cross_entropy([[1.0]], [0], label_smoothing=2), ValueError, "label_smoothing"),
    (lambda: nn.BCELoss()([2.0], [1.0]), RuntimeError, "between 0 and 1"),
    (lambda: nn.BCELoss()([0.5], [[1.0]]), ValueError, "size"),
    (lambda: nn.BCEWithLogitsLoss()([0.5], [1.0, 0.0]), ValueError, "same"),
    (lambda: nn.GaussianNLLLoss()([1.0], [1.0], [-1.0]), ValueError, "negative"),
    (lambda: nn.MultiMarginLoss(p=3), ValueError, "p == 1"),
    (lambda: nn.TripletMarginLoss(margin=0), ValueError, "margin"),
    (lambda: nn.SmoothL1Loss(beta=-1)([1.0], [0.0]), ValueError, "beta"),
    (lambda: nn.HuberLoss(delta=0)([1.0], [0.0]), ValueError, "delta"),
    (lambda: F.p_norm_loss([1.0], [0.0], 0), ValueError, "positive"),
    (lambda: F.pad([1.0], (1,)), ValueError, "two widths"),
    (lambda: F.pad([1.0], (1, 0, 0, 0)), ValueError, "2 axes"),
    (lambda: F.pad([[1.0, 2.0]], (2, 0), mode="reflect"), ValueError, "less than"),
    (lambda: F.pad([[1.0, 2.0]], (3, 0), mode="circular"), ValueError, "more than once"),
    (lambda: F.pad([[1.0]], (1, 0), mode="wrap"), NotImplementedError, "modes"),
    (lambda: nn.ReflectionPad2d(1)(np.ones((2, 2))), ValueError, "axes"),
    (lambda: F.interpolate(IMAGE, scale_factor=2, size=3), ValueError, "only one"),
    (lambda: F.interpolate(IMAGE, 3, mode="linear"), NotImplementedError, "spatial axes"),
    (lambda: F.interpolate(IMAGE, 3, align_corners=True), ValueError, "align_corners"),
    (lambda: F.pixel_shuffle(IMAGE, 2), ValueError, "pixel_shuffle"),
    (lambda: F.pixel_unshuffle(IMAGE, 3), ValueError, "pixel_unshuffle"),
    (lambda: F.channel_shuffle(IMAGE, 3), ValueError, "channel_shuffle"),
    (lambda: nn.RNN(2, 3, nonlinearity="sin"), ValueError, "nonlinearity"),
    (lambda: nn.LSTM(2, 0), ValueError, "greater"),
    (lambda: nn.LSTM(2, 3)(np.ones((4, 1, 3))), ValueError, "expects"),
    (lambda: nn.GRU(2, 3)(np.ones((4, 1, 2)), np.ones((1, 2, 3))), ValueError, "states"),
    (lambda: nn.LSTMCell(2, 3)(np.ones((4, 3))), ValueError, "expects"),
    (lambda: nn.MultiheadAttention(6, 4), ValueError, "divisible"),
    (lambda: F.ctc_loss(np.zeros((4, 1, 3)), [[5]], [4], [1]), ValueError, "range"),
    (lambda: F.ctc_loss(np.zeros((4, 1, 3)), [[1]], [9], [1]), ValueError, "at most"),
]


@pytest.mark.parametrize(("call", "error", "words"), BAD, ids=range(len(BAD)))
def test_bad_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("p", [0.001, 0.1, 0.25, 0.5, 0.7, 0.999])
def test_dropout_keeps_the_share_it_says(p):
    autograd.manual_seed(3)
    count = 400_003
    kept = F.dropout(np.ones(count, np.float32), p).data != 0
    spread = math.sqrt(p * (1 - p) / count)
    assert abs(kept.mean() - (1 - p)) < 5 * spread
    for apart in (1, 2, 4, 7, 8):  # neighbours come of the same random number, and know nothing
        both = (kept[:-apart] & kept[apart:]).mean()
        assert abs(both - (1 - p) ** 2) < 8 * spread
    autograd.manual_seed(3)
    assert (kept == (F.dropout(np.ones(count, np.float32), p).data != 0)).all()


@pytest.mark.parametrize("normalize", [F.layer_norm, F.rms_norm])
def test_normalising_last_axes_is_one_operation(normalize):
    x = Tensor(normal(2, 3, 4, 5), requires_grad=True)
    weight = Tensor(normal(4, 5, seed=1), requires_grad=True)
    y = normalize(x, (4, 5), weight)
    assert [edge for edge in y.node.edges if edge is not None] == [x, weight]
    flat = normalize(x, (4, 5), Tensor(weight.data.reshape(-1)))  # a weight without its axes
    np.testing.assert_allclose(flat.data, y.data)
    double = normalize(Tensor(x.data.astype(np.float32)), (4, 5), weight)
    assert double.dtype == np.float64
    assert normalize(np.ones((2, 3), int), (3,)).dtype == np.float64
    assert normalize(np.ones((0, 3)), (3,)).shape == (0, 3)
