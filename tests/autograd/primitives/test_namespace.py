"""A walk through all of numpy, numpy.linalg and numpy.fft: no function drops a gradient silently.

Every public function is called on tensors that require a gradient. It must either give a tensor
that carries the gradient, or be declared constant and give what NumPy gives, or be refused with a
message; functions that take no array are listed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from autograd import Tensor
from autograd.primitives import constants

# Makers of arrays: neither data nor settings, but configuration, files, text, types and dates.
NOT_ABOUT_ARRAYS = """
    arange array asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray asmatrix
    bartlett base_repr binary_repr blackman bmat broadcast_shapes busday_count busday_offset
    datetime_as_string datetime_data diag_indices empty eye fftfreq rfftfreq
    format_float_positional format_float_scientific from_dlpack frombuffer fromfile fromfunction
    fromiter frompyfunc fromregex fromstring full genfromtxt get_include get_printoptions getbufsize
    geterr geterrcall hamming hanning identity indices info is_busday isdtype isfortran isnat
    isscalar issubdtype iterable kaiser load loadtxt mask_indices mintypecode nested_iters ones
    printoptions promote_types require row_stack save savez savez_compressed savetxt
    set_printoptions setbufsize seterr seterrcall show_config show_runtime test tri tril_indices
    triu_indices
    typename zeros
