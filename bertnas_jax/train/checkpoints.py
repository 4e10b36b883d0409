"""Training state on disk: whole or not at all, the last one kept."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import grain
import jax
import orbax.checkpoint as ocp

from bertnas_jax.errors import FULL
from bertnas_jax.train.distributed import ends_alone

NAMED_DIFFERENCES = 5  # of a model they are often all the arrays


class CheckpointMismatch(ValueError):
    """A checkpoint of other weights than those to be trained."""


@contextlib.contextmanager
def full_disk_is_oserror() -> Iterator[None]:
    """Raises OSError where its body fails for a full disk or quota: orbax's storage says so only in the text of a ValueError."""
    try:
        yield
    except ValueError as error:
        for number in FULL:
            if os.strerror(number) in str(error):
                raise OSError(number, "a checkpoint could not be written, the last whole one is kept") from error
        raise


class _WithoutTraceback(logging.Filter):
    """Leaves orbax's messages without their tracebacks: it raises the same error, and who ends the program tells it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if "orbax" in pathlib.Path(record.pathname).parts:
            record.exc_info = None
        return True


class Checkpoints:
    """The checkpoints of one loop under a folder, written in the background: the state, and the position in the batches.

    What a killed process left half written is deleted as the folder is opened.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder, self._filter = folder.absolute(), _WithoutTraceback()
        logging.getLogger("absl").addFilter(self._filter)  # orbax's logger
        options = ocp.CheckpointManagerOptions(max_to_keep=1, create=True, cleanup_tmp_directories=True)
        self._manager = ocp.CheckpointManager(self._folder, options=options)

    def restore(self, state: Any, batches: grain.DatasetIterator) -> tuple[int, Any]:
        """The number of steps done and the state after them, `batches` moved on to there; 0 and `state` itself where nothing is saved.

        Raises:
          CheckpointMismatch: what is saved is of other weights.
        """
        step = self._manager.latest_step()
        if step is None:
            return 0, state
        saved = self._folder / str(step) / "state"
        if not saved.is_dir():
            raise CheckpointMismatch(f"a checkpoint must hold state/ and data/, got neither in {saved.parent}; choose another --workdir")
        check_same_arrays(saved, state)
        template = jax.tree.map(ocp.tree.to_shape_dtype_struct, state)
        args = ocp.args.Composite(state=ocp.args.StandardRestore(template), data=ocp.args.JsonRestore())
        found = self._manager.restore(step, args=args)
        batches.set_state(found.data)
        return step, found.state

    def save(self, step: int, state: Any, batches: grain.DatasetIterator) -> None:
        """Begins to write the state after `step` steps; returns before it is written."""
        # Every process is at the same position, so one file will do, and a run may go on with more processes.
        args = ocp.args.Composite(state=ocp.args.StandardSave(state), data=ocp.args.JsonSave(batches.get_state()))
        with full_disk_is_oserror():  # also of the save before this one, which went on in the background
            self._manager.save(step, args=args)

    def close(self) -> None:
        """Waits until what was saved is whole, unless an error ends this process of several: a save may then wait for ever."""
        if ends_alone():
            return
        try:
            with full_disk_is_oserror():
                self._manager.wait_until_finished()
                self._manager.close()
        finally:
            logging.getLogger("absl").removeFilter(self._filter)


def check_same_arrays(folder: pathlib.Path, tree: Any) -> None:
    """Raises CheckpointMismatch, with what differs, unless the checkpoint in the folder holds the arrays of this tree."""
    with ocp.StandardCheckpointer() as checkpointer:
        there = _arrays(checkpointer.metadata(folder.absolute()).item_metadata.tree)
    here = _arrays(tree)
    different = [
        f"{name} is {there.get(name, 'missing')} there and {here.get(name, 'missing')} here"
        for name in dict.fromkeys((*here, *there))
        if there.get(name) != here.get(name)
    ]
    if different:
        more = len(different) - NAMED_DIFFERENCES
        raise CheckpointMismatch(
            f"the checkpoint in {folder} must be of the weights that are trained, but {'; '.join(different[:NAMED_DIFFERENCES])}"
            f"{f'; and {more} arrays more' if more > 0 else ''}; choose another --workdir, or the checkpoint and space it was begun with"
        )


def _arrays(tree: Any) -> dict[str, str]:
    """Type and shape of every array, e.g. float32[6,312], by its path."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]" for path, leaf in leaves
    }
