"""Bayesian optimisation: a Gaussian process of the accuracy, and the expected improvement by it.

The latency of every Subnet is known, so that only those under the budget are weighed, and the expected
gain in hypervolume is exact: a sum of expected improvements (Jones et al. 1998, "Efficient Global Optimization of Expensive
Black-Box Functions", equation 15), one a step of the front, each as wide as its step.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np
import optuna
from jaxtyping import Float
from optuna.trial import FrozenTrial
from scipy.special import ndtr
from threadpoolctl import threadpool_limits

from bertnas_jax.search.evaluated import Evaluated, pareto_front
from bertnas_jax.search.samplers.gaussian_process import GaussianProcess, features
from bertnas_jax.search.samplers.past import Past
from bertnas_jax.search.samplers.subnet_sampler import SubnetSampler
from bertnas_jax.space import Subnet

FIRST = 10  # evaluations at random before there is a prediction to go by
POOL = 1_000  # Subnets weighed for a proposal
FITTED = 400  # of more evaluations the front and the last ones are fitted


class Predictor(SubnetSampler):
    """The first few at random, then in turn what most widens the front and what is most accurate, both as expected."""

    def proposals(self, study: optuna.Study, trial: FrozenTrial, past: Past, rng: random.Random) -> Iterator[Subnet]:
        if len(past.evaluated) < FIRST:
            return self.limits.draws(rng)
        front = pareto_front(past.evaluated)
        pool = self._pool(front, past, rng)
        if not pool:
            return iter(())
        mean, deviation = self._predicted(list(dict.fromkeys((*front, *past.evaluated[-FITTED:]))), pool)
        if past.turn % 2:
            gain = expected_improvement(mean, deviation, front[-1].accuracy)
        else:
            latencies_ms = np.array([self.limits.price_ms(subnet) for subnet in pool])
            gain = expected_widening(mean, deviation, latencies_ms, front, self.limits.budget_ms)
        return (pool[i] for i in np.argsort(-gain, kind="stable"))

    def _predicted(self, known: Sequence[Evaluated], pool: Sequence[Subnet]) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """Mean and deviation of the pool's accuracies, by what these have."""
        space = self.limits.space
        # Matrices this small lose by threads, and on cores that are taken they lose a hundredfold.
        with threadpool_limits(1):
            process = GaussianProcess.fit(features([one.subnet for one in known], space), np.array([one.accuracy for one in known]))
            return process.predict(features(pool, space))

    def _pool(self, front: Sequence[Evaluated], past: Past, rng: random.Random) -> list[Subnet]:
        """Unseen Subnets under the budget: all of a small space, else random ones and relatives of the front."""
        if self.limits.is_listable:
            listed = [subnet for subnet in self.limits.listed() if subnet not in past.seen]
            return listed if len(listed) <= POOL else self._mixed(front, past, rng)
        return self._mixed(front, past, rng)

    def _mixed(self, front: Sequence[Evaluated], past: Past, rng: random.Random) -> list[Subnet]:
        space, parents = self.limits.space, [one.subnet for one in front]
        drawn = [subnet for subnet, _ in zip(self.limits.draws(rng), range(POOL // 2), strict=False)]
        near = [one for parent in parents for one in space.neighbours(parent)]
        drawn += rng.sample(near, min(len(near), POOL // 4))
        drawn += [space.mutate(space.crossover(rng.choice(parents), rng.choice(parents), rng), rng) for _ in range(POOL // 4)]
        return [subnet for subnet in dict.fromkeys(drawn) if self.limits.allows(subnet) and subnet not in past.seen]


def expected_improvement(
    mean: Float[np.ndarray, "*#m"], deviation: Float[np.ndarray, "*#m"], best: Float[np.ndarray, "*#m"] | float
) -> Float[np.ndarray, "*#m"]:
    """Of a normal accuracy over the best known."""
    standard = (mean - best) / deviation
    density = np.exp(-0.5 * standard**2) / np.sqrt(2 * np.pi)
    return deviation * (standard * ndtr(standard) + density)


def expected_widening(
    mean: Float[np.ndarray, " m"],
    deviation: Float[np.ndarray, " m"],
    latencies_ms: Float[np.ndarray, " m"],
    front: Sequence[Evaluated],
    budget_ms: float,
) -> Float[np.ndarray, " m"]:
    """Expected growth of the area under the front (fastest first) up to the budget, in accuracy x ms.

    Left of the front's fastest the worst accuracy on it is what an improvement is over.
    """
    starts = np.array([0.0, *(one.latency_ms for one in front)])
    ends = np.array([*starts[1:], budget_ms])
    heights = np.array([front[0].accuracy, *(one.accuracy for one in front)])
    widths = np.clip(ends - np.maximum(starts, latencies_ms[:, None]), 0.0, None)  # of each step, right of the Subnet
    return (widths * expected_improvement(mean[:, None], deviation[:, None], heights)).sum(axis=1)
