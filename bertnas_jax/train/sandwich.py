"""The Subnets a supernet step trains: the largest, the smallest, and some drawn at random."""

from __future__ import annotations

import random

import jax
import jax.numpy as jnp

from bertnas_jax.space import SearchSpace, Subnet
from bertnas_jax.supernet import SubnetCode, encode_subnet


def sandwich(space: SearchSpace, num_random: int, seed: int, step: int) -> tuple[Subnet, ...]:
    """Largest, smallest, then `num_random` samples; fixed by (seed, step).

    Source: Yu and Huang 2019, "Universally Slimmable Networks", arXiv 1903.05134, section 3.2.
    """
    rng = random.Random(f"{seed}/{step}")
    return (space.largest, space.smallest, *(space.sample(rng) for _ in range(num_random)))


def stack_codes(space: SearchSpace, subnets: tuple[Subnet, ...]) -> SubnetCode:
    """The codes of the Subnets along a first axis S."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(encode_subnet(space, subnet) for subnet in subnets))
