"""A task's splits as the batches a loop takes, with the teacher's logits where there are any."""

from __future__ import annotations

import dataclasses

import grain
import numpy as np

from bertnas_jax.data import (
    Batch,
    Buckets,
    Encoded,
    Part,
    Task,
    choose_buckets,
    count_batches,
    encode,
    eval_batches,
    pad_share,
    train_batches,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Feed:
    """Encoded splits of a task and the batch shapes both use."""

    task: Task
    train: Encoded
    dev: Encoded
    buckets: Buckets

    @property
    def is_regression(self) -> bool:
        return self.task.kind == "regression"

    @property
    def pad_share(self) -> float:
        """Share of the training tokens that is padding."""
        return pad_share(self.train, self.buckets)

    def num_steps(self, epochs: float) -> int:
        """Batches in this many passes over the training split, at least 1."""
        return max(1, round(epochs * count_batches(self.train, self.buckets)))

    def train_batches(self, seed: int, num_steps: int, part: Part = Part()) -> grain.IterDataset[Batch]:
        """The batches of this many steps, epoch after epoch; `part` of the rows of each."""
        return train_batches(self.train, self.buckets, seed, num_steps, part)

    def dev_batches(self) -> list[Batch]:
        return list(eval_batches(self.dev, self.buckets))

    def train_batches_in_order(self) -> list[Batch]:
        return list(eval_batches(self.train, self.buckets))


def make_feed(task: Task, tokenizer, max_length: int, tokens_per_batch: int, max_buckets: int) -> Feed:
    """The feed of a task, cut to `max_length` tokens, with about `tokens_per_batch` in a batch.

    More buckets pad less; each is one more compilation of every step.
    """
    train, dev = (encode(split, tokenizer, max_length) for split in (task.train, task.dev))
    lengths = np.concatenate([train.lengths, dev.lengths])
    return Feed(task, train, dev, choose_buckets(lengths, tokens_per_batch, max_buckets))
