"""The search stage: the sampler over the shared weights and the prices of the budget, from the uniformly shrunk nets on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bertnas_jax.train import SupernetScorer
from bertnas_jax.search.early_stop import ScoreOf, race, whole
from bertnas_jax.search.evaluated import Evaluated, pareto_front
from bertnas_jax.search.budget import Budget
from bertnas_jax.search.job import Job
from bertnas_jax.search.samplers import Limits, uniform_nets
from bertnas_jax.search.study import run_study
from bertnas_jax.space import Subnet

EVALUATED_FILE, UNIFORM_FILE = "search/evaluated.json", "search/uniform.json"
NUM_UNIFORM = 8  # where a search starts, and what it must beat: the equal blocks nearest to the budget


def search_stage(job: Job, scorer: SupernetScorer, budget: Budget, number: int, evaluations: int) -> list[Evaluated]:
    """The Subnets evaluated by the end of a round, in order; the study in `search/` goes on where it stopped.

    Raises:
      InfeasibleBudget: nothing that was proposed meets the budget.
    """
    name = f"search/round_{number}.json"
    if not job.folder.has(name):
        write_evaluated(job, name, explore(job, scorer, budget, evaluations))
    return read_evaluated(job, name)


def explore(job: Job, scorer: SupernetScorer, budget: Budget, evaluations: int) -> list[Evaluated]:
    """What this process and its workers evaluated, the uniform nets nearest to the budget first."""
    sampler = dataclasses.replace(job.config.sampler, evaluations=evaluations)
    limits = budget.limits()
    return run_study(limits, score_by(scorer, sampler.early_stop), sampler, job.config.seed, job.path("search"), first_subnets(limits))


def publish(job: Job, evaluated: Sequence[Evaluated], rounds: Sequence[tuple[Budget, float]]) -> None:
    """Writes what the report draws, with prices as they were corrected last; of each round its budget and factor are given."""
    factor = rounds[-1][0].front_factor(rounds[-1][1])
    priced = [dataclasses.replace(one, latency_ms=one.latency_ms * factor) for one in evaluated]
    uniform = {subnet for budget, _ in rounds for subnet in first_subnets(budget.limits())}
    write_evaluated(job, UNIFORM_FILE, [one for one in priced if one.subnet in uniform])
    write_evaluated(job, EVALUATED_FILE, priced)


def score_by(scorer: SupernetScorer, early_stop: bool) -> ScoreOf:
    """Scores on the part of dev by the shared weights; stopped early if that is asked for and the task's metric allows it."""
    if not (early_stop and scorer.counts_examples and scorer.num_parts > 1):
        return whole(scorer.on_part)
    return lambda subnet, rival: race(scorer.right_by_part(subnet), rival, scorer.num_parts - 1)


def first_subnets(limits: Limits) -> list[Subnet]:
    """Where a search starts: the uniform nets nearest to the budget, the fastest first."""
    return uniform_nets(limits)[-NUM_UNIFORM:]


def read_evaluated(job: Job, name: str) -> list[Evaluated]:
    """What `write_evaluated` wrote to this file."""
    rows = job.folder.read_json(name)
    return [Evaluated(Subnet.from_fields(row["subnet"]), row["accuracy"], row["latency_ms"], row.get("stopped_after")) for row in rows]


def write_evaluated(job: Job, name: str, evaluated: Sequence[Evaluated]) -> None:
    """Writes them in order, each with whether no other of them beats it."""
    front = pareto_front(evaluated)
    job.folder.write_json(name, [dataclasses.asdict(one) | {"on_front": one in front} for one in evaluated])
