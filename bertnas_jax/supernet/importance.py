"""How much the loss depends on each hidden channel, head and feed-forward neuron, to first order."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from bertnas_jax.supernet.rewire import Order, axes_of
from bertnas_jax.supernet.weights import SharedWeights


@struct.dataclass
class Importance:
    """The mean over batches of |sum of w * dLoss/dw| over the weights of each group.

    Source: Molchanov et al. 2019, arXiv 1906.10771, equation 8 (the group's sum before the absolute
    value, here not squared); for heads it is the gate's gradient of Michel et al. 2019, arXiv 1905.10650.
    """

    hidden: Float[Array, " D"]
    heads: Float[Array, "T N"]
    ffn: Float[Array, "T F"]

    def order(self) -> Order:
        """Most important first; ties keep their places."""

        def descending(scores):
            return jnp.argsort(-scores, axis=-1, stable=True)

        return Order(descending(self.hidden), descending(self.heads), descending(self.ffn))


def measure_importance(
    loss: Callable[..., Float[Array, ""]], weights: SharedWeights, batches: Iterable[tuple], num_heads: int
) -> Importance:
    """The importance by the gradient of `loss(weights, *batch)` over the batches.

    Raises:
      ValueError: there are no batches.
    """

    @jax.jit
    def of_batch(weights, *batch):
        return _group_sums(weights, jax.grad(loss)(weights, *batch), num_heads)

    total, count = None, 0
    for batch in batches:
        one = of_batch(weights, *batch)
        total, count = one if total is None else jax.tree.map(jnp.add, total, one), count + 1
    if total is None:
        raise ValueError("importance must be measured on at least one batch, got none; give some of the training split")
    return jax.tree.map(lambda leaf: leaf / count, total)


def _group_sums(weights: SharedWeights, gradient: SharedWeights, num_heads: int) -> Importance:
    """|sum of w * g| over every hidden channel (all blocks together), head and neuron.

    A head or neuron is entered through the rows of its output projection alone: the sum over those is
    the gradient of a gate on it.
    """
    product = jax.tree.map(jnp.multiply, weights, gradient)
    hidden = 0.0
    for path, leaf in jax.tree_util.tree_leaves_with_path(product):
        axes = ("-" if path[0].name == "layers" else "") + axes_of(path)
        for axis, letter in enumerate(axes):
            if letter == "D":
                hidden = hidden + leaf.sum(axis=tuple(other for other in range(leaf.ndim) if other != axis))
    attention = product.layers["attention"]["output"]["dense"]["kernel"].sum(axis=2)
    heads = attention.reshape(attention.shape[0], num_heads, -1).sum(axis=2)
    ffn = product.layers["feed_forward"]["output"]["dense"]["kernel"].sum(axis=2)
    return Importance(jnp.abs(hidden), jnp.abs(heads), jnp.abs(ffn))
