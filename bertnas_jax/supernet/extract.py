"""A Subnet's slice of the shared weights, as a stand-alone model."""

from __future__ import annotations

import dataclasses

import jax
from flax import nnx

from bertnas_jax.model import Bert, BertConfig, assign_parameters
from bertnas_jax.space import SearchSpace, Subnet
from bertnas_jax.supernet.weights import SharedWeights


def extract(weights: SharedWeights, space: SearchSpace, config: BertConfig, subnet: Subnet) -> Bert:
    """The Subnet as a `Bert` of its own; `config` is the teacher's.

    Raises:
      ValueError: the Subnet is not of the space.
    """
    space.check(subnet)
    model = nnx.eval_shape(lambda: Bert(dataclasses.replace(config, subnet=subnet), nnx.Rngs(0)))
    kept = space.kept_layers(subnet.depth)
    layers = {i: jax.tree.map(lambda leaf, source=source: leaf[source], weights.layers) for i, source in enumerate(kept)}
    assign_parameters(model, {"embeddings": weights.embeddings, "layer": layers, "head": weights.head})
    return model
