"""Every Subnet of a space from one compiled function over the shared weights.

The blocks are scanned; in each, `lax.cond` skips a block that the Subnet lacks and `lax.switch`
picks the attention half among (hidden, heads) and the feed-forward half among (hidden, ffn), so
that what runs is the plain model's own module at the Subnet's static widths. The residual stream
between the halves is padded to the teacher's width with zeros. Each half is rematerialised:
otherwise the gradient keeps the intermediates of every branch that was not taken.

Measured as shares of the plain 6x384 model's forward and backward pass (32 x 32 tokens, 2 cores of an
AMD EPYC, Zen 3, 2026-11-22; 10 branches; FLOPs in brackets): the full Subnet [1.00] 1.23, 3 blocks
[0.50] 0.68, 4 blocks of 8 heads and ffn 1024 [0.44] 0.65, the smallest [0.08] 0.23; compiled once in 6 s.
Without rematerialisation 1.51, 1.16, 1.11, 0.81; keeping the products alone 1.21, 0.71, 0.72, 0.37.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from bertnas_jax.model import BertConfig, assign_parameters
from bertnas_jax.model.bert import Attention, Embeddings, FeedForward, Head, layer_norm, score_mask
from bertnas_jax.space import SearchSpace
from bertnas_jax.supernet.encode import SubnetCode, encode_subnet
from bertnas_jax.supernet.features import Features, Wanted, project_last
from bertnas_jax.supernet.sliced import Branch, run_cut, sliced
from bertnas_jax.supernet.weights import SharedWeights


@dataclasses.dataclass(frozen=True)
class Supernet:
    """The elastic forward pass of a space; holds no weights and no active Subnet."""

    space: SearchSpace
    config: BertConfig

    @classmethod
    def alone(cls, config: BertConfig) -> tuple[Supernet, SubnetCode]:
        """The supernet whose only Subnet is the model itself, and its code: the teacher over shared weights."""
        subnet, layer = config.subnet, config.subnet.layers[0]
        space = SearchSpace(subnet, (subnet.depth,), (subnet.hidden,), (layer.heads,), (layer.ffn,))
        return cls(space, config), encode_subnet(space, subnet)

    def __call__(
        self,
        weights: SharedWeights,
        code: SubnetCode,
        input_ids: Int[Array, "B L"],
        attention_mask: Int[Array, "B L"],
        token_type_ids: Int[Array, "B L"],
    ) -> Float[Array, "B C"]:
        """The logits of the Subnet that `code` stands for."""
        return self.features(weights, code, (input_ids, attention_mask, token_type_ids), Wanted()).logits

    def features(self, weights: SharedWeights, code: SubnetCode, inputs: tuple[Int[Array, "B L"], ...], wanted: Wanted) -> Features:
        """The logits and what is wanted of the rest, for the model's inputs (input_ids, attention_mask, token_type_ids)."""
        input_ids, attention_mask, token_type_ids = inputs
        embeddings = nnx.eval_shape(lambda: Embeddings(self.config, nnx.Rngs(0)))
        assign_parameters(embeddings, weights.embeddings)
        x = self._normalise(weights, code, embeddings.summed(input_ids, token_type_ids))
        x, last_input, hidden = self._blocks(weights, code, x, score_mask(attention_mask), wanted)
        logits = jax.lax.switch(code.hidden, self._head_branches(), weights.head, x, attention_mask)
        projections = project_last(self.space, weights, code, last_input) if wanted.projections else None
        return Features(logits, hidden, projections)

    def _blocks(self, weights: SharedWeights, code: SubnetCode, x: jax.Array, mask: jax.Array, wanted: Wanted):
        """The stream after the blocks; and if wanted, else None, the last block's input and the stream after each."""
        attention, feed_forward = self._attention_branches(), self._feed_forward_branches()

        def block(carry, layer):
            x, last_input = carry
            state, active, heads, ffn = layer
            which_attention = code.hidden * len(self.space.heads) + heads
            which_ffn = code.hidden * len(self.space.ffns) + ffn

            def run(x):
                x = jax.lax.switch(which_attention, attention, state["attention"], x, mask)
                return jax.lax.switch(which_ffn, feed_forward, state["feed_forward"], x)

            if wanted.projections:
                last_input = jnp.where(active, x, last_input)
            x = jax.lax.cond(active, run, lambda x: x, x)
            return (x, last_input), x if wanted.hidden else None

        start = (x, x if wanted.projections else None)
        (x, last_input), hidden = jax.lax.scan(block, start, (weights.layers, code.active, code.heads, code.ffn))
        return x, last_input, hidden

    def _normalise(self, weights: SharedWeights, code: SubnetCode, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
        eps = self.config.layer_norm_eps
        branches = [sliced(lambda d=hidden: layer_norm(d, eps, nnx.Rngs(0)), hidden) for hidden in self.space.hiddens]
        return jax.lax.switch(code.hidden, branches, weights.embeddings["LayerNorm"], x)

    def _attention_branches(self) -> list[Branch]:
        eps, head_dim = self.config.layer_norm_eps, self.space.teacher.head_dim
        return [
            sliced(lambda d=hidden, n=heads: Attention(d, n, head_dim, eps, nnx.Rngs(0)), hidden)
            for hidden in self.space.hiddens
            for heads in self.space.heads
        ]

    def _feed_forward_branches(self) -> list[Branch]:
        eps = self.config.layer_norm_eps
        return [
            sliced(lambda d=hidden, f=ffn: FeedForward(d, f, eps, nnx.Rngs(0)), hidden)
            for hidden in self.space.hiddens
            for ffn in self.space.ffns
        ]

    def _head_branches(self) -> list[Branch]:
        def branch(hidden, parameters, x, attention_mask):
            subnet = dataclasses.replace(self.config.subnet, hidden=hidden)
            head = nnx.eval_shape(lambda: Head(dataclasses.replace(self.config, subnet=subnet), nnx.Rngs(0)))
            return run_cut(head, parameters, x[..., :hidden], attention_mask)

        return [functools.partial(branch, hidden) for hidden in self.space.hiddens]
