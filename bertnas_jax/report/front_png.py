"""The front as a PNG, the same picture as the interactive one."""

from __future__ import annotations

import io
import textwrap

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bertnas_jax.report import front
from bertnas_jax.report.front_cost import front_cost
from bertnas_jax.report.front_rows import intervals_told
from bertnas_jax.report.results import RunResults

_INCHES, _DPI = (12.0, 7.5), 100  # 1200 x 750 pixels
_LINE = 150  # characters of small print that fit them


def front_png(run: RunResults) -> bytes:
    """The bytes of the PNG."""
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    _draw_subnets(axes, run)
    _draw_lines(axes, run)
    cost = front_cost(run.summary)
    axes.set_xlabel(f"{cost.title}, that of a sub-network by the {cost.priced_by}", fontsize=13)
    axes.set_ylabel(front.y_title(run.summary), fontsize=13)
    figure.supxlabel(textwrap.fill(intervals_told(run), _LINE), fontsize=10, color=front.INK)
    axes.set_xlim(front.x_range(run))
    axes.set_ylim(front.y_range(run))
    axes.grid(color=front.GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, fontsize=12)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _draw_subnets(axes: Axes, run: RunResults) -> None:
    beaten = [point for point in run.evaluated if not point.on_front]
    start, end = run.winner_point, front.winner_end(run.summary)
    start_y = front.ys(run, [start])[0]
    hollow = {"facecolors": "none", "linewidths": 1.8}
    axes.scatter(front.xs(beaten), front.ys(run, beaten), s=36, color=front.GREY, alpha=0.7, linewidths=0, label="evaluated")
    axes.scatter(front.xs(run.uniform), front.ys(run, run.uniform), s=60, marker="s", edgecolors=front.ORANGE, **hollow, label="uniformly shrunk")
    axes.step(front.xs(run.front), front.ys(run, run.front), where="post", color=front.BLUE, marker="o", label="front")
    axes.plot([start.latency_ms, end[0]], [start_y, end[1]], color=front.VERMILLION, linestyle=":")
    axes.scatter(start.latency_ms, start_y, s=260, marker="*", edgecolors=front.VERMILLION, **hollow, zorder=4, label="winner in the search")
    for segments, colour in ((front.bars(run), front.BLUE), (front.winner_bars(run.summary), front.VERMILLION)):
        for x, y in segments:
            axes.plot(x, y, color=colour, linewidth=1.5, alpha=0.6, marker="_" if x[0] == x[1] else "|", markersize=9)
    axes.scatter(*end, s=260, marker="*", color=front.VERMILLION, zorder=4, label=front.winner_end_label(run.summary))


def _draw_lines(axes: Axes, run: RunResults) -> None:
    summary, cost, small = run.summary, front_cost(run.summary), {"fontsize": 12, "color": front.INK}
    axes.axvline(cost.most, color=front.INK, linestyle="--")
    across, along = axes.get_xaxis_transform(), axes.get_yaxis_transform()
    axes.text(cost.most, 0.02, front.budget_label(summary) + " ", rotation=90, ha="right", transform=across, **small)
    axes.axhline(front.teacher_y(summary), color=front.GREEN, linestyle="-.")
    axes.text(0.01, front.teacher_y(summary), front.teacher_label(summary), va="bottom", transform=along, **small)
    if cost.teacher is not None:
        axes.axvline(cost.teacher, color=front.GREEN, linestyle="-.")
