"""A plain BERT encoder with a classification or regression head, in Flax NNX.

Attribute names follow the Hugging Face BERT checkpoint, so that a parameter's path is its
checkpoint key. Axes: B batch, L sequence, D hidden, F ffn, N heads, H head_dim, C outputs.

Source: Devlin et al. 2018, arXiv 1810.04805 (post-LayerNorm encoder, erf gelu).
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from bertnas_jax.model.contraction import contract_last
from bertnas_jax.model.gelu import gelu
from bertnas_jax.space import Subnet, Vocabulary

POOLINGS = ("mean", "cls")
# Added to the score of a padded key; exp underflows to exactly 0 in float32 and bfloat16 alike.
MASKED_SCORE = -1e9


@dataclasses.dataclass(frozen=True)
class BertConfig:
    """Everything that fixes the parameters' shapes and the function they compute.

    `num_outputs` is the number of classes, or 1 for regression. `pooling` "mean" averages the
    last hidden states over the unpadded positions; "cls" is BERT's pooler on the first one.

    Raises:
      ValueError: a size is not positive or `pooling` is unknown.
    """

    subnet: Subnet
    vocab_size: int
    max_positions: int = 512
    type_vocab_size: int = 2
    num_outputs: int = 2
    pooling: str = "mean"
    pad_token_id: int = 0
    layer_norm_eps: float = 1e-12

    def __post_init__(self):
        for name in ("vocab_size", "max_positions", "type_vocab_size", "num_outputs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}; take it from the checkpoint's config.json")
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {POOLINGS}, got {self.pooling!r}; sentence encoders are trained with 'mean'")

    @property
    def vocabulary(self) -> Vocabulary:
        """The sizes around the encoder, for counting parameters and FLOPs."""
        return Vocabulary(self.vocab_size, self.max_positions, self.type_vocab_size, self.num_outputs, self.pooling == "cls")


def linear(width_in: int, width_out: int, rngs: nnx.Rngs) -> nnx.Linear:
    """A linear layer whose gradient is written for XLA's CPU compiler (`contraction.contract_last`)."""
    return nnx.Linear(width_in, width_out, rngs=rngs, dot_general=contract_last)


def score_mask(attention_mask: Int[Array, "B L"]) -> Float[Array, "B 1 1 L"]:
    """0 where a key may be attended to, `MASKED_SCORE` where it is padding."""
    return ((1 - attention_mask).astype(jnp.float32) * MASKED_SCORE)[:, None, None, :]


