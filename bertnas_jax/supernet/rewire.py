"""Reorders the shared weights so that a smaller width keeps what matters most.

A permutation of hidden channels, of a block's heads, or of its feed-forward neurons leaves the
full network the same function; slices take the leading ones.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int

from bertnas_jax.supernet.weights import SharedWeights

# Which axis of a parameter runs over what, by the end of its path: D hidden channels, A heads times
# head_dim, F feed-forward neurons. Block parameters have the block as an axis before these.
_AXES = {
    ("word_embeddings", "embedding"): "-D",
    ("position_embeddings", "embedding"): "-D",
    ("token_type_embeddings", "embedding"): "-D",
    ("LayerNorm", "scale"): "D",
    ("LayerNorm", "bias"): "D",
    ("query", "kernel"): "DA",
    ("query", "bias"): "A",
    ("key", "kernel"): "DA",
    ("key", "bias"): "A",
    ("value", "kernel"): "DA",
    ("value", "bias"): "A",
    ("attention", "output", "dense", "kernel"): "AD",
    ("intermediate", "dense", "kernel"): "DF",
    ("intermediate", "dense", "bias"): "F",
    ("feed_forward", "output", "dense", "kernel"): "FD",
    ("output", "dense", "bias"): "D",
    ("pooler", "kernel"): "DD",
    ("pooler", "bias"): "D",
    ("classifier", "kernel"): "D-",
    ("classifier", "bias"): "-",
}


@struct.dataclass
class Order:
    """The old position of each new hidden channel, and by block of each head and neuron."""

    hidden: Int[Array, " D"]
    heads: Int[Array, "T N"]
    ffn: Int[Array, "T F"]


def axes_of(path: tuple) -> str:
    """What the axes of the parameter at this path run over, a letter each ("-" for none of D, A, F).

    Raises:
      ValueError: no such parameter is known.
    """
    names = tuple(str(getattr(part, "key", getattr(part, "name", part))) for part in path)
    for length in (4, 3, 2):
        if names[-length:] in _AXES:
            return _AXES[names[-length:]]
    raise ValueError(f"a parameter must be known to be rewired, got {'.'.join(names)}; add its axes to _AXES")


def rewire(weights: SharedWeights, order: Order) -> SharedWeights:
    """The shared weights with channels, heads and neurons in this order."""
    num_heads = order.heads.shape[1]

    def reorder(path, leaf):
        stacked = path[0].name == "layers"
        for position, letter in enumerate(axes_of(path)):
            axis = position + stacked
            if letter == "D":
                leaf = jnp.take(leaf, order.hidden, axis=axis)
            elif letter == "F":
                leaf = _take_by_block(leaf, order.ffn, axis)
            elif letter == "A":
                split = (*leaf.shape[:axis], num_heads, leaf.shape[axis] // num_heads, *leaf.shape[axis + 1 :])
                leaf = _take_by_block(leaf.reshape(split), order.heads, axis).reshape(leaf.shape)
        return leaf

    return jax.tree_util.tree_map_with_path(reorder, weights)


def _take_by_block(leaf: Float[Array, "T ..."], order: Int[Array, "T K"], axis: int) -> Float[Array, "T ..."]:
    return jax.vmap(lambda block, positions: jnp.take(block, positions, axis=axis - 1))(leaf, order)
