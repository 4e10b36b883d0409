"""The first stage of the funnel: a million Subnets of the space, or all of a smaller one, priced on every limit at once."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from bertnas_jax.search.budget import Budget, Cost
from bertnas_jax.search.cost_table import Population, count_of
from bertnas_jax.search.samplers import InfeasibleBudget
from bertnas_jax.space import SearchSpace

BATCH = 1 << 18  # Subnets priced at a time: their arrays stay in the cache


@dataclasses.dataclass(frozen=True)
class SurveyedCost:
    """One limit alone: what is allowed, the share of the Subnets that meet it, the cheapest of them and its cost."""

    name: str
    unit: str
    most: float
    share: float
    cheapest: str
    least: float


@dataclasses.dataclass(frozen=True)
class Survey:
    """How much of the space meets the budget. `share` is of all Subnets, estimated from those priced unless that was `whole`."""

    space_size: int
    priced: int
    whole: bool
    share: float
    costs: tuple[SurveyedCost, ...]

    def describe(self) -> str:
        about = "" if self.whole else "about "
        alone = ", ".join(f"{100 * cost.share:.3g} % {cost.name}" for cost in self.costs)
        return (
            f"{about}{self.share * self.space_size:,.0f} of {self.space_size:,} subnets ({100 * self.share:.3g} %) meet the budget "
            f"({self.priced:,} priced; each limit alone: {alone})"
        )


def survey(budget: Budget, priced: int, seed: int) -> Survey:
    """What part of the space meets each limit, and all of them.

    Of each depth an equal number is priced, all where there are no more, and counts for all of that depth.

    Raises:
      InfeasibleBudget: no Subnet meets the budget; names the fastest, or the nearest.
    """
    space, costs = budget.space, budget.costs
    _check_each(budget)
    quota, number = -(-priced // len(space.depths)), 0
    met = np.zeros(1 + len(costs))  # the number of Subnets that meet them all, and each
    for depth in space.depths:
        size = min(quota, count_of(space, depth))
        hits = np.zeros(1 + len(costs))
        for population in _populations(space, depth, size, seed):
            each = [cost.table.of_all(population) <= cost.most for cost in costs]
            hits += [_count(np.logical_and.reduce(each)), *map(_count, each)]
        number += size
        met += hits / size * count_of(space, depth)
    if not met[0]:
        budget.limits().any_left((), random.Random(seed))  # those that meet it may be too few to be drawn: it searches, or says so
    shares = [float(one) for one in met / space.count]
    return Survey(space.count, number, number == space.count, shares[0], tuple(map(_surveyed, costs, shares[1:])))


def _check_each(budget: Budget) -> None:
    """Raises InfeasibleBudget if one limit alone is met by no Subnet."""
    asked = {one.cost.name: one.latency_ms for one in budget.latencies}
    for cost in budget.costs:
        cheapest = cost.table.cheapest()
        if cost.table.of(cheapest) > cost.most:
            given = asked.get(cost.name, cost.most)
            less = f" (less the margin: {cost.most:,.2f})" if given != cost.most else ""
            where, least = ("", "smallest") if cost.unit != "ms" else (f" on {cost.name}", "fastest")
            raise InfeasibleBudget(
                f"the budget must be met by some subnet, got {given:,.2f} {cost.unit}{less}{where} and {cost.table.of(cheapest):,.2f} "
                f"{cost.unit} for the {least}, {cheapest.describe()}; allow more or widen the space downwards"
            )


def _populations(space: SearchSpace, depth: int, size: int, seed: int) -> Iterator[Population]:
    """That many Subnets of a depth, in batches: all of them if there are no more."""
    if size == count_of(space, depth):
        every = Population.every(space, depth)
        for start in range(0, size, BATCH):
            part = slice(start, start + BATCH)
            yield Population(every.hidden[part], every.blocks[:, part])
        return
    rng = np.random.default_rng((seed, depth))
    for start in range(0, size, BATCH):
        yield Population.draw(space, depth, min(BATCH, size - start), rng)


def _count(holds: Bool[np.ndarray, " p"]) -> int:
    return int(np.count_nonzero(holds))


def _surveyed(cost: Cost, share: float) -> SurveyedCost:
    cheapest = cost.table.cheapest()
    return SurveyedCost(cost.name, cost.unit, cost.most, share, cheapest.describe(), cost.table.of(cheapest))
