"""Intervals against SciPy's, and against what they promise."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from bertnas_jax.report.intervals import ratio_interval, share_interval


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_of_a_share_is_wilsons(drawn):
    right, examples = drawn
    expected = binomtest(right, examples).proportion_ci(0.9, method="wilson")
    assert share_interval(right / examples, examples) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("seen", [2, 3, 8])
def test_nine_in_ten_of_what_comes_next_are_within(seen):
    """Of 4,000 the share within is 0.9 give or take 5 standard errors, 5 x sqrt(0.09 / 4,000); by chance one seed in two million is not."""
    rng, within = random.Random(seen), 0
    for _ in range(4000):
        *known, following = (rng.lognormvariate(0.1, 0.05) for _ in range(seen + 1))
        low, high = ratio_interval(known)
        within += low <= following <= high
    assert abs(within / 4000 - 0.9) < 0.024


def test_one_ratio_shows_no_spread():
    assert ratio_interval([]) is None and ratio_interval([1.1]) is None and ratio_interval([1.1, 1.1]) == pytest.approx((1.1, 1.1))
