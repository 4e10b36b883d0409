"""A module of the plain model run with the leading corner of larger parameters: what every elastic branch does."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from bertnas_jax.model import Parameters, assign_parameters

Branch = Callable[..., jax.Array]


def sliced(make: Callable[[], nnx.Module], hidden: int) -> Branch:
    """A rematerialised branch that runs a module of `hidden` channels on a padded stream with sliced parameters."""
    module = nnx.eval_shape(make)

    @jax.checkpoint
    def branch(parameters, x, *args):
        return pad_channels(run_cut(module, parameters, x[..., :hidden], *args), x.shape[-1])

    return branch


def run_cut(abstract: nnx.Module, parameters: Parameters, *args):
    """What the module returns with every parameter cut to its shape."""
    module = nnx.clone(abstract)
    assign_parameters(module, parameters)
    return module(*args)


def pad_channels(x: jax.Array, width: int) -> jax.Array:
    """`x` [B, L, D] with zero channels up to `width`."""
    return jnp.pad(x, ((0, 0), (0, 0), (0, width - x.shape[-1])))
