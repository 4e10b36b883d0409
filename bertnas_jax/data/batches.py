"""Encoded examples in, batches of a few fixed shapes out, every example once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Int32

from bertnas_jax.data.buckets import Buckets
from bertnas_jax.data.tokenize import Encoded


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """A batch of one of the bucket's shapes. A filler row completes it where examples run out.

    A filler row has weight 0, index -1, label 0, and one token that is attended to, so that
    neither a softmax nor a mean over its tokens divides by zero.
    """

    input_ids: Int32[np.ndarray, "B L"]
    attention_mask: Int32[np.ndarray, "B L"]
    token_type_ids: Int32[np.ndarray, "B L"]
    labels: Int32[np.ndarray, " B"] | Float32[np.ndarray, " B"]
    weight: Float32[np.ndarray, " B"]
    index: Int32[np.ndarray, " B"]


@dataclasses.dataclass(frozen=True, eq=False)
class _Planned:
    """Which examples a batch holds, padded to which length."""

    length: int
    members: np.ndarray


def train_batches(encoded: Encoded, buckets: Buckets, seed: int, epoch: int, start: int = 0) -> Iterator[Batch]:
    """The batches of an epoch from number `start` on: their make-up and order are random, fixed by (seed, epoch).

    Raises:
      ValueError: an example fits no bucket, or the epoch has fewer than `start` batches.
    """
    random = np.random.default_rng([seed, epoch])
    plan = _plan(encoded, buckets, random.permutation(len(encoded)))
    if not 0 <= start <= len(plan):
        raise ValueError(
            f"start must be 0 to the {len(plan)} batches of an epoch, got {start}; "
            "go on with the next epoch"
        )
    order = random.permutation(len(plan))[start:]
    return (_materialise(encoded, buckets, plan[position]) for position in order)


def eval_batches(encoded: Encoded, buckets: Buckets) -> Iterator[Batch]:
    """Every example once, the shortest first: `index` says where in the split each row stands.

    Raises:
      ValueError: an example fits no bucket.
    """
    plan = _plan(encoded, buckets, np.arange(len(encoded)))
    return (_materialise(encoded, buckets, planned) for planned in plan)


def count_batches(encoded: Encoded, buckets: Buckets) -> int:
    """Number of batches of an epoch, the same for every epoch and for `eval_batches`."""
    return len(_plan(encoded, buckets, np.arange(len(encoded))))


def pad_share(encoded: Encoded, buckets: Buckets) -> float:
    """Share of an epoch's tokens that is padding, filler rows included, in [0, 1)."""
    plan = _plan(encoded, buckets, np.arange(len(encoded)))
    slots = sum(planned.length * buckets.rows(planned.length) for planned in plan)
    return 1 - int(encoded.lengths.sum()) / slots


def _plan(encoded: Encoded, buckets: Buckets, order: np.ndarray) -> list[_Planned]:
    """The batches of examples taken in this order, by bucket. What does not fill a batch may go up a bucket."""
    if not len(encoded):
        raise ValueError("an encoded split must hold at least one example, got none; check the task")
    bucket_of = buckets.assign(encoded.lengths)[order]
    queues = [order[bucket_of == bucket] for bucket in range(len(buckets.lengths))]
    _, carries = buckets.spend([len(queue) for queue in queues])
    plan, carried = [], order[:0]
    for (rows, length), own, carry in zip(buckets.shapes, queues, carries, strict=True):
        queue = np.concatenate([carried, own])
        kept = len(queue) - len(queue) % rows if carry else len(queue)
        plan += [_Planned(length, queue[first : first + rows]) for first in range(0, kept, rows)]
        carried = queue[kept:]
    return plan


def _materialise(encoded: Encoded, buckets: Buckets, planned: _Planned) -> Batch:
    rows, members = buckets.rows(planned.length), planned.members
    ids = np.full((rows, planned.length), encoded.pad_id, np.int32)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for row, member in enumerate(members):
        length = len(encoded.input_ids[member])
        ids[row, :length] = encoded.input_ids[member]
        types[row, :length] = encoded.token_type_ids[member]
        mask[row, :length] = 1
    mask[len(members) :, 0] = 1
    filler = (0, rows - len(members))
    labels = np.pad(encoded.labels[members], filler)
    weight = np.pad(np.ones(len(members), np.float32), filler)
    index = np.pad(members.astype(np.int32), filler, constant_values=-1)
    return Batch(ids, mask, types, labels, weight, index)
