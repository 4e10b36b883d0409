from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.space import SearchSpace, Subnet, latin_hypercube

TEACHER = Subnet.uniform(6, 64, 4, 256)
SPACE = SearchSpace(TEACHER, depths=(2, 4, 6), hiddens=(32, 64), heads=(1, 2, 4), ffns=(64, 128, 256))


@given(st.integers(0, 2**32), st.integers(3, 30))
def test_they_are_distinct_members_with_both_ends_and_the_same_for_a_seed(seed, number):
    subnets = latin_hypercube(SPACE, number, seed)
    assert len(set(subnets)) == number and all(subnet in SPACE for subnet in subnets)
    assert subnets[:2] == [SPACE.smallest, SPACE.largest] and subnets == latin_hypercube(SPACE, number, seed)


@given(st.integers(0, 2**32))
def test_each_depth_and_hidden_comes_equally_often(seed):
    drawn = latin_hypercube(SPACE, 14, seed)[2:]  # 12 slices: 4 of each of 3 depths, 6 of each of 2 widths
    assert Counter(subnet.depth for subnet in drawn) == {2: 4, 4: 4, 6: 4}
    assert Counter(subnet.hidden for subnet in drawn) == {32: 6, 64: 6}


def test_levels_of_heads_and_ffn_reach_from_the_least_to_the_most():
    deep = [subnet for seed in range(20) for subnet in latin_hypercube(SPACE, 14, seed)[2:] if subnet.depth == 6]
    for name, choices in (("heads", SPACE.heads), ("ffn", SPACE.ffns)):
        levels = [np.mean([choices.index(getattr(layer, name)) for layer in subnet.layers]) / 2 for subnet in deep]
        # Uniform between 0 and 1 but for the draw of each block: a standard deviation of 0.31, where draws by chance have 0.17.
        assert 0.45 < np.mean(levels) < 0.55 and 0.27 < np.std(levels) < 0.36


def test_more_than_there_are_is_refused():
    few = SearchSpace(TEACHER, depths=(6,), hiddens=(64,), heads=(4,), ffns=(256,))
    with pytest.raises(ValueError, match="subnets must be 3 to the space's 1, got 24; choose fewer"):
        latin_hypercube(few, 24, seed=0)
    four = SearchSpace(TEACHER, depths=(1,), hiddens=(64,), heads=(2, 4), ffns=(64, 256))
    assert len(latin_hypercube(four, 4, seed=0)) == 4
