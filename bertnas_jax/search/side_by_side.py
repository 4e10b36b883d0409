"""Models of a job timed in turn with BERT-base on TensorFlow Lite, on the cores the budget allows."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from bertnas_jax.compiler import CompiledModel, set_num_threads
from bertnas_jax.export import TfliteModel, export_tflite
from bertnas_jax.latency import Conditions, LatencyRecord, Timing, describe_host, full_inputs, measure_interleaved, pinned, stand_in
from bertnas_jax.search.job import Job
from bertnas_jax.space import Subnet

BERT_BASE = Subnet.uniform(12, 768, 12, 3072)  # Source: arXiv 1810.04805, section 3
REFERENCE = "bert_base"
_VOCABULARY = 30_522  # of bert-base-uncased
_BERT_BASE_FILE = "baseline/bert_base.tflite"


def conditions_of(job: Job) -> Conditions:
    """Under what the models of a job run."""
    return Conditions(job.config.budget.seq_len, job.threads, job.bert.num_outputs, job.bert.pooling)


def measure_side_by_side(
    job: Job, rounds: int, tvm: Mapping[str, CompiledModel] | None = None, tflite: Mapping[str, pathlib.Path] | None = None
) -> dict[tuple[str, str], Timing]:
    """Timings by (name, runtime) of these models and of BERT-base on TensorFlow Lite, which is every round's reference.

    The process is bound to as many cores as the budget has threads; of two or more, TVM's pool keeps
    those it began with.
    """
    threads, inputs = job.threads, full_inputs(job.config.budget.seq_len)
    files = dict(tflite or {}) | {REFERENCE: _bert_base_file(job)}
    with pinned(threads):
        set_num_threads(threads)
        runs = {(name, "tvm"): model.run for name, model in (tvm or {}).items()}
        runs |= {(name, "tflite"): TfliteModel(path, threads).run for name, path in files.items()}
        runners = {"/".join(name): lambda run=run: run(*inputs) for name, run in runs.items()}
        timings = measure_interleaved(runners, f"{REFERENCE}/tflite", rounds=rounds)
    return {name: timings["/".join(name)] for name in runs}


def _bert_base_file(job: Job) -> pathlib.Path:
    """BERT-base with drawn weights, as a .tflite file of the run folder: what speed-ups are over."""
    path = job.path(_BERT_BASE_FILE)
    if not path.exists():
        export_tflite(stand_in(BERT_BASE, conditions_of(job), _VOCABULARY), job.config.budget.seq_len, path)
    return path


def drop_bert_base(job: Job) -> None:
    """Deletes the file that speed-ups are over, 0.4 GB of drawn weights: it is made again if it is wanted."""
    job.path(_BERT_BASE_FILE).unlink(missing_ok=True)


def record(job: Job, model: str, subnet: Subnet, runtime: str, timing: Timing) -> LatencyRecord:
    """A measured latency with its provenance."""
    return LatencyRecord(
        model=model,
        subnet=subnet,
        device=describe_host().cpu,
        runtime=runtime,
        dtype="float32",
        threads=job.threads,
        seq_len=job.config.budget.seq_len,
        source="measured",
        median_ms=timing.median_ms,
        p90_ms=timing.p90_ms,
        runs=timing.runs,
        reference_drift=timing.reference_drift,
    )