def layer_norm(width: int, eps: float, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """LayerNorm with a two-pass variance: E[x^2] - E[x]^2 cancels where the mean is large."""
    return nnx.LayerNorm(width, epsilon=eps, use_fast_variance=False, rngs=rngs)


class Embeddings(nnx.Module):
    """Sum of word, position and token-type embeddings, normalised."""

    def __init__(self, config: BertConfig, rngs: nnx.Rngs):
        width = config.subnet.hidden
        self.word_embeddings = nnx.Embed(config.vocab_size, width, rngs=rngs)
        self.position_embeddings = nnx.Embed(config.max_positions, width, rngs=rngs)
        self.token_type_embeddings = nnx.Embed(config.type_vocab_size, width, rngs=rngs)
        self.LayerNorm = layer_norm(width, config.layer_norm_eps, rngs)

    def summed(self, input_ids: Int[Array, "B L"], token_type_ids: Int[Array, "B L"]) -> Float[Array, "B L D"]:
        """The sum before its LayerNorm: the part that does not depend on which channels are active."""
        word = jnp.take(self.word_embeddings.embedding[...], input_ids, axis=0, mode="clip")
        token_type = jnp.take(self.token_type_embeddings.embedding[...], token_type_ids, axis=0, mode="clip")
        position = self.position_embeddings.embedding[...][: input_ids.shape[1]]
        return word + token_type + position[None]

    def __call__(self, input_ids: Int[Array, "B L"], token_type_ids: Int[Array, "B L"]) -> Float[Array, "B L D"]:
        return self.LayerNorm(self.summed(input_ids, token_type_ids))


class SelfAttention(nnx.Module):
    """Scaled dot-product attention of N heads; its output is N * H wide."""

    def __init__(self, hidden: int, heads: int, head_dim: int, rngs: nnx.Rngs):
        self.heads, self.head_dim = heads, head_dim
        self.query = linear(hidden, heads * head_dim, rngs)
        self.key = linear(hidden, heads * head_dim, rngs)
        self.value = linear(hidden, heads * head_dim, rngs)

    def __call__(self, x: Float[Array, "B L D"], mask: Float[Array, "B 1 1 L"]) -> Float[Array, "B L NH"]:
        return self.attend(*self.project(x), mask)

    def project(self, x: Float[Array, "B L D"]) -> tuple[Float[Array, "B L NH"], Float[Array, "B L NH"], Float[Array, "B L NH"]]:
        """Queries (scaled), keys and values."""
        return self.query(x) * self.head_dim**-0.5, self.key(x), self.value(x)

    def attend(
        self,
        query: Float[Array, "B L NH"],
        key: Float[Array, "B L NH"],
        value: Float[Array, "B L NH"],
        mask: Float[Array, "B 1 1 L"],
    ) -> Float[Array, "B L NH"]:
        """The values that each query attends to, averaged by attention."""
        split = (*query.shape[:2], self.heads, self.head_dim)
        query, key, value = query.reshape(split), key.reshape(split), value.reshape(split)
        scores = jnp.einsum("blnh,bmnh->bnlm", query, key).astype(mask.dtype) + mask  # bfloat16 values have a float32 softmax
        context = jnp.einsum("bnlm,bmnh->blnh", jax.nn.softmax(scores, axis=-1).astype(value.dtype), value)
        return context.reshape(*query.shape[:2], self.heads * self.head_dim)


class ResidualOutput(nnx.Module):
    """A projection back to D, added to the residual stream and normalised."""

    def __init__(self, width: int, hidden: int, eps: float, rngs: nnx.Rngs):
        self.dense = linear(width, hidden, rngs)
        self.LayerNorm = layer_norm(hidden, eps, rngs)

    def __call__(self, y: Float[Array, "B L W"], residual: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
        return self.LayerNorm(self.summed(y, residual))

    def summed(self, y: Float[Array, "B L W"], residual: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
        """The sum before its LayerNorm."""
        return self.dense(y) + residual


class Attention(nnx.Module):
    """The first half of a block: self-attention, projection, residual, LayerNorm."""

    def __init__(self, hidden: int, heads: int, head_dim: int, eps: float, rngs: nnx.Rngs):
        self.self = SelfAttention(hidden, heads, head_dim, rngs)
        self.output = ResidualOutput(heads * head_dim, hidden, eps, rngs)

    def __call__(self, x: Float[Array, "B L D"], mask: Float[Array, "B 1 1 L"]) -> Float[Array, "B L D"]:
        return self.output(self.self(x, mask), x)


class Intermediate(nnx.Module):
    """The widening projection of the feed-forward half, with gelu."""

    def __init__(self, hidden: int, ffn: int, rngs: nnx.Rngs):
        self.dense = linear(hidden, ffn, rngs)

    def __call__(self, x: Float[Array, "B L D"]) -> Float[Array, "B L F"]:
        return gelu(self.dense(x))


class FeedForward(nnx.Module):
    """The second half of a block: widen, gelu, project, residual, LayerNorm."""

    def __init__(self, hidden: int, ffn: int, eps: float, rngs: nnx.Rngs):
        self.intermediate = Intermediate(hidden, ffn, rngs)
        self.output = ResidualOutput(ffn, hidden, eps, rngs)

    def __call__(self, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
        return self.output(self.intermediate(x), x)


class EncoderLayer(nnx.Module):
    """One transformer block."""

    def __init__(self, hidden: int, heads: int, head_dim: int, ffn: int, eps: float, rngs: nnx.Rngs):
        self.attention = Attention(hidden, heads, head_dim, eps, rngs)
        self.feed_forward = FeedForward(hidden, ffn, eps, rngs)

    def __call__(self, x: Float[Array, "B L D"], mask: Float[Array, "B 1 1 L"]) -> Float[Array, "B L D"]:
        return self.feed_forward(self.attention(x, mask))


class Head(nnx.Module):
    """Pooling over the sequence, then the task's linear classifier or regressor."""

    def __init__(self, config: BertConfig, rngs: nnx.Rngs):
        width = config.subnet.hidden
        self.pooler = linear(width, width, rngs) if config.pooling == "cls" else None
        self.classifier = linear(width, config.num_outputs, rngs)

    def __call__(self, hidden: Float[Array, "B L D"], attention_mask: Int[Array, "B L"]) -> Float[Array, "B C"]:
        if self.pooler is not None:
            return self.classifier(jnp.tanh(self.pooler(hidden[:, 0])))
        weight = attention_mask.astype(hidden.dtype)[:, :, None]
        length = jnp.maximum(weight.sum(axis=1), 1.0)  # an empty row pools to 0, not to NaN
        return self.classifier((hidden * weight).sum(axis=1) / length)


class Bert(nnx.Module):
    """A BERT encoder of a Subnet's sizes with its task head."""

    def __init__(self, config: BertConfig, rngs: nnx.Rngs):
        self.config = config
        subnet = config.subnet
        self.embeddings = Embeddings(config, rngs)
        self.layer = nnx.List(
            EncoderLayer(subnet.hidden, layer.heads, subnet.head_dim, layer.ffn, config.layer_norm_eps, rngs)
            for layer in subnet.layers
        )
        self.head = Head(config, rngs)

    def hidden_states(
        self, input_ids: Int[Array, "B L"], attention_mask: Int[Array, "B L"], token_type_ids: Int[Array, "B L"]
    ) -> list[Float[Array, "B L D"]]:
        """The embeddings' output and that of every block, depth + 1 arrays."""
        mask = score_mask(attention_mask)
        states = [self.embeddings(input_ids, token_type_ids)]
        for layer in self.layer:
            states.append(layer(states[-1], mask))
        return states

    def __call__(
        self, input_ids: Int[Array, "B L"], attention_mask: Int[Array, "B L"], token_type_ids: Int[Array, "B L"]
    ) -> Float[Array, "B C"]:
        return self.head(self.hidden_states(input_ids, attention_mask, token_type_ids)[-1], attention_mask)
