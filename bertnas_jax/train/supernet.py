"""Training of the shared weights by the sandwich rule with distillation."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from bertnas_jax.supernet import SharedWeights, Supernet
from bertnas_jax.train.config import TrainConfig
from bertnas_jax.train.feed import Feed
from bertnas_jax.train.fine_tune import as_arrays
from bertnas_jax.train.loop import Run, make_step, train
from bertnas_jax.train.losses import combined_loss
from bertnas_jax.train.optimizer import make_optimizer
from bertnas_jax.train.sandwich import sandwich, stack_codes


def train_supernet(
    supernet: Supernet,
    weights: SharedWeights,
    feed: Feed,
    teacher_logits: np.ndarray,
    config: TrainConfig,
    num_random: int,
    folder: pathlib.Path,
    seed: int,
) -> SharedWeights:
    """The weights after training; every Subnet of a step learns from the labels and the fixed teacher.

    The Subnets of a step are scanned over, their gradients added up, in one compiled step.

    Raises:
      TrainingDiverged: a loss is not finite.
    """
    num_steps = feed.num_steps(config.epochs)

    def loss(weights, code, batch, teacher):
        logits = supernet(weights, code, batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
        return combined_loss(
            logits, batch["labels"], teacher, batch["weight"], feed.is_regression, config.temperature, config.label_weight
        )

    def loss_and_gradient(weights, codes, batch, teacher):
        def add(total, code):
            return jax.tree.map(jnp.add, total, jax.value_and_grad(loss)(weights, code, batch, teacher)), None

        total, _ = jax.lax.scan(add, (jnp.zeros(()), jax.tree.map(jnp.zeros_like, weights)), codes)
        return jax.tree.map(lambda leaf: leaf / (num_random + 2), total)

    def args_from(start: int) -> Iterator[tuple]:
        for step, batch in enumerate(feed.train_stream(seed, start), start):
            codes = stack_codes(supernet.space, sandwich(supernet.space, num_random, seed, step))
            yield codes, as_arrays(batch), teacher_logits[batch.index]

    optimizer = make_optimizer(config, num_steps)
    run = Run("supernet", num_steps, make_step(loss_and_gradient, optimizer), args_from, folder)
    return train(run, jax.tree.map(jnp.copy, weights), optimizer)
