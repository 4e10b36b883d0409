"""What all samplers share: a whole Subnet a trial, under the budget, and none twice."""

from __future__ import annotations

import abc
import itertools
import random
from collections.abc import Iterator
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from bertnas_jax.search.samplers.choices import choices_of, distributions
from bertnas_jax.search.samplers.limits import Limits
from bertnas_jax.search.samplers.past import Past, read_past
from bertnas_jax.space import Subnet

TRIES = 400  # proposals over the budget or seen before that are passed over until any Subnet left is taken


class SubnetSampler(optuna.samplers.BaseSampler, abc.ABC):
    """Proposes Subnets in a study whose two values are accuracy, to maximise, and latency_ms, to minimise.

    A proposal depends on the seed and on the study alone: nothing is lost with the process. An objective
    asks by `suggest(trial, space)`.
    """

    def __init__(self, limits: Limits, seed: int):
        self.limits, self.seed = limits, seed

    @abc.abstractmethod
    def proposals(self, study: optuna.Study, trial: FrozenTrial, past: Past, rng: random.Random) -> Iterator[Subnet]:
        """Subnets of the space to propose, the best first; the first that meets the budget and is unseen is."""

    def leftover(self, past: Past, rng: random.Random) -> Subnet:
        """What is proposed if no proposal will do.

        Raises:
          NothingLeft: nothing is left to propose.
          InfeasibleBudget: no Subnet meets the budget.
        """
        return self.limits.any_left(past.seen, rng)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return distributions(self.limits.space)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        past = read_past(study, trial, self.limits.space)
        rng = random.Random(f"{self.seed}/{past.turn}")
        for subnet in itertools.islice(self.proposals(study, trial, past, rng), TRIES):
            if self.limits.allows(subnet) and subnet not in past.seen:
                return choices_of(subnet)
        return choices_of(self.leftover(past, rng))

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random choice, for the blocks that a trial enqueued with some parameters alone has beyond those proposed."""
        seed = random.Random(f"{self.seed}/{trial.number}/{param_name}").getrandbits(32)
        return optuna.samplers.RandomSampler(seed=seed).sample_independent(study, trial, param_name, param_distribution)
