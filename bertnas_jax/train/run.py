"""Training alone: the stages of the main job up to the supernet."""

from __future__ import annotations

import sys

from bertnas_jax.supernet import SharedWeights, Supernet
from bertnas_jax.train.distributed import is_primary, once
from bertnas_jax.train.encoder import ENCODER_FOLDER, write_encoder
from bertnas_jax.train.job import TrainJob, open_train_job
from bertnas_jax.train.layer_order import settle_layers
from bertnas_jax.train.placement import summarise_mesh
from bertnas_jax.train.relation_score import RelationScorer
from bertnas_jax.train.rewiring import starting_weights
from bertnas_jax.train.score import SupernetScorer
from bertnas_jax.train.share import supernet_stage
from bertnas_jax.train.stopwatch import Stopwatch
from bertnas_jax.train.supernet_config import SupernetConfig
from bertnas_jax.train.teach import Teacher, teacher_stage


def run(config: SupernetConfig) -> dict:
    """Scores of the teacher and of both ends of the space, also in supernet.json; the run folder holds the weights.

    On text without labels `encoder/` is the largest Subnet, for other runs to start from.

    Raises:
      ValueError: the configuration, the checkpoint, the task or the run folder is not as it must be.
      FileNotFoundError: a file that the configuration names is not there.
      TrainingDiverged: a loss is not finite.
    """
    job = open_train_job(config)
    if job.mesh.size > 1 and is_primary():
        print(summarise_mesh(job.mesh, job.bert), file=sys.stderr)
    watch = Stopwatch(job.folder)
    what = f"fine-tuning {config.checkpoint} on {job.feed.task.name}" if job.feed.task.has_labels else config.checkpoint
    with watch.stage("teacher", what):
        teacher = teacher_stage(job)
    with watch.stage("supernet", f"shared weights of {job.space.count:,} subnets"):
        job = settle_layers(job, teacher)
        weights = supernet_stage(job, teacher)
    scorer = _scorer(job, teacher, weights)
    scores = {"metric": job.feed.task.metric, "teacher": teacher.value, "pad_share": job.feed.pad_share}
    scores |= {name: scorer.on_dev(subnet) for name, subnet in (("largest", job.space.largest), ("smallest", job.space.smallest))}
    if not job.feed.task.has_labels:
        missing = not job.folder.has(ENCODER_FOLDER)
        once(lambda: write_encoder(job, weights, job.space.largest, job.path(ENCODER_FOLDER)), missing)
    job.folder.write_json("supernet.json", scores)
    return scores


def _scorer(job: TrainJob, teacher: Teacher, weights: SharedWeights) -> SupernetScorer | RelationScorer:
    supernet = Supernet(job.space, job.bert)
    if job.feed.task.has_labels:
        return SupernetScorer(supernet, weights, job.feed, len(job.feed.dev), job.config.seed)
    return RelationScorer(supernet, weights, starting_weights(job, teacher), job.feed, job.config.supernet.relation_heads)
