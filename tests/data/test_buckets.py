import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from bertnas_jax.data import Buckets, choose_buckets

LENGTHS = st.lists(st.integers(1, 24), min_size=1, max_size=40).map(np.array)


def test_rows_fill_the_tokens():
    assert Buckets((8, 24, 100), 64).shapes == ((8, 8), (2, 24), (1, 100))


def test_the_shortest_bucket_that_holds_an_example_is_taken():
    assert Buckets((4, 8), 64).assign(np.array([1, 4, 5, 8])).tolist() == [0, 0, 1, 1]


def test_an_incomplete_batch_goes_up_where_that_saves_tokens():
    # 5 short and 3 long examples in batches of 4 x 4 and 2 x 8: one short one joins the third long one.
    assert Buckets((4, 8), 16).spend([5, 3]) == (16 + 2 * 16, (True, False))
    # 3 short and 2 long: handing 3 up would cost two batches more, a filler row costs one.
    assert Buckets((4, 8), 16).spend([3, 2]) == (2 * 16, (False, False))


@settings(max_examples=60)
@given(lengths=LENGTHS, max_buckets=st.integers(1, 3))
def test_no_other_lengths_pad_less(lengths, max_buckets):
    # One row a batch, so there are no filler rows and the minimum over all choices is the oracle.
    chosen = choose_buckets(lengths, 1, max_buckets, length_multiple=1)

    def tokens(ends):
        return sum(min(end for end in ends if end >= length) for length in lengths)

    others = range(1, int(lengths.max()))
    choices = itertools.chain.from_iterable(itertools.combinations(others, size) for size in range(max_buckets))
    assert tokens(chosen.lengths) == min(tokens((*choice, int(lengths.max()))) for choice in choices)


@given(lengths=LENGTHS, max_buckets=st.integers(1, 8), multiple=st.sampled_from([1, 2, 4, 8]))
def test_buckets_keep_their_bounds(lengths, max_buckets, multiple):
    buckets = choose_buckets(lengths, 64, max_buckets, multiple)
    assert len(buckets.lengths) <= max_buckets
    assert all(length % multiple == 0 for length in buckets.lengths)
    assert lengths.max() <= buckets.lengths[-1] < lengths.max() + multiple


@pytest.mark.parametrize("lengths", [(), (0, 4), (8, 4), (4, 4)])
def test_refuses_lengths_that_do_not_increase(lengths):
    with pytest.raises(ValueError, match="Buckets.lengths must be increasing positive integers"):
        Buckets(lengths, 64)


def test_refuses_nothing_to_choose_from():
    with pytest.raises(ValueError, match="must be positive, got 0 lengths"):
        choose_buckets(np.zeros(0, int), 64)
    with pytest.raises(ValueError, match="max_buckets=0"):
        choose_buckets(np.array([4]), 64, 0)
    with pytest.raises(ValueError, match="Buckets.tokens_per_batch must be at least 1, got 0"):
        Buckets((4,), 0)


def test_refuses_an_example_that_fits_no_bucket():
    with pytest.raises(ValueError, match="must fit the longest bucket of 8 tokens, got one of 9"):
        Buckets((4, 8), 64).assign(np.array([3, 9]))
