"""What `import autograd, nn, optim` costs, and what it must not load."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

OPTIONAL = (
    "torch",
    "numba",
    "matplotlib",
    "scipy",
    "tqdm",
    "graphviz",
    "IPython",
    "jax",
    "PIL",
    "onnx",
    "cupy",
)


def run(program: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter that starts in the repository."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=check,
    )


@pytest.mark.parametrize("package", ["autograd", "nn", "optim"])
def test_import_loads_no_optional_dependency(package):
    done = run(f"import sys, {package}; print(*sorted(m for m in sys.modules if '.' not in m))")
    assert "numpy" in done.stdout.split()
    assert set(OPTIONAL) & set(done.stdout.split()) == set()


def test_import_is_silent():
    done = run("import autograd, nn, optim")
    assert (done.stdout, done.stderr) == ("", "")


def test_import_time_is_shown(record_property):
    program = (
        "import numpy, time; start = time.perf_counter()\n"
        "import autograd, nn, optim; print(time.perf_counter() - start)"
    )
    seconds = statistics.median(float(run(program).stdout) for _ in range(3))
    text = f"importing autograd, nn and optim adds {seconds * 1e3:.0f} ms to NumPy's import"
    record_property("shown", text)


@pytest.mark.parametrize("package", ["nn", "optim"])
def test_the_wrong_autograd_is_named(package, tmp_path):
    """PyPI has another package called autograd; beside it, nn and optim say what is wrong."""
    other = tmp_path / "autograd"
    (other / "numpy").mkdir(parents=True)
    (other / "__init__.py").write_text("def grad(fun, argnum=0): ...\n__version__ = '1.8.0'\n")
    (other / "numpy" / "__init__.py").touch()
    done = run(f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport {package}", check=False)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError:")
    assert "glassgrad" in last
    assert "PyPI" in last or str(other) in last
