"""The gradient of a step's Subnets: each at its own hidden width, all behind one lookup of the embeddings.

A `lax.switch` over widths around the loss and its gradient holds nothing between the two; a gradient of a
switch would keep what every width keeps. The tables of embeddings are most of the weights, and the Subnets
of a step look the same tokens up: their gradient is added up where it is small, [B, L, D].
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bertnas_jax.supernet import SubnetCode
from bertnas_jax.train.objective import Trained, inputs_of
from bertnas_jax.train.step import LossAndGradient, Losses

Batch = dict[str, jax.Array]
# (trained without tables, summed embeddings, code, batch, *args) -> (loss, logits)
WidthLoss = Callable[..., tuple[Float[Array, ""], Float[Array, "B C"]]]
# the same arguments -> ((loss, logits), (gradient of the first, of the second))
SubnetGradient = Callable[..., tuple[tuple[jax.Array, jax.Array], tuple[Trained, jax.Array]]]


def by_width(losses: Sequence[WidthLoss]) -> SubnetGradient:
    """The gradient of one Subnet from the loss of each hidden width of the space."""

    def at(loss: WidthLoss, rest: Trained, summed: jax.Array, code: SubnetCode, *args: Any):
        alone = code.replace(hidden=jnp.zeros_like(code.hidden))
        return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(rest, summed, alone, *args)

    branches = [functools.partial(at, loss) for loss in losses]

    def gradient(rest: Trained, summed: jax.Array, code: SubnetCode, *args: Any):
        return jax.lax.switch(code.hidden, branches, rest, summed, code, *args)

    return gradient


def behind_lookup(look_up: Callable[..., jax.Array], of_subnets: Callable[..., tuple[Losses, tuple[Trained, jax.Array]]]) -> LossAndGradient:
    """What `make_step` takes, from `of_subnets(trained without tables, summed embeddings, codes, batch, *args)`."""

    def loss_and_gradient(trained: Trained, codes: SubnetCode, batch: Batch, *args: Any) -> tuple[Losses, Trained]:
        tables, rest = trained.shared.split_tables()
        input_ids, _, token_type_ids = inputs_of(batch)
        summed, pull = jax.vjp(lambda tables: look_up(tables, input_ids, token_type_ids), tables)
        losses, (gradient, of_summed) = of_subnets(trained.replace(shared=rest), summed, codes, batch, *args)
        (of_tables,) = pull(of_summed)
        return losses, gradient.replace(shared=gradient.shared.with_tables(of_tables))

    return loss_and_gradient
