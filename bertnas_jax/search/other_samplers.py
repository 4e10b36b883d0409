"""The samplers stage: what the samplers of --compare_samplers find over the same shared weights in as many evaluations."""

from __future__ import annotations

import dataclasses

from bertnas_jax.search.budget import Budget
from bertnas_jax.search.early_stop import whole
from bertnas_jax.search.explore import EVALUATED_FILE, first_subnets, read_evaluated, write_evaluated
from bertnas_jax.search.job import Job
from bertnas_jax.search.rounds import factor_at_work, round_at_work
from bertnas_jax.search.study import run_study
from bertnas_jax.space import Subnet
from bertnas_jax.train import SupernetScorer

COMPARED_FOLDER = "search/compared"


def samplers_stage(job: Job, scorer: SupernetScorer, budget: Budget) -> None:
    """Writes what each evaluated to `search/compared/`, from the search's own first Subnets on; a study goes on where it stopped.

    It changes nothing of the search: the winner is of its own sampler. What any of them scored in full is not scored
    again. Prices are those of the search's last round.
    """
    latest, evaluations = round_at_work(job, budget)
    factor = latest.front_factor(factor_at_work(job))
    config, limits = job.config.sampler, latest.limits()
    known = _accuracies(job, EVALUATED_FILE)

    def accuracy_of(subnet: Subnet) -> float:
        if subnet not in known:
            known[subnet] = scorer.on_part(subnet)
        return known[subnet]

    for name in config.compare_samplers:
        file = f"{COMPARED_FOLDER}/{name}.json"
        if not job.folder.has(file):
            # The search's database is its own.
            other = dataclasses.replace(config, sampler=name, evaluations=evaluations, storage="", compare_samplers=())
            found = run_study(limits, whole(accuracy_of), other, job.config.seed, job.path(f"{COMPARED_FOLDER}/{name}"), first_subnets(limits))
            write_evaluated(job, file, [dataclasses.replace(one, latency_ms=one.latency_ms * factor) for one in found])
        known |= _accuracies(job, file)


def _accuracies(job: Job, file: str) -> dict[Subnet, float]:
    return {one.subnet: one.accuracy for one in read_evaluated(job, file) if one.stopped_after is None}
