"""A model or the shared weights and a task in, trained ones out; and logits of a split for scoring.

Every loop writes checkpoints to its folder and, run again, goes on from the last whole one.
"""

from bertnas_jax.train.config import TrainConfig
from bertnas_jax.train.evaluate import predict, predict_model
from bertnas_jax.train.feed import Feed, make_feed
from bertnas_jax.train.fine_tune import fine_tune
from bertnas_jax.train.loop import TrainingDiverged
from bertnas_jax.train.rewiring import rewire_by_importance
from bertnas_jax.train.supernet import train_supernet

__all__ = ["Feed", "TrainConfig", "TrainingDiverged", "fine_tune", "make_feed", "predict", "predict_model", "rewire_by_importance", "train_supernet"]
