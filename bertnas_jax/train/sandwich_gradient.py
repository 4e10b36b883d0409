"""The loss and gradient of a supernet step: those of its Subnets, one after the other, averaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from bertnas_jax.supernet import SharedWeights, SubnetCode


def sandwich_gradient(loss: Callable[..., jax.Array]) -> Callable[..., tuple[jax.Array, SharedWeights]]:
    """What `loop.make_step` takes, from `loss(weights, code, *args)`: a scan over codes stacked along S.

    A scan holds the activations and the gradient of one Subnet at a time.
    """

    def loss_and_gradient(weights: SharedWeights, codes: SubnetCode, *args: Any) -> tuple[jax.Array, SharedWeights]:
        def add(total, code):
            return jax.tree.map(jnp.add, total, jax.value_and_grad(loss)(weights, code, *args)), None

        total, _ = jax.lax.scan(add, (jnp.zeros(()), jax.tree.map(jnp.zeros_like, weights)), codes)
        return jax.tree.map(lambda leaf: leaf / codes.hidden.shape[0], total)

    return loss_and_gradient
