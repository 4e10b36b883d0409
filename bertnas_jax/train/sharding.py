"""A training run over a mesh: its state, the arguments of its steps, and the compiled step.

Rows of a batch lie over data and fsdp; weights and moments as `placement` says. A slice `[:n]` of an axis
that is split leaves some devices without work, so XLA moves the slice: elastic widths give the same under
any mesh, and what is moved shows in the collectives of a plan. A supernet is best grown over data, then
fsdp; tensor is for weights that fit no other way.

A batch has the same examples on every mesh, and rows that teach nothing are added where they do not
divide: so a run gives the same on any mesh but for rounding, and may go on on another one. Every process
makes the rows that its devices hold.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from bertnas_jax.data import Buckets, Part
from bertnas_jax.space import Subnet
from bertnas_jax.supernet import SharedWeights, SubnetCode
from bertnas_jax.train.loop import Run, train
from bertnas_jax.train.placement import shard_state
from bertnas_jax.train.step import Step, StepReport, TrainState

ROWS = PartitionSpec(("data", "fsdp"))


def shard_args(mesh: Mesh, args: Any, num_heads: int, part: Part | None = None) -> Any:
    """Shardings of a step's arguments: arrays by row, Subnets' codes and scalars whole, a teacher's weights as they are used.

    The arrays hold all rows of a batch, or those of a part of it.

    Raises:
      ValueError: the rows do not divide over the data and fsdp axes.
    """

    def sharding(leaf):
        if isinstance(leaf, SharedWeights):
            return jax.tree.map(_without_fsdp, shard_state(mesh, leaf, num_heads))
        if isinstance(leaf, SubnetCode):
            return jax.tree.map(lambda _: NamedSharding(mesh, PartitionSpec()), leaf)
        if np.ndim(leaf) == 0:
            return NamedSharding(mesh, PartitionSpec())
        if leaf.shape[0] % (len(part.shards) if part else row_shards(mesh)):
            raise ValueError(
                f"rows of a batch must divide over mesh axes data={mesh.shape['data']} and fsdp={mesh.shape['fsdp']}, got "
                f"{leaf.shape[0]} rows; make them with part=part_of(mesh)"
            )
        return NamedSharding(mesh, ROWS)

    return jax.tree.map(sharding, args, is_leaf=lambda leaf: isinstance(leaf, (SharedWeights, SubnetCode)))


def row_shards(mesh: Mesh) -> int:
    """Into how many parts the rows of a batch are split."""
    return mesh.shape["data"] * mesh.shape["fsdp"]


def part_of(mesh: Mesh) -> Part:
    """The shards of a batch's rows that this process's devices hold."""
    count = row_shards(mesh)
    places = NamedSharding(mesh, ROWS).addressable_devices_indices_map((count,))
    return Part(tuple(sorted({rows.indices(count)[0] for (rows,) in places.values()})), count)


def check_rows(mesh: Mesh, buckets: Buckets) -> None:
    """Raises ValueError if the shortest batches leave devices without an example."""
    rows, length = min(buckets.shapes)
    if rows < row_shards(mesh):
        raise ValueError(
            f"rows of a batch must be at least the {row_shards(mesh)} devices on mesh axes data={mesh.shape['data']} and "
            f"fsdp={mesh.shape['fsdp']}, got {rows} rows of {length} tokens; use --tokens_per_batch={row_shards(mesh) * length} or more"
        )


def put(tree: Any, shardings: Any) -> Any:
    """The arrays on their devices; every process gives the whole arrays and sends its own devices their parts."""

    def array(leaf, sharding):
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])

    return jax.tree.map(array, tree, shardings)


def put_args(args: Any, shardings: Any, part: Part) -> Any:
    """The arguments of a step on their devices; of what lies by row every process gives its part, of the rest the whole."""

    def array(leaf, sharding):
        if sharding.spec != ROWS:
            return put(leaf, sharding)
        size = len(leaf) // len(part.shards)
        rows = {shard: leaf[place * size : (place + 1) * size] for place, shard in enumerate(part.shards)}
        shape = size * part.count, *leaf.shape[1:]
        return jax.make_array_from_callback(shape, sharding, lambda index: rows[index[0].indices(shape[0])[0] // size])

    return jax.tree.map(array, args, shardings)


def step_on_mesh(step: Step, mesh: Mesh, num_heads: int) -> Step:
    """The step compiled for the mesh; its arguments, of which rows are `part_of(mesh)`, are placed as it is called.

    The state must be placed already (`put(state, shard_state(...))`); its memory is reused. One
    compilation for each shape of the arguments, as without a mesh.
    """
    part = part_of(mesh)
    compiled: dict[Any, Step] = {}
    held: dict[int, tuple[SharedWeights, Any]] = {}  # a teacher's weights are one object in every step, and sent once

    def placed(position: int, arg: Any, shardings: Any) -> Any:
        if not isinstance(arg, SharedWeights):
            return put_args(arg, shardings, part)
        if position not in held or held[position][0] is not arg:
            held[position] = arg, put(arg, shardings)
        return held[position][1]

    def run(state: TrainState, *args: Any) -> tuple[TrainState, StepReport]:
        shardings = shard_args(mesh, args, num_heads, part)
        structure = jax.tree.structure(args)
        if structure not in compiled:
            compiled[structure] = jit_on_mesh(step, mesh, num_heads, state, shardings)
        return compiled[structure](state, *(placed(i, *pair) for i, pair in enumerate(zip(args, shardings, strict=True))))

    return run


def over_mesh(run: Run, mesh: Mesh, num_heads: int) -> Run:
    """The run with its state, batches and steps on the mesh; `gather` brings its result back."""

    def place(state: TrainState) -> TrainState:
        return put(state, shard_state(mesh, state, num_heads))

    return dataclasses.replace(run, step=step_on_mesh(run.step, mesh, num_heads), place=place, part=part_of(mesh))


def train_on(mesh: Mesh | None, subnet: Subnet, run: Run, parameters: Any, optimizer: optax.GradientTransformation) -> Any:
    """What `train` returns, whole in every process, after training over the mesh; on one device if it has only that, or is None.

    `subnet` has the sizes of the weights: no head of it is split.

    Raises:
      TrainingDiverged, CheckpointMismatch: as `train`.
    """
    if mesh is None or mesh.size == 1:
        return train(run, parameters, optimizer)
    num_heads = math.gcd(*(layer.heads for layer in subnet.layers))
    return gather(mesh, train(over_mesh(run, mesh, num_heads), parameters, optimizer))


def gather(mesh: Mesh, tree: Any) -> Any:
    """The whole arrays, on one device of every process."""
    whole = jax.jit(lambda tree: tree, out_shardings=NamedSharding(mesh, PartitionSpec()))(tree)
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), whole)


def jit_on_mesh(step: Step, mesh: Mesh, num_heads: int, state: TrainState, of_args: Any) -> Step:
    """The step with its state and arguments sharded; its report is whole everywhere.

    The weights are brought together over fsdp as a step begins and their update is split again: left to
    itself, XLA splits the activations' channels over fsdp in place of the batch's rows.
    """
    of_state = shard_state(mesh, state, num_heads)
    of_used = jax.tree.map(_without_fsdp, of_state.parameters)

    def on_mesh(state: TrainState, *args: Any) -> tuple[TrainState, StepReport]:
        return step(state.replace(parameters=jax.lax.with_sharding_constraint(state.parameters, of_used)), *args)

    return jax.jit(
        on_mesh, in_shardings=(of_state, *of_args), out_shardings=(of_state, NamedSharding(mesh, PartitionSpec())), donate_argnums=0
    )


def _without_fsdp(sharding: NamedSharding) -> NamedSharding:
    return NamedSharding(sharding.mesh, PartitionSpec(*(None if axis == "fsdp" else axis for axis in sharding.spec)))
