"""The latency stage: BERT-base on TensorFlow Lite at every place of the budget, every Subnet's prices there, and how many meet them."""

from __future__ import annotations

import dataclasses
import sys

from bertnas_jax.compiler import host_target
from bertnas_jax.latency import KernelTable, append_records, fill_kernel_table
from bertnas_jax.search.budget import Budget, PricedLimit, memory_limit, priced_elsewhere, priced_on_host, size_limits
from bertnas_jax.search.job import Job
from bertnas_jax.search.latency_limit import LatencyLimit
from bertnas_jax.search.memory import memory_table
from bertnas_jax.search.side_by_side import BASELINE, BERT_BASE, REFERENCE, conditions_of, measure_side_by_side, record
from bertnas_jax.search.simulated import baseline_of, simulated_record
from bertnas_jax.search.survey import survey

_ROUNDS = 15
_TABLE_FILE, SURVEY_FILE = "kernel_table.json", "survey.json"


def latency_stage(job: Job) -> Budget:
    """Measures or simulates what the limits and the prices need, or reads it from the run folder.

    Raises:
      InfeasibleBudget: no Subnet meets the budget; names the fastest, or the nearest.
    """
    if not job.folder.has("budget.json"):
        rows = [_limit_fields(job, limit) for limit in job.limits]
        job.folder.write_json("budget.json", rows)
    rows = job.folder.read_json("budget.json")
    latencies = tuple(_priced(job, limit, **row) for limit, row in zip(job.limits, rows, strict=True))
    sizes, most_mb = size_limits(job.config.budget, job.space, job.bert), job.config.budget.max_memory_mb
    budget = Budget(job.space, latencies, (*sizes, memory_limit(most_mb, memory_table(job))) if most_mb else sizes)
    if not job.folder.has(SURVEY_FILE):
        found = survey(budget, job.config.sampler.priced, job.config.seed)
        job.folder.write_json(SURVEY_FILE, dataclasses.asdict(found))
        print(found.describe(), file=sys.stderr)
    return budget


def host_table(job: Job) -> KernelTable:
    """The measured kernels that price Subnets on this machine, once the stage is done.

    Raises:
      ValueError: its kernels are not those of this run; a folder may be older than a knob of the budget.
    """
    path = job.path(_TABLE_FILE)
    table, wanted = KernelTable.load(path), conditions_of(job)
    if table.provenance.conditions != wanted:
        raise ValueError(f"{path} must be of {wanted}, got {table.provenance.conditions}; choose another --workdir")
    return table


def _limit_fields(job: Job, limit: LatencyLimit) -> dict[str, float]:
    """The limit in ms, as it stands beside BERT-base's latency on TensorFlow Lite, and that latency."""
    if limit.place.is_host:
        timing = measure_side_by_side(job, _ROUNDS)[BASELINE]
        known = record(job, REFERENCE, BERT_BASE, "tflite", timing)
        fill_kernel_table(job.space, conditions_of(job), host_target()).save(job.path(_TABLE_FILE))
    else:
        known = simulated_record(baseline_of(limit.place), REFERENCE, BERT_BASE)
    append_records(job.path("latency.jsonl"), [known])
    latency_ms = limit.latency_ms or known.median_ms / limit.speedup_over_bert_base
    return {"latency_ms": latency_ms, "bert_base_ms": known.median_ms}


def _priced(job: Job, limit: LatencyLimit, latency_ms: float, bert_base_ms: float) -> PricedLimit:
    asked = job.config.budget
    if limit.place.is_host:
        return priced_on_host(limit, latency_ms, bert_base_ms, job.space, host_table(job), asked.margin)
    return priced_elsewhere(limit, latency_ms, bert_base_ms, job.space, asked.simulated_margin)
