"""The table against what it is a table of, and the arrays against the Subnets one by one."""

import random

import numpy as np
import pytest

from bertnas_jax.latency import Conditions, KernelTable, Provenance, decompose
from bertnas_jax.latency.devices import load_profile
from bertnas_jax.latency.simulate import Setting, price_table
from bertnas_jax.search.cost_table import CostTable, Population, count_of
from bertnas_jax.space import SearchSpace, Subnet, Vocabulary, count_flops, count_parameters
from tests.latency.test_kernel_parts import SPACE as KERNEL_SPACE
from tests.latency.test_kernel_parts import kernels_of

SPACE = SearchSpace(Subnet.uniform(4, 64, 4, 256), (1, 2, 4), (32, 64), (2, 4), (64, 128, 256))
COSTS = {
    "parameters": lambda subnet: count_parameters(subnet, Vocabulary(1000, has_pooler=True)),
    "FLOPs": lambda subnet: count_flops(subnet, Vocabulary(1000), 32),
}


@pytest.mark.parametrize("name", COSTS)
def test_a_sum_over_blocks_is_exact(name):
    table = CostTable.of_sums(SPACE, COSTS[name])
    assert all(table.of(subnet) == COSTS[name](subnet) for subnet in SPACE.enumerate() if random.Random(subnet.describe()).random() < 0.05)


def test_the_simulators_table_is_taken_over():
    prices = price_table(Setting(load_profile("pixel_4"), "1 large", "tflite", "float32", 32), SPACE)
    table, subnets = CostTable.of_prices(prices), [SPACE.smallest, SPACE.largest, SPACE.sample(random.Random(0))]
    np.testing.assert_allclose([table.of(subnet) for subnet in subnets], prices.price_ms(*prices.encode(subnets)), rtol=1e-14)


def test_a_table_of_kernels_is_taken_over():
    signatures = sorted({name for subnet in KERNEL_SPACE.enumerate() for name in kernels_of(subnet)})
    times = {name: 1.0 + i for i, name in enumerate(signatures)}
    kernels = KernelTable(times, 7.0, decompose(KERNEL_SPACE, kernels_of), Provenance(Conditions(16, 1), "a CPU", {}, "2026-01-01"))
    table = CostTable.of_sums(KERNEL_SPACE, kernels.price_ms)
    subnets = list(KERNEL_SPACE.enumerate())[::7]
    np.testing.assert_allclose([table.of(one) for one in subnets], [kernels.price_ms(one) for one in subnets], rtol=1e-12)


@pytest.mark.parametrize("depth", SPACE.depths)
def test_every_subnet_is_there_once_with_its_cost(depth):
    table, population = CostTable.of_sums(SPACE, COSTS["FLOPs"]), Population.every(SPACE, depth)
    subnets = [population.subnet(SPACE, i) for i in range(count_of(SPACE, depth))]
    assert set(subnets) == {subnet for subnet in SPACE.enumerate() if subnet.depth == depth}
    assert table.of_all(population).tolist() == [table.of(subnet) for subnet in subnets]


def test_draws_are_of_the_space_and_the_seeds():
    first, again = (Population.draw(SPACE, 4, 500, np.random.default_rng(0)) for _ in range(2))
    subnets = [first.subnet(SPACE, i) for i in range(500)]
    assert subnets == [again.subnet(SPACE, i) for i in range(500)]
    assert all(subnet in SPACE and subnet.depth == 4 for subnet in subnets) and len(set(subnets)) > 400


def test_the_cheapest_is_cheapest():
    rng = np.random.default_rng(0)
    table = CostTable(SPACE, rng.uniform(1, 2, 2), rng.uniform(1, 2, (2, 6)))
    assert table.of(table.cheapest()) == min(table.of(subnet) for subnet in SPACE.enumerate())


def test_another_spaces_subnet_is_refused():
    with pytest.raises(ValueError, match="must be of the search space"):
        CostTable.of_sums(SPACE, COSTS["FLOPs"]).of(Subnet.uniform(12, 768, 12, 3072))
