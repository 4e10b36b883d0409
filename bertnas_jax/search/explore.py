"""The search stage: the sampler over the shared weights and the prices of the budget, from the uniformly shrunk nets on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from bertnas_jax.train import SupernetScorer
from bertnas_jax.search.early_stop import ScoreOf, race, whole
from bertnas_jax.search.evaluated import Evaluated, pareto_front
from bertnas_jax.search.budget import Budget
from bertnas_jax.search.job import Job
from bertnas_jax.search.samplers import uniform_nets
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
        job.folder.write_json(UNIFORM_FILE, _fields([one for one in evaluated if one.subnet in uniform]))
        job.folder.write_json(EVALUATED_FILE, _fields(evaluated))
    return read_evaluated(job, EVALUATED_FILE)


def explore(job: Job, scorer: SupernetScorer, budget: Budget) -> tuple[list[Evaluated], list[Subnet]]:
    """What this process and its workers evaluated, and which uniform nets they began with."""
    limits = budget.limits()
    uniform = uniform_nets(limits)[-NUM_UNIFORM:]
    return run_study(limits, score_by(scorer, job.config.sampler.early_stop), job.config.sampler, job.config.seed, job.path("search"), uniform), uniform


def score_by(scorer: SupernetScorer, early_stop: bool) -> ScoreOf:
    """Scores on the part of dev by the shared weights; stopped early if that is asked for and the task's metric allows it."""
    if not (early_stop and scorer.counts_examples and scorer.num_parts > 1):
        return whole(scorer.on_part)
    return lambda subnet, rival: race(scorer.right_by_part(subnet), rival, scorer.num_parts - 1)


def read_evaluated(job: Job, name: str) -> list[Evaluated]:
    """What `search_stage` wrote to this file."""
    rows = job.folder.read_json(name)
    return [Evaluated(Subnet.from_fields(row["subnet"]), row["accuracy"], row["latency_ms"], row.get("stopped_after")) for row in rows]


def _fields(evaluated: Iterable[Evaluated]) -> list[dict]:
    evaluated = list(evaluated)
    front = pareto_front(evaluated)
    return [dataclasses.asdict(one) | {"on_front": one in front} for one in evaluated]
