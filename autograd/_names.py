"""Names for intermediate results, read from the user's own assignments: ``z = w @ x`` gives z."""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache

from autograd._graphview import Graph

__all__ = ["names_from_source"]


@lru_cache(maxsize=1024)
def _assigned(line: str) -> str | None:
    """The variable on the left of a simple assignment, or None."""
    try:
        tree = ast.parse(line.strip())
    except (SyntaxError, ValueError):
        return None
    if len(tree.body) == 1 and isinstance(tree.body[0], ast.Assign):
        targets = tree.body[0].targets
        if len(targets) == 1 and isinstance(targets[0], ast.Name):
            return targets[0].id
    return None


def names_from_source(graph: Graph) -> dict[str, str]:
    """From node id to name, for operations outside modules.

    The last operation of a line ``z = …`` is called z. Lines that run again after others (in a
    loop, or a function called twice) give no names, for they would name several results alike; nor
    does a name that is given on two lines.
    """
    last: dict[str, str] = {}
    interrupted: set[str] = set()
    current: str | None = None
    for node in graph:
        if node.kind != "operation" or node.source is None or node.module is not None:
            continue
        if node.source != current and node.source in last:
            interrupted.add(node.source)
        current = node.source
        last[node.source] = node.id
    found: dict[str, str] = {}
    count: dict[str, int] = {}
    for source, key in last.items():
        file, _, number = source.rpartition(":")
        name = _assigned(linecache.getline(file, int(number)))
        if name is not None and source not in interrupted:
            found[key] = name
            count[name] = count.get(name, 0) + 1
    taken = {node.name for node in graph if node.name}
    return {key: name for key, name in found.items() if count[name] == 1 and name not in taken}
