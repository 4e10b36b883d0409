"""The score of a Subnet by the shared weights."""

from __future__ import annotations

import jax
import numpy as np

from bertnas_jax.data import eval_batches
from bertnas_jax.space import Subnet
from bertnas_jax.supernet import SharedWeights, Supernet, encode_subnet
from bertnas_jax.train.evaluate import predict
from bertnas_jax.train.feed import Feed


class SupernetScorer:
    """Scores Subnets on the dev split or on a fixed random part of it; one compilation per batch shape."""

    def __init__(self, supernet: Supernet, weights: SharedWeights, feed: Feed, subset: int, seed: int):
        self._supernet, self._weights, self._feed = supernet, weights, feed
        self._logits = jax.jit(supernet)
        rows = np.random.default_rng(seed).permutation(len(feed.dev))[:subset]
        self._part = feed.dev.take(np.sort(rows))

    def on_part(self, subnet: Subnet) -> float:
        """The task's metric on the part of the dev split."""
        return self._score(subnet, self._part)

    def on_dev(self, subnet: Subnet) -> float:
        """The task's metric on the whole dev split."""
        return self._score(subnet, self._feed.dev)

    def _score(self, subnet: Subnet, split) -> float:
        code = encode_subnet(self._supernet.space, subnet)
        logits = predict(lambda *inputs: self._logits(self._weights, code, *inputs), list(eval_batches(split, self._feed.buckets)))
        return self._feed.task.score(logits, split.labels)
