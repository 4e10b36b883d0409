"""The shared weights: a teacher's parameters with those of its blocks stacked for a scan."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct

from bertnas_jax.model import Bert, Parameters, get_parameters

TABLES = ("word_embeddings", "position_embeddings", "token_type_embeddings")


@struct.dataclass
class SharedWeights:
    """Parameters of a `Bert`; every leaf of `layers` has the block as its first axis."""

    embeddings: Parameters
    layers: Parameters | None
    head: Parameters

    def split_tables(self) -> tuple[Parameters, SharedWeights]:
        """The tables that tokens are looked up in, and these weights without them."""
        tables = {name: value for name, value in self.embeddings.items() if name in TABLES}
        return tables, self.replace(embeddings={name: value for name, value in self.embeddings.items() if name not in TABLES})

    def around_blocks(self) -> SharedWeights:
        """These weights without tables and blocks: what is small."""
        return self.split_tables()[1].replace(layers=None)

    def with_tables(self, tables: Parameters) -> SharedWeights:
        """These weights with the tables that `split_tables` took."""
        return self.replace(embeddings=self.embeddings | tables)


def share_weights(model: Bert) -> SharedWeights:
    """The parameters of a model with equal blocks, copied.

    Raises:
      ValueError: the blocks differ in size.
    """
    if len(set(model.config.subnet.layers)) != 1:
        raise ValueError(
            f"shared weights need a teacher with equal blocks, got {model.config.subnet.describe()}; start from a plain BERT checkpoint"
        )
    state = jax.tree.map(jnp.copy, get_parameters(model))
    layers = [state["layer"][i] for i in range(model.config.subnet.depth)]
    return SharedWeights(state["embeddings"], jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers), state["head"])
