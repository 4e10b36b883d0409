"""The way of arXiv 2009.06823: a recurrent controller trained by policy gradient, the number of blocks first, then the sizes.

What is public of it is that order, and that accuracy and the compiler's latency are its reward. The reward's
formula, the baseline, the bonus and every constant here are ours.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optuna
from optuna.trial import FrozenTrial

from bertnas_jax.search.evaluated import Evaluated
from bertnas_jax.search.samplers import policy as policies
from bertnas_jax.search.samplers.limits import Limits
from bertnas_jax.search.samplers.past import Past
from bertnas_jax.search.samplers.policy import DEPTH, SIZES
from bertnas_jax.search.samplers.subnet_sampler import SubnetSampler
from bertnas_jax.space import Subnet

PHASE_ONE = 0.25  # the share of the evaluations after which the depths' odds stay as they are
LATENCY_WEIGHT = 0.5  # of the share of the budget that is used, against accuracy in standard deviations
BASELINE_DECAY = 0.9
ENTROPY_BONUS = 0.05
BATCH = 64


@dataclasses.dataclass
class Reward:
    """Accuracy in standard deviations of those so far, less the share of the budget used; and its moving average."""

    budget_ms: float
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    baseline: float = 0.0

    def advantage(self, one: Evaluated) -> float:
        """The reward over the baseline, within 3, which then takes the reward in."""
        self.count += 1
        change = one.accuracy - self.mean
        self.mean += change / self.count
        self.squares += change * (one.accuracy - self.mean)  # Source: Welford 1962
        deviation = (self.squares / self.count) ** 0.5
        reward = (one.accuracy - self.mean) / deviation if deviation > 0 else 0.0
        reward -= LATENCY_WEIGHT * one.latency_ms / self.budget_ms
        if self.count == 1:
            self.baseline = reward
        advantage = reward - self.baseline
        self.baseline = BASELINE_DECAY * self.baseline + (1 - BASELINE_DECAY) * reward
        return float(np.clip(advantage, -3.0, 3.0))


class Controller(SubnetSampler):
    """Draws from a policy that has learnt from every evaluation in turn, one step each.

    Draws over the budget are passed over: pricing them costs nothing. Subnets that it did not draw itself (the first
    ones of a search) are learnt from as if it had.
    """

    def __init__(self, limits: Limits, seed: int, evaluations: int):
        super().__init__(limits, seed)
        self._first_phase = round(PHASE_ONE * evaluations)
        self._restart()

    def _restart(self) -> None:
        self._policy, self._optimizer = policies.new_policy(self.limits.space, self.seed)
        self._reward, self._learnt = Reward(self.limits.budget_ms), ()

    def _learn(self, evaluated: Sequence[Evaluated]) -> None:
        """Brings the policy to where these evaluations, in this order, leave it; from the start if it had learnt others."""
        if tuple(evaluated[: len(self._learnt)]) != self._learnt:
            self._restart()
        space = self.limits.space
        for number in range(len(self._learnt), len(evaluated)):
            one = evaluated[number]
            phase = DEPTH if number < self._first_phase else SIZES
            policies.learn(
                self._policy,
                self._optimizer,
                jnp.asarray(policies.numbered(one.subnet, space)),
                jnp.asarray(policies.in_phase(one.subnet, space, phase)),
                jnp.float32(self._reward.advantage(one)),
                jnp.float32(ENTROPY_BONUS),
            )
        self._learnt = tuple(evaluated)

    def proposals(self, study: optuna.Study, trial: FrozenTrial, past: Past, rng: random.Random) -> Iterator[Subnet]:
        self._learn(past.evaluated)
        key, space = jax.random.key(rng.getrandbits(32)), self.limits.space
        for batch in itertools.count():
            choices = np.asarray(policies.draw(self._policy, jax.random.fold_in(key, batch), BATCH)).tolist()
            for drawn in (policies.named(one, space) for one in choices):
                if len(past.evaluated) < self._first_phase:  # the sizes are not learnt yet: even odds
                    drawn = space.sample(rng, drawn.depth)
                yield drawn
