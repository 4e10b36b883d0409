"""Training of the shared weights by the sandwich rule with distillation."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from bertnas_jax.data import Batch
from bertnas_jax.space import Subnet
from bertnas_jax.supernet import SharedWeights, SubnetCode, Supernet
from bertnas_jax.train.config import SupernetTrainConfig
from bertnas_jax.train.feed import Feed
from bertnas_jax.train.fine_tune import as_arrays
from bertnas_jax.train.in_place import in_place_gradient
from bertnas_jax.train.loop import Run
from bertnas_jax.train.objective import Objective, Reference
from bertnas_jax.train.optimizer import make_optimizer, make_schedule
from bertnas_jax.train.progress import Told
from bertnas_jax.train.sandwich import sandwich, stack_codes
from bertnas_jax.train.sandwich_gradient import sandwich_gradient
from bertnas_jax.train.sharding import train_on
from bertnas_jax.train.step import LossAndGradient, Step, make_step
from bertnas_jax.train.subnet_gradient import Width, behind_lookup, by_width


def train_supernet(
    supernet: Supernet,
    weights: SharedWeights,
    feed: Feed,
    teacher_logits: np.ndarray | None,
    config: SupernetTrainConfig,
    num_random: int,
    folder: pathlib.Path,
    seed: int,
    mesh: Mesh | None = None,
) -> SharedWeights:
    """The weights after training; every Subnet of a step learns what the configuration's losses say.

    The fixed teacher is the weights as they are given, and its logits `teacher_logits` [n_train, C] on the
    training split. The Subnets of a step are scanned over, their gradients added up, in one compiled step.
    `folder` is the run folder: checkpoints/supernet and metrics/supernet are written there.

    Raises:
      TrainingDiverged: a loss is not finite.
      CheckpointMismatch: the folder's checkpoint is of another model.
      ValueError: the configuration does not fit the space, or needs logits that are not given.
    """
    if config.needs_soft_labels and teacher_logits is None:
        raise ValueError("teacher_logits must be given for soft labels, got None; predict the training split, or set output_weight=0")
    num_steps = feed.num_steps(config.epochs)
    objective, optimizer, compiled = supernet_step(supernet, config, feed.is_regression, num_steps)

    def subnets_of(step: int) -> tuple[Subnet, ...]:
        return sandwich(supernet.space, num_random, seed, step)

    def args_of(step: int, batch: Batch) -> tuple:
        soft = None if teacher_logits is None else teacher_logits[batch.index]
        return step_args(objective, stack_codes(supernet.space, subnets_of(step)), as_arrays(batch), soft, weights)

    run = Run(
        title="supernet",
        num_steps=num_steps,
        step=compiled,
        batches=lambda part: feed.train_batches(seed, num_steps, part),
        args_of=args_of,
        told=Told(
            ("largest", "smallest", *["random"] * num_random),
            lambda step: [subnet.describe() for subnet in subnets_of(step)],
            make_schedule(config, num_steps),
        ),
        folder=folder,
        checkpoint_seconds=config.checkpoint_seconds,
    )
    return train_on(mesh, supernet.space.teacher, run, objective.trained(weights), optimizer).shared


def supernet_step(
    supernet: Supernet, config: SupernetTrainConfig, regression: bool, num_steps: int
) -> tuple[Objective, optax.GradientTransformation, Step]:
    """The objective and the optimizer of a training of `num_steps` steps, and its compiled step, which takes `step_args`.

    Raises:
      ValueError: the configuration does not fit the space.
    """
    objective = Objective(dataclasses.replace(supernet, compute_dtype=config.compute_dtype), config, regression)
    optimizer = make_optimizer(config, num_steps)
    return objective, optimizer, make_step(step_gradient(objective), optimizer)


def step_args(objective: Objective, codes: SubnetCode, batch: dict[str, Any], soft: Any, weights: SharedWeights) -> tuple:
    """What a step takes after its state: soft labels [B, C] and the fixed teacher's weights are None if no loss reads them."""
    return codes, batch, soft if objective.config.needs_soft_labels else None, weights if objective.wanted else None


def step_gradient(objective: Objective) -> LossAndGradient:
    """`(trained, codes, batch, soft labels or None, the fixed teacher's weights or None) -> (losses [S], gradient)`."""
    label_weight, num_outputs = objective.config.label_weight, objective.supernet.config.num_outputs

    def loss(narrow, trained, summed, onto, code, batch, soft, features):
        return narrow.after_lookup(trained, summed, onto, code, batch, Reference(soft, features), label_weight)

    def in_place_loss(narrow, trained, summed, onto, code, batch, soft, is_first, features):
        reference = Reference(soft, features)
        return narrow.after_lookup(trained, summed, onto, code, batch, reference, jnp.where(is_first, 1.0, label_weight))

    def of_subnet(loss):
        return by_width([Width(functools.partial(loss, narrow), narrow.corner) for narrow in objective.per_width], num_outputs)

    if objective.config.distill_from == "largest":
        of_subnets = in_place_gradient(of_subnet(in_place_loss), num_outputs)
    else:
        of_subnets = sandwich_gradient(of_subnet(loss))
    of_step = behind_lookup(objective.supernet.look_up, of_subnets)

    def gradient(trained, codes, batch, soft, teacher):
        given = () if objective.config.distill_from == "largest" else (soft,)
        return of_step(trained, codes, batch, *given, objective.teacher_features(teacher, batch))

    return gradient
