"""Generated from the sample inputs of every primitive: values, dtypes, derivatives of all kinds."""

from __future__ import annotations

import warnings
from functools import reduce
from typing import Any

import numpy as np
import pytest

import autograd
from autograd import Tensor, grad, gradcheck, gradgradcheck
from autograd._primitive import Primitive, Sample, primitives

LIBRARY = [p for p in primitives.values() if p.__module__.startswith(("autograd", "numpy"))]
CASES = [
    pytest.param(made, drawn, id=f"{made.name}-{number}")
    for made in LIBRARY
    for number, drawn in enumerate(made.samples)
]


def tensors(made: Primitive, drawn: Sample, dtype: Any = np.float64) -> tuple[list[Any], list[int]]:
    """The sample's arguments, arrays as tensors that require a gradient, and which those are."""
    args, _ = drawn.draw(dtype=dtype)
    which = [
        i
        for i, (spec, a) in enumerate(zip(drawn.inputs, args, strict=True))
        if (isinstance(spec, tuple) or callable(spec)) and a.dtype.kind in "fc"
    ]
    return [Tensor(a, requires_grad=True) if i in which else a for i, a in enumerate(args)], which


def call(made: Primitive, args: list[Any], drawn: Sample) -> Any:
    """The primitive on tensors; one that writes in place gets a copy to write into."""
    first = args[0] * 1 if made.name == "write" else args[0]
    return made(first, *args[1:], **drawn.attrs)


def outputs(result: Any) -> list[Tensor]:
    outs = list(result) if isinstance(result, tuple) else [result]
    return [out for out in outs if isinstance(out, Tensor) and out.requires_grad]


@pytest.mark.parametrize("made", LIBRARY, ids=lambda made: made.name)
def test_has_samples(made: Primitive) -> None:
    assert made.samples, f"{made.name} has no sample inputs"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("made", "drawn"), CASES)
def test_what_is_called_uniform_is(made: Primitive, drawn: Sample, dtype: Any) -> None:
    args, which = tensors(made, drawn, dtype)
    if made.variadic or made.n_outputs > 1 or not which:
        return
    node = call(made, args, drawn).node
    g = np.ones(node.shape, node.dtype)
    parts = made.vjp(g, node.saved, node, node.edges, None)
    if made.uniform:  # which the first call has found out
        found = {(np.shape(part), part.dtype) for part in parts if part is not None}
        assert found == {(node.shape, node.dtype)}


@pytest.mark.parametrize(("made", "drawn"), CASES)
def test_value_is_the_forwards(made: Primitive, drawn: Sample) -> None:
    args, which = tensors(made, drawn)
    arrays, attrs = drawn.draw()
    expected = made(*[np.copy(a) if isinstance(a, np.ndarray) else a for a in arrays], **attrs)
    got = call(made, args, drawn)
    for e, g in zip(*(v if isinstance(v, tuple) else (v,) for v in (expected, got)), strict=True):
        assert isinstance(g, Tensor)
        np.testing.assert_array_equal(g.data, e)
        assert g.dtype == np.asarray(e).dtype
    assert which, "a sample without a differentiable input checks nothing"
    for array, arg in zip(arrays, args, strict=True):  # inputs are left as they were
        np.testing.assert_array_equal(getattr(arg, "data", arg), array)


@pytest.mark.parametrize(("made", "drawn"), CASES)
def test_gradient(made: Primitive, drawn: Sample) -> None:
    args, _ = tensors(made, drawn)
    assert gradcheck(lambda *xs: call(made, list(xs), drawn), args)


@pytest.mark.parametrize(("made", "drawn"), CASES)
def test_second_gradient(made: Primitive, drawn: Sample) -> None:
    args, _ = tensors(made, drawn)
    assert gradgradcheck(lambda *xs: call(made, list(xs), drawn), args, atol=1e-4)


