"""Models of a job timed in turn with BERT-base on TensorFlow Lite, on the cores the budget allows."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator, Mapping

from bertnas_jax.compiler import CompiledModel, set_num_threads
from bertnas_jax.export import TfliteModel, export_tflite
from bertnas_jax.export.parity import Runner
from bertnas_jax.latency import Conditions, LatencyRecord, Timing, describe_host, full_inputs, measure_interleaved, pinned, stand_in
from bertnas_jax.search.job import Job
from bertnas_jax.space import Subnet

BERT_BASE = Subnet.uniform(12, 768, 12, 3072)  # Source: arXiv 1810.04805, section 3
REFERENCE = "bert_base"
_VOCABULARY = 30_522  # of bert-base-uncased
_BERT_BASE_FILES = {"float32": "baseline/bert_base.tflite", "int8": "baseline/bert_base_int8.tflite"}


@dataclasses.dataclass(frozen=True)
class Variant:
    """A model as a runtime runs it, in numbers of that dtype."""

    model: str
    runtime: str
    dtype: str = "float32"


BASELINE = Variant(REFERENCE, "tflite")  # what every speed-up is over


def conditions_of(job: Job) -> Conditions:
    """Under what the models of a job run."""
    return Conditions(job.config.budget.seq_len, job.threads, job.bert.num_outputs, job.bert.pooling, job.precision)


@contextlib.contextmanager
def on_cores_of(job: Job) -> Iterator[None]:
    """Runs its body, and compiled models in it, on as many cores as the budget has threads; of two or more, TVM's pool keeps those it began with."""
    with pinned(job.threads):
        set_num_threads(job.threads)
        yield


def measure_side_by_side(job: Job, rounds: int, models: Mapping[Variant, CompiledModel | pathlib.Path] | None = None) -> dict[Variant, Timing]:
    """Timings of these models, compiled or .tflite files, and of `BASELINE`, which is every round's reference."""
    inputs, every = full_inputs(job.config.budget.seq_len), dict(models or {}) | {BASELINE: bert_base_file(job)}
    with on_cores_of(job):
        runs = {variant: runner_of(job, model) for variant, model in every.items()}
        names = {variant: "/".join(dataclasses.astuple(variant)) for variant in runs}
        runners = {names[variant]: lambda run=run: run(*inputs) for variant, run in runs.items()}
        timings = measure_interleaved(runners, names[BASELINE], rounds=rounds)
    return {variant: timings[name] for variant, name in names.items()}


def runner_of(job: Job, model: CompiledModel | pathlib.Path) -> Runner:
    """What runs a compiled model, or a .tflite file on the budget's threads."""
    return TfliteModel(model, job.threads).run if isinstance(model, pathlib.Path) else model.run


def bert_base_file(job: Job, dtype: str = "float32") -> pathlib.Path:
    """BERT-base with drawn weights, as a .tflite file of the run folder: what speed-ups are over."""
    path = job.path(_BERT_BASE_FILES[dtype])
    if not path.exists():
        export_tflite(stand_in(BERT_BASE, conditions_of(job), _VOCABULARY), job.config.budget.seq_len, path, dtype)
    return path


def drop_bert_base(job: Job) -> None:
    """Deletes the files that speed-ups are over, 0.6 GB of drawn weights: they are made again if they are wanted."""
    for name in _BERT_BASE_FILES.values():
        job.path(name).unlink(missing_ok=True)


def record(job: Job, model: str, subnet: Subnet, runtime: str, timing: Timing, dtype: str = "float32") -> LatencyRecord:
    """A measured latency with its provenance."""
    return LatencyRecord(
        model=model,
        subnet=subnet,
        device=describe_host().cpu,
        runtime=runtime,
        dtype=dtype,
        threads=job.threads,
        seq_len=job.config.budget.seq_len,
        source="measured",
        median_ms=timing.median_ms,
        p90_ms=timing.p90_ms,
        runs=timing.runs,
        reference_drift=timing.reference_drift,
    )
