"""Seconds to a picture: graphs of 10 to 10,000 operations, folded as by default and all unfolded.

No peer draws in pure Python without Graphviz, so the times stand alone.
"""

from __future__ import annotations

from typing import Any

from benchmarks import Builder, Step, Workload

SIZES = (10, 100, 500, 2_000, 10_000)


def _computation(operations: int) -> Any:
    """A chain whose links also look a few steps back."""
    import numpy as np

    from autograd import Tensor

    rng = np.random.default_rng(0)
    made = [Tensor(rng.normal(size=3), requires_grad=True, name="x")]
    for _ in range(operations):
        a, b = made[-1], made[rng.integers(max(0, len(made) - 6), len(made))]
        kind = rng.integers(3)
        made.append(a + b if kind == 0 else a * b if kind == 1 else np.tanh(a))
    return made[-1]


def _draw(operations: int, ending: str, fold: bool | None) -> Builder:
    def build() -> Step:
        import autograd

        result = _computation(operations)

        def step() -> object:
            drawing = autograd.draw(result, fold=fold)
            text = drawing.to_svg() if ending == "svg" else drawing.to_html()
            return float(len(text) > 0)

        return step

    return build


WORKLOADS = [
    *(Workload(f"svg of {n}, folded", {"glassgrad": _draw(n, "svg", None)}) for n in SIZES),
    *(Workload(f"svg of {n}, unfolded", {"glassgrad": _draw(n, "svg", False)}) for n in SIZES),
    *(Workload(f"html of {n}", {"glassgrad": _draw(n, "html", None)}) for n in SIZES),
]
