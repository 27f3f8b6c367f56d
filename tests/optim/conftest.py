"""What the optimizer tests share: a comparison with PyTorch's trajectories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd import Tensor

SHAPES = [(3, 4), (4,), (), (2, 3, 2), (5, 5)]


@pytest.fixture
def same_trajectory() -> Callable[..., None]:
    """Run an optimizer and PyTorch's on the same quadratic with a ripple, and compare each step."""
    torch = pytest.importorskip("torch")

    def compare(
        make: Callable[[list[Any]], Any],
        make_theirs: Callable[[list[Any]], Any],
        *,
        steps: int = 100,
        dtype: Any = np.float64,
        tolerance: float = 1e-12,
        shapes: list[tuple[int, ...]] = SHAPES,
        after: Callable[[Any, Any], None] | None = None,
    ) -> None:
        random = np.random.default_rng(1)
        starts = [(2 + random.random(shape)).astype(dtype) for shape in shapes]
        curvatures = [(0.5 + random.random(shape)).astype(dtype) for shape in shapes]
        ours = [Tensor(start, requires_grad=True) for start in starts]
        theirs = [torch.tensor(start, requires_grad=True) for start in starts]
        optimizer, other = make(ours), make_theirs(theirs)
        for step in range(steps):
            for p, q, a in zip(ours, theirs, curvatures):
                for tensor, array, wrap in ((p, p.data, Tensor), (q, q.detach().numpy(), None)):
                    g = (a * (array - 1) + 0.2 * np.cos(array + 0.1 * step)).astype(dtype)
                    tensor.grad = wrap(g) if wrap else torch.tensor(g)
            optimizer.step()
            other.step()
            if after is not None:
                after(optimizer, other)
            for p, q in zip(ours, theirs):
                assert p.dtype == dtype
                expected = q.detach().numpy()
                error = np.max(np.abs(p.data - expected)) / np.max(np.abs(expected))
                assert error <= tolerance, (step, p.shape, error)

    return compare
