"""Which device of a mesh holds what of the training state, from one table by axis letter.

A parameter's axes are those of `supernet.rewire.axes_of`: heads and neurons (A, F) lie over the mesh's
tensor axis, hidden channels (D) of matrices over fsdp; the optimizer's moments lie as their parameter.
What does not divide is on every device; `describe` says so.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.supernet import share_weights
from bertnas_jax.supernet.rewire import axes_of

_MESH_AXIS = {"A": "tensor", "F": "tensor", "D": "fsdp"}


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where one array of the training state lies, and why it is whole on an axis it might be split over."""

    path: str
    shape: tuple[int, ...]
    spec: PartitionSpec
    bytes_per_device: int
    notes: tuple[str, ...]


def place_state(mesh: Mesh, state: Any, num_heads: int) -> list[Placement]:
    """The placement of every leaf of a tree of weights (with the optimizer's moments of them, or not)."""
    return [_placement(mesh, path, leaf, num_heads) for path, leaf in jax.tree_util.tree_leaves_with_path(state)]


def shard_state(mesh: Mesh, state: Any, num_heads: int) -> Any:
    """A tree of shardings like that of the weights and moments; `num_heads` is the teacher's, so that no head is split."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: NamedSharding(mesh, _placement(mesh, path, leaf, num_heads).spec), state
    )


def summarise_mesh(mesh: Mesh, bert: BertConfig) -> str:
    """A line on the mesh and the supernet's weights on a device, and one on each reason for which arrays could not be split."""
    weights = jax.eval_shape(lambda: share_weights(Bert(bert, nnx.Rngs(0))))
    placements = place_state(mesh, weights, bert.subnet.layers[0].heads)
    sizes = " ".join(f"{axis}={size}" for axis, size in mesh.shape.items())
    processes = jax.process_count()
    held = sum(placement.bytes_per_device for placement in placements) / 1e6
    lines = [f"mesh {sizes}: {mesh.size} devices of {processes} process{'es' * (processes > 1)}, {held:,.1f} MB of weights on each"]
    counts = collections.Counter(note for placement in placements for note in placement.notes)
    return "\n".join(lines + [f"note: {count} arrays are {note}" for note, count in counts.items()])


def describe(placements: list[Placement]) -> str:
    """A table of parameter, shape, PartitionSpec, bytes on each device, and what could not be split."""
    rows = [("parameter", "shape", "lies over", "bytes per device", "")]
    rows += [(p.path, "x".join(map(str, p.shape)), _text(p.spec), f"{p.bytes_per_device:,}", "; ".join(p.notes)) for p in placements]
    rows.append(("all", "", "", f"{sum(p.bytes_per_device for p in placements):,}", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    form = "{:<%d}  {:>%d}  {:<%d}  {:>%d}  {}" % tuple(widths)
    return "\n".join(form.format(*row).rstrip() for row in rows)


def _placement(mesh: Mesh, path: tuple, leaf: Any, num_heads: int) -> Placement:
    name = ".".join(str(getattr(part, "key", getattr(part, "name", getattr(part, "idx", part)))) for part in path)
    shape = tuple(leaf.shape)
    try:
        letters = axes_of(path) if shape else ""
    except ValueError:
        spec, notes = [None] * len(shape), ["whole: no axes are known for it"]
    else:
        spec, notes = _split(mesh, shape[len(shape) - len(letters) :], letters, num_heads)
        spec = [None] * (len(shape) - len(letters)) + spec  # blocks are stacked before a parameter's own axes
    shards = math.prod(mesh.shape[axis] for axis in spec if axis)
    size = math.prod(shape) * np.dtype(leaf.dtype).itemsize
    return Placement(name, shape, PartitionSpec(*spec), size // shards, tuple(notes))


def _split(mesh: Mesh, shape: tuple[int, ...], letters: str, num_heads: int) -> tuple[list[str | None], list[str]]:
    """The mesh axis of each axis of a parameter, and what does not divide. Vectors over D stay whole: they are small."""
    spec, notes = [], []
    for size, letter in zip(shape, letters, strict=True):
        axis = _MESH_AXIS.get(letter)
        if axis is None or axis in spec or mesh.shape[axis] == 1 or letters == "D":
            spec.append(None)
            continue
        parts = num_heads if letter == "A" else size
        divides = parts % mesh.shape[axis] == 0
        spec.append(axis if divides else None)
        if not divides:
            what = f"{parts} heads" if letter == "A" else f"{letter}={size}"
            notes.append(f"whole on {axis}: {what} over {mesh.shape[axis]} devices")
    return spec, notes


def _text(spec: PartitionSpec) -> str:
    return ", ".join("-" if axis is None else axis for axis in spec) if any(spec) else "whole"
