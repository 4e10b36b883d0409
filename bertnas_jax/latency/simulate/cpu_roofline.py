"""The time of kernels on CPU cores: the largest of arithmetic and each memory level, and overheads.

A product that names no tile runs as XNNPACK does (xnnpack.py). What a kernel's loops draw past a cache comes from the next
level; past the last, activations come from memory only if the caches are too small for them, weights at every run.

Source: S. Williams, A. Waterman, D. Patterson, Roofline, CACM 52(4), 2009; J. Treibig, G. Hager, Introducing a performance model
for bandwidth-limited loop kernels, PPAM 2009 (a time for each level).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from bertnas_jax.latency.devices import DOT_FACTOR
from bertnas_jax.latency.simulate.constants import CpuConstants, Deviation
from bertnas_jax.latency.simulate.machine import CpuMachine
from bertnas_jax.latency.simulate.work import COUNTED_KINDS, ELEMENT_KINDS, WorkBatch
from bertnas_jax.latency.simulate.xnnpack import TILE_ROWS

REFERENCE_WIDTH = 4  # instructions a cycle of the core whose cycles CpuConstants counts in
_OVERLAP = 4  # the largest of several, rounded: near the ridge neither hides the other
LIMITS = ("arithmetic", "elements", "l2", "l3", "memory", "packing", "overhead", "background")


@dataclasses.dataclass(frozen=True)
class CpuPrice:
    """Microseconds of each kernel, in all and by what they go to."""

    total_us: Float[np.ndarray, " e"]
    arithmetic_us: Float[np.ndarray, " e"]
    elements_us: Float[np.ndarray, " e"]
    l2_us: Float[np.ndarray, " e"]
    l3_us: Float[np.ndarray, " e"]
    memory_us: Float[np.ndarray, " e"]
    packing_us: Float[np.ndarray, " e"]
    overhead_us: Float[np.ndarray, " e"]
    background_us: Float[np.ndarray, " e"]

    def limits(self) -> list[str]:
        """What each kernel's time mostly goes to."""
        parts = np.stack([getattr(self, f"{limit}_us") for limit in LIMITS])
        return [LIMITS[i] for i in parts.argmax(0)]


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Bytes that each kernel draws from L2, from L3 (0 where there is none) and from memory: no constant changes them, and a fit finds them once."""

    l2: Float[np.ndarray, " e"]
    l3: Float[np.ndarray, " e"]
    memory: Float[np.ndarray, " e"]

    @classmethod
    def of(cls, work: WorkBatch, machine: CpuMachine) -> Drawn:
        """Past a core's L1, past its L2, and past all; of activations that the caches hold, nothing from memory: the kernel before has just written them."""
        l1, l2 = machine.l1_bytes[:, 0], np.maximum(machine.l1_bytes, machine.l2_bytes)[:, 0]
        held = machine.l2_bytes[:, 0] + machine.l3_bytes + machine.slc_bytes
        activations = np.maximum(work.drawn_bytes[:, -1] - work.weight_bytes, 0.0)
        memory = work.drawn_past(held) - np.where(activations <= held, activations, 0.0)
        return cls(work.drawn_past(l1), np.where(machine.l3_bytes > 0, work.drawn_past(l2), 0.0), memory)


