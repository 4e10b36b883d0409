"""Announces the stages of a run and keeps how long each worked."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from bertnas_jax.train.distributed import is_primary
from bertnas_jax.train.run_folder import RunFolder

STAGES_FILE = "stages.json"


class Stopwatch:
    """Seconds of work per stage, kept in the run folder, so that they add up over interruptions."""

    def __init__(self, folder: RunFolder):
        self._folder = folder
        self._seconds: dict[str, float] = folder.read_json(STAGES_FILE) if folder.has(STAGES_FILE) else {}

    @contextlib.contextmanager
    def stage(self, name: str, what: str) -> Iterator[None]:
        """Times its body as the stage of this name."""
        if is_primary():
            print(f"== {name}: {what}", file=sys.stderr)
        start, before = time.monotonic(), self._seconds.get(name, 0.0)
        try:
            yield
        finally:
            self._seconds[name] = before + time.monotonic() - start
            self._folder.write_json(STAGES_FILE, self._seconds)

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each stage so far, in the order they were first begun."""
        return dict(self._seconds)
