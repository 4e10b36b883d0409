"""The budget of a run: every limit with what prices Subnets by it, and which Subnets meet them all."""

from __future__ import annotations

import dataclasses

from bertnas_jax.latency import KernelTable
from bertnas_jax.model import BertConfig
from bertnas_jax.search.config import BudgetConfig
from bertnas_jax.search.cost_table import CostTable
from bertnas_jax.search.evaluated import SimulatedLatency
from bertnas_jax.search.latency_limit import LatencyLimit
from bertnas_jax.search.peak_table import PeakTable
from bertnas_jax.search.samplers import Ceiling, Limits
from bertnas_jax.search.simulated import simulate_at, simulated_prices
from bertnas_jax.space import SearchSpace, Subnet, count_flops, count_parameters, tflite_bytes

TFLITE_FILE, RUNNING_MEMORY = "float32 .tflite", "memory while running"


@dataclasses.dataclass(frozen=True, eq=False)
class Cost:
    """One limited cost: its name and unit, every Subnet's, and what it must not exceed, margin taken off."""

    name: str
    unit: str
    most: float
    table: CostTable | PeakTable


@dataclasses.dataclass(frozen=True, eq=False)
class PricedLimit:
    """A latency limit in ms, BERT-base's latency on TensorFlow Lite there, and the prices of Subnets.

    `knowledge` says what a simulated price rests on; empty for one by measured kernels.
    """

    limit: LatencyLimit
    latency_ms: float
    bert_base_ms: float
    cost: Cost
    knowledge: str = ""

    def simulated(self, subnet: Subnet) -> SimulatedLatency:
        """A Subnet's simulated latency at the limit's place, and whether it meets the limit."""
        simulation = simulate_at(self.limit.place, subnet)
        meets = self.cost.table.of(subnet) <= self.cost.most
        return SimulatedLatency(self.cost.name, self.latency_ms, simulation.low_ms, simulation.total_ms, simulation.high_ms, meets)


@dataclasses.dataclass(frozen=True, eq=False)
class Budget:
    """All limits of a run, of latencies, of sizes or of both."""

    space: SearchSpace
    latencies: tuple[PricedLimit, ...]
    sizes: tuple[Cost, ...]

    @property
    def front(self) -> Cost:
        """What accuracy is traded against: the first latency or, of a budget of sizes alone, the first of those."""
        return self.costs[0]

    @property
    def host(self) -> PricedLimit | None:
        """The limit of this machine, if there is one."""
        return next((one for one in self.latencies if one.limit.place.is_host), None)

    @property
    def elsewhere(self) -> tuple[PricedLimit, ...]:
        """The limits whose places are simulated."""
        return tuple(one for one in self.latencies if not one.limit.place.is_host)

    @property
    def costs(self) -> tuple[Cost, ...]:
        return (*(one.cost for one in self.latencies), *self.sizes)

    def front_factor(self, host_factor: float) -> float:
        """What prices of the front are multiplied by where those of this machine are by a factor."""
        return host_factor if self.host and self.host.cost is self.front else 1.0

    def limits(self) -> Limits:
        """The same for samplers."""
        first, *others = self.costs
        ceilings = [Ceiling(one.name, one.unit, one.most, one.table.of) for one in others]
        return Limits(self.space, first.table.of, first.most, ceilings, first.unit)

    def simulated(self, subnet: Subnet) -> tuple[SimulatedLatency, ...]:
        """A Subnet's latency at every place that is not here."""
        return tuple(one.simulated(subnet) for one in self.elsewhere)

    def describe(self) -> str:
        """`30.00 ms on pixel_4, 1 large, tflite float32, 64 tokens` and so on, as asked for."""
        latencies = [f"{one.latency_ms:.2f} ms{one.limit.asked_energy} on {one.cost.name}" for one in self.latencies]
        return ", ".join([*latencies, *(f"{one.most:,.10g} {one.unit}{'' if one.unit == one.name else f' of {one.name}'}" for one in self.sizes)])


def priced_on_host(limit: LatencyLimit, latency_ms: float, bert_base_ms: float, space: SearchSpace, table: KernelTable, margin: float) -> PricedLimit:
    """The limit of this machine, with the prices of a kernel table."""
    costs = CostTable.of_sums(space, table.price_ms)
    return PricedLimit(limit, latency_ms, bert_base_ms, Cost(limit.place.describe(), "ms", latency_ms * (1 - margin), costs))


def priced_elsewhere(limit: LatencyLimit, latency_ms: float, bert_base_ms: float, space: SearchSpace, margin: str) -> PricedLimit:
    """A limit of a device that is not here, with the simulator's prices; by the margin "upper" the interval's end must be under it."""
    prices = simulated_prices(space, limit.place)
    most_ms = latency_ms / prices.upper if margin == "upper" else latency_ms
    return PricedLimit(limit, latency_ms, bert_base_ms, Cost(limit.place.describe(), "ms", most_ms, prices.table), prices.knowledge)


def memory_limit(most_mb: float, table: PeakTable) -> Cost:
    """The limit of the memory of a compiled model while it runs."""
    return Cost(RUNNING_MEMORY, "MB", most_mb, table)


def size_limits(config: BudgetConfig, space: SearchSpace, bert: BertConfig) -> tuple[Cost, ...]:
    """The limits of parameters, FLOPs and megabytes that are given."""
    asked = (
        ("parameters", "parameters", config.max_params, lambda subnet: count_parameters(subnet, bert.vocabulary)),
        ("FLOPs", "FLOPs", config.max_flops, lambda subnet: count_flops(subnet, bert.vocabulary, config.seq_len)),
        (TFLITE_FILE, "MB", config.max_file_mb, lambda subnet: tflite_bytes(subnet, bert.vocabulary, config.seq_len) / 1e6),
    )
    return tuple(Cost(name, unit, most, CostTable.of_sums(space, cost_of)) for name, unit, most, cost_of in asked if most)
