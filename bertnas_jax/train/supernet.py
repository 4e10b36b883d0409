"""Training of the shared weights by the sandwich rule with distillation."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from bertnas_jax.supernet import SharedWeights, Supernet
from bertnas_jax.train.config import SupernetTrainConfig
from bertnas_jax.train.feed import Feed
from bertnas_jax.train.fine_tune import as_arrays
from bertnas_jax.train.in_place import in_place_gradient
from bertnas_jax.train.loop import Run, make_step, train
from bertnas_jax.train.objective import Objective, Reference, Trained
from bertnas_jax.train.optimizer import make_optimizer
from bertnas_jax.train.sandwich import sandwich, stack_codes
from bertnas_jax.train.sandwich_gradient import sandwich_gradient


def train_supernet(
    supernet: Supernet,
    weights: SharedWeights,
    feed: Feed,
    teacher_logits: np.ndarray | None,
    config: SupernetTrainConfig,
    num_random: int,
    folder: pathlib.Path,
    seed: int,
) -> SharedWeights:
    """The weights after training; every Subnet of a step learns what the configuration's losses say.

    The fixed teacher is the weights as they are given, and its logits `teacher_logits` [n_train, C] on the
    training split. The Subnets of a step are scanned over, their gradients added up, in one compiled step.

    Raises:
      TrainingDiverged: a loss is not finite.
      ValueError: the configuration does not fit the space, or needs logits that are not given.
    """
    if config.needs_soft_labels and teacher_logits is None:
        raise ValueError("teacher_logits must be given for soft labels, got None; predict the training split, or set output_weight=0")
    objective = Objective(supernet, config, feed.is_regression)
    num_steps = feed.num_steps(config.epochs)

    def args_from(start: int) -> Iterator[tuple]:
        for step, batch in enumerate(feed.train_stream(seed, start), start):
            codes = stack_codes(supernet.space, sandwich(supernet.space, num_random, seed, step))
            soft = teacher_logits[batch.index] if config.needs_soft_labels else None
            yield codes, as_arrays(batch), soft, weights if objective.wanted else None

    optimizer = make_optimizer(config, num_steps)
    run = Run("supernet", num_steps, make_step(step_gradient(objective), optimizer), args_from, folder)
    return train(run, objective.trained(weights), optimizer).shared


def step_gradient(objective: Objective) -> Callable[..., tuple[jax.Array, Trained]]:
    """`(trained, codes, batch, soft labels or None, the fixed teacher's weights or None) -> (loss, gradient)`."""
    label_weight = objective.config.label_weight

    def loss(trained, code, batch, soft, features):
        return objective(trained, code, batch, Reference(soft, features), label_weight)[0]

    def in_place_loss(trained, code, is_first, soft, batch, features):
        return objective(trained, code, batch, Reference(soft, features), jnp.where(is_first, 1.0, label_weight))

    from_teacher = sandwich_gradient(loss)
    from_largest = in_place_gradient(in_place_loss, objective.supernet.config.num_outputs)

    def gradient(trained, codes, batch, soft, teacher):
        features = objective.teacher_features(teacher, batch)
        if objective.config.distill_from == "largest":
            return from_largest(trained, codes, batch, features)
        return from_teacher(trained, codes, batch, soft, features)

    return gradient