def price_cpu(work: WorkBatch, machine: CpuMachine, drawn: Drawn, constants: CpuConstants, deviation: Deviation) -> CpuPrice:
    """The price of each kernel on the machine of the same row, or on the only one (hence `#e` in what follows).

    Fields of `constants` are numbers, those of `deviation` numbers or arrays like the machine's.
    """
    team = _Team.of(work, machine)
    share = _share_lost(constants, deviation, machine)
    arithmetic_us = _arithmetic_us(work, machine, constants, deviation, team, share)
    elements_us = _elements_us(work, machine, constants, deviation, team, share)
    dram = machine.dram_gb_s * np.minimum(1.0, constants.dram_share * np.exp(_main(deviation.dram)))
    peak_gflops = (machine.clock_ghz * machine.float32_per_cycle * team.used).sum(1)  # each core at work draws its part from its own caches
    l2_us = drawn.l2 / (constants.l2_bytes_per_flop * peak_gflops) / 1e3
    l3_us = drawn.l3 / (constants.l3_bytes_per_flop * peak_gflops) / 1e3
    memory_us = drawn.memory / dram / 1e3
    packing_us = _packing_us(work, machine, constants, deviation, team, dram)
    overhead_us = _overhead_us(work, machine, constants, deviation, team)
    busy_us = _largest(arithmetic_us + elements_us, l2_us, l3_us, memory_us) + packing_us + overhead_us
    background_us = busy_us * np.where(machine.fills_slowest, constants.background_share, 0.0)
    parts = (arithmetic_us, elements_us, l2_us, l3_us, memory_us, packing_us, overhead_us)
    return CpuPrice(busy_us + background_us, *(np.broadcast_to(part, busy_us.shape) for part in (*parts, background_us)))


@dataclasses.dataclass(frozen=True)
class _Team:
    """Cores at work by cluster in the mean, the fastest first, and whether each was given as many tasks before any began.

    Source: TVM's TVMBackendParallelLaunch and our threads.c, by which a core gets ceil(tasks / cores) at most, however fast it is.
    """

    used: Float[np.ndarray, "#e s"]
    in_equal_shares: Bool[np.ndarray, " #e"]

    @classmethod
    def of(cls, work: WorkBatch, machine: CpuMachine) -> _Team:
        cores, shared = machine.count.sum(1), work.tasks > 0
        taken = np.where(shared, np.minimum(work.tasks, cores), cores)
        busy = np.where(shared, work.tasks / np.maximum(1.0, np.ceil(work.tasks / cores)) / taken, 1.0)
        before = np.cumsum(machine.count, axis=1) - machine.count
        return cls(np.clip(taken[:, None] - before, 0.0, machine.count) * busy[:, None], shared)

    @property
    def cores(self) -> Float[np.ndarray, " #e"]:
        return self.used.sum(1)

    def together(self, speed: Float[np.ndarray, "#e s"], lost: Float[np.ndarray, " #e"]) -> Float[np.ndarray, " #e"]:
        """The speed of all at work, of which each core after the first loses a share.

        Work goes to whoever is free or, in equal shares, is done when the slowest has done its own.
        """
        slowest = np.where(self.used > 0, speed, np.inf).min(1)
        free = speed[:, 0] + (1.0 - lost) * ((speed * self.used).sum(1) - speed[:, 0])
        return np.where(self.in_equal_shares, slowest * (1.0 + (1.0 - lost) * (self.cores - 1.0)), free)


def _main(value: float | Float[np.ndarray, "#e s"]) -> float | Float[np.ndarray, " #e"]:
    """Of the fastest cluster in use, for what a set of cores has only once."""
    return value if np.ndim(value) == 0 else np.asarray(value)[:, 0]


def _share_lost(constants: CpuConstants, deviation: Deviation, machine: CpuMachine) -> Float[np.ndarray, " #e"]:
    return np.broadcast_to(np.minimum(1.0, constants.sharing_loss * np.exp(_main(deviation.sharing_loss))), machine.count.shape[:1])


def _has_dot(machine: CpuMachine) -> Bool[np.ndarray, "#e s"]:
    # An eighth less: of this machine both rates are measured.
    return machine.int8_per_cycle >= 0.875 * DOT_FACTOR * machine.float32_per_cycle


