"""What distillation reads of a forward pass besides the logits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx, struct
from jaxtyping import Array, Float, Int

from bertnas_jax.model.bert import SelfAttention
from bertnas_jax.space import SearchSpace
from bertnas_jax.supernet.encode import SubnetCode
from bertnas_jax.supernet.sliced import pad_channels, run_cut
from bertnas_jax.supernet.weights import SharedWeights


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Which features a forward pass keeps; what is not wanted costs nothing."""

    hidden: bool = False
    projections: bool = False

    def __bool__(self) -> bool:
        return self.hidden or self.projections


@struct.dataclass
class Projections:
    """Queries, keys and values of a Subnet's last block, padded with zeros; `width` of their channels are active."""

    query: Float[Array, "B L A"]
    key: Float[Array, "B L A"]
    value: Float[Array, "B L A"]
    width: Int[Array, ""]


@struct.dataclass
class Features:
    """A forward pass's logits and what was `Wanted` of the rest, padded with zeros to the teacher's widths.

    `hidden` is the stream after each of the T block positions (a block that is not active leaves it as it was).
    """

    logits: Float[Array, "B C"]
    hidden: Float[Array, "T B L D"] | None
    projections: Projections | None


def project_last(space: SearchSpace, weights: SharedWeights, code: SubnetCode, x: Float[Array, "B L D"]) -> Projections:
    """The projections of the last active block, given its input; the space has one hidden width, that of `x`."""
    last = code.active.shape[0] - 1 - jnp.argmax(code.active[::-1])
    parameters = jax.tree.map(lambda leaf: leaf[last], weights.layers["attention"]["self"])
    branches = [_branch(space, heads) for heads in space.heads]
    query, key, value = jax.lax.switch(code.heads[last], branches, parameters, x)
    widths = jnp.asarray([heads * space.teacher.head_dim for heads in space.heads], jnp.int32)
    return Projections(query, key, value, widths[code.heads[last]])


def _branch(space: SearchSpace, heads: int) -> Callable[..., tuple[jax.Array, jax.Array, jax.Array]]:
    (hidden,), head_dim = space.hiddens, space.teacher.head_dim
    module = nnx.eval_shape(lambda: SelfAttention(hidden, heads, head_dim, nnx.Rngs(0)))

    @jax.checkpoint
    def branch(parameters, x):
        parts = ((module.query, "query"), (module.key, "key"), (module.value, "value"))
        return tuple(pad_channels(run_cut(part, parameters[name], x), space.heads[-1] * head_dim) for part, name in parts)

    return branch
