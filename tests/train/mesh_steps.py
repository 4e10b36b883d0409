"""Run as a program with 8 virtual CPU devices: how far is a step under each mesh from the single-device step?"""

import json

import jax
import numpy as np
import optax
from flax import nnx

from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import SearchSpace, Subnet
from bertnas_jax.supernet import Supernet, share_weights
from bertnas_jax.train.config import SupernetTrainConfig
from bertnas_jax.train.mesh import MeshConfig, make_mesh
from bertnas_jax.train.objective import Objective
from bertnas_jax.train.placement import shard_state
from bertnas_jax.train.sandwich import sandwich, stack_codes
from bertnas_jax.train.sharding import put, step_on_mesh
from bertnas_jax.train.step import TrainState, make_step
from bertnas_jax.train.supernet import step_gradient

HEADS, ROWS, LENGTH, STEPS = 8, 16, 6, 2
CONFIG = BertConfig(Subnet.uniform(2, 32, HEADS, 64), vocab_size=16, max_positions=16)
SPACE = SearchSpace(CONFIG.subnet, depths=(1, 2), hiddens=(16, 32), heads=(2, HEADS), ffns=(64,))
MESHES = {"data": (8, 1, 1), "fsdp": (1, 8, 1), "tensor": (1, 1, 8), "all": (2, 2, 2)}
SOFT_LABELS = SupernetTrainConfig()
HIDDEN_TOO = SupernetTrainConfig(hidden_weight=0.1)
# Adam divides by |gradient| + eps: gradients that are 0 but for rounding would differ by a whole learning rate.
CASES = {
    "sgd": (optax.sgd(0.1, momentum=0.9), SOFT_LABELS, ("data", "fsdp", "tensor")),
    "adamw": (optax.adamw(1e-2, eps=1e-2), HIDDEN_TOO, ("all",)),
}


def objective_of(space, config=SOFT_LABELS):
    return Objective(Supernet(space, CONFIG), config, regression=False)


def args_of(step, space=SPACE, teacher=None):
    random = np.random.default_rng(step)
    mask = (np.arange(LENGTH) < random.integers(1, LENGTH + 1, (ROWS, 1))).astype(np.int32)
    batch = {
        "input_ids": random.integers(0, CONFIG.vocab_size, (ROWS, LENGTH), np.int32) * mask,
        "attention_mask": mask,
        "token_type_ids": np.zeros_like(mask),
        "labels": random.integers(0, 2, ROWS, np.int32),
        "weight": (np.arange(ROWS) < ROWS - 3).astype(np.float32),
    }
    return stack_codes(space, sandwich(space, 2, 0, step)), batch, random.normal(size=(ROWS, 2)).astype(np.float32), teacher


def run(step, state, teacher):
    losses = []
    for number in range(STEPS):
        state, report = step(state, *args_of(number, teacher=teacher))
        losses.append(np.asarray(report.losses))
    return losses, jax.tree.map(np.asarray, state)


def weights_of(seed):
    return share_weights(Bert(CONFIG, nnx.Rngs(seed)))


def compare(optimizer, config, axes):
    """Distance and the shape of a kernel's part, by axes, from the step that all are to equal."""
    objective = objective_of(SPACE, config)
    step, teacher = make_step(step_gradient(objective), optimizer), weights_of(1) if objective.wanted else None

    def fresh():
        trained = objective.trained(weights_of(0))
        return TrainState(trained, optimizer.init(trained))

    expected, found = jax.tree.leaves(run(step, fresh(), teacher)), {}
    for axis in axes:
        mesh = make_mesh(MeshConfig(*MESHES[axis]))
        state = put(fresh(), shard_state(mesh, fresh(), HEADS))
        kernel = state.parameters.shared.layers["feed_forward"]["intermediate"]["dense"]["kernel"].addressable_shards[0].data.shape
        leaves = jax.tree.leaves(run(step_on_mesh(step, mesh, HEADS), state, teacher))
        error = max(float(np.max(np.abs(a - b))) for a, b in zip(leaves, expected, strict=True))
        found[axis] = {"error": error, "kernel_of_a_device": kernel}
    return found


def main():
    found = {f"{name} {axis}": result for name, (*case, axes) in CASES.items() for axis, result in compare(*case, axes).items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
