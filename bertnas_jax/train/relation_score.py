"""The score of a Subnet on text without labels: how alike its relations and the teacher's are."""

from __future__ import annotations

import math

import jax

from bertnas_jax.space import Subnet
from bertnas_jax.supernet import SharedWeights, Supernet, encode_subnet
from bertnas_jax.train.config import SupernetTrainConfig
from bertnas_jax.train.feed import Feed
from bertnas_jax.train.fine_tune import as_arrays
from bertnas_jax.train.objective import Objective, Reference, Trained


class RelationScorer:
    """Scores Subnets on the dev split by the last block's relations; one compilation per batch shape.

    `teacher` are the weights that the training began with: rewired, as heads are compared by their places.
    """

    def __init__(self, supernet: Supernet, weights: SharedWeights, teacher: SharedWeights, feed: Feed, relation_heads: int):
        config = SupernetTrainConfig(output_weight=0.0, attention_weight=0.5, value_weight=0.5, relation_heads=relation_heads)
        objective = Objective(supernet, config, regression=False)

        def loss(weights, teacher, code, batch):
            reference = Reference(None, objective.teacher_features(teacher, batch))
            return objective(Trained(weights, None), code, batch, reference, config.label_weight)[0]

        self._space, self._weights, self._teacher, self._feed = supernet.space, weights, teacher, feed
        self._loss = jax.jit(loss)

    def on_dev(self, subnet: Subnet) -> float:
        """exp(-relation loss), in (0, 1]: 1 for the teacher itself, and like every score higher for the better."""
        return math.exp(-self.relation_loss(subnet))

    def relation_loss(self, subnet: Subnet) -> float:
        """The mean of the query-key and the value-value relation's divergence from the teacher's, over the tokens of dev."""
        code, total, tokens = encode_subnet(self._space, subnet), 0.0, 0.0
        for batch in self._feed.dev_batches():
            arrays = as_arrays(batch)
            count = float((arrays["attention_mask"] * arrays["weight"][:, None]).sum())
            total, tokens = total + count * float(self._loss(self._weights, self._teacher, code, arrays)), tokens + count
        return total / tokens
