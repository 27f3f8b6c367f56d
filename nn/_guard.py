"""Refuses to start next to another package called `autograd`; imported before all else."""

from __future__ import annotations

import importlib.util


def refuse_foreign_autograd(package: str) -> None:
    """Raise ImportError if ``import autograd`` finds a package that is not glassgrad's."""
    try:
        import autograd

        if hasattr(autograd, "Tensor") and hasattr(autograd, "primitive"):
            return
        cause = None
    except Exception as error:  # the foreign package may not even load
        cause = error
    spec = importlib.util.find_spec("autograd")
    if spec is None:
        raise ImportError(
            f"glassgrad's package {package!r} needs its package 'autograd', which is not "
            "installed here: pip install glassgrad"
        ) from cause
    if cause is not None and importlib.util.find_spec("autograd._primitive") is not None:
        raise cause  # ours, and broken: its own error says more
    raise ImportError(
        f"glassgrad's package {package!r} found a foreign package 'autograd' at {spec.origin}: "
        "probably HIPS autograd, which is called autograd on PyPI and cannot be installed next to "
        "glassgrad; run `pip uninstall autograd`, then `pip install --force-reinstall glassgrad`, "
        "or use a virtual environment of its own"
    ) from cause


refuse_foreign_autograd("nn")
