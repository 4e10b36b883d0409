"""The comparison stage: winner, teacher and BERT-base measured side by side, on both runtimes."""

from __future__ import annotations

import dataclasses
import pathlib

from bertnas_jax.compiler import compile_model, host_target
from bertnas_jax.export import export_tflite
from bertnas_jax.latency import Timing, append_records, stand_in
from bertnas_jax.model import Bert
from bertnas_jax.search.finalists import meets
from bertnas_jax.search.job import Job
from bertnas_jax.search.side_by_side import BERT_BASE, REFERENCE, conditions_of, drop_bert_base, measure_side_by_side, record
from bertnas_jax.search.winner import Exported
from bertnas_jax.space import Subnet

COMPARISON_FILE = "comparison.json"


def compare_stage(job: Job, exported: Exported, winner: Subnet, teacher: Bert) -> dict:
    """Latencies of the three models on both runtimes, the winner's speed-up, and whether it meets the budget.

    Every figure is of one interleaved measurement with BERT-base on TFLite in each round; the
    speed-up is the median over rounds of their ratio.
    """
    if not job.folder.has(COMPARISON_FILE):
        subnets = {"winner": winner, "teacher": teacher.config.subnet, REFERENCE: BERT_BASE}
        timings = _measure(job, exported, teacher)
        records = [record(job, model, subnets[model], runtime, timing) for (model, runtime), timing in timings.items()]
        append_records(job.path("latency.jsonl"), records)
        comparison = {
            "latencies": [dataclasses.asdict(one) for one in records],
            "speedup_vs_tflite_bert_base": 1 / timings["winner", "tvm"].ratio,
            "compliant": meets(job.config.budget, timings["winner", "tvm"], margin=0.0),
        }
        job.folder.write_json(COMPARISON_FILE, comparison)
        drop_bert_base(job)
    return job.folder.read_json(COMPARISON_FILE)


def _measure(job: Job, exported: Exported, teacher: Bert) -> dict[tuple[str, str], Timing]:
    seq_len, target = job.config.budget.seq_len, host_target()
    teacher_file: pathlib.Path = job.path("baseline/teacher.tflite")
    export_tflite(teacher, seq_len, teacher_file)
    compiled = {
        "winner": exported.library,
        "teacher": compile_model(teacher, seq_len, target),
        REFERENCE: compile_model(stand_in(BERT_BASE, conditions_of(job)), seq_len, target),
    }
    files = {"winner": exported.tflite, "teacher": teacher_file}
    return measure_side_by_side(job, job.config.measure_rounds, compiled, files)
