"""The loop every training run goes through: batches in order, progress, checkpoints, resume."""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import grain
import jax
import optax

from bertnas_jax.data import Batch, Part
from bertnas_jax.train.checkpoints import Checkpoints
from bertnas_jax.train.distributed import agreed
from bertnas_jax.train.divergence import TrainingDiverged, all_finite, first_bad
from bertnas_jax.train.progress import Progress, Told
from bertnas_jax.train.step import Step, StepReport, TrainState

CHECK_EVERY = 20  # steps between looks at the losses: each look waits for the device


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run: `step(state, *args_of(number, batch))` over `batches(part)`, numbered from 0.

    `folder` is the run folder, where it writes checkpoints/<title> and metrics/<title>. `place` puts the
    first state on its devices and `part` is what this process makes of each batch (`sharding.over_mesh` sets both).
    """

    title: str
    num_steps: int
    step: Step
    batches: Callable[[Part], grain.IterDataset[Batch]]
    args_of: Callable[[int, Batch], tuple]
    told: Told
    folder: pathlib.Path
    checkpoint_seconds: float
    part: Part = Part()
    place: Callable[[TrainState], TrainState] = lambda state: state

    @property
    def checkpoints(self) -> pathlib.Path:
        return self.folder / "checkpoints" / self.title

    @property
    def metrics(self) -> pathlib.Path:
        return self.folder / "metrics" / self.title


def train(run: Run, parameters: Any, optimizer: optax.GradientTransformation) -> Any:
    """The parameters after `run.num_steps` steps; continues from the folder's checkpoint if there is one.

    Raises:
      TrainingDiverged: a loss, the gradient or a weight is not finite; the last checkpoint is from before it.
      CheckpointMismatch: the folder's checkpoint is of other weights.
    """
    checkpoints = Checkpoints(run.checkpoints)
    batches = iter(run.batches(run.part))
    try:
        done, state = checkpoints.restore(run.place(TrainState(parameters, jax.jit(optimizer.init)(parameters))), batches)
        progress = Progress(run.title, run.num_steps, done, run.told, run.metrics)
        try:
            return _train_from(run, done, state, batches, checkpoints, progress).parameters
        finally:
            progress.close()
    finally:
        batches.close()
        checkpoints.close()


def _train_from(
    run: Run, done: int, state: TrainState, batches: grain.DatasetIterator[Batch], checkpoints: Checkpoints, progress: Progress
) -> TrainState:
    saved, saved_at = done, time.monotonic()
    for number in range(done, run.num_steps):
        batch = next(batches)
        state, report = run.step(state, *run.args_of(number, batch))
        progress.add(batch, report)
        last = number + 1 == run.num_steps
        if last or (number + 1) % CHECK_EVERY == 0:
            reports = progress.look()
            _check_reports(run, reports, number + 1 - len(reports), saved)
            progress.tell(reports)
            if last or agreed(time.monotonic() - saved_at > run.checkpoint_seconds):
                _check_state(run, state, number, saved)
                progress.flush()
                checkpoints.save(number + 1, state, batches)
                saved, saved_at = number + 1, time.monotonic()
    return state


def _check_reports(run: Run, reports: Sequence[StepReport], first: int, saved: int) -> None:
    bad = first_bad(reports, run.told.subnets_of, first)
    if bad is not None:
        raise _diverged(run, *bad, saved)


def _check_state(run: Run, state: TrainState, number: int, saved: int) -> None:
    """What the reports of the steps so far cannot show: what the last step made of the weights and moments."""
    if not all_finite(state):
        raise _diverged(run, number, "or before it a weight or a moment became infinite or NaN, of finite gradients", saved)


def _diverged(run: Run, number: int, what: str, saved: int) -> TrainingDiverged:
    kept = f"the last good checkpoint is step {saved} in {run.checkpoints}" if saved else "no checkpoint was saved before it"
    return TrainingDiverged(
        f"{run.title}: training must stay finite, but in step {number + 1} of {run.num_steps} {what}; {kept}; lower the learning rate"
    )
