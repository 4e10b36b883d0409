"""Run as a program with 8 virtual CPU devices: the compiled text of collectives over a mesh of 2 x 4, by name, as JSON."""

import json

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec

ROWS = PartitionSpec(("x", "y"))  # a device has [8, 4] of [64, 4], and [2] of [16]
NEXT = [(0, 1), (1, 2), (2, 3), (3, 0)]


def five_sums(a):
    return lax.scan(lambda carry, _: (lax.psum(jnp.sin(carry), "y"), None), a, length=5)[0]


PROGRAMS = {
    "all-reduce over y": (lambda a: lax.psum(a, "y"), PartitionSpec("x")),
    "all-reduce over all": (lambda a: lax.psum(a, ("x", "y")), PartitionSpec()),
    "all-reduce of two": (lambda a, b: lax.psum((a, b), "y"), PartitionSpec("x")),
    "all-reduce in a loop": (five_sums, PartitionSpec("x")),
    "all-gather over y": (lambda a: lax.all_gather(a, "y", tiled=True), PartitionSpec("x")),
    "all-gather over x": (lambda a: lax.all_gather(a, "x", tiled=True), PartitionSpec("y")),
    "reduce-scatter over y": (lambda a: lax.psum_scatter(a, "y", tiled=True), ROWS),
    "reduce-scatter over all": (lambda a: lax.psum_scatter(a, ("x", "y"), tiled=True), ROWS),
    "all-to-all over y": (lambda a: lax.all_to_all(a, "y", 0, 0, tiled=True), ROWS),
    "collective-permute over y": (lambda a: lax.ppermute(a, "y", NEXT), ROWS),
}


def main():
    mesh, found = jax.make_mesh((2, 4), ("x", "y"), axis_types=(jax.sharding.AxisType.Auto,) * 2), {}
    arrays = jax.ShapeDtypeStruct((64, 4), jnp.float32), jax.ShapeDtypeStruct((16,), jnp.float32)
    for name, (program, out) in PROGRAMS.items():
        given = arrays[: program.__code__.co_argcount]
        mapped = jax.shard_map(program, mesh=mesh, in_specs=ROWS, out_specs=out, check_vma=False)
        found[name] = jax.jit(mapped).lower(*given).compile().as_text()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
