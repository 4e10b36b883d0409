"""The losses and the gradient of a supernet step: its Subnets one after the other, their gradients averaged."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from bertnas_jax.supernet import SubnetCode
from bertnas_jax.train.objective import Trained
from bertnas_jax.train.step import Losses
from bertnas_jax.train.subnet_gradient import SubnetGradient


def sandwich_gradient(of_subnet: SubnetGradient):
    """What `behind_lookup` takes: a scan over codes stacked along S, which adds one Subnet's gradient after the other."""

    def of_subnets(rest: Trained, summed: jax.Array, codes: SubnetCode, *args: Any) -> tuple[Losses, tuple[Trained, jax.Array]]:
        def add(total, code):
            total, value, _ = of_subnet(total, 1 / len(codes.hidden), rest, summed, code, *args)
            return total, value

        total, losses = jax.lax.scan(add, jax.tree.map(jnp.zeros_like, (rest, summed)), codes)
        return losses, total

    return of_subnets
