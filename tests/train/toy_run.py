"""A training run that compiles in no time: two numbers pulled towards the mean of what the batches say."""

import jax.numpy as jnp
import numpy as np
import optax

from bertnas_jax.train.loop import Run, train
from bertnas_jax.train.progress import Told
from bertnas_jax.train.step import make_step, single_gradient
from tests.train.conftest import make_tiny_feed

STEPS = 50
CLASSES = ("train",)


def squares(parameters, step, tokens):
    """The squared distance of the weights to the real tokens of the batch."""
    return ((parameters["w"] - tokens) ** 2).mean()


def toy_run(folder, loss=squares, optimizer=None, checkpoint_seconds=0.0, steps=STEPS):
    """A run and its optimizer."""
    feed, optimizer = make_tiny_feed(), optimizer or optax.adam(0.1)
    run = Run(
        title="toy",
        num_steps=steps,
        step=make_step(single_gradient(loss), optimizer),
        batches=lambda part: feed.train_batches(0, steps, part),
        args_of=lambda step, batch: (np.int32(step), np.float32(batch.tokens)),
        told=Told(CLASSES, lambda step: ("the toy",), lambda step: 0.1),
        folder=folder,
        checkpoint_seconds=checkpoint_seconds,
    )
    return run, optimizer


def start():
    return {"w": jnp.asarray([1.0, -2.0])}


def train_toy(folder, **options):
    """The weights after training."""
    run, optimizer = toy_run(folder, **options)
    return train(run, start(), optimizer)
