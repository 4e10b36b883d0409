"""What a run says while it works: a bar on the terminal and events in its folder, from the steps since the last look."""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable, Sequence

import jax
import numpy as np
from tqdm import tqdm

from bertnas_jax.data import Batch
from bertnas_jax.train.distributed import is_primary
from bertnas_jax.train.metrics import MetricsWriter
from bertnas_jax.train.step import StepReport


@dataclasses.dataclass(frozen=True)
class Told:
    """How a run's losses are told: the class of each, e.g. `random`, and of which Subnet each is in a step counted from 0."""

    classes: tuple[str, ...]
    subnets_of: Callable[[int], Sequence[str]]
    learning_rate: Callable[[int], float]


class Progress:
    """Reports of the steps since the last look, kept on the device: a look waits for it."""

    def __init__(self, title: str, num_steps: int, done: int, told: Told, folder: pathlib.Path):
        self._told, self._done = told, done
        self._bar = tqdm(total=num_steps, initial=done, desc=title, unit="step", mininterval=1.0, disable=not is_primary())
        self._metrics = MetricsWriter(folder, done)
        self._start()

    def _start(self) -> None:
        self._reports: list[StepReport] = []
        self._tokens = self._slots = 0
        self._since = time.monotonic()

    def add(self, batch: Batch, report: StepReport) -> None:
        """A step was begun."""
        self._reports.append(report)
        self._tokens, self._slots = self._tokens + batch.tokens, self._slots + batch.slots
        self._bar.update()

    def look(self) -> list[StepReport]:
        """The reports of the steps since the last look, on the host."""
        return jax.device_get(self._reports)

    def tell(self, reports: Sequence[StepReport]) -> None:
        """Writes and shows what `look` gave. The first figures of a run include compilation."""
        seconds = time.monotonic() - self._since
        self._done += len(reports)
        losses = np.mean([report.losses for report in reports], axis=0)
        names = np.asarray(self._told.classes)
        figures = {f"loss/{name}": float(losses[names == name].mean()) for name in self._told.classes}
        figures |= {
            "gradient_norm": float(np.mean([report.gradient_norm for report in reports])),
            "learning_rate": float(self._told.learning_rate(self._done - 1)),
            "tokens_per_second": self._tokens / seconds,
            "steps_per_second": len(reports) / seconds,
            "pad_share": 1 - self._tokens / self._slots,
        }
        self._metrics.write(self._done, figures)
        self._bar.set_postfix(loss=f"{losses.mean():.3f}", tokens_per_s=f"{figures['tokens_per_second']:,.0f}")
        self._start()

    def flush(self) -> None:
        """Brings what was told to disk."""
        self._metrics.flush()

    def close(self) -> None:
        self._bar.close()
        self._metrics.close()
