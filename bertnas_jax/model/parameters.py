"""A module's parameters as a nested dict of arrays, and back."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx

Parameters = dict  # nested, by attribute name (blocks by position); the leaves are arrays


def get_parameters(module: nnx.Module) -> Parameters:
    """The parameters by attribute path, not copied."""
    return nnx.to_pure_dict(nnx.state(module, nnx.Param))


def corner_like(tree: Any, abstract: Any) -> Any:
    """The leading corner of every array, of the abstract tree's shapes."""
    return jax.tree.map(lambda leaf, cut: leaf[tuple(map(slice, cut.shape))], tree, abstract)


def assign_parameters(module: nnx.Module, parameters: Parameters) -> None:
    """Sets every parameter of a module (an abstract one too) to the array of its path, cut to its shape.

    The leading corner is what is kept: a smaller width has the first channels, heads or neurons.
    """
    state = nnx.state(module, nnx.Param)
    nnx.replace_by_pure_dict(state, corner_like(parameters, nnx.to_pure_dict(state)))
    nnx.update(module, state)
