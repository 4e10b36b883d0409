"""The free parameters of the CPU's roofline from measured latencies of whole models."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from bertnas_jax.latency.simulate.constants import CpuConstants, Deviation
from bertnas_jax.latency.simulate.cpu_roofline import Drawn, price_cpu
from bertnas_jax.latency.simulate.fitting import Keyed, Kinds, fit_table
from bertnas_jax.latency.simulate.machine import cpu_machine
from bertnas_jax.latency.simulate.phone_rows import PhoneRow
from bertnas_jax.latency.simulate.work import KernelWork, WorkBatch

LOG_NOISE = 0.03  # assumed: two phones of one type differ by about as much

CoreKey = tuple[str, str]  # device, core type


@dataclasses.dataclass(frozen=True)
class CpuFit:
    """Shared constants, and the deviations of the core types that were measured."""

    constants: CpuConstants
    deviations: Mapping[CoreKey, Deviation]

    def deviation(self, device: str, core: str) -> Deviation:
        """That of a core type of a device; none at all where it was never measured."""
        return self.deviations.get((device, core), Deviation())


class PhoneTable:
    """Rows laid out for pricing: all their kernels at once."""

    def __init__(self, rows: Sequence[PhoneRow]):
        self.rows = tuple(rows)
        merged = [Counter[KernelWork]() for _ in rows]
        for counts, row in zip(merged, rows, strict=True):
            for kernel, times in row.kernels:
                counts[kernel] += times
        kernels = [(i, kernel, times) for i, counts in enumerate(merged) for kernel, times in counts.items()]
        self._row = np.array([i for i, _, _ in kernels])
        self._times = np.array([times for _, _, times in kernels], float)
        self._work = WorkBatch.of([kernel for _, kernel, _ in kernels])
        machine = cpu_machine([row.cores for row in rows])
        self._machine = machine.rows(self._row)
        self._drawn = Drawn.of(self._work, self._machine)
        self.keys = sorted({(row.device, cluster.core) for row in rows for _, cluster in row.cores.parts})
        self._slots = np.array([[self._key(row, slot) for slot in range(machine.count.shape[1])] for row in rows])
        self._slots_of_kernels = self._slots[self._row]

    def latency_ms(self, fit: CpuFit) -> Float[np.ndarray, " r"]:
        """The price of each row."""
        own = np.array([dataclasses.astuple(fit.deviation(*key)) for key in self.keys])
        price = price_cpu(self._work, self._machine, self._drawn, fit.constants, Deviation(*own.T[:, self._slots_of_kernels]))
        return np.bincount(self._row, price.total_us * self._times, len(self.rows)) / 1e3

    def moved_by(self) -> Bool[np.ndarray, "k r"]:
        """Which rows a core type's deviation moves, in the order of `keys`."""
        return (self._slots == np.arange(len(self.keys))[:, None, None]).any(-1)

    def measured_ms(self) -> Float[np.ndarray, " r"]:
        return np.array([row.latency_ms for row in self.rows])

    def _key(self, row: PhoneRow, slot: int) -> int:
        """Which core type is in this slot; in an empty one the fastest, whose count there is 0."""
        parts = row.cores.parts
        return self.keys.index((row.device, parts[slot if slot < len(parts) else 0][1].core))


def calibrate(rows: Sequence[PhoneRow], constants: type[CpuConstants] = CpuConstants) -> CpuFit:
    """The constants of this kind and the deviations that fit the rows best.

    Raises:
      ValueError: there is no row.
    """
    table = PhoneTable(rows)
    kinds, keyed = Kinds(CpuFit, constants, Deviation), Keyed(table.keys, table.moved_by())
    return fit_table(kinds, keyed, table.latency_ms, table.measured_ms(), LOG_NOISE)
