"""A module's parameters as a nested dict of arrays, and back."""

from __future__ import annotations

import jax
from flax import nnx

Parameters = dict  # nested, by attribute name (blocks by position); the leaves are arrays


def get_parameters(module: nnx.Module) -> Parameters:
    """The parameters by attribute path, not copied."""
    return nnx.to_pure_dict(nnx.state(module, nnx.Param))


def assign_parameters(module: nnx.Module, parameters: Parameters) -> None:
    """Sets every parameter of a module (an abstract one too) to the array of its path, cut to its shape.

    The leading corner is what is kept: a smaller width has the first channels, heads or neurons.
    """
    state = nnx.state(module, nnx.Param)
    cut = jax.tree.map(lambda array, target: array[tuple(map(slice, target.shape))], parameters, nnx.to_pure_dict(state))
    nnx.replace_by_pure_dict(state, cut)
    nnx.update(module, state)
