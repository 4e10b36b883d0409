"""Fine-tuning of one stand-alone model: the teacher on labels, a subnet on labels and its teacher."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import jax
import numpy as np
from flax import nnx

from bertnas_jax.model import Bert, assign_parameters, get_parameters
from bertnas_jax.train.config import TrainConfig
from bertnas_jax.train.feed import Feed
from bertnas_jax.train.loop import Run, make_step, train
from bertnas_jax.train.losses import combined_loss, label_loss
from bertnas_jax.train.optimizer import make_optimizer


def fine_tune(
    model: Bert, feed: Feed, config: TrainConfig, folder: pathlib.Path, seed: int, title: str, teacher_logits: np.ndarray | None = None
) -> None:
    """Trains the model in place; with `teacher_logits` [n_train, C] by distillation too.

    Raises:
      TrainingDiverged: a loss is not finite.
    """
    num_steps = feed.num_steps(config.epochs)
    abstract = nnx.eval_shape(lambda: Bert(model.config, nnx.Rngs(0)))

    def loss(parameters, batch, teacher):
        student = nnx.clone(abstract)
        assign_parameters(student, parameters)
        logits = student(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
        if teacher is None:
            return label_loss(logits, batch["labels"], batch["weight"], feed.is_regression)
        return combined_loss(
            logits, batch["labels"], teacher, batch["weight"], feed.is_regression, config.temperature, config.label_weight
        )

    def args_from(start: int) -> Iterator[tuple]:
        for batch in feed.train_stream(seed, start):
            yield as_arrays(batch), None if teacher_logits is None else teacher_logits[batch.index]

    optimizer = make_optimizer(config, num_steps)
    run = Run(title, num_steps, make_step(jax.value_and_grad(loss), optimizer), args_from, folder)
    parameters = jax.tree.map(jax.numpy.copy, get_parameters(model))  # the step reuses its argument's memory
    assign_parameters(model, train(run, parameters, optimizer))


def as_arrays(batch) -> dict[str, np.ndarray]:
    """The fields of a batch that a compiled step takes."""
    names = ("input_ids", "attention_mask", "token_type_ids", "labels", "weight")
    return {name: np.asarray(getattr(batch, name)) for name in names}
