"""The samplers that learn nothing: random Subnets, and homogeneous shrinking."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import optuna
from optuna.trial import FrozenTrial

from bertnas_jax.search.samplers.limits import Limits, NothingLeft
from bertnas_jax.search.samplers.past import Past
from bertnas_jax.search.samplers.subnet_sampler import SubnetSampler
from bertnas_jax.space import Subnet


def uniform_nets(limits: Limits) -> list[Subnet]:
    """The Subnets of equal blocks that meet the budget, the fastest first."""
    space = limits.space
    sizes = itertools.product(space.depths, space.hiddens, space.heads, space.ffns)
    nets = [Subnet.uniform(*size, head_dim=space.teacher.head_dim) for size in sizes]
    return sorted(filter(limits.allows, nets), key=limits.price_ms)


class RandomSubnets(SubnetSampler):
    """Choice by choice at random."""

    def proposals(self, study: optuna.Study, trial: FrozenTrial, past: Past, rng: random.Random) -> Iterator[Subnet]:
        return self.limits.draws(rng)


class UniformSubnets(SubnetSampler):
    """Equal blocks, the nearest to the budget first; it ends when it has proposed them all."""

    def proposals(self, study: optuna.Study, trial: FrozenTrial, past: Past, rng: random.Random) -> Iterator[Subnet]:
        return (net for net in reversed(uniform_nets(self.limits)) if net not in past.seen)

    def leftover(self, past: Past, rng: random.Random) -> Subnet:
        nets = uniform_nets(self.limits)
        if not nets:
            return self.limits.any_left(past.seen, rng)  # unequal ones may be faster
        raise NothingLeft(f"uniform must have a net of equal blocks left to propose, got all {len(nets)} proposed; use another sampler")
