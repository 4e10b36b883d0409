"""The winner stages: the chosen Subnet fine-tuned from its inherited weights if that helps, then exported."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
from collections.abc import Sequence

import jax

from bertnas_jax.compiler import CompiledModel, host_target, load_compiled
from bertnas_jax.compiler.memory_plan import RunningMemory
from bertnas_jax.export import CardFacts, TfliteModel, library_file, logit_error, model_card, write_bundle
from bertnas_jax.latency import LatencyRecord
from bertnas_jax.model import Bert, load_checkpoint, read_config, save_checkpoint
from bertnas_jax.search.job import Job
from bertnas_jax.search.memory import memory_of
from bertnas_jax.search.phone_library import write_phone_library
from bertnas_jax.search.precisions import parity_sentences
from bertnas_jax.space import Subnet
from bertnas_jax.supernet import SharedWeights, extract
from bertnas_jax.train import SupernetScorer, Teacher, fine_tune, predict_model

_MEMORY_FILE = "memory.json"


def winner_stage(job: Job, weights: SharedWeights, scorer: SupernetScorer, teacher: Teacher, subnet: Subnet) -> Bert:
    """The Subnet fine-tuned on labels and the teacher, or as the run folder holds it; its scores go to winner.json.

    Weights that came out worse on dev than the shared ones, which learnt from the teacher's hidden states too, are thrown away.
    """
    if not job.folder.has("winner.json"):
        model = extract(weights, job.space, job.bert, subnet)
        steps = job.path("checkpoints/winner")
        fine_tune(model, job.feed, job.config.winner, job.folder.path, job.config.seed + 1, "winner", teacher.train_logits)
        tuned = job.feed.task.score(predict_model(model, job.feed.dev_batches(), "winner on dev"), job.feed.dev.labels)
        inherited = scorer.on_dev(subnet)
        kept = model if tuned >= inherited else extract(weights, job.space, job.bert, subnet)
        save_checkpoint(kept, job.path("winner_weights"), job.checkpoint)
        job.folder.write_json("winner.json", {"value": max(tuned, inherited), "inherited_value": inherited, "tuned_value": tuned})
        shutil.rmtree(steps)
    folder = job.path("winner_weights")
    return load_checkpoint(folder, read_config(folder), jax.random.key(job.config.seed))


@dataclasses.dataclass(frozen=True)
class Exported:
    """The winner's .tflite file, its library, loaded again, how far their logits are from the model's, and its memory; the library for phones."""

    tflite: pathlib.Path
    library: CompiledModel
    parity: dict
    phone_library: dict | None
    memory: RunningMemory


def export_stage(job: Job, model: Bert) -> Exported:
    """Writes `winner/` if it is not there, loads its two files, and compares them with the model on dev sentences.

    For a limit on the CPU of a phone a C library is there too, if it can be linked here.
    """
    budget, folder, target = job.config.budget, job.path("winner"), host_target()
    if not job.folder.has(_MEMORY_FILE):
        job.folder.write_json(_MEMORY_FILE, dataclasses.asdict(memory_of(model, budget.seq_len, job.precision)))
    memory = RunningMemory(**job.folder.read_json(_MEMORY_FILE))
    if not folder.exists():
        write_bundle(model, folder, job.checkpoint, budget.seq_len, target, _card_facts(job, model.config.subnet))
    tflite, library = folder / "model.tflite", load_compiled(folder / library_file(target, job.precision))
    if not job.folder.has("parity.json"):
        sentences, errors = parity_sentences(job), {}
        for name, run in (("tflite", TfliteModel(tflite, job.threads).run), ("tvm", library.run)):
            error = logit_error(model, run, sentences, budget.seq_len)
            errors |= {f"{name}_max_abs_err": error.max_abs, f"{name}_rms_err": error.rms}
        job.folder.write_json("parity.json", errors | {"tvm_dtype": job.precision, "sentences": len(sentences)})
    return Exported(tflite, library, job.folder.read_json("parity.json"), write_phone_library(job, model), memory)


def write_card(job: Job, model: Bert, latencies: Sequence[LatencyRecord], library_value: float | None) -> None:
    """Writes the card of `winner/` again, with the latencies and the library's score that are known by now."""
    facts = dataclasses.replace(_card_facts(job, model.config.subnet, latencies), library_value=library_value)
    card = model_card(facts, model.config.subnet, model.config.vocabulary, job.config.budget.seq_len, library_file(host_target(), job.precision))
    job.folder.write_text("winner/README.md", card)


def _card_facts(job: Job, subnet: Subnet, latencies: Sequence[LatencyRecord] = ()) -> CardFacts:
    task = job.feed.task
    value = job.folder.read_json("winner.json")["value"]
    memory = RunningMemory(**job.folder.read_json(_MEMORY_FILE))
    return CardFacts(
        f"bertnas_jax {task.name}",
        task.name,
        task.metric,
        value,
        latencies,
        job.space.kept_layers(subnet.depth),
        precision=job.precision,
        running_bytes=memory.total_bytes,
    )
