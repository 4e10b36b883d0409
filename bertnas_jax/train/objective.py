"""The loss of one Subnet in a supernet step: every loss that its configuration gives a weight, added up."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from bertnas_jax.model import Parameters
from bertnas_jax.space import SearchSpace
from bertnas_jax.supernet import Features, SharedWeights, SubnetCode, Supernet, Wanted
from bertnas_jax.train.config import SupernetTrainConfig
from bertnas_jax.train.losses import distillation_loss, hidden_loss, label_loss, relation_loss
from bertnas_jax.train.losses.mean import token_weight


@struct.dataclass
class Trained:
    """What a supernet's training changes: the shared weights, and the projection of hidden states where it is wanted.

    The projection maps a narrower student's channels to the teacher's and is thrown away after training.
    """

    shared: SharedWeights
    projection: Float[Array, "D E"] | None

    def split_blocks(self) -> tuple[Parameters, Trained]:
        """The blocks' parameters, and the rest without tables."""
        return self.shared.layers, self.replace(shared=self.shared.around_blocks())

    def with_blocks(self, layers: Parameters) -> Trained:
        """These arrays with the blocks that `split_blocks` took."""
        return self.replace(shared=self.shared.replace(layers=layers))


@struct.dataclass
class Reference:
    """What a Subnet is compared with: logits (None without soft labels) and the fixed teacher's features (None if not wanted)."""

    logits: Float[Array, "B C"] | None
    features: Features | None


@dataclasses.dataclass(frozen=True)
class Objective:
    """The loss of a Subnet of a supernet; the fixed teacher has the sizes of the space's teacher.

    Raises:
      ValueError: relation_heads does not divide a Subnet's attention.
    """

    supernet: Supernet
    config: SupernetTrainConfig
    regression: bool

    def __post_init__(self):
        if self.wanted.projections:
            check_relation_heads(self.supernet.space, self.config.relation_heads)

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.config.hidden_weight > 0, self.config.needs_relations)

    def trained(self, weights: SharedWeights) -> Trained:
        """The shared weights, copied, beside a projection that begins as the identity."""
        width = self.supernet.space.teacher.hidden
        return Trained(jax.tree.map(jnp.copy, weights), jnp.eye(width) if self.wanted.hidden else None)

    def teacher_features(self, weights: SharedWeights | None, batch: dict[str, Array]) -> Features | None:
        """The fixed teacher's features of a batch, through which no gradient goes; None if none are wanted."""
        if not self.wanted:
            return None
        teacher, code = Supernet.alone(self.supernet.config)
        return jax.lax.stop_gradient(teacher.features(weights, code, inputs_of(batch), self.wanted))

    def __call__(
        self, trained: Trained, code: SubnetCode, batch: dict[str, Array], reference: Reference, label_weight: Any
    ) -> tuple[Float[Array, ""], Float[Array, "B C"]]:
        """The loss of the Subnet on a batch, and its logits; `label_weight` is the configuration's or an array."""
        features = self.supernet.features(trained.shared, code, inputs_of(batch), self.wanted)
        return self._of_features(trained, features, code, batch, reference, label_weight)

    @property
    def per_width(self) -> tuple[Objective, ...]:
        """The objective of each hidden width of the space alone."""
        return tuple(dataclasses.replace(self, supernet=narrow) for narrow in self.supernet.per_width)

    def corner(self, around: Trained, summed: Float[Array, "B L D"]) -> tuple[Trained, Float[Array, "B L E"]]:
        """What an objective of one hidden width uses of the trained arrays around the blocks and of the summed embeddings."""
        (hidden,) = self.supernet.space.hiddens
        return around.replace(shared=self.supernet.corner(around.shared)), summed[..., :hidden]

    def after_lookup(
        self,
        trained: Trained,
        summed: Float[Array, "B L E"],
        onto: Parameters,
        code: SubnetCode,
        batch: dict[str, Array],
        reference: Reference,
        label_weight: Any,
    ) -> tuple[Float[Array, ""], Float[Array, "B C"]]:
        """As a call, of the `corner` of an objective of one hidden width and the blocks, whose gradient is added to `onto`."""
        features = self.supernet.after_lookup(trained.shared, code, summed, batch["attention_mask"], self.wanted, onto)
        return self._of_features(trained, features, code, batch, reference, label_weight)

    def _of_features(self, trained, features, code, batch, reference, label_weight):
        config, terms = self.config, []
        if config.output_weight:
            terms.append(config.output_weight * self._outputs(features.logits, batch, reference.logits, label_weight))
        if self.wanted.hidden:
            terms.append(config.hidden_weight * self._hidden(trained, code, features, batch, reference.features))
        for weight, names in ((config.attention_weight, ("query", "key")), (config.value_weight, ("value", "value"))):
            if weight:
                terms.append(weight * self._relation(names, features, reference.features, batch))
        return sum(terms[1:], terms[0]), features.logits

    def _outputs(self, logits, batch, soft, label_weight):
        if soft is None:
            return label_loss(logits, batch["labels"], batch["weight"], self.regression)
        distilled = distillation_loss(logits, soft, batch["weight"], self.regression, self.config.temperature)
        if isinstance(label_weight, float) and label_weight == 0.0:
            return distilled  # 0 times the loss of a label that is not there need not be 0
        return label_weight * label_loss(logits, batch["labels"], batch["weight"], self.regression) + (1.0 - label_weight) * distilled

    def _hidden(self, trained: Trained, code: SubnetCode, student: Features, batch, teacher: Features):
        hiddens = jnp.asarray(self.supernet.space.hiddens, jnp.int32)
        is_whole = hiddens[code.hidden] == student.hidden.shape[-1]
        states = jax.lax.cond(is_whole, lambda x: x, lambda x: x @ trained.projection.astype(x.dtype), student.hidden)
        return hidden_loss(states, code.active, teacher.hidden, token_weight(batch["attention_mask"], batch["weight"]))

    def _relation(self, names: tuple[str, str], student: Features, teacher: Features, batch):
        def pair(features):
            parts = {"query": features.projections.query, "key": features.projections.key, "value": features.projections.value}
            return parts[names[0]], parts[names[1]], features.projections.width

        return relation_loss(pair(student), pair(teacher), self.config.relation_heads, batch["attention_mask"], batch["weight"])


def check_relation_heads(space: SearchSpace, relation_heads: int) -> None:
    """Raises ValueError if some attention of the space cannot be split into so many relation heads."""
    widths = [heads * space.teacher.head_dim for heads in (*space.heads, space.teacher.layers[0].heads)]
    if any(width % relation_heads for width in widths):
        raise ValueError(
            f"relation_heads must divide the attention's channels, got {relation_heads} for {widths}; use the head_dim, {space.teacher.head_dim}"
        )


def inputs_of(batch: dict[str, Array]) -> tuple[Array, Array, Array]:
    """The model's inputs, in its order."""
    return batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]
