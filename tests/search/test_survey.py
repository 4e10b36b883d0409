"""How many Subnets meet a budget, against counting them one by one."""

import dataclasses

import pytest

from bertnas_jax.search.budget import Budget, Cost, priced_elsewhere
from bertnas_jax.search.cost_table import CostTable
from bertnas_jax.search.latency_limit import parse_limit
from bertnas_jax.search.samplers import InfeasibleBudget
from bertnas_jax.search.survey import survey
from bertnas_jax.space import SearchSpace, Subnet, Vocabulary, count_parameters

SPACE = SearchSpace(Subnet.uniform(4, 64, 4, 256), (1, 2, 4), (32, 64), (2, 4), (64, 128, 256))
DEEP = dataclasses.replace(SPACE, teacher=Subnet.uniform(12, 64, 4, 256), depths=(6, 12))
PARAMETERS = CostTable.of_sums(SPACE, lambda subnet: count_parameters(subnet, Vocabulary(100)))


def budget(*texts, space=SPACE, margin="median", sizes=()):
    limits = [parse_limit(text, 32) for text in texts]
    return Budget(space, tuple(priced_elsewhere(limit, limit.latency_ms, 1.0, space, margin) for limit in limits), sizes)


def test_all_of_a_small_space_is_counted():
    both = budget("pixel_4/1 large: 0.6", "galaxy_s20/gpu: 0.45", sizes=(Cost("parameters", "parameters", 120_000.0, PARAMETERS),))
    found, limits = survey(both, 1_000_000, 0), both.limits()
    assert found.whole and found.priced == SPACE.count
    meeting = [subnet for subnet in SPACE.enumerate() if limits.allows(subnet)]
    assert found.share * SPACE.count == pytest.approx(len(meeting), abs=1e-6) and 0 < len(meeting) < SPACE.count
    for cost, told in zip(both.costs, found.costs, strict=True):
        costs = [cost.table.of(subnet) for subnet in SPACE.enumerate()]
        assert told.share * SPACE.count == pytest.approx(sum(value <= cost.most for value in costs), abs=1e-6)
        assert told.least == min(costs) and 0 < told.share < 1


def test_a_part_of_a_large_space_tells_the_whole():
    """The same budget by two seeds: shares of 20,000 draws a depth differ by less than 5 standard errors, 5 x sqrt(2 / 4 / 20,000)."""
    both = budget("pixel_4/1 large: 2.4", space=DEEP)
    first, second = (survey(both, 40_000, seed) for seed in (0, 1))
    assert not first.whole and first.priced == 40_000 and 0.02 < first.share < 0.98
    assert first.share != second.share and abs(first.share - second.share) < 0.025
    assert "about " in first.describe() and f"of {DEEP.count:,} subnets" in first.describe()


def test_the_upper_margin_is_the_intervals_end():
    wide, narrow = budget("pixel_8/1 large: 0.5"), budget("pixel_8/1 large: 0.5", margin="upper")
    for subnet in (SPACE.smallest, SPACE.largest):
        (known,) = narrow.simulated(subnet)
        assert known.meets == (known.high_ms <= 0.5)
        assert known.high_ms / known.median_ms == pytest.approx(wide.front.most / narrow.front.most)


@pytest.mark.parametrize(
    ("texts", "sizes", "message"),
    [
        (["pixel_4/1 large: 0.01"], (), r"got 0.01 ms on pixel_4, 1 large, tflite float32, 32 tokens and 0.[0-9]+ ms for the fastest, D32-H16-N2-F64"),
        (["pixel_4/1 large: 9"], (Cost("parameters", "parameters", 10.0, PARAMETERS),), "got 10.00 parameters and 28,322.00 parameters for the smallest, D32"),
    ],
)
def test_a_limit_that_nothing_meets_names_the_fastest(texts, sizes, message):
    with pytest.raises(InfeasibleBudget, match=message):
        survey(budget(*texts, sizes=sizes), 1000, 0)


def test_limits_that_contradict_each_other_name_the_nearest():
    contrary = CostTable(SPACE, -PARAMETERS.outside + 1e6, -PARAMETERS.blocks)
    sizes = (Cost("more parameters", "parameters", 1e6 - 150_000.0, contrary),)
    with pytest.raises(InfeasibleBudget, match=r"for the nearest of the [0-9]+ that were priced"):
        survey(budget("pixel_4/1 large: 0.25", sizes=sizes), 1_000_000, 0)


def test_the_few_of_a_large_space_that_are_never_drawn_are_found():
    tight = budget("pixel_4/1 large: 1", space=DEEP)
    least = tight.front.table.of(tight.front.table.cheapest())
    only = dataclasses.replace(tight.latencies[0], cost=dataclasses.replace(tight.front, most=least * 1.0001))
    assert survey(dataclasses.replace(tight, latencies=(only,)), 1000, 0).share == 0.0  # and no error
