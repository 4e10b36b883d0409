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
    """What `behind_lookup` takes: a scan over codes stacked along S, which holds one Subnet's gradient at a time."""

    def of_subnets(rest: Trained, summed: jax.Array, codes: SubnetCode, *args: Any) -> tuple[Losses, tuple[Trained, jax.Array]]:
        def add(total, code):
            (value, _), gradient = of_subnet(rest, summed, code, *args)
            return jax.tree.map(jnp.add, total, gradient), value

        total, losses = jax.lax.scan(add, jax.tree.map(jnp.zeros_like, (rest, summed)), codes)
        return losses, jax.tree.map(lambda leaf: leaf / len(codes.hidden), total)

    return of_subnets
