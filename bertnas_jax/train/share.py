"""The supernet stage: shared weights trained from the teacher."""

from __future__ import annotations

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from bertnas_jax.supernet import SharedWeights, Supernet, share_weights
from bertnas_jax.train.checkpoints import check_same_arrays, full_disk_is_oserror
from bertnas_jax.train.distributed import agreed, once
from bertnas_jax.train.job import TrainJob
from bertnas_jax.train.rewiring import starting_weights
from bertnas_jax.train.supernet import train_supernet
from bertnas_jax.train.teach import Teacher


def supernet_stage(job: TrainJob, teacher: Teacher) -> SharedWeights:
    """Trains the shared weights, or reads those that the run folder holds in `supernet/`."""
    weights = share_weights(teacher.model)
    folder = job.path("supernet").absolute()
    checkpointer = ocp.StandardCheckpointer()
    try:
        if agreed(folder.exists()):
            check_same_arrays(folder, weights)
            return jax.tree.map(jnp.asarray, checkpointer.restore(folder, jax.tree.map(np.asarray, weights)))
        supernet = Supernet(job.space, job.bert)
        steps, seed = job.path("checkpoints/supernet"), job.config.seed
        weights = train_supernet(
            supernet, starting_weights(job, teacher), job.feed, teacher.train_logits,
            job.config.supernet, job.config.num_random, job.folder.path, seed, job.mesh,
        )
        with full_disk_is_oserror():
            checkpointer.save(folder, jax.tree.map(np.asarray, weights))  # orbax refuses arrays that only one process holds
            checkpointer.wait_until_finished()
        once(lambda: shutil.rmtree(steps))
    finally:
        checkpointer.close()
    return weights
