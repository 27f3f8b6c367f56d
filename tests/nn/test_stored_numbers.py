"""Values and gradients of every module against numbers that PyTorch gave, kept in a file.

So that they are checked where PyTorch is not installed. `python -m tests.nn.test_stored_numbers`
writes the file anew, with PyTorch's numbers.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import autograd
import nn
from tests.nn.cases import CASES, Case, normal

PATH = Path(__file__).with_name("torch_numbers.json")
NUMBERS = json.loads(PATH.read_text("utf-8")) if PATH.exists() else {}


def differentiable(case: Case) -> list[int]:
    """The first input, unless it is made of integers: PyTorch differentiates it everywhere."""
    return [0] if case.inputs[0].dtype.kind == "f" else []


def parameter_values(shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) * 0.5 for shape in shapes]


def digest(value: np.ndarray) -> list[float]:
    """Two projections of an array that no two different results are likely to share."""
    value = np.asarray(value, np.float64)
    return [float(value.sum()), float((value * normal(*value.shape, seed=11)).sum())]


def torch_numbers(case: Case):
    import torch

    def to_torch(value):
        return torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value

    options = {k: to_torch(v) for k, v in case.kwargs.items()}
    module = getattr(torch.nn, case.name)(*case.args, **options).double().train(case.training)
    parameters = list(module.parameters())
    for p, value in zip(parameters, parameter_values([tuple(p.shape) for p in parameters])):
        p.data = torch.from_numpy(value)
    inputs = [to_torch(v) for v in case.inputs]
    for i in differentiable(case):
        inputs[i].requires_grad_()
    out = module(*inputs)
    out = out[0] if isinstance(out, tuple) else out
    leaves = [inputs[i] for i in differentiable(case)] + parameters
    grads = []
    if leaves:
        cotangent = torch.from_numpy(normal(*out.shape, seed=7))
        grads = torch.autograd.grad(out, leaves, cotangent)
    return [digest(out.detach().numpy())] + [digest(g.numpy()) for g in grads]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_numbers(case: Case):
    module = getattr(nn, case.name)(*case.args, **case.kwargs).double().train(case.training)
    parameters = list(module.parameters())
    for p, value in zip(parameters, parameter_values([p.shape for p in parameters])):
        p.data[...] = value
    inputs = [autograd.Tensor(v) for v in case.inputs]
    leaves = [inputs[i].requires_grad_() for i in differentiable(case)] + parameters
    out = module(*inputs)
    out = out[0] if isinstance(out, tuple) else out
    grads = autograd.grad(out, leaves, normal(*out.shape, seed=7)) if leaves else []
    found = [digest(out.data)] + [digest(g.data) for g in grads]
    np.testing.assert_allclose(found, NUMBERS[str(case)], rtol=1e-6, atol=1e-7)


def test_every_case_has_its_own_name():
    assert len({str(case) for case in CASES}) == len(CASES)
    assert set(NUMBERS) == {str(case) for case in CASES}


if __name__ == "__main__":
    lines = [f"{json.dumps(str(c))}: {json.dumps(torch_numbers(c))}" for c in CASES]
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
