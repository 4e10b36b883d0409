"""The mean that every loss is."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def weighted_mean(losses: Float[Array, "*S"], weight: Float[Array, "*S"]) -> Float[Array, ""]:
    """The mean by weight; 0 where no weight is left."""
    return (losses * weight).sum() / jnp.maximum(weight.sum(), 1.0)


def token_weight(attention_mask: Int[Array, "B L"], weight: Float[Array, " B"]) -> Float[Array, "B L"]:
    """A row's weight at its tokens, 0 at its padding."""
    return attention_mask.astype(weight.dtype) * weight[:, None]
