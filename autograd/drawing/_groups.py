"""Which boxes are grouped, and which groups are folded at first."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from autograd.drawing._figure import Figure, Group

__all__ = ["count_operations", "cut_stretches", "fold_groups", "group_repeats", "nest"]

BUDGET = 160  # how many boxes a picture shows before groups are folded
CHUNK = 100  # operations in a group made only because there are too many


def nest(figure: Figure, position: dict[str, int]) -> None:
    """Give each group its children in order of computation; drop groups without any."""
    first: dict[str, int] = {}
    for key, step in position.items():
        for group in figure.around(key):
            first[group] = min(first.get(group, step), step)
    for key in [key for key in figure.groups if key and key not in first]:
        del figure.groups[key]
    placed = {**first, **position}
    order = {key: i for i, key in enumerate(position)}
    keys = [key for key in placed if key]
    for key in sorted(keys, key=lambda k: (placed[k], order.get(k, -1))):
        parent = figure.parent(key)
        assert parent is not None
        figure.groups[parent].children.append(key)


def _signature(figure: Figure, key: str) -> tuple[Any, ...] | None:
    """What makes two module calls alike: the class, and the operations and groups in it."""
    group = figure.groups.get(key)
    if group is None or group.kind != "module":
        return None
    inner = tuple(
        figure.boxes[child].node.operation or figure.boxes[child].node.kind
        if child in figure.boxes
        else figure.groups[child].title.partition(": ")[2].partition("(")[0]
        for child in group.children
    )
    return (group.title.partition(": ")[2].partition("(")[0], inner, _result_shape(figure, key))


def _result_shape(figure: Figure, key: str) -> tuple[int, ...] | None:
    """The shape of the last thing computed in a group."""
    while key in figure.groups:
        key = figure.groups[key].children[-1]
    return figure.boxes[key].node.shape


def group_repeats(figure: Figure) -> None:
    """Put three or more equal module calls in a row into one group: ``Block ×12``."""
    for key in list(figure.groups):
        children = figure.groups[key].children
        signatures = [_signature(figure, child) for child in children]
        start = 0
        kept: list[str] = []
        while start < len(children):
            end = start + 1
            while end < len(children) and signatures[end] == signatures[start] is not None:
                end += 1
            signature = signatures[start]
            if 3 <= end - start < len(children) and signature is not None:
                name = signature[0]
                made = f"{children[start]}…{children[end - 1].rpartition('.')[2]}"
                figure.groups[made] = Group(
                    made, f"{name} ×{end - start}", key, "repeat", children[start:end]
                )
                for child in children[start:end]:
                    figure.groups[child].parent = made
                kept.append(made)
            else:
                kept += children[start:end]
            start = end
        figure.groups[key].children = kept
    figure.forget_nesting()


def cut_stretches(figure: Figure) -> None:
    """Cut groups of very many children into stretches, and those into longer ones, if need be."""
    steps = _first_and_last_steps(figure)
    for key in list(figure.groups):
        level, length, most = 1, CHUNK, 3 * CHUNK
        while len(figure.groups[key].children) > most:
            children = figure.groups[key].children
            kept = []
            parts = -(-len(children) // length)
            cuts = [len(children) * i // parts for i in range(parts + 1)]
            for i, (start, end) in enumerate(pairwise(cuts), 1):
                part = children[start:end]
                made = f"{key}#{level}.{i}"
                first = min(steps[child][0] for child in part)
                last = max(steps[child][1] for child in part)
                steps[made] = (first, last)
                figure.groups[made] = Group(
                    made, f"steps {first + 1}–{last + 1}", key, "stretch", part
                )
                for child in part:
                    if child in figure.boxes:
                        figure.boxes[child].parent = made
                    else:
                        figure.groups[child].parent = made
                kept.append(made)
            figure.groups[key].children = kept
            level, length, most = level + 1, 10, 25
    figure.forget_nesting()


def _first_and_last_steps(figure: Figure) -> dict[str, tuple[int, int]]:
    """The first and last step of computation in each box and group."""
    found: dict[str, tuple[int, int]] = {}
    for key, box in figure.boxes.items():
        step = box.node.step
        for place in (key, *figure.around(key)):
            low, high = found.get(place, (step, step))
            found[place] = (min(low, step), max(high, step))
    return found


def count_operations(figure: Figure) -> None:
    for box in figure.boxes.values():
        if box.form != "intermediate" and box.node.kind == "operation" and ":" not in box.id:
            for group in figure.around(box.id):
                figure.groups[group].count += 1


def fold_groups(figure: Figure, fold: int | bool | None) -> None:
    """Fold what lies deeper than asked, or, if nothing was asked, what would be too much."""
    if fold is False or (fold is None and len(figure.boxes) <= BUDGET):
        return
    if fold is not None and fold is not True:
        for key, group in figure.groups.items():
            group.folded = bool(key) and len(figure.around(key)) > fold
        return
    for key, group in figure.groups.items():
        group.folded = bool(key)
    if fold is True:
        return
    # Open groups from the outside in, as long as the picture stays readable.
    shown = len(figure.groups[""].children)
    queue = [child for child in figure.groups[""].children if child in figure.groups]
    for key in queue:
        group = figure.groups[key]
        if shown - 1 + len(group.children) > BUDGET or group.kind != "module":
            continue
        group.folded = False
        shown += len(group.children) - 1
        queue.extend(child for child in group.children if child in figure.groups)
