"""Every Subnet of a space from one compiled function over the shared weights.

The hidden width picks a program in which it is static (`per_width`); in it a loop runs over the active blocks alone,
heads pick the attention half and ffn the feed-forward half, so that what runs is the plain model's own modules at the
Subnet's static widths. `choose` is how a training step picks without copies, `blocks` brings the gradient of the loop,
`stages` that of the halves. Measured by tools/step_cost.py on a teacher of 12 blocks of 384 (2 cores of an AMD EPYC,
Zen 5, 32 x 32 tokens, 2026-11-24; FLOPs in brackets, time of loss and gradient as a share of the full Subnet's): half as deep [0.50] 0.52,
as deep but narrower [0.50] 0.61, a quarter as deep [0.25] 0.28, half as wide [0.25] 0.36; the full Subnet 1.11 of the
plain model.

The alternatives. This loop with `lax.switch`es, which copy, and gradients padded to the full widths (Intel Xeon, Sapphire
Rapids, 2026-11-24): full 1.16 of the plain model; 0.52, 0.66, 0.28 and 0.43 of the full. Of that one, keeping only
attention's output and the sums before LayerNorm and computing the rest again: full 1.25 of the plain model, as deep but
narrower 0.60 and half as wide 0.37 of the full; all of them cost the same time. As shares of a plain model of 6 blocks of
384 (AMD EPYC, Zen 3, 2026-11-22): a scan that skips blocks by `lax.cond` and rematerialises each half: full 1.23, 3
blocks [0.50] 0.68, 4 blocks of 8 heads and ffn 1024 [0.44] 0.65; without rematerialisation 1.51, 1.16, 1.11; keeping the
products alone 1.21, 0.71, 0.72.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from bertnas_jax.model import Bert, BertConfig, Parameters, assign_parameters
from bertnas_jax.model.bert import Attention, Embeddings, FeedForward, Head, layer_norm, score_mask
from bertnas_jax.model.parameters import corner_like
from bertnas_jax.space import SearchSpace
from bertnas_jax.supernet.blocks import Blocks
from bertnas_jax.supernet.encode import SubnetCode, encode_subnet
from bertnas_jax.supernet.features import Features, Wanted, project_last
from bertnas_jax.supernet.sliced import pad_channels, run_cut
from bertnas_jax.supernet.stages import ATTENTION, FEED_FORWARD, Branch
from bertnas_jax.supernet.weights import SharedWeights, share_weights


@dataclasses.dataclass(frozen=True)
class Supernet:
    """The elastic forward pass of a space; holds no weights and no active Subnet.

    Blocks compute in `compute_dtype`; statistics of LayerNorm, attention's softmax and the head in float32.
    """

    space: SearchSpace
    config: BertConfig
    compute_dtype: str = "float32"

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
        tables, rest = weights.split_tables()
        summed = self.look_up(tables, input_ids, token_type_ids)
        branches = [functools.partial(narrow.after_lookup, wanted=wanted) for narrow in self.per_width]
        first_width = code.replace(hidden=jnp.zeros_like(code.hidden))  # of a space that has no other
        return jax.lax.switch(code.hidden, branches, rest, first_width, summed, attention_mask)

    @property
    def per_width(self) -> tuple[Supernet, ...]:
        """The supernet of each hidden width alone: what costs by width, the gradient above all, is made for each of them."""
        return tuple(dataclasses.replace(self, space=dataclasses.replace(self.space, hiddens=(hidden,))) for hidden in self.space.hiddens)

    def corner(self, around: SharedWeights) -> SharedWeights:
        """What Subnets of this space's one hidden width use of the weights around the blocks: without tables and blocks."""
        return corner_like(around, jax.eval_shape(lambda: share_weights(Bert(self._at_width, nnx.Rngs(0)))).around_blocks())

    def look_up(self, tables: Parameters, input_ids: Int[Array, "B L"], token_type_ids: Int[Array, "B L"]) -> Float[Array, "B L D"]:
        """The summed embeddings, the same for every Subnet; `tables` are those of `SharedWeights.split_tables`."""
        embeddings = nnx.eval_shape(lambda: Embeddings(self.config, nnx.Rngs(0)))
        assign_parameters(embeddings.word_embeddings, tables["word_embeddings"])
        assign_parameters(embeddings.position_embeddings, tables["position_embeddings"])
        assign_parameters(embeddings.token_type_embeddings, tables["token_type_embeddings"])
        return embeddings.summed(input_ids, token_type_ids)

    def after_lookup(
        self,
        rest: SharedWeights,
        code: SubnetCode,
        summed: Float[Array, "B L D"],
        attention_mask: Int[Array, "B L"],
        wanted: Wanted,
        onto: Parameters | None = None,
    ) -> Features:
        """The features behind the summed embeddings, by a supernet of one hidden width; `rest` has no tables.

        The gradient of the blocks' parameters is added to `onto`, as `Blocks` says.
        """
        config, hidden = self._at_width, self._at_width.subnet.hidden
        norm = nnx.eval_shape(lambda: layer_norm(hidden, config.layer_norm_eps, nnx.Rngs(0)))
        head = nnx.eval_shape(lambda: Head(config, nnx.Rngs(0)))
        x = run_cut(norm, rest.embeddings["LayerNorm"], summed[..., :hidden]).astype(self.compute_dtype)
        stream = self._blocks(wanted)(rest.layers, x, score_mask(attention_mask), code, onto)
        states = pad_channels(stream.after_each, self.config.subnet.hidden) if wanted.hidden else None
        projections = project_last(self.space, rest, code, stream.before_last) if wanted.projections else None
        logits = run_cut(head, rest.head, stream.last.astype(summed.dtype), attention_mask)
        return Features(logits, states, projections)

    @property
    def _at_width(self) -> BertConfig:
        """The model's configuration at this space's one hidden width."""
        (hidden,) = self.space.hiddens
        return dataclasses.replace(self.config, subnet=dataclasses.replace(self.config.subnet, hidden=hidden))

    def _blocks(self, wanted: Wanted) -> Blocks:
        (hidden,), head_dim, eps = self.space.hiddens, self.space.teacher.head_dim, self.config.layer_norm_eps

        def attention(heads: int) -> Branch:
            module = nnx.eval_shape(lambda: Attention(hidden, heads, head_dim, eps, nnx.Rngs(0)))
            return Branch(module, ATTENTION, hidden, heads * head_dim, self.space.heads[-1] * head_dim)

        def feed_forward(ffn: int) -> Branch:
            module = nnx.eval_shape(lambda: FeedForward(hidden, ffn, eps, nnx.Rngs(0)))
            return Branch(module, FEED_FORWARD, hidden, ffn, self.space.ffns[-1])

        branches = {"attention": [*map(attention, self.space.heads)], "feed_forward": [*map(feed_forward, self.space.ffns)]}
        return Blocks(branches, wanted)
