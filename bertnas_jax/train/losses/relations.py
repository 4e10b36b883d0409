"""How a student's tokens relate to each other, against how the teacher's do.

Source: Wang et al. 2020, MiniLM, arXiv 2002.10957, and Wang et al. 2021, MiniLMv2, arXiv 2012.15828: of
the second the relation heads, which make students of any number of heads comparable; of both the relation
of queries to keys and that of values to values.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bertnas_jax.model.bert import score_mask
from bertnas_jax.train.losses.mean import token_weight, weighted_mean


def relation_loss(
    student: tuple[Float[Array, "B L A"], Float[Array, "B L A"], Int[Array, ""]],
    teacher: tuple[Float[Array, "B L W"], Float[Array, "B L W"], Int[Array, ""]],
    relation_heads: int,
    attention_mask: Int[Array, "B L"],
    weight: Float[Array, " B"],
) -> Float[Array, ""]:
    """KL(teacher || student) of two relations, averaged over relation heads and unpadded tokens.

    A relation is given by two projections (queries and keys, or values twice) and their active width.
    Source: arXiv 2012.15828, multi-head self-attention relation distillation.
    """
    of_student = log_relation(*student, relation_heads, attention_mask)
    of_teacher = log_relation(*teacher, relation_heads, attention_mask)
    divergence = (jnp.exp(of_teacher) * (of_teacher - of_student)).sum(axis=-1).mean(axis=1)
    return weighted_mean(divergence, token_weight(attention_mask, weight))


def log_relation(
    first: Float[Array, "B L A"],
    second: Float[Array, "B L A"],
    width: Int[Array, ""],
    relation_heads: int,
    attention_mask: Int[Array, "B L"],
) -> Float[Array, "B R L L"]:
    """The logarithm of softmax(first second^T / sqrt(width / R)) in each relation head; a padded key has no mass."""
    first, second = (_split(x.astype(jnp.float32), width, relation_heads) for x in (first, second))
    scores = jnp.einsum("blrd,bmrd->brlm", first, second) * jax.lax.rsqrt((width // relation_heads).astype(jnp.float32))
    return jax.nn.log_softmax(scores + score_mask(attention_mask), axis=-1)


def _split(x: Float[Array, "B L A"], width: Int[Array, ""], relation_heads: int) -> Float[Array, "B L R K"]:
    """The active channels as R equal parts, each padded with zeros: products do not see the padding."""
    size, channel = width // relation_heads, jnp.arange(-(-x.shape[-1] // relation_heads))
    position = jnp.arange(relation_heads)[:, None] * size + channel[None]
    return jnp.where((channel < size)[None, None, None], jnp.take(x, position, axis=-1, mode="clip"), 0.0)
