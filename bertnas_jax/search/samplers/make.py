"""The sampler of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bertnas_jax.search.config import SamplerConfig
from bertnas_jax.search.samplers.aging import AgingEvolution
from bertnas_jax.search.samplers.baselines import RandomSubnets, UniformSubnets
from bertnas_jax.search.samplers.controller import Controller
from bertnas_jax.search.samplers.limits import Limits
from bertnas_jax.search.samplers.nsga2 import Nsga2
from bertnas_jax.search.samplers.predictor import FIRST, Predictor
from bertnas_jax.search.samplers.subnet_sampler import SubnetSampler

_MAKERS: Mapping[str, Callable[[Limits, int, SamplerConfig], SubnetSampler]] = {
    "controller": lambda limits, seed, config: Controller(limits, seed, config.evaluations),
    "nsga2": lambda limits, seed, config: Nsga2(limits, seed, config.population),
    "evolution": lambda limits, seed, config: AgingEvolution(limits, seed, config.population),
    "predictor": lambda limits, seed, config: Predictor(limits, seed),
    "random": lambda limits, seed, config: RandomSubnets(limits, seed),
    "uniform": lambda limits, seed, config: UniformSubnets(limits, seed),
}


def drawn_first(config: SamplerConfig) -> int:
    """How many evaluations a search begins with, its uniform nets among them, before its sampler goes by any."""
    return {"nsga2": config.population, "evolution": config.population, "predictor": FIRST}.get(config.sampler, 0)


def make_sampler(config: SamplerConfig, limits: Limits, seed: int) -> SubnetSampler:
    """The sampler that `config.sampler` names."""
    return _MAKERS[config.sampler](limits, seed, config)
