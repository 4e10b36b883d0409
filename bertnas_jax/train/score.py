"""The score of a Subnet by the shared weights."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import Bool, Float32

from bertnas_jax.data import Encoded, eval_batches
from bertnas_jax.space import Subnet
from bertnas_jax.supernet import SharedWeights, Supernet, encode_subnet
from bertnas_jax.train.evaluate import predict
from bertnas_jax.train.feed import Feed

PARTS = 4  # that the part of the dev split comes in
LEAST_PART = 64  # examples: fewer tell two Subnets apart only if one has nearly all wrong


class SupernetScorer:
    """Scores Subnets on the dev split or on a fixed random part of it; one compilation per batch shape."""

    def __init__(self, supernet: Supernet, weights: SharedWeights, feed: Feed, subset: int, seed: int):
        self._supernet, self._weights, self._feed = supernet, weights, feed
        self._logits = jax.jit(supernet)
        rows = np.random.default_rng(seed).permutation(len(feed.dev))[:subset]
        self._part = feed.dev.take(np.sort(rows))
        number = max(1, min(PARTS, len(rows) // LEAST_PART))
        self._parts = [feed.dev.take(np.sort(few)) for few in np.array_split(rows, number)]

    @property
    def num_parts(self) -> int:
        """How many random parts `right_by_part` gives."""
        return len(self._parts)

    @property
    def counts_examples(self) -> bool:
        """True if the task's metric is the share of examples that are right."""
        return self._feed.task.metric == "accuracy"

    def on_part(self, subnet: Subnet) -> float:
        """The task's metric on the part of the dev split."""
        return self._score(subnet, self._part)

    def right_by_part(self, subnet: Subnet) -> Iterator[Bool[np.ndarray, " k"]]:
        """Which examples of the part are right, a random part of it at a time."""
        for few in self._parts:
            yield np.argmax(self._predict(subnet, few), axis=1) == few.labels

    def on_dev(self, subnet: Subnet) -> float:
        """The task's metric on the whole dev split."""
        return self._score(subnet, self._feed.dev)

    def _score(self, subnet: Subnet, split: Encoded) -> float:
        return self._feed.task.score(self._predict(subnet, split), split.labels)

    def _predict(self, subnet: Subnet, split: Encoded) -> Float32[np.ndarray, "n C"]:
        code = encode_subnet(self._supernet.space, subnet)
        return predict(lambda *inputs: self._logits(self._weights, code, *inputs), list(eval_batches(split, self._feed.buckets)))
