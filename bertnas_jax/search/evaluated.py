"""Subnets with what is known of them, which of them no other beats, and the winner in several precisions."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from bertnas_jax.space import Subnet


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """A Subnet, its score by the supernet (the task's metric), and its price on the budget's first latency limit.

    Of a budget of sizes alone the price is in the unit of the first size, for want of a latency.

    One that was `stopped_after` some dev examples has an estimate, below the score of another that is no slower.
    """

    subnet: Subnet
    accuracy: float
    latency_ms: float
    stopped_after: int | None = None

    def dominates(self, other: Evaluated) -> bool:
        """True if no worse in either and better in one."""
        no_worse = self.accuracy >= other.accuracy and self.latency_ms <= other.latency_ms
        return no_worse and (self.accuracy > other.accuracy or self.latency_ms < other.latency_ms)


@dataclasses.dataclass(frozen=True)
class SimulatedLatency:
    """A latency at a place that is not here, and the interval that holds 90 % of cases; `meets` its limit by the margin asked for."""

    place: str
    limit_ms: float
    low_ms: float
    median_ms: float
    high_ms: float
    meets: bool


@dataclasses.dataclass(frozen=True)
class Finalist:
    """A Subnet with its score by the supernet's weights on all of dev, its price by what the front is over, and what is known of every latency limit.

    The score is in the precision of the budget for this machine: of the compiled model, if that is not float32.
    `fresh_ms` are its latencies in processes of its own, of one that was chosen.

    Its measured latency is None where no limit is of this machine.

    Raises:
      ValueError: a latency is not positive.
    """

    subnet: Subnet
    accuracy: float
    table_ms: float
    measured_ms: float | None
    p90_ms: float | None
    simulated: tuple[SimulatedLatency, ...]
    meets_budget: bool
    chosen: bool = False
    fresh_ms: tuple[float, ...] = ()

    def __post_init__(self):
        known = [value for value in (self.table_ms, self.measured_ms, self.p90_ms) if value is not None]
        if min(known) <= 0:
            raise ValueError(f"latencies must be above 0 ms, got {self.table_ms}, {self.measured_ms} and {self.p90_ms}; measure again")

    @classmethod
    def from_fields(cls, fields: Mapping) -> Finalist:
        """The finalist of a parsed JSON object (`dataclasses.asdict` of one)."""
        simulated = tuple(SimulatedLatency(**one) for one in fields["simulated"])
        return cls(**fields | {"subnet": Subnet.from_fields(fields["subnet"]), "simulated": simulated, "fresh_ms": tuple(fields["fresh_ms"])})

    @property
    def latency_ms(self) -> float:
        """The measured one, or else the price."""
        return self.table_ms if self.measured_ms is None else self.measured_ms


@dataclasses.dataclass(frozen=True)
class Precision:
    """The winner in one runtime's numbers: its score on all of dev, and how far its logits are from the model's."""

    runtime: str
    dtype: str
    value: float
    rms_err: float
    max_abs_err: float


def pareto_front(evaluated: Iterable[Evaluated]) -> list[Evaluated]:
    """Those that no other dominates, the fastest first; of equals, one."""
    front: list[Evaluated] = []
    for candidate in sorted(evaluated, key=lambda e: (e.latency_ms, -e.accuracy)):
        if not front or candidate.accuracy > front[-1].accuracy:
            front.append(candidate)
    return front


def weakest_evidence(known: Collection[str]) -> str:
    """What compliance rests on, of what each latency is known by: "simulated" or "measured"; sizes alone are "counted"."""
    return next((one for one in ("simulated", "measured") if one in known), "counted")
