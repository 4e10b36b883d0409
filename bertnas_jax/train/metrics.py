"""The figures of a training run as TensorBoard events."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from tensorboardX import SummaryWriter

from bertnas_jax.train.distributed import is_primary


class MetricsWriter:
    """Writes events into a folder, in the primary process alone.

    Of a run that goes on from `done` steps, what was written of later ones is purged: TensorBoard
    leaves out what an interrupted run wrote after its last checkpoint.
    """

    def __init__(self, folder: pathlib.Path, done: int):
        # A file is named by the second it is begun in: the suffix keeps apart two of one second, in their order.
        self._writer = SummaryWriter(str(folder), purge_step=done + 1, filename_suffix=f".{done:09d}") if is_primary() else None

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """The figures after `step` steps; on disk at the next `flush`."""
        if self._writer:
            for name, value in figures.items():
                self._writer.add_scalar(name, value, step)

    def flush(self) -> None:
        if self._writer:
            self._writer.flush()

    def close(self) -> None:
        if self._writer:
            self._writer.close()
