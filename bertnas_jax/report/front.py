"""What the interactive and the printed picture of the front share: colours, titles, labels, ranges."""

from __future__ import annotations

from collections.abc import Sequence

from bertnas_jax.report import figures
from bertnas_jax.report.front_cost import front_cost
from bertnas_jax.report.front_rows import rows_of_front
from bertnas_jax.report.intervals import Interval, share_interval
from bertnas_jax.report.results import Point, RunResults
from bertnas_jax.report.summary import Summary

# Source: Okabe and Ito 2008, "Color Universal Design", the palette safe for colour-blind readers.
BLUE, ORANGE, VERMILLION, GREEN = "#0072B2", "#E69F00", "#D55E00", "#009E73"
GREY, INK, GRID = "#8A949E", "#1F2933", "#E4E7EB"


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
    """Where the winner ends up: measured, simulated or counted, with its final weights."""
    return front_cost(summary).winner, figures.plotted(summary.winner.metric, summary.winner.value)


def winner_score_interval(summary: Summary) -> Interval | None:
    """Where its score is in 90 % of cases, by all of the dev examples; None of scores that are no share of them."""
    if summary.winner.metric != "accuracy":
        return None
    low, high = share_interval(summary.winner.value, summary.task.dev_examples)
    return figures.plotted("accuracy", low), figures.plotted("accuracy", high)


def winner_end_label(summary: Summary) -> str:
    return f"winner, final and {front_cost(summary).evidence}"


Segment = tuple[Interval, Interval]


def bars(run: RunResults) -> list[Segment]:
    """The intervals of the front as lines, each from x to x and from y to y: a latency's at the point's score, a score's at its price."""
    found, metric = [], run.summary.task.metric
    for row in rows_of_front(run):
        x, y = row.point.latency_ms, figures.plotted(metric, row.point.accuracy)
        if row.latency.interval_ms:
            found.append((row.latency.interval_ms, (y, y)))
        if row.accuracy:
            low, high = (figures.plotted(metric, end) for end in row.accuracy)
            found.append(((x, x), (low, high)))
    return found


def winner_bars(summary: Summary) -> list[Segment]:
    """The same of the winner's end."""
    (x, y), costs, scores = winner_end(summary), front_cost(summary).winner_interval, winner_score_interval(summary)
    return [*([(costs, (y, y))] if costs else []), *([((x, x), scores)] if scores else [])]


def ends(segments: Sequence[Segment], axis: int) -> list[float]:
    """Where lines end on an axis, 0 for x."""
    return [end for segment in segments for end in segment[axis]]


def budget_label(summary: Summary) -> str:
    front = front_cost(summary)
    return f"budget {front.told(front.most)}"


def teacher_label(summary: Summary) -> str:
    """`teacher 83.5 % at 29.4 ms (measured)`; without what it costs if that is not known."""
    text, front = f"teacher {figures.score(summary.teacher.metric, summary.teacher.value)}", front_cost(summary)
    return text if front.teacher is None else f"{text} at {front.told(front.teacher)} ({front.evidence})"


def x_range(run: RunResults) -> tuple[float, float]:
    """Every Subnet, the winner's end, their bars and the budget, with some air; the teacher may lie beyond."""
    drawn = ends([*bars(run), *winner_bars(run.summary)], 0)
    return _padded([*xs(run.evaluated), *xs(run.uniform), *drawn, winner_end(run.summary)[0], front_cost(run.summary).most])


def y_range(run: RunResults) -> tuple[float, float]:
    drawn = ends([*bars(run), *winner_bars(run.summary)], 1)
    return _padded([*ys(run, run.evaluated), *ys(run, run.uniform), *drawn, winner_end(run.summary)[1], teacher_y(run.summary)])


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    air = 0.07 * (high - low) or 0.05 * abs(high) or 1.0
    return low - air, high + air
