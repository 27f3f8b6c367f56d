"""How deep Hypothesis digs, and measurements shown after the run.

The environment variable HYPOTHESIS_PROFILE chooses a depth: `quick` while working, `ci` before
landing.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# A first call may compile a kernel, and machines differ: time says nothing about correctness here.
settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile(
    "ci",
    max_examples=150,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded with `record_property("shown", text)`: seen, never asserted."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "shown" and report.when == "call":
                terminalreporter.write_line(str(text))
