"""A training run over a mesh: its state, the arguments of its steps, and the compiled step.

Rows of a batch lie over data and fsdp; weights and moments as `placement` says. A slice `[:n]` of an axis
that is split leaves some devices without work, so XLA moves the slice: elastic widths give the same under
any mesh, and what is moved shows in the collectives of a plan. A supernet is best grown over data, then
fsdp; tensor is for weights that fit no other way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from bertnas_jax.supernet import SharedWeights, SubnetCode
from bertnas_jax.train.loop import Run, TrainState
from bertnas_jax.train.placement import shard_state

ROWS = PartitionSpec(("data", "fsdp"))
Step = Callable[..., tuple[TrainState, jax.Array]]


def shard_args(mesh: Mesh, args: Any, num_heads: int) -> Any:
    """Shardings of a step's arguments: arrays by row, Subnets' codes and scalars whole, a teacher's weights as they are used.

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
        if leaf.shape[0] % row_shards(mesh):
            raise ValueError(
                f"rows of a batch must divide over mesh axes data={mesh.shape['data']} and fsdp={mesh.shape['fsdp']}, got "
                f"{leaf.shape[0]} rows; make the buckets with rows_multiple={row_shards(mesh)}"
            )
        return NamedSharding(mesh, ROWS)

    return jax.tree.map(sharding, args, is_leaf=lambda leaf: isinstance(leaf, (SharedWeights, SubnetCode)))


def row_shards(mesh: Mesh) -> int:
    """Into how many parts the rows of a batch are split."""
    return mesh.shape["data"] * mesh.shape["fsdp"]


def put(tree: Any, shardings: Any) -> Any:
    """The arrays on their devices; every process gives the whole arrays and sends its own devices their parts."""

    def array(leaf, sharding):
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])

    return jax.tree.map(array, tree, shardings)


def step_on_mesh(step: Step, mesh: Mesh, num_heads: int) -> Step:
    """`step(state, *args) -> (state, loss)` compiled for the mesh; its arguments are placed as it is called.

    The state must be placed already (`put(state, shard_state(...))`); its memory is reused. One
    compilation for each shape of the arguments, as without a mesh.
    """
    compiled: dict[Any, Step] = {}
    held: dict[int, tuple[SharedWeights, Any]] = {}  # a teacher's weights are one object in every step, and sent once

    def placed(position: int, arg: Any, shardings: Any) -> Any:
        if not isinstance(arg, SharedWeights):
            return put(arg, shardings)
        if position not in held or held[position][0] is not arg:
            held[position] = arg, put(arg, shardings)
        return held[position][1]

    def run(state: TrainState, *args: Any) -> tuple[TrainState, jax.Array]:
        shardings = shard_args(mesh, args, num_heads)
        structure = jax.tree.structure(args)
        if structure not in compiled:
            compiled[structure] = jit_on_mesh(step, mesh, num_heads, state, shardings)
        return compiled[structure](state, *(placed(i, *pair) for i, pair in enumerate(zip(args, shardings, strict=True))))

    return run


def over_mesh(run: Run, mesh: Mesh, num_heads: int) -> Run:
    """The run with its state and steps on the mesh; `gather` brings its result back."""

    def place(state: TrainState) -> TrainState:
        return put(state, shard_state(mesh, state, num_heads))

    return dataclasses.replace(run, step=step_on_mesh(run.step, mesh, num_heads), place=place)


def gather(mesh: Mesh, tree: Any) -> Any:
    """The whole arrays on the host, in every process."""
    return jax.tree.map(np.asarray, jax.jit(lambda tree: tree, out_shardings=NamedSharding(mesh, PartitionSpec()))(tree))


def jit_on_mesh(step: Step, mesh: Mesh, num_heads: int, state: TrainState, of_args: Any) -> Step:
    """The step with its state and arguments sharded; the loss is whole everywhere.

    The weights are brought together over fsdp as a step begins and their update is split again: left to
    itself, XLA splits the activations' channels over fsdp in place of the batch's rows.
    """
    of_state = shard_state(mesh, state, num_heads)
    of_used = jax.tree.map(_without_fsdp, of_state.parameters)

    def on_mesh(state: TrainState, *args: Any) -> tuple[TrainState, jax.Array]:
        return step(state.replace(parameters=jax.lax.with_sharding_constraint(state.parameters, of_used)), *args)

    return jax.jit(
        on_mesh, in_shardings=(of_state, *of_args), out_shardings=(of_state, NamedSharding(mesh, PartitionSpec())), donate_argnums=0
    )


def _without_fsdp(sharding: NamedSharding) -> NamedSharding:
    return NamedSharding(sharding.mesh, PartitionSpec(*(None if axis == "fsdp" else axis for axis in sharding.spec)))
