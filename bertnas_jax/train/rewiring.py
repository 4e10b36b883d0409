"""The shared weights with what matters to the task in front, before they are trained."""

from __future__ import annotations

import itertools

from tqdm import tqdm

from bertnas_jax.model import BertConfig
from bertnas_jax.supernet import SharedWeights, Supernet, measure_importance, rewire
from bertnas_jax.train.feed import Feed
from bertnas_jax.train.fine_tune import as_arrays
from bertnas_jax.train.losses import label_loss


def rewire_by_importance(weights: SharedWeights, bert: BertConfig, feed: Feed, num_batches: int, seed: int) -> SharedWeights:
    """The same function with channels, heads and neurons ordered by their importance to the labels' loss."""
    teacher, code = Supernet.alone(bert)

    def loss(weights, batch):
        logits = teacher(weights, code, batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
        return label_loss(logits, batch["labels"], batch["weight"], feed.is_regression)

    batches = tqdm(itertools.islice(feed.train_stream(seed, 0), num_batches), total=num_batches, desc="importance", unit="batch")
    return rewire(weights, measure_importance(loss, weights, ((as_arrays(batch),) for batch in batches), bert.subnet.layers[0].heads).order())
