"""Run as a program: trains a tiny supernet and kills itself, with SIGKILL, at the point asked for.

Arguments: run folder, point (one of POINTS, or "never"), file for the weights.
"""

import os
import pathlib
import signal
import sys

import jax
import numpy as np
from flax import nnx
from orbax.checkpoint._src.path import atomicity

from bertnas_jax.model import Bert
from bertnas_jax.supernet import Supernet, share_weights
from bertnas_jax.train import SupernetTrainConfig, loop, supernet, train_supernet
from bertnas_jax.train.checkpoints import Checkpoints
from tests.train.conftest import QUICK, TINY, make_tiny_feed

LOOK_EVERY, SECOND_SAVE, BETWEEN = 4, 8, 10
POINTS = ("before_any_is_whole", "in_a_step", "as_saving_begins", "before_it_is_whole", "after_save_was_called", "between_saves")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(point):
    """Sets the trap; but for the first point, the first checkpoint, of step LOOK_EVERY, is whole by then."""
    real_save, real_make_step = Checkpoints.save, supernet.make_step

    def save(self, step, state, batches):
        real_save(self, step, state, batches)
        if step == SECOND_SAVE and point == "after_save_was_called":
            die()
        if step == LOOK_EVERY or point == "between_saves":
            self._manager.wait_until_finished()

    def make_step(*args):
        step, done = real_make_step(*args), []

        def stepped(*args):
            result = step(*args)  # begun, and not waited for
            done.append(result)
            if len(done) == SECOND_SAVE - 1 and point == "in_a_step" or len(done) == BETWEEN and point == "between_saves":
                die()
            return result

        return stepped

    def trapped(real, traps):
        async def call(self, *args):
            if traps.get(point) == self.get_final().name:
                die()
            return await real(self, *args)

        return call

    Checkpoints.save, supernet.make_step = save, make_step
    path = atomicity.AtomicRenameTemporaryPath
    path.create = trapped(path.create, {"as_saving_begins": str(SECOND_SAVE)})
    path.finalize = trapped(path.finalize, {"before_any_is_whole": str(LOOK_EVERY), "before_it_is_whole": str(SECOND_SAVE)})


def main(folder, point, output):
    die_at(point)
    loop.CHECK_EVERY = LOOK_EVERY
    feed = make_tiny_feed()
    logits = np.random.default_rng(0).normal(size=(len(feed.train), 2)).astype(np.float32)
    config = SupernetTrainConfig(epochs=0.5, learning_rate=1e-2, checkpoint_seconds=0.0)
    start = share_weights(Bert(TINY, nnx.Rngs(0)))
    weights = train_supernet(Supernet(QUICK, TINY), start, feed, logits, config, 1, pathlib.Path(folder), seed=0)
    np.savez(output, *jax.tree.leaves(weights))


if __name__ == "__main__":
    main(*sys.argv[1:])
