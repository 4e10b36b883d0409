"""The teacher stage: the checkpoint fine-tuned on the task, and what it says of the training split."""

from __future__ import annotations

import dataclasses
import shutil

import jax
import numpy as np

from bertnas_jax.data import bag_of_words_baseline
from bertnas_jax.model import Bert, load_checkpoint, read_config, save_checkpoint
from bertnas_jax.train.distributed import agreed, once
from bertnas_jax.train.evaluate import predict_model
from bertnas_jax.train.fine_tune import fine_tune
from bertnas_jax.train.job import TrainJob
from bertnas_jax.whole_file import whole


@dataclasses.dataclass(frozen=True, eq=False)
class Teacher:
    """The fine-tuned model, its dev score, and its logits [n_train, C] on the training split in order.

    Text without labels has the checkpoint itself as its teacher, and no logits.
    """

    model: Bert
    value: float
    bag_of_words: float | None
    train_logits: np.ndarray | None


def teacher_stage(job: TrainJob) -> Teacher:
    """Fine-tunes the checkpoint, or reads the teacher that the run folder holds; without labels the checkpoint is the teacher."""
    if not job.feed.task.has_labels:
        model = load_checkpoint(job.checkpoint, job.bert, jax.random.key(job.config.seed))
        return Teacher(model, 1.0, None, None)  # it agrees with itself
    if agreed(not job.folder.has("teacher.json")):
        _make_teacher(job)
    model = load_checkpoint(job.path("teacher"), read_config(job.path("teacher")), jax.random.key(job.config.seed))
    scores = job.folder.read_json("teacher.json")
    return Teacher(model, scores["value"], scores["bag_of_words"], np.load(job.path("teacher_logits.npy")))


def _make_teacher(job: TrainJob) -> None:
    model = load_checkpoint(job.checkpoint, job.bert, jax.random.key(job.config.seed))
    fine_tune(model, job.feed, job.config.teacher, job.folder.path, job.config.seed, "teacher", mesh=job.mesh)
    once(lambda: _write_teacher(job, model))


def _write_teacher(job: TrainJob, model: Bert) -> None:
    value = job.feed.task.score(predict_model(model, job.feed.dev_batches(), "teacher on dev"), job.feed.dev.labels)
    logits = predict_model(model, job.feed.train_batches_in_order(), "teacher on train")
    save_checkpoint(model, job.path("teacher"), job.checkpoint)
    with whole(job.path("teacher_logits.npy")) as partial, partial.open("wb") as file:
        np.save(file, logits)
    baseline = None if job.feed.is_regression else bag_of_words_baseline(job.feed.task, job.config.seed)
    scores = {"metric": job.feed.task.metric, "value": value, "bag_of_words": baseline, "pad_share": job.feed.pad_share}
    job.folder.write_json("teacher.json", scores)
    shutil.rmtree(job.path("checkpoints/teacher"))
