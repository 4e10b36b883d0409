"""The process of `plan`: compiles the step for TPUs that are not there, and prints what it found as JSON.

Started with JAX_PLATFORMS=cpu and TPU_SKIP_MDS_QUERY=1, which must be set before JAX is imported.
"""

from __future__ import annotations

import dataclasses
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.experimental import topologies
from jax.sharding import Mesh, SingleDeviceSharding

from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.supernet import Supernet, share_weights
from bertnas_jax.train.config import SupernetTrainConfig
from bertnas_jax.train.hlo_cost import cost_of
from bertnas_jax.train.mesh import MeshConfig, make_mesh
from bertnas_jax.train.objective import Objective
from bertnas_jax.train.optimizer import make_optimizer
from bertnas_jax.train.plan import COMPUTE_DTYPE, VOCABULARY, Plan, PlanConfig
from bertnas_jax.train.sandwich import sandwich, stack_codes
from bertnas_jax.train.sharding import jit_on_mesh, row_shards, shard_args
from bertnas_jax.train.step import TrainState, make_step
from bertnas_jax.train.supernet import step_gradient

PRODUCT = 4096  # side of the matrix product that is taken to run at the peak


def make_plan(config: PlanConfig) -> Plan:
    """The plan of a step compiled here.

    Raises:
      ValueError: libtpu does not know the topology, or the mesh does not divide its devices.
    """
    devices = _devices(config.topology)
    mesh = make_mesh(config.mesh, devices)
    compiled = _compile_step(config, mesh)
    memory, cost = compiled.memory_analysis(), cost_of(compiled.as_text(), most_trips=config.space.teacher.depth)
    return Plan(
        topology=config.topology,
        model=config.model,
        mesh=mesh.devices.shape,
        devices=len(devices),
        chips=len({tuple(device.coords) for device in devices}),
        rows=config.rows_per_device * row_shards(mesh),
        seq_len=config.seq_len,
        subnets=config.num_random + 2,
        arguments_bytes=memory.argument_size_in_bytes,
        temporary_bytes=memory.temp_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes,
        program_bytes=memory.generated_code_size_in_bytes,
        collective_bytes=dict(cost.collective_bytes),
        cycles=cost.cycles,
        peak_flops_per_cycle=_flops_per_cycle(devices[0]),
        optimal_seconds=compiled.cost_analysis().get("optimal_seconds", -1.0),
    )


def _devices(topology: str) -> list:
    try:
        return list(topologies.get_topology_desc(platform="tpu", topology_name=topology).devices)
    except jax.errors.JaxRuntimeError as error:
        raise ValueError(f"topology must be one that libtpu knows, got {topology!r} ({str(error).splitlines()[0]}); e.g. v5e:16x16") from error


def _compile_step(config: PlanConfig, mesh: Mesh):
    space = config.space
    bert = BertConfig(space.teacher, vocab_size=VOCABULARY)
    training = SupernetTrainConfig()
    objective, optimizer = Objective(Supernet(space, bert, COMPUTE_DTYPE), training, regression=False), make_optimizer(training, 1000)
    weights = jax.eval_shape(lambda: share_weights(Bert(bert, nnx.Rngs(0))))
    trained = jax.eval_shape(objective.trained, weights)
    state = TrainState(trained, jax.eval_shape(optimizer.init, trained))
    rows, length = config.rows_per_device * row_shards(mesh), config.seq_len
    batch = {name: jax.ShapeDtypeStruct((rows, length), np.int32) for name in ("input_ids", "attention_mask", "token_type_ids")}
    batch |= {"labels": jax.ShapeDtypeStruct((rows,), np.int32), "weight": jax.ShapeDtypeStruct((rows,), np.float32)}
    codes = stack_codes(space, sandwich(space, config.num_random, 0, 0))
    args = (codes, batch, jax.ShapeDtypeStruct((rows, bert.num_outputs), np.float32), None)
    step = make_step(step_gradient(objective), optimizer)
    heads = space.teacher.layers[0].heads
    return jit_on_mesh(step, mesh, heads, state, shard_args(mesh, args, heads)).lower(state, *args).compile()


def _flops_per_cycle(device) -> float:
    """Of a large bfloat16 matrix product, by the estimate that also prices the step."""
    matrix = jax.ShapeDtypeStruct((PRODUCT, PRODUCT), jnp.bfloat16, sharding=SingleDeviceSharding(device))
    return 2 * PRODUCT**3 / cost_of(jax.jit(jnp.matmul).lower(matrix, matrix).compile().as_text()).cycles


def main(text: str) -> None:
    fields = json.loads(text)
    try:
        answer = dataclasses.asdict(make_plan(PlanConfig(**fields | {"mesh": MeshConfig(**fields["mesh"])})))
    except ValueError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1])
