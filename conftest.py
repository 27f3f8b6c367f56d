"""Rules for every test and every documentation example: it leaves no trace.

What only the tests in `tests/` need is in `tests/conftest.py`.
"""

from __future__ import annotations

import gc
import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# Packages before their modules: pytest, given one file of a package first, would import it twice.
import autograd
import nn  # noqa: F401
import optim  # noqa: F401

# Modules named after an optional dependency may import it; without it their examples cannot run.
OPTIONAL = ("numba", "onnx", "cupy", "tqdm", "matplotlib", "IPython", "ipywidgets")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    stem = collection_path.stem.lstrip("_")
    for name in OPTIONAL:
        if stem.split("_")[0] == name.lower() and importlib.util.find_spec(name) is None:
            return True
    return None


def _random_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - the state that others may share
    return (name, keys.tobytes(), *rest)


def _snapshot() -> dict[str, Any]:
    return {
        "NumPy's global random state (use a np.random.Generator)": _random_state(),
        "NumPy's error handling (use `with np.errstate(...)`)": np.geterr(),
        "NumPy's print options (use `with np.printoptions(...)`)": np.get_printoptions(),
        "the gradient mode (use `with autograd.no_grad()`)": autograd.is_grad_enabled(),
        "the garbage collector's switch": gc.isenabled(),
    }


def _restore(before: dict[str, Any], random_state: Any) -> None:
    _, error_handling, print_options, grad_mode, collecting = before.values()
    np.random.set_state(random_state)  # noqa: NPY002
    np.seterr(**error_handling)
    np.set_printoptions(**print_options)
    autograd.set_grad_enabled(grad_mode)
    (gc.enable if collecting else gc.disable)()


@pytest.fixture(autouse=True)
def leaves_no_trace() -> Iterator[None]:
    """Fail a test that leaves process-wide state changed, and put the state back.

    The library's own random numbers start from the same seed in every test, in whatever order.
    """
    autograd.manual_seed(0)
    random_state = np.random.get_state()  # noqa: NPY002
    before = _snapshot()
    yield
    after = _snapshot()
    leaks = [name for name in before if before[name] != after[name]]
    if leaks:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _restore(before, random_state)
        pytest.fail("this test leaks " + " and ".join(leaks), pytrace=False)
