"""Training alone: the stages of the main job up to the supernet."""

from __future__ import annotations

from bertnas_jax.supernet import Supernet
from bertnas_jax.train.job import open_train_job
from bertnas_jax.train.score import SupernetScorer
from bertnas_jax.train.share import supernet_stage
from bertnas_jax.train.stopwatch import Stopwatch
from bertnas_jax.train.supernet_config import SupernetConfig
from bertnas_jax.train.teach import teacher_stage


def run(config: SupernetConfig) -> dict:
    """Scores of the teacher and of both ends of the space, also in supernet.json; the run folder holds the weights.

    Raises:
      ValueError: the configuration, the checkpoint, the task or the run folder is not as it must be.
      FileNotFoundError: a file that the configuration names is not there.
      TrainingDiverged: a loss is not finite.
    """
    job = open_train_job(config)
    watch = Stopwatch(job.folder)
    with watch.stage("teacher", f"fine-tuning {config.checkpoint} on {job.feed.task.name}"):
        teacher = teacher_stage(job)
    with watch.stage("supernet", f"shared weights of {job.space.count:,} subnets"):
        weights = supernet_stage(job, teacher)
    scorer = SupernetScorer(Supernet(job.space, job.bert), weights, job.feed, len(job.feed.dev), config.seed)
    scores = {"metric": job.feed.task.metric, "teacher": teacher.value, "pad_share": job.feed.pad_share}
    scores |= {name: scorer.on_dev(subnet) for name, subnet in (("largest", job.space.largest), ("smallest", job.space.smallest))}
    job.folder.write_json("supernet.json", scores)
    return scores
