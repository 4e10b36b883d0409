"""Latencies at places that are not here: a Subnet's, with their interval, and the table of a whole space."""

from __future__ import annotations

import dataclasses
import functools
import math

from bertnas_jax.latency import LatencyRecord
from bertnas_jax.latency.devices import GPU, core_set, load_profile
from bertnas_jax.latency.simulate import (
    Calibration,
    PriceTable,
    Simulation,
    load_gpu_calibration,
    simulate_cpu,
    simulate_gpu,
)
from bertnas_jax.latency.simulate.price_table import fill_price_table
from bertnas_jax.search.cost_table import CostTable
from bertnas_jax.search.latency_limit import Place
from bertnas_jax.search.simulated_runtimes import SIMULATED_RUNTIMES
from bertnas_jax.space import SearchSpace, Subnet

_gpu_calibration = functools.cache(load_gpu_calibration)


@dataclasses.dataclass(frozen=True, eq=False)
class SimulatedPrices:
    """Median milliseconds of a space's Subnets at a place; `upper` is how many times as much the end of their interval is."""

    table: CostTable
    knowledge: str
    upper: float


def simulated_prices(space: SearchSpace, place: Place) -> SimulatedPrices:
    """What Subnets of the space cost at a place."""
    device, runtime = load_profile(place.device), SIMULATED_RUNTIMES[place.runtime]
    if place.cores == GPU:
        calibration = _gpu_calibration()
        table = fill_price_table(space, place.seq_len, place.dtype, lambda kernels: 1e3 * simulate_gpu(kernels, device, calibration).total_ms)
        return _prices(table, calibration, calibration.gpu_knowledge(device.gpu.name))
    cores, calibration = core_set(device, place.cores), runtime.calibration()
    table = runtime.price_table(space, place.seq_len, place.dtype, cores, calibration.fit)
    return _prices(table, calibration, calibration.knowledge(cores))


def _prices(table: PriceTable, calibration: Calibration, knowledge: str) -> SimulatedPrices:
    return SimulatedPrices(CostTable.of_prices(table), knowledge, math.exp(calibration.log_half_widths[knowledge]))


def simulate_at(place: Place, subnet: Subnet) -> Simulation:
    """A Subnet's latency at a place, of any sizes."""
    device, runtime = load_profile(place.device), SIMULATED_RUNTIMES[place.runtime]
    kernels = runtime.kernels(subnet, place.seq_len, place.dtype, device)
    if place.cores == GPU:
        return simulate_gpu(kernels, device, _gpu_calibration())
    return simulate_cpu(kernels, core_set(device, place.cores), runtime.calibration())


def baseline_of(place: Place) -> Place:
    """Where BERT-base runs that speed-ups are over: there too, on TensorFlow Lite, in float32 or, on a GPU, in its halves."""
    return dataclasses.replace(place, runtime="tflite", dtype=place.dtype if place.cores == GPU else "float32")


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
