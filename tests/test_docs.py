"""The page of operations says what the register says."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.fixture(scope="module")
def written() -> set[str]:
    return {line for line in (DOCS / "operations.md").read_text("utf-8").splitlines() if line}


@pytest.fixture(scope="module")
def generated() -> set[str]:
    module = runpy.run_path(str(DOCS / "operations.py"))
    return {line for line in module["page"]().splitlines() if line}


def in_this_numpy(line: str) -> bool:
    """Whether the row's function is in the installed NumPy; other lines always count."""
    if not line.startswith("| `np."):
        return True
    thing: object = np
    for part in line.split("`")[1].split(".")[1:]:
        thing = getattr(thing, part, None)
    return thing is not None


def test_every_operation_is_on_the_page(written: set[str], generated: set[str]) -> None:
    missing = generated - written
    assert not missing, f"run python docs/operations.py; the page lacks {sorted(missing)}"


def test_the_page_promises_nothing_else(written: set[str], generated: set[str]) -> None:
    extra = {line for line in written - generated if in_this_numpy(line)}
    assert not extra, f"run python docs/operations.py; the page has {sorted(extra)}"
