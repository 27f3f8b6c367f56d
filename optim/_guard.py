"""Refuses to start next to another package called `autograd`; imported before all else."""

from __future__ import annotations

try:
    import autograd
except Exception as error:  # the foreign package may not even load
    if not isinstance(error, ModuleNotFoundError) or error.name != "autograd":
        raise
    raise ImportError(
        "glassgrad's package 'optim' needs its package 'autograd', which is not installed here: "
        "pip install glassgrad"
    ) from error

if not (hasattr(autograd, "Tensor") and hasattr(autograd, "primitive")):
    raise ImportError(
        "glassgrad's package 'optim' found a foreign package 'autograd' at "
        f"{getattr(autograd, '__file__', None)}: probably HIPS autograd, which is called autograd "
        "on PyPI and cannot be installed next to glassgrad; run `pip uninstall autograd`, then "
        "`pip install --force-reinstall glassgrad`, or use a virtual environment of its own"
    )
