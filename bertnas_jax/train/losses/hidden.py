"""The hidden states of a student's blocks against those of the teacher's."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bertnas_jax.train.losses.mean import weighted_mean


def hidden_loss(
    student: Float[Array, "T B L E"],
    active: Bool[Array, " T"],
    teacher: Float[Array, "U B L E"],
    weight: Float[Array, "B L"],
) -> Float[Array, ""]:
    """The mean squared error over channels, tokens by weight, and active blocks.

    Block m of a student's M is compared with block g(m) = m * U / M of the teacher's U, rounded down,
    so that the last is compared with the last. The student's states are projected already.
    Source: Jiao et al. 2019, TinyBERT, arXiv 1909.10351, hidden states based distillation with the uniform g.
    """
    rank, depth = jnp.cumsum(active), active.sum()  # rank is m, counted from 1, at the active blocks
    matched = teacher[jnp.maximum(rank * teacher.shape[0] // depth, 1) - 1]
    of_token = jnp.square(student.astype(jnp.float32) - matched.astype(jnp.float32)).mean(axis=-1)
    blocks = jnp.where(active[:, None, None], of_token, 0.0).sum(axis=0) / depth.astype(jnp.float32)
    return weighted_mean(blocks, weight)
