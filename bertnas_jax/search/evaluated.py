"""Subnets with what is known of them, and which of them no other beats."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from bertnas_jax.space import Subnet


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """A Subnet, its score by the supernet (the task's metric), and its latency by the kernel table."""

    subnet: Subnet
    accuracy: float
    latency_ms: float

    def dominates(self, other: Evaluated) -> bool:
        """True if no worse in either and better in one."""
        no_worse = self.accuracy >= other.accuracy and self.latency_ms <= other.latency_ms
        return no_worse and (self.accuracy > other.accuracy or self.latency_ms < other.latency_ms)


@dataclasses.dataclass(frozen=True)
class Finalist:
    """A Subnet with its score by the supernet on all of dev, its price by the table and its measured latency.

    Raises:
      ValueError: a latency is not positive.
    """

    subnet: Subnet
    accuracy: float
    table_ms: float
    measured_ms: float
    p90_ms: float
    meets_budget: bool
    chosen: bool = False

    def __post_init__(self):
        if min(self.table_ms, self.measured_ms, self.p90_ms) <= 0:
            raise ValueError(f"latencies must be above 0 ms, got {self.table_ms}, {self.measured_ms} and {self.p90_ms}; measure again")


def pareto_front(evaluated: Iterable[Evaluated]) -> list[Evaluated]:
    """Those that no other dominates, the fastest first; of equals, one."""
    front: list[Evaluated] = []
    for candidate in sorted(evaluated, key=lambda e: (e.latency_ms, -e.accuracy)):
        if not front or candidate.accuracy > front[-1].accuracy:
            front.append(candidate)
    return front
