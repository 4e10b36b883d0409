"""Run as a program: one of two processes that train a supernet together over a data axis of 2.

Arguments: coordinator, process number, checkpoint folder, step to stop dead at (-1 for none), file for the weights.
"""

import itertools
import pathlib
import signal
import sys

import jax
import numpy as np
import optax

from bertnas_jax.train import loop
from bertnas_jax.train.distributed import ProcessConfig, is_primary, join
from bertnas_jax.train.mesh import MeshConfig, make_mesh
from bertnas_jax.train.sharding import gather, over_mesh
from bertnas_jax.train.supernet import step_gradient
from tests.train.mesh_steps import HEADS, NARROW, args_of, objective_of, weights_of

STEPS = 9


def main(coordinator, process, folder, stop_at, output):
    join(ProcessConfig(coordinator, num_processes=2, process_id=int(process), heartbeat_s=10))
    loop.CHECK_EVERY = 2
    objective, optimizer = objective_of(NARROW), optax.adamw(1e-2)

    def args_from(first):
        for step in itertools.count(first):
            if step == int(stop_at):
                print("stopped", flush=True)
                signal.pause()
            yield args_of(step, NARROW)

    mesh = make_mesh(MeshConfig(data=2))
    step = loop.make_step(step_gradient(objective), optimizer)
    run = loop.Run("two processes", STEPS, step, args_from, pathlib.Path(folder), checkpoint_seconds=0.0)
    weights = loop.train(over_mesh(run, mesh, HEADS), objective.trained(weights_of(0)), optimizer)
    whole = jax.tree.leaves(gather(mesh, weights))
    if is_primary():
        np.savez(output, *whole)


if __name__ == "__main__":
    main(*sys.argv[1:])
