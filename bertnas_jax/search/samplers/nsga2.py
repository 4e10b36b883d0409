"""Optuna's NSGA-II over whole Subnets (Deb et al. 2002, "A fast and elitist multiobjective genetic algorithm")."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from bertnas_jax.search.samplers.choices import distributions, subnet_of
from bertnas_jax.search.samplers.limits import Limits
from bertnas_jax.search.samplers.past import Past
from bertnas_jax.search.samplers.subnet_sampler import SubnetSampler
from bertnas_jax.space import SearchSpace, Subnet


class _LongParents(optuna.samplers.NSGAIISampler):
    """NSGA-II whose parents have parameters for every block: those beyond their depth repeat their last.

    Optuna would cross over only the blocks that all trials have, and draw the others at random.
    """

    def __init__(self, space: SearchSpace, population: int, seed: int):
        super().__init__(population_size=population, seed=seed)
        self._space = distributions(space)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {name: one for name, one in self._space.items() if not one.single()}

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        return [self._lengthened(parent) for parent in super().get_parent_population(study, generation)]

    def _lengthened(self, parent: FrozenTrial) -> FrozenTrial:
        last = parent.params["depth"] - 1
        repeated = {name: parent.params[f"{name.split('_')[0]}_{last}"] for name in self._space if name not in parent.params}
        long = copy.copy(parent)
        long.params = parent.params | repeated
        return long

    def child(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        """A value for every parameter: crossover's, or, where it mutated, a random one."""
        made = self.sample_relative(study, trial, self.infer_relative_search_space(study, trial))
        return {
            name: made[name] if name in made else self.sample_independent(study, trial, name, one) for name, one in self._space.items()
        }


class Nsga2(SubnetSampler):
    """The first `population` at random, then children by crossover and mutation of the best front's Subnets."""

    def __init__(self, limits: Limits, seed: int, population: int):
        super().__init__(limits, seed)
        self._population = population

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Puts trials that are enqueued into a generation too: Optuna's would never make parents of them."""
        self._inner(0).get_trial_generation(study, trial)

    def proposals(self, study: optuna.Study, trial: FrozenTrial, past: Past, rng: random.Random) -> Iterator[Subnet]:
        inner = self._inner(rng.getrandbits(32))
        while True:
            subnet = subnet_of(inner.child(study, trial), self.limits.space)
            yield subnet
            # Children of few parents are soon all seen, or over the budget.
            yield self.limits.made_faster(self.limits.space.mutate(subnet, rng), rng)

    def _inner(self, seed: int) -> _LongParents:
        return _LongParents(self.limits.space, self._population, seed)
