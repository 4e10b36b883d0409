import numpy as np
import pytest
from hypothesis import given, settings

from bertnas_jax.data import Buckets, Encoded, Part, count_batches, eval_batches
from bertnas_jax.data.batches import materialise
from bertnas_jax.data.epoch import plan_in_order
from tests.data.encoded import CASES, PAD, case, encoded_of


def test_a_batch_as_a_picture():
    (batch,) = eval_batches(encoded_of([3, 1]), Buckets((4,), 12))
    assert batch.input_ids.tolist() == [[10, 10, 10, 1], [11, 1, 1, 1], [1, 1, 1, 1]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    assert batch.token_type_ids.tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert batch.labels.tolist() == [0, 1, 0]
    assert batch.weight.tolist() == [1, 1, 0]
    assert batch.index.tolist() == [0, 1, -1]
    assert (batch.tokens, batch.slots) == (4, 12)


@settings(max_examples=60)
@given(CASES)
def test_every_example_once_in_a_bucket_shape(drawn):
    encoded, buckets = case(drawn)
    batches = list(eval_batches(encoded, buckets))
    real = np.concatenate([batch.index[batch.weight == 1] for batch in batches])
    assert sorted(real.tolist()) == list(range(len(encoded)))
    assert len(batches) == count_batches(encoded, buckets)
    for batch in batches:
        assert batch.input_ids.shape in buckets.shapes
        assert np.array_equal(batch.weight == 0, batch.index == -1)
        assert batch.weight.any()
        assert batch.tokens == (batch.attention_mask * (batch.weight == 1)[:, None]).sum()
        for ids, mask, index in zip(batch.input_ids, batch.attention_mask, batch.index, strict=True):
            expected = encoded.input_ids[index] if index >= 0 else [PAD]
            assert ids[mask == 1].tolist() == list(expected)
            assert (ids[mask == 0] == PAD).all()


def test_float_labels_stay_float():
    encoded = Encoded((np.array([5], np.int32),), (np.array([0], np.int32),), np.array([2.5], np.float32), PAD)
    (batch,) = eval_batches(encoded, Buckets((2,), 4))
    assert batch.labels.dtype == np.float32
    assert batch.labels.tolist() == [2.5, 0.0]


def test_parts_as_a_picture():
    """5 rows over 2 processes that hold 3 and 1 of 4 shards: filled up to 8 rows, 2 a shard."""
    encoded, buckets = encoded_of([1, 2, 3, 4, 3]), Buckets((4,), 20)
    (planned,) = plan_in_order(encoded, buckets)
    parts = [materialise(encoded, buckets, planned, Part(shards, 4)) for shards in ((0, 1, 3), (2,))]
    assert [part.index.tolist() for part in parts] == [[0, 1, 2, 3, -1, -1], [4, -1]]
    assert [part.input_ids.tolist()[-1] for part in parts] == [[1, 1, 1, 1]] * 2
    assert parts[1].input_ids.tolist()[0] == [14, 14, 14, 1]
    assert {(part.tokens, part.slots) for part in parts} == {(13, 32)}


@pytest.mark.parametrize("shards", [(), (2,), (1, 0), (0, 0), (-1,)])
def test_shards_that_are_not_there_are_refused(shards):
    with pytest.raises(ValueError, match="Part.shards must be increasing and less than count=2"):
        Part(shards, 2)


def test_refuses_before_the_first_batch():
    with pytest.raises(ValueError, match="must fit the longest bucket"):
        eval_batches(encoded_of([3, 9]), Buckets((4,), 8))
