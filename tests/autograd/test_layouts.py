"""Shapes and memory layouts: results depend on values alone, never on how they lie in memory."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Tensor, as_tensor, grad
from autograd._primitive import Primitive, Sample, primitives

LIBRARY = [p for p in primitives.values() if p.__module__.startswith(("autograd", "numpy"))]
CASES = [
    pytest.param(made, drawn, id=f"{made.name}-{number}")
    for made in LIBRARY
    for number, drawn in enumerate(made.samples)
]


def reversed_memory(a: Any) -> Any:
    """The same values behind negative strides."""
    backwards = (..., *(slice(None, None, -1),) * a.ndim)
    return a[backwards].copy()[backwards]


def every_other(a: Any) -> Any:
    """The same values with gaps between them."""
    wide = np.zeros([2 * n for n in a.shape], a.dtype)
    view = wide[(..., *(slice(None, None, 2),) * a.ndim)]
    view[...] = a
    return view


def read_only(a: Any) -> Any:
    """The same values in an array that must not be written."""
    locked = a.copy()
    locked.flags.writeable = False
    return locked


def column_major(a: Any) -> Any:
    """The same values in Fortran's order."""
    return np.array(a, order="F")


LAYOUTS = [reversed_memory, every_other, column_major, read_only]


def run(made: Primitive, args: list[Any], attrs: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Values and gradients with these arrays themselves as the tensors' memory."""
    inputs = [
        as_tensor(a) if isinstance(a, np.ndarray) and a.dtype.kind in "fc" else a for a in args
    ]
    leaves = [x.requires_grad_() for x in inputs if isinstance(x, Tensor)]
    result = made(*inputs, **attrs)
    outs = [o for o in (result if isinstance(result, tuple) else (result,)) if o.requires_grad]
    starts = [np.cos(np.arange(o.size)).reshape(o.shape).astype(o.dtype) for o in outs]
    gradients = grad(outs, leaves, starts, allow_unused=True)
    return [o.data for o in outs], [None if g is None else g.data for g in gradients]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda f: f.__name__)
@pytest.mark.parametrize(("made", "drawn"), CASES)
def test_layout_does_not_matter(made: Primitive, drawn: Sample, layout: Any) -> None:
    if made.name == "write":
        return  # writes into its input: tests of in-place writes have the layouts
    args, attrs = drawn.draw()
    # Arrays that a sample gives as they are are constants of the function, not its arguments.
    drawn_here = [isinstance(spec, tuple) or callable(spec) for spec in drawn.inputs]
    args = [
        a if d or not isinstance(a, np.ndarray) else a.tolist() for a, d in zip(args, drawn_here)
    ]
    laid_out = [
        layout(a) if isinstance(a, np.ndarray) and a.dtype.kind in "fc" else a for a in args
    ]
    before = [np.array(a) if isinstance(a, np.ndarray) else a for a in laid_out]
    expected = run(made, args, attrs)
    found = run(made, laid_out, attrs)
    for some, others in zip(expected, found, strict=True):
        for e, f in zip(some, others, strict=True):
            if e is None:
                assert f is None
            else:
                np.testing.assert_allclose(f, e, rtol=1e-12, atol=1e-12)
    for old, new in zip(before, laid_out, strict=True):
        if isinstance(new, np.ndarray):
            np.testing.assert_array_equal(new, old)


SHAPES = hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3, max_dims=3)


@given(shapes=SHAPES, name=st.sampled_from(["add", "subtract", "multiply", "divide", "maximum"]))
def test_broadcasting_is_undone(shapes: Any, name: str) -> None:
    """Against the product with an explicitly broadcast copy, whose gradient is summed by hand."""
    rng = np.random.default_rng(0)
    ufunc = getattr(np, name)
    values = [rng.uniform(0.5, 2.0, shape) for shape in shapes.input_shapes]
    a, b = (Tensor(v, requires_grad=True) for v in values)
    out = ufunc(a, b)
    assert out.shape == shapes.result_shape
    start = rng.standard_normal(out.shape)
    found = grad(out, (a, b), start)
    full = [Tensor(np.broadcast_to(v, out.shape), requires_grad=True) for v in values]
    whole = grad(ufunc(*full), full, start)
    for x, f, w in zip((a, b), found, whole, strict=True):
        assert f.shape == x.shape
        assert f.dtype == x.dtype
        lead = out.ndim - x.ndim
        axes = (*range(lead), *(lead + i for i, n in enumerate(x.shape) if n == 1))
        summed = w.data.sum(axis=axes, keepdims=True).reshape(x.shape)
        np.testing.assert_allclose(f.data, summed, rtol=1e-12, atol=1e-12)


@given(
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
    keepdims=st.booleans(),
    data=st.data(),
)
def test_reductions_over_any_axes(shape: tuple[int, ...], keepdims: bool, data: Any) -> None:
    """Sums and means against their closed-form gradients, over every choice of axes."""
    axes = data.draw(
        st.none() | st.sets(st.integers(-len(shape), len(shape) - 1)).map(tuple)
        if shape
        else st.none()
    )
    if axes is not None and len({a % len(shape) for a in axes}) != len(axes):
        return
    x = Tensor(np.arange(float(np.prod(shape, dtype=int))).reshape(shape), requires_grad=True)
    total = np.sum(x, axis=axes, keepdims=keepdims)
    np.testing.assert_allclose(total.data, np.sum(x.data, axis=axes, keepdims=keepdims))
    start = np.cos(np.arange(total.size)).reshape(total.shape)
    (g,) = grad(total, x, start)
    kept = start if keepdims else start.reshape(np.sum(x.data, axis=axes, keepdims=True).shape)
    np.testing.assert_array_equal(g.data, np.broadcast_to(kept, shape))
    if x.size:
        (m,) = grad(np.mean(x, axis=axes, keepdims=keepdims), x, start)
        np.testing.assert_allclose(m.data * (x.size / total.size), g.data, rtol=1e-12)
