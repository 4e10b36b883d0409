"""What the interactive and the printed picture of the front share: colours, titles, labels, ranges."""

from __future__ import annotations

from collections.abc import Sequence

from bertnas_jax.report import figures
from bertnas_jax.report.results import Point, RunResults
from bertnas_jax.report.summary import Summary

# Source: Okabe and Ito 2008, "Color Universal Design", the palette safe for colour-blind readers.
BLUE, ORANGE, VERMILLION, GREEN = "#0072B2", "#E69F00", "#D55E00", "#009E73"
GREY, INK, GRID = "#8A949E", "#1F2933", "#E4E7EB"

X_TITLE = "latency (ms)"


def y_title(summary: Summary) -> str:
    style = figures.metric_style(summary.task.metric)
    return f"{style.label} on dev (%)" if style.percent else f"{style.label} on dev"


def y_unit(summary: Summary) -> str:
    """What a score on the axis is counted in."""
    return "%" if figures.metric_style(summary.task.metric).percent else "score"


def xs(points: Sequence[Point]) -> list[float]:
    return [point.latency_ms for point in points]


def ys(run: RunResults, points: Sequence[Point]) -> list[float]:
    return [figures.plotted(run.summary.task.metric, point.accuracy) for point in points]


def teacher_y(summary: Summary) -> float:
    return figures.plotted(summary.teacher.metric, summary.teacher.value)


def winner_end(summary: Summary) -> tuple[float, float]:
    """Where the winner ends up: measured, with its final weights."""
    return summary.winner_latency.median_ms, figures.plotted(summary.winner.metric, summary.winner.value)


def winner_interval(summary: Summary) -> tuple[float, float] | None:
    """Where its latency is in 90 % of cases, of a simulated one."""
    latency = summary.winner_latency
    return None if latency.source == "measured" else (latency.low_ms, latency.high_ms)


def winner_end_label(summary: Summary) -> str:
    source = summary.winner_latency.source
    return f"winner, final and {source}" + (" (line: 90 % of cases)" if source == "simulated" else "")


def budget_label(summary: Summary) -> str:
    return f"budget {figures.milliseconds(summary.budget.first.latency_ms)} ms"


def teacher_label(summary: Summary) -> str:
    """`teacher 83.5 %, 29.4 ms (TVM)`; without the latency if it is not known."""
    text = f"teacher {figures.score(summary.teacher.metric, summary.teacher.value)}"
    latency = summary.at_budget("teacher", summary.budget.first.runtime)
    return text if latency is None else f"{text} at {figures.milliseconds(latency.median_ms)} ms ({latency.source})"


def teacher_x(summary: Summary) -> float | None:
    """The teacher's latency on the budget's runtime, None if it is not known."""
    latency = summary.at_budget("teacher", summary.budget.first.runtime)
    return None if latency is None else latency.median_ms


def x_range(run: RunResults) -> tuple[float, float]:
    """Every Subnet, the winner's end and the budget, with some air; the teacher may lie beyond."""
    shown = [*xs(run.evaluated), *xs(run.uniform), winner_end(run.summary)[0], *(winner_interval(run.summary) or ())]
    shown.append(run.summary.budget.first.latency_ms)
    return _padded(shown)


def y_range(run: RunResults) -> tuple[float, float]:
    return _padded([*ys(run, run.evaluated), *ys(run, run.uniform), winner_end(run.summary)[1], teacher_y(run.summary)])


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    air = 0.07 * (high - low) or 0.05 * abs(high) or 1.0
    return low - air, high + air