"""
# Plain functions that turn their argument into an array: Tensor refuses that itself.
REFUSED_BY_CONVERSION = ["array", "asarray", "asanyarray", "ascontiguousarray", "full"]
CONSTANT = {
    *constants.STEPS,
    *constants.TESTS,
    *constants.WHOLE_NUMBERS,
    *constants.PLACES,
    *constants.ABOUT,
    *constants.TEXT,
    np.sign,
    np.floor_divide,
    np.linalg.matrix_rank,
    np.einsum_path,
}
# Their values are not those of the argument.
LIKE = {np.zeros_like, np.ones_like, np.empty_like}
REFUSED = set(constants.UNDIFFERENTIATED)

VECTOR = np.array([0.31, 0.72, 0.18, 0.55])
MATRIX = np.array([[2.0, 0.3, 0.1], [0.3, 3.0, 0.4], [0.1, 0.4, 4.0]])
CUBE = np.arange(1.0, 9.0).reshape(2, 2, 2) / 9

# Arguments to try, in this order, until NumPy accepts them; arrays in them become tensors.
ATTEMPTS: list[tuple[Any, ...]] = [
    (VECTOR,),
    (VECTOR + 1,),
    (MATRIX,),
    (VECTOR, VECTOR[::-1] + 0.03),
    (MATRIX, MATRIX + 1),
    (MATRIX, 2),
    ([VECTOR, VECTOR + 1],),
    (CUBE,),
    (CUBE, 2),
    (VECTOR, np.array([3, 2, 1, 0])),
    (np.array([5, 6, 7, 8]),),
    (np.array([5, 6, 7, 8]), np.array([1, 2, 3, 4])),
]
IS_BIG = VECTOR > 0.4
# For functions that need settings, or arrays of their own kind.
SPECIAL: dict[str, tuple[Any, ...]] = {
    "angle": (VECTOR + 1j,),
    "imag": (VECTOR + 1j,),
    "apply_along_axis": (np.sum, 0, MATRIX),
    "apply_over_axes": (np.sum, MATRIX, [0]),
    "array_split": (VECTOR, 2),
    "astype": (VECTOR, np.float32),
    "bincount": (np.array([0, 1, 1, 3]), VECTOR),
    "broadcast_to": (VECTOR, (2, 4)),
    "can_cast": (VECTOR, np.float64),
    "choose": (np.array([0, 1, 0, 1]), [VECTOR, VECTOR + 1]),
    "clip": (VECTOR, 0.2, 0.6),
    "compress": (IS_BIG, VECTOR),
    "convolve": (VECTOR, VECTOR),
    "cross": (MATRIX, MATRIX + 1),
    "delete": (VECTOR, 1),
    "digitize": (VECTOR, [0.2, 0.5]),
    "dsplit": (CUBE, 2),
    "einsum": ("i,i->", VECTOR, VECTOR),
    "einsum_path": ("i,i->", VECTOR, VECTOR),
    "expand_dims": (VECTOR, 0),
    "extract": (IS_BIG, VECTOR),
    "full_like": (VECTOR, VECTOR),
    "heaviside": (VECTOR, VECTOR),
    "histogram2d": (VECTOR, VECTOR),
    "insert": (VECTOR, 1, VECTOR),
    "interp": (VECTOR, [0.0, 0.5, 1.0], [1.0, 2.0, 0.0]),
    "ix_": (np.array([0, 1]),),
    "geomspace": (VECTOR, VECTOR + 1),
    "ldexp": (VECTOR, 2),
    "linspace": (VECTOR, VECTOR + 1),
    "logspace": (VECTOR, VECTOR + 1),
    "matrix_power": (MATRIX, 2),
    "matvec": (MATRIX, MATRIX[0]),
    "vecmat": (MATRIX[0], MATRIX),
    "moveaxis": (MATRIX, 0, 1),
    "packbits": (np.array([1, 0, 1]),),
    "pad": (VECTOR, 1),
    "partition": (VECTOR, 1),
    "percentile": (VECTOR, 30),
    "nanpercentile": (VECTOR, 30),
    "quantile": (VECTOR, 0.3),
    "nanquantile": (VECTOR, 0.3),
    "piecewise": (VECTOR, [IS_BIG], [np.sin, np.cos]),
    "polyfit": (VECTOR, VECTOR, 1),
    "polyval": (VECTOR, VECTOR),
    "ravel_multi_index": ((np.array([1, 2]), np.array([0, 1])), (3, 3)),
    "repeat": (VECTOR, 2),
    "reshape": (VECTOR, (2, 2)),
    "resize": (VECTOR, (2, 3)),
    "roll": (VECTOR, 1),
    "rollaxis": (MATRIX, 1),
    "select": ([IS_BIG], [VECTOR]),
    "solve": (MATRIX, MATRIX[0]),
    "split": (VECTOR, 2),
    "hsplit": (VECTOR, 2),
    "vsplit": (MATRIX, 3),
    "swapaxes": (MATRIX, 0, 1),
    "take": (VECTOR, [0, 1]),
    "take_along_axis": (VECTOR, np.array([0, 1]), 0),
    "tensordot": (MATRIX, MATRIX),
    "tensorinv": (np.eye(4).reshape(2, 2, 2, 2) + 0.1, 2),
    "tensorsolve": (np.eye(4).reshape(2, 2, 2, 2) + 0.1, MATRIX[:2, :2]),
    "multi_dot": ([MATRIX, MATRIX, MATRIX[0]],),
    "tile": (VECTOR, 2),
    "unravel_index": (np.array([3, 4]), (3, 3)),
    "unpackbits": (np.array([3], np.uint8),),
    "where": (IS_BIG, VECTOR, 0.0),
    "argpartition": (VECTOR, 1),
    "searchsorted": (np.sort(VECTOR), VECTOR),
    "array_equal": (VECTOR, VECTOR),
    "array_equiv": (VECTOR, VECTOR),
    "isin": (VECTOR, VECTOR[:2]),
    "nan_to_num": (VECTOR,),
    "irfft": (VECTOR,),
    "hfft": (VECTOR,),
}
# Functions that write into their first argument, with something to write.
WRITERS: dict[str, tuple[Any, ...]] = {
    "copyto": (0.5,),
    "fill_diagonal": (0.5,),
    "place": (MATRIX > 1, 0.5),
    "put": ([0, 1], 0.5),
    "put_along_axis": (np.array([[0], [1], [0]]), 0.5, 1),
    "putmask": (MATRIX > 1, 0.5),
}


def public(module: Any) -> Iterator[Any]:
    for name in sorted(dir(module)):
        if name.startswith("_"):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            function = getattr(module, name, None)
        if callable(function) and not isinstance(function, type):
            yield pytest.param(name, function, id=f"{module.__name__}.{name}")


FUNCTIONS = [case for module in (np, np.linalg, np.fft) for case in public(module)]


def tracked(value: Any) -> Any:
    """Floating arrays as tensors that require a gradient, whole numbers as they are."""
    if isinstance(value, np.ndarray):
        return Tensor(value, requires_grad=True) if value.dtype.kind in "fc" else value
    if isinstance(value, list | tuple):
        return type(value)(tracked(item) for item in value)
    return value


def floating(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fc"
    return isinstance(value, list | tuple) and any(map(floating, value))


def accepted(function: Callable[..., Any], name: str) -> tuple[tuple[Any, ...], Any]:
    """Arguments that NumPy takes, and its result."""
    attempts = [SPECIAL[name]] if name in SPECIAL else ATTEMPTS
    for arguments in attempts:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                return arguments, function(*arguments)
            except Exception as error:
                problem = error
    raise AssertionError(f"no arguments for {name}: {problem}; extend SPECIAL")


def arrays_in(result: Any) -> list[Any]:
    if isinstance(result, Tensor | np.ndarray | np.generic):
        return [result]
    if isinstance(result, list | tuple):
        return [part for item in result for part in arrays_in(item)]
    return []


@pytest.mark.parametrize(("name", "function"), FUNCTIONS)
def test_every_function(name: str, function: Callable[..., Any]) -> None:
    if name in NOT_ABOUT_ARRAYS.split():
        return
    if name in WRITERS:
        x = Tensor(MATRIX, requires_grad=True) * 1
        function(x, *WRITERS[name])
        assert x.requires_grad
        assert (x.data == 0.5).any()
        return
    arguments, expected = accepted(function, name)
    if function in REFUSED and any(map(floating, arguments)):
        with pytest.raises(TypeError, match="no differentiation rule"):
            function(*map(tracked, arguments))
        return
    result = function(*map(tracked, arguments))
    parts = arrays_in(result)
    for part in parts:
        assert part.dtype != object
    if any(isinstance(p, Tensor) and p.requires_grad for p in parts):
        assert function not in CONSTANT
        assert all(isinstance(p, Tensor) or p.dtype.kind not in "fc" for p in parts) or name in (
            "modf",  # its whole part, the quotient and the scale are constant
            "divmod",
            "lstsq",
        )
        return
    if function in LIKE:
        return
    if any(map(floating, arguments)):
        assert function in CONSTANT, f"{name} dropped the gradient"
    for ours, theirs in zip(arrays_in(result), arrays_in(expected), strict=True):
        assert not isinstance(ours, Tensor) or not floating(ours.data)
        np.testing.assert_array_equal(getattr(ours, "data", ours), theirs)


@pytest.mark.parametrize("name", REFUSED_BY_CONVERSION)
def test_conversion_to_an_array_is_refused(name: str) -> None:
    t = Tensor(VECTOR, requires_grad=True)
    with pytest.raises(TypeError, match="lose"):
        np.full((4,), t) if name == "full" else getattr(np, name)(t)
    with pytest.raises(TypeError, match="lose"):
        np.array([t, t])


def test_refused_functions_answer_where_nobody_wants_a_gradient() -> None:
    labels = Tensor([2, 1, 2, 3])
    np.testing.assert_array_equal(np.unique(labels), [1, 2, 3])
    values, edges = np.histogram(Tensor(VECTOR), bins=2)
    np.testing.assert_array_equal(values, np.histogram(VECTOR, bins=2)[0])
    assert edges.shape == (3,)
    with pytest.raises(TypeError, match="no differentiation rule"):
        np.unique(Tensor(VECTOR, requires_grad=True))


def test_the_message_says_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"numpy\.roots.*@autograd\.primitive"):
        np.roots(Tensor(VECTOR, requires_grad=True))
