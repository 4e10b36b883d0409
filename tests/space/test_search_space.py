import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.space import Layer, SearchSpace, Subnet

TEACHER = Subnet.uniform(4, 64, 4, 256)
SPACE = SearchSpace(TEACHER, depths=(1, 2, 4), hiddens=(32, 64), heads=(2, 4), ffns=(64, 128, 256))
seeds = st.integers(0, 2**32).map(random.Random)


def test_enumerate_gives_count_distinct_members():
    small = SearchSpace(TEACHER, (1, 2), (32, 64), (2, 4), (64, 256))
    found = list(small.enumerate())
    assert len(found) == len(set(found)) == small.count == 2 * (4 + 16)
    assert all(subnet in small for subnet in found)


def test_enumerate_refuses_a_large_space():
    with pytest.raises(ValueError, match="must hold at most 10 Subnets to be enumerated"):
        next(SPACE.enumerate(limit=10))


@given(seeds)
def test_moves_stay_inside(rng):
    first, second = SPACE.sample(rng), SPACE.sample(rng)
    assert first in SPACE
    assert SPACE.mutate(first, rng, rate=0.5) in SPACE
    assert SPACE.crossover(first, second, rng) in SPACE
    assert all(neighbour in SPACE for neighbour in SPACE.neighbours(first))


@given(seeds)
def test_neighbours_are_distinct_and_mutual_unless_the_depth_changes(rng):
    subnet = SPACE.sample(rng)
    neighbours = SPACE.neighbours(subnet)
    assert len(set(neighbours)) == len(neighbours) and subnet not in neighbours
    for neighbour in neighbours:
        if neighbour.depth == subnet.depth:
            assert subnet in SPACE.neighbours(neighbour)


def test_mutate_with_rate_0_changes_nothing():
    subnet = SPACE.sample(random.Random(1))
    assert SPACE.mutate(subnet, random.Random(2), rate=0.0) == subnet


def test_kept_layers():
    even = SearchSpace(TEACHER, (1, 2, 3, 4), (64,), (4,), (256,), keep="even")
    assert [even.kept_layers(depth) for depth in (1, 2, 3, 4)] == [(0,), (0, 2), (0, 1, 2), (0, 1, 2, 3)]
    assert SPACE.kept_layers(2) == (0, 1)
    with pytest.raises(ValueError, match="depth must be 1 to 4, got 5"):
        SPACE.kept_layers(5)


def test_importance_keeps_the_first_of_its_order_in_their_natural_order():
    space = SearchSpace(TEACHER, (1, 2, 3), (64,), (4,), (256,), keep="importance", keep_order=(2, 0, 3, 1))
    assert [space.kept_layers(depth) for depth in (1, 2, 3, 4)] == [(2,), (0, 2), (0, 2, 3), (0, 1, 2, 3)]
    subnet = space.sample(random.Random(0))
    fields = space.subnet_fields(subnet)
    assert tuple(fields["kept_layers"]) == space.kept_layers(subnet.depth) and Subnet.from_fields(fields) == subnet


@given(st.permutations(range(4)))
def test_kept_layers_of_importance_are_nested(order):
    space = SearchSpace(TEACHER, (1, 2, 3), (64,), (4,), (256,), keep="importance", keep_order=tuple(order))
    kept = [set(space.kept_layers(depth)) for depth in (1, 2, 3, 4)]
    assert all(fewer < more for fewer, more in zip(kept, kept[1:], strict=False))


def test_before_the_order_is_known_sizes_are_and_blocks_are_not():
    space = SearchSpace(TEACHER, (2, 4), (64,), (4,), (256,), keep="importance")
    assert space.lacks_order and space.count == 2 and space.kept_layers(4) == (0, 1, 2, 3)
    with pytest.raises(ValueError, match="keep_order must be known for keep='importance'"):
        space.kept_layers(2)
    assert not SPACE.lacks_order and not SearchSpace(TEACHER, (4,), (64,), (4,), (256,), keep="importance").lacks_order


def test_largest_and_smallest_are_members_at_the_ends():
    assert SPACE.largest == TEACHER and SPACE.smallest == Subnet(32, 16, (Layer(2, 64),))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depths": ()}, "depths must be increasing positive integers"),
        ({"depths": (2, 1)}, "depths must be increasing positive integers"),
        ({"heads": (4, 8)}, "heads must not exceed the checkpoint's 4"),
        ({"ffns": (0, 64)}, "ffns must be increasing positive integers"),
        ({"keep": "last"}, "keep must be one of"),
        ({"keep": "importance", "keep_order": (0, 1, 1, 2)}, "keep_order must name each of the 4 blocks once, counted from 0"),
        ({"keep": "importance", "keep_order": (0, 1)}, "keep_order must name each of the 4 blocks once"),
        ({"keep": "even", "keep_order": (0, 1, 2, 3)}, "keep must be 'importance' for a keep_order, got 'even'"),
    ],
)
def test_bad_choices_are_refused(changes, message):
    fields = {"depths": (1,), "hiddens": (64,), "heads": (4,), "ffns": (256,)} | changes
    with pytest.raises(ValueError, match=message):
        SearchSpace(TEACHER, **fields)


def test_check_names_the_choices():
    with pytest.raises(ValueError, match=r"must be of the search space.*choose depth from \(1, 2, 4\)"):
        SPACE.check(Subnet.uniform(3, 64, 4, 256))
