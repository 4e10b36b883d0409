"""Regularised evolution: the oldest die, not the worst.

Source: Real et al. 2019, arXiv 1802.01548, algorithm 1. Ours are the crossover of layers (SearchSpace.crossover) and
the targets: every child aims at a latency of its own under the budget, so that the whole front is bred.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import optuna
from optuna.trial import FrozenTrial

from bertnas_jax.search.evaluated import Evaluated, pareto_front
from bertnas_jax.search.samplers.limits import Limits
from bertnas_jax.search.samplers.past import Past
from bertnas_jax.search.samplers.subnet_sampler import SubnetSampler
from bertnas_jax.space import Subnet

TOURNAMENT_SHARE = 0.25  # Source: arXiv 1802.01548, section 3: 25 of 100
CROSSOVER_RATE = 0.5
AT_BUDGET = 0.25  # the share of children that aim at the budget itself, where the winner will be


class AgingEvolution(SubnetSampler):
    """The first `population` at random, then mutations and crossovers of the winners of tournaments among the youngest."""

    def __init__(self, limits: Limits, seed: int, population: int):
        super().__init__(limits, seed)
        self._population = population

    def proposals(self, study: optuna.Study, trial: FrozenTrial, past: Past, rng: random.Random) -> Iterator[Subnet]:
        if len(past.evaluated) < self._population:
            yield from self.limits.draws(rng)
        # The front never dies of age: an evaluation is not to be had back.
        alive = list(dict.fromkeys((*past.evaluated[-self._population :], *pareto_front(past.evaluated))))
        while True:
            yield self._child(alive, rng)

    def _child(self, alive: Sequence[Evaluated], rng: random.Random) -> Subnet:
        fastest_ms = min(one.latency_ms for one in alive)
        target_ms = self.limits.budget_ms if rng.random() < AT_BUDGET else rng.uniform(fastest_ms, self.limits.budget_ms)
        parent = self._winner(alive, target_ms, rng)
        if rng.random() < CROSSOVER_RATE:
            parent = self.limits.space.crossover(parent, self._winner(alive, target_ms, rng), rng)
        choices = 2 + 2 * parent.depth
        return self.limits.space.mutate(parent, rng, rate=min(1.0, 1.5 / choices))

    def _winner(self, alive: Sequence[Evaluated], target_ms: float, rng: random.Random) -> Subnet:
        """Of a few at random: the most accurate within the target, or, where none is, the nearest to it."""
        size = max(2, round(TOURNAMENT_SHARE * len(alive)))
        entered = rng.sample(alive, min(size, len(alive)))
        return min(entered, key=lambda one: (max(0.0, one.latency_ms - target_ms), -one.accuracy)).subnet
