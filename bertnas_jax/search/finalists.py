"""The finalists stage: the best Subnets scored on the whole dev split and, for a limit of this machine, built and measured whole."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator

from tqdm import tqdm

from bertnas_jax.compiler import compile_model, host_target
from bertnas_jax.latency import Timing, append_records
from bertnas_jax.train import SupernetScorer
from bertnas_jax.search.budget import Budget
from bertnas_jax.search.evaluated import Evaluated, Finalist
from bertnas_jax.search.job import Job
from bertnas_jax.search.latency_limit import LatencyLimit
from bertnas_jax.search.samplers import InfeasibleBudget
from bertnas_jax.search.side_by_side import measure_side_by_side, record
from bertnas_jax.search.simulated import simulated_record
from bertnas_jax.space import Subnet
from bertnas_jax.supernet import SharedWeights, extract

FINALISTS_FILE = "finalists.json"
_ROUNDS = 15
_MAX_HEATS = 4  # groups of finalists measured before the budget is given up


def meets(limit: LatencyLimit, timing: Timing, margin: float) -> bool:
    """True if a timing with BERT-base on TFLite as its reference is under the limit by `margin`."""
    if limit.latency_ms:
        return timing.median_ms <= limit.latency_ms * (1 - margin)
    return timing.ratio <= (1 - margin) / limit.speedup_over_bert_base


def finalists_stage(job: Job, weights: SharedWeights, scorer: SupernetScorer, evaluated: list[Evaluated], budget: Budget) -> Subnet:
    """The most accurate finalist that meets the budget: measured where a limit is of this machine, by simulation elsewhere.

    Raises:
      InfeasibleBudget: none of those that were measured does; names the nearest.
    """
    if not job.folder.has(FINALISTS_FILE):
        finalists: list[Finalist] = []
        for heat in _heats(job, evaluated):
            finalists += _run_heat(job, weights, scorer, heat, budget)
            if any(finalist.meets_budget for finalist in finalists):
                break
        chosen = _choose(job, finalists)
        rows = [dataclasses.replace(finalist, chosen=finalist is chosen) for finalist in finalists]
        job.folder.write_json(FINALISTS_FILE, [dataclasses.asdict(row) for row in rows])
    return next(Subnet.from_fields(row["subnet"]) for row in job.folder.read_json(FINALISTS_FILE) if row["chosen"])


def _heats(job: Job, evaluated: list[Evaluated]) -> Iterator[list[Evaluated]]:
    """The Subnets that have seen the whole dev subset, best first and of equals the fastest, in groups."""
    known = (one for one in evaluated if one.stopped_after is None)
    ranked = iter(sorted(known, key=lambda one: (-one.accuracy, one.latency_ms)))
    for _ in range(_MAX_HEATS):
        if heat := list(itertools.islice(ranked, job.config.sampler.finalists)):
            yield heat


def _run_heat(job: Job, weights: SharedWeights, scorer: SupernetScorer, heat: list[Evaluated], budget: Budget) -> list[Finalist]:
    scores = {one.subnet: scorer.on_dev(one.subnet) for one in tqdm(heat, desc="finalists", unit="subnet")}
    timings = _measure(job, weights, scores) if budget.host else {}
    records = [record(job, "finalist", subnet, "tvm", timing) for subnet, timing in timings.items()]
    records += [simulated_record(limit.limit.place, "finalist", one.subnet) for limit in budget.elsewhere for one in heat]
    append_records(job.path("latency.jsonl"), records)
    return [_finalist(job, one, scores[one.subnet], timings.get(one.subnet), budget) for one in heat]


def _measure(job: Job, weights: SharedWeights, subnets: Iterable[Subnet]) -> dict[Subnet, Timing]:
    """Timings of the compiled Subnets, in turn."""
    built, seq_len, target = {}, job.config.budget.seq_len, host_target()
    for subnet in tqdm(subnets, desc="building finalists", unit="subnet"):
        built[subnet] = compile_model(extract(weights, job.space, job.bert, subnet), seq_len, target)
    measured = measure_side_by_side(job, _ROUNDS, {subnet.describe(): model for subnet, model in built.items()})
    return {subnet: measured[subnet.describe(), "tvm"] for subnet in built}


def _finalist(job: Job, one: Evaluated, accuracy: float, timing: Timing | None, budget: Budget) -> Finalist:
    simulated = budget.simulated(one.subnet)
    meets_here = timing is None or meets(budget.host.limit, timing, job.config.budget.margin)
    return Finalist(
        subnet=one.subnet,
        accuracy=accuracy,
        table_ms=one.latency_ms,
        measured_ms=timing.median_ms if timing else None,
        p90_ms=timing.p90_ms if timing else None,
        simulated=simulated,
        meets_budget=meets_here and all(latency.meets for latency in simulated),
    )


def _choose(job: Job, finalists: list[Finalist]) -> Finalist:
    fitting = [finalist for finalist in finalists if finalist.meets_budget]
    if not fitting:
        nearest = min(finalists, key=lambda finalist: finalist.latency_ms)
        raise InfeasibleBudget(
            f"the budget must be met by a measured subnet, got {nearest.latency_ms:.2f} ms for the nearest of {len(finalists)} "
            f"finalists, {nearest.subnet.describe()}; measure again on a quieter machine, or allow more"
        )
    return max(fitting, key=lambda finalist: (finalist.accuracy, -finalist.latency_ms))
