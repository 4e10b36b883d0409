"""Latencies at places that are not here: a Subnet's, with their interval, and the table of a whole space."""

from __future__ import annotations

import dataclasses
import functools
import math

from bertnas_jax.latency import LatencyRecord
from bertnas_jax.latency.devices import GPU
from bertnas_jax.latency.simulate import Simulation, known_by, price_table, runtime_on, simulate
from bertnas_jax.latency.simulate.gpu_roofline import GPU_DTYPE
from bertnas_jax.search.cost_table import CostTable
from bertnas_jax.search.latency_limit import Place
from bertnas_jax.space import SearchSpace, Subnet

_KEPT = 128  # simulations: a run asks several times for BERT-base, the finalists and the winner, each seconds where our kernels are lowered


@dataclasses.dataclass(frozen=True, eq=False)
class SimulatedPrices:
    """Median milliseconds of a space's Subnets at a place; `upper` is how many times as much the end of their interval is."""

    table: CostTable
    knowledge: str
    upper: float


def simulated_prices(space: SearchSpace, place: Place) -> SimulatedPrices:
    """What Subnets of the space cost at a place."""
    calibration, knowledge = known_by(place.setting)
    return SimulatedPrices(CostTable.of_prices(price_table(place.setting, space)), knowledge, math.exp(calibration.half_width(knowledge)))


@functools.lru_cache(_KEPT)
def simulate_at(place: Place, subnet: Subnet) -> Simulation:
    """A Subnet's latency at a place that is not here, of any sizes. Whatever tuning is at work is of this machine, and tells nothing of it."""
    setting = place.setting
    return simulate(setting, runtime_on(place.cores, place.runtime).kernels(setting, subnet))


def baseline_of(place: Place) -> Place:
    """Where BERT-base runs that speed-ups are over: there too, on TensorFlow Lite, in float32 or, on a GPU, in its halves."""
    return dataclasses.replace(place, runtime="tflite", dtype=GPU_DTYPE if place.cores == GPU else "float32")


def simulated_record(place: Place, model: str, subnet: Subnet) -> LatencyRecord:
    """The simulated latency of a Subnet with its provenance."""
    simulation = simulate_at(place, subnet)
    return LatencyRecord(
        model=model,
        subnet=subnet,
        device=place.device,
        runtime=place.runtime,
        dtype=place.dtype,
        threads=place.threads,
        seq_len=place.seq_len,
        source="simulated",
        median_ms=simulation.total_ms,
        p90_ms=None,
        cores=place.cores,
        low_ms=simulation.low_ms,
        high_ms=simulation.high_ms,
    )
