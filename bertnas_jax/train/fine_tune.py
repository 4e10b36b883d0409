"""Fine-tuning of one stand-alone model: the teacher on labels, a subnet on labels and its teacher."""

from __future__ import annotations

import pathlib

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from bertnas_jax.data import Batch
from bertnas_jax.model import Bert, assign_parameters, get_parameters
from bertnas_jax.train.config import TrainConfig
from bertnas_jax.train.feed import Feed
from bertnas_jax.train.loop import Run
from bertnas_jax.train.losses import combined_loss, label_loss
from bertnas_jax.train.optimizer import make_optimizer, make_schedule
from bertnas_jax.train.progress import Told
from bertnas_jax.train.sharding import train_on
from bertnas_jax.train.step import make_step, single_gradient


def fine_tune(
    model: Bert,
    feed: Feed,
    config: TrainConfig,
    folder: pathlib.Path,
    seed: int,
    title: str,
    teacher_logits: np.ndarray | None = None,
    mesh: Mesh | None = None,
) -> None:
    """Trains the model in place; with `teacher_logits` [n_train, C] by distillation too.

    `folder` is the run folder: checkpoints/<title> and metrics/<title> are written there.

    Raises:
      TrainingDiverged: a loss is not finite.
      CheckpointMismatch: the folder's checkpoint is of another model.
    """
    num_steps = feed.num_steps(config.epochs)
    abstract = nnx.eval_shape(lambda: Bert(model.config, nnx.Rngs(0)))

    def loss(parameters, batch, teacher):
        student = nnx.clone(abstract)
        assign_parameters(student, jax.tree.map(lambda leaf: leaf.astype(config.compute_dtype), parameters))
        logits = student(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]).astype("float32")
        if teacher is None:
            return label_loss(logits, batch["labels"], batch["weight"], feed.is_regression)
        return combined_loss(
            logits, batch["labels"], teacher, batch["weight"], feed.is_regression, config.temperature, config.label_weight
        )

    def args_of(step: int, batch: Batch) -> tuple:
        return as_arrays(batch), None if teacher_logits is None else teacher_logits[batch.index]

    optimizer = make_optimizer(config, num_steps)
    run = Run(
        title=title,
        num_steps=num_steps,
        step=make_step(single_gradient(loss), optimizer),
        batches=lambda part: feed.train_batches(seed, num_steps, part),
        args_of=args_of,
        told=Told(("train",), lambda step: (model.config.subnet.describe(),), make_schedule(config, num_steps)),
        folder=folder,
        checkpoint_seconds=config.checkpoint_seconds,
    )
    parameters = jax.tree.map(jax.numpy.copy, get_parameters(model))  # the step reuses its argument's memory
    assign_parameters(model, train_on(mesh, model.config.subnet, run, parameters, optimizer))


def as_arrays(batch: Batch) -> dict[str, np.ndarray]:
    """The fields of a batch that a compiled step takes."""
    names = ("input_ids", "attention_mask", "token_type_ids", "labels", "weight")
    return {name: np.asarray(getattr(batch, name)) for name in names}
