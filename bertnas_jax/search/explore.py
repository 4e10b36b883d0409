"""The search stage: evolution over the shared weights and the kernel table, and uniform nets beside it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable

from tqdm import tqdm

from bertnas_jax.search.accuracy import SupernetScorer
from bertnas_jax.search.evaluated import Evaluated, pareto_front
from bertnas_jax.search.evolution import evolve
from bertnas_jax.search.job import Job
from bertnas_jax.search.latencies import Budget
from bertnas_jax.space import Subnet

EVALUATED_FILE, UNIFORM_FILE = "search/evaluated.json", "search/uniform.json"
NUM_UNIFORM = 6  # of the uniformly shrunk nets under the budget, the slowest: those it could be met with


def search_stage(job: Job, scorer: SupernetScorer, budget: Budget) -> list[Evaluated]:
    """The Subnets evaluated, in order; the study in `search/` goes on where it stopped.

    Raises:
      InfeasibleBudget: nothing that was proposed meets the budget.
    """
    if not job.folder.has(EVALUATED_FILE):
        limit_ms = budget.latency_ms * (1 - job.config.budget.margin)
        evaluated = evolve(
            job.space, scorer.on_part, budget.table.price_ms, limit_ms, job.config.sampler, job.config.seed, job.path("search")
        )
        job.folder.write_json(EVALUATED_FILE, _fields(evaluated))
    if not job.folder.has(UNIFORM_FILE):
        job.folder.write_json(UNIFORM_FILE, _fields(_uniform_nets(job, scorer, budget)))
    return read_evaluated(job, EVALUATED_FILE)


def read_evaluated(job: Job, name: str) -> list[Evaluated]:
    """What `search_stage` wrote to this file."""
    return [Evaluated(Subnet.from_fields(row["subnet"]), row["accuracy"], row["latency_ms"]) for row in job.folder.read_json(name)]


def _uniform_nets(job: Job, scorer: SupernetScorer, budget: Budget) -> list[Evaluated]:
    space = job.space
    sizes = itertools.product(space.depths, space.hiddens, space.heads, space.ffns)
    nets = [Subnet.uniform(*size, head_dim=space.teacher.head_dim) for size in sizes]
    priced = sorted((net for net in nets if budget.table.price_ms(net) <= budget.latency_ms), key=budget.table.price_ms)
    return [
        Evaluated(net, scorer.on_part(net), budget.table.price_ms(net))
        for net in tqdm(priced[-NUM_UNIFORM:], desc="uniform nets", unit="subnet")
    ]


def _fields(evaluated: Iterable[Evaluated]) -> list[dict]:
    evaluated = list(evaluated)
    front = pareto_front(evaluated)
    return [dataclasses.asdict(one) | {"on_front": one in front} for one in evaluated]
