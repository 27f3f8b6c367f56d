"""Who may import whom.

Read from the sources, so that the rules hold for lazy imports too. An import is *at load time* when
it runs as the module is imported: not inside a function, and not under `if TYPE_CHECKING:`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("autograd", "nn", "optim")

# The core builds the graph; every other module of autograd reads it.
CORE = (
    "autograd._backward",
    "autograd._call",
    "autograd._dispatch",
    "autograd._graph",
    "autograd._inplace",
    "autograd._modes",
    "autograd._primitive",
    "autograd.replay",
    "autograd._sample",
    "autograd._signature",
    "autograd._tensor",
    "autograd._writes",
    "autograd.kernels",
    "autograd.primitives",
)
# A dependency that is always there but only ever needed for a picture counts as optional, too.
# What comes with another dependency and is named with it.
PART_OF = {"llvmlite": "numba"}
ALWAYS_INSTALLED = {*sys.stdlib_module_names, "numpy", *PACKAGES}


@dataclass(frozen=True)
class Import:
    """`name` is what was taken from `module`; None for `import module`."""

    module: str
    name: str | None
    line: int
    at_load_time: bool


@dataclass
class Module:
    name: str
    path: Path
    tree: ast.Module
    imports: list[Import] = field(default_factory=list)


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _imports(package: str, body: list[ast.stmt], at_load_time: bool = True) -> Iterator[Import]:
    for statement in body:
        match statement:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(alias.name, None, statement.lineno, at_load_time)
            case ast.ImportFrom(module=module, names=names, level=level):
                origin = ".".join(package.split(".")[: len(package.split(".")) - level + 1])
                parts = [origin if level else "", module or ""]
                full = ".".join(part for part in parts if part)
                for alias in names:
                    yield Import(full, alias.name, statement.lineno, at_load_time)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _imports(package, statement.body, at_load_time=False)
            case ast.If(test=test) if _is_type_checking(test):
                yield from _imports(package, statement.body, at_load_time=False)
                yield from _imports(package, statement.orelse, at_load_time)
            case _:
                for attribute in ("body", "orelse", "finalbody"):
                    yield from _imports(package, getattr(statement, attribute, []), at_load_time)
                for part in [*getattr(statement, "handlers", []), *getattr(statement, "cases", [])]:
                    yield from _imports(package, part.body, at_load_time)


@cache
def read(root: Path) -> dict[str, Module]:
    """Every module of the packages under `root`, by its dotted name."""
    modules = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            module = Module(name, path, ast.parse(path.read_text("utf-8"), str(path)))
            inside = name if is_package else name.rpartition(".")[0]
            module.imports = list(_imports(inside, module.tree.body))
            modules[name] = module
    return modules


def target(modules: dict[str, Module], imported: Import) -> str:
    """The module an import reaches: `from package import module` means the module."""
    submodule = f"{imported.module}.{imported.name}"
    return submodule if submodule in modules else imported.module


def is_in(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


# --- the rules: each yields one line for every place that breaks it ------------------------------


def packages_point_one_way(modules: dict[str, Module]) -> Iterator[str]:
    """`autograd` imports neither; `optim` and `nn` import autograd, and training also optim."""
    for module in modules.values():
        package = module.name.partition(".")[0]
        allowed = {
            "autograd": ["autograd"],
            "optim": ["autograd", "optim"],
            "nn": ["autograd", "nn"],
        }[package]
        if is_in(module.name, "nn.training", "nn.demo"):
            allowed = [*allowed, "optim"]
        for imported in module.imports:
            reached = target(modules, imported)
            if is_in(reached, *PACKAGES) and not is_in(reached, *allowed):
                yield f"{module.name}:{imported.line} imports {reached}"


def kernels_know_only_arrays(modules: dict[str, Module]) -> Iterator[str]:
    """A kernel imports nothing of autograd but other kernels."""
    for module in modules.values():
        if not is_in(module.name, "autograd.kernels"):
            continue
        for imported in module.imports:
            reached = target(modules, imported)
            if is_in(reached, *PACKAGES) and not is_in(reached, "autograd.kernels"):
                yield f"{module.name}:{imported.line} imports {reached}"


def primitives_do_not_look_up(modules: dict[str, Module]) -> Iterator[str]:
    """A primitive imports kernels, primitives, the core below, helpers that import none of ours."""
    helpers = {
        module.name
        for module in modules.values()
        if is_in(module.name, "autograd")
        and not is_in(module.name, *CORE)
        and not any(is_in(target(modules, imported), *PACKAGES) for imported in module.imports)
    }
    allowed = (*CORE, *sorted(helpers))
    for module in modules.values():
        if not is_in(module.name, "autograd.primitives"):
            continue
        for imported in module.imports:
            reached = target(modules, imported)
            if is_in(reached, *PACKAGES) and not is_in(reached, *allowed):
                yield f"{module.name}:{imported.line} imports {reached}"


def the_core_knows_no_operation(modules: dict[str, Module]) -> Iterator[str]:
    """The core imports no primitive and no kernel; its parts import one another one way."""
    forbidden = {
        "autograd._graph": ("autograd._tensor", "autograd._primitive"),
        "autograd._tensor": ("autograd._primitive",),
        "autograd._inplace": ("autograd._primitive",),
        "autograd._primitive": (),
    }
    for name, others in forbidden.items():
        for imported in modules[name].imports if name in modules else []:
            reached = target(modules, imported)
            if is_in(reached, "autograd.primitives", "autograd.kernels", *others):
                yield f"{name}:{imported.line} imports {reached}"


def _owned_attributes(tree: ast.Module) -> set[str]:
    """Private names that the module itself defines, on `self` or otherwise."""
    owned = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            owned.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            owned.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                owned.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            owned.add(node.value)  # __slots__
    return owned


def readers_use_public_names(modules: dict[str, Module]) -> Iterator[str]:
    """Drawing, function transforms, checks and the like take no private name of the core."""
    for module in modules.values():
        if not is_in(module.name, "autograd") or is_in(module.name, *CORE):
            continue
        for imported in module.imports:
            name, origin = imported.name or "", imported.module
            if is_in(origin, *CORE) and is_private(name) and target(modules, imported) == origin:
                yield f"{module.name}:{imported.line} takes {name} of {origin}"
        owned = _owned_attributes(module.tree)
        imported_modules = {imported.name for imported in module.imports}
        for node in ast.walk(module.tree):
            if (
                isinstance(node, ast.Attribute)
                and is_private(node.attr)
                and node.attr not in owned | imported_modules
                and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
            ):
                yield f"{module.name}:{node.lineno} reaches for .{node.attr}"


def users_use_public_names(modules: dict[str, Module]) -> Iterator[str]:
    """`nn` and `optim` are users of autograd: they import no underscored module or name of it."""
    for module in modules.values():
        if not is_in(module.name, "nn", "optim"):
            continue
        for imported in module.imports:
            names = [*imported.module.split("."), imported.name or ""]
            if names[0] == "autograd" and any(map(is_private, names)):
                yield f"{module.name}:{imported.line} imports {imported.name} of {imported.module}"


def layers_define_no_derivative(modules: dict[str, Module]) -> Iterator[str]:
    """Derivatives come from the primitives: no rule and no backward pass in `nn` or `optim`."""
    for module in modules.values():
        if not is_in(module.name, "nn", "optim"):
            continue
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            rules = [
                d for d in node.decorator_list if isinstance(d, ast.Attribute) and d.attr == "rule"
            ]
            if rules or node.name in ("backward", "vjp"):
                yield f"{module.name}:{node.lineno} defines {node.name}"


def nothing_imports_in_a_circle(modules: dict[str, Module]) -> Iterator[str]:
    """Imports at load time form no cycle."""
    graph = {
        module.name: {
            target(modules, imported)
            for imported in module.imports
            if imported.at_load_time and target(modules, imported) in modules
        }
        for module in modules.values()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield " <- ".join(error.args[1])


def _is_home_of(module: str, dependency: str) -> bool:
    """A module may be named after an optional dependency: `_numba`, `numba_conv`, `onnx.graph`."""
    dependency = PART_OF.get(dependency, dependency)
    return any(part.lstrip("_").split("_")[0] == dependency.lower() for part in module.split("."))


def optional_dependencies_load_late(modules: dict[str, Module]) -> Iterator[str]:
    """At load time only the standard library and NumPy are imported.

    A module named after an optional dependency may import it, and is then itself imported late.
    """
    homes = {}  # and of what
    for module in modules.values():
        for imported in module.imports:
            dependency = imported.module.partition(".")[0]
            if imported.at_load_time and dependency not in ALWAYS_INSTALLED:
                if _is_home_of(module.name, dependency):
                    homes[module.name] = dependency
                else:
                    yield f"{module.name}:{imported.line} imports {dependency}"
    for module in modules.values():
        for imported in module.imports:
            reached = target(modules, imported)
            if (
                imported.at_load_time
                and reached in homes
                and not _is_home_of(module.name, homes[reached])
            ):
                yield f"{module.name}:{imported.line} imports {reached} at load time"


RULES = (
    packages_point_one_way,
    kernels_know_only_arrays,
    primitives_do_not_look_up,
    the_core_knows_no_operation,
    readers_use_public_names,
    users_use_public_names,
    layers_define_no_derivative,
    nothing_imports_in_a_circle,
    optional_dependencies_load_late,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_architecture(rule):
    modules = read(ROOT)
    assert set(PACKAGES) <= set(modules)
    broken = sorted(set(rule(modules)))
    assert not broken, f"{rule.__doc__}\n  " + "\n  ".join(broken)


# --- and each rule notices a place that breaks it ------------------------------------------------

VIOLATIONS = [
    (packages_point_one_way, {"autograd/func.py": "def f():\n    import nn"}),
    (packages_point_one_way, {"optim/adam.py": "from nn import Module"}),
    (packages_point_one_way, {"nn/linear.py": "import optim"}),
    (kernels_know_only_arrays, {"autograd/kernels/pool.py": "from .._tensor import Tensor"}),
    (primitives_do_not_look_up, {"autograd/primitives/a.py": "from autograd import Tensor"}),
    (primitives_do_not_look_up, {"autograd/primitives/a.py": "from autograd.func import grad"}),
    (
        primitives_do_not_look_up,
        {
            "autograd/primitives/a.py": "from ..config import x",
            "autograd/config.py": "from . import kernels",
        },
    ),
    (the_core_knows_no_operation, {"autograd/_graph.py": "from .primitives.linalg import matmul"}),
    (
        the_core_knows_no_operation,
        {"autograd/_tensor.py": "from . import _primitive", "autograd/_primitive.py": ""},
    ),
    (readers_use_public_names, {"autograd/func.py": "from ._graph import _walk"}),
    (readers_use_public_names, {"autograd/_check.py": "def f(node):\n    return node._saved"}),
    (users_use_public_names, {"nn/linear.py": "from autograd._tensor import Tensor"}),
    (users_use_public_names, {"optim/sgd.py": "from autograd import _graph"}),
    (
        layers_define_no_derivative,
        {"nn/linear.py": "class Linear:\n    def backward(self, g): ..."},
    ),
    (layers_define_no_derivative, {"nn/f.py": "@relu.rule\ndef _(g, y): ..."}),
    (
        nothing_imports_in_a_circle,
        {"autograd/a.py": "from . import b", "autograd/b.py": "import autograd.a"},
    ),
    (
        nothing_imports_in_a_circle,
        {"autograd/__init__.py": "from .a import x", "autograd/a.py": "from autograd import y"},
    ),
    (
        optional_dependencies_load_late,
        {"autograd/drawing.py": "try:\n    import graphviz\nexcept ImportError: ..."},
    ),
    (
        optional_dependencies_load_late,
        {
            "autograd/kernels/_numba.py": "import numba",
            "autograd/kernels/pool.py": "from . import _numba",
        },
    ),
]
ACCEPTED = [
    {"nn/training/trainer.py": "import optim"},
    {"autograd/primitives/a.py": "from .._shapes import x", "autograd/_shapes.py": "import numpy"},
    {"autograd/drawing.py": "def draw():\n    import graphviz"},
    {
        "autograd/kernels/_numba.py": "import numba",
        "autograd/kernels/pool.py": "def f():\n    from . import _numba",
    },
    {
        "autograd/_tensor.py": "if TYPE_CHECKING:\n    from ._graph import Node",
        "autograd/_graph.py": "def f():\n    import autograd.func",
    },
    {"autograd/_check.py": "class A:\n    def f(self, other):\n        self._x = other._x"},
]


def _plant(root: Path, files: dict[str, str]) -> dict[str, Module]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return read(root)


@pytest.mark.parametrize(("rule", "files"), VIOLATIONS)
def test_a_rule_notices(rule, files, tmp_path):
    assert list(rule(_plant(tmp_path, files)))


@pytest.mark.parametrize("files", ACCEPTED)
def test_the_rules_accept(files, tmp_path):
    modules = _plant(tmp_path, files)
    assert [line for rule in RULES for line in rule(modules)] == []
