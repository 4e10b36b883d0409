"""The gradient of a step's Subnets: each at its own hidden width, all behind one lookup of the embeddings.

The loss and its gradient are made at each width from the corner of the weights that the width uses, and added to
that corner of the step's gradient, where it is: what a Subnet does not use of the weights costs it nothing. The tables of embeddings are most of the weights, and the Subnets
of a step look the same tokens up: their gradient is added up where it is small, [B, L, D].
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bertnas_jax.supernet import SubnetCode
from bertnas_jax.supernet.choose import run_chosen
from bertnas_jax.supernet.sliced import add_to_corner
from bertnas_jax.train.objective import Trained, inputs_of
from bertnas_jax.train.step import LossAndGradient, Losses

Batch = dict[str, jax.Array]
Total = tuple[Trained, Float[Array, "B L D"]]  # the gradients of the trained arrays without tables, and of the summed embeddings
# (trained without tables, summed embeddings, gradient that the blocks' is added to, code, batch, *args) -> (loss, logits)
WidthLoss = Callable[..., tuple[Float[Array, ""], Float[Array, "B C"]]]
# (total, share, trained without tables, summed embeddings, code, batch, *args)
# -> (total with that share of the Subnet's gradient added, loss, logits)
SubnetGradient = Callable[..., tuple[Total, Float[Array, ""], Float[Array, "B C"]]]


@dataclasses.dataclass(frozen=True)
class Width:
    """A hidden width of the space: its loss, and the corner of (trained around the blocks, summed embeddings) that the loss is of."""

    loss: WidthLoss
    corner: Callable[[Trained, jax.Array], Total]


def by_width(widths: Sequence[Width], num_outputs: int) -> SubnetGradient:
    """The gradient of one Subnet from the loss of each hidden width of the space."""

    def add_gradient(total: Total, share: float, rest: Trained, summed: jax.Array, code: SubnetCode, batch: Batch, *args: Any):
        alone = code.replace(hidden=jnp.zeros_like(code.hidden))

        def at(width: Width, read, carry):
            (rest, summed, *read), ((of_rest, of_summed), _, logits) = read, carry
            (layers, around), (onto, of_around) = rest.split_blocks(), of_rest.split_blocks()
            around, summed = width.corner(around, summed)

            def loss(*args):
                value, found = width.loss(*args)
                return share * value, (value, found)

            gradient = jax.grad(loss, argnums=(0, 1), has_aux=True)
            (of_used, of_used_summed), (value, found) = gradient(around.with_blocks(layers), summed, onto, *read)
            of_layers, of_used = of_used.split_blocks()
            of_rest = jax.tree.map(add_to_corner, of_around, of_used).with_blocks(of_layers)
            return (of_rest, add_to_corner(of_summed, of_used_summed)), value, found.astype(logits.dtype)

        start = total, jnp.zeros(()), jnp.zeros((len(summed), num_outputs))
        read = rest, summed, alone, batch, *args
        return run_chosen(code.hidden, [functools.partial(at, width) for width in widths], read, start)

    return add_gradient


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
