"""The latency stage: BERT-base on TensorFlow Lite, the kernel table, and from both the budget in ms."""

from __future__ import annotations

import dataclasses

from bertnas_jax.compiler import host_target
from bertnas_jax.latency import KernelTable, append_records, fill_kernel_table
from bertnas_jax.search.samplers import InfeasibleBudget
from bertnas_jax.search.job import Job
from bertnas_jax.search.side_by_side import BERT_BASE, REFERENCE, conditions_of, measure_side_by_side, record

_ROUNDS = 15


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
        timing = measure_side_by_side(job, _ROUNDS)[REFERENCE, "tflite"]
        append_records(job.path("latency.jsonl"), [record(job, REFERENCE, BERT_BASE, "tflite", timing)])
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
