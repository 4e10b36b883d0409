"""What the front trades scores against: the first latency or, of a budget of sizes alone, the first of those."""

from __future__ import annotations

import dataclasses
import re

from bertnas_jax.report import figures
from bertnas_jax.report.budget import COUNTED
from bertnas_jax.report.intervals import Interval
from bertnas_jax.report.labels import price_label
from bertnas_jax.report.summary import Summary

_COUNTED = ("parameters", "FLOPs")  # what a model has on any machine, the teacher too


@dataclasses.dataclass(frozen=True)
class FrontCost:
    """Its name, unit and limit, what tells a sub-network's before it is built, and the winner's as it is known in the end, and the teacher's.

    `winner_interval` is where a simulated latency is in 90 % of cases, of a measured one from the median of its runs to their 90th percentile.
    """

    name: str
    unit: str
    most: float
    priced_by: str
    evidence: str
    winner: float
    winner_interval: Interval | None
    teacher: float | None

    @property
    def column(self) -> str:
        """`latency_ms` or `parameters`: of a table for programs."""
        return re.sub(r"\W+", "_", self.name if self.name in _COUNTED else f"{self.name}_{self.unit}").lower()

    @property
    def title(self) -> str:
        """`latency (ms)` or `parameters`: of an axis."""
        return self.name if self.name == self.unit else f"{self.name} ({self.unit})"

    def amount(self, value: float | None) -> str:
        """`9.00` or `17.0 M`, without the unit."""
        return figures.count(value) if self.unit in _COUNTED else figures.milliseconds(value)

    def told(self, value: float | None) -> str:
        """`9.00 ms` or `17.0 M parameters`."""
        return f"{self.amount(value)} {self.unit}"


def front_cost(summary: Summary) -> FrontCost:
    """That of a run."""
    if not summary.budget.limits:
        size = summary.budget.sizes[0]
        teacher = {"parameters": summary.teacher.params, "FLOPs": summary.teacher.flops}.get(size.name)
        return FrontCost(size.name, size.unit, size.most, "count", COUNTED, size.value, None, teacher)
    limit, winner, teacher = summary.budget.limits[0], summary.winner_latency, summary.at_budget("teacher", summary.budget.place.runtime)
    interval = (winner.median_ms, winner.p90_ms) if winner.source == "measured" else (winner.low_ms, winner.high_ms)
    teacher_ms = None if teacher is None else teacher.median_ms
    return FrontCost("latency", "ms", limit.latency_ms, price_label(limit), limit.evidence, winner.median_ms, interval, teacher_ms)