@pytest.mark.parametrize(("made", "drawn"), CASES)
def test_replayed_in_the_middle_of_a_function(made: Primitive, drawn: Sample) -> None:
    """Compiled, it may be computed otherwise: its gradients are the same."""
    args, which = tensors(made, drawn)
    if made.name == "write" or any(not args[i].ndim for i in which):
        return  # in place, or of arguments without axes: not replayed
    rest = [a for i, a in enumerate(args) if i not in which]

    def f(*xs: Tensor) -> Tensor:
        given, others = iter(xs), iter(rest)
        inputs = [next(given) * 1.5 if i in which else next(others) for i in range(len(args))]
        outs = outputs(call(made, inputs, drawn))
        return reduce(np.add, [np.sum(np.real(out * out * 0.5)) for out in outs])

    compiled = autograd.compile(f)
    tracked = [args[i] / 1.5 for i in which]
    tracked = [Tensor(x.data, requires_grad=True) for x in tracked]
    expected = f(*tracked)
    slopes = grad(expected, tracked, allow_unused=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # those with several outputs are not
        for _ in range(3):
            result = compiled(*tracked)
            np.testing.assert_allclose(result.item(), expected.item(), rtol=1e-12)
            for a, b in zip(grad(result, tracked, allow_unused=True), slopes, strict=True):
                np.testing.assert_allclose(
                    0 if a is None else a.data, 0 if b is None else b.data, rtol=1e-9, atol=1e-12
                )
    assert compiled.replays == (made.n_outputs == 1)


@pytest.mark.parametrize(("made", "drawn"), CASES)
def test_float32_stays_float32(made: Primitive, drawn: Sample) -> None:
    if drawn.attrs.get("dtype") is not None:
        return  # the sample asks for another type
    args, which = tensors(made, drawn, np.float32)
    if any(args[i].dtype != np.float32 for i in which):
        return  # complex samples
    outs = outputs(call(made, args, drawn))
    assert all(out.dtype in (np.float32, np.complex64) for out in outs)
    gradients = grad(
        outs,
        [args[i] for i in which],
        [np.ones(o.shape, o.dtype) for o in outs],
        create_graph=True,
        allow_unused=True,
    )
    assert all(g is None or g.dtype == np.float32 for g in gradients)


@pytest.mark.parametrize(("made", "drawn"), CASES)
def test_forward_mode(made: Primitive, drawn: Sample) -> None:
    """The transpose of the transposed Jacobian, against a difference along the same direction."""
    args, which = tensors(made, drawn)
    rng = np.random.default_rng(1)
    tangents = [
        rng.standard_normal(args[i].shape) * (1 + 0j if args[i].dtype.kind == "c" else 1)
        for i in which
    ]

    def along(step: float) -> list[Any]:
        moved = list(args)
        for i, t in zip(which, tangents, strict=True):
            moved[i] = Tensor(args[i].data + step * t, requires_grad=True)
        return [out.data for out in outputs(call(made, moved, drawn))]

    outs = outputs(call(made, args, drawn))
    if not outs:
        return
    starts = [Tensor(np.zeros(o.shape, o.dtype), requires_grad=True) for o in outs]
    inner = grad(outs, [args[i] for i in which], starts, create_graph=True, allow_unused=True)
    pairs = [
        (g, t) for g, t in zip(inner, tangents, strict=True) if g is not None and g.requires_grad
    ]
    tangent_out = grad([g for g, _ in pairs], starts, [t for _, t in pairs], allow_unused=True)
    step = 1e-6
    for found, plus, minus in zip(tangent_out, along(step), along(-step), strict=True):
        expected = (plus - minus) / (2 * step)
        value = np.zeros_like(expected) if found is None else found.data
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("made", "drawn"),
    [case for case in CASES if case.values[0].batched],  # type: ignore[attr-defined]
)
def test_batched_rule(made: Primitive, drawn: Sample) -> None:
    """A rule called batched gives for a stack of gradients the stack of its results."""
    args, which = tensors(made, drawn)
    outs = outputs(call(made, args, drawn))
    if not outs:
        return
    several = made.n_outputs > 1
    node = outs[0].node.edges[0] if several else outs[0].node
    rng = np.random.default_rng(2)
    stacks = [rng.standard_normal((3, *out.shape)) for out in outs]
    if several and len(stacks) < made.n_outputs:
        return  # outputs that carry no gradient: nothing to stack

    def rule(gradients: list[Any]) -> Any:
        return made.vjp(gradients if several else gradients[0], node.saved, node, node.edges, None)

    together = rule(stacks)
    for k in range(3):
        alone = rule([stack[k] for stack in stacks])
        for i in which:
            if alone[i] is None:  # constant in this input
                assert together[i] is None
                continue
            shape = args[i].shape
            lead = autograd._backward.unbroadcast(together[i], shape, 1)
            single = autograd._backward.unbroadcast(np.asarray(alone[i]), shape)
            np.testing.assert_allclose(lead[k], single, rtol=1e-9, atol=1e-9)
