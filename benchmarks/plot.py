"""Bars of the ratios of one run, drawn by Matplotlib.

Runs in an environment of its own: reads tables as JSON from standard input, writes the file named
on the command line, in the format that its ending says.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.patches import Patch

# Ours stand out; the others share a range of quiet colours.
_OURS = {
    "glassgrad": "#d1495b",
    "glassgrad-numba": "#8d1b3d",
    "glassgrad-compile": "#eba0a9",
    "glassgrad-compile-numba": "#b0567a",
}
_OTHERS = (
    "#4c78a8",
    "#72b7b2",
    "#9ecae9",
    "#f2cf5b",
    "#f58518",
    "#b279a2",
    "#9d755d",
    "#bab0ac",
    "#79706e",
    "#d6a5c9",
    "#54a24b",
    "#88d27a",
)


def _colours(tables: list[dict[str, Any]]) -> dict[str, str]:
    names = list(dict.fromkeys(row["contestant"] for table in tables for row in table["rows"]))
    others = [name for name in names if name not in _OURS]
    chosen = {name: _OTHERS[i % len(_OTHERS)] for i, name in enumerate(others)}
    return {name: _OURS.get(name) or chosen[name] for name in names}


def draw(tables: list[dict[str, Any]], described: dict[str, str], path: str) -> None:
    colours = _colours(tables)
    groups = [
        (
            table,
            [row for row in table["rows"] if row["ratio"] and row["contestant"] != table["peer"]],
        )
        for table in tables
    ]
    groups = [(table, rows) for table, rows in groups if rows]
    height = 1.2 + 0.16 * sum(len(rows) + 1.5 for _, rows in groups)
    figure, axes = plt.subplots(figsize=(9, height), layout="constrained")
    y, ticks, labels = 0.0, [], []
    for table, rows in groups:
        top = y
        for row in rows:
            axes.barh(y, row["ratio"] - 1, left=1, height=0.9, color=colours[row["contestant"]])
            outside = "left" if row["ratio"] >= 1 else "right"
            axes.text(row["ratio"], y, f" {row['ratio']:.2f} ", ha=outside, va="center", size=6)
            y += 1
        ticks.append((top + y - 1) / 2)
        labels.append(f"{table['suite']}: {table['workload']}\n1 is {table['peer']}")
        y += 1.5
    axes.set_xscale("log")
    ratios = [row["ratio"] for _, rows in groups for row in rows]
    low, high = min(0.5, *ratios) / 1.4, max(2.0, *ratios) * 1.4
    ticks_at = [f * 10.0**e for e in range(-4, 6) for f in (1, 2, 5) if low < f * 10.0**e < high]
    axes.set_xlim(low, high)
    axes.set_xticks(ticks_at, [f"{tick:g}" for tick in ticks_at], size=7)
    axes.minorticks_off()
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(ticks, labels, size=7)
    axes.set_ylim(y - 1, -1)
    axes.set_xlabel("ratio of time to the peer: left of the line is faster", size=8)
    axes.grid(axis="x", which="both", linewidth=0.3)
    axes.set_axisbelow(True)
    shown = [
        name for name in colours if any(row["contestant"] == name for _, r in groups for row in r)
    ]
    handles = [Patch(color=colours[name]) for name in shown]
    figure.legend(handles, shown, loc="outside upper center", ncols=5, frameon=False, fontsize=7)
    facts = ("date", "processor", "threads of every contestant")
    figure.supxlabel(", ".join(described[f] for f in facts[:2] if f in described), size=6)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "benchmarks"  # the same picture is the same file
    kept = json.load(sys.stdin)
    draw(kept["tables"], kept["machine"], sys.argv[1])
