"""Kernels in two forms: who goes first, and that every compiled form is there and fits."""

from __future__ import annotations

import inspect
import time
from importlib import import_module

import numpy as np
import pytest

import autograd.kernels
from autograd import config
from autograd.kernels._twins import COMPILABLE

needs_numba = pytest.mark.usefixtures("_numba_installed")


@pytest.fixture
def _numba_installed():
    pytest.importorskip("numba")


def _twin(module, name):
    return getattr(import_module(f"autograd.kernels._numba.{module}"), name)


@needs_numba
@pytest.mark.parametrize(("module", "name"), sorted(COMPILABLE))
def test_every_twin_takes_the_same_arguments(module, name):
    plain, twin = COMPILABLE[module, name], _twin(module, name)
    assert [(p.name, p.kind, p.default) for p in inspect.signature(twin).parameters.values()] == [
        (p.name, p.kind, p.default) for p in inspect.signature(plain).parameters.values()
    ]


@needs_numba
def test_the_compiled_form_goes_first_and_may_decline():
    calls = []

    def twin(a, b):
        calls.append(a.shape)
        return NotImplemented if len(a) == 70 else np.full((len(a), b.shape[1]), 7.0)

    with config(kernels="numba"):
        autograd.kernels.matmul(np.ones((64, 64)), np.ones((64, 64)))  # the real one, first
    kernel = autograd.kernels.matmul
    cell = kernel.__closure__[kernel.__code__.co_freevars.index("twin")]
    before = cell.cell_contents
    cell.cell_contents = twin
    try:
        with config(kernels="numba"):
            assert kernel(np.ones((64, 64)), np.ones((64, 64)))[0, 0] == 7.0
            assert kernel(np.ones((70, 64)), np.ones((64, 64)))[0, 0] == 64.0
            assert kernel(np.ones((2, 2)), np.ones((2, 2)))[0, 0] == 2.0  # too small to ask
        with config(kernels="numpy"):
            assert kernel(np.ones((64, 64)), np.ones((64, 64)))[0, 0] == 64.0
    finally:
        cell.cell_contents = before
    assert calls == [(64, 64), (70, 64)]


@needs_numba
def test_small_losses_are_compiled_where_that_was_asked_for(monkeypatch):
    calls = []
    kernel = autograd.kernels.cross_entropy
    cell = kernel.__closure__[kernel.__code__.co_freevars.index("twin")]
    x, target = np.zeros((4, 2)), np.zeros(4, np.int64)
    with config(kernels="numba"):
        kernel(x, target)
    monkeypatch.setattr(cell, "cell_contents", lambda *a: calls.append(a) or NotImplemented)
    for kernels, asked in (("numba", 1), ("auto", 0), ("numpy", 0)):
        calls.clear()
        with config(kernels=kernels):
            kernel(x, target)
        assert len(calls) == asked, kernels


@needs_numba
def test_a_long_compilation_is_announced_once(monkeypatch, capsys):
    from autograd.kernels._numba import _Notice

    monkeypatch.setattr(_Notice, "said", False)
    monkeypatch.setattr(_Notice, "after", 0.05)
    notice = _Notice()
    notice.on_start(None)
    notice.on_end(None)  # a short one is not worth a word
    time.sleep(0.15)
    assert capsys.readouterr().err == ""
    for _ in range(2):
        notice.on_start(None)
        notice.on_start(None)  # compiling one function compiles those it calls
        notice.on_end(None)
        time.sleep(0.3)
        notice.on_end(None)
    err = capsys.readouterr().err
    assert err.count("compiling kernels") == 1
    assert len(err.splitlines()) == 1
