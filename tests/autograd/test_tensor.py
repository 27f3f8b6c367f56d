"""Tensor: construction, properties, conversion, copies, messages and NumPy's protocols."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd
from autograd import GraphError, Tensor, as_tensor, no_grad, tensor

# ----------------------------------------------------------------------------------- construction


def test_construction_copies_the_callers_array() -> None:
    array = np.array([1.0, 2.0])
    x = Tensor(array)
    array[0] = 100.0
    assert x.data.tolist() == [1.0, 2.0]
    x.data[1] = 50.0
    assert array.tolist() == [100.0, 2.0]


def test_construction_from_a_tensor_copies_and_has_no_history() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = Tensor(x * 2)
    assert not y.requires_grad
    assert y.is_leaf
    z = Tensor(x)
    z.data[0] = 9.0
    assert x.data.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.0, np.float64),
        (1, np.int64),
        (True, np.bool_),
        (1j, np.complex128),
        ([1, 2.5], np.float64),
        (np.float32(1), np.float32),
        (np.zeros(2, np.float16), np.float16),
        (np.zeros((2, 0), np.uint8), np.uint8),
    ],
)
def test_dtype_is_numpys_choice(data: Any, dtype: Any) -> None:
    assert Tensor(data).dtype == dtype
    assert tensor(data).dtype == dtype


def test_dtype_can_be_chosen() -> None:
    x = Tensor([1, 2], dtype=np.float32, requires_grad=True)
    assert x.dtype == np.float32
    assert x.requires_grad


def test_nested_lists_may_hold_tensors() -> None:
    x = Tensor([[Tensor(1.0), 2.0], (np.float64(3.0), Tensor(4))])
    np.testing.assert_array_equal(x.data, [[1.0, 2.0], [3.0, 4.0]])
    y = Tensor([Tensor([1.0, 2.0]), np.array([3.0, 4.0])])
    np.testing.assert_array_equal(y.data, [[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize("make", [Tensor, tensor, as_tensor])
def test_what_holds_no_numbers_is_refused(make: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match="inhomogeneous"):
        make([[1.0], [1.0, 2.0]])
    for data in ("abc", None, {"a": 1}, np.array([1, None], dtype=object), [object()]):
        with pytest.raises(TypeError, match="a Tensor holds numbers"):
            make(data)
    with pytest.raises(TypeError, match="a Tensor holds numbers"):
        make(np.array(["2020-01-01"], dtype="datetime64[D]"))


@pytest.mark.parametrize("data", [[1, 2], [True], np.uint8(3)])
def test_whole_numbers_never_require_gradients(data: Any) -> None:
    with pytest.raises(TypeError, match="only floating or complex.*dtype=float"):
        Tensor(data, requires_grad=True)
    x = Tensor(data)
    with pytest.raises(TypeError, match="only floating or complex"):
        x.requires_grad = True
    assert not x.requires_grad


def test_as_tensor_shares_memory() -> None:
    array = np.zeros(3)
    assert as_tensor(array).data is array
    x = Tensor([1.0], requires_grad=True)
    assert as_tensor(x) is x
    assert as_tensor(x, dtype=np.float64) is x
    converted = as_tensor(x, dtype=np.float32)
    assert converted.dtype == np.float32
    assert converted.requires_grad  # a conversion is an operation like any other
    assert as_tensor([1, 2], dtype=np.float32).dtype == np.float32


# ------------------------------------------------------------------------------------- properties


def test_properties_are_the_arrays() -> None:
    array = np.zeros((2, 3, 4), np.float32)
    x = Tensor(array)
    for name in ("shape", "ndim", "size", "dtype", "itemsize", "nbytes"):
        assert getattr(x, name) == getattr(array, name), name
    assert x.T.shape == (4, 3, 2)
    assert x.mT.shape == (2, 4, 3)
    assert x.grad is None
    assert x.node is None
    assert x.is_leaf
    assert x.name is None


def test_requires_grad_of_a_computed_tensor_cannot_be_switched_off() -> None:
    x = Tensor([1.0], requires_grad=True)
    y = x * 2
    with pytest.raises(GraphError, match="detach"):
        y.requires_grad = False
    assert x.requires_grad_(False) is x
    assert not (x * 2).requires_grad
    assert x.requires_grad_().requires_grad


def test_node_of_a_computed_tensor() -> None:
    x = Tensor([1.0], requires_grad=True)
    y = np.tanh(x)
    assert y.node is not None
    assert y.node.primitive.name == "tanh"
    assert not y.is_leaf
    assert y.detach().node is None
    assert Tensor([1.0]).tanh().node is None


def test_names() -> None:
    x = Tensor([1.0], requires_grad=True, name="weight")
    assert x.name == "weight"
    assert "name='weight'" in repr(x)
    y = x * 2
    y.name = "doubled"
    assert y.node is not None
    assert y.node.name == "doubled"
    x.name = None
    assert x.name is None


# ----------------------------------------------------------------------------------- how it looks


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (Tensor([1.0, 2.0]), "Tensor([1., 2.])"),
        (Tensor(1.5), "Tensor(1.5)"),
        (Tensor([1, 2]), "Tensor([1, 2])"),
        (Tensor([1.0], dtype=np.float32), "Tensor([1.], dtype=float32)"),
        (Tensor([1.0], requires_grad=True), "Tensor([1.], requires_grad=True)"),
        (Tensor([[1.0, 2.0], [3.0, 4.0]]), "Tensor([[1., 2.],\n        [3., 4.]])"),
        (Tensor(np.zeros((0, 3))), "Tensor([], shape=(0, 3))"),
        (Tensor([True]), "Tensor([ True])"),
        (Tensor([1.0], requires_grad=True) * 2, "Tensor([2.], node=<multiply>)"),
    ],
)
def test_repr(x: Tensor, expected: str) -> None:
    assert repr(x) == expected


def test_str_and_format() -> None:
    assert str(Tensor([1.0, 2.0], requires_grad=True)) == "[1. 2.]"
    assert f"{Tensor(3.14159, requires_grad=True):.2f}" == "3.14"
    assert f"{Tensor(3)}" == "3"
    assert f"{Tensor([1.0])}" == "[1.]"
    assert f"{Tensor(255):x}" == "ff"
    with pytest.raises(TypeError):
        f"{Tensor([1.0, 2.0]):.2f}"


# ------------------------------------------------------------------------------------- conversion


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_element_converts_to_a_number(shape: tuple[int, ...]) -> None:
    x = Tensor(np.full(shape, 2.75), requires_grad=True)
    assert type(x.item()) is float
    assert x.item() == 2.75
    assert float(x) == 2.75
    assert int(x) == 2
    assert complex(x) == 2.75
    assert bool(x) is True
    assert not bool(Tensor(np.zeros(shape)))


@pytest.mark.parametrize("convert", [float, int, complex, bool, Tensor.item])
def test_several_elements_do_not(convert: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match="element"):
        convert(Tensor([1.0, 2.0]))


def test_index() -> None:
    assert [10, 20, 30][Tensor(1)] == 20
    assert list(range(Tensor(3))) == [0, 1, 2]
    with pytest.raises(TypeError):
        operator.index(Tensor(1.0))


def test_tolist_and_numpy() -> None:
    x = Tensor([[1, 2], [3, 4]])
    assert x.tolist() == [[1, 2], [3, 4]]
    assert x.numpy() is x.data
    assert Tensor(2.0).tolist() == 2.0


def test_len_iter_contains() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
    assert len(x) == 3
    rows = list(x)
    assert all(isinstance(row, Tensor) for row in rows)
    (rows[0].sum() * 2 + rows[2].sum()).backward()
    np.testing.assert_array_equal(x.grad.data, [[2, 2], [0, 0], [1, 1]])
    assert 4.0 in x
    assert Tensor(5.0) in x
    assert 7.0 not in x
    a, b, c = x
    assert b.data.tolist() == [3.0, 4.0]
    assert (a.data.sum(), c.data.sum()) == (3.0, 11.0)
    for use in (len, iter):
        with pytest.raises(TypeError, match="tensor without axes"):
            use(Tensor(1.0))


def test_array_of_a_tensor_that_requires_a_gradient_is_refused() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    for convert in (np.asarray, np.array, lambda t: np.array([t, t]), lambda t: np.array([t[0]])):
        with pytest.raises(TypeError, match=r"t\.numpy\(\) or t\.detach\(\)"):
            convert(x)
    with pytest.raises(TypeError, match=r"t\.numpy\(\)"):
        np.asarray(x * 2)
    with no_grad():
        np.testing.assert_array_equal(np.asarray(x), [1.0, 2.0])
    np.testing.assert_array_equal(np.asarray(x.detach()), [1.0, 2.0])


def test_a_gradient_is_not_lost_by_writing_into_an_array() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    array = np.zeros(2)
    with pytest.raises(TypeError):
        array[:] = x
    with pytest.raises(TypeError):
        array += x
    with pytest.raises(TypeError):
        np.add(array, x, out=array)
    np.testing.assert_array_equal(array, [0.0, 0.0])


def test_array_of_a_constant_tensor() -> None:
    x = Tensor([1.0, 2.0])
    assert np.asarray(x) is x.data
    copied = np.array(x)
    assert not np.shares_memory(copied, x.data)
    assert np.asarray(x, dtype=np.float32).dtype == np.float32


# ------------------------------------------------------------------------------- copies, pickles


def test_deepcopy_of_a_leaf() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x", dtype=np.float32)
    (x * x).sum().backward()
    for duplicate in (copy.copy, copy.deepcopy):
        y = duplicate(x)
        assert type(y) is Tensor
        assert y.requires_grad
        assert y.name == "x"
        assert y.dtype == np.float32
        assert y.data.tolist() == [1.0, 2.0]
        assert y.grad.data.tolist() == [2.0, 4.0]
        assert not np.shares_memory(x.data, y.data)
        assert not np.shares_memory(x.grad.data, y.grad.data)
        y.data[0] = 10.0
        assert x.data[0] == 1.0


def test_deepcopy_keeps_sharing_within_a_structure() -> None:
    x = Tensor([1.0])
    both = copy.deepcopy([x, {"again": x}])
    assert both[0] is both[1]["again"]
    assert both[0] is not x


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_of_a_leaf(protocol: int) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x", dtype=np.float32)
    y = pickle.loads(pickle.dumps(x, protocol))
    assert type(y) is Tensor
    assert (y.requires_grad, y.name, y.dtype) == (True, "x", np.float32)
    (y * 3).sum().backward()
    assert y.grad.data.tolist() == [3.0, 3.0]
    assert x.grad is None


def test_computed_tensors_are_neither_copied_nor_pickled() -> None:
    y = Tensor([1.0], requires_grad=True) * 2
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(GraphError, match=r"only leaves.*detach"):
            duplicate(y)
    assert copy.deepcopy(y.detach()).data.tolist() == [2.0]


def test_the_array_copy_method_records() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x.copy()
    assert not np.shares_memory(x.data, y.data)
    y.sum().backward()
    assert x.grad.data.tolist() == [1.0, 1.0]


# ----------------------------------------------------------------------------- hash and comparison


def test_hash_is_by_identity_and_equality_by_element() -> None:
    x, y = Tensor([1.0, 2.0]), Tensor([1.0, 3.0])
    assert len({x, y, x}) == 2
    assert {x: "x", y: "y"}[y] == "y"
    result = x == y
    assert type(result) is np.ndarray
    assert result.tolist() == [True, False]
    assert (x != y).tolist() == [False, True]


@pytest.mark.parametrize("compare", ["lt", "le", "gt", "ge", "eq", "ne"])
def test_comparisons_are_numpys(compare: str) -> None:
    function = getattr(operator, compare)
    a, b = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    x = Tensor(a, requires_grad=True)
    for other in (b, Tensor(b), 2.0, [3.0, 2.0, 1.0]):
        plain = other.data if isinstance(other, Tensor) else other
        result = function(x, other)
        assert type(result) is np.ndarray
        np.testing.assert_array_equal(result, function(a, np.asarray(plain)))
    np.testing.assert_array_equal(function(b, x), function(b, a))


# ----------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("habit", "answer"),
    [
        ("unsqueeze", "np.expand_dims"),
        ("view", "reshape"),
        ("permute", "transpose"),
        ("numel", "t.size"),
        ("clamp", "t.clip"),
        ("float", "astype"),
        ("grad_fn", "t.node"),
        ("add_", r"\+="),
        ("cuda", "main memory"),
    ],
)
def test_pytorch_habits_are_answered_in_numpys_names(habit: str, answer: str) -> None:
    with pytest.raises(AttributeError, match=f"{habit}.*{answer}"):
        getattr(Tensor([1.0]), habit)


def test_unknown_attributes_fail_plainly() -> None:
    x = Tensor([1.0])
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'nonsense'$"):
        _ = x.nonsense
    assert not hasattr(x, "unsqueeze")
    with pytest.raises(AttributeError):
        x.nonsense = 1  # no stray attributes: a typo such as x.requires_gard fails


def test_habits_never_hide_a_method_that_exists() -> None:
    from autograd._habits import HABITS

    assert [name for name in HABITS if hasattr(Tensor, name)] == []
    assert not set(HABITS) & set(dir(Tensor(1.0)))


@pytest.mark.parametrize("function", [np.sum, np.mean, np.max])
def test_dim_is_answered_with_axis(function: Callable[..., Any]) -> None:
    x = Tensor([[1.0, 2.0]], requires_grad=True)
    with pytest.raises(TypeError, match="axis="):
        getattr(x, function.__name__)(dim=1)
    with pytest.raises(TypeError, match="keepdims="):
        getattr(x, function.__name__)(axis=1, keepdim=True)


def test_functions_without_a_rule_say_so() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    for call in (
        lambda: np.busday_count(x, x),
        lambda: np.datetime_as_string(x),
        lambda: np.frompyfunc(lambda v: v, 1, 1)(x),
    ):
        with pytest.raises(TypeError, match=r"no differentiation rule.*@autograd\.primitive"):
            call()


def test_a_failing_operation_names_itself_and_the_shapes() -> None:
    a = Tensor(np.zeros((2, 3)), requires_grad=True, name="a")
    with pytest.raises(ValueError, match=r"matmul\('a' float64\[2, 3\], float64\[4\]\)"):
        a @ np.zeros(4)
    with pytest.raises(ValueError, match=r"add\(.*\[2, 3\].*\[5\]"):
        a + np.zeros(5)
    with pytest.raises(IndexError, match="getitem"):
        a[7]


# ------------------------------------------------------------------------------ NumPy's protocols

WAYS: list[tuple[str, Callable[[Any], Any]]] = [
    ("ufunc", lambda t: np.exp(t)),
    ("function", lambda t: np.sum(t, axis=0)),
    ("method", lambda t: t.sum(axis=0, keepdims=True)),
    ("array on the left", lambda t: np.arange(4.0).reshape(2, 2) @ t),
    ("array minus", lambda t: np.ones((2, 2)) - t),
    ("array power", lambda t: np.full((2, 2), 2.0) ** t),
    ("scalar on the left", lambda t: np.float64(2) * t),
    ("zero-dimensional array", lambda t: np.array(2.0) / t),
    ("python on the left", lambda t: 3 - t),
    ("list on the right", lambda t: t - [1.0, 2.0]),
    ("list on the left", lambda t: [1.0, 2.0] * t),
    ("concatenate", lambda t: np.concatenate([t, np.ones((1, 2)), t * 2])),
    ("stack", lambda t: np.stack((t, t * t), axis=-1)),
    ("where", lambda t: np.where(np.eye(2, dtype=bool), t, 0.0)),
    ("maximum", lambda t: np.maximum(0.6, t)),
]


@pytest.mark.parametrize("way", [w for _, w in WAYS], ids=[n for n, _ in WAYS])
def test_numpy_calls_record(way: Callable[[Any], Any]) -> None:
    values = np.array([[0.5, 1.5], [2.5, 0.25]])
    x = Tensor(values, requires_grad=True)
    y = way(x)
    assert isinstance(y, Tensor)
    assert y.requires_grad
    np.testing.assert_array_equal(y.data, way(values))
    assert autograd.gradcheck(way, x)


def test_a_list_of_tensors_is_never_turned_into_an_object_array() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError):
        np.exp([x, x])
    assert np.stack([x, x]).requires_grad
    assert np.array([x.detach(), x.detach()]).dtype == np.float64


BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.pow,
    np.maximum,
    np.arctan2,
    np.hypot,
]


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("scalar", [2, 2.0, True], ids=["int", "float", "bool"])
def test_python_scalars_never_widen(
    function: Callable[[Any, Any], Any], dtype: Any, scalar: Any
) -> None:
    for swapped in (False, True):
        x = Tensor([0.5, 1.5], dtype=dtype, requires_grad=True)
        y = function(scalar, x) if swapped else function(x, scalar)
        assert y.dtype == dtype
        y.sum().backward()
        assert x.grad.dtype == dtype
        (g,) = autograd.grad(function(x, scalar).sum(), x, create_graph=True)
        assert g.dtype == dtype


def test_means_and_powers_stay_float32() -> None:
    x = Tensor(np.ones((3, 4)), dtype=np.float32, requires_grad=True)
    for y in (x.mean(), x**2, x**0.5, -x, x / 3, np.clip(x, 0, 1), np.where(x > 0, x, 0.0), x.T):
        assert y.dtype == np.float32
        (g,) = autograd.grad(y.sum(), x, create_graph=True)
        assert g.dtype == np.float32
        assert (g * 2.5).dtype == np.float32


def test_a_float64_gradient_comes_back_as_float32() -> None:
    x = Tensor([1.0, 2.0], dtype=np.float32, requires_grad=True)
    y = x * np.array([1.0, 2.0])
    assert y.dtype == np.float64  # as NumPy has it
    y.sum().backward()
    assert x.grad.dtype == np.float32
    assert x.astype(np.float64).dtype == np.float64


def test_step_functions_return_plain_arrays() -> None:
    x = Tensor([1.5, -0.5], requires_grad=True)
    for function in (np.sign, np.floor, np.ceil, np.argmax, np.isnan, np.argsort):
        result = function(x)
        assert not isinstance(result, Tensor)
        np.testing.assert_array_equal(result, function(x.data))


def test_the_callers_arrays_are_never_changed_nor_locked() -> None:
    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    x = Tensor(a, requires_grad=True)
    y = (x * b + b).sum()
    y.backward()
    assert a.tolist() == [1.0, 2.0]
    assert b.tolist() == [3.0, 4.0]
    assert a.flags.writeable
    assert b.flags.writeable
    a[0] = b[0] = 7.0


def test_grad_is_a_tensor_of_the_same_shape() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    x.grad = Tensor([3.0, 4.0])
    with pytest.raises(TypeError, match="grad must be a Tensor or None, got ndarray"):
        x.grad = np.zeros(2)  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"grad of shape \(3,\) for a tensor of shape \(2,\)"):
        x.grad = Tensor([1.0, 2.0, 3.0])
    assert x.grad.tolist() == [3.0, 4.0]
    x.grad = None
