"""The suites: names that can be found again, and convolutions of the sizes they claim."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

import benchmarks
from benchmarks.contestants import CONTESTANTS
from benchmarks.workloads._convolution import Convolution

SUITES = sorted(
    path.stem for path in (Path(benchmarks.__file__).parent / "workloads").glob("[!_]*.py")
)


@pytest.mark.parametrize("suite", SUITES)
def test_names_are_unique_and_every_builder_has_a_contestant(suite: str):
    workloads = import_module(f"benchmarks.workloads.{suite}").WORKLOADS
    assert max(Counter(workload.name for workload in workloads).values()) == 1
    names = {contestant.name for contestant in CONTESTANTS}
    used = {contestant.builder for contestant in CONTESTANTS}
    for workload in workloads:
        assert set(workload.builders) <= used
        assert set(workload.among) | {workload.peer or "torch"} <= names


def test_the_readme_names_every_suite():
    text = (Path(benchmarks.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert [suite for suite in SUITES if f"`{suite}`" not in text] == []


@pytest.mark.parametrize(
    "layer",
    [
        Convolution(2, 4, 6, 3, 9, stride=2, padding=1, dilation=2, groups=2),
        Convolution(2, 4, 6, 3, 9, stride=2, padding=1, groups=2, dimensions=1),
        Convolution(2, 4, 6, 4, 5, stride=2, padding=1, groups=2, transposed=True),
        Convolution(1, 2, 3, 2, 4, stride=2, dimensions=3, transposed=True),
    ],
)
def test_a_convolution_gives_what_its_cotangent_fits(layer: Convolution):
    import nn.functional as F

    x, weight, bias, cotangent = layer.arrays()
    assert layer.call(F, x, weight, bias).shape == cotangent.shape


def test_a_layer_too_large_is_measured_on_a_smaller_input():
    layer = Convolution(64, 64, 64, 3, 224, padding=1)
    smaller = layer.within(8_000_000_000)
    assert (smaller.size, smaller.before, smaller.rows) == (56, 64, 64)
    assert smaller.products <= 8_000_000_000 < replace(smaller, size=112).products
