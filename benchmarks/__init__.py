"""Measured against other libraries, in one run.

Every contestant is a process of its own in a virtual environment of its own, and they take turns:
one times its step for a moment, everybody rests so that thread pools park, the next one does. What
counts is the ratio to a peer from the same round; absolute times tell about the machine.

    python -m benchmarks                    everything
    python -m benchmarks overhead mlp       some suites
    python -m benchmarks --list             what there is

README.md in this folder explains the suites, the options and how to read the results.

A suite is a module in `workloads/` with a list called WORKLOADS. A workload is one builder function
per library: it imports the library, prepares, and returns the step to be timed. A step returns a
number (a loss, or an array that is summed), so that a run can tell whether everybody computed the
same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Builder", "Step", "Workload"]

Step = Callable[..., object]
Builder = Callable[[], Step]


@dataclass(frozen=True)
class Workload:
    """One thing to measure.

    Attributes:
        name: unique in its suite.
        builders: by library; `contestants.py` says which contestants use which.
        operations: how many operations one step performs; times are shown per operation.
        peer: whom to compare with, where that is not PyTorch.
        among: names of the contestants that take part; all that have a builder if empty.
        memory: also measure how much memory a step takes beyond what stays. Its step accepts a
            number of rows to use: a step on two makes the optimizer's state.
        apart: in processes started for it; a grid of many workloads shares processes instead.
        quick: is part of a quick run.
    """

    name: str
    builders: Mapping[str, Builder]
    operations: int = 1
    peer: str = ""
    among: tuple[str, ...] = ()
    memory: bool = False
    apart: bool = True
    quick: bool = True
