"""Writes docs/operations.md: every NumPy function that works on tensors, and how it differentiates.

Run as ``python docs/operations.py`` after a change to the primitives; a test holds the page up to
date. Nothing is typed in by hand: the page is read off the register that calls go through.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from autograd import Tensor
from autograd._primitive import Primitive, constant_functions, primitives

PAGE = Path(__file__).with_name("operations.md")

HEAD = """\
# NumPy functions on tensors

Called on a `Tensor`, each of these records, and is differentiated; `python docs/operations.py`
writes this page from the register of primitives.

- **rule**: a primitive with a rule of its own. The rule is checked for every sample input in
  `tests/autograd/test_primitives.py`: gradient, gradient of the gradient, forward mode, float32,
  and, where *batched* says so, a stack of gradients at once (others are called once per gradient).
- **composed**: written in terms of those, and differentiable as they are.
- **constant**: constant wherever it is smooth, or a question about an array. Returns what NumPy
  returns for the tensor's values, without a gradient.

Rules are themselves made of functions on this page, so derivatives exist to any order, in reverse
mode (`backward`, `grad`, `func.vjp`, `func.jacrev`) and in forward mode (`func.jvp`,
`func.jacfwd`). A function that is not here raises an error on tensors that says so.
"""


def numpy_name(function: Any) -> str:
    """``np.linalg.norm`` for that function: the shortest public name it goes by."""
    for prefix, module in (("np", np), ("np.linalg", np.linalg), ("np.fft", np.fft)):
        name = getattr(function, "__name__", "")
        if getattr(module, name, None) is function:
            return f"{prefix}.{name}"
    return f"np.{getattr(function, '__name__', function)}"


def rows() -> Iterator[tuple[str, str, str, str, str]]:
    """Name, kind, orders, batched and method for every NumPy function, by name."""
    by_call = {made.call: made for made in primitives.values()}
    found = {}
    for function, implementation in Tensor._implementations.items():
        if not callable(function):
            continue  # methods of ufuncs
        name = numpy_name(function)
        made: Primitive | None = by_call.get(implementation)
        if function in constant_functions:
            kind, orders, batched = "constant", "", ""
        elif made is not None:
            kind, orders, batched = "rule", "any", "yes" if made.batched else ""
        else:
            kind, orders, batched = "composed", "any", ""
        short = name.rpartition(".")[2]
        has_method = name.count(".") == 1 and hasattr(Tensor, short)
        found[name] = (name, kind, orders, batched, f"`t.{short}`" if has_method else "")
    for key in sorted(found, key=str.lower):
        yield found[key]


def own_rows() -> Iterator[tuple[str, str, str]]:
    """Primitives that no NumPy function leads to, with the first line of their documentation."""
    reached = set(Tensor._implementations.values())
    for made in sorted(primitives.values(), key=lambda made: made.name):
        module = str(made.__module__)
        if made.call in reached or not module.startswith("autograd.primitives"):
            continue
        doc = (made.__doc__ or "").strip().splitlines()
        yield made.name, f"`{module}`", doc[0] if doc else ""


def table(head: tuple[str, ...], body: Iterator[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in body]
    return "\n".join(lines)


def page() -> str:
    """The whole page."""
    functions = table(
        ("function", "kind", "orders", "batched", "method"),
        ((f"`{name}`", *rest) for name, *rest in rows()),
    )
    own = table(("primitive", "declared in", "what it is"), own_rows())
    return f"{HEAD}\n{functions}\n\n## Primitives behind them, and beyond NumPy\n\n{own}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
