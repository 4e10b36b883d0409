"""The Grain dataset of training batches: random, reproducible, and at home at any position."""

import json

import numpy as np
import pytest
from hypothesis import given, settings

from bertnas_jax.data import Buckets, Part, count_batches, train_batches
from bertnas_jax.data.epoch import plan_at_random
from tests.data.encoded import CASES, case, encoded_of, same

ENCODED, BUCKETS = encoded_of([3] * 40 + [7] * 40), Buckets((4, 8), 32)


@settings(max_examples=20, deadline=None)
@given(CASES)
def test_two_epochs_hold_every_example_twice_in_the_planned_order(drawn):
    encoded, buckets = case(drawn)
    per_epoch = count_batches(encoded, buckets)
    batches = list(train_batches(encoded, buckets, 3, 2 * per_epoch))
    for epoch in (0, 1):
        of_epoch = batches[epoch * per_epoch : (epoch + 1) * per_epoch]
        members = [batch.index[batch.weight == 1].tolist() for batch in of_epoch]
        assert members == [planned.members.tolist() for planned in plan_at_random(encoded, buckets, 3, epoch)]
        assert sorted(sum(members, [])) == list(range(len(encoded)))


@pytest.mark.parametrize("done", [0, 1, 14, 15, 16, 30])
def test_a_position_kept_as_json_goes_on_with_the_next_batch(done):
    assert count_batches(ENCODED, BUCKETS) == 15
    dataset = train_batches(ENCODED, BUCKETS, 0, 31)
    first = iter(dataset)
    for _ in range(done):
        next(first)
    position = json.loads(json.dumps(first.get_state()))
    resumed = iter(train_batches(ENCODED, BUCKETS, 0, 31))
    resumed.set_state(position)
    left = list(resumed)
    assert len(left) == 31 - done
    assert all(same(*pair) for pair in zip(left, list(dataset)[done:], strict=True))


def test_a_longer_run_begins_alike():
    short, longer = (list(train_batches(ENCODED, BUCKETS, 0, steps)) for steps in (5, 40))
    assert all(same(*pair) for pair in zip(short, longer[:5], strict=True))


def test_parts_together_are_the_batch():
    wholes = train_batches(ENCODED, BUCKETS, 0, 20)
    parts = [train_batches(ENCODED, BUCKETS, 0, 20, Part((shard,), 2)) for shard in (0, 1)]
    for whole, *halves in zip(wholes, *parts, strict=True):
        np.testing.assert_array_equal(np.concatenate([half.input_ids for half in halves]), whole.input_ids)
        assert {(half.tokens, half.slots) for half in halves} == {(whole.tokens, whole.slots)}


def test_refuses_before_the_first_batch():
    with pytest.raises(ValueError, match="must fit the longest bucket of 4 tokens, got one of 9"):
        list(train_batches(encoded_of([3, 9]), Buckets((4,), 8), 0, 1))
    with pytest.raises(ValueError, match="num_batches must be at least 1, got 0"):
        train_batches(ENCODED, BUCKETS, 0, 0)
