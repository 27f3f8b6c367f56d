"""In-place writes and views: values, gradients, and what is refused."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import GraphError, Tensor, enable_grad, func, grad, gradcheck, gradgradcheck, no_grad

START = np.arange(12.0).reshape(3, 4) / 7 + 0.2

INDICES: list[Any] = [
    1,
    -1,
    (1, 2),
    slice(None),
    slice(None, None, -2),
    (slice(1, None), slice(None, -1)),
    ...,
    (..., 0),
    (None, 1),
    (slice(None), None, 2),
    [0, 2],
    np.array([2, 0]),
    np.array([[0, 1], [2, 0]]),
    ([0, 2], [1, 3]),
    (np.array([[0], [2]]), np.array([1, 3])),
    (slice(None), [3, 0]),
    ([0, 1], slice(None, None, -1)),
    START > 1,
    np.array([True, False, True]),
    (np.array([True, False, True]), slice(None, 2)),
    (),
    np.int64(1),
    Tensor([2, 0]),
    slice(0, 0),
]


def leaf(values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def raw(index: Any) -> Any:
    return index.data if isinstance(index, Tensor) else index


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize("scalar", [False, True])
def test_assignment_to_every_kind_of_index(index: Any, scalar: bool) -> None:
    region = START[raw(index)].shape
    rng = np.random.default_rng(0)
    value = rng.standard_normal(() if scalar else region)

    def program(x: Any, v: Any) -> Any:
        y = x * 2
        y[index if isinstance(y, Tensor) else raw(index)] = v * 3
        return y * y

    expected = program(START, value)
    got = program(Tensor(START), Tensor(value))
    np.testing.assert_array_equal(got.data, expected)
    x, v = leaf(START), leaf(value)
    assert gradcheck(program, (x, v))
    assert gradgradcheck(program, (x, v))


OPERATORS: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("+=", operator.iadd),
    ("-=", operator.isub),
    ("*=", operator.imul),
    ("/=", operator.itruediv),
    ("**=", operator.ipow),
]


@pytest.mark.parametrize("operate", [f for _, f in OPERATORS], ids=[n for n, _ in OPERATORS])
@pytest.mark.parametrize("kind", ["tensor", "row", "array", "number"])
def test_augmented_operators(operate: Callable[[Any, Any], Any], kind: str) -> None:
    other = {"number": 1.5, "row": START[0] + 1}.get(kind, START + 1)

    def program(x: Any, v: Any) -> Any:
        y = x + 0.5
        same = y
        y = operate(y, v)
        assert y is same
        return y * x

    expected = program(START, other)
    given: Any = leaf(other) if kind in ("tensor", "row") else other
    np.testing.assert_array_equal(program(leaf(START), given).data, expected)
    assert gradcheck(program, (leaf(START), given))
    assert gradgradcheck(program, (leaf(START), given))


def test_augmented_matmul_and_items() -> None:
    square = np.arange(9.0).reshape(3, 3) / 5

    def program(x: Any, w: Any) -> Any:
        y = x * 1
        y @= w
        y[0] += w[1]
        y[:, 1] *= 2
        y[y > 1] -= 1
        return y

    np.testing.assert_array_equal(
        program(leaf(square), leaf(square + 1)).data, program(square, square + 1)
    )
    assert gradcheck(program, (leaf(square), leaf(square + 1)))


def test_copyto() -> None:
    mask = START > 1

    def program(x: Any, v: Any) -> Any:
        y = x * 1
        np.copyto(y, v)
        z = x * 2
        np.copyto(z, v * v, where=mask)
        return y + z

    for value in (START + 1, START[0]):
        np.testing.assert_array_equal(program(leaf(START), leaf(value)).data, program(START, value))
        assert gradcheck(program, (leaf(START), leaf(value)))
    array = np.zeros(3)
    with pytest.raises(TypeError, match="lose its gradient"):
        np.copyto(array, leaf([1.0, 2.0, 3.0]))


def test_out_arguments_write_in_place() -> None:
    x, v = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = x * 1
    assert np.multiply(y, v, out=y) is y
    np.exp(y, out=y)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.data, np.exp([3.0, 8.0]) * [3.0, 4.0])
    np.testing.assert_allclose(v.grad.data, np.exp([3.0, 8.0]) * [1.0, 2.0])


# ------------------------------------------------------------------------------------------- views

VIEWS: list[tuple[str, Callable[[Any], Any]]] = [
    ("row", lambda t: t[1]),
    ("slice", lambda t: t[1:, ::2]),
    ("backwards", lambda t: t[::-1, ::-1]),
    ("newaxis", lambda t: t[None, :, None]),
    ("reshape", lambda t: t.reshape(4, 3)),
    ("ravel", lambda t: t.ravel()),
    ("transpose", lambda t: t.T),
    ("method transpose", lambda t: t.transpose(1, 0)),
    ("swapaxes", lambda t: np.swapaxes(t, 0, 1)),
    ("moveaxis", lambda t: np.moveaxis(t, 0, -1)),
    ("expand_dims", lambda t: np.expand_dims(t, (0, 2))),
    ("squeeze", lambda t: np.squeeze(t[None])),
    ("flip", lambda t: np.flip(t, 0)),
    ("rot90", lambda t: np.rot90(t)),
    ("atleast_3d", lambda t: np.atleast_3d(t)),
    ("split", lambda t: np.split(t, 2, axis=1)[1]),
    ("diagonal of a slice", lambda t: t[:, 1:].T),
    ("views of views", lambda t: t.T[1:].reshape(3, 3)[::2] if False else t.T[1:][::2][:, 1]),
    ("reshape of a transpose of a reshape", lambda t: t.reshape(2, 6).T[::3].T),
    ("item by iteration", lambda t: list(t)[2]),
]


@pytest.mark.parametrize("view", [v for _, v in VIEWS], ids=[n for n, _ in VIEWS])
def test_writes_through_views(view: Callable[[Any], Any]) -> None:
    shape = view(START).shape
    assert np.shares_memory(view(START), START)
    value = np.random.default_rng(1).standard_normal(shape)

    def program(x: Any, v: Any) -> Any:
        base = x * 2
        sibling = base[:2]
        window = view(base)
        window[...] = v * v  # seen by the base and its other views
        sibling *= 3  # and seen by the window
        base[1, 1:3] = base[0, :2] + 1
        return np.concatenate(
            [base.ravel() * 2, sibling.ravel() * base[1, 0], window.ravel() * window.ravel()]
        )

    np.testing.assert_array_equal(program(leaf(START), leaf(value)).data, program(START, value))
    assert gradcheck(program, (leaf(START), leaf(value)))
    assert gradgradcheck(program, (leaf(START), leaf(value)))


def test_every_primitive_whose_output_shares_memory_is_a_view() -> None:
    from autograd._primitive import primitives

    for made in list(primitives.values()):
        if not made.__module__.startswith(("autograd", "numpy")) or made.name == "write":
            continue
        for drawn in made.samples:
            args, attrs = drawn.draw()
            inputs = [
                Tensor(a, requires_grad=True) * 1
                if isinstance(a, np.ndarray) and a.dtype.kind in "fc"
                else a
                for a in args
            ]
            result = made(*inputs, **attrs)
            for out in result if isinstance(result, tuple) else (result,):
                for x in inputs:
                    if isinstance(x, Tensor) and np.shares_memory(out.data, x.data):
                        assert out._view is not None, f"{made.name}{drawn}"


ALIASES: list[Callable[[Any], Any]] = [
    np.real,
    np.atleast_1d,
    np.ravel,
    np.asarray,
    np.squeeze,
    np.positive,
    np.conj,
    np.nan_to_num,
    np.ascontiguousarray,
    lambda t: np.diagonal(t),
    lambda t: np.array_split(t, 2)[0],
    lambda t: np.vsplit(t, [1])[0],
    lambda t: np.broadcast_to(t, (2, 3, 4)),
    lambda t: np.rollaxis(t, 1),
    lambda t: np.clip(t, None, 100.0),
    lambda t: t.astype(np.float64, copy=False),
    lambda t: np.broadcast_arrays(t, np.zeros((3, 4)))[0],
    lambda t: np.moveaxis(t, 0, 0),
    lambda t: t.flatten(),
    lambda t: t.copy(),
    lambda t: np.vstack([t]),
    lambda t: np.tile(t, (1, 1)),
    lambda t: np.roll(t, 0),
    lambda t: np.matrix_transpose(t),
    lambda t: np.unstack(t)[0],
    lambda t: np.real(np.conj(t)),
]


@pytest.mark.parametrize("function", ALIASES)
def test_results_follow_a_write_if_and_only_if_they_share_memory(
    function: Callable[[Any], Any],
) -> None:
    w = leaf([2.0, 3.0, 5.0, 7.0])
    y = leaf(START) * 1
    try:
        out = function(y)
    except TypeError:  # asarray and its kin: a clear refusal will do
        return
    shares = np.shares_memory(out.data, y.data)
    y[0] = w
    total = (out * np.arange(1.0, out.size + 1).reshape(out.shape)).sum()
    if not shares:
        assert grad(total, w, allow_unused=True) == (None,)
        return
    (g,) = grad(total, w)
    lot = np.zeros(START.shape)  # the same by linearity, from the values themselves
    for k in range(4):
        with no_grad():
            probe = Tensor(np.zeros(START.shape))
            probe.data[0, k] = 1.0
            seen = function(probe).data
        lot[0, k] = (seen * np.arange(1.0, seen.size + 1).reshape(seen.shape)).sum()
    np.testing.assert_allclose(g.data, lot[0])


def test_a_constant_becomes_tracked_with_all_its_views() -> None:
    w = leaf([1.0, 2.0])
    board = Tensor(np.zeros((3, 2)))
    row, column = board[1], board[:, 0]
    assert not row.requires_grad
    board[1] = w * w
    assert board.requires_grad
    assert row.requires_grad
    assert column.requires_grad
    (row.sum() + 10 * column.sum() + 100 * board.sum()).backward()
    np.testing.assert_allclose(w.grad.data, [2 * 111.0, 4 * 101.0])


def test_a_write_through_a_constants_view_tracks_the_constant() -> None:
    w = leaf(3.0)
    board = Tensor(np.zeros(4))
    middle = board[1:3]
    middle[0] = w
    assert board.requires_grad
    (board * [0.0, 5.0, 7.0, 9.0]).sum().backward()
    assert w.grad.item() == 5.0


def test_a_list_filled_in_a_loop() -> None:
    """The recurrence everyone writes first."""
    a = leaf(0.9)
    states = Tensor(np.zeros(10))
    states[0] = 1.0
    for k in range(9):
        states[k + 1] = states[k] * a
    states.sum().backward()
    np.testing.assert_allclose(a.grad.data, sum(k * 0.9 ** (k - 1) for k in range(1, 10)))


def test_overwritten_values_get_no_gradient() -> None:
    x, v, w = leaf([1.0, 2.0]), leaf(3.0), leaf(4.0)
    y = x * 1
    y[0] = v
    y[0] = w
    y.sum().backward()
    assert x.grad.data.tolist() == [0.0, 1.0]
    assert v.grad.item() == 0.0
    assert w.grad.item() == 1.0


def test_uses_before_the_write_see_the_old_value() -> None:
    x = leaf([1.0, 2.0])
    y = x * 3
    before = y + 0
    y[0] = 100.0
    after = y + 0
    (before * [1.0, 10.0] + after * [100.0, 1000.0]).sum().backward()
    assert x.grad.data.tolist() == [3.0, 3030.0]


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda t: t.__setitem__(slice(1, None), t[:-1]), [1.0, 1.0, 2.0, 3.0]),
        (lambda t: t.__setitem__(slice(None), t[::-1]), [4.0, 3.0, 2.0, 1.0]),
        (lambda t: t.__setitem__([0, 1], t[[1, 0]]), [2.0, 1.0, 3.0, 4.0]),
        (lambda t: t.__iadd__(t), [2.0, 4.0, 6.0, 8.0]),
        (lambda t: t.__imul__(t[::-1]), [4.0, 6.0, 6.0, 4.0]),
        (lambda t: t.reshape(2, 2).__setitem__(..., t.reshape(2, 2).T), [1.0, 3.0, 2.0, 4.0]),
    ],
)
def test_writes_that_overlap_what_they_read(
    write: Callable[[Any], Any], expected: list[float]
) -> None:
    def program(x: Any) -> Any:
        y = x * 1
        write(y)
        return y * y

    x = leaf([1.0, 2.0, 3.0, 4.0])
    y = x * 1
    write(y)
    assert y.data.tolist() == expected
    assert gradcheck(program, x)
    assert gradgradcheck(program, x)


@pytest.mark.parametrize("index", [[0, 0, 2, 0], np.array([[1, 1], [0, 1]]), ([1, 1], [0, 0])])
def test_of_several_writes_to_one_place_the_last_counts(index: Any) -> None:
    base = np.zeros((3, 2)) if isinstance(index, tuple) else np.zeros(3)
    value = np.arange(1.0, 1 + base[index].size).reshape(base[index].shape)

    def program(v: Any) -> Any:
        y = Tensor(base)
        y[index] = v
        return y * y

    expected = base.copy()
    expected[index] = value
    np.testing.assert_array_equal(program(leaf(value)).data, expected**2)
    assert gradcheck(program, leaf(value))
    v = leaf(value)
    (g,) = grad(program(v).sum(), v)
    assert np.count_nonzero(g.data) == np.count_nonzero(expected)


def test_dtypes_are_the_targets() -> None:
    x = leaf([1.0, 2.0], np.float32)
    w = leaf(3.0)
    y = x * 1
    y[0] = w
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32
    assert w.grad.dtype == np.float64
    assert w.grad.item() == 1.0


def test_second_order_through_a_write() -> None:
    def f(x: Any) -> Any:
        y = x * 1
        y[1:] *= y[:-1]
        y[0] = y[2] ** 2
        return y.sum()

    x = leaf([2.0, 3.0, 5.0])  # f = (x1 x2)^2 + x0 x1 + x1 x2
    h = func.hessian(f)(x)
    np.testing.assert_allclose(h.data, [[0, 1, 0], [1, 2 * 25, 4 * 15 + 1], [0, 4 * 15 + 1, 2 * 9]])


# ----------------------------------------------------------------------------------------- refusals


def test_leaves_that_require_a_gradient_are_not_written() -> None:
    x = leaf([1.0, 2.0])
    x.name = "weight"
    for write in (
        lambda: x.__setitem__(0, 5.0),
        lambda: x.__iadd__(1.0),
        lambda: np.copyto(x, 0.0),
        lambda: np.add(x, 1.0, out=x),
        lambda: x[:1].__setitem__(0, 5.0),
        lambda: x.reshape(2, 1).__imul__(2.0),
    ):
        with pytest.raises(GraphError, match="leaf that requires a gradient.*no_grad"):
            write()
        assert x.data.tolist() == [1.0, 2.0]
    with pytest.raises(GraphError, match="'weight'"):
        x[0] = 1.0
    assert x.is_leaf


def test_a_view_made_a_leaf_is_not_written_through_its_base() -> None:
    base = Tensor(np.zeros(3))
    part = base[:2]
    part.requires_grad = True
    base[...] = 3.0
    with pytest.raises(GraphError, match="leaf that requires a gradient.*view"):
        part * 2


def test_under_no_grad_anything_is_written_and_nothing_recorded() -> None:
    x = leaf([1.0, 2.0])
    y = x * 2
    with no_grad():
        x += 1
        x[0] = 10.0
        np.copyto(x, [5.0, 6.0], where=[False, True])
        y[0] = 7.0
    assert x.data.tolist() == [10.0, 6.0]
    assert y.data.tolist() == [7.0, 4.0]
    assert x.is_leaf
    assert x.requires_grad
    (x * x).sum().backward()
    assert x.grad.data.tolist() == [20.0, 12.0]
    y.sum().backward()  # multiply by a number saves nothing of y
    assert x.grad.data.tolist() == [22.0, 14.0]


def test_whole_numbers() -> None:
    x = Tensor([1, 2, 3])
    x += 1
    x[0] = 7
    x *= 2
    assert x.tolist() == [14, 6, 8]
    assert x.dtype == np.int64
    for write in (lambda: x.__iadd__(0.5), lambda: x.__itruediv__(2), lambda: np.copyto(x, 1.5)):
        with pytest.raises(TypeError, match="cannot write float64 values into a tensor of int64"):
            write()
    with pytest.raises(TypeError, match="int64"):
        x[0] = leaf(1.0)
    assert x.tolist() == [14, 6, 8]


def test_writes_that_do_not_fit_name_the_shapes_and_change_nothing() -> None:
    y = leaf([1.0, 2.0, 3.0]) * 1
    for write in (
        lambda: y.__setitem__(slice(None), np.zeros(2)),
        lambda: y.__iadd__(np.zeros((2, 3))),
        lambda: y.__setitem__(7, 1.0),
    ):
        with pytest.raises((ValueError, IndexError)):
            write()
    assert y.tolist() == [1.0, 2.0, 3.0]
    y.sum().backward()


def test_a_read_only_view_is_not_written() -> None:
    y = leaf([1.0, 2.0]) * 1
    wide = np.broadcast_to(y, (3, 2))
    with pytest.raises(ValueError, match="read-only"):
        wide[0, 0] = 5.0
    assert y.tolist() == [1.0, 2.0]


def test_the_users_arrays_are_never_changed() -> None:
    array, value = np.array([1.0, 2.0, 3.0]), np.array([5.0, 6.0])
    x = Tensor(array)
    x[:2] = value
    x += 1
    x[0] = 100.0
    y = Tensor(array, requires_grad=True) * 1
    y[:2] = value
    y *= 2
    (y * y).sum().backward()
    assert array.tolist() == [1.0, 2.0, 3.0]
    assert value.tolist() == [5.0, 6.0]


# ------------------------------------------------------------------------------ stale saved arrays


def stale(x: Tensor) -> None:
    y = x * 2
    z = np.sin(y)  # saves y
    y[0] = 5.0  # changes y
    z.sum().backward()


def test_a_stale_saved_array_names_both_lines() -> None:
    x = leaf([1.0, 2.0])
    first = stale.__code__.co_firstlineno
    with pytest.raises(GraphError) as caught:
        stale(x)
    message = str(caught.value)
    assert f"sin at {__file__}:{first + 2} saved an array of shape (2,)" in message
    assert f"{__file__}:{first + 3} changed it in place" in message
    assert "x = x + …" in message
    assert x.grad is None


SPOILERS: list[tuple[str, Callable[[Tensor], Any]]] = [
    ("item", lambda y: y.__setitem__(0, 5.0)),
    ("augmented", lambda y: y.__iadd__(1.0)),
    ("through a view", lambda y: y.reshape(2, 1).__imul__(2.0)),
    ("detached", lambda y: y.detach().__setitem__(0, 5.0)),
    ("copyto", lambda y: np.copyto(y, 0.0)),
    ("out", lambda y: np.exp(y, out=y)),
]


@pytest.mark.parametrize("spoil", [f for _, f in SPOILERS], ids=[n for n, _ in SPOILERS])
@pytest.mark.parametrize("under_no_grad", [False, True])
@pytest.mark.parametrize("of_a_view", [False, True])
def test_stale_arrays_are_noticed_however_they_were_changed(
    spoil: Callable[[Tensor], Any], under_no_grad: bool, of_a_view: bool
) -> None:
    x = leaf([1.0, 2.0])
    y = x * 2
    z = np.sin(y[::-1] if of_a_view else y)
    if under_no_grad:
        with no_grad():
            spoil(y)
    else:
        spoil(y)
    with pytest.raises(GraphError, match=r"sin at .*changed it in place since"):
        grad(z.sum(), x)
    with pytest.raises(GraphError, match=r"changed it in place since"):
        grad(z.sum(), x, create_graph=True)


def test_a_stale_leaf() -> None:
    x = leaf([1.0, 2.0])
    y = x * x
    with no_grad():
        x -= 0.1
    with pytest.raises(GraphError, match="multiply at .* changed it in place since"):
        y.sum().backward()


def test_a_stale_output() -> None:
    x = leaf([1.0, 2.0])
    y = np.exp(x)
    y *= 2
    with pytest.raises(GraphError, match="exp at .* changed it in place since"):
        y.sum().backward()


def test_writes_that_spoil_nothing_are_no_error() -> None:
    x = leaf([1.0, 2.0])
    y = x + 1  # saves nothing
    y[0] = 3.0
    other = Tensor([1.0, 2.0])
    z = np.sin(y)
    other += 1
    y = y * 1
    y[1] = 9.0  # another array
    z.sum().backward()
    np.testing.assert_allclose(x.grad.data, [0.0, np.cos(3.0)])


def test_a_write_spoils_no_other_graph() -> None:
    x = leaf([1.0, 2.0])
    w = Tensor([3.0, 4.0])
    first = x * w
    w[0] = 5.0
    with pytest.raises(GraphError, match="changed it in place"):
        first.sum().backward()
    (x * w).sum().backward()  # recorded after the write
    assert x.grad.data.tolist() == [5.0, 4.0]


# ---------------------------------------------------------------------- views, modes, hooks, copies


def test_views_made_under_no_grad_stay_constants() -> None:
    x = leaf([1.0, 2.0, 3.0])
    y = x * 2
    with no_grad():
        part = y[:2]
    y[2] = 5.0
    assert not part.requires_grad
    assert part.tolist() == [2.0, 4.0]


def test_retained_gradients_are_those_of_the_new_value() -> None:
    x = leaf([1.0, 2.0])
    y = x * 2
    v = y[:1]
    y.retain_grad()
    v.retain_grad()
    y[0] = 3.0
    assert y.retains_grad
    (y * [10.0, 20.0] + v * 0).sum().backward()
    assert y.grad.data.tolist() == [10.0, 20.0]
    assert x.grad.data.tolist() == [0.0, 40.0]


def test_detach_shares_memory_but_no_history() -> None:
    x = leaf([1.0, 2.0])
    y = x + 1
    d = y.detach()
    d[0] = 50.0
    assert y.tolist() == [50.0, 3.0]
    assert not d.requires_grad
    y.sum().backward()
    assert x.grad.data.tolist() == [1.0, 1.0]


def test_an_index_changed_after_the_write() -> None:
    v = leaf([1.0, 2.0])
    y = Tensor(np.zeros(4))
    index = np.array([0, 1])
    y[index] = v
    index[:] = 3
    (y * [1.0, 10.0, 100.0, 1000.0]).sum().backward()
    assert v.grad.data.tolist() == [1.0, 10.0]


def test_a_function_may_write_into_its_argument() -> None:
    def f(x: Any) -> Any:
        x[0] = x[1] * 2
        x += 1
        return (x * x).sum()

    array = np.array([1.0, 2.0])
    g = func.grad(f)(array)
    np.testing.assert_allclose(g.data, [0.0, 2 * 5 * 2 + 2 * 3.0])
    assert array.tolist() == [1.0, 2.0]
    x = leaf(array)
    with enable_grad():
        np.testing.assert_allclose(func.hessian(f)(x).data, [[0.0, 0.0], [0.0, 10.0]])
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("operate", [operator.imod, operator.ifloordiv])
def test_remainder_and_floor_division_write_into_the_buffer(operate: Any) -> None:
    x = Tensor([5.0, 7.5], requires_grad=True)
    y = x * 1
    buffer = y.data
    expected = operate(np.array([5.0, 7.5]), 2.0)
    z = operate(y, 2.0)
    assert z is y
    assert y.data is buffer
    np.testing.assert_array_equal(buffer, expected)
    y.sum().backward()
    slope = 1.0 if operate is operator.imod else 0.0
    np.testing.assert_array_equal(x.grad.data, [slope, slope])
