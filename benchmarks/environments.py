"""Virtual environments of the contestants, made once and kept in `.bench/environments`."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from benchmarks.contestants import Environment

__all__ = ["ROOT", "STORE", "CannotInstallError", "python_of"]

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / ".bench"


class CannotInstallError(Exception):
    """pip could not install what an environment asks for."""


def python_of(environment: Environment) -> Path:
    """The interpreter of an environment, which is made or renewed where needed."""
    folder = STORE / "environments" / environment.name
    python = folder / "bin" / "python"
    arguments: list[str] = []
    fingerprint = [sys.version, *environment.requirements, *environment.scripts.values()]
    for requirement in environment.requirements:
        if "{root}" in requirement:
            arguments.append("--editable")
            project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
            fingerprint += map(str, (project["dependencies"], project["optional-dependencies"]))
        arguments.append(requirement.format(root=ROOT))
    stamp, wanted = (
        folder / "installed",
        hashlib.sha256("\n".join(fingerprint).encode()).hexdigest(),
    )
    if stamp.exists() and stamp.read_text() == wanted:
        return python

    print(f"making the environment of {environment.name}", file=sys.stderr, flush=True)
    venv.create(folder, clear=True, with_pip=True)
    pip = [str(python), "-I", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    done = subprocess.run(
        [*pip, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise CannotInstallError(reasons[-1] if reasons else "pip failed")
    for name, text in environment.scripts.items():
        script = python.with_name(name)
        script.write_text(text.format(python=python), encoding="utf-8")
        script.chmod(0o755)
    stamp.write_text(wanted)
    return python
