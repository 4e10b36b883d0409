"""One small Subnet, measured for real, and a machine whose second core is taken."""

import dataclasses

import pytest

from bertnas_jax.benchmark import beside_the_peak
from bertnas_jax.benchmark.beside_the_peak import RUNTIMES, Built, Timed, measure, peak_loops, prepare
from bertnas_jax.space import Subnet

pytestmark = pytest.mark.slow
SUBNET = Subnet.uniform(1, 64, 1, 64)
HOW = Timed(threads=(1, 2), seq_len=16, rounds=2, seed=0)


def test_a_subnet_is_measured_in_every_runtime():
    how = dataclasses.replace(HOW, threads=(1,))
    with peak_loops(how) as peaks:
        figures = measure(prepare(SUBNET, how), how, peaks, core_gflops=100.0)["threads"]["1"]
    assert set(figures) == {*RUNTIMES, "peak_gflops", "peak_drift"}
    assert all(figures[runtime][name] > 0 for runtime in RUNTIMES for name in ("median_ms", "at_peak_ms"))


def test_two_threads_are_measured_again_if_they_had_one_core(monkeypatch):
    gflops = iter([10.0, 10.0, 19.0, 8.0, 9.0, 9.0, 9.0])
    monkeypatch.setattr(beside_the_peak, "_timed", lambda *given: {"peak_gflops": next(gflops)})
    built = Built(SUBNET, {1: {}, 2: {}})
    assert measure(built, HOW, {1: None, 2: None}, 10.0)["threads"] == {"1": {"peak_gflops": 10.0}, "2": {"peak_gflops": 19.0}}
    assert measure(built, HOW, {1: None, 2: None}, 10.0)["threads"]["2"] == {"peak_gflops": 9.0} and not list(gflops)
