"""A Subnet as arrays, so that it can be an argument of a compiled function."""

from __future__ import annotations

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Int

from bertnas_jax.space import SearchSpace, Subnet


@struct.dataclass
class SubnetCode:
    """Positions in the choices of a space; `heads` and `ffn` mean nothing where a block is not active."""

    hidden: Int[Array, "*S"]
    active: Bool[Array, "*S T"]  # T blocks of the teacher
    heads: Int[Array, "*S T"]
    ffn: Int[Array, "*S T"]


def encode_subnet(space: SearchSpace, subnet: Subnet) -> SubnetCode:
    """The code of a Subnet of the space.

    Raises:
      ValueError: the Subnet is not of the space.
    """
    space.check(subnet)
    blocks = dict(zip(space.kept_layers(subnet.depth), subnet.layers, strict=True))
    positions = range(space.teacher.depth)
    return SubnetCode(
        hidden=jnp.asarray(space.hiddens.index(subnet.hidden), jnp.int32),
        active=jnp.asarray([i in blocks for i in positions], jnp.bool_),
        heads=jnp.asarray([space.heads.index(blocks[i].heads) if i in blocks else 0 for i in positions], jnp.int32),
        ffn=jnp.asarray([space.ffns.index(blocks[i].ffn) if i in blocks else 0 for i in positions], jnp.int32),
    )
