"""A supernet step in which the largest Subnet teaches the others (in-place distillation)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from bertnas_jax.supernet import SubnetCode


def in_place_gradient(loss: Callable[..., tuple[jax.Array, jax.Array]], num_outputs: int) -> Callable[..., tuple[jax.Array, Any]]:
    """What `loop.make_step` takes, from `loss(trained, code, is_first, soft, batch, *args) -> (value, logits)`.

    The first of the codes is the largest Subnet's: its logits are the `soft` [B, C] of the others, and no
    gradient goes through them; its own are 0. One scan, so that the supernet is compiled once.
    Source: Yu and Huang 2019, "Universally Slimmable Networks", arXiv 1903.05134, section 3.3.
    """

    def loss_and_gradient(trained: Any, codes: SubnetCode, batch: dict[str, jax.Array], *args: Any) -> tuple[jax.Array, Any]:
        def add(carry, subnet):
            total, soft = carry
            code, is_first = subnet
            (value, logits), gradient = jax.value_and_grad(loss, has_aux=True)(trained, code, is_first, soft, batch, *args)
            total = jax.tree.map(jnp.add, total, (value, gradient))
            return (total, jnp.where(is_first, logits.astype(soft.dtype), soft)), None

        count = codes.hidden.shape[0]
        start = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, trained)), jnp.zeros((len(batch["weight"]), num_outputs))
        (total, _), _ = jax.lax.scan(add, start, (codes, jnp.arange(count) == 0))
        return jax.tree.map(lambda leaf: leaf / count, total)

    return loss_and_gradient
