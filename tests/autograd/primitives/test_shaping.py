"""Functions that move elements about: shapes, joins, splits, borders, diagonals, picking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor, grad

Check = Callable[..., None]


def case(name: str, function: Callable[..., Any], *shapes: tuple[int, ...]) -> Any:
    return pytest.param(function, shapes, id=name)


CASES = [
    case("reshape", lambda x: np.reshape(x, (3, -1)), (2, 3)),
    case("reshape-F", lambda x: np.reshape(x, (3, 2), order="F"), (2, 3)),
    case("ravel", np.ravel, (2, 3)),
    case("ravel-F", lambda x: np.ravel(x, order="F"), (2, 3)),
    case("transpose", lambda x: np.transpose(x, (1, 2, 0)), (2, 3, 2)),
    case("swapaxes", lambda x: np.swapaxes(x, 0, -1), (2, 3, 2)),
    case("moveaxis", lambda x: np.moveaxis(x, 0, -1), (2, 3, 4)),
    case("moveaxis-several", lambda x: np.moveaxis(x, (0, -1), (1, 0)), (2, 3, 4)),
    case("rollaxis", lambda x: np.rollaxis(x, 2), (2, 3, 4)),
    case("rollaxis-start", lambda x: np.rollaxis(x, 0, 2), (2, 3, 4)),
    case("rollaxis-end", lambda x: np.rollaxis(x, -2, 3), (2, 3, 4)),
    case("matrix_transpose", np.matrix_transpose, (2, 3, 4)),
    case("roll", lambda x: np.roll(x, 2), (2, 3)),
    case("roll-axes", lambda x: np.roll(x, (1, -1), (0, 1)), (2, 3)),
    case("roll-one-shift", lambda x: np.roll(x, 1, (0, 1)), (2, 3)),
    case("flip", np.flip, (2, 3)),
    case("flip-axes", lambda x: np.flip(x, (0, 2)), (2, 3, 2)),
    case("flipud", np.flipud, (2, 3)),
    case("fliplr", np.fliplr, (2, 3)),
    *(case(f"rot90-{k}", lambda x, k=k: np.rot90(x, k), (2, 3)) for k in range(-1, 5)),
    case("rot90-axes", lambda x: np.rot90(x, 1, (2, 0)), (2, 3, 4)),
    case("squeeze", np.squeeze, (1, 3, 1)),
    case("expand_dims", lambda x: np.expand_dims(x, (0, 2)), (3,)),
    case("broadcast_to", lambda x: np.broadcast_to(x, (2, 3, 2)), (3, 1)),
    case("broadcast_arrays", np.broadcast_arrays, (3, 1), (2,)),
    case("atleast_1d", np.atleast_1d, (), (2,)),
    case("atleast_2d", np.atleast_2d, (2,)),
    case("atleast_3d-2", np.atleast_3d, (2, 3)),
    case("atleast_3d-1", np.atleast_3d, (2,)),
    case("atleast_3d-0", np.atleast_3d, ()),
    case("meshgrid", np.meshgrid, (2,), (3,), (2,)),
    case("meshgrid-ij", lambda a, b: np.meshgrid(a, b, indexing="ij"), (2,), (3,)),
    case("meshgrid-sparse", lambda a, b: np.meshgrid(a, b, sparse=True), (2,), (3,)),
    case("concatenate", lambda a, b: np.concatenate((a, b), 1), (2, 3), (2, 2)),
    case("concatenate-flat", lambda a, b: np.concatenate((a, b), None), (2, 3), (2,)),
    case("stack", lambda a, b: np.stack((a, b), -1), (2, 3), (2, 3)),
    case("hstack", lambda a, b: np.hstack((a, b)), (2, 3), (2, 1)),
    case("hstack-vectors", lambda a, b: np.hstack((a, b)), (2,), (3,)),
    case("vstack", lambda a, b: np.vstack((a, b)), (2, 3), (3,)),
    case("dstack", lambda a, b: np.dstack((a, b)), (2, 3), (2, 3)),
    case("dstack-vectors", lambda a, b: np.dstack((a, b)), (3,), (3,)),
    case("column_stack", lambda a, b: np.column_stack((a, b)), (2,), (2, 3)),
    case("append", np.append, (2, 3), (2,)),
    case("append-axis", lambda a, b: np.append(a, b, axis=0), (2, 3), (1, 3)),
    case("block", lambda a, b: np.block([[a, a[:, :1] * 0], [b]]), (2, 3), (1, 4)),
    case("block-flat", lambda a, b: np.block([a, b]), (2,), (3,)),
    case("block-one", np.block, (2,)),
    case("split", lambda x: np.split(x, 3, axis=1), (2, 6)),
    case("split-at", lambda x: np.split(x, [1, 4]), (5,)),
    case("array_split", lambda x: np.array_split(x, 3), (5, 2)),
    case("hsplit", lambda x: np.hsplit(x, 3), (2, 3)),
    case("hsplit-vector", lambda x: np.hsplit(x, [1]), (3,)),
    case("vsplit", lambda x: np.vsplit(x, 2), (4, 1)),
    case("dsplit", lambda x: np.dsplit(x, 2), (1, 2, 4)),
    case("tile", lambda x: np.tile(x, 3), (2,)),
    case("tile-more-axes", lambda x: np.tile(x, (2, 1, 3)), (2, 2)),
    case("tile-fewer-axes", lambda x: np.tile(x, 2), (2, 2)),
    case("tile-none", lambda x: np.tile(x, (0, 2)), (2, 2)),
    case("repeat", lambda x: np.repeat(x, 2), (2, 2)),
    case("repeat-axis", lambda x: np.repeat(x, 3, axis=0), (2, 2)),
    case("repeat-each", lambda x: np.repeat(x, [1, 0, 2], axis=-1), (2, 3)),
    case("repeat-one-element", lambda x: np.repeat(x, [2], axis=1), (2, 3)),
    case("delete", lambda x: np.delete(x, 1, axis=0), (3, 2)),
    case("delete-slice", lambda x: np.delete(x, slice(0, 3, 2), axis=1), (2, 4)),
    case("delete-flat", lambda x: np.delete(x, [0, -1]), (2, 2)),
    case("insert", lambda x, v: np.insert(x, 1, v, axis=1), (2, 3), (2,)),
    case("insert-flat", lambda x, v: np.insert(x, [0, 2], v), (2, 2), (2,)),
    case("insert-number", lambda x: np.insert(x, 1, 7.0, axis=0), (2, 3)),
    case("resize", lambda x: np.resize(x, (3, 3)), (2, 2)),
    case("resize-less", lambda x: np.resize(x, 2), (2, 2)),
    case("apply_along_axis", lambda x: np.apply_along_axis(np.sum, 1, x), (2, 3, 2)),
    case(
        "apply_along_axis-vectors", lambda x: np.apply_along_axis(np.outer, 0, x, x[0, :2]), (2, 3)
    ),
    case("apply_over_axes", lambda x: np.apply_over_axes(np.sum, x, [0, 2]), (2, 3, 2)),
    case(
        "sliding_window_view",
        lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 3)),
        (3, 4),
    ),
    case(
        "sliding_window_view-axis",
        lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=1),
        (2, 3, 2),
    ),
    case("diag", lambda x: np.diag(x, 1), (3, 3)),
    case("diag-vector", lambda x: np.diag(x, -1), (3,)),
    case("diagflat", lambda x: np.diagflat(x, 1), (2, 2)),
    case("diagonal", lambda x: np.diagonal(x, -1, 0, 2), (3, 2, 4)),
    case("tril", lambda x: np.tril(x, -1), (2, 3, 3)),
    case("triu", lambda x: np.triu(x, 1), (3, 4)),
    case("tril-vector", np.tril, (3,)),
    case("triu-vector", np.triu, (3,)),
    case("vander", lambda x: np.vander(x, 4), (3,)),
    case("vander-increasing", lambda x: np.vander(x, increasing=True), (3,)),
    case("take", lambda x: np.take(x, [0, 2, 2]), (2, 2)),
    case("take-axis", lambda x: np.take(x, [[1, -1], [0, 0]], axis=1), (2, 3)),
    case("take-one", lambda x: np.take(x, 1, axis=0), (2, 3)),
    case("take-wrap", lambda x: np.take(x, [5, -7], mode="wrap"), (3,)),
    case("take-clip", lambda x: np.take(x, [5, -7], mode="clip"), (3,)),
    case("take_along_axis", lambda x: np.take_along_axis(x, np.array([[0, 0], [1, 0]]), 1), (2, 2)),
    case("compress", lambda x: np.compress([False, True], x, axis=1), (2, 3)),
    case("compress-flat", lambda x: np.compress([False, True, True], x), (2, 3)),
    case("extract", lambda x: np.extract([[True, False], [True, True]], x), (2, 2)),
    case("copy", np.copy, (2, 3)),
    case("full_like", lambda x: np.full_like(x, x[0, 1]), (2, 3)),
]


@pytest.mark.parametrize(("function", "shapes"), CASES)
def test_as_numpy(agrees: Check, draw: Any, function: Any, shapes: Any) -> None:
    arrays = draw(*shapes)
    agrees(function, *(arrays if isinstance(arrays, list) else [arrays]))


@pytest.mark.skipif(not hasattr(np, "unstack"), reason="since NumPy 2.1")
def test_unstack(agrees: Check, draw: Any) -> None:
    agrees(lambda x: np.unstack(x, axis=1), draw((2, 3)))


def test_trim_zeros() -> None:
    x = np.array([0.0, 0.0, 1.0, 0.0, 2.0, 0.0])
    t = Tensor(x, requires_grad=True)
    for trim in ("fb", "f", "b"):
        np.testing.assert_array_equal(np.trim_zeros(t, trim).data, np.trim_zeros(x, trim))
    np.trim_zeros(t).sum().backward()
    np.testing.assert_array_equal(t.grad.data, [0, 0, 1, 1, 1, 0])


PADS = [
    (((1, 2), (0, 1)), {"mode": "constant"}),
    (1, {"mode": "constant", "constant_values": 3.5}),
    (((1, 2), (2, 1)), {"mode": "constant", "constant_values": ((1, 2), (3, 4))}),
    ((1, 2), {"mode": "edge"}),
    ((1, 2), {"mode": "reflect"}),
    ((4, 5), {"mode": "reflect"}),
    ((2, 3), {"mode": "reflect", "reflect_type": "odd"}),
    ((4, 5), {"mode": "reflect", "reflect_type": "odd"}),
    ((1, 2), {"mode": "symmetric"}),
    ((2, 5), {"mode": "symmetric", "reflect_type": "odd"}),
    ((4, 2), {"mode": "wrap"}),
    ((2, 3), {"mode": "linear_ramp"}),
    ((2, 3), {"mode": "linear_ramp", "end_values": ((1.0, 2.0), (3.0, -1.0))}),
    ((1, 2), {"mode": "maximum"}),
    ((1, 2), {"mode": "minimum", "stat_length": 2}),
    ((1, 2), {"mode": "mean", "stat_length": ((1, 2), (3, 2))}),
    ((1, 2), {"mode": "median"}),
]


@pytest.mark.parametrize(("widths", "settings"), PADS, ids=str)
def test_pad(agrees: Check, draw: Any, widths: Any, settings: dict[str, Any]) -> None:
    agrees(lambda x: np.pad(x, widths, **settings), draw((3, 4)))


def test_pad_with_tensors_as_values(agrees: Check, draw: Any) -> None:
    x, value = draw((2, 3), ())
    t, v = Tensor(x, requires_grad=True), Tensor(value, requires_grad=True)
    np.pad(t, 1, constant_values=v).sum().backward()
    assert v.grad.item() == 14
    np.pad(t, 1, mode="linear_ramp", end_values=v).sum().backward()
    assert v.grad.item() > 14


def test_pad_refuses_what_it_cannot() -> None:
    t = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match="negative"):
        np.pad(t, -1)
    with pytest.raises(TypeError, match="one of the modes"):
        np.pad(t, 1, mode="empty")
    with pytest.raises(TypeError, match="does not take"):
        np.pad(t, 1, mode="edge", constant_values=1)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda t: np.moveaxis(t, 5, 0), np.exceptions.AxisError),
        (lambda t: np.rot90(t, axes=(0, 0)), ValueError),
        (lambda t: np.split(t, 2, axis=1), ValueError),
        (lambda t: np.array_split(t, 0), ValueError),
        (lambda t: np.vsplit(t[0], 1), ValueError),
        (lambda t: np.take(t, [0], mode="odd"), ValueError),
        (lambda t: np.take(t, [7]), IndexError),
        (lambda t: np.diag(np.zeros((2, 2, 2)) * t[0, 0]), ValueError),
        (lambda t: np.sort(t, axis=2), np.exceptions.AxisError),
        (lambda t: np.meshgrid(t[0], indexing="no"), ValueError),
        (lambda t: np.apply_along_axis(np.sum, 2, t), np.exceptions.AxisError),
        (lambda t: np.lib.stride_tricks.sliding_window_view(t, (3, 1)), ValueError),
        (lambda t: t.reshape(4, order="A"), ValueError),
    ],
)
def test_misuse(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call(Tensor(np.ones((2, 3)), requires_grad=True))


def test_bincount_weights() -> None:
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = np.bincount([0, 2, 2], weights=w, minlength=4)
    np.testing.assert_array_equal(y.data, [1, 0, 5, 0])
    (y * [1, 10, 100, 1000]).sum().backward()
    np.testing.assert_array_equal(w.grad.data, [1, 100, 100])
    np.testing.assert_array_equal(np.bincount(Tensor([1, 1, 3])), [0, 2, 0, 1])


def test_writing_under_numpys_names() -> None:
    leaf = Tensor(np.arange(9.0).reshape(3, 3) + 0.5, requires_grad=True)
    value = Tensor(5.0, requires_grad=True)

    def gradients(write: Callable[[Any], None], expected: Callable[[Any], None]) -> None:
        x = leaf * 1
        reference = leaf.data.copy()
        write(x)
        expected(reference)
        np.testing.assert_array_equal(x.data, reference)
        kept, written = grad(x.sum(), [leaf, value])
        np.testing.assert_array_equal(kept.data, reference != 5)
        assert written.item() == (reference == 5).sum()

    gradients(lambda x: np.fill_diagonal(x, value), lambda a: np.fill_diagonal(a, 5.0))
    gradients(lambda x: x.fill(value), lambda a: a.fill(5.0))
    gradients(lambda x: np.put(x, [5, 1], value), lambda a: np.put(a, [5, 1], 5.0))
    gradients(
        lambda x: np.put_along_axis(x, np.array([[1], [2], [2]]), value, 1),
        lambda a: np.put_along_axis(a, np.array([[1], [2], [2]]), 5.0, 1),
    )
    gradients(lambda x: np.putmask(x, leaf.data > 4, value), lambda a: np.putmask(a, a > 4, 5.0))
    with pytest.raises(TypeError, match="lose its gradient"):
        np.put(np.zeros(3), [0], value)


def test_methods() -> None:
    x = np.arange(12.0).reshape(3, 4)
    t = Tensor(x, requires_grad=True)
    for name, arguments in {
        "take": ([0, 2],),
        "repeat": (2, 1),
        "diagonal": (1,),
        "ravel": (),
        "flatten": ("F",),
        "compress": ([True, False, True], 0),
        "squeeze": (),
        "copy": (),
        "swapaxes": (0, 1),
        "astype": (np.float32,),
        "round": (1,),
    }.items():
        got = getattr(t, name)(*arguments)
        np.testing.assert_array_equal(getattr(got, "data", got), getattr(x, name)(*arguments))
        assert name == "round" or got.requires_grad
    assert not np.shares_memory(t.flatten().data, t.data)
    assert not np.shares_memory(t.copy().data, t.data)


def test_like_creators_give_tensors_to_write_into() -> None:
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    acc = np.zeros_like(x)
    assert isinstance(acc, Tensor)
    assert not acc.requires_grad
    acc[0] = x[1] * 2
    acc.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [0, 2, 0])
    assert np.ones_like(x, dtype=np.float32).dtype == np.float32
    assert np.empty_like(x).shape == (3,)
    np.testing.assert_array_equal(np.full_like(x, 7).data, [7, 7, 7])
