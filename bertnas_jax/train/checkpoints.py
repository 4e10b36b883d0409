"""Training state on disk: whole or not at all, the last one kept."""

from __future__ import annotations

import contextlib
import errno
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import orbax.checkpoint as ocp


@contextlib.contextmanager
def full_disk_is_oserror() -> Iterator[None]:
    """Raises OSError(ENOSPC) where its body fails for a full disk: orbax's storage says so only in the text of a ValueError."""
    try:
        yield
    except ValueError as error:
        if "No space left on device" not in str(error):
            raise
        raise OSError(errno.ENOSPC, "a checkpoint could not be written, the last whole one is kept") from error


class Checkpoints:
    """The checkpoints of one loop under a folder, written in the background."""

    def __init__(self, folder: pathlib.Path, every_seconds: float):
        self.every_seconds = every_seconds
        options = ocp.CheckpointManagerOptions(max_to_keep=1, create=True)
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    def restore(self, state: Any) -> tuple[int, Any]:
        """The number of steps done and the state after them; 0 and `state` itself where nothing is saved."""
        step = self._manager.latest_step()
        if step is None:
            return 0, state
        template = jax.tree.map(ocp.tree.to_shape_dtype_struct, state)
        return step, self._manager.restore(step, args=ocp.args.StandardRestore(template))

    def save(self, step: int, state: Any) -> None:
        """Begins to write the state after `step` steps; returns before it is written."""
        with full_disk_is_oserror():  # also of the save before this one, which went on in the background
            self._manager.save(step, args=ocp.args.StandardSave(state))

    def close(self) -> None:
        """Waits until what was saved is whole."""
        with full_disk_is_oserror():
            self._manager.wait_until_finished()
            self._manager.close()
