"""Names that users of PyTorch are used to, and how NumPy, whose names a Tensor has, spells them."""

from __future__ import annotations

from typing import Any

__all__ = ["HABITS", "Habit"]

HABITS = {
    "unsqueeze": "np.expand_dims(t, axis)",
    "view": "t.reshape(shape)",
    "permute": "t.transpose(axes)",
    "cat": "np.concatenate(tensors, axis)",
    "t": "t.T",
    "expand": "np.broadcast_to(t, shape)",
    "gather": "np.take_along_axis(t, indices, axis)",
    "index_select": "np.take(t, indices, axis)",
    "clamp": "t.clip(min, max)",
    "cpu": "nothing to do: a Tensor is always in main memory",
    "cuda": "nothing to do: a Tensor is always in main memory",
    "double": "t.astype(np.float64)",
    "float": "t.astype(np.float32)",
    "half": "t.astype(np.float16)",
    "long": "t.astype(np.int64)",
    "int": "t.astype(np.int32)",
    "bool": "t.astype(bool)",
    "type": "t.astype(dtype)",
    "to": "t.astype(dtype)",
    "contiguous": "t.copy()",
    "numel": "t.size",
    "dim": "t.ndim",
    "grad_fn": "t.node",
    "mm": "t @ other",
    "bmm": "t @ other",
    "matmul": "t @ other",
    "flip_": "np.flip(t, axis)",
    "new_zeros": "np.zeros(shape, t.dtype)",
    "backward_": "t.backward()",
    "eq": "t == other",
    "mul_": "t *= other",
    "add_": "t += other",
    "zero_": "t[...] = 0",
    "fill_": "t[...] = value",
    "copy_": "t[...] = other",
    "detach_": "t.detach()",
}


class Habit:
    """Stands where PyTorch has an attribute, and says how NumPy spells it.

    A ``__getattr__`` could, too, but Python reads all attributes of such a class more slowly.
    """

    def __init__(self, name: str, hint: str) -> None:
        self.name, self.hint = name, hint

    def __get__(self, instance: Any, owner: type) -> Any:
        raise AttributeError(
            f"'Tensor' object has no attribute {self.name!r}; in NumPy's names: {self.hint}"
        )
