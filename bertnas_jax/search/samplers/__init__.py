"""Limits (space, prices, budget) and a sampler's name in; an Optuna sampler that proposes Subnets under the budget, none twice, out.

Every one works with any storage, goes on from what a study holds, and may run in several processes on one.
"""

from bertnas_jax.search.samplers.baselines import uniform_nets
from bertnas_jax.search.samplers.choices import choices_of, distributions, subnet_of, suggest
from bertnas_jax.search.samplers.limits import Ceiling, InfeasibleBudget, Limits, NothingLeft
from bertnas_jax.search.samplers.make import drawn_first, make_sampler
from bertnas_jax.search.samplers.past import is_whole
from bertnas_jax.search.samplers.subnet_sampler import SubnetSampler

__all__ = [
    "Ceiling",
    "InfeasibleBudget",
    "Limits",
    "NothingLeft",
    "SubnetSampler",
    "choices_of",
    "distributions",
    "drawn_first",
    "is_whole",
    "make_sampler",
    "subnet_of",
    "suggest",
    "uniform_nets",
]
