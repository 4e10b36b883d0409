"""Memory while running: the table against the plans of whole models and against the C library, and its arrays one by one."""

import random
import re

import numpy as np
import pytest

from bertnas_jax.compiler import host_target
from bertnas_jax.compiler.memory_plan import RunningMemory
from bertnas_jax.export.c_library import WEIGHTS_FILE, write_c_library
from bertnas_jax.latency import Conditions, stand_in
from bertnas_jax.search.cost_table import CostTable, Population, count_of
from bertnas_jax.search.memory import memory_of
from bertnas_jax.search.peak_table import PeakTable, fill_memory_table
from bertnas_jax.space import Layer, SearchSpace, Subnet

SPACE = SearchSpace(Subnet.uniform(4, 64, 4, 256), (1, 2, 4), (32, 64), (2, 4), (64, 128, 256))
L = 24
HEADER_BYTES = 64  # Source: bertnas_weights_header in bertnas_jax/export/c_sources/plan.h


def of_model(subnet):
    return memory_of(stand_in(subnet, Conditions(L, 1)), L, "float32")


def random_table(seed=0):
    rng = np.random.default_rng(seed)
    return PeakTable(CostTable(SPACE, rng.uniform(1, 2, 2), rng.uniform(1, 2, (2, 6))), rng.uniform(1, 9, (2, 6)))


@pytest.mark.parametrize("depth", SPACE.depths)
def test_arrays_are_the_subnets_one_by_one(depth):
    table, population = random_table(), Population.every(SPACE, depth)
    subnets = [population.subnet(SPACE, i) for i in range(count_of(SPACE, depth))]
    assert table.of_all(population).tolist() == [table.of(subnet) for subnet in subnets]


@pytest.mark.parametrize("seed", range(5))
def test_the_cheapest_is_cheapest(seed):
    table = random_table(seed)
    assert table.of(table.cheapest()) == min(table.of(subnet) for subnet in SPACE.enumerate())


@pytest.mark.slow
def test_the_table_is_what_the_plans_of_whole_models_say():
    space = SearchSpace(SPACE.teacher, (1, 3), (64,), (2, 4), (64, 256))
    table, rng = fill_memory_table(space, of_model, lambda hidden: 0), random.Random(0)
    for subnet in (space.largest, space.sample(rng, 3)):
        assert table.of(subnet) * 1e6 == pytest.approx(of_model(subnet).total_bytes, abs=0.5), subnet.describe()


@pytest.mark.slow
def test_it_is_what_the_c_library_asks_for(tmp_path):
    subnet = Subnet(64, 16, (Layer(4, 128), Layer(2, 256), Layer(4, 64)))
    write_c_library(stand_in(subnet, Conditions(L, 1)), [L], host_target(), tmp_path / "c")
    arena = int(re.search(r"bertnas_arena_bytes = (\d+);", (tmp_path / "c/source/plan.c").read_text())[1])
    memory = of_model(subnet)
    assert memory.arena_bytes == arena and memory.weight_bytes == (tmp_path / "c" / WEIGHTS_FILE).stat().st_size - HEADER_BYTES
    # By hand: one block's feed-forward part holds its input, in whose place its output is written, and ffn, [L, D] and [L, F] of float32;
    # attention as much, for its input, queries, keys, values and context are five of [L, D].
    assert arena == 4 * L * (64 + 256) == 4 * L * (5 * 64)


def test_a_plan_that_does_not_add_up_is_refused():
    def crossed(subnet):  # two unlike neighbours share something
        extra = sum(a != b for a, b in zip(subnet.layers, subnet.layers[1:]))
        return RunningMemory(1000 * subnet.depth + 7 * extra, 500)

    with pytest.raises(ValueError, match=r"the memory of D32-H16-N4.2-F64.128 must be the sum of its blocks' weights"):
        fill_memory_table(SearchSpace(SPACE.teacher, (1, 2), (32,), (2, 4), (64, 128)), crossed, lambda hidden: 0)
