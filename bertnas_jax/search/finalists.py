"""The finalists stage: the best Subnets scored on the whole dev split, built, and measured whole."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

from tqdm import tqdm

from bertnas_jax.compiler import compile_model, host_target
from bertnas_jax.latency import Timing, append_records
from bertnas_jax.train import SupernetScorer
from bertnas_jax.search.config import BudgetConfig
from bertnas_jax.search.evaluated import Evaluated, Finalist
from bertnas_jax.search.samplers import InfeasibleBudget
from bertnas_jax.search.job import Job
from bertnas_jax.search.side_by_side import measure_side_by_side, record
from bertnas_jax.space import Subnet
from bertnas_jax.supernet import SharedWeights, extract

FINALISTS_FILE = "finalists.json"
_ROUNDS = 15
_MAX_HEATS = 4  # groups of finalists measured before the budget is given up


def meets(budget: BudgetConfig, timing: Timing, margin: float) -> bool:
    """True if a timing with BERT-base on TFLite as its reference is under the budget by `margin`."""
    if budget.latency_ms:
        return timing.median_ms <= budget.latency_ms * (1 - margin)
    return timing.ratio <= (1 - margin) / budget.speedup_over_bert_base


def finalists_stage(job: Job, weights: SharedWeights, scorer: SupernetScorer, evaluated: list[Evaluated]) -> Subnet:
    """The most accurate finalist that meets the budget when it is measured.

    Raises:
      InfeasibleBudget: none of those that were measured does; names the nearest.
    """
    if not job.folder.has(FINALISTS_FILE):
        finalists: list[Finalist] = []
        for heat in _heats(job, evaluated):
            finalists += _run_heat(job, weights, scorer, heat)
            if any(finalist.meets_budget for finalist in finalists):
                break
        chosen = _choose(job, finalists)
        rows = [dataclasses.replace(finalist, chosen=finalist is chosen) for finalist in finalists]
        job.folder.write_json(FINALISTS_FILE, [dataclasses.asdict(row) for row in rows])
    return next(Subnet.from_fields(row["subnet"]) for row in job.folder.read_json(FINALISTS_FILE) if row["chosen"])


def _heats(job: Job, evaluated: list[Evaluated]) -> Iterator[list[Evaluated]]:
    """The evaluated Subnets, best first and of equals the fastest, in groups."""
    ranked = iter(sorted(evaluated, key=lambda one: (-one.accuracy, one.latency_ms)))
    for _ in range(_MAX_HEATS):
        if heat := list(itertools.islice(ranked, job.config.sampler.finalists)):
            yield heat


def _run_heat(job: Job, weights: SharedWeights, scorer: SupernetScorer, heat: list[Evaluated]) -> list[Finalist]:
    budget, target = job.config.budget, host_target()
    scores, models = {}, {}
    for one in tqdm(heat, desc="finalists", unit="subnet"):
        scores[one.subnet] = scorer.on_dev(one.subnet)
        models[one.subnet.describe()] = compile_model(extract(weights, job.space, job.bert, one.subnet), budget.seq_len, target)
    measured = measure_side_by_side(job, _ROUNDS, models)
    timings = {one.subnet: measured[one.subnet.describe(), "tvm"] for one in heat}
    append_records(job.path("latency.jsonl"), [record(job, "finalist", subnet, "tvm", timing) for subnet, timing in timings.items()])
    return [
        Finalist(
            subnet=one.subnet,
            accuracy=scores[one.subnet],
            table_ms=one.latency_ms,
            measured_ms=timings[one.subnet].median_ms,
            p90_ms=timings[one.subnet].p90_ms,
            meets_budget=meets(budget, timings[one.subnet], budget.margin),
        )
        for one in heat
    ]


def _choose(job: Job, finalists: list[Finalist]) -> Finalist:
    fitting = [finalist for finalist in finalists if finalist.meets_budget]
    if not fitting:
        nearest = min(finalists, key=lambda finalist: finalist.measured_ms)
        raise InfeasibleBudget(
            f"the budget must be met by a measured subnet, got {nearest.measured_ms:.2f} ms for the nearest of {len(finalists)} "
            f"finalists, {nearest.subnet.describe()}; measure again on a quieter machine, or allow more"
        )
    return max(fitting, key=lambda finalist: (finalist.accuracy, -finalist.measured_ms))
