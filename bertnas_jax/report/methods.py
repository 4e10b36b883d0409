"""The search beside simpler ways: what each found in how many evaluations, by its best Subnet and by hypervolume."""

from __future__ import annotations

import dataclasses
import functools

from bertnas_jax.report.results import Point, RunResults
from bertnas_jax.search.hypervolume import hypervolume_history


@dataclasses.dataclass(frozen=True, eq=False)
class Method:
    """What a way of searching evaluated, in order, and the least score and the latency in ms that hypervolumes count from.

    `is_whole` unless it is but the beginning of a search.
    """

    name: str
    evaluated: tuple[Point, ...]
    floor: float
    budget_ms: float
    is_whole: bool = True

    @property
    def best(self) -> Point:
        """The most accurate; of equals the fastest."""
        return max(self.evaluated, key=lambda point: (point.accuracy, -point.latency_ms))

    @functools.cached_property
    def covered(self) -> list[float]:
        """The hypervolume (score x ms) after each evaluation."""
        return hypervolume_history(self.evaluated, self.floor, self.budget_ms)


def methods(run: RunResults) -> tuple[Method, ...]:
    """The beginnings of the search, the search, and every sampler that it was compared with; none of them empty."""
    search = run.summary.search
    uniform = tuple(point for point in run.evaluated if point.subnet in {one.subnet for one in run.uniform})
    drawn = run.evaluated[: search.drawn_first]
    beginnings = [("uniformly shrunk nets", uniform)] if uniform else []
    if len(uniform) < len(drawn) < len(run.evaluated):
        beginnings.append(("these and others at random", drawn))
    whole = [(f"{search.method} (this search)", run.evaluated), *run.compared.items()]
    everything = [point for _, evaluated in whole for point in evaluated]
    ends = (min(point.accuracy for point in everything), search.survey.budget_ms)
    return (
        *(Method(name, evaluated, *ends, is_whole=False) for name, evaluated in beginnings),
        *(Method(name, evaluated, *ends) for name, evaluated in whole if evaluated),
    )
