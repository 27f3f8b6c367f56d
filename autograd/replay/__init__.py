"""autograd.compile: functions that repeat what they did, without the engine in between.

The data goes one way: `recording` takes down what a function does in a call, `plan` makes steps of
it, `workspace` writes them out as Python with buffers for results, and `_numba` as native code if
all of them can be; `compiled` decides when to do what.
"""

from autograd.replay.compiled import Compiled as Compiled
from autograd.replay.compiled import compile as compile
