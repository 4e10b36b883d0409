"""The latency stage: BERT-base on TensorFlow Lite, the kernel table, and from both the budget in ms."""

from __future__ import annotations

import dataclasses

from bertnas_jax.compiler import host_target
from bertnas_jax.export import TfliteModel, export_tflite
from bertnas_jax.latency import (
    Conditions,
    KernelTable,
    LatencyRecord,
    Timing,
    append_records,
    describe_host,
    fill_kernel_table,
    full_inputs,
    measure_interleaved,
    stand_in,
)
from bertnas_jax.search.evolution import InfeasibleBudget
from bertnas_jax.search.job import Job
from bertnas_jax.space import Subnet

BERT_BASE = Subnet.uniform(12, 768, 12, 3072)  # Source: arXiv 1810.04805, section 3
_BERT_BASE_VOCABULARY = 30_522
_BERT_BASE_FILE = "baseline/bert_base.tflite"
_BASELINE_ROUNDS = 15


@dataclasses.dataclass(frozen=True)
class Budget:
    """The budget in ms, as it stood beside BERT-base's latency when the run began, and the prices to search by."""

    latency_ms: float
    bert_base_ms: float
    table: KernelTable


def latency_stage(job: Job) -> Budget:
    """Measures what the budget and the prices need, or reads it from the run folder.

    Raises:
      InfeasibleBudget: the fastest Subnet of the space is over the budget; names it.
    """
    wanted = job.config.budget
    if not job.folder.has("budget.json"):
        timing = _measure_bert_base(job)
        append_records(job.path("latency.jsonl"), [record(job, "bert_base", BERT_BASE, "tflite", timing)])
        latency_ms = wanted.latency_ms or timing.median_ms / wanted.speedup_over_bert_base
        fill_kernel_table(job.space, conditions_of(job), host_target()).save(job.path("kernel_table.json"))
        job.folder.write_json("budget.json", {"latency_ms": latency_ms, "bert_base_ms": timing.median_ms})
    budget = Budget(**job.folder.read_json("budget.json"), table=KernelTable.load(job.path("kernel_table.json")))
    fastest_ms = budget.table.price_ms(job.space.smallest)
    if fastest_ms > budget.latency_ms * (1 - wanted.margin):
        raise InfeasibleBudget(
            f"the budget must be met by some subnet, got {budget.latency_ms:.2f} ms (less the margin of {wanted.margin:.0%}) and "
            f"{fastest_ms:.2f} ms for the fastest, {job.space.smallest.describe()}; allow more or widen the space downwards"
        )
    return budget


def conditions_of(job: Job) -> Conditions:
    """Under what the models of a job run."""
    return Conditions(job.config.budget.seq_len, job.config.budget.threads, job.bert.num_outputs, job.bert.pooling)


def bert_base_on_tflite(job: Job) -> TfliteModel:
    """BERT-base with drawn weights, as a .tflite file of the run folder: what speed-ups are over."""
    path = job.path(_BERT_BASE_FILE)
    if not path.exists():
        model = stand_in(BERT_BASE, conditions_of(job), _BERT_BASE_VOCABULARY)
        path.parent.mkdir(exist_ok=True)
        export_tflite(model, job.config.budget.seq_len, path)
    return TfliteModel(path, job.config.budget.threads)


def _measure_bert_base(job: Job) -> Timing:
    model, inputs = bert_base_on_tflite(job), full_inputs(job.config.budget.seq_len)
    return measure_interleaved({"bert_base": lambda: model.run(*inputs)}, "bert_base", rounds=_BASELINE_ROUNDS)["bert_base"]


def record(job: Job, model: str, subnet: Subnet, runtime: str, timing: Timing) -> LatencyRecord:
    """A measured latency with its provenance."""
    return LatencyRecord(
        model=model,
        subnet=subnet,
        device=describe_host().cpu,
        runtime=runtime,
        dtype="float32",
        threads=job.config.budget.threads,
        seq_len=job.config.budget.seq_len,
        source="measured",
        median_ms=timing.median_ms,
        p90_ms=timing.p90_ms,
        runs=timing.runs,
        reference_drift=timing.reference_drift,
    )
