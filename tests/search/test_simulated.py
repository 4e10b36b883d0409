"""Latencies at places that are not here."""

import pytest

from bertnas_jax.latency.simulate import runtime_on, simulate
from bertnas_jax.search.latency_limit import Place
from bertnas_jax.search.simulated import simulate_at, simulated_record
from bertnas_jax.space import Subnet

PIXEL = Place("pixel_4", "1 large", "tvm", "float32", 1, 16)
SUBNET = Subnet.uniform(1, 64, 2, 96)


@pytest.mark.slow
def test_what_is_asked_for_again_is_not_lowered_again_and_is_the_same():
    first = simulate_at(PIXEL, SUBNET)
    assert simulate_at(PIXEL, Subnet.uniform(1, 64, 2, 96)) is first
    assert simulate_at(Place("pixel_4", "1 large", "tvm", "float32", 1, 32), SUBNET) is not first
    afresh = simulate(PIXEL.setting, runtime_on("1 large", "tvm").kernels(PIXEL.setting, SUBNET))
    assert afresh.total_ms == first.total_ms == simulated_record(PIXEL, "winner", SUBNET).median_ms
