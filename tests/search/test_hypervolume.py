import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.search.evaluated import Evaluated
from bertnas_jax.search.hypervolume import hypervolume, hypervolume_history
from bertnas_jax.space import Subnet

NET = Subnet.uniform(1, 4, 1, 4)
points = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), max_size=12)


@given(points, st.integers(0, 20), st.integers(1, 20))
def test_it_is_the_number_of_dominated_cells(found, floor, budget):
    dominated = np.zeros((20, 20), bool)  # the cell (i, j) is [i, i+1) of accuracy by [j, j+1) of latency
    for accuracy, latency in found:
        dominated[floor:accuracy, latency:budget] = True
    evaluated = [Evaluated(NET, float(accuracy), float(latency)) for accuracy, latency in found]
    assert hypervolume(evaluated, floor, budget) == dominated.sum()


@given(points, st.integers(0, 20), st.integers(1, 20))
def test_its_history_is_that_of_each_beginning(found, floor, budget):
    evaluated = [Evaluated(NET, float(accuracy), float(latency)) for accuracy, latency in found]
    expected = [hypervolume(evaluated[: i + 1], floor, budget) for i in range(len(evaluated))]
    assert hypervolume_history(evaluated, floor, budget) == expected == sorted(expected)
