"""The comparison stage: winner, teacher and BERT-base measured side by side, on both runtimes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from bertnas_jax.compiler import compile_model, host_target, set_num_threads
from bertnas_jax.export import TfliteModel, export_tflite
from bertnas_jax.latency import Timing, append_records, full_inputs, measure_interleaved, stand_in
from bertnas_jax.model import Bert
from bertnas_jax.search.finalists import meets
from bertnas_jax.search.job import Job
from bertnas_jax.search.latencies import BERT_BASE, bert_base_on_tflite, conditions_of, record
from bertnas_jax.search.winner import Exported
from bertnas_jax.space import Subnet

COMPARISON_FILE = "comparison.json"


def compare_stage(job: Job, exported: Exported, winner: Subnet, teacher: Bert) -> dict:
    """Latencies of the three models on both runtimes, the winner's speed-up, and whether it meets the budget.

    Every figure is of one interleaved measurement with BERT-base on TFLite in each round; the
    speed-up is the median over rounds of their ratio.
    """
    if not job.folder.has(COMPARISON_FILE):
        subnets = {"winner": winner, "teacher": teacher.config.subnet, "bert_base": BERT_BASE}
        timings = _measure(job, exported, teacher)
        records = [record(job, model, subnets[model], runtime, timing) for (model, runtime), timing in timings.items()]
        append_records(job.path("latency.jsonl"), records)
        comparison = {
            "latencies": [dataclasses.asdict(one) for one in records],
            "speedup_vs_tflite_bert_base": 1 / timings["winner", "tvm"].ratio,
            "compliant": meets(job.config.budget, timings["winner", "tvm"], margin=0.0),
        }
        job.folder.write_json(COMPARISON_FILE, comparison)
        job.path("baseline/bert_base.tflite").unlink()  # 0.4 GB of drawn weights: made again if it is wanted
    return job.folder.read_json(COMPARISON_FILE)


def _measure(job: Job, exported: Exported, teacher: Bert) -> dict[tuple[str, str], Timing]:
    budget, inputs = job.config.budget, full_inputs(job.config.budget.seq_len)
    teacher_file = job.path("baseline/teacher.tflite")
    teacher_file.parent.mkdir(exist_ok=True)
    export_tflite(teacher, budget.seq_len, teacher_file)
    set_num_threads(budget.threads)
    runs: dict[tuple[str, str], Callable] = {
        ("winner", "tvm"): exported.library.run,
        ("winner", "tflite"): exported.tflite.run,
        ("teacher", "tvm"): compile_model(teacher, budget.seq_len, host_target()).run,
        ("teacher", "tflite"): TfliteModel(teacher_file, budget.threads).run,
        ("bert_base", "tvm"): compile_model(stand_in(BERT_BASE, conditions_of(job)), budget.seq_len, host_target()).run,
        ("bert_base", "tflite"): bert_base_on_tflite(job).run,
    }
    runners = {"/".join(name): lambda run=run: run(*inputs) for name, run in runs.items()}
    timings = measure_interleaved(runners, "bert_base/tflite", rounds=job.config.measure_rounds)
    return {name: timings["/".join(name)] for name in runs}
