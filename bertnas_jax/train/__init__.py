"""A model or the shared weights and a task in, trained ones out; and logits of a split for scoring.

Every loop writes checkpoints to its folder and, run again, goes on from the last whole one.
"""

from bertnas_jax.train.checkpoints import CheckpointMismatch
from bertnas_jax.train.config import SupernetTrainConfig, TrainConfig
from bertnas_jax.train.divergence import TrainingDiverged
from bertnas_jax.train.evaluate import predict, predict_model
from bertnas_jax.train.feed import Feed, make_feed
from bertnas_jax.train.fine_tune import fine_tune
from bertnas_jax.train.job import TrainJob, open_train_job, read_inputs
from bertnas_jax.train.layer_order import settle_layers
from bertnas_jax.train.rewiring import starting_weights
from bertnas_jax.train.run_folder import RunFolder, RunFolderError, versions
from bertnas_jax.train.score import SupernetScorer
from bertnas_jax.train.share import supernet_stage
from bertnas_jax.train.stopwatch import Stopwatch
from bertnas_jax.train.supernet import train_supernet
from bertnas_jax.train.supernet_config import SpaceConfig, SupernetConfig
from bertnas_jax.train.teach import Teacher, teacher_stage

__all__ = [
    "CheckpointMismatch",
    "Feed",
    "RunFolder",
    "RunFolderError",
    "SpaceConfig",
    "Stopwatch",
    "SupernetConfig",
    "SupernetScorer",
    "SupernetTrainConfig",
    "Teacher",
    "TrainConfig",
    "TrainJob",
    "TrainingDiverged",
    "fine_tune",
    "make_feed",
    "open_train_job",
    "predict",
    "predict_model",
    "read_inputs",
    "settle_layers",
    "starting_weights",
    "supernet_stage",
    "teacher_stage",
    "train_supernet",
    "versions",
]