def _arithmetic_us(work, machine, constants, deviation, team, lost) -> Float[np.ndarray, " #e"]:
    """Products in whole register tiles."""
    int8, int16, dot = work.is_int8[:, None], work.is_int16[:, None], _has_dot(machine)
    efficiency = np.where(machine.out_of_order > 0, constants.efficiency_out_of_order, constants.efficiency_in_order)
    efficiency = efficiency * np.exp(deviation.products)
    narrow = np.where(dot, constants.efficiency_int8_dot, constants.efficiency_int8_widened) * np.exp(deviation.int8_products)
    efficiency = efficiency * np.where(int8 | int16, narrow, 1.0) * np.where(work.batch > 1, constants.efficiency_heads, 1.0)[:, None]
    peak = machine.clock_ghz * np.select([int8, int16], [machine.int8_per_cycle, machine.int16_per_cycle], machine.float32_per_cycle)
    rows, columns = _tile(work, machine)
    tiles = work.batch * np.ceil(work.rows / rows) * np.ceil(work.columns / columns)
    gflops = team.together(peak * np.minimum(1.0, efficiency), lost)
    cycles = constants.tile_cycles * tiles / team.together(machine.clock_ghz, lost)
    return (2.0 * tiles * rows * columns * work.inner * work.passes / gflops + cycles) / 1e3


def _tile(work: WorkBatch, machine: CpuMachine) -> tuple[Float[np.ndarray, " #e"], Float[np.ndarray, " #e"]]:
    """The kernel's own, or XNNPACK's mr and nr: two vectors of columns, four of bytes where there is a dot product."""
    lanes = machine.vector_bits[:, 0] / 32
    columns = lanes * np.where(work.is_int8 & _has_dot(machine)[:, 0], 4, 2)
    return _tile_rows(work), np.where(work.tile_columns > 0, work.tile_columns, columns)


def _tile_rows(work: WorkBatch) -> Float[np.ndarray, " #e"]:
    rows = np.where(work.is_int8, TILE_ROWS["int8"], TILE_ROWS["float32"]).astype(float)
    return np.where(work.tile_rows > 0, work.tile_rows, rows)


def _speed(machine: CpuMachine, constants: CpuConstants, deviation: Deviation) -> Float[np.ndarray, "#e s"]:
    """Reference cycles a nanosecond on a stream of instructions that is not a product's."""
    width = (machine.issue_width / REFERENCE_WIDTH) ** constants.width_exponent
    in_order = np.where(machine.out_of_order > 0, 1.0, constants.in_order_factor)
    return machine.clock_ghz * width / in_order * np.exp(-np.asarray(deviation.scalar_speed))


def _elements_us(work, machine, constants, deviation, team, lost) -> Float[np.ndarray, " #e"]:
    cycles = np.array([0.0, *(getattr(constants, f"cycles_{kind}") for kind in COUNTED_KINDS), 0.0])[work.kind]
    is_plain_float = work.kind == ELEMENT_KINDS.index("plain_float32")
    cycles = cycles * np.where(is_plain_float, np.exp(_main(deviation.plain_float32)), 1.0)
    counted_us = work.elements * cycles / team.together(_speed(machine, constants, deviation), lost) / 1e3
    in_vectors = np.where(work.kind == ELEMENT_KINDS.index("vector"), work.elements, 0.0)
    peak_gflops = machine.clock_ghz * machine.float32_per_cycle
    return counted_us + in_vectors / team.together(peak_gflops * np.minimum(1.0, constants.vector_share), lost) / 1e3


def _packing_us(work, machine, constants, deviation, team, dram) -> Float[np.ndarray, " #e"]:
    streams = (machine.stream_gb_s * np.exp(deviation.stream) * team.used).sum(1)
    gb_s = (streams**-3.0 + dram**-3.0) ** (-1 / 3)  # the smaller of the two, rounded
    touched = constants.pack_touches * work.batch * work.inner * work.columns * work.width
    return np.where(work.packed, touched, 0.0) / gb_s / 1e3


def _overhead_us(work, machine, constants, deviation, team) -> Float[np.ndarray, " #e"]:
    cycles = np.where(work.dispatched, constants.dispatch_cycles + constants.sync_cycles * (np.ceil(team.cores - 1e-9) - 1), 0.0)
    return cycles / _speed(machine, constants, deviation)[:, 0] / 1e3


def _largest(*times_us: Float[np.ndarray, " #e"]) -> Float[np.ndarray, " #e"]:
    return sum(np.asarray(time_us) ** _OVERLAP for time_us in times_us) ** (1 / _OVERLAP)
