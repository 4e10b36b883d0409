"""The loop every training run goes through: batches in order, progress, checkpoints, resume."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import optax
from flax import struct
from tqdm import tqdm

from bertnas_jax.train.checkpoints import Checkpoints
from bertnas_jax.train.distributed import agreed, is_primary

CHECK_EVERY = 20  # steps between looks at the loss: each look waits for the device


class TrainingDiverged(FloatingPointError):
    """The loss is no longer a finite number."""


@struct.dataclass
class TrainState:
    """What a step changes."""

    parameters: Any
    optimizer: Any


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run: `step(state, *args) -> (state, loss)` over `args_from(first)`, the arguments of each step on.

    `place` puts the first state on its devices (`sharding.over_mesh` sets it).
    """

    title: str
    num_steps: int
    step: Callable[..., tuple[TrainState, jax.Array]]
    args_from: Callable[[int], Iterator[tuple]]
    folder: pathlib.Path
    checkpoint_seconds: float = 60.0
    place: Callable[[TrainState], TrainState] = lambda state: state


def make_step(
    loss_and_gradient: Callable[..., tuple[jax.Array, Any]], optimizer: optax.GradientTransformation
) -> Callable[..., tuple[TrainState, jax.Array]]:
    """A compiled step of gradient descent; the state's memory is reused for the state it returns.

    `loss_and_gradient(parameters, *args)` is as `jax.value_and_grad` makes it.
    """

    def step(state: TrainState, *args) -> tuple[TrainState, jax.Array]:
        value, gradients = loss_and_gradient(state.parameters, *args)
        updates, moments = optimizer.update(gradients, state.optimizer, state.parameters)
        return TrainState(optax.apply_updates(state.parameters, updates), moments), value

    return jax.jit(step, donate_argnums=0)


def train(run: Run, parameters: Any, optimizer: optax.GradientTransformation) -> Any:
    """The parameters after `run.num_steps` steps; continues from the folder's checkpoint if there is one.

    Raises:
      TrainingDiverged: a loss is not finite; the last checkpoint is from before it.
    """
    checkpoints = Checkpoints(run.folder, run.checkpoint_seconds)
    try:
        done, state = checkpoints.restore(run.place(TrainState(parameters, jax.jit(optimizer.init)(parameters))))
        return _train_from(run, done, state, checkpoints).parameters
    finally:
        checkpoints.close()


def _train_from(run: Run, done: int, state: TrainState, checkpoints: Checkpoints) -> TrainState:
    saved, saved_at = done, time.monotonic()
    with tqdm(total=run.num_steps, initial=done, desc=run.title, unit="step", mininterval=1.0, disable=not is_primary()) as bar:
        for number, args in zip(range(done, run.num_steps), run.args_from(done), strict=False):
            state, loss = run.step(state, *args)
            bar.update()
            last = number + 1 == run.num_steps
            if last or (number + 1) % CHECK_EVERY == 0:
                _check_finite(run, number, float(loss), saved)
                bar.set_postfix(loss=f"{float(loss):.3f}")
                if last or agreed(time.monotonic() - saved_at > checkpoints.every_seconds):
                    checkpoints.save(number + 1, state)
                    saved, saved_at = number + 1, time.monotonic()
    return state


def _check_finite(run: Run, number: int, loss: float, saved: int) -> None:
    if not math.isfinite(loss):
        raise TrainingDiverged(
            f"{run.title}: the loss must be finite, got {loss} at step {number + 1} of {run.num_steps}; the last good "
            f"checkpoint is step {saved} in {run.folder}; lower the learning rate"
        )
