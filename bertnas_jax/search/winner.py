"""The winner stages: the chosen Subnet fine-tuned from its inherited weights if that helps, then exported."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
from collections.abc import Sequence

import jax

from bertnas_jax.compiler import CompiledModel, host_target, load_compiled
from bertnas_jax.compiler.memory_plan import RunningMemory
from bertnas_jax.export import CardFacts, TfliteModel, library_file, logit_error, model_card, tflite_file, write_bundle
from bertnas_jax.latency import LatencyRecord
from bertnas_jax.model import Bert, load_checkpoint, read_config, save_checkpoint
from bertnas_jax.search.job import Job
from bertnas_jax.search.latency_limit import Place
from bertnas_jax.search.memory import memory_of
from bertnas_jax.search.phone_libraries import folder_for, write_phone_libraries
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
    """The winner's .tflite file, its library, loaded again, how far their logits are from the model's, and its memory; what is compiled for phones."""

    tflite: pathlib.Path
    library: CompiledModel
    library_name: str
    parity: dict
    phone_libraries: list[dict]
    memory: RunningMemory

    def file_for(self, place: Place) -> str | None:
        """What a limit's latency is that of: a file or folder of the run, None if it could not be made here."""
        if place.is_host:
            return f"winner/{self.library_name}"
        return f"winner/{tflite_file(place.dtype)}" if place.runtime == "tflite" else folder_for(place, self.phone_libraries)


def export_stage(job: Job, model: Bert) -> Exported:
    """Writes `winner/` if it is not there, loads its two files, and compares them with the model on dev sentences.

    What limits of phones are for is there too: .tflite files of other numbers, C libraries if they can be linked here, OpenCL.
    """
    budget, folder, target = job.config.budget, job.path("winner"), host_target()
    if not job.folder.has(_MEMORY_FILE):
        job.folder.write_json(_MEMORY_FILE, dataclasses.asdict(memory_of(model, budget.seq_len, job.precision)))
    memory = RunningMemory(**job.folder.read_json(_MEMORY_FILE))
    if not folder.exists():
        write_bundle(model, folder, job.checkpoint, budget.seq_len, target, _card_facts(job, model.config.subnet))
    name = library_file(target, job.precision)
    tflite, library = folder / tflite_file("float32"), load_compiled(folder / name)
    if not job.folder.has("parity.json"):
        sentences, errors = parity_sentences(job), {}
        for name, run in (("tflite", TfliteModel(tflite, job.threads).run), ("tvm", library.run)):
            error = logit_error(model, run, sentences, budget.seq_len)
            errors |= {f"{name}_max_abs_err": error.max_abs, f"{name}_rms_err": error.rms}
        job.folder.write_json("parity.json", errors | {"tvm_dtype": job.precision, "sentences": len(sentences)})
    return Exported(tflite, library, name, job.folder.read_json("parity.json"), write_phone_libraries(job, model), memory)


def write_card(job: Job, model: Bert, comparison: dict) -> None:
    """Writes the card of `winner/` again, with the latencies and the scores in other numbers that are known by now."""
    latencies = [LatencyRecord.from_fields(fields) for fields in comparison["latencies"]]
    narrow = {(one["runtime"], one["dtype"]): one["value"] for one in comparison["precisions"] if one["dtype"] != "float32"}
    facts = dataclasses.replace(_card_facts(job, model.config.subnet, latencies), narrow_values=narrow)
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
        tflite_dtypes=_tflite_dtypes(job),
        running_bytes=memory.total_bytes,
    )


def _tflite_dtypes(job: Job) -> tuple[str, ...]:
    """The numbers of the .tflite files: float32, and those that limits are for."""
    return tuple(dict.fromkeys(["float32", *(form.dtype for form in job.forms if form.runtime == "tflite")]))
