"""A supernet step in which the largest Subnet teaches the others (in-place distillation)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from bertnas_jax.supernet import SubnetCode
from bertnas_jax.train.objective import Trained
from bertnas_jax.train.step import Losses
from bertnas_jax.train.subnet_gradient import Batch, SubnetGradient


def in_place_gradient(of_subnet: SubnetGradient, num_outputs: int):
    """What `behind_lookup` takes, from a gradient whose arguments go on with (batch, soft, is_first, *args).

    The first of the codes is the largest Subnet's: its logits are the `soft` [B, C] of the others, and no
    gradient goes through them; its own are 0. One scan, so that the supernet is compiled once.
    Source: Yu and Huang 2019, "Universally Slimmable Networks", arXiv 1903.05134, section 3.3.
    """

    def of_subnets(rest: Trained, summed: jax.Array, codes: SubnetCode, batch: Batch, *args: Any) -> tuple[Losses, tuple[Trained, jax.Array]]:
        def add(carry, subnet):
            total, soft = carry
            code, is_first = subnet
            total, value, logits = of_subnet(total, 1 / count, rest, summed, code, batch, soft, is_first, *args)
            return (total, jnp.where(is_first, logits, soft)), value

        count = len(codes.hidden)
        start = jax.tree.map(jnp.zeros_like, (rest, summed)), jnp.zeros((len(batch["weight"]), num_outputs))
        (total, _), losses = jax.lax.scan(add, start, (codes, jnp.arange(count) == 0))
        return losses, total

    return of_subnets
