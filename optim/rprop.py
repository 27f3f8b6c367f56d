"""Rprop: steps whose sizes follow the signs of gradients, not their sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from optim._options import check, check_not_negative, refuse_torch_options
from optim.optimizer import Array, Group, Optimizer, Params, State, filled

__all__ = ["Rprop"]


class Rprop(Optimizer):
    r"""Resilient backpropagation: wᵢ ← wᵢ − Δᵢ sign(gᵢ), each Δᵢ growing while gᵢ keeps its sign.

    Δᵢ is multiplied by η⁺ where gᵢ has the sign it had before, by η⁻ where it changed (the step
    jumped over a minimum), and kept within bounds. For full batches: noise flips signs.

    Args:
        params: tensors or groups of them.
        lr: the first Δ, ≥ 0.
        etas: (η⁻, η⁺) with 0 < η⁻ < 1 < η⁺.
        step_sizes: (smallest, largest) Δ.
        maximize: climb instead of descending.
        backtrack: what happens where the sign changed.
            None: no step this time, and no change of Δ the next (PyTorch's, known as iRprop⁻).
            True: the last step is taken back, and Δ is left alone the next time (Rprop⁺).
            False: a step of the smaller Δ in the new direction (Rprop⁻).

    Source: Riedmiller & Braun 1993, "A direct adaptive method for faster backpropagation learning";
    Igel & Hüsken 2003 for the names of the variants.

    >>> from autograd import Tensor
    >>> w = Tensor(1.0, requires_grad=True)
    >>> optimizer = Rprop([w], lr=0.1, backtrack=False)
    >>> path = []
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (w**2).backward()
    ...     optimizer.step()
    ...     path.append(w.item())
    >>> path  # steps of 0.1, 0.12, 0.144
    [0.9, 0.78, 0.636]
    """

    elementwise = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
        backtrack: bool | None = None,
        **torch_options: Any,
    ) -> None:
        refuse_torch_options(torch_options)
        super().__init__(
            params,
            {
                "lr": lr,
                "etas": etas,
                "step_sizes": step_sizes,
                "maximize": maximize,
                "backtrack": backtrack,
            },
        )

    def _check_group(self, group: Group) -> None:
        check_not_negative(group, "lr")
        lower, higher = group["etas"]
        check(0 < lower < 1 < higher, "etas", group["etas"], "(η⁻, η⁺) with 0 < η⁻ < 1 < η⁺")
        smallest, largest = group["step_sizes"]
        check(
            0 <= smallest <= largest,
            "step_sizes",
            group["step_sizes"],
            "(smallest, largest) with 0 ≤ smallest ≤ largest",
        )

    def _new_state(self, p: Array, group: Group) -> State:
        size = filled(p, float(group["lr"]))
        return {"step": 0, "prev": np.zeros_like(p), "step_size": size}

    def _update(self, p: Array, g: Array, state: State, group: Group) -> None:
        shrink, grow = group["etas"]
        backtrack = group["backtrack"]
        state["step"] += 1
        before, size = state["prev"], state["step_size"]
        work, factor = self._scratch(p, 2)
        # sign(g · before), without the product's underflow
        agreement = np.multiply(np.sign(g), np.sign(before), out=work)
        flipped, agree = agreement < 0, agreement > 0
        if backtrack:
            back = np.sign(before) * size * flipped
        factor.fill(1)
        factor += (grow - 1) * agree
        factor -= (1 - shrink) * flipped
        np.multiply(size, factor, out=size)
        np.clip(size, *group["step_sizes"], out=size)
        if backtrack is False:
            np.copyto(before, g)
        else:
            np.multiply(g, ~flipped, out=before)
        np.multiply(np.sign(before), size, out=work)
        if backtrack:
            np.subtract(work, back, out=work)
        np.subtract(p, work, out=p)
