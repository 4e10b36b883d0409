"""Encoded examples of given lengths, for tests of batches."""

import hypothesis.strategies as st
import numpy as np

from bertnas_jax.data import Encoded, choose_buckets

PAD = 1
CASES = st.tuples(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(1, 100), st.integers(1, 5))


def encoded_of(lengths):
    """Examples of these lengths; every token of example i is 10 + i, every token type 1."""
    ids = tuple(np.full(length, 10 + row, np.int32) for row, length in enumerate(lengths))
    return Encoded(ids, tuple(np.ones_like(one) for one in ids), np.arange(len(ids), dtype=np.int32), PAD)


def case(drawn):
    """The examples and buckets of one of CASES."""
    lengths, tokens, max_buckets = drawn
    return encoded_of(lengths), choose_buckets(np.array(lengths), tokens, max_buckets)


def same(left, right):
    """True if two batches are equal in every field."""
    return all(np.array_equal(vars(left)[name], vars(right)[name]) for name in vars(left))
