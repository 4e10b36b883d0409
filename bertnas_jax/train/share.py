"""The supernet stage: shared weights trained from the teacher."""

from __future__ import annotations

import shutil

import jax
import orbax.checkpoint as ocp

from bertnas_jax.supernet import SharedWeights, Supernet, share_weights
from bertnas_jax.train.checkpoints import full_disk_is_oserror
from bertnas_jax.train.job import TrainJob
from bertnas_jax.train.rewiring import rewire_by_importance
from bertnas_jax.train.supernet import train_supernet
from bertnas_jax.train.teach import Teacher


def supernet_stage(job: TrainJob, teacher: Teacher) -> SharedWeights:
    """Trains the shared weights, or reads those that the run folder holds in `supernet/`."""
    weights = share_weights(teacher.model)
    folder = job.path("supernet").absolute()
    checkpointer = ocp.StandardCheckpointer()
    try:
        if folder.exists():
            return checkpointer.restore(folder, jax.tree.map(ocp.tree.to_shape_dtype_struct, weights))
        supernet = Supernet(job.space, job.bert)
        steps, seed = job.path("checkpoints/supernet"), job.config.seed
        if job.config.importance_batches:
            weights = rewire_by_importance(weights, job.bert, job.feed, job.config.importance_batches, seed)
        weights = train_supernet(
            supernet, weights, job.feed, teacher.train_logits, job.config.supernet, job.config.num_random, steps, seed
        )
        with full_disk_is_oserror():
            checkpointer.save(folder, weights)
            checkpointer.wait_until_finished()
        shutil.rmtree(steps)
    finally:
        checkpointer.close()
    return weights
