"""All that a run folder says of a run: the summary, the Subnets behind it, every latency."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

from bertnas_jax.report.summary import Latency, Summary
from bertnas_jax.search.config import SearchConfig
from bertnas_jax.search.evaluated import Evaluated, Finalist
from bertnas_jax.search.kernel_cost import CostsAt
from bertnas_jax.space import Subnet


@dataclasses.dataclass(frozen=True)
class LatencyLine(Latency):
    """A line of latency.jsonl: `reference_drift` is 1 on a steady machine."""

    subnet: Subnet
    reference_drift: float
    date: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point(Evaluated):
    """A Subnet with its score by the supernet on a part of dev and its price on the budget's first limit."""

    on_front: bool


@dataclasses.dataclass(frozen=True)
class RunResults:
    """All that a report shows; `torn_lines` of latency.jsonl were cut off by a crash and are left out.

    `compared` is what other samplers evaluated, by their names; `kernels` are the winner's under each latency limit.
    """

    config: SearchConfig
    summary: Summary
    evaluated: tuple[Point, ...]
    uniform: tuple[Point, ...]
    compared: Mapping[str, tuple[Point, ...]]
    kernels: tuple[CostsAt, ...]
    finalists: tuple[Finalist, ...]
    latencies: tuple[LatencyLine, ...]
    torn_lines: int = 0

    @functools.cached_property
    def front(self) -> tuple[Point, ...]:
        """The evaluated Subnets that no other beats, the fastest first."""
        return tuple(sorted((point for point in self.evaluated if point.on_front), key=lambda point: point.latency_ms))

    @functools.cached_property
    def winner_point(self) -> Point | None:
        """The winner as the search saw it."""
        return next((point for point in self.evaluated + self.uniform if point.subnet == self.summary.subnet), None)

    @functools.cached_property
    def best_uniform(self) -> Point | None:
        """The most accurate uniformly shrunk net that is no slower than the winner by their prices."""
        within = [point for point in self.uniform if point.latency_ms <= self.winner_point.latency_ms]
        return max(within, key=lambda point: point.accuracy, default=None)
