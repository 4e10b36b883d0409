"""The process of `plan`: compiles the step for TPUs that are not there, and prints what it found as JSON.

Started with JAX_PLATFORMS=cpu and TPU_SKIP_MDS_QUERY=1, which must be set before JAX is imported.
"""

from __future__ import annotations

import dataclasses
import json
import sys

import jax
import jax.numpy as jnp
from jax.experimental import topologies
from jax.sharding import SingleDeviceSharding

from bertnas_jax.flags import config_from_json
from bertnas_jax.train.hlo_cost import cost_of
from bertnas_jax.train.mesh import make_mesh
from bertnas_jax.train.plan import Plan, describe_losses
from bertnas_jax.train.planned_step import read_planned_step
from bertnas_jax.train.supernet_config import SupernetConfig

PRODUCT = 4096  # side of the matrix product that is taken to run at the peak


def make_plan(topology: str, config: SupernetConfig) -> Plan:
    """The plan of a run's step, compiled here.

    Raises:
      ValueError, FileNotFoundError: libtpu does not know the topology, or the mesh, the checkpoint, the task or the space is not as it must be.
    """
    devices = _devices(topology)
    mesh = make_mesh(config.mesh, devices)
    step = read_planned_step(config)
    rows = step.rows(mesh)
    compiled = step.lower(mesh).compile()
    memory, cost = compiled.memory_analysis(), cost_of(compiled.as_text(), most_trips=step.most_blocks)
    return Plan(
        topology=topology,
        model=config.checkpoint,
        mesh=mesh.devices.shape,
        devices=len(devices),
        chips=len({tuple(device.coords) for device in devices}),
        rows=rows,
        seq_len=config.max_length,
        subnets=step.subnets,
        compute_dtype=config.supernet.compute_dtype,
        losses=describe_losses(config.supernet),
        model_flops=step.model_flops(rows),
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


def _flops_per_cycle(device) -> float:
    """Of a large bfloat16 matrix product, by the estimate that also prices the step."""
    matrix = jax.ShapeDtypeStruct((PRODUCT, PRODUCT), jnp.bfloat16, sharding=SingleDeviceSharding(device))
    return 2 * PRODUCT**3 / cost_of(jax.jit(jnp.matmul).lower(matrix, matrix).compile().as_text()).cycles


def main(topology: str, config: str) -> None:
    try:
        answer = dataclasses.asdict(make_plan(topology, config_from_json(SupernetConfig, config)))
    except (ValueError, FileNotFoundError) as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
