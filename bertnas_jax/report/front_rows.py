"""The rows behind the front: every evaluated Subnet with where its latency and its score lie. Picture, page and pareto.csv show these alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from bertnas_jax.report import figures
from bertnas_jax.report.budget import COUNTED
from bertnas_jax.report.front_cost import front_cost
from bertnas_jax.report.intervals import Interval, ratio_interval, share_interval
from bertnas_jax.report.results import Point, RunResults
from bertnas_jax.search.evaluated import Finalist
from bertnas_jax.space import Subnet

MEASURED, PRICED, SIMULATED = "measured", "priced by measured kernels", "simulated"  # or COUNTED, of a size


@dataclasses.dataclass(frozen=True)
class Located:
    """How a cost that the front is over is known, the median of a latency that was measured, and its interval; None where that is not known."""

    source: str
    measured_ms: float | None
    interval_ms: Interval | None


@dataclasses.dataclass(frozen=True)
class FrontRow:
    """An evaluated Subnet with what is known of its latency, and the interval of its score, None where there is none."""

    point: Point
    latency: Located
    accuracy: Interval | None


def front_rows(run: RunResults) -> tuple[FrontRow, ...]:
    """A row an evaluated Subnet, in order."""
    locate = {SIMULATED: _simulated, MEASURED: _on_host, COUNTED: _counted}[front_cost(run.summary).evidence](run)
    return tuple(FrontRow(point, locate(point), _accuracy_interval(run, point)) for point in run.evaluated)


def rows_of_front(run: RunResults) -> tuple[FrontRow, ...]:
    """The rows that no other beats: those that have their intervals drawn."""
    return tuple(row for row in front_rows(run) if row.point.on_front)


def _counted(run: RunResults) -> Callable[[Point], Located]:
    return lambda point: Located(COUNTED, None, None)


def _simulated(run: RunResults) -> Callable[[Point], Located]:
    """Every interval is as wide as the winner's, for it goes by what is known of the device."""
    first = run.summary.budget.limits[0]
    low, high = first.low_ms / first.winner_ms, first.high_ms / first.winner_ms
    return lambda point: Located(SIMULATED, None, (low * point.latency_ms, high * point.latency_ms))


def _on_host(run: RunResults) -> Callable[[Point], Located]:
    """What was measured, and of the others where that puts them."""
    measured, around = _measured(run), ratio_interval(_ratios(run))

    def locate(point: Point) -> Located:
        if one := measured.get(point.subnet):
            seen = (one.measured_ms, one.p90_ms, *one.fresh_ms)
            return Located(MEASURED, one.measured_ms, (min(seen), max(seen)))
        return Located(PRICED, None, around and (around[0] * point.latency_ms, around[1] * point.latency_ms))

    return locate


def _measured(run: RunResults) -> dict[Subnet, Finalist]:
    return {one.subnet: one for one in run.finalists if one.measured_ms is not None}


def _ratios(run: RunResults) -> list[float]:
    """Of finalists, what they took over their prices as those were corrected last."""
    prices = {point.subnet: point.latency_ms for point in run.evaluated}
    return [one.measured_ms / prices[subnet] for subnet, one in _measured(run).items() if subnet in prices]


def _accuracy_interval(run: RunResults, point: Point) -> Interval | None:
    """None of an estimate, and of scores that are no share of the examples."""
    if run.summary.task.metric != "accuracy" or point.stopped_after is not None:
        return None
    return share_interval(point.accuracy, examples_scored(run))


def examples_scored(run: RunResults) -> int:
    """The part of the dev split that the search scores on."""
    return min(run.config.sampler.dev_subset, run.summary.task.dev_examples)


def intervals_told(run: RunResults) -> str:
    """What the bars of the picture are, in one sentence."""
    last = {SIMULATED: "last simulation", MEASURED: "last measurement", COUNTED: "files"}[front_cost(run.summary).evidence]
    return f"Bars of the front: across, {_latency_told(run)}; upwards, {_accuracy_told(run)}; the star's are those of its {last} and of all of dev."


def _latency_told(run: RunResults) -> str:
    evidence = front_cost(run.summary).evidence
    if evidence == SIMULATED:
        return "the simulator's interval of 90 % of cases"
    if evidence == COUNTED:
        return "none, for sizes are counted"
    known = "what a finalist took, from its median to its 90th percentile and in processes of its own"
    number = len(_ratios(run))
    if number < 2:
        return f"{known}, of others none, as {figures.plural(number, 'finalist')} that was measured shows no spread"
    return f"{known}, of others 90 % of cases by what {number} finalists took of their prices (Student's t)"


def _accuracy_told(run: RunResults) -> str:
    metric = run.summary.task.metric
    if metric != "accuracy":
        return f"none, for {figures.metric_style(metric).label} is no share of examples and the predictions behind it are not kept"
    return f"90 % of cases for {examples_scored(run):,} dev examples (Wilson's interval)"
