"""The search stage: the sampler over the shared weights and the prices of the budget, from the uniformly shrunk nets on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bertnas_jax.train import SupernetScorer
from bertnas_jax.search.evaluated import Evaluated, pareto_front
from bertnas_jax.search.budget import Budget
from bertnas_jax.search.job import Job
from bertnas_jax.search.samplers import Limits, uniform_nets
from bertnas_jax.search.study import run_study
from bertnas_jax.space import Subnet

EVALUATED_FILE, UNIFORM_FILE = "search/evaluated.json", "search/uniform.json"
NUM_UNIFORM = 8  # where a search starts, and what it must beat: the equal blocks nearest to the budget


def search_stage(job: Job, scorer: SupernetScorer, budget: Budget) -> list[Evaluated]:
    """The Subnets evaluated, in order, uniform ones first; the study in `search/` goes on where it stopped.

    Raises:
      InfeasibleBudget: nothing that was proposed meets the budget.
    """
    if not (job.folder.has(EVALUATED_FILE) and job.folder.has(UNIFORM_FILE)):
        evaluated, uniform = explore(job, scorer, budget)
        write_evaluated(job, UNIFORM_FILE, [one for one in evaluated if one.subnet in uniform])
        write_evaluated(job, EVALUATED_FILE, evaluated)
    return read_evaluated(job, EVALUATED_FILE)


def explore(job: Job, scorer: SupernetScorer, budget: Budget) -> tuple[list[Evaluated], list[Subnet]]:
    """What this process and its workers evaluated, and which uniform nets they began with."""
    limits = budget.limits()
    uniform = first_subnets(limits)
    return run_study(limits, scorer.on_part, job.config.sampler, job.config.seed, job.path("search"), uniform), uniform


def first_subnets(limits: Limits) -> list[Subnet]:
    """Where a search starts: the uniform nets nearest to the budget, the fastest first."""
    return uniform_nets(limits)[-NUM_UNIFORM:]


def read_evaluated(job: Job, name: str) -> list[Evaluated]:
    """What `write_evaluated` wrote to this file."""
    return [Evaluated(Subnet.from_fields(row["subnet"]), row["accuracy"], row["latency_ms"]) for row in job.folder.read_json(name)]


def write_evaluated(job: Job, name: str, evaluated: Sequence[Evaluated]) -> None:
    """Writes them in order, each with whether no other of them beats it."""
    front = pareto_front(evaluated)
    job.folder.write_json(name, [dataclasses.asdict(one) | {"on_front": one in front} for one in evaluated])
