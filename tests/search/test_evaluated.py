import dataclasses
import json

from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.search.evaluated import Evaluated, Finalist, SimulatedLatency, pareto_front
from bertnas_jax.space import Subnet

SUBNET = Subnet.uniform(1, 8, 1, 8)
points = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)).map(lambda p: Evaluated(SUBNET, p[0] / 10, float(p[1]))), max_size=30)


@given(points)
def test_no_front_point_is_dominated_and_every_other_point_is_matched(evaluated):
    front = pareto_front(evaluated)
    for point in front:
        assert not any(other.dominates(point) for other in evaluated)
    for point in evaluated:
        assert any(kept.dominates(point) or (kept.accuracy, kept.latency_ms) == (point.accuracy, point.latency_ms) for kept in front)


@given(points)
def test_the_front_rises(evaluated):
    front = pareto_front(evaluated)
    assert all(a.latency_ms < b.latency_ms and a.accuracy < b.accuracy for a, b in zip(front, front[1:]))


def test_a_finalist_comes_back_from_json():
    simulated = (SimulatedLatency("pixel_4, gpu", 9.0, 1.0, 2.0, 4.0, True),)
    for measured in (None, 2.5):
        one = Finalist(SUBNET, 0.9, 3.0, measured, measured, simulated, meets_budget=True, chosen=True)
        assert Finalist.from_fields(json.loads(json.dumps(dataclasses.asdict(one)))) == one
