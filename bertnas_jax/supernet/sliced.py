"""A module of the plain model run with the leading corner of larger parameters: what every elastic branch does."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from bertnas_jax.model import Parameters, assign_parameters


def run_cut(abstract: nnx.Module, parameters: Parameters, *args):
    """What the module returns with every parameter cut to its shape and cast to the type of the first argument."""
    module = nnx.clone(abstract)
    assign_parameters(module, jax.tree.map(lambda leaf: leaf.astype(args[0].dtype), parameters))
    return module(*args)


def add_to_corner(whole: jax.Array, part: jax.Array) -> jax.Array:
    """`whole` with `part` added to its leading corner."""
    corner = whole[tuple(map(slice, part.shape))] + part
    return jax.lax.dynamic_update_slice(whole, corner, (0,) * whole.ndim)


def pad_channels(x: jax.Array, width: int) -> jax.Array:
    """`x` [..., D] with zero channels up to `width`."""
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, width - x.shape[-1])])
