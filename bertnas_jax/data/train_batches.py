"""The training batches of a run as a Grain dataset: batch number i is the same, however one comes to it."""

from __future__ import annotations

import functools

import grain

from bertnas_jax.data.batches import WHOLE, Batch, Part, materialise
from bertnas_jax.data.buckets import Buckets
from bertnas_jax.data.epoch import Planned, count_batches, plan_at_random
from bertnas_jax.data.tokenize import Encoded

BATCHES_AHEAD = 8  # one of 1,024 tokens is 13 KB and 0.4 ms of work, the plan of an epoch of SST-2 20 ms: the steps do not wait


class _Plans:
    """Grain's random access source of planned batches, epoch after epoch."""

    def __init__(self, encoded: Encoded, buckets: Buckets, seed: int, num_batches: int):
        self._num_batches, self._per_epoch = num_batches, count_batches(encoded, buckets)
        self._plan = functools.lru_cache(maxsize=1)(functools.partial(plan_at_random, encoded, buckets, seed))

    def __len__(self) -> int:
        return self._num_batches

    def __getitem__(self, number: int) -> Planned:
        epoch, position = divmod(number, self._per_epoch)
        return self._plan(epoch)[position]


def train_batches(encoded: Encoded, buckets: Buckets, seed: int, num_batches: int, part: Part = WHOLE) -> grain.IterDataset[Batch]:
    """Batches 0 to `num_batches` - 1 of a run, every example once an epoch; a thread makes the next ones ahead.

    Make-up and order are random, fixed by (seed, epoch), and alike in every process: `part` says which rows
    of each batch this one makes. An iterator's `get_state` is its position, as JSON can hold it.

    Raises:
      ValueError: there is no example, one fits no bucket, or no batch is wanted.
    """
    if num_batches < 1:
        raise ValueError(f"num_batches must be at least 1, got {num_batches}; a run has at least one step")
    plans = grain.MapDataset.source(_Plans(encoded, buckets, seed, num_batches))
    batches = plans.map(lambda planned: materialise(encoded, buckets, planned, part))
    return batches.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=BATCHES_AHEAD))
