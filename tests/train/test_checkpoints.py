"""Checkpoints are written in the background, whole or not at all, and of the weights they are asked for."""

import asyncio
import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from orbax.checkpoint._src.path import atomicity

from bertnas_jax.train.checkpoints import CheckpointMismatch, Checkpoints
from bertnas_jax.train.step import TrainState
from tests.train.conftest import make_tiny_feed


@pytest.fixture
def batches():
    iterator = iter(make_tiny_feed().train_batches(0, 20))
    yield iterator
    iterator.close()


def state_of(scale, rows=3):
    weights = {"layers": {"query": jnp.full((rows, 4), scale), "bias": jnp.full(rows, scale)}}
    return TrainState(weights, optax.adamw(1e-3).init(weights))


def restored(folder, state):
    iterator = iter(make_tiny_feed().train_batches(0, 20))
    checkpoints = Checkpoints(folder)
    try:
        return *checkpoints.restore(state, iterator), iterator.get_state()
    finally:
        checkpoints.close()
        iterator.close()


def test_save_returns_before_the_write_is_whole(tmp_path, batches, monkeypatch):
    may_finish, real = threading.Event(), atomicity.AtomicRenameTemporaryPath.finalize

    async def finalize(self):
        await asyncio.to_thread(may_finish.wait)
        await real(self)

    monkeypatch.setattr(atomicity.AtomicRenameTemporaryPath, "finalize", finalize)
    checkpoints = Checkpoints(tmp_path)
    next(batches)
    checkpoints.save(1, state_of(1.0), batches)
    try:
        assert not (tmp_path / "1").exists()
    finally:
        may_finish.set()
        checkpoints.close()
    assert (tmp_path / "1").exists()


def test_what_was_saved_is_the_state_of_then(tmp_path, batches):
    """The step reuses the state's memory while its checkpoint is still being written."""
    checkpoints = Checkpoints(tmp_path)
    reuse = jax.jit(lambda state: jax.tree.map(lambda leaf: leaf + 1, state), donate_argnums=0)
    state = state_of(1.0, rows=1 << 18)
    for _ in range(3):
        next(batches)
    checkpoints.save(3, state, batches)
    for _ in range(20):
        state = reuse(state)
    checkpoints.close()
    step, found, position = restored(tmp_path, state)
    assert step == 3 and position == {"next_index": 3}
    np.testing.assert_array_equal(found.parameters["layers"]["query"], 1.0)


@pytest.mark.parametrize("why", ["No space left on device", "Disk quota exceeded"])
def test_a_full_disk_under_a_write_in_the_background_is_told_once(tmp_path, batches, monkeypatch, caplog, why):
    async def finalize(self):
        raise ValueError(f"RESOURCE_EXHAUSTED: {why}")

    first = Checkpoints(tmp_path)
    first.save(1, state_of(1.0), batches)
    first.close()
    with monkeypatch.context() as patched:
        patched.setattr(atomicity.AtomicRenameTemporaryPath, "finalize", finalize)
        checkpoints = Checkpoints(tmp_path)
        checkpoints.save(2, state_of(2.0), batches)
        with pytest.raises(OSError, match="a checkpoint could not be written, the last whole one is kept"):
            checkpoints.close()
    step, found, _ = restored(tmp_path, state_of(0.0))
    assert step == 1
    np.testing.assert_array_equal(found.parameters["layers"]["query"], 1.0)
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert told and not any(record.exc_info for record in told)


def test_what_was_left_half_written_is_deleted(tmp_path, batches):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, state_of(1.0), batches)
    checkpoints.close()
    (tmp_path / "2.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    assert restored(tmp_path, state_of(0.0))[0] == 1
    again = Checkpoints(tmp_path)
    again.save(2, state_of(2.0), batches)
    again.close()
    assert restored(tmp_path, state_of(0.0))[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["2"]


def test_a_checkpoint_of_other_sizes_says_which(tmp_path, batches):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, state_of(1.0), batches)
    checkpoints.close()
    with pytest.raises(CheckpointMismatch) as caught:
        restored(tmp_path, state_of(1.0, rows=6))
    message = str(caught.value)
    assert f"the checkpoint in {tmp_path / '1' / 'state'} must be of the weights that are trained, but " in message
    assert "parameters.layers.query is float32[3,4] there and float32[6,4] here" in message
    assert message.endswith("; and 1 arrays more; choose another --workdir, or the checkpoint and space it was begun with")


def test_a_checkpoint_of_other_weights_says_which(tmp_path, batches):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, state_of(1.0), batches)
    checkpoints.close()
    state = state_of(1.0)
    state.parameters["layers"]["value"] = state.parameters["layers"].pop("bias").astype(jnp.bfloat16)
    with pytest.raises(CheckpointMismatch) as caught:
        restored(tmp_path, state)
    assert "parameters.layers.value is missing there and bfloat16[3] here" in str(caught.value)
    assert "parameters.layers.bias is float32[3] there and missing here" in str(caught.value)


def test_a_folder_of_another_layout_is_refused(tmp_path):
    (tmp_path / "5" / "default").mkdir(parents=True)
    with pytest.raises(CheckpointMismatch, match="a checkpoint must hold state/ and data/, got neither in .*5; choose another --workdir"):
        restored(tmp_path, state_of(1.0))
