"""The weights that the supernet's training begins with: the teacher's, with what matters most in front."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from bertnas_jax.supernet import Order, SharedWeights, Supernet, Wanted, measure_importance, rewire, share_weights
from bertnas_jax.train.distributed import once
from bertnas_jax.train.fine_tune import as_arrays
from bertnas_jax.train.job import TrainJob
from bertnas_jax.train.losses import label_loss
from bertnas_jax.train.losses.mean import token_weight
from bertnas_jax.train.objective import inputs_of
from bertnas_jax.train.teach import Teacher
from bertnas_jax.whole_file import whole

REWIRING_FILE = "rewiring.npz"


def starting_weights(job: TrainJob, teacher: Teacher) -> SharedWeights:
    """The teacher's function with channels, heads and neurons in the order of the run folder, which is measured if there is none."""
    weights = share_weights(teacher.model)
    if not job.config.importance_batches:
        return weights
    path = job.path(REWIRING_FILE)
    once(lambda: _write_order(path, measure_order(job, weights)), missing=not path.exists())
    with np.load(path) as arrays:
        return rewire(weights, Order(**{name: jnp.asarray(arrays[name]) for name in arrays.files}))


def measure_order(job: TrainJob, weights: SharedWeights) -> Order:
    """The order by importance to the labels' loss, or to the last hidden states where there are no labels."""
    loss = _label_loss(job) if job.feed.task.has_labels else _probe_loss(job)
    stream = job.feed.train_batches(job.config.seed, job.config.importance_batches)
    batches = tqdm(stream, total=job.config.importance_batches, desc="importance", unit="batch")
    keyed = ((as_arrays(batch), jax.random.key(number)) for number, batch in enumerate(batches))
    return measure_importance(loss, weights, keyed, job.bert.subnet.layers[0].heads).order()


def _write_order(path: pathlib.Path, order: Order) -> None:
    with whole(path) as partial, partial.open("wb") as file:
        np.savez(file, hidden=order.hidden, heads=order.heads, ffn=order.ffn)


def _label_loss(job: TrainJob) -> Callable[..., jax.Array]:
    teacher, code = Supernet.alone(job.bert)

    def loss(weights, batch, key):
        return label_loss(teacher(weights, code, *inputs_of(batch)), batch["labels"], batch["weight"], job.feed.is_regression)

    return loss


def _probe_loss(job: TrainJob) -> Callable[..., jax.Array]:
    """The last hidden states times random signs, added up.

    A loss against the teacher is least at the teacher itself, and its gradient there is 0. The expected square of
    this one's derivative by a gate is the squared change of the states by that gate, to first order.
    Source of the estimator: Hutchinson 1990, "A stochastic estimator of the trace of the influence matrix".
    """
    teacher, code = Supernet.alone(job.bert)

    def loss(weights, batch, key):
        states = teacher.features(weights, code, inputs_of(batch), Wanted(hidden=True)).hidden[-1]
        signs = jax.random.rademacher(key, states.shape, states.dtype)
        return jnp.einsum("bld,bld,bl->", states, signs, token_weight(batch["attention_mask"], batch["weight"]))

    return loss
