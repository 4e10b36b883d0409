"""The way of arXiv 2009.06823: a recurrent controller trained by policy gradient, the number of blocks first, then the sizes.

What is public of it is that order, and that accuracy and the compiler's latency are its reward. The reward's
formula, the baseline, the bonus, the targets, the queues and every constant here are ours.
"""

from __future__ import annotations

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
from bertnas_jax.search.samplers.policy import DEPTH, SIZES, TARGETS, Lesson
from bertnas_jax.search.samplers.subnet_sampler import SubnetSampler
from bertnas_jax.space import Subnet

ALL = -1  # the key of what all targets share
PHASE_ONE = 0.1  # the share of the evaluations in which depths are learnt, and after it sizes
LATENCY_WEIGHT = 0.1  # of the share of the target that is used, against accuracy in standard deviations
BASELINE_DECAY = 0.9
ENTROPY_BONUS = 0.05
QUEUE, IMITATION = 2, 0.3  # the best so far under each target, and the weight of imitating these, of one target together, beside an advantage
BATCH, BATCHES = 64, 8  # draws at a time, and how often before any Subnet left is taken


class Reward:
    """Accuracy in standard deviations of those so far, less the share of the target used; each target has its moving average."""

    def __init__(self):
        self._count, self._mean, self._squares = 0, 0.0, 0.0
        self._baselines: dict[int, float] = {}

    def advantage(self, one: Evaluated, target: int, target_ms: float) -> float:
        """The reward over the target's baseline, within 3; the baseline then takes it in."""
        self._count += 1
        change = one.accuracy - self._mean
        self._mean += change / self._count
        self._squares += change * (one.accuracy - self._mean)  # Source: Welford 1962
        deviation = (self._squares / self._count) ** 0.5
        reward = (one.accuracy - self._mean) / deviation if deviation > 0 else 0.0
        reward -= LATENCY_WEIGHT * one.latency_ms / target_ms
        baseline = self._baselines.setdefault(target, 0.0)  # accuracies are told from their mean
        self._baselines[target] = BASELINE_DECAY * baseline + (1 - BASELINE_DECAY) * reward
        return min(3.0, max(-3.0, reward - baseline))


class Controller(SubnetSampler):
    """Draws from a policy that has learnt from every evaluation in turn, one step each.

    Every proposal aims at a latency of its own, in turn, up to the budget, so that the whole front is learnt;
    draws over it are passed over: pricing them costs nothing. The best so far under each latency are learnt again at
    every turn, for a policy that has one step from each evaluation forgets them. Subnets that it did not draw itself (the first
    ones of a search) are learnt from as if it had.
    """

    def __init__(self, limits: Limits, seed: int, evaluations: int):
        super().__init__(limits, seed)
        self._first_phase = round(PHASE_ONE * evaluations)
        self._restart()

    def _restart(self) -> None:
        self._policy, self._optimizer = policies.new_policy(self.limits.space, self.seed)
        self._reward, self._learnt = Reward(), ()

    def _learn(self, evaluated: Sequence[Evaluated]) -> None:
        """Brings the policy to where these evaluations, in this order, leave it; from the start if it had learnt others."""
        if tuple(evaluated[: len(self._learnt)]) != self._learnt:
            self._restart()
        space = self.limits.space
        for number in range(len(self._learnt), len(evaluated)):
            one = evaluated[number]
            phase = DEPTH if number < self._first_phase else SIZES
            target = number % TARGETS
            # Depths are few and are learnt in few evaluations: all targets' together.
            advantage = self._reward.advantage(one, ALL if phase == DEPTH else target, self._target_ms(target))
            lessons = [Lesson(one.subnet, target, advantage, ENTROPY_BONUS), *self._best(evaluated[: number + 1])]
            policies.learn(self._policy, self._optimizer, policies.batch_of(lessons, space, phase, 1 + TARGETS * QUEUE))
        self._learnt = tuple(evaluated)

    def _best(self, evaluated: Sequence[Evaluated]) -> list[Lesson]:
        """The most accurate under each target, to be imitated. Source: priority queue training, arXiv 1801.03526; here a queue a target."""
        ordered, lessons = sorted(evaluated, key=lambda one: (-one.accuracy, one.latency_ms)), []
        for target in range(TARGETS):
            under = (one.subnet for one in ordered if one.latency_ms <= self._target_ms(target))
            lessons += [Lesson(subnet, target, IMITATION / QUEUE) for subnet in itertools.islice(under, QUEUE)]
        return lessons

    def proposals(self, study: optuna.Study, trial: FrozenTrial, past: Past, rng: random.Random) -> Iterator[Subnet]:
        self._learn(past.evaluated)
        target = len(past.evaluated) % TARGETS
        key, space = jax.random.key(rng.getrandbits(32)), self.limits.space
        for batch in range(BATCHES):
            choices = np.asarray(policies.draw(self._policy, jax.random.fold_in(key, batch), BATCH, jnp.int32(target))).tolist()
            for drawn in (policies.named(one, space) for one in choices):
                if len(past.evaluated) < self._first_phase:  # the sizes are not learnt yet: even odds
                    drawn = space.sample(rng, drawn.depth)
                if self.limits.price_ms(drawn) <= self._target_ms(target):
                    yield drawn

    def _target_ms(self, target: int) -> float:
        """Evenly spaced from the smallest Subnet's latency, which is left out, to the budget."""
        low_ms = min(self.limits.price_ms(self.limits.space.smallest), self.limits.budget_ms)
        return low_ms + (self.limits.budget_ms - low_ms) * (target + 1) / TARGETS
