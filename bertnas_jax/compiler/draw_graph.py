"""A picture of operator graphs: one dot an operator, one colour a kernel."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.figure import Figure

from bertnas_jax.compiler.fusion_plan import FusionPlanner, Group
from bertnas_jax.whole_file import whole

_NAMED = 1_000  # operators up to which their names are drawn: above, rows are too close
_INCHES_A_ROW = 0.16


def draw_graphs(graphs: Mapping[str, tuple[FusionPlanner, Sequence[Group]]], path: pathlib.Path) -> None:
    """Writes the graphs side by side, by title; time runs downwards."""
    rows = max(len(planner.operators) for planner, _ in graphs.values())
    figure = Figure(figsize=(6 * len(graphs), min(200, 2 + _INCHES_A_ROW * rows)))
    for axes, (title, (planner, groups)) in zip(figure.subplots(1, len(graphs), squeeze=False)[0], graphs.items(), strict=True):
        axes.set_title(f"{title}: {len(groups)} kernels")
        _draw(axes, planner, groups)
    with whole(path) as partial:
        figure.savefig(partial, format="png", dpi=80, bbox_inches="tight")


def _draw(axes, planner: FusionPlanner, groups: Sequence[Group]) -> None:
    colours = matplotlib.colormaps["tab20"].colors
    kernel = {member: number for number, group in enumerate(groups) for member in group.members}
    rows = {variable: row for row, variable in enumerate(planner.operators)}
    depth = {variable: (kernel[variable] * 7) % 12 for variable in rows}
    for variable, row in rows.items():
        for source in planner.dataflow.operands(variable):
            if source in rows:
                inside = kernel[source] == kernel[variable]
                colour = colours[kernel[variable] % len(colours)] if inside else "0.8"
                axes.plot([depth[source], depth[variable]], [rows[source], row], color=colour, linewidth=1.5 if inside else 0.5, zorder=1)
    axes.scatter(list(depth.values()), list(rows.values()), c=[colours[kernel[v] % len(colours)] for v in rows], s=24, zorder=2)
    if len(rows) <= _NAMED:
        for variable, row in rows.items():
            axes.annotate(planner.operators[variable].name, (depth[variable], row), xytext=(5, -3), textcoords="offset points", fontsize=6)
    axes.invert_yaxis()
    axes.set_axis_off()
