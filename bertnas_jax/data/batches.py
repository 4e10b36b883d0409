"""Planned batches in, arrays of a few fixed shapes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Int32

from bertnas_jax.data.buckets import Buckets
from bertnas_jax.data.epoch import Planned, plan_in_order
from bertnas_jax.data.tokenize import Encoded


@dataclasses.dataclass(frozen=True)
class Part:
    """Which rows of every batch one process of several makes: the `shards`, counted from 0, of `count` equal ones.

    A batch that does not divide is filled up to the next multiple of `count`, so that its examples are the same for any count.

    Raises:
      ValueError: the shards are not some of them, in order.
    """

    shards: tuple[int, ...] = (0,)
    count: int = 1

    def __post_init__(self):
        if not self.shards or not set(self.shards) <= set(range(self.count)) or list(self.shards) != sorted(set(self.shards)):
            raise ValueError(f"Part.shards must be increasing and less than count={self.count}, got {self.shards}; count them from 0")

    def shard_rows(self, rows: int) -> int:
        """Rows of a shard of a batch of this many rows."""
        return -(-rows // self.count)


WHOLE = Part()


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """A batch of one of the bucket's shapes, or a part of its rows. Filler rows complete it where examples run out.

    A filler row has weight 0, index -1, label 0, and one token that is attended to, so that
    neither a softmax nor a mean over its tokens divides by zero. `tokens` (of examples) and
    `slots` (padding and filler rows included) are of the whole batch, whatever the part.
    """

    input_ids: Int32[np.ndarray, "B L"]
    attention_mask: Int32[np.ndarray, "B L"]
    token_type_ids: Int32[np.ndarray, "B L"]
    labels: Int32[np.ndarray, " B"] | Float32[np.ndarray, " B"]
    weight: Float32[np.ndarray, " B"]
    index: Int32[np.ndarray, " B"]
    tokens: int
    slots: int


def eval_batches(encoded: Encoded, buckets: Buckets) -> Iterator[Batch]:
    """Every example once, the shortest first: `index` says where in the split each row stands.

    Raises:
      ValueError: an example fits no bucket.
    """
    plan = plan_in_order(encoded, buckets)
    return (materialise(encoded, buckets, planned) for planned in plan)


def materialise(encoded: Encoded, buckets: Buckets, planned: Planned, part: Part = WHOLE) -> Batch:
    """The arrays of a planned batch, or of a part of its rows."""
    size = part.shard_rows(buckets.rows(planned.length))
    members = np.full((part.count, size), -1, np.int32)
    members.flat[: len(planned.members)] = planned.members
    members = members[list(part.shards)].reshape(-1)
    real = members >= 0
    ids = np.full((len(members), planned.length), encoded.pad_id, np.int32)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for row in np.flatnonzero(real):
        length = len(encoded.input_ids[members[row]])
        ids[row, :length] = encoded.input_ids[members[row]]
        types[row, :length] = encoded.token_type_ids[members[row]]
        mask[row, :length] = 1
    mask[~real, 0] = 1
    labels = np.where(real, encoded.labels[members], np.zeros_like(encoded.labels[:1]))
    tokens = sum(len(encoded.input_ids[member]) for member in planned.members)
    return Batch(ids, mask, types, labels, real.astype(np.float32), members, tokens, size * part.count * planned.length)
