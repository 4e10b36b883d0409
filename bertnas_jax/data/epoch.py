"""Which examples stand in which batch of an epoch; nothing is padded yet, so every process can plan for all."""

from __future__ import annotations

import dataclasses

import numpy as np

from bertnas_jax.data.buckets import Buckets
from bertnas_jax.data.tokenize import Encoded


@dataclasses.dataclass(frozen=True, eq=False)
class Planned:
    """The examples of a batch, as positions in the split, and the length they are padded to."""

    length: int
    members: np.ndarray


def plan_epoch(encoded: Encoded, buckets: Buckets, order: np.ndarray) -> list[Planned]:
    """The batches of examples taken in this order, by bucket. What does not fill a batch may go up a bucket.

    Raises:
      ValueError: there are no examples, or one fits no bucket.
    """
    if not len(encoded):
        raise ValueError("an encoded split must hold at least one example, got none; check the task")
    bucket_of = buckets.assign(encoded.lengths)[order]
    queues = [order[bucket_of == bucket] for bucket in range(len(buckets.lengths))]
    _, carries = buckets.spend([len(queue) for queue in queues])
    plan, carried = [], order[:0]
    for (rows, length), own, carry in zip(buckets.shapes, queues, carries, strict=True):
        queue = np.concatenate([carried, own])
        kept = len(queue) - len(queue) % rows if carry else len(queue)
        plan += [Planned(length, queue[first : first + rows]) for first in range(0, kept, rows)]
        carried = queue[kept:]
    return plan


def plan_in_order(encoded: Encoded, buckets: Buckets) -> list[Planned]:
    """The batches of the examples in their own order, the shortest first."""
    return plan_epoch(encoded, buckets, np.arange(len(encoded)))


def plan_at_random(encoded: Encoded, buckets: Buckets, seed: int, epoch: int) -> list[Planned]:
    """The batches of an epoch of training: their make-up and order are random, fixed by (seed, epoch)."""
    random = np.random.default_rng([seed, epoch])
    plan = plan_epoch(encoded, buckets, random.permutation(len(encoded)))
    return [plan[position] for position in random.permutation(len(plan))]


def count_batches(encoded: Encoded, buckets: Buckets) -> int:
    """Number of batches of an epoch, the same for every epoch and for evaluation."""
    return len(plan_in_order(encoded, buckets))


def pad_share(encoded: Encoded, buckets: Buckets) -> float:
    """Share of an epoch's tokens that is padding, filler rows included, in [0, 1)."""
    slots = sum(planned.length * buckets.rows(planned.length) for planned in plan_in_order(encoded, buckets))
    return 1 - int(encoded.lengths.sum()) / slots
