"""Models in the numbers that limits are for and that this machine's runtimes have: scores on all of dev, errors of logits, and the best.

The shared weights and the fine-tuned winner are float32: what narrower numbers cost shows in the exported model alone. That of a
phone's limit is run here: a .tflite as it is, our compiler's kernels compiled for this CPU in the same precision.
"""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
from collections.abc import Mapping, Sequence

import numpy as np
from tqdm import tqdm

from bertnas_jax.compiler import CompiledModel, compile_model, host_target
from bertnas_jax.data import Encoded
from bertnas_jax.export import export_tflite, logit_error, run_examples, tflite_file
from bertnas_jax.export.parity import Runner
from bertnas_jax.latency import Timing
from bertnas_jax.model import Bert
from bertnas_jax.search.config import PRECISIONS
from bertnas_jax.search.evaluated import Precision
from bertnas_jax.search.job import Form, Job
from bertnas_jax.search.side_by_side import BASELINE, REFERENCE, Variant, on_cores_of, runner_of

PARITY_SENTENCES = 64
PRECISIONS_FILE = "precisions.json"
WINNER = "winner"
BASELINE_INT8 = Variant(REFERENCE, "tflite", "int8")
_TFLITE_INT8_FILE = "baseline/winner_int8.tflite"
Made = CompiledModel | pathlib.Path


def parity_sentences(job: Job) -> Encoded:
    """The sentences of dev that exported models are held against the model on."""
    return job.feed.dev.take(np.random.default_rng(job.config.seed).permutation(len(job.feed.dev))[:PARITY_SENTENCES])


def score_on_dev(job: Job, run: Runner) -> float:
    """The task's metric of an exported model on the whole dev split."""
    dev = job.feed.dev
    return job.feed.task.score(run_examples(run, dev, job.config.budget.seq_len), dev.labels)


def score_form(job: Job, model: Bert, form: Form) -> float:
    """The score on all of dev of a model made to a form for the purpose."""
    with tempfile.TemporaryDirectory() as folder:
        made = _made(job, model, form, pathlib.Path(folder))
        with on_cores_of(job):
            return score_on_dev(job, runner_of(job, made))


def _made(job: Job, model: Bert, form: Form, folder: pathlib.Path) -> Made:
    """The model in a form, compiled for this machine or as a file in the folder."""
    seq_len = job.config.budget.seq_len
    if form.runtime == "tvm":
        return compile_model(model, seq_len, host_target(), form.dtype)
    path = folder / tflite_file(form.dtype)
    export_tflite(model, seq_len, path, form.dtype)
    return path


def deployed_variants(job: Job, model: Bert, library: CompiledModel, known: Mapping[Variant, Made]) -> dict[Variant, Made]:
    """What is known, and the winner in every form that a limit is for: its exported files, and what is compiled for phones compiled for this machine."""
    made = dict(known)
    for form in job.forms:
        variant = Variant(WINNER, form.runtime, form.dtype)
        if form.runtime == "tflite":
            made[variant] = job.path("winner") / tflite_file(form.dtype)
        elif variant not in made:
            made[variant] = library if form.dtype == job.precision else _made(job, model, form, job.path("winner"))
    return made


def winner_variants(job: Job, model: Bert, library: CompiledModel, tflite: pathlib.Path) -> dict[Variant, Made]:
    """The winner in every precision that is measured here: its exported files, and what they lack compiled and converted here."""
    seq_len, narrow = job.config.budget.seq_len, job.path(_TFLITE_INT8_FILE)
    made: dict[Variant, Made] = {Variant(WINNER, "tvm", job.precision): library, Variant(WINNER, "tflite"): tflite}
    for precision in tqdm([one for one in PRECISIONS if one != job.precision], desc="winner in other precisions", unit="model"):
        made[Variant(WINNER, "tvm", precision)] = compile_model(model, seq_len, host_target(), precision)
    narrow.parent.mkdir(exist_ok=True)
    export_tflite(model, seq_len, narrow, "int8")
    return made | {Variant(WINNER, "tflite", "int8"): narrow}


def score_variants(job: Job, model: Bert, variants: Mapping[Variant, Made]) -> list[Precision]:
    """Each variant's score and errors; in float32 the score is the model's, from whose logits theirs differ by rounding alone."""
    if not job.folder.has(PRECISIONS_FILE):
        sentences, seq_len = parity_sentences(job), job.config.budget.seq_len
        float32_value = job.folder.read_json("winner.json")["value"]
        found = []
        for variant, made in tqdm(variants.items(), desc="winner on dev by precision", unit="model"):
            with on_cores_of(job):
                run = runner_of(job, made)
                error = logit_error(model, run, sentences, seq_len)
                value = float32_value if variant.dtype == "float32" else score_on_dev(job, run)
            found.append(Precision(variant.runtime, variant.dtype, value, error.rms, error.max_abs))
        job.folder.write_json(PRECISIONS_FILE, [dataclasses.asdict(one) for one in found])
    return [Precision(**fields) for fields in job.folder.read_json(PRECISIONS_FILE)]


def best_dtypes(precisions: Sequence[Precision], timings: Mapping[Variant, Timing], tolerance: float) -> dict:
    """Which dtype is the best of our compiler's winner and of BERT-base on TensorFlow Lite, and the winner's speed-ups in it.

    Ours is the fastest that scores at most `tolerance` below float32. A speed-up is the median over rounds of the ratio.
    """
    ours = [one for one in precisions if one.runtime == "tvm"]
    least = next(one.value for one in ours if one.dtype == "float32") - tolerance
    winner = min((Variant(WINNER, "tvm", one.dtype) for one in ours if one.value >= least), key=lambda variant: timings[variant].median_ms)
    baseline = min((BASELINE, BASELINE_INT8), key=lambda variant: timings[variant].median_ms)
    return {
        "best_dtype": {"winner": winner.dtype, "bert_base": baseline.dtype, "tolerance": tolerance},
        "speedup_best_dtype": 1 / timings[winner].ratio,
        "speedup_both_best_dtype": 1 / timings[winner].over(timings[baseline]),
    }


NO_DTYPES = {"best_dtype": None, "speedup_best_dtype": None, "speedup_both_best_dtype": None}  # nothing is measured here
