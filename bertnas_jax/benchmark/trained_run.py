"""The run folder of a trained supernet, and what its Subnets score by the shared weights and trained alone."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil

from bertnas_jax.flags import config_from_json
from bertnas_jax.space import Subnet, count_flops, count_parameters
from bertnas_jax.supernet import SharedWeights, Supernet, extract
from bertnas_jax.train import (
    SupernetConfig,
    SupernetScorer,
    Teacher,
    TrainConfig,
    TrainJob,
    fine_tune,
    open_train_job,
    predict_model,
    settle_layers,
    supernet_stage,
    teacher_stage,
)


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedRun:
    """A job whose teacher and supernet are trained."""

    job: TrainJob
    teacher: Teacher
    weights: SharedWeights
    scorer: SupernetScorer

    def flops(self, subnet: Subnet) -> int:
        """Of one sentence of the run's greatest length."""
        return count_flops(subnet, self.job.bert.vocabulary, self.job.config.max_length)

    def train_alone(self, subnet: Subnet, budget: TrainConfig, folder: pathlib.Path) -> dict:
        """Dev scores `inherited` and `trained`, from labels and the teacher, and sizes; the folder holds the training while it lasts."""
        job = self.job
        model = extract(self.weights, job.space, job.bert, subnet)
        fine_tune(model, job.feed, budget, folder, job.config.seed, subnet.describe(), self.teacher.train_logits)
        trained = job.feed.task.score(predict_model(model, job.feed.dev_batches()), job.feed.dev.labels)
        shutil.rmtree(folder)
        sizes = {"flops": self.flops(subnet), "parameters": count_parameters(subnet, job.bert.vocabulary)}
        return {"inherited": self.scorer.on_dev(subnet), "trained": trained} | sizes


def read_run(workdir: str) -> SupernetConfig:
    """The configuration of a trained run folder, which may have been moved.

    Raises:
      FileNotFoundError: the folder holds no trained supernet.
    """
    folder = pathlib.Path(workdir)
    for name in ("config.json", "teacher.json", "supernet"):
        if not (folder / name).exists():
            raise FileNotFoundError(
                f"workdir must hold a trained supernet, got {folder} without {name}; run python -m bertnas_jax.train first"
            )
    config = config_from_json(SupernetConfig, (folder / "config.json").read_text(encoding="utf-8"))
    return dataclasses.replace(config, workdir=workdir)


def open_run(config: SupernetConfig) -> TrainedRun:
    """What a trained run folder holds; nothing is trained."""
    job = open_train_job(config)
    teacher = teacher_stage(job)
    job = settle_layers(job, teacher)
    weights = supernet_stage(job, teacher)
    scorer = SupernetScorer(Supernet(job.space, job.bert), weights, job.feed, len(job.feed.dev), config.seed)
    return TrainedRun(job, teacher, weights, scorer)


def sources(config: SupernetConfig) -> dict[str, str]:
    """The task and the checkpoint of a run, without the folders of the machine they lie in."""
    return {"task": without_folder(config.task.task), "checkpoint": without_folder(config.checkpoint)}


def without_folder(name: str) -> str:
    """The name itself, or the last part of an absolute path."""
    path = pathlib.PurePath(name)
    return path.name if path.is_absolute() else name
